// If and Loop through a session: branches and turns are chosen while planning.
import { describe, expect, test } from "vitest";
import type { TypedArray } from "../../src/dtype.js";
import { ShapeError, UnsupportedError } from "../../src/errors.js";
import type { Body, Graph, GraphNode } from "../../src/graph/graph.js";
import type { Weight } from "../../src/graph/weight.js";
import { loadModel } from "../../src/index.js";
import { hoist } from "../../src/passes/hoist.js";

const node = (
  op: string,
  inputs: string[],
  outputs: string[],
  attributes: GraphNode["attributes"] = {},
): GraphNode => ({
  name: `${op} of ${outputs[0]}`,
  op,
  inputs,
  outputs,
  attributes,
});
const floats = (...data: number[]): Weight => ({
  kind: "dense",
  shape: [data.length],
  dtype: "float32",
  data: Float32Array.from(data),
});

function body(
  name: string,
  inputs: string[],
  outputs: string[],
  nodes: GraphNode[],
  weights: [string, Weight][] = [],
): Body {
  const values = (names: string[]) => names.map((value) => ({ name: value }));
  return { name, inputs: values(inputs), outputs: values(outputs), nodes, weights: new Map(weights) };
}

/** y = x + 10, or relu(x): both branches have a value and a weight of one name. */
const choice: Graph = {
  name: "choice",
  inputs: [
    { name: "c", dtype: "bool", shape: [] },
    { name: "x", dtype: "float32", shape: [2] },
  ],
  outputs: [{ name: "y", dtype: "float32", shape: [2] }],
  nodes: [
    node("If", ["c"], ["chosen"], {
      then_branch: body("then", [], ["v"], [node("Add", ["x", "w"], ["v"])], [["w", floats(10, 20)]]),
      else_branch: body(
        "else",
        [],
        ["u"],
        [node("Add", ["x", "w"], ["v"]), node("Relu", ["v"], ["u"])],
        [["w", floats(-1, -2)]],
      ),
    }),
    node("Identity", ["chosen"], ["y"]),
  ],
  weights: new Map(),
};

describe("If", () => {
  test("takes the branch that its condition names, anew when that changes", async () => {
    using model = await loadModel(choice);
    const x = Float32Array.of(5, 1);
    const c = (value: number) => ({ dtype: "bool", shape: [], data: Uint8Array.of(value) }) as const;
    for (const value of [1, 0, 1, 1, 0]) {
      expect([...model.run({ c: c(value), x }).y.data]).toEqual(value ? [15, 21] : [4, 0]);
    }
    expect([...model.run({ x }).y.data], "a condition left out is what it was").toEqual([4, 0]);
  });

  test("weights of bodies get names of their own", () => {
    const lifted = hoist({ ...choice, weights: new Map([["then.w", floats(1)]]) });
    expect([...lifted.weights.keys()]).toEqual(["then.w", "then.w.2", "else.w"]);
    expect(hoist(lifted).weights).toEqual(lifted.weights);
    const plain = { ...choice, nodes: [] };
    expect(hoist(plain)).toBe(plain);
  });

  test("without a branch, or with one of too few outputs, is refused", async () => {
    const [first] = choice.nodes;
    for (const [attributes, message] of [
      [{ then_branch: first.attributes.then_branch }, "node If of chosen (If): expected a body else_branch, got none"],
      [
        { then_branch: first.attributes.then_branch, else_branch: body("none", [], [], []) },
        "node If of chosen (If): expected 1 outputs of none, got 0 inputs and 0 outputs",
      ],
    ] as [GraphNode["attributes"], string][]) {
      using model = await loadModel({ ...choice, nodes: [{ ...first, attributes }, choice.nodes[1]] });
      expect(() => model.run({ c: Uint8Array.of(0), x: new Float32Array(2) })).toThrow(new ShapeError(message));
    }
  });
});

/** s = x, then n times s = relu(s + x); every s is gathered. */
function loop(condition: string, nodes: GraphNode[] = []): Graph {
  const turn = body(
    "turn",
    ["i", "go", "s"],
    [condition, "next", "copy"],
    [node("Add", ["s", "x"], ["sum"]), node("Relu", ["sum"], ["next"]), node("Identity", ["next"], ["copy"]), ...nodes],
  );
  return {
    name: "loop",
    inputs: [
      { name: "n", dtype: "int64", shape: [] },
      { name: "x", dtype: "float32", shape: [2] },
    ],
    outputs: [
      { name: "last", dtype: "float32", shape: [2] },
      { name: "all", dtype: "float32" },
    ],
    nodes: [node("Loop", ["n", "", "x"], ["last", "all"], { body: turn })],
    weights: new Map(),
  };
}

describe("Loop", () => {
  test("goes round as often as it is told, and gathers", async () => {
    using model = await loadModel(loop("go"));
    const x = Float32Array.of(1, -1);
    for (const n of [3, 1, 4]) {
      const { last, all } = model.run<TypedArray>({
        n: { dtype: "int64", shape: [], data: BigInt64Array.of(BigInt(n)) },
        x,
      });
      expect([...last.data]).toEqual([n + 1, 0]);
      expect(all.shape).toEqual([n, 2]);
      expect([...all.data]).toEqual(Array.from({ length: n }, (_, i) => [i + 2, 0]).flat());
    }
  });

  const none = { dtype: "int64", shape: [], data: BigInt64Array.of(0n) } as const;

  test.each([
    [["M"], [0, 0]],
    [["N"], [0, 2]],
    [
      ["N", 3, "M"],
      [0, 2, 3, 0],
    ],
    [[], [0]],
  ] as [(string | number)[], number[]][])("that never goes round gathers none of %j", async (declared, shape) => {
    const graph = loop("go");
    const [it] = graph.nodes;
    const turn = it.attributes.body as Body;
    const copy = { name: "copy", dtype: "float32", shape: declared } as const;
    using model = await loadModel({
      ...graph,
      inputs: [graph.inputs[0], { name: "x", dtype: "float32", shape: ["N"] }],
      outputs: [graph.outputs[0], { name: "all", dtype: "float32", shape: ["T", ...declared] }],
      nodes: [{ ...it, attributes: { body: { ...turn, outputs: [...turn.outputs.slice(0, 2), copy] } } }],
    });
    const { last, all } = model.run<TypedArray>({ n: none, x: Float32Array.of(3, -4) });
    expect([...last.data]).toEqual([3, -4]);
    expect([all.shape, all.data.length]).toEqual([shape, 0]);
  });

  test("that never goes round is refused where nothing tells the rank of what it gathers", async () => {
    using model = await loadModel(loop("go"));
    expect(() => model.run({ n: none, x: new Float32Array(2) })).toThrow(
      new UnsupportedError("node Loop of last (Loop): expected a turn that tells the shape of all, got none"),
    );
  });

  test("that goes round for ever is refused", async () => {
    using model = await loadModel(loop("go"));
    const n = { dtype: "int64", shape: [], data: BigInt64Array.of(2n ** 62n) } as const;
    expect(() => model.run({ n, x: new Float32Array(2) })).toThrow(UnsupportedError);
  });
});
