// Scan through a session: a turn for each slice, planned ahead.
import { describe, expect, test } from "vitest";
import { ShapeError, UnsupportedError } from "../../src/errors.js";
import type { Attribute, Body, BodyValue, Graph, GraphNode } from "../../src/graph/graph.js";
import type { Weight } from "../../src/graph/weight.js";
import { loadModel } from "../../src/index.js";
import { modernize } from "../../src/passes/modernize.js";
import { indicesOf, placeOf, sizeOf } from "../reference/movement.js";
import { normals } from "../support/kernels.js";

const node = (
  op: string,
  inputs: string[],
  outputs: string[],
  attributes: GraphNode["attributes"] = {},
): GraphNode => ({
  ...{ name: `${op} of ${outputs[0]}`, op, inputs, outputs, attributes },
});

/** s' = s + p q, and what is scanned: s' and p - q. */
const turn: Body = {
  name: "turn",
  inputs: ["s", "p", "q"].map((name) => ({ name })),
  outputs: ["next", "each", "less"].map((name) => ({ name })),
  nodes: [
    node("Mul", ["p", "q"], ["product"]),
    node("Add", ["s", "product"], ["next"]),
    node("Identity", ["next"], ["each"]),
    node("Sub", ["p", "q"], ["less"]),
  ],
  weights: new Map(),
};

function graphOf(
  a: readonly number[],
  b: readonly number[],
  state: readonly number[],
  attributes: Record<string, Attribute> = {},
  weights: readonly [string, Weight][] = [],
): Graph {
  const shapes = { s0: state, a, b };
  const inputs = Object.entries(shapes).map(([name, shape]) => ({ name, dtype: "float32", shape }) as const);
  return {
    name: "scan",
    inputs: inputs.filter(({ name }) => !weights.some(([weight]) => weight === name)),
    outputs: ["last", "sums", "rest"].map((name) => ({ name, dtype: "float32" })),
    nodes: [
      node("Scan", ["s0", "a", "b"], ["last", "sums", "rest"], { body: turn, num_scan_inputs: 2, ...attributes }),
    ],
    weights: new Map(weights),
  };
}

describe("Scan", () => {
  interface Ways {
    readonly axes: readonly [number, number];
    readonly back: readonly [number, number];
    readonly out: readonly [number, number];
    readonly outBack: readonly [number, number];
  }
  const ways: Ways[] = [
    { axes: [0, 0], back: [0, 0], out: [0, 0], outBack: [0, 0] },
    { axes: [1, -1], back: [0, 1], out: [1, 0], outBack: [1, 0] },
    { axes: [2, 0], back: [1, 1], out: [-1, 2], outBack: [0, 1] },
  ];
  test.each(ways)("%o", async ({ axes, back, out, outBack }) => {
    const [length, slice] = [4, [2, 3]];
    const shapeFor = (axis: number) => slice.toSpliced(axis < 0 ? axis + 3 : axis, 0, length);
    const [aShape, bShape] = axes.map(shapeFor);
    const [a, b, s0] = [aShape, bShape, slice].map((shape, i) => normals(sizeOf(shape), i + 1));
    const attributes = {
      scan_input_axes: axes,
      scan_input_directions: back,
      scan_output_axes: out,
      scan_output_directions: outBack,
    };
    const weight: [string, Weight] = ["b", { kind: "dense", shape: bShape, dtype: "float32", data: b }];
    for (const weights of [[], [weight]]) {
      using model = await loadModel(graphOf(aShape, bShape, slice, attributes, weights));
      for (let run = 0; run < 2; run++) {
        const { last, sums, rest } = model.run({ s0, a, ...(weights.length ? {} : { b }) });
        const wanted = [sums, rest].map(() => new Float32Array(length * 6));
        const shapes = out.map(shapeFor);
        expect([sums.shape, rest.shape]).toEqual(shapes);
        for (const index of indicesOf(slice)) {
          let sum = s0[placeOf(slice, index)];
          for (let t = 0; t < length; t++) {
            const at = (axis: number, reverse: number) =>
              index.toSpliced(axis < 0 ? axis + 3 : axis, 0, reverse ? length - 1 - t : t);
            const x = a[placeOf(aShape, at(axes[0], back[0]))];
            const y = b[placeOf(bShape, at(axes[1], back[1]))];
            sum = Math.fround(sum + Math.fround(x * y));
            wanted[0][placeOf(shapes[0], at(out[0], outBack[0]))] = sum;
            wanted[1][placeOf(shapes[1], at(out[1], outBack[1]))] = x - y;
          }
          expect(last.data[placeOf(slice, index)]).toBe(sum);
        }
        expect(sums.data).toEqual(wanted[0]);
        expect(rest.data).toEqual(wanted[1]);
      }
    }
  });

  test("slices of what is known are known: shapes may follow from them", async () => {
    const body: Body = {
      name: "turn",
      inputs: [{ name: "s" }, { name: "shape" }],
      outputs: [{ name: "next" }],
      nodes: [node("Reshape", ["s", "shape"], ["next"])],
      weights: new Map(),
    };
    using model = await loadModel({
      name: "reshapes",
      inputs: [{ name: "x", dtype: "float32", shape: [6] }],
      outputs: [{ name: "y", dtype: "float32" }],
      nodes: [node("Scan", ["x", "shapes"], ["y"], { body, num_scan_inputs: 1, scan_input_axes: [1] })],
      weights: new Map([
        ["shapes", { kind: "dense", shape: [2, 3], dtype: "int64", data: BigInt64Array.of(6n, 1n, 2n, 1n, 6n, 3n) }],
      ]),
    });
    const { y } = model.run({ x: Float32Array.of(1, 2, 3, 4, 5, 6) });
    expect(y.shape).toEqual([2, 3]);
    expect([...y.data]).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test("without slices gives the state back, and nothing scanned where the body says how wide it is", async () => {
    const outputs: BodyValue[] = turn.outputs.map(({ name }) => ({ name, dtype: "float32", shape: [2] }));
    using model = await loadModel(graphOf([0, 2], [0, 2], [2], { body: { ...turn, outputs } }));
    const { last, sums } = model.run({ s0: Float32Array.of(1, 2), a: new Float32Array(), b: new Float32Array() });
    expect([...last.data]).toEqual([1, 2]);
    expect(sums.shape).toEqual([0, 2]);
    using bare = await loadModel(graphOf([0, 2], [0, 2], [2]));
    expect(() => bare.run({ s0: Float32Array.of(1, 2), a: new Float32Array(), b: new Float32Array() })).toThrow(
      new UnsupportedError("node Scan of last (Scan): expected a turn that tells the shape of sums, got none"),
    );
  });

  test("of operator set 8 goes over the batch", async () => {
    const old: Graph = {
      ...graphOf([2, 3, 4], [2, 3, 4], [2, 4], { directions: [0, 1] }),
      opset: new Map([["", 8]]),
    };
    const [scan] = old.nodes;
    const given = { ...old, nodes: [{ ...scan, inputs: ["", ...scan.inputs] }] };
    using model = await loadModel(given);
    using single = await loadModel(graphOf([3, 4], [3, 4], [4], { scan_input_directions: [0, 1] }));
    const [s0, a, b] = [8, 24, 24].map((size, i) => normals(size, i + 1));
    const whole = model.run({ s0, a, b });
    expect([whole.last.shape, whole.sums.shape]).toEqual([
      [2, 4],
      [2, 3, 4],
    ]);
    for (const i of [0, 1]) {
      const own = (x: Float32Array) => x.slice((i * x.length) / 2, ((i + 1) * x.length) / 2);
      const one = single.run({ s0: own(s0), a: own(a), b: own(b) });
      for (const name of ["last", "sums", "rest"]) expect(own(whole[name].data)).toEqual(one[name].data);
    }
    expect(() => modernize({ ...old, nodes: [{ ...scan, inputs: ["a", ...scan.inputs] }] })).toThrow(
      new UnsupportedError("node Scan of last (Scan): expected sequences of one length, got their lengths"),
    );
  });

  const where = "node Scan of last (Scan): expected";
  test.each([
    [[4, 2], [3, 2], {}, `${where} as many slices of each input, got [4, 3]`],
    [
      [4, 2],
      [4, 2],
      { num_scan_inputs: 0 },
      `${where} a body of 3 inputs, 0 of them slices, and 3 states, got 3 inputs and 3 outputs`,
    ],
    [
      [4, 2],
      [4, 2],
      { num_scan_inputs: 4 },
      `${where} a body of 3 inputs, 4 of them slices, and -1 states, got 3 inputs and 3 outputs`,
    ],
    [
      [4, 2],
      [4, 2],
      { body: { ...turn, inputs: [...turn.inputs, { name: "more" }] } },
      `${where} a body of 3 inputs, 2 of them slices, and 1 states, got 4 inputs and 3 outputs`,
    ],
    [
      [4, 2],
      [4, 2],
      { body: { ...turn, outputs: turn.outputs.slice(1) } },
      `${where} 3 outputs of turn, got 3 inputs and 2 outputs`,
    ],
    [[4, 2], [4, 2], { body: 1 }, `${where} a body body, got none`],
    [[4, 2], [4, 2], { scan_input_axes: [0, 2] }, "Scan of last (Scan): expected an axis of 2 dimensions, got 2"],
    [[4, 2], [4, 2], { scan_output_axes: [0, 5] }, "Scan of last (Scan): expected an axis of 2 dimensions, got 5"],
    [
      [4, 2],
      [4, 2],
      { scan_input_directions: [0, 2] },
      "Scan of last.scan_input_directions: expected 0 or 1 each, got 2",
    ],
  ] as [number[], number[], Record<string, Attribute>, string][])(
    "%# is refused",
    async (a, b, attributes, message) => {
      const run = async () => {
        using model = await loadModel(graphOf(a, b, [2], attributes));
        model.run({ s0: new Float32Array(2), a: new Float32Array(sizeOf(a)), b: new Float32Array(sizeOf(b)) });
      };
      await expect(run()).rejects.toThrow(new ShapeError(message));
    },
  );
});
