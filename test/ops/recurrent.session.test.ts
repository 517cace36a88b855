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

  const functions = {
    Sigmoid: () => (v: number) => 1 / (1 + Math.exp(-v)),
    Tanh: () => Math.tanh,
    Relu: () => (v: number) => Math.max(v, 0),
    Affine:
      (alpha = 1, beta = 0) =>
      (v: number) =>
        alpha * v + beta,
    ScaledTanh:
      (alpha = 1, beta = 1) =>
      (v: number) =>
        alpha * Math.tanh(beta * v),
    HardSigmoid:
      (alpha = 0.2, beta = 0.5) =>
      (v: number) =>
        Math.min(Math.max(alpha * v + beta, 0), 1),
    Elu:
      (alpha = 1) =>
      (v: number) =>
        v > 0 ? v : alpha * Math.expm1(v),
    LeakyRelu:
      (alpha = 0.01) =>
      (v: number) =>
        v < 0 ? alpha * v : v,
    ThresholdedRelu:
      (alpha = 1) =>
      (v: number) =>
        v > alpha ? v : 0,
    Softsign: () => (v: number) => v / (1 + Math.abs(v)),
    Softplus: () => (v: number) => Math.log1p(Math.exp(v)),
  } as const;
  type Name = keyof typeof functions;
  const counts: Record<string, readonly [alpha: number, beta: number]> = {
    ...{ Affine: [1, 1], ScaledTanh: [1, 1], HardSigmoid: [1, 1] },
    ...{ Elu: [1, 0], LeakyRelu: [1, 0], ThresholdedRelu: [1, 0] },
  };

  /** A network whose gates have these functions, numbers given to those that take them while they last. */
  async function expectWith(
    choice: Choice,
    names: readonly Name[],
    alphas: number[],
    betas: number[],
    more: Record<string, Attribute> = {},
  ) {
    const { problem, graph, feeds } = made(choice);
    const [a, b] = [[...alphas], [...betas]];
    const chosen = names.map((name) => {
      const [takesAlpha, takesBeta] = counts[name] ?? [0, 0];
      const make = functions[name] as (alpha?: number, beta?: number) => (v: number) => number;
      return make(takesAlpha ? a.shift() : undefined, takesBeta ? b.shift() : undefined);
    });
    const attributes: Record<string, Attribute> = { ...graph.nodes[0].attributes, ...more };
    if (names.length) attributes.activations = names;
    if (alphas.length) attributes.activation_alpha = alphas;
    if (betas.length) attributes.activation_beta = betas;
    using model = await loadModel({ ...graph, nodes: [{ ...graph.nodes[0], attributes }] });
    const wanted = recurrent({
      ...{ ...problem, functions: names.length ? chosen : undefined },
      ...{ clip: more.clip as number | undefined, coupled: more.input_forget === 1 },
    });
    for (let run = 0; run < 2; run++) {
      const results = model.run(feeds);
      for (const { name } of graph.outputs) {
        const want = wanted[name as "y" | "h" | "c"];
        for (const [i, value] of results[name].data.entries()) {
          expect(Math.abs(value - want[i]), `${name}[${i}]`).toBeLessThan(2e-5 * (1 + Math.abs(want[i])));
        }
      }
    }
  }

  test.each(Object.keys(functions) as Name[])("%s, with its numbers and without", async (name) => {
    const [alpha, beta] = counts[name] ?? [0, 0];
    for (const sizes of [
      [3, 2, 4, 5],
      [2, 1, 3, 16],
    ] as const) {
      await expectWith({ op: "RNN", sizes, bias: true }, [name], [], []);
      await expectWith({ op: "RNN", sizes, bias: true }, [name], alpha ? [0.3] : [], beta ? [-0.4] : []);
      await expectWith({ op: "RNN", sizes }, [name], alpha ? [-0.7] : [], [], { clip: 0.5 });
    }
  });

  test("numbers go to the functions that take them, in order", async () => {
    const both = { sizes: [3, 2, 4, 5], direction: "bidirectional", bias: true, initial: true } as const;
    const gru = ["HardSigmoid", "Tanh", "Sigmoid", "ScaledTanh"] as const;
    await expectWith({ op: "GRU", ...both }, gru, [0.25, 0.8], [0.4, 1.5]);
    await expectWith({ op: "GRU", ...both, resetAfter: true, weights: true }, gru, [0.25], [0.4]);
    const lstm = ["HardSigmoid", "Softsign", "Affine", "Sigmoid", "LeakyRelu", "Elu"] as const;
    await expectWith({ op: "LSTM", ...both, peepholes: true }, lstm, [0.3, 0.9, 0.2, 0.5], [0.45, 0.1]);
    // Numbers for functions that take none are nothing.
    await expectWith({ op: "LSTM", sizes: [3, 2, 4, 5] }, ["Sigmoid", "Tanh", "Tanh"], [0, 0, 0], []);
  });

  test.each([
    { op: "RNN", sizes: [4, 2, 3, 7] },
    { op: "GRU", sizes: [4, 2, 3, 7], bias: true, initial: true },
    { op: "GRU", sizes: [4, 2, 3, 7], resetAfter: true, weights: true },
    { op: "LSTM", sizes: [4, 2, 3, 7], bias: true, initial: true, peepholes: true },
    { op: "LSTM", sizes: [4, 2, 3, 16], direction: "bidirectional", weights: true },
  ] as Choice[])("clip: %j", async (choice) => {
    for (const clip of [0.1, 0.7, 100]) await expectWith(choice, [], [], [], { clip });
  });

  test.each([
    { op: "LSTM", sizes: [4, 2, 3, 7], bias: true, initial: true },
    { op: "LSTM", sizes: [4, 2, 3, 7], peepholes: true, initial: true },
    { op: "LSTM", sizes: [4, 2, 3, 16], direction: "bidirectional", weights: true },
  ] as Choice[])("input_forget: %j", async (choice) => {
    await expectWith(choice, [], [], [], { input_forget: 1 });
    await expectWith(choice, [], [], [], { input_forget: 0 });
    await expect(expectWith(choice, [], [], [], { input_forget: 2 })).rejects.toThrow(
      new ShapeError("it.input_forget: expected 0 or 1, got 2"),
    );
  });

  test.each([
    [{ activations: ["Sine"] }, UnsupportedError, "it.activations: expected names of ONNX's activations, got Sine"],
    [
      { activations: ["toString"] },
      UnsupportedError,
      "it.activations: expected names of ONNX's activations, got toString",
    ],
    [
      { input_forget: 1 },
      UnsupportedError,
      "it (RNN): expected attributes among activations, activation_alpha, activation_beta, clip, direction, hidden_size, layout, got input_forget",
    ],
    [
      { activations: ["Elu"], activation_alpha: [1, 2] },
      ShapeError,
      "it.activation_alpha: expected at most 1 numbers, got 2",
    ],
    [{ activation_beta: 1 }, ShapeError, "it.activation_beta: expected a list of numbers, got 1"],
    [{ clip: 0 }, ShapeError, "it.clip: expected a number above 0, got 0"],
    [{ clip: Number.NaN }, ShapeError, "it.clip: expected a number above 0, got NaN"],
    [{ activations: ["Tanh", "Tanh"] }, ShapeError, "it.activations: expected 1 for each direction, got Tanh,Tanh"],
    [{ direction: "up" }, ShapeError, "it.direction: expected forward, reverse or bidirectional, got up"],
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
