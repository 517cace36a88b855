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
 * g = dw + decay * w;  v <- momentum * v + g;  w <- w - rate * v;  where mask bit i is 0: v <- 0.
 *
 * - w: f32 [n], changed in place; dw: f32 [n]; velocity: f32 [n], changed in place
 * - mask: (n + 7) >> 3 bytes, or 0 for all
 * - rate, momentum, decay: 0 or more
 *
 * B. T. Polyak, "Some methods of speeding up the convergence of iteration methods", 1964.
 */
export function sgd_step_f32(
  n: i32, w: usize, dw: usize, velocity: usize, mask: usize, rate: f32, momentum: f32, decay: f32,
): void {
  assert(((w | dw | velocity) & 3) == 0);
  const r = f32x4.splat(rate);
  const m = f32x4.splat(momentum);
  const d = f32x4.splat(decay);
  const whole = n & ~3;
  for (let i = 0; i < whole; i += 4) {
    sgd(w, dw, velocity, kept(mask, i), r, m, d, 4);
    w += 16;
    dw += 16;
    velocity += 16;
  }
  if (whole < n) sgd(w, dw, velocity, kept(mask, whole), r, m, d, n - whole);
}

// @ts-ignore: decorator
@inline
function sgd(w: usize, dw: usize, velocity: usize, lanes: v128, r: v128, m: v128, d: v128, count: i32): void {
  const old = loadSome(w, count);
  const g = f32x4.add(loadSome(dw, count), f32x4.mul(d, old));
  const v = f32x4.add(f32x4.mul(m, loadSome(velocity, count)), g);
  storeSome(velocity, v128.and(v, lanes), count);
  storeSome(w, v128.bitselect(f32x4.sub(old, f32x4.mul(r, v)), old, lanes), count);
}

/**
 * m <- beta1 * m + (1 - beta1) * dw;  v <- beta2 * v + (1 - beta2) * dw^2;
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
  rate: f32, beta1: f64, beta2: f64, epsilon: f32, decay: f32, correction1: f32, correction2: f32,
): void {
  assert(((w | dw | first | second) & 3) == 0);
  const r = f32x4.splat(rate);
  const b1 = f32x4.splat(<f32>beta1);
  const b2 = f32x4.splat(<f32>beta2);
  // Rounded once, from f64: 1 - f32(0.999) would be wrong in its fifth digit.
  const a1 = f32x4.splat(<f32>(1 - beta1));
  const a2 = f32x4.splat(<f32>(1 - beta2));
  const e = f32x4.splat(epsilon);
  const d = f32x4.splat(decay);
  const c1 = f32x4.splat(correction1);
  const c2 = f32x4.splat(correction2);
  const whole = n & ~3;
  for (let i = 0; i < whole; i += 4) {
    adam(w, dw, first, second, kept(mask, i), r, b1, a1, b2, a2, e, d, c1, c2, 4);
    w += 16;
    dw += 16;
    first += 16;
    second += 16;
  }
  if (whole < n) adam(w, dw, first, second, kept(mask, whole), r, b1, a1, b2, a2, e, d, c1, c2, n - whole);
}

// @ts-ignore: decorator
@inline
function adam(
  w: usize, dw: usize, first: usize, second: usize, lanes: v128,
  r: v128, b1: v128, a1: v128, b2: v128, a2: v128, e: v128, d: v128, c1: v128, c2: v128, count: i32,
): void {
  const old = loadSome(w, count);
  const g = loadSome(dw, count);
  const m = f32x4.add(f32x4.mul(b1, loadSome(first, count)), f32x4.mul(a1, g));
  const v = f32x4.add(f32x4.mul(b2, loadSome(second, count)), f32x4.mul(a2, f32x4.mul(g, g)));
  const direction = f32x4.div(f32x4.mul(m, c1), f32x4.add(f32x4.sqrt(f32x4.mul(v, c2)), e));
  const step = f32x4.mul(r, f32x4.add(direction, f32x4.mul(d, old)));
  storeSome(first, v128.and(m, lanes), count);
  storeSome(second, v128.and(v, lanes), count);
  storeSome(w, v128.bitselect(f32x4.sub(old, step), old, lanes), count);
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
