import { columnsOf, matrixOf, toColumns } from "../graph/storage.js";
import type { FactoredWeight } from "../graph/weight.js";
import { type FullEngine, place, put, wordsAt } from "../kernels/engine.js";
import { Random } from "../random.js";
import { bookOf } from "./atoms.js";
import type { Moments } from "./moments.js";
import { type Choice, levelsOf } from "./recipe.js";
import type { Rounder } from "./rounder.js";

export type VectorChoice = Extract<Choice, { storage: "vq" }>;

const rounds = 20;

/**
 * Vector quantization: each column of X is one of k atoms, found by k-means (S. Lloyd, "Least squares quantization in PCM", 1982) from
 * columns drawn by the seed, far ones more likely (D. Arthur, S. Vassilvitskii, "k-means++", 2007). With moments of the inputs, each
 * value's error counts as much as its input's mean square, and columns are at last given their atoms so that what the weight makes
 * changes least. Stored as a factored weight whose coefficients are ones.
 */
export function vectorQuantize(
  engine: FullEngine,
  shape: readonly number[],
  dense: Float32Array,
  choice: VectorChoice,
  seed: number,
  moments: Moments | undefined,
  rounder: Pick<Rounder, "factors" | "groups">,
): FactoredWeight {
  const layout = "kernel";
  const { d, n } = columnsOf(shape, layout, choice.d);
  const k = Math.min(choice.k, n);
  const x = Float64Array.from(toColumns({ layout, shape, d, n }, dense));
  const weight = weights(shape, x.length, moments);
  const levels = levelsOf(choice.codebookBits ?? 8);
  return engine.arena.scope(() => {
    const { arena, kernels } = engine;
    const [px, pw] = [place(engine, x), place(engine, weight)];
    const [pc, index] = [arena.alloc(8 * k * d), arena.alloc(4 * n)];
    const assign = (c: Float64Array) => {
      put(engine, pc, c);
      kernels.nearest_atoms_f64(n, d, k, px, pw, pc, index);
      return wordsAt(engine, index, n);
    };
    const c = firstAtoms(x, weight, n, d, k, seed);
    for (let round = 0; round < rounds; round++) improve(c, x, weight, assign(c), d);
    const { codebook, codebookScale, values } = bookOf(c, levels);
    const { rows, cols } = matrixOf(shape);
    const { factors, groups } = rounder;
    if (factors === 0 || cols % d !== 0) assign(values);
    else {
      put(engine, pc, values);
      const scratch = arena.alloc(8 * (d * d + k * d + d));
      const own = rows / groups;
      for (let group = 0; group < groups; group++) {
        const [w, u] = [px + 8 * group * own * cols, factors + 8 * group * cols * cols];
        kernels.nearest_feedback_f64(own, cols, d, k, w, u, pc, index + (4 * group * n) / groups, scratch);
      }
    }
    const col = wordsAt(engine, index, n).slice();
    const ones = { codes: new Int8Array(n).fill(1), codeScale: new Float32Array(k).fill(1) };
    const rowPtr = Uint32Array.from({ length: n + 1 }, (_, j) => j);
    return { kind: "factored", shape, layout, d, n, k, rowPtr, col, ...ones, codebook, codebookScale };
  });
}

/** What the error of each value of X^T [n, d] counts. */
function weights(shape: readonly number[], length: number, moments: Moments | undefined): Float64Array {
  const out = new Float64Array(length).fill(1);
  if (!moments) return out;
  const { rows, cols } = matrixOf(shape);
  const { square } = moments;
  const groups = square.length / cols;
  // Inputs that calibration never moves are not without weight.
  const least = (0.01 * square.reduce((sum, value) => sum + value, 0)) / square.length || 1;
  for (let r = 0, i = 0; r < rows; r++) {
    const from = Math.floor((r * groups) / rows) * cols;
    for (let c = 0; c < cols; c++, i++) out[i] = square[from + c] + least;
  }
  return out;
}

/** Columns of X, each drawn with a chance that grows with its error so far. */
function firstAtoms(x: Float64Array, weight: Float64Array, n: number, d: number, k: number, seed: number) {
  const random = new Random(seed);
  const c = new Float64Array(k * d);
  const errors = new Float64Array(n).fill(Number.POSITIVE_INFINITY);
  let j = random.integer(n);
  for (let a = 0; a < k; a++) {
    c.set(x.subarray(j * d, (j + 1) * d), a * d);
    let sum = 0;
    for (let row = 0; row < n; row++) {
      let error = 0;
      for (let i = 0; i < d; i++) {
        const off = x[row * d + i] - c[a * d + i];
        error += weight[row * d + i] * off * off;
      }
      errors[row] = Math.min(errors[row], error);
      sum += errors[row];
    }
    let rest = random.uniform() * sum;
    for (j = 0; j < n - 1 && rest >= errors[j]; j++) rest -= errors[j];
  }
  return c;
}

/** Each atom becomes the weighted mean of what it stands for; one that stands for nothing stays. */
function improve(c: Float64Array, x: Float64Array, weight: Float64Array, index: Uint32Array, d: number): void {
  const [sums, parts] = [new Float64Array(c.length), new Float64Array(c.length)];
  for (const [j, atom] of index.entries()) {
    for (let i = 0; i < d; i++) {
      sums[atom * d + i] += weight[j * d + i] * x[j * d + i];
      parts[atom * d + i] += weight[j * d + i];
    }
  }
  for (let i = 0; i < c.length; i++) if (parts[i] > 0) c[i] = sums[i] / parts[i];
}
