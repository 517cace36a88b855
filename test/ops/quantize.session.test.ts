// QuantizeLinear, DequantizeLinear and DynamicQuantizeLinear through a session: every type, axes and blocks, scales fed or known.
import { describe, expect, test } from "vitest";
import type { DType, TypedArray } from "../../src/dtype.js";
import type { Graph } from "../../src/graph/graph.js";
import { floatToBfloat, floatToHalf, widen } from "../../src/graph/storage.js";
import { Model } from "../../src/runtime/session.js";
import type { Tensor } from "../../src/tensor.js";
import { codeOf, dynamicRange, ranges } from "../reference/quantized.js";
import { normals, sizes, uniform } from "../support/kernels.js";
import { runModule, sizeOf } from "../support/network.js";
import { runNode, tensor } from "../support/one-node.js";

const numbers: Partial<Record<DType, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  float16: 10,
  bfloat16: 16,
  uint4: 21,
  int4: 22,
};
type Code = keyof typeof ranges;
type Real = "float32" | "float16" | "bfloat16";
const codes = Object.keys(ranges) as Code[];
const reals: Real[] = ["float32", "float16", "bfloat16"];

/** The nearest number of a type. */
function rounded(dtype: Real, value: number): number {
  if (dtype === "float32") return Math.fround(value);
  const out = new Float32Array(1);
  widen(dtype, Uint16Array.of((dtype === "float16" ? floatToHalf : floatToBfloat)(Math.fround(value))), out);
  return out[0];
}

/** A tensor of floats of a type, and its values. */
function floats(dtype: Real, shape: readonly number[], values: readonly number[]): { held: Tensor; values: number[] } {
  if (dtype === "float32") return { held: tensor(dtype, shape, values), values: values.map(Math.fround) };
  const bits = Uint16Array.from(values, (v) => (dtype === "float16" ? floatToHalf : floatToBfloat)(Math.fround(v)));
  const wide = new Float32Array(bits.length);
  widen(dtype, bits, wide);
  return { held: { dtype, shape, data: bits }, values: [...wide] };
}

/** How scales lie beside X: the shape of the scales, and which of them belongs to an element. */
interface Layout {
  readonly shape: readonly number[];
  readonly scales: readonly number[];
  readonly attributes: Record<string, number>;
  readonly of: (at: number) => number;
}

function* layouts(): Generator<Layout> {
  for (const n of sizes) yield { shape: [n], scales: [], attributes: {}, of: () => 0 };
  yield { shape: [], scales: [], attributes: {}, of: () => 0 };
  yield { shape: [2, 3, 5], scales: [1], attributes: {}, of: () => 0 };
  const shapes = [[2, 3, 5], [4, 7], [3, 1, 2, 9], [5], [2, 0, 3], [1, 17, 4]];
  for (const shape of shapes) {
    for (const [axis, size] of shape.entries()) {
      const inner = sizeOf(shape.slice(axis + 1));
      const name: Record<string, number> = axis === 1 ? {} : { axis: axis % 2 ? axis - shape.length : axis };
      yield { shape, scales: [size], attributes: name, of: (at) => Math.floor(at / inner) % size };
      for (const block of [1, 2, 3, size, size + 1]) {
        if (block === 0) continue;
        const count = Math.ceil(size / block);
        const of = (at: number) => {
          const [outer, k, i] = [Math.floor(at / (inner * size)), Math.floor(at / inner) % size, at % inner];
          return (outer * count + Math.floor(k / block)) * inner + i;
        };
        yield { shape, scales: shape.with(axis, count), attributes: { ...name, block_size: block }, of };
      }
    }
  }
}

const all = [...layouts()];

describe.each(reals)("QuantizeLinear of %s", (dtype) => {
  test.each(codes)("to %s", (code) => {
    const [low, high] = ranges[code];
    for (const [seed, { shape, scales, attributes, of }] of all.entries()) {
      const next = uniform(seed);
      const count = sizeOf(scales);
      const scale = floats(
        dtype,
        scales,
        Array.from({ length: count }, (_, i) => (i % 2 ? 2 ** -(i % 5) : next() + 0.1)),
      );
      const x = floats(
        dtype,
        shape,
        [...normals(sizeOf(shape), seed)].map((v) => Math.round(v * 2 * high) / 2),
      );
      const zero = tensor(
        code,
        scales,
        Array.from({ length: count }, (_, i) => low + ((i * 5) % (high - low + 1))),
      );
      for (const weights of [[], [1, 2]]) {
        for (const zeros of seed % 4 ? [zero] : [zero, undefined]) {
          const more: Record<string, number> = zeros ? {} : { output_dtype: numbers[code]! };
          const [y] = runNode(
            "QuantizeLinear",
            [x.held, scale.held, zeros],
            { ...attributes, ...more },
            { outputs: [code], weights: zeros ? weights : weights.slice(0, 1) },
          );
          const want = x.values.map((v, at) =>
            codeOf(Math.fround(v / scale.values[of(at)]), zeros ? Number(zeros.data[of(at)]) : 0, [low, high]),
          );
          expect([...(y.data as Int8Array)], JSON.stringify({ shape, scales, attributes })).toEqual(want);
        }
      }
    }
  });
});

test("QuantizeLinear is to uint8 where nothing says more, of int32 too, and takes NaN for the zero point", () => {
  const scale = tensor("float32", [], [2]);
  const [y] = runNode(
    "QuantizeLinear",
    [tensor("float32", [7], [1, 3, 5, -1, 1e30, -Infinity, NaN]), scale],
    {},
    { outputs: ["uint8"] },
  );
  expect([...(y.data as Uint8Array)]).toEqual([0, 2, 2, 0, 255, 0, 0]);
  const zero = tensor("int8", [], [3]);
  const [z] = runNode(
    "QuantizeLinear",
    [tensor("int32", [5], [1, 3, -7, 2 ** 31 - 1, -(2 ** 31)]), scale, zero],
    {},
    { outputs: ["int8"] },
  );
  expect([...(z.data as Int8Array)]).toEqual([3, 5, -1, 127, -128]);
});

test.each(reals.flatMap((precision) => reals.map((scale) => ({ precision, scale }))))(
  "QuantizeLinear divides in the precision that is asked for, $precision, by a scale of $scale",
  ({ precision, scale: type }) => {
    const scale = floats(type, [3], [0.3, 7.1, 1 / 3]);
    const x = floats(
      "float32",
      [50, 3],
      [...normals(150, 4)].map((v) => v * 300),
    );
    const zero = tensor("int16", [3], [5, -9, 0]);
    const [y] = runNode(
      "QuantizeLinear",
      [x.held, scale.held, zero],
      { precision: numbers[precision]! },
      { outputs: ["int16"] },
    );
    const want = x.values.map((v, at) => {
      const quotient = rounded(
        precision,
        Math.fround(rounded(precision, v) / rounded(precision, scale.values[at % 3])),
      );
      return codeOf(quotient, Number(zero.data[at % 3]), ranges.int16);
    });
    expect([...(y.data as Int16Array)]).toEqual(want);
  },
);

describe.each([...codes, "int32"] as (Code | "int32")[])("DequantizeLinear of %s", (code) => {
  const [low, high] = code === "int32" ? [-(2 ** 31), 2 ** 31 - 1] : ranges[code];

  test.each(reals)("to %s", (dtype) => {
    for (const [seed, { shape, scales, attributes, of }] of all.entries()) {
      const next = uniform(seed);
      const count = sizeOf(scales);
      const whole = () => low + Math.floor(next() * (high - low + 1));
      const scale = floats(
        dtype,
        scales,
        Array.from({ length: count }, () => (next() + 0.1) / 8),
      );
      const x = tensor(code, shape, Array.from({ length: sizeOf(shape) }, whole));
      const zero = seed % 3 ? tensor(code, scales, Array.from({ length: count }, whole)) : undefined;
      for (const weights of [[], zero ? [1, 2] : [1], [0]]) {
        const [y] = runNode("DequantizeLinear", [x, scale.held, zero], attributes, { outputs: [dtype], weights });
        const values = Float32Array.from(x.data as Int32Array, (v, at) => {
          const difference = Math.fround(v - (zero ? Number(zero.data[of(at)]) : 0));
          return Math.fround(difference * scale.values[of(at)]);
        });
        const want = floats(dtype, shape, [...values]).held.data;
        expect(y.data, JSON.stringify({ shape, scales, attributes })).toEqual(want);
      }
    }
  });
});

test("DequantizeLinear makes the type that is asked for", () => {
  const inputs = [tensor("uint8", [3], [0, 100, 255]), tensor("float32", [], [0.3]), tensor("uint8", [], [100])];
  for (const dtype of reals) {
    const [y] = runNode("DequantizeLinear", inputs, { output_dtype: numbers[dtype]! }, { outputs: [dtype] });
    const products = [-100, 0, 155].map((v) => Math.fround(v * Math.fround(0.3)));
    expect(y.data).toEqual(floats(dtype, [3], products).held.data);
  }
});

test("scales of 0 make zeros", () => {
  const inputs = [tensor("int8", [2], [5, -5]), tensor("float32", [2], [0, 1])];
  const [y] = runNode("DequantizeLinear", inputs, { axis: 0 }, { outputs: ["float32"], weights: [1] });
  expect([...(y.data as Float32Array)]).toEqual([0, -5]);
});

describe("DynamicQuantizeLinear", () => {
  const run = (x: Float32Array) =>
    runNode(
      "DynamicQuantizeLinear",
      [tensor("float32", [x.length], [...x])],
      {},
      { outputs: ["uint8", "float32", "uint8"] },
    );

  test.each([...sizes])("holds %i values and 0", (n) => {
    for (const x of [
      normals(n, n + 1),
      normals(n, n + 2).map((v) => Math.abs(v) + 1),
      normals(n, n + 3).map((v) => -Math.abs(v)),
    ]) {
      const [y, s, z] = run(x);
      const { scale, zero } = dynamicRange(x);
      expect([s.shape, z.shape]).toEqual([[], []]);
      expect([s.data[0], z.data[0]]).toEqual([scale, zero]);
      expect([...(y.data as Uint8Array)]).toEqual(
        Array.from(x, (v) => codeOf(Math.fround(v / scale), zero, ranges.uint8)),
      );
    }
  });

  test("zeros have scale 1; what is not finite ends in codes all the same", () => {
    const ends = (values: number[]) => run(Float32Array.from(values)).map(({ data }) => [...(data as Float32Array)]);
    expect(ends([0, -0, 0])).toEqual([[0, 0, 0], [1], [0]]);
    expect(ends([NaN, 1])).toEqual([[0, 0], [NaN], [0]]);
    expect(ends([Infinity, -1])).toEqual([[0, 0], [Infinity], [0]]);
  });

  test("gives what is asked for alone", () => {
    const graph: Graph = {
      name: "g",
      inputs: [{ name: "x", dtype: "float32", shape: [2] }],
      outputs: [{ name: "z", dtype: "uint8" }],
      nodes: [{ name: "n", op: "DynamicQuantizeLinear", inputs: ["x"], outputs: ["y", "s", "z"], attributes: {} }],
      weights: new Map(),
    };
    using model = new Model(graph, runModule);
    expect([...model.run<TypedArray>({ x: Float32Array.of(-1, 3) }).z.data]).toEqual([64]);
  });
});
