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

const views = new WeakMap<Slot, TypedArray>();

/** The elements of a slot in memory: a view, valid until the memory grows. The same one each time until then, so that a run makes none. */
export function elementsOf(kernels: RunKernels, slot: Slot): TypedArray {
  const { buffer } = kernels.memory;
  let view = views.get(slot);
  if (view?.buffer !== buffer) {
    view = viewOf(inMemory(slot.dtype), buffer, slot.pointer, sizeOf(slot.shape));
    views.set(slot, view);
  }
  return view;
}

/** The same of `length` elements at any place, as in scratch: a new view only where the place or the memory is another. */
export function viewing(kernels: RunKernels, dtype: DType, length: number): (pointer: number) => TypedArray {
  let view: TypedArray | undefined;
  return (pointer) => {
    const { buffer } = kernels.memory;
    if (view?.buffer !== buffer || view.byteOffset !== pointer) view = viewOf(inMemory(dtype), buffer, pointer, length);
    return view;
  };
}
