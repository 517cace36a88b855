import { expected, ShapeError } from "../errors.js";
import { type FullEngine, floatsAt, wordsAt } from "../kernels/engine.js";
import type { Slot } from "../ops/op.js";
import { nameOf, showShape, sizeOf } from "../tensor.js";

/**
 * `crossEntropy`: mean over the rows of -log softmax(logits)[label]; the target is a class per row.
 * `meanSquaredError`: mean of (y - target)^2; the target has the output's shape.
 */
export type Loss = "crossEntropy" | "meanSquaredError";

/** Class numbers for crossEntropy, values for meanSquaredError. */
export type Target = Uint8Array | Uint32Array | Float32Array;

export interface BoundLoss {
  /** Reads the output, writes its gradient, gives the loss. */
  run(target: Target): number;
}

export function bindLoss(engine: FullEngine, loss: Loss, output: Slot, gradient: number): BoundLoss {
  const { kernels, arena } = engine;
  const size = sizeOf(output.shape);
  if (loss === "meanSquaredError") {
    const wanted = arena.alloc(4 * size);
    return {
      run(target) {
        if (!(target instanceof Float32Array) || target.length !== size) {
          throw new ShapeError(
            expected("fit: target", `${size} values in a Float32Array`, `${target.length} in ${nameOf(target)}`),
          );
        }
        floatsAt(engine, wanted, size).set(target);
        return kernels.mean_squared_error_f32(size, output.pointer, wanted, gradient);
      },
    };
  }
  if (output.shape.length !== 2) {
    throw new ShapeError(expected("fit: crossEntropy", "logits [rows, classes]", showShape(output.shape)));
  }
  const [rows, classes] = output.shape;
  const labels = arena.alloc(4 * rows);
  return {
    run(target) {
      if (target.length !== rows) {
        throw new ShapeError(expected("fit: target", `${rows} class numbers`, `${target.length}`));
      }
      for (const label of target) {
        if (!(label < classes) || label < 0 || !Number.isInteger(label)) {
          throw new ShapeError(expected("fit: target", `classes in 0..${classes - 1}`, `${label}`));
        }
      }
      wordsAt(engine, labels, rows).set(target);
      return kernels.cross_entropy_f32(rows, classes, output.pointer, labels, gradient) / rows;
    },
  };
}
