/** What is done with the sums of integer products (int8.ts) where B has zero points. */
import { steps } from "./int8";

/**
 * C[i, j] -= zeros[j] * sum over p of (A[i, p] - zero): makes (A - zero)(B - zeros) of (A - zero) B, modulo 2^32.
 * a: int8 [m, k], or uint8 where `unsigned` is 1; zeros: s32 [n]; c: s32 [m, n], changed in place.
 */
export function subtract_zeros_i8(
  m: i32, n: i32, k: i32, a: usize, zeros: usize, c: usize, zero: i32, unsigned: i32,
): void {
  assert(m >= 0 && n >= 0 && k >= 0 && ((zeros | c) & 3) == 0);
  for (; m > 0; m--) {
    let sum = -k * zero;
    let s = i32x4.splat(0);
    let p = k;
    for (; p >= 16; p -= 16, a += 16) {
      const v = v128.load(a);
      const pairs = unsigned ? i16x8.extadd_pairwise_i8x16_u(v) : i16x8.extadd_pairwise_i8x16_s(v);
      s = i32x4.add(s, i32x4.extadd_pairwise_i16x8_s(pairs));
    }
    for (; p > 0; p--, a++) sum += unsigned ? <i32>load<u8>(a) : <i32>load<i8>(a);
    sum += i32x4.extract_lane(s, 0) + i32x4.extract_lane(s, 1) + i32x4.extract_lane(s, 2) + i32x4.extract_lane(s, 3);
    const all = i32x4.splat(sum);
    let j = n, z = zeros;
    for (; j >= 4; j -= 4, z += 16, c += 16) v128.store(c, i32x4.sub(v128.load(c), i32x4.mul(all, v128.load(z))));
    for (; j > 0; j--, z += 4, c += 4) store<i32>(c, load<i32>(c) - sum * load<i32>(z));
  }
}

/**
 * y[i, j] = saturate(round((sums[i, j] + bias[j]) * scale[j]) + yZero), as gemm_requantize_i8 makes it of its sums.
 * sums: s32 [rows, cols]; scale: f32 [cols]; bias: s32 [cols], or 0 for none; y: int8 [rows, cols], or uint8 where `yUnsigned` is
 * 1, written in full, apart from the rest.
 */
export function requantize_i8(
  rows: i32, cols: i32, sums: usize, scale: usize, bias: usize, y: usize, yZero: i32, yUnsigned: i32,
): void {
  assert(rows >= 0 && cols >= 0 && ((sums | scale | bias) & 3) == 0);
  const zero = i16x8.splat(<i16>yZero);
  for (; rows > 0; rows--) {
    let s = scale, b = bias;
    let n = cols;
    for (; n >= 4; n -= 4, sums += 16, s += 16, y += 4) {
      const codes = saturated(v128.load(sums), b ? v128.load(b) : i32x4.splat(0), v128.load(s), zero, yUnsigned);
      v128.store_lane<u32>(y, codes, 0);
      if (b) b += 16;
    }
    for (; n > 0; n--, sums += 4, s += 4, y++) {
      const from = b ? v128.load32_zero(b) : i32x4.splat(0);
      store<u8>(y, i8x16.extract_lane_u(saturated(v128.load32_zero(sums), from, v128.load32_zero(s), zero, yUnsigned), 0));
      if (b) b += 4;
    }
  }
}

// @ts-ignore: decorator
@inline
function saturated(sums: v128, bias: v128, scale: v128, zero: v128, unsigned: i32): v128 {
  const wide = steps(sums, bias, scale);
  const v = i16x8.add_sat_s(i16x8.narrow_i32x4_s(wide, wide), zero);
  return unsigned ? i8x16.narrow_i16x8_u(v, v) : i8x16.narrow_i16x8_s(v, v);
}
