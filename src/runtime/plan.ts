import { inMemory, isFloat, type TypedArray, viewOf } from "../dtype.js";
import { expected, UnsupportedError } from "../errors.js";
import { type Body, bodiesOf, type Graph, type GraphNode } from "../graph/graph.js";
import { matrixOf } from "../graph/storage.js";
import { type Engine, place, put } from "../kernels/engine.js";
import { bytesOf, type Info, type Launch, type Op, type PlacedWeight, type Site, type Slot } from "../ops/op.js";
import { controls, operatorOf } from "../ops/registry.js";
import { type Inferred, inferGraph, type Knowledge } from "../passes/infer.js";
import { sizeOf } from "../tensor.js";
import { type Lifetime, type MemoryPlan, planMemory } from "./memory-plan.js";
import { placeWeight } from "./place.js";

/** A node with its weights in memory, ready to be bound to addresses and shapes. */
export interface Lowered {
  readonly node: GraphNode;
  readonly bind: ReturnType<Op["lower"]>;
  /** Address of each input that is a weight which the operator reads like any other value; 0 for the rest. */
  readonly constants: readonly number[];
}

/** A network with its weights in memory. */
export interface LoweredGraph {
  readonly nodes: ReadonlyMap<GraphNode, Lowered>;
  /** Address of the elements of a weight. */
  elements(name: string): number;
}

/** One way through the network for one set of input shapes. */
export interface Plan {
  /** Inputs, outputs and everything between: where each value lives. */
  readonly slots: ReadonlyMap<string, Slot>;
  readonly launches: readonly { readonly node: GraphNode; readonly launch: Launch }[];
  readonly scratch: number;
  readonly memory: MemoryPlan;
  /** Tables of operators, and values known at planning that are read at run time: they go to their places whenever the plan becomes the current one. */
  readonly constants: readonly { readonly pointer: number; readonly data: TypedArray }[];
}

/**
 * Places every weight and lowers every node, once for a session.
 * `live` weights are already in memory and change between runs.
 */
export function lowerGraph(
  engine: Engine,
  graph: Graph,
  exact: boolean,
  live: ReadonlyMap<string, PlacedWeight> = new Map(),
): LoweredGraph {
  const placed = new Map<string, PlacedWeight>(live);
  const dense = new Map<string, number>();
  const weightOf = (name: string): PlacedWeight | undefined => {
    const weight = graph.weights.get(name);
    if (!placed.has(name) && weight) placed.set(name, placeWeight(engine, name, weight));
    return placed.get(name);
  };
  const elements = (name: string, node?: GraphNode) => {
    if (!dense.has(name)) dense.set(name, denseValues(engine, name, weightOf(name), node));
    return dense.get(name)!;
  };
  const lower = (node: GraphNode): Lowered => {
    const op = operatorOf(node);
    op.attrs(node);
    const taken = new Set<number>();
    const site: Site = {
      node,
      exact,
      kernels: engine.kernels,
      weight(i) {
        taken.add(i);
        if (!node.inputs[i]) return undefined;
        checkFloats(graph, node, node.inputs[i]);
        return weightOf(node.inputs[i]);
      },
      dense(i) {
        taken.add(i);
        const name = node.inputs[i];
        if (!name) return 0;
        checkFloats(graph, node, name);
        return elements(name, node);
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
    return { node, bind, constants: node.inputs.map((name, i) => (constant(name, i) ? elements(name, node) : 0)) };
  };
  const nodes = new Map<GraphNode, Lowered>();
  const lowerAll = (body: Body) => {
    for (const node of body.nodes) {
      if (controls.has(node.op)) for (const inner of bodiesOf(node)) lowerAll(inner);
      else nodes.set(node, lower(node));
    }
  };
  lowerAll(graph);
  return { nodes, elements };
}

/** What an operator takes as a weight are floating-point numbers. */
function checkFloats(graph: Graph, node: GraphNode, name: string): void {
  const weight = graph.weights.get(name);
  const stored = weight?.kind === "coded" ? weight.storage : weight;
  if (stored?.kind === "dense" && !isFloat(stored.dtype)) {
    throw new UnsupportedError(
      expected(`node ${node.name} (${node.op})`, `floating-point values in ${name}`, stored.dtype),
    );
  }
}

/** Address of a weight's values as dense f32, rebuilt where they are stored otherwise. */
function denseValues(engine: Engine, name: string, weight: PlacedWeight | undefined, node?: GraphNode): number {
  if (!weight)
    throw new UnsupportedError(expected(`node ${node?.name} (${node?.op})`, `a weight "${name}"`, "a computed value"));
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
      else kernels.copy_bytes(4 * rows * cols, columns, y);
      arena.release(mark);
      return y;
    }
  }
}

/**
 * Gives every value an address in one block that begins at the arena's top, and binds every node to it.
 * `keep`: every value stays until the end of the run (training reads them backwards).
 */
export function bindPlan(
  engine: Engine,
  graph: Graph,
  lowered: LoweredGraph,
  inputs: ReadonlyMap<string, Info>,
  options: { live?: ReadonlyMap<string, PlacedWeight>; keep?: boolean } = {},
): Plan {
  const { live = new Map<string, PlacedWeight>(), keep = false } = options;
  const inferred = inferGraph(graph, inputs, knowledgeOf(engine, graph, lowered, live));
  const { infos } = inferred;
  const computed = (name: string) => name !== "" && !graph.weights.has(name) && infos.get(name)!.known === undefined;
  const steps = inferred.steps.filter((step) => step.outputs.some(computed));
  const { names, lifetimes, home } = lifetimesOf(graph, { ...inferred, steps }, keep);
  const memory = planMemory(lifetimes);
  const base = engine.arena.alloc(memory.bytes);
  const slots = new Map<string, Slot>();
  for (const name of names) slots.set(name, { ...infos.get(name)!, pointer: base + memory.offsets[home.get(name)!] });
  const constants: { pointer: number; data: TypedArray }[] = [];
  const table = (data: TypedArray) => {
    const pointer = engine.arena.alloc(data.byteLength);
    constants.push({ pointer, data });
    return pointer;
  };
  const slotOf = (name: string): Slot | undefined => {
    if (name === "") return undefined;
    const weight = live.get(name);
    if (weight?.kind === "live") return { pointer: weight.values, shape: weight.shape, dtype: "float32" };
    const info = infos.get(name)!;
    if (!slots.has(name) && info.known && !graph.weights.has(name)) {
      slots.set(name, { ...info, pointer: table(info.known) });
    }
    return slots.get(name) ?? { ...info, pointer: 0 };
  };
  let most = 0;
  const launches = steps.map(({ node, inputs: from, outputs: to, stacks }) => {
    const { bind, constants: addresses } = stacks ? stack(engine, from) : lowered.nodes.get(node)!;
    const inputs = from.map((name, i) => {
      const slot = slotOf(name);
      if (slot && addresses[i]) return { ...slot, pointer: addresses[i] };
      // What a body takes from outside may be a weight.
      return slot && graph.weights.has(name) && !graph.weights.has(node.inputs[i])
        ? { ...slot, pointer: lowered.elements(name) }
        : slot;
    });
    const launch = bind({ inputs, outputs: to.map((name) => slotOf(name)!) }, table);
    most = Math.max(most, launch.scratch);
    return { node, launch };
  });
  for (const [i, { name }] of graph.outputs.entries()) slots.set(name, slotOf(inferred.outputs[i])!);
  return { slots, launches, scratch: engine.arena.alloc(most), memory, constants };
}

/** One input after another as the output. */
function stack({ kernels }: Engine, names: readonly string[]): Pick<Lowered, "bind" | "constants"> {
  return {
    constants: names.map(() => 0),
    bind: ({ inputs, outputs }) => ({
      scratch: 0,
      run() {
        let to = outputs[0].pointer;
        for (const slot of inputs) {
          kernels.copy_bytes(bytesOf(slot!), slot!.pointer, to);
          to += bytesOf(slot!);
        }
      },
    }),
  };
}

/** Runs what is known through the kernels, in memory that is given back. */
function knowledgeOf(
  engine: Engine,
  graph: Graph,
  lowered: LoweredGraph,
  live: ReadonlyMap<string, PlacedWeight>,
): Knowledge {
  const { arena, kernels } = engine;
  const read = ({ dtype, shape }: Info, pointer: number) =>
    viewOf(inMemory(dtype), kernels.memory.buffer, pointer, sizeOf(shape)).slice() as TypedArray;
  return {
    elements(name) {
      const weight = graph.weights.get(name)!;
      const stored = weight.kind === "coded" ? weight.storage : weight;
      if (live.has(name) || stored.kind !== "dense") return undefined;
      return read({ dtype: stored.dtype, shape: weight.shape }, lowered.elements(name));
    },
    evaluate(node, inputs, outputs) {
      const mark = arena.mark();
      try {
        const { bind, constants } = lowered.nodes.get(node)!;
        const given = inputs.map((info, i): Slot | undefined => {
          if (!info) return undefined;
          if (graph.weights.has(node.inputs[i])) return { ...info, pointer: constants[i] };
          return { ...info, pointer: place(engine, info.known!) };
        });
        const made = outputs.map((info): Slot => ({ ...info, pointer: arena.alloc(bytesOf(info)) }));
        const launch = bind({ inputs: given, outputs: made }, (data) => place(engine, data));
        launch.run(arena.alloc(launch.scratch));
        return made.map((slot) => read(slot, slot.pointer));
      } finally {
        arena.release(mark);
      }
    },
  };
}

/** When each value is made and last used; values that share a place share a lifetime. */
function lifetimesOf(graph: Graph, { infos, steps, outputs }: Inferred, keep: boolean) {
  const end = steps.length;
  const lastUse = new Map<string, number>();
  for (const [step, { inputs }] of steps.entries()) for (const name of inputs) lastUse.set(name, step);
  // Inputs and outputs stay for the whole run: a caller fills the one in place and the other is read at the end.
  for (const { name } of graph.inputs) lastUse.set(name, end);
  for (const name of outputs) lastUse.set(name, end);
  const names: string[] = [];
  const home = new Map<string, number>();
  const lifetimes: { bytes: number; first: number; last: number }[] = [];
  const bytes = (name: string) => bytesOf(infos.get(name)!);
  const settle = (name: string, first: number) => {
    names.push(name);
    home.set(name, lifetimes.length);
    lifetimes.push({ bytes: bytes(name), first, last: keep ? end : (lastUse.get(name) ?? first) });
  };
  for (const { name } of graph.inputs) settle(name, 0);
  for (const [step, { node, inputs, outputs: made, stacks }] of steps.entries()) {
    const [source] = inputs;
    const [result] = made;
    const place = home.get(source);
    const dies = !keep && place !== undefined && lifetimes[place].last === step;
    if (dies && !stacks && operatorOf(node).inPlace && made.length === 1 && bytes(source) === bytes(result)) {
      names.push(result);
      home.set(result, place);
      lifetimes[place].last = lastUse.get(result) ?? step;
      continue;
    }
    for (const name of made) if (name !== "") settle(name, step);
  }
  return { names, home, lifetimes: lifetimes as readonly Lifetime[] };
}

/** Makes a plan the current one: its constants go to their places, which other plans use as well. */
export function enterPlan(engine: Engine, plan: Plan): void {
  for (const { pointer, data } of plan.constants) put(engine, pointer, data);
}

/** Runs every node in turn. */
export function runPlan(plan: Plan): void {
  for (const { launch } of plan.launches) launch.run(plan.scratch);
}

/** Rows and columns for a weight that training keeps in memory. */
export function liveWeight(shape: readonly number[], values: number): PlacedWeight {
  return { kind: "live", shape, ...matrixOf(shape), values };
}
