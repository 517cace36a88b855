import { scales } from "./bytes.js";
import { codes } from "./int8.js";
import type { Coder } from "./range-coder.js";
import { entryCodes, type Positions, positions } from "./sparse.js";

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

/** A factored section: positions and values of Z^T, scale of each atom, the atoms, their scale. @throws Fault */
export function factored(coder: Coder, factors: Factors, gaps: boolean): void {
  positions(coder, factors.where, gaps);
  entryCodes(coder, factors.where, factors.codes);
  scales(coder, factors.codeScale);
  codes(coder, factors.codebook);
  scales(coder, factors.codebookScale);
}
