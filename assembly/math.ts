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
  return power(exp_rest(r), n);
}

/** e^r for |r| <= ln 2 / 2. */
// @ts-ignore: decorator
@inline
function exp_rest(r: v128): v128 {
  let p = f32x4.splat(1.9875691500e-4);
  p = step(p, r, 1.3981999507e-3);
  p = step(p, r, 8.3334519073e-3);
  p = step(p, r, 4.1665795894e-2);
  p = step(p, r, 1.6666665459e-1);
  p = step(p, r, 5.0000001201e-1);
  return f32x4.add(f32x4.add(f32x4.mul(p, f32x4.mul(r, r)), r), f32x4.splat(1));
}

/** v 2^n for whole n within -252..254, in two steps: a denormal result is rounded once, by the second. */
// @ts-ignore: decorator
@inline
function power(v: v128, n: v128): v128 {
  const exponent = i32x4.trunc_sat_f32x4_s(n);
  const half = i32x4.shr_s(exponent, 1);
  const bias = i32x4.splat(127);
  const low = i32x4.shl(i32x4.add(half, bias), 23);
  const high = i32x4.shl(i32x4.add(i32x4.sub(exponent, half), bias), 23);
  return f32x4.mul(f32x4.mul(v, low), high);
}

/** p x + c: one step of Horner's scheme. */
// @ts-ignore: decorator
@inline
function step(p: v128, x: v128, c: f32): v128 {
  return f32x4.add(f32x4.mul(p, x), f32x4.splat(c));
}

/** a where x >= 0, -0 too, else b: NaN gives b. */
// @ts-ignore: decorator
@inline
function by_sign(x: v128, a: v128, b: v128): v128 {
  return v128.bitselect(a, b, f32x4.ge(x, f32x4.splat(0)));
}

/**
 * tanh x, within 2 ulp; odd, denormals as they are. x + x^3 P(x^2) up to 5/8, from there 1 - 2 / (e^(2 |x|) + 1).
 * P: least maximum of the relative error, by iterated weighted least squares (C. L. Lawson, 1961).
 */
// @ts-ignore: decorator
@inline
export function tanh_f32x4(x: v128): v128 {
  const a = f32x4.abs(x);
  const one = f32x4.splat(1);
  const e = exp_f32x4(f32x4.add(a, a));
  const large = f32x4.sub(one, f32x4.div(f32x4.splat(2), f32x4.add(e, one)));
  const square = f32x4.mul(a, a);
  let p = f32x4.splat(-5.717036314308643e-3);
  p = step(p, square, 2.0650578662753105e-2);
  p = step(p, square, -5.374349653720856e-2);
  p = step(p, square, 1.3331490755081177e-1);
  p = step(p, square, -3.333328366279602e-1);
  const small = f32x4.add(f32x4.mul(f32x4.mul(p, square), a), a);
  return signed(v128.bitselect(small, large, f32x4.lt(a, f32x4.splat(0.625))), x);
}

/** v >= 0 with the sign of x. */
// @ts-ignore: decorator
@inline
function signed(v: v128, x: v128): v128 {
  return v128.or(v, v128.and(x, i32x4.splat(i32.MIN_VALUE)));
}

/**
 * erf x = 2 / sqrt(pi) times the integral of e^-t^2 from 0 to x, within 2 ulp; odd. x + x P(x^2) up to 0.92, from there
 * 1 - e^(t Q(t)) with t = min(|x|, 4), where t Q(t) = ln(1 - erf t). P, Q: as for tanh.
 */
// @ts-ignore: decorator
@inline
export function erf_f32x4(x: v128): v128 {
  const a = f32x4.abs(x);
  const t = f32x4.min(a, f32x4.splat(4));
  let q = f32x4.splat(2.1353222837205976e-4);
  q = step(q, t, -3.211312461644411e-3);
  q = step(q, t, 2.287859469652176e-2);
  q = step(q, t, -1.0524463653564453e-1);
  q = step(q, t, -6.357309222221375e-1);
  q = step(q, t, -1.1285107135772705);
  const large = f32x4.sub(f32x4.splat(1), exp_f32x4(f32x4.mul(q, t)));
  const square = f32x4.mul(a, a);
  let p = f32x4.splat(-5.976893589831889e-4);
  p = step(p, square, 4.99098002910614e-3);
  p = step(p, square, -2.676556631922722e-2);
  p = step(p, square, 1.1281802505254745e-1);
  p = step(p, square, -3.7612494826316833e-1);
  p = step(p, square, 1.2837915122509003e-1);
  const small = f32x4.add(f32x4.mul(p, a), a);
  return signed(v128.bitselect(small, large, f32x4.lt(a, f32x4.splat(0.92))), x);
}

const log2e: f64 = 1.4426950408889634;
const ln2: f64 = 0.6931471805599453;

/** Lanes of a as f64: 0 and 1, or 2 and 3. */
// @ts-ignore: decorator
@inline
function lower(a: v128): v128 {
  return f64x2.promote_low_f32x4(a);
}
// @ts-ignore: decorator
@inline
function upper(a: v128): v128 {
  return f64x2.promote_low_f32x4(i64x2.shuffle(a, a, 1, 1));
}

/** Two vectors of two f64 as one of four f32. */
// @ts-ignore: decorator
@inline
function joined(a: v128, b: v128): v128 {
  return i64x2.shuffle(f32x4.demote_f64x2_zero(a), f32x4.demote_f64x2_zero(b), 0, 2);
}

/** Whole powers of two in e^w. */
// @ts-ignore: decorator
@inline
function powers(w: v128): v128 {
  return f64x2.nearest(f64x2.mul(w, f64x2.splat(log2e)));
}

/** What e^w is besides them: w - n ln 2. */
// @ts-ignore: decorator
@inline
function rest(w: v128, n: v128): v128 {
  return f64x2.sub(w, f64x2.mul(n, f64x2.splat(ln2)));
}

/** v, but where x is below -limit, and the result below half the smallest denormal, -0, and NaN for -Inf as in the formula. */
// @ts-ignore: decorator
@inline
function or_vanished(v: v128, x: v128, limit: f32): v128 {
  return v128.bitselect(f32x4.mul(x, f32x4.splat(0)), v, f32x4.lt(x, f32x4.splat(-limit)));
}

/**
 * x Phi(x) = x (1 + erf(x / sqrt 2)) / 2, within 4 ulp for every float, the tail to -14.5 too; NaN for -Inf, as the formula.
 * Phi(-a) = e^(-a^2 / 2) R(a): the exponent in f64, since e^ turns its absolute error into a relative one;
 * R(a) = P((a - 3) / (a + 3)) / (a + 3); below 0.65, Phi(x) = 1/2 + x G(x^2). P, G: as for tanh.
 */
// @ts-ignore: decorator
@inline
export function gelu_f32x4(x: v128): v128 {
  const a = f32x4.min(f32x4.abs(x), f32x4.splat(14.5));
  const a0 = lower(a), a1 = upper(a);
  const w0 = f64x2.mul(f64x2.mul(a0, a0), f64x2.splat(-0.5));
  const w1 = f64x2.mul(f64x2.mul(a1, a1), f64x2.splat(-0.5));
  const n0 = powers(w0), n1 = powers(w1);
  const n = joined(n0, n1);
  const m = exp_rest(joined(rest(w0, n0), rest(w1, n1)));
  const c = f32x4.splat(3);
  const u = f32x4.div(f32x4.sub(a, c), f32x4.add(a, c));
  let p = f32x4.splat(-1.5257965424098074e-4);
  p = step(p, u, -9.120109025388956e-4);
  p = step(p, u, 9.755848441272974e-4);
  p = step(p, u, 6.93273451179266e-3);
  p = step(p, u, -1.0452321730554104e-2);
  p = step(p, u, -4.7258634120225906e-2);
  p = step(p, u, 2.3001697659492493e-1);
  p = step(p, u, -5.093321204185486e-1);
  p = step(p, u, 7.290837168693542e-1);
  const t0 = f64x2.div(f64x2.mul(lower(m), lower(p)), f64x2.add(a0, f64x2.splat(3)));
  const t1 = f64x2.div(f64x2.mul(upper(m), upper(p)), f64x2.add(a1, f64x2.splat(3)));
  const right = f32x4.mul(x, f32x4.sub(f32x4.splat(1), power(joined(t0, t1), n)));
  const left = power(joined(f64x2.mul(lower(x), t0), f64x2.mul(upper(x), t1)), n);
  const large = or_vanished(by_sign(x, right, left), x, 14.5);
  const square = f32x4.mul(x, x);
  let g = f32x4.splat(-1.083266455680132e-3);
  g = step(g, square, 9.941200725734234e-3);
  g = step(g, square, -6.648661941289902e-2);
  g = step(g, square, 3.9894217252731323e-1);
  const small = f32x4.mul(x, f32x4.add(f32x4.mul(g, x), f32x4.splat(0.5)));
  return v128.bitselect(small, large, f32x4.lt(a, f32x4.splat(0.65)));
}

/**
 * 1 / (1 + e^-x), within 2 ulp. 0 for -Inf, 1 for +Inf. From e^-|x|, so that neither end overflows; quotients in f64, where
 * nothing else is rounded.
 */
// @ts-ignore: decorator
@inline
export function sigmoid_f32x4(x: v128): v128 {
  const w = f32x4.max(f32x4.neg(f32x4.abs(x)), f32x4.splat(-104));
  const w0 = lower(w), w1 = upper(w);
  const n0 = powers(w0), n1 = powers(w1);
  const e = power(exp_rest(joined(rest(w0, n0), rest(w1, n1))), joined(n0, n1));
  const top = by_sign(x, f32x4.splat(1), e);
  const one = f64x2.splat(1);
  const low = f64x2.div(lower(top), f64x2.add(one, lower(e)));
  return joined(low, f64x2.div(upper(top), f64x2.add(one, upper(e))));
}

/**
 * x (1 + tanh v) / 2 = x / (1 + e^-2v) with v = sqrt(2 / pi) (x + 0.044715 x^3), within 4 ulp of that for every float; NaN
 * for -Inf, as the formula. The exponent in f64, as for gelu. D. Hendrycks, K. Gimpel, "Gaussian error linear units", 2016.
 */
// @ts-ignore: decorator
@inline
export function gelu_tanh_f32x4(x: v128): v128 {
  const a = f32x4.min(f32x4.abs(x), f32x4.splat(11));
  const w0 = gate(lower(a)), w1 = gate(upper(a));
  const n0 = powers(w0), n1 = powers(w1);
  const n = joined(n0, n1);
  const m = exp_rest(joined(rest(w0, n0), rest(w1, n1)));
  const divisor = f32x4.add(f32x4.splat(1), power(m, n));
  const q = f32x4.div(by_sign(x, x, f32x4.mul(x, m)), divisor);
  return or_vanished(by_sign(x, q, power(q, n)), x, 11);
}

/** -2 sqrt(2 / pi) (a + 0.044715 a^3). */
// @ts-ignore: decorator
@inline
function gate(a: v128): v128 {
  const cubic = f64x2.mul(f64x2.mul(a, a), f64x2.splat(0.044715 * -1.5957691216057308));
  return f64x2.mul(a, f64x2.add(cubic, f64x2.splat(-1.5957691216057308)));
}
