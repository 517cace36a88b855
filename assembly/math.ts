/**
 * Elementary functions of four floats, the same bits on every host and in both builds: only sums, products, quotients
 * and roundings that IEEE 754 fixes, none of them fused.
 *
 * Worst errors are measured over all 2^32 floats by scripts/sweep-math.mjs. P, Q, ... are polynomials with the least maximum
 * of the error that counts, found by iterated weighted least squares (C. L. Lawson, 1961), their coefficients rounded one
 * after another.
 *
 * Constants are read from memory: V8 makes a v128.const anew in every turn of a loop, by three instructions, and reads and
 * spreads a float by one (measured: tanh 1.25 against 0.95 ns). pmin and pmax keep the NaN of their first operand, in one
 * instruction where min and max take eight.
 */

/** The float of `table` at i, in every lane. */
// @ts-ignore: decorator
@inline
function at(table: usize, i: i32): v128 {
  return v128.load32_splat(table + (<usize>i << 2));
}

/** p x + c: one step of Horner's scheme. */
// @ts-ignore: decorator
@inline
function step(p: v128, x: v128, c: v128): v128 {
  return f32x4.add(f32x4.mul(p, x), c);
}

/** 1, whose bits are the exponent's bias too; -0, which is the sign. */
const one: usize = memory.data<f32>([1]);
const minus_zero: usize = memory.data<f32>([-0.0]);

/**
 * 1.5 2^23: a sum with it is rounded to a whole number n, which stands in the sum's low bits. With 127 + k added to it,
 * shifting them into the exponent leaves 2^(n + k).
 */
// @ts-ignore: decorator
@inline
const whole: f32 = 12582912;

/** v >= 0 with the sign of x. */
// @ts-ignore: decorator
@inline
function signed(v: v128, x: v128): v128 {
  return v128.or(v, v128.and(x, at(minus_zero, 0)));
}

/** P of e^r = 1 + r + r^2 P(r), |r| <= ln 2 / 2, from the highest power down. */
const exp_p: usize = memory.data<f32>([
  0.0013870731927454472, 0.008366277441382408, 0.04166743531823158, 0.1666654646396637, 0.4999999701976776,
]);

/** r^2 P(r). */
// @ts-ignore: decorator
@inline
function exp_rest(r: v128): v128 {
  const square = f32x4.mul(r, r);
  const high = step(at(exp_p, 0), square, step(at(exp_p, 1), r, at(exp_p, 2)));
  return f32x4.mul(step(high, square, step(at(exp_p, 3), r, at(exp_p, 4))), square);
}

/**
 * 1 / ln 2; ln 2 in two parts, the first so short that n times it is exact: S. L. Moshier, Cephes Mathematical Library,
 * expf.c, 1989.
 */
const ln2: usize = memory.data<f32>([1.44269504088896341, 0.693359375, -2.12194440e-4]);

/** Past the first two e^x is infinite or 0. */
const exp_c: usize = memory.data<f32>([89, -104, whole]);

/**
 * e^x, within 1 ulp of the true value for every float (0.935 measured).
 * NaN stays NaN, +Inf gives +Inf, -Inf gives 0; results below 2^-150 are 0, above the largest float +Inf.
 * e^x = 2^n e^r with n = round(x / ln 2). The scale is applied in two steps, so that denormal results are rounded once, at
 * the end.
 */
// @ts-ignore: decorator
@inline
export function exp_f32x4(x: v128): v128 {
  const bounded = f32x4.pmax(f32x4.pmin(x, at(exp_c, 0)), at(exp_c, 1));
  const rounded = step(bounded, at(ln2, 0), at(exp_c, 2));
  const n = f32x4.sub(rounded, at(exp_c, 2));
  const high = f32x4.sub(bounded, f32x4.mul(n, at(ln2, 1)));
  const low = f32x4.mul(n, at(ln2, 2));
  // high is exact, and so comes last.
  const rest = f32x4.add(f32x4.sub(exp_rest(f32x4.sub(high, low)), low), high);
  const bias = at(one, 0);
  const exponent = i32x4.sub(rounded, at(exp_c, 2));
  const half = i32x4.shr_s(exponent, 1);
  const first = i32x4.add(i32x4.shl(half, 23), bias);
  const second = i32x4.add(i32x4.shl(i32x4.sub(exponent, half), 23), bias);
  return f32x4.mul(f32x4.mul(f32x4.add(rest, bias), first), second);
}

/** Where e^x is below half of the smallest denormal; rounding, with the exponent n + 48 to come. */
const scaled_c: usize = memory.data<f32>([-104, whole + 127 + 48]);

/**
 * 2^48 e^x, x <= 0, within 1.1 ulp (1.031 measured) down to x = -104 and no less from there on: a normal number, so that what
 * is made of it is rounded once even where it is denormal. NaN stays NaN. By 2^24 it would be normal too, but not what it is made
 * of, which takes processors long (measured: rows masked by half took 1.6 times as long).
 */
// @ts-ignore: decorator
@inline
export function scaled_exp_f32x4(x: v128): v128 {
  const bounded = f32x4.pmax(x, at(scaled_c, 0));
  const rounded = step(bounded, at(ln2, 0), at(scaled_c, 1));
  const n = f32x4.sub(rounded, at(scaled_c, 1));
  const r = f32x4.sub(f32x4.sub(bounded, f32x4.mul(n, at(ln2, 1))), f32x4.mul(n, at(ln2, 2)));
  const scale = i32x4.shl(rounded, 23);
  return step(f32x4.add(exp_rest(r), r), scale, scale);
}

/** T of tanh(r / 2) = r T(r^2), |r| <= ln 2 / 2; the bound of a; rounding, with the exponent 24 - n to come; 2^24; 2^25. */
const sigmoid_c: usize = memory.data<f32>([
  0.004075554199516773, -0.04166097193956375, 0.49999991059303284, 104, whole + 127 + 24, 16777216, 33554432,
]);

/**
 * 1 / (1 + e^-x), within 2 ulp (1.949 measured). 0 for -Inf, 1 for +Inf.
 * Let a = |x|, n = round(a / ln 2), s = 2^-n, b = tanh((a - n ln 2) / 2). Then e^-a = s (1 - b) / (1 + b), and
 * sigmoid(-a) = f - f 2 b / (1 + s + b (1 - s)) with f = s / (1 + s): the errors of all but f count by half at most. s is
 * taken times 2^24, where it is normal.
 */
// @ts-ignore: decorator
@inline
export function sigmoid_f32x4(x: v128): v128 {
  const a = f32x4.pmin(f32x4.abs(x), at(sigmoid_c, 3));
  const rounded = f32x4.sub(at(sigmoid_c, 4), f32x4.mul(a, at(ln2, 0)));
  const n = f32x4.sub(at(sigmoid_c, 4), rounded);
  const r = f32x4.sub(f32x4.sub(a, f32x4.mul(n, at(ln2, 1))), f32x4.mul(n, at(ln2, 2)));
  const square = f32x4.mul(r, r);
  const b = f32x4.mul(step(step(at(sigmoid_c, 0), square, at(sigmoid_c, 1)), square, at(sigmoid_c, 2)), r);
  const s = i32x4.shl(rounded, 23);
  const more = f32x4.add(at(sigmoid_c, 5), s), less = f32x4.sub(at(sigmoid_c, 5), s);
  const f = f32x4.div(s, more);
  const part = f32x4.div(f32x4.mul(b, at(sigmoid_c, 6)), step(b, less, more));
  const left = f32x4.sub(f, f32x4.mul(f, part));
  // 1 - left where x has no sign, |0 - left| where it has.
  return f32x4.abs(f32x4.sub(v128.andnot(at(one, 0), i32x4.shr_s(x, 31)), left));
}

/**
 * P of tanh z = z + z^3 P(z^2), |z| <= ln 2 / 4; the bound of a; 2 / ln 2; ln 2 / 2; rounding, with the exponent -n to
 * come; 2.
 */
const tanh_c: usize = memory.data<f32>([
  -0.05271592363715172, 0.1333114355802536, -0.33333322405815125, 9.1, 2.8853900817779268, 0.34657359, whole + 127, 2,
]);

/**
 * tanh x, within 2 ulp (1.639 measured); odd, denormals as they are.
 * Let a = |x|, n = round(2 a / ln 2), s = 2^-n, b = tanh(a - n ln 2 / 2), d = 1 - s. Then tanh a = (d + b (1 + s)) /
 * (1 + s + b d), taken as d^2 + s (s d + b (d^2 + d + 2)) / (1 + s + b d): b itself where n = 0; elsewhere d^2 is exact or
 * nearly so, and the errors of the rest count by half at most.
 */
// @ts-ignore: decorator
@inline
export function tanh_f32x4(x: v128): v128 {
  const a = f32x4.pmin(f32x4.abs(x), at(tanh_c, 3));
  const rounded = f32x4.sub(at(tanh_c, 6), f32x4.mul(a, at(tanh_c, 4)));
  const n = f32x4.sub(at(tanh_c, 6), rounded);
  const z = f32x4.sub(a, f32x4.mul(n, at(tanh_c, 5)));
  const square = f32x4.mul(z, z);
  const p = step(step(at(tanh_c, 0), square, at(tanh_c, 1)), square, at(tanh_c, 2));
  const b = step(p, f32x4.mul(square, z), z);
  const s = i32x4.shl(rounded, 23);
  const d = f32x4.sub(at(one, 0), s);
  const most = f32x4.mul(d, d);
  const factor = f32x4.add(f32x4.add(most, d), at(tanh_c, 7));
  const numerator = f32x4.mul(s, step(b, factor, f32x4.mul(d, s)));
  const divisor = step(b, d, f32x4.add(at(one, 0), s));
  return signed(f32x4.add(most, f32x4.div(numerator, divisor)), x);
}

/** Q of ln(1 - erf a) = -(a + a Q(a)), a <= 4, from the highest power down; the bound of a; ln 2; rounding, as for tanh. */
const erf_c: usize = memory.data<f32>([
  -0.000009389244041813072, 0.00011886949505424127, -0.0006373828509822488, 0.0016756977420300245,
  -0.0001695149694569409, -0.01914782077074051, 0.10277630388736725, 0.6366195678710938, 0.12837916612625122,
  4, 0.6931471824645996, whole + 127,
]);

/**
 * erf x = 2 / sqrt(pi) times the integral of e^-t^2 from 0 to x, within 2 ulp (1.674 measured); odd. erf a =
 * 1 - e^-(a + v), v = a Q(a), as 1 - 2^-n - 2^-n (e^r - 1), r = n ln 2 - a - v: for small a nothing cancels.
 */
// @ts-ignore: decorator
@inline
export function erf_f32x4(x: v128): v128 {
  const a = f32x4.pmin(f32x4.abs(x), at(erf_c, 9));
  const square = f32x4.mul(a, a);
  let even = step(step(at(erf_c, 0), square, at(erf_c, 2)), square, at(erf_c, 4));
  even = step(step(even, square, at(erf_c, 6)), square, at(erf_c, 8));
  const odd = step(step(step(at(erf_c, 1), square, at(erf_c, 3)), square, at(erf_c, 5)), square, at(erf_c, 7));
  const v = step(even, a, f32x4.mul(odd, square));
  const rounded = f32x4.sub(at(erf_c, 11), f32x4.mul(f32x4.add(a, v), at(ln2, 0)));
  const n = f32x4.sub(at(erf_c, 11), rounded);
  const high = f32x4.sub(f32x4.mul(n, at(erf_c, 10)), a);
  const rest = f32x4.add(f32x4.sub(exp_rest(f32x4.sub(high, v)), v), high);
  const s = i32x4.shl(rounded, 23);
  return signed(f32x4.sub(f32x4.sub(at(one, 0), s), f32x4.mul(s, rest)), x);
}

/**
 * x where x > 0, else 0 with the sign of x: what x Phi(x) is but for its tail, a Phi(-a) with a = |x|. NaN for -Inf, where
 * the formula is -Inf times 0. bounded: x, but finite where x is +Inf.
 */
// @ts-ignore: decorator
@inline
function positive(x: v128, bounded: v128): v128 {
  return f32x4.pmax(f32x4.mul(bounded, at(zero, 0)), x);
}
const zero: usize = memory.data<f32>([0]);

/** M of e^(-r / 2) = 1 + r M(r), |r| <= 0.75, from the highest power down. */
const gelu_m: usize = memory.data<f32>([
  0.000021764602934126742, -0.00026223110035061836, 0.0026041402015835047, -0.020832713693380356, 0.1250000149011612,
  -0.5000000596046448,
]);

/** Q, from the highest power down. */
const gelu_q: usize = memory.data<f32>([
  -0.33966249227523804, -0.211048886179924, 0.3345959186553955, 0.46300116181373596, 0.021632393822073936,
  -0.5329476594924927, -0.5070244669914246, 0.5596970319747925, 2.1231320381164551, 0.4649570882320404,
]);

/** The bound of a; for u; 1 / (2 ln 2); 2 ln 2 in two parts; rounding, with the exponent 40 - n to come; 2^-40. */
const gelu_c: usize = memory.data<f32>([
  14.5, 2.25, 0.375, 0.72134752044448170, 1.38671875, -4.2438888e-4, whole + 127 + 40, 9.094947017729282e-13,
]);

/**
 * x Phi(x) = x (1 + erf(x / sqrt 2)) / 2, within 4 ulp for every float (3.624 measured), the tail to -14.5 too; NaN for
 * -Inf, as the formula. It is x where x > 0, else 0, less the tail a Phi(-a), a = |x|. With u = a / (a + 2.25),
 * a Phi(-a) = u e^(-(a^2 + Q(u - 0.375)) / 2): a^2 in two parts, the first exact, since e^ turns the exponent's absolute
 * error into a relative one.
 */
// @ts-ignore: decorator
@inline
export function gelu_f32x4(x: v128): v128 {
  const a = f32x4.pmin(f32x4.abs(x), at(gelu_c, 0));
  const u = f32x4.div(a, f32x4.add(a, at(gelu_c, 1)));
  const v = f32x4.sub(u, at(gelu_c, 2));
  const square = f32x4.mul(v, v);
  let odd = step(step(at(gelu_q, 0), square, at(gelu_q, 2)), square, at(gelu_q, 4));
  odd = step(step(odd, square, at(gelu_q, 6)), square, at(gelu_q, 8));
  let even = step(step(at(gelu_q, 1), square, at(gelu_q, 3)), square, at(gelu_q, 5));
  even = step(step(even, square, at(gelu_q, 7)), square, at(gelu_q, 9));
  // Twelve bits of a: their square has no more than a float holds.
  const short = i32x4.shl(i32x4.shr_u(a, 12), 12);
  const high = f32x4.mul(short, short);
  const low = f32x4.add(f32x4.mul(f32x4.add(a, short), f32x4.sub(a, short)), step(odd, v, even));
  const rounded = f32x4.sub(at(gelu_c, 6), f32x4.mul(f32x4.add(high, low), at(gelu_c, 3)));
  const n = f32x4.sub(at(gelu_c, 6), rounded);
  const r = f32x4.add(f32x4.sub(high, f32x4.mul(n, at(gelu_c, 4))), f32x4.sub(low, f32x4.mul(n, at(gelu_c, 5))));
  const square_r = f32x4.mul(r, r);
  let m = step(step(at(gelu_m, 0), r, at(gelu_m, 1)), square_r, step(at(gelu_m, 2), r, at(gelu_m, 3)));
  m = f32x4.mul(step(m, square_r, step(at(gelu_m, 4), r, at(gelu_m, 5))), r);
  // In this order: neither the least a nor the greatest makes the first product denormal.
  const tail = f32x4.mul(f32x4.mul(step(u, m, u), i32x4.shl(rounded, 23)), at(gelu_c, 7));
  return f32x4.sub(positive(x, f32x4.pmin(x, at(gelu_c, 0))), tail);
}

/** T of tanh(f ln 2 / 2) = f T(f^2), |f| <= 1/2; the bound of a; 2^40. */
const gelu_tanh_c: usize = memory.data<f32>([
  0.0006523574702441692, -0.01387419831007719, 0.34657353162765503, 11, 1099511627776,
]);

/** 2 sqrt(2 / pi) / ln 2, that times 0.044715; 1.5 2^52: rounding, with the exponent 40 - n to come. */
const gate_c: usize = memory.data<f64>([
  1.5957691216057308 * 1.4426950408889634, 0.044715 * 1.5957691216057308 * 1.4426950408889634, 6755399441055744 + 127 + 40,
]);

// @ts-ignore: decorator
@inline
function at_f64(table: usize, i: i32): v128 {
  return v128.load64_splat(table + (<usize>i << 3));
}

/** 2 sqrt(2 / pi) (a + 0.044715 a^3) / ln 2. */
// @ts-ignore: decorator
@inline
function gate(a: v128): v128 {
  const cubic = f64x2.mul(f64x2.mul(a, a), at_f64(gate_c, 1));
  return f64x2.mul(a, f64x2.add(cubic, at_f64(gate_c, 0)));
}

/** w less its whole part, which is in `rounded`, both of two f64. */
// @ts-ignore: decorator
@inline
function fraction(w: v128, rounded: v128): v128 {
  return f32x4.demote_f64x2_zero(f64x2.sub(w, f64x2.sub(at_f64(gate_c, 2), rounded)));
}

/**
 * x (1 + tanh v) / 2 = x / (1 + e^-2v) with v = sqrt(2 / pi) (x + 0.044715 x^3), within 4 ulp of that for every float (3.491
 * measured); NaN for -Inf, as the formula. Like gelu less a tail: a e / (1 + e) with e = e^-2v(a) = s (1 - b) / (1 + b),
 * s = 2^-n, b = tanh(f ln 2 / 2), n + f = 2 v(a) / ln 2 in f64. D. Hendrycks, K. Gimpel, "Gaussian error linear units", 2016.
 */
// @ts-ignore: decorator
@inline
export function gelu_tanh_f32x4(x: v128): v128 {
  const a = f32x4.pmin(f32x4.abs(x), at(gelu_tanh_c, 3));
  const w0 = gate(f64x2.promote_low_f32x4(a)), w1 = gate(f64x2.promote_low_f32x4(i64x2.shuffle(a, a, 1, 1)));
  const rounded0 = f64x2.sub(at_f64(gate_c, 2), w0), rounded1 = f64x2.sub(at_f64(gate_c, 2), w1);
  const f = i64x2.shuffle(fraction(w0, rounded0), fraction(w1, rounded1), 0, 2);
  const s = i32x4.shl(i32x4.shuffle(rounded0, rounded1, 0, 2, 4, 6), 23);
  const square = f32x4.mul(f, f);
  const b = f32x4.mul(step(step(at(gelu_tanh_c, 0), square, at(gelu_tanh_c, 1)), square, at(gelu_tanh_c, 2)), f);
  const e = f32x4.mul(s, f32x4.sub(at(one, 0), b));
  const divisor = step(f32x4.add(at(one, 0), b), at(gelu_tanh_c, 4), e);
  const tail = f32x4.div(f32x4.mul(e, a), divisor);
  return f32x4.sub(positive(x, f32x4.pmin(x, at(gelu_tanh_c, 3))), tail);
}
