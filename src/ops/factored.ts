import type { Launch, PlacedWeight, Site, Slots, StoredWeight } from "./op.js";
import { grouped, type Rows, transposedStarts, turned, turnedBytes } from "./sparse.js";

/** A weight as codebook times coefficients, in the session's memory. */
export type Factored = Extract<PlacedWeight, { kind: "factored" }>;

type Stored = Extract<StoredWeight, { kind: "factored" }>;

/** A sparse matrix made from the coefficients at load. */
export type Mix = Rows;

/** Time of one entry of Z in its product, in multiply-adds of a dense product (measured: 22 against 40 GFLOP/s). */
const mixing = 2;
/**
 * Time of one multiply-add of rebuilding W, in those of a dense product, and what an entry of Z takes beside its atom, in elements
 * of it (measured: `npm run bench -- crossover`; with these the batch below agrees within 20 % for atoms of 16 to 1024).
 */
const rebuilding = 3;
const finding = 16;

/** Whether a weight takes less memory as it is stored than as f32. With nearly all coefficients there it does not, and is no faster. */
export function isSmaller({ rows, cols, d, k, n, nnz }: Omit<Stored, "kind">): boolean {
  return 4 * (n + 1) + 5 * nnz + k * (d + 4) < 4 * rows * cols;
}

/** Whether C (Z x) takes fewer multiply-adds than W x. */
export function paysTwoSteps({ layout, rows, cols, d, k, n, nnz }: Factored): boolean {
  const pieces = layout === "rows" ? 1 : n / rows;
  return pieces * k * d + nnz < rows * cols;
}

/**
 * The batch below which C (Z x) is faster than W x with W rebuilt. Both grow with the batch but for the rebuilding itself:
 * where a column takes less time in two steps it is infinite (measured: at 4096 x 4096, 1 bit a weight, two steps are 4 times
 * faster with 196 columns too).
 */
export function twoStepsBelow({ layout, rows, cols, d, k, n, nnz }: Factored): number {
  const pieces = layout === "rows" ? 1 : n / rows;
  const more = pieces * k * d + mixing * nnz - rows * cols;
  return more <= 0 ? Number.POSITIVE_INFINITY : (rebuilding * nnz * (d + finding)) / more;
}

/**
 * Whether the columns of X cut the rows of W evenly, without which a product can neither be rebuilt in blocks nor go in steps; the
 * bands of `tile` are rebuilt whole.
 */
export function cutsEvenly({ layout, cols, d }: Pick<Factored, "layout" | "cols" | "d">): boolean {
  return layout === "rows" || (layout === "kernel" && cols % d === 0);
}

/** Y = X W^T + bias with W = C Z: in two steps for the batches where that is faster, else rebuilt block by block. */
export function factoredProduct(site: Site, weight: Factored, bias: number): (io: Slots) => Launch {
  const whole = rebuilt(site, weight, bias);
  const below = twoStepsBelow(weight);
  if (site.exact || below <= 1) return whole;
  const steps = stepwise(site, weight, bias);
  return (io) => (io.inputs[0]!.shape[0] < below ? steps(io) : whole(io));
}

/** C (Z x), W never formed. */
export function stepwise(site: Site, weight: Factored, bias: number): (io: Slots) => Launch {
  return weight.layout === "rows" ? twoSteps(site, weight, bias) : pieceByPiece(site, weight, bias);
}

/** W = C Z rebuilt on the way into the panels of the product, never whole. */
export function rebuilt(site: Site, weight: Factored, bias: number): (io: Slots) => Launch {
  const { kernels } = site;
  const { rows: n, cols: k, layout, d, k: atoms, rowPtr, col, codes, codeScale, codebook, codebookScale } = weight;
  return ({ inputs, outputs }) => {
    const m = inputs[0]!.shape[0];
    const x = inputs[0]!.pointer;
    const y = outputs[0].pointer;
    const stored = [rowPtr, col, codes, codeScale, codebook] as const;
    return {
      scratch: kernels.factored_scratch_bytes(m, k),
      run(scratch) {
        kernels.fill_row_f32(m, n, bias, y);
        if (layout === "rows") kernels.factored_columns_i8(m, n, k, atoms, x, ...stored, y, scratch, codebookScale);
        else kernels.factored_pieces_i8(m, n, k, d, atoms, x, ...stored, y, scratch, codebookScale);
      },
    };
  };
}

/** Rows first .. first + count - 1 of X^T [n, d] into y. */
export function rebuildColumns(
  kernels: Site["kernels"],
  weight: Factored,
  first: number,
  count: number,
  y: number,
): void {
  const { d, k, rowPtr, col, codes, codeScale, codebook, codebookScale } = weight;
  kernels.codebook_rows_i8(count, d, k, rowPtr + 4 * first, col, codes, codeScale, codebook, y, codebookScale);
}

/**
 * y = C (Z x) without ever forming W, layout `rows`: t [m, k] = X Z^T by CSR, Y = t C^T. S + d k multiply-adds a column instead
 * of d n. Z (k rows) is the transpose of what the file holds, made here once, and C^T is widened to f32 (measured: int8 in
 * memory is 1.7 times slower at batch 1 and no faster above).
 */
function twoSteps(site: Site, weight: Factored, bias: number): (io: Slots) => Launch {
  const { kernels } = site;
  const { d, k } = weight;
  const z = grouped(site, transposedCodes(site, weight));
  const panels = site.alloc(kernels.gemm_panels_b_bytes(k, d));
  site.temporary(4 * k * d, (dense) => {
    scaledCodebook(kernels, weight, dense);
    kernels.gemm_pack_b_f32(k, d, d, 1, dense, panels);
  });
  return ({ inputs, outputs }) => {
    const m = inputs[0]!.shape[0];
    const x = inputs[0]!.pointer;
    const y = outputs[0].pointer;
    const t = 4 * m * k;
    return {
      scratch: t + Math.max(turnedBytes(m, z), kernels.gemm_scratch_bytes(m, d, k)),
      run(scratch) {
        turned(kernels, m, z, x, scratch, scratch + t);
        kernels.gemm_ab_f32(m, d, k, scratch, panels, bias, 0, y, scratch + t);
      },
    };
  };
}

/**
 * Layout `kernel`: T [m, pieces * k] is every piece of d inputs times every atom, Y = T Z'^T. pieces * k * d + S multiply-adds a
 * row instead of in * out.
 */
function pieceByPiece(site: Site, weight: Factored, bias: number): (io: Slots) => Launch {
  const { kernels } = site;
  const { d, k, rows } = weight;
  // The codes as they are: every row of Z' has scale 1, the atoms hold both scales.
  const ones = site.alloc(4 * rows);
  new Float32Array(kernels.memory.buffer, ones, rows).fill(1);
  const mix = grouped(site, { ...mixRows(site, weight), values: weight.codes, scale: ones });
  const panels = site.alloc(kernels.gemm_panels_b_bytes(d, k));
  site.temporary(4 * k * d, (dense) => {
    scaledCodebook(kernels, weight, dense);
    kernels.gemm_pack_b_f32(d, k, 1, d, dense, panels);
  });
  return ({ inputs, outputs }) => {
    const m = inputs[0]!.shape[0];
    const x = inputs[0]!.pointer;
    const y = outputs[0].pointer;
    const pieces = m * (weight.cols / d);
    const t = 4 * pieces * k;
    return {
      scratch: t + Math.max(kernels.gemm_scratch_bytes(pieces, k, d), turnedBytes(m, mix)),
      run(scratch) {
        kernels.gemm_ab_f32(pieces, k, d, x, panels, 0, 0, scratch, scratch + t);
        turned(kernels, m, mix, scratch, y, scratch + t);
        if (bias) kernels.add_row_f32(m, rows, bias, y);
      },
    };
  };
}

/** C^T [k, d] in f32 with both scales multiplied in. */
export function scaledCodebook(kernels: Site["kernels"], weight: Factored, y: number): void {
  const { k, d, codebook, codeScale, codebookScale } = weight;
  kernels.dequantize_rows_i8(k, d, codebook, codeScale, y);
  const values = new Float32Array(kernels.memory.buffer, y, k * d);
  for (let i = 0; i < values.length; i++) values[i] *= codebookScale;
}

/** Z in CSR, [k, n], from Z^T in CSR, [n, k]: int8, its scales in the codebook. */
function transposedCodes(site: Site, weight: Factored): Mix {
  const { k, n, nnz } = weight;
  const rowPtr = site.alloc(4 * (k + 1));
  const col = site.alloc(4 * nnz);
  const values = site.alloc(nnz);
  const ones = site.alloc(4 * k);
  const { buffer } = site.kernels.memory;
  const starts = new Uint32Array(buffer, weight.rowPtr, n + 1);
  const atoms = new Uint32Array(buffer, weight.col, nnz);
  const codes = new Int8Array(buffer, weight.codes, nnz);
  const outCol = new Uint32Array(buffer, col, nnz);
  const outValues = new Int8Array(buffer, values, nnz);
  const next = transposedStarts(atoms, new Uint32Array(buffer, rowPtr, k + 1));
  for (let j = 0; j < n; j++) {
    for (let e = starts[j]; e < starts[j + 1]; e++) {
      const to = next[atoms[e]]++;
      outCol[to] = j;
      outValues[to] = codes[e];
    }
  }
  new Float32Array(buffer, ones, k).fill(1);
  return { rows: k, cols: n, rowPtr, col, values, scale: ones };
}

/**
 * Layout `kernel` when every row of W is cut into `perRow` whole columns of X: Z' in CSR, [rows, perRow * k], where row o strings
 * together the rows (o, 0) .. (o, perRow - 1) of Z^T, so that W x = Z' T with T the product of each piece of x with each atom.
 */
export function mixOf(site: Site, weight: Factored): Mix {
  const { nnz } = weight;
  const rows = mixRows(site, weight);
  const values = site.alloc(4 * nnz);
  const { buffer } = site.kernels.memory;
  new Float32Array(buffer, values, nnz).set(new Int8Array(buffer, weight.codes, nnz));
  return { ...rows, values, scale: 0 };
}

/** The support of Z', whose entries stand in the order of the codes. */
function mixRows(site: Site, weight: Factored): Pick<Mix, "rows" | "cols" | "rowPtr" | "col"> {
  const { rows, k, n, nnz } = weight;
  const perRow = n / rows;
  const rowPtr = site.alloc(4 * (rows + 1));
  const col = site.alloc(4 * nnz);
  const { buffer } = site.kernels.memory;
  const starts = new Uint32Array(buffer, weight.rowPtr, n + 1);
  const atoms = new Uint32Array(buffer, weight.col, nnz);
  const outStart = new Uint32Array(buffer, rowPtr, rows + 1);
  const outCol = new Uint32Array(buffer, col, nnz);
  for (let o = 0; o <= rows; o++) outStart[o] = starts[o * perRow];
  for (let j = 0; j < n; j++) {
    for (let e = starts[j]; e < starts[j + 1]; e++) outCol[e] = (j % perRow) * k + atoms[e];
  }
  return { rows, cols: perRow * k, rowPtr, col };
}
