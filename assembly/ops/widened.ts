/**
 * f32 products with int8 weights that stay int8 in memory and are widened on the way into registers: a quarter of the
 * bytes.
 *
 * C = A W + bias with W[p, j] = B[p, j] * scale[j], rounded to f32, and every element of C summed in rising k, starting
 * from its bias: bit for bit what gemm_ab_f32 makes of panels of the dequantized weights, for any number of rows.
 */
import { madd } from "../simd";
import { clip_f32 } from "./clip";
import { fill_row_f32 } from "./elementwise";
import { NP } from "./int8-tile";
import { pack_rows } from "./panel";
import { KC, MC, MR, multiply_from, zeros } from "./tile";

/**
 * Up to so many rows are multiplied straight from int8; more share a widened panel (measured: for 4 rows that is
 * faster).
 */
const FEW: i32 = 3;
/** Depth and elements of A that stay packed in the second-level cache while panels pass by: 480 KB. */
const DEEP: i32 = 16 * KC;
const BLOCK: i32 = MC * 4 * KC;

/** 1 beside 0: a product of pairs with it is the first of each pair, in one instruction where shifts are two. */
const firsts = memory.data<u32>([1]);

/** Rows of A that are packed at a time. */
// @ts-ignore: decorator
@inline
function block_rows(m: i32, k: i32): i32 {
  return min(m, min(MC, BLOCK / (max(min(k, DEEP), 1) * MR) * MR));
}

/** Bytes of scratch of gemm_f32_i8 (at most 489 KB). */
export function gemm_widened_scratch_bytes(m: i32, k: i32): f64 {
  return 64 + (m <= FEW ? 64 : <f64>(KC * 32 + block_rows(m, k) * min(k, DEEP) * 4));
}

/**
 * C = A W + bias, held within limits.
 * a: f32 [m, k]; panels: gemm_pack_i8 of B[k, n]; scale: f32 [n]; bias: f32 [n], or 0 for none; limits: f32 [3], see
 * `clamp`, or 0; c: f32 [m, n], written in full, apart from the rest; scratch: gemm_widened_scratch_bytes.
 */
export function gemm_f32_i8(
  m: i32, n: i32, k: i32, a: usize, panels: usize, scale: usize, bias: usize, limits: usize, c: usize, scratch: usize,
): void {
  assert(m >= 0 && n >= 0 && k >= 0 && ((a | scale | bias | limits | c | scratch) & 3) == 0);
  const row = <usize>n << 2;
  const bytes = <usize>((k + 1) & ~1) * NP;
  if (m <= FEW) {
    fill_row_f32(m, n, bias, c);
    if (m > 0) multiply_few(m, n, k, a, panels, bytes, scale, c, scratch);
    if (limits) clip_f32(m * n, c, limits, c);
    return;
  }
  const rows = block_rows(m, k);
  const wide = scratch + 64;
  const block = wide + KC * 32;
  for (let q = 0; q == 0 || q < k; q += DEEP) {
    const deep = min(DEEP, k - q);
    for (let i = 0; i < m; i += rows) {
      const height = min(rows, m - i);
      for (let p = 0; p < deep; p += KC) {
        const from = a + (<usize>(i * k + q + p) << 2);
        pack_rows(height, min(KC, deep - p), k, 1, from, block + (<usize>(height * p) << 2));
      }
      for (let j = 0; j < n; j += NP) {
        const width = min(n - j, NP);
        const steps = eight(width, scale + (<usize>j << 2), scratch);
        const panel = panels + <usize>(j >> 3) * bytes + <usize>q * NP;
        const to = c + <usize>i * row + (<usize>j << 2);
        const start = bias ? bias + (<usize>j << 2) : zeros;
        for (let p = 0; p == 0 || p < deep; p += KC) {
          const kc = min(KC, deep - p);
          const held = q + p + kc == k ? limits : 0;
          const packed = block + (<usize>(height * p) << 2);
          widen_panel(kc, panel + <usize>p * NP, steps, wide);
          if (q + p > 0) multiply_from(height, width, kc, packed, wide, to, row, 32, to, row, held);
          else multiply_from(height, width, kc, packed, wide, start, 0, 0, to, row, held);
        }
      }
    }
  }
}

/** Address of eight floats: p itself, or a copy in `room` where there are fewer. */
function eight(width: i32, p: usize, room: usize): usize {
  if (width == NP) return p;
  for (let j = 0; j < width; j++) store<f32>(room + (<usize>j << 2), load<f32>(p + (<usize>j << 2)));
  return room;
}

/** The first of each pair of i16. */
// @ts-ignore: decorator
@inline
function first(v: v128, ones: v128): v128 {
  return f32x4.convert_i32x4_s(i32x4.dot_i16x8_s(v, ones));
}

/** The second of each pair of i16. */
// @ts-ignore: decorator
@inline
function second(v: v128): v128 {
  return f32x4.convert_i32x4_s(i32x4.shr_s(v, 16));
}

/** int8 pairs [ceil(k / 2)][8][2] as f32 [k][8], scaled; k <= KC, and a row more is written where k is odd. */
function widen_panel(k: i32, b: usize, scale: usize, out: usize): void {
  const ones = v128.load32_splat(firsts);
  const s0 = v128.load(scale), s1 = v128.load(scale, 16);
  for (; k > 0; k -= 2, b += 16, out += 64) {
    const v0 = v128.load8x8_s(b), v1 = v128.load8x8_s(b, 8);
    v128.store(out, f32x4.mul(first(v0, ones), s0));
    v128.store(out, f32x4.mul(first(v1, ones), s1), 16);
    v128.store(out, f32x4.mul(second(v0), s0), 32);
    v128.store(out, f32x4.mul(second(v1), s1), 48);
  }
}

/** Up to three rows of C, panel by panel. */
function multiply_few(
  m: i32, n: i32, k: i32, a: usize, panel: usize, bytes: usize, scale: usize, c: usize, scratch: usize,
): void {
  const row = <usize>n << 2;
  for (; n > 0; n -= NP, panel += bytes, scale += 32, c += 32) {
    const steps = eight(min(n, NP), scale, scratch);
    if (n >= NP) {
      if (m == 1) one_row(k, a, panel, steps, c, row);
      else if (m == 2) two_rows(k, a, panel, steps, c, row);
      else three_rows(k, a, panel, steps, c, row);
      continue;
    }
    const room = scratch + 32;
    for (let i = 0, from = a, to = c; i < m; i++, from += <usize>k << 2, to += row) {
      eight(n, to, room);
      one_row(k, from, panel, steps, room, 0);
      for (let j = 0; j < n; j++) store<f32>(to + (<usize>j << 2), load<f32>(room + (<usize>j << 2)));
    }
  }
}

function one_row(k: i32, a: usize, b: usize, scale: usize, c: usize, row: usize): void {
  multiply(1, k, a, b, scale, c, row);
}
function two_rows(k: i32, a: usize, b: usize, scale: usize, c: usize, row: usize): void {
  multiply(2, k, a, b, scale, c, row);
}
function three_rows(k: i32, a: usize, b: usize, scale: usize, c: usize, row: usize): void {
  multiply(3, k, a, b, scale, c, row);
}

/**
 * C[height, 8] += A W. a: f32 [height, k]; b: int8 pairs [ceil(k / 2)][8][2]; scale: f32 [8]; c: rows `row` bytes
 * apart.
 */
// @ts-ignore: decorator
@inline
function multiply(height: i32, k: i32, a: usize, b: usize, scale: usize, c: usize, row: usize): void {
  const ones = v128.load32_splat(firsts);
  const s0 = v128.load(scale), s1 = v128.load(scale, 16);
  const a1 = a + (<usize>k << 2), a2 = a1 + (<usize>k << 2);
  let c00 = v128.load(c), c01 = v128.load(c, 16), c10 = c00, c11 = c00, c20 = c00, c21 = c00;
  if (height > 1) { c10 = v128.load(c + row); c11 = v128.load(c + row, 16); }
  if (height > 2) { c20 = v128.load(c + 2 * row); c21 = v128.load(c + 2 * row, 16); }
  let at: usize = 0;
  for (; k > 0; k -= 2, at += 8, b += 16) {
    const v0 = v128.load8x8_s(b), v1 = v128.load8x8_s(b, 8);
    const w0 = f32x4.mul(first(v0, ones), s0), w1 = f32x4.mul(first(v1, ones), s1);
    const x0 = v128.load32_splat(a + at);
    c00 = madd(c00, x0, w0); c01 = madd(c01, x0, w1);
    if (height > 1) { const x1 = v128.load32_splat(a1 + at); c10 = madd(c10, x1, w0); c11 = madd(c11, x1, w1); }
    if (height > 2) { const x2 = v128.load32_splat(a2 + at); c20 = madd(c20, x2, w0); c21 = madd(c21, x2, w1); }
    if (k == 1) break;
    const z0 = f32x4.mul(second(v0), s0), z1 = f32x4.mul(second(v1), s1);
    const y0 = v128.load32_splat(a + at, 4);
    c00 = madd(c00, y0, z0); c01 = madd(c01, y0, z1);
    if (height > 1) { const y1 = v128.load32_splat(a1 + at, 4); c10 = madd(c10, y1, z0); c11 = madd(c11, y1, z1); }
    if (height > 2) { const y2 = v128.load32_splat(a2 + at, 4); c20 = madd(c20, y2, z0); c21 = madd(c21, y2, z1); }
  }
  v128.store(c, c00); v128.store(c, c01, 16);
  if (height > 1) { v128.store(c + row, c10); v128.store(c + row, c11, 16); }
  if (height > 2) { v128.store(c + 2 * row, c20); v128.store(c + 2 * row, c21, 16); }
}
