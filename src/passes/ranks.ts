import { type Graph, type GraphNode, isTensor } from "../graph/graph.js";

/** Operators whose first input has the dimensions of what they make. */
const alike = new Set([
  "Cast",
  "Clip",
  "Concat",
  "Dropout",
  "Elu",
  "Gelu",
  "Identity",
  "LayerNormalization",
  "LpNormalization",
  "RMSNormalization",
  "Relu",
  "RotaryEmbedding",
  "Sigmoid",
  "Slice",
  "Softmax",
  "Split",
  "Tanh",
]);

/** Operators whose inputs broadcast, MatMul among them where all are matrices. */
const joining = new Set(["Add", "Div", "Mul", "Sub", "Where", "MatMul"]);

/** How many dimensions values have, as far as the nodes themselves say. */
export function ranksOf(graph: Graph): ReadonlyMap<string, number> {
  const ranks = new Map<string, number>();
  for (const { name, shape } of graph.inputs) if (shape) ranks.set(name, shape.length);
  for (const [name, { shape }] of graph.weights) ranks.set(name, shape.length);
  for (const node of graph.nodes) {
    const rank = node.domain ? undefined : rankOf(graph, node, ranks);
    if (rank !== undefined) for (const name of node.outputs) ranks.set(name, rank);
  }
  return ranks;
}

function rankOf(graph: Graph, node: GraphNode, ranks: ReadonlyMap<string, number>): number | undefined {
  const given = node.inputs.map((name) => ranks.get(name));
  if (alike.has(node.op)) return given[0];
  if (joining.has(node.op)) {
    if (given.some((rank) => rank === undefined || (node.op === "MatMul" && rank < 2))) return undefined;
    return Math.max(...(given as number[]));
  }
  if (node.op === "Gemm") return 2;
  const { perm, value } = node.attributes;
  if (node.op === "Constant") return value !== undefined && isTensor(value) ? value.shape.length : undefined;
  if (node.op === "Transpose") return Array.isArray(perm) ? perm.length : given[0];
  const shape = graph.weights.get(node.inputs[1] ?? "")?.shape;
  if (node.op === "Reshape") return shape?.length === 1 ? shape[0] : undefined;
  if (node.op === "Unsqueeze" && given[0] !== undefined && shape?.length === 1) return given[0] + shape[0];
  return undefined;
}
