import { expected, UnsupportedError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import { relu, softmax } from "./activation.js";
import { conv } from "./conv.js";
import { add } from "./elementwise.js";
import { gemm, matmul } from "./linear.js";
import { flatten, identity } from "./movement.js";
import { batchNormalization } from "./norm.js";
import type { Op } from "./op.js";
import { averagePool, globalAveragePool, maxPool } from "./pool.js";

/** Every operator that runs, by its ONNX name. */
export const operators: ReadonlyMap<string, Op> = new Map([
  ["Add", add],
  ["AveragePool", averagePool],
  ["BatchNormalization", batchNormalization],
  ["Conv", conv],
  ["Flatten", flatten],
  ["Gemm", gemm],
  ["GlobalAveragePool", globalAveragePool],
  ["Identity", identity],
  ["MatMul", matmul],
  ["MaxPool", maxPool],
  ["Relu", relu],
  ["Softmax", softmax],
]);

/** @throws UnsupportedError naming the node and its operator */
export function operatorOf(node: GraphNode): Op {
  const op = operators.get(node.op);
  if (!op) throw new UnsupportedError(expected(`node ${node.name}`, "an operator that runs here", node.op));
  return op;
}
