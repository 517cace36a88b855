import { expected, UnsupportedError } from "../errors.js";
import { plain, toDense } from "../graph/dense.js";
import { matrixOf } from "../graph/storage.js";
import type { FactoredWeight, Int8Weight, MaskedWeight, SparseWeight, Weight } from "../graph/weight.js";
import { bytesAt, type FullEngine, floatsAt, place } from "../kernels/engine.js";
import type { PlacedWeight } from "../ops/op.js";
import { liveWeight } from "../runtime/lower.js";

/** Values that the optimizer moves: f32 [size] and their gradient. `mask` 0 = all of them move. */
export interface Trained {
  readonly size: number;
  readonly values: number;
  readonly gradient: number;
  mask: number;
  /** Whether weight decay applies: to matrices and kernels, not to biases. */
  readonly decays: boolean;
}

/** A weight in training: what the forward pass sees (`live`) and what the optimizer moves (`trained`), and the way between. */
export interface Parameter {
  readonly name: string;
  readonly live: PlacedWeight & { readonly kind: "live" };
  /** Where the backward pass adds the gradient of the live values. */
  readonly gradient: number;
  readonly trained: readonly Trained[];
  /** Live values from the trained ones. */
  refresh(): void;
  /** Gradients of the trained values from the gradient of the live ones. */
  pull(): void;
  /** The weight as it stands, stored as it came. */
  store(): Weight;
}

/** A weight whose mask the schedule may change. */
export interface Prunable extends Parameter {
  readonly size: number;
  readonly values: number;
  readonly maskPointer: number;
}

export function isPrunable(parameter: Parameter): parameter is Prunable {
  return "maskPointer" in parameter;
}

/**
 * A weight ready to train, by how it is stored: dense and masked values move as they are; int8, sparse and factored ones are tuned
 * straight through their quantization (Y. Bengio, N. Leonard, A. Courville, "Estimating or propagating gradients through
 * stochastic neurons", 2013): the forward pass uses the quantized values, the gradient moves the f32 ones behind them.
 */
export function createParameter(engine: FullEngine, name: string, weight: Weight, prunable: boolean): Parameter {
  const stored = plain(weight);
  switch (stored.kind) {
    case "dense":
    case "masked":
      return prunable || stored.kind === "masked"
        ? maskedParameter(engine, name, stored, prunable)
        : denseParameter(engine, name, stored);
    case "int8":
    case "sparse":
      return quantizedParameter(engine, name, stored);
    case "factored":
      return factoredParameter(engine, name, stored);
  }
}

function denseParameter(engine: FullEngine, name: string, weight: Weight): Parameter {
  const { shape } = weight;
  const { rows, cols } = matrixOf(shape);
  const size = rows * cols;
  const values = place(engine, toDense(weight));
  const gradient = engine.arena.alloc(4 * size);
  return {
    name,
    live: liveWeight(shape, values) as Parameter["live"],
    gradient,
    trained: [{ size, values, gradient, mask: 0, decays: shape.length > 1 }],
    refresh() {},
    pull() {},
    store: () => ({ kind: "dense", shape, dtype: "float32", data: floatsAt(engine, values, size).slice() }),
  };
}

/** Live values = values * mask. */
function maskedParameter(engine: FullEngine, name: string, weight: Weight, prunable: boolean): Parameter | Prunable {
  const { shape } = weight;
  const { rows, cols } = matrixOf(shape);
  const size = rows * cols;
  const values = place(engine, weight.kind === "masked" ? weight.data : toDense(weight));
  const live = engine.arena.alloc(4 * size);
  const gradient = engine.arena.alloc(4 * size);
  const mask = place(engine, weight.kind === "masked" ? weight.mask : fullMask(size));
  const parameter: Parameter = {
    name,
    live: liveWeight(shape, live) as Parameter["live"],
    gradient,
    trained: [{ size, values, gradient, mask, decays: true }],
    refresh: () => engine.kernels.mask_apply_f32(size, values, mask, live),
    pull() {},
    store: (): MaskedWeight => ({
      kind: "masked",
      shape,
      data: floatsAt(engine, values, size).slice(),
      mask: bytesAt(engine, mask, Math.ceil(size / 8)).slice(),
    }),
  };
  return prunable ? { ...parameter, size, values, maskPointer: mask } : parameter;
}

/** A mask that keeps everything. */
export function fullMask(size: number): Uint8Array {
  const mask = new Uint8Array(Math.ceil(size / 8)).fill(255);
  if (size & 7) mask[mask.length - 1] = (1 << (size & 7)) - 1;
  return mask;
}

/** Live values = round(values / scale) * scale on the support; scales and support stay. */
function quantizedParameter(engine: FullEngine, name: string, weight: Int8Weight | SparseWeight): Parameter {
  const { shape } = weight;
  const { rows, cols } = matrixOf(shape);
  const size = rows * cols;
  const dense = toDense(weight);
  const { kernels } = engine;
  const given = weight.kind === "int8" ? weight.q : weight.values;
  if (!(given instanceof Int8Array) || !weight.scale) {
    throw new UnsupportedError(expected(`fit: weight ${name}`, "int8 values, or dense ones", "sparse f32 values"));
  }
  const scales = weight.scale;
  const levels = Math.max(1, largest(given));
  const values = place(engine, dense);
  const live = engine.arena.alloc(4 * size);
  const gradient = engine.arena.alloc(4 * size);
  const scale = place(
    engine,
    Float32Array.from({ length: rows }, (_, r) => scales[scales.length === 1 ? 0 : r]),
  );
  const mask = weight.kind === "sparse" ? place(engine, supportOf(weight, rows, cols)) : 0;
  return {
    name,
    live: liveWeight(shape, live) as Parameter["live"],
    gradient,
    trained: [{ size, values, gradient, mask, decays: false }],
    refresh() {
      kernels.round_rows_f32(rows, cols, values, scale, live, levels);
      if (mask) kernels.mask_apply_f32(size, live, mask, live);
    },
    pull() {},
    store() {
      const q = new Int8Array(size);
      const rounded = floatsAt(engine, live, size);
      for (let i = 0; i < size; i++)
        q[i] = Math.round(rounded[i] / scales[scales.length === 1 ? 0 : Math.floor(i / cols)]);
      if (weight.kind === "int8") return { kind: "int8", shape, q, scale: scales };
      return sparseOf(shape, q, scales);
    },
  };
}

function largest(codes: Int8Array): number {
  return codes.reduce((most, code) => Math.max(most, Math.abs(code)), 0);
}

function supportOf(weight: SparseWeight, rows: number, cols: number): Uint8Array {
  const mask = new Uint8Array(Math.ceil((rows * cols) / 8));
  for (let r = 0; r < rows; r++) {
    for (let e = weight.rowPtr[r]; e < weight.rowPtr[r + 1]; e++) {
      const i = r * cols + weight.col[e];
      mask[i >> 3] |= 1 << (i & 7);
    }
  }
  return mask;
}

/** CSR of the values that are not zero. */
export function sparseOf(shape: readonly number[], q: Int8Array, scale: Float32Array): SparseWeight {
  const { rows, cols } = matrixOf(shape);
  const rowPtr = new Uint32Array(rows + 1);
  const col: number[] = [];
  const values: number[] = [];
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < cols; c++) {
      const value = q[r * cols + c];
      if (value === 0) continue;
      col.push(c);
      values.push(value);
    }
    rowPtr[r + 1] = col.length;
  }
  return { kind: "sparse", shape, rowPtr, col: Uint32Array.from(col), values: Int8Array.from(values), scale };
}

/**
 * Live values = Q(C) Q(Z) with the support of Z and all scales as they are. With G = dW cut like X:
 * dZ[e] = <G column, atom> on the support, dC = G Z^T.
 */
function factoredParameter(engine: FullEngine, name: string, weight: FactoredWeight): Parameter {
  const { shape, layout, d, n, k } = weight;
  const { kernels, arena } = engine;
  const { rows, cols } = matrixOf(shape);
  const size = rows * cols;
  const padded = n * d;
  const nnz = weight.col.length;
  const codeLevels = Math.max(1, largest(weight.codes));
  const { codeScale, codebookScale } = weight;
  const rowPtr = place(engine, weight.rowPtr);
  const col = place(engine, weight.col);
  const entryScale = place(
    engine,
    Float32Array.from(weight.col, (atom) => codeScale[atom]),
  );
  const bookScale = place(engine, new Float32Array([codebookScale]));
  const z = place(
    engine,
    Float32Array.from(weight.codes, (code, e) => code * codeScale[weight.col[e]]),
  );
  const c = place(
    engine,
    Float32Array.from(weight.codebook, (value) => value * codebookScale),
  );
  const zRounded = arena.alloc(4 * nnz);
  const cRounded = arena.alloc(4 * k * d);
  const dz = arena.alloc(4 * nnz);
  const dc = arena.alloc(4 * k * d);
  const live = arena.alloc(4 * Math.max(size, padded));
  const gradient = arena.alloc(4 * Math.max(size, padded));
  // Layout `rows` works on the transpose; `kernel` is already cut into rows of X^T.
  const turned = layout === "rows" ? arena.alloc(4 * padded) : 0;
  floatsAt(engine, gradient, Math.max(size, padded)).fill(0);
  return {
    name,
    live: liveWeight(shape, live) as Parameter["live"],
    gradient,
    trained: [
      { size: nnz, values: z, gradient: dz, mask: 0, decays: false },
      { size: k * d, values: c, gradient: dc, mask: 0, decays: false },
    ],
    refresh() {
      kernels.round_rows_f32(nnz, 1, z, entryScale, zRounded, codeLevels);
      kernels.round_rows_f32(1, k * d, c, bookScale, cRounded, 127);
      kernels.codebook_rows_f32(n, d, rowPtr, col, zRounded, cRounded, turned || live);
      if (turned) kernels.transpose_f32(n, d, turned, live);
    },
    pull() {
      if (turned) kernels.transpose_f32(rows, cols, gradient, turned);
      kernels.codebook_dot_f32(n, d, rowPtr, col, turned || gradient, cRounded, dz);
      kernels.fill_row_f32(1, k * d, 0, dc);
      kernels.codebook_scatter_f32(n, d, rowPtr, col, zRounded, turned || gradient, dc);
    },
    store(): FactoredWeight {
      const codes = new Int8Array(nnz);
      const values = floatsAt(engine, zRounded, nnz);
      for (let e = 0; e < nnz; e++) codes[e] = Math.round(values[e] / codeScale[weight.col[e]]);
      const codebook = Int8Array.from(floatsAt(engine, cRounded, k * d), (value) => Math.round(value / codebookScale));
      return dropZeroCodes({ ...weight, codes, codebook });
    },
  };
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
