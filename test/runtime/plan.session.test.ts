// Where a plan puts the values of a network: names for what stands elsewhere, results in the place of what they are made of.
import { describe, expect, test } from "vitest";
import { GraphBuilder } from "../../src/graph/build.js";
import type { Graph } from "../../src/graph/graph.js";
import { createEngine } from "../../src/kernels/engine.js";
import { lowerGraph } from "../../src/runtime/lower.js";
import { bindPlan, type Plan } from "../../src/runtime/plan.js";
import { Model } from "../../src/runtime/session.js";
import { normals } from "../support/kernels.js";
import { fed, runModule } from "../support/network.js";

function planOf(graph: Graph): Plan {
  const engine = createEngine(runModule);
  const lowered = lowerGraph(engine, graph);
  const infos = graph.inputs.map(({ name, dtype, shape }) => [name, { dtype, shape: shape as number[] }] as const);
  return bindPlan(engine, graph, lowered, new Map(infos));
}

const ops = (plan: Plan) => plan.steps.map(({ node }) => node.op);
const values = (graph: Graph, x: Float32Array) => new Model(graph, runModule).run({ x });

describe("another shape of a value", () => {
  test.each([
    ["Reshape", [2, 6], [Float32Array.of(), [3, 4]]],
    ["Flatten", [2, 3, 2], []],
    ["Squeeze", [2, 1, 6], []],
    ["Identity", [12], []],
  ] as const)("%s of an input, of a weight and of a computed value costs nothing", (op, shape, more) => {
    const b = new GraphBuilder("names");
    const x = b.input("x", [...shape]);
    const w = b.weight("w", [...shape], normals(12, 1));
    const other = (name: string) => b.node(op, [name, ...(more.length > 0 ? ["shape"] : [])]);
    const names = [other(x), other(w), other(b.node("Relu", [x]))];
    const sum = b.node("Add", [b.node("Add", [names[0], names[1]]), names[2]]);
    b.output("y", ["a", "b", "c"].slice(0, op === "Identity" ? 1 : 2), sum);
    b.output("z", ["d", "e", "f"].slice(0, op === "Identity" ? 1 : 2), names[0]);
    const graph = withShape(b.build(), [3, 4]);
    const plan = planOf(graph);
    expect(ops(plan)).toEqual(["Relu", "Add", "Add"]);
    expect(plan.slots.get("z")!.pointer).toBe(plan.slots.get("x")!.pointer);
    const data = normals(12, 2);
    const results = values(graph, data);
    const want = Float32Array.from(data, (v, i) => Math.fround(v + normals(12, 1)[i]) + Math.max(v, 0));
    expect(results.y.data).toEqual(want);
    expect(results.z.data).toEqual(data);
  });

  test("stays as it was when what it is made of would be overwritten", () => {
    const b = new GraphBuilder("later");
    const h = b.node("Relu", [b.input("x", [2, 3])]);
    const flat = b.node("Flatten", [h], { axis: 0 });
    const root = b.node("Sqrt", [h]);
    b.output("y", [1, 6], b.node("Sub", [flat, b.node("Flatten", [root], { axis: 0 })]));
    const x = Float32Array.of(4, 9, -1, 16, 25, 0);
    expect(values(b.build(), x).y.data).toEqual(Float32Array.of(2, 6, 0, 12, 20, 0));
  });

  test("as an input of the node that would overwrite it", () => {
    const b = new GraphBuilder("both");
    const h = b.node("Neg", [b.input("x", [1])]);
    const low = b.weight("low", [], Float32Array.of(3));
    b.output("y", [1], b.node("Clip", [h, low, b.node("Squeeze", [h])]));
    const graph = b.build();
    expect(values(graph, Float32Array.of(-2)).y.data[0]).toBe(2);
    expect(values(graph, Float32Array.of(-7)).y.data[0]).toBe(7);
  });
});

function withShape(graph: Graph, shape: readonly number[]): Graph {
  const data = BigInt64Array.from(shape, BigInt);
  const weight = { kind: "dense", shape: [shape.length], dtype: "int64", data } as const;
  return { ...graph, weights: new Map([...graph.weights, ["shape", weight]]) };
}

describe("the result of two values stands in the place of one", () => {
  const size = 4096;
  const twoOf = (op: string, first: "kept" | "last", broadcast = false) => {
    const b = new GraphBuilder(op);
    const x = b.input("x", [8, size / 8]);
    const kept = b.node("Abs", [x]);
    const last = b.node("Neg", [x]);
    const other = broadcast ? b.weight("w", [8, 1], normals(8, 3)) : kept;
    const made = b.node(op, first === "kept" ? [other, last] : [last, other]);
    b.output("y", [8, size / 8], b.node("Mul", [b.node("Tanh", [made]), kept]));
    return { graph: b.build(), made, last };
  };

  test.each(["Add", "Sub", "Mul", "Div", "PRelu"])("%s, whichever is not used again, broadcast or not", (op) => {
    const x = normals(size, 5);
    for (const broadcast of [false, true]) {
      for (const first of ["kept", "last"] as const) {
        const { graph, made, last } = twoOf(op, first, broadcast);
        const plan = planOf(graph);
        expect(plan.slots.get(made)!.pointer).toBe(plan.slots.get(last)!.pointer);
        const got = values(graph, x).y.data;
        // The same network whose values all keep their places.
        const all = new Model({ ...graph, outputs: [...graph.outputs, ...outputs([made, last])] }, runModule).run({
          x,
        });
        expect(got).toEqual(all.y.data);
      }
    }
  });

  const outputs = (names: readonly string[]) =>
    names.map((name) => ({ name, dtype: "float32", shape: [8, size / 8] }) as const);

  test("comparisons do not, whose results are smaller", () => {
    const b = new GraphBuilder("less");
    const [x, w] = [b.input("x", [8]), b.weight("w", [8], normals(8, 1))];
    const made = b.node("Greater", [w, b.node("Neg", [x])]);
    b.output("y", [8], b.node("Where", [made, x, w]));
    const data = normals(8, 2);
    const want = data.map((v, i) => (normals(8, 1)[i] > -v ? v : normals(8, 1)[i]));
    expect(values(b.build(), data).y.data).toEqual(want);
  });
});

describe("the block of a plan", () => {
  test("holds values, constants and the scratch of each step, and no step's reach into each other", () => {
    const b = new GraphBuilder("block");
    let h = b.input("x", [1, 8, 12, 12]);
    for (let i = 0; i < 4; i++) {
      const w = b.weight(`w${i}`, [8, 8, 3, 3], normals(576, i));
      h = b.node("Conv", [h, w], { pads: [1, 1, 1, 1] });
      h = b.node("Softmax", [h], { axis: 1 });
    }
    b.output("y", [1, 8, 12, 12], h);
    const plan = planOf(b.build());
    const { base, memory, lifetimes, steps } = plan;
    expect(steps.some(({ launch }) => launch.scratch > 0)).toBe(true);
    for (const [i, { launch, scratch }] of steps.entries()) {
      if (launch.scratch === 0) continue;
      expect(scratch % 64).toBe(0);
      expect(scratch - base + launch.scratch).toBeLessThanOrEqual(memory.bytes);
      for (const [j, { first, last, bytes }] of lifetimes.entries()) {
        if (i < first || last < i) continue;
        const at = base + memory.offsets[j];
        expect(at + bytes <= scratch || scratch + launch.scratch <= at, `step ${i}, value ${j}`).toBe(true);
      }
    }
    expect(memory.bytes).toBe(memory.lowerBound);
  });

  test("is no larger in a session that knows many shapes than the largest of them needs", () => {
    const b = new GraphBuilder("shapes");
    b.output("y", ["N", 64], b.node("Tanh", [b.node("Softmax", [b.input("x", ["N", 64])])]));
    const model = new Model(b.build(), runModule);
    model.run({ x: fed([2000, 64], 1) });
    const { bytes } = model;
    for (const n of [1, 1000, 1999, 3]) model.run({ x: fed([n, 64], n) });
    expect(model.bytes).toBe(bytes);
  });
});
