import type { GraphNode } from "../graph/graph.js";
import type { Rewriter } from "./rewrites.js";

/**
 * Gemm as it runs here: alpha = beta = 1, A as it is, C a row of its own. What asks for more becomes that and nodes beside it:
 * A^T a Transpose, alpha, beta and any other C, or one of which the shape is not known, a Mul and an Add behind.
 */
export function plainGemm(node: GraphNode, to: Rewriter): readonly GraphNode[] | undefined {
  const { alpha = 1, beta = 1, transA = 0, transB = 0 } = node.attributes;
  const [a, b, c = ""] = node.inputs;
  const n = to.shapeOf(b)?.[transB ? 0 : 1];
  const shape = to.shapeOf(c);
  const isRow =
    c === "" || (shape && typeof n === "number" && shape.at(-1) === n && shape.slice(0, -1).every((dim) => dim === 1));
  if (alpha === 1 && beta === 1 && !transA && isRow) return undefined;
  const nodes: GraphNode[] = [];
  const then = (what: string, op: string, inputs: readonly string[], attributes = {}): string => {
    const made = to.node(node, what, op, inputs, attributes);
    nodes.push(made);
    return made.outputs[0];
  };
  const turned = transA ? then("turned", "Transpose", [a], { perm: [1, 0] }) : a;
  const row = alpha === 1 && beta === 1 && isRow && c !== "" ? [c] : [];
  let y = then("product", "Gemm", [turned, b, ...row], { transB });
  if (alpha !== 1) y = then("scaled", "Mul", [y, to.floats(node, "alpha", [Number(alpha)], true)]);
  if (c !== "" && row.length === 0) {
    const bias = beta === 1 ? c : then("beta.c", "Mul", [c, to.floats(node, "beta", [Number(beta)], true)]);
    y = then("sum", "Add", [y, bias]);
  }
  // The last of them makes what the node made.
  const last = nodes[nodes.length - 1];
  return [...nodes.slice(0, -1), { ...last, outputs: node.outputs }];
}
