/** The limits of a window in a line of an image. */

/**
 * First output x whose tap at `offset` = kx dw - pl lies at or right of the image's first column; never past
 * `end_inside`.
 */
// @ts-ignore: decorator
@inline
export function first_inside(offset: i32, stride: i32, out: i32): i32 {
  return offset >= 0 ? 0 : min(out, (stride - 1 - offset) / stride);
}

/** One past the last output x whose tap at `offset` lies left of column `size`. */
// @ts-ignore: decorator
@inline
export function end_inside(offset: i32, stride: i32, out: i32, size: i32): i32 {
  return offset >= size ? 0 : min(out, (size - 1 - offset) / stride + 1);
}
