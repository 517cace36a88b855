import { expected } from "../errors.js";
import type { Parallel } from "../parallel.js";
import { checkRate, type Rate } from "../rate.js";
import { checkSchedule, type Schedule } from "../schedule.js";
import { nameOf } from "../tensor.js";
import type { Batches } from "./data.js";
import { type Checkpoints, checkCheckpoints } from "./keeper.js";
import { checkLoss, type Loss } from "./loss.js";
import { checkNames, type Names } from "./names.js";
import { checkOptimizer, type Optimizer } from "./optim.js";
import type { Pruning, Revival } from "./prune.js";
import { checkScope } from "./scope.js";

export interface FitOptions extends Pruning {
  /** One step each; all of one shape. A function is given the seed: `(seed) => batches(examples, { size, epochs, seed })`. */
  readonly data: Batches | ((seed: number) => Batches);
  readonly loss: Loss;
  readonly optimizer: Optimizer;
  /** Learning rate over the steps; by default 0.01 for sgd and 0.001 for adam, all the way. */
  readonly rate?: Rate;
  /** What `data` draws its order from, an integer; by default 1. Nothing else in training is random. */
  readonly seed?: number;
  /**
   * Sparsity over the steps: of dense and masked weights, of sparse int8 ones, and of the coefficients of factored ones. Without it
   * nothing is pruned, and masks and supports that the graph brings stay as they are.
   */
  readonly schedule?: Schedule;
  /**
   * Which weights are trained, by name as `prunable`; by default every one of floating-point numbers but constants: single numbers
   * without dimensions, bounds of Clip, exponents of Pow, sizes of Resize, and what Constant nodes hold. Those of integers never are.
   */
  readonly trainable?: Names;
  /**
   * What becomes of BatchNormalization. `fold`, by default: stored statistics go into the weights before them, and where that cannot be,
   * they stay as they are. `batch`: mean and variance are those of each batch, and the stored ones follow them by the node's `momentum`.
   * Nodes with training_mode = 1 do so in any case.
   */
  readonly norms?: "fold" | "batch";
  /**
   * Which weights may be pruned, by name: a function, patterns as `"conv*"` or `/^conv/`, or `{ in: [..], out: [..] }` of patterns. By default
   * every one of rank 2 or more; biases and other vectors never are.
   */
  readonly prunable?: Names;
  /**
   * Equal parts that each batch is cut into along axis 0 of all it brings, by default 1. Loss and gradients are the means of the parts',
   * summed in their order; norms with statistics of the batch see one part each, and the stored ones follow the mean of the parts'.
   */
  readonly shards?: number;
  /** Who does the shards, as the threads of `coppice/threads`: by default this thread, one after the other. The result is the same. */
  readonly parallel?: Parallel;
  /**
   * Where the state is kept, to go on from bit for bit: now and then, at the end of the data, on `break` and by `signal`. A run on a store that has some
   * takes it up; `data` begins anew and the batches of the steps done are skipped, so it must be the same each time.
   */
  readonly checkpoints?: Checkpoints;
  /** Stops between two steps, or while batches are skipped: what was done is kept, and the iteration rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** full.wasm, compiled; found by itself where it is left out. */
  readonly module?: WebAssembly.Module;
  /** Most memory that this thread takes, and each that does shards. */
  readonly maxBytes?: number;
}

const revivals: readonly Revival[] = ["keep", "zero", "shadow"];

/** @throws TypeError or RangeError naming the option */
export function checkOptions(options: FitOptions): void {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(expected("fit", "options", nameOf(options)));
  }
  const { data, loss, optimizer, rate, schedule, scope, distribution, block, revival, prunable, seed } = options;
  const { trainable, norms, shards, parallel, checkpoints } = options;
  const oneOf = (where: string, value: unknown, allowed: readonly string[]) => {
    if (!allowed.includes(value as string)) {
      throw new TypeError(expected(`fit: ${where}`, `one of ${allowed.join(", ")}`, String(value)));
    }
  };
  const iterable = Object(data);
  if (typeof data !== "function" && !(Symbol.iterator in iterable) && !(Symbol.asyncIterator in iterable)) {
    throw new TypeError(expected("fit: data", "an iterable of batches, or a function that gives one", nameOf(data)));
  }
  checkLoss(loss);
  checkOptimizer(optimizer);
  if (norms !== undefined) oneOf("norms", norms, ["fold", "batch"]);
  if (revival !== undefined) oneOf("revival", revival, revivals);
  if (seed !== undefined && !Number.isSafeInteger(seed)) {
    throw new RangeError(expected("fit: seed", "an integer", String(seed)));
  }
  if (shards !== undefined && !(Number.isSafeInteger(shards) && shards >= 1)) {
    throw new RangeError(expected("fit: shards", "a whole number from 1", String(shards)));
  }
  if (parallel !== undefined && typeof parallel !== "function") {
    throw new TypeError(expected("fit: parallel", "a function", nameOf(parallel)));
  }
  if (checkpoints !== undefined) checkCheckpoints(checkpoints);
  if (rate !== undefined) checkRate(rate);
  if (schedule !== undefined) checkSchedule(schedule);
  checkScope(scope ?? "global", distribution, block, schedule);
  if (prunable !== undefined) checkNames("fit: prunable", prunable);
  if (trainable !== undefined) checkNames("fit: trainable", trainable);
}

/** The learning rate where none is given. */
export function rateOf({ rate, optimizer }: FitOptions): Rate {
  return rate ?? (optimizer.kind === "sgd" ? 0.01 : 0.001);
}

/** The batches, from the seed where a function gives them. */
export function batchesOf({ data, seed = 1 }: FitOptions): Batches {
  return typeof data === "function" ? data(seed) : data;
}
