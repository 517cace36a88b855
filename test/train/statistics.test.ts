// Statistics of norms taken anew, against sums in f64 over all examples.
import { describe, expect, test } from "vitest";
import { GraphBuilder } from "../../src/graph/build.js";
import { toDense } from "../../src/graph/dense.js";
import type { Graph } from "../../src/graph/graph.js";
import { Model } from "../../src/runtime/session.js";
import { estimateNorms } from "../../src/train/index.js";
import { runReference } from "../reference/network.js";
import { normals } from "../support/kernels.js";
import { type Fed, fed, fullModule } from "../support/network.js";
import { batch } from "../support/training.js";

const channels = 3;

/** A norm of an input as it is, a convolution, and a norm of what it makes. */
function network(b = new GraphBuilder("norms")): Graph {
  const norm = (x: string, name: string, seed: number) =>
    b.node(
      "BatchNormalization",
      [
        x,
        b.weight(`${name}.gamma`, [channels], Float32Array.of(0.5, 1, -1.5)),
        b.weight(`${name}.beta`, [channels], normals(channels, seed)),
        b.weight(`${name}.mean`, [channels], normals(channels, seed + 1)),
        b.weight(`${name}.variance`, [channels], Float32Array.of(0.5, 1.5, 2)),
      ],
      {},
      name,
    );
  const first = b.node("Relu", [norm(b.input("x", ["N", channels, 5, 4]), "first", 1)]);
  const made = b.node("Conv", [first, b.weight("w", [channels, channels, 2, 2], normals(36, 5))]);
  b.output("y", ["N", channels], b.node("Flatten", [b.node("GlobalAveragePool", [norm(made, "second", 6)])]));
  return b.build();
}

/** Mean and variance of each channel over all of `parts`, in f64. */
function statisticsOf(parts: readonly { shape: readonly number[]; data: ArrayLike<number> }[]) {
  const all = Array.from({ length: channels }, (): number[] => []);
  for (const { shape, data } of parts) {
    const plane = shape[2] * shape[3];
    for (let i = 0; i < data.length; i++) all[Math.floor(i / plane) % channels].push(data[i]);
  }
  const mean = all.map((values) => values.reduce((sum, v) => sum + v, 0) / values.length);
  const variance = all.map((values, c) => values.reduce((sum, v) => sum + (v - mean[c]) ** 2, 0) / values.length);
  return { mean, variance };
}

/** What the second norm is given where the first one takes the statistics of the batch, by the twin in f64. */
function givenToSecond(graph: Graph, x: Fed) {
  const { mean, variance } = statisticsOf([x]);
  const weights = new Map<string, ArrayLike<number>>([
    ["first.mean", mean],
    ["first.variance", variance],
  ]);
  const conv = graph.nodes.find(({ op }) => op === "Conv")!;
  return runReference(graph, { x }, weights).get(conv.outputs[0])!;
}

const parts = [4, 4, 1].map((size, i) => fed([size, channels, 5, 4], 10 + i));
for (const { data } of parts) for (let i = 0; i < data.length; i++) data[i] = 3 * data[i] + 2;
const batches = parts.map((x) => batch({ x }));

describe("estimateNorms", () => {
  test("gives each norm mean and variance of what it is given, over batches of two sizes", async () => {
    const graph = network();
    const made = await estimateNorms(graph, batches, { module: fullModule });
    const wanted = { first: statisticsOf(parts), second: statisticsOf(parts.map((x) => givenToSecond(graph, x))) };
    for (const name of ["first", "second"] as const) {
      for (const part of ["mean", "variance"] as const) {
        const got = toDense(made.weights.get(`${name}.${part}`)!);
        for (const [c, value] of wanted[name][part].entries()) expect(got[c] / value).toBeCloseTo(1, 5);
      }
    }
    // All else is as it was, and the network runs.
    for (const [name, weight] of graph.weights) {
      if (!/mean|variance/.test(name)) expect(made.weights.get(name)).toBe(weight);
    }
    expect(made.nodes).toBe(graph.nodes);
    expect(made.outputs).toBe(graph.outputs);
    using model = new Model(made, fullModule);
    expect(model.run({ x: parts[0] }).y.shape).toEqual([4, channels]);
  });

  test("takes what older operator sets have, and batches that come later", async () => {
    const graph = { ...network(), opset: new Map([["", 9]]) };
    const later = async function* () {
      yield* batches;
    };
    const [got, want] = [
      await estimateNorms(graph, later(), { module: fullModule }),
      await estimateNorms(network(), batches, { module: fullModule }),
    ];
    expect(got.opset).toBe(graph.opset);
    for (const name of ["first.mean", "second.variance"])
      expect(toDense(got.weights.get(name)!)).toEqual(toDense(want.weights.get(name)!));
  });

  test("a channel that is always the same has a variance of 0", async () => {
    const same = fed([3, channels, 5, 4], 1);
    same.data.fill(0.1);
    const made = await estimateNorms(network(), [batch({ x: same })], { module: fullModule });
    for (const value of toDense(made.weights.get("first.variance")!)) expect(Math.abs(value)).toBeLessThan(1e-9);
  });

  test("leaves a network without norms as it is", async () => {
    const b = new GraphBuilder("plain");
    b.output("y", ["N", 2], b.node("MatMul", [b.input("x", ["N", 3]), b.weight("w", [3, 2], normals(6, 1))]));
    const graph = b.build();
    expect(await estimateNorms(graph, [], { module: fullModule })).toBe(graph);
  });

  const given = fed([2, channels, 5, 4], 1);
  test.each([
    ["no batch", [], "estimateNorms: data: expected at least one batch, got none"],
    ["an empty batch", [batch({ x: fed([0, channels, 5, 4], 1) })], "batches of at least one example"],
    ["another input", [batch({ z: given })], "expected inputs among x, got z"],
    ["another shape", [batch({ x: fed([2, 4, 5, 4], 1) })], "x"],
    ["what is no number", [batch({ x: { ...given, data: given.data.map(() => Number.NaN) } })], "finite statistics"],
  ])("refuses %s", async (_, data, message) => {
    await expect(estimateNorms(network(), data, { module: fullModule })).rejects.toThrow(message);
  });
});
