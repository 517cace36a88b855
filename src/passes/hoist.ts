import type { Attribute, Body, Graph, GraphNode } from "../graph/graph.js";
import { isBody } from "../graph/graph.js";
import type { Weight } from "../graph/weight.js";

/** The same function with the weights of all bodies among the graph's own, under names that nothing else has. */
export function hoist(graph: Graph): Graph {
  if (!graph.nodes.some((node) => Object.values(node.attributes).some(isBody))) return graph;
  const weights = new Map(graph.weights);
  const taken = new Set<string>();
  namesIn(graph, taken);
  const lift = (body: Body, around: ReadonlyMap<string, string>): Body => {
    const names = new Map(around);
    for (const [name, weight] of body.weights) names.set(name, add(`${body.name}.${name}`, weight));
    const outputs = body.outputs.map((output) => ({ ...output, name: names.get(output.name) ?? output.name }));
    return { ...body, outputs, nodes: body.nodes.map((node) => renamed(node, names)), weights: new Map() };
  };
  const add = (wanted: string, weight: Weight): string => {
    let name = wanted;
    for (let i = 2; taken.has(name); i++) name = `${wanted}.${i}`;
    taken.add(name);
    weights.set(name, weight);
    return name;
  };
  const renamed = (node: GraphNode, names: ReadonlyMap<string, string>): GraphNode => {
    const attributes = Object.entries(node.attributes).map(([key, value]): [string, Attribute] => [
      key,
      isBody(value) ? lift(value, names) : value,
    ]);
    const inputs = node.inputs.map((name) => names.get(name) ?? name);
    return { ...node, inputs, attributes: Object.fromEntries(attributes) };
  };
  return { ...graph, nodes: graph.nodes.map((node) => renamed(node, new Map())), weights };
}

function namesIn(body: Body, names: Set<string>): void {
  for (const { name } of body.inputs) names.add(name);
  for (const name of body.weights.keys()) names.add(name);
  for (const node of body.nodes) {
    for (const name of node.outputs) names.add(name);
    for (const value of Object.values(node.attributes)) if (isBody(value)) namesIn(value, names);
  }
}
