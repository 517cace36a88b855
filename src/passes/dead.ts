import type { Graph } from "../graph/graph.js";
import { liveNodes, readBy } from "../graph/order.js";

/** The same function without the nodes and weights that no output needs. */
export function dropDead(graph: Graph): Graph {
  const nodes = liveNodes(graph);
  const used = new Set<string>();
  for (const node of nodes) for (const name of readBy(node)) used.add(name);
  const weights = new Map(graph.weights);
  for (const name of graph.weights.keys()) if (!used.has(name)) weights.delete(name);
  if (nodes.length === graph.nodes.length && weights.size === graph.weights.size) return graph;
  return { ...graph, nodes, weights };
}
