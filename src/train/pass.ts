import { isFloat } from "../dtype.js";
import { expected, ShapeError } from "../errors.js";
import type { Graph } from "../graph/graph.js";
import { type FullEngine, floatsAt, put } from "../kernels/engine.js";
import type { PlacedWeight, Slot } from "../ops/op.js";
import { lowerGraph } from "../runtime/lower.js";
import { bindPlan, enterPlan, runPlan } from "../runtime/plan.js";
import { sizeOf } from "../tensor.js";
import { createBackward } from "./backward.js";
import type { Batch } from "./data.js";
import { inputOf, type Shapes } from "./inputs.js";
import { bindLoss } from "./loss.js";
import { bindStatistics, inTraining, type Statistic } from "./norms.js";
import type { FitOptions } from "./options.js";
import type { Place } from "./parameter.js";

/** Forward and backward through a network: live values of the trained weights in, loss, gradients and statistics out. */
export interface Pass {
  /** The loss of a batch; where it is finite, every gradient stands at its address. @throws ShapeError for a batch that does not fit */
  run(batch: Batch): number;
  /** What the norms made of their stored statistics in the last run: valid until the next allocation. */
  statistics(): readonly Statistic[];
  /** After a loss that is not finite: the first tensor that is not, of inputs, weights, and values in the order in which they are made. */
  culprit(): string | undefined;
}

/** What a pass goes by. */
export interface PassOptions extends Pick<FitOptions, "loss" | "norms"> {
  /** Whether a batch that comes again is the same as before. */
  readonly kept: boolean;
}

/**
 * One that works in `engine`, over whole batches.
 * @param places the trained weights, by name; all others stay as the graph has them
 * @throws ShapeError, UnsupportedError, OutOfMemoryError
 */
export function createPass(
  engine: FullEngine,
  module: WebAssembly.Module,
  graph: Graph,
  places: ReadonlyMap<string, Place>,
  shapes: Shapes,
  options: PassOptions,
): Pass {
  const live = new Map<string, PlacedWeight>([...places].map(([name, place]) => [name, place.live]));
  const inStep = inTraining(graph, options.norms === "batch");
  const lowered = lowerGraph(engine, inStep, { live });
  const infos = new Map(graph.inputs.map(({ name, dtype }) => [name, { dtype, shape: shapes.get(name)! }]));
  const plan = bindPlan(engine, inStep, lowered, infos, { live, keep: true });
  enterPlan(engine, plan);
  const backward = createBackward(engine, plan, (name) => lowered.weights.dense(name), places);
  const output = graph.outputs[0].name;
  if (backward.output === 0) throw new ShapeError(expected("fit", "an output that weights lead to", output));
  const lossOf = bindLoss(engine, module, options, plan.slots.get(output)!, backward.output);
  return {
    run(batch) {
      for (const input of graph.inputs) {
        put(engine, plan.slots.get(input.name)!.pointer, inputOf(batch, input, shapes).data);
      }
      runPlan(plan);
      backward.clear();
      const loss = lossOf(batch);
      if (Number.isFinite(loss)) backward.run();
      return loss;
    },
    statistics: bindStatistics(engine, plan, places),
    culprit() {
      const allFinite = (pointer: number, size: number) => floatsAt(engine, pointer, size).every(Number.isFinite);
      const bad = ({ dtype, pointer, shape }: Slot) => isFloat(dtype) && !allFinite(pointer, sizeOf(shape));
      for (const { name } of graph.inputs) if (bad(plan.slots.get(name)!)) return `input ${name}`;
      for (const [name, { live }] of places)
        if (!allFinite(live.values, live.rows * live.cols)) return `weight ${name}`;
      for (const { node, outputs, io } of plan.steps) {
        const i = io.outputs.findIndex((slot, j) => slot && outputs[j] !== "" && bad(slot));
        if (i >= 0) return `${outputs[i]} of node ${node.name}`;
      }
      return undefined;
    },
  };
}
