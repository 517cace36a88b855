// Norms with statistics of the batch, and what of a network is trained.
import { describe, expect, test } from "vitest";
import { GraphBuilder } from "../../src/graph/build.js";
import { toDense } from "../../src/graph/dense.js";
import type { Attribute, Graph } from "../../src/graph/graph.js";
import { Model } from "../../src/runtime/session.js";
import { runReference } from "../reference/network.js";
import { normals } from "../support/kernels.js";
import { fed, fullModule } from "../support/network.js";
import { batch, descent, expectGradients, train } from "../support/training.js";

function network(attributes: Record<string, Attribute> = {}): Graph {
  const b = new GraphBuilder("norms");
  const c = b.node("Conv", [b.input("x", ["N", 2, 5, 4]), b.weight("w", [3, 2, 2, 2], normals(24, 1))]);
  const fixed = [
    b.weight("gamma", [3], normals(3, 2)),
    b.weight("beta", [3], normals(3, 3)),
    b.weight("mean", [3], normals(3, 4)),
    b.weight("variance", [3], Float32Array.of(0.5, 1.5, 2)),
  ];
  const y = b.node("BatchNormalization", [b.node("Relu", [c]), ...fixed], { momentum: 0.8, ...attributes }, "norm");
  b.output("y", ["N", 3], b.node("Flatten", [b.node("GlobalAveragePool", [b.node("Tanh", [y])])]));
  return b.build();
}

const inputs = { x: fed([4, 2, 5, 4], 5) };
const data = batch(inputs, normals(12, 6));
const loss = "meanSquaredError";
const trained = ["w", "gamma", "beta"];

/** Mean and variance of each channel of what the norm is given. */
function statisticsOf(graph: Graph): { mean: number[]; variance: number[] } {
  const relu = graph.nodes.find(({ op }) => op === "Relu")!;
  const { data, shape } = runReference(graph, inputs).get(relu.outputs[0])!;
  const plane = shape[2] * shape[3];
  const all = [0, 1, 2].map((c) => [...data].filter((_, i) => Math.floor(i / plane) % 3 === c));
  const mean = all.map((values) => values.reduce((sum, v) => sum + v, 0) / values.length);
  const variance = all.map((values, c) => values.reduce((sum, v) => sum + (v - mean[c]) ** 2, 0) / values.length);
  return { mean, variance };
}

describe("BatchNormalization", () => {
  test("that cannot be folded trains with stored statistics, which stay as they are", async () => {
    await expectGradients(network(), data, loss, 5e-5, trained);
    const { graph } = await train(network(), { ...descent, data: [data], loss });
    for (const name of ["mean", "variance"]) {
      expect(toDense(graph.weights.get(name)!)).toEqual(toDense(network().weights.get(name)!));
    }
  });

  test("in training mode takes those of the batch", async () => {
    await expectGradients(network({ training_mode: 1 }), data, loss, 5e-5, trained);
  });

  test.each([
    ["in training mode", network({ training_mode: 1 }), {}, 0],
    ["with norms: batch", network(), { norms: "batch" }, 1],
  ] as const)("%s: the stored ones follow by the momentum", async (_, given, options, outcome) => {
    const { graph } = await train(given, { ...descent, rate: 0, data: [data, data], loss, ...options });
    const batches = statisticsOf(given);
    for (const name of ["mean", "variance"] as const) {
      const before = toDense(given.weights.get(name)!);
      const wanted = batches[name].map((value, c) => 0.64 * before[c] + 0.36 * value);
      for (const [c, value] of toDense(graph.weights.get(name)!).entries()) expect(value).toBeCloseTo(wanted[c], 5);
    }
    // What comes out says what went in.
    expect(graph.nodes).toEqual(given.nodes);
    if (outcome) expect(new Model(graph, fullModule).run(inputs).y.shape).toEqual([4, 3]);
  });

  test("with norms: batch the gradient is that of training mode, and nothing is folded", async () => {
    const runs = [
      await train(network({ training_mode: 1 }), { ...descent, data: [data], loss }),
      await train(network(), { ...descent, data: [data], loss, norms: "batch" }),
    ];
    const [a, b] = runs.map(({ graph }) => [...graph.weights].map(([name, weight]) => [name, toDense(weight)]));
    expect(b).toEqual(a);
  });
});

describe("what is trained", () => {
  /** Two scalars, bounds of a Clip, and a Constant node of an older operator set. */
  function made(): Graph {
    const b = new GraphBuilder("constants");
    const x = b.node("MatMul", [b.input("x", ["N", 4]), b.weight("w", [4, 3], normals(12, 1))]);
    const value = { dtype: "float32", shape: [3], data: Float32Array.of(1, 2, 3) } as const;
    const scaled = b.node("Mul", [
      b.node("Mul", [x, b.weight("scalar", [], Float32Array.of(0.5))]),
      b.weight("one", [1], Float32Array.of(2)),
    ]);
    const shifted = b.node("Add", [scaled, b.node("Constant", [], { value })]);
    const least = b.weight("least", [1], Float32Array.of(-3));
    b.output("y", ["N", 3], b.node("Clip", [shifted, least]));
    return { ...b.build(), opset: new Map([["", 17]]) };
  }
  const given = batch({ x: fed([2, 4], 2) }, normals(6, 3));
  const movedIn = async (trainable?: (name: string) => boolean) => {
    const { graph } = await train(made(), { ...descent, rate: 0.01, data: [given], loss, trainable });
    const before = (name: string) => toDense(made().weights.get(name)!);
    return [...made().weights.keys()].filter((name) => `${toDense(graph.weights.get(name)!)}` !== `${before(name)}`);
  };

  test("by default all but numbers without dimensions and what operators take as constants", async () => {
    expect(await movedIn()).toEqual(["w", "one"]);
  });

  test("or what is named", async () => {
    expect(await movedIn((name) => name === "scalar")).toEqual(["scalar"]);
    expect(await movedIn((name) => name !== "w")).toEqual(["scalar", "one"]);
  });
});

test("an embedding of whole numbers: rows that are looked up move, each as often", async () => {
  const b = new GraphBuilder("embedding");
  const rows = b.node("Gather", [b.weight("table", [6, 3], normals(18, 1)), b.input("tokens", ["N", 2], "int64")]);
  b.output("y", ["N", 6], b.node("Flatten", [rows]));
  const tokens = { dtype: "int64", shape: [2, 2], data: BigInt64Array.of(4n, 1n, 4n, -1n) } as const;
  const target = normals(12, 3);
  const { graph } = await train(b.build(), { ...descent, data: [{ inputs: { tokens }, target }], loss });
  const [before, after] = [b.build(), graph].map(({ weights }) => toDense(weights.get("table")!));
  const wanted = Float64Array.from(before);
  for (const [i, row] of [4, 1, 4, 5].entries()) {
    for (let c = 0; c < 3; c++) wanted[3 * row + c] -= (2 / 12) * (before[3 * row + c] - target[3 * i + c]);
  }
  for (const [i, value] of after.entries()) expect(value).toBeCloseTo(wanted[i], 5);
});
