import { inMemory, isFloat, type TypedArray, viewOf } from "../dtype.js";
import { expected, UnsupportedError } from "../errors.js";
import { type Body, bodiesOf, type Dim, type Graph, type GraphNode } from "../graph/graph.js";
import { matrixOf } from "../graph/storage.js";
import { type Engine, place, put } from "../kernels/engine.js";
import { limitsOf } from "../ops/clip.js";
import { bytesOf, type Info, type Launch, type Op, type PlacedWeight, type Site, type Slot } from "../ops/op.js";
import { controls, operatorOf } from "../ops/registry.js";
import { type Inferred, inferGraph, type Knowledge } from "../passes/infer.js";
import { sizeOf } from "../tensor.js";
import { copying } from "./copies.js";
import { type Lifetime, type MemoryPlan, planMemory } from "./memory-plan.js";
import { Weights } from "./weights.js";

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
  readonly weights: Weights;
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

/** What lowering is told beside the graph. */
export interface Lowering {
  /** See `Site`. */
  readonly exact?: boolean;
  /** Weights that are already in memory and change between runs. */
  readonly live?: ReadonlyMap<string, PlacedWeight>;
  /** The activation that a node's launch applies to what it makes (fuse.ts). */
  readonly activations?: ReadonlyMap<GraphNode, GraphNode>;
}

/** Places every weight and lowers every node, once for a session. */
export function lowerGraph(engine: Engine, graph: Graph, options: Lowering = {}): LoweredGraph {
  const { exact = false, live = new Map<string, PlacedWeight>(), activations } = options;
  const weights = new Weights(engine, graph, live);
  const shapes = shapesOfOne(graph);
  const siteOf = (node: GraphNode, taken = new Set<number>(), limits = 0): Site => {
    const nameOf = (i: number) => {
      taken.add(i);
      const name = node.inputs[i] ?? "";
      checkFloats(graph, node, name);
      return name;
    };
    return {
      node,
      exact,
      limits,
      output: shapes?.get(node.outputs[0]),
      kernels: engine.kernels,
      weight: (i) => weights.stored(nameOf(i)),
      place: <K>(i: number, _kind: K) => weights.placed(nameOf(i)) as Extract<PlacedWeight, { readonly kind: K }>,
      dense(i) {
        const name = nameOf(i);
        if (name === "") return 0;
        if (!weights.stored(name)) {
          throw new UnsupportedError(
            expected(`node ${node.name} (${node.op})`, `a weight "${name}"`, "a computed value"),
          );
        }
        return weights.dense(name);
      },
      borrow: (i, use) => weights.borrow(nameOf(i), use),
      constant(i) {
        const info = weights.elements(node.inputs[i] ?? "");
        if (info) taken.add(i);
        return info;
      },
      alloc: (bytes) => engine.arena.alloc(bytes),
      temporary: (bytes, use) => engine.arena.scope(() => use(engine.arena.alloc(bytes))),
    };
  };
  const lower = (node: GraphNode): Lowered => {
    const op = operatorOf(node);
    op.attrs(node);
    const taken = new Set<number>();
    const activation = activations?.get(node);
    const site = siteOf(node, taken, activation && limitsOf(siteOf(activation)));
    const bind = op.lower(site);
    const constant = (name: string, i: number) => !taken.has(i) && graph.weights.has(name) && !live.has(name);
    return { node, bind, constants: node.inputs.map((name, i) => (constant(name, i) ? weights.dense(name) : 0)) };
  };
  const nodes = new Map<GraphNode, Lowered>();
  const lowerAll = (body: Body) => {
    for (const node of body.nodes) {
      if (!controls.has(node.op)) {
        nodes.set(node, lower(node));
        continue;
      }
      // What goes in and out of a body may be a weight as it is.
      const passed = [...node.inputs, ...bodiesOf(node).flatMap((inner) => inner.outputs.map((output) => output.name))];
      for (const name of passed) if (graph.weights.has(name)) weights.dense(name);
      for (const inner of bodiesOf(node)) lowerAll(inner);
    }
  };
  lowerAll(graph);
  return { nodes, weights };
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

/** Shapes of all values for one example; undefined where a dimension other than the first is open, or where shapes do not fit. */
function shapesOfOne(graph: Graph): ReadonlyMap<string, readonly number[]> | undefined {
  if (graph.inputs.some(({ shape }) => !shape || shape.slice(1).some((dim) => typeof dim !== "number")))
    return undefined;
  const sizeAt = (dim: Dim) => (typeof dim === "number" ? dim : 1);
  try {
    const infos = graph.inputs.map(
      ({ name, dtype, shape = [] }) => [name, { dtype, shape: shape.map(sizeAt) }] as const,
    );
    return new Map([...inferGraph(graph, new Map(infos)).infos].map(([name, { shape }]) => [name, shape]));
  } catch {
    // What does not fit is told when the graph is planned.
    return undefined;
  }
}

/**
 * Gives every value an address in one block that begins at the arena's top, and binds every node to it.
 * `keep`: every value stays until the end of the run (training reads them backwards); `base`: where the block begins instead.
 */
export function bindPlan(
  engine: Engine,
  graph: Graph,
  lowered: LoweredGraph,
  inputs: ReadonlyMap<string, Info>,
  options: { live?: ReadonlyMap<string, PlacedWeight>; keep?: boolean; base?: number } = {},
): Plan {
  const { live = new Map<string, PlacedWeight>(), keep = false } = options;
  const inferred = inferGraph(graph, inputs, knowledgeOf(engine, graph, lowered));
  const { infos } = inferred;
  const computed = (name: string) => name !== "" && !graph.weights.has(name) && infos.get(name)!.known === undefined;
  const steps = inferred.steps.filter((step) => step.outputs.some(computed));
  const { names, lifetimes, home } = lifetimesOf(graph, { ...inferred, steps }, keep);
  const memory = planMemory(lifetimes);
  if (options.base !== undefined) engine.arena.release(options.base);
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
    const launch = own ? own.bind(io, table) : copying(engine.kernels, copies!, io);
    most = Math.max(most, launch.scratch);
    return { node, launch };
  });
  for (const [i, { name }] of graph.outputs.entries()) slots.set(name, slotOf(inferred.outputs[i])!);
  return { slots, launches, scratch: engine.arena.alloc(most), memory, constants };
}

/** Runs what is known through the kernels, in memory that is given back. */
function knowledgeOf(engine: Engine, graph: Graph, lowered: LoweredGraph): Knowledge {
  const { arena, kernels } = engine;
  const read = ({ dtype, shape }: Info, pointer: number) =>
    viewOf(inMemory(dtype), kernels.memory.buffer, pointer, sizeOf(shape)).slice() as TypedArray;
  return {
    elements: (name) => lowered.weights.elements(name)?.known,
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
  for (const [step, { node, inputs, outputs: made, copies }] of steps.entries()) {
    const [source] = inputs;
    const [result] = made;
    const place = home.get(source);
    const dies = !keep && place !== undefined && lifetimes[place].last === step;
    if (dies && !copies && operatorOf(node).inPlace && made.length === 1 && bytes(source) === bytes(result)) {
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
