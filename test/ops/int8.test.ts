import { describe, expect, test } from "vitest";
import type { FullKernels } from "../../src/kernels/abi.js";
import { integerProducts } from "../cases/int8.js";
import { dequantized, integerProduct, quantizedRows, requantized } from "../reference/int8.js";
import { expectSame, salted } from "../support/compare.js";
import { type Build, builds, Guarded, normals, sizes, uniform } from "../support/kernels.js";

interface Operands {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly a: Int8Array | Uint8Array;
  /** The columns of B. */
  readonly b: Int8Array;
  readonly zero: number;
}

/** Whole range of both sides, -128 too; each seed has its own sign and zero point. */
function operands(m: number, n: number, k: number, seed: number): Operands {
  const next = uniform(seed);
  const a = Uint8Array.from({ length: m * k }, () => next() * 256);
  const b = Int8Array.from({ length: n * k }, () => next() * 256);
  const unsigned = seed % 2 === 1;
  const zero = [0, 3, -128, 255, 127, 128][seed % 6];
  return { m, n, k, a: unsigned ? a : new Int8Array(a.buffer), b, zero };
}

function turned(rows: number, cols: number, x: Int8Array): Int8Array {
  return x.map((_, i) => x[(i % rows) * cols + Math.floor(i / rows)]);
}

/** Packs B from one of its layouts: its columns contiguous, its rows contiguous, or every third byte. */
function pack(kernels: FullKernels, memory: Guarded, { n, k, b }: Operands, layout: number): number {
  const panels = memory.room(kernels.gemm_panels_i8_bytes(k, n));
  if (layout === 0) kernels.gemm_pack_i8(k, n, 1, k, memory.place(b), panels);
  else if (layout === 1) kernels.gemm_pack_i8(k, n, n, 1, memory.place(turned(n, k, b)), panels);
  else {
    const wide = new Int8Array(Math.max(0, 3 * b.length - 2)).fill(77);
    for (const [i, value] of b.entries()) wide[3 * i] = value;
    kernels.gemm_pack_i8(k, n, 3, 3 * k, memory.place(wide), panels);
  }
  return panels;
}

/** The product by one of the kernels, its operands packed before; A or the last operand ends where memory ends. */
type Finish = (kernels: FullKernels, memory: Guarded, given: Operands, panels: number, scratch: number) => () => void;

function run(build: Build, given: Operands, layout: number, finish: Finish): void {
  const { kernels } = build;
  const memory = new Guarded(kernels);
  const panels = pack(kernels, memory, given, layout);
  const scratch = memory.room(kernels.gemm_scratch_i8_bytes(given.m, given.k));
  const check = finish(kernels, memory, given, panels, scratch);
  memory.check();
  check();
}

const flag = (a: Int8Array | Uint8Array) => (a instanceof Uint8Array ? 1 : 0);

const sums: Finish = (kernels, memory, { m, n, k, a, b, zero }, panels, scratch) => {
  const c = memory.room(4 * m * n);
  kernels.gemm_i8(m, n, k, memory.placeFlush(a), panels, c, scratch, zero, flag(a));
  return () => expect(memory.read(Int32Array, c, m * n)).toEqual(integerProduct(m, n, k, a, b, zero));
};

for (const build of builds()) {
  const { kernels } = build;

  describe(`integer products, ${build.name}`, () => {
    test("are exact, for every shape, layout, sign and zero point", () => {
      for (const [seed, [m, n, k]] of integerProducts.entries()) run(build, operands(m, n, k, seed), seed % 3, sums);
    });

    test("do not overflow at the largest values and the longest sum", () => {
      const [m, n, k] = [2, 1, 65536];
      for (const [value, zero] of [
        [255, 0],
        [0, 255],
      ]) {
        const a = new Uint8Array(m * k).fill(value);
        for (const weight of [-128, 127]) {
          const given = { m, n, k, a, b: new Int8Array(n * k).fill(weight), zero };
          run(build, given, 0, sums);
          run(build, { ...given, m: 1, a: a.subarray(0, k) }, 0, sums);
        }
      }
    });

    test("are taken modulo 2^32 where a sum is longer", () => {
      const k = 70001;
      const given = { m: 2, n: 1, k, a: new Uint8Array(2 * k).fill(255), b: new Int8Array(k).fill(-128), zero: 0 };
      run(build, given, 0, sums);
      expect(integerProduct(1, 1, k, given.a, given.b)[0]).toBe((-255 * 128 * k) | 0);
      expect(-255 * 128 * k).toBeLessThan(-(2 ** 31));
    });

    test("dequantize: scales of rows and columns and a bias, each step rounded to f32", () => {
      for (const [seed, [m, n, k]] of integerProducts.entries()) {
        run(build, operands(m, n, k, seed), seed % 3, (_, memory, { a, b, zero }, panels, scratch) => {
          const aScale = normals(m, seed).map(Math.abs);
          const scale = normals(n, seed + 1).map((v) => Math.abs(v) / 100);
          const bias = seed % 2 ? normals(n, seed + 2) : undefined;
          const places = [aScale, scale].map((x) => memory.place(x));
          const [pa, y] = [memory.place(a), memory.room(4 * m * n)];
          const pb = bias ? memory.placeFlush(bias) : 0;
          const [pas, ps] = places;
          kernels.gemm_dequantize_i8(m, n, k, pa, panels, pas, ps, pb, y, scratch, zero, flag(a));
          const wanted = dequantized(n, integerProduct(m, n, k, a, b, zero), aScale, scale, bias);
          return () => expectSame(memory.read(Float32Array, y, m * n), wanted, `${m} x ${n} x ${k}`);
        });
      }
    });

    test("requantize to int8 and uint8: half to even, a scale per channel, a zero point, saturated", () => {
      for (const [seed, [m, n, k]] of integerProducts.entries()) {
        const unsigned = seed % 4 < 2;
        run(build, operands(m, n, k, seed), seed % 3, (_, memory, { a, b, zero }, panels, scratch) => {
          // Powers of two make many halves, and the largest saturate.
          const scale = Float32Array.from({ length: n }, (_, j) => [2 ** -9, 0.0013, 2 ** -13, 1, 3e9][j % 5]);
          const bias = seed % 3 ? Int32Array.from({ length: n }, (_, j) => (j - 2) * 1001) : undefined;
          const yZero = unsigned ? [0, 128, 255][seed % 3] : [0, -128, 127][seed % 3];
          const [pa, pb, y] = [memory.place(a), bias ? memory.place(bias) : 0, memory.room(m * n)];
          const ps = memory.placeFlush(scale);
          const u = unsigned ? 1 : 0;
          kernels.gemm_requantize_i8(m, n, k, pa, panels, ps, pb, y, scratch, zero, flag(a), yZero, u);
          const wanted = requantized(n, integerProduct(m, n, k, a, b, zero), scale, bias, yZero, unsigned);
          return () =>
            expectSame(
              unsigned ? memory.read(Uint8Array, y, m * n) : memory.read(Int8Array, y, m * n),
              wanted,
              `${m} x ${n} x ${k}`,
            );
        });
      }
    });

    test("requantize rounds halves to even, wraps the bias, and takes NaN for the zero point", () => {
      const a = Int8Array.of(1, 3, 5, 7, -1, -3, 127, -128);
      const memory = new Guarded(kernels);
      const panels = memory.room(kernels.gemm_panels_i8_bytes(1, 4));
      kernels.gemm_pack_i8(1, 4, 4, 1, memory.place(Int8Array.of(1, 1, 1, 1)), panels);
      const scratch = memory.room(kernels.gemm_scratch_i8_bytes(8, 1));
      const [scale, bias] = [Float32Array.of(0.5, Number.NaN, 1e30, 1), Int32Array.of(0, 0, 0, 0x7fffffff)];
      const [pa, ps, pb, y] = [memory.place(a), memory.place(scale), memory.place(bias), memory.room(32)];
      kernels.gemm_requantize_i8(8, 4, 1, pa, panels, ps, pb, y, scratch, 0, 0, 5, 0);
      memory.check();
      const got = memory.read(Int8Array, y, 32);
      const column = (j: number) => [...got].filter((_, i) => i % 4 === j);
      expect(column(0)).toEqual([5, 7, 7, 9, 5, 3, 69, -59]);
      expect(column(1)).toEqual(Array(8).fill(5));
      expect(column(2)).toEqual([127, 127, 127, 127, -128, -128, 127, -128]);
      expect(column(3)).toEqual([-128, -128, -128, -128, 127, 127, -128, 127]);
    });

    test("dequantize gives NaN where a scale is NaN, and infinities where it overflows", () => {
      const memory = new Guarded(kernels);
      const panels = memory.room(kernels.gemm_panels_i8_bytes(1, 1));
      kernels.gemm_pack_i8(1, 1, 1, 1, memory.place(Int8Array.of(100)), panels);
      const scratch = memory.room(kernels.gemm_scratch_i8_bytes(5, 1));
      const aScale = Float32Array.of(Number.NaN, Infinity, 3e38, 3e38, 1e-45);
      const [pa, pas] = [memory.place(Int8Array.of(0, 0, 1, -1, 1)), memory.place(aScale)];
      const [ps, y] = [memory.place(Float32Array.of(1)), memory.room(20)];
      kernels.gemm_dequantize_i8(5, 1, 1, pa, panels, pas, ps, 0, y, scratch, 0, 0);
      memory.check();
      const smallest = Math.fround(1e-45);
      expectSame(memory.read(Float32Array, y, 5), [NaN, NaN, Infinity, -Infinity, Math.fround(100 * smallest)]);
    });

    test.runIf(build.name === "debug")("the debug build says which precondition was broken", () => {
      expect(() => kernels.gemm_i8(0, 0, 1, 0, 0, 0, 0, -1, 1)).toThrow(/int8/);
      expect(() => kernels.gemm_requantize_i8(0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 128, 0)).toThrow(/int8/);
    });
  });

  describe(`dynamic quantization, ${build.name}`, () => {
    const quantize = (rows: number, cols: number, x: Float32Array) => {
      const memory = new Guarded(kernels);
      const [scale, q] = [memory.room(4 * rows), memory.room(rows * cols)];
      kernels.quantize_dynamic_i8(rows, cols, memory.placeFlush(x), scale, q);
      memory.check();
      return { q: memory.read(Int8Array, q, rows * cols), scale: memory.read(Float32Array, scale, rows) };
    };

    test("equals its twin over sizes and sparsities", () => {
      for (const rows of [0, 1, 3]) {
        for (const cols of sizes) {
          for (const sparsity of [0, 0.9, 1]) {
            const x = normals(rows * cols, cols + rows, sparsity);
            expect(quantize(rows, cols, x), `${rows} x ${cols}`).toEqual(quantizedRows(rows, cols, x));
          }
        }
      }
    });

    test("a row of zeros has scale 1, one of denormals is exact, one that is not finite is told by its scale", () => {
      const [d, nan] = [2 ** -149, Number.NaN];
      const x = Float32Array.of(0, -0, 0, d, -3 * d, 60 * d, 1, nan, 2, -Infinity, 5, 1e38, 3.4e38, -3.4e38, 0);
      const { q, scale } = quantize(5, 3, x);
      expect(q).toEqual(Int8Array.of(0, 0, 0, 1, -3, 60, 0, 0, 0, 0, 0, 0, 127, -127, 0));
      expectSame(scale, Float32Array.of(1, d, nan, Infinity, Math.fround(3.4e38) / 127));
      expect(quantize(4, 5, salted(normals(20, 3)))).toEqual(quantizedRows(4, 5, salted(normals(20, 3))));
    });
  });
}
