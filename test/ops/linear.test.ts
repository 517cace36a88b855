import { describe, expect, test } from "vitest";
import type { FullKernels } from "../../src/kernels/abi.js";
import { allLimits, products } from "../cases/ops.js";
import { clip, clipSums, product, roundedProduct } from "../reference/ops.js";
import { expectSame, expectWithin, salted } from "../support/compare.js";
import { builds, Guarded, normals } from "../support/kernels.js";

/** A[m, k], B[k, n] and the C they are added to, in row order. */
interface Operands {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly a: Float32Array;
  readonly b: Float32Array;
  readonly c: Float32Array;
}

function operands(m: number, n: number, k: number, seed: number, sparsity = 0): Operands {
  return { m, n, k, a: normals(m * k, seed, sparsity), b: normals(k * n, seed + 1), c: normals(m * n, seed + 2) };
}

function transposed(rows: number, cols: number, x: Float32Array): Float32Array {
  return x.map((_, i) => x[(i % rows) * cols + Math.floor(i / rows)]);
}

type Run = (kernels: FullKernels, memory: Guarded, operands: Operands, flushed: boolean) => number;

/** Every way to C += A B; `flushed` puts B, else A, against the end of memory. Each gives the pointer of C. */
const ways: Record<string, Run> = {
  nn: (kernels, memory, { m, n, k, a, b, c }, flushed) => {
    const [pc, scratch] = [memory.place(c), memory.room(kernels.gemm_scratch_bytes(m, n, k))];
    const [pa, pb] = ends(memory, a, b, flushed);
    kernels.gemm_nn_f32(m, n, k, pa, pb, pc, scratch);
    return pc;
  },
  nt: (kernels, memory, { m, n, k, a, b, c }, flushed) => {
    const [pc, scratch] = [memory.place(c), memory.room(kernels.gemm_scratch_bytes(m, n, k))];
    const [pa, pb] = ends(memory, a, transposed(k, n, b), flushed);
    kernels.gemm_nt_f32(m, n, k, pa, pb, pc, scratch);
    return pc;
  },
  tn: (kernels, memory, { m, n, k, a, b, c }, flushed) => {
    const [pc, scratch] = [memory.place(c), memory.room(kernels.gemm_scratch_bytes(m, n, k))];
    const [pa, pb] = ends(memory, transposed(m, k, a), b, flushed);
    kernels.gemm_tn_f32(m, n, k, pa, pb, pc, scratch);
    return pc;
  },
  // Strides that neither packing has a fast path for: A is every third column of a wider matrix, B every second row.
  packed: (kernels, memory, { m, n, k, a, b, c }) => {
    const [aPanels, bPanels] = [
      memory.room(kernels.gemm_panels_a_bytes(m, k)),
      memory.room(kernels.gemm_panels_b_bytes(k, n)),
    ];
    const wide = new Float32Array(Math.max(0, m * k * 3 - 2));
    for (let i = 0; i < a.length; i++) wide[i * 3] = a[i];
    const tall = new Float32Array(Math.max(0, k * n * 2 - 1));
    for (let p = 0; p < k; p++) for (let j = 0; j < n; j++) tall[(p * n + j) * 2] = b[p * n + j];
    const pc = memory.place(c);
    kernels.gemm_pack_b_f32(k, n, 2 * n, 2, memory.place(tall), bPanels);
    kernels.gemm_pack_a_f32(m, k, 3 * k, 3, memory.placeFlush(wide), aPanels);
    kernels.gemm_packed_f32(m, n, k, aPanels, bPanels, pc, n);
    return pc;
  },
};

type RunLayer = (
  kernels: FullKernels,
  memory: Guarded,
  operands: Operands,
  bias: number,
  limits: number,
  c: number,
) => void;

/** Every way to C = A B + bias, held within limits; A is against the end of memory. */
const layers: Record<string, RunLayer> = {
  gemm_ab_f32: (kernels, memory, { m, n, k, a, b }, bias, limits, c) => {
    const scratch = memory.room(kernels.gemm_ab_scratch_bytes(m, k));
    const panels = memory.room(kernels.gemm_panels_b_bytes(k, n));
    kernels.gemm_pack_b_f32(k, n, n, 1, memory.place(b), panels);
    kernels.gemm_ab_f32(m, n, k, memory.placeFlush(a), panels, bias, limits, c, scratch);
  },
  "gemm_f32, rows of B": (kernels, memory, { m, n, k, a, b }, bias, limits, c) => {
    const scratch = memory.room(kernels.gemm_scratch_bytes(m, n, k));
    const pb = memory.place(b);
    kernels.gemm_f32(m, n, k, memory.placeFlush(a), k, 1, pb, n, 1, bias, limits, c, scratch);
  },
  "gemm_f32, columns of B": (kernels, memory, { m, n, k, a, b }, bias, limits, c) => {
    const scratch = memory.room(kernels.gemm_scratch_bytes(m, n, k));
    const pb = memory.place(transposed(k, n, b));
    kernels.gemm_f32(m, n, k, memory.placeFlush(a), k, 1, pb, 1, k, bias, limits, c, scratch);
  },
  "gemm_f32, columns of A": (kernels, memory, { m, n, k, a, b }, bias, limits, c) => {
    const scratch = memory.room(kernels.gemm_scratch_bytes(m, n, k));
    const pb = memory.place(b);
    kernels.gemm_f32(m, n, k, memory.placeFlush(transposed(m, k, a)), 1, m, pb, n, 1, bias, limits, c, scratch);
  },
};

function ends(memory: Guarded, a: Float32Array, b: Float32Array, flushed: boolean): [number, number] {
  if (flushed) return [memory.place(a), memory.placeFlush(b)];
  const pb = memory.place(b);
  return [memory.placeFlush(a), pb];
}

describe.each(builds())("$name", ({ name, kernels }) => {
  const exact = name !== "relaxed";

  describe.each(Object.entries(ways))("%s", (_, run) => {
    test("every element is its sum in rising k, for every shape", () => {
      for (const [seed, [m, n, k]] of products.entries()) {
        const given = operands(m, n, k, seed, [0, 0.5, 0.9, 1][seed % 4]);
        const memory = new Guarded(kernels);
        const pc = run(kernels, memory, given, seed % 2 === 0);
        memory.check();
        const [a, b] = [(i: number, p: number) => given.a[i * k + p], (p: number, j: number) => given.b[p * n + j]];
        const c = memory.read(Float32Array, pc, m * n);
        const what = `${m} x ${n} x ${k}`;
        if (exact) expectSame(c, roundedProduct(m, n, k, a, b, given.c), what);
        else expectWithin(c, product(m, n, k, a, b, given.c), k + 2, what);
      }
    });

    test.runIf(exact)("NaN, infinities, denormals and -0 go where arithmetic sends them", () => {
      for (const [m, n, k] of [
        [1, 9, 4],
        [3, 8, 5],
        [6, 11, 4],
        [5, 24, 7],
      ]) {
        const plain = operands(m, n, k, 7);
        const given = { ...plain, a: salted(plain.a), c: salted(plain.c) };
        const memory = new Guarded(kernels);
        const pc = run(kernels, memory, given, false);
        memory.check();
        const [a, b] = [(i: number, p: number) => given.a[i * k + p], (p: number, j: number) => given.b[p * n + j]];
        expectSame(memory.read(Float32Array, pc, m * n), roundedProduct(m, n, k, a, b, given.c));
      }
    });
  });

  describe.each(Object.entries(layers))("%s", (_, run) => {
    /** C into poisoned memory; a bias lies right before a guard band. */
    const layer = (given: Operands, bias: Float32Array | undefined, held: readonly [number, number]) => {
      const { m, n } = given;
      const memory = new Guarded(kernels);
      const c = memory.room(4 * m * n);
      const limits = memory.limits(held);
      run(kernels, memory, given, bias ? memory.place(bias) : 0, limits, c);
      memory.check();
      return memory.read(Float32Array, c, m * n);
    };

    test("every element is its sum in rising k from its bias, held within limits, for every shape", () => {
      for (const [seed, [m, n, k]] of products.entries()) {
        const given = operands(m, n, k, seed, [0, 0.5, 0.9, 1][seed % 4]);
        const bias = seed % 3 ? normals(n, seed + 9) : undefined;
        const held = allLimits[seed % allLimits.length];
        const start = given.c.map((_, i) => bias?.[i % n] ?? 0);
        const [a, b] = [(i: number, p: number) => given.a[i * k + p], (p: number, j: number) => given.b[p * n + j]];
        const c = layer(given, bias, held);
        const what = `${m} x ${n} x ${k}`;
        if (exact)
          expectSame(
            c,
            roundedProduct(m, n, k, a, b, start).map((v) => clip(v, ...held)),
            what,
          );
        else expectWithin(c, clipSums(product(m, n, k, a, b, start), held), k + 2, what);
      }
    });

    test("limits change nothing but what lies outside them: NaN stays, -0 becomes +0 where 0 is the least", () => {
      for (const [m, n, k] of [
        [1, 9, 4],
        [1, 33, 300],
        [3, 8, 5],
        [6, 11, 4],
        [7, 16, 257],
      ]) {
        const plain = operands(m, n, k, 7);
        const given = { ...plain, a: salted(plain.a), b: plain.b.map((v, i) => (i % n === 2 ? -0 : v)) };
        const bias = salted(normals(n, 8)).fill(-0, 2, 3);
        const free = layer(given, bias, allLimits[0]);
        if (exact) {
          const [a, b] = [(i: number, p: number) => given.a[i * k + p], (p: number, j: number) => given.b[p * n + j]];
          expectSame(
            free,
            roundedProduct(
              m,
              n,
              k,
              a,
              b,
              given.c.map((_, i) => bias[i % n]),
            ),
          );
        }
        for (const held of allLimits)
          expectSame(
            layer(given, bias, held),
            free.map((v) => clip(v, ...held)),
          );
      }
    });
  });

  test("the strict build is within the error of k + 2 roundings of the f64 twin", () => {
    for (const [m, n, k] of [
      [7, 9, 300],
      [64, 10, 500],
    ]) {
      const given = operands(m, n, k, 11);
      const memory = new Guarded(kernels);
      const pc = ways.nn(kernels, memory, given, false);
      const [a, b] = [(i: number, p: number) => given.a[i * k + p], (p: number, j: number) => given.b[p * n + j]];
      expectWithin(memory.read(Float32Array, pc, m * n), product(m, n, k, a, b, given.c), k + 2);
    }
  });

  test("one row has the bits it has among others", () => {
    // The last is past what counts as cached, where one row takes another path.
    const shapes = [[64, 10, 500], [7, 100, 300], [121, 31, 17], ...(name === "debug" ? [] : [[2, 1800, 1800]])];
    for (const [m, n, k] of shapes) {
      const { a, b, c } = operands(m, n, k, 5);
      const memory = new Guarded(kernels);
      const [pa, pb] = [memory.place(a), memory.place(b)];
      const [together, alone] = [memory.room(4 * m * n), memory.room(4 * m * n)];
      const [bias, limits] = [memory.place(c.subarray(0, n)), memory.limits([-1, 20])];
      const panels = memory.room(kernels.gemm_panels_b_bytes(k, n));
      const scratch = memory.room(kernels.gemm_ab_scratch_bytes(m, k));
      kernels.gemm_pack_b_f32(k, n, n, 1, pb, panels);
      kernels.gemm_ab_f32(m, n, k, pa, panels, bias, limits, together, scratch);
      for (let i = 0; i < m; i++) {
        kernels.gemm_ab_f32(1, n, k, pa + 4 * i * k, panels, bias, limits, alone + 4 * i * n, scratch);
      }
      memory.check();
      expectSame(memory.read(Float32Array, alone, m * n), memory.read(Float32Array, together, m * n));
    }
  });

  test("gemm_packed_f32 leaves what lies between the rows of C", () => {
    const [m, n, k, ldc] = [7, 11, 6, 15];
    const { a, b } = operands(m, n, k, 3);
    const c = normals(m * ldc, 4);
    const memory = new Guarded(kernels);
    const aPanels = memory.room(kernels.gemm_panels_a_bytes(m, k));
    const bPanels = memory.room(kernels.gemm_panels_b_bytes(k, n));
    kernels.gemm_pack_a_f32(m, k, k, 1, memory.place(a), aPanels);
    kernels.gemm_pack_b_f32(k, n, n, 1, memory.place(b), bPanels);
    const pc = memory.placeFlush(c.subarray(0, (m - 1) * ldc + n));
    kernels.gemm_packed_f32(m, n, k, aPanels, bPanels, pc, ldc);
    memory.check();
    const got = memory.read(Float32Array, pc, (m - 1) * ldc + n);
    const wanted = product(
      m,
      ldc,
      k,
      (i, p) => a[i * k + p],
      (p, j) => (j < n ? b[p * n + j] : 0),
      c,
    );
    expectWithin(got, { value: wanted.value.subarray(0, got.length), size: wanted.size }, k + 2);
    for (let i = 0; i < got.length; i++) if (i % ldc >= n) expect(got[i]).toBe(c[i]);
  });

  test.runIf(name === "debug")("the debug build says which precondition was broken", () => {
    expect(() => kernels.gemm_nn_f32(1, 1, 1, 2, 4, 8, 12)).toThrow(/linear/);
    expect(() => kernels.gemm_packed_f32(2, 8, 1, 0, 0, 0, 7)).toThrow(/linear/);
  });

  test("sizes past 2 GiB are told as they are", () => {
    expect(kernels.gemm_panels_a_bytes(100_000, 10_000)).toBe(4e9);
    expect(kernels.gemm_panels_b_bytes(30_001, 30_001)).toBe(4 * 30_008 * 30_001);
    expect(kernels.gemm_scratch_bytes(1_000_000, 1_000_000, 1_000_000)).toBeLessThan(2 ** 20);
    expect(kernels.gemm_ab_scratch_bytes(1_000_000, 1_000_000)).toBe(4 * 120 * 256);
  });
});
