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
export type Loss = "crossEntropy" | "meanSquaredError" | CrossEntropy | Distillation | WeightedSum;

/**
 * Cross entropy with smoothed labels: of the chance that a row's label has, `smoothing` is spread evenly over all classes. C. Szegedy et
 * al., "Rethinking the Inception architecture for computer vision", 2016.
 */
export interface CrossEntropy {
  readonly kind: "crossEntropy";
  /** 0..1, by default 0. */
  readonly smoothing?: number;
}

/** The sum of weight times loss over the terms. */
export interface WeightedSum {
  readonly kind: "sum";
  readonly terms: readonly { readonly loss: Loss; readonly weight: number }[];
}

/** Reads the output, writes its gradient, gives the loss. */
export type BoundLoss = (batch: Batch) => number;

/** @throws TypeError or RangeError naming the option */
export function checkLoss(loss: Loss, where = "loss"): void {
  if (loss === "crossEntropy" || loss === "meanSquaredError") return;
  const { kind } = Object(loss) as Partial<Exclude<Loss, string>>;
  if (kind !== "crossEntropy" && kind !== "distill" && kind !== "sum") {
    const wanted = 'crossEntropy, meanSquaredError or { kind: one of "crossEntropy", "distill", "sum" }';
    throw new TypeError(expected(`fit: ${where}`, wanted, typeof loss === "string" ? loss : nameOf(loss)));
  }
  const given = loss as Exclude<Loss, string>;
  if (given.kind === "distill") {
    checkDistillation(given);
  } else if (given.kind === "crossEntropy") {
    const { smoothing = 0 } = given;
    if (typeof smoothing !== "number" || !(smoothing >= 0 && smoothing <= 1)) {
      throw new RangeError(expected(`fit: ${where}.smoothing`, "a share in 0..1", String(smoothing)));
    }
  } else {
    if (!Array.isArray(given.terms) || given.terms.length === 0) {
      throw new TypeError(expected(`fit: ${where}.terms`, "an array of { loss, weight }", "none"));
    }
    for (const [i, term] of given.terms.entries()) {
      checkLoss(term?.loss, `${where}.terms[${i}].loss`);
      if (!Number.isFinite(term.weight) || term.weight < 0) {
        throw new RangeError(
          expected(`fit: ${where}.terms[${i}].weight`, "a number of 0 or more", String(term.weight)),
        );
      }
    }
  }
}

/** `kept`: whether a batch that comes again is the same as before. */
export function bindLoss(
  engine: FullEngine,
  module: WebAssembly.Module,
  { loss, kept }: { readonly loss: Loss; readonly kept: boolean },
  output: Slot,
  gradient: number,
): BoundLoss {
  if (loss === "meanSquaredError") return bindSquares(engine, output, gradient);
  if (loss === "crossEntropy") return bindEntropy(engine, output, gradient, 0);
  if (loss.kind === "crossEntropy") return bindEntropy(engine, output, gradient, loss.smoothing ?? 0);
  const { kernels, arena } = engine;
  const size = sizeOf(output.shape);
  if (loss.kind === "sum") {
    const part = arena.alloc(4 * size);
    const terms = loss.terms.map((term) => ({
      weight: term.weight,
      run: bindLoss(engine, module, { loss: term.loss, kept }, output, part),
    }));
    return (batch) => {
      let sum = 0;
      kernels.fill_row_f32(1, size, 0, gradient);
      for (const { weight, run } of terms) {
        sum += weight * run(batch);
        kernels.scale_f32(size, part, weight);
        kernels.add_into_f32(size, part, gradient);
      }
      return sum;
    };
  }
  const distill = bindDistillation(engine, module, loss, output, gradient, kept);
  const share = loss.labels ?? 0;
  if (share === 0) return distill;
  const labelled = arena.alloc(4 * size);
  const weights = arena.alloc(4 * size);
  floatsAt(engine, weights, size).fill(share);
  const entropy = bindEntropy(engine, output, labelled, 0);
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

function bindEntropy(engine: FullEngine, output: Slot, gradient: number, smoothing: number): BoundLoss {
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
    return kernels.cross_entropy_f32(rows, classes, output.pointer, labels, smoothing, gradient) / rows;
  };
}

function found(target: Batch["target"]): string {
  return target === undefined ? "none" : `${target.length} in ${nameOf(target)}`;
}
