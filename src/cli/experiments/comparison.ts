import { checkpointFolder } from "../../checkpoints/index.js";
import type { Graph } from "../../graph/graph.js";
import {
  type Augmentation,
  batches,
  estimateNorms,
  type FitOptions,
  fit,
  type Revival,
  type Schedule,
} from "../../train/index.js";
import { Progress } from "../progress.js";
import type { RunCache } from "./cache.js";
import { type Examples, type Score, type Split, scoreOn } from "./examples.js";
import type { Way } from "./ways.js";

/** How a network is trained: as data, so that it names a run. */
export interface Training {
  readonly steps: number;
  readonly batch: number;
  /** The learning rate that one cosine leads down to nothing. */
  readonly rate: number;
  /** Weight decay. */
  readonly decay: number;
  readonly norms?: FitOptions["norms"];
  readonly augment?: Augmentation;
}

/** Ways to the same sparsities, compared: each has as many steps and starts from the same dense network. */
export interface Comparison {
  readonly name: string;
  readonly data: Split;
  /** What tells the data from other data. */
  readonly source: string;
  /** The dense network of a seed, and what tells it from others. */
  readonly start: Start;
  readonly training: Training;
  readonly levels: readonly Level[];
}

export interface Start {
  readonly from: unknown;
  readonly graph: (seed: number) => Graph;
  /** How it is trained before; left out, it comes trained. */
  readonly training?: Training;
}

export interface Level {
  readonly sparsity: number;
  readonly ways: readonly Way[];
  /** So many of the seeds at most. */
  readonly seeds?: number;
}

/** One run. */
export interface Outcome extends Score {
  readonly seed: number;
  /** Fraction of zeros over the prunable weights at the end. */
  readonly sparsity: number;
  /** Weights that each cycle but the first brought back, summed. */
  readonly revived: number;
  readonly seconds: number;
  readonly cached: boolean;
}

export interface Result {
  readonly way: Way;
  readonly outcomes: readonly Outcome[];
}

export interface LevelResults {
  readonly sparsity: number;
  readonly results: readonly Result[];
}

/** Does every run that the cache does not have, seed by seed. */
export async function compare(
  comparison: Comparison,
  seeds: readonly number[],
  cache: RunCache,
): Promise<LevelResults[]> {
  const { levels } = comparison;
  const found = levels.map(({ ways }) => ways.map((): Outcome[] => []));
  const jobs = seeds.flatMap((seed, place) =>
    levels.flatMap((level, l) =>
      level.ways.flatMap((way, w) => (place < (level.seeds ?? seeds.length) ? { seed, level, l, way, w } : [])),
    ),
  );
  for (const [i, { seed, level, l, way, w }] of jobs.entries()) {
    const note = `run ${i + 1} of ${jobs.length}`;
    found[l][w].push(await runOf(comparison, level, way, seed, cache, note));
  }
  return levels.map(({ sparsity, ways }, l) => ({
    sparsity,
    results: ways.map((way, w) => ({ way, outcomes: found[l][w] })),
  }));
}

async function runOf(
  { name, data, source, start, training }: Comparison,
  { sparsity }: Level,
  { name: title, schedule, revival }: Way,
  seed: number,
  cache: RunCache,
  note: string,
): Promise<Outcome> {
  const from = { source, examples: data.train.labels.length, from: start.from, training: start.training, seed };
  const config = { from, training, schedule, revival: schedule && revival };
  const label = schedule ? `${100 * sparsity} % ${title}, ${revival}` : title;
  const { result, ...rest } = await cache.run(name, config, async () => {
    const { training: first } = start;
    const begun = first
      ? await cache.graph(`${name}-dense`, from, async (folder) => {
          const label = `first, seed ${seed}`;
          return (await trained(label, start.graph(seed), data.train, first, { seed, note, folder })).graph;
        })
      : start.graph(seed);
    // Another order of the examples than before.
    const options = { seed: seed + 1000, schedule, revival, note };
    const { graph, ...counts } = await trained(`${label}, seed ${seed}`, begun, data.train, training, options);
    return { ...(await scoreOn(graph, data.test)), ...counts };
  });
  return { seed, ...result, ...rest };
}

interface TrainOptions {
  readonly seed: number;
  readonly schedule?: Schedule;
  readonly revival?: Revival;
  readonly note: string;
  /** Where checkpoints are kept, to go on from. Steps done before tell nothing of sparsity and of what came back. */
  readonly folder?: string;
}

/** Steps of warm-up. */
const warm = 20;
/** Examples that statistics of norms are taken from at the end. */
const estimated = 2048;

/** Trains with a bar; with norms of the batch their statistics are taken anew at the end. */
export async function trained(
  label: string,
  given: Graph,
  { inputs, shape, labels }: Examples,
  { steps, batch: size, rate: from, decay, norms, augment }: Training,
  { seed, schedule, revival, note, folder }: TrainOptions,
): Promise<{ graph: Graph; sparsity: number; revived: number }> {
  const progress = new Progress(label, steps);
  const input = given.inputs[0].name;
  const epochs = Math.ceil(steps / Math.floor(labels.length / size));
  const run = fit(given, {
    data: batches({ input, inputs, shape, labels }, { size, epochs, seed, augment }),
    loss: "crossEntropy",
    optimizer: { kind: "sgd", momentum: 0.9, decay },
    rate: { kind: "cosine", from, to: 0, periods: [steps], warm: Math.min(warm, steps - 1) },
    schedule,
    revival,
    norms,
    ...(folder !== undefined && { checkpoints: { store: checkpointFolder(folder) } }),
  });
  let [average, zeros, revived] = [Number.NaN, 0, 0];
  for await (const { step, loss, sparsity, cycle } of run) {
    average = Number.isNaN(average) ? loss : 0.98 * average + 0.02 * loss;
    zeros = sparsity;
    revived += cycle?.revived ?? 0;
    if (step % 10 === 9) progress.update(step + 1, steps, `loss ${average.toFixed(4)}, ${note}`);
    if (step + 1 === steps) break;
  }
  let graph = run.graph();
  if (norms === "batch") {
    const each = inputs.length / labels.length;
    const count = Math.min(estimated, labels.length);
    const few = { input, inputs: inputs.subarray(0, count * each), shape, labels: labels.subarray(0, count) };
    graph = await estimateNorms(graph, batches(few, { size: Math.min(size, count), epochs: 1, seed }));
  }
  progress.end(`loss ${average.toFixed(4)}, ${note}`);
  return { graph, sparsity: zeros, revived };
}
