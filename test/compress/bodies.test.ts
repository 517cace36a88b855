// Graphs as ONNX files have them: weights in branches, older operator sets, constants that are infinite.
import { expect, test } from "vitest";
import { compress } from "../../src/compress/compress.js";
import { readContainer, writeContainer } from "../../src/formats/container/index.js";
import { readOnnx, writeOnnx } from "../../src/formats/onnx/index.js";
import type { Body, Graph, GraphNode } from "../../src/graph/graph.js";
import type { Weight } from "../../src/graph/weight.js";
import { Model } from "../../src/runtime/session.js";
import { normals } from "../support/kernels.js";
import { fed, runModule } from "../support/network.js";

const weight = (shape: number[], seed: number): Weight => ({
  kind: "dense",
  shape,
  dtype: "float32",
  data: normals(
    shape.reduce((a, b) => a * b),
    seed,
  ),
});

const node = (op: string, inputs: string[], output: string, attributes: GraphNode["attributes"] = {}): GraphNode => ({
  name: output,
  op,
  inputs,
  outputs: [output],
  attributes,
});

function branch(name: string, seed: number): Body {
  const nodes = [node("Gemm", ["h", "w"], `${name}.y`, { transB: 1 })];
  return {
    name,
    inputs: [],
    outputs: [{ name: `${name}.y` }],
    nodes,
    weights: new Map([["w", weight([8, 32], seed)]]),
  };
}

/** y = max(h V, -infinity) where h = x U^T, V by a condition; Unsqueeze and Squeeze as opset 11 has them. */
const graph: Graph = {
  name: "branches",
  inputs: [
    { name: "c", dtype: "bool", shape: [] },
    { name: "x", dtype: "float32", shape: ["N", 16] },
  ],
  outputs: [{ name: "y", dtype: "float32", shape: ["N", 8] }],
  nodes: [
    node("Constant", [], "least", {
      value: { dtype: "float32", shape: [1], data: Float32Array.of(Number.NEGATIVE_INFINITY) },
    }),
    node("Gemm", ["x", "u"], "made", { transB: 1 }),
    node("Unsqueeze", ["made"], "deep", { axes: [0] }),
    node("Squeeze", ["deep"], "h", { axes: [0] }),
    node("If", ["c"], "chosen", { then_branch: branch("left", 2), else_branch: branch("right", 3) }),
    node("Max", ["chosen", "least"], "y"),
  ],
  weights: new Map([["u", weight([32, 16], 1)]]),
  opset: new Map([["", 11]]),
};

test("weights in branches are compressed too, and every way back gives the same", async () => {
  const x = fed([5, 16], 9);
  const calibration = [0, 1].map((c) => ({ c: { dtype: "bool", shape: [], data: Uint8Array.of(c) } as const, x }));
  const { graph: small, report } = await compress(graph, { target: { bitsPerWeight: 9 }, calibration });
  expect(report.parameters).toBe(32 * 16 + 2 * 8 * 32);
  const matrices = report.weights.filter(({ shape }) => shape.length === 2);
  expect(matrices).toHaveLength(3);
  expect(matrices.every(({ storage }) => storage === "int8" || storage === "factored")).toBe(true);
  const file = writeContainer(small);
  expect(file.length).toBeLessThan((report.parameters * 9) / 8);
  using before = new Model(graph, runModule);
  using after = new Model(small, runModule);
  using read = new Model(readContainer(file), runModule);
  using back = new Model(readOnnx(writeOnnx(small)), runModule);
  const outputs = calibration.map((feeds) => {
    const want = before.run(feeds).y.data;
    const got = after.run(feeds).y.data;
    const most = want.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
    for (const [i, value] of want.entries()) expect(Math.abs(value - got[i])).toBeLessThan(0.04 * most);
    expect(read.run(feeds).y.data).toEqual(got);
    // Written as ONNX, weights are dense: their products are summed in another order.
    for (const [i, value] of back.run(feeds).y.data.entries()) expect(value).toBeCloseTo(got[i], 4);
    return got;
  });
  expect(outputs[0]).not.toEqual(outputs[1]);
});
