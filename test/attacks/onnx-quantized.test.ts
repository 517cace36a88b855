// What the quantized operators refuse: scales, zero points, blocks and types that do not fit, by class and start of the message.
import { describe, expect, test } from "vitest";
import type { DType } from "../../src/dtype.js";
import { ShapeError, UnsupportedError } from "../../src/errors.js";
import type { Attribute, Graph, GraphNode } from "../../src/graph/graph.js";
import { Model } from "../../src/runtime/session.js";
import type { Tensor } from "../../src/tensor.js";
import { initializer, model, node, raw, sound } from "../formats/onnx-file.js";
import { runModule, sizeOf } from "../support/network.js";
import { networkOf, tensor } from "../support/one-node.js";
import { expectRefusal } from "./onnx-refusal.js";

const zeros = (dtype: DType, ...shape: number[]): Tensor => tensor(dtype, shape, new Array(sizeOf(shape)).fill(0));
const ones = (dtype: DType, ...shape: number[]): Tensor => tensor(dtype, shape, new Array(sizeOf(shape)).fill(1));
const one = (value: number, dtype: DType = "float32"): Tensor => tensor(dtype, [], [value]);

/** A finite tensor is a weight of the graph; what is not finite may only come of a Constant node. */
function graphOf(op: string, inputs: readonly (Tensor | undefined)[], attributes: Record<string, Attribute>): Graph {
  const places = inputs.flatMap((input, i) => (input && i > 0 ? [i] : []));
  const infinite = places.filter(
    (i) => inputs[i]!.dtype === "float32" && !(inputs[i]!.data as Float32Array).every(Number.isFinite),
  );
  const graph = networkOf(op, inputs, attributes, { outputs: ["uint8"], weights: places });
  const weights = new Map([...graph.weights].filter(([name]) => !infinite.includes(Number(name.slice(1)))));
  const constants = infinite.map(
    (i): GraphNode => ({
      ...{ name: `x${i}`, op: "Constant", inputs: [], outputs: [`x${i}`] },
      attributes: { value: inputs[i]! },
    }),
  );
  return { ...graph, weights, nodes: [...constants, ...graph.nodes] };
}

function refusalOf(op: string, inputs: readonly (Tensor | undefined)[], attributes: Record<string, Attribute>): Error {
  try {
    using session = new Model(graphOf(op, inputs, attributes), runModule);
    session.run({ x0: inputs[0]! });
  } catch (error) {
    return error as Error;
  }
  throw new Error("nothing was refused");
}

type Case = readonly [
  what: string,
  op: string,
  inputs: readonly (Tensor | undefined)[],
  attributes: Record<string, Attribute>,
  kind: typeof ShapeError | typeof UnsupportedError,
  start: string,
];

const x = zeros("float32", 2, 6);
const q = zeros("uint8", 2, 6);
const Q = "n (QuantizeLinear)";
const D = "n (DequantizeLinear)";

// biome-ignore format: one case a line
const linear: Case[] = [
  ...[0, -0, -1, Infinity, -Infinity, NaN].map(
    (value): Case => [
      `a scale of ${Object.is(value, -0) ? "-0" : value}`,
      "QuantizeLinear",
      [x, one(value)],
      {},
      ShapeError,
      `${Q} input 1: expected scales above 0 and finite, got ${value}`,
    ],
  ),
  ...[-1, Infinity, -Infinity, NaN].map(
    (value): Case => [
      `a scale of ${value}`,
      "DequantizeLinear",
      [q, one(value)],
      {},
      ShapeError,
      `${D} input 1: expected scales of at least 0 and finite, got ${value}`,
    ],
  ),
  ["a scale of 0 among others", "QuantizeLinear", [x, tensor("float32", [2], [1, 0])], { axis: 0 }, ShapeError, `${Q} input 1: expected scales above 0 and finite, got 0`],
  ["an integer scale", "QuantizeLinear", [x, one(1, "int32")], {}, UnsupportedError, `${Q} input 1: expected a floating-point scale, got int32`],
  ["no scale", "DequantizeLinear", [q], {}, ShapeError, `${D}: expected an input 1, got none`],
  ["fewer scales than places", "QuantizeLinear", [x, ones("float32", 5)], {}, ShapeError, `${Q} input 1: expected 6 scales, got [5]`],
  ["a matrix of scales without blocks", "QuantizeLinear", [x, ones("float32", 2, 3)], { block_size: 0 }, ShapeError, `${Q} input 1: expected one scale or a list of them, got [2, 3]`],
  ["blocks of -1", "DequantizeLinear", [q, ones("float32", 2, 3)], { block_size: -1 }, ShapeError, "n.block_size: expected at least 0, got -1"],
  ["blocks of a half", "DequantizeLinear", [q, ones("float32", 2, 3)], { block_size: 1.5 }, ShapeError, "n.block_size: expected an integer, got 1.5"],
  ["blocks that do not make so many scales", "QuantizeLinear", [x, ones("float32", 2, 2)], { block_size: 4, axis: 0 }, ShapeError, `${Q} input 1: expected [1, 6], got [2, 2]`],
  ["a block too few", "DequantizeLinear", [q, ones("float32", 2, 1)], { block_size: 4 }, ShapeError, `${D} input 1: expected [2, 2], got [2, 1]`],
  ["a block too many", "DequantizeLinear", [q, ones("float32", 2, 3)], { block_size: 3 }, ShapeError, `${D} input 1: expected [2, 2], got [2, 3]`],
  ["one scale for blocks", "QuantizeLinear", [x, one(1)], { block_size: 3 }, ShapeError, `${Q} input 1: expected [2, 2], got []`],
  ["an axis past the last", "QuantizeLinear", [x, ones("float32", 2)], { axis: 2 }, ShapeError, `${Q}: expected an axis of 2 dimensions, got 2`],
  ["an axis before the first", "DequantizeLinear", [q, ones("float32", 2)], { axis: -3 }, ShapeError, `${D}: expected an axis of 2 dimensions, got -3`],
  ["an axis of a scalar", "QuantizeLinear", [one(1), ones("float32", 2)], {}, ShapeError, `${Q}: expected an axis of 0 dimensions, got 1`],
  ["a zero point of another type than X", "DequantizeLinear", [q, one(1), one(0, "int8")], {}, ShapeError, `${D} input 2: expected a zero point of type uint8, got int8`],
  ["a zero point of another type than is asked for", "QuantizeLinear", [x, one(1), one(0, "int8")], { output_dtype: 2 }, ShapeError, `${Q} input 2: expected a zero point of type uint8, got int8`],
  ["a floating-point zero point", "QuantizeLinear", [x, one(1), one(0)], {}, UnsupportedError, `${Q} output: expected int8, uint8, int16, uint16, int4, uint4, got float32`],
  ["a zero point for many scales", "QuantizeLinear", [x, ones("float32", 6), one(0, "uint8")], {}, ShapeError, `${Q} input 2: expected the shape of the scale, [6], got []`],
  ["zero points for one scale", "DequantizeLinear", [q, one(1), zeros("uint8", 6)], {}, ShapeError, `${D} input 2: expected the shape of the scale, [], got [6]`],
  ["values of int64", "QuantizeLinear", [zeros("int64", 2), one(1)], {}, UnsupportedError, `${Q} input 0: expected float32, float16, bfloat16, int32, got int64`],
  ["codes of floats", "DequantizeLinear", [x, one(1)], {}, UnsupportedError, `${D} input 0: expected int8, uint8, int16, uint16, int4, uint4, int32, got float32`],
  ["codes of int32", "QuantizeLinear", [x, one(1)], { output_dtype: 6 }, UnsupportedError, `${Q} output: expected int8, uint8, int16, uint16, int4, uint4, got int32`],
  ["codes of float8", "QuantizeLinear", [x, one(1)], { output_dtype: 17 }, UnsupportedError, "n.output_dtype: expected an element type, got 17"],
  ["floats of float8", "DequantizeLinear", [q, one(1)], { output_dtype: 18 }, UnsupportedError, "n.output_dtype: expected an element type, got 18"],
  ["integers where floats come out", "DequantizeLinear", [q, one(1)], { output_dtype: 3 }, UnsupportedError, "n.output_dtype: expected float32, float16, bfloat16, got int8"],
  ["a precision of integers", "QuantizeLinear", [x, one(1)], { precision: 6 }, UnsupportedError, "n.precision: expected float32, float16, bfloat16, got int32"],
  ["an attribute that is not known", "DequantizeLinear", [q, one(1)], { scale: 1 }, UnsupportedError, `${D}: expected attributes among axis, block_size, output_dtype, got scale`],
  ["values of float16 to quantize by themselves", "DynamicQuantizeLinear", [zeros("float16", 2)], {}, UnsupportedError, "n (DynamicQuantizeLinear) input 0: expected float32, got float16"],
];

const [a, b] = [zeros("uint8", 3, 4), zeros("int8", 4, 5)];
const M = "n (MatMulInteger)";
const codes = [a, one(1), one(0, "uint8"), b, one(1), one(0, "int8"), one(1), one(0, "int8")] as const;
const QM = "n (QLinearMatMul)";

// biome-ignore format: one case a line
const products: Case[] = [
  ["a product of int32", "MatMulInteger", [zeros("int32", 3, 4), b], {}, UnsupportedError, `${M} input 0: expected int8, uint8, got int32`],
  ["a product by int16", "MatMulInteger", [a, zeros("int16", 4, 5)], {}, UnsupportedError, `${M} input 1: expected int8, uint8, got int16`],
  ["a product by int64", "MatMulInteger", [a, zeros("int64", 4, 5)], {}, UnsupportedError, `${M} input 1: expected int8, uint8, got int64`],
  ["a product by a scalar", "MatMulInteger", [a, one(1, "int8")], {}, ShapeError, `${M}: expected vectors, matrices or stacks of them, got [3, 4] and []`],
  ["depths that differ", "MatMulInteger", [a, zeros("int8", 3, 5)], {}, ShapeError, `${M}: expected 3 columns of A, got [3, 4]`],
  ["a zero point of A of B's type", "MatMulInteger", [a, b, one(0, "int8")], {}, ShapeError, `${M} input 2: expected a zero point of type uint8, got int8`],
  ["zero points of A for columns", "MatMulInteger", [a, b, zeros("uint8", 4)], {}, ShapeError, `${M} input 2: expected 1 or 3 elements, got shape [4]`],
  ["no zero points at all", "MatMulInteger", [a, b, zeros("uint8", 0)], {}, ShapeError, `${M} input 2: expected 1 or 3 elements, got shape [0]`],
  ["zero points of B for rows", "MatMulInteger", [a, b, undefined, zeros("int8", 4)], {}, ShapeError, `${M} input 3: expected 1 or 5 elements, got shape [4]`],
  ["no zero point of Y", "QLinearMatMul", codes.slice(0, 7), {}, ShapeError, `${QM}: expected an input 7, got none`],
  ["no zero point of A", "QLinearMatMul", [a, one(1), undefined, ...codes.slice(3)], {}, ShapeError, `${QM}: expected an input 2, got none`],
  ["a scale of Y of 0", "QLinearMatMul", codes.with(6, one(0)), {}, ShapeError, `${QM} input 6: expected scales above 0 and finite, got 0`],
  ["a scale of Y of NaN", "QLinearMatMul", codes.with(6, one(NaN)), {}, ShapeError, `${QM} input 6: expected scales above 0 and finite, got NaN`],
  ["a scale of A below 0", "QLinearMatMul", codes.with(1, one(-1)), {}, ShapeError, `${QM} input 1: expected scales of at least 0 and finite, got -1`],
  ["an infinite scale of B", "QLinearMatMul", codes.with(4, one(Infinity)), {}, ShapeError, `${QM} input 4: expected scales of at least 0 and finite, got Infinity`],
  ["scales of B for rows", "QLinearMatMul", codes.with(4, ones("float32", 4)), {}, ShapeError, `${QM} input 4: expected 1 or 5 elements, got shape [4]`],
  ["scales of A for columns", "QLinearMatMul", codes.with(1, ones("float32", 5)), {}, ShapeError, `${QM} input 1: expected 1 or 3 elements, got shape [5]`],
  ["Y of int16", "QLinearMatMul", codes.with(7, one(0, "int16")), {}, UnsupportedError, `${QM} input 7: expected int8, uint8, got int16`],
];

const [image, filters] = [zeros("uint8", 1, 2, 5, 5), zeros("int8", 4, 2, 3, 3)];
const C = "n (ConvInteger)";
const conv = [image, one(1), one(0, "uint8"), filters, one(1), one(0, "int8"), one(1), one(0, "uint8")] as const;
const QC = "n (QLinearConv)";

// biome-ignore format: one case a line
const convolutions: Case[] = [
  ["images of int32", "ConvInteger", [zeros("int32", 1, 2, 5, 5), filters], {}, UnsupportedError, `${C} input 0: expected int8, uint8, got int32`],
  ["filters of uint64", "ConvInteger", [image, zeros("uint64", 4, 2, 3, 3)], {}, UnsupportedError, `${C} input 1: expected int8, uint8, got uint64`],
  ["filters that are a scalar", "ConvInteger", [image, one(1, "int8")], {}, ShapeError, `${C} weight: expected [o, 2 / 1, kh, kw], o a multiple of 1, got []`],
  ["filters that groups do not divide", "ConvInteger", [image, zeros("int8", 3, 1, 3, 3)], { group: 2 }, ShapeError, `${C} weight: expected [o, 2 / 2, kh, kw], o a multiple of 2, got [3, 1, 3, 3]`],
  ["volumes", "ConvInteger", [zeros("uint8", 1, 2, 5, 5, 5), zeros("int8", 4, 2, 3, 3, 3)], {}, UnsupportedError, `${C}: expected images [n, c, h, w] or lines [n, c, l], got 5 dimensions`],
  ["filters of other channels", "ConvInteger", [image, zeros("int8", 4, 3, 3, 3)], {}, ShapeError, `${C} weight: expected [o, 2 / 1, kh, kw], o a multiple of 1, got [4, 3, 3, 3]`],
  ["no groups", "ConvInteger", [image, filters], { group: 0 }, ShapeError, "n.group: expected at least 1, got 0"],
  ["another kernel than that of the filters", "ConvInteger", [image, filters], { kernel_shape: [2, 3] }, ShapeError, "n.kernel_shape: expected [3, 3], got [2, 3]"],
  ["a window larger than the image", "ConvInteger", [image, zeros("int8", 4, 2, 6, 3)], {}, ShapeError, `${C}: expected an image that holds a window of 6, got 5`],
  ["zero points of X for channels", "ConvInteger", [image, filters, zeros("uint8", 2)], {}, ShapeError, `${C} input 2: expected 1 element, got shape [2]`],
  ["zero points of W for channels in", "ConvInteger", [image, filters, undefined, zeros("int8", 2)], {}, ShapeError, `${C} input 3: expected 1 or 4 elements, got shape [2]`],
  ["a zero point of W of X's type", "ConvInteger", [image, filters, undefined, one(0, "uint8")], {}, ShapeError, `${C} input 3: expected a zero point of type int8, got uint8`],
  ["scales of X for channels", "QLinearConv", conv.with(1, ones("float32", 2)), {}, ShapeError, `${QC} input 1: expected 1 element, got shape [2]`],
  ["scales of Y for channels", "QLinearConv", conv.with(6, ones("float32", 4)), {}, ShapeError, `${QC} input 6: expected 1 element, got shape [4]`],
  ["a scale of W of NaN", "QLinearConv", conv.with(4, one(NaN)), {}, ShapeError, `${QC} input 4: expected scales of at least 0 and finite, got NaN`],
  ["a scale of Y below 0", "QLinearConv", conv.with(6, one(-2)), {}, ShapeError, `${QC} input 6: expected scales above 0 and finite, got -2`],
  ["a floating-point bias", "QLinearConv", [...conv, zeros("float32", 4)], {}, ShapeError, `${QC} input 8: expected a bias of type int32, got float32`],
  ["a bias of another length", "QLinearConv", [...conv, zeros("int32", 2)], {}, ShapeError, `${QC} input 8: expected 4 elements, got shape [2]`],
  ["no filters", "QLinearConv", conv.slice(0, 3), {}, ShapeError, `${QC}: expected an input 5, got none`],
  ["largest values of int16", "MaxPool", [zeros("int16", 1, 2, 5, 5)], { kernel_shape: [2, 2] }, UnsupportedError, "n (MaxPool) input 0: expected float32, float16, bfloat16, float64, int8, uint8, got int16"],
];

describe.each([
  ["QuantizeLinear and DequantizeLinear", linear],
  ["products", products],
  ["convolutions", convolutions],
])("%s refuse", (_, cases) => {
  test.each(cases)("%s in %s", (_what, op, inputs, attributes, kind, start) => {
    const error = refusalOf(op, inputs, attributes);
    expect(error.message.slice(0, start.length)).toBe(start);
    expect(error).toBeInstanceOf(kind);
    expect(error.message).toMatch(/^.+: expected .+, got /s);
  });
});

test("scales that are not known before the run are taken as they are: any numbers end in codes", () => {
  const graph = networkOf("QuantizeLinear", [x, one(1)], {}, { outputs: ["uint8"] });
  using session = new Model(graph, runModule);
  const values = tensor("float32", [2, 6], [1, -1, 0, NaN, Infinity, -Infinity, 1, -1, 0, NaN, Infinity, -Infinity]);
  for (const value of [0, -0, -1, NaN, Infinity, -Infinity]) {
    const { data } = session.run({ x0: values, x1: one(value) }).y0;
    expect([...(data as unknown as Uint8Array)].every((code) => code >= 0 && code <= 255)).toBe(true);
  }
});

test("no outputs end at once, however many pixels they would have", () => {
  const attributes = { pads: [11000, 11000, 11000, 11000] };
  const inputs = [zeros("uint8", 1, 2, 5, 5), zeros("int8", 0, 2, 3, 3)];
  const graph = networkOf("ConvInteger", inputs, attributes, { outputs: ["int32"], weights: [1] });
  using session = new Model(graph, runModule);
  expect(session.run({ x0: inputs[0] }).y0.data).toHaveLength(0);
});

test.each([
  [17, "FLOAT8E4M3FN"],
  [18, "FLOAT8E4M3FNUZ"],
  [19, "FLOAT8E5M2"],
  [20, "FLOAT8E5M2FNUZ"],
])("a zero point of type %i, %s, is refused by name when the file is read", (type, name) => {
  const file = model([
    sound.input,
    sound.output,
    node("QuantizeLinear", ["x", "s", "z"], ["y"]),
    initializer("s", 1, [], raw(0, 0, 128, 63)),
    initializer("z", type, [], raw(0)),
  ]);
  expectRefusal(
    file,
    UnsupportedError,
    `initializer z: expected elements that are real numbers of whole or half bytes, got ${name}`,
  );
});
