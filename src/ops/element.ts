import { type DType, inMemory, type TypedArray, viewOf } from "../dtype.js";
import { expected, UnsupportedError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import { widen } from "../graph/storage.js";
import { isReal } from "../graph/weight.js";
import type { RunKernels } from "../kernels/abi.js";
import { sizeOf, type Tensor } from "../tensor.js";
import { integer } from "./attributes.js";
import type { Slot } from "./op.js";

/** ONNX's numbers of element types (TensorProto.DataType). */
const numbers = new Map<number, DType>([
  [1, "float32"],
  [2, "uint8"],
  [3, "int8"],
  [4, "uint16"],
  [5, "int16"],
  [6, "int32"],
  [7, "int64"],
  [9, "bool"],
  [10, "float16"],
  [11, "float64"],
  [12, "uint32"],
  [13, "uint64"],
  [16, "bfloat16"],
  [21, "uint4"],
  [22, "int4"],
]);

/** The type that an attribute names by its number. @throws UnsupportedError */
export function dtypeOf(node: GraphNode, name: string, fallback: DType): DType {
  if (node.attributes[name] === undefined) return fallback;
  const number = integer(node, name, 0);
  const dtype = numbers.get(number);
  if (!dtype) throw new UnsupportedError(expected(`${node.name}.${name}`, "an element type", `${number}`));
  return dtype;
}

/** The elements of a tensor as they stand in memory. */
export function storedOf({ dtype, data }: Tensor): TypedArray {
  if (!isReal(dtype)) return dtype === "float64" ? Float32Array.from(data as Float64Array) : data;
  const floats = new Float32Array(data.length);
  widen(dtype, data, floats);
  return floats;
}

/** Each element becomes what `value` gives. */
export function fill(data: TypedArray, value: (i: number) => number): TypedArray {
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) {
    for (let i = 0; i < data.length; i++) data[i] = BigInt(value(i));
  } else for (let i = 0; i < data.length; i++) data[i] = value(i);
  return data;
}

/** The elements of a slot in memory: a view made at the moment of use, for what runs rarely. */
export function elementsOf(kernels: RunKernels, { dtype, shape, pointer }: Slot): TypedArray {
  return viewOf(inMemory(dtype), kernels.memory.buffer, pointer, sizeOf(shape));
}
