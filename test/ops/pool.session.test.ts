// Pooling through a session against its twin: one to three sides, dilations, padding of all kinds, ceil_mode, indices.
import { describe, expect, test } from "vitest";
import type { TypedArray } from "../../src/dtype.js";
import { ShapeError } from "../../src/errors.js";
import type { Attribute, Graph } from "../../src/graph/graph.js";
import { loadModel } from "../../src/index.js";
import { normals, uniform } from "../support/kernels.js";

interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly begins: readonly number[];
  readonly ends: readonly number[];
  readonly up: boolean;
}

/** Every index of a shape, in row-major order. */
function* indices(shape: readonly number[]): Generator<number[]> {
  const size = shape.reduce((a, b) => a * b, 1);
  for (let i = 0; i < size; i++) {
    const index: number[] = [];
    for (let axis = shape.length - 1, rest = i; axis >= 0; axis--) {
      index[axis] = rest % shape[axis];
      rest = Math.floor(rest / shape[axis]);
    }
    yield index;
  }
}

const flat = (index: readonly number[], shape: readonly number[]) =>
  index.reduce((at, k, axis) => at * shape[axis] + k, 0);

/** For each output, the places of the window that lie in the image, and how many lie in the image or its padding. */
function* windows(sizes: readonly number[], { kernel, strides, dilations, begins, ends, up }: Window) {
  const outputs = sizes.map((size, i) => {
    const room = size + begins[i] + ends[i] - dilations[i] * (kernel[i] - 1) - 1;
    let count = (up ? Math.ceil : Math.floor)(room / strides[i]) + 1;
    if (up && (count - 1) * strides[i] >= size + begins[i]) count--;
    return count;
  });
  for (const out of indices(outputs)) {
    const places = [...indices(kernel)].map((k) => k.map((v, i) => out[i] * strides[i] + v * dilations[i] - begins[i]));
    const padded = places.filter((place) => place.every((v, i) => v < sizes[i] + ends[i])).length;
    yield { inside: places.filter((place) => place.every((v, i) => v >= 0 && v < sizes[i])), padded };
  }
}

function graphOf(
  op: string,
  shape: readonly number[],
  attributes: Record<string, Attribute>,
  outputs: string[],
): Graph {
  return {
    name: "g",
    inputs: [{ name: "x", dtype: "float32", shape }],
    outputs: outputs.map((name) => ({ name, dtype: name === "y" ? "float32" : "int64" })),
    nodes: [{ name: "it", op, inputs: ["x"], outputs, attributes }],
    weights: new Map(),
  };
}

const cases: { sizes: number[]; window: Window }[] = [];
const next = uniform(5);
const random = (least: number, most: number) => least + Math.floor(next() * (most - least + 1));
for (const rank of [1, 2, 3]) {
  for (let i = 0; i < 25; i++) {
    const sides = Array.from({ length: rank }, () => {
      const [kernel, stride, dilation] = [random(1, 4), random(1, 3), i % 3 ? 1 : random(1, 3)];
      const reach = dilation * (kernel - 1) + 1;
      return {
        kernel,
        stride,
        dilation,
        begin: random(0, reach - 1),
        end: random(0, reach - 1),
        size: reach + random(0, 6),
      };
    });
    const of = (key: keyof (typeof sides)[number]) => sides.map((side) => side[key]);
    const window = {
      kernel: of("kernel"),
      strides: of("stride"),
      dilations: of("dilation"),
      begins: of("begin"),
      ends: of("end"),
      up: i % 2 === 1,
    };
    cases.push({ sizes: of("size"), window });
  }
}
// Windows larger than the image, which hang over the end by less than a stride.
for (const [size, kernel, stride, dilation, pad, end] of [
  [1, 2, 2, 1, 0, 0],
  [2, 3, 2, 1, 0, 0],
  [1, 3, 2, 1, 1, 0],
  [2, 5, 4, 1, 0, 0],
  [2, 4, 3, 2, 2, 1],
  [1, 3, 2, 2, 2, 1],
]) {
  for (const sizes of [[size], [4, size], [size, size], [3, size, size]]) {
    const side = (value: number, plain: number) => sizes.map((at) => (at === size ? value : plain));
    const window = {
      ...{ kernel: side(kernel, 2), strides: side(stride, 1), dilations: side(dilation, 1) },
      ...{ begins: side(pad, 0), ends: side(end, 1), up: true },
    };
    cases.push({ sizes, window });
  }
}
// Wide enough for the kernel that takes four windows of 3 x 3 at once, the last one past the end.
for (const size of [10, 11, 12, 13, 28]) {
  for (const pad of [0, 1]) {
    const [kernel, strides, dilations, pads] = [3, 2, 1, pad].map((value) => [value, value]);
    cases.push({ sizes: [size, size], window: { kernel, strides, dilations, begins: pads, ends: pads, up: true } });
  }
}

describe("pooling", () => {
  test.each(cases)("%j", async ({ sizes, window }) => {
    const shape = [2, 3, ...sizes];
    const volume = sizes.reduce((a, b) => a * b, 1);
    const x = normals(6 * volume, 7).map((v) => Math.round(v * 4) / 4 + 0);
    const attributes = {
      kernel_shape: window.kernel,
      strides: window.strides,
      dilations: window.dilations,
      pads: [...window.begins, ...window.ends],
      ceil_mode: window.up ? 1 : 0,
    };
    const run = async (op: string, more: Record<string, Attribute> = {}, outputs = ["y"]) => {
      using model = await loadModel(graphOf(op, shape, { ...attributes, ...more }, outputs));
      return model.run<TypedArray>({ x });
    };
    const found = [...windows(sizes, window)];
    const each = (value: (inside: number[][], padded: number, plane: number) => number) =>
      Array.from({ length: 6 }, (_, plane) => found.map(({ inside, padded }) => value(inside, padded, plane))).flat();
    const at = (plane: number, place: readonly number[]) => x[plane * volume + flat(place, sizes)];
    const sum = (inside: number[][], plane: number) => inside.reduce((s, place) => s + at(plane, place), 0);

    const { y, i } = await run("MaxPool", {}, ["y", "i"]);
    expect([...y.data]).toEqual(each((inside, _, plane) => Math.max(...inside.map((place) => at(plane, place)))));
    const first = (columns: boolean) =>
      each((inside, _, plane) => {
        const most = Math.max(...inside.map((place) => at(plane, place)));
        const place = inside.find((p) => at(plane, p) === most)!;
        const turned = (values: readonly number[]) => (columns ? [...values].reverse() : values);
        return plane * volume + flat(turned(place), turned(sizes));
      });
    expect([...i.data].map(Number)).toEqual(first(false));
    expect([...(await run("MaxPool", { storage_order: 1 }, ["y", "i"])).i.data].map(Number)).toEqual(first(true));
    expect((await run("MaxPool")).y).toEqual(y);

    const near = (got: TypedArray, want: number[]) => {
      expect(got.length).toBe(want.length);
      for (const [k, value] of want.entries()) expect(Math.abs(Number(got[k]) - value)).toBeLessThan(1e-5);
    };
    near(
      (await run("AveragePool")).y.data,
      each((inside, _, plane) => sum(inside, plane) / inside.length),
    );
    near(
      (await run("AveragePool", { count_include_pad: 1 })).y.data,
      each((inside, padded, plane) => sum(inside, plane) / padded),
    );
    for (const p of [1, 2, 3, 5]) {
      near(
        (await run("LpPool", { p })).y.data,
        each((inside, _, plane) => inside.reduce((s, place) => s + Math.abs(at(plane, place)) ** p, 0) ** (1 / p)),
      );
    }
  });

  test.each([
    ["SAME_UPPER", [0, 1], [1, 1]],
    ["SAME_LOWER", [1, 1], [0, 1]],
    ["VALID", [0, 0], [0, 0]],
  ] as const)("auto_pad %s", async (auto_pad, begins, ends) => {
    const x = normals(2 * 6 * 7, 3);
    for (const op of ["MaxPool", "AveragePool", "LpPool"]) {
      const shape = [1, 2, 6, 7];
      const fixed = { kernel_shape: [3, 3], strides: [2, 2] };
      using auto = await loadModel(graphOf(op, shape, { ...fixed, auto_pad }, ["y"]));
      using told = await loadModel(graphOf(op, shape, { ...fixed, pads: [...begins, ...ends] }, ["y"]));
      expect(auto.run({ x }).y).toEqual(told.run({ x }).y);
    }
  });

  test("a window of 2 over an image of width 1, rounded up", async () => {
    const x = Float32Array.of(1, 2, 3, -4);
    const attributes = { kernel_shape: [2, 2], strides: [2, 2], ceil_mode: 1 };
    const wanted = { MaxPool: [2, 3], AveragePool: [1.5, -0.5], LpPool: [Math.fround(Math.sqrt(5)), 5] };
    for (const [op, values] of Object.entries(wanted)) {
      using model = await loadModel(graphOf(op, [1, 1, 4, 1], attributes, ["y"]));
      const { y } = model.run({ x });
      expect(y.shape).toEqual([1, 1, 2, 1]);
      expect([...y.data]).toEqual(values);
    }
  });

  test("over all there is", async () => {
    for (const sizes of [[5], [4, 3], [2, 3, 4]]) {
      const volume = sizes.reduce((a, b) => a * b, 1);
      const x = normals(6 * volume, 9);
      const planes = Array.from({ length: 6 }, (_, i) => [...x.subarray(i * volume, (i + 1) * volume)]);
      const wanted: Record<string, number[]> = {
        GlobalMaxPool: planes.map((plane) => Math.max(...plane)),
        GlobalAveragePool: planes.map((plane) => plane.reduce((a, b) => a + b, 0) / volume),
        GlobalLpPool: planes.map((plane) => Math.hypot(...plane)),
      };
      for (const [op, want] of Object.entries(wanted)) {
        using model = await loadModel(graphOf(op, [2, 3, ...sizes], {}, ["y"]));
        const { y } = model.run({ x });
        expect(y.shape).toEqual([2, 3, ...sizes.map(() => 1)]);
        for (const [i, value] of want.entries()) expect(Math.abs(y.data[i] - value)).toBeLessThan(1e-5);
      }
    }
  });

  test.each([
    [
      { kernel_shape: [2, 2], auto_pad: "SAME" },
      'it.auto_pad: expected NOTSET, VALID, SAME_UPPER or SAME_LOWER, got "SAME"',
    ],
    [
      { kernel_shape: [2, 2], pads: [2, 0, 0, 0] },
      "it.pads: expected pads smaller than the kernel [2, 2], got [2, 0, 0, 0]",
    ],
    [{ kernel_shape: [7, 2] }, "it (MaxPool): expected an image that holds a window of 7, got 4"],
    [
      { kernel_shape: [7, 2], strides: [3, 1], ceil_mode: 1 },
      "it (MaxPool): expected an image that holds a window of 7, got 4",
    ],
    [{ kernel_shape: [2] }, "it.kernel_shape: expected 2 integers from 1 to 2147483647, got 2"],
    [{ kernel_shape: [2, 2], strides: [0, 1] }, "it.strides: expected 2 integers from 1 to 2147483647, got 0,1"],
  ] as [Record<string, Attribute>, string][])("%j is refused", async (attributes, message) => {
    using model = await loadModel(graphOf("MaxPool", [1, 1, 4, 4], attributes, ["y"]));
    expect(() => model.run({ x: new Float32Array(16) })).toThrow(new ShapeError(message));
  });
});

describe.each(["int8", "uint8"] as const)("MaxPool of %s", (dtype) => {
  test.each(cases)("%j", async ({ sizes, window }) => {
    const shape = [2, 3, ...sizes];
    const volume = sizes.reduce((a, b) => a * b, 1);
    const next = uniform(volume);
    // Few values, so that many are the largest.
    const codes = Array.from({ length: 6 * volume }, () => Math.floor(next() * 8) * 36 - (dtype === "int8" ? 128 : 0));
    const x = dtype === "int8" ? Int8Array.from(codes) : Uint8Array.from(codes);
    const attributes = {
      kernel_shape: window.kernel,
      strides: window.strides,
      dilations: window.dilations,
      pads: [...window.begins, ...window.ends],
      ceil_mode: window.up ? 1 : 0,
    };
    const graph = (outputs: string[]): Graph => ({
      ...graphOf("MaxPool", shape, attributes, outputs),
      inputs: [{ name: "x", dtype, shape }],
      outputs: outputs.map((name) => ({ name, dtype: name === "y" ? dtype : "int64" })),
    });
    const found = [...windows(sizes, window)];
    const at = (plane: number, place: readonly number[]) => codes[plane * volume + flat(place, sizes)];
    const wanted = [0, 1, 2, 3, 4, 5].flatMap((plane) =>
      found.map(({ inside }) => {
        const most = Math.max(...inside.map((place) => at(plane, place)));
        return { most, first: plane * volume + flat(inside.find((place) => at(plane, place) === most)!, sizes) };
      }),
    );
    for (const outputs of [["y"], ["y", "i"]]) {
      using model = await loadModel(graph(outputs));
      const { y, i } = model.run<TypedArray>({ x });
      expect([...y.data]).toEqual(wanted.map(({ most }) => most));
      if (i) expect([...i.data]).toEqual(wanted.map(({ first }) => BigInt(first)));
    }
  });
});
