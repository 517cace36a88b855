import { inMemory, isFloat, type TypedArray } from "../dtype.js";
import { expected, ShapeError, UnsupportedError } from "../errors.js";
import type { Graph, GraphNode, ValueInfo } from "../graph/graph.js";
import type { Weight } from "../graph/weight.js";
import { checkRank, sized } from "../ops/known.js";
import { type Info, NeedsValue } from "../ops/op.js";
import { operatorOf } from "../ops/registry.js";
import { showShape, sizeOf } from "../tensor.js";
import { branch, repeat } from "./control.js";
import { scan } from "./scan.js";

/**
 * So many elements are computed while planning at most: enough for what shapes are made of, and for the tables that exporters
 * make of them; a few bytes of file cannot ask for more.
 */
const mostKnown = 65536;
/** So many elements of a floating-point weight are looked at: what scalars and small tables have. */
const mostFloats = 1024;
/**
 * So many elements in all are looked at or made while planning, beside those that a caller fed: chains of nodes cannot ask for more. Any
 * others are not known, and are computed when the network runs.
 */
const mostWork = 4194304;
/** Values of so few elements are always known: steps are bounded too. */
const few = 64;
/** So many nodes are run at most, those of loops each time round. */
const mostSteps = 100000;

/** What can be told while planning of elements: those of a weight, and those that a node makes of known inputs. */
export interface Knowledge {
  elements(weight: string): TypedArray | undefined;
  evaluate(node: GraphNode, inputs: readonly (Info | undefined)[], outputs: readonly Info[]): readonly TypedArray[];
}

/** Shapes depend on the elements of a value that planning does not know. */
export class DependsOnValue extends UnsupportedError {
  /** The graph's inputs that the value is made of. */
  readonly roots: readonly string[];

  constructor(node: GraphNode, value: string, roots: readonly string[]) {
    super(expected(`node ${node.name} (${node.op})`, `the elements of ${value} at planning`, "none"));
    this.roots = roots;
  }
}

/** A node on the way through the network, branches chosen and loops unrolled, with the names of its values there. */
export interface Step {
  readonly node: GraphNode;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** What is done instead of the node's own operator. */
  readonly copies?: Copies;
}

/** What Loop and Scan gather: the inputs beside each other along a dimension of the output. Or what Scan takes: a slice of its input. */
export type Copies = { readonly stack: number } | { readonly slice: number; readonly at: number };

export interface Inferred {
  readonly infos: ReadonlyMap<string, Info>;
  readonly steps: readonly Step[];
  /** Where each output of the graph is found. */
  readonly outputs: readonly string[];
}

/**
 * What every value is, given what the graph's inputs are; with `knowledge`, the elements too where they follow from weights,
 * shapes and known inputs alone.
 * @throws ShapeError, UnsupportedError naming the node; DependsOnValue
 */
export function inferGraph(graph: Graph, inputs: ReadonlyMap<string, Info>, knowledge?: Knowledge): Inferred {
  const sizes = new Map<string, number>();
  for (const input of graph.inputs) {
    const { shape } = inputs.get(input.name)!;
    checkRank(`input ${input.name}`, shape);
    bindShape(`input ${input.name}`, input, shape, sizes);
  }
  const walk = walkOf(graph, inputs, sizes, knowledge);
  const names = new Names();
  walk.nodes(graph.nodes, names);
  const outputs = graph.outputs.map((output) => {
    const name = names.of(output.name);
    const info = walk.infos.get(name);
    if (!info) throw new ShapeError(expected(`output ${output.name}`, "a value of the graph", "none"));
    if (inMemory(info.dtype) !== inMemory(output.dtype)) {
      throw new ShapeError(expected(`output ${output.name}`, output.dtype, info.dtype));
    }
    bindShape(`output ${output.name}`, output, info.shape, sizes);
    return name;
  });
  return { infos: walk.infos, steps: walk.steps, outputs };
}

/** The names that the values of a text have in a walk where they have others there: those of a body, and of what is around it. */
export class Names {
  readonly #own = new Map<string, string>();
  readonly #around: Names | undefined;

  constructor(around?: Names) {
    this.#around = around;
  }

  of(name: string): string {
    return this.#own.get(name) ?? this.#around?.of(name) ?? name;
  }

  set(name: string, to: string): void {
    this.#own.set(name, to);
  }
}

/** The way through a graph at its beginning. `sizes`: those of the open dimensions of its inputs. */
export function walkOf(
  graph: Graph,
  inputs: ReadonlyMap<string, Info>,
  sizes: ReadonlyMap<string, number>,
  knowledge?: Knowledge,
): Walk {
  const walk = new Walk(inputs, sizes, knowledge);
  for (const [name, weight] of graph.weights) {
    checkRank(`weight ${name}`, weight.shape);
    walk.infos.set(name, infoOf(name, weight, knowledge));
  }
  return walk;
}

/** Values have names of their own wherever a body is entered. */
export class Walk {
  readonly infos: Map<string, Info>;
  readonly steps: Step[] = [];
  /** Sizes of open dimensions, by their names. */
  readonly sizes: ReadonlyMap<string, number>;
  readonly #inputs: ReadonlyMap<string, Info>;
  readonly #knowledge: Knowledge | undefined;
  #count = 0;
  /** Elements that may still be looked at or made. */
  #budget = mostWork;

  constructor(inputs: ReadonlyMap<string, Info>, sizes: ReadonlyMap<string, number>, knowledge: Knowledge | undefined) {
    this.infos = new Map(inputs);
    this.sizes = sizes;
    this.#inputs = inputs;
    this.#knowledge = knowledge;
    for (const { known } of inputs.values()) this.#budget += 16 * (known?.length ?? 0);
  }

  nodes(nodes: readonly GraphNode[], names: Names): void {
    for (const node of nodes) {
      if (node.op === "If") branch(this, node, names);
      else if (node.op === "Loop") repeat(this, node, names);
      else if (node.op === "Scan") scan(this, node, names);
      else this.#node(node, names);
    }
  }

  #node(node: GraphNode, names: Names): void {
    const inputs = node.inputs.map((name) => names.of(name));
    const given = inputs.map((name) => this.#look(this.infos.get(name)));
    const made = this.#infer(node, inputs, given);
    for (const info of made) this.#spend(info.known?.length ?? 0);
    const knows = this.#knowledge && this.#mayEvaluate(given, made) ? this.#knowledge : undefined;
    const computed = knows?.evaluate(node, given, made);
    const outputs = node.outputs.map((name, i) => {
      if (name === "") return "";
      return this.add(name, names, computed ? { ...made[i], known: computed[i] } : made[i]);
    });
    this.step({ node, inputs, outputs });
  }

  /** What is known of a value, its elements only while there may be more work. */
  #look(info: Info | undefined): Info | undefined {
    if (!info?.known || this.#spend(info.known.length)) return info;
    return { dtype: info.dtype, shape: info.shape };
  }

  /** Whether so many elements may be looked at or made; they count. */
  #spend(elements: number): boolean {
    if (elements <= few) return true;
    this.#budget -= elements;
    return this.#budget >= 0;
  }

  #mayEvaluate(given: readonly (Info | undefined)[], outputs: readonly Info[]): boolean {
    if (outputs.every(({ known }) => known !== undefined)) return false;
    const size = outputs.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
    return size <= mostKnown && given.every((info) => !info || info.known !== undefined) && this.#spend(size);
  }

  /** Adds a value under a name that nothing has. */
  add(name: string, names: Names, info: Info): string {
    let fresh = name;
    while (this.infos.has(fresh)) fresh = `${name}#${++this.#count}`;
    if (fresh !== names.of(name)) names.set(name, fresh);
    this.infos.set(fresh, info);
    return fresh;
  }

  step(step: Step): void {
    if (this.steps.length === mostSteps) {
      throw new UnsupportedError(expected(`node ${step.node.name}`, `at most ${mostSteps} steps`, "more"));
    }
    this.steps.push(step);
  }

  /** The elements of a value. @throws DependsOnValue */
  known(node: GraphNode, name: string): TypedArray {
    const known = this.infos.get(name)?.known;
    if (!known) throw new DependsOnValue(node, name, this.#rootsOf(name));
    return known;
  }

  #infer(node: GraphNode, inputs: readonly string[], given: readonly (Info | undefined)[]): readonly Info[] {
    const op = operatorOf(node);
    op.attrs(node);
    let outputs: readonly Info[];
    try {
      outputs = op.infer(node, given);
    } catch (error) {
      if (!(error instanceof NeedsValue)) throw error;
      throw new DependsOnValue(node, inputs[error.input], this.#rootsOf(inputs[error.input]));
    }
    for (const { dtype, shape } of outputs) sized(node, dtype, shape);
    // Outputs at the end that nobody wants may be left out.
    if (node.outputs.length > outputs.length) {
      throw new UnsupportedError(
        expected(`node ${node.name} (${node.op})`, `${outputs.length} outputs`, `${node.outputs.length}`),
      );
    }
    return outputs;
  }

  #rootsOf(value: string): string[] {
    const made = new Map(this.steps.flatMap((step) => step.outputs.map((output) => [output, step] as const)));
    const seen = new Set([value]);
    for (const name of seen) for (const input of made.get(name)?.inputs ?? []) seen.add(input);
    return [...seen].filter((name) => this.#inputs.has(name));
  }
}

function infoOf(name: string, weight: Weight, knowledge?: Knowledge): Info {
  const { shape } = weight;
  const stored = weight.kind === "coded" ? weight.storage : weight;
  if (stored.kind !== "dense") return { dtype: "float32", shape };
  // A float is a float however it is stored: compression may have made a float16 of it.
  const dtype = isFloat(stored.dtype) ? "float32" : stored.dtype;
  const most = isFloat(stored.dtype) ? mostFloats : mostKnown;
  return { dtype, shape, known: sizeOf(shape) <= most ? knowledge?.elements(name) : undefined };
}

/** Checks a shape against a declared one; named sizes are bound in `sizes` and must agree. @throws ShapeError */
export function bindShape(
  where: string,
  declared: ValueInfo,
  shape: readonly number[],
  sizes: Map<string, number>,
): void {
  if (!declared.shape) return;
  const fits =
    shape.length === declared.shape.length &&
    declared.shape.every((dim, i) => {
      if (typeof dim === "number") return dim === shape[i];
      const bound = sizes.get(dim) ?? shape[i];
      sizes.set(dim, bound);
      return bound === shape[i];
    });
  if (!fits) throw new ShapeError(expected(where, showShape(declared.shape), showShape(shape)));
}
