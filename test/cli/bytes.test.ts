import { describe, expect, test } from "vitest";
import { run } from "../../src/cli/experiments/bytes.js";
import type { Plan } from "../../src/cli/experiments/plans.js";
import { lenet5, lenet300 } from "../../src/cli/lenet.js";
import type { Images } from "../../src/cli/mnist.js";
import { narrow } from "../../src/cli/narrow.js";
import { errorOn, logitsFrom } from "../../src/cli/score.js";
import { readContainer } from "../../src/formats/container/index.js";
import { toDense } from "../../src/graph/dense.js";
import { uniform } from "../support/kernels.js";

/** Bars on noise, a place for each class. */
function bars(count: number, seed: number): Images {
  const next = uniform(seed);
  const pixels = Float32Array.from({ length: count * 784 }, () => 0.2 * next());
  const labels = Uint8Array.from({ length: count }, (_, i) => i % 10);
  for (const [i, label] of labels.entries()) {
    const start = i * 784 + (2 + 2 * label) * 28 + Math.floor(8 * next());
    pixels.fill(1, start, start + 18);
  }
  return { count, pixels, labels };
}

const plan = (network: "lenet5" | "lenet300"): Plan => ({
  create: network === "lenet5" ? lenet5 : lenet300,
  layers: network === "lenet5" ? ["conv1", "conv2", "fc1", "fc2"] : ["fc1", "fc2", "fc3"],
  dense: 30,
  widths: [
    { widths: network === "lenet5" ? [8, 12, 40] : [60, 40], settle: 40, points: [] },
    {
      widths: network === "lenet5" ? [4, 6, 20] : [30, 20],
      settle: 40,
      points: [{ sparsity: 0.7, bits: 4, prune: 60, tune: 60 }],
    },
  ],
  minutes: 1,
});

describe("the experiment, in small", () => {
  test.each(["lenet5", "lenet300"] as const)("%s ends in a small file that knows its classes", async (network) => {
    const [train, held] = [bars(640, 1), bars(200, 2)];
    const { dense, outcomes } = await run(plan(network), 1, train, held);
    expect(await errorOn(dense, held)).toBeLessThan(30);
    expect(outcomes).toHaveLength(1);
    const [{ file, heldOut, layers }] = outcomes;
    expect(await errorOn(file, held)).toBe(heldOut);
    expect(heldOut).toBeLessThan(40);
    const graph = readContainer(file);
    let size = 0;
    for (const { name, shape, kept } of layers) {
      const weight = graph.weights.get(`${name}.weight`)!;
      expect(weight.shape).toEqual(shape);
      expect(weight.kind === "coded" && weight.storage.kind).toBe("sparse");
      expect(toDense(weight).filter((value) => value !== 0)).toHaveLength(kept);
      size += toDense(weight).length;
    }
    const kept = layers.reduce((sum, layer) => sum + layer.kept, 0);
    expect(kept).toBeGreaterThan(0);
    expect(kept).toBeLessThan(0.4 * size);
    expect((await run(plan(network), 1, train, held)).outcomes[0].file).toEqual(file);
  });
});

describe("narrow", () => {
  test("keeps the channels that matter, and of outputs what they made", async () => {
    const graph = lenet5(1);
    const small = narrow(graph, ["conv1", "conv2", "fc1", "fc2"], [5, 7, 30]);
    const shapes = [...small.weights.values()].map(({ shape }) => shape.join("x"));
    expect(shapes).toEqual(["5x1x5x5", "5", "7x5x5x5", "7", "30x112", "30", "10x30", "10"]);
    // With channels that make nothing, nothing else goes.
    const idle = new Map(graph.weights);
    const weight = toDense(graph.weights.get("conv1.weight")!).fill(0, 25, 75);
    idle.set("conv1.weight", { kind: "dense", shape: [20, 1, 5, 5], dtype: "float32", data: weight });
    const wide = { ...graph, weights: idle };
    const images = bars(20, 3);
    const cut = narrow(wide, ["conv1", "conv2", "fc1", "fc2"], [18, 50, 500]);
    expect(cut.weights.get("conv1.weight")!.shape).toEqual([18, 1, 5, 5]);
    const [want, got] = [await logitsFrom(wide, images), await logitsFrom(cut, images)];
    for (const [i, value] of got.entries()) expect(Math.abs(value - want[i])).toBeLessThan(1e-4);
  });
});
