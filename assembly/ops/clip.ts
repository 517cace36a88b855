import { clamp, load_head, store_head } from "../simd";

/**
 * y = x held within limits, NaN for NaN: max(x, 0) and its like.
 * x: f32 [n]; limits: f32 [3], see `clamp`; y: f32 [n], written in full, may be x.
 */
export function clip_f32(n: i32, x: usize, limits: usize, y: usize): void {
  assert(n >= 0 && ((x | limits | y) & 3) == 0);
  const lo = v128.load32_splat(limits), hi = v128.load32_splat(limits, 4), zero = v128.load32_splat(limits, 8);
  for (; n >= 4; n -= 4, x += 16, y += 16) v128.store(y, clamp(v128.load(x), lo, hi, zero));
  if (n > 0) store_head(y, clamp(load_head(x, n, 0), lo, hi, zero), n);
}

/**
 * y = a + b held within limits, as `clip_f32` holds it.
 * a, b: f32 [n]; limits: f32 [3]; y: f32 [n], written in full, may be a or b.
 */
export function add_clip_f32(n: i32, a: usize, b: usize, limits: usize, y: usize): void {
  assert(n >= 0 && ((a | b | limits | y) & 3) == 0);
  const lo = v128.load32_splat(limits), hi = v128.load32_splat(limits, 4), zero = v128.load32_splat(limits, 8);
  for (; n >= 4; n -= 4, a += 16, b += 16, y += 16) {
    v128.store(y, clamp(f32x4.add(v128.load(a), v128.load(b)), lo, hi, zero));
  }
  if (n > 0) store_head(y, clamp(f32x4.add(load_head(a, n, 0), load_head(b, n, 0)), lo, hi, zero), n);
}

/**
 * dX += dY where lo <= x <= hi. x, dy: f32 [n]; dx: f32 [n], added into, apart from both.
 */
export function clip_grad_f32(n: i32, x: usize, dy: usize, dx: usize, lo: f32, hi: f32): void {
  assert(n >= 0 && ((x | dy | dx) & 3) == 0);
  const least = f32x4.splat(lo), most = f32x4.splat(hi);
  for (; n > 0; n -= 4, x += 16, dy += 16, dx += 16) {
    const v = n >= 4 ? v128.load(x) : load_head(x, n, 0);
    const within = v128.and(f32x4.ge(v, least), f32x4.le(v, most));
    if (n >= 4) v128.store(dx, f32x4.add(v128.load(dx), v128.and(v128.load(dy), within)));
    else store_head(dx, f32x4.add(load_head(dx, n, 0), v128.and(load_head(dy, n, 0), within)), n);
  }
}
