/** A mean and its standard error. */
export interface Estimate {
  readonly mean: number;
  /** NaN where one value says nothing of it. */
  readonly error: number;
}

export function estimateOf(values: readonly number[]): Estimate {
  const count = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, error: count < 2 ? Number.NaN : Math.sqrt(squares / (count - 1) / count) };
}

/**
 * Difference of two error rates in points of percent, of runs in pairs on the same examples: `a[i]` and `b[i]` have a 1 for each example
 * that the run has wrong. The standard error is the larger of that over the pairs, where there are several, and that over the examples, of
 * each the mean over the pairs: three seeds that agree by chance do not make a difference certain.
 */
export function differenceOf(a: readonly Uint8Array[], b: readonly Uint8Array[]): Estimate {
  const count = a[0].length;
  const pairs = a.map((bits, i) => (100 * bits.reduce((sum, bit, j) => sum + bit - b[i][j], 0)) / count);
  const examples = Array.from(
    { length: count },
    (_, j) => (100 * a.reduce((sum, bits, i) => sum + bits[j] - b[i][j], 0)) / a.length,
  );
  const [over, among] = [estimateOf(pairs), estimateOf(examples)];
  return { mean: over.mean, error: Number.isNaN(over.error) ? among.error : Math.max(over.error, among.error) };
}
