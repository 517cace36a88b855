import type { DType } from "../dtype.js";
import type { Weight } from "./weight.js";

/** A dimension is a size, or the name of a size that is only known when inputs arrive ("N" for the batch). */
export type Dim = number | string;

/** A named place where a tensor enters or leaves the network. */
export interface ValueInfo {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly Dim[];
}

/** Value of an operator's attribute, as ONNX has them. */
export type Attribute = number | string | readonly number[] | readonly string[];

/** One operator. `op` is an ONNX operator name; an absent optional input is "". */
export interface GraphNode {
  readonly name: string;
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/**
 * What a network is: plain data. Values are edges, named; a value is a graph input, a weight or the output of one node.
 * Nodes stand in an order in which every value is made before it is used.
 */
export interface Graph {
  readonly name: string;
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly nodes: readonly GraphNode[];
  readonly weights: ReadonlyMap<string, Weight>;
}

/** The graph with some weights stored otherwise; nothing else changes when a network is compressed. */
export function withWeights(graph: Graph, weights: Iterable<readonly [string, Weight]>): Graph {
  const merged = new Map(graph.weights);
  for (const [name, weight] of weights) merged.set(name, weight);
  return { ...graph, weights: merged };
}

/** Number of parameters: elements of every float weight, whatever their storage. */
export function parameterCount(graph: Graph): number {
  let count = 0;
  for (const weight of graph.weights.values()) {
    const dense = weight.kind === "coded" ? weight.storage : weight;
    if (dense.kind === "dense" && dense.dtype !== "float32" && dense.dtype !== "float16") continue;
    count += weight.shape.reduce((size, dim) => size * dim, 1);
  }
  return count;
}
