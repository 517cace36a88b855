import type { Graph } from "../graph/graph.js";
import { bytesOf } from "../ops/op.js";
import { operatorOf } from "../ops/registry.js";
import type { Inferred, Step } from "../passes/infer.js";
import type { Lifetime } from "./memory-plan.js";

/** Which values need a place of their own, and how long. */
export interface Lifetimes {
  /** The steps that run: those that only name a value anew are left out. */
  readonly steps: readonly Step[];
  /** What stands where another value does, in another shape: the name of that one. */
  readonly aliases: ReadonlyMap<string, string>;
  /** The place of each value that has one, as its number in `lifetimes`. */
  readonly homes: ReadonlyMap<string, number>;
  readonly lifetimes: readonly Lifetime[];
  /** Steps whose output takes the place of an input. */
  readonly inPlace: ReadonlySet<number>;
}

/**
 * When each value is made and last used; values that share a place share a lifetime.
 * @param keep every value stays until the end of the run
 */
export function lifetimesOf(graph: Graph, inferred: Inferred, keep: boolean): Lifetimes {
  const { infos } = inferred;
  const computed = (name: string) => name !== "" && !graph.weights.has(name) && infos.get(name)!.known === undefined;
  const aliases = new Map<string, string>();
  const rootOf = (name: string) => aliases.get(name) ?? name;
  const steps = inferred.steps.filter(({ node, inputs, outputs, copies }) => {
    if (!outputs.some(computed)) return false;
    if (copies || outputs.length !== 1 || !operatorOf(node).alias) return true;
    aliases.set(outputs[0], rootOf(inputs[0]));
    return false;
  });
  const end = steps.length;
  const lastUse = new Map<string, number>();
  for (const [step, { inputs }] of steps.entries()) for (const name of inputs) lastUse.set(rootOf(name), step);
  // Inputs and outputs stay for the whole run: a caller fills the one in place and the other is read at the end.
  for (const { name } of graph.inputs) lastUse.set(name, end);
  for (const name of inferred.outputs) lastUse.set(rootOf(name), end);
  const homes = new Map<string, number>();
  const taking = new Set<number>();
  const lifetimes: { bytes: number; first: number; last: number }[] = [];
  const bytes = (name: string) => bytesOf(infos.get(name)!);
  const settle = (name: string, first: number) => {
    homes.set(name, lifetimes.length);
    lifetimes.push({ bytes: bytes(name), first, last: keep ? end : (lastUse.get(name) ?? first) });
  };
  for (const { name } of graph.inputs) settle(name, 0);
  for (const [step, { node, inputs, outputs, copies }] of steps.entries()) {
    const given = inputs.map((name) => homes.get(rootOf(name)));
    /** Whether the output may take the place of input i: nothing else is there, then or later. */
    const yields = (i: number) => {
      const home = given[i];
      if (keep || copies || home === undefined || outputs.length !== 1) return false;
      if (lifetimes[home].last !== step || bytes(inputs[i]) !== bytes(outputs[0])) return false;
      return given.every((other, j) => j === i || other !== home);
    };
    const { inPlace = false, inPlaceSecond = false } = copies ? {} : operatorOf(node);
    const taken = inPlace && yields(0) ? 0 : inPlaceSecond && yields(1) ? 1 : undefined;
    if (taken === undefined) {
      for (const name of outputs) if (name !== "") settle(name, step);
    } else {
      taking.add(step);
      homes.set(outputs[0], given[taken]!);
      lifetimes[given[taken]!].last = lastUse.get(outputs[0]) ?? step;
    }
  }
  return { steps, aliases, homes, lifetimes, inPlace: taking };
}
