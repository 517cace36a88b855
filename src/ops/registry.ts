import { expected, UnsupportedError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import { erf, gelu, relu, sigmoid, softmax, tanh } from "./activation.js";
import { conv } from "./conv.js";
import { add } from "./elementwise.js";
import { gemm, matmul } from "./linear.js";
import { flatten, identity } from "./movement.js";
import { batchNormalization, layerNormalization } from "./norm.js";
import type { Op } from "./op.js";
import { averagePool, globalAveragePool, globalLpPool, globalMaxPool, lpPool, maxPool } from "./pool.js";
import { gru, lstm, rnn } from "./recurrent.js";

/** Every operator that runs, by its ONNX name. */
export const operators: ReadonlyMap<string, Op> = new Map([
  ["Add", add],
  ["AveragePool", averagePool],
  ["BatchNormalization", batchNormalization],
  ["Conv", conv],
  ["Erf", erf],
  ["Flatten", flatten],
  ["Gelu", gelu],
  ["Gemm", gemm],
  ["GlobalAveragePool", globalAveragePool],
  ["GlobalLpPool", globalLpPool],
  ["GlobalMaxPool", globalMaxPool],
  ["GRU", gru],
  ["Identity", identity],
  ["LSTM", lstm],
  ["LayerNormalization", layerNormalization],
  ["LpPool", lpPool],
  ["MatMul", matmul],
  ["MaxPool", maxPool],
  ["RNN", rnn],
  ["Relu", relu],
  ["Sigmoid", sigmoid],
  ["Softmax", softmax],
  ["Tanh", tanh],
]);

/** Operators that hold bodies: they are followed while planning (passes/control.ts). */
export const controls: ReadonlySet<string> = new Set(["If", "Loop"]);

/** @throws UnsupportedError naming the node and its operator */
export function operatorOf(node: GraphNode): Op {
  const op = operators.get(node.op);
  if (!op) throw new UnsupportedError(expected(`node ${node.name}`, "an operator that runs here", node.op));
  return op;
}
