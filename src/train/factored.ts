import { stepOf } from "../compress/wide.js";
import { matrixOf } from "../graph/storage.js";
import type { FactoredWeight } from "../graph/weight.js";
import { type FullEngine, floatsAt, place } from "../kernels/engine.js";
import { liveWeight } from "../runtime/lower.js";
import type { Parameter, Prunable } from "./parameter.js";
import { createScales, levelsIn } from "./scales.js";

/**
 * Live values = Q(C) Q(Z) on the support of Z, until a schedule moves it. With G = dW cut like X:
 * dZ[e] = <G column, atom>, dC = G Z^T. The scale of the codebook is tuned as well; those of Z stay, because making an atom larger
 * is the same as making its scale so. Where atoms are digits (see wide), Z alone is tuned.
 */
export function factoredParameter(
  engine: FullEngine,
  name: string,
  given: FactoredWeight,
  prunable: boolean,
): Parameter | Prunable {
  const levels = levelsIn(given.codes);
  // Atoms that stand for the digits of integers stay what they are.
  const fixed = stepOf(given) !== undefined;
  const weight = prunable ? filled(given) : given;
  const { shape, layout, d, n, k, codeScale } = weight;
  const { kernels, arena } = engine;
  const { rows, cols } = matrixOf(shape);
  const size = rows * cols;
  const padded = n * d;
  const nnz = weight.col.length;
  const rowPtr = place(engine, weight.rowPtr);
  const col = place(engine, weight.col);
  const entryScale = place(
    engine,
    Float32Array.from(weight.col, (atom) => codeScale[atom]),
  );
  const z = place(
    engine,
    Float32Array.from(weight.codes, (code, e) => code * codeScale[weight.col[e]]),
  );
  const c = place(
    engine,
    Float32Array.from(weight.codebook, (value) => value * weight.codebookScale),
  );
  const bookScale = createScales(engine, { rows: 1, cols: k * d, levels: 127 }, Float32Array.of(weight.codebookScale));
  const mask = prunable ? place(engine, supportOf(weight.codes)) : 0;
  const zRounded = arena.alloc(4 * nnz);
  const cRounded = arena.alloc(4 * k * d);
  const dz = arena.alloc(4 * nnz);
  const dc = arena.alloc(4 * k * d);
  const live = arena.alloc(4 * Math.max(size, padded));
  const gradient = arena.alloc(4 * Math.max(size, padded));
  // `rows` and `tile` work on the transpose of each band; `kernel` is already cut into rows of X^T.
  const turned = layout === "kernel" ? 0 : arena.alloc(4 * padded);
  const band = 4 * cols * d;
  const bands = turned ? Math.ceil(rows / d) : 0;
  floatsAt(engine, gradient, Math.max(size, padded)).fill(0);
  const parameter: Parameter = {
    name,
    live: liveWeight(shape, live) as Parameter["live"],
    gradient,
    trained: [
      { size: nnz, values: z, gradient: dz, mask, decays: false },
      ...(fixed ? [] : [{ size: k * d, values: c, gradient: dc, mask: 0, decays: false }, bookScale.trained]),
    ],
    refresh() {
      kernels.round_rows_f32(nnz, 1, z, entryScale, zRounded, levels);
      if (mask) kernels.mask_apply_f32(nnz, zRounded, mask, zRounded);
      bookScale.round(c, cRounded);
      kernels.codebook_rows_f32(n, d, rowPtr, col, zRounded, cRounded, turned || live);
      for (let b = 0; b < bands; b++) kernels.transpose_f32(cols, d, turned + b * band, live + b * band);
    },
    pull() {
      for (let b = 0; b < bands; b++) kernels.transpose_f32(d, cols, gradient + b * band, turned + b * band);
      kernels.codebook_dot_f32(n, d, rowPtr, col, turned || gradient, cRounded, dz);
      if (fixed) return;
      kernels.fill_row_f32(1, k * d, 0, dc);
      kernels.codebook_scatter_f32(n, d, rowPtr, col, zRounded, turned || gradient, dc);
      bookScale.pull(c, 0, dc);
    },
    store(): FactoredWeight {
      const values = floatsAt(engine, zRounded, nnz);
      const codes = Int8Array.from(values, (value, e) => Math.round(value / codeScale[weight.col[e]]));
      const [codebookScale] = bookScale.store();
      const codebook = Int8Array.from(floatsAt(engine, cRounded, k * d), (value) => Math.round(value / codebookScale));
      return dropZeroCodes({ ...weight, codes, codebook, codebookScale });
    },
  };
  return prunable
    ? { ...parameter, size: nnz, values: z, maskPointer: mask, rows: n, cols: k, shape: [n, k] }
    : parameter;
}

/** The same weight with an entry for every coefficient. */
function filled(weight: FactoredWeight): FactoredWeight {
  const { n, k } = weight;
  const codes = new Int8Array(n * k);
  for (let j = 0; j < n; j++)
    for (let e = weight.rowPtr[j]; e < weight.rowPtr[j + 1]; e++) codes[j * k + weight.col[e]] = weight.codes[e];
  return {
    ...weight,
    codes,
    rowPtr: Uint32Array.from({ length: n + 1 }, (_, j) => j * k),
    col: Uint32Array.from({ length: n * k }, (_, e) => e % k),
  };
}

/** A mask of the codes that are not 0. */
function supportOf(codes: Int8Array): Uint8Array {
  const mask = new Uint8Array(Math.ceil(codes.length / 8));
  for (const [i, code] of codes.entries()) if (code !== 0) mask[i >> 3] |= 1 << (i & 7);
  return mask;
}

/** The same weight without the coefficients that became zero. */
function dropZeroCodes(weight: FactoredWeight): FactoredWeight {
  const rowPtr = new Uint32Array(weight.n + 1);
  const keep: number[] = [];
  for (let j = 0; j < weight.n; j++) {
    for (let e = weight.rowPtr[j]; e < weight.rowPtr[j + 1]; e++) if (weight.codes[e] !== 0) keep.push(e);
    rowPtr[j + 1] = keep.length;
  }
  return {
    ...weight,
    rowPtr,
    col: Uint32Array.from(keep, (e) => weight.col[e]),
    codes: Int8Array.from(keep, (e) => weight.codes[e]),
  };
}
