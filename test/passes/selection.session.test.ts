// An embedding as JAX writes it, a product with rows of one 1 each, takes rows of the weight.
import { expect, test } from "vitest";
import { GraphBuilder } from "../../src/graph/build.js";
import type { Graph } from "../../src/graph/graph.js";
import { Model } from "../../src/runtime/session.js";
import { normals } from "../support/kernels.js";
import { runModule } from "../support/network.js";
import { ops, passed } from "../support/written.js";

const count = 5;

/** rows[x] of a weight [5, 3], x [2, N] and what `column` makes of it. */
function embedding(
  dtype: "int32" | "int64",
  options: { places?: readonly number[]; shape?: readonly number[]; table?: Float32Array; column?: number } = {},
): Graph {
  const { places = [0, 1, 2, 3, 4], shape = [1, 1, 5], table = normals(15, 3), column = 1 } = options;
  const numbers = (values: readonly number[], type: typeof dtype) =>
    type === "int64" ? BigInt64Array.from(values, BigInt) : Int32Array.from(values);
  const b = new GraphBuilder("embedding");
  const x = b.input("x", ["M", "N"], dtype);
  const to = b.weight("to", [3], numbers([0, -1, column], "int64"), "int64");
  const index = b.node("Reshape", [x, to]);
  const equal = b.node("Equal", [index, b.weight("places", shape, numbers(places, dtype), dtype)]);
  const left = b.node("Cast", [equal], { to: 1 }, "ones");
  b.output("y", ["M", "K", 3], b.node("MatMul", [left, b.weight("table", [count, 3], table)]));
  return b.build();
}

/** The same, but that the rows of ones are an output too and have to be made. */
const opened = (graph: Graph): Graph => ({ ...graph, outputs: [...graph.outputs, { name: "ones", dtype: "float32" }] });

const found = ["Reshape", "Squeeze", "Clip", "Gather"];
const written = ["Reshape", "Equal", "Cast", "MatMul"];

test.each(["int32", "int64"] as const)("%s, and zeros where an index is none", (dtype) => {
  const graph = embedding(dtype);
  expect(ops(passed(graph))).toEqual(found);
  expect(ops(passed(embedding(dtype, { shape: [5] })))).toEqual(found);
  expect(ops(passed(opened(graph)))).toEqual(written);
  const values = [0, 4, 2, -1, 5, -6, 1000, 3];
  const data = dtype === "int64" ? BigInt64Array.from(values, BigInt) : Int32Array.from(values);
  const x = { dtype, shape: [2, 4], data };
  const [got, wanted] = [graph, opened(graph)].map((each) => new Model(each, runModule).run({ x }).y);
  expect(got).toEqual(wanted);
  const table = normals(15, 3);
  expect([...got.data]).toEqual(
    values.flatMap((i) => (i >= 0 && i < count ? [...table.slice(3 * i, 3 * i + 3)] : [0, 0, 0])),
  );
});

test.each([
  ["places in another order", { places: [0, 1, 2, 4, 3] }],
  ["more than one index in a row", { column: 5 }],
  ["places along another dimension", { shape: [1, 5, 1] }],
  ["places of more dimensions", { shape: [1, 1, 1, 5] }],
])("%s: stays", (_what, options) => {
  expect(ops(passed(embedding("int32", options)))).toEqual(written);
});
