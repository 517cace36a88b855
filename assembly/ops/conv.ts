/**
 * Convolution of one group, NCHW, as a matrix product over the window's taps, r = (c, ky, kx):
 *   Y[o, q] = bias[o] + sum over r of W[o, r] cols[r, q]
 *   cols[r, q] = x[c, oy sh - pt + ky dh, ox sw - pl + kx dw], or 0 outside the image
 * c and o count the channels of the group; xImage and yImage are the elements from one image to the next in the whole
 * tensor, so a caller walks the groups by moving x, y, the weights and the bias. Only the padding at the top and at the
 * left is given: that at the bottom and the right follows from outH and outW.
 */
import { pack_columns, pack_rows } from "./panel";
import { KC, MC, MR, multiply_block, multiply_from, zeros } from "./tile";
import {
  is_pointwise, lay_out, list_taps, pack_planes, phases, plane_pitch, plane_side, planes_bytes,
} from "./planes";
import { add_planes, pack_planes_transposed } from "./planes-grad";

/** Output pixels, or taps, of a block: KC x 512 x 4 bytes are 512 KB of panels. */
const block: i32 = 512;

// @ts-ignore: decorator
@inline
function padded(n: i32): i32 {
  return (n + 7) & ~7;
}

/** Bytes of the panels of conv_f32, a multiple of 16: at most 512 KB. */
// @ts-ignore: decorator
@inline
function panels_bytes(r: i32, p: i32): usize {
  return <usize>(min(r, KC) * padded(min(p, block))) << 2;
}

/** Bytes of scratch of conv_f32: its panels, and one image laid out with its padding. */
export function conv_scratch_bytes(
  c: i32, w: i32, kh: i32, kw: i32, strideH: i32, strideW: i32, padLeft: i32, dilationH: i32, dilationW: i32,
  outH: i32, outW: i32,
): f64 {
  const rows = plane_side(kh, strideH, dilationH, outH);
  const pitch = plane_pitch(kw, strideW, dilationW, outW, w, padLeft);
  const channel = phases(kh, strideH, dilationH) * phases(kw, strideW, dilationW) * rows * pitch;
  return <f64>panels_bytes(c * kh * kw, outH * outW) + <f64>(kh * kw) * 4 + planes_bytes(c, channel);
}

/** The biases of a block of channels, each eight times over: what a panel's sums start from. */
const starts = memory.data(MC * 32);

function spread_bias(m: i32, bias: usize): void {
  for (let to = starts, end = to + (<usize>m << 5); to < end; to += 32, bias += 4) {
    const v = v128.load32_splat(bias);
    v128.store(to, v);
    v128.store(to, v, 16);
  }
}

/**
 * Y = conv(X, W) + bias, held within limits; sums in rising r from the bias, the same bits for any batch.
 * x: f32 [batch, c, h, w], images xImage elements apart; wPanels: gemm_pack_a_f32 of W[o, c kh kw]; bias: f32 [o], or 0
 * for none; limits: f32 [3], see `clamp`, or 0; y: f32 [batch, o, outH, outW], images yImage elements apart, written in full, apart from all others;
 * scratch: conv_scratch_bytes. Strides and dilations >= 1, padding >= 0.
 */
export function conv_f32(
  batch: i32, c: i32, h: i32, w: i32, o: i32, kh: i32, kw: i32, strideH: i32, strideW: i32, padTop: i32, padLeft: i32,
  dilationH: i32, dilationW: i32, outH: i32, outW: i32, xImage: i32, yImage: i32,
  x: usize, wPanels: usize, bias: usize, limits: usize, y: usize, scratch: usize,
): void {
  assert(batch >= 0 && c >= 0 && o >= 0 && kh >= 0 && kw >= 0 && outH >= 0 && outW >= 0);
  assert(strideH > 0 && strideW > 0 && dilationH > 0 && dilationW > 0 && padTop >= 0 && padLeft >= 0);
  assert(((x | wPanels | bias | limits | y | scratch) & 3) == 0);
  const p = outH * outW;
  const r = c * kh * kw;
  const taps = scratch + panels_bytes(r, p);
  const planes = taps + (<usize>(kh * kw) << 2);
  const pointwise = is_pointwise(h, w, kh, kw, strideH, strideW, padTop, padLeft, outH, outW);
  const rows = plane_side(kh, strideH, dilationH, outH);
  const pitch = plane_pitch(kw, strideW, dilationW, outW, w, padLeft);
  const phasesH = phases(kh, strideH, dilationH);
  const phasesW = phases(kw, strideW, dilationW);
  const channel = <usize>(phasesH * phasesW * rows * pitch) << 2;
  list_taps(kh, kw, strideH, strideW, dilationH, dilationW, rows, pitch, taps);
  const row = <usize>p << 2;
  for (let image = 0; image < batch; image++) {
    if (!pointwise) {
      lay_out(c, h, w, strideH, strideW, padTop, padLeft, phasesH, phasesW, rows, pitch, x, planes);
    }
    for (let q = 0; q < p; q += block) {
      const n = min(block, p - q);
      const py = y + (<usize>q << 2);
      for (let k = 0; k == 0 || k < r; k += KC) {
        const kc = min(KC, r - k);
        if (pointwise) pack_columns(kc, n, p, 1, x + (<usize>(k * p + q) << 2), scratch);
        else if (kc > 0) pack_planes(k, kc, q, n, kh * kw, taps, channel, outW, pitch, planes, scratch);
        const held = k + kc == r ? limits : 0;
        for (let i = 0; i < o; i += MC) {
          const m = min(MC, o - i);
          const a = wPanels + (<usize>(o * k + i * kc) << 2);
          const c = py + <usize>i * row;
          if (k > 0) multiply_from(m, n, kc, a, scratch, c, row, 32, c, row, held);
          else if (bias) {
            spread_bias(m, bias + (<usize>i << 2));
            multiply_from(m, n, kc, a, scratch, starts, 32, 0, c, row, held);
          } else multiply_from(m, n, kc, a, scratch, zeros, 0, 0, c, row, held);
        }
      }
    }
    x += <usize>xImage << 2;
    y += <usize>yImage << 2;
  }
}

/** Bytes of the panels of dY[o, .] that conv_grad_w_f32 packs; a multiple of 64. */
// @ts-ignore: decorator
@inline
function grad_rows_bytes(o: i32, p: i32): usize {
  return (<usize>(min(o, MC) * min(p, KC)) * 4 + 63) & ~63;
}

/** Pixels that conv_grad_x_f32 does at a time, or the lines that begin among them (measured: 64 to 512 are alike). */
const gradBlock: i32 = 128;

/** Bytes of scratch of conv_grad_w_f32 and of conv_grad_x_f32. */
export function conv_grad_scratch_bytes(
  c: i32, w: i32, o: i32, kh: i32, kw: i32, strideH: i32, strideW: i32, padLeft: i32, dilationH: i32, dilationW: i32,
  outH: i32, outW: i32,
): f64 {
  const r = c * kh * kw;
  const p = outH * outW;
  const pitch = plane_pitch(kw, strideW, dilationW, outW, w, padLeft);
  const across = phases(kw, strideW, dilationW) * pitch;
  const channel = phases(kh, strideH, dilationH) * plane_side(kh, strideH, dilationH, outH) * across;
  const ofW = <f64>grad_rows_bytes(o, p) + <f64>min(p, KC) * <f64>padded(min(r, block)) * 4;
  const right = <f64>min(o, KC) * <f64>max(gradBlock, padded(outW)) * 4;
  const ofX = <f64>o * <f64>r * 4 + right + planes_bytes(o, outH * max(pitch, padded(outW)));
  return max(ofW, ofX) + <f64>(kh * kw) * 4 + planes_bytes(c, channel);
}

/**
 * dW += sum over images of dY cols^T: every element is summed in order of image, then pixel, from what dW held.
 * x: f32 [batch, c, h, w], images xImage elements apart; dy: f32 [batch, o, outH, outW], images yImage elements apart;
 * dw: f32 [o, c kh kw], added into, apart from all others; scratch: conv_grad_scratch_bytes.
 */
export function conv_grad_w_f32(
  batch: i32, c: i32, h: i32, w: i32, o: i32, kh: i32, kw: i32, strideH: i32, strideW: i32, padTop: i32, padLeft: i32,
  dilationH: i32, dilationW: i32, outH: i32, outW: i32, xImage: i32, yImage: i32,
  x: usize, dy: usize, dw: usize, scratch: usize,
): void {
  assert(strideH > 0 && strideW > 0 && dilationH > 0 && dilationW > 0 && padTop >= 0 && padLeft >= 0);
  assert(((x | dy | dw | scratch) & 3) == 0);
  const p = outH * outW;
  const r = c * kh * kw;
  const pointwise = is_pointwise(h, w, kh, kw, strideH, strideW, padTop, padLeft, outH, outW);
  if (pointwise) {
    w = outW = p;
    h = outH = 1;
  }
  const rows = plane_side(kh, strideH, dilationH, outH);
  const pitch = plane_pitch(kw, strideW, dilationW, outW, w, padLeft);
  const phasesH = phases(kh, strideH, dilationH);
  const phasesW = phases(kw, strideW, dilationW);
  const channel = <usize>(phasesH * phasesW * rows * pitch) << 2;
  const row = <usize>r << 2;
  const cols = scratch + grad_rows_bytes(o, p);
  const taps = cols + (<usize>(min(p, KC) * padded(min(r, block))) << 2);
  const laid = taps + (<usize>(kh * kw) << 2);
  list_taps(kh, kw, strideH, strideW, dilationH, dilationW, rows, pitch, taps);
  for (let image = 0; image < batch; image++) {
    if (!pointwise) {
      lay_out(c, h, w, strideH, strideW, padTop, padLeft, phasesH, phasesW, rows, pitch, x, laid);
    }
    const planes = pointwise ? x : laid;
    for (let q = 0; q < p; q += KC) {
      const kc = min(KC, p - q);
      for (let j = 0; j < r; j += block) {
        const n = min(block, r - j);
        pack_planes_transposed(q, kc, j, n, kh * kw, taps, channel, outW, pitch, planes, cols);
        for (let i = 0; i < o; i += MC) {
          const m = min(MC, o - i);
          pack_rows(m, kc, p, 1, dy + (<usize>(i * p + q) << 2), scratch);
          multiply_block(m, n, kc, scratch, cols, dw + <usize>i * row + (<usize>j << 2), row);
        }
      }
    }
    x += <usize>xImage << 2;
    dy += <usize>yImage << 2;
  }
}

/**
 * dX += adjoint of the convolution, image by image. Tap by tap W^T dY is added to planes (see planes.ts) where the tap
 * reads them, and these then to dX (a pointwise one straight to dX). A pixel is summed in order of the block of outputs,
 * of KC channels out, tap, channel out (with one channel in: column of taps for tap), whatever the batch. Where a row of
 * planes is longer than one of outputs, 0 times the weight is added: a weight that is not finite makes NaN there.
 * weight: f32 [o, c kh kw]; dy: f32 [batch, o, outH, outW], images yImage elements apart;
 * dx: f32 [batch, c, h, w], images xImage elements apart, added into, apart from all others;
 * scratch: conv_grad_scratch_bytes.
 */
export function conv_grad_x_f32(
  batch: i32, c: i32, h: i32, w: i32, o: i32, kh: i32, kw: i32, strideH: i32, strideW: i32, padTop: i32, padLeft: i32,
  dilationH: i32, dilationW: i32, outH: i32, outW: i32, xImage: i32, yImage: i32,
  dy: usize, weight: usize, dx: usize, scratch: usize,
): void {
  assert(strideH > 0 && strideW > 0 && dilationH > 0 && dilationW > 0 && padTop >= 0 && padLeft >= 0);
  assert(((dy | weight | dx | scratch) & 3) == 0);
  const p = outH * outW;
  const r = c * kh * kw;
  if (p == 0 || r == 0 || o == 0) return;
  const pointwise = is_pointwise(h, w, kh, kw, strideH, strideW, padTop, padLeft, outH, outW);
  if (pointwise) {
    w = outW = p;
    h = outH = 1;
  }
  const rows = plane_side(kh, strideH, dilationH, outH);
  const pitch = plane_pitch(kw, strideW, dilationW, outW, w, padLeft);
  const phasesH = phases(kh, strideH, dilationH);
  const phasesW = phases(kw, strideW, dilationW);
  const channel = <usize>(phasesH * phasesW * rows * pitch) << 2;
  // What is the row of a tile: a channel, or, where there is but one, a row of the window, a line of its plane further. Rows must
  // lie a tile apart.
  const single = c == 1 && strideH == 1 && pitch >= 8;
  const tall = single ? kh : c;
  const count = single ? kw : kh * kw;
  const step = single ? <usize>(dilationH * pitch) << 2 : channel;
  // dY as one line whose rows stand as in the planes, or as lines of whole panels: whatever is fewer columns.
  const whole = (outH - 1) * pitch + outW;
  const flat = padded(whole) <= outH * padded(outW);
  const line = flat ? padded(whole) : padded(outW);
  const width = flat ? pitch : line;
  const columns = flat ? whole : outH * line;
  const pixels = flat ? gradBlock : max(1, gradBlock / line) * line;
  const taps = scratch + (<usize>(o * r) << 2);
  const right = taps + (<usize>(kh * kw) << 2);
  const laid = right + (<usize>(min(o, KC) * padded(min(pixels, columns))) << 2);
  const gaps = width != outW;
  const planes = laid + (gaps ? <usize>planes_bytes(o, outH * width) : 0);
  list_taps(kh, kw, strideH, strideW, dilationH, dilationW, rows, pitch, taps);
  for (let k = 0; k < o; k += KC) {
    const kc = min(KC, o - k);
    for (let i = 0; i < tall; i += MR) {
      for (let t = 0; t < count; t++) {
        const from = weight + (<usize>(k * r + i * count + t) << 2);
        pack_rows(min(MR, tall - i), kc, count, r, from, scratch + (<usize>(r * k + (t * tall + i) * kc) << 2));
      }
    }
  }
  for (let image = 0; image < batch; image++) {
    if (!pointwise) memory.fill(planes, 0, <usize>planes_bytes(c, <i32>(channel >> 2)));
    if (gaps) lay_out(o, outH, outW, 1, 1, 0, 0, 1, 1, outH, width, dy, laid);
    const source = gaps ? laid : dy;
    const sums = pointwise ? dx : planes;
    for (let q = 0; q < columns; q += pixels) {
      const n = min(pixels, columns - q);
      const begin = (flat ? <usize>q : <usize>(q / line * pitch)) << 2;
      for (let k = 0; k < o; k += KC) {
        const kc = min(KC, o - k);
        pack_columns(kc, n, outH * width, 1, source + (<usize>(k * outH * width + q) << 2), right);
        for (let t = 0; t < count; t++) {
          const a = scratch + (<usize>(r * k + t * tall * kc) << 2);
          let to = sums + load<u32>(taps + (<usize>t << 2)) + begin;
          let b = right;
          for (let left = pointwise ? n : padded(n); left > 0; left -= line) {
            const across = min(line, left);
            for (let i = 0; i < tall; i += MC) {
              multiply_block(min(MC, tall - i), across, kc, a + (<usize>(i * kc) << 2), b, to + <usize>i * step, step);
            }
            b += <usize>(across * kc) << 2;
            to += <usize>pitch << 2;
          }
        }
      }
    }
    if (!pointwise) {
      add_planes(c, h, w, strideH, strideW, padTop, padLeft, phasesH, phasesW, rows, pitch, planes, dx);
    }
    dy += <usize>yImage << 2;
    dx += <usize>xImage << 2;
  }
}
