import { expected, ShapeError } from "../errors.js";
import { checkGraph } from "../graph/check.js";
import type { Graph } from "../graph/graph.js";
import { type FullEngine, floatsAt } from "../kernels/engine.js";
import type { Slot } from "../ops/op.js";
import { Model } from "../runtime/session.js";
import { nameOf, showShape, sizeOf } from "../tensor.js";
import type { Batch } from "./data.js";

/**
 * Pulls the network's first output to a teacher's; no labels are needed.
 *
 * `divergence`, of logits [rows, classes]: T^2 times the mean over the rows of KL(softmax(teacher / T) || softmax(output / T)).
 * `squares`: mean of (output - teacher)^2, for outputs of any kind.
 *
 * G. Hinton, O. Vinyals, J. Dean, "Distilling the knowledge in a neural network", 2015.
 */
export interface Distillation {
  readonly kind: "distill";
  /**
   * A network of the same inputs, run for each batch; where `data` is an array of batches, once for each of them, unless `shards`
   * cut them. Left out, every batch brings the `outputs` to learn from.
   */
  readonly teacher?: Graph;
  /** By default `divergence`. */
  readonly match?: "divergence" | "squares";
  /** T of the divergence, by default 1: the higher, the more the unlikely classes count. */
  readonly temperature?: number;
  /** The loss is (1 - labels) of this and `labels` of the cross entropy of the batch's target; 0..1, by default 0. */
  readonly labels?: number;
}

/** @throws TypeError or RangeError naming the option, FormatError for a teacher that is not well made */
export function checkDistillation({ teacher, match, temperature = 1, labels = 0 }: Distillation): void {
  if (teacher !== undefined) checkGraph(teacher);
  if (match !== undefined && match !== "divergence" && match !== "squares") {
    throw new TypeError(expected("fit: loss.match", "divergence or squares", String(match)));
  }
  if (!(temperature >= 0.01 && temperature <= 1000)) {
    throw new RangeError(expected("fit: loss.temperature", "a number in 0.01..1000", String(temperature)));
  }
  if (!(labels >= 0 && labels <= 1)) {
    throw new RangeError(expected("fit: loss.labels", "a share in 0..1", String(labels)));
  }
}

/** @param kept whether a batch that comes again is the same as before */
export function bindDistillation(
  engine: FullEngine,
  module: WebAssembly.Module,
  { teacher, match = "divergence", temperature = 1 }: Distillation,
  output: Slot,
  gradient: number,
  kept: boolean,
): (batch: Batch) => number {
  const { kernels, arena } = engine;
  const size = sizeOf(output.shape);
  if (match === "divergence" && output.shape.length !== 2) {
    throw new ShapeError(
      expected("fit: distillation by divergence", "logits [rows, classes]", showShape(output.shape)),
    );
  }
  const [rows, classes] = output.shape;
  const wanted = arena.alloc(4 * size);
  const outputsOf = teacher ? taught(new Model(teacher, module), kept) : given;
  return (batch) => {
    const outputs = outputsOf(batch);
    if (!(outputs instanceof Float32Array) || outputs.length !== size) {
      const where = teacher ? "fit: output of the teacher" : "fit: batch.outputs";
      const got = outputs === undefined ? "none" : `${outputs.length} in ${nameOf(outputs)}`;
      throw new ShapeError(expected(where, `${size} values in a Float32Array`, got));
    }
    floatsAt(engine, wanted, size).set(outputs);
    if (match === "squares") return kernels.mean_squared_error_f32(size, output.pointer, wanted, gradient);
    return kernels.divergence_f32(rows, classes, output.pointer, wanted, temperature, gradient) / rows;
  };
}

/** An array of outputs, whatever its type. */
type Outputs = ArrayLike<number | bigint> | undefined;

const given = ({ outputs }: Batch): Outputs => outputs;

/** What the teacher makes of a batch. */
function taught(model: Model, kept: boolean): (batch: Batch) => Outputs {
  const known = new WeakMap<Batch, Outputs>();
  const name = model.outputs[0]?.name ?? "";
  return (batch) => {
    const before = kept ? known.get(batch) : undefined;
    if (before) return before;
    const outputs = model.run(batch.inputs)[name]?.data;
    if (kept) known.set(batch, outputs);
    return outputs;
  };
}
