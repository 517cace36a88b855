/**
 * Convolution of 3 x 3 windows, without strides, by minimal filtering F(4 x 4, 3 x 3) (A. Lavin and S. Gray, "Fast
 * Algorithms for Convolutional Neural Networks", 2016): every tile of 4 x 4 outputs takes 36 multiplications a channel
 * instead of 144.
 *   Y tile = A^T [ sum over c of (G g G^T) * (B^T d B) ] A + bias, d: 6 x 6 pixels, g: 3 x 3 weights
 * The sums over c are 36 matrix products, in rising c. The error is larger than that of the plain sum, since terms are
 * added that cancel: on 64 channels and outputs of unit variance at most about 1e-5, where the plain sum has 2e-6 (measured).
 * A pixel that is not finite makes NaN of every tile that reads it. A tile's bits depend on its pixels alone.
 */
import { multiply_packed } from "./linear";
import { lay_out } from "./planes";
import { clamp, store_columns, store_head } from "../simd";
import { KC, MR, zeros } from "./tile";

/** Tiles done at a time: a multiple of 8. */
const block: i32 = 64;

/** For each tile of the block: where it begins in the planes, and in y; how many rows and columns of it are in y. */
const places = memory.data(64 * 16);

/** A tile of four lanes, between its two transforms. */
const between = memory.data(36 * 16);

// @ts-ignore: decorator
@inline
function tiles(out: i32): i32 {
  return (out + 3) >> 2;
}

/** Tiles done at a time in images of this width: whole lines of tiles where that leaves no lane empty and few fewer. */
// @ts-ignore: decorator
@inline
function tiles_at_a_time(across: i32): i32 {
  const lines = block / max(across, 1) * across;
  return lines >= 48 && (lines & 7) == 0 ? lines : block;
}

/** Lines of tiles that so many tiles in turn touch at most, wherever they begin. */
// @ts-ignore: decorator
@inline
function lines_of(most: i32, outH: i32, across: i32): i32 {
  const lines = most % max(across, 1) == 0 ? most / max(across, 1) : (most + across - 2) / max(across, 1) + 1;
  return min(tiles(outH), lines);
}

// @ts-ignore: decorator
@inline
function block_of(outH: i32, outW: i32): i32 {
  return (min(tiles(outH) * tiles(outW), tiles_at_a_time(tiles(outW))) + 7) & ~7;
}

/** Bytes from one of the 36 input matrices to the next: one line more than it has, lest all 36 fall on one cache set. */
// @ts-ignore: decorator
@inline
function matrix_bytes(c: i32, n: i32): usize {
  return (<usize>(c * n) << 2) + 64;
}

/** Bytes of the weights of winograd_f32. */
export function winograd_panels_bytes(o: i32, c: i32): f64 {
  return <f64>o * <f64>c * 144;
}

/** Bytes of scratch of winograd_pack_f32. */
export function winograd_pack_scratch_bytes(c: i32): f64 {
  return <f64>c * (36 * 4 * MR);
}

/**
 * G g G^T of every kernel, rounded once, as the 36 left sides.
 * weight: f32 [o, c, 3, 3]; panels: 36 times gemm_pack_a_f32 of [o, c], winograd_panels_bytes, written in full, apart
 * from the rest; scratch: winograd_pack_scratch_bytes(c).
 */
export function winograd_pack_f32(o: i32, c: i32, weight: usize, panels: usize, scratch: usize): void {
  assert(o >= 0 && c >= 0 && ((weight | panels | scratch) & 3) == 0);
  const step = <usize>c * (4 * MR);
  const row = <usize>c * 36;
  for (let i = 0; i < o; i += MR) {
    const height = min(MR, o - i);
    for (let q = 0, from = weight, to = scratch; q < c; q++, from += 36) {
      for (let j = 0, g = from; j < height; j += 2, g += 2 * row) {
        const alone = j + 1 == height;
        widen(g, alone ? g : g + row, to, step, alone);
        to += alone ? 4 : 8;
      }
    }
    weight += row * <usize>height;
    for (let e: usize = 0; e < 36; e++) {
      for (let k = 0; k < c; k += KC) {
        const kc = min(KC, c - k);
        const to = panels + ((e * <usize>(o * c) + <usize>(o * k) + <usize>(i * kc)) << 2);
        memory.copy(to, scratch + e * step + (<usize>(k * height) << 2), <usize>(kc * height) << 2);
      }
    }
  }
}

/** The 36 values of two kernels, those of a kernel `step` bytes apart, the second's beside the first's; or of the first alone. */
function widen(g: usize, h: usize, to: usize, step: usize, alone: bool): void {
  for (let x: usize = 0; x < 12; x += 4) {
    widen_line(pair(g + x, h + x), pair(g + x + 12, h + x + 12), pair(g + x + 24, h + x + 24), between + (x << 2), 48);
  }
  for (let y: usize = 0; y < 6; y++) {
    const at = between + y * 48;
    widen_line(v128.load(at), v128.load(at, 16), v128.load(at, 32), line, 16);
    for (let x: usize = 0; x < 96; x += 16, to += step) {
      const both = f32x4.demote_f64x2_zero(v128.load(line + x));
      if (alone) v128.store_lane<f32>(to, both, 0);
      else v128.store_lane<f64>(to, both, 0);
    }
  }
}

/** Six values of `widen_line` for each of two kernels. */
const line = memory.data(96);

// @ts-ignore: decorator
@inline
function pair(g: usize, h: usize): v128 {
  return f64x2.replace_lane(f64x2.splat(<f64>load<f32>(g)), 1, <f64>load<f32>(h));
}

/** G g, written `step` bytes apart: the cubic through 0, 1, -1, 2, -2 and infinity. */
// @ts-ignore: decorator
@inline
function widen_line(g0: v128, g1: v128, g2: v128, to: usize, step: usize): void {
  const sixth = f64x2.splat(1.0 / 6), quarter = f64x2.splat(0.25), half = f64x2.splat(0.5);
  const even = f64x2.mul(f64x2.add(g0, g2), sixth);
  const odd = f64x2.mul(g1, sixth);
  const wide = f64x2.mul(f64x2.add(f64x2.mul(g0, quarter), g2), sixth);
  const oddWide = f64x2.mul(odd, half);
  v128.store(to, f64x2.mul(g0, quarter));
  v128.store(to + step, f64x2.neg(f64x2.add(even, odd)));
  v128.store(to + 2 * step, f64x2.sub(odd, even));
  v128.store(to + 3 * step, f64x2.add(wide, oddWide));
  v128.store(to + 4 * step, f64x2.sub(wide, oddWide));
  v128.store(to + 5 * step, g2);
}

/** Bytes of scratch of winograd_f32. */
export function winograd_scratch_bytes(c: i32, o: i32, outH: i32, outW: i32): f64 {
  const n = block_of(outH, outW);
  return 36 * (<f64>matrix_bytes(c, n) + <f64>o * <f64>n * 4) + planes(c, outH, outW);
}

// @ts-ignore: decorator
@inline
function planes(c: i32, outH: i32, outW: i32): f64 {
  const across = tiles(outW);
  const lines = lines_of(tiles_at_a_time(across), outH, across);
  return (<f64>c * <f64>(4 * lines + 2) * <f64>(4 * across + 2) + 32) * 4;
}

/**
 * x: f32 [batch, c, h, w], images xImage elements apart; panels: winograd_pack_f32; bias: f32 [o], or 0 for none;
 * limits: f32 [3], see `clamp`, or 0; y: f32 [batch, o, outH, outW], images yImage elements apart, written in full, apart
 * from all others; scratch: winograd_scratch_bytes. padTop, padLeft >= 0; the padding at the bottom and the right follows from outH and outW.
 */
export function winograd_f32(
  batch: i32, c: i32, h: i32, w: i32, o: i32, padTop: i32, padLeft: i32, outH: i32, outW: i32, xImage: i32, yImage: i32,
  x: usize, panels: usize, bias: usize, limits: usize, y: usize, scratch: usize,
): void {
  assert(batch >= 0 && c >= 0 && o >= 0 && outH >= 0 && outW >= 0 && padTop >= 0 && padLeft >= 0);
  assert(((x | panels | bias | limits | y | scratch) & 3) == 0);
  const across = tiles(outW);
  const count = tiles(outH) * across;
  const most = tiles_at_a_time(across);
  const pitch = 4 * across + 2;
  const wide = block_of(outH, outW);
  const sums = scratch + 36 * matrix_bytes(c, wide);
  const image = sums + (<usize>(36 * o * wide) << 2);
  for (; batch > 0; batch--, x += <usize>xImage << 2, y += <usize>yImage << 2) {
    for (let first = 0; first < count; first += most) {
      const left = min(count - first, most);
      const n = (left + 7) & ~7;
      // Of the image, the lines that the tiles read.
      const top = first / across;
      const rows = 4 * ((first + left - 1) / across - top) + 6;
      lay_out(c, h, w, 1, 1, padTop - 4 * top, padLeft, 1, 1, rows, pitch, x, image);
      list_tiles(first, left, n, across, pitch, top, outH, outW);
      const matrix = matrix_bytes(c, n);
      for (let t = 0; t < n; t += 4) spread(t, n, c, <usize>(rows * pitch) << 2, pitch, image, scratch, matrix);
      for (let e = 0; e < 36; e++) {
        const a = panels + (<usize>(e * o * c) << 2);
        const to = sums + (<usize>(e * n) << 2);
        multiply_packed(o, n, c, a, scratch + <usize>e * matrix, zeros, 0, 0, to, <usize>n * 144);
      }
      for (let i = 0, from = sums, to = y; i < o; i++, from += <usize>n * 144, to += <usize>(outH * outW) << 2) {
        const b: f32 = bias ? load<f32>(bias + (<usize>i << 2)) : 0;
        for (let t = 0; t < left; t += 4) gather(t, left, <usize>n << 2, b, from + (<usize>t << 2), limits, to, outW);
      }
    }
  }
}

/** The table of tiles first .. first + left, the last one repeated up to n; the planes begin at line `top` of tiles. */
function list_tiles(
  first: i32, left: i32, n: i32, across: i32, pitch: i32, top: i32, outH: i32, outW: i32,
): void {
  for (let t = 0, at = places; t < n; t++, at += 16) {
    const tile = first + min(t, left - 1);
    const ty = tile / across * 4;
    const tx = tile % across * 4;
    store<u32>(at, <u32>((ty - 4 * top) * pitch + tx) << 2);
    store<u32>(at, <u32>(ty * outW + tx) << 2, 4);
    store<i32>(at, min(outH - ty, 4), 8);
    store<i32>(at, min(outW - tx, 4), 12);
  }
}

/** B^T d for one line of six, written `step` bytes apart. */
// @ts-ignore: decorator
@inline
function transform(d0: v128, d1: v128, d2: v128, d3: v128, d4: v128, d5: v128, to: usize, step: usize): void {
  const four = f32x4.splat(4), five = f32x4.splat(5);
  const a = f32x4.sub(d4, f32x4.mul(four, d2));
  const b = f32x4.sub(d3, f32x4.mul(four, d1));
  v128.store(to, f32x4.add(f32x4.sub(f32x4.mul(four, d0), f32x4.mul(five, d2)), d4));
  v128.store(to + step, f32x4.add(a, b));
  v128.store(to + 2 * step, f32x4.sub(a, b));
  const c = f32x4.sub(d4, d2);
  const half = f32x4.sub(d3, d1);
  const d = f32x4.add(half, half);
  v128.store(to + 3 * step, f32x4.add(c, d));
  v128.store(to + 4 * step, f32x4.sub(c, d));
  v128.store(to + 5 * step, f32x4.add(f32x4.sub(f32x4.mul(four, d1), f32x4.mul(five, d3)), d5));
}

/** B^T d B of tiles t .. t + 4 of all channels, one tile a lane, into the 36 right sides: gemm_pack_b_f32 of [c, n]. */
function spread(t: i32, n: i32, c: i32, plane: usize, pitch: i32, image: usize, to: usize, matrix: usize): void {
  const at = places + (<usize>t << 4);
  let p0 = image + load<u32>(at), p1 = image + load<u32>(at, 16);
  let p2 = image + load<u32>(at, 32), p3 = image + load<u32>(at, 48);
  const row = <usize>pitch << 2;
  for (let k = 0; k < c; k += KC) {
    const kc = min(KC, c - k);
    let out = to + (<usize>(n * k + (t >> 3) * kc * 8 + (t & 4)) << 2);
    for (let i = 0; i < kc; i++) {
      let offset: usize = 0;
      for (let r = between; r < between + 576; r += 96, offset += row) {
        const x0 = v128.load(p0 + offset), x1 = v128.load(p1 + offset);
        const x2 = v128.load(p2 + offset), x3 = v128.load(p3 + offset);
        const y0 = v128.load(p0 + offset, 8), y1 = v128.load(p1 + offset, 8);
        const y2 = v128.load(p2 + offset, 8), y3 = v128.load(p3 + offset, 8);
        const a0 = i32x4.shuffle(x0, x1, 0, 4, 1, 5), a1 = i32x4.shuffle(x2, x3, 0, 4, 1, 5);
        const b0 = i32x4.shuffle(x0, x1, 2, 6, 3, 7), b1 = i32x4.shuffle(x2, x3, 2, 6, 3, 7);
        const c0 = i32x4.shuffle(y0, y1, 2, 6, 3, 7), c1 = i32x4.shuffle(y2, y3, 2, 6, 3, 7);
        transform(
          i64x2.shuffle(a0, a1, 0, 2), i64x2.shuffle(a0, a1, 1, 3), i64x2.shuffle(b0, b1, 0, 2),
          i64x2.shuffle(b0, b1, 1, 3), i64x2.shuffle(c0, c1, 0, 2), i64x2.shuffle(c0, c1, 1, 3), r, 16,
        );
      }
      let q = out;
      for (let r = between; r < between + 96; r += 16, q += matrix) {
        transform(
          v128.load(r), v128.load(r, 96), v128.load(r, 192), v128.load(r, 288), v128.load(r, 384), v128.load(r, 480),
          q, 6 * matrix,
        );
      }
      p0 += plane; p1 += plane; p2 += plane; p3 += plane;
      out += 32;
    }
  }
}

/** A^T m for one line of six, written `step` bytes apart. */
// @ts-ignore: decorator
@inline
function gather_line(p: usize, between: usize, to: usize, step: usize, bias: v128): void {
  const m0 = v128.load(p), m5 = v128.load(p + 5 * between);
  const m1 = v128.load(p + between), m2 = v128.load(p + 2 * between);
  const m3 = v128.load(p + 3 * between), m4 = v128.load(p + 4 * between);
  const sum = f32x4.add(m1, m2), difference = f32x4.sub(m1, m2);
  const wide = f32x4.add(m3, m4), oddWide = f32x4.sub(m3, m4);
  v128.store(to, f32x4.add(f32x4.add(f32x4.add(m0, sum), wide), bias));
  v128.store(to + step, f32x4.add(f32x4.add(difference, f32x4.add(oddWide, oddWide)), bias));
  v128.store(to + 2 * step, f32x4.add(f32x4.add(sum, f32x4.mul(f32x4.splat(4), wide)), bias));
  v128.store(
    to + 3 * step,
    f32x4.add(f32x4.add(f32x4.add(difference, f32x4.mul(f32x4.splat(8), oddWide)), m5), bias),
  );
}

/**
 * A^T m A + bias of tiles t .. t + 4, one a lane, held within limits where there are any, to their places in y: from: 36 sums,
 * `step` bytes apart.
 */
function gather(
  t: i32, left: i32, step: usize, bias: f32, from: usize, limits: usize, y: usize, outW: i32,
): void {
  const none = f32x4.splat(0);
  for (let r = between; r < between + 96; r += 16, from += step) gather_line(from, 6 * step, r, 96, none);
  const b = f32x4.splat(bias);
  const row = <usize>outW << 2;
  for (let i = 0; i < 4; i++) {
    const r = between + <usize>(i * 96);
    gather_line(r, 16, r, 16, b);
    let x0 = v128.load(r), x1 = v128.load(r, 16), x2 = v128.load(r, 32), x3 = v128.load(r, 48);
    if (limits) {
      const lo = v128.load32_splat(limits), hi = v128.load32_splat(limits, 4), zero = v128.load32_splat(limits, 8);
      x0 = clamp(x0, lo, hi, zero);
      x1 = clamp(x1, lo, hi, zero);
      x2 = clamp(x2, lo, hi, zero);
      x3 = clamp(x3, lo, hi, zero);
    }
    store_columns(r, 16, x0, x1, x2, x3);
  }
  const end = min(t + 4, left);
  for (let r = between, at = places + (<usize>t << 4); t < end; t++, r += 16, at += 16) {
    let to = y + load<u32>(at, 4);
    const columns = load<i32>(at, 12);
    const last = to + <usize>load<i32>(at, 8) * row;
    if (columns == 4) {
      for (let p = r; to < last; to += row, p += 96) v128.store(to, v128.load(p));
    } else {
      for (let p = r; to < last; to += row, p += 96) store_head(to, v128.load(p), columns);
    }
  }
}
