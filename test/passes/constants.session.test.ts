// What follows from weights alone is computed when a network is loaded.
import { describe, expect, test } from "vitest";
import { ShapeError } from "../../src/errors.js";
import { readContainer, writeContainer } from "../../src/formats/container/index.js";
import { GraphBuilder } from "../../src/graph/build.js";
import type { Graph } from "../../src/graph/graph.js";
import { floatToHalf } from "../../src/graph/storage.js";
import type { DenseWeight } from "../../src/graph/weight.js";
import { createEngine } from "../../src/kernels/engine.js";
import { foldConstants } from "../../src/passes/constants.js";
import { dropDead } from "../../src/passes/dead.js";
import { knowledgeOf } from "../../src/runtime/lower.js";
import { Model } from "../../src/runtime/session.js";
import { normals } from "../support/kernels.js";
import { runModule } from "../support/network.js";

const folded = (graph: Graph) => dropDead(foldConstants(graph, knowledgeOf(createEngine(runModule), graph)));
const ops = (graph: Graph) => graph.nodes.map(({ op }) => op);
const longs = (...values: number[]) => BigInt64Array.from(values, BigInt);

/** y = x (2 W)^T, W of halves in a shape of its own. */
function scaled(): Graph {
  const b = new GraphBuilder("scaled");
  const halves = Uint16Array.from(normals(12, 1), floatToHalf);
  const x = b.input("x", ["N", 4]);
  const wide = b.node("Cast", [b.weight("w", [12], halves, "float16")], { to: 1 });
  const matrix = b.node("Reshape", [wide, b.weight("shape", [2], longs(3, -1), "int64")]);
  const twice = b.node("Mul", [matrix, b.weight("two", [], Float32Array.of(2))]);
  b.output("y", ["N", 3], b.node("MatMul", [x, b.node("Transpose", [twice], { perm: [1, 0] })]));
  return b.build();
}

test("a weight that is cast, shaped, scaled and transposed is one weight", () => {
  const graph = scaled();
  const before = structuredClone(graph);
  const made = folded(graph);
  expect(ops(made)).toEqual(["MatMul"]);
  expect([...made.weights.keys()]).toEqual([made.nodes[0].inputs[1]]);
  expect(graph).toEqual(before);
  const x = normals(8, 2);
  const given = graph.weights.get("w") as DenseWeight;
  const model = new Model(graph, runModule);
  const { y } = model.run({ x });
  const halves = new Model({ ...graph, outputs: [{ name: "cast1", dtype: "float32", shape: [12] }] }, runModule);
  const w = halves.run({ x }).cast1.data;
  expect(w).toHaveLength(given.data.length);
  for (let n = 0; n < 2; n++) {
    for (let j = 0; j < 3; j++) {
      let sum = 0;
      for (let i = 0; i < 4; i++) sum += x[4 * n + i] * 2 * w[4 * j + i];
      expect(y.data[3 * n + j]).toBeCloseTo(sum, 5);
    }
  }
  expect(graph).toEqual(before);
});

test("so is one of a file, which is decoded for it", () => {
  const graph = readContainer(writeContainer(scaled()));
  expect([...graph.weights.values()].map(({ kind }) => kind)).toEqual(["coded", "coded", "coded"]);
  expect(ops(folded(graph))).toEqual(["MatMul"]);
  const x = normals(8, 2);
  expect(new Model(graph, runModule).run({ x })).toEqual(new Model(scaled(), runModule).run({ x }));
});

describe("limits", () => {
  /** `count` times `size` ones, of next to nothing; the first element of each is added to x. */
  function bomb(size: number, count: number): Graph {
    const b = new GraphBuilder("bomb");
    let y = b.input("x", [1]);
    const shape = b.weight("shape", [1], longs(size), "int64");
    const one = { dtype: "float32", shape: [1], data: Float32Array.of(1) } as const;
    const first = ["zero", "one"].map((name, i) => b.weight(name, [1], longs(i), "int64"));
    for (let i = 0; i < count; i++) {
      const big = b.node("ConstantOfShape", [shape], { value: one });
      y = b.node("Add", [y, b.node("Slice", [big, ...first])]);
    }
    b.output("y", [1], y);
    return b.build();
  }

  test("a result of up to 65,536 elements is computed, a larger one is left", () => {
    expect(ops(folded(bomb(65536, 1)))).toEqual(["Add"]);
    expect(ops(folded(bomb(65537, 1)))).toEqual(["ConstantOfShape", "Slice", "Add"]);
    expect(new Model(bomb(65537, 1), runModule).run({ x: Float32Array.of(1) }).y.data).toEqual(Float32Array.of(2));
  });

  test("all results together have 16 times as many at most", () => {
    const made = folded(bomb(65536, 40));
    expect(ops(made).filter((op) => op === "ConstantOfShape").length).toBeGreaterThanOrEqual(40 - 16);
    expect(new Model(bomb(65536, 40), runModule).run({ x: Float32Array.of(1) }).y.data).toEqual(Float32Array.of(41));
  });

  test("a shape that asks for all of memory is refused, and the graph stays", () => {
    const graph = bomb(2 ** 40, 1);
    expect(folded(graph)).toEqual(dropDead(graph));
    expect(() => new Model(graph, runModule).run({ x: Float32Array.of(1) })).toThrow(ShapeError);
  });

  test("weights that are large themselves may become as large", () => {
    const b = new GraphBuilder("large");
    const w = b.weight("w", [300, 400], normals(120000, 1));
    b.output("y", ["N", 300], b.node("MatMul", [b.input("x", ["N", 400]), b.node("Transpose", [w])]));
    expect(ops(folded(b.build()))).toEqual(["MatMul"]);
    expect(ops(b.build())).toEqual(["Transpose", "MatMul"]);
  });

  test("many small results of one large weight read it so often and no more", () => {
    const b = new GraphBuilder("reads");
    const w = b.weight("w", [300000], normals(300000, 1));
    let y = b.input("x", []);
    for (let i = 0; i < 100; i++) y = b.node("Add", [y, b.node("ReduceMax", [w], { keepdims: 0 })]);
    b.output("y", [], y);
    const left = ops(folded(b.build())).filter((op) => op === "ReduceMax").length;
    expect(left).toBe(100 - Math.floor((64 * (65536 + 300000)) / 300000));
  });

  test("chains that grow at each step end at the limit", () => {
    const b = new GraphBuilder("chain");
    let w = b.weight("w", [1024], normals(1024, 1));
    for (let i = 0; i < 40; i++) w = b.node("Concat", [w, w], { axis: 0 });
    b.output("y", [], b.node("Add", [b.input("x", []), b.node("ReduceSum", [w], { keepdims: 0 })]));
    const made = folded(b.build());
    expect(ops(made).filter((op) => op === "Concat")).toHaveLength(40 - 6);
  });
});

describe("is left to planning", () => {
  test("what does not fit, which is named there", () => {
    const b = new GraphBuilder("unfit");
    const w = b.weight("w", [12], normals(12, 1));
    const matrix = b.node("Reshape", [w, b.weight("shape", [2], longs(5, 2), "int64")], {}, "odd");
    b.output("y", ["N", 2], b.node("MatMul", [b.input("x", ["N", 5]), matrix]));
    expect(ops(folded(b.build()))).toEqual(["Reshape", "MatMul"]);
    expect(() => new Model(b.build(), runModule).run({ x: new Float32Array(5) })).toThrow(/^odd \(Reshape\)/);
  });

  test("an output of the graph", () => {
    const b = new GraphBuilder("outputs");
    const x = b.input("x", [2]);
    b.output("z", [2], b.node("Neg", [b.weight("w", [2], Float32Array.of(1, -2))], {}, "neg"));
    b.output("y", [2], b.node("Add", [x, "z"]));
    expect(ops(folded(b.build()))).toEqual(["Neg", "Add"]);
    const results = new Model(b.build(), runModule).run({ x: Float32Array.of(5, 6) });
    expect(results.z.data).toEqual(Float32Array.of(-1, 2));
    expect(results.y.data).toEqual(Float32Array.of(4, 8));
  });

  test("a weight that is stored in fewer bytes", () => {
    const b = new GraphBuilder("int8");
    const w = b.weight("w", [3, 4], normals(12, 1));
    b.output("y", ["N", 3], b.node("MatMul", [b.input("x", ["N", 4]), b.node("Transpose", [w])]));
    const graph = b.build();
    const int8 = { kind: "int8", shape: [3, 4], q: new Int8Array(12).fill(1), scale: Float32Array.of(0.5) } as const;
    expect(ops(folded({ ...graph, weights: new Map([["w", int8]]) }))).toEqual(["Transpose", "MatMul"]);
  });
});

test("numbers that are not finite go through", () => {
  const b = new GraphBuilder("mask");
  const data = Float32Array.of(0, Number.NEGATIVE_INFINITY, Number.NaN);
  const mask = b.node("Constant", [], { value: { dtype: "float32", shape: [3], data } });
  const wide = b.node("Unsqueeze", [mask, b.weight("axis", [1], longs(0), "int64")]);
  b.output("y", ["N", 3], b.node("Add", [b.input("x", ["N", 3]), wide]));
  expect(ops(folded(b.build()))).toEqual(["Add"]);
  const { y } = new Model(b.build(), runModule).run({ x: Float32Array.of(1, 2, 3) });
  expect(y.data).toEqual(Float32Array.of(1, Number.NEGATIVE_INFINITY, Number.NaN));
});
