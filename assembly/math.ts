/**
 * Elementary functions of four floats, the same bits on every host and in both builds: only additions, products and
 * roundings that IEEE 754 fixes, none of them fused.
 */

/**
 * e^x, within 1 ulp of the true value for every float (0.991 measured over all of them; 0.751 where the result is
 * denormal).
 * NaN stays NaN, +Inf gives +Inf, -Inf gives 0; results below 2^-150 are 0, above the largest float +Inf.
 * e^x = 2^n e^r with n = round(x / ln 2), |r| <= ln 2 / 2; ln 2 is subtracted in two parts, and e^r = 1 + r + r^2 P(r).
 * Reduction and P: S. L. Moshier, Cephes Mathematical Library, expf.c, 1989. The scale is applied in two steps, so that
 * denormal results are rounded once, at the end.
 */
// @ts-ignore: decorator
@inline
export function exp_f32x4(x: v128): v128 {
  // Past these bounds the result is 0 or infinite, and n stays where both scales are normal. min and max keep NaN.
  const bounded = f32x4.max(f32x4.min(x, f32x4.splat(89)), f32x4.splat(-104));
  const n = f32x4.nearest(f32x4.mul(bounded, f32x4.splat(1.44269504088896341)));
  let r = f32x4.sub(bounded, f32x4.mul(n, f32x4.splat(0.693359375)));
  r = f32x4.sub(r, f32x4.mul(n, f32x4.splat(-2.12194440e-4)));
  let p = f32x4.splat(1.9875691500e-4);
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.3981999507e-3));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(8.3334519073e-3));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(4.1665795894e-2));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.6666665459e-1));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(5.0000001201e-1));
  const e = f32x4.add(f32x4.add(f32x4.mul(p, f32x4.mul(r, r)), r), f32x4.splat(1));
  const power = i32x4.trunc_sat_f32x4_s(n);
  const half = i32x4.shr_s(power, 1);
  const bias = i32x4.splat(127);
  const low = i32x4.shl(i32x4.add(half, bias), 23);
  const high = i32x4.shl(i32x4.add(i32x4.sub(power, half), bias), 23);
  return f32x4.mul(f32x4.mul(e, low), high);
}
