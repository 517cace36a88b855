// Weights of products that a file holds as codes and DequantizeLinear stay codes, and the results stay the same to the last bit.
import { describe, expect, test } from "vitest";
import type { DType, TypedArray } from "../../src/dtype.js";
import { checkGraph } from "../../src/graph/check.js";
import type { Attribute, Graph, GraphNode } from "../../src/graph/graph.js";
import type { DenseWeight } from "../../src/graph/weight.js";
import { dequantize } from "../../src/passes/dequantize.js";
import { Model } from "../../src/runtime/session.js";
import type { Tensor } from "../../src/tensor.js";
import { normals, uniform } from "../support/kernels.js";
import { runModule, sizeOf } from "../support/network.js";
import { tensor } from "../support/one-node.js";

function codes(dtype: "int8" | "int32" | "uint8", shape: readonly number[], seed: number): Tensor {
  const next = uniform(seed);
  const low = dtype === "uint8" ? 0 : -128;
  return tensor(
    dtype,
    shape,
    Array.from({ length: sizeOf(shape) }, () => low + Math.floor(next() * 256)),
  );
}

const scales = (count: number) =>
  tensor(
    "float32",
    count === 1 ? [] : [count],
    Array.from({ length: count }, (_, i) => (i + 1) / 300),
  );

interface Net {
  readonly op: string;
  readonly x: readonly number[];
  readonly w: Tensor;
  readonly scale: Tensor;
  readonly zero?: Tensor;
  readonly told?: Record<string, Attribute>;
  readonly attributes?: Record<string, Attribute>;
  readonly bias?: { readonly codes: Tensor; readonly scale: Tensor };
}

/** The product of x and dequantized codes; `fixed`: which of the codes are weights, and no inputs. */
function graphOf({ op, x, w, scale, zero, told = { axis: 0 }, attributes = {}, bias }: Net, fixed: boolean): Graph {
  const tensors: Record<string, Tensor> = { w, scale };
  if (zero) tensors.zero = zero;
  if (bias) Object.assign(tensors, { b: bias.codes, bScale: bias.scale });
  const node = (name: string, op: string, inputs: string[], attributes: Record<string, Attribute>): GraphNode => ({
    ...{ name, op, inputs, attributes },
    outputs: [name],
  });
  return {
    name: "g",
    inputs: [
      { name: "x", dtype: "float32", shape: x },
      ...(fixed ? [] : Object.entries(tensors).map(([name, { dtype, shape }]) => ({ name, dtype, shape }))),
    ],
    outputs: [{ name: "y", dtype: "float32" }],
    nodes: [
      node("weight", "DequantizeLinear", ["w", "scale", ...(zero ? ["zero"] : [])], told),
      ...(bias ? [node("bias", "DequantizeLinear", ["b", "bScale"], { axis: 0 })] : []),
      node("y", op, ["x", "weight", ...(bias ? ["bias"] : [])], attributes),
    ],
    weights: new Map(
      fixed
        ? Object.entries(tensors).map(([name, given]): [string, DenseWeight] => [name, { kind: "dense", ...given }])
        : [],
    ),
  };
}

function run(graph: Graph, net: Net): TypedArray {
  using model = new Model(graph, runModule);
  const x = normals(sizeOf(net.x), 1);
  const { w, scale, zero, bias } = net;
  const given: Record<string, Tensor | undefined> = { w, scale, zero, b: bias?.codes, bScale: bias?.scale };
  const feeds = graph.inputs.map(({ name, shape }) => [
    name,
    name === "x" ? { dtype: "float32" as DType, shape: shape as number[], data: x } : given[name]!,
  ]);
  return model.run<TypedArray>(Object.fromEntries(feeds)).y.data;
}

const bias = { codes: codes("int32", [6], 5), scale: scales(6) };
const conv: Net = { op: "Conv", x: [1, 3, 5, 5], w: codes("int8", [6, 3, 3, 3], 2), scale: scales(6) };
const gemm: Net = { op: "Gemm", x: [4, 9], w: codes("int8", [6, 9], 3), scale: scales(6), attributes: { transB: 1 } };
const matmul: Net = { op: "MatMul", x: [2, 4, 9], w: codes("int8", [9, 6], 4), scale: scales(1) };

describe("stay codes", () => {
  test.each<[string, Net]>([
    ["Conv, a scale for each row", conv],
    ["Conv, one scale", { ...conv, scale: scales(1), told: {} }],
    ["Conv, one scale in a list", { ...conv, scale: tensor("float32", [1], [0.1]), told: {} }],
    ["Conv with zero points of 0", { ...conv, zero: tensor("int8", [6], [0, 0, 0, 0, 0, 0]) }],
    ["Conv with a bias of codes", { ...conv, bias }],
    ["Gemm", gemm],
    ["Gemm with a bias of codes", { ...gemm, bias, told: { axis: -2 } }],
    ["Gemm with one scale of the bias", { ...gemm, bias: { ...bias, scale: scales(1) } }],
    ["Gemm of B as it is", { ...gemm, w: codes("int8", [9, 6], 7), scale: scales(9), attributes: {} }],
    ["MatMul", { ...matmul, told: { output_dtype: 1 } }],
  ])("%s", (_, net) => {
    const graph = graphOf(net, true);
    const after = dequantize(graph);
    checkGraph(after);
    expect(after.nodes.map(({ op }) => op)).toEqual([net.op]);
    const { data } = net.w;
    expect(after.weights.get("weight")).toEqual({ kind: "int8", shape: net.w.shape, q: data, scale: net.scale.data });
    if (net.bias) expect(after.weights.get("bias")).toMatchObject({ kind: "dense", dtype: "float32", shape: [6] });
    expect(run(graph, net)).toEqual(run(graphOf(net, false), net));
  });
});

describe("are left to the operator", () => {
  const half: Tensor = { dtype: "float16", shape: [], data: Uint16Array.of(0x2c00) };
  test.each<[string, Net]>([
    ["zero points that are not 0", { ...conv, zero: tensor("int8", [6], [0, 0, 0, 0, 0, 1]) }],
    ["uint8", { ...conv, w: codes("uint8", [6, 3, 3, 3], 2) }],
    ["scales of columns", { ...matmul, scale: scales(6), told: { axis: 1 } }],
    [
      "blocks",
      { ...gemm, scale: tensor("float32", [2, 9], new Array(18).fill(0.5)), told: { axis: 0, block_size: 3 } },
    ],
    ["halves", { ...conv, scale: half, told: {} }],
    ["another type that is asked for", { ...conv, told: { axis: 0, output_dtype: 10 } }],
    ["vectors", { ...matmul, w: codes("int8", [9], 6), told: {} }],
    ["a scale of 0", { ...conv, scale: tensor("float32", [], [0]), told: {} }],
  ])("%s", (_, net) => {
    const graph = graphOf(net, true);
    expect(dequantize(graph)).toBe(graph);
    expect(run(graph, net)).toEqual(run(graphOf(net, false), net));
  });

  test("what another node or an output reads", () => {
    const graph = graphOf(conv, true);
    const relu: GraphNode = { name: "other", op: "Relu", inputs: ["weight"], outputs: ["other"], attributes: {} };
    expect(dequantize({ ...graph, nodes: [...graph.nodes, relu] }).nodes).toHaveLength(3);
    expect(
      dequantize({ ...graph, outputs: [...graph.outputs, { name: "weight", dtype: "float32" }] }).nodes,
    ).toHaveLength(2);
  });
});

test("a weight whose bias is computed", () => {
  const graph = graphOf(conv, true);
  const [weight, y] = graph.nodes;
  const fed: Graph = {
    ...graph,
    inputs: [...graph.inputs, { name: "bias", dtype: "float32", shape: [6] }],
    nodes: [weight, { ...y, inputs: [...y.inputs, "bias"] }],
  };
  expect(dequantize(fed).nodes).toHaveLength(1);
  expect(dequantize(fed).weights.get("weight")?.kind).toBe("int8");
  using model = new Model(fed, runModule);
  const x = { dtype: "float32", shape: conv.x, data: normals(75, 1) } as const;
  const zeros = { dtype: "float32", shape: [6], data: new Float32Array(6) } as const;
  expect(model.run({ x, bias: zeros }).y.data).toEqual(run(graph, conv));
});
