// What the method is in special cases, and what holds of it over all layouts and widths of its integers.
import { beforeAll, describe, expect, it } from "vitest";
import { decodeWeight, encodeWeight } from "../../src/codec/weight.js";
import { eigen } from "../../src/compress/algebra.js";
import { Candidates } from "../../src/compress/candidate.js";
import { alternate, factorize, supportOf } from "../../src/compress/factorize.js";
import type { Choice } from "../../src/compress/recipe.js";
import { columnsOf, denseOf, matrixOf, rebuildColumns, toColumns } from "../../src/graph/storage.js";
import type { FactoredWeight, Layout, SparseWeight } from "../../src/graph/weight.js";
import type { FullKernels } from "../../src/kernels/abi.js";
import { createEngine, type FullEngine } from "../../src/kernels/engine.js";
import { normals, uniform } from "../support/kernels.js";
import { fullModule, sizeOf } from "../support/network.js";

let engine: FullEngine;
beforeAll(() => {
  engine = createEngine<FullKernels>(fullModule);
});

type Options = Omit<Extract<Choice, { storage: "factored" }>, "storage">;
const make = (shape: readonly number[], dense: Float32Array, options: Options) =>
  factorize(engine, shape, dense, { storage: "factored", ...options }, 1);

const cuts: [Layout, number | undefined][] = [
  ["kernel", undefined],
  ["kernel", 7],
  ["rows", undefined],
  ["tile", 4],
  ["tile", 5],
];
const shape = [12, 6, 3, 3];
const dense = normals(sizeOf(shape), 5);

function errorOf(weight: FactoredWeight, values: Float32Array): number {
  const after = denseOf(weight);
  return values.reduce((sum, value, i) => sum + (value - after[i]) ** 2, 0);
}

describe.each(cuts)("%s, d %s", (layout, wanted) => {
  const { d, n } = columnsOf(shape, layout, wanted);
  const columns = toColumns({ shape, layout, d, n }, dense);

  it("coefficients of 2 to 8 bits and atoms of 4 to 8", () => {
    for (const codebookBits of [4, 5, 6, 7, 8]) {
      let before = Infinity;
      for (const bits of [2, 3, 4, 5, 6, 7, 8]) {
        const weight = make(shape, dense, { layout, d: wanted, k: d, density: 0.4, bits, codebookBits });
        const largest = (codes: Int8Array) => codes.reduce((most, code) => Math.max(most, Math.abs(code)), 0);
        for (const [codes, width] of [
          [weight.codes, bits],
          [weight.codebook, codebookBits],
        ] as const) {
          expect(largest(codes)).toBeLessThan(2 ** (width - 1));
          expect(largest(codes)).toBeGreaterThan(0.8 * 2 ** (width - 1) - 1);
        }
        expect(decodeWeight(encodeWeight(weight))).toEqual(weight);
        const error = errorOf(weight, dense);
        expect(error, `${bits} bits, atoms of ${codebookBits}`).toBeLessThan(1.01 * before);
        before = error;
      }
    }
  });

  it("fewer atoms than rows and columns of X, all coefficients: the error that the singular values leave", () => {
    const gram = new Float64Array(d * d);
    for (let j = 0; j < n; j++) {
      for (let a = 0; a < d; a++) {
        for (let b = 0; b < d; b++) gram[a * d + b] += columns[j * d + a] * columns[j * d + b];
      }
    }
    const { values } = eigen(gram, d);
    const k = Math.ceil(d / 2);
    const best = values.slice(k).reduce((sum, value) => sum + value, 0);
    const all = values.reduce((sum, value) => sum + value, 0);
    const rebuilt = rebuildColumns(make(shape, dense, { layout, d: wanted, k, density: 1 }));
    const error = columns.reduce((sum, value, i) => sum + (value - rebuilt[i]) ** 2, 0);
    expect(error).toBeGreaterThan(0.999 * best);
    expect(error).toBeLessThan(best + 1e-3 * all);
  });

  it("atoms that are unit vectors: sparse scalar quantization, the same values bit for bit", () => {
    const next = uniform(9);
    // A scale for each place in a column; with layout `rows` these are the rows of a sparse weight.
    const codeScale = Float32Array.from({ length: d }, () => 0.01 + next());
    const codes = Int8Array.from({ length: n * d }, () => (next() < 0.3 ? Math.floor(254 * next()) - 127 : 0) || 0);
    const entries = Array.from(codes.keys()).filter((i) => codes[i] !== 0);
    const rowPtr = Uint32Array.from({ length: n + 1 }, (_, j) => entries.filter((i) => i < j * d).length);
    const weight: FactoredWeight = {
      ...({ kind: "factored", shape, layout, d, n, k: d, rowPtr, codeScale } as const),
      col: Uint32Array.from(entries, (i) => i % d),
      codes: Int8Array.from(entries, (i) => codes[i]),
      codebook: Int8Array.from({ length: d * d }, (_, i) => (i % (d + 1) === 0 ? 1 : 0)),
      codebookScale: 1,
    };
    expect([...rebuildColumns(weight)]).toEqual(Array.from(codes, (code, i) => Math.fround(code * codeScale[i % d])));
    if (layout !== "rows") return;
    const { rows, cols } = matrixOf(shape);
    const q = Int8Array.from(codes, (_, i) => codes[(i % cols) * rows + Math.floor(i / cols)]);
    const kept = Array.from(q.keys()).filter((i) => q[i] !== 0);
    const sparse: SparseWeight = {
      ...({ kind: "sparse", shape, scale: codeScale } as const),
      rowPtr: Uint32Array.from({ length: rows + 1 }, (_, r) => kept.filter((i) => i < r * cols).length),
      col: Uint32Array.from(kept, (i) => i % cols),
      values: Int8Array.from(kept, (i) => q[i]),
    };
    expect(denseOf(weight)).toEqual(denseOf(sparse));
  });

  it("columns with one value each: unit vectors are found, and the largest values kept", () => {
    const next = uniform(3);
    const values = new Float32Array(sizeOf(shape));
    const size = { shape, layout, d, n };
    // Where X has padding its value may be lost.
    const places = toColumns(
      size,
      Float32Array.from(values, (_, i) => i + 1),
    );
    for (let j = 0; j < n; j++) {
      const i = places[j * d + (j % d)] - 1;
      if (i >= 0) values[i] = (next() < 0.5 ? -1 : 1) * (1 + next() + (j % d));
    }
    const weight = make(shape, values, { layout, d: wanted, k: d, density: 0.5 / d });
    const kept = Array.from(denseOf(weight).keys()).filter((i) => denseOf(weight)[i] !== 0);
    const order = Array.from(values.keys()).sort((a, b) => Math.abs(values[b]) - Math.abs(values[a]));
    expect(kept).toEqual(order.slice(0, supportOf(0.5 / d, d, n)).sort((a, b) => a - b));
    expect(kept.every((i) => Math.abs(denseOf(weight)[i] - values[i]) < 0.02 * Math.abs(values[i]))).toBe(true);
  });

  it("no round of the alternation makes the error larger, without a ridge", () => {
    for (const [k, density] of [
      [d, 0.3],
      [Math.ceil(d / 2), 0.6],
      [d + 3, 0.15],
    ]) {
      const errors = Array.from({ length: 13 }, (_, rounds) => {
        const sizes = { shape, layout, d, n, k };
        const most = columns.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
        const { c, z } = alternate(engine, sizes, columns, supportOf(density, k, n), 2, { rounds, ridge: 0 });
        let sum = 0;
        for (let j = 0; j < n; j++) {
          for (let i = 0; i < d; i++) {
            let rest = columns[j * d + i] / most;
            for (let a = 0; a < k; a++) rest -= z[j * k + a] * c[a * d + i];
            sum += rest * rest;
          }
        }
        return sum;
      });
      for (let i = 1; i < errors.length; i++) expect(errors[i]).toBeLessThanOrEqual(errors[i - 1] * (1 + 1e-5));
      expect(errors[12]).toBeLessThan(0.9 * errors[0]);
    }
  });
});

it("one coefficient of 1 in each column: vector quantization, every column the nearest atom", () => {
  const weight = { kind: "dense", shape, dtype: "float32", data: dense } as const;
  const choice = { storage: "vq", k: 12, codebookBits: 6 } as const;
  const made = engine.arena.scope(() => new Candidates(engine, weight).create(choice, 1, false).weight);
  const { d, n, k, codes, codeScale, col, codebook, codebookScale } = made as FactoredWeight;
  expect([...codes]).toEqual(Array(n).fill(1));
  expect([...codeScale]).toEqual(Array(k).fill(1));
  const rebuilt = rebuildColumns(made as FactoredWeight);
  for (let j = 0; j < n; j++) {
    const errors = Array.from({ length: k }, (_, a) => {
      let sum = 0;
      for (let i = 0; i < d; i++) sum += (dense[j * d + i] - codebook[a * d + i] * codebookScale) ** 2;
      return sum;
    });
    expect(errors[col[j]]).toBeLessThanOrEqual(Math.min(...errors) + 1e-9);
    for (let i = 0; i < d; i++) {
      expect(rebuilt[j * d + i]).toBe(Math.fround(codebook[col[j] * d + i] * codebookScale));
    }
  }
});
