/**
 * Integer products: C = (A - zero) B with A int8 or uint8 and B int8, exact in s32, and what is made of C.
 *
 * The zero point is taken off while A is widened to i16, so one kernel serves signed and unsigned A: products of pairs
 * are summed by `i32x4.dot_i16x8_s`, modulo 2^32. |A - zero| <= 255 and |B| <= 128, so no sum overflows for k <= 65536.
 * Integers have no rounding: results do not depend on batch, blocking or build.
 *
 * Panels of B[k, n]: for each eight columns: int8 pairs [ceil(k / 2)][8][2], padded with zeros.
 *
 * B. Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only inference",
 * 2018.
 */
import { absmax_rows_f32, quantize_rows_f32_i8 } from "../compress/int8";
import { NP, multiply_one, multiply_pairs, pack_pairs, pack_panel, widen_pairs } from "./int8-tile";
import { MR } from "./tile";

/** Pairs of a panel that are widened at a time: 8 KB in the first-level cache (measured: 512 and 1024 are alike). */
const PAIRS: i32 = 256;
/**
 * Bytes of A as i16 that stay in the second-level cache (measured: up to k = 2048 128 KB are 2 % slower, at 4096 7 %).
 */
const BLOCK: i32 = 512 * 1024;
/** Most rows at a time: their sums, one panel wide, stay in the first-level cache. */
const ROWS: i32 = 120;

/** What is made of the sums. */
const SUMS: i32 = 0;
const FLOATS: i32 = 1;
const CODES: i32 = 2;

/** Bytes of the panels of B[k, n]. */
export function gemm_panels_i8_bytes(k: i32, n: i32): f64 {
  return <f64>((n + (NP - 1)) & ~(NP - 1)) * <f64>((k + 1) & ~1);
}

/**
 * Packs B once for many products.
 * b: int8, element (p, j) at p rowStride + j colStride elements; panels: gemm_panels_i8_bytes, written in full, apart
 * from b.
 */
export function gemm_pack_i8(k: i32, n: i32, rowStride: i32, colStride: i32, b: usize, panels: usize): void {
  assert(k >= 0 && n >= 0 && rowStride >= 0 && colStride >= 0);
  const bytes = <usize>((k + 1) & ~1) * NP;
  for (; n > 0; n -= NP, b += <usize>colStride * NP, panels += bytes) {
    pack_panel(k, min(n, NP), rowStride, colStride, b, panels);
  }
}

/** Rows of A that are packed at a time: a multiple of MR, or all there are. */
// @ts-ignore: decorator
@inline
function block_rows(m: i32, pairs: i32): i32 {
  return min(min(m, ROWS), max(1, BLOCK / (max(pairs, 1) * 4 * MR)) * MR);
}

/** Bytes of scratch of gemm_i8, gemm_dequantize_i8 and gemm_requantize_i8 (at most 524 KB, or 13 KB + 10 k). */
export function gemm_scratch_i8_bytes(m: i32, k: i32): f64 {
  const pairs = (k + 1) >> 1;
  const rows = block_rows(m, pairs);
  return <f64>(rows * pairs * 4 + min(pairs, PAIRS) * 32 + rows * 32 + 64);
}

/**
 * C = (A - zero) B.
 * a: int8 [m, k], or uint8 where `unsigned` is 1; panels: gemm_pack_i8 of B[k, n]; c: s32 [m, n], written in full,
 * apart from the rest; scratch: gemm_scratch_i8_bytes; zero: in the range of a.
 */
export function gemm_i8(
  m: i32, n: i32, k: i32, a: usize, panels: usize, c: usize, scratch: usize, zero: i32, unsigned: i32,
): void {
  product(SUMS, m, n, k, a, panels, 0, 0, 0, c, scratch, zero, unsigned, 0, 0);
}

/**
 * y[i, j] = (A - zero) B [i, j] * (aScale[i] * scale[j]) + bias[j], rounded to f32 after each operation, the sum too.
 * a, panels, scratch, zero, unsigned: as gemm_i8; aScale: f32 [m]; scale: f32 [n]; bias: f32 [n], or 0 for none; y:
 * f32 [m, n], written in full, apart from the rest.
 */
export function gemm_dequantize_i8(
  m: i32, n: i32, k: i32, a: usize, panels: usize, aScale: usize, scale: usize, bias: usize, y: usize, scratch: usize,
  zero: i32, unsigned: i32,
): void {
  assert(((aScale | scale | bias) & 3) == 0);
  product(FLOATS, m, n, k, a, panels, aScale, scale, bias, y, scratch, zero, unsigned, 0, 0);
}

/**
 * y[i, j] = saturate(round(((A - zero) B [i, j] + bias[j]) * scale[j]) + yZero): the sum is rounded to f32, the product
 * half to even. NaN gives yZero.
 * a, panels, scratch, zero, unsigned: as gemm_i8; scale: f32 [n]; bias: s32 [n], added without saturation, or 0 for
 * none; y: int8 [m, n], or uint8 where `yUnsigned` is 1, written in full, apart from the rest; yZero: in the range of
 * y.
 */
export function gemm_requantize_i8(
  m: i32, n: i32, k: i32, a: usize, panels: usize, scale: usize, bias: usize, y: usize, scratch: usize,
  zero: i32, unsigned: i32, yZero: i32, yUnsigned: i32,
): void {
  assert(((scale | bias) & 3) == 0);
  assert(yUnsigned ? yZero >= 0 && yZero <= 255 : yZero >= -128 && yZero <= 127);
  product(CODES, m, n, k, a, panels, 0, scale, bias, y, scratch, zero, unsigned, yZero, yUnsigned);
}

function product(
  made: i32, m: i32, n: i32, k: i32, a: usize, panels: usize, aScale: usize, scale: usize, bias: usize, y: usize,
  scratch: usize, zero: i32, unsigned: i32, yZero: i32, yUnsigned: i32,
): void {
  assert(m >= 0 && n >= 0 && k >= 0 && (scratch & 3) == 0 && (made == CODES || (y & 3) == 0));
  assert(unsigned ? zero >= 0 && zero <= 255 : zero >= -128 && zero <= 127);
  const pairs = (k + 1) >> 1;
  const rows = block_rows(m, pairs);
  const wide = scratch + <usize>(rows * pairs) * 4;
  const tile = wide + <usize>min(pairs, PAIRS) * 32;
  const column = tile + <usize>rows * 32;
  const size: usize = made == CODES ? 1 : 4;
  const row = <usize>n * size;
  const flip = unsigned ? 0 : 128;
  for (; m > 0; m -= rows) {
    const height = min(m, rows);
    pack_pairs(height, k, a, scratch, flip, zero + flip);
    let panel = panels;
    for (let j = 0; j < n; j += NP, panel += <usize>pairs << 4) {
      if (height == 1) multiply_one(pairs, scratch, panel, tile);
      else {
        for (let at: usize = 0; at < <usize>height << 5; at += 16) v128.store(tile + at, i32x4.splat(0));
        for (let p = 0; p < pairs; p += PAIRS) {
          const some = min(pairs - p, PAIRS);
          widen_pairs(some, panel + (<usize>p << 4), wide);
          multiply_pairs(height, some, pairs, p, scratch, wide, tile);
        }
      }
      const width = min(n - j, NP);
      const out = y + <usize>j * size;
      if (made != SUMS) {
        take(width, scale + (<usize>j << 2), column);
        take(width, bias == 0 ? 0 : bias + (<usize>j << 2), column + 32);
      }
      if (made == SUMS) copy_rows(height, <usize>width << 2, tile, out, row);
      else if (made == FLOATS) end_f32(height, width, tile, aScale, column, out, row);
      else end_i8(height, width, tile, column, out, row, yZero, yUnsigned);
    }
    a += <usize>height * <usize>k;
    y += <usize>height * row;
    if (made == FLOATS) aScale += <usize>height << 2;
  }
}

/** Eight numbers of four bytes, zeros past `width`, or zeros where p is 0. */
function take(width: i32, p: usize, to: usize): void {
  if (p == 0) width = 0;
  if (width == NP) {
    v128.store(to, v128.load(p));
    v128.store(to, v128.load(p, 16), 16);
    return;
  }
  for (let j = 0; j < NP; j++) store<u32>(to + (<usize>j << 2), j < width ? load<u32>(p + (<usize>j << 2)) : 0);
}

/** The first `bytes` of each row of 32 bytes, to rows `row` bytes apart. */
function copy_rows(height: i32, bytes: usize, from: usize, to: usize, row: usize): void {
  for (; height > 0; height--, from += 32, to += row) {
    if (bytes == 32) {
      v128.store(to, v128.load(from));
      v128.store(to, v128.load(from, 16), 16);
    } else for (let at: usize = 0; at < bytes; at++) store<u8>(to + at, load<u8>(from + at));
  }
}

/** Sums to floats: column holds scale [8] and bias [8]. */
function end_f32(height: i32, width: i32, tile: usize, aScale: usize, column: usize, out: usize, row: usize): void {
  const s0 = v128.load(column), s1 = v128.load(column, 16), b0 = v128.load(column, 32), b1 = v128.load(column, 48);
  for (let at = tile, end = tile + (<usize>height << 5); at < end; at += 32, aScale += 4) {
    const s = v128.load32_splat(aScale);
    v128.store(at, f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(v128.load(at)), f32x4.mul(s, s0)), b0));
    v128.store(at, f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(v128.load(at, 16)), f32x4.mul(s, s1)), b1), 16);
  }
  copy_rows(height, <usize>width << 2, tile, out, row);
}

/** Sums to codes: column holds scale [8] and bias [8], s32. */
function end_i8(
  height: i32, width: i32, tile: usize, column: usize, out: usize, row: usize, yZero: i32, yUnsigned: i32,
): void {
  const s0 = v128.load(column), s1 = v128.load(column, 16), b0 = v128.load(column, 32), b1 = v128.load(column, 48);
  const zero = i16x8.splat(<i16>yZero);
  for (let at = tile, end = tile + (<usize>height << 5); at < end; at += 32, out += row) {
    // Every step saturates, so nothing is lost before the last.
    const v = i16x8.add_sat_s(
      i16x8.narrow_i32x4_s(steps(v128.load(at), b0, s0), steps(v128.load(at, 16), b1, s1)), zero);
    const codes = yUnsigned ? i8x16.narrow_i16x8_u(v, v) : i8x16.narrow_i16x8_s(v, v);
    if (width == NP) v128.store_lane<u64>(out, codes, 0);
    else {
      v128.store_lane<u64>(at, codes, 0);
      copy_rows(1, width, at, out, row);
    }
  }
}

// @ts-ignore: decorator
@inline
export function steps(sum: v128, bias: v128, scale: v128): v128 {
  return i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(f32x4.convert_i32x4_s(i32x4.add(sum, bias)), scale)));
}

/**
 * Quantizes each row by its own largest magnitude: scale[r] = max |x[r, :]| / 127 (1 for a row of zeros, and never
 * below the smallest denormal), q = round(x / scale), half to even. A row with NaN or an infinity gets codes 0 and that
 * scale, NaN or infinity, so that whatever is computed from it is NaN. x: f32 [rows, cols]; scale: f32 [rows], q: int8
 * [rows, cols], both written in full, apart from the rest.
 */
export function quantize_dynamic_i8(rows: i32, cols: i32, x: usize, scale: usize, q: usize): void {
  assert(rows >= 0 && cols >= 0 && ((x | scale) & 3) == 0);
  absmax_rows_f32(rows, cols, x, scale);
  for (; rows > 0; rows--, x += <usize>cols << 2, q += <usize>cols, scale += 4) {
    const top = load<f32>(scale);
    const step: f32 = top == 0 ? 1 : max<f32>(top / 127, f32.MIN_VALUE);
    store<f32>(scale, step);
    if (step < Infinity) quantize_rows_f32_i8(1, cols, x, scale, q, 127);
    else memory.fill(q, 0, cols);
  }
}
