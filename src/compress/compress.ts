import { load } from "#kernels/full";
import { decodeWeight } from "../codec/weight.js";
import { expected, UnsupportedError } from "../errors.js";
import { writeContainer } from "../formats/container/write.js";
import { checkGraph } from "../graph/check.js";
import { sparsity } from "../graph/dense.js";
import { type Graph, parameterCount, withWeights } from "../graph/graph.js";
import { isReal, type PlainWeight, type Weight } from "../graph/weight.js";
import type { FullKernels } from "../kernels/abi.js";
import { createEngine } from "../kernels/engine.js";
import { fold } from "../passes/fold.js";
import { hoist } from "../passes/hoist.js";
import { modernize } from "../passes/modernize.js";
import type { Feeds } from "../runtime/feeds.js";
import { nameOf } from "../tensor.js";
import { allocate, cheapest } from "./allocate.js";
import { type Candidate, Candidates, candidate } from "./candidate.js";
import { correctBiases } from "./correct.js";
import { Judge } from "./judge.js";
import { isByRow, ladderOf } from "./ladder.js";
import { observe } from "./moments.js";
import { budgetOf, type Choice, checkRecipe, choicesFor, type Recipe, type Target } from "./recipe.js";
import { measured } from "./sensitivity.js";
import { turn } from "./turn.js";

export interface CompressOptions {
  /** How small; of the candidates of each weight those are chosen that lose least together. */
  readonly target?: Target;
  /** Candidates for each weight, instead of those that a target has by itself. Without a target the one with fewest bytes is kept. */
  readonly recipe?: Recipe;
  /** Unlabelled inputs: errors are weighted by what each weight meets, and biases are corrected. */
  readonly calibration?: Iterable<Feeds>;
  readonly seed?: number;
  readonly onProgress?: (progress: { readonly done: number; readonly total: number; readonly weight: string }) => void;
  readonly signal?: AbortSignal;
  /** full.wasm, compiled; found by itself where it is left out. */
  readonly module?: WebAssembly.Module;
}

export interface CompressReport {
  /** Number of float weights of the network. */
  readonly parameters: number;
  /** Coded bytes of all weights; the file has a header besides. */
  readonly bytes: number;
  readonly weights: readonly WeightReport[];
}

export interface WeightReport {
  readonly name: string;
  readonly shape: readonly number[];
  readonly storage: Weight["kind"];
  readonly bytes: number;
  /** Fraction of zeros of the values, 0..1. */
  readonly sparsity: number;
  /**
   * With a target and calibration: what this weight adds to the error of the network's outputs, see Judge. Otherwise the squared error
   * of what it makes over its squared norm, see Candidate.
   */
  readonly error: number;
  readonly candidates: readonly { readonly choice: Choice; readonly bytes: number; readonly error: number }[];
}

/** Inputs over which sensitivities are measured: so many examples, or a few more. */
const mostExamples = 32;

/**
 * Stores the weights of a network in fewer bytes; the graph says the same (after fold). Training data is not needed. A weight that
 * is stored already as its choice asks is kept bit for bit, so that the same recipe of one choice for each weight changes nothing
 * the second time.
 * @throws TypeError where recipe and target are both missing, or an argument is of another kind, RangeError for
 * recipe, target or seed out of range, FormatError for a graph that is not well made, UnsupportedError where the target cannot be met, ShapeError for calibration that does not fit, the
 * signal's reason where it aborts
 */
export async function compress(
  graph: Graph,
  options: CompressOptions,
): Promise<{ graph: Graph; report: CompressReport }> {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(expected("compress", "options with a recipe or a target", nameOf(options)));
  }
  const { recipe, target, calibration, seed = 1, signal, onProgress } = options;
  if (recipe === undefined && target === undefined) {
    throw new TypeError(expected("compress", "a recipe, a target or both", "neither"));
  }
  if (calibration !== undefined && typeof calibration?.[Symbol.iterator] !== "function") {
    throw new TypeError(expected("calibration", "an iterable of inputs", nameOf(calibration)));
  }
  if (!Number.isSafeInteger(seed)) throw new RangeError(expected("seed", "a whole number", `${seed}`));
  signal?.throwIfAborted();
  checkGraph(graph);
  const folded = turn(fold(hoist(modernize(decoded(graph)))));
  checkGraph(folded);
  if (recipe !== undefined) checkRecipe(recipe, new Set([...graph.weights.keys(), ...folded.weights.keys()]));
  const parameters = parameterCount(folded);
  const budget = target === undefined ? undefined : budgetOf(target, parameters);
  const module = options.module ?? (await load(false));
  const few: Feeds[] = [];
  const moments = calibration && observe(folded, module, keeping(calibration, few));
  const judge = target && moments ? new Judge(folded, module, few) : undefined;
  const engine = createEngine<FullKernels>(module);
  const candidatesOf = (name: string, weight: PlainWeight): Candidate[] => {
    const choices = recipe ? choicesFor(recipe, name) : ladderOf(weight.shape, judge !== undefined);
    return engine.arena.scope(() => {
      const candidates = new Candidates(engine, weight, moments?.get(name));
      return choices.map((choice, i) =>
        candidates.create(choice, seed + i, target !== undefined && (!judge || isByRow(choice))),
      );
    });
  };
  const entries = [...folded.weights] as [string, PlainWeight][];
  const lists: (readonly Candidate[])[] = [];
  for (const [done, [name, weight]] of entries.entries()) {
    signal?.throwIfAborted();
    onProgress?.({ done, total: entries.length, weight: name });
    const list = isFloat(weight) ? candidatesOf(name, weight) : [];
    lists.push(list.length > 0 ? (judge ? measured(judge, name, list) : list) : [candidate(weight, 0)]);
    // One turn of the event loop for each weight, so that a page stays alive and a signal is heard.
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  signal?.throwIfAborted();
  /** The candidates, biases corrected for what was chosen and back in their own storage. */
  const settle = (chosen: readonly Candidate[]) => {
    if (!moments) return chosen;
    const corrected = correctBiases(folded, withChosen(folded, chosen), moments).weights;
    return entries.map(([name], i) => {
      const weight = corrected.get(name) as PlainWeight;
      if (weight === chosen[i].weight) return chosen[i];
      const { choice } = chosen[i];
      return choice ? new Candidates(engine, weight).create(choice, seed, false) : candidate(weight, 0);
    });
  };
  const settled = budget === undefined ? settle(smallest(lists)) : withinBudget(folded, lists, budget, settle);
  onProgress?.({ done: entries.length, total: entries.length, weight: "" });
  return {
    graph: withChosen(folded, settled),
    report: {
      parameters,
      bytes: bytesOf(settled),
      weights: entries.map(([name], i) => reportOf(name, settled[i], lists[i])),
    },
  };
}

/** The graph with every weight ready to use. @throws FormatError where coded bytes are damaged */
function decoded(graph: Graph): Graph {
  const weights = [...graph.weights].map(([name, weight]): [string, Weight] => [
    name,
    weight.kind === "coded" ? decodeWeight(weight, `weight ${name}`) : weight,
  ]);
  return withWeights(graph, weights);
}

function isFloat(weight: PlainWeight): boolean {
  return weight.kind !== "dense" || isReal(weight.dtype);
}

/** The graph with its weights, in their order, stored as chosen. */
function withChosen(graph: Graph, chosen: readonly Candidate[]): Graph {
  return withWeights(
    graph,
    [...graph.weights.keys()].map((name, i) => [name, chosen[i].weight]),
  );
}

/** The same, coded. */
function withCoded(graph: Graph, chosen: readonly Candidate[]): Graph {
  return withWeights(
    graph,
    [...graph.weights.keys()].map((name, i) => [name, chosen[i].coded]),
  );
}

/** The inputs as they come; the first of them, of some examples together, stay in `few`. */
function* keeping(calibration: Iterable<Feeds>, few: Feeds[]): Generator<Feeds> {
  let examples = 0;
  for (const feeds of calibration) {
    if (examples < mostExamples) few.push(feeds);
    const [first] = Object.values(feeds ?? {});
    examples += (first && !ArrayBuffer.isView(first) && first.shape?.[0]) || 1;
    yield feeds;
  }
}

/** Of each list the candidate with fewest bytes. */
function smallest(lists: readonly (readonly Candidate[])[]): Candidate[] {
  return lists.map((list) => cheapest(list, ({ bytes }) => bytes));
}

/**
 * Candidates whose file is within the budget, header and all. A corrected bias may take more bytes than it did when candidates
 * were picked: they are then picked again with that much less.
 * @throws UnsupportedError where the smallest candidates do not fit
 */
function withinBudget(
  graph: Graph,
  lists: readonly (readonly Candidate[])[],
  budget: number,
  settle: (chosen: readonly Candidate[]) => readonly Candidate[],
): readonly Candidate[] {
  const sizeOfFile = (chosen: readonly Candidate[]) => writeContainer(withCoded(graph, chosen)).length;
  const least = smallest(lists);
  for (let room = budget - (sizeOfFile(least) - bytesOf(least)); ; ) {
    const picked = allocate(lists, room);
    const settled = settle(picked ?? least);
    const bytes = sizeOfFile(settled);
    if (bytes <= budget) return settled;
    if (!picked) {
      throw new UnsupportedError(expected("compress", `a file of at most ${budget} bytes`, `${bytes} at the smallest`));
    }
    room -= bytes - budget;
  }
}

function bytesOf(candidates: readonly Candidate[]): number {
  return candidates.reduce((sum, { bytes }) => sum + bytes, 0);
}

function reportOf(name: string, { weight, bytes, error }: Candidate, list: readonly Candidate[]): WeightReport {
  return {
    name,
    shape: weight.shape,
    storage: weight.kind,
    bytes,
    sparsity: isFloat(weight) ? sparsity(weight) : 0,
    error,
    candidates: list.flatMap((candidate) =>
      candidate.choice ? [{ choice: candidate.choice, bytes: candidate.bytes, error: candidate.error }] : [],
    ),
  };
}
