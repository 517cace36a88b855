// Twins of the kernels in assembly/compress: plain loops in f64. `round` is applied after each operation: left out,
// the twin is exact enough to measure errors against; Math.fround, it gives the very bits of the strict build.

import { uniform } from "../support/kernels.js";

type Round = (value: number) => number;
const exact: Round = (value) => value;

export interface Csr {
  readonly rows: number;
  readonly cols: number;
  readonly rowPtr: Uint32Array;
  readonly col: Uint32Array;
  readonly values: Float32Array | Int8Array;
}

/**
 * A random matrix: about 1 - sparsity of it, normal values or int8 ones. Its first entry is number `lead`: what
 * stands before it belongs to rows that the kernel must not look at.
 */
export function randomCsr(rows: number, cols: number, sparsity: number, seed: number, int8 = false, lead = 0): Csr {
  const next = uniform(seed);
  const value = () => (int8 ? Math.round(next() * 254 - 127) : next() * 2 - 1);
  const rowPtr = new Uint32Array(rows + 1).fill(lead);
  const col: number[] = new Array(lead).fill(0xffffffff);
  const values: number[] = new Array(lead).fill(int8 ? 99 : Number.NaN);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < cols; c++) {
      if (next() < sparsity) continue;
      col.push(c);
      values.push(value());
    }
    rowPtr[r + 1] = col.length;
  }
  return {
    rows,
    cols,
    rowPtr,
    col: Uint32Array.from(col),
    values: int8 ? Int8Array.from(values) : Float32Array.from(values),
  };
}

/** The same with every number replaced by its magnitude: what rounding errors are measured against. */
export function absolute(a: Csr): Csr {
  return { ...a, values: a.values.map(Math.abs) };
}

/** Magnitudes as integers: NaN above infinity, denormals told apart. */
export function magnitudes(x: Float32Array): Uint32Array {
  return new Uint32Array(x.slice().buffer).map((bits) => bits & 0x7fffffff);
}

/** Bits of the k-th largest magnitude, by a full sort. */
export function kthMagnitude(x: Float32Array, k: number): number {
  return magnitudes(x).sort()[x.length - k];
}

export function topkMask(x: Float32Array, threshold: number, ties: number): { mask: Uint8Array; used: number } {
  const mask = new Uint8Array((x.length + 7) >> 3);
  let used = 0;
  for (const [i, bits] of magnitudes(x).entries()) {
    const tied = bits === threshold && used < ties;
    if (tied) used++;
    if (bits > threshold || tied) mask[i >> 3] |= 1 << (i & 7);
  }
  return { mask, used };
}

export function kept(mask: Uint8Array, i: number): boolean {
  return ((mask[i >> 3] >> (i & 7)) & 1) === 1;
}

export function maskApply(x: Float32Array, mask: Uint8Array): Float32Array {
  return x.map((value, i) => (kept(mask, i) ? value : 0));
}

export function absmaxRows(rows: number, cols: number, x: Float32Array): Float32Array {
  const y = new Float32Array(rows);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < cols; c++) {
      const value = Math.abs(x[r * cols + c]);
      if (!(value <= y[r])) y[r] = Number.isNaN(y[r]) ? y[r] : value;
    }
  }
  return y;
}

export function halfToEven(value: number): number {
  const down = Math.floor(value);
  const part = value - down;
  if (part < 0.5) return down;
  if (part > 0.5) return down + 1;
  return down % 2 === 0 ? down : down + 1;
}

/** round(x / scale), the division in f32 as the kernel's, saturated; NaN gives NaN. */
function steps(x: number, scale: number, levels: number): number {
  return Math.max(-levels, Math.min(levels, halfToEven(Math.fround(x / scale))));
}

export function quantizeRows(
  rows: number,
  cols: number,
  x: Float32Array,
  scale: Float32Array,
  levels: number,
): Int8Array {
  const q = new Int8Array(rows * cols);
  for (let i = 0; i < q.length; i++) q[i] = steps(x[i], scale[Math.floor(i / cols)], levels) || 0;
  return q;
}

export function dequantizeRows(rows: number, cols: number, q: Int8Array, scale: Float32Array): Float32Array {
  const y = new Float32Array(rows * cols);
  for (let i = 0; i < y.length; i++) y[i] = q[i] * scale[Math.floor(i / cols)];
  return y;
}

export function roundRows(
  rows: number,
  cols: number,
  x: Float32Array,
  scale: Float32Array,
  levels: number,
): Float32Array {
  const y = new Float32Array(rows * cols);
  // + 0 turns -0 into +0
  for (let i = 0; i < y.length; i++) {
    const s = scale[Math.floor(i / cols)];
    y[i] = (steps(x[i], s, levels) + 0) * s;
  }
  return y;
}

/** Gradient of the scales through roundRows. */
export function roundRowsGrad(
  rows: number,
  cols: number,
  x: Float32Array,
  mask: Uint8Array | undefined,
  scale: Float32Array,
  g: Float32Array,
  levels: number,
): Float64Array {
  const out = new Float64Array(rows);
  for (let i = 0; i < rows * cols; i++) {
    if (mask && !kept(mask, i)) continue;
    const r = Math.floor(i / cols);
    const place = Math.fround(x[i] / scale[r]);
    const q = halfToEven(place);
    out[r] += g[i] * (Math.abs(q) > levels ? Math.sign(q) * levels : Math.fround(q - place));
  }
  return out;
}

/** y[r, j] = scale[r] * sum over entries of row r, in order, of values[e] * x[col[e], j]. x has n columns. */
export function spmm(a: Csr, n: number, x: Float32Array, scale?: Float32Array, round: Round = exact): Float64Array {
  const y = new Float64Array(a.rows * n);
  for (let r = 0; r < a.rows; r++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let e = a.rowPtr[r]; e < a.rowPtr[r + 1]; e++) sum = round(sum + round(a.values[e] * x[a.col[e] * n + j]));
      y[r * n + j] = scale ? round(sum * scale[r]) : sum;
    }
  }
  return y;
}

export function csrRows(a: Csr, scale?: Float32Array): Float32Array {
  const y = new Float32Array(a.rows * a.cols);
  for (let r = 0; r < a.rows; r++) {
    for (let e = a.rowPtr[r]; e < a.rowPtr[r + 1]; e++) y[r * a.cols + a.col[e]] = a.values[e] * (scale ? scale[r] : 1);
  }
  return y;
}

export interface Codebook {
  /** Length of an atom. */
  readonly d: number;
  /** [atoms, d] */
  readonly atoms: Float32Array | Int8Array;
  readonly scale: number;
}

/** y[j, i] = sum over entries e of row j, in order, of codes[e] * (codeScale[col[e]] * scale) * atoms[col[e], i]. */
export function codebookRows(codes: Csr, book: Codebook, codeScale?: Float32Array, round: Round = exact): Float64Array {
  const { d } = book;
  const y = new Float64Array(codes.rows * d);
  for (let j = 0; j < codes.rows; j++) {
    for (let e = codes.rowPtr[j]; e < codes.rowPtr[j + 1]; e++) {
      const c = codes.col[e];
      const weight = codeScale ? round(codes.values[e] * round(codeScale[c] * book.scale)) : codes.values[e];
      for (let i = 0; i < d; i++) y[j * d + i] = round(y[j * d + i] + round(weight * book.atoms[c * d + i]));
    }
  }
  return y;
}

/** y[e] = sum over i of g[j, i] * atoms[col[e], i], for the entries e of every row j. */
export function codebookDot(codes: Csr, d: number, g: Float32Array, atoms: Float32Array): Float64Array {
  const y = new Float64Array(codes.col.length);
  for (let j = 0; j < codes.rows; j++) {
    for (let e = codes.rowPtr[j]; e < codes.rowPtr[j + 1]; e++) {
      for (let i = 0; i < d; i++) y[e] += g[j * d + i] * atoms[codes.col[e] * d + i];
    }
  }
  return y;
}

/** start[col[e], i] + sum of codes[e] * g[j, i] */
export function codebookScatter(
  codes: Csr,
  d: number,
  g: Float32Array,
  start: Float32Array,
  round: Round = exact,
): Float64Array {
  const y = new Float64Array(start);
  for (let j = 0; j < codes.rows; j++) {
    for (let e = codes.rowPtr[j]; e < codes.rowPtr[j + 1]; e++) {
      const at = codes.col[e] * d;
      for (let i = 0; i < d; i++) y[at + i] = round(y[at + i] + round(codes.values[e] * g[j * d + i]));
    }
  }
  return y;
}

/** start[e] + sum over j of dy[r, j] x[col[e], j] for the entries of every row r, and the sum of the terms' sizes. */
export function sddmm(
  a: Csr,
  n: number,
  dy: Float32Array,
  lddy: number,
  x: Float32Array,
  ldx: number,
  start: Float32Array,
): { value: Float64Array; size: Float64Array } {
  const value = Float64Array.from(start);
  const size = value.map(Math.abs);
  for (let r = 0; r < a.rows; r++) {
    for (let e = a.rowPtr[r]; e < a.rowPtr[r + 1]; e++) {
      for (let j = 0; j < n; j++) {
        const term = dy[r * lddy + j] * x[a.col[e] * ldx + j];
        value[e] += term;
        size[e] += Math.abs(term);
      }
    }
  }
  return { value, size };
}
