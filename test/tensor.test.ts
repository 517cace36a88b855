import { describe, expect, test } from "vitest";
import {
  arrayFromBytes,
  bytesPerElement,
  createArray,
  type DType,
  dtypes,
  holds,
  type TypedArray,
} from "../src/dtype.js";
import {
  CoppiceError,
  DivergedError,
  expected,
  FormatError,
  OutOfMemoryError,
  ShapeError,
  UnsupportedError,
} from "../src/errors.js";
import { checkTensor, nameOf, sameShape, showShape, sizeOf } from "../src/tensor.js";

describe("sizeOf", () => {
  test.each([
    [[], 1],
    [[1], 1],
    [[2, 3, 4], 24],
    [[5, 0, 7], 0],
    [[0, 2 ** 40, 2 ** 12], 0],
    [[2 ** 26, 2 ** 26], 2 ** 52],
    [[Number.MAX_SAFE_INTEGER], Number.MAX_SAFE_INTEGER],
    [[65536, 65536], 2 ** 32],
  ])("%j -> %d", (shape, size) => expect(sizeOf(shape)).toBe(size));

  test.each([
    [[-1], "shape: expected non-negative integers, got [-1]"],
    [[2, 1.5], "shape: expected non-negative integers, got [2, 1.5]"],
    [[Number.NaN], "shape: expected non-negative integers, got [NaN]"],
    [[2 ** 53], `shape: expected non-negative integers, got [${2 ** 53}]`],
    [[1e308, 2], "shape: expected non-negative integers, got [1e+308, 2]"],
    [["3" as unknown as number], "shape: expected non-negative integers, got [3]"],
    [
      [4194305, 4194305, 211106198978564],
      "shape: expected fewer than 2^53 elements, got [4194305, 4194305, 211106198978564]",
    ],
    [[2 ** 26, 2 ** 27], `shape: expected fewer than 2^53 elements, got [${2 ** 26}, ${2 ** 27}]`],
  ])("%j is refused", (shape, message) => {
    expect(() => sizeOf(shape)).toThrow(RangeError);
    expect(() => sizeOf(shape)).toThrow(message);
  });

  test("a zero does not hide a bad dimension, and an overflow does not hide behind a zero before it", () => {
    expect(() => sizeOf([0, -1])).toThrow(RangeError);
    expect(() => sizeOf([0, 2 ** 30, 2 ** 30])).toThrow(RangeError);
  });
});

test("shapes are compared and shown", () => {
  expect(sameShape([], [])).toBe(true);
  expect(sameShape([1, 2], [1, 2])).toBe(true);
  expect(sameShape([1, 2], [2, 1])).toBe(false);
  expect(sameShape([1], [1, 1])).toBe(false);
  expect(showShape([1, "N", 28])).toBe("[1, N, 28]");
  expect(showShape([])).toBe("[]");
});

test("nameOf names anything", () => {
  expect([null, undefined, 1, "a", [], new Float32Array(1), Object.create(null), Symbol("x")].map(nameOf)).toEqual([
    "null",
    "undefined",
    "Number",
    "String",
    "Array",
    "Float32Array",
    "object",
    "Symbol",
  ]);
});

describe("checkTensor", () => {
  test("data must hold the dtype and fill the shape", () => {
    checkTensor("x", { dtype: "float32", shape: [2, 3], data: new Float32Array(6) });
    checkTensor("x", { dtype: "float16", shape: [], data: new Uint16Array(1) });
    checkTensor("x", { dtype: "int64", shape: [0], data: new BigInt64Array(0) });
    const wrong = (dtype: DType, shape: number[], data: unknown) => () =>
      checkTensor("x", { dtype, shape, data: data as TypedArray });
    expect(wrong("float32", [2], new Float64Array(2))).toThrow(
      new ShapeError("x: expected data that holds float32, got Float64Array"),
    );
    expect(wrong("int8", [2], [1, 2])).toThrow(new ShapeError("x: expected data that holds int8, got Array"));
    expect(wrong("int8", [2], undefined)).toThrow(new ShapeError("x: expected data that holds int8, got undefined"));
    expect(wrong("float32", [2, 2], new Float32Array(3))).toThrow(
      new ShapeError("x: expected 4 elements for shape [2, 2], got 3"),
    );
    expect(wrong("float32", [-2], new Float32Array(3))).toThrow(RangeError);
  });
});

describe("dtypes", () => {
  const bytes: Record<DType, number> = {
    float32: 4,
    float16: 2,
    float64: 8,
    int8: 1,
    uint8: 1,
    int16: 2,
    uint16: 2,
    int32: 4,
    uint32: 4,
    int64: 8,
    uint64: 8,
    bool: 1,
    bfloat16: 2,
    int4: 1,
    uint4: 1,
  };

  test("are these, with these sizes", () => {
    expect([...dtypes].sort()).toEqual(Object.keys(bytes).sort());
    for (const dtype of dtypes) expect(bytesPerElement(dtype)).toBe(bytes[dtype]);
  });

  test.each(Object.keys(bytes) as DType[])("%s arrays are made, recognised and read from any alignment", (dtype) => {
    const array = createArray(dtype, 3);
    expect(array).toHaveLength(3);
    expect(array.BYTES_PER_ELEMENT).toBe(bytes[dtype]);
    expect(holds(dtype, array)).toBe(true);
    expect(holds(dtype, new DataView(new ArrayBuffer(8)))).toBe(false);
    const pool = Uint8Array.from({ length: 40 }, (_, i) => i);
    const read = arrayFromBytes(dtype, pool.subarray(3, 3 + 3 * bytes[dtype]));
    expect(holds(dtype, read)).toBe(true);
    expect([...new Uint8Array(read.buffer, read.byteOffset, read.byteLength)]).toEqual([
      ...pool.subarray(3, 3 + 3 * bytes[dtype]),
    ]);
    pool.fill(255);
    expect(new Uint8Array(read.buffer)[0]).toBe(3);
  });
});

test("errors: one base class, a code for programs, a name for people", () => {
  const all = [
    [FormatError, "FORMAT"],
    [UnsupportedError, "UNSUPPORTED"],
    [ShapeError, "SHAPE"],
    [OutOfMemoryError, "OUT_OF_MEMORY"],
    [DivergedError, "DIVERGED"],
  ] as const;
  for (const [Class, code] of all) {
    const error = new Class(expected("here", "this", "that"));
    expect(error).toBeInstanceOf(CoppiceError);
    expect(error).toBeInstanceOf(Error);
    expect(error.code).toBe(code);
    expect(`${error}`).toBe(`${Class.name}: here: expected this, got that`);
  }
});
