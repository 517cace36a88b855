import { codes } from "./codes.js";
import type { Coder } from "./range-coder.js";
import { scales } from "./scales.js";
import { entries, type Manner, type Positions } from "./sparse.js";

/** The arrays of a factored weight: Z^T [n, k] in CSR, C^T [k, d]. */
export interface Factors {
  readonly where: Positions;
  /** [nnz] */
  readonly codes: Int8Array;
  /** [k] */
  readonly codeScale: Float32Array;
  /** [k * d] */
  readonly codebook: Int8Array;
  /** [1] */
  readonly codebookScale: Float32Array;
}

/**
 * A factored section: positions and values of Z^T, scale of each atom, the atoms, their scale.
 * @param perRow rows of Z^T that belong to one row of the weight, see columnsPerRow
 * @throws Fault
 */
export function factored(coder: Coder, factors: Factors, d: number, perRow: number, manner: Manner): void {
  const { where, codeScale } = factors;
  entries(coder, where, { cols: perRow * where.cols, period: where.cols, atoms: true }, factors.codes, manner);
  scales(coder, codeScale);
  codes(coder, codeScale.length, d, 1, factors.codebook);
  scales(coder, factors.codebookScale);
}
