// One operator in a session of its own, all of its inputs from outside.
import { createArray, type DType, type TypedArray } from "../../src/dtype.js";
import type { Attribute, Graph } from "../../src/graph/graph.js";
import { Model } from "../../src/runtime/session.js";
import type { Tensor } from "../../src/tensor.js";
import { uniform } from "./kernels.js";
import { runModule, sizeOf } from "./network.js";

/** A network of one node; the types of its outputs are told, their shapes are what they turn out to be. */
export function lone(
  op: string,
  inputs: readonly (Tensor | undefined)[],
  outputs: readonly (DType | undefined)[],
  attributes: Readonly<Record<string, Attribute>> = {},
): Graph {
  const named = <T>(list: readonly T[], prefix: string) => list.map((item, i) => (item ? `${prefix}${i}` : ""));
  return {
    name: op,
    inputs: inputs.flatMap((tensor, i) =>
      tensor ? [{ name: `x${i}`, dtype: tensor.dtype, shape: tensor.shape }] : [],
    ),
    outputs: outputs.flatMap((dtype, i) => (dtype ? [{ name: `y${i}`, dtype }] : [])),
    nodes: [{ name: "n", op, inputs: named(inputs, "x"), outputs: named(outputs, "y"), attributes }],
    weights: new Map(),
  };
}

/** The outputs of one node; those that are not wanted are undefined. */
export function runNode(
  op: string,
  inputs: readonly (Tensor | undefined)[],
  outputs: readonly (DType | undefined)[],
  attributes: Readonly<Record<string, Attribute>> = {},
): (Tensor | undefined)[] {
  using model = new Model(lone(op, inputs, outputs, attributes), runModule);
  const results = model.run<TypedArray>(
    Object.fromEntries(inputs.flatMap((tensor, i) => (tensor ? [[`x${i}`, tensor]] : []))),
  );
  return outputs.map((dtype, i) => (dtype ? results[`y${i}`] : undefined));
}

/** The only output. */
export function resultOf(
  op: string,
  inputs: readonly (Tensor | undefined)[],
  dtype: DType,
  attributes: Readonly<Record<string, Attribute>> = {},
): Tensor {
  return runNode(op, inputs, [dtype], attributes)[0]!;
}

/** A tensor of given values. */
export function tensor(dtype: DType, shape: readonly number[], values: readonly (number | bigint)[]): Tensor {
  const data = createArray(dtype, values.length);
  for (const [i, value] of values.entries()) data[i] = dtype.endsWith("int64") ? BigInt(value) : Number(value);
  return { dtype, shape, data };
}

export const integerTypes: readonly DType[] = [
  "int8",
  "uint8",
  "int16",
  "uint16",
  "int32",
  "uint32",
  "int64",
  "uint64",
];

/** Seeded values of any kind of number, floats between -4 and 4, integers over their whole range with small ones among them. */
export function some(dtype: DType, shape: readonly number[], seed: number): Tensor {
  const next = uniform(seed);
  const values = Array.from({ length: sizeOf(shape) }, (): number | bigint => {
    if (dtype === "float32" || dtype === "float64") return 8 * next() - 4;
    if (dtype === "bool") return next() < 0.5 ? 0 : 1;
    const small = next() < 0.5;
    const whole = (BigInt(Math.floor(next() * 2 ** 32)) << 32n) | BigInt(Math.floor(next() * 2 ** 32));
    const bits = Number(dtype.replace(/\D/g, ""));
    const value = small ? whole % 5n : whole;
    return dtype.startsWith("u") ? BigInt.asUintN(bits, value) : BigInt.asIntN(bits, small ? value - 2n : value);
  });
  return tensor(dtype, shape, values);
}
