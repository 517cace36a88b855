import { describe, expect, test } from "vitest";
import { FormatError, UnsupportedError } from "../../src/errors.js";
import { readContainer, writeContainer } from "../../src/formats/container/index.js";
import { readOnnx, readTensor, writeOnnx } from "../../src/formats/onnx/index.js";
import { toDense } from "../../src/graph/dense.js";
import type { DenseWeight } from "../../src/graph/weight.js";
import {
  attribute,
  type Bytes,
  blob,
  doubles,
  external,
  floats,
  initializer,
  int,
  message,
  model,
  node,
  packed,
  raw,
  tensor,
  withNodes,
  withWeights,
} from "./onnx-file.js";

const weightOf = (bytes: Uint8Array, name = "v") => readOnnx(bytes).weights.get(name) as DenseWeight;

describe("how tensors are told", () => {
  const cases: [string, number, Bytes, Bytes, string, number[]][] = [
    ["float32", 1, raw(...floats(1.5, -2)), blob(4, floats(1.5, -2)), "Float32Array", [1.5, -2]],
    ["uint8", 2, raw(1, 255), packed(5, 1, 255), "Uint8Array", [1, 255]],
    ["int8", 3, raw(1, 128), packed(5, 1, -128), "Int8Array", [1, -128]],
    ["uint16", 4, raw(1, 0, 255, 255), packed(5, 1, 65535), "Uint16Array", [1, 65535]],
    ["int16", 5, raw(1, 0, 0, 128), packed(5, 1, -32768), "Int16Array", [1, -32768]],
    ["int32", 6, raw(1, 0, 0, 0, 0, 0, 0, 128), packed(5, 1, -(2 ** 31)), "Int32Array", [1, -(2 ** 31)]],
    ["bool", 9, raw(1, 0), packed(5, 1, 0), "Uint8Array", [1, 0]],
    ["float16", 10, raw(0, 0x3c, 0, 0xc0), packed(5, 0x3c00, 0xc000), "Uint16Array", [0x3c00, 0xc000]],
    ["uint32", 12, raw(1, 0, 0, 0, 0, 0, 0, 128), packed(11, 1, 2 ** 31), "Uint32Array", [1, 2 ** 31]],
    ["bfloat16", 16, raw(0x80, 0x3f, 0, 0xc0), packed(5, 0x3f80, 0xc000), "Uint16Array", [0x3f80, 0xc000]],
    ["uint4", 21, raw(0xf1), packed(5, 0xf1), "Uint8Array", [1, 15]],
    ["int4", 22, raw(0xf1), packed(5, 0xf1), "Int8Array", [1, -1]],
  ];
  test.each(cases)(
    "%s: raw, packed, packed in parts, one by one, external",
    (dtype, type, bytes, list, array, want) => {
      const outside = external([
        ["location", "x"],
        ["offset", "3"],
        ["checksum", "whatever"],
      ]);
      const file = Uint8Array.from([9, 9, 9, ...bytes.slice(2)]);
      for (const data of [bytes, list, ...alike(list), outside]) {
        const weight = readOnnx(withWeights(initializer("v", type, [2], data)), {
          externalData: () => file,
        }).weights.get("v");
        const { data: got, ...rest } = weight as DenseWeight;
        expect(rest).toEqual({ kind: "dense", shape: [2], dtype });
        expect([got.constructor.name, ...got]).toEqual([array, ...want]);
      }
    },
  );

  test("64-bit integers", () => {
    const most = 2n ** 63n - 1n;
    expect(weightOf(withWeights(initializer("v", 7, [2], packed(7, most, -1)))).data).toEqual(
      BigInt64Array.of(most, -1n),
    );
    expect(weightOf(withWeights(initializer("v", 13, [1], packed(11, -1)))).data).toEqual(
      BigUint64Array.of(2n ** 64n - 1n),
    );
  });

  test("an odd number of 4-bit integers", () => {
    expect(weightOf(withWeights(initializer("v", 22, [3], raw(0x87, 0x0f)))).data).toEqual(Int8Array.of(7, -8, -1));
    const graph = readOnnx(withWeights(initializer("v", 22, [3], raw(0x87, 0x0f))));
    expect(readOnnx(writeOnnx(graph))).toStrictEqual(graph);
  });

  test("float64 is narrowed to float32, and the graph says so", () => {
    for (const data of [raw(...doubles(1 / 3, 1e-300)), blob(10, doubles(1 / 3, 1e-300))]) {
      const graph = readOnnx(withWeights(initializer("v", 11, [2], data)));
      expect(graph.weights.get("v")).toEqual({
        kind: "dense",
        shape: [2],
        dtype: "float32",
        data: Float32Array.of(1 / 3, 0),
      });
      expect(graph.notices).toEqual(["initializer v: float64 is narrowed to float32"]);
    }
    expect(readOnnx(model()).notices).toBeUndefined();
  });

  test("what is not finite becomes a Constant, for weights are", () => {
    const cases: [number, Bytes][] = [
      [1, raw(...floats(0, Number.NEGATIVE_INFINITY))],
      [10, raw(0, 0, 0, 0x7e)],
      [16, raw(0, 0, 0x80, 0x7f)],
      [11, raw(...doubles(0, -1e300))],
    ];
    for (const [type, data] of cases) {
      const graph = readOnnx(withWeights(initializer("v", type, [2], data)));
      expect(graph.weights.has("v")).toBe(false);
      expect(graph.nodes[0]).toMatchObject({ name: "v", op: "Constant", inputs: [], outputs: ["v"] });
      expect(readContainer(writeContainer(graph)).nodes).toEqual(graph.nodes);
      expect(readOnnx(writeOnnx(graph)).nodes).toEqual(graph.nodes);
    }
  });

  test("empty tensors, scalars, and lists that are there but empty", () => {
    expect(weightOf(withWeights(initializer("v", 1, [0, 3]))).data).toHaveLength(0);
    expect(weightOf(withWeights(initializer("v", 1, [], raw(...floats(7)), blob(4, [])))).data).toEqual(
      Float32Array.of(7),
    );
  });

  test("sizes in one packed list", () => {
    const bytes = withWeights(message(5, packed(1, 2, 1), int(2, 3), blob(8, "v"), raw(1, 2)));
    expect(weightOf(bytes).shape).toEqual([2, 1]);
  });

  const indices = (...at: number[]) => message(2, tensor("", 7, [at.length], packed(7, ...at)));
  const sizes = (...dims: number[]) => dims.flatMap((size) => int(3, size));

  test("sparse initializers are compressed rows, by index or by place", () => {
    const values = message(1, tensor("s", 1, [3], raw(...floats(1, 2, 3))));
    const byPlace = message(2, tensor("", 7, [3, 3], packed(7, 0, 0, 1, 0, 1, 1, 1, 0, 0)));
    const want = {
      kind: "sparse",
      shape: [2, 2, 2],
      rowPtr: Uint32Array.of(0, 2, 3),
      col: Uint32Array.of(1, 3, 0),
      values: Float32Array.of(1, 2, 3),
    };
    for (const where of [indices(1, 3, 4), byPlace]) {
      const graph = readOnnx(withWeights(message(15, values, where, sizes(2, 2, 2))));
      expect(graph.weights.get("s")).toEqual(want);
      expect(toDense(graph.weights.get("s")!)).toEqual(Float32Array.of(0, 1, 0, 2, 3, 0, 0, 0));
    }
  });

  test("sparse initializers of other types are dense; a sparse Constant is one with a value", () => {
    const ints = message(15, message(1, tensor("s", 7, [1], packed(7, 5))), indices(2), sizes(4));
    expect(weightOf(withWeights(ints), "s").data).toEqual(BigInt64Array.of(0n, 0n, 5n, 0n));
    const infinite = message(15, message(1, tensor("s", 1, [1], raw(...floats(Number.NaN)))), indices(2), sizes(4));
    expect(readOnnx(withWeights(infinite)).nodes[0].attributes.value).toEqual({
      dtype: "float32",
      shape: [4],
      data: Float32Array.of(0, 0, Number.NaN, 0),
    });
    const values = message(1, tensor("", 1, [1], raw(...floats(6))));
    const constant = node(
      "Constant",
      [],
      ["c"],
      attribute("sparse_value", 11, message(22, values, indices(1), sizes(2))),
    );
    expect(readOnnx(withNodes(constant)).nodes[1].attributes).toEqual({
      value: { dtype: "float32", shape: [2], data: Float32Array.of(0, 6) },
    });
  });
});

/** A packed list told otherwise: in two runs, and a number at a time. */
function alike(list: Bytes): Bytes[] {
  const [key, , ...bytes] = list;
  const field = key >> 3;
  // How many bytes the first number takes, and how a number alone is told.
  const width = field === 4 ? 4 : bytes.findIndex((byte) => byte < 128) + 1;
  const [first, rest] = [bytes.slice(0, width), bytes.slice(width)];
  if (rest.length === 0) return [[...blob(field, []), ...list]];
  const alone = (number: Bytes) => [8 * field + (field === 4 ? 5 : 0), ...number];
  return [
    [...blob(field, first), ...blob(field, rest)],
    [...alone(first), ...alone(rest)],
  ];
}

describe("readTensor", () => {
  test("the values of a file of one tensor, float64 as it is, not finite ones too", () => {
    const bytes = Uint8Array.from(tensor("x", 11, [2], raw(...doubles(1 / 3, Number.NaN))));
    expect(readTensor(bytes)).toEqual({ dtype: "float64", shape: [2], data: Float64Array.of(1 / 3, Number.NaN) });
    const outside = Uint8Array.from(tensor("x", 3, [1], external([["location", "d"]])));
    expect(readTensor(outside, { externalData: () => Uint8Array.of(5) }).data).toEqual(Int8Array.of(5));
  });

  test("what is no tensor", () => {
    expect(() => readTensor(Uint8Array.of(1, 2, 3))).toThrow(FormatError);
    expect(() => readTensor(Uint8Array.from(tensor("x", 8, [1], blob(6, "a"))))).toThrow(
      new UnsupportedError("tensor x: expected elements that are real numbers of whole or half bytes, got STRING"),
    );
  });
});
