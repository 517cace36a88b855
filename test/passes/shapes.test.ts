import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { readOnnx } from "../../src/formats/onnx/index.js";
import { GraphBuilder } from "../../src/graph/build.js";
import type { Graph } from "../../src/graph/graph.js";
import { createEngine } from "../../src/kernels/engine.js";
import { inferShapes } from "../../src/passes/shapes.js";
import { knowledgeOf } from "../../src/runtime/lower.js";
import { normals } from "../support/kernels.js";
import { runModule } from "../support/network.js";

const known = (graph: Graph) => knowledgeOf(createEngine(runModule), graph);

test("open dimensions keep their names, and what follows from them is named alike", () => {
  const b = new GraphBuilder("net");
  const x = b.input("x", ["N", 3, "H", "W"]);
  const c = b.node("Conv", [x, b.weight("w", [8, 3, 3, 3], normals(216, 1))], { pads: [1, 1, 1, 1] }, "conv");
  b.node("MaxPool", [c], { kernel_shape: [2, 2], strides: [2, 2] }, "pool");
  b.node("AveragePool", [c], { kernel_shape: [2, 2], strides: [2, 2] }, "mean");
  const g = b.node("Flatten", [b.node("GlobalAveragePool", ["pool"], {}, "global")], {}, "flat");
  b.output("y", ["N", 4], b.node("Gemm", [g, b.weight("fc", [4, 8], normals(32, 2))], { transB: 1 }, "gemm"));
  const shapes = Object.fromEntries(inferShapes(b.build()));
  expect(shapes).toEqual({
    x: ["N", 3, "H", "W"],
    w: [8, 3, 3, 3],
    fc: [4, 8],
    conv: ["N", 8, "H", "W"],
    pool: ["N", 8, "?1", "?2"],
    mean: ["N", 8, "?1", "?2"],
    global: ["N", 8, 1, 1],
    flat: ["N", 8],
    y: ["N", 4],
  });
});

test("several inputs share their dimensions, sums of them are others", () => {
  const b = new GraphBuilder("net");
  const [x, z] = [b.input("x", ["N", "T"]), b.input("z", ["N", "S"])];
  const both = b.node("Concat", [x, z], { axis: 1 }, "both");
  b.node("Concat", [z, x], { axis: 1 }, "again");
  b.node("Transpose", [x], {}, "turned");
  b.output("y", ["N", "N"], b.node("MatMul", [both, b.node("Transpose", ["again"])], {}, "product"));
  const shapes = inferShapes(b.build());
  expect(shapes.get("both")).toEqual(["N", "?1"]);
  expect(shapes.get("again")).toEqual(["N", "?1"]);
  expect(shapes.get("turned")).toEqual(["T", "N"]);
  expect(shapes.get("y")).toEqual(["N", "N"]);
});

test("what follows from elements, or does not fit, is missing, and the rest is there", () => {
  const b = new GraphBuilder("net");
  const x = b.input("x", ["N", 4]);
  const where = b.node("NonZero", [x], {}, "where");
  b.node("Abs", [where], {}, "after");
  b.node("Add", [x, b.weight("odd", [3], normals(3, 1))], {}, "unfit");
  const sizes = b.node("Shape", [x], {}, "sizes");
  b.node(
    "Reshape",
    [x, b.node("Concat", [b.weight("one", [1], BigInt64Array.of(1n), "int64"), sizes], { axis: 0 }, "to")],
    {},
    "shaped",
  );
  b.output("y", ["N", 4], b.node("Neg", [x], {}, "neg"));
  const graph = b.build();
  const shapes = inferShapes(graph, known);
  expect([...shapes.keys()].sort()).toEqual(["odd", "one", "shaped", "sizes", "to", "x", "y"]);
  expect(shapes.get("shaped")).toEqual([1, "N", 4]);
  expect(inferShapes(graph).has("shaped")).toBe(false);
});

test("without open dimensions and without inputs", () => {
  const b = new GraphBuilder("net");
  b.output("y", [2], b.node("Neg", [b.input("x", [2])], {}, "neg"));
  expect(Object.fromEntries(inferShapes(b.build()))).toEqual({ x: [2], y: [2] });
  expect(inferShapes({ ...b.build(), inputs: [], nodes: [], outputs: [] }).size).toBe(0);
});

const data = process.env.COPPICE_DATA;

test.skipIf(!data)("of a language model: every value, with the length open (COPPICE_DATA)", () => {
  const graph = readOnnx(readFileSync(`${data}/onnx/stories260k/model.onnx`));
  const shapes = inferShapes(graph, known);
  for (const node of graph.nodes) for (const name of node.outputs) expect(shapes.has(name)).toBe(true);
  for (const { name, shape } of graph.outputs) expect(shapes.get(name)).toEqual(shape);
});
