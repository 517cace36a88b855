// RNN, GRU and LSTM through a session against their twin: every direction, layout and optional input.
import { describe, expect, test } from "vitest";
import { ShapeError, UnsupportedError } from "../../src/errors.js";
import type { Attribute, Graph, ValueInfo } from "../../src/graph/graph.js";
import type { Weight } from "../../src/graph/weight.js";
import { loadModel } from "../../src/index.js";
import type { Tensor } from "../../src/tensor.js";
import { type Problem, recurrent } from "../reference/recurrent.js";
import { normals } from "../support/kernels.js";

const gates = { RNN: 1, GRU: 3, LSTM: 4 } as const;

interface Choice {
  readonly op: Problem["op"];
  readonly sizes: readonly [length: number, batch: number, width: number, hidden: number];
  readonly direction?: "forward" | "reverse" | "bidirectional";
  readonly byBatch?: boolean;
  readonly resetAfter?: boolean;
  readonly bias?: boolean;
  readonly lengths?: readonly number[];
  readonly initial?: boolean;
  readonly peepholes?: boolean;
  readonly weights?: boolean;
}

function made({ op, sizes, direction = "forward", byBatch = false, resetAfter = false, ...rest }: Choice) {
  const [length, batch, width, hidden] = sizes;
  const reverse = direction === "bidirectional" ? [false, true] : [direction === "reverse"];
  const n = gates[op] * hidden;
  const d = reverse.length;
  const small = (size: number, seed: number) => normals(size, seed).map((v) => v / 2);
  const problem: Problem = {
    ...{ op, length, batch, width, hidden, reverse, byBatch, resetAfter },
    x: normals(length * batch * width, 1),
    w: small(d * n * width, 2),
    r: small(d * n * hidden, 3),
    b: rest.bias ? small(d * 2 * n, 4) : undefined,
    lengths: rest.lengths && Int32Array.from(rest.lengths),
    h0: rest.initial ? normals(d * batch * hidden, 5) : undefined,
    c0: rest.initial && op === "LSTM" ? normals(d * batch * hidden, 6) : undefined,
    p: rest.peepholes ? small(d * 3 * hidden, 7) : undefined,
  };
  const state = byBatch ? [batch, d, hidden] : [d, batch, hidden];
  const shapes = {
    x: byBatch ? [batch, length, width] : [length, batch, width],
    ...{
      w: [d, n, width],
      r: [d, n, hidden],
      b: [d, 2 * n],
      lengths: [batch],
      h0: state,
      c0: state,
      p: [d, 3 * hidden],
    },
  };
  const names = (["x", "w", "r", "b", "lengths", "h0", "c0", "p"] as const).slice(0, op === "LSTM" ? 8 : 6);
  const feeds: Record<string, Tensor> = {};
  const weights = new Map<string, Weight>();
  const inputs: ValueInfo[] = [];
  for (const name of names) {
    const data = problem[name];
    if (!data) continue;
    const dtype = name === "lengths" ? "int32" : "float32";
    if (rest.weights && name !== "x") weights.set(name, { kind: "dense", dtype, shape: shapes[name], data });
    else {
      inputs.push({ name, dtype, shape: shapes[name] });
      feeds[name] = { dtype, shape: shapes[name], data };
    }
  }
  const attributes: Record<string, Attribute> = { hidden_size: hidden, direction };
  if (byBatch) attributes.layout = 1;
  if (resetAfter) attributes.linear_before_reset = 1;
  const outputs = op === "LSTM" ? ["y", "h", "c"] : ["y", "h"];
  const graph: Graph = {
    name: "g",
    inputs,
    outputs: outputs.map((name) => ({ name, dtype: "float32" })),
    nodes: [{ name: "it", op, inputs: names.map((name) => (problem[name] ? name : "")), outputs, attributes }],
    weights,
  };
  return { problem, graph, feeds };
}

const choices: Choice[] = [];
for (const op of ["RNN", "GRU", "LSTM"] as const) {
  for (const sizes of [
    [3, 2, 4, 5],
    [1, 1, 1, 1],
    [5, 1, 7, 16],
    [4, 3, 9, 17],
  ] as const) {
    choices.push({ op, sizes }, { op, sizes, bias: true, initial: true, weights: true });
  }
  choices.push({ op, sizes: [4, 3, 5, 6], direction: "reverse", bias: true });
  choices.push({ op, sizes: [4, 3, 5, 6], direction: "bidirectional", bias: true, initial: true });
  choices.push({ op, sizes: [4, 3, 5, 6], direction: "bidirectional", byBatch: true, initial: true, weights: true });
  choices.push({ op, sizes: [4, 3, 5, 6], direction: "bidirectional", lengths: [4, 0, 2], initial: true });
  choices.push({ op, sizes: [4, 3, 5, 6], byBatch: true, lengths: [1, 4, 3], bias: true });
  choices.push({ op, sizes: [0, 3, 5, 6], initial: true });
}
for (const weights of [false, true])
  choices.push({ op: "GRU", sizes: [4, 2, 3, 7], bias: true, resetAfter: true, weights });
choices.push({ op: "LSTM", sizes: [4, 2, 3, 7], bias: true, initial: true, peepholes: true });
choices.push({ op: "LSTM", sizes: [4, 2, 3, 7], direction: "bidirectional", peepholes: true, weights: true });

describe("recurrent networks", () => {
  test.each(choices)("%j", async (choice) => {
    const { problem, graph, feeds } = made(choice);
    using model = await loadModel(graph);
    const wanted = recurrent(problem);
    for (let run = 0; run < 2; run++) {
      const results = model.run(feeds);
      for (const { name } of graph.outputs) {
        const want = wanted[name as "y" | "h" | "c"];
        const got = results[name].data;
        expect(got.length).toBe(want.length);
        for (let i = 0; i < want.length; i++) {
          expect(Math.abs(got[i] - want[i]), `${name}[${i}]`).toBeLessThan(2e-5);
        }
      }
    }
  });

  test("an output that nobody wants is not made", async () => {
    const { graph, feeds } = made({ op: "LSTM", sizes: [3, 2, 4, 5] });
    const [node] = graph.nodes;
    using whole = await loadModel(graph);
    using part = await loadModel({
      ...graph,
      nodes: [{ ...node, outputs: ["", "h"] }],
      outputs: [{ name: "h", dtype: "float32" }],
    });
    expect(part.run(feeds).h).toEqual(whole.run(feeds).h);
  });

  test.each([
    [{ activations: ["Affine"] }, UnsupportedError, "it.activations: expected Sigmoid, Tanh or Relu, got Affine"],
    [{ activations: ["Tanh", "Tanh"] }, ShapeError, "it.activations: expected 1 for each direction, got Tanh,Tanh"],
    [{ direction: "up" }, ShapeError, "it.direction: expected forward, reverse or bidirectional, got up"],
    [{ clip: 3 }, UnsupportedError, "it (RNN): expected no clip, got one"],
    [{ hidden_size: 4 }, ShapeError, "it (RNN) input 1: expected [1, 4, 4], got [1, 5, 4]"],
  ] as [Record<string, Attribute>, new (message: string) => Error, string][])(
    "%j is refused",
    async (attributes, type, message) => {
      const { graph, feeds } = made({ op: "RNN", sizes: [3, 2, 4, 5] });
      const [node] = graph.nodes;
      const wrong = { ...graph, nodes: [{ ...node, attributes: { ...node.attributes, ...attributes } }] };
      await expect((async () => (await loadModel(wrong)).run(feeds))()).rejects.toThrow(new type(message));
    },
  );
});
