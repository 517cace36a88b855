// ml-sparse-matrix: products of sparse matrices in plain JavaScript (hash tables inside).
import { versionOf } from "./index.mjs";

export async function open() {
  const { SparseMatrix } = await import("ml-sparse-matrix");
  return {
    version: versionOf("ml-sparse-matrix"),
    jobs: {
      /** W x, W [rows, cols] in CSR, x [cols, n]. */
      spmm({ rows, cols, n, rowPtr, col, values, x }) {
        const matrix = new SparseMatrix(rows, cols, { initialCapacity: 2 * values.length });
        for (let r = 0; r < rows; r++) for (let e = rowPtr[r]; e < rowPtr[r + 1]; e++) matrix.set(r, col[e], values[e]);
        return {
          run() {
            const right = new SparseMatrix(cols, n, { initialCapacity: 2 * x.length });
            for (let i = 0; i < x.length; i++) right.set(Math.floor(i / n), i % n, x[i]);
            return matrix.mmul(right);
          },
          result: (found) => Float32Array.from({ length: rows * n }, (_, i) => found.get(Math.floor(i / n), i % n)),
        };
      },
    },
  };
}
