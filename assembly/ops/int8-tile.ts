import { MR } from "./tile";

/** Columns of a panel of int8 weights. */
export const NP: i32 = 8;

/**
 * C[height, 8] += A B in s32, exact. As in tile.ts the sums start by loading C, in row order.
 * a: i16 pairs [pairs][height][2]; b: i16 pairs [pairs][8][2]; c: s32 [height, 8].
 */
// @ts-ignore: decorator
@inline
function multiply(height: i32, pairs: i32, a: usize, b: usize, c: usize): void {
  let c00 = v128.load(c), c01 = v128.load(c, 16);
  let c10 = c00, c11 = c00, c20 = c00, c21 = c00, c30 = c00, c31 = c00, c40 = c00, c41 = c00;
  if (height > 1) { c10 = v128.load(c, 32); c11 = v128.load(c, 48); }
  if (height > 2) { c20 = v128.load(c, 64); c21 = v128.load(c, 80); }
  if (height > 3) { c30 = v128.load(c, 96); c31 = v128.load(c, 112); }
  if (height > 4) { c40 = v128.load(c, 128); c41 = v128.load(c, 144); }
  while (pairs > 0) {
    const b0 = v128.load(b), b1 = v128.load(b, 16);
    const a0 = v128.load32_splat(a);
    c00 = dot(c00, a0, b0); c01 = dot(c01, a0, b1);
    if (height > 1) { const a1 = v128.load32_splat(a, 4); c10 = dot(c10, a1, b0); c11 = dot(c11, a1, b1); }
    if (height > 2) { const a2 = v128.load32_splat(a, 8); c20 = dot(c20, a2, b0); c21 = dot(c21, a2, b1); }
    if (height > 3) { const a3 = v128.load32_splat(a, 12); c30 = dot(c30, a3, b0); c31 = dot(c31, a3, b1); }
    if (height > 4) { const a4 = v128.load32_splat(a, 16); c40 = dot(c40, a4, b0); c41 = dot(c41, a4, b1); }
    a += <usize>height << 2;
    b += 32;
    pairs -= 1;
  }
  v128.store(c, c00); v128.store(c, c01, 16);
  if (height > 1) { v128.store(c, c10, 32); v128.store(c, c11, 48); }
  if (height > 2) { v128.store(c, c20, 64); v128.store(c, c21, 80); }
  if (height > 3) { v128.store(c, c30, 96); v128.store(c, c31, 112); }
  if (height > 4) { v128.store(c, c40, 128); v128.store(c, c41, 144); }
}

/** acc + the products of i16 pairs, four lanes. */
// @ts-ignore: decorator
@inline
export function dot(acc: v128, a: v128, b: v128): v128 {
  return i32x4.add(acc, i32x4.dot_i16x8_s(a, b));
}

function rows5(pairs: i32, a: usize, b: usize, c: usize): void { multiply(5, pairs, a, b, c); }
function rows4(pairs: i32, a: usize, b: usize, c: usize): void { multiply(4, pairs, a, b, c); }
function rows3(pairs: i32, a: usize, b: usize, c: usize): void { multiply(3, pairs, a, b, c); }
function rows2(pairs: i32, a: usize, b: usize, c: usize): void { multiply(2, pairs, a, b, c); }
function rows1(pairs: i32, a: usize, b: usize, c: usize): void { multiply(1, pairs, a, b, c); }

function tile(height: i32, pairs: i32, a: usize, b: usize, c: usize): void {
  if (height == 5) rows5(pairs, a, b, c);
  else if (height == 4) rows4(pairs, a, b, c);
  else if (height == 3) rows3(pairs, a, b, c);
  else if (height == 2) rows2(pairs, a, b, c);
  else rows1(pairs, a, b, c);
}

/**
 * C[m, 8] += A B over `pairs` of the pairs in k.
 * a: tiles of five rows, each [deep][5][2] i16, entered at the pair where b begins (`skipped` pairs in); b: i16 pairs
 * [pairs][8][2]; c: s32 [m, 8], added into. `rows5` has two callers on purpose: see tile.ts.
 */
export function multiply_pairs(m: i32, pairs: i32, deep: i32, skipped: i32, a: usize, b: usize, c: usize): void {
  const step = <usize>deep * 20;
  let p = a + <usize>skipped * 20;
  for (; m >= MR; m -= MR, p += step, c += 160) rows5(pairs, p, b, c);
  if (m > 0) tile(m, pairs, p - <usize>(skipped * (MR - m) * 4), b, c);
}

/**
 * c[8] = a B for one row: written in full. Two sums for each column, over the even and the odd pairs, so that an
 * addition need not wait for the one before. a: i16 [pairs][2]; b: int8 pairs [pairs][8][2]; c: s32 [8].
 */
export function multiply_one(pairs: i32, a: usize, b: usize, c: usize): void {
  let c0 = i32x4.splat(0), c1 = c0, d0 = c0, d1 = c0;
  for (; pairs >= 2; pairs -= 2, a += 8, b += 32) {
    const u = v128.load32_splat(a), v = v128.load32_splat(a, 4);
    c0 = dot(c0, v128.load8x8_s(b), u);
    c1 = dot(c1, v128.load8x8_s(b, 8), u);
    d0 = dot(d0, v128.load8x8_s(b, 16), v);
    d1 = dot(d1, v128.load8x8_s(b, 24), v);
  }
  if (pairs > 0) {
    const u = v128.load32_splat(a);
    c0 = dot(c0, v128.load8x8_s(b), u);
    c1 = dot(c1, v128.load8x8_s(b, 8), u);
  }
  v128.store(c, i32x4.add(c0, d0));
  v128.store(c, i32x4.add(c1, d1), 16);
}

/**
 * int8 or uint8 rows as tiles of five rows of i16 pairs, [ceil(k / 2)][5][2], the last tile with the height that is
 * left, a lone last element beside a 0. An element x becomes (x ^ flip) - shift, taken as a byte without sign: flip 0
 * and shift z are uint8 x - z, flip 128 and shift z + 128 are int8 x - z. src: bytes [m, k]; out: i16, 2 m ceil(k / 2)
 * elements, written in full.
 */
export function pack_pairs(m: i32, k: i32, src: usize, out: usize, flip: i32, shift: i32): void {
  const flips = i16x8.splat(<i16>flip);
  const shifts = i16x8.splat(<i16>shift);
  for (; m > 0; m -= MR) {
    const height = min(m, MR);
    const step = <usize>height << 2;
    for (let r = 0; r < height; r++, src += <usize>k) {
      let to = out + (<usize>r << 2);
      let p = 0;
      for (; p + 8 <= k; p += 8, to += step << 2) {
        const v = i16x8.sub(v128.xor(v128.load8x8_u(src + <usize>p), flips), shifts);
        v128.store_lane<u32>(to, v, 0);
        v128.store_lane<u32>(to + step, v, 1);
        v128.store_lane<u32>(to + 2 * step, v, 2);
        v128.store_lane<u32>(to + 3 * step, v, 3);
      }
      for (; p < k; p += 2, to += step) {
        store<i16>(to, <i16>((<i32>load<u8>(src + <usize>p) ^ flip) - shift));
        store<i16>(to, p + 1 < k ? <i16>((<i32>load<u8>(src + <usize>p, 1) ^ flip) - shift) : 0, 2);
      }
    }
    out += step * <usize>((k + 1) >> 1);
  }
}

/** int8 pairs as i16 pairs. b: [pairs][8][2]; out: i16 [pairs][8][2], written in full. */
export function widen_pairs(pairs: i32, b: usize, out: usize): void {
  for (; pairs > 0; pairs--, b += 16, out += 32) {
    v128.store(out, v128.load8x8_s(b));
    v128.store(out, v128.load8x8_s(b, 8), 16);
  }
}

/**
 * One panel of eight columns of B, int8: [ceil(k / 2)][8][2], padded with zeros.
 * src: int8, element (p, j) at p row + j col bytes; out: written in full.
 */
export function pack_panel(k: i32, width: i32, row: usize, col: usize, src: usize, out: usize): void {
  let p = 0;
  // Eight contiguous columns: eight pairs of each turned in registers.
  if (row == 1 && width == NP) {
    for (; p + 16 <= k; p += 16, out += 128) turn_pairs(col, src + <usize>p, out);
  }
  for (; p < k; p += 2, out += 16) {
    const from = src + <usize>p * row;
    for (let j = 0; j < NP; j++) {
      const at = from + <usize>j * col;
      const to = out + (<usize>j << 1);
      store<i8>(to, j < width ? load<i8>(at) : 0);
      store<i8>(to, j < width && p + 1 < k ? load<i8>(at + row) : 0, 1);
    }
  }
}

/** The 8 x 8 matrix of byte pairs at src, rows `col` bytes apart, turned. */
function turn_pairs(col: usize, src: usize, out: usize): void {
  const x0 = v128.load(src), x1 = v128.load(src + col), x2 = v128.load(src + 2 * col), x3 = v128.load(src + 3 * col);
  src += col << 2;
  const x4 = v128.load(src), x5 = v128.load(src + col), x6 = v128.load(src + 2 * col), x7 = v128.load(src + 3 * col);
  turn_half(i16x8.shuffle(x0, x1, 0, 8, 1, 9, 2, 10, 3, 11), i16x8.shuffle(x2, x3, 0, 8, 1, 9, 2, 10, 3, 11),
    i16x8.shuffle(x4, x5, 0, 8, 1, 9, 2, 10, 3, 11), i16x8.shuffle(x6, x7, 0, 8, 1, 9, 2, 10, 3, 11), out);
  turn_half(i16x8.shuffle(x0, x1, 4, 12, 5, 13, 6, 14, 7, 15), i16x8.shuffle(x2, x3, 4, 12, 5, 13, 6, 14, 7, 15),
    i16x8.shuffle(x4, x5, 4, 12, 5, 13, 6, 14, 7, 15), i16x8.shuffle(x6, x7, 4, 12, 5, 13, 6, 14, 7, 15), out + 64);
}

// @ts-ignore: decorator
@inline
function turn_half(a: v128, b: v128, c: v128, d: v128, out: usize): void {
  const ab = i32x4.shuffle(a, b, 0, 4, 1, 5), cd = i32x4.shuffle(c, d, 0, 4, 1, 5);
  v128.store(out, i64x2.shuffle(ab, cd, 0, 2));
  v128.store(out, i64x2.shuffle(ab, cd, 1, 3), 16);
  const ab2 = i32x4.shuffle(a, b, 2, 6, 3, 7), cd2 = i32x4.shuffle(c, d, 2, 6, 3, 7);
  v128.store(out, i64x2.shuffle(ab2, cd2, 0, 2), 32);
  v128.store(out, i64x2.shuffle(ab2, cd2, 1, 3), 48);
}
