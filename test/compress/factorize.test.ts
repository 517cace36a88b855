import { createHash } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { encodeWeight } from "../../src/codec/weight.js";
import { factorize, supportOf } from "../../src/compress/factorize.js";
import type { Moments } from "../../src/compress/moments.js";
import type { Choice } from "../../src/compress/recipe.js";
import { checkWeight } from "../../src/graph/check.js";
import { columnsOf, denseOf, matrixOf, toColumns } from "../../src/graph/storage.js";
import type { FactoredWeight, Layout } from "../../src/graph/weight.js";
import type { FullKernels } from "../../src/kernels/abi.js";
import { createEngine, type FullEngine } from "../../src/kernels/engine.js";
import { gramOf, quadratic } from "../reference/feedback.js";
import { normals, uniform } from "../support/kernels.js";
import { fullModule, sizeOf } from "../support/network.js";

let engine: FullEngine;
beforeAll(() => {
  engine = createEngine<FullKernels>(fullModule);
});

type Options = Omit<Extract<Choice, { storage: "factored" }>, "storage">;

/** Factorizes, and holds what every result must keep. */
function make(
  shape: readonly number[],
  dense: Float32Array,
  options: Options,
  seed = 1,
  moments?: Moments,
): FactoredWeight {
  const before = dense.slice();
  const weight = factorize(engine, shape, dense, { storage: "factored", ...options }, seed, moments);
  expect(dense, "the values are left alone").toEqual(before);
  checkWeight("w", weight);
  const { d, n } = columnsOf(shape, options.layout, options.d);
  const { layout } = options;
  const k = Math.min(options.k, n);
  expect(weight).toMatchObject({ kind: "factored", shape, layout, d, n, k });
  expect(weight.codes.length).toBeLessThanOrEqual(supportOf(options.density, k, n));
  expect(weight.codes.every((code) => code !== 0)).toBe(true);
  const within = (codes: Int8Array, bits = 8) => codes.every((code) => Math.abs(code) < 2 ** (bits - 1));
  expect(within(weight.codes, options.bits)).toBe(true);
  expect(within(weight.codebook, options.codebookBits)).toBe(true);
  // It can be coded: every scale is above zero and finite.
  expect(encodeWeight(weight).bytes.length).toBeGreaterThan(0);
  return weight;
}

/** Squared error over squared norm. */
function errorOf(weight: FactoredWeight, dense: Float32Array): number {
  const after = denseOf(weight);
  let off = 0;
  let norm = 0;
  for (const [i, value] of dense.entries()) {
    off += (value - after[i]) ** 2;
    norm += value ** 2;
  }
  return off / norm;
}

/** Values that are sparse combinations of a few hidden atoms of length d, plus noise. */
function structured(size: number, d: number, atoms: number, seed: number, noise = 0.02): Float32Array {
  const next = uniform(seed);
  const book = normals(atoms * d, seed + 1);
  const out = normals(size, seed + 2).map((value) => value * noise);
  for (let j = 0; j * d < size; j++) {
    for (let part = 0; part < 2; part++) {
      const atom = Math.floor(next() * atoms);
      const factor = 2 * next() - 1;
      for (let i = 0; i < d && j * d + i < size; i++) out[j * d + i] += factor * book[atom * d + i];
    }
  }
  return out;
}

/** Rank of the quantization error of 8 bits twice, relative to the values: far below what a missing atom costs. */
const rounding = 4e-4;

describe("special cases of the method", () => {
  it.each<[Layout, number | undefined, number]>([
    ["kernel", 9, 9],
    ["kernel", 9, 12],
    ["kernel", 3, 3],
    ["kernel", 18, 18],
    ["rows", undefined, 6],
    ["rows", undefined, 9],
  ])("enough atoms, all coefficients: X to rounding (%s, d %s, k %s)", (layout, d, k) => {
    const shape = [6, 4, 3, 3];
    const dense = normals(sizeOf(shape), 3);
    expect(errorOf(make(shape, dense, { layout, d, k, density: 1 }), dense)).toBeLessThan(rounding);
  });

  it("one-hot columns: vector quantization", () => {
    const next = uniform(4);
    const [d, n, k] = [8, 60, 4];
    // Atoms that share no entry, each column one of them times a factor.
    const dense = new Float32Array(n * d);
    for (let j = 0; j < n; j++) {
      const atom = Math.floor(next() * k);
      const factor = 1 + next();
      dense[j * d + 2 * atom] = factor;
      dense[j * d + 2 * atom + 1] = -0.5 * factor;
    }
    const weight = make([n, d], dense, { layout: "kernel", d, k, density: 1 / k });
    expect(errorOf(weight, dense)).toBeLessThan(rounding);
    expect(weight.codes).toHaveLength(n);
    for (let j = 0; j < n; j++) expect(weight.rowPtr[j + 1] - weight.rowPtr[j]).toBe(1);
  });

  it("few atoms, all coefficients: as good as the singular values allow", () => {
    const [d, n, k] = [10, 80, 3];
    const dense = normals(n * d, 8);
    // The best error of rank k, from Gram-Schmidt on many power steps.
    const residual = Float64Array.from(dense);
    for (let atom = 0; atom < k; atom++) {
      let v = Float64Array.from({ length: d }, (_, i) => 1 + i / 10);
      for (let step = 0; step < 500; step++) {
        const w = new Float64Array(d);
        for (let j = 0; j < n; j++) {
          let dot = 0;
          for (let i = 0; i < d; i++) dot += residual[j * d + i] * v[i];
          for (let i = 0; i < d; i++) w[i] += dot * residual[j * d + i];
        }
        const length = Math.sqrt(w.reduce((sum, x) => sum + x * x, 0));
        v = w.map((x) => x / length);
      }
      for (let j = 0; j < n; j++) {
        let dot = 0;
        for (let i = 0; i < d; i++) dot += residual[j * d + i] * v[i];
        for (let i = 0; i < d; i++) residual[j * d + i] -= dot * v[i];
      }
    }
    const norm = dense.reduce((sum, x) => sum + x * x, 0);
    const best = residual.reduce((sum, x) => sum + x * x, 0) / norm;
    const got = errorOf(make([n, d], dense, { layout: "kernel", d, k, density: 1 }), dense);
    expect(got).toBeGreaterThan(best * 0.999);
    expect(got).toBeLessThan(best * 1.001 + rounding);
  });

  it("X of low rank: that many atoms are enough", () => {
    const [rows, cols, rank] = [12, 40, 3];
    const [a, b] = [normals(rows * rank, 1), normals(rank * cols, 2)];
    const dense = new Float32Array(rows * cols);
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < cols; j++)
        for (let p = 0; p < rank; p++) dense[i * cols + j] += a[i * rank + p] * b[p * cols + j];
    }
    for (const k of [rank, rank + 2, rows]) {
      expect(errorOf(make([rows, cols], dense, { layout: "rows", k, density: 1 }), dense)).toBeLessThan(rounding);
    }
    expect(errorOf(make([rows, cols], dense, { layout: "rows", k: rank - 1, density: 1 }), dense)).toBeGreaterThan(
      0.01,
    );
  });

  it("more atoms than their length: sparser for the same error", () => {
    const dense = structured(200 * 6, 6, 12, 5, 0);
    const few = make([200, 6], dense, { layout: "kernel", d: 6, k: 6, density: 400 / (200 * 6) });
    const many = make([200, 6], dense, { layout: "kernel", d: 6, k: 12, density: 400 / (200 * 12) });
    expect(many.codes.length).toBeLessThanOrEqual(400);
    expect(errorOf(many, dense)).toBeLessThan(errorOf(few, dense));
  });

  it("zeros stay zeros, in every layout, for few atoms and many", () => {
    for (const layout of ["kernel", "rows"] as const) {
      for (const k of [1, 5, 40]) {
        for (const density of [0, 0.5, 1]) {
          const weight = make([5, 30], new Float32Array(150), { layout, d: 6, k, density });
          expect(weight.codes).toHaveLength(0);
          expect(denseOf(weight)).toEqual(new Float32Array(150));
        }
      }
    }
  });

  it("zeros but for one value", () => {
    const dense = new Float32Array(150);
    dense[77] = -3;
    for (const k of [1, 6, 20]) {
      const weight = make([5, 30], dense, { layout: "kernel", d: 6, k, density: 0.1 });
      expect(errorOf(weight, dense)).toBeLessThan(rounding);
      expect(denseOf(weight).filter((v) => v !== 0)).toHaveLength(1);
    }
  });

  it("a density that rounds to none keeps one coefficient", () => {
    expect(supportOf(0, 10, 10)).toBe(1);
    expect(supportOf(1e-6, 10, 10)).toBe(1);
    // Half to even.
    expect([0.05, 0.15, 0.25].map((density) => supportOf(density, 10, 5))).toEqual([2, 8, 12]);
    expect(supportOf(1, 7, 9)).toBe(63);
    const weight = make([6, 4], normals(24, 1), { layout: "rows", k: 4, density: 0 });
    expect(weight.codes).toHaveLength(1);
  });
});

it("coefficients alike are kept from the first on, as many as asked", () => {
  const weight = make([10, 2], new Float32Array(20).fill(1), { layout: "kernel", d: 2, k: 1, density: 0.4 });
  expect([...denseOf(weight)].map((value) => Math.round(value))).toEqual([...Array(8).fill(1), ...Array(12).fill(0)]);
});

describe("sizes", () => {
  it("takes shapes of every rank and pads where the length does not divide", () => {
    for (const shape of [[], [1], [7], [5, 8], [1, 9], [9, 1], [3, 2, 5], [4, 2, 3, 3]]) {
      const size = sizeOf(shape);
      const dense = normals(size, size + 3);
      for (const d of [1, 2, 5, 7, size + 3]) {
        const weight = make(shape, dense, { layout: "kernel", d, k: d, density: 1 });
        expect(errorOf(weight, dense), `${shape} by ${d}`).toBeLessThan(rounding);
        expect(denseOf(weight)).toHaveLength(size);
      }
      const { rows } = matrixOf(shape);
      const weight = make(shape, dense, { layout: "rows", k: rows, density: 1 });
      expect(errorOf(weight, dense), `${shape} by rows`).toBeLessThan(rounding);
    }
  });

  it("cuts kernels of a convolution by itself", () => {
    const weight = make([4, 3, 5, 5], normals(300, 1), { layout: "kernel", k: 4, density: 0.5 });
    expect([weight.d, weight.n]).toEqual([25, 12]);
  });

  it("does not depend on the unit of the values, however small or large", () => {
    const dense = structured(60 * 6, 6, 6, 9);
    const options = { layout: "kernel", d: 6, k: 6, density: 0.3 } as const;
    const base = make([60, 6], dense, options);
    for (const power of [-100, -60, -30, 30, 100]) {
      const unit = 2 ** power;
      const weight = make(
        [60, 6],
        dense.map((value) => value * unit),
        options,
      );
      expect(
        errorOf(
          weight,
          dense.map((value) => value * unit),
        ) / errorOf(base, dense),
      ).toBeCloseTo(1, 3);
    }
  });
});

describe("errors", () => {
  const dense = structured(40 * 3 * 9, 9, 7, 21, 0.1);
  const shape = [40, 3, 3, 3];

  it("fall as atoms are added, and as coefficients are", () => {
    for (const layout of ["kernel", "rows"] as const) {
      for (const density of [1, 0.3]) {
        const errors = [1, 2, 4, 8].map((k) => errorOf(make(shape, dense, { layout, k, density }), dense));
        for (let i = 1; i < errors.length; i++) expect(errors[i], `${layout}, ${density}`).toBeLessThan(errors[i - 1]);
      }
      for (const k of [4, 9]) {
        const errors = [0.05, 0.1, 0.2, 0.4, 0.8].map((density) =>
          errorOf(make(shape, dense, { layout, k, density }), dense),
        );
        for (let i = 1; i < errors.length; i++) expect(errors[i], `${layout}, k ${k}`).toBeLessThan(errors[i - 1]);
      }
    }
  });

  it("are below those of rounding off the smallest values to as many", () => {
    // A quarter of the coefficients against a quarter of the values.
    const kept = [...dense].sort((a, b) => Math.abs(b) - Math.abs(a)).slice(0, dense.length / 4);
    const sum = (values: Iterable<number>) => [...values].reduce((total, value) => total + value * value, 0);
    const pruned = 1 - sum(kept) / sum(dense);
    const factored = errorOf(make(shape, dense, { layout: "kernel", k: 9, density: 0.25 }), dense);
    expect(factored).toBeLessThan(0.7 * pruned);
  });

  it("rise with fewer bits", () => {
    const errors = [8, 5, 4, 3].map((bits) =>
      errorOf(make(shape, dense, { layout: "kernel", k: 7, density: 0.3, bits }), dense),
    );
    for (let i = 1; i < errors.length; i++) expect(errors[i]).toBeGreaterThan(errors[i - 1] * 0.98);
    const coarse = errorOf(make(shape, dense, { layout: "kernel", k: 7, density: 0.3, codebookBits: 2 }), dense);
    expect(coarse).toBeGreaterThan(errors[0]);
    expect(coarse).toBeLessThan(1);
  });

  it("cannot be lowered by moving one coefficient by one step", () => {
    const weight = make(shape, dense, { layout: "kernel", k: 7, density: 0.3, bits: 4 });
    const columns = toColumns(weight, dense);
    const { d, n, rowPtr, col, codes, codeScale, codebook, codebookScale } = weight;
    /** Squared error of column j with coefficient e moved by `step`. */
    const moved = (j: number, e: number, step: number) => {
      let error = 0;
      for (let i = 0; i < d; i++) {
        let rest = columns[j * d + i];
        for (let f = rowPtr[j]; f < rowPtr[j + 1]; f++) {
          const code = codes[f] + (f === e ? step : 0);
          rest -= code * codeScale[col[f]] * codebook[col[f] * d + i] * codebookScale;
        }
        error += rest * rest;
      }
      return error;
    };
    let lower = 0;
    for (let j = 0; j < n; j++) {
      for (let e = rowPtr[j]; e < rowPtr[j + 1]; e++) {
        const now = moved(j, e, 0);
        for (const step of [-1, 1]) {
          if (Math.abs(codes[e] + step) < 8 && moved(j, e, step) < now * (1 - 1e-6)) lower++;
        }
      }
    }
    // Three sweeps of coordinate descent: a few are still on their way.
    expect(lower / codes.length).toBeLessThan(0.02);
  });
});

describe("with second moments of the inputs", () => {
  const dense = structured(40 * 3 * 9, 9, 7, 21, 0.1);
  const shape = [40, 3, 3, 3];
  const gram = gramOf(27, uniform(4));
  const moments = { mean: new Float64Array(27), square: new Float64Array(27), gram };

  const next = uniform(5);
  const grams = Float64Array.from(Array.from({ length: 4 }, () => [...gramOf(27, next)]).flat());
  it.each<[Layout, number | undefined, number, number]>([
    ["kernel", undefined, 9, 4],
    ["kernel", undefined, 14, 4],
    ["kernel", 5, 5, 4],
    ["kernel", 40, 12, 4],
    ["rows", undefined, 20, 4],
    ["tile", 8, 8, 4],
    ["tile", 7, 9, 4],
  ])("what the layer makes is nearer (%s, d %s, %i atoms, %i bits), for one group and four", (layout, d, k, bits) => {
    const options = { layout, d, k, density: 0.3, bits };
    for (const all of [gram, grams]) {
      const own = (40 * 27 * 27) / all.length;
      const [plain, weighted] = [undefined, { ...moments, gram: all }].map((given) => {
        const off = denseOf(make(shape, dense, options, 1, given)).map((value, i) => dense[i] - value);
        let error = 0;
        for (let r = 0; r < 40; r++) {
          const from = Math.floor(r / own) * 27 * 27;
          error += quadratic(off.subarray(27 * r, 27 * (r + 1)), all.subarray(from, from + 27 * 27));
        }
        return error;
      });
      expect(weighted).toBeLessThan(0.95 * plain);
    }
  });

  it("change little where all inputs count alike", () => {
    const eye = Float64Array.from({ length: 27 * 27 }, (_, i) => (i % 28 === 0 ? 1 : 0));
    const options = { layout: "kernel", k: 7, density: 0.3, bits: 5 } as const;
    const [plain, weighted] = [undefined, { ...moments, gram: eye }].map((given) =>
      errorOf(make(shape, dense, options, 1, given), dense),
    );
    // No more than further rounds over the same integers can give.
    expect(weighted).toBeLessThanOrEqual(plain * (1 + 1e-6));
    expect(weighted).toBeGreaterThan(0.9 * plain);
  });
});

describe("determinism", () => {
  const dense = structured(50 * 12, 12, 10, 2);
  const options = { layout: "kernel", d: 12, k: 18, density: 0.1, bits: 5, codebookBits: 6 } as const;
  const hash = (weight: FactoredWeight) => createHash("sha256").update(encodeWeight(weight).bytes).digest("hex");

  it("gives the same bytes for the same seed, others for another", () => {
    const first = make([50, 12], dense, options, 7);
    expect(make([50, 12], dense.slice(), options, 7)).toEqual(first);
    expect(hash(make([50, 12], dense, options, 8))).not.toBe(hash(first));
  });

  it("gives the bytes of this hash on every engine", () => {
    expect(hash(make([50, 12], dense, options, 7))).toBe(
      "eecd594e9421defcf3ca74bd308d8e360c18cb4f64d0c174f8e0e82c613ea6be",
    );
  });

  it("gives the bytes of these hashes with second moments of the inputs", () => {
    const gram = gramOf(12, uniform(3));
    const moments = { mean: new Float64Array(12), square: new Float64Array(12), gram };
    const hashes = (["kernel", "tile"] as const).map((layout) =>
      hash(make([50, 12], dense, { ...options, layout, d: 8 }, 7, moments)),
    );
    expect(hashes).toEqual([
      "9e114eb3ca932c84131e0d40a0dc73997d44dc2e010ad7a5bdcbe2556116b2a9",
      "fa6d4c1c512af63eb8bcfc4a26de569eefb67e8aa51afd39171876411f5ca5e0",
    ]);
  });
});

describe("atoms", () => {
  it("that die are seeded again from the columns that are met worst", () => {
    // The columns share no direction: 4 of them hold nearly everything, so atoms drawn for the others die at first.
    const [d, n, k] = [4, 64, 16];
    const dense = structured(n * d, d, 16, 31, 0);
    const weight = make([n, d], dense, { layout: "kernel", d, k, density: 1.5 / k });
    expect(new Set(weight.col).size).toBe(k);
  });

  it("that are all alike at first do not stay so", () => {
    // Every column but two is the same: atoms beyond the fourth are drawn as copies.
    const [d, n] = [4, 40];
    const dense = Float32Array.from({ length: n * d }, (_, i) => [1, 2, -1, 0.5][i % d]);
    dense.set([3, -3, 1, 1], 5 * d);
    dense.set([-2, 2, 2, 9], 9 * d);
    const weight = make([n, d], dense, { layout: "kernel", d, k: 9, density: 1 / 9 });
    expect(errorOf(weight, dense)).toBeLessThan(rounding);
  });
});

it.each([16, 32])("%i atoms of one value, which then say the same, stay finite", (k) => {
  const dense = normals(16384, 1).map((v) => 0.1 * v);
  const weight = make([256, 64, 1, 1], dense, { layout: "kernel", k, density: 0.3, bits: 4 });
  expect(errorOf(weight, dense)).toBeLessThan(0.15);
});
