import { expected, ShapeError } from "../errors.js";
import { type FullEngine, floatsAt, wordsAt } from "../kernels/engine.js";
import type { Slot } from "../ops/op.js";
import { nameOf, showShape, sizeOf } from "../tensor.js";
import type { Batch } from "./data.js";
import { bindDistillation, checkDistillation, type Distillation } from "./distill.js";

/**
 * `crossEntropy`: mean over the rows of -log softmax(logits)[label]; the target is a class per row.
 * `meanSquaredError`: mean of (y - target)^2; the target has the output's shape.
 */
export type Loss = "crossEntropy" | "meanSquaredError" | Distillation;

/** Reads the output, writes its gradient, gives the loss. */
export type BoundLoss = (batch: Batch) => number;

/** @throws TypeError or RangeError naming the option */
export function checkLoss(loss: Loss): void {
  if (loss === "crossEntropy" || loss === "meanSquaredError") return;
  if (Object(loss).kind !== "distill") {
    const wanted = 'crossEntropy, meanSquaredError or { kind: "distill" }';
    throw new TypeError(expected("fit: loss", wanted, typeof loss === "string" ? loss : nameOf(loss)));
  }
  checkDistillation(loss);
}

export function bindLoss(
  engine: FullEngine,
  module: WebAssembly.Module,
  { loss, data }: { readonly loss: Loss; readonly data: unknown },
  output: Slot,
  gradient: number,
): BoundLoss {
  if (loss === "meanSquaredError") return bindSquares(engine, output, gradient);
  if (loss === "crossEntropy") return bindEntropy(engine, output, gradient);
  // Only the batches of an array are known to stay what they are.
  const distill = bindDistillation(engine, module, loss, output, gradient, Array.isArray(data));
  const share = loss.labels ?? 0;
  if (share === 0) return distill;
  const { kernels, arena } = engine;
  const size = sizeOf(output.shape);
  const labelled = arena.alloc(4 * size);
  const weights = arena.alloc(4 * size);
  floatsAt(engine, weights, size).fill(share);
  const entropy = bindEntropy(engine, output, labelled);
  return (batch) => {
    const taught = distill(batch);
    const told = entropy(batch);
    kernels.blend_f32(size, weights, gradient, labelled, gradient);
    return taught + share * (told - taught);
  };
}

function bindSquares(engine: FullEngine, output: Slot, gradient: number): BoundLoss {
  const { kernels, arena } = engine;
  const size = sizeOf(output.shape);
  const wanted = arena.alloc(4 * size);
  return ({ target }) => {
    if (!(target instanceof Float32Array) || target.length !== size) {
      throw new ShapeError(expected("fit: target", `${size} values in a Float32Array`, found(target)));
    }
    floatsAt(engine, wanted, size).set(target);
    return kernels.mean_squared_error_f32(size, output.pointer, wanted, gradient);
  };
}

function bindEntropy(engine: FullEngine, output: Slot, gradient: number): BoundLoss {
  const { kernels, arena } = engine;
  if (output.shape.length !== 2) {
    throw new ShapeError(expected("fit: crossEntropy", "logits [rows, classes]", showShape(output.shape)));
  }
  const [rows, classes] = output.shape;
  const labels = arena.alloc(4 * rows);
  return ({ target }) => {
    if (target?.length !== rows) throw new ShapeError(expected("fit: target", `${rows} class numbers`, found(target)));
    for (const label of target) {
      if (!(label < classes) || label < 0 || !Number.isInteger(label)) {
        throw new ShapeError(expected("fit: target", `classes in 0..${classes - 1}`, `${label}`));
      }
    }
    wordsAt(engine, labels, rows).set(target);
    return kernels.cross_entropy_f32(rows, classes, output.pointer, labels, gradient) / rows;
  };
}

function found(target: Batch["target"]): string {
  return target === undefined ? "none" : `${target.length} in ${nameOf(target)}`;
}
