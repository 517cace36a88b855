import type { TypedArray } from "../dtype.js";
import type { Graph, GraphNode } from "../graph/graph.js";
import { type Engine, put } from "../kernels/engine.js";
import type { Info, Launch, PlacedWeight, Slot, Slots, Table } from "../ops/op.js";
import { type Inferred, inferGraph } from "../passes/infer.js";
import { copying } from "./copies.js";
import { type Lifetimes, lifetimesOf } from "./lifetimes.js";
import { knowledgeOf, type LoweredGraph } from "./lower.js";
import { type Lifetime, type MemoryPlan, planMemory } from "./memory-plan.js";

/** A node's turn in a run. */
export interface PlannedStep {
  readonly node: GraphNode;
  /** Its values by their names on this way through the network. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** What it is bound to; of a weight that the node has placed for itself the address is 0. */
  readonly io: Slots;
  /** Whether the output takes the place of an input. */
  readonly inPlace: boolean;
  readonly launch: Launch;
  /** Address of the launch's scratch. */
  readonly scratch: number;
}

/** One way through the network for one set of input shapes. */
export interface Plan {
  /** Inputs, outputs and everything between: where each value lives. */
  readonly slots: ReadonlyMap<string, Slot>;
  /** What stands where another value does, in another shape: the name of that one. */
  readonly aliases: ReadonlyMap<string, string>;
  /** Where each output of the graph is found, by its name on this way through the network. */
  readonly outputs: readonly string[];
  readonly steps: readonly PlannedStep[];
  /** The place of each value that has one, as its number in `lifetimes`. */
  readonly homes: ReadonlyMap<string, number>;
  readonly lifetimes: readonly Lifetime[];
  /** Where the block begins, and what it is for: first the values, then the constants, then the scratch of each step. */
  readonly base: number;
  readonly memory: MemoryPlan;
  /** Tables of operators, and values known at planning that are read at run time: they go to their places whenever the plan becomes the current one. */
  readonly constants: readonly { readonly pointer: number; readonly data: TypedArray }[];
}

/** A network in memory whose values are known as far as they can be before it runs. */
interface Known extends Inferred {
  readonly engine: Engine;
  readonly graph: Graph;
  readonly lowered: LoweredGraph;
  readonly live: ReadonlyMap<string, PlacedWeight>;
}

/**
 * Gives every value and all scratch an address in one block that begins at the arena's top, and binds every node to it.
 * `keep`: every value stays until the end of the run (training reads them backwards); `base`: where the block begins instead.
 */
export function bindPlan(
  engine: Engine,
  graph: Graph,
  lowered: LoweredGraph,
  inputs: ReadonlyMap<string, Info>,
  options: { live?: ReadonlyMap<string, PlacedWeight>; keep?: boolean; base?: number } = {},
): Plan {
  const { arena } = engine;
  const { live = new Map<string, PlacedWeight>(), keep = false, base = arena.mark() } = options;
  const inferred = inferGraph(graph, inputs, knowledgeOf(engine, graph, lowered.weights));
  const known = { ...inferred, engine, graph, lowered, live };
  const values = lifetimesOf(graph, inferred, keep);
  const { steps, lifetimes } = values;
  // What constants and scratch take is told by nodes that are bound: they are bound twice, first without.
  for (let tables = 0, scratch = steps.map(() => 0); ; ) {
    const memory = planMemory([
      ...lifetimes,
      { bytes: tables, first: 0, last: steps.length },
      ...scratch.map((bytes, step) => ({ bytes, first: step, last: step })),
    ]);
    const at = memory.offsets.map((offset) => base + offset);
    const bound = bindSteps(known, values, at);
    if (bound.tables <= tables && bound.launches.every(({ launch }, step) => launch.scratch <= scratch[step])) {
      arena.release(base);
      arena.alloc(memory.bytes);
      const { slots, constants, launches } = bound;
      const places = at.slice(lifetimes.length + 1);
      const planned = steps.map(({ node, inputs, outputs }, i) => {
        return { node, inputs, outputs, inPlace: values.inPlace.has(i), ...launches[i], scratch: places[i] };
      });
      const { aliases, homes } = values;
      const { outputs } = inferred;
      return { slots, aliases, outputs, steps: planned, homes, lifetimes, base, memory, constants };
    }
    tables = Math.max(tables, bound.tables);
    scratch = bound.launches.map(({ launch }, step) => Math.max(scratch[step], launch.scratch));
  }
}

/** Binds every node. @param at the address of each lifetime, after them that of the constants */
function bindSteps(known: Known, { steps, aliases, homes, lifetimes }: Lifetimes, at: readonly number[]) {
  const { engine, graph, lowered, live, infos } = known;
  const constants: { pointer: number; data: TypedArray }[] = [];
  const first = at[lifetimes.length];
  let next = first;
  const table: Table = (data) => {
    constants.push({ pointer: next, data });
    next += Math.ceil(data.byteLength / 64) * 64;
    return constants[constants.length - 1].pointer;
  };
  const slots = new Map<string, Slot>();
  const pointerOf = (root: string, renamed: boolean): number => {
    const home = homes.get(root);
    if (home !== undefined) return at[home];
    const weight = live.get(root);
    if (weight?.kind === "live") return weight.values;
    if (graph.weights.has(root)) return renamed ? lowered.weights.dense(root) : 0;
    return table(infos.get(root)!.known!);
  };
  const slotOf = (name: string): Slot | undefined => {
    if (name === "") return undefined;
    const root = aliases.get(name) ?? name;
    const slot = slots.get(name) ?? {
      ...infos.get(name)!,
      pointer: slots.get(root)?.pointer ?? pointerOf(root, root !== name),
    };
    if (!graph.weights.has(name)) slots.set(name, slot);
    return slot;
  };
  for (const name of [...homes.keys(), ...aliases.keys()]) slotOf(name);
  const launches = steps.map(({ node, inputs: from, outputs: to, copies }) => {
    const own = copies ? undefined : lowered.nodes.get(node)!;
    const inputs = from.map((name, i) => {
      const slot = slotOf(name);
      if (slot && own?.constants[i]) return { ...slot, pointer: own.constants[i] };
      // What a body takes from outside may be a weight.
      return slot && graph.weights.has(name) && !(own && graph.weights.has(node.inputs[i]))
        ? { ...slot, pointer: lowered.weights.dense(name) }
        : slot;
    });
    const io = { inputs, outputs: to.map((name) => slotOf(name)!) };
    return { io, launch: own ? own.bind(io, table) : copying(engine.kernels, copies!, io) };
  });
  for (const [i, { name }] of graph.outputs.entries()) slots.set(name, slotOf(known.outputs[i])!);
  return { slots, constants, launches, tables: next - first };
}

/** Makes a plan the current one: its constants go to their places, which other plans use as well. */
export function enterPlan(engine: Engine, plan: Plan): void {
  for (const { pointer, data } of plan.constants) put(engine, pointer, data);
}

/** Runs every node in turn. */
export function runPlan(plan: Plan): void {
  for (const { launch, scratch } of plan.steps) launch.run(scratch);
}
