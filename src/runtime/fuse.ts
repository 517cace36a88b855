import { isFloat } from "../dtype.js";
import type { Graph, GraphNode } from "../graph/graph.js";
import { producers, readBy } from "../graph/order.js";
import { operatorOf } from "../ops/registry.js";
import { sizeOf } from "../tensor.js";

/** A graph in which nodes stand for themselves and for what follows them. */
export interface Fused {
  readonly graph: Graph;
  /** The activation that a node's launch applies to what it makes. */
  readonly activations: ReadonlyMap<GraphNode, GraphNode>;
}

/** Operators whose launch can hold what it makes within limits. */
const holding = new Set(["Add", "Conv", "ConvTranspose", "Gemm", "MatMul"]);

/**
 * Takes each activation that only holds values within limits (Relu, Clip) into the node before it, where nothing else reads what
 * that one makes: one launch, which need not go over its output twice. For lowering alone; values of the graph that no output
 * needs are lost.
 */
export function fuse(graph: Graph): Fused {
  const made = producers(graph);
  const uses = new Map<string, number>();
  for (const name of [...graph.nodes.flatMap(readBy), ...graph.outputs.map((output) => output.name)]) {
    uses.set(name, (uses.get(name) ?? 0) + 1);
  }
  /** By the node that makes what it reads. */
  const followers = new Map<GraphNode, GraphNode>();
  for (const node of graph.nodes) {
    const before = made.get(node.inputs[0]);
    if (!before || !holding.has(before.op) || uses.get(node.inputs[0]) !== 1 || !holds(graph, node, before)) continue;
    followers.set(before, node);
  }
  const taken = new Set(followers.values());
  const activations = new Map<GraphNode, GraphNode>();
  const nodes = graph.nodes.flatMap((node) => {
    if (taken.has(node)) return [];
    const follower = followers.get(node);
    if (!follower) return node;
    const both = { ...node, outputs: follower.outputs };
    activations.set(both, follower);
    return both;
  });
  return { graph: { ...graph, nodes }, activations };
}

/** Whether a node holds floating-point values, which `before` makes, within limits that are known when it is lowered. */
function holds(graph: Graph, node: GraphNode, before: GraphNode): boolean {
  if (node.outputs.length !== 1 || (node.op !== "Relu" && node.op !== "Clip")) return false;
  operatorOf(node).attrs(node);
  if (node.op === "Relu") return node.inputs.length === 1;
  const bounds = node.inputs.slice(1).filter((name) => name !== "");
  if (!bounds.every((name) => sizeOf(graph.weights.get(name)?.shape ?? [0]) === 1)) return false;
  // Integers may be added and held as well.
  return before.op !== "Add" || bounds.some((name) => isFloatWeight(graph, name));
}

function isFloatWeight(graph: Graph, name: string): boolean {
  const weight = graph.weights.get(name)!;
  const stored = weight.kind === "coded" ? weight.storage : weight;
  return stored.kind !== "dense" || isFloat(stored.dtype);
}
