import { describe, expect, test } from "vitest";
import { expectSame } from "../support/compare.js";
import { builds, Guarded, normals, sizes } from "../support/kernels.js";

const rows = 3;
const epsilon = Math.fround(1e-5);

/** One row: normalized values, 1 / sqrt(var + epsilon), and A = max |x| / sqrt(var + epsilon). */
function normalize(x: ArrayLike<number>) {
  const values = Array.from(x);
  const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
  const variance = values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length;
  const by = 1 / Math.sqrt(variance + epsilon);
  return { h: values.map((v) => (v - mean) * by), by, reach: by * Math.max(...values.map(Math.abs)) };
}

/** Gradients of sum(dY y) for one row. */
function gradients(x: ArrayLike<number>, gamma: ArrayLike<number>, dy: ArrayLike<number>) {
  const { h, by } = normalize(x);
  const g = h.map((_, i) => dy[i] * gamma[i]);
  const mean = g.reduce((sum, v) => sum + v, 0) / h.length;
  const along = g.reduce((sum, v, i) => sum + v * h[i], 0) / h.length;
  return { dx: g.map((v, i) => (v - mean - h[i] * along) * by), dgamma: h.map((v, i) => v * dy[i]) };
}

const bound = (cols: number, reach: number) => (cols / 2 + 16) * 2 ** -24 * (reach + 1) ** 2;

describe.each(builds())("$name", ({ kernels }) => {
  test.each([0, 1, 30])("layer_norm_f32 follows its definition within its bound, offset %d", (offset) => {
    for (const cols of sizes) {
      const x = normals(rows * cols, cols).map((v) => v * 2 + offset);
      const [gamma, beta] = [normals(cols, 1), normals(cols, 2)];
      const memory = new Guarded(kernels);
      const [pg, pb, y, plain] = [
        memory.place(gamma),
        memory.place(beta),
        ...[0, 1].map(() => memory.room(4 * x.length)),
      ];
      const px = memory.placeFlush(x);
      kernels.layer_norm_f32(rows, cols, px, pg, pb, y, epsilon);
      kernels.layer_norm_f32(rows, cols, px, pg, 0, plain, epsilon);
      kernels.layer_norm_f32(rows, cols, px, pg, pb, px, epsilon);
      memory.check();
      const got = memory.read(Float32Array, y, x.length);
      expectSame(memory.read(Float32Array, px, x.length), got);
      const bare = memory.read(Float32Array, plain, x.length);
      for (let i = 0; i < x.length; i++) {
        const r = Math.floor(i / cols);
        const { h, reach } = normalize(x.subarray(r * cols, (r + 1) * cols));
        const c = i % cols;
        const limit = Math.abs(gamma[c]) * bound(cols, reach);
        expect(Math.abs(bare[i] - h[c] * gamma[c])).toBeLessThanOrEqual(limit + 1e-40);
        const want = h[c] * gamma[c] + beta[c];
        expect(Math.abs(got[i] - want)).toBeLessThanOrEqual(limit + 2 ** -23 * (Math.abs(want) + Math.abs(beta[c])));
      }
    }
  });

  test("a row has the same bits alone and among others; a row of one value is beta; NaN and infinities stay in their row", () => {
    const cols = 11;
    const x = normals(5 * cols, 1);
    x.fill(7, cols, 2 * cols);
    x[2 * cols + 3] = NaN;
    x[3 * cols + 10] = Infinity;
    const [gamma, beta] = [normals(cols, 1), normals(cols, 2)];
    const memory = new Guarded(kernels);
    const [px, pg, pb] = [x, gamma, beta].map((part) => memory.place(part));
    const [together, alone] = [memory.room(4 * x.length), memory.room(4 * x.length)];
    kernels.layer_norm_f32(5, cols, px, pg, pb, together, epsilon);
    for (let r = 0; r < 5; r++) {
      kernels.layer_norm_f32(1, cols, px + 4 * r * cols, pg, pb, alone + 4 * r * cols, epsilon);
    }
    const got = memory.read(Float32Array, together, x.length);
    expectSame(memory.read(Float32Array, alone, x.length), got);
    expectSame(got.subarray(cols, 2 * cols), beta);
    expect(Array.from(got, (v) => Number.isNaN(v))).toEqual(Array.from(got, (_, i) => i >= 2 * cols && i < 4 * cols));
  });

  test("layer_norm_grad_f32 adds the gradients of x, gamma and beta, or some of them", () => {
    for (const cols of sizes) {
      const [x, dy, start] = [normals(rows * cols, 3), normals(rows * cols, 4), normals(rows * cols, 5)];
      const [gamma, sg, sb] = [normals(cols, 6), normals(cols, 7), normals(cols, 8)];
      const memory = new Guarded(kernels);
      const [px, pg, dx, dg, db] = [x, gamma, start, sg, sb].map((part) => memory.place(part));
      const [dx2, dg2, db2] = [start, sg, sb].map((part) => memory.place(part));
      const pdy = memory.placeFlush(dy);
      kernels.layer_norm_grad_f32(rows, cols, px, pg, pdy, dx, dg, db, epsilon);
      kernels.layer_norm_grad_f32(rows, cols, px, pg, pdy, dx2, 0, 0, epsilon);
      kernels.layer_norm_grad_f32(rows, cols, px, pg, pdy, 0, dg2, 0, epsilon);
      kernels.layer_norm_grad_f32(rows, cols, px, pg, pdy, 0, 0, db2, epsilon);
      memory.check();
      const got = memory.read(Float32Array, dx, x.length);
      expectSame(memory.read(Float32Array, dx2, x.length), got);
      const [gotGamma, gotBeta] = [dg, db].map((at) => memory.read(Float32Array, at, cols));
      expectSame(memory.read(Float32Array, dg2, cols), gotGamma);
      expectSame(memory.read(Float32Array, db2, cols), gotBeta);
      const wantGamma = Array.from(sg);
      let most = 1;
      for (let r = 0; r < rows && cols > 0; r++) {
        const row = [r * cols, (r + 1) * cols] as const;
        const given = [x.subarray(...row), gamma, dy.subarray(...row)] as const;
        const { by, reach } = normalize(given[0]);
        const { dx: want, dgamma } = gradients(...given);
        const size = by * Math.max(...given[2].map(Math.abs)) * Math.max(...gamma.map(Math.abs)) * (reach + 1);
        most = Math.max(most, reach);
        for (let c = 0; c < cols; c++) {
          const limit = 4 * size * bound(cols, reach) + 2 ** -23 * (Math.abs(want[c]) + Math.abs(start[row[0] + c]));
          const to = start[row[0] + c] + want[c];
          expect(Math.abs(got[row[0] + c] - to), `${cols}`).toBeLessThanOrEqual(limit);
          wantGamma[c] += dgamma[c];
        }
      }
      for (let c = 0; c < cols; c++) {
        expect(Math.abs(gotGamma[c] - wantGamma[c])).toBeLessThanOrEqual(40 * bound(cols, most));
        const sum = sb[c] + dy[c] + dy[cols + c] + dy[2 * cols + c];
        expect(Math.abs(gotBeta[c] - sum)).toBeLessThanOrEqual(2 ** -21 * 10);
      }
    }
  });
});

test("the twin's gradient agrees with finite differences", () => {
  const [x, gamma, dy] = [normals(7, 1), normals(7, 2), normals(7, 3)].map((part) => Float64Array.from(part));
  const { dx } = gradients(x, gamma, dy);
  for (let i = 0; i < x.length; i++) {
    const step = 1e-6;
    const at = (shift: number) =>
      normalize(x.map((v, j) => (j === i ? v + shift : v))).h.reduce((sum, h, j) => sum + h * gamma[j] * dy[j], 0);
    expect(Math.abs((at(step) - at(-step)) / (2 * step) - dx[i])).toBeLessThan(1e-7);
  }
});
