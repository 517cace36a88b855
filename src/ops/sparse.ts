import type { PlacedWeight, Site } from "./op.js";

/** A weight in CSR, in the session's memory. */
export type Sparse = Extract<PlacedWeight, { kind: "sparse" }>;

/** Below this sparsity CSR is rebuilt at load: compressed rows only pay when most values are zero. */
const sparseFrom = 0.5;

/** Whether the product in CSR is worth it. */
export function paysSparse({ nnz, rows, cols }: Sparse): boolean {
  return nnz <= (1 - sparseFrom) * rows * cols;
}

/** What a product in CSR needs to know of its left side. */
type Rows = Pick<Sparse, "rows" | "cols" | "rowPtr" | "col" | "values" | "scale">;

/** y [rows, n] = W x, x [cols, n]. Every column is summed in the same order, whatever their number. */
export function spmm(kernels: Site["kernels"], weight: Rows, n: number, x: number, y: number): void {
  const { rows, rowPtr, col, values, scale } = weight;
  if (scale) kernels.spmm_csr_i8(rows, n, rowPtr, col, values, scale, x, n, y, n);
  else kernels.spmm_csr_f32(rows, n, rowPtr, col, values, x, n, y, n);
}

/** y [m, rows] = x [m, cols] W^T by Y^T = W X^T; one row needs no turning. */
export function turned(kernels: Site["kernels"], m: number, weight: Rows, x: number, y: number, scratch: number): void {
  if (m === 1) {
    spmm(kernels, weight, 1, x, y);
    return;
  }
  const { rows, cols } = weight;
  const product = scratch + 4 * m * cols;
  kernels.transpose_f32(m, cols, x, scratch);
  spmm(kernels, weight, m, scratch, product);
  kernels.transpose_f32(rows, m, product, y);
}

/** Scratch that `turned` needs. */
export function turnedBytes(m: number, { rows, cols }: Rows): number {
  return m === 1 ? 0 : 4 * m * (rows + cols);
}
