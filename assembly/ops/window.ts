/**
 * What a convolution's window reads, laid out for a matrix product. Row r = (c, ky, kx) of `cols` holds, for every
 * output pixel q = (oy, ox), x[c, oy sh - pt + ky dh, ox sw - pl + kx dw], or zero outside the image. `cols` is never
 * made in full: blocks of it go straight into panels, since only the packing of a product has to know about windows
 * (K. Chellapilla, S. Puri and P. Simard, "High Performance Convolutional Neural Networks for Document Processing", 2006,
 * made the matrix; A. Anderson and others, "Low-memory GEMM-based convolution algorithms", 2017, avoid it).
 */
import { store_columns } from "../simd";

/** Eight entries of (y, x, byte offset): the taps of one panel. */
const table = memory.data(8 * 12);

/** Eight listed taps of one pixel. */
function gather_pixels(dy: i32, dx: i32, h: i32, w: i32, from: usize, out: usize): void {
  for (let at = table, end = table + 96; at < end; at += 12, out += 4) {
    const held = <u32>(load<i32>(at) + dy) < <u32>h && <u32>(load<i32>(at, 4) + dx) < <u32>w;
    store<f32>(out, held ? load<f32>(from + <usize>load<i32>(at, 8)) : 0);
  }
}

/**
 * B panels of cols transposed: rows (pixels) q0 .. q0 + k, columns (taps) r0 .. r0 + n.
 * x: f32 [c, h, w]; out: f32 [ceil(n / 8)][k][8], written in full; the padding of the last panel repeats its last tap,
 * since what it gives is thrown away.
 */
export function pack_window_transposed(
  q0: i32, k: i32, r0: i32, n: i32, h: i32, w: i32, kh: i32, kw: i32, strideH: i32, strideW: i32,
  padTop: i32, padLeft: i32, dilationH: i32, dilationW: i32, outW: i32, x: usize, out: usize,
): void {
  for (let j = 0; j < n; j += 8) {
    let minY = i32.MAX_VALUE, minX = i32.MAX_VALUE, maxY = 0, maxX = 0;
    for (let i = 0, at = table; i < 8; i++, at += 12) {
      const r = r0 + min(j + i, n - 1);
      const tap = r % (kh * kw);
      const dy = tap / kw * dilationH;
      const dx = tap % kw * dilationW;
      store<i32>(at, dy);
      store<i32>(at, dx, 4);
      store<i32>(at, ((r / (kh * kw) * h + dy) * w + dx) << 2, 8);
      minY = min(minY, dy);
      maxY = max(maxY, dy);
      minX = min(minX, dx);
      maxX = max(maxX, dx);
    }
    const r1 = x + load<i32>(table, 8), r2 = x + load<i32>(table, 20), r3 = x + load<i32>(table, 32);
    const r4 = x + load<i32>(table, 44), r5 = x + load<i32>(table, 56), r6 = x + load<i32>(table, 68);
    const r7 = x + load<i32>(table, 80), r8 = x + load<i32>(table, 92);
    let ox = q0 % outW;
    let top = q0 / outW * strideH - padTop;
    for (let p = 0; p < k; ) {
      const left = ox * strideW - padLeft;
      const at = <usize>(top * w + left) << 2;
      const inside = top + minY >= 0 && top + maxY < h && left + minX >= 0;
      if (inside && strideW == 1 && p + 4 <= k && ox + 4 <= outW && left + 4 + maxX <= w) {
        store_columns(out, 32, v128.load(r1 + at), v128.load(r2 + at), v128.load(r3 + at), v128.load(r4 + at));
        store_columns(out + 16, 32, v128.load(r5 + at), v128.load(r6 + at), v128.load(r7 + at), v128.load(r8 + at));
        out += 128;
        p += 4;
        ox += 4;
      } else {
        if (inside && left + maxX < w) {
          store<f32>(out, load<f32>(r1 + at));
          store<f32>(out, load<f32>(r2 + at), 4);
          store<f32>(out, load<f32>(r3 + at), 8);
          store<f32>(out, load<f32>(r4 + at), 12);
          store<f32>(out, load<f32>(r5 + at), 16);
          store<f32>(out, load<f32>(r6 + at), 20);
          store<f32>(out, load<f32>(r7 + at), 24);
          store<f32>(out, load<f32>(r8 + at), 28);
        } else {
          gather_pixels(top, left, h, w, x + at, out);
        }
        out += 32;
        p++;
        ox++;
      }
      if (ox == outW) {
        ox = 0;
        top += strideH;
      }
    }
  }
}

/**
 * First output x whose tap at `offset` = kx dw - pl lies at or right of the image's first column; never past
 * `end_inside`.
 */
// @ts-ignore: decorator
@inline
export function first_inside(offset: i32, stride: i32, out: i32): i32 {
  return offset >= 0 ? 0 : min(out, (stride - 1 - offset) / stride);
}

/** One past the last output x whose tap at `offset` lies left of column `size`. */
// @ts-ignore: decorator
@inline
export function end_inside(offset: i32, stride: i32, out: i32, size: i32): i32 {
  return offset >= size ? 0 : min(out, (size - 1 - offset) / stride + 1);
}
