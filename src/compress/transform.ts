import { columnsOf, matrixOf, toColumns } from "../graph/storage.js";
import type { FactoredWeight } from "../graph/weight.js";
import type { FullEngine } from "../kernels/engine.js";
import { solve } from "./algebra.js";
import { assemble, type Book, bookOf, principal } from "./atoms.js";
import type { Moments } from "./moments.js";
import { type Choice, levelsOf } from "./recipe.js";
import { Rounder } from "./rounder.js";

export type DenseChoice = Extract<Choice, { storage: "transform" | "svd" }>;

/**
 * A weight in other coordinates: X ~ C Z with at most d atoms C, the first singular vectors of X, and coefficients rounded as a
 * weight's own values are, by what the weight makes. Values that go together, such as those of one kernel, then take fewer bits
 * (H. Kramer, M. Mathews, "A linear coding for transmitting a set of correlated signals", 1956).
 */
export class Transform {
  readonly #rounder: Rounder;
  readonly #book: Book;
  readonly #sizes: Pick<FactoredWeight, "shape" | "layout" | "d" | "n" | "k">;

  /** Its memory in the engine is that of the arena's scope. */
  constructor(
    engine: FullEngine,
    shape: readonly number[],
    dense: Float32Array,
    choice: DenseChoice,
    seed: number,
    moments?: Moments,
  ) {
    const layout = choice.storage === "svd" ? "rows" : "kernel";
    const { d, n } = columnsOf(shape, layout, choice.storage === "svd" ? undefined : choice.d);
    const k = choice.storage === "svd" ? Math.min(choice.k, d) : d;
    const { rows, cols } = matrixOf(shape);
    this.#sizes = { shape, layout, d, n, k };
    const columns = toColumns(this.#sizes, dense);
    this.#book = bookOf(principal(columns, n, d, k, seed), levelsOf(choice.codebookBits ?? 8));
    const c = this.#book.values;
    const z = coefficients(columns, c, n, d, k);
    const gram = moments?.gram && isTiled(shape, this.#sizes, moments.gram) ? moments.gram : undefined;
    if (layout === "rows") this.#rounder = new Rounder(engine, [k, cols], turned(z, n, k), { gram });
    else {
      const [high, wide] = cols % d === 0 ? [rows, (cols / d) * k] : [n, k];
      this.#rounder = new Rounder(engine, [high, wide], z, { gram: gram && between(gram, cols, c, d, k) }, k);
    }
  }

  /** @param size of the coefficients' step, against their root mean square */
  round(size: number): FactoredWeight {
    const { n, k, layout } = this.#sizes;
    const { q, scale } = this.#rounder.round("tensor", size);
    const codeScale = new Float32Array(k).fill(scale[0]);
    const integers = Int8Array.from(layout === "rows" ? turned(q, k, n) : q);
    return assemble({ ...this.#sizes, codeScale }, this.#book, integers);
  }
}

/** Least squares: Z^T [n, k] = X^T C (C^T C)^-1. */
function coefficients(x: Float32Array, c: Float64Array, n: number, d: number, k: number): Float64Array {
  // (C^T C)^-1 C^T, [k, d]
  const back = c.slice();
  const square = new Float64Array(k * k);
  for (let a = 0; a < k; a++) {
    for (let b = 0; b < k; b++) for (let i = 0; i < d; i++) square[a * k + b] += c[a * d + i] * c[b * d + i];
    // An atom of zeros has no part in it.
    if (square[a * k + a] === 0) square[a * k + a] = 1;
  }
  solve(square, k, back, d);
  const z = new Float64Array(n * k);
  for (let j = 0, at = 0; j < n; j++) {
    for (let a = 0; a < k; a++, at++) {
      let sum = 0;
      for (let i = 0; i < d; i++) sum += x[j * d + i] * back[a * d + i];
      z[at] = sum;
    }
  }
  return z;
}

/** [rows, cols] as [cols, rows]. */
function turned(values: ArrayLike<number>, rows: number, cols: number): Float64Array {
  const out = new Float64Array(rows * cols);
  for (let r = 0; r < rows; r++) for (let c = 0; c < cols; c++) out[c * rows + r] = values[r * cols + c];
  return out;
}

/** B H B^T of each group, [cols / d * k, cols / d * k], where B holds C^T [k, d] once for each d columns. */
function between(gram: Float64Array, cols: number, c: Float64Array, d: number, k: number): Float64Array {
  const blocks = cols / d;
  const wide = blocks * k;
  const groups = gram.length / (cols * cols);
  const out = new Float64Array(groups * wide * wide);
  const half = new Float64Array(wide * cols);
  for (let group = 0; group < groups; group++) {
    const own = gram.subarray(group * cols * cols, (group + 1) * cols * cols);
    half.fill(0);
    for (let p = 0; p < wide; p++) {
      const [block, a] = [Math.trunc(p / k), p % k];
      for (let i = 0; i < d; i++) {
        const [factor, from] = [c[a * d + i], (block * d + i) * cols];
        for (let l = 0; l < cols; l++) half[p * cols + l] += factor * own[from + l];
      }
    }
    for (let p = 0, at = group * wide * wide; p < wide; p++) {
      for (let q = 0; q < wide; q++, at++) {
        const [from, a] = [p * cols + Math.trunc(q / k) * d, (q % k) * d];
        let sum = 0;
        for (let i = 0; i < d; i++) sum += half[from + i] * c[a + i];
        out[at] = sum;
      }
    }
  }
  return out;
}

/** Whether coefficients of one row stand for values of one row and input: columns do not cross rows, or all rows meet the same inputs. */
function isTiled(
  shape: readonly number[],
  { layout, d }: Pick<FactoredWeight, "layout" | "d">,
  gram: Float64Array,
): boolean {
  const { cols } = matrixOf(shape);
  return layout === "kernel" ? cols % d === 0 : gram.length === cols * cols;
}
