/**
 * Quantized sparse decomposition: W^T = Z^T C^T, forward and its two gradients. Z^T [rows, k] is sparse, in
 * compressed sparse rows (entries count from the start of `col`, so a slice of rows is a moved rowPtr and y); C^T [k,
 * d] is the codebook, an atom per row.
 *
 * A. Kuzmin et al., "Quantized sparse weight decomposition for neural network compression", 2022.
 */
import { madd, sum_lanes } from "../simd";
import { four } from "./spmv";

/**
 * y[j, i] = sum over entries e of row j, in their order, of
 *   (codes[e] * (codeScale[col[e]] * codebookScale)) * codebook[col[e], i].
 *
 * - rows: columns of X to rebuild, d: length of an atom, k: number of atoms
 * - rowPtr: u32 [rows + 1], col: u32 [entries], each < k, codes: int8 [entries], codeScale: f32 [k]
 * - codebook: int8 [k, d]
 * - y: f32 [rows, d], written in full; must not overlap the rest
 */
export function codebook_rows_i8(
  rows: i32, d: i32, k: i32, rowPtr: usize, col: usize, codes: usize, codeScale: usize, codebook: usize, y: usize,
  codebookScale: f32,
): void {
  assert(((codeScale | rowPtr | y) & 3) == 0);
  decode_rows<i8>(rows, d, k, rowPtr, col, codes, codeScale, codebook, y, codebookScale);
}

/**
 * The same without quantization, while tuning: y[j, i] = sum over entries e of row j of codes[e] * codebook[col[e],
 * i].
 *
 * - codes: f32 [entries], codebook: f32 [k, d]
 */
export function codebook_rows_f32(
  rows: i32, d: i32, rowPtr: usize, col: usize, codes: usize, codebook: usize, y: usize,
): void {
  assert(((rowPtr | codes | codebook | y) & 3) == 0);
  decode_rows<f32>(rows, d, i32.MAX_VALUE, rowPtr, col, codes, 0, codebook, y, 1);
}

/**
 * Whole rows one after the other. Those of 8 to 32 elements have loops of their own: calling `decode` for each takes longer than
 * they do (measured, nanoseconds a row of 9 with two entries, strict and relaxed: 3.6 and 3.3 instead of 8.1 and 6.7; of 25:
 * 6.8 and 5.4 instead of 11.6 and 10.5).
 */
export function decode_rows<V>(
  rows: i32, d: i32, k: i32, rowPtr: usize, col: usize, codes: usize, codeScale: usize, codebook: usize, y: usize,
  codebookScale: f32,
): void {
  if (8 <= d && d <= 16) {
    short_rows<V>(rows, d, k, rowPtr, col, codes, codeScale, codebook, y, codebookScale);
  } else if (16 < d && d <= 32) {
    medium_rows<V>(rows, d, k, rowPtr, col, codes, codeScale, codebook, y, codebookScale);
  } else {
    for (; rows > 0; rows--, rowPtr += 4, y += <usize>d << 2) {
      decode<V>(rowPtr, 0, d, d, k, col, codes, codeScale, codebook, y, codebookScale);
    }
  }
}

/** Two blocks of eight: the last overlaps the first, and writes the same bits once more. */
function short_rows<V>(
  rows: i32, d: i32, k: i32, rowPtr: usize, col: usize, codes: usize, codeScale: usize, codebook: usize, y: usize,
  codebookScale: f32,
): void {
  assert((col & 3) == 0);
  const stride = <usize>d * sizeof<V>();
  const second = <usize>(d - 8);
  for (; rows > 0; rows--, rowPtr += 4, y += <usize>d << 2) {
    const end = <usize>load<u32>(rowPtr, 4);
    let a0 = f32x4.splat(0), a1 = a0, b0 = a0, b1 = a0;
    for (let e = <usize>load<u32>(rowPtr); e < end; e++) {
      const c = load<u32>(col + (e << 2));
      assert(c < <u32>k);
      const w = f32x4.splat(weightOf<V>(e, c, codes, codeScale, codebookScale));
      const a = codebook + <usize>c * stride;
      const b = a + second * sizeof<V>();
      a0 = madd(a0, w, low<V>(a));
      a1 = madd(a1, w, high<V>(a));
      b0 = madd(b0, w, low<V>(b));
      b1 = madd(b1, w, high<V>(b));
    }
    store_eight(y, a0, a1);
    store_eight(y + (second << 2), b0, b1);
  }
}

/** Four blocks of eight, the last two where the row ends. */
function medium_rows<V>(
  rows: i32, d: i32, k: i32, rowPtr: usize, col: usize, codes: usize, codeScale: usize, codebook: usize, y: usize,
  codebookScale: f32,
): void {
  assert((col & 3) == 0);
  const stride = <usize>d * sizeof<V>();
  const fourth = <usize>(d - 8);
  const third = min(fourth, 16);
  for (; rows > 0; rows--, rowPtr += 4, y += <usize>d << 2) {
    const end = <usize>load<u32>(rowPtr, 4);
    let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
    for (let e = <usize>load<u32>(rowPtr); e < end; e++) {
      const c = load<u32>(col + (e << 2));
      assert(c < <u32>k);
      const w = f32x4.splat(weightOf<V>(e, c, codes, codeScale, codebookScale));
      const p = codebook + <usize>c * stride;
      const q = p + third * sizeof<V>(), r = p + fourth * sizeof<V>();
      s0 = madd(s0, w, low<V>(p));
      s1 = madd(s1, w, high<V>(p));
      s2 = madd(s2, w, low<V>(p + 8 * sizeof<V>()));
      s3 = madd(s3, w, high<V>(p + 8 * sizeof<V>()));
      s4 = madd(s4, w, low<V>(q));
      s5 = madd(s5, w, high<V>(q));
      s6 = madd(s6, w, low<V>(r));
      s7 = madd(s7, w, high<V>(r));
    }
    store_eight(y, s0, s1);
    store_eight(y + 32, s2, s3);
    store_eight(y + (third << 2), s4, s5);
    store_eight(y + (fourth << 2), s6, s7);
  }
}

// @ts-ignore: decorator
@inline
function store_eight(to: usize, a: v128, b: v128): void {
  v128.store(to, a);
  v128.store(to, b, 16);
}

/**
 * Elements from .. from + n - 1 of the one row at rowPtr, to y: as codebook_rows_i8 or codebook_rows_f32. The bits of an element
 * do not depend on what is decoded with it.
 */
export function decode<V>(
  rowPtr: usize, from: i32, n: i32, d: i32, k: i32, col: usize, codes: usize, codeScale: usize, codebook: usize,
  y: usize, codebookScale: f32,
): void {
  assert((col & 3) == 0 && from >= 0 && from + n <= d);
  const start = <usize>load<u32>(rowPtr);
  const end = <usize>load<u32>(rowPtr, 4);
  const stride = <usize>d * sizeof<V>();
  const atoms = codebook + <usize>from * sizeof<V>();
  let i = 0;
  for (; i + 32 <= n; i += 32) {
    let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
    for (let e = start; e < end; e++) {
      const c = load<u32>(col + (e << 2));
      assert(c < <u32>k);
      const w = f32x4.splat(weightOf<V>(e, c, codes, codeScale, codebookScale));
      const p = atoms + <usize>c * stride + <usize>i * sizeof<V>();
      s0 = madd(s0, w, low<V>(p));
      s1 = madd(s1, w, high<V>(p));
      s2 = madd(s2, w, low<V>(p + 8 * sizeof<V>()));
      s3 = madd(s3, w, high<V>(p + 8 * sizeof<V>()));
      s4 = madd(s4, w, low<V>(p + 16 * sizeof<V>()));
      s5 = madd(s5, w, high<V>(p + 16 * sizeof<V>()));
      s6 = madd(s6, w, low<V>(p + 24 * sizeof<V>()));
      s7 = madd(s7, w, high<V>(p + 24 * sizeof<V>()));
    }
    const to = y + ((<usize>i) << 2);
    v128.store(to, s0);
    v128.store(to, s1, 16);
    v128.store(to, s2, 32);
    v128.store(to, s3, 48);
    v128.store(to, s4, 64);
    v128.store(to, s5, 80);
    v128.store(to, s6, 96);
    v128.store(to, s7, 112);
  }
  // Two blocks of eight at a time; the last ones overlap what is done, and write the same bits once more.
  while (i < n && n >= 8) {
    const i0 = min(i, n - 8);
    const i1 = min(i + 8, n - 8);
    let a0 = f32x4.splat(0), a1 = a0, b0 = a0, b1 = a0;
    for (let e = start; e < end; e++) {
      const c = load<u32>(col + (e << 2));
      assert(c < <u32>k);
      const w = f32x4.splat(weightOf<V>(e, c, codes, codeScale, codebookScale));
      const atom = atoms + <usize>c * stride;
      const a = atom + <usize>i0 * sizeof<V>();
      const b = atom + <usize>i1 * sizeof<V>();
      a0 = madd(a0, w, low<V>(a));
      a1 = madd(a1, w, high<V>(a));
      b0 = madd(b0, w, low<V>(b));
      b1 = madd(b1, w, high<V>(b));
    }
    const ya = y + ((<usize>i0) << 2);
    const yb = y + ((<usize>i1) << 2);
    v128.store(ya, a0);
    v128.store(ya, a1, 16);
    v128.store(yb, b0);
    v128.store(yb, b1, 16);
    i += 16;
  }
  while (i < n && n >= 4) {
    const at = min(i, n - 4);
    let sum = f32x4.splat(0);
    for (let e = start; e < end; e++) {
      const c = load<u32>(col + (e << 2));
      assert(c < <u32>k);
      const w = f32x4.splat(weightOf<V>(e, c, codes, codeScale, codebookScale));
      sum = madd(sum, w, four<V>(atoms + <usize>c * stride + <usize>at * sizeof<V>()));
    }
    v128.store(y + ((<usize>at) << 2), sum);
    i += 4;
  }
  for (; i < n; i++) {
    let sum = f32x4.splat(0);
    for (let e = start; e < end; e++) {
      const c = load<u32>(col + (e << 2));
      assert(c < <u32>k);
      const w = f32x4.splat(weightOf<V>(e, c, codes, codeScale, codebookScale));
      const p = atoms + <usize>c * stride + <usize>i * sizeof<V>();
      sum = madd(sum, w, isFloat<V>() ? v128.load32_zero(p) : f32x4.splat(<f32>load<i8>(p)));
    }
    v128.store_lane<f32>(y + ((<usize>i) << 2), sum, 0);
  }
}

/** Elements 0..3 of the eight at p. */
// @ts-ignore: decorator
@inline
function low<V>(p: usize): v128 {
  if (isFloat<V>()) return v128.load(p);
  return f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(v128.load8x8_s(p)));
}

/** Elements 4..7 of the eight at p: the optimizer loads int8 once for both halves. */
// @ts-ignore: decorator
@inline
function high<V>(p: usize): v128 {
  if (isFloat<V>()) return v128.load(p, 16);
  return f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(v128.load8x8_s(p)));
}

// @ts-ignore: decorator
@inline
function weightOf<V>(e: usize, c: u32, codes: usize, codeScale: usize, codebookScale: f32): f32 {
  if (isFloat<V>()) return load<f32>(codes + (e << 2));
  return <f32>load<i8>(codes + e) * (load<f32>(codeScale + ((<usize>c) << 2)) * codebookScale);
}

/**
 * Gradient of the codes: y[e] = sum over i of g[j, i] * codebook[col[e], i], for every entry e of every row j.
 *
 * - rowPtr: u32 [rows + 1], col: u32 [entries]
 * - g: f32 [rows, d], the gradient of W^T, codebook: f32 [k, d]
 * - y: f32 [entries], written at rowPtr[0] .. rowPtr[rows] - 1 in full; must not overlap the rest
 */
export function codebook_dot_f32(
  rows: i32, d: i32, rowPtr: usize, col: usize, g: usize, codebook: usize, y: usize,
): void {
  assert(((rowPtr | col | g | codebook | y) & 3) == 0);
  const stride = (<usize>d) << 2;
  const vectors = (<usize>(d & ~7)) << 2;
  for (let j = 0; j < rows; j++) {
    const end = <usize>load<u32>(rowPtr, 4);
    for (let e = <usize>load<u32>(rowPtr); e < end; e++) {
      const atom = codebook + (<usize>load<u32>(col + (e << 2))) * stride;
      let a = f32x4.splat(0);
      let b = f32x4.splat(0);
      let i: usize = 0;
      for (; i < vectors; i += 32) {
        a = madd(a, v128.load(g + i), v128.load(atom + i));
        b = madd(b, v128.load(g + i, 16), v128.load(atom + i, 16));
      }
      for (; i + 16 <= stride; i += 16) a = madd(a, v128.load(g + i), v128.load(atom + i));
      for (; i < stride; i += 4) b = madd(b, v128.load32_zero(g + i), v128.load32_zero(atom + i));
      store<f32>(y + (e << 2), sum_lanes(f32x4.add(a, b)));
    }
    rowPtr += 4;
    g += stride;
  }
}

/**
 * Gradient of the codebook, added in entry by entry: codebook[col[e], i] += codes[e] * g[j, i] for every entry e of
 * row j.
 *
 * - rowPtr: u32 [rows + 1], col: u32 [entries], codes: f32 [entries]
 * - g: f32 [rows, d], the gradient of W^T
 * - codebook: f32 [k, d], the gradient of C^T, added into; must not overlap the rest
 */
export function codebook_scatter_f32(
  rows: i32, d: i32, rowPtr: usize, col: usize, codes: usize, g: usize, codebook: usize,
): void {
  assert(((rowPtr | col | codes | g | codebook) & 3) == 0);
  const stride = (<usize>d) << 2;
  for (let j = 0; j < rows; j++) {
    const end = <usize>load<u32>(rowPtr, 4);
    for (let e = <usize>load<u32>(rowPtr); e < end; e++) {
      const atom = codebook + (<usize>load<u32>(col + (e << 2))) * stride;
      const w = v128.load32_splat(codes + (e << 2));
      let i: usize = 0;
      for (; i + 16 <= stride; i += 16) {
        v128.store(atom + i, madd(v128.load(atom + i), w, v128.load(g + i)));
      }
      for (; i < stride; i += 4) {
        v128.store_lane<f32>(atom + i, madd(v128.load32_zero(atom + i), w, v128.load32_zero(g + i)), 0);
      }
    }
    rowPtr += 4;
    g += stride;
  }
}
