import { load } from "#kernels/full";
import { decodeWeight } from "../codec/weight.js";
import { expected } from "../errors.js";
import { checkGraph } from "../graph/check.js";
import { type Graph, parameterCount, withWeights } from "../graph/graph.js";
import type { PlainWeight, Weight } from "../graph/weight.js";
import type { FullKernels } from "../kernels/abi.js";
import { createEngine, type FullEngine } from "../kernels/engine.js";
import { inTurn, type Parallel } from "../parallel.js";
import { fold } from "../passes/fold.js";
import { hoist } from "../passes/hoist.js";
import { modernize } from "../passes/modernize.js";
import type { Feeds } from "../runtime/feeds.js";
import { nameOf } from "../tensor.js";
import { withBetween } from "./between.js";
import { type Cache, keysOf, restore, store } from "./cache.js";
import { fewOf, keeping } from "./calibration.js";
import { type Candidate, Candidates, candidate } from "./candidate.js";
import { type Moments, observe } from "./moments.js";
import { checkRecipe, type Recipe } from "./recipe.js";
import { refit } from "./refit.js";
import { type CompressReport, reportOf } from "./report.js";
import { at, type Choices, smallest, withinBudget, withinDrop, withStored } from "./search.js";
import { steady } from "./steady.js";
import { type Offer, type Setup, type Swept, sweep } from "./sweep.js";
import { type Evaluate, limitOf, type Target } from "./target.js";
import { turn } from "./turn.js";

export interface CompressOptions {
  /** How small, or how good; of the candidates of each weight those are chosen that lose least together. */
  readonly target?: Target;
  /**
   * Candidates for each weight, instead of those that a target has by itself; where two differ in the size of their steps alone, a target
   * may take a size in between. Without a target the one with fewest bytes is kept.
   */
  readonly recipe?: Recipe;
  /** Unlabelled inputs: errors are weighted by what each weight meets, and the compressed network is corrected layer by layer. */
  readonly calibration?: Iterable<Feeds>;
  readonly seed?: number;
  /** Keeps what is measured of each weight, so that a run that was stopped goes on where it was. */
  readonly cache?: Cache;
  /** Who measures; one weight after the other in this thread by default. The result is the same. */
  readonly parallel?: Parallel;
  readonly onProgress?: (progress: CompressProgress) => void;
  readonly signal?: AbortSignal;
  /** full.wasm, compiled; found by itself where it is left out. */
  readonly module?: WebAssembly.Module;
}

/** Told when a weight is done. */
export interface CompressProgress {
  /** All weights are measured first, those that are there to be corrected are then corrected: once for each network that is tried. */
  readonly stage: "measure" | "correct";
  readonly done: number;
  readonly total: number;
  readonly weight: string;
}

/** Inputs over which sensitivities are measured: so many examples, or a few more. */
const judged = 32;

/**
 * Stores the weights of a network in fewer bytes; the graph says the same (after fold). Training data is not needed. A weight that
 * is stored already as its choice asks is kept bit for bit, so that the same recipe of one choice for each weight changes nothing
 * the second time.
 * @throws TypeError where recipe and target are both missing, or an argument is of another kind, RangeError for recipe, target or seed
 * out of range, FormatError for a graph that is not well made, TargetError where the target cannot be met, ShapeError for calibration
 * that does not fit, the signal's reason where it aborts
 */
export async function compress(
  graph: Graph,
  options: CompressOptions,
): Promise<{ graph: Graph; report: CompressReport }> {
  checkOptions(options);
  const { recipe, target, calibration, seed = 1, signal } = options;
  signal?.throwIfAborted();
  checkGraph(graph);
  const folded = turn(fold(hoist(modernize(decoded(graph)))));
  checkGraph(folded);
  if (recipe !== undefined) checkRecipe(recipe, new Set([...graph.weights.keys(), ...folded.weights.keys()]));
  const parameters = parameterCount(folded);
  const module = options.module ?? (await load(false));
  const limit = target === undefined ? undefined : limitOf(target, parameters, module);
  const feeds: Feeds[] = [];
  const moments =
    calibration &&
    new Map(
      [...observe(folded, module, keeping(folded, calibration, feeds))].map(([name, met]) => [name, steady(met)]),
    );
  const few = fewOf(folded, feeds, judged);
  const setup: Setup = { graph: folded, module, recipe, targeted: limit !== undefined, moments, few, seed };
  const score = limit?.kind === "drop" ? scoring(limit.evaluate, signal) : undefined;
  // Asked before the work begins: what cannot be scored is known at once.
  const dense = await score?.(folded);
  const names = [...folded.weights.keys()];
  const swept = await sweepAll(setup, names, options);
  const engine = createEngine<FullKernels>(module);
  const settle: Choices["settle"] = async (picked) => {
    signal?.throwIfAborted();
    const made = names.map((name, i) => make(engine, setup, name, picked[i]));
    if (!moments) return made;
    const placeOf = new Map(names.map((name, i) => [name, i]));
    await refit(
      folded,
      withStored(folded, made),
      { engine, module, feeds },
      {
        store(name, dense, met) {
          const i = placeOf.get(name)!;
          made[i] = make(engine, setup, name, picked[i], { dense, moments: met });
          return made[i].weight;
        },
        async onStage(done, total, weight) {
          options.onProgress?.({ stage: "correct", done, total, weight });
          signal?.throwIfAborted();
          await new Promise((resolve) => setTimeout(resolve, 0));
        },
      },
    );
    return made;
  };
  const choices: Choices = { graph: folded, offers: swept.map(({ offers }) => withBetween(offers)), settle };
  const { picked, settled } =
    limit === undefined
      ? await at(choices, smallest(choices))
      : limit.kind === "bytes"
        ? await withinBudget(choices, limit.budget)
        : await withinDrop(choices, { dense: dense!, maxDrop: limit.maxDrop }, score!);
  signal?.throwIfAborted();
  return {
    graph: withStored(folded, settled),
    report: {
      parameters,
      bytes: settled.reduce((sum, { bytes }) => sum + bytes, 0),
      weights: names.map((name, i) =>
        reportOf(name, folded.weights.get(name) as PlainWeight, settled[i], picked[i], swept[i]),
      ),
    },
  };
}

function checkOptions(options: CompressOptions): void {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(expected("compress", "options with a recipe or a target", nameOf(options)));
  }
  const { recipe, target, calibration, seed = 1, cache, parallel } = options;
  if (recipe === undefined && target === undefined) {
    throw new TypeError(expected("compress", "a recipe, a target or both", "neither"));
  }
  if (calibration !== undefined && typeof calibration?.[Symbol.iterator] !== "function") {
    throw new TypeError(expected("calibration", "an iterable of inputs", nameOf(calibration)));
  }
  if (!Number.isSafeInteger(seed)) throw new RangeError(expected("seed", "a whole number", `${seed}`));
  if (cache !== undefined && (typeof cache?.get !== "function" || typeof cache.set !== "function")) {
    throw new TypeError(expected("cache", "get and set", nameOf(cache)));
  }
  if (parallel !== undefined && typeof parallel !== "function") {
    throw new TypeError(expected("parallel", "a function", nameOf(parallel)));
  }
}

/** What each weight may cost and lose: from the cache, or measured. */
async function sweepAll(
  setup: Setup,
  names: readonly string[],
  { cache, parallel = inTurn, signal, onProgress }: CompressOptions,
): Promise<Swept[]> {
  const keys = cache ? await keysOf(setup, names) : [];
  const swept: Swept[] = [];
  let done = 0;
  const tell = (i: number, result: Swept) => {
    swept[i] = result;
    onProgress?.({ stage: "measure", done: ++done, total: names.length, weight: names[i] });
    signal?.throwIfAborted();
  };
  const open: number[] = [];
  for (const i of names.keys()) {
    const known = restore(setup, names[i], await cache?.get(keys[i]));
    if (known) tell(i, known);
    else open.push(i);
  }
  const jobs = open.map((i) => names[i]);
  await parallel(sweep, setup, jobs, async (result, index) => {
    await cache?.set(keys[open[index]], store(result));
    tell(open[index], result);
  });
  return swept;
}

/** @throws TypeError where a score is no number, the signal's reason where it aborts */
function scoring(evaluate: Evaluate, signal: AbortSignal | undefined): (graph: Graph) => Promise<number> {
  return async (graph) => {
    signal?.throwIfAborted();
    const score: unknown = await evaluate(graph);
    signal?.throwIfAborted();
    if (Number.isFinite(score)) return score as number;
    throw new TypeError(expected("target.evaluate", "a finite number", String(score)));
  };
}

/** A weight stored as offered: its own values, or others by what they meet. */
function make(
  engine: FullEngine,
  { graph, moments }: Setup,
  name: string,
  { choice, seed }: Offer,
  other?: { readonly dense: Float32Array; readonly moments?: Moments },
): Candidate {
  const own = graph.weights.get(name) as PlainWeight;
  const weight: PlainWeight = other ? { kind: "dense", shape: own.shape, dtype: "float32", data: other.dense } : own;
  if (!choice) return candidate(weight, 0);
  const met = other ? other.moments : moments?.get(name);
  return engine.arena.scope(() => new Candidates(engine, weight, met).create(choice, seed, false));
}

/** The graph with every weight ready to use. @throws FormatError where coded bytes are damaged */
function decoded(graph: Graph): Graph {
  const weights = [...graph.weights].map(([name, weight]): [string, Weight] => [
    name,
    weight.kind === "coded" ? decodeWeight(weight, `weight ${name}`) : weight,
  ]);
  return withWeights(graph, weights);
}
