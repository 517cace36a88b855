import { describe, expect, it } from "vitest";
import { feedback, gramOf, quadratic } from "../reference/feedback.js";
import { builds, Guarded, normals, uniform } from "../support/kernels.js";

const sides = [1, 2, 3, 4, 5, 8, 9, 16, 17];
const pricesOf = (tables: number) =>
  Float64Array.from(
    { length: 256 * tables },
    (_, i) => 1 + Math.log2(1 + Math.abs((i % 256) - 128)) * (1 + Math.floor(i / 256)),
  );
const prices = pricesOf(1);

for (const { name, kernels } of builds()) {
  describe(`feedback, ${name}`, () => {
    it.each(sides)("the factor of the inverse of [%i, %i]", (n) => {
      const h = gramOf(n, uniform(n));
      const memory = new Guarded(kernels);
      const at = memory.place(h);
      expect(kernels.inverse_factor_f64(n, at)).toBe(1);
      memory.check();
      const u = memory.read(Float64Array, at, n * n);
      // U H U^T is the unit matrix.
      for (let i = 0; i < n; i++) {
        for (let j = 0; j < n; j++) {
          let sum = 0;
          for (let k = i; k < n; k++) for (let l = j; l < n; l++) sum += u[i * n + k] * h[k * n + l] * u[j * n + l];
          expect(Math.abs(sum - (i === j ? 1 : 0))).toBeLessThan(1e-9);
        }
      }
    });

    it.each([
      [[0], 1],
      [[Number.NaN], 1],
      [[1, 2, 2, 1], 2],
      [[-1], 1],
    ] as [number[], number][])("no factor of %j", (h, n) => {
      const memory = new Guarded(kernels);
      expect(kernels.inverse_factor_f64(n, memory.place(Float64Array.from(h)))).toBe(0);
      memory.check();
    });

    it.each(sides)("rounds rows of %i as the definition says, with and without a price", (cols) => {
      const rows = 3;
      const h = gramOf(cols, uniform(cols + 50));
      const w = Float64Array.from(normals(rows * cols, cols));
      const step = Float32Array.of(0.3, 1, 0.05);
      for (const [lambda, levels, tables] of [
        [0, 127, 1],
        [0, 32767, 1],
        [0.02, 127, 1],
        [0, 3, 1],
        [0.3, 7, 1],
        [0.1, 7, 3],
      ]) {
        const prices = pricesOf(tables);
        const memory = new Guarded(kernels);
        const u = memory.place(h);
        kernels.inverse_factor_f64(cols, u);
        const [pw, ps, pp] = [memory.place(w), memory.place(step), memory.place(new Float64Array(rows).fill(lambda))];
        const [bits, error, q] = [memory.place(prices), memory.room(8 * rows), memory.room(2 * rows * cols)];
        kernels.quantize_feedback_f64(rows, cols, pw, u, ps, pp, tables, bits, levels, q, error);
        memory.check();
        const codes = memory.read(Int16Array, q, rows * cols);
        const errors = memory.read(Float64Array, error, rows);
        for (let r = 0; r < rows; r++) {
          const want = feedback(w.subarray(r * cols, (r + 1) * cols), h, step[r], lambda, prices, levels);
          expect([...codes.subarray(r * cols, (r + 1) * cols)]).toEqual(want.q.map((value) => value || 0));
          expect(Math.abs(errors[r] - want.error)).toBeLessThanOrEqual(1e-8 * want.error + 1e-12);
        }
      }
    });

    it("makes the outputs better than plain rounding does", () => {
      const [rows, cols] = [8, 32];
      const h = gramOf(cols, uniform(5));
      const w = Float64Array.from(normals(rows * cols, 6));
      const memory = new Guarded(kernels);
      const u = memory.place(h);
      kernels.inverse_factor_f64(cols, u);
      const [pw, ps] = [memory.place(w), memory.place(new Float32Array(rows).fill(0.5))];
      const [lambda, bits] = [memory.place(new Float64Array(rows)), memory.place(prices)];
      const [q, error] = [memory.room(2 * rows * cols), memory.room(8 * rows)];
      kernels.quantize_feedback_f64(rows, cols, pw, u, ps, lambda, 1, bits, 127, q, error);
      const total = memory.read(Float64Array, error, rows).reduce((sum, value) => sum + value, 0);
      let plain = 0;
      for (let r = 0; r < rows; r++) {
        plain += quadratic(
          w.subarray(r * cols, (r + 1) * cols).map((value) => value - Math.round(value / 0.5) * 0.5),
          h,
        );
      }
      expect(total).toBeLessThan(0.8 * plain);
    });

    it.each(sides)("the error of rows of %i", (cols) => {
      const rows = 3;
      const h = gramOf(cols, uniform(cols + 9));
      const e = Float64Array.from(normals(rows * cols, cols, 0.3));
      const memory = new Guarded(kernels);
      const [pe, ph, error] = [memory.place(e), memory.place(h), memory.room(8 * rows)];
      kernels.quadratic_rows_f64(rows, cols, pe, ph, error);
      memory.check();
      for (const [r, value] of memory.read(Float64Array, error, rows).entries()) {
        const want = quadratic(e.subarray(r * cols, (r + 1) * cols), h);
        expect(Math.abs(value - want)).toBeLessThanOrEqual(1e-12 * Math.abs(want));
      }
    });
  });
}
