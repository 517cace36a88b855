import type { FactoredWeight } from "../graph/weight.js";
import { sizeOf } from "../tensor.js";

/** The largest integer that `wide` takes: a coarse code of 127 times 128, and 64. */
export const widest = 127 * 128 + 64;

/**
 * Integers beyond int8 times one step: each a coarse code times 2^s plus a fine one, with atoms of length one that are both 1 and scales
 * 2^s and 1 times the step. s is the least with which coarse codes fit in int8, 7 at most; every value is exact.
 * @param q in -widest..widest
 */
export function wide(shape: readonly number[], q: Int16Array, step: number): FactoredWeight {
  const n = sizeOf(shape);
  const most = q.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  let shift = 0;
  while (coarse(most, shift) > 127) shift++;
  const unit = 1 << shift;
  const rowPtr = new Uint32Array(n + 1);
  const [col, codes]: [number[], number[]] = [[], []];
  for (const [j, value] of q.entries()) {
    const high = Math.sign(value) * coarse(Math.abs(value), shift);
    for (const [atom, code] of [high, value - unit * high].entries()) {
      if (code === 0) continue;
      col.push(atom);
      codes.push(code);
    }
    rowPtr[j + 1] = col.length;
  }
  return {
    ...{ kind: "factored", shape, layout: "kernel", d: 1, n, k: 2, rowPtr },
    ...{ col: Uint32Array.from(col), codes: Int8Array.from(codes), codeScale: Float32Array.of(unit * step, step) },
    ...{ codebook: Int8Array.of(1, 1), codebookScale: 1 },
  };
}

/** The step of a weight that `wide` made; undefined for others. */
export function stepOf({ layout, d, k, codebook, codebookScale, codeScale }: FactoredWeight): number | undefined {
  const made = layout === "kernel" && d === 1 && k === 2 && codebook.every((atom) => atom === 1) && codebookScale === 1;
  return made && codeScale[0] >= codeScale[1] ? codeScale[1] : undefined;
}

/** The nearest number of units of 2^shift, of two the lower. */
function coarse(magnitude: number, shift: number): number {
  const unit = 1 << shift;
  return Math.ceil(magnitude / unit - 0.5);
}
