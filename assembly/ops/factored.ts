/**
 * Products with factored weights W = C Z (assembly/compress/codebook.ts): W is decoded block by block on the way into the
 * panels of the product and is never there whole. Every element of C is summed in rising k, starting from what it
 * held: the bits of gemm with the rebuilt weight.
 */
import { decode, decode_rows } from "../compress/codebook";
import { pack_columns, pack_rows } from "./panel";
import { KC, multiply_block } from "./tile";

/** Columns of a wide weight that are decoded at a time: 32 x KC x 4 bytes are 32 KB, and four vectors of sums. */
const STRIP: i32 = 32;

/** Bytes of scratch of the products here, for any n. */
export function factored_scratch_bytes(m: i32, k: i32): f64 {
  return <f64>min(k, KC) * (<f64>m + 2 * <f64>STRIP) * 4;
}

/**
 * c += a W^T, the rows of W cut into pieces of d: piece j of all is row j of Z^T, as codebook_rows_i8 rebuilds it.
 *
 * - m, n, k: a: f32 [m, k], W: [n, k], k a multiple of d
 * - rowPtr: u32 [n k / d + 1], col, codes, codeScale, codebook, codebookScale: as codebook_rows_i8, `atoms` atoms
 * - c: f32 [m, n], added into; scratch: factored_scratch_bytes; neither overlaps anything
 */
export function factored_pieces_i8(
  m: i32, n: i32, k: i32, d: i32, atoms: i32, a: usize, rowPtr: usize, col: usize, codes: usize, codeScale: usize,
  codebook: usize, c: usize, scratch: usize, codebookScale: f32,
): void {
  by_pieces<i8>(m, n, k, d, atoms, a, rowPtr, col, codes, codeScale, codebook, c, scratch, codebookScale);
}

/** The same without quantization; codes: f32 [entries], codebook: f32 [atoms, d], as codebook_rows_f32. */
export function factored_pieces_f32(
  m: i32, n: i32, k: i32, d: i32, a: usize, rowPtr: usize, col: usize, codes: usize, codebook: usize,
  c: usize, scratch: usize,
): void {
  by_pieces<f32>(m, n, k, d, i32.MAX_VALUE, a, rowPtr, col, codes, 0, codebook, c, scratch, 1);
}

function by_pieces<V>(
  m: i32, n: i32, k: i32, d: i32, atoms: i32, a: usize, rowPtr: usize, col: usize, codes: usize, codeScale: usize,
  codebook: usize, c: usize, scratch: usize, codebookScale: f32,
): void {
  assert(((a | rowPtr | col | codeScale | c | scratch) & 3) == 0 && ((codes | codebook) & (sizeof<V>() - 1)) == 0);
  assert(k == 0 || k % d == 0);
  const row = <usize>n << 2;
  for (let p = 0; p < k; p += KC) {
    const kc = min(KC, k - p);
    const width = <usize>kc << 2;
    const panel = scratch + <usize>m * width;
    const tile = panel + (width << 3);
    pack_rows(m, kc, k, 1, a + (<usize>p << 2), scratch);
    for (let j = 0; j < n; j += 8) {
      const rows = min(8, n - j);
      for (let r = 0; r < rows; r++) {
        const to = tile + <usize>r * width;
        pieces<V>(j + r, p, kc, k, d, atoms, rowPtr, col, codes, codeScale, codebook, to, codebookScale);
      }
      pack_columns(kc, rows, 1, kc, tile, panel);
      multiply_block(m, rows, kc, scratch, panel, c + (<usize>j << 2), row);
    }
  }
}

/** Elements p .. p + n - 1 of row o of W, to y. */
function pieces<V>(
  o: i32, p: i32, n: i32, k: i32, d: i32, atoms: i32, rowPtr: usize, col: usize, codes: usize, codeScale: usize,
  codebook: usize, y: usize, codebookScale: f32,
): void {
  let piece = rowPtr + (<usize>(o * (k / d) + p / d) << 2);
  const from = p % d;
  if (from > 0) {
    const here = min(n, d - from);
    decode<V>(piece, from, here, d, atoms, col, codes, codeScale, codebook, y, codebookScale);
    piece += 4;
    y += <usize>here << 2;
    n -= here;
  }
  const whole = n / d;
  decode_rows<V>(whole, d, atoms, piece, col, codes, codeScale, codebook, y, codebookScale);
  piece += <usize>whole << 2;
  y += <usize>(whole * d) << 2;
  n -= whole * d;
  if (n > 0) decode<V>(piece, 0, n, d, atoms, col, codes, codeScale, codebook, y, codebookScale);
}

/**
 * c += a W^T where column j of W [n, k] is row j of Z^T as codebook_rows_i8 rebuilds it, atoms of length n.
 *
 * - m, n, k: a: f32 [m, k], W: [n, k]
 * - rowPtr: u32 [k + 1], col, codes, codeScale, codebook, codebookScale: as codebook_rows_i8, `atoms` atoms
 * - c: f32 [m, n], added into; scratch: factored_scratch_bytes; neither overlaps anything
 */
export function factored_columns_i8(
  m: i32, n: i32, k: i32, atoms: i32, a: usize, rowPtr: usize, col: usize, codes: usize, codeScale: usize,
  codebook: usize, c: usize, scratch: usize, codebookScale: f32,
): void {
  by_columns<i8>(m, n, k, atoms, a, rowPtr, col, codes, codeScale, codebook, c, scratch, codebookScale);
}

/** The same without quantization; codes: f32 [entries], codebook: f32 [atoms, n], as codebook_rows_f32. */
export function factored_columns_f32(
  m: i32, n: i32, k: i32, a: usize, rowPtr: usize, col: usize, codes: usize, codebook: usize, c: usize, scratch: usize,
): void {
  by_columns<f32>(m, n, k, i32.MAX_VALUE, a, rowPtr, col, codes, 0, codebook, c, scratch, 1);
}

function by_columns<V>(
  m: i32, n: i32, k: i32, atoms: i32, a: usize, rowPtr: usize, col: usize, codes: usize, codeScale: usize,
  codebook: usize, c: usize, scratch: usize, codebookScale: f32,
): void {
  assert(((a | rowPtr | col | codeScale | c | scratch) & 3) == 0 && ((codes | codebook) & (sizeof<V>() - 1)) == 0);
  const row = <usize>n << 2;
  for (let p = 0; p < k; p += KC) {
    const kc = min(KC, k - p);
    const panels = scratch + (<usize>(m * kc) << 2);
    const tile = panels + (<usize>(STRIP * kc) << 2);
    pack_rows(m, kc, k, 1, a + (<usize>p << 2), scratch);
    for (let j = 0; j < n; j += STRIP) {
      const width = min(STRIP, n - j);
      for (let q = 0, y = tile; q < kc; q++, y += <usize>width << 2) {
        const at = rowPtr + (<usize>(p + q) << 2);
        decode<V>(at, j, width, n, atoms, col, codes, codeScale, codebook, y, codebookScale);
      }
      pack_columns(kc, width, width, 1, tile, panels);
      multiply_block(m, width, kc, scratch, panels, c + (<usize>j << 2), row);
    }
  }
}
