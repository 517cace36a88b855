import type { Graph } from "../graph/graph.js";
import { isReal, type PlainWeight } from "../graph/weight.js";
import type { FullKernels } from "../kernels/abi.js";
import { createEngine, type FullEngine } from "../kernels/engine.js";
import type { Task } from "../parallel.js";
import type { Feeds } from "../runtime/feeds.js";
import { type Candidate, Candidates, candidate } from "./candidate.js";
import { Judge } from "./judge.js";
import { isByRow, ladderOf } from "./ladder.js";
import type { Moments } from "./moments.js";
import { type Choice, choicesFor, type Recipe } from "./recipe.js";
import { measured } from "./sensitivity.js";

/** What is known before the candidates of any weight are tried. */
export interface Setup {
  /** With every weight plain, and folded. */
  readonly graph: Graph;
  /** full.wasm, compiled. */
  readonly module: WebAssembly.Module;
  readonly recipe?: Recipe;
  /** Whether errors of different weights are weighed against each other, or each weight goes by its bytes alone. */
  readonly targeted: boolean;
  readonly moments?: ReadonlyMap<string, Moments>;
  /** Some calibration inputs: with them and a target, errors are those of the network's outputs, of two rows or more. */
  readonly few: readonly Feeds[];
  readonly seed: number;
}

/** What one way of storing a weight costs and loses; the weight itself is made again when it is chosen. */
export interface Offer {
  /** Left out where the weight stays as it was. */
  readonly choice?: Choice;
  readonly seed: number;
  /** Coded bytes, as they stand in the file. */
  readonly bytes: number;
  /** What is added up over the weights; see WeightReport. */
  readonly error: number;
}

/** The offers for a weight, one at least, and the milliseconds that they took. */
export interface Swept {
  readonly offers: readonly Offer[];
  readonly ms: number;
}

/**
 * One row of outputs tells too little of others: errors are then those of what the weights make. Measured: at 2 bits a weight, calibrated on
 * one image, each of three, ResNet-8 has a mean KL of 0.41, 0.73 and 1.62 judged by its outputs, of 0.32, 0.44 and 0.32 without.
 */
const leastRows = 2;

/** Tries the candidates of a weight, by its name. */
export const sweep: Task<Setup, string, Swept> = {
  name: "sweep",
  start(setup) {
    const { graph, module, moments, targeted, few } = setup;
    const engine = createEngine<FullKernels>(module);
    const outputs = targeted && moments ? new Judge(graph, module, few) : undefined;
    const judge = outputs && outputs.rows >= leastRows ? outputs : undefined;
    return (name) => {
      const start = performance.now();
      const list = candidatesOf(engine, setup, name, judge !== undefined);
      const offers = (judge ? measured(judge, name, list) : list).map(({ choice, bytes, error }, i) =>
        offerOf(setup, choice, i, bytes, error),
      );
      return { offers, ms: performance.now() - start };
    };
  },
};

function candidatesOf(engine: FullEngine, setup: Setup, name: string, judged: boolean): Candidate[] {
  const { graph, moments, targeted, seed } = setup;
  const weight = graph.weights.get(name) as PlainWeight;
  const choices = choicesOf(setup, name);
  if (choices.length === 0) return [candidate(weight, 0)];
  return engine.arena.scope(() => {
    const candidates = new Candidates(engine, weight, moments?.get(name));
    return choices.map((choice, i) => candidates.create(choice, seed + i, targeted && (!judged || isByRow(choice))));
  });
}

/** What choice i of a weight costs and loses. */
export function offerOf({ seed }: Setup, choice: Choice | undefined, i: number, bytes: number, error: number): Offer {
  return { ...(choice && { choice }), seed: seed + i, bytes, error };
}

/** The ways that a weight may be stored; none where it stays as it is. */
export function choicesOf({ graph, recipe, targeted, moments }: Setup, name: string): readonly Choice[] {
  const weight = graph.weights.get(name) as PlainWeight;
  if (!isFloat(weight)) return [];
  if (recipe) return choicesFor(recipe, name);
  return isVariance(graph, name) ? [{ storage: "dense" }] : ladderOf(weight.shape, targeted && moments !== undefined);
}

/** Small variances are divided by: on a grid for the largest they would be 0. */
function isVariance({ nodes }: Graph, name: string): boolean {
  return nodes.some(({ op, domain, inputs }) => op === "BatchNormalization" && !domain && inputs[4] === name);
}

export function isFloat(weight: PlainWeight): boolean {
  return weight.kind !== "dense" || isReal(weight.dtype);
}
