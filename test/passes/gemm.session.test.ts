// Gemm in all its forms, as an ONNX file may have it, against the sum.
import { expect, test } from "vitest";
import type { Attribute, Graph } from "../../src/graph/graph.js";
import { loadModel } from "../../src/index.js";
import { modernize } from "../../src/passes/modernize.js";
import { normals } from "../support/kernels.js";

const [m, k, n] = [3, 4, 5];

function graphOf(attributes: Record<string, Attribute>, c: readonly number[] | undefined, fixed: boolean): Graph {
  const a = attributes.transA ? [k, m] : [m, k];
  const b = attributes.transB ? [n, k] : [k, n];
  const shapes: [string, readonly number[]][] = [["a", a], ["b", b], ...(c ? [["c", c] as [string, number[]]] : [])];
  const isWeight = (name: string) => fixed && name !== "a";
  return {
    name: "g",
    inputs: shapes.filter(([name]) => !isWeight(name)).map(([name, shape]) => ({ name, dtype: "float32", shape })),
    outputs: [{ name: "y", dtype: "float32", shape: [m, n] }],
    nodes: [{ name: "it", op: "Gemm", inputs: shapes.map(([name]) => name), outputs: ["y"], attributes }],
    weights: new Map(
      shapes
        .filter(([name]) => isWeight(name))
        .map(([name, shape]) => [name, { kind: "dense", dtype: "float32", shape, data: valuesOf(name, shape) }]),
    ),
    opset: new Map([["", 13]]),
  };
}

function valuesOf(name: string, shape: readonly number[]): Float32Array {
  return normals(
    shape.reduce((x, y) => x * y, 1),
    name.charCodeAt(0),
  );
}

const forms: [Record<string, Attribute>, number[] | undefined][] = [];
for (const transA of [0, 1]) {
  for (const transB of [0, 1]) {
    for (const c of [undefined, [n], [1, n], [m, n], [m, 1], [1], [], [1, 1]]) {
      forms.push([{ transA, transB }, c], [{ transA, transB, alpha: 0.5, beta: 0.25 }, c], [{ transA, beta: 2 }, c]);
    }
  }
}

test.each(forms)("%j with C %j", async (attributes, c) => {
  const { transA = 0, transB = 0, alpha = 1, beta = 1 } = attributes as Record<string, number>;
  for (const fixed of [false, true]) {
    const graph = graphOf(attributes, c, fixed);
    using model = await loadModel(graph);
    const a = valuesOf("a", [m, k]);
    const b = valuesOf("b", [k, n]);
    const bias = c && valuesOf("c", c);
    const { y } = model.run(fixed ? { a } : { a, b, ...(bias ? { c: bias } : {}) });
    const [rows, cols] = c ? [1, 1, ...c].slice(-2) : [1, 1];
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let p = 0; p < k; p++) sum += a[transA ? p * m + i : i * k + p] * b[transB ? j * k + p : p * n + j];
        const more = bias ? bias[(rows > 1 ? i : 0) * cols + (cols > 1 ? j : 0)] : 0;
        expect(Math.abs(y.data[i * n + j] - (alpha * sum + beta * more))).toBeLessThan(1e-5);
      }
    }
  }
});

test.each(forms.filter(([, c]) => c))("%j with C %j, computed, beside a weight B", async (attributes, c) => {
  const graph = graphOf(attributes, c, true);
  const weights = new Map(graph.weights);
  weights.delete("c");
  const [node] = graph.nodes;
  const given = (name: string): Graph => ({
    ...graph,
    inputs: [...graph.inputs, { name, dtype: "float32", shape: c }],
    nodes: name === "c" ? [node] : [{ name: "neg", op: "Neg", inputs: [name], outputs: ["c"], attributes: {} }, node],
    weights,
  });
  using whole = await loadModel(graph);
  using fed = await loadModel(given("c"));
  using computed = await loadModel(given("d"));
  const [a, bias] = [valuesOf("a", [m, k]), valuesOf("c", c!)];
  const want = whole.run({ a }).y;
  for (const { y } of [fed.run({ a, c: bias }), computed.run({ a, d: bias.map((value) => -value) })]) {
    expect(y.shape).toEqual([m, n]);
    for (const [i, value] of want.data.entries()) expect(Math.abs(y.data[i] - value)).toBeLessThan(1e-5);
  }
});

test("what runs as it is stays as it is", () => {
  const graph = graphOf({ transB: 1 }, [n], true);
  expect(modernize(graph).nodes).toEqual(graph.nodes);
});
