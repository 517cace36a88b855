/**
 * What a convolution's window reads, laid out for a matrix product. Row r = (c, ky, kx) of `cols` holds, for every
 * output pixel q = (oy, ox), x[c, oy sh - pt + ky dh, ox sw - pl + kx dw], or zero outside the image. `cols` is never
 * made in full: blocks of it go straight into panels, since only the packing of a product has to know about windows
 * (K. Chellapilla, S. Puri and P. Simard, "High Performance Convolutional Neural Networks for Document Processing", 2006,
 * made the matrix; A. Anderson and others, "Low-memory GEMM-based convolution algorithms", 2017, avoid it).
 */
import { store_columns } from "../simd";

/** Eight entries of (y, x, byte offset): the pixels or the taps of one panel. */
const table = memory.data(8 * 12);

/** A coordinate outside every image. */
const outside: i32 = i32.MIN_VALUE / 2;

/**
 * B panels of cols: rows k0 .. k0 + k, columns q0 .. q0 + n.
 * x: f32 [c, h, w]; out: f32 [ceil(n / 8)][k][8], written in full, the last panel padded with zeros.
 */
export function pack_window(
  k0: i32, k: i32, q0: i32, n: i32, h: i32, w: i32, kh: i32, kw: i32, strideH: i32, strideW: i32,
  padTop: i32, padLeft: i32, dilationH: i32, dilationW: i32, outW: i32, x: usize, out: usize,
): void {
  const tap = k0 % (kh * kw);
  const ky0 = tap / kw;
  const kx0 = tap % kw;
  const plane = x + (<usize>(k0 / (kh * kw) * h * w) << 2);
  // From one tap to the next along kx; then, past the last, what is left to the next line; then to the next channel.
  const stepX = <usize>dilationW << 2;
  const stepY = <usize>(dilationH * w - kw * dilationW) << 2;
  const stepC = <usize>(h * w - kh * dilationH * w) << 2;
  for (let j = 0; j < n; j += 8) {
    const q = q0 + j;
    const ox = q % outW;
    const top = q / outW * strideH - padTop;
    const left = ox * strideW - padLeft;
    const run = strideW == 1 && n - j >= 8 && ox + 8 <= outW;
    const inRows = top >= 0 && top + (kh - 1) * dilationH < h;
    const inside = run && inRows && left >= 0 && left + 8 + (kw - 1) * dilationW <= w;
    let from = plane + (<usize>((top + ky0 * dilationH) * w + left + kx0 * dilationW) << 2);
    let ky = ky0;
    let kx = kx0;
    if (inside) {
      for (let p = 0; p < k; p++) {
        v128.store(out, v128.load(from));
        v128.store(out, v128.load(from, 16), 16);
        out += 32;
        from += stepX;
        if (++kx == kw) {
          kx = 0;
          from += stepY;
          if (++ky == kh) {
            ky = 0;
            from += stepC;
          }
        }
      }
      continue;
    }
    list_pixels(q, n - j, strideH, strideW, padTop, padLeft, w, outW);
    for (let p = 0; p < k; p++) {
      const dy = ky * dilationH;
      const dx = kx * dilationW;
      if (run && <u32>(top + dy) < <u32>h && left + dx >= 0 && left + dx + 8 <= w) {
        v128.store(out, v128.load(from));
        v128.store(out, v128.load(from, 16), 16);
      } else {
        gather_pixels(dy, dx, h, w, from, out);
      }
      out += 32;
      from += stepX;
      if (++kx == kw) {
        kx = 0;
        from += stepY;
        if (++ky == kh) {
          ky = 0;
          from += stepC;
        }
      }
    }
  }
}

/** The table of pixels q .. q + 8: where each window begins, and how far from the first. Past `left` pixels: outside. */
function list_pixels(
  q: i32, left: i32, strideH: i32, strideW: i32, padTop: i32, padLeft: i32, w: i32, outW: i32,
): void {
  const base = (q / outW * strideH - padTop) * w + q % outW * strideW - padLeft;
  for (let i = 0, at = table; i < 8; i++, at += 12) {
    const y = (q + i) / outW * strideH - padTop;
    const x = (q + i) % outW * strideW - padLeft;
    store<i32>(at, i < left ? y : outside);
    store<i32>(at, x, 4);
    store<i32>(at, (y * w + x - base) << 2, 8);
  }
}

/** One tap of eight listed pixels. */
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
