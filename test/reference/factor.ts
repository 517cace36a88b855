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

/** A weight in tiles of atoms: W [rows, cols] less what the coefficients make, tile by tile along the rows. */
export interface Tiles {
  readonly rows: number;
  readonly cols: number;
  readonly high: number;
  readonly wide: number;
  readonly k: number;
  readonly w: Float64Array;
  readonly book: Float64Array;
  readonly scale: Float64Array;
}

export function residual({ rows, cols, high, wide, k, w, book, scale }: Tiles, q: Int8Array): Float64Array {
  const across = cols / wide;
  const out = w.slice();
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < cols; c++) {
      const tile = Math.floor(r / high) * across + Math.floor(c / wide);
      const place = (r % high) * wide + (c % wide);
      for (let a = 0; a < k; a++) {
        out[r * cols + c] -= q[tile * k + a] * scale[a] * book[a * high * wide + place];
      }
    }
  }
  return out;
}

/** Sum over the rows of e H e^T. */
export function outputError(tiles: Tiles, q: Int8Array, h: Float64Array): number {
  const e = residual(tiles, q);
  let sum = 0;
  for (let r = 0; r < tiles.rows; r++) sum += quadratic(e.subarray(r * tiles.cols, (r + 1) * tiles.cols), h);
  return sum;
}

/** Coordinate descent by trying: the error is a parabola of each coefficient, whose lowest point three values give. */
export function reround(
  tiles: Tiles,
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
        return outputError(tiles, moved, h);
      };
      const [low, middle, high] = [at(-1), at(0), at(1)];
      const curve = (low + high) / 2 - middle;
      if (!(curve > 0)) continue;
      q[i] = Math.min(Math.max(roundHalfEven((low - high) / (4 * curve)), -levels), levels);
    }
  }
  return q;
}
