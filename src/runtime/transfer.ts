import { createArray, type DType, inMemory, isFloat, type TypedArray } from "../dtype.js";
import { floatToBfloat, floatToHalf, widen } from "../graph/storage.js";
import type { Engine } from "../kernels/engine.js";
import { elementsOf } from "../ops/element.js";
import type { Slot } from "../ops/op.js";

/** The elements of a slot as they stand in memory: a view, valid until the memory grows. */
export function elementsAt({ kernels }: Engine, slot: Slot): TypedArray {
  return elementsOf(kernels, slot);
}

/** Elements of `dtype` from outside, into an array of the kind that stands in memory. */
export function convertIn(dtype: DType, data: TypedArray, to: TypedArray): void {
  if (isFloat(dtype)) widen(dtype, data, to as Float32Array);
  else (to as Int32Array).set(data as Int32Array);
}

/** What stands in memory, as elements of `dtype` into an array that a caller gets. */
export function convertOut(dtype: DType, stored: TypedArray, to: TypedArray): void {
  const narrow = dtype === "float16" ? floatToHalf : dtype === "bfloat16" ? floatToBfloat : undefined;
  if (narrow) for (let i = 0; i < to.length; i++) to[i] = narrow(stored[i] as number);
  else (to as Float32Array).set(stored as Float32Array);
}

/** The elements of `dtype` as they would stand in memory. */
export function knownOf(dtype: DType, data: TypedArray): TypedArray {
  const stored = createArray(inMemory(dtype), data.length);
  convertIn(dtype, data, stored);
  return stored;
}
