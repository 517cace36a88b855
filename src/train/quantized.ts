import { expected, UnsupportedError } from "../errors.js";
import { toDense } from "../graph/dense.js";
import { matrixOf } from "../graph/storage.js";
import type { Int8Weight, SparseWeight } from "../graph/weight.js";
import { type FullEngine, floatsAt, place } from "../kernels/engine.js";
import { liveWeight } from "../runtime/lower.js";
import type { Parameter, Prunable } from "./parameter.js";
import { createScales, levelsIn } from "./scales.js";

/** Live values = round(values / scale) * scale where the mask is 1: on the support, until a schedule moves it. */
export function quantizedParameter(
  engine: FullEngine,
  name: string,
  weight: Int8Weight | SparseWeight,
  prunable: boolean,
): Parameter | Prunable {
  const { shape } = weight;
  const { rows, cols } = matrixOf(shape);
  const size = rows * cols;
  const { kernels } = engine;
  const given = weight.kind === "int8" ? weight.q : weight.values;
  if (!(given instanceof Int8Array) || !weight.scale) {
    throw new UnsupportedError(expected(`fit: weight ${name}`, "int8 values, or dense ones", "sparse f32 values"));
  }
  const perTensor = weight.scale.length === 1;
  const grid = { rows: perTensor ? 1 : rows, cols: perTensor ? size : cols, levels: levelsIn(given) };
  const scales = createScales(engine, grid, weight.scale);
  const values = place(engine, toDense(weight));
  const live = engine.arena.alloc(4 * size);
  const gradient = engine.arena.alloc(4 * size);
  const mask = weight.kind === "sparse" ? place(engine, supportOf(weight, rows, cols)) : 0;
  const parameter: Parameter = {
    name,
    live: liveWeight(shape, live) as Parameter["live"],
    gradient,
    trained: [{ size, values, gradient, mask, decays: false }, scales.trained],
    refresh() {
      scales.round(values, live);
      if (mask) kernels.mask_apply_f32(size, live, mask, live);
    },
    pull: () => scales.pull(values, mask, gradient),
    store() {
      const scale = scales.store();
      const rounded = floatsAt(engine, live, size);
      const q = Int8Array.from(rounded, (value, i) => Math.round(value / scale[perTensor ? 0 : Math.floor(i / cols)]));
      return weight.kind === "int8" ? { kind: "int8", shape, q, scale } : sparseOf(shape, q, scale);
    },
  };
  return prunable && mask ? { ...parameter, size, values, maskPointer: mask, rows, cols, shape } : parameter;
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
function sparseOf(shape: readonly number[], q: Int8Array, scale: Float32Array): SparseWeight {
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
