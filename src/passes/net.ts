import type { Dim, Graph, GraphNode } from "../graph/graph.js";
import { readBy } from "../graph/order.js";
import { denseOf } from "../graph/storage.js";
import { isReal, type PlainWeight, type Weight } from "../graph/weight.js";
import { sizeOf } from "../tensor.js";
import { dropDead } from "./dead.js";
import type { Knowledge } from "./infer.js";
import { type Outline, type Outlines, outlineOf } from "./rank.js";
import { inferShapes } from "./shapes.js";

/** What a node and some of those before it become, the last of them making what the node made; undefined: all stays. */
export type Pattern = (node: GraphNode, net: Net) => readonly GraphNode[] | undefined;

/** By the operator of the last node of what they look for. */
export type Patterns = Readonly<Record<string, readonly Pattern[] | undefined>>;

/** So many times the elements of all weights are written anew at most. */
const mostTimes = 16;

/** A graph while patterns are looked for in it: the nodes so far, as they have become, and the weights. */
export class Net implements Outlines {
  readonly weights: Map<string, Weight>;
  readonly #makers = new Map<string, GraphNode>();
  readonly #uses = new Map<string, number>();
  readonly #outlines = new Map<string, Outline>();
  readonly #shapesOf: () => ReadonlyMap<string, readonly Dim[]>;
  #shapes: ReadonlyMap<string, readonly Dim[]> | undefined;
  readonly #integers = new Map<string, readonly number[]>();
  #left = 0;

  /** @param shapesOf the shapes of the graph's values */
  constructor(graph: Graph, shapesOf: () => ReadonlyMap<string, readonly Dim[]>) {
    this.#shapesOf = shapesOf;
    this.weights = new Map(graph.weights);
    for (const { shape } of graph.weights.values()) this.#left += mostTimes * sizeOf(shape);
    for (const { name, shape } of graph.inputs) {
      if (!shape) continue;
      const last = shape.at(-1);
      this.#outlines.set(name, { rank: shape.length, exact: true, last: typeof last === "number" ? last : undefined });
    }
    for (const node of graph.nodes) for (const name of readBy(node)) this.#read(name, 1);
    for (const { name } of graph.outputs) this.#read(name, 1);
  }

  add(node: GraphNode): void {
    const outline = outlineOf(node, this);
    for (const output of node.outputs) {
      this.#makers.set(output, node);
      this.#outlines.set(output, outline);
    }
  }

  /** Tells that nodes stand for one: what it read is read no more, nor what only served that. */
  replace(node: GraphNode, made: readonly GraphNode[]): void {
    for (const each of made) for (const name of each.inputs) this.#read(name, 1);
    const unread = [...node.inputs];
    for (const name of unread) {
      const maker = this.#read(name, -1) === 0 ? this.#makers.get(name) : undefined;
      if (maker?.outputs.every((output) => this.uses(output) === 0)) unread.push(...maker.inputs);
    }
  }

  /** Tells that what reads the output of an Identity reads its input from here on. @param stays whether the Identity itself does too */
  passBy({ inputs: [source], outputs: [value] }: GraphNode, stays: boolean): void {
    this.#read(source, this.uses(value) - (stays ? 0 : 1));
    this.#uses.set(value, 0);
  }

  #read(name: string, times: number): number {
    const uses = this.uses(name) + times;
    this.#uses.set(name, uses);
    return uses;
  }

  outline(value: string): Outline {
    const weight = this.weights.get(value);
    if (weight) return { rank: weight.shape.length, exact: true, last: weight.shape.at(-1) };
    return this.#outlines.get(value) ?? { rank: 0, exact: false };
  }

  /** How often a value is read. */
  uses(value: string): number {
    return this.#uses.get(value) ?? 0;
  }

  /** The node that makes a value, of one of some operators, where it makes no other and the value is read so often at most. */
  maker(value: string, ops: readonly string[], uses = 1): GraphNode | undefined {
    const node = this.#makers.get(value);
    if (!node || node.domain || node.outputs.length !== 1 || !ops.includes(node.op)) return undefined;
    return this.uses(value) <= uses ? node : undefined;
  }

  /** Elements of a weight of floating-point numbers that is stored as it is. */
  floats(value: string): Float32Array | undefined {
    const weight = this.weights.get(value);
    if (!weight || weight.kind === "coded" || (weight.kind === "dense" && !isReal(weight.dtype))) return undefined;
    return denseOf(weight as PlainWeight);
  }

  /** The number that a weight of one element holds. */
  scalar(value: string): number | undefined {
    const weight = this.weights.get(value);
    if (!weight || sizeOf(weight.shape) !== 1) return undefined;
    return weight.kind === "dense" && weight.dtype === "float32" ? (weight.data[0] as number) : this.floats(value)?.[0];
  }

  /** Elements of a weight of integers. */
  integers(value: string): readonly number[] | undefined {
    const weight = this.weights.get(value);
    if (weight?.kind !== "dense" || (weight.dtype !== "int64" && weight.dtype !== "int32")) return undefined;
    const known = this.#integers.get(value) ?? Array.from(weight.data as ArrayLike<number | bigint>, Number);
    this.#integers.set(value, known);
    return known;
  }

  /** Whether so many elements may be written anew: those of all weights a few times, however many nodes ask for it. */
  spend(elements: number): boolean {
    this.#left -= elements;
    return this.#left >= 0;
  }

  /** Of the two inputs of a node, the one that is no scalar, and the scalar, which does not add dimensions. */
  withScalar(node: GraphNode): { x: string; c: number } | undefined {
    for (const [x, other] of [node.inputs, node.inputs.toReversed()]) {
      const c = this.scalar(other);
      if (c === undefined) continue;
      return this.outline(other).rank <= this.outline(x).rank ? { x, c } : undefined;
    }
    return undefined;
  }

  /** The shape of a value as it was before patterns were looked for, with open dimensions by name: costly, when first asked. */
  shape(value: string): readonly Dim[] | undefined {
    this.#shapes ??= this.#shapesOf();
    return this.#shapes.get(value);
  }

  /** A name that nothing has, for a value or a weight. */
  name(beside: GraphNode, what: string): string {
    let name = `${beside.name}.${what}`;
    for (let i = 2; this.weights.has(name) || this.#makers.has(name) || this.#uses.has(name); i++) {
      name = `${beside.name}.${what}.${i}`;
    }
    return name;
  }

  weight(beside: GraphNode, what: string, weight: Weight): string {
    const name = this.name(beside, what);
    this.weights.set(name, weight);
    return name;
  }
}

/**
 * The same function with every pattern that is found written otherwise, Identity passed by, and without what nothing needs.
 * @param knowledgeOf see `inferShapes`
 */
export function rewrite(graph: Graph, patterns: Patterns, knowledgeOf?: (graph: Graph) => Knowledge): Graph {
  const net = new Net(graph, () => inferShapes(graph, knowledgeOf));
  const sources = new Map<string, string>();
  const asked = askedByName(graph);
  let found = false;
  const nodes = graph.nodes.flatMap((given) => {
    const inputs = sources.size > 0 ? given.inputs.map((name) => sources.get(name) ?? name) : given.inputs;
    const node = inputs.every((name, i) => name === given.inputs[i]) ? given : { ...given, inputs };
    const made = matched(node, net, Object.hasOwn(patterns, node.op) ? patterns[node.op] : []) ?? [node];
    if (made.length > 1 || made[0] !== given) {
      found = true;
      net.replace(node, made);
    }
    for (const each of made) net.add(each);
    const [last] = made.slice(-1);
    if (last.op === "Identity" && !last.domain) {
      sources.set(last.outputs[0], last.inputs[0]);
      net.passBy(last, asked.has(last.outputs[0]));
    }
    return made;
  });
  return dropDead(found ? { ...graph, nodes, weights: net.weights } : graph);
}

/** What bodies and outputs of the graph ask for by its name. */
function askedByName(graph: Graph): ReadonlySet<string> {
  const inside = graph.nodes.flatMap((node) => readBy(node).slice(node.inputs.length));
  return new Set([...inside, ...graph.outputs.map(({ name }) => name)]);
}

function matched(node: GraphNode, net: Net, patterns: readonly Pattern[] = []): readonly GraphNode[] | undefined {
  if (node.domain || node.outputs.length !== 1) return undefined;
  for (const pattern of patterns) {
    const made = pattern(node, net);
    if (made) return made;
  }
  return undefined;
}
