/**
 * Optimizer steps, in place. Where the mask is 0 the weight stays as it is and its moments become 0, so that a weight
 * that comes back later starts from rest; what a masked weight is, the caller decides.
 *
 * No fused multiply-add here, not even in the relaxed build: these loops wait for memory, and so training keeps its
 * bits.
 */
import { firstLanes } from "../compress/mask";
import { load_head, store_head } from "../simd";

/**
 * g = dw + l2 * w;  v <- momentum * v + g;  w <- w - rate * (u + decay * w),  u = v, or momentum * v + g where nesterov is not 0;
 * where mask bit i is 0: v <- 0.
 *
 * - w: f32 [n], changed in place; dw: f32 [n]; velocity: f32 [n], changed in place
 * - mask: (n + 7) >> 3 bytes, or 0 for all
 * - rate, momentum, l2, decay: 0 or more
 *
 * B. T. Polyak, "Some methods of speeding up the convergence of iteration methods", 1964; nesterov: I. Sutskever et al., "On the
 * importance of initialization and momentum in deep learning", 2013; decay: I. Loshchilov, F. Hutter, "Decoupled weight decay
 * regularization", 2019.
 */
export function sgd_step_f32(
  n: i32, w: usize, dw: usize, velocity: usize, mask: usize,
  rate: f32, momentum: f32, nesterov: i32, l2: f32, decay: f32,
): void {
  assert(((w | dw | velocity) & 3) == 0);
  const r = f32x4.splat(rate);
  const m = f32x4.splat(momentum);
  const l = f32x4.splat(l2);
  const d = f32x4.splat(decay);
  const ahead = i32x4.splat(nesterov ? -1 : 0);
  const whole = n & ~3;
  for (let i = 0; i < whole; i += 4) {
    sgd(w, dw, velocity, kept(mask, i), r, m, ahead, l, d, 4);
    w += 16;
    dw += 16;
    velocity += 16;
  }
  if (whole < n) sgd(w, dw, velocity, kept(mask, whole), r, m, ahead, l, d, n - whole);
}

// @ts-ignore: decorator
@inline
function sgd(
  w: usize, dw: usize, velocity: usize, lanes: v128, r: v128, m: v128, ahead: v128, l: v128, d: v128, count: i32,
): void {
  const old = loadSome(w, count);
  const g = f32x4.add(loadSome(dw, count), f32x4.mul(l, old));
  const v = f32x4.add(f32x4.mul(m, loadSome(velocity, count)), g);
  const u = v128.bitselect(f32x4.add(f32x4.mul(m, v), g), v, ahead);
  storeSome(velocity, v128.and(v, lanes), count);
  const step = f32x4.mul(r, f32x4.add(u, f32x4.mul(d, old)));
  storeSome(w, v128.bitselect(f32x4.sub(old, step), old, lanes), count);
}

/**
 * g = dw + l2 * w;  m <- beta1 * m + (1 - beta1) * g;  v <- beta2 * v + (1 - beta2) * g^2;
 * w <- w - rate * (m * correction1 / (sqrt(v * correction2) + epsilon) + decay * w);  where mask bit i is 0: m, v <-
 * 0.
 *
 * - w, first (m), second (v): f32 [n], changed in place; dw: f32 [n]
 * - mask: (n + 7) >> 3 bytes, or 0 for all
 * - beta1, beta2: 0 or more, below 1; correction: 1 / (1 - beta^t) at step t = 1, 2, ...; epsilon > 0
 *
 * D. P. Kingma, J. Ba, "Adam: a method for stochastic optimization", 2015; I. Loshchilov, F. Hutter, "Decoupled
 * weight decay regularization", 2019.
 */
export function adam_step_f32(
  n: i32, w: usize, dw: usize, first: usize, second: usize, mask: usize,
  rate: f32, beta1: f64, beta2: f64, epsilon: f32, l2: f32, decay: f32, correction1: f32, correction2: f32,
): void {
  assert(((w | dw | first | second) & 3) == 0);
  const r = f32x4.splat(rate);
  const b1 = f32x4.splat(<f32>beta1);
  const b2 = f32x4.splat(<f32>beta2);
  // Rounded once, from f64: 1 - f32(0.999) would be wrong in its fifth digit.
  const a1 = f32x4.splat(<f32>(1 - beta1));
  const a2 = f32x4.splat(<f32>(1 - beta2));
  const e = f32x4.splat(epsilon);
  const l = f32x4.splat(l2);
  const d = f32x4.splat(decay);
  const c1 = f32x4.splat(correction1);
  const c2 = f32x4.splat(correction2);
  const whole = n & ~3;
  for (let i = 0; i < whole; i += 4) {
    adam(w, dw, first, second, kept(mask, i), r, b1, a1, b2, a2, e, l, d, c1, c2, 4);
    w += 16;
    dw += 16;
    first += 16;
    second += 16;
  }
  if (whole < n) adam(w, dw, first, second, kept(mask, whole), r, b1, a1, b2, a2, e, l, d, c1, c2, n - whole);
}

// @ts-ignore: decorator
@inline
function adam(
  w: usize, dw: usize, first: usize, second: usize, lanes: v128,
  r: v128, b1: v128, a1: v128, b2: v128, a2: v128, e: v128, l: v128, d: v128, c1: v128, c2: v128, count: i32,
): void {
  const old = loadSome(w, count);
  const g = f32x4.add(loadSome(dw, count), f32x4.mul(l, old));
  const m = f32x4.add(f32x4.mul(b1, loadSome(first, count)), f32x4.mul(a1, g));
  const v = f32x4.add(f32x4.mul(b2, loadSome(second, count)), f32x4.mul(a2, f32x4.mul(g, g)));
  const direction = f32x4.div(f32x4.mul(m, c1), f32x4.add(f32x4.sqrt(f32x4.mul(v, c2)), e));
  const step = f32x4.mul(r, f32x4.add(direction, f32x4.mul(d, old)));
  storeSome(first, v128.and(m, lanes), count);
  storeSome(second, v128.and(v, lanes), count);
  storeSome(w, v128.bitselect(f32x4.sub(old, step), old, lanes), count);
}

/**
 * The sum of x[i]^2 in f64, where mask bit i is 1.
 *
 * - x: f32 [n]
 * - mask: (n + 7) >> 3 bytes, or 0 for all
 */
export function sum_squares_f32(n: i32, x: usize, mask: usize): f64 {
  assert((x & 3) == 0);
  let low = f64x2.splat(0);
  let high = f64x2.splat(0);
  for (let i = 0; i < n; i += 4) {
    const v = v128.and(loadSome(x, min(4, n - i)), kept(mask, i));
    const a = f64x2.promote_low_f32x4(v);
    const b = f64x2.promote_low_f32x4(v128.shuffle<i32>(v, v, 2, 3, 2, 3));
    low = f64x2.add(low, f64x2.mul(a, a));
    high = f64x2.add(high, f64x2.mul(b, b));
    x += 16;
  }
  low = f64x2.add(low, high);
  return f64x2.extract_lane(low, 0) + f64x2.extract_lane(low, 1);
}

/** x[i] <- factor * x[i]. x: f32 [n], changed in place. */
export function scale_f32(n: i32, x: usize, factor: f32): void {
  assert((x & 3) == 0);
  const f = f32x4.splat(factor);
  for (let i = 0; i < n; i += 4) {
    const count = min(4, n - i);
    storeSome(x, f32x4.mul(f, loadSome(x, count)), count);
    x += 16;
  }
}

/** All ones in the lanes whose mask bits i .. i + 3 are set (i a multiple of 4), in all lanes without a mask. */
// @ts-ignore: decorator
@inline
function kept(mask: usize, i: i32): v128 {
  const byte = mask ? <i32>load<u8>(mask + ((<usize>i) >> 3)) : 0xff;
  return firstLanes(i32x4.splat(byte >> (i & 4)));
}

/** `count` elements, 1 to 4, and zeros. */
// @ts-ignore: decorator
@inline
function loadSome(p: usize, count: i32): v128 {
  if (count == 4) return v128.load(p);
  return load_head(p, count, 0);
}

// @ts-ignore: decorator
@inline
function storeSome(p: usize, v: v128, count: i32): void {
  if (count == 4) v128.store(p, v);
  else store_head(p, v, count);
}
