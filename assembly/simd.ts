/**
 * acc + a b, four lanes. The only place where the strict and the relaxed build differ: strict rounds the product and
 * then the sum, relaxed leaves it to the host, which fuses where it can. Whatever must have the same bits for any batch
 * or position does all of its products here and none in scalar code.
 */
// @ts-ignore: decorator
@inline
export function madd(acc: v128, a: v128, b: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, acc);
  return f32x4.add(acc, f32x4.mul(a, b));
}

/**
 * max(v, lo), then min(that, hi); NaN stays NaN. An activation's limits stand in memory as f32 [3]: lo, hi, zero. zero is added at
 * the end: +0 where lo is 0, which makes +0 of -0 as max(v, 0) does, else -0, which changes nothing.
 */
// @ts-ignore: decorator
@inline
export function clamp(v: v128, lo: v128, hi: v128, zero: v128): v128 {
  return f32x4.add(f32x4.pmin(f32x4.pmax(v, lo), hi), zero);
}

/** The first n (1..3) floats at p; the other lanes are `rest`. Reads nothing past them. */
// @ts-ignore: decorator
@inline
export function load_head(p: usize, n: i32, rest: f32): v128 {
  let v = f32x4.replace_lane(f32x4.splat(rest), 0, load<f32>(p));
  if (n > 1) v = f32x4.replace_lane(v, 1, load<f32>(p, 4));
  if (n > 2) v = f32x4.replace_lane(v, 2, load<f32>(p, 8));
  return v;
}

/** Writes the first n (1..3) lanes at p and nothing else. */
// @ts-ignore: decorator
@inline
export function store_head(p: usize, v: v128, n: i32): void {
  store<f32>(p, f32x4.extract_lane(v, 0));
  if (n > 1) store<f32>(p, f32x4.extract_lane(v, 1), 4);
  if (n > 2) store<f32>(p, f32x4.extract_lane(v, 2), 8);
}

/** (l0 + l2) + (l1 + l3). */
// @ts-ignore: decorator
@inline
export function sum_lanes(v: v128): f32 {
  const pair = f32x4.add(v, i64x2.shuffle(v, v, 1, 0));
  return f32x4.extract_lane(pair, 0) + f32x4.extract_lane(pair, 1);
}

/** The largest lane, NaN if any lane is. */
// @ts-ignore: decorator
@inline
export function max_lanes(v: v128): f32 {
  const pair = f32x4.max(v, i64x2.shuffle(v, v, 1, 0));
  return max<f32>(f32x4.extract_lane(pair, 0), f32x4.extract_lane(pair, 1));
}

/** Rows x0..x3 of a 4 x 4 tile written as its columns, `step` bytes apart, at p. */
// @ts-ignore: decorator
@inline
export function store_columns(p: usize, step: usize, x0: v128, x1: v128, x2: v128, x3: v128): void {
  const t0 = i32x4.shuffle(x0, x1, 0, 4, 1, 5);
  const t1 = i32x4.shuffle(x0, x1, 2, 6, 3, 7);
  const t2 = i32x4.shuffle(x2, x3, 0, 4, 1, 5);
  const t3 = i32x4.shuffle(x2, x3, 2, 6, 3, 7);
  v128.store(p, i64x2.shuffle(t0, t2, 0, 2));
  v128.store(p + step, i64x2.shuffle(t0, t2, 1, 3));
  v128.store(p + 2 * step, i64x2.shuffle(t1, t3, 0, 2));
  v128.store(p + 3 * step, i64x2.shuffle(t1, t3, 1, 3));
}
