import { load } from "#kernels/full";
import { DivergedError, expected, ResumeError } from "../errors.js";
import { checkGraph } from "../graph/check.js";
import { type Graph, withWeights } from "../graph/graph.js";
import { isReal, type Weight } from "../graph/weight.js";
import type { FullKernels } from "../kernels/abi.js";
import { bytesAt, createEngine, type FullEngine, floatsAt } from "../kernels/engine.js";
import { fold } from "../passes/fold.js";
import { hoist } from "../passes/hoist.js";
import { modernize } from "../passes/modernize.js";
import { rewrite } from "../passes/net.js";
import { turnedWeight } from "../passes/patterns/movement.js";
import { rateAt } from "../rate.js";
import { type Phase, phaseAt, type Schedule, sparsityAt } from "../schedule.js";
import type { State } from "./checkpoint.js";
import { constantsOf } from "./constants.js";
import { createParameter } from "./create.js";
import type { Batch } from "./data.js";
import { shapesOf } from "./inputs.js";
import { jobOf } from "./job.js";
import { Keeper, type Resumable } from "./keeper.js";
import { namesOf } from "./names.js";
import { bindOptimizer } from "./optim.js";
import { batchesOf, checkOptions, type FitOptions, rateOf } from "./options.js";
import { isPrunable, type Parameter, type Prunable } from "./parameter.js";
import { createPass, type Pass } from "./pass.js";
import { createPruner, type MaskChange, type TensorMask } from "./prune.js";
import { createShards, type Shards } from "./shards.js";

/** One optimizer step. */
export interface StepReport {
  readonly step: number;
  readonly loss: number;
  readonly rate: number;
  /** Realised fraction of zeros over the prunable weights, 0..1. */
  readonly sparsity: number;
  readonly phase: Phase | undefined;
  /** The masks of this step, against those of the step before. */
  readonly masks: MaskReport | undefined;
  /** At the last step of each cycle: its masks against those that ended the cycle before. */
  readonly cycle: CycleReport | undefined;
}

export interface MaskReport extends MaskChange {
  readonly tensors: readonly TensorMask[];
}

export interface CycleReport extends MaskChange {
  readonly index: number;
  readonly from: number;
  readonly to: number;
  /** Weights of which no value is left. */
  readonly collapsed: readonly string[];
}

export interface Fit extends AsyncIterable<StepReport> {
  /** The network as it stands. Masked weights stay masked; compressed ones keep their storage. */
  graph(): Graph;
}

/**
 * Trains a network, pruning it by a schedule where one is given; a graph of compressed weights is tuned straight through its
 * quantization. Norms with stored statistics are folded into the weights before them, or with `norms: "batch"` take those of the batch.
 * Nothing happens until the result is iterated; each step is yielded, and memory is freed at the end or on `break`. With `checkpoints`
 * it goes on where it was left, and the steps done are not yielded again.
 * @throws TypeError or RangeError for options out of range, at once; while iterated ShapeError, UnsupportedError, OutOfMemoryError, DivergedError
 * where the loss is no longer a number, and what `parallel` throws; ResumeError, FormatError and StorageError of checkpoints; the signal's reason
 */
export function fit(given: Graph, options: FitOptions): Fit {
  checkOptions(options);
  checkGraph(given);
  const modern = modernize(given);
  const folded = options.norms === "batch" ? hoist(modern) : fold(hoist(modern));
  const graph = rewrite(folded, { MatMul: [turnedWeight] });
  const matrices = [...graph.weights].filter(([, { shape }]) => shape.length > 1).map(([name]) => name);
  const prunable = namesOf("fit: prunable", options.prunable ?? (() => true), matrices);
  const fixed = constantsOf(graph, given);
  const trainable = namesOf("fit: trainable", options.trainable ?? ((name) => !fixed(name)), [...graph.weights.keys()]);
  let current: () => Graph = () => graph;
  return {
    graph: () => current(),
    async *[Symbol.asyncIterator]() {
      const module = options.module ?? (await load(false));
      const { checkpoints } = options;
      let training: Training | undefined;
      let keeper: Keeper | undefined;
      let seen = 0;
      /** Whether all is well, and nothing half done. */
      let rests = false;
      await checkpoints?.store.open();
      try {
        for await (const batch of batchesOf(options)) {
          if (!training) {
            training = new Training(graph, module, { ...options, prunable, trainable }, batch);
            current = () => training!.graph();
            if (checkpoints) {
              keeper = await Keeper.start(checkpoints, training, await jobOf(options, graph, batch, training.names()));
            }
          }
          rests = true;
          options.signal?.throwIfAborted();
          rests = false;
          const done = seen++ < training.steps;
          const report = done ? undefined : await training.step(batch, keeper?.last);
          if (report) await keeper?.stepped();
          // One turn of the event loop now and then: signals and timers are heard, and a page stays alive.
          if (seen % (done ? skipped : training.pauseEvery) === 0)
            await new Promise((resolve) => setTimeout(resolve, 0));
          rests = true;
          if (report) yield report;
          rests = false;
        }
        if (!training) throw new RangeError(expected("fit: data", "at least one batch", "none"));
        if (seen < training.steps) {
          throw new ResumeError(expected("fit: data", `the ${training.steps} batches of the steps done`, `${seen}`));
        }
        rests = true;
      } finally {
        try {
          const last = training?.graph();
          if (last) current = () => last;
          if (rests) await keeper?.save();
        } finally {
          await checkpoints?.store.close();
          training = undefined;
        }
      }
    },
  };
}

/** Options with the names that may be pruned looked up. */
type Chosen = FitOptions & Readonly<Record<"prunable" | "trainable", (name: string) => boolean>>;

/** Bytes that steps may go over between two turns of the event loop: some tenths of a second, and 1 % of the time at most. */
const pauseBytes = 1 << 27;
/** Batches that are skipped between two. */
const skipped = 100;

/** Everything that lives in memory while a network trains. */
class Training implements Resumable {
  /** Steps between two turns of the event loop. */
  readonly pauseEvery: number;
  readonly #graph: Graph;
  readonly #options: Chosen;
  readonly #engine: FullEngine;
  readonly #parameters = new Map<string, Parameter>();
  readonly #pass: Pass | Shards;
  readonly #optimizer;
  readonly #prunables: readonly Prunable[];
  readonly #pruner;
  #step = 0;
  #masks: MaskReport | undefined;
  #level: number | undefined;
  /** Masks at the end of the cycle before. */
  #peak: readonly Uint8Array[];

  constructor(graph: Graph, module: WebAssembly.Module, options: Chosen, first: Batch) {
    this.#graph = graph;
    this.#options = options;
    this.#engine = createEngine<FullKernels>(module, options.maxBytes);
    const engine = this.#engine;
    for (const [name, weight] of graph.weights) {
      if ((weight.kind === "dense" && !isReal(weight.dtype)) || !options.trainable(name)) continue;
      const prunable = options.schedule !== undefined && weight.shape.length > 1 && options.prunable(name);
      this.#parameters.set(name, createParameter(engine, name, weight, prunable));
    }
    const shapes = shapesOf(graph.inputs, first);
    const { shards = 1, parallel, data, loss, norms } = options;
    // Only the batches of an array are known to stay what they are.
    const kept = Array.isArray(data);
    this.#pass =
      shards > 1
        ? createShards(engine, module, graph, this.#parameters, shapes, options)
        : createPass(engine, module, graph, this.#parameters, shapes, { loss, norms, kept });
    const trained = [...this.#parameters.values()].flatMap((parameter) => parameter.trained);
    this.#prunables = [...this.#parameters.values()].filter(isPrunable);
    this.#pruner = createPruner(engine, this.#prunables, options);
    this.#optimizer = bindOptimizer(engine, options.optimizer, trained);
    this.#peak = this.#pruner.masks();
    // While other threads are waited for, everything else runs.
    const waits = shards > 1 && parallel !== undefined;
    this.pauseEvery = waits ? Number.POSITIVE_INFINITY : Math.max(1, Math.floor(pauseBytes / engine.arena.top));
  }

  /** Steps done. */
  get steps(): number {
    return this.#step;
  }

  get bytes(): number {
    return this.#engine.arena.top;
  }

  /** Of the weights that are trained, and of those whose masks change. */
  names(): { trained: readonly string[]; pruned: readonly string[] } {
    return { trained: [...this.#parameters.keys()], pruned: this.#prunables.map(({ name }) => name) };
  }

  /** Levels, live values and reports follow from these and from the number of steps. */
  state(): State {
    const state = new Map<string, ArrayBufferView>();
    for (const { name, trained } of this.#parameters.values()) {
      for (const [i, { values, size }] of trained.entries()) {
        state.set(`values ${i} of ${name}`, floatsAt(this.#engine, values, size));
      }
    }
    for (const [i, { name, size, maskPointer }] of this.#prunables.entries()) {
      state.set(`mask of ${name}`, bytesAt(this.#engine, maskPointer, Math.ceil(size / 8)));
      state.set(`peak of ${name}`, this.#peak[i]);
    }
    state.set("thresholds", this.#pruner.state());
    for (const [i, moments] of this.#optimizer.state().entries()) state.set(`optimizer ${i}`, moments);
    return state;
  }

  isFinite(): boolean {
    const tensors = [...this.#parameters.values()].flatMap(({ trained }) => trained);
    return tensors.every(({ values, size }) => {
      // 0 times NaN or an infinity is NaN.
      let sum = 0;
      for (const value of floatsAt(this.#engine, values, size)) sum += 0 * value;
      return sum === 0;
    });
  }

  resumed(steps: number): void {
    const { schedule } = this.#options;
    this.#step = steps;
    if (!schedule || steps === 0) return;
    this.#level = sparsityAt(schedule, steps - 1);
    this.#masks = { ...this.#pruner.changeSince(this.#pruner.masks()), tensors: this.#pruner.tensors() };
  }

  /** @param last steps done in the newest checkpoint, for the error */
  async step(batch: Batch, last: number | undefined): Promise<StepReport> {
    const { schedule } = this.#options;
    const step = this.#step++;
    const phase = schedule && phaseAt(schedule, step);
    if (schedule && phase) this.#masks = this.#prune(sparsityAt(schedule, step), isLast(schedule, phase));
    for (const parameter of this.#parameters.values()) parameter.refresh();
    const loss = await this.#pass.run(batch);
    if (!Number.isFinite(loss)) throw diverged(step, loss, this.#pass.culprit(), last);
    for (const parameter of this.#parameters.values()) parameter.pull();
    const rate = rateAt(rateOf(this.#options), step);
    this.#optimizer.step(rate);
    // No gradient leads to stored statistics, so the optimizer leaves them alone.
    for (const { weight, values } of this.#pass.statistics()) {
      floatsAt(this.#engine, this.#parameters.get(weight)!.trained[0].values, values.length).set(values);
    }
    const cycle = schedule && this.#cycle(schedule, step);
    return { step, loss, rate, sparsity: this.#masks?.sparsity ?? 0, phase, masks: this.#masks, cycle };
  }

  graph(): Graph {
    for (const parameter of this.#parameters.values()) parameter.refresh();
    const weights: [string, Weight][] = [...this.#parameters].map(([name, parameter]) => [name, parameter.store()]);
    return withWeights(this.#graph, weights);
  }

  /**
   * New masks where the level changed; while it holds they stay. Shadows are the exception: nothing holds them back while they are out of
   * the network, so the masks follow them, and no shadow outgrows what is kept. After the last ramp the masks are frozen, and what they
   * leave out is no longer trained.
   */
  #prune(level: number, last: boolean): MaskReport {
    const shadows = this.#options.revival === "shadow";
    if (shadows && last) for (const { trained, maskPointer } of this.#prunables) trained[0].mask = maskPointer;
    if (this.#masks && level === this.#level && (!shadows || last)) return { ...this.#masks, revived: 0, overlap: 1 };
    // What comes back by a drop starts from rest.
    if (shadows && level < (this.#level ?? 0)) {
      for (const { trained, maskPointer } of this.#prunables) this.#optimizer.forget(trained[0], maskPointer);
    }
    this.#level = level;
    const before = this.#pruner.masks();
    this.#pruner.project(level);
    return { ...this.#pruner.changeSince(before), tensors: this.#pruner.tensors() };
  }

  #cycle(schedule: Schedule, step: number): CycleReport | undefined {
    const phase = phaseAt(schedule, step);
    const next = phaseAt(schedule, step + 1);
    if (phase.name === "frozen" || (next.cycle === phase.cycle && next.name !== "frozen")) return undefined;
    const { from, to } = schedule.cycles[phase.cycle];
    const change = this.#pruner.changeSince(this.#peak);
    // The first cycle has no earlier mask to be compared with.
    const revived = phase.cycle === 0 ? 0 : change.revived;
    this.#peak = this.#pruner.masks();
    const collapsed = this.#pruner.tensors().flatMap((tensor) => (tensor.collapsed ? tensor.name : []));
    return { ...change, revived, index: phase.cycle, from, to, collapsed };
  }
}

function diverged(step: number, loss: number, culprit: string | undefined, last: number | undefined): DivergedError {
  const first = culprit ? `${loss}: the first tensor that is not finite is ${culprit}` : `${loss}`;
  const kept = last === undefined ? "" : `; the last good checkpoint is the one after ${last} steps`;
  return new DivergedError(expected(`fit: step ${step}`, "a finite loss", `${first}${kept}`));
}

/** Whether the last ramp is over. */
function isLast({ cycles }: Schedule, { cycle, name }: Phase): boolean {
  return name === "frozen" || (name === "hold" && cycle === cycles.length - 1);
}
