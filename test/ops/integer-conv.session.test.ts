// ConvInteger and QLinearConv through a session: groups, dilations, strides, padding, types, zero points, filters fed or known.
import { describe, expect, test } from "vitest";
import type { Attribute } from "../../src/graph/graph.js";
import type { Tensor } from "../../src/tensor.js";
import { convolved, type Filter, outputOf, ranges, requantize } from "../reference/quantized.js";
import { uniform } from "../support/kernels.js";
import { sizeOf } from "../support/network.js";
import { runNode, tensor } from "../support/one-node.js";

type Byte = "int8" | "uint8";

function bytes(dtype: Byte, shape: readonly number[], seed: number): Tensor {
  const next = uniform(seed);
  const [low] = ranges[dtype];
  return tensor(
    dtype,
    shape,
    Array.from({ length: sizeOf(shape) }, () => low + Math.floor(next() * 256)),
  );
}

const at = (from: Tensor | undefined, i: number) => (from ? Number(from.data[i % from.data.length]) : 0);

const next = uniform(3);
const random = (least: number, most: number) => least + Math.floor(next() * (most - least + 1));
const filters: Filter[] = [];
/** group, channels in a group, outputs of a group */
const groups = [
  [1, 1, 1],
  [1, 3, 8],
  [1, 8, 3],
  [1, 17, 9],
  [2, 2, 3],
  [3, 8, 5],
  [4, 1, 1],
  [9, 1, 1],
  [17, 1, 1],
  [3, 1, 2],
];
for (const [group, c, o] of groups) {
  for (let i = 0; i < 3; i++) {
    const kernel = i === 0 ? ([1, 1] as const) : ([random(1, 3), random(1, 4)] as const);
    const dilations = i % 2 ? ([1, 1] as const) : ([random(1, 2), random(1, 3)] as const);
    const [h, w] = [0, 1].map((s) => dilations[s] * (kernel[s] - 1) + 1 + random(0, 6));
    filters.push({
      ...{ batch: random(1, 2), channels: group * c, h, w, outputs: group * o, group, kernel, dilations },
      strides: i === 0 ? [1, 1] : [random(1, 3), random(1, 2)],
      pads: i === 0 ? [0, 0, 0, 0] : [random(0, 2), random(0, 2), random(0, 2), random(0, 2)],
    });
  }
}
// Windows of more than a block of rows, and of more bytes than are laid out at a time.
filters.push({
  batch: 1,
  channels: 2,
  h: 40,
  w: 35,
  outputs: 3,
  group: 1,
  kernel: [1, 1],
  dilations: [1, 1],
  strides: [1, 1],
  pads: [0, 0, 0, 0],
});
filters.push({
  batch: 1,
  channels: 64,
  h: 17,
  w: 19,
  outputs: 9,
  group: 1,
  kernel: [3, 3],
  dilations: [1, 1],
  strides: [1, 1],
  pads: [1, 1, 1, 1],
});
filters.push({
  batch: 1,
  channels: 128,
  h: 17,
  w: 19,
  outputs: 128,
  group: 128,
  kernel: [3, 3],
  dilations: [1, 1],
  strides: [1, 1],
  pads: [1, 1, 1, 1],
});

function nodeOf({ channels, group, outputs, kernel, strides, dilations, pads }: Filter) {
  const attributes: Record<string, Attribute> = { group, kernel_shape: kernel, strides, dilations, pads };
  return { attributes, weight: [outputs, channels / group, ...kernel] };
}

const signs = [
  ["int8", "int8"],
  ["uint8", "int8"],
  ["int8", "uint8"],
  ["uint8", "uint8"],
] as const;

/** Zero points: none, one for all, one for each output channel, or one that leaves nothing of it. */
const kinds = ["none", "one", "many", "middle"] as const;

function sumsOf(filter: Filter, x: Tensor, w: Tensor, xZero?: Tensor, wZero?: Tensor): number[] {
  return convolved(
    filter,
    (place) => Number(x.data[place]) - at(xZero, 0),
    (place, output) => Number(w.data[place]) - at(wZero, output),
  );
}

const zeroOf = (kind: (typeof kinds)[number], type: Byte, count: number, seed: number) => {
  if (kind === "none") return undefined;
  return kind === "middle"
    ? tensor(type, [], [type === "uint8" ? 128 : 0])
    : bytes(type, kind === "one" ? [] : [count], seed);
};

describe.each(signs)("of %s by %s", (xType, wType) => {
  test.each(kinds)("ConvInteger, zero points: %s", (kind) => {
    for (const [seed, filter] of filters.entries()) {
      const { batch, channels, h, w: width, outputs } = filter;
      const { attributes, weight } = nodeOf(filter);
      const [x, w] = [bytes(xType, [batch, channels, h, width], seed), bytes(wType, weight, seed + 1)];
      const [xZero, wZero] = [zeroOf(kind, xType, 1, seed + 2), zeroOf(kind, wType, outputs, seed + 3)];
      const want = sumsOf(filter, x, w, xZero, wZero);
      for (const weights of [[], [1], wZero ? [1, 3] : [1]]) {
        const [y] = runNode("ConvInteger", [x, w, xZero, wZero], attributes, { outputs: ["int32"], weights });
        expect(y.shape).toEqual([batch, outputs, ...outputOf(filter)]);
        expect([...(y.data as Int32Array)], JSON.stringify(filter)).toEqual(want);
      }
    }
  });

  test.each(["one", "many", "middle"] as const)("QLinearConv, zero points and scales: %s", (kind) => {
    for (const [seed, filter] of filters.entries()) {
      const { batch, channels, h, w: width, outputs, kernel, group } = filter;
      const { attributes, weight } = nodeOf(filter);
      const yType: Byte = seed % 2 ? "int8" : "uint8";
      const random = uniform(seed);
      const [x, w] = [bytes(xType, [batch, channels, h, width], seed), bytes(wType, weight, seed + 1)];
      const [xZero, wZero] = [bytes(xType, [], seed + 2), zeroOf(kind, wType, outputs, seed + 3)!];
      const yZero = bytes(yType, [], seed + 4);
      const k = (kernel[0] * kernel[1] * channels) / group;
      const scale = (count: number, least: number) =>
        tensor(
          "float32",
          count === 1 ? [] : [count],
          Array.from({ length: count }, (_, i) => (i % 3 ? least * (1 + random()) : least)),
        );
      const [xScale, wScale, yScale] = [
        scale(1, 1 / 64),
        scale(kind === "many" ? outputs : 1, 1 / 64),
        scale(1, Math.sqrt(k) / 2),
      ];
      const bias =
        seed % 3
          ? tensor(
              "int32",
              [outputs],
              Array.from({ length: outputs }, () => Math.floor(20000 * (random() - 0.5))),
            )
          : undefined;
      const plane = sizeOf(outputOf(filter));
      const want = sumsOf(filter, x, w, xZero, wZero).map((sum, e) => {
        const f = Math.floor(e / plane) % outputs;
        return requantize(
          sum + at(bias, f),
          [at(xScale, 0), at(wScale, f), at(yScale, 0)],
          at(yZero, 0),
          ranges[yType],
        );
      });
      const inputs = [x, xScale, xZero, w, wScale, wZero, yScale, yZero, bias];
      const fixed = [1, 2, 3, 4, 5, 6, 7, ...(bias ? [8] : [])];
      for (const weights of [[], [3], fixed]) {
        const [y] = runNode("QLinearConv", inputs, attributes, { outputs: [yType], weights });
        expect(y.shape).toEqual([batch, outputs, ...outputOf(filter)]);
        expect([...(y.data as Int8Array)], JSON.stringify(filter)).toEqual(want);
      }
    }
  });
});

test.each(["SAME_UPPER", "SAME_LOWER", "VALID"])("auto_pad %s, the kernel told by the filters alone", (auto_pad) => {
  const [h, w, kernel, strides] = [7, 8, [3, 2] as const, [2, 3] as const];
  const total = [0, 1].map((i) =>
    Math.max((Math.ceil([h, w][i] / strides[i]) - 1) * strides[i] + kernel[i] - [h, w][i], 0),
  );
  const begins = total.map((pad) => (auto_pad === "SAME_UPPER" ? Math.floor(pad / 2) : Math.ceil(pad / 2)));
  const ends = total.map((pad, i) => pad - begins[i]);
  const pads = auto_pad === "VALID" ? ([0, 0, 0, 0] as const) : ([begins[0], begins[1], ends[0], ends[1]] as const);
  const filter: Filter = {
    batch: 1,
    channels: 2,
    h,
    w,
    outputs: 3,
    group: 1,
    kernel,
    strides,
    dilations: [1, 1],
    pads,
  };
  const [x, weight, zero] = [bytes("uint8", [1, 2, h, w], 1), bytes("int8", [3, 2, 3, 2], 2), bytes("uint8", [], 3)];
  const [y] = runNode("ConvInteger", [x, weight, zero], { auto_pad, strides }, { outputs: ["int32"] });
  expect(y.shape).toEqual([1, 3, ...outputOf(filter)]);
  expect([...(y.data as Int32Array)]).toEqual(sumsOf(filter, x, weight, zero));
});

test("lines are images of height 1", () => {
  const filter: Filter = {
    batch: 2,
    channels: 3,
    h: 1,
    w: 9,
    outputs: 4,
    group: 1,
    kernel: [1, 3],
    strides: [1, 2],
    dilations: [1, 1],
    pads: [0, 1, 0, 1],
  };
  const [x, weight, zero] = [bytes("int8", [2, 3, 9], 1), bytes("int8", [4, 3, 3], 2), bytes("int8", [], 3)];
  const [y] = runNode(
    "ConvInteger",
    [x, weight, zero],
    { strides: [2], pads: [1, 1] },
    { outputs: ["int32"], weights: [1] },
  );
  expect(y.shape).toEqual([2, 4, 5]);
  expect([...(y.data as Int32Array)]).toEqual(sumsOf(filter, x, weight, zero));
});
