import { describe, expect, test } from "vitest";
import { groupedProduct } from "../reference/int8.js";
import { expectSame } from "../support/compare.js";
import { type Build, builds, Guarded, normals, uniform } from "../support/kernels.js";

interface Operands {
  readonly a: Int8Array;
  readonly b: Int8Array;
  readonly aScale: Float32Array;
  readonly scale: Float32Array;
  readonly bias: Float32Array | undefined;
}

function operands(m: number, n: number, k: number, scales: number, seed: number): Operands {
  const next = uniform(seed);
  return {
    a: Int8Array.from({ length: m * k }, () => next() * 256),
    b: Int8Array.from({ length: n * k }, () => Math.floor(next() * 16) - 8),
    aScale: normals(m, seed).map(Math.abs),
    scale: normals(scales, seed + 1).map(Math.abs),
    bias: seed % 2 ? normals(n, seed + 2) : undefined,
  };
}

/**
 * y by the kernel: a scale per group (strides groups and 1) or per row (1 and 0); the panels or A end where memory
 * ends.
 */
function multiply(
  { kernels }: Build,
  sizes: readonly [m: number, n: number, k: number, group: number],
  strides: readonly [number, number],
  given: Operands,
  flushed: boolean,
): Float32Array {
  const [m, n, k, group] = sizes;
  const memory = new Guarded(kernels);
  const bytes = kernels.gemm_panels_i4_bytes(k, n, group);
  const packed = memory.room(bytes);
  kernels.gemm_pack_i4(k, n, group, memory.place(given.b), memory.place(given.scale), packed, ...strides);
  memory.check();
  const panels = memory.read(Uint8Array, packed, bytes);
  const scratch = memory.room(kernels.gemm_scratch_i4_bytes(k, group));
  const [aScale, bias] = [memory.place(given.aScale), given.bias ? memory.place(given.bias) : 0];
  const y = memory.room(4 * m * n);
  const other = memory.place(flushed ? given.a : panels);
  const last = memory.placeFlush(flushed ? panels : given.a);
  const [a, b] = flushed ? [other, last] : [last, other];
  kernels.gemm_i4(m, n, k, group, a, aScale, b, bias, y, scratch);
  memory.check();
  return memory.read(Float32Array, y, m * n);
}

const groups = [2, 6, 32, 64, 128, 256];

for (const build of builds()) {
  describe(`int4, ${build.name}`, () => {
    test("equals its twin bit for bit, for every shape and group, with scales by group and by row", () => {
      let seed = 0;
      for (const group of groups) {
        for (const n of [0, 1, 3, 4, 15, 16, 17, 33]) {
          for (const k of [0, 1, 2, 31, group - 1, group, group + 1, 3 * group + 5]) {
            const m = [1, 2, 0, 5][seed++ % 4];
            const count = Math.ceil(k / group);
            const byRow = seed % 3 === 0;
            const given = operands(m, n, k, byRow ? n : n * count, seed);
            const scaleOf = (j: number, g: number) => given.scale[byRow ? j : j * count + g];
            const { a, b, aScale, bias } = given;
            expectSame(
              multiply(build, [m, n, k, group], byRow ? [1, 0] : [count, 1], given, seed % 2 === 0),
              groupedProduct(m, n, k, group, a, b, aScale, scaleOf, bias),
              `${m} x ${n} x ${k} by ${group}`,
            );
          }
        }
      }
    });

    test("one row has the bits it has among others", () => {
      const [m, n, k, group] = [9, 33, 200, 32];
      const given = operands(m, n, k, n * 7, 3);
      const together = multiply(build, [m, n, k, group], [7, 1], given, false);
      for (let i = 0; i < m; i++) {
        const row = { ...given, a: given.a.slice(i * k, (i + 1) * k), aScale: given.aScale.slice(i, i + 1) };
        expectSame(multiply(build, [1, n, k, group], [7, 1], row, true), together.subarray(i * n, (i + 1) * n));
      }
    });

    test("no sum overflows at the largest values of a group of 256", () => {
      const [n, k, group] = [16, 512, 256];
      for (const value of [-128, 127]) {
        for (const weight of [-8, 7]) {
          const [a, b] = [new Int8Array(k).fill(value), new Int8Array(n * k).fill(weight)];
          const one = Float32Array.of(1);
          const given = { a, b, aScale: one, scale: new Float32Array(n).fill(1), bias: undefined };
          const wanted = new Float32Array(n).fill(value * weight * k);
          expectSame(multiply(build, [1, n, k, group], [1, 0], given, true), wanted);
        }
      }
    });

    test("a scale that is NaN or infinite reaches its column and no other", () => {
      const [n, k, group] = [18, 40, 32];
      const given = operands(1, n, k, n, 5);
      given.scale.set([Number.NaN, Infinity], 3);
      given.scale[17] = 1e-45;
      const { a, b, aScale, bias } = given;
      const wanted = groupedProduct(1, n, k, group, a, b, aScale, (j) => given.scale[j], bias);
      expect(wanted.filter(Number.isFinite)).toHaveLength(16);
      expectSame(multiply(build, [1, n, k, group], [1, 0], given, true), wanted);
    });

    test.runIf(build.name === "debug")("the debug build says which precondition was broken", () => {
      expect(() => build.kernels.gemm_i4(1, 1, 1, 3, 0, 0, 0, 0, 0, 0)).toThrow(/int4/);
      expect(() => build.kernels.gemm_i4(1, 1, 1, 258, 0, 0, 0, 0, 0, 0)).toThrow(/int4/);
    });
  });
}
