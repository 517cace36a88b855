/**
 * Small dense linear algebra in f64, row-major. Only + - * / and sqrt, in a fixed order, so that the bits are the same on every
 * engine; the libraries looked at use Math.hypot, which is not.
 */

/** Eigenvalues (falling) and eigenvectors (columns of `vectors`) of a symmetric matrix [n, n] by cyclic Jacobi rotations (C. Jacobi, 1846). */
export function eigen(matrix: Float64Array, n: number): { values: Float64Array; vectors: Float64Array } {
  const a = matrix.slice();
  const v = new Float64Array(n * n);
  for (let i = 0; i < n; i++) v[i * n + i] = 1;
  for (let sweep = 0; sweep < 30; sweep++) {
    let off = 0;
    let all = 0;
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) {
        all += a[i * n + j] * a[i * n + j];
        if (i !== j) off += a[i * n + j] * a[i * n + j];
      }
    }
    if (off <= 1e-28 * all) break;
    for (let p = 0; p < n - 1; p++) for (let q = p + 1; q < n; q++) rotate(a, v, n, p, q);
  }
  const order = Array.from({ length: n }, (_, i) => i).sort((i, j) => a[j * n + j] - a[i * n + i] || i - j);
  const vectors = new Float64Array(n * n);
  for (const [to, from] of order.entries()) for (let i = 0; i < n; i++) vectors[i * n + to] = v[i * n + from];
  return { values: Float64Array.from(order, (i) => a[i * n + i]), vectors };
}

/** Zeroes a[p, q] by a rotation of rows and columns p and q. */
function rotate(a: Float64Array, v: Float64Array, n: number, p: number, q: number): void {
  const apq = a[p * n + q];
  if (apq === 0) return;
  const theta = (a[q * n + q] - a[p * n + p]) / (2 * apq);
  const t = (theta >= 0 ? 1 : -1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
  const c = 1 / Math.sqrt(t * t + 1);
  const s = t * c;
  for (let i = 0; i < n; i++) {
    const x = a[i * n + p];
    const y = a[i * n + q];
    a[i * n + p] = c * x - s * y;
    a[i * n + q] = s * x + c * y;
  }
  for (let i = 0; i < n; i++) {
    const x = a[p * n + i];
    const y = a[q * n + i];
    a[p * n + i] = c * x - s * y;
    a[q * n + i] = s * x + c * y;
    const f = v[i * n + p];
    const g = v[i * n + q];
    v[i * n + p] = c * f - s * g;
    v[i * n + q] = s * f + c * g;
  }
}

/**
 * Solves A x = b in place for a symmetric positive definite A [n, n] (its lower half is overwritten by the factor) and `count`
 * right-hand sides b [n, count] (A.-L. Cholesky, published by C. Benoit, 1924).
 */
export function solve(a: Float64Array, n: number, b: Float64Array, count: number): void {
  for (let j = 0; j < n; j++) {
    let diagonal = a[j * n + j];
    for (let k = 0; k < j; k++) diagonal -= a[j * n + k] * a[j * n + k];
    const root = Math.sqrt(Math.max(diagonal, 1e-300));
    a[j * n + j] = root;
    for (let i = j + 1; i < n; i++) {
      let sum = a[i * n + j];
      for (let k = 0; k < j; k++) sum -= a[i * n + k] * a[j * n + k];
      a[i * n + j] = sum / root;
    }
  }
  for (let c = 0; c < count; c++) {
    for (let i = 0; i < n; i++) {
      let sum = b[i * count + c];
      for (let k = 0; k < i; k++) sum -= a[i * n + k] * b[k * count + c];
      b[i * count + c] = sum / a[i * n + i];
    }
    for (let i = n - 1; i >= 0; i--) {
      let sum = b[i * count + c];
      for (let k = i + 1; k < n; k++) sum -= a[k * n + i] * b[k * count + c];
      b[i * count + c] = sum / a[i * n + i];
    }
  }
}
