// The CSR sparse x dense codebook product in plain JavaScript: W^T = Z^T C^T, rebuilt or factored.

/** y [n, d] = Z^T C^T: the rows of W^T one after the other. `book` [k, d] f32 has its scale multiplied in already. */
export function rebuild(n, d, { rowPtr, col, codes, codeScale }, book, y) {
  y.fill(0);
  for (let j = 0; j < n; j++) {
    const row = j * d;
    for (let e = rowPtr[j], end = rowPtr[j + 1]; e < end; e++) {
      const factor = codes[e] * codeScale[col[e]];
      const atom = col[e] * d;
      for (let i = 0; i < d; i++) y[row + i] += factor * book[atom + i];
    }
  }
}

/** y [m, d] = (x Z^T) C^T, x [m, n]. Z in CSR (k rows) with f32 values; t [k] holds one row of x Z^T; bookRows is C [d, k]. */
export function factored(m, n, d, k, z, bookRows, x, t, y) {
  const { rowPtr, col, values } = z;
  for (let r = 0; r < m; r++) {
    const from = r * n;
    for (let a = 0; a < k; a++) {
      let sum = 0;
      for (let e = rowPtr[a], end = rowPtr[a + 1]; e < end; e++) sum += values[e] * x[from + col[e]];
      t[a] = sum;
    }
    matrixVector(d, k, bookRows, t, y, r * d);
  }
}

/** y[at + i] = sum over a of rows[i, a] * t[a], four rows side by side so that the additions do not wait for each other. */
function matrixVector(d, k, rows, t, y, at) {
  let i = 0;
  for (; i + 4 <= d; i += 4) {
    const r0 = i * k;
    const r1 = r0 + k;
    const r2 = r1 + k;
    const r3 = r2 + k;
    let s0 = 0;
    let s1 = 0;
    let s2 = 0;
    let s3 = 0;
    for (let a = 0; a < k; a++) {
      const v = t[a];
      s0 += rows[r0 + a] * v;
      s1 += rows[r1 + a] * v;
      s2 += rows[r2 + a] * v;
      s3 += rows[r3 + a] * v;
    }
    y[at + i] = s0;
    y[at + i + 1] = s1;
    y[at + i + 2] = s2;
    y[at + i + 3] = s3;
  }
  for (; i < d; i++) {
    let sum = 0;
    for (let a = 0; a < k; a++) sum += rows[i * k + a] * t[a];
    y[at + i] = sum;
  }
}
