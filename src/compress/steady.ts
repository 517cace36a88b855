import type { Moments } from "./moments.js";

/** Sums of x and of x x^T over some of the rows, [groups, cols] and [groups, cols, cols], and how many rows these were. */
export interface Part {
  readonly mean: Float64Array;
  readonly gram: Float64Array;
  readonly count: number;
}

/**
 * How much of what the covariance of some inputs shows is chance, 0..1: the squared error that is to be expected of it over its squared
 * distance from m I, m being its mean diagonal. The former is told by how far two halves of the inputs lie apart. After O. Ledoit, M.
 * Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", 2004, with an estimate that holds for rows that
 * depend on each other too, as those of one image do.
 * @param half about half of the rows of `whole`
 */
export function chanceIn(half: Part, whole: Part): number {
  const [m, n] = [half.count, whole.count];
  if (m === 0 || m === n) return 0;
  const cols = whole.gram.length / whole.mean.length;
  let [apart, far] = [0, 0];
  for (let first = 0, from = 0; first < whole.mean.length; first += cols, from += cols * cols) {
    const means = (c: number): [number, number, number] => {
      const [a, all] = [half.mean[first + c], whole.mean[first + c]];
      return [a / m, (all - a) / (n - m), all / n];
    };
    const middle = spreadOf(whole, first, cols) / cols;
    for (let r = 0, i = from; r < cols; r++) {
      const [ar, br, allr] = means(r);
      for (let c = 0; c < cols; c++, i++) {
        const [ac, bc, allc] = means(c);
        const [a, all] = [half.gram[i], whole.gram[i]];
        const off = a / m - ar * ac - ((all - a) / (n - m) - br * bc);
        const away = all / n - allr * allc - (r === c ? middle : 0);
        apart += off * off;
        far += away * away;
      }
    }
  }
  return far > 0 ? Math.min(1, (apart * m * (n - m)) / (n * n * far)) : 0;
}

/** Sum of the variances of the columns of a group. */
function spreadOf({ mean, gram, count }: Part, first: number, cols: number): number {
  let sum = 0;
  for (let c = 0; c < cols; c++) {
    const average = mean[first + c] / count;
    sum += gram[(first + c) * cols + c] / count - average * average;
  }
  return sum;
}

/**
 * The moments with that part of the covariance drawn to m I which is chance: what few inputs do not show is not taken for nothing. With
 * mu = E[x], E[x x^T] = mu mu^T + (1 - chance) (E[x x^T] - mu mu^T) + chance m I.
 */
export function steady(moments: Moments): Moments {
  const { gram, mean, chance = 0 } = moments;
  if (!gram || chance === 0) return moments;
  const cols = gram.length / mean.length;
  const drawn = gram.slice();
  for (let first = 0, i = 0; first < mean.length; first += cols) {
    const more = (chance * spreadOf({ mean, gram, count: 1 }, first, cols)) / cols;
    for (let r = 0; r < cols; r++) {
      for (let c = 0; c < cols; c++, i++) {
        drawn[i] += chance * (mean[first + r] * mean[first + c] - gram[i]) + (r === c ? more : 0);
      }
    }
  }
  return { ...moments, gram: drawn };
}
