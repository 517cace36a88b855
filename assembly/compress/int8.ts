/**
 * Linear quantization to int8 with a scale per row: q = round(x / scale), value = q * scale.
 *
 * Rounding is to nearest, half to even, then saturation to -levels..levels. The division is a division and not a
 * product with 1 / scale, which would move values that lie next to a half.
 *
 * B. Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only inference",
 * 2018.
 */
import { MAGNITUDE, magnitude_mask } from "./magnitude";

/**
 * y[r] = max over c of |x[r, c]|, 0 for a row without elements. Magnitudes are compared as integers, so a NaN in a
 * row, being above infinity, is the result.
 *
 * - x: f32 [rows, cols]
 * - y: f32 [rows], written in full; must not overlap x
 */
export function absmax_rows_f32(rows: i32, cols: i32, x: usize, y: usize): void {
  assert(((x | y) & 3) == 0);
  const magnitude = magnitude_mask();
  for (let r = 0; r < rows; r++) {
    const blocks = x + ((<usize>(cols & ~15)) << 2);
    const end = x + ((<usize>cols) << 2);
    let m0 = i32x4.splat(0);
    let m1 = i32x4.splat(0);
    let m2 = i32x4.splat(0);
    let m3 = i32x4.splat(0);
    while (x < blocks) {
      m0 = i32x4.max_s(m0, v128.and(magnitude, v128.load(x)));
      m1 = i32x4.max_s(m1, v128.and(magnitude, v128.load(x, 16)));
      m2 = i32x4.max_s(m2, v128.and(magnitude, v128.load(x, 32)));
      m3 = i32x4.max_s(m3, v128.and(magnitude, v128.load(x, 48)));
      x += 64;
    }
    while (x + 16 <= end) {
      m0 = i32x4.max_s(m0, v128.and(magnitude, v128.load(x)));
      x += 16;
    }
    m0 = i32x4.max_s(i32x4.max_s(m0, m1), i32x4.max_s(m2, m3));
    let top = max(
      max(i32x4.extract_lane(m0, 0), i32x4.extract_lane(m0, 1)),
      max(i32x4.extract_lane(m0, 2), i32x4.extract_lane(m0, 3)),
    );
    while (x < end) {
      top = max(top, load<i32>(x) & MAGNITUDE);
      x += 4;
    }
    store<i32>(y, top);
    y += 4;
  }
}

/**
 * q[r, c] = clamp(round(x[r, c] / scale[r]), -levels, levels); NaN gives 0, infinity saturates.
 *
 * - x: f32 [rows, cols]
 * - scale: f32 [rows], each > 0 (an all-zero row has scale 1)
 * - q: int8 [rows, cols], written in full; must not overlap x
 * - levels: 1..127
 */
export function quantize_rows_f32_i8(rows: i32, cols: i32, x: usize, scale: usize, q: usize, levels: i32): void {
  assert(((x | scale) & 3) == 0);
  assert(levels >= 1 && levels <= 127);
  const top = i8x16.splat(<i8>levels);
  const bottom = i8x16.splat(<i8>-levels);
  for (let r = 0; r < rows; r++) {
    const s = load<f32>(scale);
    assert(s > 0);
    const step = f32x4.splat(s);
    const blocks = x + ((<usize>(cols & ~15)) << 2);
    const end = x + ((<usize>cols) << 2);
    while (x < blocks) {
      // Both narrowings saturate, so nothing is lost before the clamp.
      const low = i16x8.narrow_i32x4_s(steps(v128.load(x), step), steps(v128.load(x, 16), step));
      const high = i16x8.narrow_i32x4_s(steps(v128.load(x, 32), step), steps(v128.load(x, 48), step));
      v128.store(q, i8x16.min_s(i8x16.max_s(i8x16.narrow_i16x8_s(low, high), bottom), top));
      x += 64;
      q += 16;
    }
    while (x + 16 <= end) {
      const v = i16x8.narrow_i32x4_s(steps(v128.load(x), step), i32x4.splat(0));
      v128.store_lane<u32>(q, i8x16.min_s(i8x16.max_s(i8x16.narrow_i16x8_s(v, v), bottom), top), 0);
      x += 16;
      q += 4;
    }
    while (x < end) {
      const v = i32x4.extract_lane(steps(v128.load32_zero(x), step), 0);
      store<i8>(q, <i8>min(max(v, -levels), levels));
      x += 4;
      q++;
    }
    scale += 4;
  }
}

/** round(v / step) as integers, saturated; NaN gives 0. */
// @ts-ignore: decorator
@inline
function steps(v: v128, step: v128): v128 {
  return i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.div(v, step)));
}

/**
 * y[r, c] = q[r, c] * scale[r].
 *
 * - q: int8 [rows, cols]
 * - scale: f32 [rows]
 * - y: f32 [rows, cols], written in full; must not overlap q
 */
export function dequantize_rows_i8(rows: i32, cols: i32, q: usize, scale: usize, y: usize): void {
  assert(((scale | y) & 3) == 0);
  for (let r = 0; r < rows; r++) {
    const s = load<f32>(scale);
    const step = f32x4.splat(s);
    const blocks = q + (<usize>(cols & ~15));
    const end = q + (<usize>cols);
    while (q < blocks) {
      const codes = v128.load(q);
      const low = i16x8.extend_low_i8x16_s(codes);
      const high = i16x8.extend_high_i8x16_s(codes);
      v128.store(y, f32x4.mul(step, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(low))));
      v128.store(y, f32x4.mul(step, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(low))), 16);
      v128.store(y, f32x4.mul(step, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(high))), 32);
      v128.store(y, f32x4.mul(step, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(high))), 48);
      q += 16;
      y += 64;
    }
    while (q + 4 <= end) {
      const codes = i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(v128.load32_zero(q)));
      v128.store(y, f32x4.mul(step, f32x4.convert_i32x4_s(codes)));
      q += 4;
      y += 16;
    }
    while (q < end) {
      store<f32>(y, <f32>load<i8>(q) * s);
      q++;
      y += 4;
    }
    scale += 4;
  }
}

/**
 * y[r, c] = clamp(round(x[r, c] / scale[r]), -levels, levels) * scale[r]: what quantize and dequantize would give,
 * bit for bit (so +0 where x rounds to zero from below), but NaN stays NaN. The forward half of the straight-through
 * estimator.
 *
 * - x: f32 [rows, cols]
 * - scale: f32 [rows], each > 0
 * - y: f32 [rows, cols], written in full; may be x
 * - levels: 1..127
 */
export function round_rows_f32(rows: i32, cols: i32, x: usize, scale: usize, y: usize, levels: i32): void {
  assert(((x | scale | y) & 3) == 0);
  assert(levels >= 1 && levels <= 127);
  const top = f32x4.splat(<f32>levels);
  const bottom = f32x4.splat(<f32>-levels);
  for (let r = 0; r < rows; r++) {
    const s = load<f32>(scale);
    assert(s > 0);
    const step = f32x4.splat(s);
    const blocks = x + ((<usize>(cols & ~7)) << 2);
    const end = x + ((<usize>cols) << 2);
    while (x < blocks) {
      const a = onGrid(v128.load(x), step, bottom, top);
      const b = onGrid(v128.load(x, 16), step, bottom, top);
      v128.store(y, a);
      v128.store(y, b, 16);
      x += 32;
      y += 32;
    }
    while (x + 16 <= end) {
      v128.store(y, onGrid(v128.load(x), step, bottom, top));
      x += 16;
      y += 16;
    }
    while (x < end) {
      v128.store_lane<f32>(y, onGrid(v128.load32_zero(x), step, bottom, top), 0);
      x += 4;
      y += 4;
    }
    scale += 4;
  }
}

/**
 * The gradient of the scales through round_rows_f32, g being that of its y: dscale[r] = factor * the sum over the columns c that the
 * mask keeps of g[r, c] (q - x[r, c] / scale[r] where round(x / scale) is in -levels..levels, else q), q being that, clamped.
 *
 * - x, g: f32 [rows, cols]
 * - mask: (rows * cols + 7) >> 3 bytes, or 0 for all
 * - scale: f32 [rows], each > 0
 * - dscale: f32 [rows], written in full
 * - levels: 1..127
 *
 * S. Esser et al., "Learned step size quantization", 2020.
 */
export function round_rows_grad_f32(
  rows: i32, cols: i32, x: usize, mask: usize, scale: usize, g: usize, levels: i32, factor: f32, dscale: usize,
): void {
  assert(((x | scale | g | dscale) & 3) == 0);
  const top = <f32>levels;
  let i: usize = 0;
  for (let r = 0; r < rows; r++) {
    const s = load<f32>(scale);
    let sum: f64 = 0;
    for (let c = 0; c < cols; c++, i++) {
      if (mask && !((load<u8>(mask + (i >> 3)) >> <u8>(i & 7)) & 1)) continue;
      const exact = load<f32>(x + (i << 2)) / s;
      const rounded = nearest(exact);
      const off = rounded > top ? top : rounded < -top ? -top : rounded - exact;
      sum += <f64>load<f32>(g + (i << 2)) * <f64>off;
    }
    store<f32>(dscale, <f32>(<f64>factor * sum));
    scale += 4;
    dscale += 4;
  }
}

// @ts-ignore: decorator
@inline
function onGrid(v: v128, step: v128, bottom: v128, top: v128): v128 {
  // pmax and pmin keep a NaN that is their first operand, and are one instruction where max and min are many.
  const rounded = f32x4.pmin(f32x4.pmax(f32x4.nearest(f32x4.div(v, step)), bottom), top);
  // -0 + 0 is +0: the sign of a zero would not survive int8 either.
  return f32x4.mul(f32x4.add(rounded, f32x4.splat(0)), step);
}
