import type { DType } from "../dtype.js";
import type { Graph } from "../graph/graph.js";
import { byteLength } from "../graph/storage.js";
import type { Plan } from "./plan.js";

/** A value of a plan that has a place in the block. */
export interface PlanValue {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Bytes from the beginning of the block. */
  readonly offset: number;
  /** Bytes of its place. */
  readonly bytes: number;
  /** Steps from and to which its place is taken, by it or by what comes after it there; an output's until `steps.length`. */
  readonly first: number;
  readonly last: number;
}

/** What runs in one step. */
export interface PlanStep {
  readonly name: string;
  readonly op: string;
  readonly outputs: readonly PlanValue[];
  /** Whether the output stands where an input stood. */
  readonly inPlace: boolean;
  /** What the step needs beside its inputs and outputs: bytes from the beginning of the block, and how many. */
  readonly scratch: { readonly offset: number; readonly bytes: number };
}

/** Bytes of a session. */
export interface PlanMemory {
  /** The weights as the graph stores them. */
  readonly weights: number;
  /** The weights as kernels want them: packed, padded, values that are stored as fewer bits as float32. */
  readonly packed: number;
  /** Values, constants and scratch of this plan. */
  readonly block: number;
  /** The largest sum of what lives at one step: no block can be smaller. */
  readonly lowerBound: number;
  /** All of the session's memory, whole pages of 65,536; other plans may have needed more of it. */
  readonly peak: number;
}

/** How a network runs for one set of input shapes. */
export interface ModelPlan {
  readonly inputs: readonly PlanValue[];
  /** In the order in which they run; values that are known beforehand or are others in another shape take no step. */
  readonly steps: readonly PlanStep[];
  readonly memory: PlanMemory;
}

/** Bytes of a graph's weights as they are stored. */
export function storedBytes(graph: Graph): number {
  let sum = 0;
  for (const weight of graph.weights.values()) sum += byteLength(weight);
  return sum;
}

export function reportOf(
  graph: Graph,
  plan: Plan,
  { weights, packed, peak }: Omit<PlanMemory, "block" | "lowerBound">,
): ModelPlan {
  const { slots, homes, lifetimes, base, memory } = plan;
  const placedAs = (name: string): PlanValue[] => {
    const home = homes.get(name);
    if (home === undefined) return [];
    const { dtype, shape } = slots.get(name)!;
    const { bytes, first, last } = lifetimes[home];
    return [{ name, dtype, shape: [...shape], offset: memory.offsets[home], bytes, first, last }];
  };
  return {
    inputs: graph.inputs.flatMap(({ name }) => placedAs(name)),
    steps: plan.steps.map(({ node, outputs, inPlace, launch, scratch }) => ({
      name: node.name,
      op: node.op,
      outputs: outputs.flatMap(placedAs),
      inPlace,
      scratch: { offset: launch.scratch > 0 ? scratch - base : 0, bytes: launch.scratch },
    })),
    memory: { weights, packed, block: memory.bytes, lowerBound: memory.lowerBound, peak },
  };
}
