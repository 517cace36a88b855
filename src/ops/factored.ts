import type { Launch, PlacedWeight, Site, Slots } from "./op.js";
import { type Sparse, spmm, turned, turnedBytes } from "./sparse.js";

/** A weight as codebook times coefficients, in the session's memory. */
export type Factored = Extract<PlacedWeight, { kind: "factored" }>;

/** A sparse matrix made from the coefficients at load. */
export type Mix = Pick<Sparse, "rows" | "cols" | "rowPtr" | "col" | "values" | "scale">;

/** Weight rows that are rebuilt and packed at a time: whole panels of 8 columns, small enough for the second-level cache. */
const tileRows = 64;

/** Whether C (Z x) takes fewer multiply-adds than W x. */
export function paysTwoSteps({ layout, rows, cols, d, k, n, nnz }: Factored): boolean {
  const pieces = layout === "rows" ? 1 : n / rows;
  return pieces * k * d + nnz < rows * cols;
}

/**
 * Y = X W^T + bias with W = C Z: in two steps where that is cheaper, else rebuilt tile by tile. Undefined where the columns of X
 * do not cut the rows of W evenly, so that neither can be done.
 */
export function factoredProduct(site: Site, weight: Factored, bias: number): ((io: Slots) => Launch) | undefined {
  if (weight.layout === "kernel" && weight.cols % weight.d !== 0) return undefined;
  if (site.exact || !paysTwoSteps(weight)) return rebuilt(site, weight, bias);
  return weight.layout === "rows" ? twoSteps(site, weight, bias) : pieceByPiece(site, weight, bias);
}

/**
 * W = C Z rebuilt tile by tile on the way into the panels of the product, never whole.
 * `kernel`: tiles of weight rows; `rows`: tiles of the summed dimension, which W^T = Z^T C^T gives row by row.
 */
function rebuilt(site: Site, weight: Factored, bias: number): (io: Slots) => Launch {
  const { kernels } = site;
  const { rows: n, cols: k, layout, d } = weight;
  const tile = layout === "rows" ? k : n;
  return ({ inputs, outputs }) => {
    const m = inputs[0]!.shape[0];
    const x = inputs[0]!.pointer;
    const y = outputs[0].pointer;
    const height = Math.min(tile, tileRows);
    const [tileK, tileN] = layout === "rows" ? [height, n] : [k, height];
    const valuesBytes = 4 * tileK * tileN;
    const panelsB = valuesBytes + kernels.gemm_panels_b_bytes(tileK, tileN);
    return {
      scratch: panelsB + kernels.gemm_panels_a_bytes(m, tileK),
      run(scratch) {
        kernels.fill_row_f32(m, n, bias, y);
        const b = scratch + valuesBytes;
        const a = scratch + panelsB;
        if (layout === "kernel") kernels.gemm_pack_a_f32(m, k, k, 1, x, a);
        for (let at = 0; at < tile; at += height) {
          const size = Math.min(height, tile - at);
          if (layout === "rows") {
            rebuildColumns(kernels, weight, at, size, scratch);
            kernels.gemm_pack_b_f32(size, n, n, 1, scratch, b);
            kernels.gemm_pack_a_f32(m, size, k, 1, x + 4 * at, a);
            kernels.gemm_packed_f32(m, n, size, a, b, y, n);
          } else {
            rebuildColumns(kernels, weight, (at * k) / d, (size * k) / d, scratch);
            kernels.gemm_pack_b_f32(k, size, 1, k, scratch, b);
            kernels.gemm_packed_f32(m, size, k, a, b, y + 4 * at, n);
          }
        }
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
 * y = C (Z x) without ever forming W, layout `rows`: t [k, m] = Z X^T by CSR, Y = t^T C^T. S + d k multiply-adds a column
 * instead of d n. Z (k rows) is the transpose of what the file holds, made here once.
 */
function twoSteps(site: Site, weight: Factored, bias: number): (io: Slots) => Launch {
  const { kernels } = site;
  const { d, k, n: columns } = weight;
  const z = transposedCodes(site, weight);
  const panels = site.alloc(kernels.gemm_panels_b_bytes(k, d));
  site.temporary(4 * k * d, (dense) => {
    scaledCodebook(kernels, weight, dense);
    kernels.gemm_pack_b_f32(k, d, d, 1, dense, panels);
  });
  return ({ inputs, outputs }) => {
    const m = inputs[0]!.shape[0];
    const x = inputs[0]!.pointer;
    const y = outputs[0].pointer;
    const turned = 4 * m * columns;
    const t = turned + 4 * m * k;
    return {
      scratch: t + 4 * m * k + kernels.gemm_panels_a_bytes(m, k),
      run(scratch) {
        kernels.transpose_f32(m, columns, x, scratch);
        spmm(kernels, z, m, scratch, scratch + turned);
        kernels.transpose_f32(k, m, scratch + turned, scratch + t);
        kernels.fill_row_f32(m, d, bias, y);
        kernels.gemm_ab_f32(m, d, k, scratch + t, panels, y, scratch + t + 4 * m * k);
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
  const mix = mixOf(site, weight);
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
      scratch: t + Math.max(kernels.gemm_panels_a_bytes(pieces, d), turnedBytes(m, mix)),
      run(scratch) {
        kernels.fill_row_f32(pieces, k, 0, scratch);
        kernels.gemm_ab_f32(pieces, k, d, x, panels, scratch, scratch + t);
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

/** Z in CSR, [k, n], from Z^T in CSR, [n, k]. */
function transposedCodes(site: Site, weight: Factored): Mix {
  const { k, n, nnz } = weight;
  const rowPtr = site.alloc(4 * (k + 1));
  const col = site.alloc(4 * nnz);
  const values = site.alloc(4 * nnz);
  const { buffer } = site.kernels.memory;
  const starts = new Uint32Array(buffer, weight.rowPtr, n + 1);
  const atoms = new Uint32Array(buffer, weight.col, nnz);
  const codes = new Int8Array(buffer, weight.codes, nnz);
  const outStart = new Uint32Array(buffer, rowPtr, k + 1).fill(0);
  const outCol = new Uint32Array(buffer, col, nnz);
  const outValues = new Float32Array(buffer, values, nnz);
  for (const atom of atoms) outStart[atom + 1]++;
  for (let a = 0; a < k; a++) outStart[a + 1] += outStart[a];
  const next = outStart.slice();
  for (let j = 0; j < n; j++) {
    for (let e = starts[j]; e < starts[j + 1]; e++) {
      const to = next[atoms[e]]++;
      outCol[to] = j;
      outValues[to] = codes[e];
    }
  }
  return { rows: k, cols: n, rowPtr, col, values, scale: 0 };
}

/**
 * Layout `kernel` when every row of W is cut into `perRow` whole columns of X: Z' in CSR, [rows, perRow * k], where row o strings
 * together the rows (o, 0) .. (o, perRow - 1) of Z^T, so that W x = Z' T with T the product of each piece of x with each atom.
 */
export function mixOf(site: Site, weight: Factored): Mix {
  const { rows, k, n, nnz } = weight;
  const perRow = n / rows;
  const rowPtr = site.alloc(4 * (rows + 1));
  const col = site.alloc(4 * nnz);
  const values = site.alloc(4 * nnz);
  const { buffer } = site.kernels.memory;
  const starts = new Uint32Array(buffer, weight.rowPtr, n + 1);
  const atoms = new Uint32Array(buffer, weight.col, nnz);
  const outStart = new Uint32Array(buffer, rowPtr, rows + 1);
  const outCol = new Uint32Array(buffer, col, nnz);
  for (let o = 0; o <= rows; o++) outStart[o] = starts[o * perRow];
  for (let j = 0; j < n; j++) {
    for (let e = starts[j]; e < starts[j + 1]; e++) outCol[e] = (j % perRow) * k + atoms[e];
  }
  new Float32Array(buffer, values, nnz).set(new Int8Array(buffer, weight.codes, nnz));
  return { rows, cols: perRow * k, rowPtr, col, values, scale: 0 };
}
