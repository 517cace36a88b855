import type { Graph } from "../graph/graph.js";
import { rewrite } from "./net.js";
import { normed } from "./patterns/affine.js";

/**
 * The same function with fewer nodes: Identity is passed by, BatchNormalization goes into the weights of the product before it, and
 * nodes and weights that no output needs are dropped.
 */
export function fold(graph: Graph): Graph {
  return rewrite(graph, { BatchNormalization: [normed] });
}
