import { describe, expect, test } from "vitest";
import { type DType, dtypes, type TypedArray } from "../../src/dtype.js";
import { ShapeError, UnsupportedError } from "../../src/errors.js";
import type { Attribute, Graph } from "../../src/graph/graph.js";
import { Model } from "../../src/runtime/session.js";
import type { Tensor } from "../../src/tensor.js";
import { runModule } from "../support/network.js";
import { counted, ints, runNode, tensor } from "../support/one-node.js";

const refusal = (...given: Parameters<typeof runNode>) => {
  try {
    runNode(...given);
  } catch (error) {
    expect(error).toBeInstanceOf(ShapeError);
    return (error as Error).message;
  }
  throw new Error("nothing was refused");
};

/** A Constant beside an input, since a network has one. */
function constantOf(attributes: Record<string, Attribute>, dtype: DType): Tensor {
  const graph: Graph = {
    name: "g",
    inputs: [],
    outputs: [{ name: "y", dtype }],
    nodes: [{ name: "n", op: "Constant", inputs: [], outputs: ["y"], attributes }],
    weights: new Map(),
  };
  using model = new Model(graph, runModule);
  return model.run<TypedArray>().y;
}

test("Shape and Size", () => {
  const x = counted("float32", [2, 3, 4]);
  const shape = (attributes: Record<string, number>) => [
    ...runNode("Shape", [x], attributes, { outputs: ["int64"] })[0].data,
  ];
  expect(shape({})).toEqual([2n, 3n, 4n]);
  expect(shape({ start: 1 })).toEqual([3n, 4n]);
  expect(shape({ start: -1 })).toEqual([4n]);
  expect(shape({ end: -1 })).toEqual([2n, 3n]);
  expect(shape({ start: -9, end: 9 })).toEqual([2n, 3n, 4n]);
  expect(shape({ start: 2, end: 1 })).toEqual([]);
  expect(runNode("Size", [x], {}, { outputs: ["int64"] })[0]).toEqual({
    dtype: "int64",
    shape: [],
    data: BigInt64Array.of(24n),
  });
});

describe("Constant", () => {
  test.each(dtypes)("a tensor of %s", (dtype) => {
    const value = counted(dtype, [2, 3]);
    expect(constantOf({ value }, dtype)).toEqual(value);
  });

  test("numbers and lists of them", () => {
    expect(constantOf({ value_int: 3 }, "int64")).toEqual({ dtype: "int64", shape: [], data: BigInt64Array.of(3n) });
    expect(constantOf({ value_ints: [3, -4] }, "int64").data).toEqual(BigInt64Array.of(3n, -4n));
    expect(constantOf({ value_float: 0.5 }, "float32")).toEqual({
      dtype: "float32",
      shape: [],
      data: Float32Array.of(0.5),
    });
    expect(constantOf({ value_floats: [0.5, 2] }, "float32").data).toEqual(Float32Array.of(0.5, 2));
    expect(() => constantOf({ value_string: "a" }, "float32")).toThrow(UnsupportedError);
    expect(() => constantOf({}, "float32")).toThrow(new ShapeError("n (Constant): expected one value, got none"));
    const two = { value_int: 1, value_float: 1 };
    expect(() => constantOf(two, "float32")).toThrow("expected one value, got value_float, value_int");
  });
});

describe("ConstantOfShape, Range, EyeLike", () => {
  test.each(dtypes)("ConstantOfShape of %s", (dtype) => {
    const value = counted(dtype, [1], 3);
    // The larger one is past what planning computes.
    for (const shape of [[], [0, 2], [2, 3], [300, 301]]) {
      const [y] = runNode("ConstantOfShape", [ints(shape)], { value }, { outputs: [dtype] });
      expect(y.shape).toEqual(shape);
      expect(y.data.every((v) => v === value.data[0])).toBe(true);
      expect(y.data.length).toBe(shape.reduce((a, b) => a * b, 1));
    }
  });

  test("zeros in float32 without a value; sizes that nobody can hold", () => {
    const [y] = runNode("ConstantOfShape", [ints([2])], {}, { outputs: ["float32"] });
    expect(y.data).toEqual(new Float32Array(2));
    const outputs = { outputs: ["float32"] } as const;
    expect(refusal("ConstantOfShape", [ints([1e12])], {}, outputs)).toContain("2^31 bytes");
    expect(refusal("ConstantOfShape", [ints([1e9, 1e9, 1e9])], {}, outputs)).toContain("2^31 bytes");
    expect(refusal("ConstantOfShape", [ints([-1])], {}, outputs)).toContain("2^31 bytes");
    const value = counted("float32", [2]);
    expect(refusal("ConstantOfShape", [ints([1])], { value }, outputs)).toContain("a tensor of one element");
  });

  test.each(["float32", "float64", "int16", "int32", "int64"] as const)("Range of %s", (dtype) => {
    for (const [start, limit, delta] of [
      [0, 5, 1],
      [3, 10, 4],
      [10, 3, -3],
      [0, 0, 1],
      [5, 0, 1],
      [-3, 3, 2],
      ...(dtype === "int16" ? [] : [[0, 70000, 1]]),
    ]) {
      const given = [start, limit, delta].map((v) => tensor(dtype, [], [v]));
      const want: number[] = [];
      for (let v = start; delta > 0 ? v < limit : v > limit; v += delta) want.push(v);
      expect(runNode("Range", given)[0]).toEqual(tensor(dtype, [want.length], want));
    }
  });

  test("refusals of Range", () => {
    const of = (...values: number[]) => values.map((v) => tensor("float32", [], [v]));
    expect(refusal("Range", of(0, 1, 0))).toBe("n (Range): expected a delta other than 0, got 0");
    expect(refusal("Range", of(0, 1e12, 1))).toContain("2^31 bytes");
    expect(refusal("Range", of(0, Number.POSITIVE_INFINITY, 1))).toContain("2^31 bytes");
    expect(refusal("Range", of(0, Number.NaN, 1))).toContain("2^31 bytes");
    const list = tensor("float32", [2], [1, 2]);
    expect(refusal("Range", [list, list, list])).toBe("n (Range) input 0: expected one number, got 2");
  });

  test("EyeLike", () => {
    for (const [dtype, number] of [
      ["float32", 1],
      ["int32", 6],
      ["int64", 7],
      ["bool", 9],
      ["float16", 10],
    ] as const) {
      for (const shape of [
        [3, 4],
        [4, 2],
        [0, 3],
        [1, 1],
      ]) {
        for (const k of [-5, -1, 0, 1, 5]) {
          const [y] = runNode("EyeLike", [counted("float32", shape)], { dtype: number, k }, { outputs: [dtype] });
          const one = dtype === "float16" ? 0x3c00 : 1;
          const want = Array.from({ length: shape[0] * shape[1] }, (_, i) =>
            i % shape[1] === Math.floor(i / shape[1]) + k ? one : 0,
          );
          expect(y).toEqual(tensor(dtype, shape, want));
        }
      }
    }
    expect(runNode("EyeLike", [counted("int8", [2, 2])])[0].data).toEqual(Int8Array.of(1, 0, 0, 1));
    expect(refusal("EyeLike", [counted("int8", [2])])).toBe("n (EyeLike): expected a matrix, got [2]");
    expect(() => runNode("EyeLike", [counted("int8", [2, 2])], { dtype: 99 })).toThrow(UnsupportedError);
  });
});

test("shapes made of shapes cost nothing when the network runs", () => {
  const graph: Graph = {
    name: "g",
    inputs: [{ name: "x", dtype: "float32", shape: ["N", 2, 3] }],
    outputs: [{ name: "y", dtype: "float32", shape: ["N", 6] }],
    nodes: [
      { name: "s", op: "Shape", inputs: ["x"], outputs: ["s"], attributes: {} },
      { name: "g", op: "Gather", inputs: ["s", "zero"], outputs: ["n"], attributes: {} },
      { name: "u", op: "Unsqueeze", inputs: ["n", "axes"], outputs: ["u"], attributes: {} },
      { name: "c", op: "Concat", inputs: ["u", "rest"], outputs: ["c"], attributes: { axis: 0 } },
      { name: "r", op: "Reshape", inputs: ["x", "c"], outputs: ["y"], attributes: {} },
    ],
    weights: new Map([
      ["zero", { kind: "dense", ...ints([0], []) }],
      ["axes", { kind: "dense", ...ints([0]) }],
      ["rest", { kind: "dense", ...ints([-1]) }],
    ]),
  };
  using model = new Model(graph, runModule);
  for (const n of [1, 4, 2]) {
    const x = counted("float32", [n, 2, 3], n);
    expect(model.run({ x }).y).toEqual({ ...x, shape: [n, 6] });
  }
});
