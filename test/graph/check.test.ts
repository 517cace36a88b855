import { describe, expect, test } from "vitest";
import { encodeWeight } from "../../src/codec/weight.js";
import { FormatError } from "../../src/errors.js";
import { writeContainer } from "../../src/formats/container/index.js";
import { checkGraph, checkWeight } from "../../src/graph/check.js";
import type { Graph, GraphNode } from "../../src/graph/graph.js";
import type { FactoredWeight, SparseWeight, Weight } from "../../src/graph/weight.js";

const floats = (...values: number[]) => Float32Array.from(values);
const words = (...values: number[]) => Uint32Array.from(values);
const codes = (...values: number[]) => Int8Array.from(values);

const dense: Weight = { kind: "dense", shape: [2, 3], dtype: "float32", data: new Float32Array(6) };
const masked: Weight = { kind: "masked", shape: [2, 5], data: new Float32Array(10), mask: new Uint8Array(2) };
const int8: Weight = { kind: "int8", shape: [2, 3], q: new Int8Array(6), scale: floats(1, 2) };
const sparse: SparseWeight = {
  kind: "sparse",
  shape: [3, 4],
  rowPtr: words(0, 2, 2, 4),
  col: words(0, 3, 1, 2),
  values: codes(1, 2, 3, 4),
  scale: floats(1, 1, 1),
};
const { scale: _, ...unscaled } = sparse;
const sparseFloats: SparseWeight = { ...unscaled, values: floats(1, 2, 3, 4) };
const factored: FactoredWeight = {
  kind: "factored",
  shape: [2, 2, 3, 3],
  layout: "kernel",
  d: 9,
  n: 4,
  k: 2,
  rowPtr: words(0, 1, 3, 3, 4),
  col: words(0, 0, 1, 1),
  codes: codes(1, 2, 3, 4),
  codeScale: floats(1, 1),
  codebook: new Int8Array(18),
  codebookScale: 0.5,
};
const rows: FactoredWeight = {
  ...factored,
  layout: "rows",
  d: 2,
  n: 18,
  rowPtr: new Uint32Array(19),
  col: words(),
  codes: codes(),
  codebook: new Int8Array(4),
};
const tile: FactoredWeight = { ...rows, layout: "tile", shape: [4, 2, 3, 3], n: 36, rowPtr: new Uint32Array(37) };
const coded = encodeWeight({ kind: "int8", shape: [2, 3], q: codes(1, 2, 3, 4, 5, 6), scale: floats(1, 2) });

describe("checkWeight", () => {
  test.each([
    ["dense", dense],
    ["dense of rank 0", { ...dense, shape: [], data: floats(1) }],
    ["empty", { ...dense, shape: [0, 3], data: floats() }],
    ["float16", { ...dense, dtype: "float16", data: new Uint16Array(6) }],
    ["int64", { kind: "dense", shape: [2], dtype: "int64", data: new BigInt64Array(2) }],
    ["masked", masked],
    ["int8", int8],
    ["int8 with one scale", { ...int8, scale: floats(1) }],
    ["sparse", sparse],
    ["sparse with one scale", { ...sparse, scale: floats(1) }],
    ["sparse floats", sparseFloats],
    ["factored by kernel", factored],
    ["factored by kernel, padded", { ...factored, d: 10, codebook: new Int8Array(20) }],
    ["factored by rows", rows],
    ["factored by tile", tile],
    ["factored by tile, padded", { ...tile, shape: [3, 2, 3, 3] }],
    ["coded", coded],
  ] as [string, Weight][])("%s is fine", (_name, weight) => checkWeight("w", weight));

  test.each([
    [{ ...dense, shape: [-1, 3] }, "weight w shape: expected non-negative integers, got [-1, 3]"],
    [
      { ...dense, shape: [2 ** 30, 2 ** 30] },
      `weight w shape: expected fewer than 2^53 elements, got [${2 ** 30}, ${2 ** 30}]`,
    ],
    [{ ...dense, data: new Float64Array(6) }, "weight w: expected data of float32, got Float64Array"],
    [{ ...dense, data: new Float32Array(5) }, "weight w [2, 3]: expected 6 values, got 5"],
    [{ ...dense, data: floats(0, 1, Number.NaN, 0, 0, 0) }, "weight w: expected finite numbers, got NaN at 2"],
    [
      { ...dense, data: floats(0, 1, 2, 3, 4, Number.NEGATIVE_INFINITY) },
      "weight w: expected finite numbers, got -Infinity at 5",
    ],
    [
      { ...dense, dtype: "float16", data: Uint16Array.of(0, 0x7c00, 0, 0, 0, 0) },
      "weight w: expected finite numbers, got Infinity at 1",
    ],
    [
      { ...dense, dtype: "float16", data: Uint16Array.of(0, 0, 0xfe01, 0, 0, 0) },
      "weight w: expected finite numbers, got NaN at 2",
    ],
    [{ ...masked, data: new Float32Array(9) }, "weight w [2, 5]: expected 10 values, got 9"],
    [{ ...masked, mask: new Uint8Array(1) }, "weight w [2, 5]: expected 2 bytes of mask, got 1"],
    [{ ...masked, data: new Float32Array(10).fill(Number.NaN) }, "weight w: expected finite numbers, got NaN at 0"],
    [{ ...int8, q: new Int8Array(7) }, "weight w [2, 3]: expected 6 codes, got 7"],
    [{ ...int8, scale: floats(1, 2, 3) }, "weight w [2, 3]: expected 2 scales, got 3"],
    [{ ...int8, scale: floats() }, "weight w [2, 3]: expected 2 scales, got 0"],
    [{ ...int8, scale: floats(1, Number.NaN) }, "weight w: expected scales above 0, got NaN at 1"],
    [{ ...int8, scale: floats(0, 1) }, "weight w: expected scales above 0, got 0 at 0"],
    [{ ...sparse, scale: floats(1, -1, 1) }, "weight w: expected scales above 0, got -1 at 1"],
    [{ ...factored, codebookScale: 0 }, "weight w: expected scales above 0, got 0 at 0"],
    [{ ...sparse, rowPtr: words(0, 2, 4) }, "weight w row pointers: expected 4 from 0 to 4, got 3 from 0 to undefined"],
    [{ ...sparse, rowPtr: words(1, 2, 2, 4) }, "weight w row pointers: expected 4 from 0 to 4, got 4 from 1 to 4"],
    [{ ...sparse, rowPtr: words(0, 2, 2, 3) }, "weight w row pointers: expected 4 from 0 to 4, got 4 from 0 to 3"],
    [
      { ...sparse, rowPtr: words(0, 3, 2, 4), col: words(0, 1, 2, 3) },
      "weight w row 1: expected rising row pointers, got a fall",
    ],
    [{ ...sparse, col: words(3, 0, 1, 2) }, "weight w row 0: expected a column in 4..3, got 0"],
    [{ ...sparse, col: words(0, 0, 1, 2) }, "weight w row 0: expected a column in 1..3, got 0"],
    [{ ...sparse, col: words(0, 3, 1, 4) }, "weight w row 2: expected a column in 2..3, got 4"],
    [{ ...sparse, values: codes(1, 2, 3) }, "weight w [3, 4]: expected 4 values, got 3"],
    [{ ...sparse, scale: floats(1, 2) }, "weight w [3, 4]: expected 3 scales, got 2"],
    [{ ...sparse, scale: undefined }, "weight w: expected scales with int8 values and with no others, got Int8Array"],
    [
      { ...sparseFloats, scale: floats(1) },
      "weight w: expected scales with int8 values and with no others, got Float32Array",
    ],
    [{ ...sparseFloats, values: floats(1, Number.NaN, 0, 0) }, "weight w: expected finite numbers, got NaN at 1"],
    [{ ...factored, d: 0 }, "weight w (kernel): expected Infinity columns of 0, got 4 of 0"],
    [{ ...factored, d: 4.5, n: 8 }, "weight w (kernel): expected 8 columns of 4.5, got 8 of 4.5"],
    [{ ...factored, d: 8 }, "weight w (kernel): expected 5 columns of 8, got 4 of 8"],
    [{ ...factored, n: 5 }, "weight w (kernel): expected 4 columns of 9, got 5 of 9"],
    [{ ...rows, d: 3 }, "weight w (rows): expected 18 columns of 2, got 18 of 3"],
    [
      { ...factored, rowPtr: words(0, 1, 3, 4) },
      "weight w row pointers: expected 5 from 0 to 4, got 4 from 0 to undefined",
    ],
    [{ ...factored, col: words(0, 0, 2, 1) }, "weight w row 1: expected a column in 1..1, got 2"],
    [{ ...factored, codes: codes(1, 2, 3) }, "weight w [2, 2, 3, 3]: expected 4 codes, got 3"],
    [{ ...factored, codeScale: floats(1) }, "weight w [2, 2, 3, 3]: expected 2 scales of atoms, got 1"],
    [{ ...factored, codebook: new Int8Array(17) }, "weight w [2, 2, 3, 3]: expected 18 values of the codebook, got 17"],
    [
      { ...factored, codeScale: floats(1, Number.POSITIVE_INFINITY) },
      "weight w: expected scales above 0, got Infinity at 1",
    ],
    [{ ...factored, codebookScale: Number.NaN }, "weight w: expected scales above 0, got NaN at 0"],
    [{ ...coded, storage: { kind: "int8", scales: 3 } }, "weight w: expected 1 or 2 scales, got 3"],
    [
      { ...coded, storage: { kind: "sparse", nnz: 7, values: "int8", scales: 1 } },
      "weight w: expected at most 6 entries, got 7",
    ],
  ] as [Weight, string][])("%# %o", (weight, message) => {
    expect(() => checkWeight("w", weight)).toThrow(new FormatError(message));
  });
});

describe("checkGraph", () => {
  const node = (name: string, inputs: string[], outputs = [name]): GraphNode => ({
    name,
    op: "Any",
    inputs,
    outputs,
    attributes: {},
  });
  const value = (name: string) => ({ name, dtype: "float32" as const, shape: [1] });
  const weight = { kind: "dense", shape: [1], dtype: "float32", data: new Float32Array(1) } as const;
  const base: Graph = {
    name: "g",
    inputs: [value("x")],
    outputs: [value("b")],
    nodes: [node("a", ["x", "w", ""]), node("b", ["a"], ["b", ""])],
    weights: new Map([["w", weight]]),
  };

  test("a sound graph, an empty graph, and outputs that are inputs pass", () => {
    checkGraph(base);
    checkGraph({ name: "", inputs: [], outputs: [], nodes: [], weights: new Map() });
    checkGraph({ ...base, nodes: [], outputs: [value("x")] });
  });

  test.each([
    [{ inputs: [value("")] }, 'graph input: expected a name, got ""'],
    [{ inputs: [value("x"), value("x")] }, 'graph input: expected a name of its own, got "x" twice'],
    [{ weights: new Map([["x", weight]]) }, 'weight: expected a name of its own, got "x" twice'],
    [{ weights: new Map([["", weight]]) }, 'weight: expected a name, got ""'],
    [{ weights: new Map([["w", { ...weight, shape: [2] }]]) }, "weight w [2]: expected 2 values, got 1"],
    [
      { nodes: [node("a", ["x"]), { ...node("a", ["x"]), outputs: ["b"] }] },
      "node a: expected a name of its own, got a second node of that name",
    ],
    [{ nodes: [node("b", ["a"]), node("a", ["x"])] }, 'node b: expected inputs made before it, got "a"'],
    [{ nodes: [node("b", ["b"])] }, 'node b: expected inputs made before it, got "b"'],
    [{ nodes: [node("b", ["nowhere"])] }, 'node b: expected inputs made before it, got "nowhere"'],
    [{ nodes: [node("b", ["x"], ["x"])] }, 'output of node b: expected a name of its own, got "x" twice'],
    [{ nodes: [node("b", ["x"], ["w"])] }, 'output of node b: expected a name of its own, got "w" twice'],
    [{ nodes: [node("b", ["x"], ["b", "b"])] }, 'output of node b: expected a name of its own, got "b" twice'],
    [{ outputs: [value("nowhere")] }, 'graph output: expected a value of the graph, got "nowhere"'],
  ] as [Partial<Graph>, string][])("%# is refused: %o", (change, message) => {
    expect(() => checkGraph({ ...base, ...change })).toThrow(new FormatError(message));
  });

  test("names are only names", () => {
    const odd = ["__proto__", "constructor", "../x", "a\0b"];
    checkGraph({ ...base, inputs: odd.map(value), nodes: [node("b", odd)], weights: new Map() });
  });
});

test.each([
  [null, "graph: expected a Graph, got null"],
  [7, "graph: expected a Graph, got Number"],
  [{}, "graph.inputs: expected an array, got undefined"],
  [{ inputs: [], outputs: [], nodes: {}, weights: new Map() }, "graph.nodes: expected an array, got Object"],
  [{ inputs: [], outputs: [], nodes: [], weights: null }, "graph.weights: expected a Map, got null"],
])("%o is no graph: for the check and for the writer", (graph, message) => {
  expect(() => checkGraph(graph as Graph)).toThrow(new TypeError(message));
  expect(() => writeContainer(graph as Graph)).toThrow(new TypeError(message));
});
