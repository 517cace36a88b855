/**
 * Sparse matrix times one vector. Rows go four at a time, one in each lane, so that four chains of additions are one;
 * rows of like length are put together, and what is missing in the shorter ones is filled with zeros.
 *
 * Every row is summed from +0 in the order of its entries, with the very operations of spmm_csr: both give the same
 * bits. Slices of four rows after A. Monakov et al., "Automatically tuning sparse matrix-vector multiplication for GPU
 * architectures", 2010.
 */
import { madd } from "../simd";

/**
 * y[order[g, l]] = sum over steps t of group g, in their order: values[t, l] * x[col[t, l]].
 *
 * - groups: number of groups of four rows
 * - starts: u32 [groups + 1], the first step of each group
 * - col: u16 [steps, 4], each < elements of x; values: f32 [steps, 4]
 * - order: u32 [groups, 4], the row that each lane is; lanes left over repeat a row
 * - x: f32, one element more than the matrix has columns, the last +0: filling entries point there with value 0
 * - y: f32, written at every row; must not overlap the rest
 */
export function spmv_grouped_f32(
  groups: i32, starts: usize, col: usize, values: usize, order: usize, x: usize, y: usize,
): void {
  product<f32>(groups, starts, col, values, 0, order, x, y);
}

/**
 * y[order[g, l]] = scale[g, l] * sum over steps t of group g: values[t, l] * x[col[t, l]].
 *
 * - as spmv_grouped_f32, but values: int8 [steps, 4], scale: f32 [groups, 4]
 */
export function spmv_grouped_i8(
  groups: i32, starts: usize, col: usize, values: usize, scale: usize, order: usize, x: usize, y: usize,
): void {
  product<i8>(groups, starts, col, values, scale, order, x, y);
}

// @ts-ignore: decorator
@inline
function product<V>(
  groups: i32, starts: usize, col: usize, values: usize, scale: usize, order: usize, x: usize, y: usize,
): void {
  assert(((starts | order | scale | x | y) & 3) == 0 && (col & 1) == 0 && (values & (sizeof<V>() - 1)) == 0);
  for (; groups > 0; groups--) {
    const from = <usize>load<u32>(starts);
    let c = col + (from << 3);
    let v = values + 4 * from * sizeof<V>();
    const end = col + ((<usize>load<u32>(starts, 4)) << 3);
    let sum = f32x4.splat(0);
    while (c < end) {
      let g = v128.load32_zero(x + (<usize>load<u16>(c) << 2));
      g = v128.load_lane<f32>(x + (<usize>load<u16>(c, 2) << 2), g, 1);
      g = v128.load_lane<f32>(x + (<usize>load<u16>(c, 4) << 2), g, 2);
      g = v128.load_lane<f32>(x + (<usize>load<u16>(c, 6) << 2), g, 3);
      sum = madd(sum, four<V>(v), g);
      c += 8;
      v += 4 * sizeof<V>();
    }
    if (isInteger<V>()) {
      sum = f32x4.mul(sum, v128.load(scale));
      scale += 16;
    }
    v128.store_lane<f32>(y + (<usize>load<u32>(order) << 2), sum, 0);
    v128.store_lane<f32>(y + (<usize>load<u32>(order, 4) << 2), sum, 1);
    v128.store_lane<f32>(y + (<usize>load<u32>(order, 8) << 2), sum, 2);
    v128.store_lane<f32>(y + (<usize>load<u32>(order, 12) << 2), sum, 3);
    starts += 4;
    order += 16;
  }
}

/** Four values at p. */
// @ts-ignore: decorator
@inline
export function four<V>(p: usize): v128 {
  if (isFloat<V>()) return v128.load(p);
  return f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(v128.load32_zero(p))));
}
