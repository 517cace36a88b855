import { describe, expect, it } from "vitest";
import { type Columns, nearestAtoms, outputError, reround, residual, solved } from "../reference/factor.js";
import { gramOf, nearestWithFeedback } from "../reference/feedback.js";
import { builds, Guarded, normals, uniform } from "../support/kernels.js";

const sides = [1, 2, 3, 4, 5, 8, 9, 16, 17];
const doubles = (size: number, seed: number) => Float64Array.from(normals(size, seed));

function near(got: Float64Array, want: Float64Array, tolerance: number): void {
  const most = want.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  for (const [i, value] of want.entries()) {
    expect(Math.abs(got[i] - value), `at ${i}`).toBeLessThanOrEqual(tolerance * (most + 1e-300));
  }
}

/** C^T C and X^T C for X^T [n, d] and C^T [k, d]. */
function products(x: Float64Array, c: Float64Array, d: number): [Float64Array, Float64Array] {
  const k = c.length / d;
  const times = (rows: Float64Array) =>
    Float64Array.from({ length: (rows.length / d) * k }, (_, i) => {
      const [j, a] = [Math.floor(i / k), i % k];
      let sum = 0;
      for (let l = 0; l < d; l++) sum += rows[j * d + l] * c[a * d + l];
      return sum;
    });
  return [times(c), times(x)];
}

for (const { name, kernels } of builds()) {
  describe(`factor, ${name}`, () => {
    it.each(sides)("solves %i equations for any number of right-hand sides", (n) => {
      const a = gramOf(n, uniform(n));
      for (const count of [1, 2, 5, 8]) {
        const b = doubles(n * count, n + count);
        const memory = new Guarded(kernels);
        const [pa, pb] = [memory.place(a), memory.place(b)];
        kernels.cholesky_solve_f64(n, pa, count, pb);
        memory.check();
        near(memory.read(Float64Array, pb, n * count), solved(a, n, b, count), 1e-9);
      }
    });

    it.each(sides)("least squares on supports among %i atoms", (k) => {
      const [n, d] = [7, k + 3];
      const c = doubles(k * d, k);
      const x = doubles(n * d, k + 1);
      const [gram, match] = products(x, c, d);
      const next = uniform(k + 2);
      // The first row has no support, the last one all of it.
      const z = Float64Array.from({ length: n * k }, (_, i) =>
        i < k ? 0 : i >= (n - 1) * k || next() < 0.5 ? 1 + next() : 0,
      );
      const memory = new Guarded(kernels);
      const [pg, pm, pz] = [memory.place(gram), memory.place(match), memory.place(z)];
      kernels.support_solve_f64(n, k, pg, pm, pz, memory.room(8 * k * k + 12 * k));
      memory.check();
      const got = memory.read(Float64Array, pz, n * k);
      for (let j = 0; j < n; j++) {
        const used = Array.from({ length: k }, (_, a) => a).filter((a) => z[j * k + a] !== 0);
        const normal = Float64Array.from(used.flatMap((a) => used.map((b) => gram[a * k + b])));
        const right = Float64Array.from(used, (a) => match[j * k + a]);
        const best = solved(normal, used.length, right, 1);
        const want = new Float64Array(k);
        for (const [p, a] of used.entries()) want[a] = best[p];
        near(got.slice(j * k, (j + 1) * k), want, 1e-6);
      }
    });

    it("the nearest atom, the first of equals", () => {
      for (const d of [1, 2, 3, 9]) {
        for (const k of [1, 2, 7]) {
          const n = 40;
          const x = doubles(n * d, d);
          const weight = doubles(n * d, d + 1).map((value) => value * value);
          const c = doubles(k * d, k + d);
          // Two alike.
          c.copyWithin((k - 1) * d, 0, d);
          const memory = new Guarded(kernels);
          const [px, pw, pc, index] = [memory.place(x), memory.place(weight), memory.place(c), memory.room(4 * n)];
          kernels.nearest_atoms_f64(n, d, k, px, pw, pc, index);
          memory.check();
          expect([...memory.read(Uint32Array, index, n)]).toEqual(nearestAtoms(x, weight, c, d));
        }
      }
    });

    it.each([
      [1, 1, 1],
      [6, 1, 5],
      [6, 2, 7],
      [9, 3, 4],
      [18, 9, 3],
    ])("the atoms after which later columns can answer best (%i columns, pieces of %i, %i atoms)", (cols, d, k) => {
      const rows = 3;
      const h = gramOf(cols, uniform(cols + d));
      const w = doubles(rows * cols, 7);
      const c = doubles(k * d, 8);
      const memory = new Guarded(kernels);
      const [pw, u, pc] = [memory.place(w), memory.place(h), memory.place(c)];
      kernels.inverse_factor_f64(cols, u);
      const [index, scratch] = [memory.room((4 * rows * cols) / d), memory.room(8 * (d * d + k * d + d))];
      kernels.nearest_feedback_f64(rows, cols, d, k, pw, u, pc, index, scratch);
      memory.check();
      const want = Array.from({ length: rows }, (_, r) =>
        nearestWithFeedback(w.subarray(r * cols, (r + 1) * cols), h, c, d),
      );
      expect([...memory.read(Uint32Array, index, (rows * cols) / d)]).toEqual(want.flat());
    });

    it.each<[number, number, number, boolean, number, number]>([
      // rows, cols, groups, down, d, k
      [1, 1, 1, false, 1, 1],
      [3, 6, 1, false, 3, 2],
      [2, 9, 1, false, 9, 9],
      [4, 6, 2, false, 3, 4],
      [3, 5, 1, false, 4, 3],
      [4, 3, 2, false, 5, 5],
      [3, 2, 3, false, 8, 2],
      [4, 5, 1, true, 4, 3],
      [4, 6, 1, true, 2, 7],
      [5, 4, 1, true, 3, 4],
      [6, 3, 2, true, 3, 2],
      [6, 3, 3, true, 4, 3],
      [3, 1, 1, true, 1, 2],
    ])("coordinate descent on columns (%i x %i, %i groups, down: %s, columns of %i, %i atoms)", (...sizes) => {
      const [rows, cols, groups, down, d, k] = sizes;
      const next = uniform(rows + cols);
      const h = Float64Array.from(Array.from({ length: groups }, () => [...gramOf(cols, next)]).flat());
      const n = down ? Math.ceil(rows / d) * cols : Math.ceil((rows * cols) / d);
      const columns: Columns = {
        ...{ rows, cols, down, d, k },
        w: doubles(rows * cols, 1),
        book: doubles(k * d, 2),
        scale: Float64Array.from({ length: k }, () => 0.05 + 0.2 * next()),
      };
      const support = Uint8Array.from({ length: n * k }, () => (next() < 0.7 ? 1 : 0));
      const first = Int8Array.from(support, (used) => (used ? Math.round(6 * next() - 3) : 0));
      for (const [levels, sweeps] of [
        [127, 1],
        [3, 2],
      ]) {
        const memory = new Guarded(kernels);
        const [e, ph] = [memory.place(residual(columns, first)), memory.place(h)];
        const [book, scale] = [memory.place(columns.book), memory.place(columns.scale)];
        const [mask, q] = [memory.place(support), memory.place(first)];
        const scratch = memory.room(8 * rows * cols + 20 * d);
        kernels.reround_columns_f64(
          ...([
            rows,
            cols,
            groups,
            d,
            n,
            k,
            down ? 1 : 0,
            e,
            ph,
            book,
            scale,
            mask,
            levels,
            sweeps,
            q,
            scratch,
          ] as const),
        );
        memory.check();
        const got = memory.read(Int8Array, q, n * k);
        const want = reround(columns, first, support, h, levels, sweeps);
        expect([...got]).toEqual([...want].map((code) => code || 0));
        expect(outputError(columns, got, h)).toBeLessThanOrEqual(outputError(columns, first, h) * (1 + 1e-12));
      }
    });

    it.each(sides)("coordinate descent on rows of %i atoms", (k) => {
      const [n, d] = [5, Math.max(2, k - 1)];
      const next = uniform(k + 70);
      const [c, x] = [doubles(k * d, k + 3), doubles(n * d, k + 4)];
      const [gram, match] = products(x, c, d);
      const scale = Float64Array.from({ length: k }, () => 0.05 + 0.2 * next());
      const support = Uint8Array.from({ length: n * k }, () => (next() < 0.7 ? 1 : 0));
      const first = Int8Array.from(support, (used) => (used ? Math.round(6 * next() - 3) : 0));
      const eye = Float64Array.from({ length: d * d }, (_, i) => (i % (d + 1) === 0 ? 1 : 0));
      const rows: Columns = { rows: n, cols: d, down: false, d, k, w: x, book: c, scale };
      for (const [levels, sweeps] of [
        [127, 1],
        [3, 2],
      ]) {
        const memory = new Guarded(kernels);
        const [pg, pm, ps] = [memory.place(gram), memory.place(match), memory.place(scale)];
        const [mask, q] = [memory.place(support), memory.place(first)];
        kernels.reround_rows_f64(n, k, pg, pm, ps, mask, levels, sweeps, q);
        memory.check();
        const want = reround(rows, first, support, eye, levels, sweeps);
        expect([...memory.read(Int8Array, q, n * k)]).toEqual([...want].map((code) => code || 0));
      }
    });
  });
}
