import { log, roundHalfEven } from "../math.js";

/** Values [rows, cols] and the grid that they go to: a scale per row, or one for all. */
export interface Grid {
  readonly values: Float32Array;
  readonly cols: number;
  readonly scale: Float32Array;
  /** Codes are in -levels..levels. */
  readonly levels: number;
  /** [groups, cols] How much the squared error of a column counts, 1 where it is left out; see Moments. */
  readonly importance?: Float64Array;
}

/** Rounds of choosing codes and counting them anew; each lowers the cost, those after the second by next to nothing. */
const rounds = 2;

/**
 * int8 codes chosen for squared error + lambda * bits instead of error alone. The bits of a code are -log2 of its share among the
 * codes so far, first those of plain rounding (rate-distortion optimized quantization: K. Ramchandran, M. Vetterli, "Rate-
 * distortion optimal fast thresholding", 1994). The cost by `costOf` is never above that of plain rounding, which is what lambda 0 gives.
 * @param lambda what a bit may cost in squared error of the values
 */
export function roundByRate(grid: Grid, lambda: number): Int8Array {
  const { values, scale, levels } = grid;
  const perScale = values.length / scale.length;
  const plain = Int8Array.from(values, (x, i) => {
    const code = roundHalfEven(Math.fround(x / scale[Math.floor(i / perScale)]));
    return Math.max(-levels, Math.min(code, levels));
  });
  if (lambda === 0 || values.length === 0) return plain;
  const weightOf = weighing(grid);
  let codes = plain;
  for (let round = 0; round < rounds; round++) {
    const bits = bitsOf(codes);
    codes = plain.map((start, i) => {
      const s = scale[Math.floor(i / perScale)];
      const weight = weightOf(i);
      let best = start;
      let least = Number.POSITIVE_INFINITY;
      /** Whether codes further out may still be cheaper. */
      const consider = (code: number): boolean => {
        const off = values[i] - code * s;
        const error = weight * off * off;
        const cost = error + lambda * bits[code + 128];
        if (cost < least) {
          least = cost;
          best = code;
        }
        return error < least;
      };
      consider(start);
      for (let code = start - 1; code >= -levels && consider(code); ) code--;
      for (let code = start + 1; code <= levels && consider(code); ) code++;
      return best;
    });
  }
  return codes;
}

/** Squared error + lambda * bits, the bits of a code being -log2 of its share among the codes. */
export function costOf(grid: Grid, codes: Int8Array, lambda: number): number {
  const { values, scale } = grid;
  const perScale = values.length / scale.length;
  const bits = bitsOf(codes);
  const weightOf = weighing(grid);
  let cost = 0;
  for (let i = 0; i < values.length; i++) {
    const off = values[i] - codes[i] * scale[Math.floor(i / perScale)];
    cost += weightOf(i) * off * off + lambda * bits[codes[i] + 128];
  }
  return cost;
}

/** [256] Bits of each code from -128 on; infinite for those that are not there. */
function bitsOf(codes: Int8Array): Float64Array {
  const counts = new Float64Array(256);
  for (const code of codes) counts[code + 128]++;
  return counts.map((count) => (count === 0 ? Number.POSITIVE_INFINITY : log(codes.length / count) / Math.LN2));
}

/** What the squared error of value i counts. Groups of rows meet inputs of their own. */
function weighing({ values, cols, importance }: Grid): (i: number) => number {
  if (!importance) return () => 1;
  const perGroup = (values.length * cols) / importance.length;
  return (i) => importance[Math.floor(i / perGroup) * cols + (i % cols)];
}
