import { describe, expect, it } from "vitest";
import { lenet5, lenet300 } from "../../src/cli/lenet.js";
import type { CompressOptions } from "../../src/compress/compress.js";
import { limitOf, type Target } from "../../src/compress/target.js";
import { TargetError } from "../../src/errors.js";
import { writeContainer } from "../../src/formats/container/index.js";
import { toDense } from "../../src/graph/dense.js";
import { type Graph, withWeights } from "../../src/graph/graph.js";
import { fed, fullModule } from "../support/network.js";
import { deep, run, small, tiny } from "./networks.js";

describe("a target", () => {
  const bytesFor = (target: Target, parameters: number) =>
    "ratio" in target
      ? (4 * parameters) / target.ratio
      : "bitsPerWeight" in target
        ? (parameters * target.bitsPerWeight) / 8
        : "maxBytes" in target
          ? target.maxBytes
          : Number.NaN;

  it.each<[string, Graph, Target[]]>([
    ["LeNet-300-100", lenet300(1), [{ ratio: 6 }, { ratio: 30 }]],
    ["LeNet-5", lenet5(1), [{ bitsPerWeight: 3 }]],
    ["small", small(), [{ ratio: 4 }, { ratio: 7.7 }, { bitsPerWeight: 7 }, { maxBytes: 3000 }]],
    ["tiny", tiny(), [{ ratio: 0.9 }, { bitsPerWeight: 40 }, { maxBytes: 140 }]],
    ["deep", deep(), [{ ratio: 2 }, { maxBytes: 8000 }]],
  ])("is met by the whole file: %s", async (_, graph, targets) => {
    for (const target of targets) {
      const { graph: result, report } = await run(graph, { target });
      const file = writeContainer(result);
      const budget = bytesFor(target, report.parameters);
      expect(file.length).toBeLessThanOrEqual(budget);
      if (graph.name.startsWith("lenet")) expect(file.length).toBeGreaterThan(0.65 * budget);
    }
  });

  it("has better weights where there is more room", async () => {
    let before = Number.POSITIVE_INFINITY;
    for (const ratio of [12, 8, 6, 4.5, 3.5]) {
      const { report } = await run(small(), { target: { ratio } });
      const error = report.weights.reduce((sum, weight) => sum + weight.error, 0);
      expect(error).toBeLessThanOrEqual(before);
      before = error;
    }
  });

  it("that cannot be met tells the floor, and the floor can be met", async () => {
    for (const graph of [tiny(), small(), deep()]) {
      const error = await run(graph, { target: { maxBytes: 40 } }).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error).toBeInstanceOf(TargetError);
      const [, floor] = /^compress: expected a file of at most 40 bytes, got (\d+) at the smallest$/.exec(
        (error as Error).message,
      )!;
      expect((error as TargetError).best).toBe(Number(floor));
      const { graph: result } = await run(graph, { target: { maxBytes: Number(floor) } });
      expect(writeContainer(result).length).toBeLessThanOrEqual(Number(floor));
      await expect(run(graph, { target: { maxBytes: Number(floor) - 1 } })).rejects.toThrow(TargetError);
    }
  });

  it("is met with corrected biases too, that take more bytes than they did", async () => {
    // Biases of zeros take next to nothing until they are corrected.
    const graph = withWeights(
      small(),
      ["conv.b", "norm.b", "norm.m", "depth.b", "fc.b"].map((name) => {
        const { shape } = small().weights.get(name)!;
        return [name, { kind: "dense", shape, dtype: "float32", data: new Float32Array(shape[0]) }];
      }),
    );
    const calibration = [{ x: fed([8, 2, 8, 8], 3) }];
    const floor = async (options: CompressOptions) => {
      const error: Error = await run(graph, { ...options, target: { maxBytes: 1 } }).then(
        () => new Error("met"),
        (reason: Error) => reason,
      );
      return Number(/got (\d+) at the smallest/.exec(error.message)![1]);
    };
    const [without, corrected] = [await floor({}), await floor({ calibration })];
    expect(corrected).toBeGreaterThan(without);
    for (let maxBytes = corrected; maxBytes < 2 * corrected; maxBytes += 53) {
      const { graph: result } = await run(graph, { target: { maxBytes }, calibration });
      expect(writeContainer(result).length).toBeLessThanOrEqual(maxBytes);
      expect(toDense(result.weights.get("fc.b")!).some((v) => v !== 0)).toBe(true);
    }
  });
});

describe("limitOf", () => {
  const budgetOf = (target: unknown) => limitOf(target as Target, 1000, fullModule);
  it("is bytes of the whole file, rounded down", () => {
    const bytes = (target: Target) => (budgetOf(target) as { budget: number }).budget;
    expect(bytes({ ratio: 10 })).toBe(400);
    expect(bytes({ ratio: 3 })).toBe(1333);
    expect(bytes({ bitsPerWeight: 1.5 })).toBe(187);
    expect(bytes({ maxBytes: 99.9 })).toBe(99);
    expect(bytes({ ratio: 0.5 })).toBe(8000);
  });

  it.each<[Target, string]>([
    [{ ratio: 0 }, "ratio"],
    [{ ratio: -1 }, "ratio"],
    [{ ratio: Number.NaN }, "ratio"],
    [{ ratio: 1e-320 }, "ratio"],
    [{ bitsPerWeight: 0 }, "bitsPerWeight"],
    [{ bitsPerWeight: Number.POSITIVE_INFINITY }, "bitsPerWeight"],
    [{ maxBytes: -5 }, "maxBytes"],
  ])("refuses %j", (target, key) => {
    expect(() => budgetOf(target)).toThrow(RangeError);
    expect(() => budgetOf(target)).toThrow(`target.${key}: expected a positive number, got `);
  });

  it.each<[unknown, string]>([
    [{}, "target: expected one of ratio, bitsPerWeight, maxBytes, maxDrop, got none"],
    [{ ratoi: 4 }, "target: expected one of ratio, bitsPerWeight, maxBytes, maxDrop, got ratoi"],
    [{ ratio: 4, maxBytes: 9 }, "target: expected one of ratio, bitsPerWeight, maxBytes, maxDrop, got ratio, maxBytes"],
    [8, "target: expected an object, got Number"],
    [null, "target: expected an object, got null"],
    [{ maxDrop: 0.1 }, "target: expected evaluate, a function, or labelled, an array of examples, got none"],
    [{ maxDrop: 0.1, ratio: 4 }, "target: expected evaluate, a function, or labelled, an array of examples, got ratio"],
    [
      { maxDrop: 0.1, evaluate: 4 },
      "target: expected evaluate, a function, or labelled, an array of examples, got evaluate",
    ],
    [
      { maxDrop: 0.1, labelled: [] },
      "target: expected evaluate, a function, or labelled, an array of examples, got labelled",
    ],
  ])("refuses %j, which is no target", (target, message) => {
    expect(() => budgetOf(target)).toThrow(new TypeError(message));
  });

  it.each([-0.1, Number.NaN, Number.POSITIVE_INFINITY, "1"])("refuses a drop of %j", (maxDrop) => {
    expect(() => budgetOf({ maxDrop, evaluate: () => 1 })).toThrow(RangeError);
  });
});
