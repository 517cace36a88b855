/**
 * Sparse weights in compressed sparse rows: row r holds entries rowPtr[r] .. rowPtr[r + 1] - 1. Entries count from
 * the start of `col` and `values`, so a caller can work on a slice of rows by moving rowPtr (and scale and y) alone.
 *
 * Every element of a product is summed from +0 in the order of the entries, whatever the number of columns: one
 * column alone and 64 together give the same bits.
 */
import { madd } from "../simd";

/**
 * y[r, j] = sum over entries e of row r: values[e] * x[col[e], j].
 *
 * - m: rows, n: columns of x and y
 * - rowPtr: u32 [m + 1], col: u32 [entries], values: f32 [entries]
 * - x: f32, row stride ldx elements, col[e] < rows of x
 * - y: f32 [m, n], row stride ldy elements, written in full; must not overlap the rest
 */
export function spmm_csr_f32(
  m: i32, n: i32, rowPtr: usize, col: usize, values: usize, x: usize, ldx: i32, y: usize, ldy: i32,
): void {
  spmm<f32>(m, n, rowPtr, col, values, 0, x, ldx, y, ldy);
}

/**
 * y[r, j] = scale[r] * sum over entries e of row r: values[e] * x[col[e], j].
 *
 * - as spmm_csr_f32, but values: int8 [entries], scale: f32 [m]
 */
export function spmm_csr_i8(
  m: i32, n: i32, rowPtr: usize, col: usize, values: usize, scale: usize, x: usize, ldx: i32, y: usize, ldy: i32,
): void {
  spmm<i8>(m, n, rowPtr, col, values, scale, x, ldx, y, ldy);
}

// Strips of 24 columns: six sums leave room for the operands among the fifteen vector registers that engines give (measured,
// 80 % sparse: 24 columns 22.8 GFLOP/s, 28 21.6, 32 18.6, 16 20.9, 8 16.6); 25 to 28 at the end go as one.
function spmm<V>(
  m: i32, n: i32, rowPtr: usize, col: usize, values: usize, scale: usize, x: usize, ldx: i32, y: usize, ldy: i32,
): void {
  assert(((rowPtr | col | scale | x | y) & 3) == 0 && (values & (sizeof<V>() - 1)) == 0);
  assert(n <= 1 || (ldx >= n && ldy >= n));
  const xStride = (<usize>ldx) << 2;
  const yStride = (<usize>ldy) << 2;
  let j = 0;
  for (; n - j == 24 || n - j > 28; j += 24) {
    const at = (<usize>j) << 2;
    strip<V>(6, m, rowPtr, col, values, scale, x + at, xStride, y + at, yStride);
  }
  // What is left overlaps columns that are done where it can: they get the same bits once more.
  while (j < n && n >= 4) {
    const left = n - j;
    if (left > 24 && n >= 28) {
      const at = (<usize>(n - 28)) << 2;
      strip<V>(7, m, rowPtr, col, values, scale, x + at, xStride, y + at, yStride);
      j = n;
    } else if (left > 8 && n >= 16) {
      const at = (<usize>min(j, n - 16)) << 2;
      strip<V>(4, m, rowPtr, col, values, scale, x + at, xStride, y + at, yStride);
      j += 16;
    } else if (left > 4 && n >= 8) {
      const at = (<usize>min(j, n - 8)) << 2;
      strip<V>(2, m, rowPtr, col, values, scale, x + at, xStride, y + at, yStride);
      j += 8;
    } else {
      const at = (<usize>min(j, n - 4)) << 2;
      strip<V>(1, m, rowPtr, col, values, scale, x + at, xStride, y + at, yStride);
      j += 4;
    }
  }
  if (ldx == 1 && n == 1) {
    // The stride as a constant: addresses without a multiplication.
    strip1<V>(m, rowPtr, col, values, scale, x, 4, y, yStride);
    return;
  }
  for (; j < n; j++) {
    const at = (<usize>j) << 2;
    strip1<V>(m, rowPtr, col, values, scale, x + at, xStride, y + at, yStride);
  }
}

/** Entry value in all lanes. */
// @ts-ignore: decorator
@inline
function value<V>(p: usize): v128 {
  if (isFloat<V>()) return v128.load32_splat(p);
  return f32x4.splat(<f32>load<i8>(p));
}

/** int8 sums get their row's scale once, at the end. */
// @ts-ignore: decorator
@inline
function scaled<V>(sum: v128, scale: v128): v128 {
  if (isFloat<V>()) return sum;
  return f32x4.mul(sum, scale);
}

// @ts-ignore: decorator
@inline
function rowScale<V>(scale: usize): v128 {
  if (isFloat<V>()) return f32x4.splat(0);
  return v128.load32_splat(scale);
}

/** `vectors` times four columns, kept in registers. */
// @ts-ignore: decorator
@inline
function strip<V>(
  vectors: i32, m: i32, rowPtr: usize, col: usize, values: usize, scale: usize, x: usize, xStride: usize, y: usize,
  yStride: usize,
): void {
  for (let r = 0; r < m; r++) {
    let c = col + ((<usize>load<u32>(rowPtr)) << 2);
    let v = values + (<usize>load<u32>(rowPtr)) * sizeof<V>();
    const end = col + ((<usize>load<u32>(rowPtr, 4)) << 2);
    let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0;
    while (c < end) {
      const p = x + (<usize>load<u32>(c)) * xStride;
      const w = value<V>(v);
      s0 = madd(s0, w, v128.load(p));
      if (vectors > 1) s1 = madd(s1, w, v128.load(p, 16));
      if (vectors > 2) s2 = madd(s2, w, v128.load(p, 32));
      if (vectors > 3) s3 = madd(s3, w, v128.load(p, 48));
      if (vectors > 4) s4 = madd(s4, w, v128.load(p, 64));
      if (vectors > 5) s5 = madd(s5, w, v128.load(p, 80));
      if (vectors > 6) s6 = madd(s6, w, v128.load(p, 96));
      c += 4;
      v += sizeof<V>();
    }
    const s = rowScale<V>(scale);
    v128.store(y, scaled<V>(s0, s));
    if (vectors > 1) v128.store(y, scaled<V>(s1, s), 16);
    if (vectors > 2) v128.store(y, scaled<V>(s2, s), 32);
    if (vectors > 3) v128.store(y, scaled<V>(s3, s), 48);
    if (vectors > 4) v128.store(y, scaled<V>(s4, s), 64);
    if (vectors > 5) v128.store(y, scaled<V>(s5, s), 80);
    if (vectors > 6) v128.store(y, scaled<V>(s6, s), 96);
    rowPtr += 4;
    scale += 4;
    y += yStride;
  }
}

/**
 * One column. A row's sum is one chain of additions, so three rows go side by side (measured: four or more spill
 * registers); each in the first lane of a vector, so that relaxed builds fuse exactly as they do for more columns.
 */
// @ts-ignore: decorator
@inline
function strip1<V>(
  m: i32, rowPtr: usize, col: usize, values: usize, scale: usize, x: usize, xStride: usize, y: usize, yStride: usize,
): void {
  let r = 0;
  for (; r + 3 <= m; r += 3) {
    const e0 = load<u32>(rowPtr);
    const e1 = load<u32>(rowPtr, 4);
    const e2 = load<u32>(rowPtr, 8);
    const e3 = load<u32>(rowPtr, 12);
    // Pairs of entries that all three rows have.
    const common = min(min(e1 - e0, e2 - e1), e3 - e2) & ~1;
    let c0 = col + ((<usize>e0) << 2);
    let c1 = col + ((<usize>e1) << 2);
    let c2 = col + ((<usize>e2) << 2);
    let v0 = values + (<usize>e0) * sizeof<V>();
    let v1 = values + (<usize>e1) * sizeof<V>();
    let v2 = values + (<usize>e2) * sizeof<V>();
    let s0 = f32x4.splat(0);
    let s1 = f32x4.splat(0);
    let s2 = f32x4.splat(0);
    const stop = c0 + ((<usize>common) << 2);
    while (c0 < stop) {
      const w0 = pair<V>(v0);
      const w1 = pair<V>(v1);
      const w2 = pair<V>(v2);
      s0 = madd(s0, w0, v128.load32_zero(x + (<usize>load<u32>(c0)) * xStride));
      s1 = madd(s1, w1, v128.load32_zero(x + (<usize>load<u32>(c1)) * xStride));
      s2 = madd(s2, w2, v128.load32_zero(x + (<usize>load<u32>(c2)) * xStride));
      s0 = madd(s0, other(w0), v128.load32_zero(x + (<usize>load<u32>(c0, 4)) * xStride));
      s1 = madd(s1, other(w1), v128.load32_zero(x + (<usize>load<u32>(c1, 4)) * xStride));
      s2 = madd(s2, other(w2), v128.load32_zero(x + (<usize>load<u32>(c2, 4)) * xStride));
      c0 += 8;
      c1 += 8;
      c2 += 8;
      v0 += 2 * sizeof<V>();
      v1 += 2 * sizeof<V>();
      v2 += 2 * sizeof<V>();
    }
    put<V>(y, chain<V>(s0, e0 + common, e1, col, values, x, xStride), scale);
    put<V>(y + yStride, chain<V>(s1, e1 + common, e2, col, values, x, xStride), scale + 4);
    put<V>(y + 2 * yStride, chain<V>(s2, e2 + common, e3, col, values, x, xStride), scale + 8);
    rowPtr += 12;
    scale += 12;
    y += 3 * yStride;
  }
  for (; r < m; r++) {
    put<V>(y, chain<V>(f32x4.splat(0), load<u32>(rowPtr), load<u32>(rowPtr, 4), col, values, x, xStride), scale);
    rowPtr += 4;
    scale += 4;
    y += yStride;
  }
}

/** The value at v in the first lane. */
// @ts-ignore: decorator
@inline
function first<V>(v: usize): v128 {
  if (isFloat<V>()) return v128.load32_zero(v);
  return f32x4.splat(<f32>load<i8>(v));
}

/** The values at v and after it in the first two lanes. */
// @ts-ignore: decorator
@inline
function pair<V>(v: usize): v128 {
  if (isFloat<V>()) return v128.load64_zero(v);
  const codes = v128.load_lane<u16>(v, i32x4.splat(0), 0);
  return f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(codes)));
}

/** The second lane of a pair, in the first. */
// @ts-ignore: decorator
@inline
function other(pair: v128): v128 {
  return v128.shuffle<i32>(pair, pair, 1, 1, 1, 1);
}

/** Goes on with one row's sum, from entry e up to `end`. */
// @ts-ignore: decorator
@inline
function chain<V>(sum: v128, e: u32, end: u32, col: usize, values: usize, x: usize, xStride: usize): v128 {
  let c = col + ((<usize>e) << 2);
  let v = values + (<usize>e) * sizeof<V>();
  const stop = col + ((<usize>end) << 2);
  while (c < stop) {
    sum = madd(sum, first<V>(v), v128.load32_zero(x + (<usize>load<u32>(c)) * xStride));
    c += 4;
    v += sizeof<V>();
  }
  return sum;
}

// @ts-ignore: decorator
@inline
function put<V>(y: usize, sum: v128, scale: usize): void {
  v128.store_lane<f32>(y, scaled<V>(sum, rowScale<V>(scale)), 0);
}

/**
 * The dense rows: y[r, col[e]] = values[e], +0 elsewhere.
 *
 * - rowPtr: u32 [rows + 1], col: u32 [entries], each < cols, values: f32 [entries]
 * - y: f32 [rows, cols], written in full; must not overlap the rest
 */
export function csr_rows_f32(rows: i32, cols: i32, rowPtr: usize, col: usize, values: usize, y: usize): void {
  denseRows<f32>(rows, cols, rowPtr, col, values, 0, y);
}

/**
 * The dense rows: y[r, col[e]] = values[e] * scale[r], +0 elsewhere.
 *
 * - as csr_rows_f32, but values: int8 [entries], scale: f32 [rows]
 */
export function csr_rows_i8(
  rows: i32, cols: i32, rowPtr: usize, col: usize, values: usize, scale: usize, y: usize,
): void {
  denseRows<i8>(rows, cols, rowPtr, col, values, scale, y);
}

// @ts-ignore: decorator
@inline
function denseRows<V>(
  rows: i32, cols: i32, rowPtr: usize, col: usize, values: usize, scale: usize, y: usize,
): void {
  assert(((rowPtr | col | scale | y) & 3) == 0 && (values & (sizeof<V>() - 1)) == 0);
  for (let r = 0; r < rows; r++) {
    const next = y + ((<usize>cols) << 2);
    let p = y;
    for (; p + 16 <= next; p += 16) v128.store(p, f32x4.splat(0));
    for (; p < next; p += 4) store<f32>(p, 0);
    const end = <usize>load<u32>(rowPtr, 4);
    const s: f32 = isFloat<V>() ? 1 : load<f32>(scale);
    for (let e = <usize>load<u32>(rowPtr); e < end; e++) {
      const c = load<u32>(col + (e << 2));
      assert(c < <u32>cols);
      const at = y + ((<usize>c) << 2);
      if (isFloat<V>()) store<f32>(at, load<f32>(values + (e << 2)));
      else store<f32>(at, <f32>load<i8>(values + e) * s);
    }
    rowPtr += 4;
    scale += 4;
    y = next;
  }
}
