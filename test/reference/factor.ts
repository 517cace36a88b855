// Twins of assembly/compress/factor.ts: plain loops in f64, by the definitions.
import { roundHalfEven } from "../../src/math.js";
import { quadratic } from "./feedback.js";

/** A x = b by elimination with pivots; b [n, count]. */
export function solved(a: Float64Array, n: number, b: Float64Array, count: number): Float64Array {
  const [m, x] = [a.slice(), b.slice()];
  for (let p = 0; p < n; p++) {
    let best = p;
    for (let r = p + 1; r < n; r++) if (Math.abs(m[r * n + p]) > Math.abs(m[best * n + p])) best = r;
    for (let c = 0; c < n; c++) [m[p * n + c], m[best * n + c]] = [m[best * n + c], m[p * n + c]];
    for (let c = 0; c < count; c++) [x[p * count + c], x[best * count + c]] = [x[best * count + c], x[p * count + c]];
    for (let r = 0; r < n; r++) {
      if (r === p) continue;
      const factor = m[r * n + p] / m[p * n + p];
      for (let c = 0; c < n; c++) m[r * n + c] -= factor * m[p * n + c];
      for (let c = 0; c < count; c++) x[r * count + c] -= factor * x[p * count + c];
    }
  }
  return x.map((value, i) => value / m[Math.floor(i / count) * (n + 1)]);
}

/** The atom that is nearest to each row of x [n, d]. */
export function nearestAtoms(x: Float64Array, weight: Float64Array, c: Float64Array, d: number): number[] {
  return Array.from({ length: x.length / d }, (_, j) => {
    const errors = Array.from({ length: c.length / d }, (_, a) => {
      let sum = 0;
      for (let i = 0; i < d; i++) sum += weight[j * d + i] * (x[j * d + i] - c[a * d + i]) ** 2;
      return sum;
    });
    return errors.indexOf(Math.min(...errors));
  });
}

/** A weight W [rows, cols] in columns of d values: along its rows one after another, or down bands of d rows. */
export interface Columns {
  readonly rows: number;
  readonly cols: number;
  readonly down: boolean;
  readonly d: number;
  readonly k: number;
  readonly w: Float64Array;
  readonly book: Float64Array;
  readonly scale: Float64Array;
}

/** W less what the coefficients make. */
export function residual({ cols, down, d, k, w, book, scale }: Columns, q: Int8Array): Float64Array {
  return w.map((value, i) => {
    const [r, c] = [Math.floor(i / cols), i % cols];
    const [j, place] = down ? [Math.floor(r / d) * cols + c, r % d] : [Math.floor(i / d), i % d];
    let rest = value;
    for (let a = 0; a < k; a++) rest -= q[j * k + a] * scale[a] * book[a * d + place];
    return rest;
  });
}

/** Sum over the rows of e H e^T, with H [groups, cols, cols] of the row's group. */
export function outputError(columns: Columns, q: Int8Array, h: Float64Array): number {
  const e = residual(columns, q);
  const { rows, cols } = columns;
  const own = (rows * cols * cols) / h.length;
  let sum = 0;
  for (let r = 0; r < rows; r++) {
    const from = Math.floor(r / own) * cols * cols;
    sum += quadratic(e.subarray(r * cols, (r + 1) * cols), h.subarray(from, from + cols * cols));
  }
  return sum;
}

/** Coordinate descent by trying: the error is a parabola of each coefficient, whose lowest point three values give. */
export function reround(
  columns: Columns,
  first: Int8Array,
  support: Uint8Array,
  h: Float64Array,
  levels: number,
  sweeps: number,
): Int8Array {
  const q = first.slice();
  for (let sweep = 0; sweep < sweeps; sweep++) {
    for (let i = 0; i < q.length; i++) {
      if (support[i] === 0) continue;
      const at = (value: number) => {
        const moved = q.slice();
        moved[i] = value;
        return outputError(columns, moved, h);
      };
      const [low, middle, high] = [at(-1), at(0), at(1)];
      const curve = (low + high) / 2 - middle;
      if (!(curve > 0)) continue;
      q[i] = Math.min(Math.max(roundHalfEven((low - high) / (4 * curve)), -levels), levels);
    }
  }
  return q;
}
