// Values of every type in and out of a session, and what is known of them while planning.
import { describe, expect, test } from "vitest";
import { createArray, type DType, dtypes, type TypedArray } from "../../src/dtype.js";
import { ShapeError, UnsupportedError } from "../../src/errors.js";
import type { Graph } from "../../src/graph/graph.js";
import { floatToBfloat, floatToHalf, halfToFloat } from "../../src/graph/storage.js";
import { loadModel } from "../../src/index.js";

function identity(dtype: DType, shape: readonly (number | string)[] = ["N", 2]): Graph {
  return {
    name: "g",
    inputs: [{ name: "x", dtype, shape }],
    outputs: [{ name: "y", dtype, shape }],
    nodes: [{ name: "n", op: "Identity", inputs: ["x"], outputs: ["y"], attributes: {} }],
    weights: new Map(),
  };
}

function some(dtype: DType): TypedArray {
  const data = createArray(dtype, 6);
  const values = dtype === "bool" ? [0, 1, 1, 0, 1, 0] : [0, 1, 2, 100, 3, 0x3c00 % 120];
  for (const [i, value] of values.entries()) data[i] = dtype.endsWith("int64") ? BigInt(value) : value;
  return data;
}

describe("tensors of every type", () => {
  test.each(dtypes)("%s comes back as it went in", async (dtype) => {
    using model = await loadModel(identity(dtype));
    const x = some(dtype);
    const { y } = model.run<TypedArray>({ x });
    expect(y).toEqual({ dtype, shape: [3, 2], data: x });
    const again = model.run<TypedArray>({ x: { dtype, shape: [1, 2], data: x.slice(0, 2) as TypedArray } });
    expect(again.y.data).toEqual(x.slice(0, 2));
  });

  test("another type is refused by name", async () => {
    using model = await loadModel(identity("int64"));
    expect(() => model.run({ x: new Float32Array(2) })).toThrow(
      new ShapeError("input x: expected int64 values in a BigInt64Array, got Float32Array"),
    );
    using floats = await loadModel({
      ...identity("int64"),
      outputs: [{ name: "y", dtype: "float32", shape: ["N", 2] }],
    });
    expect(() => floats.run({ x: new BigInt64Array(2) })).toThrow(
      new ShapeError("output y: expected float32, got int64"),
    );
  });

  test("an operator over floats refuses integers, as values and as weights", async () => {
    const tanh = { ...identity("int32"), nodes: [{ ...identity("int32").nodes[0], op: "Tanh" }] };
    using model = await loadModel(tanh);
    expect(() => model.run({ x: new Int32Array(2) })).toThrow(
      new UnsupportedError("n (Tanh) input 0: expected floating-point values, got int32"),
    );
  });

  test("bfloat16 is the higher half, half to even", () => {
    for (const [value, bits] of [
      [1, 0x3f80],
      [-2.5, 0xc020],
      [1.00390625, 0x3f80],
      [1.01171875, 0x3f82],
      [3.4028234663852886e38, 0x7f80],
      [Number.NaN, 0x7fc0],
    ]) {
      expect(floatToBfloat(value), `${value}`).toBe(bits);
    }
  });

  test("all float16 come back from float32; values between them go to the nearer, half to even", () => {
    const float = new Float32Array(1);
    for (let bits = 0; bits < 65536; bits++) {
      const value = halfToFloat(bits);
      if (Number.isNaN(value)) {
        expect(halfToFloat(floatToHalf(value))).toBeNaN();
        continue;
      }
      expect(floatToHalf(value), `${value}`).toBe(bits);
      if ((bits & 0x7fff) >= 0x7bff) continue;
      const next = halfToFloat(bits + 1);
      float[0] = (value + next) / 2;
      expect(floatToHalf(float[0]), `between ${value} and ${next}`).toBe(bits & 1 ? bits + 1 : bits);
    }
    for (const [value, bits] of [
      [65519.99, 0x7bff],
      [65520, 0x7c00],
      [-1e30, 0xfc00],
      [1e-45, 0],
      [-0, 0x8000],
    ]) {
      expect(floatToHalf(value), `${value}`).toBe(bits);
    }
  });
});
