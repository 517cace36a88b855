/**
 * Convolution of one group, NCHW, as a matrix product over the window's taps, r = (c, ky, kx):
 *   Y[o, q] = bias[o] + sum over r of W[o, r] cols[r, q]
 *   cols[r, q] = x[c, oy sh - pt + ky dh, ox sw - pl + kx dw], or 0 outside the image
 * c and o count the channels of the group; xImage and yImage are the elements from one image to the next in the whole
 * tensor, so a caller walks the groups by moving x, y, the weights and the bias. Only the padding at the top and at the
 * left is given: that at the bottom and the right follows from outH and outW.
 */
import { pack_columns, pack_rows } from "./panel";
import { KC, MC, multiply_block } from "./tile";
import {
  fill, is_pointwise, lay_out, list_taps, pack_planes, phases, plane_pitch, plane_side, planes_bytes,
} from "./planes";
import { end_inside, first_inside, pack_window_transposed } from "./window";

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

/**
 * Y = conv(X, W) + bias; sums in rising r from the bias, the same bits for any batch.
 * x: f32 [batch, c, h, w], images xImage elements apart; wPanels: gemm_pack_a_f32 of W[o, c kh kw]; bias: f32 [o], or 0
 * for none; y: f32 [batch, o, outH, outW], images yImage elements apart, written in full, apart from all others;
 * scratch: conv_scratch_bytes. Strides and dilations >= 1, padding >= 0.
 */
export function conv_f32(
  batch: i32, c: i32, h: i32, w: i32, o: i32, kh: i32, kw: i32, strideH: i32, strideW: i32, padTop: i32, padLeft: i32,
  dilationH: i32, dilationW: i32, outH: i32, outW: i32, xImage: i32, yImage: i32,
  x: usize, wPanels: usize, bias: usize, y: usize, scratch: usize,
): void {
  assert(batch >= 0 && c >= 0 && o >= 0 && kh >= 0 && kw >= 0 && outH >= 0 && outW >= 0);
  assert(strideH > 0 && strideW > 0 && dilationH > 0 && dilationW > 0 && padTop >= 0 && padLeft >= 0);
  assert(((x | wPanels | bias | y | scratch) & 3) == 0);
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
      for (let i = 0; i < o; i++) {
        fill(py + <usize>i * row, n, bias ? load<f32>(bias + (<usize>i << 2)) : 0);
      }
      for (let k = 0; k < r; k += KC) {
        const kc = min(KC, r - k);
        if (pointwise) pack_columns(kc, n, p, 1, x + (<usize>(k * p + q) << 2), scratch);
        else pack_planes(k, kc, q, n, kh * kw, taps, channel, outW, pitch, planes, scratch);
        const panels = wPanels + (<usize>(o * k) << 2);
        for (let i = 0; i < o; i += MC) {
          multiply_block(
            min(MC, o - i), n, kc, panels + (<usize>(i * kc) << 2), scratch, py + <usize>i * row, row,
          );
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

/** Pixels that conv_grad_x_f32 does at a time: their r rows should stay in the second-level cache. */
// @ts-ignore: decorator
@inline
function grad_pixels(r: i32, p: i32): i32 {
  return min(padded(p), max(64, min(block, (131072 / max(r, 1)) & ~7)));
}

/** Bytes of scratch of conv_grad_w_f32 and of conv_grad_x_f32 for o channels out, r = c kh kw and p = outH outW. */
export function conv_grad_scratch_bytes(o: i32, r: i32, p: i32): f64 {
  const ofW = <f64>grad_rows_bytes(o, p) + <f64>min(p, KC) * <f64>padded(min(r, block)) * 4;
  const pixels = <f64>grad_pixels(r, p) * 4;
  const ofX = <f64>o * <f64>r * 4 + <f64>min(o, KC) * pixels + <f64>r * pixels;
  return max(ofW, ofX);
}

/**
 * dW += sum over images of dY cols^T: every element is summed in order of image, then pixel, from what dW held.
 * x: f32 [batch, c, h, w], images xImage elements apart; dy: f32 [batch, o, outH, outW], images yImage elements apart;
 * dw: f32 [o, c kh kw], added into, apart from all others; scratch: conv_grad_scratch_bytes(o, c kh kw, outH outW).
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
  if (is_pointwise(h, w, kh, kw, strideH, strideW, padTop, padLeft, outH, outW)) {
    w = outW = p;
    h = outH = 1;
  }
  const row = <usize>r << 2;
  const cols = scratch + grad_rows_bytes(o, p);
  for (let image = 0; image < batch; image++) {
    for (let q = 0; q < p; q += KC) {
      const kc = min(KC, p - q);
      for (let j = 0; j < r; j += block) {
        const n = min(block, r - j);
        pack_window_transposed(
          q, kc, j, n, h, w, kh, kw, strideH, strideW, padTop, padLeft, dilationH, dilationW, outW, x, cols,
        );
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
 * dX += col2im(W^T dY), image by image. weight: f32 [o, c kh kw]; dy: f32 [batch, o, outH, outW], images yImage
 * elements apart;
 * dx: f32 [batch, c, h, w], images xImage elements apart, added into, apart from all others;
 * scratch: conv_grad_scratch_bytes(o, c kh kw, outH outW).
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
  if (is_pointwise(h, w, kh, kw, strideH, strideW, padTop, padLeft, outH, outW)) {
    w = outW = p;
    h = outH = 1;
  }
  const pixels = grad_pixels(r, p);
  const right = scratch + (<usize>(o * r) << 2);
  const cols = right + (<usize>(min(o, KC) * pixels) << 2);
  for (let k = 0; k < o; k += KC) {
    pack_rows(r, min(KC, o - k), 1, r, weight + (<usize>(k * r) << 2), scratch + (<usize>(r * k) << 2));
  }
  for (let image = 0; image < batch; image++) {
    for (let q = 0; q < p; q += pixels) {
      const n = min(pixels, p - q);
      const row = <usize>n << 2;
      memory.fill(cols, 0, <usize>r * row);
      for (let k = 0; k < o; k += KC) {
        const kc = min(KC, o - k);
        pack_columns(kc, n, p, 1, dy + (<usize>(k * p + q) << 2), right);
        const panels = scratch + (<usize>(r * k) << 2);
        for (let i = 0; i < r; i += MC) {
          multiply_block(
            min(MC, r - i), n, kc, panels + (<usize>(i * kc) << 2), right, cols + <usize>i * row, row,
          );
        }
      }
      add_window(q, n, c, h, w, kh, kw, strideH, strideW, padTop, padLeft, dilationH, dilationW, outW, cols, dx);
    }
    dy += <usize>yImage << 2;
    dx += <usize>xImage << 2;
  }
}

/** col2im: adds columns q .. q + n of cols, f32 [c kh kw, n], to the pixels of x they were read from. */
function add_window(
  q: i32, n: i32, c: i32, h: i32, w: i32, kh: i32, kw: i32, strideH: i32, strideW: i32, padTop: i32, padLeft: i32,
  dilationH: i32, dilationW: i32, outW: i32, cols: usize, x: usize,
): void {
  const oy0 = q / outW;
  const oy1 = (q + n - 1) / outW;
  for (let i = 0; i < c; i++, x += <usize>(h * w) << 2) {
    for (let ky = 0; ky < kh; ky++) {
      for (let kx = 0; kx < kw; kx++, cols += <usize>n << 2) {
        const offset = kx * dilationW - padLeft;
        const first = first_inside(offset, strideW, outW);
        const end = end_inside(offset, strideW, outW, w);
        for (let oy = oy0; oy <= oy1; oy++) {
          const iy = oy * strideH - padTop + ky * dilationH;
          if (<u32>iy >= <u32>h) continue;
          const ox = max(first, q - oy * outW);
          let left = min(end, q + n - oy * outW) - ox;
          let from = cols + (<usize>(oy * outW + ox - q) << 2);
          let to = x + (<usize>(iy * w + ox * strideW + offset) << 2);
          if (strideW == 1) {
            for (; left >= 4; left -= 4, from += 16, to += 16) {
              v128.store(to, f32x4.add(v128.load(to), v128.load(from)));
            }
          }
          for (; left > 0; left--, from += 4, to += <usize>strideW << 2) {
            store<f32>(to, load<f32>(to) + load<f32>(from));
          }
        }
      }
    }
  }
}
