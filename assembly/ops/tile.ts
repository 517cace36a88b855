import { clamp, madd } from "../simd";

/** Rows of a tile: five rows of two vectors, and what they multiply, fill the 15 vector registers that V8 leaves. */
export const MR: i32 = 5;
/** Columns of a tile and of a B panel: two vectors. */
export const NR: i32 = 8;
/** Depth of a panel: 256 steps of a B panel are 8 KB (measured: 128 is 4 % slower, 512 no faster). */
export const KC: i32 = 256;
/** Rows of A that stay in the second-level cache: a multiple of MR (measured: 60 to 240 are alike). */
export const MC: i32 = 120;
/** Columns of B packed at a time: 512 x KC x 4 bytes are 512 KB (measured: 256 to 1024 are alike). */
export const NC: i32 = 512;

/** Eight zeros, for a product that starts from nothing. */
export const zeros = memory.data(32);

/** A tile that hangs over the last column is computed here. */
const edge = memory.data(MR * 32);

/**
 * C[height, 8] = from[height, 8] + A B. The sums start by loading, in row order, what they start from: started from zero
 * the same kernel loses a third of its speed (measured), and a sum over k broken at any place has the same bits as one that
 * is not.
 * a: [k][height]; b: [k][8]; from: rows fromRow bytes apart, may be c; c: rows ldc bytes apart.
 */
// @ts-ignore: decorator
@inline
function multiply(height: i32, k: i32, a: usize, b: usize, from: usize, fromRow: usize, c: usize, ldc: usize): void {
  let c00 = v128.load(from), c01 = v128.load(from, 16);
  let c10 = c00, c11 = c00, c20 = c00, c21 = c00, c30 = c00, c31 = c00, c40 = c00, c41 = c00;
  if (height > 1) { from += fromRow; c10 = v128.load(from); c11 = v128.load(from, 16); }
  if (height > 2) { from += fromRow; c20 = v128.load(from); c21 = v128.load(from, 16); }
  if (height > 3) { from += fromRow; c30 = v128.load(from); c31 = v128.load(from, 16); }
  if (height > 4) { from += fromRow; c40 = v128.load(from); c41 = v128.load(from, 16); }
  while (k > 0) {
    const b0 = v128.load(b), b1 = v128.load(b, 16);
    const a0 = v128.load32_splat(a);
    c00 = madd(c00, a0, b0);
    c01 = madd(c01, a0, b1);
    if (height > 1) { const a1 = v128.load32_splat(a, 4); c10 = madd(c10, a1, b0); c11 = madd(c11, a1, b1); }
    if (height > 2) { const a2 = v128.load32_splat(a, 8); c20 = madd(c20, a2, b0); c21 = madd(c21, a2, b1); }
    if (height > 3) { const a3 = v128.load32_splat(a, 12); c30 = madd(c30, a3, b0); c31 = madd(c31, a3, b1); }
    if (height > 4) { const a4 = v128.load32_splat(a, 16); c40 = madd(c40, a4, b0); c41 = madd(c41, a4, b1); }
    a += <usize>height << 2;
    b += 32;
    k -= 1;
  }
  v128.store(c, c00); v128.store(c, c01, 16);
  if (height > 1) { c += ldc; v128.store(c, c10); v128.store(c, c11, 16); }
  if (height > 2) { c += ldc; v128.store(c, c20); v128.store(c, c21, 16); }
  if (height > 3) { c += ldc; v128.store(c, c30); v128.store(c, c31, 16); }
  if (height > 4) { c += ldc; v128.store(c, c40); v128.store(c, c41, 16); }
}

function rows5(k: i32, a: usize, b: usize, from: usize, fromRow: usize, c: usize, ldc: usize): void {
  multiply(5, k, a, b, from, fromRow, c, ldc);
}
function rows4(k: i32, a: usize, b: usize, from: usize, fromRow: usize, c: usize, ldc: usize): void {
  multiply(4, k, a, b, from, fromRow, c, ldc);
}
function rows3(k: i32, a: usize, b: usize, from: usize, fromRow: usize, c: usize, ldc: usize): void {
  multiply(3, k, a, b, from, fromRow, c, ldc);
}
function rows2(k: i32, a: usize, b: usize, from: usize, fromRow: usize, c: usize, ldc: usize): void {
  multiply(2, k, a, b, from, fromRow, c, ldc);
}
function rows1(k: i32, a: usize, b: usize, from: usize, fromRow: usize, c: usize, ldc: usize): void {
  multiply(1, k, a, b, from, fromRow, c, ldc);
}

function tile(height: i32, k: i32, a: usize, b: usize, from: usize, fromRow: usize, c: usize, ldc: usize): void {
  if (height == 5) rows5(k, a, b, from, fromRow, c, ldc);
  else if (height == 4) rows4(k, a, b, from, fromRow, c, ldc);
  else if (height == 3) rows3(k, a, b, from, fromRow, c, ldc);
  else if (height == 2) rows2(k, a, b, from, fromRow, c, ldc);
  else rows1(k, a, b, from, fromRow, c, ldc);
}

/**
 * A tile of C held within limits, right after it is stored. Done on the sums while they are in registers, it takes the
 * loop before it half its speed in V8 11.3; done on all rows of a panel at once, rows that are a power of two apart have left
 * the cache (measured: 3 % of a product of 512).
 */
function hold(height: i32, c: usize, ldc: usize, limits: usize): void {
  const lo = v128.load32_splat(limits), hi = v128.load32_splat(limits, 4), zero = v128.load32_splat(limits, 8);
  for (; height > 0; height--, c += ldc) {
    v128.store(c, clamp(v128.load(c), lo, hi, zero));
    v128.store(c, clamp(v128.load(c, 16), lo, hi, zero), 16);
  }
}

/** C[m, n] += A B for one block of depth k <= KC: `multiply_from` with C itself to start from. */
export function multiply_block(m: i32, n: i32, k: i32, a: usize, b: usize, c: usize, ldc: usize): void {
  multiply_from(m, n, k, a, b, c, ldc, 32, c, ldc, 0);
}

/**
 * C[m, n] = from[m, n] + A B for one block of depth k <= KC, both sides packed.
 * a: panels [k][5]; b: panels [k][8]; from: f32, rows fromRow and panels of eight columns fromPanel bytes apart, so that
 * it may be C itself, a row for all rows (fromRow 0), or eight columns for all columns (fromPanel 0); c: f32, rows ldc
 * bytes apart, written in full; limits: see `clamp`, or 0.
 * `rows5` is called here and in `tile` on purpose: the optimizer inlines a function with one caller, and this kernel's
 * order of loads does not survive it (measured on an int8 kernel of this shape: 86 against 54 Gop/s).
 */
export function multiply_from(
  m: i32, n: i32, k: i32, a: usize, b: usize, from: usize, fromRow: usize, fromPanel: usize, c: usize, ldc: usize,
  limits: usize,
): void {
  const panel = <usize>k * 20;
  for (; n >= NR; n -= NR) {
    let left = m;
    let pa = a;
    let pc = c;
    let pf = from;
    for (; left >= MR; left -= MR) {
      rows5(k, pa, b, pf, fromRow, pc, ldc);
      if (limits) hold(MR, pc, ldc, limits);
      pa += panel;
      pc += ldc * MR;
      pf += fromRow * MR;
    }
    if (left > 0) {
      tile(left, k, pa, b, pf, fromRow, pc, ldc);
      if (limits) hold(left, pc, ldc, limits);
    }
    b += <usize>k << 5;
    c += 32;
    from += fromPanel;
  }
  if (n == 0) return;
  const width = <usize>n << 2;
  for (let left = m; left > 0; left -= MR) {
    const height = min(left, MR);
    const end = <usize>height << 5;
    for (let at: usize = 0; at < end; at += 32, from += fromRow) {
      for (let j: usize = 0; j < width; j += 4) store<f32>(edge + at + j, load<f32>(from + j));
    }
    tile(height, k, a, b, edge, 32, edge, 32);
    if (limits) hold(height, edge, 32, limits);
    for (let at: usize = 0; at < end; at += 32, c += ldc) {
      for (let j: usize = 0; j < width; j += 4) store<f32>(c + j, load<f32>(edge + at + j));
    }
    a += panel;
  }
}

/**
 * One row of C: c[n] += a B over one block of depth k. Adds in the order of `multiply_block`, so that one row alone has
 * the bits it has among others. Three panels at a time are fastest from the caches (62 GB/s; two 58, four 38, one 39),
 * but from memory one stream is (28 GB/s against 16; measured): `streamed` says that B comes from there.
 */
export function multiply_row(n: i32, k: i32, a: usize, b: usize, c: usize, streamed: bool): void {
  if (!streamed) {
    const panel = <usize>k << 5;
    for (; n >= 24; n -= 24) {
      let c0 = v128.load(c), c1 = v128.load(c, 16), c2 = v128.load(c, 32);
      let c3 = v128.load(c, 48), c4 = v128.load(c, 64), c5 = v128.load(c, 80);
      let p1 = b + panel, p2 = p1 + panel, pa = a;
      const end = p1;
      while (b < end) {
        const v = v128.load32_splat(pa);
        c0 = madd(c0, v, v128.load(b));
        c1 = madd(c1, v, v128.load(b, 16));
        c2 = madd(c2, v, v128.load(p1));
        c3 = madd(c3, v, v128.load(p1, 16));
        c4 = madd(c4, v, v128.load(p2));
        c5 = madd(c5, v, v128.load(p2, 16));
        b += 32;
        p1 += 32;
        p2 += 32;
        pa += 4;
      }
      v128.store(c, c0);
      v128.store(c, c1, 16);
      v128.store(c, c2, 32);
      v128.store(c, c3, 48);
      v128.store(c, c4, 64);
      v128.store(c, c5, 80);
      b = p2;
      c += 96;
    }
  }
  if (n > 0) multiply_block(1, n, k, a, b, c, 0);
}
