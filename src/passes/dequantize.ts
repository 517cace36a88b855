import type { Graph, GraphNode } from "../graph/graph.js";
import { readBy } from "../graph/order.js";
import type { DenseWeight, Int8Weight } from "../graph/weight.js";
import { sizeOf } from "../tensor.js";

/** Operators that take a weight as input 1 and a bias as input 2. */
const products = new Set(["Conv", "Gemm", "MatMul"]);

/**
 * The same function with the codes that DequantizeLinear makes the weights of products of kept as codes: int8 with zero points of 0
 * and a scale for all or for each row become weights of kind int8, int32 biases of such products become floats. What else is
 * dequantized stays as it is.
 */
export function dequantize(graph: Graph): Graph {
  const readers = readersOf(graph);
  const weights = new Map(graph.weights);
  const gone = new Set<GraphNode>();
  const replace = (place: 1 | 2, make: (graph: Graph, node: GraphNode) => DenseWeight | Int8Weight | undefined) => {
    for (const node of graph.nodes) {
      const uses = readers.get(node.outputs[0]) ?? [];
      if (node.op !== "DequantizeLinear" || !uses.every((use) => use?.place === place)) continue;
      const made = make(graph, node);
      if (!made) continue;
      weights.set(node.outputs[0], made);
      gone.add(node);
    }
  };
  replace(2, biasOf);
  replace(1, codesOf);
  return gone.size === 0 ? graph : { ...graph, weights, nodes: graph.nodes.filter((node) => !gone.has(node)) };
}

/** Who reads a value: a product, and at which place; undefined for any other reader. */
type Use = { readonly node: GraphNode; readonly place: number } | undefined;

function readersOf(graph: Graph): ReadonlyMap<string, readonly Use[]> {
  const readers = new Map<string, Use[]>();
  const add = (name: string, use?: Use) => {
    const uses = readers.get(name);
    if (uses) uses.push(use);
    else readers.set(name, [use]);
  };
  for (const { name } of graph.outputs) add(name);
  for (const node of graph.nodes) {
    for (const [place, name] of readBy(node).entries()) add(name, products.has(node.op) ? { node, place } : undefined);
  }
  return readers;
}

/** Codes of a type, and their scales: one, or one for each row. */
function scaledRows(graph: Graph, node: GraphNode, dtype: "int8" | "int32") {
  const [codes, scale, zero] = node.inputs.map((name) => dense(graph, name));
  const { axis = 1, block_size: block = 0, output_dtype: told = 0 } = node.attributes;
  if (codes?.dtype !== dtype || scale?.dtype !== "float32" || block !== 0 || (told !== 0 && told !== 1))
    return undefined;
  if (node.inputs[2] && (zero?.dtype !== dtype || zero.data.some((value) => value !== 0))) return undefined;
  const one = sizeOf(scale.shape) === 1 && scale.shape.length < 2;
  const first = axis === 0 || axis === -codes.shape.length;
  const perRow = first && scale.shape.length === 1 && scale.shape[0] === codes.shape[0];
  const data = scale.data as Float32Array;
  if (!(one || perRow) || !data.every((value) => value > 0 && value < Infinity)) return undefined;
  return { shape: codes.shape, codes: codes.data, scale: data };
}

function dense(graph: Graph, name: string): DenseWeight | undefined {
  const weight = graph.weights.get(name);
  return weight?.kind === "dense" ? weight : undefined;
}

function codesOf(graph: Graph, node: GraphNode): Int8Weight | undefined {
  const given = scaledRows(graph, node, "int8");
  if (!given || given.shape.length < 2) return undefined;
  return { kind: "int8", shape: given.shape, q: given.codes as Int8Array, scale: given.scale };
}

function biasOf(graph: Graph, node: GraphNode): DenseWeight | undefined {
  const given = scaledRows(graph, node, "int32");
  if (given?.shape.length !== 1) return undefined;
  const { shape, scale } = given;
  // As the operator does it: the code to f32, then the product.
  const data = Float32Array.from(given.codes as Int32Array, (code, i) => Math.fround(code) * scale[i % scale.length]);
  return { kind: "dense", shape, dtype: "float32", data };
}
