import { describe, expect, it } from "vitest";
import { absmaxRows, dequantizeRows, quantizeRows, roundRows, roundRowsGrad } from "../reference/compress.js";
import { type Build, builds, Guarded, normals, sizes } from "../support/kernels.js";

const bitsOf = (x: Float32Array) => new Uint32Array(x.buffer, x.byteOffset, x.length);

/** Scales that make the largest magnitude of each row `levels`, 1 for a row of zeros. */
function scales(rows: number, cols: number, x: Float32Array, levels: number): Float32Array {
  return absmaxRows(rows, cols, x).map((top) => (top > 0 ? top / levels : 1));
}

/** `shift` moves the int8 buffer off its alignment. */
function quantize(
  build: Build,
  rows: number,
  cols: number,
  x: Float32Array,
  scale: Float32Array,
  levels: number,
  shift = 0,
) {
  const guarded = new Guarded(build.kernels);
  const s = guarded.place(scale);
  const q = guarded.room(rows * cols + shift) + shift;
  build.kernels.quantize_rows_f32_i8(rows, cols, guarded.placeFlush(x), s, q, levels);
  guarded.check();
  return guarded.read(Int8Array, q, rows * cols);
}

function round(build: Build, rows: number, cols: number, x: Float32Array, scale: Float32Array, levels: number) {
  const guarded = new Guarded(build.kernels);
  const s = guarded.place(scale);
  const y = guarded.room(4 * rows * cols);
  const source = guarded.placeFlush(x);
  build.kernels.round_rows_f32(rows, cols, source, s, y, levels);
  build.kernels.round_rows_f32(rows, cols, source, s, source, levels);
  guarded.check();
  const out = guarded.read(Float32Array, y, rows * cols);
  expect(bitsOf(guarded.read(Float32Array, source, rows * cols)), "in place").toEqual(bitsOf(out));
  return out;
}

function roundGrad(
  build: Build,
  rows: number,
  cols: number,
  given: { x: Float32Array; mask?: Uint8Array; scale: Float32Array; g: Float32Array; levels: number; factor: number },
) {
  const guarded = new Guarded(build.kernels);
  const { x, mask, scale, g, levels, factor } = given;
  const [source, s, out] = [guarded.place(x), guarded.place(scale), guarded.room(4 * rows)];
  const kept = mask ? guarded.place(mask) : 0;
  build.kernels.round_rows_grad_f32(rows, cols, source, kept, s, guarded.placeFlush(g), levels, factor, out);
  guarded.check();
  return guarded.read(Float32Array, out, rows);
}

function dequantize(build: Build, rows: number, cols: number, q: Int8Array, scale: Float32Array) {
  const guarded = new Guarded(build.kernels);
  const s = guarded.place(scale);
  const y = guarded.room(4 * rows * cols);
  build.kernels.dequantize_rows_i8(rows, cols, guarded.placeFlush(q), s, y);
  guarded.check();
  return guarded.read(Float32Array, y, rows * cols);
}

function absmax(build: Build, rows: number, cols: number, x: Float32Array) {
  const guarded = new Guarded(build.kernels);
  const y = guarded.room(4 * rows);
  build.kernels.absmax_rows_f32(rows, cols, guarded.placeFlush(x), y);
  guarded.check();
  return guarded.read(Float32Array, y, rows);
}

for (const build of builds()) {
  describe(`int8, ${build.name}`, () => {
    it("equals its twins bit for bit, over sizes, sparsities and levels", () => {
      for (const rows of [0, 1, 3]) {
        for (const cols of sizes) {
          for (const sparsity of [0, 0.5, 0.9, 1]) {
            const x = normals(rows * cols, cols + 7 * rows, sparsity);
            const where = `${rows} x ${cols}, sparsity ${sparsity}`;
            expect(absmax(build, rows, cols, x), where).toEqual(absmaxRows(rows, cols, x));
            for (const levels of [1, 7, 127]) {
              const scale = scales(rows, cols, x, levels);
              const q = quantize(build, rows, cols, x, scale, levels, levels & 3);
              expect(q, where).toEqual(quantizeRows(rows, cols, x, scale, levels));
              const y = dequantize(build, rows, cols, q, scale);
              expect(bitsOf(y), where).toEqual(bitsOf(dequantizeRows(rows, cols, q, scale)));
              const rounded = round(build, rows, cols, x, scale, levels);
              expect(bitsOf(rounded), where).toEqual(bitsOf(roundRows(rows, cols, x, scale, levels)));
              expect(bitsOf(rounded), `${where}: round is quantize and dequantize`).toEqual(bitsOf(y));
            }
          }
        }
      }
    });

    it("rounds half to even, then saturates", () => {
      const x = Float32Array.of(
        0.5,
        1.5,
        2.5,
        -0.5,
        -1.5,
        -2.5,
        3.49,
        -126.5,
        126.5,
        127.5,
        -127.5,
        -128,
        1e9,
        -1e30,
        0.25,
      );
      const want = Int8Array.of(0, 2, 2, 0, -2, -2, 3, -126, 126, 127, -127, -127, 127, -127, 0);
      expect(quantize(build, 1, x.length, x, Float32Array.of(1), 127)).toEqual(want);
      // The same through the vector path, and with a scale that is no power of two.
      const wide = Float32Array.from({ length: 64 }, (_, i) => Math.fround((i - 31.5) * 3));
      const codes = Int8Array.from(wide, (_, i) => 2 * Math.round((i - 31.5) / 2));
      expect(quantize(build, 1, 64, wide, Float32Array.of(3), 127)).toEqual(codes);
      expect(quantize(build, 1, 3, Float32Array.of(8, 7.4, -9), Float32Array.of(1), 7)).toEqual(Int8Array.of(7, 7, -7));
    });

    it("saturates to both ends of the levels, in whole vectors and after them", () => {
      const x = Float32Array.from(
        { length: 23 },
        (_, i) => (i % 2 === 0 ? -1 : 1) * [128, 127.5, 200, 40000, 1e30][i % 5],
      );
      for (const levels of [127, 100, 7, 1]) {
        const want = Int8Array.from(x, (value) => Math.sign(value) * levels);
        expect(quantize(build, 1, x.length, x, Float32Array.of(1), levels)).toEqual(want);
        expect(round(build, 1, x.length, x, Float32Array.of(1), levels)).toEqual(Float32Array.from(want));
      }
    });

    it("divides, where a product with the reciprocal would fall on the other side", () => {
      let differ = 0;
      const x = new Float32Array(4096);
      const scale = Float32Array.of(0.0123);
      for (let i = 0; i < x.length; i++) x[i] = Math.fround(((i % 120) + 0.5) * scale[0]) + ((i >> 7) - 16) * 2e-9;
      const inverse = Math.fround(1 / scale[0]);
      const q = quantize(build, 1, x.length, x, scale, 127);
      expect(q).toEqual(quantizeRows(1, x.length, x, scale, 127));
      for (const [i, value] of x.entries()) {
        const product = Math.fround(value * inverse);
        if (Math.round(product) !== q[i] && Math.abs(product % 1) !== 0.5) differ++;
      }
      expect(differ).toBeGreaterThan(0);
    });

    it("gives a row of zeros zeros, and keeps denormals", () => {
      const x = Float32Array.of(0, -0, 0, 0, 0, 1e-45, -3e-45, 7e-45, 0, -1e-45);
      const scale = Float32Array.of(1, 1.401298464324817e-45);
      const q = quantize(build, 2, 5, x, scale, 127);
      expect(q).toEqual(Int8Array.of(0, 0, 0, 0, 0, 1, -2, 5, 0, -1));
      expect(bitsOf(dequantize(build, 2, 5, q, scale))).toEqual(bitsOf(round(build, 2, 5, x, scale, 127)));
      expect(bitsOf(round(build, 2, 5, x, scale, 127)).slice(0, 5)).toEqual(new Uint32Array(5));
    });

    it("takes NaN for 0 and saturates infinities; rounding keeps a NaN", () => {
      for (const cols of [3, 18]) {
        const x = normals(cols, 1);
        x.set([Number.NaN, Infinity, -Infinity], cols - 3);
        const scale = Float32Array.of(0.1);
        expect(quantize(build, 1, cols, x, scale, 100).slice(-3)).toEqual(Int8Array.of(0, 100, -100));
        const y = round(build, 1, cols, x, scale, 100);
        expect(y[cols - 3]).toBeNaN();
        expect(y[cols - 1]).toBe(-y[cols - 2]);
      }
    });

    it("finds the largest magnitude: NaN is the result, infinity below it, 0 for no element", () => {
      for (const cols of [1, 5, 16, 40]) {
        for (const at of [0, cols - 1]) {
          const x = normals(2 * cols, cols);
          x[at] = Number.NaN;
          x[cols + at] = -Infinity;
          const y = absmax(build, 2, cols, x);
          expect(y[0]).toBeNaN();
          expect(y[1]).toBe(Infinity);
        }
      }
      expect(absmax(build, 2, 0, new Float32Array(0))).toEqual(new Float32Array(2));
    });

    it("gives the gradient of the scales as its twin does, of those that a mask keeps", () => {
      for (const rows of [0, 1, 3]) {
        for (const cols of sizes) {
          const [x, g] = [normals(rows * cols, cols + rows), normals(rows * cols, cols + rows + 1)];
          const bits = Uint8Array.from({ length: (rows * cols + 7) >> 3 }, (_, i) => (i * 73 + 29) & 255);
          for (const [levels, size] of [
            [1, 0.8],
            [7, 0.3],
            [127, 0.01],
          ]) {
            const scale = Float32Array.from({ length: rows }, (_, r) => size * (1 + r));
            for (const mask of [undefined, bits]) {
              const got = roundGrad(build, rows, cols, { x, mask, scale, g, levels, factor: 0.5 });
              const want = roundRowsGrad(rows, cols, x, mask, scale, g, levels);
              for (const [r, value] of got.entries()) {
                expect(Math.abs(value - want[r] / 2)).toBeLessThanOrEqual(1e-6 * (1 + Math.abs(want[r])));
              }
            }
          }
        }
      }
    });
  });
}

describe("the twin of the scales' gradient", () => {
  // Where everything is clamped, and where x moves with the scale, rounding has a slope of its own.
  it("agrees with finite differences where the values are clamped", () => {
    const [x, g] = [normals(40, 1).map((value) => (value < 0 ? value - 5 : value + 5)), normals(40, 2)];
    const at = (scale: number) =>
      roundRows(1, 40, x, Float32Array.of(scale), 3).reduce((sum, y, i) => sum + y * g[i], 0);
    const [slope] = roundRowsGrad(1, 40, x, undefined, Float32Array.of(0.5), g, 3);
    expect((at(0.625) - at(0.375)) / 0.25).toBeCloseTo(slope, 4);
  });
});
