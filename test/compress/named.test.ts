import { beforeAll, describe, expect, it } from "vitest";
import { encodeWeight } from "../../src/codec/weight.js";
import { Candidates } from "../../src/compress/candidate.js";
import type { Moments } from "../../src/compress/moments.js";
import type { Choice } from "../../src/compress/recipe.js";
import { checkWeight } from "../../src/graph/check.js";
import { denseOf } from "../../src/graph/storage.js";
import type { FactoredWeight, PlainWeight } from "../../src/graph/weight.js";
import type { FullKernels } from "../../src/kernels/abi.js";
import { createEngine, type FullEngine } from "../../src/kernels/engine.js";
import { gramOf, quadratic } from "../reference/feedback.js";
import { normals, uniform } from "../support/kernels.js";
import { fullModule, sizeOf } from "../support/network.js";

let engine: FullEngine;
beforeAll(() => {
  engine = createEngine<FullKernels>(fullModule);
});

const weightOf = (shape: readonly number[], data: Float32Array): PlainWeight => ({
  kind: "dense",
  shape,
  dtype: "float32",
  data,
});

function create(shape: readonly number[], data: Float32Array, choice: Choice, moments?: Moments) {
  const { weight, bytes, error } = engine.arena.scope(() =>
    new Candidates(engine, weightOf(shape, data), moments).create(choice, 1, false),
  );
  checkWeight("w", weight);
  expect(weight.kind).toBe("factored");
  expect(encodeWeight(weight).bytes.length).toBe(bytes);
  // What is stored so already stays, bit for bit.
  const again = engine.arena.scope(() => new Candidates(engine, weight, moments).create(choice, 1, false));
  expect(again.weight).toBe(weight);
  return { weight: weight as FactoredWeight, bytes, error };
}

function errorOf(weight: PlainWeight, data: Float32Array): number {
  const after = denseOf(weight);
  let [off, norm] = [0, 0];
  for (const [i, value] of data.entries()) {
    off += (value - after[i]) ** 2;
    norm += value ** 2;
  }
  return off / norm;
}

/** Kernels of 3 x 3 that are smooth: a plane each, and a little noise. */
function smooth(shape: readonly number[], seed: number): Float32Array {
  const size = sizeOf(shape);
  const part = normals(size, seed + 1).map((value) => 0.1 * value);
  const [level, slope, tilt] = [1, 2, 3].map((more) => normals(size / 9, seed + 1 + more));
  return part.map((value, i) => {
    const j = Math.floor(i / 9);
    return value + level[j] + slope[j] * (Math.floor((i % 9) / 3) - 1) + tilt[j] * ((i % 3) - 1);
  });
}

/** Moments of inputs of which some matter much more than others. */
function momentsOf(cols: number, seed: number): Moments {
  const gram = gramOf(cols, uniform(seed));
  for (let r = 0; r < cols; r++) for (let c = 0; c < cols; c++) gram[r * cols + c] *= (1 + (r % 5)) * (1 + (c % 5));
  return {
    mean: new Float64Array(cols),
    square: Float64Array.from({ length: cols }, (_, c) => gram[c * (cols + 1)]),
    gram,
  };
}

describe("vq", () => {
  it("finds the atoms that columns were drawn from", () => {
    const next = uniform(3);
    const [d, n, k] = [6, 300, 10];
    const book = normals(k * d, 7);
    const data = new Float32Array(n * d);
    for (let j = 0; j < n; j++) {
      const atom = j < k ? j : Math.floor(next() * k);
      for (let i = 0; i < d; i++) data[j * d + i] = book[atom * d + i];
    }
    const { weight, error } = create([n, d], data, { storage: "vq", d, k });
    expect(error).toBeLessThan(1e-4);
    expect(weight.codes.every((code) => code === 1)).toBe(true);
    for (let j = 0; j < n; j++) expect(weight.rowPtr[j + 1] - weight.rowPtr[j]).toBe(1);
  });

  it("costs log2 k bits a column at most, and the atoms", () => {
    const [d, n] = [4, 2000];
    const data = normals(n * d, 5);
    for (const k of [4, 16, 64]) {
      const { bytes } = create([n, d], data, { storage: "vq", d, k });
      expect(8 * bytes).toBeLessThan(1.05 * n * Math.log2(k) + 8.5 * k * d + 400);
    }
  });

  it("is better with more atoms, and by more than rows of integers of as many bits where columns repeat", () => {
    const data = smooth([40, 12, 3, 3], 2);
    const errors = [2, 8, 32, 128].map((k) => create([40, 12, 3, 3], data, { storage: "vq", k }).error);
    for (let i = 1; i < errors.length; i++) expect(errors[i]).toBeLessThan(errors[i - 1]);
  });

  it("makes outputs nearer with moments of the inputs", () => {
    const [shape, data] = [[30, 6, 3, 3], normals(30 * 54, 9)];
    const { gram, ...rest } = momentsOf(54, 2);
    const moments = { ...rest, gram: gram!.map((value) => value + 4 * gram![0]) };
    const lost = (weight: PlainWeight) => {
      const after = denseOf(weight);
      let sum = 0;
      for (let r = 0; r < data.length; r += 54) {
        const off = data.subarray(r, r + 54).map((value, c) => value - after[r + c]);
        sum += quadratic(off, moments.gram);
      }
      return sum;
    };
    for (const d of [2, 9]) {
      const choice = { storage: "vq", d, k: 16 } as const;
      const [weighted, plain] = [create(shape, data, choice, moments), create(shape, data, choice)];
      expect(lost(weighted.weight)).toBeLessThan(0.8 * lost(plain.weight));
      // Pieces that cross rows count by the mean squares of their inputs alone.
      const across = { storage: "vq", d: 4, k: 16 } as const;
      expect(create(shape, data, across, moments).weight).not.toEqual(create(shape, data, across).weight);
    }
  });

  it("with more atoms than columns loses next to nothing", () => {
    const data = normals(24, 1);
    expect(create([6, 4], data, { storage: "vq", d: 4, k: 10 }).error).toBeLessThan(1e-4);
    expect(create([6, 4], new Float32Array(24), { storage: "vq", d: 4, k: 10 }).error).toBe(0);
  });
});

describe("svd", () => {
  it("of a weight of low rank loses only what steps lose", () => {
    const [rows, cols, rank] = [12, 40, 3];
    const [a, b] = [normals(rows * rank, 1), normals(rank * cols, 2)];
    const data = Float32Array.from({ length: rows * cols }, (_, i) => {
      const [r, c] = [Math.floor(i / cols), i % cols];
      return Array.from({ length: rank }, (_, p) => a[r * rank + p] * b[p * cols + c]).reduce((x, y) => x + y);
    });
    const { weight, error } = create([rows, cols], data, { storage: "svd", k: rank, size: 0.01 });
    expect([weight.layout, weight.d, weight.k]).toEqual(["rows", rows, rank]);
    expect(error).toBeLessThan(1e-3);
    expect(create([rows, cols], data, { storage: "svd", k: rank - 1, size: 0.01 }).error).toBeGreaterThan(0.01);
    // A rank above the number of rows is that number.
    expect(create([rows, cols], data, { storage: "svd", k: 99, size: 0.01 }).weight.k).toBe(rows);
  });

  it.each([10, 90])("is as good as the singular values allow (%i rows)", (rows) => {
    const [cols, k] = [120, 4];
    // Singular values that fall: the best error of rank k is known.
    const next = uniform(rows);
    const values = Array.from({ length: 10 }, (_, i) => 2 ** -i);
    const [left, right] = [rows, cols].map((length) => {
      const out: Float64Array[] = [];
      while (out.length < 10) {
        const row = Float64Array.from({ length }, () => next() - 0.5);
        for (const other of out) {
          const part = row.reduce((sum, value, i) => sum + value * other[i], 0);
          for (let i = 0; i < length; i++) row[i] -= part * other[i];
        }
        const size = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0));
        out.push(row.map((value) => value / size));
      }
      return out;
    });
    const data = Float32Array.from({ length: rows * cols }, (_, i) =>
      values.reduce((sum, value, p) => sum + value * left[p][Math.floor(i / cols)] * right[p][i % cols], 0),
    );
    const energy = (list: number[]) => list.reduce((sum, value) => sum + value * value, 0);
    const best = energy(values.slice(k)) / energy(values);
    const { error } = create([rows, cols], data, { storage: "svd", k, size: 0.02 });
    expect(error).toBeGreaterThan(0.99 * best);
    expect(error).toBeLessThan(1.01 * best + 2e-4);
  });
});

describe("transform", () => {
  const shape = [24, 8, 3, 3];
  const data = smooth(shape, 4);

  it("has as many atoms as their length and loses what its steps lose", () => {
    const errors = [0.02, 0.1, 0.4, 1].map((size) => {
      const { weight, error } = create(shape, data, { storage: "transform", size });
      expect([weight.layout, weight.d, weight.k, weight.n]).toEqual(["kernel", 9, 9, 192]);
      return error;
    });
    expect(errors[0]).toBeLessThan(3e-4);
    for (let i = 1; i < errors.length; i++) expect(errors[i]).toBeGreaterThan(errors[i - 1]);
  });

  it("takes fewer bytes than integers of the same error where kernels are smooth, with moments and without", () => {
    for (const moments of [undefined, momentsOf(72, 1)]) {
      const transformed = create(shape, data, { storage: "transform", size: 0.5, codebookBits: 5 }, moments);
      const scalar = engine.arena.scope(() => {
        const candidates = new Candidates(engine, weightOf(shape, data), moments);
        return [0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1, 1.4].map((size) =>
          candidates.create({ storage: "scalar", size }, 1, false),
        );
      });
      const alike = scalar.filter(({ error }) => error <= transformed.error);
      expect(alike.length).toBeGreaterThan(0);
      expect(transformed.bytes).toBeLessThan(0.9 * Math.min(...alike.map(({ bytes }) => bytes)));
    }
  });

  it("makes outputs nearer with moments of the inputs, in no more bytes", () => {
    const data = normals(sizeOf(shape), 8);
    // Inputs that move together, as those of real layers do.
    const { gram, ...rest } = momentsOf(72, 5);
    const moments = { ...rest, gram: gram!.map((value) => value + 4 * gram![0]) };
    const plain = create(shape, data, { storage: "transform", size: 0.6 });
    const lost = (weight: PlainWeight) => {
      const after = denseOf(weight);
      let sum = 0;
      for (let r = 0; r < data.length; r += 72) {
        const off = data.subarray(r, r + 72).map((value, c) => value - after[r + c]);
        sum += quadratic(off, moments.gram);
      }
      return sum;
    };
    const fitting = [0.5, 0.6, 0.7, 0.8, 0.9, 1]
      .map((size) => create(shape, data, { storage: "transform", size }, moments))
      .filter(({ bytes }) => bytes <= plain.bytes);
    expect(fitting.length).toBeGreaterThan(0);
    expect(Math.min(...fitting.map(({ weight }) => lost(weight)))).toBeLessThan(0.9 * lost(plain.weight));
  });

  it("takes lengths that do not divide rows, grouped weights and weights of zeros", () => {
    const odd = create([7, 10], normals(70, 2), { storage: "transform", d: 4, size: 0.05 }, momentsOf(10, 1));
    expect(errorOf(odd.weight, normals(70, 2))).toBeLessThan(1e-3);
    const moments = momentsOf(9, 1);
    const grouped = { ...moments, square: twice(moments.square), gram: twice(moments.gram!) };
    const two = create([6, 1, 3, 3], smooth([6, 1, 3, 3], 3), { storage: "transform", size: 0.05 }, grouped);
    expect(two.error).toBeLessThan(1e-2);
    const zeros = create([4, 1, 3, 3], new Float32Array(36), { storage: "transform", size: 1 });
    expect(denseOf(zeros.weight)).toEqual(new Float32Array(36));
  });
});

function twice(values: Float64Array): Float64Array {
  const out = new Float64Array(2 * values.length);
  out.set(values);
  out.set(values, values.length);
  return out;
}
