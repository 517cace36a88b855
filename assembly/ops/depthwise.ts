/**
 * Depthwise convolution: every channel by itself, m filters each.
 *   y[c m + i, oy, ox] = bias[c m + i] + sum over (ky, kx) of weight[c m + i, ky, kx] x[c, oy sh - pt + ky dh, ...]
 * Each plane is laid out with its padding (see planes.ts), which stays in the first-level cache, and then read by all
 * taps. Sums rise in (ky, kx) from the bias: the bits are those of conv_f32.
 */
import { load_head, madd, sum_lanes } from "../simd";
import { end_inside, first_inside } from "./window";
import { lay_out, list_taps, phases, plane_pitch, plane_side, planes_bytes } from "./planes";
import { strip_bytes, sweep } from "./strip";

/** Bytes of scratch of depthwise_f32. */
export function depthwise_scratch_bytes(
  w: i32, kh: i32, kw: i32, strideH: i32, strideW: i32, padLeft: i32, dilationH: i32, dilationW: i32,
  outH: i32, outW: i32,
): f64 {
  const rows = plane_side(kh, strideH, dilationH, outH);
  const pitch = plane_pitch(kw, strideW, dilationW, outW, w, padLeft);
  const channel = phases(kh, strideH, dilationH) * phases(kw, strideW, dilationW) * rows * pitch;
  return <f64>head(kh * kw) + planes_bytes(1, channel);
}

/** The list of taps, its two ends, and a strip; a multiple of 16. */
// @ts-ignore: decorator
@inline
function head(taps: i32): usize {
  return (((<usize>taps << 2) + 8 + strip_bytes(1)) + 15) & ~15;
}

/**
 * x: f32 [batch, c, h, w]; weight: f32 [c m, kh kw]; bias: f32 [c m], or 0 for none; y: f32 [batch, c m, outH, outW],
 * written in full, apart from all others; scratch: depthwise_scratch_bytes. Strides and dilations >= 1, padding >= 0;
 * the padding at the bottom and the right follows from outH and outW.
 */
export function depthwise_f32(
  batch: i32, c: i32, h: i32, w: i32, m: i32, kh: i32, kw: i32, strideH: i32, strideW: i32, padTop: i32, padLeft: i32,
  dilationH: i32, dilationW: i32, outH: i32, outW: i32, x: usize, weight: usize, bias: usize, y: usize, scratch: usize,
): void {
  assert(strideH > 0 && strideW > 0 && dilationH > 0 && dilationW > 0 && padTop >= 0 && padLeft >= 0);
  assert(((x | weight | bias | y | scratch) & 3) == 0);
  const taps = kh * kw;
  const p = outH * outW;
  if (p == 0) return;
  const rows = plane_side(kh, strideH, dilationH, outH);
  const pitch = plane_pitch(kw, strideW, dilationW, outW, w, padLeft);
  const phasesH = phases(kh, strideH, dilationH);
  const phasesW = phases(kw, strideW, dilationW);
  const offsets = scratch + 8;
  const room = offsets + (<usize>taps << 2);
  const plane = scratch + head(taps);
  store<u32>(scratch, 0);
  store<u32>(scratch, taps, 4);
  list_taps(kh, kw, strideH, strideW, dilationH, dilationW, rows, pitch, offsets);
  const plain = strideH == 1 && strideW == 1 && dilationH == 1 && dilationW == 1;
  const three = plain && kh == 3 && kw == 3 && outW >= 4 && outH >= 2;
  for (let i = 0; i < batch * c; i++, x += <usize>(h * w) << 2) {
    lay_out(1, h, w, strideH, strideW, padTop, padLeft, phasesH, phasesW, rows, pitch, x, plane);
    const channel = <usize>(i % c * m);
    for (let j: usize = 0; j < <usize>m; j++, y += <usize>p << 2) {
      const b = bias ? bias + ((channel + j) << 2) : 0;
      const v = weight + ((channel + j) * <usize>taps << 2);
      if (three) rows_of_two(outH, outW, pitch, plane, v, b ? load<f32>(b) : 0, y);
      else sweep<f32>(1, outH, outW, pitch, scratch, offsets, v, 0, b, plane, y, room);
    }
  }
}

/** Windows of 3 x 3 without strides: two rows of outputs share the two middle rows that they read. */
function rows_of_two(outH: i32, outW: i32, pitch: i32, plane: usize, weight: usize, bias: f32, y: usize): void {
  const w0 = v128.load32_splat(weight), w1 = v128.load32_splat(weight, 4), w2 = v128.load32_splat(weight, 8);
  const w3 = v128.load32_splat(weight, 12), w4 = v128.load32_splat(weight, 16), w5 = v128.load32_splat(weight, 20);
  const w6 = v128.load32_splat(weight, 24), w7 = v128.load32_splat(weight, 28), w8 = v128.load32_splat(weight, 32);
  const line = <usize>pitch << 2;
  const row = <usize>outW << 2;
  for (let oy = 0; oy < outH; oy += 2) {
    // The last rows and columns may be done twice, to the same bits.
    const top = min(oy, outH - 2);
    const from = plane + <usize>top * line;
    const to = y + <usize>top * row;
    for (let ox = 0; ox < outW; ox += 4) {
      const at = <usize>min(ox, outW - 4) << 2;
      let p = from + at;
      let v = v128.load(p);
      let s = madd(f32x4.splat(bias), w0, v);
      v = v128.load(p, 4);
      s = madd(s, w1, v);
      v = v128.load(p, 8);
      s = madd(s, w2, v);
      p += line;
      v = v128.load(p);
      let t = madd(f32x4.splat(bias), w0, v);
      s = madd(s, w3, v);
      v = v128.load(p, 4);
      t = madd(t, w1, v);
      s = madd(s, w4, v);
      v = v128.load(p, 8);
      t = madd(t, w2, v);
      s = madd(s, w5, v);
      p += line;
      v = v128.load(p);
      t = madd(t, w3, v);
      s = madd(s, w6, v);
      v = v128.load(p, 4);
      t = madd(t, w4, v);
      s = madd(s, w7, v);
      v = v128.load(p, 8);
      t = madd(t, w5, v);
      s = madd(s, w8, v);
      v128.store(to + at, s);
      p += line;
      v = v128.load(p);
      t = madd(t, w6, v);
      v = v128.load(p, 4);
      t = madd(t, w7, v);
      v = v128.load(p, 8);
      t = madd(t, w8, v);
      v128.store(to + row + at, t);
    }
  }
}

/**
 * dW[f, tap] += sum over images and pixels of dY[f, q] x[., q + tap]: of each image four partial sums, of the columns
 * that are alike modulo 4, then those, then images in their order.
 * x: f32 [batch, c, h, w]; dy: f32 [batch, c m, outH, outW]; dw: f32 [c m, kh kw], added into, apart from all others;
 * scratch: depthwise_scratch_bytes.
 */
export function depthwise_grad_w_f32(
  batch: i32, c: i32, h: i32, w: i32, m: i32, kh: i32, kw: i32, strideH: i32, strideW: i32, padTop: i32, padLeft: i32,
  dilationH: i32, dilationW: i32, outH: i32, outW: i32, x: usize, dy: usize, dw: usize, scratch: usize,
): void {
  assert(strideH > 0 && strideW > 0 && dilationH > 0 && dilationW > 0 && padTop >= 0 && padLeft >= 0);
  assert(((x | dy | dw | scratch) & 3) == 0);
  const taps = kh * kw;
  const rows = plane_side(kh, strideH, dilationH, outH);
  const pitch = plane_pitch(kw, strideW, dilationW, outW, w, padLeft);
  const phasesH = phases(kh, strideH, dilationH);
  const phasesW = phases(kw, strideW, dilationW);
  const plane = scratch + head(taps);
  const row = <usize>outW << 2;
  const line = <usize>pitch << 2;
  list_taps(kh, kw, strideH, strideW, dilationH, dilationW, rows, pitch, scratch);
  for (let i = 0; i < batch * c; i++, x += <usize>(h * w) << 2) {
    lay_out(1, h, w, strideH, strideW, padTop, padLeft, phasesH, phasesW, rows, pitch, x, plane);
    let to = dw + (<usize>(i % c * m * taps) << 2);
    for (let j = 0; j < m; j++, dy += <usize>outH * row) {
      for (let tap = 0; tap < taps; tap++, to += 4) {
        let sum = f32x4.splat(0);
        let from = plane + load<u32>(scratch + (<usize>tap << 2));
        let d = dy;
        for (let oy = 0; oy < outH; oy++, from += line) {
          let p = from;
          let n = outW;
          for (; n >= 4; n -= 4, p += 16, d += 16) sum = madd(sum, v128.load(d), v128.load(p));
          if (n > 0) {
            sum = madd(sum, load_head(d, n, 0), load_head(p, n, 0));
            d += <usize>n << 2;
          }
        }
        store<f32>(to, load<f32>(to) + sum_lanes(sum));
      }
    }
  }
}

/**
 * dX += sum over filters and taps of W dY, tap by tap into a plane laid out as `lay_out` does, and from there.
 * dy: f32 [batch, c m, outH, outW]; weight: f32 [c m, kh kw]; dx: f32 [batch, c, h, w], added into, apart from all
 * others; scratch: depthwise_scratch_bytes.
 */
export function depthwise_grad_x_f32(
  batch: i32, c: i32, h: i32, w: i32, m: i32, kh: i32, kw: i32, strideH: i32, strideW: i32, padTop: i32, padLeft: i32,
  dilationH: i32, dilationW: i32, outH: i32, outW: i32, dy: usize, weight: usize, dx: usize, scratch: usize,
): void {
  assert(strideH > 0 && strideW > 0 && dilationH > 0 && dilationW > 0 && padTop >= 0 && padLeft >= 0);
  assert(((dy | weight | dx | scratch) & 3) == 0);
  const taps = kh * kw;
  const rows = plane_side(kh, strideH, dilationH, outH);
  const pitch = plane_pitch(kw, strideW, dilationW, outW, w, padLeft);
  const phasesH = phases(kh, strideH, dilationH);
  const phasesW = phases(kw, strideW, dilationW);
  const plane = scratch + head(taps);
  const line = <usize>pitch << 2;
  list_taps(kh, kw, strideH, strideW, dilationH, dilationW, rows, pitch, scratch);
  for (let i = 0; i < batch * c; i++, dx += <usize>(h * w) << 2) {
    memory.fill(plane, 0, <usize>planes_bytes(1, phasesH * phasesW * rows * pitch));
    let at = weight + (<usize>(i % c * m * taps) << 2);
    for (let j = 0; j < m; j++, dy += <usize>(outH * outW) << 2) {
      for (let tap = 0; tap < taps; tap++, at += 4) {
        const v = v128.load32_splat(at);
        let to = plane + load<u32>(scratch + (<usize>tap << 2));
        let d = dy;
        for (let oy = 0; oy < outH; oy++, to += line) {
          let p = to;
          let n = outW;
          for (; n >= 4; n -= 4, p += 16, d += 16) v128.store(p, madd(v128.load(p), v, v128.load(d)));
          for (; n > 0; n--, p += 4, d += 4) store<f32>(p, load<f32>(p) + load<f32>(at) * load<f32>(d));
        }
      }
    }
    let from = plane;
    for (let a = 0; a < phasesH; a++) {
      for (let b = 0; b < phasesW; b++) {
        const offset = b - padLeft;
        const first = first_inside(offset, strideW, pitch);
        const end = end_inside(offset, strideW, pitch, w);
        for (let r = 0; r < rows; r++, from += line) {
          const y = r * strideH + a - padTop;
          if (<u32>y >= <u32>h) continue;
          let p = from + (<usize>first << 2);
          let to = dx + (<usize>(y * w + first * strideW + offset) << 2);
          let n = end - first;
          if (strideW == 1) {
            for (; n >= 4; n -= 4, p += 16, to += 16) v128.store(to, f32x4.add(v128.load(to), v128.load(p)));
          }
          for (; n > 0; n--, p += 4, to += <usize>strideW << 2) store<f32>(to, load<f32>(to) + load<f32>(p));
        }
      }
    }
  }
}
