import { type Graph, type GraphNode, type ValueInfo, withWeights } from "../graph/graph.js";
import { liveNodes, producers, readBy } from "../graph/order.js";
import type { PlainWeight } from "../graph/weight.js";
import type { Feeds } from "../runtime/feeds.js";
import { Model } from "../runtime/session.js";
import type { Tensor } from "../tensor.js";
import { productsOf } from "./product.js";

/** Results of one run of a network, by name. */
export type Results = Readonly<Record<string, Tensor>>;

/** What a network makes of each of the feeds. */
export function resultsOf(graph: Graph, module: WebAssembly.Module, feeds: readonly Feeds[]): Results[] {
  const model = new Model(graph, module);
  const results = feeds.map((each) => model.run(each));
  model.dispose();
  return results;
}

/**
 * The part of a network in which a weight has a say, run over some inputs with other values of that weight. What goes into it was computed
 * once: nothing that a weight cannot change is computed again for each of its values.
 */
export class Tail {
  readonly #graph: Graph;
  readonly #module: WebAssembly.Module;
  readonly #feeds: readonly Feeds[];
  readonly #name: string;

  constructor(graph: Graph, module: WebAssembly.Module, feeds: readonly Feeds[], name: string) {
    this.#module = module;
    this.#name = name;
    const { nodes, from } = partOf(graph, name);
    const inputs = from.map((name): ValueInfo => ({ name, dtype: "float32" }));
    const made = new Set([name, ...nodes.flatMap(({ outputs }) => outputs)]);
    const outputs = graph.outputs.filter(({ name }) => made.has(name));
    this.#graph = { ...graph, inputs: [...graph.inputs, ...inputs], nodes, outputs };
    if (from.length === 0) this.#feeds = feeds;
    else {
      const before = { ...graph, outputs: inputs };
      const met = resultsOf({ ...before, nodes: liveNodes(before) }, module, feeds);
      this.#feeds = feeds.map((each, i) => ({ ...each, ...met[i] }));
    }
  }

  /** The outputs that depend on the weight. */
  run(weight: PlainWeight): Results[] {
    if (this.#graph.outputs.length === 0) return this.#feeds.map(() => ({}));
    return resultsOf(withWeights(this.#graph, [[this.#name, weight]]), this.#module, this.#feeds);
  }
}

/** The nodes that follow from a weight, and what these need; `from` is what is not made by them: what products read or make. */
function partOf(graph: Graph, weight: string): { nodes: GraphNode[]; from: string[] } {
  const touched = new Set([weight]);
  const nodes = new Set<GraphNode>();
  for (const node of graph.nodes) {
    if (!readBy(node).some((name) => touched.has(name))) continue;
    nodes.add(node);
    for (const output of node.outputs) touched.add(output);
  }
  // These are float32 for certain.
  const known = new Set(productsOf(graph).flatMap(({ input, node }) => [input, node.outputs[0]]));
  const made = producers(graph);
  const from = new Set<string>();
  const follow = (name: string): void => {
    const node = made.get(name);
    if (!node || nodes.has(node)) return;
    if (known.has(name)) {
      from.add(name);
      return;
    }
    nodes.add(node);
    for (const read of readBy(node)) follow(read);
  };
  for (const node of [...nodes]) for (const name of readBy(node)) follow(name);
  return { nodes: graph.nodes.filter((node) => nodes.has(node)), from: [...from] };
}
