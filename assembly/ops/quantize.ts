/**
 * Between floats and integers of a scale and a zero point: q = saturate(round(x / scale) + zero), x = (q - zero) * scale.
 *
 * Rounding is to nearest, half to even. Rows [rows, cols] follow one another in x, q and y; scale and zero stand `row` bytes further
 * for each row and `col` bytes for each column, 4 or 0 where one serves the whole row. zero: s32, in the range of q, or 0 for none.
 */
import { load_int, shift_of } from "../integer";

/**
 * q = saturate(round(x / scale) + zero) to low..high, in one byte where that holds them and else in two; NaN gives the zero point.
 * x: f32 [rows, cols]; scale: f32; q: integers [rows, cols], written in full, apart from the rest.
 */
export function quantize_int(
  rows: i32, cols: i32, x: usize, scale: usize, zero: usize, row: usize, col: usize, q: usize, low: i32, high: i32,
): void {
  assert(rows >= 0 && cols >= 0 && ((x | scale | zero | row) & 3) == 0 && (col == 0 || col == 4) && low <= high);
  const wide = low < -128 || high > 255;
  const bottom = f32x4.splat(<f32>low), top = f32x4.splat(<f32>high);
  for (; rows > 0; rows--, scale += row) {
    let s = v128.load32_splat(scale), z = zero ? v128.load32_splat(zero) : i32x4.splat(0);
    let least = f32x4.sub(bottom, f32x4.convert_i32x4_s(z)), most = f32x4.sub(top, f32x4.convert_i32x4_s(z));
    let ps = scale, pz = zero;
    let n = cols;
    for (; n > 0; n -= 4) {
      if (col) {
        s = take(n, ps);
        ps += 16;
        if (zero) {
          z = take(n, pz);
          pz += 16;
          least = f32x4.sub(bottom, f32x4.convert_i32x4_s(z));
          most = f32x4.sub(top, f32x4.convert_i32x4_s(z));
        }
      }
      // Held before it becomes an integer, so that nothing overflows; pmax and pmin keep a NaN that is their first operand.
      const steps = f32x4.pmin(f32x4.pmax(f32x4.nearest(f32x4.div(take(n, x), s)), least), most);
      const codes = i32x4.add(i32x4.trunc_sat_f32x4_s(steps), z);
      x += 16;
      if (wide) {
        const v = i8x16.shuffle(codes, codes, 0, 1, 4, 5, 8, 9, 12, 13, 0, 1, 4, 5, 8, 9, 12, 13);
        if (n >= 4) v128.store_lane<u64>(q, v, 0);
        else {
          store<u16>(q, i16x8.extract_lane_u(v, 0));
          if (n > 1) store<u16>(q, i16x8.extract_lane_u(v, 1), 2);
          if (n > 2) store<u16>(q, i16x8.extract_lane_u(v, 2), 4);
        }
        q += <usize>min(n, 4) << 1;
      } else {
        const v = i8x16.shuffle(codes, codes, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12);
        if (n >= 4) v128.store_lane<u32>(q, v, 0);
        else {
          store<u8>(q, i8x16.extract_lane_u(v, 0));
          if (n > 1) store<u8>(q, i8x16.extract_lane_u(v, 1), 1);
          if (n > 2) store<u8>(q, i8x16.extract_lane_u(v, 2), 2);
        }
        q += <usize>min(n, 4);
      }
    }
    // What was counted past the end of the row.
    x += <usize>(n << 2);
    if (zero) zero += row;
  }
}

/** The next four numbers, or as many as there are. */
// @ts-ignore: decorator
@inline
function take(n: i32, p: usize): v128 {
  return n >= 4 ? v128.load(p) : few(n, p);
}

function few(n: i32, p: usize): v128 {
  let v = v128.load32_zero(p);
  if (n > 1) v = v128.load32_lane(p, v, 1, 4);
  if (n > 2) v = v128.load32_lane(p, v, 2, 8);
  return v;
}

/**
 * y = (q - zero) * scale: the difference rounded to f32 once, then the product. `type`: of assembly/integer.ts, int8 to int32.
 * q: [rows, cols]; scale: f32; y: f32 [rows, cols], written in full, apart from the rest.
 */
export function dequantize_int(
  rows: i32, cols: i32, type: i32, q: usize, scale: usize, zero: usize, row: usize, col: usize, y: usize,
): void {
  assert(rows >= 0 && cols >= 0 && type >= 0 && type <= 4);
  assert(((scale | zero | row | y) & 3) == 0 && (col == 0 || col == 4));
  const shift = shift_of(type);
  const step = <usize>1 << shift;
  for (; rows > 0; rows--, scale += row) {
    let s = v128.load32_splat(scale), z = zero ? v128.load32_splat(zero) : i32x4.splat(0);
    let ps = scale, pz = zero;
    let n = cols;
    for (; n >= 4; n -= 4, q += step << 2, y += 16) {
      if (col) {
        s = v128.load(ps);
        ps += 16;
        if (zero) {
          z = v128.load(pz);
          pz += 16;
        }
      }
      v128.store(y, f32x4.mul(type == 4 ? difference(v128.load(q), z) : f32x4.convert_i32x4_s(i32x4.sub(four(type, q), z)), s));
    }
    for (; n > 0; n--, q += step, y += 4) {
      const from = <f64>load_int(type, q) - (zero ? <f64>load<i32>(pz) : 0);
      store<f32>(y, <f32>from * load<f32>(ps));
      ps += col;
      if (zero) pz += col;
    }
    if (zero) zero += row;
  }
}

// @ts-ignore: decorator
@inline
function four(type: i32, p: usize): v128 {
  if (type == 0) return i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(v128.load32_zero(p)));
  if (type == 1) return i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(p)));
  return type == 2 ? v128.load16x4_s(p) : v128.load16x4_u(p);
}

/** a - b of s32 as f32, by way of f64, which holds it. */
// @ts-ignore: decorator
@inline
function difference(a: v128, b: v128): v128 {
  const low = f64x2.sub(f64x2.convert_low_i32x4_s(a), f64x2.convert_low_i32x4_s(b));
  const a1 = i64x2.shuffle(a, a, 1, 1), b1 = i64x2.shuffle(b, b, 1, 1);
  const high = f64x2.sub(f64x2.convert_low_i32x4_s(a1), f64x2.convert_low_i32x4_s(b1));
  return i64x2.shuffle(f32x4.demote_f64x2_zero(low), f32x4.demote_f64x2_zero(high), 0, 2);
}

/**
 * Scale and zero point for uint8 of all of x: scale = (max(x, 0) - min(x, 0)) / 255, 1 where that is 0; zero =
 * saturate(round(-min / scale)). NaN among x makes the scale NaN and the zero point 0.
 * x: f32 [n]; scale: f32; zero: s32; both apart from x.
 */
export function dynamic_range_f32(n: i32, x: usize, scale: usize, zero: usize): void {
  assert(n >= 0 && ((x | scale | zero) & 3) == 0);
  let least = f32x4.splat(0), most = least;
  for (; n >= 4; n -= 4, x += 16) {
    const v = v128.load(x);
    least = f32x4.min(least, v);
    most = f32x4.max(most, v);
  }
  for (; n > 0; n--, x += 4) {
    const v = v128.load32_zero(x);
    least = f32x4.min(least, v);
    most = f32x4.max(most, v);
  }
  const low = min(min(lane(least, 0), lane(least, 1)), min(lane(least, 2), lane(least, 3)));
  const high = max(max(lane(most, 0), lane(most, 1)), max(lane(most, 2), lane(most, 3)));
  let step: f32 = (high - low) / 255;
  if (step == 0) step = 1;
  store<f32>(scale, step);
  store<i32>(zero, <i32>i32x4.extract_lane(i32x4.trunc_sat_f32x4_s(f32x4.splat(min<f32>(max<f32>(nearest<f32>(-low / step), 0), 255))), 0));
}

// @ts-ignore: decorator
@inline
function lane(v: v128, i: i32): f32 {
  return i == 0 ? f32x4.extract_lane(v, 0) : i == 1 ? f32x4.extract_lane(v, 1)
    : i == 2 ? f32x4.extract_lane(v, 2) : f32x4.extract_lane(v, 3);
}
