// An activation in the launch of the product before it gives the bits that it gives by itself.
import { describe, expect, test } from "vitest";
import { GraphBuilder } from "../../src/graph/build.js";
import type { Attribute, Graph } from "../../src/graph/graph.js";
import type { Weight } from "../../src/graph/weight.js";
import { fuse } from "../../src/runtime/fuse.js";
import { Model } from "../../src/runtime/session.js";
import { runReference } from "../reference/network.js";
import { salted } from "../support/compare.js";
import { normals } from "../support/kernels.js";
import { bits, fed, isFactored, network, relaxedModule, runModule, storages } from "../support/network.js";

const activations: readonly [string, Record<string, Attribute>][] = [
  ["Relu", {}],
  ["Clip", { min: 0, max: 0.75 }],
  ["Clip", { min: -0.5 }],
  ["Clip", { max: 0.25 }],
];

/**
 * The product of `graph` with an activation behind it: `y` is what the launch of both makes, and `bare` too where the product is
 * an output, so that the activation stays by itself.
 */
function followed(graph: Graph, [op, attributes]: (typeof activations)[number], alone: boolean): Graph {
  const [node] = graph.nodes;
  const [output] = graph.outputs;
  const product = { ...node, outputs: ["bare"] };
  const activation = { name: "activation", op, inputs: ["bare"], outputs: [output.name], attributes };
  const outputs = alone ? [output, { ...output, name: "bare" }] : [output];
  return { ...graph, nodes: [product, activation], outputs };
}

function check(graph: Graph, batches: readonly number[], rest: readonly number[], exact: boolean) {
  const counts = { kept: 0, held: 0, values: 0 };
  for (const module of [runModule, relaxedModule()]) {
    if (!module) continue;
    for (const activation of activations) {
      expect(fuse(followed(graph, activation, false)).graph.nodes).toHaveLength(1);
      expect(fuse(followed(graph, activation, true)).graph.nodes).toHaveLength(2);
      const fused = new Model(followed(graph, activation, false), module, { exact });
      const unfused = new Model(followed(graph, activation, true), module, { exact });
      for (const n of batches) {
        const x = fed([n, ...rest], 3 + n);
        const wanted = unfused.run({ x });
        expect(bits(fused.run({ x }).y.data)).toEqual(bits(wanted.y.data));
        for (const [i, v] of wanted.y.data.entries()) counts[v === wanted.bare.data[i] ? "kept" : "held"]++;
        for (const v of wanted.bare.data) if (v !== 0) counts.values++;
      }
      fused.dispose();
      unfused.dispose();
    }
  }
  // Values on both sides of the bounds were there, but where all weights are zero.
  if (counts.values > 0) expect(Math.min(counts.kept, counts.held)).toBeGreaterThan(0);
}

/** With weights scaled so that outputs are about as large as 1. */
const scaled = (weight: Weight, by: number): Weight =>
  weight.kind === "dense" && weight.data instanceof Float32Array
    ? { ...weight, data: weight.data.map((v) => v * by) }
    : weight;

describe("Gemm and MatMul", () => {
  test.each(storages([33, 20]))("weights [out, in] stored as %s", (name, weight) => {
    const graph = network("Gemm", [20], [33], { transB: 1 }, [33, 20], 33);
    const weights = new Map(graph.weights).set("w", scaled(weight, 0.2));
    for (const exact of isFactored(name) ? [false, true] : [false])
      check({ ...graph, weights }, [1, 2, 65], [20], exact);
  });

  test.each(storages([20, 33]))("weights [in, out] stored as %s", (_name, weight) => {
    const graph = network("MatMul", [20], [33], {}, [20, 33]);
    check({ ...graph, weights: new Map(graph.weights).set("w", scaled(weight, 0.2)) }, [1, 7], [20], false);
  });

  test("int8 weights that stay int8", () => {
    const q = Int8Array.from({ length: 2048 * 2048 }, (_, i) => ((i * 7919) % 255) - 127);
    const graph = network("Gemm", [2048], [2048], { transB: 1 }, [0, 0], 2048);
    const weight: Weight = { kind: "int8", shape: [2048, 2048], q, scale: Float32Array.of(0.0005) };
    check({ ...graph, weights: new Map(graph.weights).set("w", weight) }, [1, 4], [2048], false);
  });

  test("both sides computed", () => {
    const b = new GraphBuilder("computed");
    const [x, w] = [b.input("x", ["N", 20]), b.weight("w", [33, 20], normals(660, 2))];
    const bias = b.weight("b", [33], normals(33, 3));
    b.output("y", ["N", 33], b.node("Gemm", [x, w, bias], { transB: 1 }));
    const graph = b.build();
    const computed = (activation: (typeof activations)[number], alone: boolean) => {
      const { nodes, ...rest } = followed(graph, activation, alone);
      const tanh = { name: "tanh", op: "Tanh", inputs: ["w"], outputs: ["t"], attributes: {} };
      return { ...rest, nodes: [tanh, { ...nodes[0], inputs: ["x", "t", "b"] }, nodes[1]] };
    };
    for (const activation of activations) {
      const [fused, unfused] = [false, true].map((alone) => new Model(computed(activation, alone), runModule));
      for (const n of [1, 9]) {
        const x = fed([n, 20], n);
        expect(bits(fused.run({ x }).y.data)).toEqual(bits(unfused.run({ x }).y.data));
      }
    }
  });
});

describe("Conv", () => {
  const shapes: [string, number[], number[], Record<string, Attribute>][] = [
    ["plain, strided", [5, 9, 8], [7, 5, 3, 2], { strides: [2, 1], pads: [1, 0, 1, 1] }],
    ["pointwise", [9, 6, 7], [12, 9, 1, 1], {}],
    ["for Winograd", [16, 9, 10], [17, 16, 3, 3], { pads: [1, 1, 1, 1] }],
    ["in groups", [6, 7, 6], [8, 3, 3, 3], { group: 2 }],
    ["depthwise, 3 x 3", [6, 9, 8], [6, 1, 3, 3], { group: 6, pads: [1, 1, 1, 1] }],
    ["depthwise, strided", [6, 9, 8], [12, 1, 3, 2], { group: 6, strides: [2, 2] }],
  ];
  for (const [title, image, shape, attributes] of shapes) {
    test.each(storages(shape))(`${title}, weights stored as %s`, (name, weight) => {
      const probe = network("Conv", image, image, attributes, shape, shape[0]);
      const { shape: out } = runReference(probe, { x: fed([1, ...image], 1) }).get("y")!;
      const graph = network("Conv", image, out.slice(1), attributes, shape, shape[0]);
      const weights = new Map(graph.weights).set("w", scaled(weight, 0.3));
      for (const exact of isFactored(name) ? [false, true] : [false])
        check({ ...graph, weights }, [1, 3], image, exact);
    });
  }
});

describe("Add", () => {
  /** x + z, floats or integers, z of a shape of its own. */
  const sum = (z: readonly number[], dtype: "float32" | "int32" = "float32"): Graph => {
    const b = new GraphBuilder("sum");
    b.output("y", ["N", 3, 7], b.node("Add", [b.input("x", ["N", 3, 7], dtype), b.input("z", z, dtype)]), dtype);
    return b.build();
  };

  test.each([
    ["of one shape", [5, 3, 7]],
    ["of a row", [7]],
    ["of a channel", [3, 1]],
  ])("%s", (_name, shape) => {
    const [relu] = activations;
    expect(fuse(followed(sum(shape), relu, false)).graph.nodes).toHaveLength(1);
    const [fused, unfused] = [false, true].map((alone) => new Model(followed(sum(shape), relu, alone), runModule));
    const [x, z] = [fed([5, 3, 7], 1), fed(shape, 2)];
    const [got, wanted] = [fused, unfused].map((model) => model.run({ x, z }));
    expect(bits(got.y.data)).toEqual(bits(wanted.y.data));
    expect(wanted.y.data).not.toEqual(wanted.bare.data);
  });

  test("by weights for bounds; integers are held by a Clip of their own, and by a Relu in one launch", () => {
    const clipped = (dtype: "float32" | "int32") => {
      const graph = followed(sum([3, 7], dtype), ["Clip", {}], false);
      const data = dtype === "float32" ? Float32Array.of(1) : Int32Array.of(1);
      const nodes = [graph.nodes[0], { ...graph.nodes[1], inputs: ["bare", "", "most"] }];
      return { ...graph, nodes, weights: new Map([["most", { kind: "dense", dtype, shape: [], data } as const]]) };
    };
    const values = Array.from({ length: 21 }, (_, i) => i - 10);
    for (const [dtype, data, left] of [
      ["float32", Float32Array.from(values), 1],
      ["int32", Int32Array.from(values), 2],
    ] as const) {
      expect(fuse(clipped(dtype)).graph.nodes).toHaveLength(left);
      const [x, z] = [
        [1, 3, 7],
        [3, 7],
      ].map((shape) => ({ dtype, shape, data }));
      const { y } = new Model(clipped(dtype), runModule).run({ x, z });
      expect([...y.data]).toEqual(values.map((v) => Math.min(2 * v, 1)));
      const relu = new Model(followed(sum([3, 7], dtype), ["Relu", {}], false), runModule);
      expect(fuse(followed(sum([3, 7], dtype), ["Relu", {}], false)).graph.nodes).toHaveLength(1);
      expect([...relu.run({ x, z }).y.data]).toEqual(values.map((v) => Math.max(2 * v, 0)));
    }
  });

  test("integers that a row is added to, held by a Relu; a Clip of floats takes none", () => {
    const x = {
      dtype: "int32",
      shape: [2, 3, 7],
      data: Int32Array.from({ length: 42 }, (_, i) => 3 * i - 60),
    } as const;
    const z = { dtype: "int32", shape: [7], data: Int32Array.of(1, -2, 30, -40, 2 ** 31 - 1, 0, -(2 ** 31)) } as const;
    using relu = new Model(followed(sum([7], "int32"), ["Relu", {}], false), runModule);
    const wanted = [...x.data].map((v, i) => Math.max((v + z.data[i % 7]) | 0, 0));
    expect([...relu.run({ x, z }).y.data]).toEqual(wanted);
    const graph = followed(sum([7], "int32"), ["Clip", {}], false);
    const nodes = [graph.nodes[0], { ...graph.nodes[1], inputs: ["bare", "", "most"] }];
    const most = { kind: "dense", dtype: "float32", shape: [], data: Float32Array.of(1) } as const;
    using clip = new Model({ ...graph, nodes, weights: new Map([["most", most]]) }, runModule);
    expect(() => clip.run({ x, z })).toThrow(/^what follows .*floating-point values, got int32/);
  });
});

test("NaN, infinities and -0 come out of both alike", () => {
  const graph = network("Gemm", [20], [33], { transB: 1 }, [33, 20], 33);
  for (const activation of activations) {
    const [fused, unfused] = [false, true].map((alone) => new Model(followed(graph, activation, alone), runModule));
    for (const n of [1, 6]) {
      const data = salted(normals(n * 20, 5));
      const [a, b] = [fused, unfused].map((model) => model.run({ x: data.slice() }).y.data);
      for (const [i, v] of b.entries()) expect(Object.is(a[i], v)).toBe(true);
    }
  }
});

describe("Clip", () => {
  const clipped = (least: number | undefined, most: number | undefined, attributes: Record<string, number> = {}) => {
    const b = new GraphBuilder("clip");
    const bound = (name: string, value: number | undefined) =>
      value === undefined ? "" : b.weight(name, name === "least" ? [] : [1], Float32Array.of(value));
    const inputs = [b.input("x", ["N", 5]), bound("least", least), bound("most", most)];
    b.output("y", ["N", 5], b.node("Clip", inputs, attributes));
    return b.build();
  };

  test.each([
    [-0.5, 0.25],
    [undefined, 0.25],
    [0, undefined],
    [undefined, undefined],
    [2, 1],
  ])("bounds %s and %s, as weights and as attributes", (least, most) => {
    const x = fed([3, 5], 1);
    const wanted = x.data.map((v) => Math.min(Math.max(v, least ?? -Infinity), most ?? Infinity) + 0);
    const attributes = Object.fromEntries(Object.entries({ min: least, max: most }).filter(([, v]) => v !== undefined));
    for (const graph of [clipped(least, most), clipped(undefined, undefined, attributes as Record<string, number>)]) {
      expect([...new Model(graph, runModule).run({ x }).y.data]).toEqual([...wanted]);
    }
  });

  test("a bound may be computed", () => {
    const b = new GraphBuilder("clip");
    const least = b.node("Relu", [b.input("least", [])]);
    b.output("y", [5], b.node("Clip", [b.input("x", [5]), least], {}, "held"));
    const model = new Model(b.build(), runModule);
    const x = Float32Array.of(-2, 0, 1, 3, Number.NaN);
    for (const least of [-1, 0.5, 2]) {
      const { y } = model.run({ x, least: Float32Array.of(least) });
      expect([...y.data]).toEqual([...x].map((v) => Math.max(v, Math.max(least, 0))));
    }
  });
});
