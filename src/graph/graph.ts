import type { DType } from "../dtype.js";
import type { Tensor } from "../tensor.js";
import { isReal, type Weight } from "./weight.js";

/** A dimension is a size, or the name of a size that is only known when inputs arrive ("N" for the batch). */
export type Dim = number | string;

/** A named place where a tensor enters or leaves the network. */
export interface ValueInfo {
  readonly name: string;
  readonly dtype: DType;
  /** Absent where not even the rank is known. */
  readonly shape?: readonly Dim[];
}

/** An input or output of a body: its type may be left to be inferred. */
export type BodyValue = ValueInfo | { readonly name: string; readonly dtype?: undefined; readonly shape?: undefined };

/** Value of an operator's attribute, as ONNX has them: a tensor for Constant, a body for If, Loop and Scan. */
export type Attribute = number | string | readonly number[] | readonly string[] | Tensor | Body;

/** One operator. `op` is an ONNX operator name; an absent optional input is "". */
export interface GraphNode {
  readonly name: string;
  readonly op: string;
  /** Whose operator it is; absent for ONNX's own. */
  readonly domain?: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/**
 * A graph inside a node: a branch of If, what Loop and Scan repeat. Its nodes may use the values of the graphs around it by
 * name, so no name is given twice on the way in.
 */
export interface Body {
  readonly name: string;
  readonly inputs: readonly BodyValue[];
  readonly outputs: readonly BodyValue[];
  readonly nodes: readonly GraphNode[];
  readonly weights: ReadonlyMap<string, Weight>;
}

/**
 * What a network is: plain data. Values are edges, named; a value is a graph input, a weight or the output of one node.
 * Nodes stand in an order in which every value is made before it is used.
 */
export interface Graph extends Body {
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  /** Version of each domain's operator set that the nodes are meant in, ONNX's own under "". Absent: `defaultOpset`. */
  readonly opset?: ReadonlyMap<string, number>;
  /** What a reader changed on the way in, for people. No file keeps them. */
  readonly notices?: readonly string[];
}

/** ONNX's operator set that a graph means where it names none: what GraphBuilder makes. */
export const defaultOpset: ReadonlyMap<string, number> = new Map([["", 21]]);

/** Deepest that bodies are nested in bodies. */
export const mostNesting = 32;

export function isBody(attribute: Attribute): attribute is Body {
  return typeof attribute === "object" && "nodes" in attribute;
}

export function isTensor(attribute: Attribute): attribute is Tensor {
  return typeof attribute === "object" && "data" in attribute;
}

/** The bodies among the attributes of a node. */
export function bodiesOf(node: GraphNode): Body[] {
  return Object.values(node.attributes).filter(isBody);
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
    if (dense.kind === "dense" && !isReal(dense.dtype)) continue;
    count += weight.shape.reduce((size, dim) => size * dim, 1);
  }
  return count;
}
