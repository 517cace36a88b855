import { toDense } from "../graph/dense.js";
import { matrixOf } from "../graph/storage.js";
import type { MaskedWeight, Weight } from "../graph/weight.js";
import { bytesAt, type FullEngine, floatsAt, place } from "../kernels/engine.js";
import { liveWeight } from "../runtime/lower.js";
import { fullMask, type Parameter, type Prunable } from "./parameter.js";

export function denseParameter(engine: FullEngine, name: string, weight: Weight): Parameter {
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
export function maskedParameter(
  engine: FullEngine,
  name: string,
  weight: Weight,
  prunable: boolean,
): Parameter | Prunable {
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
  return prunable ? { ...parameter, size, values, maskPointer: mask, rows, cols, shape } : parameter;
}
