import type { DType, TypedArray } from "../dtype.js";

/**
 * How a weight is stored. Compression changes the storage and never the graph.
 *
 * Every weight of shape [d0, d1, ...] is also a matrix of `rows` = d0 and `cols` = d1 * d2 * ...; rank 0 and 1 are one row.
 */
export type Weight = DenseWeight | MaskedWeight | SparseWeight | Int8Weight | FactoredWeight | CodedWeight;

/** The storages that hold their values ready to use. */
export type PlainWeight = Exclude<Weight, CodedWeight>;

/** What a model file holds. float16 and bfloat16 are kept as their bits. Integer constants (a Reshape's shape) are dense too. */
export interface DenseWeight {
  readonly kind: "dense";
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly data: TypedArray;
}

/** While training: `data` is all values, bit i of `mask` (little-endian in each byte) is 1 where value i is kept. */
export interface MaskedWeight {
  readonly kind: "masked";
  readonly shape: readonly number[];
  readonly data: Float32Array;
  readonly mask: Uint8Array;
}

/**
 * Compressed sparse rows over the matrix [rows, cols]: row r holds entries rowPtr[r] .. rowPtr[r + 1] - 1, columns rising.
 * values float32: `scale` is absent. values int8: value = values[i] * scale[r], or * scale[0] where there is one scale.
 */
export interface SparseWeight {
  readonly kind: "sparse";
  readonly shape: readonly number[];
  readonly rowPtr: Uint32Array;
  readonly col: Uint32Array;
  readonly values: Float32Array | Int8Array;
  readonly scale?: Float32Array;
}

/** value[r, c] = q[r, c] * scale[r], or * scale[0] where there is one scale. */
export interface Int8Weight {
  readonly kind: "int8";
  readonly shape: readonly number[];
  readonly q: Int8Array;
  readonly scale: Float32Array;
}

/**
 * How a weight tensor is cut into the columns of X [d, n], X ~ C Z.
 * `kernel`: column j is elements j*d .. j*d + d - 1 of the tensor in row-major order (for Conv d is kh*kw or a multiple).
 * `tile`: the matrix [rows, cols] is cut into bands of d rows, 1 <= d <= rows; column band * cols + c is column c of a band.
 * `rows`: the same with one band, d = rows. Where d does not divide, the end is padded with zeros.
 */
export type Layout = "kernel" | "rows" | "tile";

/**
 * Quantized sparse decomposition: W^T = Z^T C^T, with Z^T [n, k] in CSR, int8, a scale per atom, and C^T [k, d] int8, one scale.
 * X[i, j] = sum over e in row j of Z^T: (codebook[col[e] * d + i] * codebookScale) * (codes[e] * codeScale[col[e]]).
 */
export interface FactoredWeight {
  readonly kind: "factored";
  readonly shape: readonly number[];
  readonly layout: Layout;
  /** Length of an atom. */
  readonly d: number;
  /** Number of columns of X. */
  readonly n: number;
  /** Number of atoms. */
  readonly k: number;
  readonly rowPtr: Uint32Array;
  readonly col: Uint32Array;
  readonly codes: Int8Array;
  readonly codeScale: Float32Array;
  readonly codebook: Int8Array;
  readonly codebookScale: number;
}

/**
 * Any of the storages above, still entropy-coded, as read from a container. The counts were checked against each other and
 * against the number of bytes; the bytes themselves are checked while they are decoded.
 */
export interface CodedWeight {
  readonly kind: "coded";
  readonly shape: readonly number[];
  readonly storage: CodedStorage;
  readonly bytes: Uint8Array;
}

/** What must be known to decode: everything of a storage but its arrays. */
export type CodedStorage =
  /** plain: the elements themselves, little-endian. */
  | { readonly kind: "dense"; readonly dtype: DType; readonly plain?: boolean }
  | { readonly kind: "sparse"; readonly nnz: number; readonly values: "float32" | "int8"; readonly scales: number }
  | { readonly kind: "int8"; readonly scales: number }
  | {
      readonly kind: "factored";
      readonly layout: Layout;
      readonly d: number;
      readonly n: number;
      readonly k: number;
      readonly nnz: number;
    };

/** The element types that a dense weight of real numbers has. */
export function isReal(dtype: DType): dtype is "float32" | "float16" | "bfloat16" {
  return dtype === "float32" || dtype === "float16" || dtype === "bfloat16";
}
