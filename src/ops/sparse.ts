import type { PlacedWeight, Site } from "./op.js";

/** A weight in CSR, in the session's memory. */
export type Sparse = Extract<PlacedWeight, { kind: "sparse" }>;

/**
 * Sparsity from which a matrix product is in CSR; below it CSR is rebuilt at load. One for all batches, whose bits must be the
 * same, so that the loss is alike on both sides (measured at 1024 x 1024: CSR overtakes dense panels at 0.8 with one row, 0.67
 * with 4, 0.45 with 8, 0.31 to 0.38 with 28 and more; at 0.6 one row takes 1.9 to 2.0 times as long as in dense panels, and 28
 * and more would take 1.6 to 1.8 times as long in those).
 */
export const sparseFrom = 0.6;
/** The same for a convolution, which has many columns always (measured: 0.13 to 0.41 for 1 x 1, 0.22 to 0.44 for 3 x 3). */
export const sparseFromConv = 0.35;

/** Whether the product in CSR is worth it. */
export function paysSparse({ shape, nnz, rows, cols }: Pick<Sparse, "shape" | "nnz" | "rows" | "cols">): boolean {
  const from = shape.length > 2 ? sparseFromConv : sparseFrom;
  return nnz <= (1 - from) * rows * cols;
}

/** What a product in CSR needs to know of its left side. */
export type Rows = Pick<Sparse, "rows" | "cols" | "rowPtr" | "col" | "values" | "scale">;

/** The same matrix again, rows four by four (assembly/compress/spmv.ts): for single columns. */
interface Grouped {
  readonly groups: number;
  readonly starts: number;
  readonly col: number;
  readonly values: number;
  readonly scale: number;
  readonly order: number;
}

/** A left side made ready for `turned`. */
export interface Turned extends Rows {
  readonly grouped?: Grouped;
}

/** Up to this many rows of X go one by one through the grouped matrix (measured: two to three times faster than CSR). */
const singly = 3;
/** Columns are numbered in 16 bits there, and one more is the zero of the filling. */
const mostColumns = 65535;
/** Rows of X that are turned and multiplied together: the width that the product keeps in registers, or a little more. */
const strip = 24;
const widest = 28;

/** y [rows, n] = W x, x [cols, n]. Every column is summed in the same order, whatever their number. */
export function spmm(kernels: Site["kernels"], weight: Rows, n: number, x: number, y: number): void {
  const { rows, rowPtr, col, values, scale } = weight;
  if (scale) kernels.spmm_csr_i8(rows, n, rowPtr, col, values, scale, x, n, y, n);
  else kernels.spmm_csr_f32(rows, n, rowPtr, col, values, x, n, y, n);
}

/**
 * y [m, rows] = x [m, cols] W^T by Y^T = W X^T, some rows of x at a time: their columns then stand together, and stay in the
 * caches for all of W (measured, 1024 x 1024, 90 % sparse: 25 instead of 15 to 19 GFLOP/s). The same bits for any m.
 */
export function turned(kernels: Site["kernels"], m: number, weight: Turned, x: number, y: number, scratch: number) {
  const { rows, cols, grouped } = weight;
  if (grouped && m <= singly) {
    kernels.fill_row_f32(1, 1, 0, scratch + 4 * cols);
    const { groups, starts, col, values, scale, order } = grouped;
    for (let i = 0; i < m; i++) {
      const to = y + 4 * i * rows;
      kernels.copy_bytes(4 * cols, x + 4 * i * cols, scratch);
      if (scale) kernels.spmv_grouped_i8(groups, starts, col, values, scale, order, scratch, to);
      else kernels.spmv_grouped_f32(groups, starts, col, values, order, scratch, to);
    }
    return;
  }
  if (m === 1) {
    spmm(kernels, weight, 1, x, y);
    return;
  }
  for (let i = 0, width = 0; i < m; i += width) {
    width = m - i > widest ? strip : m - i;
    const product = scratch + 4 * width * cols;
    kernels.transpose_f32(width, cols, x + 4 * i * cols, scratch);
    spmm(kernels, weight, width, scratch, product);
    kernels.transpose_f32(rows, width, product, y + 4 * i * rows);
  }
}

/** Scratch that `turned` needs. */
export function turnedBytes(m: number, { rows, cols }: Rows): number {
  return Math.max(4 * (cols + 1), 4 * Math.min(m, widest) * (rows + cols));
}

/**
 * W ready for `turned`: the grouped matrix is made here, 6 bytes an entry, or 3 of int8.
 * Rows are put together by length, the longest first, those of one length as they came.
 */
export function grouped(site: Site, weight: Rows): Turned {
  const { rows, cols, scale } = weight;
  if (rows === 0 || cols > mostColumns) return weight;
  const view = <T>(type: new (buffer: ArrayBuffer, at: number, length: number) => T, at: number, length: number) =>
    new type(site.kernels.memory.buffer as ArrayBuffer, at, length);
  const first = view(Uint32Array, weight.rowPtr, rows + 1);
  const length = (r: number) => first[r + 1] - first[r];
  // Counted and not compared: a file may have millions of rows.
  const places = new Uint32Array(cols + 2);
  for (let r = 0; r < rows; r++) places[cols - length(r) + 1]++;
  for (let c = 0; c <= cols; c++) places[c + 1] += places[c];
  const byLength = new Uint32Array(rows);
  for (let r = 0; r < rows; r++) byLength[places[cols - length(r)]++] = r;
  const groups = Math.ceil(rows / 4);
  // Lanes left over in the last group repeat its last row.
  const order = Uint32Array.from({ length: 4 * groups }, (_, i) => byLength[Math.min(i, rows - 1)]);
  const starts = new Uint32Array(groups + 1);
  for (let g = 0; g < groups; g++) starts[g + 1] = starts[g] + length(order[4 * g]);
  const steps = starts[groups];
  const made = {
    groups,
    starts: site.alloc(starts.byteLength),
    order: site.alloc(order.byteLength),
    scale: scale ? site.alloc(16 * groups) : 0,
    col: site.alloc(8 * steps),
    values: site.alloc((scale ? 4 : 16) * steps),
  };
  const kind = scale ? Int8Array : Float32Array;
  const entries = view(Uint32Array, weight.rowPtr, rows + 1)[rows];
  const from = view(Uint32Array, weight.col, entries);
  const given = view<Int8Array | Float32Array>(kind, weight.values, entries);
  const col = view(Uint16Array, made.col, 4 * steps).fill(cols);
  const values = view<Int8Array | Float32Array>(kind, made.values, 4 * steps).fill(0);
  const begin = view(Uint32Array, weight.rowPtr, rows + 1);
  for (let lane = 0; lane < 4 * groups; lane++) {
    let to = 4 * starts[lane >> 2] + (lane & 3);
    for (let e = begin[order[lane]]; e < begin[order[lane] + 1]; e++, to += 4) {
      col[to] = from[e];
      values[to] = given[e];
    }
  }
  view(Uint32Array, made.starts, starts.length).set(starts);
  view(Uint32Array, made.order, order.length).set(order);
  if (scale) {
    const scales = view(Float32Array, scale, rows);
    const spread = view(Float32Array, made.scale, order.length);
    for (let lane = 0; lane < order.length; lane++) spread[lane] = scales[order[lane]];
  }
  return { ...weight, grouped: made };
}

/** W^T in CSR, the columns' scales multiplied in: what MatMul needs of a right side that is stored by its own rows. */
export function transposed(site: Site, weight: Sparse): Rows {
  const { rows, cols, nnz, scale } = weight;
  const rowPtr = site.alloc(4 * (cols + 1));
  const col = site.alloc(4 * nnz);
  const values = site.alloc(4 * nnz);
  const { buffer } = site.kernels.memory;
  const starts = new Uint32Array(buffer, weight.rowPtr, rows + 1);
  const from = new Uint32Array(buffer, weight.col, nnz);
  const given = scale ? new Int8Array(buffer, weight.values, nnz) : new Float32Array(buffer, weight.values, nnz);
  const scales = scale ? new Float32Array(buffer, scale, rows) : undefined;
  const outCol = new Uint32Array(buffer, col, nnz);
  const outValues = new Float32Array(buffer, values, nnz);
  const next = transposedStarts(from, new Uint32Array(buffer, rowPtr, cols + 1));
  for (let r = 0; r < rows; r++) {
    for (let e = starts[r]; e < starts[r + 1]; e++) {
      const to = next[from[e]]++;
      outCol[to] = r;
      outValues[to] = scales ? given[e] * scales[r] : given[e];
    }
  }
  return { rows: cols, cols: rows, rowPtr, col, values, scale: 0 };
}

/** Fills the row starts of a transpose from the columns of all entries; returns a copy, to be counted up while filling in. */
export function transposedStarts(col: Uint32Array, starts: Uint32Array): Uint32Array {
  starts.fill(0);
  for (const c of col) starts[c + 1]++;
  for (let c = 1; c < starts.length; c++) starts[c] += starts[c - 1];
  return starts.slice();
}
