import { load_head, madd, store_head, sum_lanes } from "../simd";

/**
 * y = x scale[c] + shift[c]: what is left of BatchNormalization at inference.
 * x: f32 [n, c, plane]; scale, shift: f32 [c]; y: f32 [n, c, plane], written in full, may be x.
 */
export function scale_shift_f32(n: i32, c: i32, plane: i32, x: usize, scale: usize, shift: usize, y: usize): void {
  assert(n >= 0 && c >= 0 && plane >= 0 && ((x | scale | shift | y) & 3) == 0);
  const bytes = <usize>(plane == 1 ? c : plane) << 2;
  const body = bytes & ~15;
  const tail = <i32>((bytes & 15) >> 2);
  for (; n > 0; n--) {
    if (plane == 1) {
      for (let i: usize = 0; i < body; i += 16) {
        v128.store(y + i, madd(v128.load(shift + i), v128.load(x + i), v128.load(scale + i)));
      }
      if (tail) {
        const by = load_head(scale + body, tail, 0);
        const v = madd(load_head(shift + body, tail, 0), load_head(x + body, tail, 0), by);
        store_head(y + body, v, tail);
      }
      x += bytes;
      y += bytes;
      continue;
    }
    for (let j: usize = 0, end = <usize>c << 2; j < end; j += 4, x += bytes, y += bytes) {
      const by = v128.load32_splat(scale + j);
      const to = v128.load32_splat(shift + j);
      for (let i: usize = 0; i < body; i += 16) v128.store(y + i, madd(to, v128.load(x + i), by));
      if (tail) store_head(y + body, madd(to, load_head(x + body, tail, 0), by), tail);
    }
  }
}

/**
 * y = (x - mean) / sqrt(var + epsilon) gamma + beta, row by row; var is the mean of the squared distances from the mean.
 * x: f32 [rows, cols]; gamma: f32 [cols]; beta: f32 [cols], or 0 for zeros; y: f32 [rows, cols], written in full, may be x.
 * Sums go in four lanes: with A = max |x| / sqrt(var + epsilon), y is within (cols / 2 + 16) 2^-24 (A + 1)^2 of the exact
 * value, times |gamma|, and one rounding of beta. J. L. Ba et al., "Layer normalization", 2016.
 */
export function layer_norm_f32(
  rows: i32, cols: i32, x: usize, gamma: usize, beta: usize, y: usize, epsilon: f32,
): void {
  assert(rows >= 0 && cols >= 0 && ((x | gamma | beta | y) & 3) == 0);
  const row = <usize>cols << 2;
  for (; rows > 0; rows--, x += row, y += row) {
    const shift = row_mean(cols, x);
    const by = f32x4.splat(row_scale(cols, x, shift, epsilon));
    for (let i: usize = 0, left = cols; left > 0; left -= 4, i += 16) {
      let v = f32x4.mul(f32x4.sub(part(x + i, left), shift), f32x4.mul(by, part(gamma + i, left)));
      if (beta) v = f32x4.add(v, part(beta + i, left));
      if (left >= 4) v128.store(y + i, v);
      else store_head(y + i, v, left);
    }
  }
}

/**
 * With h = (x - mean) / sqrt(var + epsilon) and g = dY gamma, row by row: dX += (g - mean(g) - h mean(g h)) / sqrt(var +
 * epsilon); dGamma += sum over rows of dY h; dBeta += sum over rows of dY.
 * x, dy: f32 [rows, cols]; gamma: f32 [cols]; dx: f32 [rows, cols], dgamma, dbeta: f32 [cols], each added into or 0 where it
 * is not wanted, all apart.
 */
export function layer_norm_grad_f32(
  rows: i32, cols: i32, x: usize, gamma: usize, dy: usize, dx: usize, dgamma: usize, dbeta: usize, epsilon: f32,
): void {
  assert(rows >= 0 && cols >= 0 && ((x | gamma | dy | dx | dgamma | dbeta) & 3) == 0);
  const row = <usize>cols << 2;
  for (; rows > 0; rows--, x += row, dy += row) {
    const shift = row_mean(cols, x);
    const by = f32x4.splat(row_scale(cols, x, shift, epsilon));
    let sums = f32x4.splat(0), products = sums;
    for (let i: usize = 0, left = cols; left > 0; left -= 4, i += 16) {
      const d = part(dy + i, left);
      const h = f32x4.mul(f32x4.sub(part(x + i, left), shift), by);
      const g = f32x4.mul(d, part(gamma + i, left));
      // Lanes past the row hold 0 in g.
      sums = f32x4.add(sums, g);
      products = f32x4.add(products, f32x4.mul(g, h));
      if (dgamma) add_part(dgamma + i, left, f32x4.mul(d, h));
      if (dbeta) add_part(dbeta + i, left, d);
    }
    if (!dx) continue;
    const mean = f32x4.splat(sum_lanes(sums) / <f32>cols);
    const along = f32x4.splat(sum_lanes(products) / <f32>cols);
    for (let i: usize = 0, left = cols; left > 0; left -= 4, i += 16) {
      const h = f32x4.mul(f32x4.sub(part(x + i, left), shift), by);
      const g = f32x4.mul(part(dy + i, left), part(gamma + i, left));
      add_part(dx + i, left, f32x4.mul(f32x4.sub(f32x4.sub(g, mean), f32x4.mul(h, along)), by));
    }
    dx += row;
  }
}

/** The four floats at p, or the `left` that are there and zeros. */
// @ts-ignore: decorator
@inline
function part(p: usize, left: i32): v128 {
  return left >= 4 ? v128.load(p) : load_head(p, left, 0);
}

/** The floats at p, `left` of them if fewer than four, += v. */
// @ts-ignore: decorator
@inline
function add_part(p: usize, left: i32, v: v128): void {
  if (left >= 4) v128.store(p, f32x4.add(v128.load(p), v));
  else store_head(p, f32x4.add(load_head(p, left, 0), v), left);
}

/** The mean of a row, in every lane. */
function row_mean(cols: i32, x: usize): v128 {
  let sums = f32x4.splat(0);
  for (let left = cols; left > 0; left -= 4, x += 16) sums = f32x4.add(sums, part(x, left));
  return f32x4.splat(sum_lanes(sums) / <f32>cols);
}

/** 1 / sqrt(var + epsilon) of a row. */
function row_scale(cols: i32, x: usize, mean: v128, epsilon: f32): f32 {
  let sums = f32x4.splat(0);
  for (let left = cols; left > 0; left -= 4, x += 16) {
    const d = f32x4.sub(left >= 4 ? v128.load(x) : load_head(x, left, f32x4.extract_lane(mean, 0)), mean);
    sums = f32x4.add(sums, f32x4.mul(d, d));
  }
  return 1 / sqrt<f32>(sum_lanes(sums) / <f32>cols + epsilon);
}
