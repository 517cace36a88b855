/**
 * An image laid out so that a window needs no limits and no strides: zeros where it is padded, and a stride taken apart.
 * Phase (a, b) of channel c holds, at row i and column j, x[c, i strideH + a - padTop, j strideW + b - padLeft], or 0
 * outside the image. Then tap (ky, kx) of all outputs of one row is one run of floats, whatever the stride:
 *   x[c, oy strideH - padTop + ky dh, ox strideW - padLeft + kx dw] = plane[(ky dh % strideH, kx dw % strideW)]
 *   [oy + ky dh / strideH, ox + kx dw / strideW]
 * Only phases that a tap can reach are there. Where there is no stride, the zeros at the right of a row and at the left
 * of the next are the same ones. Behind the last plane there are `slack` zeros, so that strips may read past the end.
 */
import { end_inside, first_inside } from "./window";

/** Floats behind the last plane that may be read. */
export const slack: i32 = 32;

// @ts-ignore: decorator
@inline
export function phases(k: i32, stride: i32, dilation: i32): i32 {
  return min(stride, max(k - 1, 0) * dilation + 1);
}

/** Rows, or columns, of a plane. */
// @ts-ignore: decorator
@inline
export function plane_side(k: i32, stride: i32, dilation: i32, out: i32): i32 {
  return max(out, 0) + max(k - 1, 0) * dilation / stride;
}

/**
 * Floats from one row of a plane to the next: its columns less the zeros at the right that the next row has too. Four at
 * most, so that 28 pixels read from the last one on stay within the slack; and a row of outputs stays within a row.
 */
// @ts-ignore: decorator
@inline
export function plane_pitch(kw: i32, strideW: i32, dilationW: i32, outW: i32, w: i32, padLeft: i32): i32 {
  const side = plane_side(kw, strideW, dilationW, outW);
  return strideW == 1 ? side - min(min(padLeft, 4), min(max(side - padLeft - w, 0), side - outW)) : side;
}

/** Bytes that `lay_out` writes for c channels of planes of rows x pitch. */
// @ts-ignore: decorator
@inline
export function planes_bytes(c: i32, channel: i32): f64 {
  return (<f64>c * <f64>channel + slack) * 4;
}

/** Whether `cols` is x itself: one tap, no stride, no padding. The image may then be read as one line. */
// @ts-ignore: decorator
@inline
export function is_pointwise(
  h: i32, w: i32, kh: i32, kw: i32, strideH: i32, strideW: i32, padTop: i32, padLeft: i32, outH: i32, outW: i32,
): bool {
  return kh == 1 && kw == 1 && strideH == 1 && strideW == 1 && padTop == 0 && padLeft == 0 && outH == h && outW == w;
}

/** Byte offsets of every tap in its channel's planes. to: u32 [kh kw], written in full. */
export function list_taps(
  kh: i32, kw: i32, strideH: i32, strideW: i32, dilationH: i32, dilationW: i32, rows: i32, pitch: i32, to: usize,
): void {
  const across = phases(kw, strideW, dilationW);
  for (let ky = 0; ky < kh; ky++) {
    const y = ky * dilationH;
    for (let kx = 0; kx < kw; kx++, to += 4) {
      const x = kx * dilationW;
      const plane = y % strideH * across + x % strideW;
      store<u32>(to, <u32>((plane * rows + y / strideH) * pitch + x / strideW) << 2);
    }
  }
}

export function fill(p: usize, n: i32, value: f32): void {
  const v = f32x4.splat(value);
  for (; n >= 4; n -= 4, p += 16) v128.store(p, v);
  for (; n > 0; n--, p += 4) store<f32>(p, value);
}

/** x: f32 [c, h, w]; out: f32 [c, phasesH, phasesW, rows, pitch] and the slack, written in full, apart from x. */
export function lay_out(
  c: i32, h: i32, w: i32, strideH: i32, strideW: i32, padTop: i32, padLeft: i32,
  phasesH: i32, phasesW: i32, rows: i32, pitch: i32, x: usize, out: usize,
): void {
  const line = <usize>pitch << 2;
  for (; c > 0; c--, x += <usize>(h * w) << 2) {
    for (let a = 0; a < phasesH; a++) {
      for (let b = 0; b < phasesW; b++) {
        const offset = b - padLeft;
        const first = first_inside(offset, strideW, pitch);
        const end = end_inside(offset, strideW, pitch, w);
        for (let i = 0; i < rows; i++, out += line) {
          const y = i * strideH + a - padTop;
          if (<u32>y >= <u32>h) {
            fill(out, pitch, 0);
            continue;
          }
          for (let j = 0; j < first; j++) store<f32>(out + (<usize>j << 2), 0);
          let to = out + (<usize>first << 2);
          let from = x + (<usize>(y * w + first * strideW + offset) << 2);
          let n = end - first;
          if (strideW == 1) {
            for (; n >= 4; n -= 4, to += 16, from += 16) v128.store(to, v128.load(from));
          } else if (strideW == 2) {
            // One float behind the last one taken is read too: n > 4 says that it is in the row.
            for (; n > 4; n -= 4, to += 16, from += 32) {
              v128.store(to, i32x4.shuffle(v128.load(from), v128.load(from, 16), 0, 2, 4, 6));
            }
          }
          for (; n > 0; n--, to += 4, from += <usize>strideW << 2) store<f32>(to, load<f32>(from));
          for (const stop = out + line; to < stop; to += 4) store<f32>(to, 0);
        }
      }
    }
  }
  fill(out, slack, 0);
}

/**
 * B panels of the window's taps: rows k0 .. k0 + k of (c, ky, kx), columns (pixels) q0 .. q0 + n.
 * taps: u32 [count], bytes, see list_taps; channel: bytes; out: f32 [ceil(n / 8)][k][8], written in full; the padding of
 * the last panel repeats its last pixel, since what it gives is thrown away.
 */
export function pack_planes(
  k0: i32, k: i32, q0: i32, n: i32, count: i32, taps: usize, channel: usize, outW: i32, pitch: i32,
  planes: usize, out: usize,
): void {
  const begin = taps + (<usize>(k0 % count) << 2);
  const end = taps + (<usize>count << 2);
  const jump = <usize>(pitch - outW) << 2;
  for (let j = 0; j < n; j += 8) {
    const q = q0 + j;
    const ox = q % outW;
    let plane = planes + <usize>(k0 / count) * channel + (<usize>(q / outW * pitch + ox) << 2);
    let tap = begin;
    if (n - j >= 8 && ox + 8 <= outW) {
      for (let i = 0; i < k; i++, out += 32) {
        const p = plane + load<u32>(tap);
        v128.store(out, v128.load(p));
        v128.store(out, v128.load(p, 16), 16);
        tap += 4;
        if (tap == end) {
          tap = taps;
          plane += channel;
        }
      }
    } else if (n - j >= 8 && ox + 8 <= 2 * outW) {
      // Two rows: from pixel outW on, what is read lies `jump` bytes further.
      const lanes = i32x4.splat(outW - ox);
      const first = i32x4.gt_s(lanes, i32x4(0, 1, 2, 3)), second = i32x4.gt_s(lanes, i32x4(4, 5, 6, 7));
      for (let i = 0; i < k; i++, out += 32) {
        const p = plane + load<u32>(tap), next = p + jump;
        v128.store(out, v128.bitselect(v128.load(p), v128.load(next), first));
        v128.store(out, v128.bitselect(v128.load(p, 16), v128.load(next, 16), second), 16);
        tap += 4;
        if (tap == end) {
          tap = taps;
          plane += channel;
        }
      }
    } else {
      const p1 = offset_of(1, n - j, ox, outW, jump), p2 = offset_of(2, n - j, ox, outW, jump);
      const p3 = offset_of(3, n - j, ox, outW, jump), p4 = offset_of(4, n - j, ox, outW, jump);
      const p5 = offset_of(5, n - j, ox, outW, jump), p6 = offset_of(6, n - j, ox, outW, jump);
      const p7 = offset_of(7, n - j, ox, outW, jump);
      for (let i = 0; i < k; i++, out += 32) {
        const p = plane + load<u32>(tap);
        store<f32>(out, load<f32>(p));
        store<f32>(out, load<f32>(p + p1), 4);
        store<f32>(out, load<f32>(p + p2), 8);
        store<f32>(out, load<f32>(p + p3), 12);
        store<f32>(out, load<f32>(p + p4), 16);
        store<f32>(out, load<f32>(p + p5), 20);
        store<f32>(out, load<f32>(p + p6), 24);
        store<f32>(out, load<f32>(p + p7), 28);
        tap += 4;
        if (tap == end) {
          tap = taps;
          plane += channel;
        }
      }
    }
  }
}

/** Bytes from the first pixel of a panel, at column ox, to pixel i, or to the last of `left` pixels. */
function offset_of(i: i32, left: i32, ox: i32, outW: i32, jump: usize): usize {
  i = min(i, left - 1);
  return (<usize>i << 2) + <usize>((ox + i) / outW) * jump;
}
