// A network of one node, over tensors of every type: its inputs are fed, or weights where they are named.
import { createArray, type DType, type TypedArray } from "../../src/dtype.js";
import type { Attribute, Graph } from "../../src/graph/graph.js";
import type { Weight } from "../../src/graph/weight.js";
import { Model } from "../../src/runtime/session.js";
import type { Tensor } from "../../src/tensor.js";
import type { Elements } from "../reference/movement.js";
import { uniform } from "./kernels.js";
import { runModule } from "./network.js";

export function tensor(dtype: DType, shape: readonly number[], values: readonly (number | bigint)[]): Tensor {
  const data = createArray(dtype, values.length);
  const wide = dtype === "int64" || dtype === "uint64";
  for (const [i, value] of values.entries()) data[i] = wide ? BigInt(value) : Number(value);
  return { dtype, shape, data };
}

export const ints = (values: readonly number[], shape: readonly number[] = [values.length]): Tensor =>
  tensor("int64", shape, values);

/** Different elements of a shape, small enough for every type. */
export function counted(dtype: DType, shape: readonly number[], seed = 1): Tensor {
  const size = shape.reduce((product, dim) => product * dim, 1);
  const next = uniform(seed);
  const least = dtype === "float16" || dtype === "bfloat16" ? 0x3c00 : 0;
  const most = dtype === "bool" ? 2 : dtype === "int4" ? 8 : dtype === "uint4" ? 16 : 120;
  return tensor(
    dtype,
    shape,
    Array.from({ length: size }, () => least + Math.floor(most * next())),
  );
}

export function elements({ shape, data }: Tensor): Elements<number | bigint> {
  return { shape, data: [...(data as Iterable<number | bigint>)] };
}

/** Elements as numbers. */
export function numbers({ shape, data }: Tensor): Elements {
  return { shape, data: Array.from(data as ArrayLike<number | bigint>, Number) };
}

interface Options {
  /** Types of the outputs; that of the first input where none is given. */
  readonly outputs?: readonly DType[];
  /** Places of the inputs that are weights. */
  readonly weights?: readonly number[];
}

export function networkOf(
  op: string,
  inputs: readonly (Tensor | undefined)[],
  attributes: Readonly<Record<string, Attribute>>,
  { outputs = [inputs[0]!.dtype], weights = [] }: Options = {},
): Graph {
  const names = inputs.map((input, i) => (input ? `x${i}` : ""));
  const given = inputs.flatMap((input, i) => (input ? [{ input, i }] : []));
  return {
    name: op,
    inputs: given
      .filter(({ i }) => !weights.includes(i))
      .map(({ input, i }) => ({ name: `x${i}`, dtype: input.dtype })),
    outputs: outputs.map((dtype, i) => ({ name: `y${i}`, dtype })),
    nodes: [{ name: "n", op, inputs: names, outputs: outputs.map((_, i) => `y${i}`), attributes }],
    weights: new Map(
      given
        .filter(({ i }) => weights.includes(i))
        .map(({ input, i }): [string, Weight] => [`x${i}`, { kind: "dense", ...input }]),
    ),
  };
}

/** The outputs of a network of one node. */
export function runNode(
  op: string,
  inputs: readonly (Tensor | undefined)[],
  attributes: Readonly<Record<string, Attribute>> = {},
  options: Options = {},
): Tensor[] {
  const graph = networkOf(op, inputs, attributes, options);
  using model = new Model(graph, runModule);
  const feeds = Object.fromEntries(graph.inputs.map(({ name }) => [name, inputs[Number(name.slice(1))]!]));
  const first = model.run<TypedArray>(feeds);
  // A second run finds the first one's values in memory.
  const second = model.run<TypedArray>(feeds);
  return graph.outputs.map(({ name }) => {
    const [a, b] = [first[name], second[name]];
    if (a.data.some((value, i) => !Object.is(value, b.data[i]))) throw new Error(`${op}: two runs differ`);
    return b;
  });
}
