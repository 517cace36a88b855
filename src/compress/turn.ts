import type { Graph, GraphNode } from "../graph/graph.js";
import { readBy } from "../graph/order.js";
import { type DenseWeight, isReal, type Weight } from "../graph/weight.js";

/**
 * The same function with the matrices of products as [out, in], as scales for each row, sparse rows and factors want them: a Gemm
 * takes its weight transposed (transB = 1), a MatMul through a Transpose. Weights that something else reads too stay as they are.
 */
export function turn(graph: Graph): Graph {
  const readers = new Map<string, GraphNode[]>();
  for (const node of graph.nodes) {
    for (const name of readBy(node)) readers.set(name, [...(readers.get(name) ?? []), node]);
  }
  const taken = new Set([...readers.keys(), ...graph.weights.keys(), ...graph.nodes.flatMap((node) => [node.name])]);
  const weights = new Map(graph.weights);
  const turned = new Map<string, string>();
  for (const [name, weight] of graph.weights) {
    if (weight.kind !== "dense" || !isReal(weight.dtype) || weight.shape.length !== 2) continue;
    const nodes = readers.get(name) ?? [];
    if (nodes.length === 0 || !nodes.every((node) => multiplies(node, name))) continue;
    weights.set(name, transposed(weight));
    let back = `${name}.T`;
    while (taken.has(back)) back += "'";
    taken.add(back);
    turned.set(name, back);
  }
  const made = new Set<string>();
  const nodes = graph.nodes.flatMap((node): GraphNode[] => {
    const [x, name, ...rest] = node.inputs;
    const back = turned.get(name);
    if (back === undefined) return [node];
    if (node.op === "Gemm") return [{ ...node, attributes: { ...node.attributes, transB: 1 } }];
    const product = { ...node, inputs: [x, back, ...rest] };
    if (made.has(back)) return [product];
    made.add(back);
    const transpose = { name: back, op: "Transpose", inputs: [name], outputs: [back], attributes: { perm: [1, 0] } };
    return [transpose, product];
  });
  return { ...graph, nodes, weights };
}

/** Whether a node multiplies by a weight [in, out] from the right and reads it in no other way. */
function multiplies(node: GraphNode, name: string): boolean {
  if (node.domain || readBy(node).filter((input) => input === name).length !== 1 || node.inputs[1] !== name)
    return false;
  return node.op === "MatMul" || (node.op === "Gemm" && !node.attributes.transB && !node.attributes.transA);
}

function transposed(weight: DenseWeight): Weight {
  const [rows, cols] = weight.shape;
  const data = weight.data.slice();
  for (let r = 0; r < rows; r++) for (let c = 0; c < cols; c++) data[c * rows + r] = weight.data[r * cols + c];
  return { ...weight, shape: [cols, rows], data };
}
