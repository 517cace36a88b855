import { type DType, holds, type TypedArray } from "./dtype.js";
import { expected, ShapeError } from "./errors.js";

/** Dense values with a shape; `data` has exactly `sizeOf(shape)` elements in row-major order. */
export interface Tensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: TypedArray;
}

/**
 * Number of elements of a shape: the one checked multiplication for all sizes. Rank 0 has one element.
 * @throws RangeError when a dimension is not a non-negative integer or the product passes 2^53 - 1
 */
export function sizeOf(shape: readonly number[]): number {
  let size = 1;
  let zero = false;
  for (const dim of shape) {
    if (!Number.isSafeInteger(dim) || dim < 0) {
      throw new RangeError(expected("shape", "non-negative integers", `[${shape.join(", ")}]`));
    }
    if (dim === 0) zero = true;
    else size *= dim;
    if (!Number.isSafeInteger(size)) {
      throw new RangeError(expected("shape", "fewer than 2^53 elements", `[${shape.join(", ")}]`));
    }
  }
  return zero ? 0 : size;
}

/** `[1, 28, 28]` for messages. */
export function showShape(shape: readonly (number | string)[]): string {
  if (shape.length <= 64) return `[${shape.join(", ")}]`;
  return `[${shape.slice(0, 8).join(", ")}, and ${shape.length - 8} more]`;
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((dim, i) => dim === b[i]);
}

/** Checks that a tensor's data fits its dtype and shape. @throws ShapeError */
export function checkTensor(where: string, tensor: Tensor): void {
  if (!holds(tensor.dtype, tensor.data)) {
    throw new ShapeError(expected(where, `data that holds ${tensor.dtype}`, nameOf(tensor.data)));
  }
  const size = sizeOf(tensor.shape);
  if (tensor.data.length !== size) {
    throw new ShapeError(
      expected(where, `${size} elements for shape ${showShape(tensor.shape)}`, `${tensor.data.length}`),
    );
  }
}

/** Name of a value's class, for messages. */
export function nameOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  return Object.getPrototypeOf(value)?.constructor?.name ?? typeof value;
}

/** Columns that each of `rows` rows of a factored weight is cut into, where all n are cut alike; 1 where they are not. */
export function columnsPerRow(rows: number, n: number): number {
  return rows > 0 && n % rows === 0 ? n / rows : 1;
}
