// ConvTranspose of lines, images and volumes against its twin; and Conv of volumes against its own.
import { describe, expect, test } from "vitest";
import { ShapeError, UnsupportedError } from "../../src/errors.js";
import { toDense } from "../../src/graph/dense.js";
import type { Attribute } from "../../src/graph/graph.js";
import { loadModel } from "../../src/index.js";
import { conv } from "../../src/ops/conv.js";
import { Model } from "../../src/runtime/session.js";
import { convolved, scattered, type Window } from "../reference/volume.js";
import { builds, normals, uniform } from "../support/kernels.js";
import { runModule, sizeOf, storages } from "../support/network.js";
import { counted, networkOf, numbers, runNode, tensor } from "../support/one-node.js";

const floats = (shape: readonly number[], seed: number) => tensor("float32", shape, [...normals(sizeOf(shape), seed)]);

interface Case {
  readonly x: readonly number[];
  readonly w: readonly number[];
  readonly attributes?: Record<string, Attribute>;
  readonly bias?: boolean;
}

/** Where the outputs of a ConvTranspose begin, and how many there are, told as ONNX does. */
function windowOf({ x, w, attributes = {} }: Case): Window {
  const rank = x.length - 2;
  const list = (name: string, length: number, missing: number) =>
    (attributes[name] as number[] | undefined) ?? new Array<number>(length).fill(missing);
  const [strides, dilations] = [list("strides", rank, 1), list("dilations", rank, 1)];
  const [more, pads] = [list("output_padding", rank, 0), list("pads", 2 * rank, 0)];
  const whole = x.slice(2).map((size, d) => strides[d] * (size - 1) + more[d] + (w[2 + d] - 1) * dilations[d] + 1);
  const group = Number(attributes.group ?? 1);
  const auto = String(attributes.auto_pad ?? "NOTSET");
  const same = auto.startsWith("SAME") ? x.slice(2).map((size, d) => size * strides[d]) : undefined;
  const out = (attributes.output_shape as number[] | undefined) ?? same;
  if (auto === "VALID") return { group, strides, dilations, begins: pads.map(() => 0), out: whole };
  if (!out) {
    const cut = whole.map((size, d) => size - pads[d] - pads[d + rank]);
    return { group, strides, dilations, begins: pads.slice(0, rank), out: cut };
  }
  const begins = out.map((size, d) => {
    const total = Math.max(0, whole[d] - size);
    return auto === "SAME_UPPER" ? Math.floor(total / 2) : total - Math.floor(total / 2);
  });
  return { group, strides, dilations, begins, out };
}

function expectClose(got: ReturnType<typeof numbers>, want: ReturnType<typeof numbers>, terms: number): void {
  expect(got.shape).toEqual(want.shape);
  for (let i = 0; i < want.data.length; i++) {
    expect(Math.abs(got.data[i] - want.data[i]), `${i}`).toBeLessThan(1e-6 * (1 + terms));
  }
}

/** As weights, as fed, and with a Relu that is taken in. */
async function expectAll(
  op: string,
  { x, w, attributes = {}, bias }: Case,
  twin: typeof scattered,
  window: Window,
): Promise<void> {
  const outputs = window.group * (op === "Conv" ? w[0] / window.group : w[1]);
  const inputs = [floats(x, 1), floats(w, 2), ...(bias ? [floats([outputs], 3)] : [])];
  const [a, b, c] = inputs.map(numbers);
  const want = twin(a, b, c?.data, window);
  const terms = Math.sqrt(sizeOf(w));
  const rest = inputs.map((_, i) => i).slice(1);
  for (const weights of [rest, []]) expectClose(numbers(runNode(op, inputs, attributes, { weights })[0]), want, terms);
  const { nodes, ...graph } = networkOf(op, inputs, attributes, { weights: rest });
  const chain = [
    { ...nodes[0], outputs: ["h"] },
    { name: "r", op: "Relu", inputs: ["h"], outputs: ["y0"], attributes: {} },
  ];
  using model = await loadModel({ ...graph, nodes: chain });
  const { y0 } = model.run({ x0: inputs[0] });
  expectClose(numbers(y0), { ...want, data: want.data.map((v) => Math.max(v, 0)) }, terms);
}

describe("ConvTranspose", () => {
  const cases: Record<string, Case> = {
    plain: { x: [1, 1, 3, 3], w: [1, 2, 3, 3] },
    "a decoder's, k 4, stride 2": {
      x: [2, 9, 5, 7],
      w: [9, 6, 4, 4],
      attributes: { strides: [2, 2], pads: [1, 1, 1, 1] },
    },
    "k 3, stride 2, one more": {
      ...{ x: [1, 8, 6, 5], w: [8, 7, 3, 3], bias: true },
      attributes: { strides: [2, 2], pads: [1, 1, 1, 1], output_padding: [1, 1] },
    },
    "a stride as long as the kernel": { x: [1, 5, 4, 3], w: [5, 3, 2, 2], attributes: { strides: [2, 2] }, bias: true },
    "a stride longer than the kernel": {
      x: [2, 3, 4, 3],
      w: [3, 2, 2, 1],
      attributes: { strides: [3, 4] },
      bias: true,
    },
    "no stride": { x: [1, 6, 8, 9], w: [6, 5, 3, 3], attributes: { pads: [1, 1, 1, 1] }, bias: true },
    "dilations of the stride's": {
      x: [1, 3, 4, 5],
      w: [3, 2, 3, 3],
      attributes: { strides: [2, 2], dilations: [2, 4] },
      bias: true,
    },
    "dilations beside the stride": {
      x: [1, 3, 4, 5],
      w: [3, 2, 3, 2],
      attributes: { strides: [2, 3], dilations: [3, 2] },
    },
    "dilations and a stride with a divisor": {
      x: [1, 2, 4, 4],
      w: [2, 2, 3, 4],
      attributes: { strides: [4, 6], dilations: [6, 4] },
    },
    groups: {
      x: [2, 6, 4, 4],
      w: [6, 5, 3, 3],
      attributes: { group: 2, strides: [2, 1], pads: [1, 0, 0, 1] },
      bias: true,
    },
    "channels by themselves": {
      x: [2, 6, 5, 4],
      w: [6, 1, 4, 4],
      attributes: { group: 6, strides: [2, 2], pads: [1, 1, 1, 1] },
    },
    "channels by themselves, two each": {
      x: [1, 4, 5, 4],
      w: [4, 2, 3, 3],
      attributes: { group: 4, strides: [2, 1] },
      bias: true,
    },
    "padding past the reach of a tap": {
      x: [1, 2, 6, 6],
      w: [2, 2, 2, 1],
      attributes: { strides: [2, 1], pads: [5, 2, 0, 1] },
      bias: true,
    },
    "uneven padding": { x: [1, 2, 5, 6], w: [2, 3, 3, 3], attributes: { strides: [3, 2], pads: [0, 2, 1, 0] } },
    output_shape: {
      x: [1, 2, 3, 3],
      w: [2, 2, 3, 3],
      attributes: { strides: [3, 2], output_shape: [10, 8] },
      bias: true,
    },
    "output_shape, smaller": {
      x: [1, 2, 3, 3],
      w: [2, 2, 4, 4],
      attributes: { strides: [2, 2], output_shape: [5, 4] },
    },
    "output_shape, the odd one behind": {
      ...{ x: [1, 2, 3, 3], w: [2, 2, 4, 4] },
      attributes: { strides: [2, 2], output_shape: [5, 5], auto_pad: "SAME_UPPER" },
    },
    SAME_UPPER: { x: [1, 2, 3, 4], w: [2, 2, 3, 4], attributes: { strides: [2, 2], auto_pad: "SAME_UPPER" } },
    SAME_LOWER: { x: [1, 2, 3, 4], w: [2, 2, 4, 3], attributes: { strides: [2, 3], auto_pad: "SAME_LOWER" } },
    VALID: { x: [1, 2, 3, 4], w: [2, 2, 3, 3], attributes: { strides: [2, 2], auto_pad: "VALID", pads: [1, 1, 1, 1] } },
    lines: { x: [2, 3, 7], w: [3, 4, 5], attributes: { strides: [3], pads: [2, 1], output_padding: [2] }, bias: true },
    "lines by themselves": { x: [2, 3, 7], w: [3, 1, 4], attributes: { strides: [2], group: 3 }, bias: true },
    volumes: { x: [2, 3, 2, 3, 4], w: [3, 2, 3, 2, 3], attributes: { strides: [2, 1, 3] }, bias: true },
    "volumes, everything": {
      ...{ x: [1, 4, 3, 3, 2], w: [4, 3, 2, 3, 3], bias: true },
      attributes: {
        group: 2,
        strides: [2, 3, 2],
        dilations: [3, 1, 2],
        pads: [1, 0, 1, 0, 2, 1],
        output_padding: [1, 2, 0],
      },
    },
    "volumes by themselves": { x: [1, 3, 2, 3, 3], w: [3, 1, 1, 2, 2], attributes: { group: 3, strides: [1, 2, 2] } },
    "no images": { x: [0, 2, 3, 3], w: [2, 2, 3, 3] },
  };
  for (const [title, one] of Object.entries(cases)) {
    test(title, () => expectAll("ConvTranspose", one, scattered, windowOf(one)));
  }

  test("sixty random windows", async () => {
    const next = uniform(7);
    const pick = (from: number, to: number) => from + Math.floor(next() * (to - from + 1));
    for (let i = 0; i < 60; i++) {
      const [group, c, o] = [pick(1, 2), pick(1, 6), pick(1, 6)];
      const [strides, dilations] = [0, 1].map(() => [pick(1, 4), pick(1, 4)]);
      const kernel = [pick(1, 5), pick(1, 5)];
      const sides = [pick(1, 6), pick(1, 6)];
      const pads = [0, 1, 0, 1].map((d) =>
        pick(0, Math.floor(((sides[d] - 1) * strides[d] + (kernel[d] - 1) * dilations[d]) / 2)),
      );
      const attributes = { group, strides, dilations, pads, output_padding: [pick(0, 2), pick(0, 2)] };
      const one = {
        x: [pick(1, 2), group * c, ...sides],
        w: [group * c, o, ...kernel],
        attributes,
        bias: next() < 0.5,
      };
      await expectAll("ConvTranspose", one, scattered, windowOf(one));
    }
  });

  const [x, w] = [floats([1, 4, 3, 3], 1), floats([4, 2, 3, 3], 2)];
  test.each([
    [
      [x, floats([3, 2, 3, 3], 2)],
      {},
      "n (ConvTranspose) weight: expected [4, o / 1] and 2 sizes from 1, got [3, 2, 3, 3]",
    ],
    [
      [x, w],
      { group: 3 },
      "n (ConvTranspose) weight: expected [c, o / 3], c a multiple of 3, and 2 sizes from 1, got [4, 2, 3, 3]",
    ],
    [[x, floats([4, 2, 3], 2)], {}, "n (ConvTranspose) weight: expected [4, o / 1] and 2 sizes from 1, got [4, 2, 3]"],
    [
      [floats([4, 4], 1), w],
      {},
      "n (ConvTranspose) input 0: expected [n, c] and one to three sizes from 1, got [4, 4]",
    ],
    [
      [floats([1, 4, 0, 3], 1), w],
      {},
      "n (ConvTranspose) input 0: expected [n, c] and one to three sizes from 1, got [1, 4, 0, 3]",
    ],
    [[x, w, floats([3], 3)], {}, "n (ConvTranspose) bias: expected 2 values, got [3]"],
    [[x, w], { kernel_shape: [2, 3] }, "n.kernel_shape: expected [3, 3], got [2, 3]"],
    [[x, w], { strides: [0, 1] }, "n.strides: expected 2 integers from 1 to 2147483647, got 0,1"],
    [[x, w], { pads: [3, 0, 2, 0] }, "n.pads: expected less than [5, 5], which they are cut from, got [3, 0, 2, 0]"],
    [[x, w], { auto_pad: "SAME" }, 'n.auto_pad: expected NOTSET, VALID, SAME_UPPER or SAME_LOWER, got "SAME"'],
    [[x, w], { output_shape: [0, 3] }, "n.output_shape: expected 2 integers from 1 to 2147483647, got 0,3"],
    [
      [x, w],
      { dilations: [2000000000, 1], pads: [2000000000, 0, 2000000000, 0] },
      "n (ConvTranspose): expected an output of at most 2^31 bytes, got shape [1, 2, 4000000003, 5]",
    ],
  ] as const)("%# is refused", (inputs, attributes, message) => {
    expect(() => runNode("ConvTranspose", inputs, attributes as Record<string, Attribute>)).toThrow(
      new ShapeError(message),
    );
  });

  test("an image alone and among others gives the same bits", () => {
    for (const [group, o] of [
      [1, 7],
      [6, 1],
    ]) {
      const attributes = { group, strides: [2, 2], pads: [1, 1, 1, 1], output_padding: [1, 1] };
      const [three, w] = [floats([3, 6, 5, 9], 1), floats([6, o, 3, 3], 2)];
      const run = (x: typeof three) => runNode("ConvTranspose", [x, w], attributes, { weights: [1] })[0].data;
      const whole = run(three);
      for (const i of [0, 1, 2]) {
        const own = run({ ...three, shape: [1, 6, 5, 9], data: three.data.slice(270 * i, 270 * (i + 1)) });
        expect(own).toEqual(whole.slice(own.length * i, own.length * (i + 1)));
      }
    }
  });

  test("a weight that fits no image is refused before it is packed", () => {
    const weight = "n (ConvTranspose) weight: expected [c, o /";
    for (const [shape, attributes, message] of [
      [[4, 2, 1, 1, 1, 1], {}, `${weight} 1], c a multiple of 1, and 1 to 3 sizes from 1, got [4, 2, 1, 1, 1, 1]`],
      [[4, 2], {}, `${weight} 1], c a multiple of 1, and 1 to 3 sizes from 1, got [4, 2]`],
      [[4, 2, 0, 3], {}, `${weight} 1], c a multiple of 1, and 2 sizes from 1, got [4, 2, 0, 3]`],
      [[4, 2, 3, 3], { group: 3 }, `${weight} 3], c a multiple of 3, and 2 sizes from 1, got [4, 2, 3, 3]`],
      [[4, 2, 3, 3], { group: 0 }, "n.group: expected at least 1, got 0"],
      [[4, 2, 3, 3], { group: -2 }, "n.group: expected at least 1, got -2"],
    ] as [number[], Record<string, Attribute>, string][]) {
      const run = () => runNode("ConvTranspose", [x, floats(shape, 2)], attributes, { weights: [1] });
      expect(run).toThrow(new ShapeError(message));
    }
  });

  test("integers and other attributes are refused", () => {
    expect(() => runNode("ConvTranspose", [counted("int32", [1, 4, 3, 3]), w])).toThrow(
      new UnsupportedError("n (ConvTranspose) input 0: expected floating-point values, got int32"),
    );
    expect(() => runNode("ConvTranspose", [x, w], { axis: 1 })).toThrow(UnsupportedError);
  });
});

describe("weights in every storage", () => {
  const windows = { strides: [2, 1, 1], dilations: [1, 1, 2], out: [2, 3, 2] };
  for (const [op, w] of [
    ["ConvTranspose", [4, 3, 2, 2, 3]],
    ["Conv", [3, 4, 2, 2, 3]],
  ] as const) {
    test.each(storages(w))(`${op}: %s`, (_, weight) => {
      const x = floats([1, 4, 4, 4, 6], 1);
      const { strides, dilations } = windows;
      const dense = { shape: w, data: [...toDense(weight)] };
      const attributes = { strides, dilations };
      const graph = networkOf(op, [x, floats(w, 2)], attributes, { weights: [1] });
      using model = new Model({ ...graph, weights: new Map([["x1", weight]]) }, runModule, { exact: true });
      const sides = { group: 1, strides, dilations, begins: [0, 0, 0] };
      const out = op === "Conv" ? windows.out : [8, 5, 10];
      const want = (op === "Conv" ? convolved : scattered)(numbers(x), dense, undefined, { ...sides, out });
      const most = Math.max(1, ...dense.data.map(Math.abs));
      expectClose(numbers(model.run({ x0: x }).y0), want, 30 * most);
    });
  }
});

describe("Conv of volumes", () => {
  const cases: Record<string, Case> = {
    plain: { x: [1, 2, 4, 5, 6], w: [3, 2, 3, 3, 3], bias: true },
    "strides, dilations and padding": {
      ...{ x: [2, 3, 5, 6, 7], w: [4, 3, 2, 3, 2], bias: true },
      attributes: { strides: [2, 1, 2], dilations: [2, 1, 3], pads: [1, 2, 0, 2, 0, 1] },
    },
    groups: { x: [2, 4, 3, 4, 4], w: [6, 2, 2, 2, 2], attributes: { group: 2, pads: [1, 1, 1, 1, 1, 1] } },
    "channels by themselves": { x: [1, 3, 3, 4, 4], w: [3, 1, 3, 1, 2], attributes: { group: 3 }, bias: true },
    pointwise: { x: [1, 6, 2, 3, 4], w: [5, 6, 1, 1, 1] },
    "no images": { x: [0, 2, 3, 3, 3], w: [2, 2, 2, 2, 2] },
  };
  for (const [title, one] of Object.entries(cases)) {
    test(title, async () => {
      const list = (name: string, length: number, missing: number) =>
        (one.attributes?.[name] as number[] | undefined) ?? new Array<number>(length).fill(missing);
      const [strides, dilations, pads] = [list("strides", 3, 1), list("dilations", 3, 1), list("pads", 6, 0)];
      const out = one.x
        .slice(2)
        .map(
          (size, d) =>
            Math.floor((size + pads[d] + pads[d + 3] - dilations[d] * (one.w[2 + d] - 1) - 1) / strides[d]) + 1,
        );
      const group = Number(one.attributes?.group ?? 1);
      await expectAll("Conv", one, convolved, { group, strides, dilations, begins: pads.slice(0, 3), out });
    });
  }

  test("have no gradient", () => {
    const shapes = [
      [1, 2, 4, 4, 4],
      [3, 2, 3, 3, 3],
      [1, 3, 2, 2, 2],
    ];
    const [a, b, y] = shapes.map((shape) => ({ pointer: 0, shape, dtype: "float32" }) as const);
    const node = { name: "n", op: "Conv", inputs: ["x", "w"], outputs: ["y"], attributes: {} };
    const site = { node, kernels: builds()[0].kernels };
    const io = { inputs: [a, b], outputs: [y], dInputs: [0, 0], dOutputs: [0] };
    expect(() => conv.grad!(site)(io)).toThrow(
      new UnsupportedError("n (Conv): expected a gradient of lines or images, got one of volumes"),
    );
  });

  test("shapes that do not fit are refused", () => {
    expect(() => runNode("Conv", [floats([1, 2, 4, 4, 4], 1), floats([3, 2, 3, 3], 2)])).toThrow(
      new ShapeError("n (Conv) weight: expected [o, 2 / 1, kd, kh, kw], o a multiple of 1, got [3, 2, 3, 3]"),
    );
    expect(() => runNode("Conv", [floats([1, 2, 4, 4, 4, 4], 1), floats([3, 2, 3, 3, 3, 3], 2)])).toThrow(ShapeError);
  });
});
