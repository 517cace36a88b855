/**
 * Convolution by lists of entries: for every channel out, which pixels of the laid-out image it weighs and by how much.
 * Pixels go 28 at a time: seven sums leave room for what they multiply among the fifteen vector registers that engines
 * give (measured: 32 or 40 columns take up to 1.5 times as long a column on Node 20, 0.9 to 1.1 times on Node 26). Each sum
 * takes its entries in the order of the list, whatever the strip, so its bits do not depend on the size of the image.
 *
 * An entry is a u32, how many bytes from the first pixel it reads, and an f32, what it weighs: one load for both (measured:
 * 1.03 to 1.1 times as fast as two lists, since loads of vectors are what these loops wait for).
 */
import { clamp, madd } from "../simd";

/** Pixels of a strip. */
export const width: i32 = 28;

/** Bytes of the strip in which pixels are put that do not lie in one row of y. */
// @ts-ignore: decorator
@inline
export function strip_bytes(o: i32): usize {
  return <usize>o * 112;
}

/** Writes an entry. */
// @ts-ignore: decorator
@inline
export function store_entry(to: usize, offset: u32, value: f32): void {
  store<u32>(to, offset);
  store<f32>(to, value, 4);
}

/**
 * y[o, q] = bias[o] + sum over entries e of row o of value[e] x[offset[e] + 4 q], q < 28; where there are scales, the sum
 * goes from +0, times scale[o], and then the bias; held within limits where there are any. entries: where number 0 of rowPtr stands.
 */
function strip(
  o: i32, rowPtr: usize, entries: usize, scale: usize, bias: usize, limits: usize, x: usize, y: usize, yStride: usize,
): void {
  for (; o > 0; o--) {
    let at = entries + (<usize>load<u32>(rowPtr) << 3);
    const end = entries + (<usize>load<u32>(rowPtr, 4) << 3);
    const b = bias ? v128.load32_splat(bias) : f32x4.splat(0);
    let s0 = scale ? f32x4.splat(0) : b;
    let s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0;
    while (at < end) {
      const entry = load<u64>(at);
      const p = x + <usize><u32>entry;
      const weight = f32x4.splat(reinterpret<f32>(<u32>(entry >> 32)));
      s6 = madd(s6, weight, v128.load(p, 96));
      s5 = madd(s5, weight, v128.load(p, 80));
      s4 = madd(s4, weight, v128.load(p, 64));
      s3 = madd(s3, weight, v128.load(p, 48));
      s2 = madd(s2, weight, v128.load(p, 32));
      s1 = madd(s1, weight, v128.load(p, 16));
      s0 = madd(s0, weight, v128.load(p));
      at += 8;
    }
    if (scale) {
      const s = v128.load32_splat(scale);
      s0 = madd(b, s0, s);
      s1 = madd(b, s1, s);
      s2 = madd(b, s2, s);
      s3 = madd(b, s3, s);
      s4 = madd(b, s4, s);
      s5 = madd(b, s5, s);
      s6 = madd(b, s6, s);
      scale += 4;
    }
    if (limits) {
      const lo = v128.load32_splat(limits), hi = v128.load32_splat(limits, 4), zero = v128.load32_splat(limits, 8);
      s0 = clamp(s0, lo, hi, zero);
      s1 = clamp(s1, lo, hi, zero);
      s2 = clamp(s2, lo, hi, zero);
      s3 = clamp(s3, lo, hi, zero);
      s4 = clamp(s4, lo, hi, zero);
      s5 = clamp(s5, lo, hi, zero);
      s6 = clamp(s6, lo, hi, zero);
    }
    v128.store(y, s0);
    v128.store(y, s1, 16);
    v128.store(y, s2, 32);
    v128.store(y, s3, 48);
    v128.store(y, s4, 64);
    v128.store(y, s5, 80);
    v128.store(y, s6, 96);
    rowPtr += 4;
    if (bias) bias += 4;
    y += yStride;
  }
}

/**
 * All pixels of one image: y: f32 [o, outH, outW], written in full. planes: the image laid out with `pitch`; rowPtr: u32
 * [o + 1]; entries: where number 0 of rowPtr stands; scale: f32 [o] or 0; bias: f32 [o] or 0; limits: f32 [3], see `clamp`, or 0;
 * room: strip_bytes(o).
 */
export function sweep(
  o: i32, outH: i32, outW: i32, pitch: i32, rowPtr: usize, entries: usize, scale: usize, bias: usize, limits: usize,
  planes: usize, y: usize, room: usize,
): void {
  const plane = <usize>(outH * outW) << 2;
  const strips = (outW + (width - 1)) / width;
  if (outW >= width && strips * width - outW <= outW >> 3) {
    // Rows one by one; the last strip of a row overlaps pixels that are done, and gives them the same bits once more.
    for (let oy = 0; oy < outH; oy++) {
      for (let i = 0; i < strips; i++) {
        const ox = min(i * width, outW - width);
        const x = planes + (<usize>(oy * pitch + ox) << 2);
        strip(o, rowPtr, entries, scale, bias, limits, x, y + (<usize>(oy * outW + ox) << 2), plane);
      }
    }
    return;
  }
  // The rows as one line, the few pixels between them too: those are thrown away.
  const end = (outH - 1) * pitch + outW;
  for (let q = 0; q < end; q += width) {
    strip(o, rowPtr, entries, scale, bias, limits, planes + (<usize>q << 2), room, 112);
    const stop = min(q + width, end);
    for (let at = q; at < stop; ) {
      const oy = at / pitch;
      const ox = at - oy * pitch;
      const n = min(outW - ox, stop - at);
      if (n > 0) deal(o, n, room + (<usize>(at - q) << 2), y + (<usize>(oy * outW + ox) << 2), plane);
      at = (oy + 1) * pitch;
    }
  }
}

/** n floats of each of o strips to where they belong. */
function deal(o: i32, n: i32, from: usize, y: usize, plane: usize): void {
  for (; o > 0; o--, from += 112, y += plane) {
    let p = from, to = y, left = n;
    for (; left >= 4; left -= 4, p += 16, to += 16) v128.store(to, v128.load(p));
    for (; left > 0; left--, p += 4, to += 4) store<f32>(to, load<f32>(p));
  }
}

/** Bytes of the panel of `sweep_lines`. */
// @ts-ignore: decorator
@inline
export function panel_bytes(c: i32): f64 {
  return <f64>c * 112 + 60;
}

/**
 * All pixels of one image where an entry reads one channel, the same pixel as it writes: x: f32 [c, n], n >= 28; y: f32
 * [o, n], written in full; an offset is 112 times the channel; the rest as for `sweep`; panel: panel_bytes(c).
 * A strip of every channel is copied into the panel first, where all of them stay in the first caches until all channels
 * out are done and no vector lies on two lines (measured: 1.2 to 1.4 times as fast as reading x where it is, which has
 * its channels so far apart that they compete for few places in the caches).
 */
export function sweep_lines(
  c: i32, n: i32, o: i32, rowPtr: usize, entries: usize, scale: usize, bias: usize, limits: usize, x: usize, y: usize,
  panel: usize,
): void {
  const line = <usize>n << 2;
  panel = (panel + 63) & ~63;
  for (let q = 0; q < n; q += width) {
    // The last strip overlaps pixels that are done, and gives them the same bits once more.
    const at = <usize>min(q, n - width) << 2;
    let from = x + at;
    for (let to = panel, end = panel + <usize>c * 112; to < end; to += 112, from += line) {
      v128.store(to, v128.load(from));
      v128.store(to, v128.load(from, 16), 16);
      v128.store(to, v128.load(from, 32), 32);
      v128.store(to, v128.load(from, 48), 48);
      v128.store(to, v128.load(from, 64), 64);
      v128.store(to, v128.load(from, 80), 80);
      v128.store(to, v128.load(from, 96), 96);
    }
    strip(o, rowPtr, entries, scale, bias, limits, panel, y + at, line);
  }
}
