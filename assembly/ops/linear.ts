/**
 * f32 matrix products: every element of C is summed in rising k, starting from what it held, from a bias or from nothing, so
 * its bits do not depend on m, n or any blocking. Packed, blocked and tiled after K. Goto and R. van de Geijn, "Anatomy of
 * High-Performance Matrix Multiplication", 2008.
 *
 * Panels of A[m, k]: for each block of 256 in k: for each five rows: [kc][5] (the last with the height that is left).
 * Panels of B[k, n]: for each block of 256 in k: for each eight columns: [kc][8], padded with zeros.
 */
import { clip_f32 } from "./clip";
import { fill_row_f32 } from "./elementwise";
import { pack_columns, pack_rows } from "./panel";
import { KC, MC, NC, NR, multiply_from, multiply_row, zeros } from "./tile";

/** A matrix of more bytes than this is taken to come from memory and not from a cache, for one row (measured). */
const cached: f64 = 12 * 1024 * 1024;

// @ts-ignore: decorator
@inline
function padded(n: i32): i32 {
  return (n + (NR - 1)) & ~(NR - 1);
}

/** Bytes of the panels of A[m, k]. A float, so that sizes past 2 GiB arrive in JavaScript as they are. */
export function gemm_panels_a_bytes(m: i32, k: i32): f64 {
  return <f64>m * <f64>k * 4;
}

/** Bytes of the panels of B[k, n]. */
export function gemm_panels_b_bytes(k: i32, n: i32): f64 {
  return <f64>padded(n) * <f64>k * 4;
}

/**
 * Packs A once for many products.
 * a: f32, element (i, p) at i rowStride + p colStride elements; panels: gemm_panels_a_bytes, written in full, apart
 * from a.
 */
export function gemm_pack_a_f32(m: i32, k: i32, rowStride: i32, colStride: i32, a: usize, panels: usize): void {
  assert(m >= 0 && k >= 0 && rowStride >= 0 && colStride >= 0 && ((a | panels) & 3) == 0);
  for (let p = 0; p < k; p += KC) {
    const kc = min(KC, k - p);
    pack_rows(m, kc, rowStride, colStride, a + (<usize>(p * colStride) << 2), panels + (<usize>(m * p) << 2));
  }
}

/**
 * Packs B once for many products.
 * b: f32, element (p, j) at p rowStride + j colStride elements; panels: gemm_panels_b_bytes, written in full, apart
 * from b.
 */
export function gemm_pack_b_f32(k: i32, n: i32, rowStride: i32, colStride: i32, b: usize, panels: usize): void {
  assert(n >= 0 && k >= 0 && rowStride >= 0 && colStride >= 0 && ((b | panels) & 3) == 0);
  const np = padded(n);
  for (let p = 0; p < k; p += KC) {
    const kc = min(KC, k - p);
    pack_columns(kc, n, rowStride, colStride, b + (<usize>(p * rowStride) << 2), panels + (<usize>(np * p) << 2));
  }
}

/**
 * C += A B from panels of both. c: f32 [m, n], rows ldc >= n elements apart, added into, apart from both.
 */
export function gemm_packed_f32(m: i32, n: i32, k: i32, aPanels: usize, bPanels: usize, c: usize, ldc: i32): void {
  assert(ldc >= n && ((aPanels | bPanels | c) & 3) == 0);
  const row = <usize>ldc << 2;
  multiply_packed(m, n, k, aPanels, bPanels, c, row, 32, c, row);
}

/** C = from + A B from panels of both; see `multiply_from`. */
export function multiply_packed(
  m: i32, n: i32, k: i32, aPanels: usize, bPanels: usize, from: usize, fromRow: usize, fromPanel: usize, c: usize,
  row: usize,
): void {
  assert(m >= 0 && n >= 0 && k >= 0);
  const np = padded(n);
  for (let p = 0; p == 0 || p < k; p += KC) {
    const kc = min(KC, k - p);
    const a = aPanels + (<usize>(m * p) << 2);
    const b = bPanels + (<usize>(np * p) << 2);
    if (p > 0) {
      from = c;
      fromRow = row;
      fromPanel = 32;
    }
    for (let j = 0; j < n; j += NC) {
      const pb = b + (<usize>(j * kc) << 2);
      for (let i = 0; i < m; i += MC) {
        const pf = from + <usize>i * fromRow + <usize>(j >> 3) * fromPanel;
        const pc = c + <usize>i * row + (<usize>j << 2);
        multiply_from(
          min(MC, m - i), min(NC, n - j), kc, a + (<usize>(i * kc) << 2), pb, pf, fromRow, fromPanel, pc, row, 0,
        );
      }
    }
  }
}

/** Bytes of the block of A that a product packs as it goes; a multiple of 64. */
// @ts-ignore: decorator
@inline
function block_a_bytes(m: i32, k: i32): usize {
  return (<usize>(min(m, MC) * min(k, KC)) * 4 + 63) & ~63;
}

/** Bytes of scratch of gemm_ab_f32 (at most 120 KB). */
export function gemm_ab_scratch_bytes(m: i32, k: i32): f64 {
  return <f64>block_a_bytes(m, k);
}

/** Bytes of scratch of gemm_f32 and gemm_{nn,nt,tn}_f32 for these sizes (at most 632 KB). */
export function gemm_scratch_bytes(m: i32, n: i32, k: i32): f64 {
  return <f64>(block_a_bytes(m, k) + <usize>(min(padded(min(n, NC)), NC) * min(k, KC)) * 4);
}

/**
 * C = A B + bias with both sides strided, held within limits; every sum starts from its bias.
 * a: f32, element (i, p) of [m, k] at i aRow + p aCol elements; b: f32, element (p, j) of [k, n] at p bRow + j bCol; bias:
 * f32 [n], or 0 for none; limits: f32 [3], see `clamp`, or 0; c: f32 [m, n], written in full, apart from the rest; scratch:
 * gemm_ab_scratch_bytes.
 */
export function gemm_f32(
  m: i32, n: i32, k: i32, a: usize, aRow: i32, aCol: i32, b: usize, bRow: i32, bCol: i32, bias: usize, limits: usize,
  c: usize, scratch: usize,
): void {
  const start = bias ? bias : zeros;
  multiply_strided(m, n, k, a, aRow, aCol, b, bRow, bCol, start, 0, bias ? 32 : 0, limits, c, scratch);
}

// @ts-ignore: decorator
@inline
function add_product(
  m: i32, n: i32, k: i32, a: usize, aRow: i32, aCol: i32, b: usize, bRow: i32, bCol: i32, c: usize, scratch: usize,
): void {
  multiply_strided(m, n, k, a, aRow, aCol, b, bRow, bCol, c, <usize>n << 2, 32, 0, c, scratch);
}

/** C = from + A B with both sides strided, packed block by block into scratch; see `multiply_from`. */
function multiply_strided(
  m: i32, n: i32, k: i32, a: usize, aRow: i32, aCol: i32, b: usize, bRow: i32, bCol: i32, from: usize, fromRow: usize,
  fromPanel: usize, limits: usize, c: usize, scratch: usize,
): void {
  assert(m >= 0 && n >= 0 && k >= 0 && ((a | b | from | limits | c | scratch) & 3) == 0);
  const pb = scratch + block_a_bytes(m, k);
  const row = <usize>n << 2;
  for (let p = 0; p == 0 || p < k; p += KC) {
    const kc = min(KC, k - p);
    const held = p + kc == k ? limits : 0;
    for (let j = 0; j < n; j += NC) {
      const nc = min(NC, n - j);
      pack_columns(kc, nc, bRow, bCol, b + (<usize>(p * bRow + j * bCol) << 2), pb);
      for (let i = 0; i < m; i += MC) {
        const mc = min(MC, m - i);
        const pf = from + <usize>i * fromRow + <usize>(j >> 3) * fromPanel;
        const pc = c + <usize>i * row + (<usize>j << 2);
        pack_rows(mc, kc, aRow, aCol, a + (<usize>(i * aRow + p * aCol) << 2), scratch);
        multiply_from(mc, nc, kc, scratch, pb, pf, fromRow, fromPanel, pc, row, held);
      }
    }
    from = c;
    fromRow = row;
    fromPanel = 32;
  }
}

/** C += A B. a: f32 [m, k]; b: f32 [k, n]; c: f32 [m, n], added into, apart from both; scratch: gemm_scratch_bytes. */
export function gemm_nn_f32(m: i32, n: i32, k: i32, a: usize, b: usize, c: usize, scratch: usize): void {
  add_product(m, n, k, a, k, 1, b, n, 1, c, scratch);
}

/**
 * C += A B^T. a: f32 [m, k]; b: f32 [n, k]; c: f32 [m, n], added into, apart from both; scratch: gemm_scratch_bytes.
 */
export function gemm_nt_f32(m: i32, n: i32, k: i32, a: usize, b: usize, c: usize, scratch: usize): void {
  add_product(m, n, k, a, k, 1, b, 1, k, c, scratch);
}

/**
 * C += A^T B. a: f32 [k, m]; b: f32 [k, n]; c: f32 [m, n], added into, apart from both; scratch: gemm_scratch_bytes.
 */
export function gemm_tn_f32(m: i32, n: i32, k: i32, a: usize, b: usize, c: usize, scratch: usize): void {
  add_product(m, n, k, a, 1, m, b, n, 1, c, scratch);
}

/**
 * C = A B + bias with B packed once, held within limits: the layer kernel of Gemm and MatMul with a constant right side.
 * Every sum starts from its bias.
 * a: f32 [m, k]; bPanels: gemm_pack_b_f32 of B[k, n]; bias: f32 [n], or 0 for none; limits: f32 [3], see `clamp`, or 0;
 * c: f32 [m, n], written in full, apart from the rest; scratch: gemm_scratch_bytes.
 */
export function gemm_ab_f32(
  m: i32, n: i32, k: i32, a: usize, bPanels: usize, bias: usize, limits: usize, c: usize, scratch: usize,
): void {
  assert(m >= 0 && n >= 0 && k >= 0 && ((a | bPanels | bias | limits | c | scratch) & 3) == 0);
  const np = padded(n);
  const row = <usize>n << 2;
  if (m == 1) {
    const streamed = gemm_panels_b_bytes(k, n) > cached;
    fill_row_f32(1, n, bias, c);
    for (let p = 0; p < k; p += KC) {
      multiply_row(n, min(KC, k - p), a + (<usize>p << 2), bPanels + (<usize>(np * p) << 2), c, streamed);
    }
    if (limits) clip_f32(n, c, limits, c);
    return;
  }
  let from = bias ? bias : zeros;
  let fromRow: usize = 0;
  let fromPanel: usize = bias ? 32 : 0;
  for (let p = 0; p == 0 || p < k; p += KC) {
    const kc = min(KC, k - p);
    const b = bPanels + (<usize>(np * p) << 2);
    const held = p + kc == k ? limits : 0;
    for (let i = 0; i < m; i += MC) {
      const mc = min(MC, m - i);
      pack_rows(mc, kc, k, 1, a + (<usize>(i * k + p) << 2), scratch);
      multiply_from(
        mc, n, kc, scratch, b, from + <usize>i * fromRow, fromRow, fromPanel, c + <usize>i * row, row, held,
      );
    }
    from = c;
    fromRow = row;
    fromPanel = 32;
  }
}
