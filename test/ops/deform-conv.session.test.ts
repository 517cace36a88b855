// DeformConv against its definition in f64, one tap at a time.
import { describe, expect, test } from "vitest";
import { ShapeError, UnsupportedError } from "../../src/errors.js";
import type { Attribute } from "../../src/graph/graph.js";
import { indicesOf, placeOf, sizeOf } from "../reference/movement.js";
import { convolved } from "../reference/volume.js";
import { normals } from "../support/kernels.js";
import { counted, numbers, runNode, tensor } from "../support/one-node.js";

const floats = (shape: readonly number[], seed: number, scale = 1) =>
  tensor(
    "float32",
    shape,
    [...normals(sizeOf(shape), seed)].map((v) => scale * v),
  );

interface Case {
  readonly x: readonly number[];
  readonly w: readonly number[];
  readonly attributes?: Record<string, Attribute>;
  readonly bias?: boolean;
  readonly mask?: boolean;
}

function made({ x, w, attributes = {}, bias, mask }: Case, scale: number) {
  const list = (name: string, length: number, missing: number) =>
    (attributes[name] as number[] | undefined) ?? new Array<number>(length).fill(missing);
  const [strides, dilations, pads] = [list("strides", 2, 1), list("dilations", 2, 1), list("pads", 4, 0)];
  const out = [0, 1].map(
    (d) => Math.floor((x[2 + d] + pads[d] + pads[2 + d] - dilations[d] * (w[2 + d] - 1) - 1) / strides[d]) + 1,
  );
  const groups = Number(attributes.offset_group ?? 1);
  const count = w[2] * w[3];
  const offset = floats([x[0], 2 * groups * count, ...out], 3, scale);
  const inputs = [
    ...[floats(x, 1), floats(w, 2), offset, bias ? floats([w[0]], 4) : undefined],
    ...(mask ? [floats([x[0], groups * count, ...out], 5)] : []),
  ];
  return {
    inputs,
    window: { group: Number(attributes.group ?? 1), strides, dilations, begins: pads.slice(0, 2), out },
    groups,
  };
}

function twin(one: Case, scale: number) {
  const { inputs, window, groups } = made(one, scale);
  const [x, w, offset, bias, mask] = inputs.map((input) => input && numbers(input));
  const [batch, channels, h, width] = one.x;
  const [outputs, c, kh, kw] = one.w;
  const shape = [batch, outputs, ...window.out];
  const data = [...indicesOf(shape)].map(([n, o, oy, ox]) => {
    const first = Math.floor(o / (outputs / window.group)) * c;
    let sum = bias?.data[o] ?? 0;
    for (let i = 0; i < c; i++) {
      const channel = first + i;
      const g = Math.floor(channel / (channels / groups));
      for (const [ky, kx] of indicesOf([kh, kw])) {
        const tap = g * kh * kw + ky * kw + kx;
        const moved = (d: number) => offset!.data[placeOf(offset!.shape, [n, 2 * tap + d, oy, ox])];
        const row = oy * window.strides[0] - window.begins[0] + ky * window.dilations[0] + moved(0);
        const column = ox * window.strides[1] - window.begins[1] + kx * window.dilations[1] + moved(1);
        let value = 0;
        for (const [py, px] of indicesOf([h, width])) {
          const share = Math.max(0, 1 - Math.abs(row - py)) * Math.max(0, 1 - Math.abs(column - px));
          value += share * x!.data[placeOf(one.x, [n, channel, py, px])];
        }
        const factor = mask ? mask.data[placeOf(mask.shape, [n, tap, oy, ox])] : 1;
        sum += factor * value * w!.data[placeOf(one.w, [o, i, ky, kx])];
      }
    }
    return sum;
  });
  return { shape, data };
}

const cases: Record<string, Case> = {
  plain: { x: [1, 1, 3, 3], w: [1, 1, 2, 2] },
  "bias and mask": { x: [2, 3, 5, 6], w: [4, 3, 3, 2], bias: true, mask: true, attributes: { pads: [1, 1, 1, 0] } },
  "strides and dilations": {
    x: [1, 2, 8, 9],
    w: [3, 2, 2, 3],
    attributes: { strides: [2, 3], dilations: [2, 2], pads: [2, 1, 0, 3] },
  },
  "groups of weights": { x: [1, 4, 5, 5], w: [6, 2, 3, 3], attributes: { group: 2 }, bias: true },
  "groups of offsets": { x: [2, 4, 5, 5], w: [3, 4, 3, 3], attributes: { offset_group: 2 }, mask: true },
  "groups of both": {
    x: [1, 6, 4, 5],
    w: [6, 2, 2, 2],
    attributes: { group: 3, offset_group: 2, kernel_shape: [2, 2] },
    mask: true,
  },
  "channels by themselves, one tap": { x: [1, 3, 4, 4], w: [3, 1, 1, 1], attributes: { group: 3 }, bias: true },
  "no images": { x: [0, 2, 4, 4], w: [2, 2, 3, 3] },
};

describe("DeformConv", () => {
  test.each(Object.entries(cases))("%s", (_, one) => {
    for (const scale of [0, 0.7, 3]) {
      const { inputs, window } = made(one, scale);
      const want =
        scale === 0 && !one.mask
          ? convolved(numbers(inputs[0]!), numbers(inputs[1]!), inputs[3] && numbers(inputs[3]).data, window)
          : twin(one, scale);
      const constants = inputs.flatMap((input, i) => (input && (i === 1 || i === 3) ? [i] : []));
      for (const weights of [[], constants]) {
        const got = numbers(runNode("DeformConv", inputs, one.attributes, { weights })[0]);
        expect(got.shape).toEqual(want.shape);
        for (const [i, value] of want.data.entries()) expect(Math.abs(got.data[i] - value), `${i}`).toBeLessThan(2e-5);
      }
    }
  });

  test("taps moved out of every number read 0", () => {
    const [x, w] = [floats([1, 1, 3, 3], 1), floats([1, 1, 1, 1], 2)];
    const offset = tensor(
      "float32",
      [1, 2, 3, 3],
      Array.from({ length: 18 }, (_, i) => [Infinity, -Infinity, NaN, 1e30, -1e30, -1][i % 6]),
    );
    const [y] = runNode("DeformConv", [x, w, offset]);
    expect([...y.data].every((v) => v === 0)).toBe(true);
  });

  const [x, w, offset] = [floats([1, 4, 5, 5], 1), floats([2, 4, 3, 3], 2), floats([1, 18, 3, 3], 3)];
  test.each([
    [[x, w, floats([1, 9, 3, 3], 3)], {}, "n (DeformConv) input 2: expected [1, 18, 3, 3], got [1, 9, 3, 3]"],
    [[x, w, offset, floats([3], 4)], {}, "n (DeformConv) input 3: expected [2], got [3]"],
    [
      [x, w, offset, undefined, floats([1, 18, 3, 3], 4)],
      {},
      "n (DeformConv) input 4: expected [1, 9, 3, 3], got [1, 18, 3, 3]",
    ],
    [
      [x, w, offset],
      { offset_group: 3 },
      "n (DeformConv): expected images [n, c, h, w] and a weight [o, c / 1, kh, kw], channels in 3 groups of offsets, got [1, 4, 5, 5] and [2, 4, 3, 3]",
    ],
    [
      [x, floats([2, 4, 3], 1), offset],
      {},
      "n (DeformConv): expected images [n, c, h, w] and a weight [o, c / 1, kh, kw], channels in 1 groups of offsets, got [1, 4, 5, 5] and [2, 4, 3]",
    ],
    [[x, w, offset], { kernel_shape: [2, 3] }, "n.kernel_shape: expected [3, 3], got [2, 3]"],
    [[x, w], {}, "n (DeformConv): expected an input 2, got none"],
  ] as const)("%# is refused", (inputs, attributes, message) => {
    expect(() => runNode("DeformConv", inputs, attributes as Record<string, Attribute>)).toThrow(
      new ShapeError(message),
    );
  });

  test("a weight that fits no image is refused before it is packed", () => {
    for (const [shape, attributes, message] of [
      [[2, 4, 9], {}, "n (DeformConv) weight: expected [o, c, kh, kw], o a multiple of 1, got [2, 4, 9]"],
      [
        [3, 2, 3, 3],
        { group: 2 },
        "n (DeformConv) weight: expected [o, c, kh, kw], o a multiple of 2, got [3, 2, 3, 3]",
      ],
      [[2, 4, 3, 3], { group: 0 }, "n.group: expected at least 1, got 0"],
      [[2, 4, 3, 3], { offset_group: -1 }, "n.offset_group: expected at least 1, got -1"],
    ] as [number[], Record<string, Attribute>, string][]) {
      const run = () => runNode("DeformConv", [x, floats(shape, 2), offset], attributes, { weights: [1] });
      expect(run).toThrow(new ShapeError(message));
    }
  });

  test("integers are refused", () => {
    expect(() => runNode("DeformConv", [counted("int32", [1, 4, 5, 5]), w, offset])).toThrow(UnsupportedError);
  });
});
