import { describe, expect, test } from "vitest";
import { DivergedError, FormatError, OutOfMemoryError, ShapeError, UnsupportedError } from "../../src/errors.js";
import { GraphBuilder } from "../../src/graph/build.js";
import { toDense } from "../../src/graph/dense.js";
import type { Graph } from "../../src/graph/graph.js";
import { Model } from "../../src/runtime/session.js";
import { cyclical } from "../../src/schedule.js";
import type { Batch } from "../../src/train/data.js";
import { batches } from "../../src/train/data.js";
import { fit } from "../../src/train/fit.js";
import type { FitOptions } from "../../src/train/options.js";
import { normals } from "../support/kernels.js";
import { expectClose, fed, runModule, storages, withWeights } from "../support/network.js";
import { batch, descent, train } from "../support/training.js";

/** Two classes in the plane, one around the other. */
function rings(count: number): { input: string; inputs: Float32Array; shape: number[]; labels: Uint8Array } {
  const noise = normals(2 * count, 11);
  const inputs = new Float32Array(2 * count);
  const labels = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    labels[i] = i % 2;
    const radius = labels[i] ? 2 : 0.6;
    const angle = i * 2.4;
    inputs[2 * i] = radius * Math.cos(angle) + 0.1 * noise[2 * i];
    inputs[2 * i + 1] = radius * Math.sin(angle) + 0.1 * noise[2 * i + 1];
  }
  return { input: "x", inputs, shape: [2], labels };
}

function net(): Graph {
  const b = new GraphBuilder("rings");
  const x = b.input("x", ["N", 2]);
  const h = b.node("Relu", [
    b.node("Gemm", [x, b.weight("w1", [24, 2], normals(48, 1)), b.weight("b1", [24], new Float32Array(24))], {
      transB: 1,
    }),
  ]);
  b.output(
    "y",
    ["N", 2],
    b.node(
      "Gemm",
      [
        h,
        b.weight(
          "w2",
          [2, 24],
          normals(48, 2).map((v) => v / 5),
        ),
        b.weight("b2", [2], new Float32Array(2)),
      ],
      { transB: 1 },
    ),
  );
  return b.build();
}

const labelled = (seed = 1): Batch => batch({ x: fed([4, 2], seed) }, Uint8Array.of(0, 1, 1, 0));
const options = (more: Partial<FitOptions> = {}): FitOptions => ({
  ...descent,
  rate: 0.1,
  data: [labelled()],
  loss: "crossEntropy",
  ...more,
});

async function refusal(graph: Graph, more: Partial<FitOptions>): Promise<unknown> {
  try {
    await train(graph, options(more));
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

const bytesOf = (graph: Graph) =>
  [...graph.weights].map(([name, weight]) => {
    if (weight.kind !== "masked" && weight.kind !== "dense") throw new Error(weight.kind);
    return [name, weight.kind === "masked" ? [...weight.mask] : [], [...new Uint8Array(weight.data.buffer)]];
  });

describe("fit", () => {
  test.each([
    { kind: "sgd", momentum: 0.9 },
    { kind: "sgd", momentum: 0.9, decay: 1e-3 },
    { kind: "adam" },
    { kind: "adam", decay: 0.01 },
  ] as const)("learns two rings with %o, prunes most of it, and the session agrees", async (optimizer) => {
    const data = rings(200);
    const schedule = cyclical({ cycles: 2, sparsity: 0.7, ramp: 30, hold: 30 });
    const rate = optimizer.kind === "sgd" ? 0.1 : 0.02;
    const { graph, reports } = await train(
      net(),
      options({
        data: batches(data, { size: 20, epochs: 16, seed: 3 }),
        optimizer,
        rate,
        schedule,
      }),
    );
    expect(reports).toHaveLength(160);
    const late = reports.slice(-10).reduce((sum, { loss }) => sum + loss / 10, 0);
    expect(late).toBeLessThan(0.25);
    expect(reports[0].loss).toBeGreaterThan(0.5);
    expect(reports.map(({ step }) => step)).toEqual(reports.map((_, i) => i));
    expect(reports.every((report) => report.rate === rate)).toBe(true);
    const x = { shape: [200, 2], data: data.inputs };
    const { y } = new Model(graph, runModule).run({ x: { dtype: "float32", ...x } });
    expectClose(y, graph, { x }, 100);
    let right = 0;
    for (const [i, label] of data.labels.entries()) if (Number(y.data[2 * i + 1] > y.data[2 * i]) === label) right++;
    expect(right).toBeGreaterThan(190);
  });

  test("the same seed gives the same bytes, another seed others", async () => {
    const run = async (seed: number) => {
      const schedule = cyclical({ cycles: 2, sparsity: 0.8, drop: 0.3, ramp: 5, hold: 3 });
      const data = batches(rings(60), { size: 12, epochs: 4, seed });
      const { graph, reports } = await train(
        net(),
        options({
          data,
          schedule,
          optimizer: { kind: "adam" },
          rate: { kind: "cosine", from: 0.05, to: 0, periods: [8, 12], warm: 2 },
        }),
      );
      return { bytes: bytesOf(graph), losses: reports.map(({ loss }) => loss) };
    };
    const [first, again, other] = [await run(5), await run(5), await run(6)];
    expect(again).toEqual(first);
    expect(other.bytes).not.toEqual(first.bytes);
  });

  test("nothing happens before it is iterated; the graph that was given stays as it was", async () => {
    const graph = net();
    const before = toDense(graph.weights.get("w1")!);
    let asked = 0;
    const data = (function* () {
      asked++;
      yield labelled();
    })();
    const run = fit(graph, options({ data }));
    expect(asked).toBe(0);
    expect(run.graph()).toEqual(graph);
    for await (const _ of run);
    expect(asked).toBe(1);
    expect(toDense(graph.weights.get("w1")!)).toEqual(before);
    expect(toDense(run.graph().weights.get("w1")!)).not.toEqual(before);
  });

  test("`break` leaves the network of that step, once and for all", async () => {
    const data = Array.from({ length: 10 }, (_, i) => labelled(i));
    const run = fit(net(), options({ data }));
    for await (const { step } of run) if (step === 3) break;
    const { graph: wanted } = await train(net(), options({ data: data.slice(0, 4) }));
    expect(bytesOf(run.graph())).toEqual(bytesOf(wanted));
    expect(bytesOf(run.graph())).toEqual(bytesOf(run.graph()));
    expect(new Model(run.graph(), runModule).run({ x: fed([1, 2], 1) }).y.shape).toEqual([1, 2]);
  });

  test("the graph may be taken after any step, and later steps do not change it", async () => {
    const run = fit(net(), options({ data: [labelled(1), labelled(2)] }));
    const taken: Graph[] = [];
    for await (const _ of run) taken.push(run.graph());
    expect(bytesOf(taken[0])).not.toEqual(bytesOf(taken[1]));
    expect(bytesOf(taken[0])).toEqual(bytesOf((await train(net(), options({ data: [labelled(1)] }))).graph));
  });

  test("data may come asynchronously, and is told when it is no longer wanted", async () => {
    let closed = false;
    const data = (async function* () {
      try {
        for (let i = 0; ; i++) yield labelled(i);
      } finally {
        closed = true;
      }
    })();
    const run = fit(net(), options({ data }));
    for await (const { step } of run) if (step === 2) break;
    expect(closed).toBe(true);
  });

  test("several inputs", async () => {
    const b = new GraphBuilder("two");
    const [p, q] = [b.input("p", [3, 2]), b.input("q", [3, 2])];
    b.output("y", [3, 2], b.node("MatMul", [b.node("Add", [p, q]), b.weight("w", [2, 2], normals(4, 1))]));
    const data = [batch({ p: fed([3, 2], 1), q: fed([3, 2], 2) }, normals(6, 3))];
    const { graph, reports } = await train(b.build(), options({ data, loss: "meanSquaredError" }));
    expect(reports[0].loss).toBeGreaterThan(0);
    expect(toDense(graph.weights.get("w")!)).not.toEqual(normals(4, 1));
  });
});

describe("what fit refuses", () => {
  test("no data at all", async () => {
    expect(await refusal(net(), { data: [] })).toEqual(
      new RangeError("fit: data: expected at least one batch, got none"),
    );
  });

  test.each([
    [[{ inputs: {}, target: Uint8Array.of(0) }], new ShapeError("fit: batch: expected a tensor for input x, got none")],
    [
      [batch({ x: { shape: [4, 2], data: new Float32Array(7) } }, Uint8Array.of(0, 1, 1, 0))],
      new ShapeError("fit: input x: expected 8 elements for shape [4, 2], got 7"),
    ],
    [[batch({ x: fed([4, 3], 1) }, Uint8Array.of(0, 1, 1, 0))], new ShapeError("input x: expected [N, 2], got [4, 3]")],
    [
      [labelled(), batch({ x: fed([3, 2], 1) }, Uint8Array.of(0, 1, 1))],
      new ShapeError("fit: input x: expected [4, 2] in every batch, got [3, 2]"),
    ],
    [
      [
        {
          inputs: { x: { dtype: "float64", shape: [4, 2], data: new Float64Array(8) } },
          target: Uint8Array.of(0, 1, 1, 0),
        },
      ],
      new ShapeError("fit: input x: expected float32 values, got Float64Array"),
    ],
    [
      [{ ...labelled(), target: Uint8Array.of(0, 1, 1) }],
      new ShapeError("fit: target: expected 4 class numbers, got 3 in Uint8Array"),
    ],
    [
      [{ ...labelled(), target: Uint8Array.of(0, 1, 2, 0) }],
      new ShapeError("fit: target: expected classes in 0..1, got 2"),
    ],
    [
      [{ ...labelled(), target: Float32Array.of(0, 1, 0.5, 0) }],
      new ShapeError("fit: target: expected classes in 0..1, got 0.5"),
    ],
    [
      [{ ...labelled(), target: Float32Array.of(0, 1, -1, 0) }],
      new ShapeError("fit: target: expected classes in 0..1, got -1"),
    ],
  ] as [Batch[], Error][])("a batch that does not fit (%#)", async (data, error) => {
    expect(await refusal(net(), { data })).toEqual(error);
  });

  test("targets of meanSquaredError that do not fit", async () => {
    const loss = "meanSquaredError";
    expect(await refusal(net(), { loss })).toEqual(
      new ShapeError("fit: target: expected 8 values in a Float32Array, got 4 in Uint8Array"),
    );
    expect(await refusal(net(), { loss, data: [{ ...labelled(), target: new Float32Array(7) }] })).toEqual(
      new ShapeError("fit: target: expected 8 values in a Float32Array, got 7 in Float32Array"),
    );
  });

  test("logits that are not a matrix", async () => {
    const b = new GraphBuilder("g");
    b.output("y", ["N", 2, 2], b.node("MatMul", [b.input("x", ["N", 2, 2]), b.weight("w", [2, 2], normals(4, 1))]));
    expect(await refusal(b.build(), { data: [batch({ x: fed([1, 2, 2], 1) }, Uint8Array.of(0))] })).toEqual(
      new ShapeError("fit: crossEntropy: expected logits [rows, classes], got [1, 2, 2]"),
    );
  });

  test("a loss that is no number any more, with the network before it at hand", async () => {
    const broken = batch(
      { x: { shape: [4, 2], data: new Float32Array(8).fill(Number.NaN) } },
      Uint8Array.of(0, 1, 1, 0),
    );
    const run = fit(net(), options({ data: [labelled(), broken] }));
    const error = await (async () => {
      try {
        for await (const _ of run);
      } catch (thrown) {
        return thrown;
      }
    })();
    expect(error).toEqual(
      new DivergedError("fit: step 1: expected a finite loss, got NaN: the first tensor that is not finite is input x"),
    );
    expect(bytesOf(run.graph())).toEqual(bytesOf((await train(net(), options({ data: [labelled()] }))).graph));
    const wild = Array.from({ length: 40 }, (_, i) => labelled(i));
    expect(await refusal(net(), { data: wild, rate: 1e30 })).toBeInstanceOf(DivergedError);
  });

  test("a schedule out of range, at once", () => {
    const schedule = { cycles: [{ from: 0, to: 2, warm: 0, ramp: 1, hold: 1 }] };
    expect(() => fit(net(), options({ schedule }))).toThrow(
      new RangeError("schedule.cycles[0].to: expected a sparsity in 0..1, got 2"),
    );
  });

  test("a graph that is none, at once", () => {
    expect(() => fit({ ...net(), nodes: [...net().nodes].reverse() }, options())).toThrow(FormatError);
    const weights = new Map(net().weights).set("b2", {
      kind: "dense",
      shape: [2],
      dtype: "float32",
      data: Float32Array.of(1, Number.NaN),
    });
    expect(() => fit({ ...net(), weights }, options())).toThrow(
      new FormatError("weight b2: expected finite numbers, got NaN at 1"),
    );
  });

  test("operators without a gradient, by name", async () => {
    const b = new GraphBuilder("g");
    const c = b.node("Conv", [b.input("x", ["N", 1, 3, 3]), b.weight("w", [2, 1, 3, 3], normals(18, 1))]);
    const r = b.node("Relu", [c]);
    b.output("y", ["N", 2], b.node("Flatten", [b.node("Floor", [r], {}, "steps")]));
    expect(await refusal(b.build(), { data: [batch({ x: fed([1, 1, 3, 3], 1) }, Uint8Array.of(0))] })).toEqual(
      new UnsupportedError("fit: node steps: expected an operator with a gradient, got Floor"),
    );
  });

  test("a norm straight after a convolution is folded into it, and trains with it", async () => {
    const b = new GraphBuilder("g");
    const c = b.node("Conv", [b.input("x", ["N", 1, 3, 3]), b.weight("w", [2, 1, 3, 3], normals(18, 1))]);
    const fixed = ["gamma", "beta", "mean", "variance"].map((name) => b.weight(name, [2], Float32Array.of(1, 2)));
    b.output("y", ["N", 2], b.node("Flatten", [b.node("BatchNormalization", [c, ...fixed], {}, "norm")]));
    const data = [batch({ x: fed([1, 1, 3, 3], 1) }, Uint8Array.of(0))];
    const { graph } = await train(b.build(), options({ data }));
    expect(graph.nodes.map((node) => node.op)).toEqual(["Conv", "Flatten"]);
  });

  test("float16 weights train as the float32 values they are", async () => {
    const half = Uint16Array.from({ length: 8 }, (_, i) => 0x3800 + 64 * i);
    const made = (dtype: "float16" | "float32") => {
      const b = new GraphBuilder("g");
      const values = dtype === "float16" ? half : toDense({ kind: "dense", shape: [8], dtype: "float16", data: half });
      const h = b.node("Gemm", [b.input("x", ["N", 4]), b.weight("w", [2, 4], values, dtype)], { transB: 1 });
      b.output("y", ["N", 2], b.node("Gemm", [h, b.weight("v", [2, 2], normals(4, 2))], { transB: 1 }));
      return b.build();
    };
    const data = [batch({ x: fed([2, 4], 1) }, Uint8Array.of(0, 1))];
    const [a, b] = [await train(made("float16"), options({ data })), await train(made("float32"), options({ data }))];
    expect(toDense(a.graph.weights.get("w")!)).toEqual(toDense(b.graph.weights.get("w")!));
    expect(toDense(a.graph.weights.get("w")!)).not.toEqual(toDense(made("float32").weights.get("w")!));
  });

  test.each([
    [Number.NaN, "rate: expected a rate of 0 or more, got NaN"],
    [-1, "rate: expected a rate of 0 or more, got -1"],
    [
      { kind: "cosine", from: 1, to: 0, periods: [10, 0] } as const,
      "rate.periods: expected a number of steps of at least 1, got 0",
    ],
  ])("a rate of %j, at once", (rate, message) => {
    expect(() => fit(net(), options({ rate, data: [] }))).toThrow(new RangeError(message));
  });

  test("an output that no weight leads to", async () => {
    const b = new GraphBuilder("g");
    b.output("y", ["N", 2], b.node("Relu", [b.input("x", ["N", 2])]));
    expect(await refusal(b.build(), {})).toEqual(new ShapeError("fit: expected an output that weights lead to, got y"));
  });

  test("sparse values that are not integers, by name", async () => {
    const sparse = storages([24, 2]).find(([name]) => name === "sparse f32")![1];
    expect(await refusal(withWeights(net(), [["w1", sparse]]), {})).toEqual(
      new UnsupportedError("fit: weight w1: expected int8 values, or dense ones, got sparse f32 values"),
    );
  });

  test("a network that does not fit into maxBytes, and the next one trains", async () => {
    const b = new GraphBuilder("big");
    b.output(
      "y",
      ["N", 300],
      b.node("MatMul", [b.input("x", ["N", 300]), b.weight("w", [300, 300], normals(90000, 1))]),
    );
    const data = [batch({ x: fed([2, 300], 1) }, Uint8Array.of(0, 1))];
    expect(await refusal(b.build(), { data, maxBytes: 8 * 65536 })).toBeInstanceOf(OutOfMemoryError);
    expect((await train(b.build(), options({ data }))).reports).toHaveLength(1);
  });
});

describe("batches", () => {
  const examples = {
    input: "x",
    inputs: Float32Array.from({ length: 20 }, (_, i) => i),
    shape: [2],
    labels: Array.from({ length: 10 }, (_, i) => i),
  };
  const seen = (size: number, epochs: number, seed: number) =>
    [...batches(examples, { size, epochs, seed })].length &&
    Array.from(batches(examples, { size, epochs, seed }), ({ inputs, target }) => ({
      labels: [...target!],
      values: [...inputs.x.data] as number[],
      shape: inputs.x.shape,
    }));

  test("every example once an epoch, in a fresh order, with its label; the rest is left out", () => {
    const list = seen(3, 2, 1) as { labels: number[]; values: number[]; shape: number[] }[];
    expect(list).toHaveLength(6);
    for (const { labels, values, shape } of list) {
      expect(shape).toEqual([3, 2]);
      expect(values).toEqual(labels.flatMap((label) => [2 * label, 2 * label + 1]));
    }
    for (const epoch of [list.slice(0, 3), list.slice(3)]) {
      expect(new Set(epoch.flatMap(({ labels }) => labels)).size).toBe(9);
    }
    expect(list.slice(0, 3)).not.toEqual(list.slice(3));
    expect(seen(3, 2, 1)).toEqual(list);
    expect(seen(3, 2, 2)).not.toEqual(list);
    expect(seen(10, 1, 1)).toHaveLength(1);
  });

  test("outputs of a teacher go with their examples, with labels or without", () => {
    const outputs = Float32Array.from({ length: 30 }, (_, i) => Math.floor(i / 3));
    const { labels, ...unlabelled } = examples;
    for (const given of [
      { ...examples, outputs },
      { ...unlabelled, outputs },
    ]) {
      for (const { inputs, target, outputs } of batches(given, { size: 4, epochs: 2, seed: 1 })) {
        const ids = Array.from({ length: 4 }, (_, i) => (inputs.x.data[2 * i] as number) / 2);
        expect([...outputs!]).toEqual(ids.flatMap((id) => [id, id, id]));
        expect(target && [...target]).toEqual("labels" in given ? ids : undefined);
      }
    }
  });

  test("what does not fit", () => {
    const draw = (change: object, size = 3) => [...batches({ ...examples, ...change }, { size, epochs: 1, seed: 1 })];
    expect(() => draw({ inputs: new Float32Array(19) })).toThrow(
      new ShapeError("batches: expected 10 examples of 2 values, got 19 values"),
    );
    expect(() => draw({ outputs: new Float32Array(25) })).toThrow(
      new ShapeError("batches: expected outputs of 10 examples, got 25 values"),
    );
    for (const size of [0, 11, 2.5]) {
      expect(() => draw({}, size)).toThrow(new RangeError(`batches: expected a size in 1..10, got ${size}`));
    }
  });
});
