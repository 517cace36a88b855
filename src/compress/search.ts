import { encodeWeight } from "../codec/weight.js";
import { expected, TargetError } from "../errors.js";
import { writeContainer } from "../formats/container/write.js";
import { type Graph, withWeights } from "../graph/graph.js";
import { matrixOf } from "../graph/storage.js";
import type { CodedWeight } from "../graph/weight.js";
import { allocate, cheapest } from "./allocate.js";
import type { Candidate } from "./candidate.js";
import type { Offer } from "./sweep.js";

/** The offers of each weight, and what makes a network of those that are picked. */
export interface Choices {
  readonly graph: Graph;
  readonly offers: readonly (readonly Offer[])[];
  /** The weights as picked, corrected; their bytes may then be others than were offered. */
  settle(picked: readonly Offer[]): Promise<readonly Candidate[]>;
}

/** What was picked, and what became of it. */
export interface Settled {
  readonly picked: readonly Offer[];
  readonly settled: readonly Candidate[];
}

/** Networks that are tried for one budget, once one is found that fits: each costs a round of correction. */
const tries = 3;
/** A file that fills that much of the budget is good enough. */
const enough = 0.995;

/** Of each list the offer with fewest bytes. */
export function smallest({ offers }: Pick<Choices, "offers">): Offer[] {
  return offers.map((list) => cheapest(list, ({ bytes }) => bytes));
}

/**
 * Weights whose file is within the budget, header and all. Corrected weights may take more or fewer bytes than they were offered for:
 * they are then picked again with as much less or more.
 * @throws TargetError where the smallest do not fit
 */
export async function withinBudget(choices: Choices, budget: number): Promise<Settled> {
  const least = smallest(choices);
  let best: (Settled & { bytes: number }) | undefined;
  let before: readonly Offer[] | undefined;
  let room = budget - headerOf(choices.graph);
  for (let count = 0; ; count++) {
    const picked = allocate(choices.offers, room) ?? least;
    if (best && picked.every((offer, i) => offer === before?.[i])) return best;
    const tried = await at(choices, picked);
    const bytes = fileOf(choices.graph, tried.settled);
    if (bytes <= budget && bytes > (best?.bytes ?? 0)) best = { ...tried, bytes };
    if (best && (best.bytes >= enough * budget || count >= tries)) return best;
    if (!best && bytes > budget && picked.every((offer, i) => offer === least[i])) {
      throw new TargetError(
        expected("compress", `a file of at most ${budget} bytes`, `${bytes} at the smallest`),
        bytes,
      );
    }
    before = picked;
    // What is too much is taken off and a little more, and not all that is left over is given back: corrections never go the same way twice.
    room += bytes > budget ? Math.floor(1.05 * (budget - bytes) - 0.001 * budget) : Math.ceil(0.8 * (budget - bytes));
  }
}

/** Halvings of the range of sizes, on a logarithmic scale: of a range of 1 to 100 a 28th of an octave is left. */
const halvings = 8;

/** What a drop may be above its limit: in doubles 1 - 0.99 is more than 0.01. */
const rounding = 1e-9;

/**
 * The smallest file, as far as halving finds it, that scores at most `maxDrop` below `dense`, the network as it was.
 * @throws TargetError where not even the best weights do
 */
export async function withinDrop(
  choices: Choices,
  { dense, maxDrop }: { readonly dense: number; readonly maxDrop: number },
  score: (graph: Graph) => Promise<number>,
): Promise<Settled> {
  const bytesOf = (picked: readonly Offer[]) => picked.reduce((sum, { bytes }) => sum + bytes, 0);
  const dropOf = async ({ settled }: Settled) => dense - (await score(withStored(choices.graph, settled)));
  const finest = allocate(choices.offers, Number.POSITIVE_INFINITY)!;
  let [low, high] = [bytesOf(smallest(choices)), bytesOf(finest)];
  let best: Settled | undefined;
  for (let step = 0; step < halvings && low < high; step++) {
    const middle = Math.max(low, Math.floor(Math.sqrt(low * high)));
    const tried = await at(choices, allocate(choices.offers, middle)!);
    if ((await dropOf(tried)) <= maxDrop + rounding) {
      best = tried;
      high = middle;
    } else low = middle + 1;
  }
  if (best) return best;
  const tried = await at(choices, finest);
  const drop = await dropOf(tried);
  if (drop <= maxDrop + rounding) return tried;
  throw new TargetError(expected("compress", `a drop of at most ${maxDrop}`, `${drop} at the best`), drop);
}

/** What becomes of weights that are picked. */
export async function at(choices: Choices, picked: readonly Offer[]): Promise<Settled> {
  return { picked, settled: await choices.settle(picked) };
}

/** The graph with its weights, in their order, stored as they were settled. */
export function withStored(graph: Graph, settled: readonly Candidate[]): Graph {
  return withWeights(
    graph,
    [...graph.weights.keys()].map((name, i) => [name, settled[i].weight]),
  );
}

/** Bytes of the file. */
function fileOf(graph: Graph, settled: readonly Candidate[]): number {
  const coded = withWeights(
    graph,
    [...graph.weights.keys()].map((name, i) => [name, settled[i].coded]),
  );
  return writeContainer(coded).length;
}

/** Bytes of the file beside its weights, about: those of a file of empty weights. */
function headerOf(graph: Graph): number {
  const coded = [...graph.weights].map(([name, { shape }]): [string, CodedWeight] => {
    const rowPtr = new Uint32Array(matrixOf(shape).rows + 1);
    const empty = { rowPtr, col: new Uint32Array(0), values: new Int8Array(0), scale: Float32Array.of(1) };
    return [name, encodeWeight({ kind: "sparse", shape, ...empty })];
  });
  const bytes = coded.reduce((sum, [, weight]) => sum + weight.bytes.length, 0);
  return writeContainer(withWeights(graph, coded)).length - bytes;
}
