import { expected, UnsupportedError } from "../errors.js";
import type { Graph, GraphNode } from "../graph/graph.js";
import { matrixOf } from "../graph/storage.js";
import type { Engine } from "../kernels/engine.js";
import type { Launch, PlacedWeight, Site, Slot, Slots } from "../ops/op.js";
import { operatorOf } from "../ops/registry.js";
import { inferShapes } from "../passes/infer.js";
import { sizeOf } from "../tensor.js";
import { type Lifetime, type MemoryPlan, planMemory } from "./memory-plan.js";
import { placeWeight } from "./place.js";

/** A node with its weights in memory, ready to be bound to addresses and shapes. */
export interface Lowered {
  readonly node: GraphNode;
  readonly bind: (io: Slots) => Launch;
  /** Address of each input that is a weight which the operator reads like any other value; 0 for the rest. */
  readonly constants: readonly number[];
}

/** One way through the network for one set of input shapes. */
export interface Plan {
  /** Inputs, outputs and everything between: where each value lives. */
  readonly slots: ReadonlyMap<string, Slot>;
  readonly launches: readonly { readonly node: GraphNode; readonly launch: Launch }[];
  readonly scratch: number;
  readonly memory: MemoryPlan;
}

/** Operators whose output may take the place of their first input. */
const inPlace = new Set(["Relu", "Softmax", "Flatten", "Identity", "BatchNormalization"]);

/**
 * Places every weight and lowers every node, once for a session.
 * `live` weights are already in memory and change between runs.
 */
export function lowerGraph(
  engine: Engine,
  graph: Graph,
  exact: boolean,
  live: ReadonlyMap<string, PlacedWeight> = new Map(),
): Lowered[] {
  const placed = new Map<string, PlacedWeight>(live);
  const dense = new Map<string, number>();
  const weightOf = (name: string): PlacedWeight | undefined => {
    const weight = graph.weights.get(name);
    if (!placed.has(name) && weight) placed.set(name, placeWeight(engine, name, weight));
    return placed.get(name);
  };
  return graph.nodes.map((node) => {
    const op = operatorOf(node);
    op.attrs(node);
    const taken = new Set<number>();
    const site: Site = {
      node,
      exact,
      kernels: engine.kernels,
      weight(i) {
        taken.add(i);
        return node.inputs[i] ? weightOf(node.inputs[i]) : undefined;
      },
      dense(i) {
        taken.add(i);
        const name = node.inputs[i];
        if (!name) return 0;
        if (!dense.has(name)) dense.set(name, denseValues(engine, node, name, weightOf(name)));
        return dense.get(name)!;
      },
      alloc: (bytes) => engine.arena.alloc(bytes),
      temporary(bytes, use) {
        const mark = engine.arena.mark();
        const result = use(engine.arena.alloc(bytes));
        engine.arena.release(mark);
        return result;
      },
    };
    const bind = op.lower(site);
    const constant = (name: string, i: number) => !taken.has(i) && graph.weights.has(name) && !live.has(name);
    return { node, bind, constants: node.inputs.map((name, i) => (constant(name, i) ? site.dense(i) : 0)) };
  });
}

/** Address of a weight's values as dense f32, rebuilt where they are stored otherwise. */
function denseValues(engine: Engine, node: GraphNode, name: string, weight: PlacedWeight | undefined): number {
  if (!weight)
    throw new UnsupportedError(expected(`node ${node.name} (${node.op})`, `a weight "${name}"`, "a computed value"));
  if (weight.kind === "dense" || weight.kind === "live") return weight.values;
  const { kernels, arena } = engine;
  const { rows, cols } = weight;
  const y = arena.alloc(4 * rows * cols);
  switch (weight.kind) {
    case "int8":
      kernels.dequantize_rows_i8(rows, cols, weight.q, weight.scale, y);
      return y;
    case "sparse": {
      const { rowPtr, col, values, scale } = weight;
      if (scale) kernels.csr_rows_i8(rows, cols, rowPtr, col, values, scale, y);
      else kernels.csr_rows_f32(rows, cols, rowPtr, col, values, y);
      return y;
    }
    case "factored": {
      const { n, d, k, rowPtr, col, codes, codeScale, codebook, codebookScale } = weight;
      const mark = arena.mark();
      const columns = arena.alloc(4 * n * d);
      kernels.codebook_rows_i8(n, d, k, rowPtr, col, codes, codeScale, codebook, columns, codebookScale);
      if (weight.layout === "rows") kernels.transpose_f32(n, d, columns, y);
      else kernels.copy_f32(rows * cols, columns, y);
      arena.release(mark);
      return y;
    }
  }
}

/**
 * Gives every value an address in one block that begins at the arena's top, and binds every node to it.
 * `keep`: every value stays until the end of the run (training reads them backwards), `extra` bytes follow the block.
 */
export function bindPlan(
  engine: Engine,
  graph: Graph,
  lowered: readonly Lowered[],
  inputs: ReadonlyMap<string, readonly number[]>,
  options: { live?: ReadonlyMap<string, PlacedWeight>; keep?: boolean } = {},
): Plan {
  const shapes = inferShapes(graph, inputs);
  const { names, lifetimes, home } = lifetimesOf(graph, shapes, options.keep ?? false);
  const memory = planMemory(lifetimes);
  const base = engine.arena.alloc(memory.bytes);
  const slots = new Map<string, Slot>();
  for (const name of names)
    slots.set(name, { pointer: base + memory.offsets[home.get(name)!], shape: shapes.get(name)! });
  const slotOf = (name: string): Slot | undefined => {
    if (name === "") return undefined;
    const weight = options.live?.get(name);
    if (weight?.kind === "live") return { pointer: weight.values, shape: weight.shape };
    return slots.get(name) ?? { pointer: 0, shape: shapes.get(name)! };
  };
  let most = 0;
  const launches = lowered.map(({ node, bind, constants }) => {
    const inputs = node.inputs.map((name, i) => {
      const slot = slotOf(name);
      return slot && constants[i] ? { ...slot, pointer: constants[i] } : slot;
    });
    const launch = bind({ inputs, outputs: node.outputs.map((name) => slotOf(name)!) });
    most = Math.max(most, launch.scratch);
    return { node, launch };
  });
  return { slots, launches, scratch: engine.arena.alloc(most), memory };
}

/** When each value is made and last used; values that share a place share a lifetime. */
function lifetimesOf(graph: Graph, shapes: ReadonlyMap<string, readonly number[]>, keep: boolean) {
  const end = graph.nodes.length;
  const lastUse = new Map<string, number>();
  for (const [step, node] of graph.nodes.entries()) for (const name of node.inputs) lastUse.set(name, step);
  // Inputs and outputs stay for the whole run: a caller fills the one in place and the other is read at the end.
  for (const { name } of [...graph.inputs, ...graph.outputs]) lastUse.set(name, end);
  const names: string[] = [];
  const home = new Map<string, number>();
  const lifetimes: { bytes: number; first: number; last: number }[] = [];
  const settle = (name: string, first: number) => {
    names.push(name);
    home.set(name, lifetimes.length);
    lifetimes.push({ bytes: 4 * sizeOf(shapes.get(name)!), first, last: keep ? end : (lastUse.get(name) ?? first) });
  };
  for (const { name } of graph.inputs) settle(name, 0);
  for (const [step, node] of graph.nodes.entries()) {
    const source = node.inputs[0];
    const place = home.get(source);
    const dies = !keep && place !== undefined && lifetimes[place].last === step;
    if (dies && inPlace.has(node.op) && node.outputs.length === 1) {
      names.push(node.outputs[0]);
      home.set(node.outputs[0], place);
      lifetimes[place].last = lastUse.get(node.outputs[0]) ?? step;
      continue;
    }
    for (const name of node.outputs) settle(name, step);
  }
  return { names, home, lifetimes: lifetimes as readonly Lifetime[] };
}

/** Runs every node in turn. */
export function runPlan(plan: Plan): void {
  for (const { launch } of plan.launches) launch.run(plan.scratch);
}

/** Rows and columns for a weight that training keeps in memory. */
export function liveWeight(shape: readonly number[], values: number): PlacedWeight {
  return { kind: "live", shape, ...matrixOf(shape), values };
}
