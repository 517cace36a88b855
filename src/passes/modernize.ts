import type { DType, TypedArray } from "../dtype.js";
import { type Attribute, type Body, defaultOpset, type Graph, type GraphNode, isBody } from "../graph/graph.js";
import { widen } from "../graph/storage.js";
import { isReal, type Weight } from "../graph/weight.js";
import { constantOf } from "../ops/constant.js";
import { Rewriter, rewrites } from "./rewrites.js";

/**
 * The same function in the forms of operators that the newest operator sets have, for a graph that names an older one; Constant nodes
 * become weights. A graph that names none is meant in the newest already.
 */
export function modernize(graph: Graph): Graph {
  const version = graph.opset?.get("");
  if (graph.opset === undefined || version === undefined) return graph;
  const taken = new Set<string>();
  namesIn(graph, taken);
  const weights = new Map(graph.weights);
  const inBody = (nodes: readonly GraphNode[]): GraphNode[] =>
    nodes.flatMap((node) => {
      if (node.domain) return node;
      const rewriter = new Rewriter(graph, version, taken, weights);
      const given = withBodies(node, inBody);
      return rewrites[given.op]?.(given, rewriter) ?? given;
    });
  const outputs = new Set(graph.outputs.map((output) => output.name));
  const nodes = inBody(graph.nodes).filter((node) => {
    // An output of the graph is made by a node.
    const weight = node.op === "Constant" && !outputs.has(node.outputs[0]) ? weightOf(node) : undefined;
    if (weight) weights.set(node.outputs[0], weight);
    return weight === undefined;
  });
  const newest = Math.max(version, defaultOpset.get("")!);
  return { ...graph, nodes, weights, opset: new Map(graph.opset).set("", newest) };
}

function withBodies(node: GraphNode, each: (nodes: readonly GraphNode[]) => GraphNode[]): GraphNode {
  const entries = Object.entries(node.attributes);
  if (!entries.some(([, value]) => isBody(value))) return node;
  const attributes = entries.map(([key, value]): [string, Attribute] => [
    key,
    isBody(value) ? { ...value, nodes: each(value.nodes) } : value,
  ]);
  return { ...node, attributes: Object.fromEntries(attributes) };
}

/**
 * What a Constant node holds as a weight; text and what is no tensor stay with the node, which says what is wrong, and so do NaN and
 * infinity, which no weight may hold.
 */
function weightOf(node: GraphNode): Weight | undefined {
  const numbers = ["value", "value_float", "value_floats", "value_int", "value_ints"];
  if (!Object.keys(node.attributes).every((name) => numbers.includes(name))) return undefined;
  const { dtype, shape, data } = constantOf(node);
  return holdsFinite(dtype, data) ? { kind: "dense", dtype, shape, data } : undefined;
}

function holdsFinite(dtype: DType, data: TypedArray): boolean {
  if (!isReal(dtype)) return true;
  const floats = new Float32Array(data.length);
  widen(dtype, data, floats);
  return floats.every(Number.isFinite);
}

/** Every name of a value or a node, in bodies too. */
function namesIn(body: Body, names: Set<string>): void {
  for (const { name } of body.inputs) names.add(name);
  for (const name of body.weights.keys()) names.add(name);
  for (const node of body.nodes) {
    names.add(node.name);
    for (const name of node.outputs) names.add(name);
    for (const value of Object.values(node.attributes)) if (isBody(value)) namesIn(value, names);
  }
}
