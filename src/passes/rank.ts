import type { GraphNode } from "../graph/graph.js";

/** What is told of a value's shape by what made it, without any inputs: patterns ask no more. */
export interface Outline {
  /** It has so many dimensions at least; where `exact`, no more. */
  readonly rank: number;
  readonly exact: boolean;
  /** The last of them. */
  readonly last?: number | undefined;
}

const unknown: Outline = { rank: 0, exact: false };

/** Operators whose output has the shape of their first input. */
const alike = new Set([
  ...["Abs", "BatchNormalization", "Cast", "Clip", "Dropout", "Elu", "Erf", "Exp", "Gelu", "HardSigmoid", "HardSwish"],
  ...["Identity", "InstanceNormalization", "LayerNormalization", "LeakyRelu", "Log", "LogSoftmax", "Mish", "Neg"],
  ...["Reciprocal", "Relu", "RMSNormalization", "Sigmoid", "Softmax", "Softplus", "Sqrt", "Swish", "Tanh"],
]);

/** Operators whose inputs are broadcast. */
const broadcast = new Set([
  ...["Add", "And", "Div", "Equal", "Greater", "Less", "Max", "Min", "Mul", "Or", "Pow", "PRelu", "Sub", "Where"],
]);

/** Operators whose output has as many dimensions as their first input. */
const ranked = new Set([
  ...["AveragePool", "Concat", "GlobalAveragePool", "GlobalMaxPool", "MaxPool", "Pad", "Resize", "Slice", "Split"],
]);

/** What an outline follows from. */
export interface Outlines {
  outline(value: string): Outline;
  /** Elements of a weight of integers. */
  integers(weight: string): readonly number[] | undefined;
}

/** Outline of the outputs of a node. */
export function outlineOf(node: GraphNode, net: Outlines): Outline {
  const [a, b] = node.inputs;
  const first = a ? net.outline(a) : unknown;
  const second = b ? net.outline(b) : unknown;
  const { axis = 0, keepdims = 1, perm } = node.attributes;
  if (alike.has(node.op)) return first;
  if (broadcast.has(node.op)) {
    let { rank, exact, last } = first;
    for (const name of node.inputs) {
      const each = net.outline(name);
      rank = Math.max(rank, each.rank);
      exact &&= each.exact;
      if (last === undefined || last === 1) last = each.last === 1 ? undefined : each.last;
    }
    return { rank, exact, last };
  }
  if (ranked.has(node.op) || (node.op.startsWith("Reduce") && keepdims === 1)) return { ...first, last: undefined };
  switch (node.op) {
    case "Conv":
    case "ConvTranspose":
      return second.exact ? { rank: second.rank, exact: true } : first;
    case "Flatten":
      return { rank: 2, exact: true };
    case "Gather": {
      const exact = first.exact && second.exact;
      if (!exact) return unknown;
      return { rank: first.rank + second.rank - 1, exact, last: axis === 0 && first.rank > 1 ? first.last : undefined };
    }
    case "Gemm":
      return { rank: 2, exact: true, last: node.attributes.transB ? undefined : second.last };
    case "MatMul":
      if (second.rank < 2 || first.rank < 2) return unknown;
      return {
        rank: Math.max(first.rank, second.rank),
        exact: first.exact && second.exact,
        last: node.attributes.transB ? undefined : second.last,
      };
    case "Reshape": {
      const shape = net.integers(node.inputs[1]);
      if (!shape) return unknown;
      const last = shape.at(-1);
      return { rank: shape.length, exact: true, last: last !== undefined && last > 0 ? last : undefined };
    }
    case "Transpose":
      return Array.isArray(perm) ? { rank: perm.length, exact: true } : { ...first, last: undefined };
    case "Unsqueeze": {
      const axes = net.integers(node.inputs[1]);
      return axes ? { rank: first.rank + axes.length, exact: first.exact } : { rank: first.rank, exact: false };
    }
    default:
      return unknown;
  }
}
