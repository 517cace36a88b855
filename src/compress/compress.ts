import { load } from "#kernels/full";
import { encodeWeight } from "../codec/weight.js";
import { expected, UnsupportedError } from "../errors.js";
import { checkGraph } from "../graph/check.js";
import { sparsity } from "../graph/dense.js";
import { type Graph, parameterCount, withWeights } from "../graph/graph.js";
import type { Weight } from "../graph/weight.js";
import type { FullKernels } from "../kernels/abi.js";
import { createEngine } from "../kernels/engine.js";
import { fold } from "../passes/fold.js";
import type { Feeds } from "../runtime/feeds.js";
import { allocate } from "./allocate.js";
import { type Candidate, createCandidate } from "./candidate.js";
import { correctBiases } from "./correct.js";
import { observe } from "./observe.js";
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

/** Bytes that the header of a small file takes, set aside when a target is met; the exact size is known when it is written. */
const headerBytes = 512;

/** Candidates of a target: quantized to fewer and fewer bits, and sparser and sparser. */
const ladder: readonly Choice[] = [
  { storage: "int8", bits: 8 },
  { storage: "int8", bits: 6 },
  { storage: "int8", bits: 5 },
  { storage: "int8", bits: 4 },
  ...[0.5, 0.7, 0.8, 0.9, 0.95, 0.98].map((level): Choice => ({ storage: "sparse", sparsity: level, bits: 5 })),
];

/** Biases and the like are few: they keep 8 bits. */
const vectors: readonly Choice[] = [{ storage: "int8", bits: 8, perTensor: true }];

/**
 * Stores the weights of a network in fewer bytes; the graph says the same (after fold). Training data is not needed.
 * @throws RangeError for a recipe or target out of range, UnsupportedError where the target cannot be met, ShapeError for
 * calibration that does not fit, the signal's reason where it aborts
 */
export async function compress(
  graph: Graph,
  options: CompressOptions,
): Promise<{ graph: Graph; report: CompressReport }> {
  const { recipe, target, seed = 1, signal, onProgress } = options;
  if ((recipe === undefined) === (target === undefined)) {
    throw new TypeError(expected("compress", "either a recipe or a target", recipe ? "both" : "neither"));
  }
  if (recipe) checkRecipe(recipe);
  checkGraph(graph);
  const module = options.module ?? (await load(false));
  const folded = fold(graph);
  const parameters = parameterCount(folded);
  const budget = target && budgetOf(target, parameters);
  const moments = options.calibration && observe(folded, module, options.calibration);
  const engine = createEngine<FullKernels>(module);
  const names = [...folded.weights.keys()];
  const lists: (readonly Candidate[])[] = [];
  for (const [done, name] of names.entries()) {
    signal?.throwIfAborted();
    onProgress?.({ done, total: names.length, weight: name });
    const weight = folded.weights.get(name)!;
    const floats = weight.kind !== "dense" || weight.dtype === "float32" || weight.dtype === "float16";
    const choices = !floats ? [] : recipe ? choicesFor(recipe, name) : weight.shape.length > 1 ? ladder : vectors;
    const square = moments?.get(name)?.square;
    lists.push(choices.map((choice, i) => createCandidate(engine, weight, choice, seed + i, square)));
    // One turn of the event loop for each weight, so that a page stays alive and a signal is heard.
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  const chosen = budget === undefined ? cheapest(lists) : withinBudget(folded, names, lists, budget);
  const picked = new Map(names.map((name, i) => [name, chosen[i]]));
  const stored = withWeights(
    folded,
    [...picked].flatMap(([name, candidate]) => (candidate ? [[name, candidate.weight] as const] : [])),
  );
  const result = moments ? requantized(correctBiases(folded, stored, moments), stored, picked, engine, seed) : stored;
  const weights = names.map((name, i) => reportOf(name, result.weights.get(name)!, chosen[i], lists[i]));
  onProgress?.({ done: names.length, total: names.length, weight: "" });
  return {
    graph: result,
    report: { parameters, bytes: weights.reduce((sum, weight) => sum + weight.bytes, 0), weights },
  };
}

/** Of each list the candidate with fewest bytes; undefined where a weight has none and stays as it is. */
function cheapest(lists: readonly (readonly Candidate[])[]): (Candidate | undefined)[] {
  return lists.map((list) =>
    list.reduce<Candidate | undefined>((best, c) => (best && best.bytes <= c.bytes ? best : c), undefined),
  );
}

function withinBudget(
  graph: Graph,
  names: readonly string[],
  lists: readonly (readonly Candidate[])[],
  budget: number,
): (Candidate | undefined)[] {
  const fixed = names.reduce(
    (sum, name, i) => (lists[i].length ? sum : sum + codedBytes(graph.weights.get(name)!)),
    headerBytes,
  );
  const open = lists.filter((list) => list.length > 0);
  const chosen = allocate(open, budget - fixed);
  if (!chosen) {
    const floor = open.reduce((sum, list) => sum + Math.min(...list.map((candidate) => candidate.bytes)), fixed);
    throw new UnsupportedError(expected("compress", `a file of at most ${budget} bytes`, `${floor} at the smallest`));
  }
  let next = 0;
  return lists.map((list) => (list.length ? chosen[next++] : undefined));
}

/** Corrected biases go back into the storage that was chosen for them. */
function requantized(
  corrected: Graph,
  stored: Graph,
  picked: ReadonlyMap<string, Candidate | undefined>,
  engine: ReturnType<typeof createEngine<FullKernels>>,
  seed: number,
): Graph {
  const changed = [...corrected.weights].filter(([name, weight]) => weight !== stored.weights.get(name));
  return withWeights(
    corrected,
    changed.flatMap(([name, weight]) => {
      const choice = picked.get(name)?.choice;
      return choice ? [[name, createCandidate(engine, weight, choice, seed).weight] as const] : [];
    }),
  );
}

function codedBytes(weight: Weight): number {
  return weight.kind === "coded" ? weight.bytes.length : encodeWeight(weight).bytes.length;
}

function reportOf(
  name: string,
  weight: Weight,
  chosen: Candidate | undefined,
  list: readonly Candidate[],
): WeightReport {
  const floats = weight.kind !== "dense" || weight.dtype === "float32";
  return {
    name,
    shape: weight.shape,
    storage: weight.kind,
    bytes: codedBytes(weight),
    sparsity: floats ? sparsity(weight) : 0,
    error: chosen?.error ?? 0,
    candidates: list.map(({ choice, bytes, error }) => ({ choice, bytes, error })),
  };
}
