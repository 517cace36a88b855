import { describe, expect, test } from "vitest";
import { GraphBuilder } from "../../src/graph/build.js";
import type { Attribute, Graph } from "../../src/graph/graph.js";
import { Model } from "../../src/runtime/session.js";
import { runReference } from "../reference/network.js";
import { normals } from "../support/kernels.js";
import { expectClose, fed, network, runModule, storages, withWeights } from "../support/network.js";

/** Runs a network of one input on two batches against the twin. */
function check(graph: Graph, rest: readonly number[], roundings: number) {
  const model = new Model(graph, runModule);
  for (const n of [1, 3, 0]) {
    const x = fed([n, ...rest], 60 + n);
    expectClose(model.run({ x }).y, graph, { x }, roundings);
  }
}

function outputOf(op: string, x: readonly number[], attributes: Record<string, Attribute>): readonly number[] {
  return runReference(network(op, x, [], attributes), { x: fed([1, ...x], 1) })
    .get("y")!
    .shape.slice(1);
}

describe("pools", () => {
  test.each([
    [[3, 8, 9], { kernel_shape: [2, 2] }],
    [[3, 8, 9], { kernel_shape: [2, 2], strides: [2, 2] }],
    [[2, 7, 7], { kernel_shape: [3, 2], strides: [1, 3] }],
    [[2, 7, 8], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }],
    [[2, 7, 8], { kernel_shape: [3, 4], pads: [2, 0, 1, 3] }],
    [[1, 5, 5], { kernel_shape: [5, 5] }],
    [[9, 17, 33], { kernel_shape: [2, 2], strides: [2, 2], pads: [0, 1, 1, 0] }],
  ] as [number[], Record<string, Attribute>][])("MaxPool and AveragePool of %j, %o", (x, attributes) => {
    check(network("MaxPool", x, outputOf("MaxPool", x, attributes), attributes), x, 0);
    check(network("AveragePool", x, outputOf("AveragePool", x, attributes), attributes), x, 30);
    const counted = { ...attributes, count_include_pad: 1 };
    check(network("AveragePool", x, outputOf("AveragePool", x, counted), counted), x, 30);
  });

  test.each([[[3, 8, 9]], [[5, 1, 1]], [[2, 33, 3]]])("GlobalAveragePool of %j", (x) => {
    check(network("GlobalAveragePool", x, [x[0], 1, 1]), x, x[1] * x[2] + 10);
  });
});

describe("value by value", () => {
  test.each([[[1]], [[7]], [[3, 5, 4]]])("Relu, Identity, Softmax, Flatten of %j", (x) => {
    check(network("Relu", x, x), x, 0);
    check(network("Identity", x, x), x, 0);
    check(network("Flatten", x, [x.reduce((a, b) => a * b, 1)]), x, 0);
    // The twin's terms are the results themselves: exp is right to about 2 ulp.
    const graph = network("Softmax", x, x);
    for (const n of [1, 3]) {
      const fedX = fed([n, ...x], 70 + n);
      const y = new Model(graph, runModule).run({ x: fedX }).y.data;
      const want = runReference(graph, { x: fedX }).get("y")!.data;
      for (const [i, value] of want.entries())
        expect(Math.abs(y[i] - value)).toBeLessThan(20 * 2 ** -24 * value + 1e-40);
    }
  });

  test.each([[[1]], [[7]], [[3, 5, 4]]])("Sigmoid, Tanh, Erf, both forms of Gelu, LayerNormalization of %j", (x) => {
    for (const [op, attributes] of [
      ["Sigmoid", {}],
      ["Tanh", {}],
      ["Erf", {}],
      ["Gelu", {}],
      ["Gelu", { approximate: "none" }],
      ["Gelu", { approximate: "tanh" }],
    ] as [string, Record<string, Attribute>][]) {
      const graph = network(op, x, x, attributes);
      for (const n of [1, 3, 0]) {
        const inputs = { x: fed([n, ...x], 80 + n) };
        const y = new Model(graph, runModule).run(inputs).y.data;
        const want = runReference(graph, inputs).get("y")!.data;
        // 4 ulp at most, and an ulp is at most two roundings.
        for (const [i, v] of want.entries()) expect(Math.abs(y[i] - v)).toBeLessThanOrEqual(8 * 2 ** -24 * Math.abs(v));
      }
    }
    for (const axis of [undefined, -1, x.length]) {
      for (const [bias, epsilon] of [
        [true, undefined],
        [false, 0.01],
      ] as const) {
        const b = new GraphBuilder("norm");
        const shape = x.slice(-1);
        const inputs = [b.input("x", ["N", ...x]), b.weight("scale", shape, normals(shape[0], 5))];
        if (bias) inputs.push(b.weight("bias", shape, normals(shape[0], 6)));
        const attributes = { ...(axis === undefined ? {} : { axis }), ...(epsilon === undefined ? {} : { epsilon }) };
        b.output("y", ["N", ...x], b.node("LayerNormalization", inputs, attributes));
        const graph = b.build();
        const values = { x: fed([3, ...x], 90) };
        const y = new Model(graph, runModule).run(values).y.data;
        const want = runReference(graph, values).get("y")!.data;
        for (const [i, v] of want.entries()) expect(Math.abs(y[i] - v)).toBeLessThan(2e-5);
      }
    }
  });

  test("LayerNormalization over several dimensions, its scale computed or stored otherwise", () => {
    for (const [, weight] of storages([3, 5])) {
      const b = new GraphBuilder("norm");
      const scale = b.weight("w", [3, 5], normals(15, 5));
      b.output("y", ["N", 3, 5], b.node("LayerNormalization", [b.input("x", ["N", 3, 5]), scale], { axis: 1 }));
      const graph = withWeights(b.build(), [["w", weight]]);
      const inputs = { x: fed([2, 3, 5], 1) };
      const want = runReference(graph, inputs).get("y")!.data;
      const y = new Model(graph, runModule).run(inputs).y.data;
      for (const [i, v] of want.entries()) expect(Math.abs(y[i] - v)).toBeLessThan(2e-5);
    }
    const b = new GraphBuilder("norm");
    const [x, z] = [b.input("x", ["N", 4]), b.input("z", [4])];
    b.output("y", ["N", 4], b.node("LayerNormalization", [x, b.node("Relu", [z])]));
    const inputs = { x: fed([2, 4], 1), z: fed([4], 2) };
    const want = runReference(b.build(), inputs).get("y")!.data;
    for (const [i, v] of new Model(b.build(), runModule).run(inputs).y.data.entries()) {
      expect(Math.abs(v - want[i])).toBeLessThan(1e-5);
    }
  });

  test("Softmax sums to 1 and bears any size of logits", () => {
    const b = new GraphBuilder("softmax");
    b.output("y", [2, 4], b.node("Softmax", [b.input("x", [2, 4])]));
    const y = new Model(b.build(), runModule).run({ x: Float32Array.of(1000, 999, -1000, 0, 3e38, -3e38, 0, 3e38) }).y
      .data;
    expect(y[0] + y[1]).toBeCloseTo(1, 6);
    expect(y[0] / y[1]).toBeCloseTo(Math.E, 5);
    expect([...y.subarray(2)]).toEqual([0, 0, 0.5, 0, 0, 0.5]);
  });

  test("Relu and MaxPool pass NaN on; -Infinity is a number", () => {
    const relu = new Model(network("Relu", [4], [4]), runModule);
    expect([
      ...relu.run({ x: Float32Array.of(Number.NaN, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, -1) }).y.data,
    ]).toEqual([Number.NaN, 0, Number.POSITIVE_INFINITY, 0]);
    const pool = new Model(network("MaxPool", [1, 2, 2], [1, 1, 1], { kernel_shape: [2, 2] }), runModule);
    const low = Number.NEGATIVE_INFINITY;
    expect(pool.run({ x: Float32Array.of(low, low, low, low) }).y.data[0]).toBe(low);
    expect(pool.run({ x: Float32Array.of(1, Number.NaN, 3, 4) }).y.data[0]).toBeNaN();
  });

  test.each(storages([2, 3]))("Add of values, and of a weight stored as %s on either side", (_name, weight) => {
    const b = new GraphBuilder("add");
    const x = b.input("x", [2, 3]);
    const z = b.input("z", [2, 3]);
    b.weight("w", [2, 3], normals(6, 1));
    const sum = b.node("Add", [b.node("Add", ["w", x]), b.node("Add", [z, "w"])]);
    b.output("y", [2, 3], b.node("Add", [sum, sum]));
    const built = b.build();
    const graph = { ...built, weights: new Map([["w", weight]]) };
    const inputs = { x: fed([2, 3], 1), z: fed([2, 3], 2) };
    expectClose(new Model(graph, runModule).run(inputs).y, graph, inputs, 20);
  });

  test.each(["Relu", "Identity", "Softmax", "Flatten"])("%s of a constant", (op) => {
    const b = new GraphBuilder("constant");
    const x = b.input("x", [2, 3]);
    const c = b.node(op, [b.weight("w", [2, 3], normals(6, 1))]);
    b.output("y", [2, 3], b.node("Add", [c, x]));
    b.output("z", [2, 3], b.node(op, ["w"]));
    const graph = b.build();
    const results = new Model(graph, runModule).run({ x: fed([2, 3], 1) });
    expectClose(results.z, graph, { x: fed([2, 3], 1) }, op === "Softmax" ? 1e4 : 0, "z");
    expectClose(results.y, graph, { x: fed([2, 3], 1) }, op === "Softmax" ? 1e4 : 2, "y");
  });
});

describe("BatchNormalization", () => {
  const build = (before: string | undefined, stored?: string) => {
    const b = new GraphBuilder("norm");
    const x = b.input("x", ["N", 3, 4, 5]);
    const h =
      before === "Conv"
        ? b.node("Conv", [x, b.weight("w", [3, 3, 1, 1], normals(9, 9))])
        : before
          ? b.node(before, [x])
          : x;
    const fixed = ["gamma", "beta", "mean"].map((name, i) => b.weight(name, [3], normals(3, i)));
    const variance = b.weight("variance", [3], Float32Array.of(0.5, 0, 3));
    b.output("y", ["N", 3, 4, 5], b.node("BatchNormalization", [h, ...fixed, variance], { epsilon: 0.01 }));
    const graph = b.build();
    const gamma = storages([3]).find(([name]) => name === stored)?.[1];
    return gamma ? { ...graph, weights: new Map(graph.weights).set("gamma", gamma) } : graph;
  };

  test.each([undefined, "Relu", "Conv"])("after %s", (before) => {
    for (const stored of [undefined, "float16", "coded dense", "int8 per tensor", "sparse f32"]) {
      const graph = build(before, stored);
      const model = new Model(graph, runModule);
      for (const n of [1, 2]) {
        const x = fed([n, 3, 4, 5], n);
        const want = runReference(graph, { x }).get("y")!.data;
        const y = model.run({ x }).y.data;
        for (const [i, value] of want.entries()) expect(Math.abs(y[i] - value)).toBeLessThan(1e-4);
      }
    }
  });
});

test("a deep network whose values take each other's places", () => {
  const b = new GraphBuilder("deep");
  let x = b.input("x", ["N", 2, 9, 9]);
  const skips: string[] = [];
  for (let i = 0; i < 6; i++) {
    const c = b.node(
      "Conv",
      [
        x,
        b.weight(
          `w${i}`,
          [2, 2, 3, 3],
          normals(36, i).map((v) => v / 4),
        ),
        b.weight(`b${i}`, [2], normals(2, i)),
      ],
      { pads: [1, 1, 1, 1] },
    );
    const r = b.node("Relu", [c]);
    x = i % 2 ? b.node("Add", [r, skips[i - 1]]) : r;
    skips.push(i % 3 ? x : c);
  }
  const flat = b.node("Flatten", [
    b.node("Identity", [b.node("MaxPool", [x], { kernel_shape: [3, 3], strides: [3, 3] })]),
  ]);
  b.output(
    "y",
    ["N", 4],
    b.node("Gemm", [b.node("Relu", [flat]), b.weight("g", [4, 18], normals(72, 20))], { transB: 1 }),
  );
  b.output("middle", ["N", 2, 9, 9], skips[3]);
  const graph = b.build();
  const model = new Model(graph, runModule);
  for (const n of [2, 1, 5, 2]) {
    const inputs = { x: fed([n, 2, 9, 9], n) };
    const results = model.run(inputs);
    expectClose(results.y, graph, inputs, 400);
    expectClose(results.middle, graph, inputs, 300, "middle");
  }
});
