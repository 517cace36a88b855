import { expected, UnsupportedError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import { erf, gelu, relu, sigmoid, softmax, tanh } from "./activation.js";
import { clip } from "./clip.js";
import { col2im } from "./col2im.js";
import { constant, constantOfShape, eyeLike, range, shape, size } from "./constant.js";
import { conv } from "./conv.js";
import { add } from "./elementwise.js";
import { expand, tile } from "./expand.js";
import { gather, gatherElements, gatherND } from "./gather.js";
import { affineGrid, gridSample } from "./grid-sample.js";
import { gemm } from "./linear.js";
import { matmul } from "./matmul.js";
import { flatten, identity, reshape, squeeze, unsqueeze } from "./movement.js";
import { batchNormalization, layerNormalization } from "./norm.js";
import { oneHot } from "./one-hot.js";
import type { Op } from "./op.js";
import { centerCropPad, pad } from "./pad.js";
import { averagePool, globalAveragePool, globalLpPool, globalMaxPool, lpPool, maxPool } from "./pool.js";
import { gru, lstm, rnn } from "./recurrent.js";

import { resize } from "./resize.js";
import { scatterElements, scatterND } from "./scatter.js";
import { compress, nonZero, unique } from "./select.js";
import { reverseSequence, tensorScatter } from "./sequence.js";
import { concat, slice, split } from "./slice.js";
import { depthToSpace, spaceToDepth, transpose } from "./transpose.js";
import { trilu } from "./trilu.js";

/** Every operator that runs, by its ONNX name. */
export const operators: ReadonlyMap<string, Op> = new Map([
  ["Add", add],
  ["AffineGrid", affineGrid],
  ["AveragePool", averagePool],
  ["BatchNormalization", batchNormalization],
  ["CenterCropPad", centerCropPad],
  ["Clip", clip],
  ["Col2Im", col2im],
  ["Compress", compress],
  ["Concat", concat],
  ["Constant", constant],
  ["ConstantOfShape", constantOfShape],
  ["Conv", conv],
  ["DepthToSpace", depthToSpace],
  ["Erf", erf],
  ["Expand", expand],
  ["EyeLike", eyeLike],
  ["Flatten", flatten],
  ["Gather", gather],
  ["GatherElements", gatherElements],
  ["GatherND", gatherND],
  ["Gelu", gelu],
  ["Gemm", gemm],
  ["GlobalAveragePool", globalAveragePool],
  ["GlobalLpPool", globalLpPool],
  ["GlobalMaxPool", globalMaxPool],
  ["GRU", gru],
  ["GridSample", gridSample],
  ["Identity", identity],
  ["LSTM", lstm],
  ["LayerNormalization", layerNormalization],
  ["LpPool", lpPool],
  ["MatMul", matmul],
  ["MaxPool", maxPool],
  ["RNN", rnn],
  ["NonZero", nonZero],
  ["OneHot", oneHot],
  ["Pad", pad],
  ["Range", range],
  ["Relu", relu],
  ["Reshape", reshape],
  ["Resize", resize],
  ["ReverseSequence", reverseSequence],
  ["ScatterElements", scatterElements],
  ["ScatterND", scatterND],
  ["Shape", shape],
  ["Sigmoid", sigmoid],
  ["Size", size],
  ["Slice", slice],
  ["Softmax", softmax],
  ["SpaceToDepth", spaceToDepth],
  ["Split", split],
  ["Squeeze", squeeze],
  ["Tanh", tanh],
  ["TensorScatter", tensorScatter],
  ["Tile", tile],
  ["Transpose", transpose],
  ["Trilu", trilu],
  ["Unique", unique],
  ["Unsqueeze", unsqueeze],
]);

/** Operators that hold bodies: they are followed while planning (passes/control.ts). */
export const controls: ReadonlySet<string> = new Set(["If", "Loop"]);

/** @throws UnsupportedError naming the node and its operator */
export function operatorOf(node: GraphNode): Op {
  const op = operators.get(node.op);
  if (!op) throw new UnsupportedError(expected(`node ${node.name}`, "an operator that runs here", node.op));
  return op;
}
