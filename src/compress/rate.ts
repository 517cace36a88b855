import { log, roundHalfEven } from "../math.js";

/** Values and the grid that they go to: one scale for all, or one for each of as many rows. */
export interface Grid {
  readonly values: Float32Array;
  readonly scale: Float32Array;
  /** Codes are in -levels..levels. */
  readonly levels: number;
}

/** Rounds of choosing codes and counting them anew; each lowers the cost, those after the second by next to nothing. */
const rounds = 2;

/**
 * int8 codes chosen for squared error + lambda * bits instead of error alone. The bits of a code are -log2 of its share among the
 * codes so far, first those of plain rounding (rate-distortion optimized quantization: K. Ramchandran, M. Vetterli, "Rate-
 * distortion optimal fast thresholding", 1994). The cost, with the shares among the codes that it gives, is never above that of plain rounding, which is what lambda 0 gives.
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
  let codes = plain;
  for (let round = 0; round < rounds; round++) {
    const bits = bitsOf(codes);
    codes = plain.map((start, i) => {
      const s = scale[Math.floor(i / perScale)];
      let best = start;
      let least = Number.POSITIVE_INFINITY;
      /** Whether codes further out may still be cheaper. */
      const consider = (code: number): boolean => {
        const off = values[i] - code * s;
        const error = off * off;
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

/** [256] Bits of each code from -128 on; infinite for those that are not there. */
function bitsOf(codes: Int8Array): Float64Array {
  const counts = new Float64Array(256);
  for (const code of codes) counts[code + 128]++;
  return counts.map((count) => (count === 0 ? Number.POSITIVE_INFINITY : log(codes.length / count) / Math.LN2));
}
