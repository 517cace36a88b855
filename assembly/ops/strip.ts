/**
 * Convolution by lists of taps: for every channel out, which pixels of the laid-out image it weighs and by how much.
 * Pixels go 28 at a time: seven sums leave room for what they multiply among the fifteen vector registers that engines
 * give (measured: 16 or 32 columns are up to 40 % slower). Each sum takes its taps in the order of the list, whatever
 * the strip, so its bits do not depend on the size of the image.
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

/** The value at p in all lanes. */
// @ts-ignore: decorator
@inline
function value<V>(p: usize): v128 {
  if (isFloat<V>()) return v128.load32_splat(p);
  return f32x4.splat(<f32>load<i8>(p));
}

/** The sum with what belongs to its channel: int8 values get their scale and then the bias, f32 values began with it. */
// @ts-ignore: decorator
@inline
function finished<V>(sum: v128, scale: v128, bias: v128): v128 {
  if (isFloat<V>()) return sum;
  return madd(bias, sum, scale);
}

/**
 * y[o, q] = bias[o] + sum over entries e of row o of values[e] x[offsets[e] + 4 q], q < 28; times scale[o] before the
 * bias where values are int8; held within limits where there are any. `first` is the number of the first entry of offsets
 * and values.
 */
function strip<V>(
  o: i32, rowPtr: usize, first: u32, offsets: usize, values: usize, scale: usize, bias: usize, limits: usize,
  x: usize, y: usize, yStride: usize,
): void {
  for (; o > 0; o--) {
    const end = offsets + (<usize>(load<u32>(rowPtr, 4) - first) << 2);
    let at = offsets + (<usize>(load<u32>(rowPtr) - first) << 2);
    let v = values + <usize>(load<u32>(rowPtr) - first) * sizeof<V>();
    const b = bias ? v128.load32_splat(bias) : f32x4.splat(0);
    let s0 = isFloat<V>() ? b : f32x4.splat(0);
    let s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0;
    while (at < end) {
      const p = x + <usize>load<u32>(at);
      const weight = value<V>(v);
      s6 = madd(s6, weight, v128.load(p, 96));
      s5 = madd(s5, weight, v128.load(p, 80));
      s4 = madd(s4, weight, v128.load(p, 64));
      s3 = madd(s3, weight, v128.load(p, 48));
      s2 = madd(s2, weight, v128.load(p, 32));
      s1 = madd(s1, weight, v128.load(p, 16));
      s0 = madd(s0, weight, v128.load(p));
      at += 4;
      v += sizeof<V>();
    }
    const s = isFloat<V>() ? b : v128.load32_splat(scale);
    s0 = finished<V>(s0, s, b);
    s1 = finished<V>(s1, s, b);
    s2 = finished<V>(s2, s, b);
    s3 = finished<V>(s3, s, b);
    s4 = finished<V>(s4, s, b);
    s5 = finished<V>(s5, s, b);
    s6 = finished<V>(s6, s, b);
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
    scale += 4;
    if (bias) bias += 4;
    y += yStride;
  }
}

/**
 * All pixels of one image: y: f32 [o, outH, outW], written in full. planes: the image laid out with `pitch`;
 * rowPtr: u32 [o + 1]; offsets: u32, bytes; scale: f32 [o], unused where values are f32; bias: f32 [o] or 0;
 * limits: f32 [3], see `clamp`, or 0; room: strip_bytes(o).
 */
export function sweep<V>(
  o: i32, outH: i32, outW: i32, pitch: i32, rowPtr: usize, offsets: usize, values: usize, scale: usize, bias: usize,
  limits: usize, planes: usize, y: usize, room: usize,
): void {
  const first = load<u32>(rowPtr);
  const plane = <usize>(outH * outW) << 2;
  const strips = (outW + (width - 1)) / width;
  if (outW >= width && strips * width - outW <= outW >> 3) {
    // Rows one by one; the last strip of a row overlaps pixels that are done, and gives them the same bits once more.
    for (let oy = 0; oy < outH; oy++) {
      for (let i = 0; i < strips; i++) {
        const ox = min(i * width, outW - width);
        const x = planes + (<usize>(oy * pitch + ox) << 2);
        strip<V>(
          o, rowPtr, first, offsets, values, scale, bias, limits, x, y + (<usize>(oy * outW + ox) << 2), plane,
        );
      }
    }
    return;
  }
  // The rows as one line, the few pixels between them too: those are thrown away.
  const end = (outH - 1) * pitch + outW;
  for (let q = 0; q < end; q += width) {
    strip<V>(o, rowPtr, first, offsets, values, scale, bias, limits, planes + (<usize>q << 2), room, 112);
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
