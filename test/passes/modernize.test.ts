import { describe, expect, test } from "vitest";
import type { DType, TypedArray } from "../../src/dtype.js";
import { type Attribute, type Body, type Graph, type GraphNode, isBody } from "../../src/graph/graph.js";
import type { DenseWeight, Weight } from "../../src/graph/weight.js";
import { modernize } from "../../src/passes/modernize.js";
import { Model } from "../../src/runtime/session.js";
import type { Tensor } from "../../src/tensor.js";
import { runModule } from "../support/network.js";
import { counted, ints, tensor } from "../support/one-node.js";

/** A network of one node of an operator set: input x, weights, output y. */
function old(
  version: number | undefined,
  op: string,
  attributes: Record<string, Attribute>,
  { inputs = ["x"], weights = {}, outputs = ["y"], dtype = "float32" as DType, shape = [2, 3, 4] as number[] } = {},
): Graph {
  return {
    name: "g",
    inputs: [{ name: "x", dtype: "float32", shape }],
    outputs: [{ name: "y", dtype }],
    nodes: [{ name: "n", op, inputs, outputs, attributes }],
    weights: new Map(
      Object.entries(weights as Record<string, Tensor>).map(([k, v]): [string, Weight] => [k, { kind: "dense", ...v }]),
    ),
    ...(version === undefined ? {} : { opset: new Map([["", version]]) }),
  };
}

/** The one node that is left, and what its new weights hold. */
function newest(graph: Graph): { node: GraphNode; values: unknown[][] } {
  const made = modernize(graph);
  expect(made.nodes).toHaveLength(1);
  expect(made.opset?.get("")).toBeGreaterThanOrEqual(21);
  const [node] = made.nodes;
  const values = node.inputs.map((name) => {
    const weight = made.weights.get(name) as DenseWeight | undefined;
    return weight ? [weight.dtype, weight.shape, [...(weight.data as Iterable<number | bigint>)].map(Number)] : [name];
  });
  return { node, values };
}

function run(graph: Graph, x: Tensor): Tensor {
  using model = new Model(graph, runModule);
  return model.run<TypedArray>({ x }).y;
}

describe("attributes that became inputs", () => {
  const list = (...values: number[]) => ["int64", [values.length], values];
  const scalar = (value: number) => ["float32", [], [value]];

  test.each([
    ["Squeeze", 11, { axes: [0, 2] }, [["x"], list(0, 2)], {}],
    ["Unsqueeze", 11, { axes: [0] }, [["x"], list(0)], {}],
    ["ReduceSum", 11, { axes: [1], keepdims: 0 }, [["x"], list(1)], { keepdims: 0 }],
    ["ReduceMean", 13, { axes: [-1] }, [["x"], list(-1)], {}],
    ["ReduceL2", 17, { axes: [0, 1] }, [["x"], list(0, 1)], {}],
    ["Split", 11, { axis: 1, split: [1, 2] }, [["x"], list(1, 2)], { axis: 1 }],
    ["Pad", 2, { mode: "edge", pads: [0, 1, 2, 3] }, [["x"], list(0, 1, 2, 3)], { mode: "edge" }],
    ["Pad", 10, { pads: [0, 1], value: 0.5 }, [["x"], list(0, 1), scalar(0.5)], {}],
    ["Pad", 1, { paddings: [0, 1], value: 0.5 }, [["x"], list(0, 1), scalar(0.5)], {}],
    ["Slice", 9, { axes: [1], starts: [0], ends: [2 ** 63] }, [["x"], list(0), list(2 ** 53 - 1), list(1)], {}],
    ["Clip", 6, { min: -0.5, max: 6 }, [["x"], scalar(-0.5), scalar(6)], {}],
    ["Clip", 6, { max: 6 }, [["x"], [""], scalar(6)], {}],
    ["Clip", 10, {}, [["x"]], {}],
    ["Dropout", 10, { ratio: 0.25 }, [["x"], scalar(0.25)], {}],
    ["Dropout", 6, { ratio: 0.25, is_test: 1 }, [["x"], scalar(0.25)], {}],
    ["TopK", 9, { axis: 1, k: 3 }, [["x"], list(3)], { axis: 1 }],
    ["Reshape", 4, { shape: [6, 4] }, [["x"], list(6, 4)], {}],
  ] as [string, number, Record<string, Attribute>, unknown[][], object][])(
    "%s of %i: %j",
    (op, version, attributes, values, rest) => {
      const made = newest(old(version, op, attributes));
      expect(made.values).toEqual(values);
      expect(made.node).toEqual({ ...made.node, op, attributes: rest });
    },
  );

  test.each([
    ["Squeeze", 13],
    ["ReduceSum", 13],
    ["ReduceMean", 18],
    ["Clip", 11],
    ["Softmax", 13],
    ["Slice", 10],
  ])("%s of %i stays as it is, wrong attributes too", (op, version) => {
    const graph = old(version, op, { axes: [0], min: 1, axis: 0, starts: [1] });
    expect(modernize(graph).nodes).toEqual(graph.nodes);
  });

  test("give what they gave", () => {
    const x = counted("float32", [2, 3, 4]);
    const values = (version: number, op: string, attributes: Record<string, Attribute>) => {
      const y = run(old(version, op, attributes), x);
      return { shape: y.shape, first: y.data[0], last: y.data[y.data.length - 1] };
    };
    const at = (i: number) => x.data[i];
    expect(values(9, "Slice", { starts: [1], ends: [3], axes: [1] })).toEqual({
      shape: [2, 2, 4],
      first: at(4),
      last: at(23),
    });
    expect(values(9, "Pad", { pads: [0, 0, 0, 0, 0, 1], value: 2.5 })).toEqual({
      shape: [2, 3, 5],
      first: at(0),
      last: 2.5,
    });
    expect(values(4, "Reshape", { shape: [4, -1] })).toEqual({ shape: [4, 6], first: at(0), last: at(23) });
    expect(values(11, "Unsqueeze", { axes: [0, 4] })).toEqual({ shape: [1, 2, 3, 4, 1], first: at(0), last: at(23) });
  });
});

test("a graph without an operator set is left alone, whatever its nodes say", () => {
  const graph = old(undefined, "Squeeze", { axes: [0] });
  expect(modernize(graph)).toBe(graph);
  const other = { ...graph, opset: new Map([["com.example", 1]]) };
  expect(modernize(other)).toBe(other);
  const foreign = old(9, "Squeeze", { axes: [0] });
  const nodes = foreign.nodes.map((node) => ({ ...node, domain: "com.example" }));
  expect(modernize({ ...foreign, nodes }).nodes).toEqual(nodes);
});

test("names of new weights are nobody else's", () => {
  const graph = old(11, "Squeeze", { axes: [0] }, { weights: { "n.axes": ints([7]) } });
  const made = modernize(graph);
  expect(made.nodes[0].inputs).toEqual(["x", "n.axes.2"]);
  expect((made.weights.get("n.axes") as DenseWeight).data).toEqual(BigInt64Array.of(7n));
  expect(graph.weights.size).toBe(1);
  // A second time nothing changes.
  expect(modernize(made)).toEqual(made);
});

describe("Softmax before 13", () => {
  test.each([0, 1, 2, undefined])("is over all from axis %s on", (axis) => {
    const x = tensor(
      "float32",
      [2, 3, 4],
      [...counted("float32", [2, 3, 4]).data].map((v) => Number(v) / 20),
    );
    const y = run(old(11, "Softmax", axis === undefined ? {} : { axis }), x);
    expect(y.shape).toEqual([2, 3, 4]);
    const cols = [24, 12, 4][axis ?? 1];
    for (let r = 0; r < 24; r += cols) {
      const row = Array.from(x.data.subarray(r, r + cols) as Float32Array, Math.exp);
      const sum = row.reduce((a, b) => a + b, 0);
      for (const [c, e] of row.entries()) expect(Math.abs(Number(y.data[r + c]) - e / sum)).toBeLessThan(1e-6);
    }
  });

  test("over the last one it is a Softmax alone; LogSoftmax and Hardmax are alike", () => {
    expect(newest(old(11, "Softmax", { axis: -1 })).node.attributes).toEqual({ axis: -1 });
    for (const op of ["LogSoftmax", "Hardmax"]) {
      const made = modernize(old(11, op, {}));
      expect(made.nodes.map((node) => node.op)).toEqual(["Shape", "Flatten", op, "Reshape"]);
      expect(made.nodes[3].outputs).toEqual(["y"]);
    }
  });
});

describe("other forms", () => {
  test("BatchNormalization: spatial, and statistics as outputs", () => {
    const inputs = ["x", "a", "b", "c", "d"];
    const attributes = { spatial: 1, epsilon: 0.5 };
    expect(newest(old(7, "BatchNormalization", attributes, { inputs })).node.attributes).toEqual({ epsilon: 0.5 });
    expect(newest(old(8, "BatchNormalization", { spatial: 0 }, { inputs })).node.attributes).toEqual({ spatial: 0 });
    const outputs = ["y", "mean", "var", "saved_mean", "saved_var"];
    const trains = newest(old(9, "BatchNormalization", {}, { inputs, outputs })).node;
    expect(trains).toEqual({ ...trains, attributes: { training_mode: 1 }, outputs: ["y", "mean", "var"] });
    const tests = newest(
      old(6, "BatchNormalization", { is_test: 1, consumed_inputs: [0, 0] }, { inputs, outputs }),
    ).node;
    expect(tests).toEqual({ ...tests, attributes: {}, outputs: ["y"] });
  });

  test("Cast by name", () => {
    const codes = ["FLOAT", "INT64", "BOOL", "DOUBLE", "uint8"].map(
      (to) => newest(old(1, "Cast", { to })).node.attributes.to,
    );
    expect(codes).toEqual([1, 7, 9, 11, 2]);
    expect(newest(old(9, "Cast", { to: 7 })).node.attributes.to).toBe(7);
  });

  test("Add of 6 stands where its axis says", () => {
    const shape = [2, 3, 4];
    const b = tensor("float32", [3], [10, 20, 30]);
    const graph = old(6, "Add", { broadcast: 1, axis: 1 }, { inputs: ["x", "b"], weights: { b } });
    const made = modernize(graph);
    expect(made.nodes[made.nodes.length - 1].attributes).toEqual({});
    // The shape that b gets, by the operators that make it.
    const reshape = made.nodes.find((node) => node.op === "Reshape")!;
    const upTo = made.nodes.slice(0, made.nodes.indexOf(reshape)).concat({ ...reshape, outputs: ["y"] });
    const y = run({ ...made, nodes: upTo }, counted("float32", shape));
    expect(y.shape).toEqual([3, 1]);
    expect([...y.data]).toEqual([10, 20, 30]);
    expect(newest(old(6, "Mul", { broadcast: 1 }, { inputs: ["x", "b"], weights: { b } })).node.attributes).toEqual({});
    expect(
      newest(old(5, "Add", { broadcast: 0, consumed_inputs: [0, 0] }, { inputs: ["x", "x"] })).node.attributes,
    ).toEqual({});
  });

  test("Scatter, Gemm, Concat, GridSample, RoiAlign, Relu", () => {
    expect(newest(old(9, "Scatter", { axis: 1 })).node).toMatchObject({
      op: "ScatterElements",
      attributes: { axis: 1 },
    });
    expect(newest(old(6, "Gemm", { broadcast: 1, transB: 1 })).node.attributes).toEqual({ transB: 1 });
    expect(newest(old(3, "Concat", {})).node.attributes).toEqual({ axis: 1 });
    expect(newest(old(16, "GridSample", {})).node.attributes).toEqual({ mode: "linear" });
    expect(newest(old(16, "GridSample", { mode: "bicubic" })).node.attributes).toEqual({ mode: "cubic" });
    expect(newest(old(16, "GridSample", { mode: "nearest" })).node.attributes).toEqual({ mode: "nearest" });
    expect(newest(old(10, "RoiAlign", {})).node.attributes).toEqual({
      coordinate_transformation_mode: "output_half_pixel",
    });
    expect(newest(old(5, "Relu", { consumed_inputs: [0] })).node.attributes).toEqual({});
  });

  test.each([
    [7, "Upsample", { scales: [1, 2, 2] }, undefined],
    [9, "Upsample", {}, [1, 2, 2]],
    [10, "Resize", {}, [1, 2, 2]],
  ] as const)("%i: %s begins pixels at their corners", (version, op, attributes, scales) => {
    const weights: Record<string, Tensor> = scales ? { s: tensor("float32", [3], scales) } : {};
    const x = counted("float32", [2, 3, 4]);
    for (const mode of ["nearest", "linear"]) {
      const inputs = scales ? ["x", "s"] : ["x"];
      const y = run(old(version, op, { ...attributes, mode }, { inputs, weights }), x);
      expect(y.shape).toEqual([2, 6, 8]);
      expect(y.data[0]).toBe(x.data[0]);
      const [a, b] = [Number(x.data[0]), Number(x.data[1])];
      expect(y.data[1]).toBeCloseTo(mode === "nearest" ? a : (a + b) / 2, 4);
      expect(y.data[2]).toBeCloseTo(b, 4);
    }
  });

  test("GroupNormalization of 18 has a scale for each channel", () => {
    const [scale, bias] = [tensor("float32", [2], [3, 5]), tensor("float32", [2], [1, 2])];
    const attributes = { num_groups: 2, epsilon: 0.5 };
    const graph = old(18, "GroupNormalization", attributes, {
      inputs: ["x", "s", "b"],
      weights: { s: scale, b: bias },
    });
    const made = modernize(graph);
    const last = made.nodes[made.nodes.length - 1];
    expect(last).toMatchObject({ op: "GroupNormalization", attributes });
    expect(last.inputs[0]).toBe("x");
    const ops = [
      "Shape",
      "Div",
      "Concat",
      "Reshape",
      "Expand",
      "Reshape",
      "Reshape",
      "Expand",
      "Reshape",
      "GroupNormalization",
    ];
    expect(made.nodes.map((node) => node.op)).toEqual(ops);
    expect(modernize(old(21, "GroupNormalization", attributes)).nodes).toHaveLength(1);
  });
});

describe("Constant", () => {
  const graph = (): Graph => ({
    name: "g",
    inputs: [{ name: "x", dtype: "float32", shape: [2] }],
    outputs: [
      { name: "y", dtype: "float32" },
      { name: "c2", dtype: "int64" },
    ],
    nodes: [
      { name: "a", op: "Constant", inputs: [], outputs: ["c"], attributes: { value: tensor("float32", [2], [1, 2]) } },
      { name: "b", op: "Constant", inputs: [], outputs: ["c2"], attributes: { value_ints: [3] } },
      { name: "n", op: "Add", inputs: ["x", "c"], outputs: ["y"], attributes: {} },
    ],
    weights: new Map(),
    opset: new Map([["", 13]]),
  });

  test("becomes a weight where it is no output", () => {
    const made = modernize(graph());
    expect(made.nodes.map((node) => node.name)).toEqual(["b", "n"]);
    expect(made.weights.get("c")).toEqual({ kind: "dense", ...tensor("float32", [2], [1, 2]) });
    using model = new Model(graph(), runModule);
    const { y, c2 } = model.run<TypedArray>({ x: Float32Array.of(10, 20) });
    expect([...y.data]).toEqual([11, 22]);
    expect([...c2.data]).toEqual([3n]);
  });

  test.each([Number.NEGATIVE_INFINITY, Number.NaN])("of %d stays, since no weight may hold it", (value) => {
    const attributes = { value: tensor("float32", [2], [value, 2]) };
    const given = graph();
    const spoiled: Graph = { ...given, nodes: [{ ...given.nodes[0], attributes }, ...given.nodes.slice(1)] };
    const made = modernize(spoiled);
    expect(made.nodes.map((node) => node.name)).toEqual(["a", "b", "n"]);
    expect(made.weights.size).toBe(0);
    using model = new Model(spoiled, runModule);
    expect([...model.run({ x: Float32Array.of(10, 20) }).y.data]).toEqual([value, 22]);
  });

  test("of text stays for the operator to refuse", () => {
    const text: Graph = {
      ...graph(),
      nodes: [{ name: "a", op: "Constant", inputs: [], outputs: ["c"], attributes: { value_string: "t" } }],
    };
    expect(modernize(text).nodes).toEqual(text.nodes);
  });
});

test("bodies are rewritten, their new weights stand in the graph", () => {
  const body = (name: string): Body => ({
    name,
    inputs: [],
    outputs: [{ name: `${name}.y` }],
    nodes: [
      {
        name: `${name}.n`,
        op: "Unsqueeze",
        inputs: ["x"],
        outputs: [`${name}.y`],
        attributes: { axes: [name === "a" ? 0 : 2] },
      },
    ],
    weights: new Map(),
  });
  const graph: Graph = {
    name: "g",
    inputs: [
      { name: "x", dtype: "float32", shape: [2, 3] },
      { name: "goes", dtype: "bool", shape: [] },
    ],
    outputs: [{ name: "y", dtype: "float32" }],
    nodes: [
      {
        name: "if",
        op: "If",
        inputs: ["goes"],
        outputs: ["y"],
        attributes: { then_branch: body("a"), else_branch: body("b") },
      },
    ],
    weights: new Map(),
    opset: new Map([["", 11]]),
  };
  const made = modernize(graph);
  const inner = Object.values(made.nodes[0].attributes).filter(isBody);
  expect(inner.map(({ nodes }) => nodes[0].inputs)).toEqual([
    ["x", "a.n.axes"],
    ["x", "b.n.axes"],
  ]);
  using model = new Model(graph, runModule);
  const x = counted("float32", [2, 3]);
  const shape = (goes: number) => model.run({ x, goes: tensor("bool", [], [goes]) }).y.shape;
  expect([shape(1), shape(0)]).toEqual([
    [1, 2, 3],
    [2, 3, 1],
  ]);
});
