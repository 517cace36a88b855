import { describe, expect, it } from "vitest";
import type { CompressOptions } from "../../src/compress/compress.js";
import type { Choice, Recipe } from "../../src/compress/recipe.js";
import { readContainer, writeContainer } from "../../src/formats/container/index.js";
import { GraphBuilder } from "../../src/graph/build.js";
import { toDense } from "../../src/graph/dense.js";
import type { Graph } from "../../src/graph/graph.js";
import type { Int8Weight, SparseWeight } from "../../src/graph/weight.js";
import { normals } from "../support/kernels.js";
import { fed } from "../support/network.js";
import { everyWay, run, small } from "./networks.js";

describe("a graph read from a container", () => {
  it("compresses like the graph that was written", async () => {
    const graph = small();
    const read = readContainer(writeContainer(graph));
    expect([...read.weights.values()].every(({ kind }) => kind === "coded")).toBe(true);
    for (const options of [{ recipe: { weights: { "*": everyWay } } }, { target: { ratio: 6 } }]) {
      const [a, b] = [await run(graph, options), await run(read, options)];
      expect(writeContainer(b.graph)).toEqual(writeContainer(a.graph));
      const untimed = ({ report }: typeof a) => ({ ...report, weights: report.weights.map((w) => ({ ...w, ms: 0 })) });
      expect(untimed(b)).toEqual(untimed(a));
    }
  });

  it("keeps integers and what no entry names", async () => {
    const b = new GraphBuilder("mixed");
    const inputs = [
      b.input("x", ["N", 3]),
      b.weight("w", [3, 3], normals(9, 1)),
      b.weight("axes", [1], BigInt64Array.of(2n), "int64"),
    ];
    b.output("y", ["N", 3], b.node("Custom", inputs));
    const read = readContainer(writeContainer(b.build()));
    const { graph, report } = await run(read, { target: { maxBytes: 200 } });
    expect(graph.weights.get("axes")).toEqual(b.build().weights.get("axes"));
    expect(report.parameters).toBe(9);
    const untouched = await run(read, { recipe: { weights: {} } });
    expect(writeContainer(untouched.graph)).toEqual(writeContainer(read));
  });
});

describe("again", () => {
  it("the same seed gives the same bytes", async () => {
    const options: CompressOptions = { recipe: { weights: { "*": everyWay[4] } }, seed: 9 };
    const file = async (given: CompressOptions) => writeContainer((await run(small(), given)).graph);
    const first = await file(options);
    expect(await file(options)).toEqual(first);
    const wide: CompressOptions = { recipe: { weights: { "*": { ...everyWay[4], k: 20 } as Choice } } };
    expect(await file({ ...wide, seed: 1 })).not.toEqual(await file({ ...wide, seed: 2 }));
  });

  it.each(
    (["row", "tensor"] as const).flatMap((steps) =>
      [0.1, 0.5, 0.7, 1.5].map((size): [Choice] => [{ storage: "scalar", steps, size }]),
    ),
  )("rounding twice is rounding once: %j", async (choice) => {
    const recipe: Recipe = { weights: { "*": choice } };
    const first = await run(small(), { recipe });
    const second = await run(first.graph, { recipe });
    expect(writeContainer(second.graph)).toEqual(writeContainer(first.graph));
  });

  it.each(everyWay.map((choice) => [choice]))("the same recipe changes nothing: %j", async (choice) => {
    const recipe: Recipe = { weights: { "*": choice } };
    const first = await run(small(), { recipe });
    const file = writeContainer(first.graph);
    for (const graph of [first.graph, readContainer(file)]) {
      const second = await run(graph, { recipe, seed: 5 });
      expect(writeContainer(second.graph)).toEqual(file);
      expect(second.report.weights.every(({ error }) => error === 0)).toBe(true);
    }
    const calibrated = await run(first.graph, { recipe, calibration: [{ x: fed([4, 2, 8, 8], 1) }] });
    expect(writeContainer(calibrated.graph)).toEqual(file);
  });

  it("the same target changes no value and takes no byte more", async () => {
    for (const ratio of [4, 7]) {
      const first = await run(small(), { target: { ratio } });
      const second = await run(first.graph, { target: { ratio } });
      for (const [name, weight] of first.graph.weights) {
        // What is sparse may be as short as dense codes, and the same values.
        expect(toDense(second.graph.weights.get(name)!)).toEqual(toDense(weight));
      }
      expect(second.report.weights.every(({ error }) => error === 0)).toBe(true);
      expect(writeContainer(second.graph).length).toBeLessThanOrEqual(writeContainer(first.graph).length);
    }
  });

  it("a stronger recipe does its work", async () => {
    const at = async (graph: Graph, choice: Choice) =>
      (await run(graph, { recipe: { weights: { "*": choice } } })).graph;
    const eight = await at(small(), { storage: "int8" });
    const four = await at(eight, { storage: "int8", bits: 4 });
    expect((four.weights.get("fc.w") as Int8Weight).q.every((q) => Math.abs(q) <= 7)).toBe(true);
    const one = await at(eight, { storage: "int8", perTensor: true });
    expect((one.weights.get("fc.w") as Int8Weight).scale).toHaveLength(1);
    const half = await at(small(), { storage: "sparse", sparsity: 0.5 });
    const tenth = await at(half, { storage: "sparse", sparsity: 0.9 });
    expect((tenth.weights.get("fc.w") as SparseWeight).values.length).toBeLessThanOrEqual(432);
  });
});
