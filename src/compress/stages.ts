import type { Graph, GraphNode, ValueInfo } from "../graph/graph.js";
import { producers, readBy } from "../graph/order.js";
import type { Feeds } from "../runtime/feeds.js";
import { Model } from "../runtime/session.js";
import { type Product, productsOf, shapeOfReal } from "./product.js";
import type { Floats } from "./rows.js";

/** A product whose weight nothing else reads, or a BatchNormalization that no weight could take up: what can be corrected. */
export type Stage = Product & { readonly kind: "product" | "norm" };

/** The stages of a network, in its order. */
export function stagesOf(graph: Graph): Stage[] {
  const readers = new Map<string, number>();
  for (const node of graph.nodes) for (const name of readBy(node)) readers.set(name, (readers.get(name) ?? 0) + 1);
  const alone = (name: string | undefined) => name !== undefined && readers.get(name) === 1;
  const products = new Map(productsOf(graph).map((product) => [product.node, product]));
  const uses = new Map<string, number>();
  for (const { weight } of products.values()) uses.set(weight, (uses.get(weight) ?? 0) + 1);
  return graph.nodes.flatMap((node): Stage[] => {
    const product = products.get(node);
    if (product) {
      const { bias, ...rest } = product;
      return alone(product.weight) && uses.get(product.weight) === 1
        ? [{ ...rest, ...(alone(bias) && { bias }), kind: "product" }]
        : [];
    }
    const norm = node.op === "BatchNormalization" && !node.domain ? normOf(graph, node) : undefined;
    return norm && node.inputs.slice(3).every(alone) ? [norm] : [];
  });
}

/** A norm looks at each channel of its input as a convolution by 1 x 1 does. */
function normOf(graph: Graph, node: GraphNode): Stage | undefined {
  const [input, scale, , mean, variance] = node.inputs;
  const [shape, ...others] = [scale, mean, variance].map((name) => shapeOfReal(graph, name));
  if (!shape || others.some((other) => other === undefined) || node.attributes.training_mode) return undefined;
  return { kind: "norm", node, weight: mean, input, rows: shape[0], cols: shape[0], groups: 1 };
}

/**
 * Walks through a network from stage to stage, over several inputs at once. Every part of it runs once: what a stage met is held until
 * no later one follows from it.
 */
export class Walk {
  readonly #module: WebAssembly.Module;
  readonly #feeds: readonly Feeds[];
  readonly #stages: readonly Stage[];
  /** Of each stage the nodes that lead to it from what earlier ones met, and the names of that. */
  readonly #parts: readonly Part[];
  /** What stages met, by its name, for each of the feeds. */
  readonly #met = new Map<string, readonly Floats[]>();
  #next = 0;

  constructor(graph: Graph, module: WebAssembly.Module, feeds: readonly Feeds[], stages: readonly Stage[]) {
    this.#module = module;
    this.#feeds = feeds;
    this.#stages = stages;
    this.#parts = partsOf(graph, stages);
  }

  /** What the next stage meets, of each of the feeds. @param graph the network; weights of stages to come have no say in it */
  next(graph: Graph): readonly Floats[] {
    const [{ input }, part] = [this.#stages[this.#next], this.#parts[this.#next]];
    const found = this.#met.get(input) ?? this.#run(graph, input, part);
    this.#met.set(input, found);
    this.#next++;
    const wanted = new Set(this.#parts.slice(this.#next).flatMap(({ from }) => from));
    for (const name of this.#met.keys()) if (!wanted.has(name)) this.#met.delete(name);
    return found;
  }

  #run(graph: Graph, output: string, { nodes, from }: Part): readonly Floats[] {
    const met = from.map((name) => [name, this.#met.get(name)!] as const);
    const inputs = [...graph.inputs, ...from.map((name): ValueInfo => ({ name, dtype: "float32" }))];
    const model = new Model({ ...graph, inputs, nodes, outputs: [{ name: output, dtype: "float32" }] }, this.#module);
    const found = this.#feeds.map((feeds, i) => {
      const known = Object.fromEntries(met.map(([name, values]) => [name, values[i]]));
      return model.run({ ...feeds, ...known })[output];
    });
    model.dispose();
    return found;
  }
}

interface Part {
  readonly nodes: readonly GraphNode[];
  readonly from: readonly string[];
}

function partsOf(graph: Graph, stages: readonly Stage[]): Part[] {
  const made = producers(graph);
  const met = new Set<string>();
  return stages.map(({ input }) => {
    const from = new Set<string>();
    const nodes = new Set<GraphNode>();
    const follow = (name: string): void => {
      const node = made.get(name);
      if (!node || nodes.has(node)) return;
      if (met.has(name)) {
        from.add(name);
        return;
      }
      nodes.add(node);
      for (const read of readBy(node)) follow(read);
    };
    follow(input);
    met.add(input);
    return { nodes: graph.nodes.filter((node) => nodes.has(node)), from: [...from] };
  });
}
