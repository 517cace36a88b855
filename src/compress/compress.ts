import { load } from "#kernels/full";
import { decodeWeight } from "../codec/weight.js";
import { expected, UnsupportedError } from "../errors.js";
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
import { type Candidate, createCandidate } from "./candidate.js";
import { correctBiases } from "./correct.js";
import { headerBound } from "./header.js";
import { observe } from "./moments.js";
import { budgetOf, type Choice, checkRecipe, choicesFor, type Recipe, type Target } from "./recipe.js";

export interface CompressOptions {
  /** How small; the storages are chosen. Give this or `recipe`. */
  readonly target?: Target;
  /** Which storages; of several candidates the one with fewest bytes is kept. */
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
  /** Squared error over squared norm, 0..1; see Candidate. */
  readonly error: number;
  readonly candidates: readonly { readonly choice: Choice; readonly bytes: number; readonly error: number }[];
}

/** Candidates of a target: quantized to fewer and fewer bits, and sparser and sparser. */
const ladder: readonly Choice[] = [
  ...[8, 6, 5, 4, 3, 2].map((bits): Choice => ({ storage: "int8", bits })),
  ...[0.5, 0.7, 0.8, 0.9, 0.95, 0.98].map((level): Choice => ({ storage: "sparse", sparsity: level, bits: 5 })),
];

/** Biases and the like are few: they keep 8 bits. */
const vectors: readonly Choice[] = [{ storage: "int8", bits: 8, perTensor: true }];

/**
 * Stores the weights of a network in fewer bytes; the graph says the same (after fold). Training data is not needed. A weight that
 * is stored already as its choice asks is kept bit for bit, so that the same recipe of one choice for each weight changes nothing
 * the second time.
 * @throws TypeError where recipe and target are both given or both missing, or an argument is of another kind, RangeError for
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
  if ((recipe === undefined) === (target === undefined)) {
    throw new TypeError(expected("compress", "either a recipe or a target", recipe === undefined ? "neither" : "both"));
  }
  if (calibration !== undefined && typeof calibration?.[Symbol.iterator] !== "function") {
    throw new TypeError(expected("calibration", "an iterable of inputs", nameOf(calibration)));
  }
  if (!Number.isSafeInteger(seed)) throw new RangeError(expected("seed", "a whole number", `${seed}`));
  signal?.throwIfAborted();
  checkGraph(graph);
  const folded = fold(hoist(modernize(decoded(graph))));
  checkGraph(folded);
  if (recipe !== undefined) checkRecipe(recipe, new Set([...graph.weights.keys(), ...folded.weights.keys()]));
  const parameters = parameterCount(folded);
  const budget = target === undefined ? undefined : budgetOf(target, parameters);
  const module = options.module ?? (await load(false));
  const moments = calibration && observe(folded, module, calibration);
  const engine = createEngine<FullKernels>(module);
  const entries = [...folded.weights] as [string, PlainWeight][];
  const lists: (readonly Candidate[])[] = [];
  for (const [done, [name, weight]] of entries.entries()) {
    signal?.throwIfAborted();
    onProgress?.({ done, total: entries.length, weight: name });
    const choices = recipe ? choicesFor(recipe, name) : weight.shape.length > 1 ? ladder : vectors;
    const square = moments?.get(name)?.square;
    const own = isFloat(weight)
      ? choices.map((choice, i) => createCandidate(engine, weight, choice, seed + i, square))
      : [];
    lists.push(own.length > 0 ? own : [createCandidate(engine, weight, undefined, seed)]);
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
      return weight === chosen[i].weight ? chosen[i] : createCandidate(engine, weight, chosen[i].choice, seed);
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
  for (let room = budget - headerBound(graph); ; ) {
    const picked = allocate(lists, room);
    const settled = settle(picked ?? smallest(lists));
    const bytes = bytesOf(settled) + headerBound(withChosen(graph, settled));
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
