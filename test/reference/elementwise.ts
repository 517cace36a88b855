// What operators over elements mean, element by element: numbers for floats, BigInt for integers of any width.
import { createArray, type DType, isFloat, type TypedArray } from "../../src/dtype.js";
import type { Tensor } from "../../src/tensor.js";

const sizeOf = (shape: readonly number[]) => shape.reduce((size, dim) => size * dim, 1);

/** The shape that shapes broadcast to. */
export function broadcast(...shapes: (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, d) => {
    const dims = shapes.map((shape) => shape[d - rank + shape.length] ?? 1);
    return dims.find((dim) => dim !== 1) ?? 1;
  });
}

/** Index into a tensor of `shape` of what stands at element i of `to`. */
export function indexIn(shape: readonly number[], to: readonly number[], i: number): number {
  let at = 0;
  let step = 1;
  let rest = i;
  for (let d = to.length - 1; d >= 0; d--) {
    const position = rest % to[d];
    rest = Math.floor(rest / to[d]);
    const own = d - to.length + shape.length;
    if (own < 0) continue;
    if (shape[own] !== 1) at += position * step;
    step *= shape[own];
  }
  return at;
}

/** An integer as an element of a type would hold it. */
export function wrapped(dtype: DType, value: bigint): bigint {
  if (dtype === "bool") return BigInt.asUintN(8, value);
  const bits = Number(dtype.replace(/\D/g, ""));
  return dtype.startsWith("u") ? BigInt.asUintN(bits, value) : BigInt.asIntN(bits, value);
}

/** A tensor whose element i is made by `value`, a bigint for integers. */
export function made(dtype: DType, shape: readonly number[], value: (i: number) => number | bigint | boolean): Tensor {
  const data = createArray(dtype, sizeOf(shape)) as TypedArray;
  for (let i = 0; i < data.length; i++) {
    const v = value(i);
    if (isFloat(dtype)) data[i] = Number(v);
    else {
      const whole = wrapped(dtype, BigInt(v));
      data[i] = dtype.endsWith("int64") ? whole : Number(whole);
    }
  }
  return { dtype, shape, data };
}

/** f of the elements of several tensors broadcast together, BigInt where they are integers. */
export function elementwise(
  dtype: DType,
  tensors: readonly Tensor[],
  f: (...values: never[]) => number | bigint | boolean,
): Tensor {
  const shape = broadcast(...tensors.map((t) => t.shape));
  const valueAt = ({ dtype, data, shape: own }: Tensor, i: number) => {
    const value = data[indexIn(own, shape, i)];
    return isFloat(dtype) ? value : BigInt(value);
  };
  return made(dtype, shape, (i) => f(...(tensors.map((t) => valueAt(t, i)) as never[])));
}

/** Positions of x that each element of a reduction over axes gathers, in order. */
export function gathered(shape: readonly number[], axes: readonly number[]): { kept: number[]; groups: number[][] } {
  const kept = shape.map((dim, d) => (axes.includes(d) ? 1 : dim));
  const groups: number[][] = Array.from({ length: sizeOf(kept) }, () => []);
  for (let i = 0; i < sizeOf(shape); i++) groups[indexIn(kept, shape, i)].push(i);
  return { kept, groups };
}
