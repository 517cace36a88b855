/**
 * Depthwise convolution: every channel by itself, m filters each.
 *   y[c m + i, oy, ox] = bias[c m + i] + sum over (ky, kx) of weight[c m + i, ky, kx] x[c, oy sh - pt + ky dh, ...]
 * The usual windows, of 3 x 3, go down the columns of x itself. For all others each plane is laid out with its padding
 * (see planes.ts), which stays in the first-level cache, and then read by all taps. Sums rise in (ky, kx) from the bias
 * either way: the bits are those of conv_f32.
 */
import { load_head, madd, sum_lanes } from "../simd";
import { clip_f32 } from "./clip";
import { end_inside, first_inside } from "./window";
import { lay_out, list_taps, phases, plane_pitch, plane_side, planes_bytes } from "./planes";
import { store_entry, strip_bytes, sweep } from "./strip";

/** Which columns lie in the padding: the left one of the first output, the right one of the last. */
const LEFT: i32 = 1;
const RIGHT: i32 = 2;
/**
 * Rows of outputs that are gone through column by column before the next ones: as many as there are in BAND floats,
 * but neither fewer than SHORTEST nor more than TALLEST. Columns of images that are 256, 512 or 1024 wide lie in so few
 * lines of the caches that longer ones find no room there (measured: at 512 four times slower); short ones repeat
 * their first two rows too often.
 */
const BAND: i32 = 8192;
const SHORTEST: i32 = 6;
const TALLEST: i32 = 64;

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

/** The ends of the list of entries, the offsets of the taps, the entries and a strip; a multiple of 16. */
// @ts-ignore: decorator
@inline
function head(taps: i32): usize {
  return ((<usize>taps * 12 + 8 + strip_bytes(1)) + 15) & ~15;
}

/**
 * x: f32 [batch, c, h, w]; weight: f32 [c m, kh kw]; bias: f32 [c m], or 0 for none; limits: f32 [3], see
 * `clamp`, or 0; y: f32 [batch, c m, outH, outW], written in full, apart from all others; scratch:
 * depthwise_scratch_bytes. Strides and dilations >= 1, padding >= 0; the padding at the bottom and the right follows from outH and outW.
 */
export function depthwise_f32(
  batch: i32, c: i32, h: i32, w: i32, m: i32, kh: i32, kw: i32, strideH: i32, strideW: i32, padTop: i32, padLeft: i32,
  dilationH: i32, dilationW: i32, outH: i32, outW: i32, x: usize, weight: usize, bias: usize, limits: usize, y: usize,
  scratch: usize,
): void {
  assert(strideH > 0 && strideW > 0 && dilationH > 0 && dilationW > 0 && padTop >= 0 && padLeft >= 0);
  assert(((x | weight | bias | limits | y | scratch) & 3) == 0);
  const taps = kh * kw;
  const p = outH * outW;
  if (p == 0) return;
  if (taps == 9 && kh == 3 && strideH == strideW && strideH <= 2 && dilationH == 1 && dilationW == 1 && outW >= 4) {
    windows(batch, c, h, w, m, strideH, padTop, padLeft, outH, outW, x, weight, bias, limits, y, scratch);
    return;
  }
  const rows = plane_side(kh, strideH, dilationH, outH);
  const pitch = plane_pitch(kw, strideW, dilationW, outW, w, padLeft);
  const phasesH = phases(kh, strideH, dilationH);
  const phasesW = phases(kw, strideW, dilationW);
  const offsets = scratch + 8;
  const entries = offsets + (<usize>taps << 2);
  const room = entries + (<usize>taps << 3);
  const plane = scratch + head(taps);
  store<u32>(scratch, 0);
  store<u32>(scratch, taps, 4);
  list_taps(kh, kw, strideH, strideW, dilationH, dilationW, rows, pitch, offsets);
  for (let i = 0; i < batch * c; i++, x += <usize>(h * w) << 2) {
    lay_out(1, h, w, strideH, strideW, padTop, padLeft, phasesH, phasesW, rows, pitch, x, plane);
    const channel = <usize>(i % c * m);
    for (let j: usize = 0; j < <usize>m; j++, y += <usize>p << 2) {
      const b = bias ? bias + ((channel + j) << 2) : 0;
      const v = weight + ((channel + j) * <usize>taps << 2);
      for (let t: usize = 0; t < <usize>taps; t++) {
        store_entry(entries + (t << 3), load<u32>(offsets + (t << 2)), load<f32>(v + (t << 2)));
      }
      sweep(1, outH, outW, pitch, scratch, entries, 0, b, limits, plane, y, room);
    }
  }
}

/** Windows of 3 x 3, outW >= 4. */
function windows(
  batch: i32, c: i32, h: i32, w: i32, m: i32, stride: i32, padTop: i32, padLeft: i32, outH: i32, outW: i32,
  x: usize, weight: usize, bias: usize, limits: usize, y: usize, scratch: usize,
): void {
  const padRight = (outW - 1) * stride + 3 - padLeft - w;
  const direct = padLeft <= 1 && padRight <= 1 && (outW > 4 || padLeft == 0 || padRight == 0);
  // Images with more padding are laid out with it, but as one plane whatever the stride.
  const spanW = (outW - 1) * stride + 1;
  const rows = (outH - 1) * stride + 3;
  const pitch = plane_pitch(3, 1, 1, spanW, w, padLeft);
  const zeros = scratch + 4;
  const plane = scratch + head(9);
  memory.fill(scratch, 0, 36);
  for (let i = 0; i < batch * c; i++, x += <usize>(h * w) << 2) {
    if (!direct) lay_out(1, h, w, 1, 1, padTop, padLeft, 1, 1, rows, pitch, x, plane);
    const channel = <usize>(i % c * m);
    for (let j: usize = 0; j < <usize>m; j++, y += <usize>(outH * outW) << 2) {
      const b: f32 = bias ? load<f32>(bias + ((channel + j) << 2)) : 0;
      const v = weight + (channel + j) * 36;
      if (!direct) steps(stride, rows, pitch, 0, 0, 0, outH, outW, plane, v, b, zeros, y);
      else steps(stride, h, w, padTop, padLeft, padRight, outH, outW, x, v, b, zeros, y);
      if (limits) clip_f32(outH * outW, y, limits, y);
    }
  }
}

function steps(
  stride: i32, h: i32, w: i32, padTop: i32, padLeft: i32, padRight: i32, outH: i32, outW: i32, x: usize, weight: usize,
  bias: f32, zeros: usize, y: usize,
): void {
  if (stride == 1) columns(1, h, w, padTop, padLeft, padRight, outH, outW, x, weight, bias, zeros, y);
  else columns(2, h, w, padTop, padLeft, padRight, outH, outW, x, weight, bias, zeros, y);
}

/**
 * One plane, four columns of outputs at a time from top to bottom: a row of x is read once for all its windows.
 * x: f32 [h, w]; y: f32 [outH, outW]; zeros: 36 bytes of them, the first four before it; padLeft: 0 or 1; padRight: at
 * most 1; outW > 4, or 4 where only one side is padded.
 */
// @ts-ignore: decorator
@inline
function columns(
  stride: i32, h: i32, w: i32, padTop: i32, padLeft: i32, padRight: i32, outH: i32, outW: i32, x: usize, weight: usize,
  bias: f32, zeros: usize, y: usize,
): void {
  const b = f32x4.splat(bias);
  const line = <usize>w << 2;
  const row = <usize>outW << 2;
  const last = outW - 4;
  const stop = padRight > 0 ? last : outW;
  const rows = min(TALLEST, max(SHORTEST, BAND / w));
  for (let top = 0; top < outH; top += rows) {
    const height = min(outH - top, rows);
    const i = top * stride - padTop;
    const from = x + (<usize>(i * w + 1 - padLeft) << 2);
    const to = y + <usize>top * row;
    if (padLeft > 0) edges(stride, LEFT, height, i, h, line, row, from, zeros, weight, b, to);
    for (let ox = padLeft << 2; ox < stop; ox += 4) {
      // The last outputs may be done twice, to the same bits.
      const at = <usize>min(ox, last) << 2;
      column(stride, 0, height, i, h, line, row, from + at * stride, zeros, weight, b, to + at);
    }
    if (padRight > 0) {
      const at = <usize>last << 2;
      edges(stride, RIGHT, height, i, h, line, row, from + at * stride, zeros, weight, b, to + at);
    }
  }
}

/** Columns at an edge of the image: one function for both sides, for the module's sake (measured: 1.4 KB for each more). */
// @ts-ignore: decorator
@inline
function edges(
  stride: i32, edge: i32, height: i32, i: i32, h: i32, line: usize, row: usize, x: usize, zeros: usize,
  weight: usize, b: v128, y: usize,
): void {
  if (stride == 1) edge_of_1(edge, height, i, h, line, row, x, zeros, weight, b, y);
  else edge_of_2(edge, height, i, h, line, row, x, zeros, weight, b, y);
}

function edge_of_1(
  edge: i32, height: i32, i: i32, h: i32, line: usize, row: usize, x: usize, zeros: usize, weight: usize, b: v128,
  y: usize,
): void {
  column(1, edge, height, i, h, line, row, x, zeros, weight, b, y);
}

function edge_of_2(
  edge: i32, height: i32, i: i32, h: i32, line: usize, row: usize, x: usize, zeros: usize, weight: usize, b: v128,
  y: usize,
): void {
  column(2, edge, height, i, h, line, row, x, zeros, weight, b, y);
}

/**
 * Four outputs in each of `height` rows. x: where the middle tap of the first window's top row stands, in row i of the
 * image, a row every `line` bytes; rows outside the image are `zeros`. No turn needs more than the fifteen registers
 * that engines give, and a sum waits for nothing but itself, one turn before (measured: 1.2 to 1.5 times as fast as two
 * rows of outputs at a time, all of whose input the relaxed build moreover read before it used any).
 */
// @ts-ignore: decorator
@inline
function column(
  stride: i32, edge: i32, height: i32, i: i32, h: i32, line: usize, row: usize, x: usize, zeros: usize,
  weight: usize, b: v128, y: usize,
): void {
  const w0 = v128.load32_splat(weight), w1 = v128.load32_splat(weight, 4), w2 = v128.load32_splat(weight, 8);
  const w3 = v128.load32_splat(weight, 12), w4 = v128.load32_splat(weight, 16), w5 = v128.load32_splat(weight, 20);
  const w6 = v128.load32_splat(weight, 24), w7 = v128.load32_splat(weight, 28), w8 = v128.load32_splat(weight, 32);
  // The turn after which the first sums are whole.
  const first = i + 3 - stride;
  const end = first + height * stride;
  let s = b;
  if (stride == 1) {
    // s has a row of its windows still to come, t has two.
    let t = b;
    for (; i < end; i++, x += line) {
      const p = <u32>i < <u32>h ? x : zeros;
      const v1 = v128.load(p);
      const v0 = edge & LEFT ? i32x4.shuffle(i32x4.splat(0), v1, 3, 4, 5, 6) : v128.load(p - 4);
      const v2 = edge & RIGHT ? i32x4.shuffle(v1, i32x4.splat(0), 1, 2, 3, 4) : v128.load(p, 4);
      if (i >= first) {
        v128.store(y, madd(madd(madd(s, w6, v0), w7, v1), w8, v2));
        y += row;
      }
      s = madd(madd(madd(t, w3, v0), w4, v1), w5, v2);
      t = madd(madd(madd(b, w0, v0), w1, v1), w2, v2);
    }
    return;
  }
  // A window's last row is the next one's first. The turn that meets only that one begins a row above the image.
  for (i--, x -= line; i < end; i += 2, x += line << 1) {
    let p = <u32>i < <u32>h ? x : zeros;
    let v = v128.load(p), u = next_taps(edge, p);
    let v1 = i32x4.shuffle(v, u, 0, 2, 4, 6), v2 = i32x4.shuffle(v, u, 1, 3, 5, 7);
    let v0 = i32x4.shuffle(tap_before(edge, p), v2, 3, 4, 5, 6);
    s = madd(madd(madd(s, w3, v0), w4, v1), w5, v2);
    p = <u32>(i + 1) < <u32>h ? x + line : zeros;
    v = v128.load(p);
    u = next_taps(edge, p);
    v1 = i32x4.shuffle(v, u, 0, 2, 4, 6);
    v2 = i32x4.shuffle(v, u, 1, 3, 5, 7);
    v0 = i32x4.shuffle(tap_before(edge, p), v2, 3, 4, 5, 6);
    if (i >= first) {
      v128.store(y, madd(madd(madd(s, w6, v0), w7, v1), w8, v2));
      y += row;
    }
    s = madd(madd(madd(b, w0, v0), w1, v1), w2, v2);
  }
}

/** The four floats after those at p; the last of them may be padding. */
// @ts-ignore: decorator
@inline
function next_taps(edge: i32, p: usize): v128 {
  return edge & RIGHT ? i32x4.shuffle(v128.load(p, 12), i32x4.splat(0), 1, 2, 3, 4) : v128.load(p, 16);
}

/** The float before p, or padding, in all lanes. */
// @ts-ignore: decorator
@inline
function tap_before(edge: i32, p: usize): v128 {
  return edge & LEFT ? i32x4.splat(0) : v128.load32_splat(p - 4);
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
