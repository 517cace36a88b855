// Small networks, every storage of a weight, and how a session's results are held against the twin in f64.
import { readFileSync } from "node:fs";
import { expect } from "vitest";
import { encodeWeight } from "../../src/codec/weight.js";
import { GraphBuilder } from "../../src/graph/build.js";
import { toDense } from "../../src/graph/dense.js";
import type { Attribute, Graph } from "../../src/graph/graph.js";
import { columnsOf, floatToBfloat, matrixOf } from "../../src/graph/storage.js";
import type { FactoredWeight, Layout, PlainWeight, SparseWeight, Weight } from "../../src/graph/weight.js";
import { runReference } from "../reference/network.js";
import { normals, uniform } from "./kernels.js";

const bytesOf = (name: string) => readFileSync(new URL(`../../dist/wasm/${name}.wasm`, import.meta.url));
const compiled = (name: string) => new WebAssembly.Module(bytesOf(name));

/** The module of inference and the module of training. */
export const runModule = compiled("run");
export const fullModule = compiled("full");

/** The relaxed module of inference, or undefined where the runtime has no relaxed SIMD. */
export function relaxedModule(): WebAssembly.Module | undefined {
  return WebAssembly.validate(bytesOf("run.relaxed")) ? compiled("run.relaxed") : undefined;
}

export interface Fed {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

export const sizeOf = (shape: readonly number[]) => shape.reduce((size, dim) => size * dim, 1);

/** Seeded normal values of a shape. */
export function fed(shape: readonly number[], seed: number): Fed & { readonly dtype: "float32" } {
  return { dtype: "float32", shape, data: normals(sizeOf(shape), seed) };
}

/** A network of one operator: input x with an open first dimension, weights w and b where shapes are given. */
export function network(
  op: string,
  x: readonly number[],
  y: readonly number[],
  attributes: Record<string, Attribute> = {},
  w?: readonly number[],
  bias?: number,
): Graph {
  const b = new GraphBuilder(op);
  const inputs = [b.input("x", ["N", ...x])];
  if (w) inputs.push(b.weight("w", w, normals(sizeOf(w), 100)));
  if (bias !== undefined) inputs.push(b.weight("b", [bias], normals(bias, 101)));
  b.output("y", ["N", ...y], b.node(op, inputs, attributes));
  return b.build();
}

/** A half whose value is near `value`; only normal halves are made. */
function half(value: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, value);
  const bits = view.getUint32(0);
  const exponent = ((bits >>> 23) & 255) - 112;
  if (exponent <= 0) return (bits >>> 16) & 0x8000;
  return ((bits >>> 16) & 0x8000) | (exponent << 10) | ((bits >>> 13) & 1023);
}

function sparseWeight(
  shape: readonly number[],
  seed: number,
  sparsity: number,
  scales: "none" | "one" | "rows",
): SparseWeight {
  const { rows, cols } = matrixOf(shape);
  const dense = normals(rows * cols, seed, sparsity);
  const rowPtr = new Uint32Array(rows + 1);
  const col: number[] = [];
  const values: number[] = [];
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < cols; c++) {
      const value = scales === "none" ? dense[r * cols + c] : Math.round(dense[r * cols + c] * 40);
      // One row without any entry.
      if (value === 0 || r === 2) continue;
      col.push(c);
      values.push(value);
    }
    rowPtr[r + 1] = col.length;
  }
  const base = { kind: "sparse", shape, rowPtr, col: Uint32Array.from(col) } as const;
  if (scales === "none") return { ...base, values: Float32Array.from(values) };
  const scale = normals(scales === "one" ? 1 : rows, seed + 1).map((v) => Math.abs(v) / 40 + 0.01);
  return { ...base, values: Int8Array.from(values), scale };
}

export function factoredWeight(
  shape: readonly number[],
  layout: Layout,
  options: { seed: number; k: number; d?: number; density?: number },
): FactoredWeight {
  const { seed, k, density = 0.4 } = options;
  const { d, n } = columnsOf(shape, layout, options.d);
  const next = uniform(seed);
  const rowPtr = new Uint32Array(n + 1);
  const col: number[] = [];
  for (let j = 0; j < n; j++) {
    // One column without any coefficient.
    for (let atom = 0; atom < k; atom++) if (j !== 1 && next() < density) col.push(atom);
    rowPtr[j + 1] = col.length;
  }
  const integer = () => {
    const value = Math.floor(next() * 254) - 127;
    return value === 0 ? 1 : value;
  };
  return {
    kind: "factored",
    shape,
    layout,
    d,
    n,
    k,
    rowPtr,
    col: Uint32Array.from(col),
    codes: Int8Array.from(col, integer),
    codeScale: Float32Array.from({ length: k }, () => 0.005 + next() / 100),
    codebook: Int8Array.from({ length: k * d }, integer),
    codebookScale: Math.fround(0.0123),
  };
}

/** Every storage that a weight of this shape may have, coded ones too. */
export function storages(shape: readonly number[], seed = 7): [string, Weight][] {
  const { rows, cols } = matrixOf(shape);
  const size = rows * cols;
  const next = uniform(seed);
  const data = normals(size, seed);
  const bytes = () => Math.floor(next() * 255) - 127;
  const rowScale = Float32Array.from({ length: rows }, () => 0.001 + next() / 50);
  const plains: [string, PlainWeight][] = [
    ["dense", { kind: "dense", shape, dtype: "float32", data }],
    ["float16", { kind: "dense", shape, dtype: "float16", data: Uint16Array.from(data, half) }],
    ["bfloat16", { kind: "dense", shape, dtype: "bfloat16", data: Uint16Array.from(data, floatToBfloat) }],
    [
      "masked",
      { kind: "masked", shape, data, mask: Uint8Array.from({ length: Math.ceil(size / 8) }, () => next() * 256) },
    ],
    ["int8 per row", { kind: "int8", shape, q: Int8Array.from({ length: size }, bytes), scale: rowScale }],
    [
      "int8 per tensor",
      { kind: "int8", shape, q: Int8Array.from({ length: size }, bytes), scale: Float32Array.of(0.01) },
    ],
    ["sparse f32", sparseWeight(shape, seed, 0.8, "none")],
    ["sparse int8 per row", sparseWeight(shape, seed, 0.8, "rows")],
    ["sparse int8 per tensor", sparseWeight(shape, seed, 0.95, "one")],
    ["sparse, but mostly full", sparseWeight(shape, seed, 0.2, "rows")],
    ["sparse, nothing left", sparseWeight(shape, seed, 1.1, "none")],
    ["factored by rows", factoredWeight(shape, "rows", { seed, k: 6 })],
    ["factored by rows, many atoms", factoredWeight(shape, "rows", { seed, k: rows + 3, density: 0.1 })],
    ["factored by kernel", factoredWeight(shape, "kernel", { seed, k: 4 })],
    ["factored by kernel, many atoms", factoredWeight(shape, "kernel", { seed, k: rows + 5, density: 0.1 })],
    ["factored by kernel, whole rows", factoredWeight(shape, "kernel", { seed, k: 4, d: cols })],
    ["factored by tile", factoredWeight(shape, "tile", { seed, k: 4, d: Math.ceil(rows / 2) })],
    ["factored by tile, padded", factoredWeight(shape, "tile", { seed, k: 5, d: Math.min(rows, 5), density: 0.3 })],
    ["factored by kernel, padded", factoredWeight(shape, "kernel", { seed, k: 5, d: 7 })],
  ];
  const coded = plains
    .filter(([, weight]) => weight.kind !== "masked")
    .map(([name, weight]): [string, Weight] => [`coded ${name}`, encodeWeight(weight)]);
  return [...plains, ...coded];
}

export const isFactored = (name: string) => name.includes("factored");

/** Sizes of the terms that a weight's values are summed from. */
function magnitudes(weight: Weight): Float32Array {
  if (weight.kind !== "factored") return toDense(weight).map(Math.abs);
  return toDense({ ...weight, codes: weight.codes.map(Math.abs), codebook: weight.codebook.map(Math.abs) });
}

/**
 * Holds a session's output against the twin: every value within `roundings` roundings in f32 of the terms that it is summed
 * from (2^-24 of the sum of their sizes for each).
 */
export function expectClose(
  actual: { readonly shape: readonly number[]; readonly data: Float32Array },
  graph: Graph,
  inputs: Readonly<Record<string, Fed>>,
  roundings: number,
  output = "y",
): void {
  const wanted = runReference(graph, inputs).get(output)!;
  const absolute = new Map([...graph.weights].map(([name, weight]) => [name, magnitudes(weight)]));
  const sized = Object.fromEntries(
    Object.entries(inputs).map(([name, { shape, data }]) => [name, { shape, data: data.map(Math.abs) }]),
  );
  const sizes = runReference(graph, sized, absolute).get(output)!;
  expect(actual.shape).toEqual(wanted.shape);
  expect(actual.data).toHaveLength(wanted.data.length);
  for (const [i, value] of wanted.data.entries()) {
    const limit = roundings * 2 ** -24 * sizes.data[i] + 1e-40;
    const error = Math.abs(actual.data[i] - value);
    if (!(error <= limit))
      throw new Error(`${graph.name}[${i}]: expected ${value} within ${limit}, got ${actual.data[i]}`);
  }
}

/** What `what` throws. */
export const thrown = (what: () => unknown): unknown => {
  try {
    what();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
};

/** Bytes of a Float32Array, so that -0 and NaN count. */
export const bits = (values: Float32Array) => [...new Uint32Array(values.buffer, values.byteOffset, values.length)];

export { withWeights } from "../../src/graph/graph.js";
