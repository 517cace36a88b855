// Twins of assembly/compress/feedback.ts: plain loops in f64, by the definitions.
import { roundHalfEven } from "../../src/math.js";

/** E[x x^T] of random inputs, not far from singular. */
export function gramOf(n: number, next: () => number): Float64Array {
  const h = new Float64Array(n * n);
  for (let sample = 0; sample < 2 * n + 1; sample++) {
    const x = Float64Array.from({ length: n }, (_, i) => next() - 0.5 + (i > 0 ? 0.3 * next() : 0));
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) h[i * n + j] += x[i] * x[j];
  }
  for (let i = 0; i < n; i++) h[i * n + i] += 1e-3;
  return h;
}

/** e H e^T. */
export function quadratic(e: ArrayLike<number>, h: Float64Array): number {
  let total = 0;
  for (let i = 0; i < e.length; i++) for (let j = 0; j < e.length; j++) total += e[i] * h[i * e.length + j] * e[j];
  return total;
}

/** The best real values of the columns after `fixed`, given the error of those before: Gauss elimination of H22 y = -H21 e. */
function answer(e: readonly number[], h: Float64Array, n: number): number[] {
  const fixed = e.length;
  const size = n - fixed;
  const a = Array.from({ length: size }, (_, i) =>
    Array.from({ length: size + 1 }, (_, j) =>
      j < size ? h[(fixed + i) * n + fixed + j] : -e.reduce((sum, value, k) => sum + h[(fixed + i) * n + k] * value, 0),
    ),
  );
  for (let p = 0; p < size; p++) {
    for (let i = p + 1; i < size; i++) {
      const factor = a[i][p] / a[p][p];
      for (let j = p; j <= size; j++) a[i][j] -= factor * a[p][j];
    }
  }
  const y = new Array<number>(size).fill(0);
  for (let i = size - 1; i >= 0; i--) {
    let sum = a[i][size];
    for (let j = i + 1; j < size; j++) sum -= a[i][j] * y[j];
    y[i] = sum / a[i][i];
  }
  return y;
}

/**
 * The rounding of one row, by its definition: when column c is rounded, the columns after it answer as well as they can, and the
 * price of an integer counts against the error that then remains.
 * @param bits [tables, 256], of which the columns take one after another
 */
export function feedback(
  row: ArrayLike<number>,
  h: Float64Array,
  step: number,
  lambda: number,
  bits: ArrayLike<number>,
  levels: number,
): { q: number[]; error: number } {
  const n = row.length;
  const tables = bits.length / 256;
  const q: number[] = [];
  // Errors (value - stored) of the columns that are rounded.
  const e: number[] = [];
  const remaining = (errors: readonly number[]) => quadratic([...errors, ...answer(errors, h, n)], h);
  for (let c = 0; c < n; c++) {
    // The column's own best value: what it should be where its error answers to those before it.
    const wanted = row[c] - answer(e, h, n)[0];
    const nearest = Math.min(Math.max(roundHalfEven(wanted / step), -levels), levels);
    const cost = (integer: number) =>
      remaining([...e, row[c] - integer * step]) + lambda * bits[256 * (c % tables) + integer + 128];
    let best = nearest;
    if (lambda > 0) {
      for (const other of [nearest - Math.sign(nearest), 0]) if (cost(other) < cost(best)) best = other;
    }
    q.push(best);
    e.push(row[c] - best * step);
  }
  return { q, error: quadratic(e, h) };
}

/** Pieces of d columns become atoms [k, d] in the same way: each the one after which the columns to its right can answer best. */
export function nearestWithFeedback(row: ArrayLike<number>, h: Float64Array, c: Float64Array, d: number): number[] {
  const n = row.length;
  const chosen: number[] = [];
  let e: number[] = [];
  while (e.length < n) {
    const ways = Array.from({ length: c.length / d }, (_, a) => [
      ...e,
      ...Array.from({ length: d }, (_, i) => row[e.length + i] - c[a * d + i]),
    ]);
    const costs = ways.map((errors) => quadratic([...errors, ...answer(errors, h, n)], h));
    const best = costs.indexOf(Math.min(...costs));
    chosen.push(best);
    e = ways[best];
  }
  return chosen;
}
