import { sum_lanes } from "../simd";

/**
 * y[c] += sum over r of x[r, c], in rising r from what y held. x: f32 [rows, cols]; y: f32 [cols], added into, apart
 * from x.
 */
export function column_sum_f32(rows: i32, cols: i32, x: usize, y: usize): void {
  assert(rows >= 0 && cols >= 0 && ((x | y) & 3) == 0);
  const row = <usize>cols << 2;
  for (; cols >= 16; cols -= 16, x += 64, y += 64) {
    let s0 = v128.load(y), s1 = v128.load(y, 16), s2 = v128.load(y, 32), s3 = v128.load(y, 48);
    for (let r = 0, p = x; r < rows; r++, p += row) {
      s0 = f32x4.add(s0, v128.load(p));
      s1 = f32x4.add(s1, v128.load(p, 16));
      s2 = f32x4.add(s2, v128.load(p, 32));
      s3 = f32x4.add(s3, v128.load(p, 48));
    }
    v128.store(y, s0);
    v128.store(y, s1, 16);
    v128.store(y, s2, 32);
    v128.store(y, s3, 48);
  }
  for (; cols >= 4; cols -= 4, x += 16, y += 16) {
    let sum = v128.load(y);
    for (let r = 0, p = x; r < rows; r++, p += row) sum = f32x4.add(sum, v128.load(p));
    v128.store(y, sum);
  }
  for (; cols > 0; cols--, x += 4, y += 4) {
    let sum = load<f32>(y);
    for (let r = 0, p = x; r < rows; r++, p += row) sum += load<f32>(p);
    store<f32>(y, sum);
  }
}

/**
 * y[c] += sum over n and plane of x[n, c, plane]: plane by plane, each summed in sixteen lanes.
 * x: f32 [batch, c, plane]; y: f32 [c], added into, apart from x.
 */
export function channel_sum_f32(batch: i32, c: i32, plane: i32, x: usize, y: usize): void {
  assert(batch >= 0 && c >= 0 && plane >= 0 && ((x | y) & 3) == 0);
  const channels = <usize>c << 2;
  for (; batch > 0; batch--) {
    for (let j: usize = 0; j < channels; j += 4) {
      let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
      let n = plane;
      for (; n >= 16; n -= 16, x += 64) {
        s0 = f32x4.add(s0, v128.load(x));
        s1 = f32x4.add(s1, v128.load(x, 16));
        s2 = f32x4.add(s2, v128.load(x, 32));
        s3 = f32x4.add(s3, v128.load(x, 48));
      }
      for (; n >= 4; n -= 4, x += 16) s0 = f32x4.add(s0, v128.load(x));
      let sum = sum_lanes(f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3)));
      for (; n > 0; n--, x += 4) sum += load<f32>(x);
      store<f32>(y + j, load<f32>(y + j) + sum);
    }
  }
}
