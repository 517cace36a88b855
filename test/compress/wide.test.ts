import { describe, expect, it } from "vitest";
import { decodeWeight, encodeWeight } from "../../src/codec/weight.js";
import { stepOf, wide, widest } from "../../src/compress/wide.js";
import { toDense } from "../../src/graph/dense.js";
import type { FactoredWeight } from "../../src/graph/weight.js";
import { fit } from "../../src/train/index.js";
import { fed, fullModule } from "../support/network.js";
import { run, small } from "./networks.js";

describe("integers beyond int8", () => {
  it.each([1, 127, 128, 190, 191, 254, 255, 1000, 4095, 8191, widest - 1, widest])("are exact up to %i", (most) => {
    const q = Int16Array.from({ length: 41 }, (_, i) => Math.round((most * (i - 20)) / 20));
    const weight = wide([41], q, 0.375);
    expect([...toDense(weight)]).toEqual([...q].map((code) => code * 0.375));
    expect(stepOf(weight)).toBe(0.375);
    expect(decodeWeight(encodeWeight(weight))).toEqual(weight);
  });

  it("every integer near the edges of the coarse codes comes back", () => {
    const q = Int16Array.from([-widest, widest, 63, 64, 65, -63, -64, -65, 191, 192, 193, -191, -192, -193, 0]);
    expect([...toDense(wide([5, 3], q, 1))]).toEqual([...q]);
  });

  it("a weight of other atoms has no such step", () => {
    const weight = wide([2], Int16Array.of(300, -5), 1);
    expect(stepOf({ ...weight, codebook: Int8Array.of(1, 2) })).toBeUndefined();
    expect(stepOf({ ...weight, layout: "rows", d: 2, n: 1 })).toBeUndefined();
  });
});

describe("a network with integers beyond int8", () => {
  const fine = { storage: "scalar", steps: "tensor", size: 0.001 } as const;

  it("reports integers, what was chosen, and no more of them than values", async () => {
    const { graph, report } = await run(small(), { recipe: { weights: { "*": fine } } });
    const { storage, choice, bits, nonzeros, k } = report.weights.find(({ name }) => name === "fc.w")!;
    expect({ storage, choice, k }).toEqual({ storage: "factored", choice: fine, k: 2 });
    expect(bits).toBeGreaterThan(8);
    expect(nonzeros).toBe(toDense(graph.weights.get("fc.w")!).filter((value) => value !== 0).length);
    // One step for all is not a step for each row.
    const again = await run(graph, { recipe: { weights: { "fc.w": { ...fine, steps: "row", size: 0.03 } } } });
    expect(again.graph.weights.get("fc.w")!.kind).toBe("int8");
  });

  it("is had without calibration too, where a target leaves room for it", async () => {
    const { report } = await run(small(), { target: { bitsPerWeight: 16 } });
    expect(report.weights.some(({ storage, k }) => storage === "factored" && k === 2)).toBe(true);
  });

  it("is tuned in its integers, and its atoms stay 1", async () => {
    const { graph } = await run(small(), { recipe: { weights: { "fc.w": fine } } });
    const inputs = {
      x: { dtype: "float32", shape: [4, 2, 8, 8], data: Float32Array.from(fed([4, 2, 8, 8], 2).data) },
    } as const;
    const training = fit(graph, {
      data: Array.from({ length: 8 }, () => ({ inputs, target: Uint32Array.of(0, 1, 2, 3) })),
      loss: "crossEntropy",
      optimizer: { kind: "sgd" },
      rate: 0.002,
      module: fullModule,
    });
    const losses: number[] = [];
    for await (const { loss } of training) losses.push(loss);
    expect(losses.at(-1)).toBeLessThan(losses[0]);
    const [before, after] = [graph, training.graph()].map((one) => one.weights.get("fc.w") as FactoredWeight);
    expect(stepOf(after)).toBe(stepOf(before));
    expect(toDense(after)).not.toEqual(toDense(before));
  });
});

it("there are no more atoms than columns", async () => {
  const many = [
    { storage: "vq", d: 4, k: 65536 },
    { storage: "factored", layout: "tile", d: 2, k: 4096, density: 0.1 },
  ] as const;
  for (const choice of many) {
    const { graph, report } = await run(small(), { recipe: { weights: { "out.w": choice } } });
    const { n } = graph.weights.get("out.w") as FactoredWeight;
    expect(report.weights.find(({ name }) => name === "out.w")!.k).toBe(n);
    const again = await run(graph, { recipe: { weights: { "out.w": choice } } });
    expect(again.graph.weights.get("out.w")).toBe(graph.weights.get("out.w"));
  }
});
