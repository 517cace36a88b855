import { describe, expect, test } from "vitest";
import { select } from "../../src/compress/select.js";
import { shrink } from "../../src/compress/shrink.js";
import { writeContainer } from "../../src/formats/container/index.js";
import { GraphBuilder } from "../../src/graph/build.js";
import { checkGraph } from "../../src/graph/check.js";
import { toDense } from "../../src/graph/dense.js";
import { type Graph, withWeights } from "../../src/graph/graph.js";
import { matrixOf } from "../../src/graph/storage.js";
import type { PlainWeight, Weight } from "../../src/graph/weight.js";
import { Model } from "../../src/runtime/session.js";
import { normals } from "../support/kernels.js";
import { factoredWeight, fed, runModule, storages } from "../support/network.js";

interface Made {
  readonly pads?: number;
  readonly pool?: string;
  /** Zeroes things before the graph is built. */
  readonly change?: (values: Map<string, Float32Array>) => void;
}

const shapes: Readonly<Record<string, readonly number[]>> = {
  w1: [6, 2, 3, 3],
  b1: [6],
  w2: [5, 6, 3, 3],
  b2: [5],
  w3: [7, 20],
  b3: [7],
  w4: [3, 7],
  b4: [3],
};

/** x [N, 2, 10, 10], conv to 6, pool, conv to 5, flat, 7, 3. */
function net({ pads = 0, pool = "MaxPool", change = () => {} }: Made = {}): Graph {
  const values = new Map(
    Object.entries(shapes).map(([name, shape], i) => [
      name,
      normals(
        shape.reduce((a, b) => a * b, 1),
        i + 1,
      ),
    ]),
  );
  change(values);
  const b = new GraphBuilder("net");
  const w = (name: string) => b.weight(name, shapes[name], values.get(name)!);
  let x = b.input("x", ["N", 2, 10, 10]);
  x = b.node("Relu", [b.node("Conv", [x, w("w1"), w("b1")])]);
  x = b.node(pool, [x], { kernel_shape: [2, 2], strides: [2, 2] });
  // With a border the second convolution makes 4 x 4, pooled to 2 x 2 like the 2 x 2 without.
  x = b.node("Conv", [x, w("w2"), w("b2")], pads ? { pads: [1, 1, 1, 1] } : {});
  if (pads) x = b.node("MaxPool", [x], { kernel_shape: [2, 2], strides: [2, 2] });
  x = b.node("Flatten", [x]);
  x = b.node("Relu", [b.node("Gemm", [x, w("w3"), w("b3")], { transB: 1 })]);
  b.output("y", ["N", 3], b.node("Gemm", [x, w("w4"), w("b4")], { transB: 1 }));
  return b.build();
}

const zeroRow = (values: Map<string, Float32Array>, name: string, row: number) => {
  const width = values.get(name)!.length / matrixOf(shapes[name]).rows;
  values.get(name)!.fill(0, row * width, (row + 1) * width);
};
/** Zeroes what reads a channel. */
const unread = (values: Map<string, Float32Array>, name: string, channel: number, channels: number) => {
  const { rows, cols } = matrixOf(shapes[name]);
  const each = cols / channels;
  for (let r = 0; r < rows; r++) values.get(name)!.fill(0, r * cols + channel * each, r * cols + (channel + 1) * each);
};

const x = fed([3, 2, 10, 10], 5);
const outputOf = (graph: Graph) => new Model(graph, runModule).run({ x }).y.data as Float32Array;
const shapesOf = (graph: Graph) => [...graph.weights.values()].map(({ shape }) => shape.join("x")).join(" ");

function expectSame(graph: Graph, small: Graph): void {
  checkGraph(small);
  const [want, got] = [outputOf(graph), outputOf(small)];
  const most = want.reduce((top, value) => Math.max(top, Math.abs(value)), 0);
  for (const [i, value] of got.entries()) expect(Math.abs(value - want[i])).toBeLessThanOrEqual(1e-5 * most);
}

describe("shrink", () => {
  test("leaves a network alone that uses all of its channels", () => {
    const graph = net();
    expect(shrink(graph)).toBe(graph);
  });

  test.each<[string, Made["change"], string]>([
    ["a filter that nothing reads", (v) => unread(v, "w2", 2, 6), "5x2x3x3 5 5x5x3x3 5 7x20 7 3x7 3"],
    ["a channel behind Flatten that nothing reads", (v) => unread(v, "w3", 4, 5), "6x2x3x3 6 4x6x3x3 4 7x16 7 3x7 3"],
    [
      "filters of zeros, their offsets going on through Relu and pooling",
      (v) => {
        for (const row of [0, 3]) zeroRow(v, "w1", row);
        v.get("b1")!.set([2, 0, 0, -2]);
      },
      "4x2x3x3 4 5x4x3x3 5 7x20 7 3x7 3",
    ],
    ["a row of Gemm that is zero", (v) => zeroRow(v, "w3", 6), "6x2x3x3 6 5x6x3x3 5 6x20 6 3x6 3"],
    [
      "what is left without a reader after another cut",
      (v) => {
        // Unit 1 is the only one that reads channel 0, and nothing reads unit 1.
        unread(v, "w4", 1, 7);
        for (let r = 0; r < 7; r++) if (r !== 1) v.get("w3")!.fill(0, r * 20, r * 20 + 4);
      },
      "6x2x3x3 6 4x6x3x3 4 6x16 6 3x6 3",
    ],
  ])("drops %s", (_, change, wanted) => {
    const graph = net({ change });
    const small = shrink(graph);
    expect(shapesOf(small)).toBe(wanted);
    expectSame(graph, small);
    expect(writeContainer(small).length).toBeLessThan(writeContainer(graph).length);
    expect(shapesOf(graph)).toBe(shapesOf(net()));
  });

  test("keeps one channel where none does anything", () => {
    const graph = net({ change: (v) => v.get("w3")!.fill(0) });
    const small = shrink(graph);
    expect(shapesOf(small)).toBe("6x2x3x3 6 1x6x3x3 1 1x4 1 3x1 3");
    expectSame(graph, small);
  });

  test("an offset does not go into a bias where a border of zeros lies between; nothing does no harm", () => {
    const offset = (value: number) => (v: Map<string, Float32Array>) => {
      zeroRow(v, "w1", 1);
      v.get("b1")![1] = value;
    };
    const kept = net({ pads: 1, change: offset(1.5) });
    expect(shrink(kept)).toBe(kept);
    // Relu makes nothing of it.
    const graph = net({ pads: 1, change: offset(-1.5) });
    const small = shrink(graph);
    expect(shapesOf(small)).toBe("5x2x3x3 5 5x5x3x3 5 7x20 7 3x7 3");
    expectSame(graph, small);
  });

  test("every storage but factored is cut and stays what it is", () => {
    for (const name of ["w1", "w2", "w3"]) {
      for (const [storage, weight] of storages(shapes[name])) {
        if (weight.kind === "coded" || storage.startsWith("factored")) continue;
        // Unit 2 of each is read by nothing.
        const graph = withWeights(
          net({
            change: (v) => {
              unread(v, "w2", 2, 6);
              unread(v, "w3", 2, 5);
              unread(v, "w4", 2, 7);
            },
          }),
          [[name, weight]],
        );
        const small = shrink(graph);
        const cut = small.weights.get(name)!;
        expect(cut.kind, storage).toBe(weight.kind);
        expect(cut.shape[0], storage).toBeLessThan(shapes[name][0]);
        expectSame(graph, small);
      }
    }
    const graph = withWeights(net({ change: (v) => unread(v, "w2", 2, 6) }), [
      ["w1", factoredWeight(shapes.w1, "kernel", { seed: 1, k: 4 })],
    ]);
    expect(shrink(graph)).toBe(graph);
  });

  test("weights that are no real numbers, and biases of other shapes, are left alone", () => {
    const b = new GraphBuilder("integers");
    const w = (name: string, at: number) =>
      b.weight(
        name,
        [4, 4],
        Int32Array.from({ length: 16 }, (_, i) => (i < 4 ? 0 : i + at)),
        "int32",
      );
    const h = b.node("Gemm", [b.input("x", ["N", 4], "int32"), w("v", 1)], { transB: 1 });
    b.output("y", ["N", 4], b.node("Gemm", [h, w("w", 2)], { transB: 1 }), "int32");
    const integers = b.build();
    expect(shrink(integers)).toBe(integers);
    const graph = net({
      change: (v) => {
        zeroRow(v, "w3", 6);
        v.get("b3")![6] = 1;
      },
    });
    const bias = (name: string, shape: number[], data: Float32Array) =>
      withWeights(graph, [[name, { kind: "dense", shape, dtype: "float32", data }]]);
    // One number for all rows: it can take nothing in, and not be cut.
    for (const name of ["b3", "b4"]) {
      const scalar = bias(name, [1], Float32Array.of(1));
      expect(shrink(scalar)).toBe(scalar);
    }
  });

  test("a channel that something else uses too stays", () => {
    const graph = net({ change: (v) => zeroRow(v, "w3", 6) });
    const hidden = graph.nodes.find(({ inputs }) => inputs[1] === "w3")!.outputs[0];
    const shown = {
      ...graph,
      outputs: [...graph.outputs, { name: hidden, dtype: "float32", shape: ["N", 7] } as const],
    };
    expect(shrink(shown)).toBe(shown);
    const b = new GraphBuilder("shared");
    const w = b.weight(
      "w",
      [4, 4],
      Float32Array.from({ length: 16 }, (_, i) => (i < 4 ? 0 : i)),
    );
    const h = b.node("Gemm", [b.input("x", ["N", 4]), w], { transB: 1 });
    b.output("y", ["N", 4], b.node("Gemm", [h, w], { transB: 1 }));
    const shared = b.build();
    expect(shrink(shared)).toBe(shared);
  });
});

describe("select", () => {
  test.each(
    storages([5, 3, 2, 2]).filter(([, { kind }]) => kind !== "coded" && kind !== "factored") as [string, Weight][],
  )("%s: the rows and columns asked for", (_, weight) => {
    const [rows, cols] = [
      [0, 2, 4],
      [1, 2, 3, 8, 9, 11],
    ];
    const got = select(weight as Exclude<PlainWeight, { kind: "factored" }>, rows, cols, [3, 3, 2, 1]);
    const all = toDense(weight);
    expect([...toDense(got)]).toEqual(rows.flatMap((r) => cols.map((c) => all[r * 12 + c])));
    expect([got.kind, got.shape]).toEqual([weight.kind, [3, 3, 2, 1]]);
  });
});
