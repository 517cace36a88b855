import { describe, expect, it } from "vitest";
import { encodeWeight } from "../../src/codec/weight.js";
import { type CompressOptions, type CompressProgress, compress } from "../../src/compress/compress.js";
import type { Recipe } from "../../src/compress/recipe.js";
import { turn } from "../../src/compress/turn.js";
import { FormatError, ShapeError } from "../../src/errors.js";
import { readContainer, writeContainer } from "../../src/formats/container/index.js";
import { GraphBuilder } from "../../src/graph/build.js";
import { checkGraph } from "../../src/graph/check.js";
import { sparsity, toDense } from "../../src/graph/dense.js";
import { type Graph, parameterCount } from "../../src/graph/graph.js";
import type { Int8Weight, PlainWeight, SparseWeight } from "../../src/graph/weight.js";
import { fold } from "../../src/passes/fold.js";
import { runReference } from "../reference/network.js";
import { fed } from "../support/network.js";
import { everyWay, kindOf, relative, run, small, tiny } from "./networks.js";

describe("arguments", () => {
  const recipe: Recipe = { weights: { "*": { storage: "int8" } } };

  it("want a recipe or a target", async () => {
    await expect(run(tiny(), {})).rejects.toThrow(TypeError);
    await expect(run(tiny(), {})).rejects.toThrow("compress: expected a recipe, a target or both, got neither");
  });

  it("out of range are RangeErrors that say where", async () => {
    const bad = run(tiny(), { recipe: { weights: { w: { storage: "int8", bits: 11 } } } });
    await expect(bad).rejects.toThrow(RangeError);
    await expect(bad).rejects.toThrow("recipe.weights.w.bits: expected a whole number in 2..8, got 11");
    const unknown = run(tiny(), { recipe: { weights: { v: { storage: "int8" } } } });
    await expect(unknown).rejects.toThrow("recipe.weights.v: expected a weight of the network, got none");
    await expect(run(tiny(), { target: { ratio: 0 } })).rejects.toThrow(RangeError);
    await expect(run(tiny(), { target: { bitsPerWeight: Number.NaN } })).rejects.toThrow(/^target\.bitsPerWeight: /);
  });

  it("of another kind are TypeErrors that say where", async () => {
    const none = undefined as unknown as CompressOptions;
    await expect(compress(tiny(), none)).rejects.toThrow(
      new TypeError("compress: expected options with a recipe or a target, got undefined"),
    );
    await expect(run(null as unknown as Graph, { recipe })).rejects.toThrow(
      new TypeError("graph: expected a Graph, got null"),
    );
    for (const [options, message] of [
      [{ recipe: {} }, "recipe.weights: expected choices by name, got undefined"],
      [{ recipe: null }, "recipe.weights: expected choices by name, got undefined"],
      [{ target: 8 }, "target: expected an object, got Number"],
      [{ target: null }, "target: expected an object, got null"],
      [{ target: {} }, "target: expected one of ratio, bitsPerWeight, maxBytes, maxDrop, got none"],
      [{ recipe, calibration: 5 }, "calibration: expected an iterable of inputs, got Number"],
      [{ recipe, calibration: { x: fed([1], 1) } }, "calibration: expected an iterable of inputs, got Object"],
      [{ recipe, module: {} }, "module: expected run.wasm or full.wasm, compiled, got another value"],
    ] as [CompressOptions, string][]) {
      await expect(run(tiny(), options)).rejects.toThrow(new TypeError(message));
    }
  });

  it.each([Number.NaN, 1.5])("seed %d is refused", async (seed) => {
    await expect(run(tiny(), { recipe, seed })).rejects.toThrow(
      new RangeError(`seed: expected a whole number, got ${seed}`),
    );
  });

  it("may name weights that folding removes", async () => {
    await run(small(), { recipe: { weights: { "norm.var": { storage: "int8" }, "conv.w": { storage: "int8" } } } });
  });
});

describe("a recipe", () => {
  it("keeps the candidate with the fewest bytes", async () => {
    const { graph, report } = await run(small(), { recipe: { weights: { "*": everyWay } } });
    for (const { name, storage, bytes, error, candidates, shape } of report.weights) {
      expect(candidates.map(({ choice }) => choice)).toEqual(everyWay);
      expect(bytes).toBe(Math.min(...candidates.map((candidate) => candidate.bytes)));
      const best = candidates.find((candidate) => candidate.bytes === bytes)!;
      expect([storage, error]).toEqual([kindOf(best.choice), best.error]);
      const weight = graph.weights.get(name) as PlainWeight;
      expect(weight.kind).toBe(storage);
      expect(shape).toEqual(weight.shape);
    }
    expect(new Set(report.weights.map(({ storage }) => storage)).size).toBeGreaterThan(1);
  });

  it("reports what is there", async () => {
    const before = turn(fold(small()));
    for (const choice of everyWay) {
      const { graph, report } = await run(small(), { recipe: { weights: { "*": choice } } });
      checkGraph(graph);
      expect(report.parameters).toBe(parameterCount(before));
      expect(report.weights.map(({ name }) => name)).toEqual([...graph.weights.keys()]);
      expect(report.bytes).toBe(report.weights.reduce((sum, { bytes }) => sum + bytes, 0));
      for (const { name, storage, bytes, error, sparsity: zeros } of report.weights) {
        const weight = graph.weights.get(name) as PlainWeight;
        expect(storage).toBe(kindOf(choice));
        expect(bytes).toBe(encodeWeight(weight).bytes.length);
        expect(zeros).toBe(sparsity(weight));
        expect(error).toBeCloseTo(relative(toDense(before.weights.get(name)!), toDense(weight)), 12);
      }
      const file = readContainer(writeContainer(graph));
      for (const [name, weight] of file.weights) expect(toDense(weight)).toEqual(toDense(graph.weights.get(name)!));
    }
  });

  it("stores as it says", async () => {
    const choices: Recipe["weights"] = {
      "conv.w": { storage: "int8", bits: 3 },
      "depth.w": { storage: "int8", perTensor: true },
      "fc.w": { storage: "sparse", sparsity: 0.9, bits: 4 },
      "out.w": { storage: "factored", layout: "rows", k: 3, density: 0.5, bits: 4, codebookBits: 5 },
      "fc.b": [],
    };
    const given = small();
    const { graph } = await run(given, { recipe: { weights: choices } });
    const conv = graph.weights.get("conv.w") as Int8Weight;
    expect(Math.max(...conv.q.map(Math.abs))).toBe(3);
    expect(conv.scale).toHaveLength(6);
    expect((graph.weights.get("depth.w") as Int8Weight).scale).toHaveLength(1);
    const fc = graph.weights.get("fc.w") as SparseWeight;
    // Quantizing may round a few more to zero.
    expect(fc.values.length).toBeLessThanOrEqual(432);
    expect(fc.values.length).toBeGreaterThan(420);
    expect(Math.max(...(fc.values as Int8Array).map(Math.abs))).toBe(7);
    expect(graph.weights.get("out.w")).toMatchObject({ kind: "factored", layout: "rows", k: 3, d: 4, n: 20 });
    // Weights without an entry, or with an empty one, stay as they are.
    expect(graph.weights.get("fc.b")).toBe(given.weights.get("fc.b"));
    expect(graph.weights.get("depth.b")).toBe(given.weights.get("depth.b"));
  });

  it("leaves the graph that it is given, and its nodes but for folding", async () => {
    const graph = small();
    const before = new Map([...graph.weights].map(([name, weight]) => [name, toDense(weight).slice()]));
    const result = await run(graph, { recipe: { weights: { "*": everyWay } } });
    for (const [name, values] of before) expect(toDense(graph.weights.get(name)!)).toEqual(values);
    expect(result.graph.nodes).toEqual(turn(fold(graph)).nodes);
    expect({ ...result.graph, nodes: [], weights: new Map() }).toEqual({ ...graph, nodes: [], weights: new Map() });
  });

  it("takes empty weights, scalars and integers", async () => {
    const b = new GraphBuilder("odd");
    const shape = b.weight("shape", [2], BigInt64Array.of(1n, -1n), "int64");
    const names = [
      b.input("x", ["N", 3]),
      b.weight("empty", [0, 3], new Float32Array(0)),
      b.weight("one", [], Float32Array.of(3)),
      shape,
    ];
    b.output(
      "y",
      ["N", 3],
      b.node("Custom", [...names, b.weight("half", [2], Uint16Array.of(0x3c00, 0xc000), "float16")]),
    );
    for (const choice of everyWay) {
      const { graph, report } = await run(b.build(), { recipe: { weights: { "*": choice } } });
      checkGraph(graph);
      expect(graph.weights.get("shape")).toBe(b.build().weights.get("shape"));
      // Of one value a sparsity of .8 keeps none.
      // The scales of a codebook and of its codes, of four bits each, may both be an eighth of a step off.
      const one = choice.storage === "sparse" ? 0 : 3;
      expect(Math.abs(toDense(graph.weights.get("one")!)[0] - one)).toBeLessThan(0.2);
      if (choice.storage === "int8") expect(toDense(graph.weights.get("half")!)[1]).toBeCloseTo(-2, 0);
      expect(report.weights.find(({ name }) => name === "shape")).toMatchObject({
        sparsity: 0,
        error: 0,
        candidates: [],
      });
      expect(report.parameters).toBe(3);
      writeContainer(graph);
    }
  });
});

describe("calibration", () => {
  const recipe: Recipe = { weights: { "*": { storage: "int8", bits: 4 } } };
  const samples = (count: number, seed: number) => {
    const x = fed([count, 2, 8, 8], seed);
    return { ...x, data: x.data.map((v) => Math.abs(v)) };
  };

  it("makes the output on other inputs better", async () => {
    const others = samples(40, 77);
    const output = (graph: Graph) => runReference(graph, { x: others }).get("y")!.data;
    // Biases of four bits cannot be corrected by much: these have eight.
    const fine = (graph: Graph): Recipe => {
      const biases = [...graph.weights].filter(([, { shape }]) => shape.length === 1);
      return {
        weights: { ...recipe.weights, ...Object.fromEntries(biases.map(([name]) => [name, { storage: "int8" }])) },
      };
    };
    // Of six networks together: what the correction of one layer does to the next may also be in vain.
    const errors = { plain: 0, calibrated: 0 };
    for (const seed of [1, 20, 40, 60, 80, 100]) {
      const graph = small(seed);
      const want = output(graph);
      const plain = await run(graph, { recipe: fine(graph) });
      const calibration = [{ x: samples(30, 5) }, { x: samples(30, 6) }];
      const calibrated = await run(graph, { recipe: fine(graph), calibration });
      errors.plain += relative(want, output(plain.graph));
      errors.calibrated += relative(want, output(calibrated.graph));
    }
    expect(errors.calibrated).toBeLessThan(0.8 * errors.plain);
  });

  it("weighs errors by what each column meets", async () => {
    const b = new GraphBuilder("weighed");
    const w = b.weight("w", [2, 3], Float32Array.of(1, 0.3, 0.2, 1, 0.3, 0.2));
    b.output("y", ["N", 2], b.node("Gemm", [b.input("x", ["N", 3]), w], { transB: 1 }));
    const two: Recipe = { weights: { w: { storage: "int8", bits: 2 } } };
    const errorWith = async (x: readonly number[]) => {
      const { report } = await run(b.build(), { recipe: two, calibration: [{ x: Float32Array.from(x) }] });
      return report.weights[0].error;
    };
    // The first column alone is met, and is on the grid.
    expect(await errorWith([5, 0, 0])).toBeLessThan(0.2);
    expect(await errorWith([0, 0, 5])).toBeGreaterThan(0.9);
  });

  it("weighs the rows of each group by what that group meets", async () => {
    const b = new GraphBuilder("groups");
    const w = b.weight("w", [2, 1, 1, 2], Float32Array.of(1, 1, 1, 0.3));
    b.output("y", ["N", 2, 1, 1], b.node("Conv", [b.input("x", ["N", 2, 1, 2]), w], { group: 2 }));
    const errorWith = async (x: readonly number[]) => {
      const { report } = await run(b.build(), {
        recipe: { weights: { w: { storage: "int8", bits: 2 } } },
        calibration: [{ x: Float32Array.from(x) }],
      });
      return report.weights[0].error;
    };
    // The second row alone is off the grid.
    const [little, much] = [await errorWith([5, 5, 0, 0]), await errorWith([0, 0, 5, 5])];
    expect(much).toBeGreaterThan(0.02);
    expect(little).toBeLessThan(much / 50);
  });

  it("stores corrected biases as chosen, and reports that error", async () => {
    const { graph, report } = await run(small(), { recipe, calibration: [{ x: samples(10, 5) }] });
    expect([...graph.weights.values()].every(({ kind }) => kind === "int8")).toBe(true);
    for (const { name, error, bytes } of report.weights) {
      expect(error, name).toBeLessThan(0.05);
      expect(bytes).toBe(encodeWeight(graph.weights.get(name) as PlainWeight).bytes.length);
    }
    const plain = await run(small(), { recipe });
    expect(toDense(graph.weights.get("fc.b")!)).not.toEqual(toDense(plain.graph.weights.get("fc.b")!));
  });

  it("that does not fit is a ShapeError", async () => {
    await expect(run(small(), { recipe, calibration: [] })).rejects.toThrow(ShapeError);
    await expect(run(small(), { recipe, calibration: [{ y: samples(1, 1) }] })).rejects.toThrow(ShapeError);
  });
});

describe("graphs that are not well made", () => {
  const recipe: Recipe = { weights: { "*": { storage: "int8" } } };

  it("NaN in a weight: a FormatError naming it", async () => {
    const graph = small();
    (graph.weights.get("fc.w") as { data: Float32Array }).data[17] = Number.NaN;
    for (const options of [{ recipe }, { target: { ratio: 4 } }]) {
      await expect(run(graph, options)).rejects.toThrow(FormatError);
      await expect(run(graph, options)).rejects.toThrow(/^weight fc\.w: expected finite numbers, got NaN at 17$/);
    }
  });

  it("a norm that folds to NaN: a FormatError naming the weight", async () => {
    const graph = small();
    (graph.weights.get("norm.var") as { data: Float32Array }).data[0] = -1;
    await expect(run(graph, { recipe })).rejects.toThrow(FormatError);
    await expect(run(graph, { recipe })).rejects.toThrow(/^weight conv\.w: expected finite numbers/);
  });

  it("damaged coded bytes: a FormatError naming the weight", async () => {
    const graph = readContainer(writeContainer(small()));
    const weight = graph.weights.get("fc.w") as { bytes: Uint8Array };
    weight.bytes = weight.bytes.slice(0, -300);
    await expect(run(graph, { recipe })).rejects.toThrow(FormatError);
    await expect(run(graph, { recipe })).rejects.toThrow(/^weight fc\.w/);
  });
});

describe("progress and abort", () => {
  const recipe: Recipe = { weights: { "*": { storage: "int8" } } };

  it("tells each weight once, in order", async () => {
    const told: CompressProgress[] = [];
    const { graph } = await run(small(), { recipe, onProgress: (progress) => told.push(progress) });
    const total = graph.weights.size;
    expect(told.map(({ done }) => done)).toEqual(Array.from({ length: total }, (_, i) => i + 1));
    expect(told.every((progress) => progress.total === total && progress.stage === "measure")).toBe(true);
    expect(told.map(({ weight }) => weight)).toEqual([...graph.weights.keys()]);
  });

  it("rejects with the signal's reason: before, between weights, after the last", async () => {
    const reason = new Error("enough");
    for (const at of [-1, 1, 2, 7]) {
      const controller = new AbortController();
      const told: number[] = [];
      if (at < 0) controller.abort(reason);
      const done = run(small(), {
        recipe,
        signal: controller.signal,
        onProgress({ done }) {
          told.push(done);
          if (done === at) controller.abort(reason);
        },
      });
      await expect(done).rejects.toBe(reason);
      expect(told.at(-1)).toBe(at < 0 ? undefined : at);
    }
  });

  it("hears a signal that comes while it works, and leaves nothing behind", async () => {
    const graph = small();
    const before = writeContainer(graph);
    const controller = new AbortController();
    const done = run(graph, {
      recipe,
      signal: controller.signal,
      onProgress: ({ done }) => done === 1 && setTimeout(() => controller.abort()),
    });
    await expect(done).rejects.toMatchObject({ name: "AbortError" });
    expect(writeContainer(graph)).toEqual(before);
    // The next call works as ever.
    await run(graph, { recipe, signal: new AbortController().signal });
  });

  it("passes on what a listener throws", async () => {
    const refuse = () => {
      throw new RangeError("no");
    };
    await expect(run(tiny(), { recipe, onProgress: refuse })).rejects.toThrow("no");
  });
});
