import { inMemory, isFloat, type TypedArray } from "../dtype.js";
import { expected, UnsupportedError } from "../errors.js";
import { type Body, bodiesOf, type Dim, type Graph, type GraphNode } from "../graph/graph.js";
import { matrixOf } from "../graph/storage.js";
import type { Weight } from "../graph/weight.js";
import { type Engine, place } from "../kernels/engine.js";
import { limitsOf } from "../ops/held.js";
import { bytesOf, type Op, type PlacedWeight, type Site, type Slot } from "../ops/op.js";
import { controls, operatorOf } from "../ops/registry.js";
import { inferGraph, type Knowledge } from "../passes/infer.js";
import { sizeOf } from "../tensor.js";
import { elementsAt } from "./transfer.js";
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
        return name === "" ? 0 : weights.dense(name);
      },
      constant(i) {
        const info = weights.elements(node.inputs[i] ?? "");
        if (info) taken.add(i);
        return info;
      },
      borrow: (i, use) => weights.borrow(nameOf(i), use),
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
  const all: GraphNode[] = [];
  const collect = (body: Body) => {
    for (const node of body.nodes) {
      if (!controls.has(node.op)) {
        all.push(node);
        continue;
      }
      // What goes in and out of a body may be a weight as it is.
      const passed = [...node.inputs, ...bodiesOf(node).flatMap((inner) => inner.outputs.map((output) => output.name))];
      for (const name of passed) if (graph.weights.has(name)) weights.dense(name);
      for (const inner of bodiesOf(node)) collect(inner);
    }
  };
  collect(graph);
  // While a weight is packed, its values stand on top of all that stays: the largest go first, where memory is still to grow.
  const sizeOfWeights = ({ inputs }: GraphNode) =>
    inputs.reduce((most, name) => Math.max(most, sizeOf(graph.weights.get(name)?.shape ?? [0])), 0);
  const sized = all.map((node) => ({ node, size: sizeOfWeights(node) })).sort((a, b) => b.size - a.size);
  return { nodes: new Map(sized.map(({ node }) => [node, lower(node)])), weights };
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
  const isOpen = ({ shape }: Graph["inputs"][number]) =>
    !shape || shape.slice(1).some((dim) => typeof dim !== "number");
  if (graph.inputs.length === 0 || graph.inputs.some(isOpen)) return undefined;
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

/** What can be told of elements before anything runs. */
export function knowledgeOf(engine: Engine, graph: Graph, weights = new Weights(engine, graph, new Map())): Knowledge {
  return {
    elements: (name) => weights.elements(name)?.known,
    evaluate: (node, inputs, outputs) => evaluate(engine, node, inputs, outputs),
  };
}

/** Runs one node on what is known, as a session would with weights in those places, in memory that is given back. */
function evaluate(engine: Engine, ...[node, inputs, outputs]: Parameters<Knowledge["evaluate"]>): TypedArray[] {
  const { arena } = engine;
  return arena.scope(() => {
    const names = inputs.map((info, i) => (info ? `${i}` : ""));
    const weights = new Map<string, Weight>();
    for (const [i, info] of inputs.entries()) {
      if (!info) continue;
      weights.set(names[i], { kind: "dense", shape: info.shape, dtype: inMemory(info.dtype), data: info.known! });
    }
    const alone = { ...node, inputs: names };
    const lowered = lowerGraph(engine, { name: node.name, inputs: [], outputs: [], nodes: [alone], weights });
    const { bind, constants } = lowered.nodes.get(alone)!;
    const given = inputs.map((info, i): Slot | undefined => info && { ...info, pointer: constants[i] });
    const made = outputs.map((info): Slot => ({ ...info, pointer: arena.alloc(bytesOf(info)) }));
    const launch = bind({ inputs: given, outputs: made }, (data) => place(engine, data));
    launch.run(arena.alloc(launch.scratch));
    return made.map((slot) => elementsAt(engine, slot).slice() as TypedArray);
  });
}

/** Rows and columns for a weight that training keeps in memory. */
export function liveWeight(shape: readonly number[], values: number): PlacedWeight {
  return { kind: "live", shape, ...matrixOf(shape), values };
}
