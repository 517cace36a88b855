import { exp_f32x4 } from "../math";
import { load_head, max_lanes, store_head, sum_lanes } from "../simd";

/** y = max(x, 0): NaN stays NaN, -0 becomes +0. x: f32 [n]; y: f32 [n], written in full, may be x. */
export function relu_f32(n: i32, x: usize, y: usize): void {
  assert(n >= 0 && ((x | y) & 3) == 0);
  const zero = f32x4.splat(0);
  for (; n >= 4; n -= 4, x += 16, y += 16) v128.store(y, f32x4.max(v128.load(x), zero));
  for (; n > 0; n--, x += 4, y += 4) store<f32>(y, max<f32>(load<f32>(x), 0));
}

/** dX += dY where y > 0. y, dy: f32 [n]; dx: f32 [n], added into, apart from both. */
export function relu_grad_f32(n: i32, y: usize, dy: usize, dx: usize): void {
  assert(n >= 0 && ((y | dy | dx) & 3) == 0);
  const zero = f32x4.splat(0);
  for (; n >= 4; n -= 4, y += 16, dy += 16, dx += 16) {
    const passed = v128.and(v128.load(dy), f32x4.gt(v128.load(y), zero));
    v128.store(dx, f32x4.add(v128.load(dx), passed));
  }
  for (; n > 0; n--, y += 4, dy += 4, dx += 4) {
    store<f32>(dx, load<f32>(dx) + (load<f32>(y) > 0 ? load<f32>(dy) : 0));
  }
}

/**
 * y = e^(x - max x) / sum of e^(x - max x), row by row. As in ONNX's reference, a row with a NaN, with +Inf, or of nothing
 * but -Inf is NaN throughout.
 * x: f32 [rows, cols]; y: f32 [rows, cols], written in full, may be x. The sum is taken in four lanes.
 */
export function softmax_f32(rows: i32, cols: i32, x: usize, y: usize): void {
  assert(rows >= 0 && cols >= 0 && ((x | y) & 3) == 0);
  const tail = cols & 3;
  const body = <usize>(cols - tail) << 2;
  const row = <usize>cols << 2;
  for (; rows > 0; rows--, x += row, y += row) {
    let highest = f32x4.splat(-Infinity);
    for (let i: usize = 0; i < body; i += 16) highest = f32x4.max(highest, v128.load(x + i));
    if (tail) highest = f32x4.max(highest, load_head(x + body, tail, -Infinity));
    const shift = f32x4.splat(max_lanes(highest));
    let sums = f32x4.splat(0);
    for (let i: usize = 0; i < body; i += 16) {
      const e = exp_f32x4(f32x4.sub(v128.load(x + i), shift));
      v128.store(y + i, e);
      sums = f32x4.add(sums, e);
    }
    let total: f32;
    if (tail) {
      const e = exp_f32x4(f32x4.sub(load_head(x + body, tail, -Infinity), shift));
      store_head(y + body, e, tail);
      // Lanes past the row hold e^-Inf = 0, or NaN where the whole row is.
      total = sum_lanes(f32x4.add(sums, e));
    } else total = sum_lanes(sums);
    const divisor = f32x4.splat(total);
    for (let i: usize = 0; i < body; i += 16) v128.store(y + i, f32x4.div(v128.load(y + i), divisor));
    for (let i = body; i < row; i += 4) store<f32>(y + i, load<f32>(y + i) / total);
  }
}

/**
 * dX += y (dY - sum of dY y), row by row. y, dy: f32 [rows, cols]; dx: f32 [rows, cols], added into, apart from both.
 */
export function softmax_grad_f32(rows: i32, cols: i32, y: usize, dy: usize, dx: usize): void {
  assert(rows >= 0 && cols >= 0 && ((y | dy | dx) & 3) == 0);
  const row = <usize>cols << 2;
  const body = row & ~15;
  for (; rows > 0; rows--, y += row, dy += row, dx += row) {
    let sums = f32x4.splat(0);
    for (let i: usize = 0; i < body; i += 16) {
      sums = f32x4.add(sums, f32x4.mul(v128.load(dy + i), v128.load(y + i)));
    }
    let sum = sum_lanes(sums);
    for (let i = body; i < row; i += 4) sum += load<f32>(dy + i) * load<f32>(y + i);
    const shift = f32x4.splat(sum);
    for (let i: usize = 0; i < body; i += 16) {
      const g = f32x4.mul(v128.load(y + i), f32x4.sub(v128.load(dy + i), shift));
      v128.store(dx + i, f32x4.add(v128.load(dx + i), g));
    }
    for (let i = body; i < row; i += 4) {
      store<f32>(dx + i, load<f32>(dx + i) + load<f32>(y + i) * (load<f32>(dy + i) - sum));
    }
  }
}
