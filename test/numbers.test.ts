// What becomes of numbers at the edge, a test for each line of the table in docs/methods.md, as far as it goes from one end to the
// other: compressed, written, read, run.
import { describe, expect, test } from "vitest";
import type { Choice } from "../src/compress/recipe.js";
import { FormatError } from "../src/errors.js";
import { readContainer, writeContainer } from "../src/formats/container/index.js";
import { GraphBuilder } from "../src/graph/build.js";
import { sparsity, toDense } from "../src/graph/dense.js";
import { type Graph, withWeights } from "../src/graph/graph.js";
import type { Int8Weight, SparseWeight, Weight } from "../src/graph/weight.js";
import { loadModel } from "../src/index.js";
import { oneShot } from "../src/schedule.js";
import type { Revival } from "../src/train/prune.js";
import type { Scope } from "../src/train/scope.js";
import { run as compressed, small } from "./compress/networks.js";
import { expectSame } from "./support/compare.js";
import { builds, Guarded, normals } from "./support/kernels.js";
import { fed, fullModule, runModule } from "./support/network.js";
import { train } from "./support/training.js";

const unfit = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];

/** Gemm with the weight w [rows, cols], transposed: y = x w^T. */
function layer(values: readonly number[] | Float32Array, rows: number): Graph {
  const b = new GraphBuilder("layer");
  const cols = values.length / rows;
  const weight = b.weight("w", [rows, cols], Float32Array.from(values));
  b.output("y", ["N", rows], b.node("Gemm", [b.input("x", ["N", cols]), weight], { transB: 1 }));
  return b.build();
}

/** The weight w as it is stored by the choice and comes back from a file. */
async function stored<W extends Weight>(graph: Graph, choice: Choice): Promise<{ weight: W; values: Float32Array }> {
  const result = await compressed(graph, { recipe: { weights: { "*": choice } } });
  const weight = result.graph.weights.get("w") as W;
  const values = toDense(readContainer(writeContainer(result.graph)).weights.get("w")!);
  expectSame(values, toDense(weight), "out of the container");
  return { weight, values };
}

/** The output y of a session on the file of a graph. */
async function output(graph: Graph, x: { shape: readonly number[]; data: Float32Array }) {
  using model = await loadModel(writeContainer(graph), { module: runModule });
  return model.run({ x: { dtype: "float32", ...x } }).y;
}

/** The output of a network of one operator, on the values of its input x [1, ...]. */
async function through(op: string, shape: readonly number[], values: readonly number[], attributes = {}) {
  const b = new GraphBuilder(op);
  b.output("y", ["N", ...shape.map((_, i) => `d${i}`)], b.node(op, [b.input("x", ["N", ...shape])], attributes));
  return (await output(b.build(), { shape: [1, ...shape], data: Float32Array.from(values) })).data;
}

const factored: Choice = { storage: "factored", layout: "rows", k: 2, density: 1 };
const ways: readonly [string, Choice][] = [
  ["int8", { storage: "int8" }],
  ["int8, one scale", { storage: "int8", perTensor: true }],
  ["int8, 4 bits", { storage: "int8", bits: 4 }],
  ["sparse", { storage: "sparse" }],
  ["sparse, 4 bits", { storage: "sparse", bits: 4 }],
];

describe("ties in top-k go to the lower index", () => {
  const signs = [1, -1, -1, 1, 1, -1, 1, -1].map((sign) => sign * 0.5);
  const wanted = signs.map((value, i) => (i < 3 ? value : 0));

  test("compressed", async () => {
    const { values } = await stored(layer(signs, 2), { storage: "sparse", sparsity: 5 / 8 });
    // The scale is rounded: of a value that is kept, 1.6 % at most is lost.
    for (const [i, value] of values.entries()) {
      if (wanted[i] === 0) expect(value).toBe(0);
      else expect(Math.abs(value / wanted[i] - 1)).toBeLessThan(1 / 64);
    }
  });

  test.each<Scope>(["global", "tensor"])("trained, scope %s", async (scope) => {
    const data = [{ inputs: { x: fed([1, 4], 1) }, target: new Float32Array(2) }];
    const schedule = oneShot({ sparsity: 5 / 8, hold: 1 });
    const still = { module: fullModule, rate: 0, optimizer: { kind: "sgd" }, loss: "meanSquaredError" } as const;
    const { graph } = await train(layer(signs, 2), { ...still, data, schedule, scope });
    expectSame(toDense(graph.weights.get("w")!).map(Math.abs), wanted.map(Math.abs));
  });

  test("a weight among larger and smaller ones", async () => {
    const { values } = await stored(layer([1, -2, 1, 0.5, 2, -1, 1, 0], 1), { storage: "sparse", sparsity: 0.5 });
    expect([...values].map((value) => value !== 0)).toEqual([true, true, true, false, true, false, false, false]);
  });
});

describe("k = 0 and k = n, sparsity 0 and 1", () => {
  const values = normals(24, 5);

  test("sparsity 0 keeps everything", async () => {
    const { weight } = await stored<SparseWeight>(layer(values, 4), { storage: "sparse", sparsity: 0 });
    const { weight: all } = await stored<Int8Weight>(layer(values, 4), { storage: "int8" });
    expectSame(toDense(weight), toDense(all));
  });

  test("sparsity 1 keeps nothing, and runs", async () => {
    const { weight, values: back } = await stored<SparseWeight>(layer(values, 4), { storage: "sparse", sparsity: 1 });
    expect([weight.values.length, [...weight.scale!]]).toEqual([0, [1, 1, 1, 1]]);
    expectSame(back, new Float32Array(24));
    const graph = withWeights(layer(values, 4), [["w", weight]]);
    expectSame((await output(graph, fed([2, 6], 1))).data, new Float32Array(8));
  });

  test.each<[Revival, Scope]>([
    ["keep", "global"],
    ["zero", "tensor"],
    ["shadow", "global"],
  ])("trained at sparsity 0 and 1, revival %s, scope %s", async (revival, scope) => {
    const data = Array.from({ length: 2 }, () => ({ inputs: { x: fed([3, 6], 2) }, target: normals(12, 3) }));
    for (const level of [0, 1]) {
      const { graph, reports } = await train(layer(values, 4), {
        module: fullModule,
        optimizer: { kind: "adam" },
        loss: "meanSquaredError",
        schedule: oneShot({ sparsity: level, hold: 2 }),
        data,
        revival,
        scope,
      });
      expect(reports.map((report) => report.sparsity)).toEqual([level, level]);
      expect(reports.at(-1)!.cycle!.collapsed).toEqual(level ? ["w"] : []);
      expect(sparsity(graph.weights.get("w")!)).toBe(level);
      expect((await output(graph, fed([1, 6], 1))).data.every((value) => (value === 0) === (level === 1))).toBe(true);
    }
  });

  test.each(builds())("the threshold at k = 1 and k = n: $name", ({ kernels }) => {
    const values = Float32Array.of(-3, 1e-45, 2, -0, 3);
    for (const [k, wanted] of [
      [1, 3],
      [5, 0],
      [4, 1e-45],
    ]) {
      const memory = new Guarded(kernels);
      const x = memory.place(values);
      const threshold = kernels.topk_threshold_f32(5, x, k, memory.room(kernels.topk_scratch_bytes(5))) >>> 0;
      memory.check();
      expect(threshold).toBe(new Uint32Array(Float32Array.of(wanted).buffer)[0]);
    }
  });
});

describe("rounding is half to even, then saturates", () => {
  test("compressed", async () => {
    // The largest is 127: the scale is 1.
    const row = [127, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 126.5, -125.5, 0.49999997];
    const { weight, values } = await stored<Int8Weight>(layer(row, 1), { storage: "int8" });
    expect([...weight.scale]).toEqual([1]);
    expectSame(values, [127, 0, 2, 2, 0, -2, -2, 126, -126, 0]);
  });

  test("compressed to fewer bits, the largest clipped", async () => {
    const row = [1, -1, ...Array.from({ length: 60 }, (_, i) => (i % 2 ? 0.55 : -0.55))];
    const { weight } = await stored<Int8Weight>(layer(row, 1), { storage: "int8", bits: 2 });
    expect(weight.scale[0]).toBeLessThan(0.7);
    expect([...weight.q]).toEqual(row.map(Math.sign));
  });

  test.each(builds())("in the kernel, far outside the range and infinite: $name", ({ kernels }) => {
    const x = [0.5, 1.5, 2.5, -0.5, -1.5, 127.5, 128, -127.5, -128, 3e38, -3e38, Number.POSITIVE_INFINITY, Number.NaN];
    const memory = new Guarded(kernels);
    const q = memory.room(x.length);
    const [from, scale] = [memory.place(Float32Array.from(x)), memory.place(Float32Array.of(1))];
    kernels.quantize_rows_f32_i8(1, x.length, from, scale, q, 127);
    memory.check();
    expect([...memory.read(Int8Array, q, x.length)]).toEqual([0, 2, 2, 0, -2, 127, 127, -127, -127, 127, -127, 127, 0]);
  });
});

describe("what is all zero has scale 1, codes 0, and comes back as exact zeros", () => {
  test.each(ways)("a tensor: %s", async (_, choice) => {
    const { weight, values } = await stored<Int8Weight | SparseWeight>(layer(new Float32Array(12), 3), choice);
    expect([...weight.scale!]).toEqual("perTensor" in choice ? [1] : [1, 1, 1]);
    expect([...(weight.kind === "int8" ? weight.q : weight.values)].every((code) => code === 0)).toBe(true);
    expectSame(values, new Float32Array(12));
    const graph = withWeights(layer(values, 3), [["w", weight]]);
    expectSame((await output(graph, fed([2, 4], 1))).data, new Float32Array(6));
  });

  test.each(ways)("a row: %s", async (_, choice) => {
    const { weight, values } = await stored<Int8Weight | SparseWeight>(layer([1, -2, 0, 0, 3, 0], 3), choice);
    if (!("perTensor" in choice)) expect(weight.scale![1]).toBe(1);
    expectSame(values.subarray(2, 4), [0, 0]);
    expect(values[0]).not.toBe(0);
  });

  test("a tensor, factored", async () => {
    const { values } = await stored(layer(new Float32Array(12), 3), factored);
    expectSame(values, new Float32Array(12));
  });
});

describe("NaN and infinity in a weight are refused by the weight's name", () => {
  const good = layer(normals(6, 1), 2);
  const shape = [2, 3];
  const [rowPtr, col] = [Uint32Array.of(0, 1, 1), Uint32Array.of(2)];
  const cases: [string, (bad: number) => Weight][] = [
    ["dense", (bad) => ({ kind: "dense", shape, dtype: "float32", data: Float32Array.of(1, 2, 3, 4, bad, 6) })],
    [
      "float16",
      (bad) => ({
        kind: "dense",
        shape,
        dtype: "float16",
        data: Uint16Array.of(0, 0, Number.isNaN(bad) ? 0x7e00 : bad > 0 ? 0x7c00 : 0xfc00, 0, 0, 0),
      }),
    ],
    ["masked out", (bad) => ({ kind: "masked", shape, data: normals(6, 1).fill(bad, 5), mask: Uint8Array.of(1) })],
    ["sparse", (bad) => ({ kind: "sparse", shape, rowPtr, col, values: Float32Array.of(bad) })],
    ["a scale", (bad) => ({ kind: "int8", shape, q: new Int8Array(6), scale: Float32Array.of(1, bad) })],
    [
      "a sparse scale",
      (bad) => ({ kind: "sparse", shape, rowPtr, col, values: Int8Array.of(1), scale: Float32Array.of(bad) }),
    ],
  ];
  test.each(cases)("%s", async (_, make) => {
    for (const bad of unfit) {
      const graph = withWeights(good, [["w", make(bad)]]);
      const refusals = [
        () => compressed(graph, { recipe: { weights: { "*": { storage: "int8" } } } }),
        () => compressed(graph, { target: { ratio: 2 } }),
        async () => writeContainer(graph),
        () => loadModel(graph, { module: runModule }),
        () => train(graph, { module: fullModule, data: [], loss: "crossEntropy", optimizer: { kind: "sgd" } }),
      ];
      for (const refuse of refusals) {
        const error = await refuse().then(
          () => undefined,
          (error: unknown) => error,
        );
        expect(error).toBeInstanceOf(FormatError);
        expect((error as Error).message).toMatch(/^weight w: expected (finite numbers|scales above 0), got /);
      }
    }
  });
});

describe("denormals are kept", () => {
  const least = 2 ** -149;
  const values = [1e-40, -5e-41, least, -least, 0, 2 ** -126];

  test("dense: bit for bit, in the file and through a product", async () => {
    const { values: back } = await stored(layer(values, 6), { storage: "dense" });
    expectSame(back, Float32Array.from(values));
    expectSame((await output(layer(values, 6), { shape: [1, 1], data: Float32Array.of(1) })).data, back);
  });

  test.each(ways)("%s: to half a step of a scale, itself a denormal", async (_, choice) => {
    const { weight, values: back } = await stored<Int8Weight | SparseWeight>(layer(values, 1), choice);
    const step = weight.scale![0];
    expect(step).toBeGreaterThan(0);
    // Fewer bits clip the largest: then what is lost there is more than half a step.
    const end = step * ("bits" in choice ? 7 : 127);
    for (const [i, value] of values.entries()) {
      const clipped = Math.min(Math.max(value, -end), end);
      expect(Math.abs(back[i] - clipped)).toBeLessThanOrEqual(step / 2);
    }
  });

  test.each(ways)("%s: multiples of the smallest exactly", async (_, choice) => {
    const multiples = [1, -2, 7, 0, -7, 3].map((v) => v * least);
    expectSame((await stored(layer(multiples, 1), choice)).values, multiples);
  });

  test("top-k tells them apart", async () => {
    const { values: back } = await stored(
      layer(
        [1, -3, 2, 0].map((v) => v * least),
        1,
      ),
      { storage: "sparse", sparsity: 0.5 },
    );
    expectSame(back, [0, -3 * least, 2 * least, 0]);
  });

  test("factored: the exception, the smallest become zero and others are near", async () => {
    const { values: back } = await stored(layer(values.slice(0, 4), 2), factored);
    expectSame(back.subarray(2), [0, 0]);
    for (const [i, value] of values.slice(0, 4).entries()) expect(Math.abs(back[i] - value)).toBeLessThan(2e-41);
  });
});

describe("-0", () => {
  test("is kept in dense weights", async () => {
    const { values } = await stored(layer([-0, 1, 0, -0], 2), { storage: "dense" });
    expectSame(values, [-0, 1, 0, -0]);
  });

  test.each([...ways, ["factored", factored] as [string, Choice]])("is +0 in others: %s", async (_, choice) => {
    const { values } = await stored(layer([-0, 1, 0, -0], 2), choice);
    expectSame(values.subarray(2), [0, 0]);
    expect(Object.is(values[0], -0)).toBe(false);
  });

  test("is the smallest of magnitudes like +0, and no entry of sparse storage", async () => {
    const { weight } = await stored<SparseWeight>(layer([-0, 1, 0, -0], 1), { storage: "sparse" });
    expect([...weight.col]).toEqual([1]);
  });

  test("through operators: Relu gives +0, Identity keeps it", async () => {
    expectSame(await through("Relu", [5], [-0, 0, -0, -0, -0]), [0, 0, 0, 0, 0]);
    expectSame(await through("Identity", [5], [-0, 0, -0, -0, -0]), [-0, 0, -0, -0, -0]);
  });
});

describe("zero-sized dimensions", () => {
  test("a session with N = 0, and with N = 1 after it", async () => {
    const graph = small();
    using model = await loadModel(graph, { module: runModule });
    const none = model.run({ x: { dtype: "float32", shape: [0, 2, 8, 8], data: new Float32Array() } }).y;
    expect([none.shape, none.data.length]).toEqual([[0, 4], 0]);
    expect(model.input("x").length).toBe(0);
    expect(model.run({ x: normals(128, 1) }).y.shape).toEqual([1, 4]);
    expect(model.run({ x: new Float32Array() }).y.shape).toEqual([0, 4]);
  });

  test.each([
    ["Relu", [4], {}],
    ["Softmax", [4], {}],
    ["MaxPool", [1, 4, 4], { kernel_shape: [2, 2] }],
    ["GlobalAveragePool", [2, 3, 3], {}],
  ] as const)("N = 0 through %s", async (op, shape, attributes) => {
    const b = new GraphBuilder(op);
    b.output("y", ["N", ...shape.map((_, i) => `d${i}`)], b.node(op, [b.input("x", ["N", ...shape])], attributes));
    const { data, shape: found } = await output(b.build(), { shape: [0, ...shape], data: new Float32Array() });
    expect([data.length, found[0]]).toEqual([0, 0]);
  });

  test.each([[[0, 3]], [[3, 0]], [[0]], [[2, 0, 3, 3]]])(
    "a weight %j in a file, however it is stored",
    async (shape) => {
      const graph = withWeights(layer([1], 1), [
        ["w", { kind: "dense", shape, dtype: "float32", data: new Float32Array() }],
      ]);
      for (const choice of [...ways.map(([, choice]) => choice), factored, { storage: "dense" } as const]) {
        const { values, weight } = await stored(graph, choice);
        expect([values.length, weight.shape]).toEqual([0, shape]);
      }
    },
  );

  test("a product over nothing is zero, and the bias stays", async () => {
    const b = new GraphBuilder("nothing");
    const inputs = [b.input("x", ["N", 0]), b.weight("w", [3, 0], new Float32Array())];
    inputs.push(b.weight("b", [3], Float32Array.of(1, -2, 3)));
    b.output("y", ["N", 3], b.node("Gemm", inputs, { transB: 1 }));
    const { data } = await output(b.build(), { shape: [2, 0], data: new Float32Array() });
    expectSame(data, [1, -2, 3, 1, -2, 3]);
  });
});

describe("rank 0", () => {
  test("Relu of a scalar", async () => {
    const b = new GraphBuilder("scalar");
    b.output("y", [], b.node("Relu", [b.input("x", [])]));
    const { shape, data } = await output(b.build(), { shape: [], data: Float32Array.of(2.5) });
    expect([shape, [...data]]).toEqual([[], [2.5]]);
  });

  test.each([["dense", { storage: "dense" } as Choice], ...ways])("a weight of rank 0: %s", async (_, choice) => {
    const b = new GraphBuilder("scalar");
    b.output("y", [], b.node("Add", [b.input("x", []), b.weight("w", [], Float32Array.of(-0.75))]));
    const { weight, values } = await stored(b.build(), choice);
    expect(weight.shape).toEqual([]);
    // The scale is rounded: 1.6 % at most.
    expect(Math.abs(values[0] / -0.75 - 1)).toBeLessThan(choice.storage === "dense" ? 1e-9 : 1 / 60);
    const { shape, data } = await output(withWeights(b.build(), [["w", weight]]), {
      shape: [],
      data: Float32Array.of(1),
    });
    expect([shape, data[0]]).toEqual([[], Math.fround(1 + values[0])]);
  });
});

describe("a row whose max - min is beyond f32", () => {
  const row = [3e38, -3e38, 1e38, 0, -2e38, 2.5e38];

  test.each([...ways, ["factored", factored] as [string, Choice]])("%s", async (_, choice) => {
    const { values } = await stored(layer(row, 1), choice);
    // Half a step of 127, or of 7 levels; factored rounds twice.
    const step = 3.5e38 / ("bits" in choice ? 7 : 60);
    for (const [i, value] of row.entries()) {
      expect(Number.isFinite(values[i])).toBe(true);
      expect(Math.abs(values[i] - value)).toBeLessThanOrEqual(step / 2);
    }
  });
});

describe("operators on numbers that are none", () => {
  const { NaN: nan, NEGATIVE_INFINITY: low, POSITIVE_INFINITY: high } = Number;

  test("softmax of nothing but -Inf is NaN; of some -Inf 0 there", async () => {
    expectSame(await through("Softmax", [5], [low, low, low, low, low]), [nan, nan, nan, nan, nan]);
    expectSame(await through("Softmax", [5], [low, 1, low, low, 1]), [0, 0.5, 0, 0, 0.5]);
  });

  test("NaN through Relu, MaxPool and Softmax stays NaN", async () => {
    expectSame(await through("Relu", [6], [nan, -1, nan, high, low, nan]), [nan, 0, nan, high, 0, nan]);
    const pooled = await through("MaxPool", [1, 2, 6], [1, nan, 2, 3, low, low, 4, 5, 6, 7, low, nan], {
      kernel_shape: [2, 2],
      strides: [2, 2],
    });
    expectSame(pooled, [nan, 7, nan]);
    expectSame(await through("Softmax", [3], [1, nan, 2]), [nan, nan, nan]);
  });

  test("a norm of variance 0 divides by the root of epsilon, folded into a convolution or not", async () => {
    for (const conv of [false, true]) {
      const b = new GraphBuilder("norm");
      let x = b.input("x", ["N", 1, 1, 2]);
      if (conv) x = b.node("Conv", [x, b.weight("k", [1, 1, 1, 1], Float32Array.of(1))], { kernel_shape: [1, 1] });
      const fixed = ([2, 0.5, 1, 0] as const).map((value, i) => b.weight(`f${i}`, [1], Float32Array.of(value)));
      b.output("y", ["N", 1, 1, 2], b.node("BatchNormalization", [x, ...fixed], { epsilon: 2 ** -16 }));
      const { data } = await output(b.build(), { shape: [1, 1, 1, 2], data: Float32Array.of(1, 3) });
      // (x - 1) 2 / 2^-8 + 0.5
      expectSame(data, [0.5, 1024.5]);
    }
  });
});

describe("a decomposition of density 0", () => {
  test("keeps one coefficient", async () => {
    const { weight, values } = await stored(layer(normals(12, 3), 3), {
      storage: "factored",
      layout: "rows",
      k: 2,
      density: 0,
    });
    expect(weight.kind === "factored" && weight.codes.length).toBe(1);
    expect(values.some((value) => value !== 0)).toBe(true);
  });
});
