import type { Graph } from "../graph/graph.js";
import { matrixOf } from "../graph/storage.js";
import type { FullKernels } from "../kernels/abi.js";
import { createEngine, type FullEngine, floatsAt } from "../kernels/engine.js";
import type { Task } from "../parallel.js";
import { liveWeight } from "../runtime/lower.js";
import type { Batch } from "./data.js";
import type { Shapes } from "./inputs.js";
import type { Statistic } from "./norms.js";
import type { FitOptions } from "./options.js";
import type { Parameter, Place } from "./parameter.js";
import { createPass } from "./pass.js";

/** What all shards of a training share. */
export interface ShardSetup extends Pick<FitOptions, "loss" | "norms" | "maxBytes"> {
  readonly graph: Graph;
  /** full.wasm, compiled. */
  readonly module: WebAssembly.Module;
  /** The trained weights, in the order in which their values and gradients go over. */
  readonly trained: readonly string[];
  /** Inputs of one shard. */
  readonly shapes: Shapes;
}

export interface ShardJob {
  /** Live values of all trained weights, one after the other. */
  readonly weights: Float32Array;
  /** Where the gradients go, in shared memory: of their own where it is left out. */
  readonly room?: Float32Array;
  /** One shard of the batch. */
  readonly batch: Batch;
}

export interface ShardResult {
  /** The mean over the shard. */
  readonly loss: number;
  /** Of that loss, as the weights; of no meaning where it is not finite. */
  readonly gradients: Float32Array;
  /** What the norms made of their stored statistics, from this shard alone. */
  readonly statistics: readonly Statistic[];
  /** As `Pass` has it. */
  readonly culprit: string | undefined;
}

/** The gradients of one shard of a batch. */
export const shard: Task<ShardSetup, ShardJob, ShardResult> = {
  name: "shard",
  start: (setup) => startShard(createEngine<FullKernels>(setup.module, setup.maxBytes), setup),
};

/** The same in a memory that is there. */
export function startShard(engine: FullEngine, setup: ShardSetup): (job: ShardJob) => ShardResult {
  const { graph, module, trained, shapes } = setup;
  const places = new Map(trained.map((name) => [name, placeOf(engine, graph.weights.get(name)!.shape)]));
  const pass = createPass(engine, module, graph, places, shapes, { ...setup, kept: false });
  return ({ weights, room, batch }) => {
    let at = 0;
    for (const { live } of places.values()) {
      const size = live.rows * live.cols;
      floatsAt(engine, live.values, size).set(weights.subarray(at, at + size));
      at += size;
    }
    const loss = pass.run(batch);
    const gradients = room ?? new Float32Array(at);
    at = 0;
    for (const { live, gradient } of places.values()) {
      const size = live.rows * live.cols;
      gradients.set(floatsAt(engine, gradient, size), at);
      at += size;
    }
    const statistics = pass.statistics().map(({ weight, values }) => ({ weight, values: values.slice() }));
    return { loss, gradients, statistics, culprit: Number.isFinite(loss) ? undefined : pass.culprit() };
  };
}

function placeOf(engine: FullEngine, shape: readonly number[]): Place {
  const { rows, cols } = matrixOf(shape);
  const live = liveWeight(shape, engine.arena.alloc(4 * rows * cols)) as Parameter["live"];
  return { live, gradient: engine.arena.alloc(4 * rows * cols) };
}
