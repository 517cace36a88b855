import type { FactoredWeight } from "../graph/weight.js";
import { roundHalfEven } from "../math.js";
import { Random } from "../random.js";
import { eigen } from "./algebra.js";
import { scaleFor } from "./quantize.js";

/** Longer ones get their directions by iteration: rotations take d^3 time. */
const longest = 64;
const iterations = 6;

/** Sum over the rows of X^T [n, d] of x x^T, [d, d]. */
function gramOf(x: ArrayLike<number>, n: number, d: number): Float64Array {
  const gram = new Float64Array(d * d);
  for (let j = 0; j < n; j++) {
    for (let a = 0; a < d; a++) {
      const value = x[j * d + a];
      if (value === 0) continue;
      for (let b = 0; b <= a; b++) gram[a * d + b] += value * x[j * d + b];
    }
  }
  for (let a = 0; a < d; a++) for (let b = 0; b < a; b++) gram[b * d + a] = gram[a * d + b];
  return gram;
}

/** The min(k, d) first left singular vectors of X, given as X^T [n, d]: rows [min(k, d), d] of length 1. */
export function principal(x: ArrayLike<number>, n: number, d: number, k: number, seed: number): Float64Array {
  const count = Math.min(k, d);
  const c = new Float64Array(count * d);
  if (d <= longest) {
    const { vectors } = eigen(gramOf(x, n, d), d);
    for (let a = 0; a < count; a++) for (let i = 0; i < d; i++) c[a * d + i] = vectors[i * d + a];
    return c;
  }
  const random = new Random(seed);
  for (let i = 0; i < c.length; i++) c[i] = random.normal();
  const next = new Float64Array(count * d);
  for (let round = 0; round < iterations; round++) {
    // C X X^T, one column of X after another.
    next.fill(0);
    for (let j = 0; j < n; j++) {
      for (let a = 0; a < count; a++) {
        let sum = 0;
        for (let i = 0; i < d; i++) sum += x[j * d + i] * c[a * d + i];
        for (let i = 0; i < d; i++) next[a * d + i] += sum * x[j * d + i];
      }
    }
    orthonormalize(next, count, d);
    c.set(next);
  }
  return c;
}

/** Rows made orthogonal one after another (J. Gram, E. Schmidt, 1907). */
function orthonormalize(c: Float64Array, count: number, d: number): void {
  for (let a = 0; a < count; a++) {
    const row = c.subarray(a * d, (a + 1) * d);
    for (let b = 0; b < a; b++) {
      const other = c.subarray(b * d, (b + 1) * d);
      const part = row.reduce((sum, value, i) => sum + value * other[i], 0);
      for (let i = 0; i < d; i++) row[i] -= part * other[i];
    }
    normalize(row, 1, d);
  }
}

/** Unit rows; gives their former lengths. A row of zeros stays. */
export function normalize(c: Float64Array, k: number, d: number): Float64Array {
  const lengths = new Float64Array(k);
  for (let a = 0; a < k; a++) {
    let square = 0;
    for (let i = 0; i < d; i++) square += c[a * d + i] * c[a * d + i];
    const length = Math.sqrt(square);
    lengths[a] = length;
    if (length > 0) for (let i = 0; i < d; i++) c[a * d + i] /= length;
  }
  return lengths;
}

/** Atoms as integers times a scale. */
export interface Book {
  readonly codebook: Int8Array;
  readonly codebookScale: number;
  /** What they stand for. */
  readonly values: Float64Array;
}

export function bookOf(c: Float64Array, levels: number): Book {
  const codebookScale = scaleFor(c, levels);
  const codebook = Int8Array.from(c, (value) =>
    Math.min(Math.max(roundHalfEven(value / codebookScale), -levels), levels),
  );
  return { codebook, codebookScale, values: Float64Array.from(codebook, (code) => code * codebookScale) };
}

/** A weight of its parts, with Z^T [n, k] as integers. */
export function assemble(
  parts: Pick<FactoredWeight, "shape" | "layout" | "d" | "n" | "k" | "codeScale">,
  { codebook, codebookScale }: Book,
  integers: Int8Array,
): FactoredWeight {
  const { n, k } = parts;
  const size = integers.reduce((count, code) => count + (code === 0 ? 0 : 1), 0);
  const [rowPtr, col, codes] = [new Uint32Array(n + 1), new Uint32Array(size), new Int8Array(size)];
  for (let j = 0, e = 0; j < n; j++) {
    for (let a = 0; a < k; a++) {
      if (integers[j * k + a] === 0) continue;
      col[e] = a;
      codes[e++] = integers[j * k + a];
    }
    rowPtr[j + 1] = e;
  }
  return { kind: "factored", ...parts, rowPtr, col, codes, codebook, codebookScale };
}
