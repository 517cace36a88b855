// Operators that go into the product before them, and those that move values about in vain.
import { describe, expect, test } from "vitest";
import type { Attribute, Graph } from "../../src/graph/graph.js";
import type { Weight } from "../../src/graph/weight.js";
import { fold } from "../../src/passes/fold.js";
import { Model } from "../../src/runtime/session.js";
import { runModule } from "../support/network.js";
import { check, feedsOf, Lines, ops, passed } from "../support/written.js";

describe("sums and products after a product go into its weights", () => {
  const image = ["N", 4, 6, 6];
  const conv = (net: Lines, x: string) => net.op("Conv", [x, net.of([3, 4, 3, 3]), net.of([3])]);

  test.each<[string, (net: Lines, y: string) => string]>([
    ["Mul by a number", (net, y) => net.op("Mul", [y, net.of([], 3)])],
    ["Mul by one for each channel", (net, y) => net.op("Mul", [net.of([3, 1, 1]), y])],
    ["Add of one for each channel", (net, y) => net.op("Add", [y, net.of([1, 3, 1, 1])])],
    ["Div", (net, y) => net.op("Div", [y, net.of([1], 7)])],
    ["Sub from a number", (net, y) => net.op("Sub", [net.of([], 2), y])],
    ["Sub of one for each channel", (net, y) => net.op("Sub", [y, net.of([3, 1, 1])])],
    ["Neg", (net, y) => net.op("Neg", [y])],
    ["several", (net, y) => net.op("Add", [net.op("Mul", [net.op("Neg", [y]), net.of([3, 1, 1])]), net.of([3, 1, 1])])],
  ])("Conv: %s", (_name, write) => {
    const net = new Lines(image);
    check(net.graph(write(net, conv(net, net.x)), ["N", 3, 4, 4]), ["Conv"], 1e-5);
  });

  test.each<[string, readonly number[], Record<string, Attribute>]>([
    ["Gemm", [3, 8], { transB: 1 }],
    ["Gemm", [8, 3], {}],
    ["MatMul", [8, 3], {}],
  ])("%s with a weight [%s]", (op, shape, attributes) => {
    const net = new Lines(["N", 8]);
    const y = net.op(op, [net.x, net.of(shape)], attributes);
    const scaled = net.op("Mul", [net.op("Add", [y, net.of([3])]), net.of([1, 3])]);
    check(net.graph(net.op("Sub", [net.of([3]), scaled]), ["N", 3]), [op], 1e-5);
  });

  test("MatMul of a stack, and of weights that are stored in fewer bytes", () => {
    const net = new Lines(["N", 5, 8]);
    const y = net.op("MatMul", [net.x, net.of([8, 3])]);
    const graph = net.graph(net.op("Relu", [net.op("Add", [net.of([3]), y])]), ["N", 5, 3]);
    check(graph, ["MatMul", "Relu"]);
    const q = Int8Array.from({ length: 24 }, (_, i) => ((i * 7) % 19) - 9);
    const int8: Weight = { kind: "int8", shape: [8, 3], q, scale: Float32Array.of(0.1) };
    check({ ...graph, weights: new Map([...graph.weights, ["w0", int8]]) }, ["MatMul", "Relu"]);
  });

  test("MatMul by a turned weight takes it as it is stored", () => {
    const net = new Lines(["N", 5, 8]);
    const y = net.op("MatMul", [net.x, net.op("Transpose", [net.of([3, 8])])]);
    const graph = net.graph(net.op("Add", [net.of([3]), y]), ["N", 5, 3]);
    const q = Int8Array.from({ length: 24 }, (_, i) => ((i * 7) % 19) - 9);
    const int8: Weight = { kind: "int8", shape: [3, 8], q, scale: Float32Array.of(0.1, 0.2, 0.3) };
    check({ ...graph, weights: new Map([...graph.weights, ["w0", int8]]) }, ["MatMul"]);
  });

  test.each<[string, readonly number[], readonly number[], Record<string, Attribute>, string]>([
    ["Gemm", ["N", 8] as never, [3, 8], { transB: 1 }, "Gemm"],
    ["Gemm", ["N", 8] as never, [8, 3], {}, "Gemm"],
    ["Conv", ["N", 8, 2] as never, [3, 8, 1], {}, "Conv"],
  ])("BatchNormalization: %s, x [%s]", (op, x, w, attributes, found) => {
    const net = new Lines(x);
    const y = net.op(op, [net.x, net.of(w)], attributes);
    const variance = net.of([3], 0.5, 2, 1);
    const norm = net.op("BatchNormalization", [y, net.of([3]), net.of([3]), net.of([3]), variance], { epsilon: 0.01 });
    check(net.graph(norm, op === "Conv" ? ["N", 3, 2] : ["N", 3]), [found], 1e-5);
  });

  test.each([1, 2])(
    "ConvTranspose in %s groups, whose weight has the channels out in its second dimension",
    (group) => {
      const net = new Lines(["N", 4, 3, 3]);
      const y = net.op("ConvTranspose", [net.x, net.of([4, 3, 2, 2])], { group });
      const count = 3 * group;
      const fixed = [0, 1, 2].map(() => net.of([count]));
      const variance = net.of([count], ...Array.from({ length: count }, (_, i) => 0.5 + i));
      const norm = net.op("BatchNormalization", [y, ...fixed, variance], { epsilon: 0.25 });
      const scaled = net.op("Mul", [norm, net.of([count, 1, 1])]);
      const graph = net.graph(scaled, ["N", count, 4, 4]);
      check(graph, ["ConvTranspose"], 1e-5);
      expect(ops(fold(graph))).toEqual(["ConvTranspose", "Mul"]);
    },
  );

  test("a long chain is followed for a while: all weights are written a few times, not once for each node", () => {
    const net = new Lines(["N", 4, 6, 6]);
    let y = net.op("Conv", [net.x, net.of([3, 4, 3, 3])]);
    for (let i = 0; i < 200; i++) y = net.op("Mul", [y, net.of([], i % 2 ? 2 : 0.5)]);
    const left = ops(passed(net.graph(y, ["N", 3, 4, 4])));
    expect(left[0]).toBe("Conv");
    expect(left.length).toBeGreaterThan(100);
    expect(left.length).toBeLessThan(200);
  });

  test("but not an infinity: times a weight of 0 it is NaN", () => {
    const net = new Lines(image);
    const infinite = { dtype: "float32", shape: [], data: Float32Array.of(Number.POSITIVE_INFINITY) } as const;
    const y = net.op("Conv", [net.x, net.of([1, 4, 1, 1], 0, 1, 0, 0)]);
    const graph = net.graph(net.op("Mul", [y, net.op("Constant", [], { value: infinite })]), ["N", 1, 6, 6]);
    expect(ops(passed(graph))).toEqual(["Conv", "Mul"]);
    const { data } = new Model(graph, runModule).run(feedsOf(graph)).y;
    expect(data.every((value) => Math.abs(value) === Number.POSITIVE_INFINITY)).toBe(true);
  });

  test.each<[string, (net: Lines) => [string, readonly (number | string)[]]]>([
    ["of one for each pixel", (net) => [net.op("Add", [conv(net, net.x), net.of([4, 4])]), ["N", 3, 4, 4]]],
    ["of more dimensions", (net) => [net.op("Add", [conv(net, net.x), net.of([1, 1, 1, 1, 1])]), [1, "N", 3, 4, 4]]],
    [
      "of what is no weight",
      (net) => [net.op("Add", [conv(net, net.x), net.op("ReduceMax", [net.x], { keepdims: 1 })]), ["N", 3, 4, 4]],
    ],
    [
      "to a product whose weight another reads, scaled",
      (net) => {
        const w = net.of([3, 4, 3, 3]);
        const scaled = net.op("Mul", [net.op("Conv", [net.x, w]), net.of([], 3)]);
        return [net.op("Max", [scaled, net.op("Conv", [net.x, w])]), ["N", 3, 4, 4]];
      },
    ],
  ])("but not %s", (_name, write) => {
    const net = new Lines(image);
    const [y, shape] = write(net);
    const graph = net.graph(y, shape);
    check(graph, ops(graph));
  });
});

describe("movement", () => {
  const run = (graph: Graph) => new Model(graph, runModule).run(feedsOf(graph)).y;

  test.each<[number[] | undefined, number[] | undefined, string[]]>([
    [[0, 2, 1], [0, 2, 1], []],
    [[2, 0, 1], [1, 2, 0], []],
    [undefined, [2, 1, 0], []],
    [[1, 0, 2], undefined, ["Transpose"]],
    [[2, 0, 1], [2, 0, 1], ["Transpose"]],
  ])("Transpose by %s and by %s", (first, second, left) => {
    const turn = (perm: number[] | undefined): Record<string, Attribute> => (perm ? { perm } : {});
    /** Transposes of x, between others so that they stand alone where there is one. */
    const through = (shape: readonly number[], perms: readonly (number[] | undefined)[]) => {
      const net = new Lines(shape);
      const y = perms.reduce<string>((x, perm) => net.op("Transpose", [x], turn(perm)), net.op("Abs", [net.x]));
      return net.graph(net.op("Relu", [y]), ["A", "B", "C"]);
    };
    const both = through([2, 3, 4], [first, second]);
    expect(ops(passed(both))).toEqual(["Abs", ...left, "Relu"]);
    const x = feedsOf(both);
    const half = new Model(through([2, 3, 4], [first]), runModule).run(x).y;
    const rest = new Model(through(half.shape, [second]), runModule).run({ x: half }).y;
    expect(new Model(both, runModule).run(x).y).toEqual(rest);
  });

  test.each<[string, (net: Lines, y: string) => string]>([
    ["a sum", (net, y) => net.op("Add", [y, net.of([2, 1, 1])])],
    ["a factor", (net, y) => net.op("Mul", [y, net.of([2, 1, 1])])],
    ["a norm", (net, y) => net.op("BatchNormalization", [y, ...[1, 2, 3].map(() => net.of([2])), net.of([2], 1, 2)])],
  ])("%s does not go into a product that is read past what cancels", (_name, write) => {
    const net = new Lines(["N", 2, 4, 4]);
    const conv = net.op("Conv", [net.x, net.of([2, 2, 1, 1])]);
    const turned = net.op("Transpose", [conv], { perm: [0, 2, 3, 1] });
    const back = net.op("Transpose", [turned], { perm: [0, 3, 1, 2] });
    const after = net.op("Relu", [write(net, back)]);
    const graph = net.graph(net.op("Mul", [after, back]), ["N", 2, 4, 4]);
    const made = passed(graph);
    expect(ops(made)).toEqual(["Conv", graph.nodes[3].op, "Relu", "Mul"]);
    const feeds = feedsOf(graph);
    const open = { ...graph, outputs: [...graph.outputs, { name: conv, dtype: "float32" as const }] };
    const [got, want] = [graph, open].map((one) => new Model(one, runModule).run(feeds).y.data);
    for (const [i, value] of want.entries()) expect(got[i]).toBeCloseTo(value, 4);
  });

  test("an output of the graph keeps its name where what is before it cancels", () => {
    const net = new Lines([2, 3]);
    const graph = net.graph(net.op("Transpose", [net.op("Transpose", [net.x], { perm: [1, 0] })]), [2, 3]);
    expect(run(graph).data).toEqual(feedsOf(graph).x.data);
    expect(ops(passed(graph))).toEqual(["Identity"]);
  });

  test("Reshape of what is another shape already, but for one that copies a size", () => {
    for (const [shape, left] of [
      [
        [3, 8],
        ["Abs", "Reshape"],
      ],
      [
        [0, 8],
        ["Abs", "Flatten", "Reshape"],
      ],
    ] as const) {
      const net = new Lines(["N", 2, 4]);
      const flat = net.op("Flatten", [net.op("Abs", [net.x])]);
      const graph = net.graph(net.op("Reshape", [flat, net.list(...shape)]), ["N", 8]);
      expect(ops(passed(graph))).toEqual(left);
      expect(run(graph).data).toEqual(feedsOf(graph).x.data.map(Math.abs));
    }
  });

  const pads = [0, 0, 1, 0, 0, 0, 2, 1];

  test.each<[string, (net: Lines, x: string) => string]>([
    ["Conv", (net, x) => net.op("Conv", [x, net.of([3, 4, 3, 3])])],
    ["Conv", (net, x) => net.op("Conv", [x, net.of([3, 4, 3, 3])], { pads: [1, 1, 0, 2], strides: [2, 1] })],
    ["Conv", (net, x) => net.op("Conv", [x, net.of([3, 4, 3, 3])], { auto_pad: "VALID" })],
    ["AveragePool", (net, x) => net.op("AveragePool", [x], { kernel_shape: [3, 3] })],
  ])("zeros before %s", (op, write) => {
    const net = new Lines(["N", 4, 6, 6]);
    const y = write(net, net.op("Pad", [net.x, net.list(...pads)]));
    const graph = net.graph(y, ["N", op === "Conv" ? 3 : 4, "H", "W"]);
    check(graph, [op]);
  });

  test.each<[string, (net: Lines, x: string) => string]>([
    [
      "other numbers",
      (net, x) => net.op("Conv", [net.op("Pad", [x, net.list(...pads), net.of([], 1)]), net.of([3, 4, 3, 3])]),
    ],
    [
      "edges",
      (net, x) => net.op("Conv", [net.op("Pad", [x, net.list(...pads)], { mode: "edge" }), net.of([3, 4, 3, 3])]),
    ],
    [
      "images and channels",
      (net, x) => net.op("Conv", [net.op("Pad", [x, net.list(0, 1, 0, 0, 0, 0, 0, 0)]), net.of([3, 5, 3, 3])]),
    ],
    [
      "what the mean does not count",
      (net, x) =>
        net.op("AveragePool", [net.op("Pad", [x, net.list(...pads)])], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }),
    ],
    [
      "before the largest value",
      (net, x) => net.op("MaxPool", [net.op("Pad", [x, net.list(...pads)])], { kernel_shape: [3, 3] }),
    ],
    [
      "more than a window",
      (net, x) =>
        net.op("AveragePool", [net.op("Pad", [x, net.list(0, 0, 2, 0, 0, 0, 0, 0)])], { kernel_shape: [2, 2] }),
    ],
  ])("padding by %s stays", (_name, write) => {
    const net = new Lines(["N", 4, 6, 6]);
    const graph = net.graph(write(net, net.x), ["N", "C", "H", "W"]);
    check(graph, ops(graph));
  });
});
