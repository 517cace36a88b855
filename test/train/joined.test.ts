// A schedule over weights that are compressed already: their support moves, their storage stays.
import { describe, expect, test } from "vitest";
import { writeContainer } from "../../src/formats/container/index.js";
import { GraphBuilder } from "../../src/graph/build.js";
import { sparsity, toDense } from "../../src/graph/dense.js";
import { type Graph, withWeights } from "../../src/graph/graph.js";
import type { FactoredWeight, Int8Weight, Layout, SparseWeight } from "../../src/graph/weight.js";
import { roundHalfEven } from "../../src/math.js";
import { Model } from "../../src/runtime/session.js";
import { cyclical, oneShot } from "../../src/schedule.js";
import type { FitOptions } from "../../src/train/options.js";
import { normals } from "../support/kernels.js";
import { expectClose, factoredWeight, fed, fullModule, runModule, storages } from "../support/network.js";
import { batch, train } from "../support/training.js";

const shape = [8, 3, 3, 3];
const size = 216;

/** A convolution whose weight is stored as given, a dense product behind it. */
function net(weight: SparseWeight | Int8Weight | FactoredWeight): Graph {
  const b = new GraphBuilder("joined");
  const w = b.weight("w", shape, normals(size, 1));
  const c = b.node("Conv", [b.input("x", ["N", 3, 7, 7]), w, b.weight("b", [8], normals(8, 2))]);
  const h = b.node("Flatten", [b.node("GlobalAveragePool", [b.node("Relu", [c])])]);
  b.output("y", ["N", 4], b.node("Gemm", [h, b.weight("v", [4, 8], normals(32, 3))], { transB: 1 }));
  return withWeights(b.build(), [["w", weight]]);
}

const named = (name: string) => storages(shape).find(([other]) => other === name)![1];
const sparse = named("sparse int8 per row") as SparseWeight;
const factored = (layout: Layout) =>
  factoredWeight(shape, layout, { seed: 3, k: 5, density: 0.4, d: layout === "tile" ? 6 : undefined });

const schedule = cyclical({ cycles: 3, sparsity: 0.75, drop: [0.3, 0.5], warm: 2, ramp: 6, hold: 4 });
const settings = (more: Partial<FitOptions> = {}): FitOptions => ({
  data: Array.from({ length: 45 }, (_, i) =>
    batch(
      { x: fed([6, 3, 7, 7], i) },
      Uint32Array.from({ length: 6 }, (_, r) => (r + i) % 4),
    ),
  ),
  loss: "crossEntropy",
  optimizer: { kind: "sgd", momentum: 0.9 },
  rate: 0.1,
  schedule,
  revival: "shadow",
  prunable: (name) => name === "w",
  module: fullModule,
  ...more,
});

/** Numbers of the coefficients of which the schedule decides. */
function supportOf(weight: SparseWeight | FactoredWeight): Set<number> {
  const width = weight.kind === "sparse" ? size / shape[0] : weight.k;
  const places = new Set<number>();
  for (let r = 0; r + 1 < weight.rowPtr.length; r++)
    for (let e = weight.rowPtr[r]; e < weight.rowPtr[r + 1]; e++) places.add(r * width + weight.col[e]);
  return places;
}

describe.each([
  ["sparse int8", () => sparse, size],
  ["factored by kernel", () => factored("kernel"), 24 * 5],
  ["factored by rows", () => factored("rows"), 27 * 5],
  ["factored by tile", () => factored("tile"), 54 * 5],
] as const)("a schedule over a weight that is %s", (_, make, coefficients) => {
  test.each([
    ["channel", 0.6],
    ["2:4", 0.5],
    ["1:2", 0.5],
  ] as const)("scope %s: no row or group of its coefficients keeps more than its share", async (scope, sparsity) => {
    const { graph } = await train(net(make()), settings({ scope, schedule: oneShot({ sparsity, hold: 3 }) }));
    const after = graph.weights.get("w") as ReturnType<typeof make>;
    const width = after.kind === "sparse" ? size / shape[0] : after.k;
    const unit = scope === "channel" ? width : Number(scope.at(-1));
    const most = unit - roundHalfEven(sparsity * unit);
    const counts = new Map<string, number>();
    for (const place of supportOf(after)) {
      const group = `${Math.floor(place / width)} ${Math.floor((place % width) / unit)}`;
      counts.set(group, (counts.get(group) ?? 0) + 1);
    }
    // Fewer where a kept coefficient rounds to 0.
    expect(Math.max(...counts.values())).toBe(most);
  });

  test.each(["shadow", "keep", "zero"] as const)("its support changes and its storage stays: %s", async (revival) => {
    const given = make();
    const steps: { places: Set<number>; sparsity: number }[] = [];
    const { graph, reports } = await train(net(given), settings({ revival }), (report, graph) => {
      steps.push({ places: supportOf(graph.weights.get("w") as typeof given), sparsity: report.sparsity });
    });
    const after = graph.weights.get("w") as typeof given;
    expect(after.kind).toBe(given.kind);
    expect(after.shape).toEqual(given.shape);
    if (given.kind === "factored" && after.kind === "factored")
      expect([after.layout, after.d, after.n, after.k]).toEqual([given.layout, given.d, given.n, given.k]);
    // The schedule says how many may be other than 0; what is kept may still round to 0.
    for (const [step, { places, sparsity }] of steps.entries()) {
      const kept = Math.round((1 - sparsity) * coefficients);
      expect(places.size, `step ${step}`).toBeLessThanOrEqual(kept);
      expect(places.size, `step ${step}`).toBeGreaterThan(coefficients / 10);
    }
    expect(steps.at(-1)!.sparsity).toBeCloseTo(roundHalfEven(0.75 * coefficients) / coefficients, 12);
    const cycles = reports.flatMap(({ cycle }) => cycle ?? []);
    expect(cycles).toHaveLength(3);
    const revived = cycles.reduce((sum, cycle) => sum + cycle.revived, 0);
    expect(revived).toBeGreaterThan(0);
    // Something stands in the end that did not stand when the schedule began.
    const first = supportOf(given);
    expect([...supportOf(after)].some((place) => !first.has(place))).toBe(true);
    const x = fed([2, 3, 7, 7], 99);
    expectClose(new Model(graph, runModule).run({ x }).y, graph, { x }, 100);
  });

  test("the network that trains is the one that is stored", async () => {
    const { graph, reports } = await train(net(make()), settings());
    const data = [batch({ x: fed([6, 3, 7, 7], 1) }, Uint32Array.of(0, 1, 2, 3, 0, 1))];
    const { reports: next } = await train(graph, settings({ schedule: undefined, data, rate: 0 }));
    const { reports: same } = await train(
      withWeights(graph, [["w", { kind: "dense", shape, dtype: "float32", data: toDense(graph.weights.get("w")!) }]]),
      settings({ schedule: undefined, data, rate: 0 }),
    );
    expect(next[0].loss).toBeCloseTo(same[0].loss, 6);
    expect(Number.isFinite(reports.at(-1)!.loss)).toBe(true);
  });

  test("the same seed gives the same bytes", async () => {
    const run = async () => writeContainer((await train(net(make()), settings())).graph);
    expect(await run()).toEqual(await run());
  });

  test("without a schedule, or not prunable, the support only loses what becomes 0", async () => {
    const given = make();
    const first = supportOf(given);
    for (const more of [{ schedule: undefined }, { prunable: () => false }]) {
      const { graph } = await train(net(given), settings(more));
      const left = [...supportOf(graph.weights.get("w") as typeof given)];
      expect(left.every((place) => first.has(place))).toBe(true);
      expect(left.length).toBeGreaterThan(first.size / 2);
    }
  });
});

describe("what a schedule leaves alone", () => {
  test("int8 weights keep every value; a scale moves with its values and stays above 0", async () => {
    const given = named("int8 per row") as Int8Weight;
    const { graph, reports } = await train(net(given), settings({ rate: 0.3 }));
    const after = graph.weights.get("w") as Int8Weight;
    expect(after.kind).toBe("int8");
    expect(sparsity(after)).toBeLessThan(0.3);
    expect(reports.at(-1)!.sparsity).toBe(0);
    expect(after.scale).not.toEqual(given.scale);
    for (const scale of after.scale) expect(scale).toBeGreaterThan(0);
  });
});

describe("scales", () => {
  test("grow where the values outgrow them", async () => {
    // y = w x with one weight of one bit: at its scale of 0.1 it can give 0.1 or nothing, and it shall give 0.8.
    const b = new GraphBuilder("one");
    b.output(
      "y",
      ["N", 1],
      b.node("Gemm", [b.input("x", ["N", 1]), b.weight("w", [1, 1], Float32Array.of(1))], { transB: 1 }),
    );
    const graph = withWeights(b.build(), [
      ["w", { kind: "int8", shape: [1, 1], q: Int8Array.of(1), scale: Float32Array.of(0.1) }],
    ]);
    const data = Array.from({ length: 200 }, () =>
      batch({ x: { shape: [1, 1], data: Float32Array.of(1) } }, Float32Array.of(0.8)),
    );
    const { graph: after } = await train(graph, {
      data,
      loss: "meanSquaredError",
      optimizer: { kind: "sgd", momentum: 0 },
      rate: 0.1,
      module: fullModule,
    });
    expect(toDense(after.weights.get("w")!)[0]).toBeCloseTo(0.8, 3);
  });
});
