import { describe, expect, test } from "vitest";
import { integerProducts } from "../cases/int8.js";
import { allLimits } from "../cases/ops.js";
import { clip, product, roundedProduct } from "../reference/ops.js";
import { expectSame, expectWithin, salted } from "../support/compare.js";
import { type Build, builds, Guarded, normals, uniform } from "../support/kernels.js";

interface Operands {
  readonly a: Float32Array;
  /** The columns of B. */
  readonly b: Int8Array;
  readonly scale: Float32Array;
  readonly bias?: Float32Array;
}

function operands(m: number, n: number, k: number, seed: number, sparsity = 0): Operands {
  const next = uniform(seed);
  return {
    a: normals(m * k, seed, sparsity),
    b: Int8Array.from({ length: n * k }, () => next() * 256),
    scale: normals(n, seed + 1).map((v) => Math.abs(v) / 100),
    bias: seed % 3 ? normals(n, seed + 2) : undefined,
  };
}

/** A W + bias by the kernel; the panels, A or the scales end where memory ends. */
function multiply(
  { kernels }: Build,
  [m, n, k]: readonly [m: number, n: number, k: number],
  given: Operands,
  last: number,
  held = allLimits[0],
): Float32Array {
  const memory = new Guarded(kernels);
  const packed = memory.room(kernels.gemm_panels_i8_bytes(k, n));
  kernels.gemm_pack_i8(k, n, 1, k, memory.place(given.b), packed);
  const panels = memory.read(Int8Array, packed, kernels.gemm_panels_i8_bytes(k, n));
  const scratch = memory.room(kernels.gemm_widened_scratch_bytes(m, k));
  const c = memory.room(4 * m * n);
  const [bias, limits] = [given.bias ? memory.place(given.bias) : 0, memory.limits(held)];
  const parts = [panels, given.a, given.scale];
  const at: number[] = [];
  for (const [i, part] of parts.entries()) if (i !== last) at[i] = memory.place(part);
  at[last] = memory.placeFlush(parts[last]);
  kernels.gemm_f32_i8(m, n, k, at[1], at[0], at[2], bias, limits, c, scratch);
  memory.check();
  return memory.read(Float32Array, c, m * n);
}

for (const build of builds()) {
  describe(`f32 by int8 weights, ${build.name}`, () => {
    const exact = build.name !== "relaxed";

    test("every element is its sum in rising k over the dequantized weights, for every shape", () => {
      for (const [seed, [m, n, k]] of integerProducts.entries()) {
        const given = operands(m, n, k, seed, [0, 0.5, 0.9, 1][seed % 4]);
        const [a, w] = readers(k, given);
        const start = startOf(m, n, given);
        const got = multiply(build, [m, n, k], given, seed % 3);
        const what = `${m} x ${n} x ${k}`;
        if (exact) expectSame(got, roundedProduct(m, n, k, a, w, start), what);
        else expectWithin(got, product(m, n, k, a, w, start), k + 2, what);
        const held = allLimits[seed % allLimits.length];
        const wanted = got.map((v) => clip(v, ...held));
        expectSame(multiply(build, [m, n, k], given, seed % 3, held), wanted, `${what} held`);
      }
    });

    test.runIf(exact)("NaN, infinities, denormals and -0 go where arithmetic sends them", () => {
      for (const [m, n, k] of [
        [1, 9, 5],
        [2, 8, 4],
        [3, 16, 7],
        [5, 11, 6],
      ]) {
        const plain = operands(m, n, k, 7);
        const given = { ...plain, a: salted(plain.a), bias: salted(normals(n, 9)), scale: salted(plain.scale) };
        const [a, w] = readers(k, given);
        expectSame(multiply(build, [m, n, k], given, 0), roundedProduct(m, n, k, a, w, startOf(m, n, given)));
      }
    });

    test("gives the bits of gemm_ab_f32 on the dequantized weights, alone and among 64 rows", () => {
      const { kernels } = build;
      for (const [n, k] of [
        [33, 70],
        [17, 300],
        [9, 513],
      ]) {
        const given = operands(64, n, k, n);
        const memory = new Guarded(kernels);
        const weights = Float32Array.from(given.b, (q, i) => q * given.scale[Math.floor(i / k)]);
        const panels = memory.room(kernels.gemm_panels_b_bytes(k, n));
        kernels.gemm_pack_b_f32(k, n, 1, k, memory.place(weights), panels);
        const [pa, scratch] = [memory.place(given.a), memory.room(kernels.gemm_ab_scratch_bytes(64, k))];
        const [bias, limits] = [given.bias ? memory.place(given.bias) : 0, memory.limits([-1, 2])];
        const c = memory.room(4 * 64 * n);
        kernels.gemm_ab_f32(64, n, k, pa, panels, bias, limits, c, scratch);
        const wanted = memory.read(Float32Array, c, 64 * n);
        for (const m of [1, 2, 3, 4, 7, 64]) {
          const first = { ...given, a: given.a.subarray(0, m * k) };
          expectSame(multiply(build, [m, n, k], first, 0, [-1, 2]), wanted.subarray(0, m * n), `${m} rows`);
        }
      }
    });

    test.runIf(build.name === "debug")("the debug build says which precondition was broken", () => {
      expect(() => build.kernels.gemm_f32_i8(1, 1, 1, 2, 4, 8, 0, 0, 12, 16)).toThrow(/widened/);
    });
  });
}

/** What every sum starts from. */
function startOf(m: number, n: number, { bias }: Operands): Float32Array {
  return Float32Array.from({ length: m * n }, (_, i) => bias?.[i % n] ?? 0);
}

function readers(k: number, { a, b, scale }: Operands) {
  const left = (i: number, p: number) => a[i * k + p];
  const weight = (p: number, j: number) => Math.fround(b[j * k + p] * scale[j]);
  return [left, weight] as const;
}
