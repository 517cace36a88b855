import { expected, UnsupportedError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import { erf, gelu, relu, sigmoid, tanh } from "./activation.js";
import { attention } from "./attention.js";
import { bitCast } from "./bit-cast.js";
import { cast, castLike } from "./cast.js";
import { clip } from "./clip.js";
import { col2im } from "./col2im.js";
import { constant, constantOfShape, eyeLike, range, shape, size } from "./constant.js";
import { conv } from "./conv.js";
import { convTranspose } from "./conv-transpose.js";
import { cumProd, cumSum } from "./cumulative.js";
import { deformConv } from "./deform-conv.js";
import { det } from "./det.js";
import { dropout } from "./dropout.js";
import { einsum } from "./einsum.js";
import * as elementwise from "./elementwise.js";
import { expand, tile } from "./expand.js";
import { gather, gatherElements, gatherND } from "./gather.js";
import { affineGrid, gridSample } from "./grid-sample.js";
import { convInteger, qLinearConv } from "./integer-conv.js";
import { matMulInteger, qLinearMatMul } from "./integer-matmul.js";
import { gemm } from "./linear.js";
import { negativeLogLikelihoodLoss, softmaxCrossEntropyLoss } from "./loss.js";
import { matmul } from "./matmul.js";
import { maxUnpool } from "./max-unpool.js";
import { flatten, identity, reshape, squeeze, unsqueeze } from "./movement.js";
import { batchNormalization, layerNormalization } from "./norm.js";
import { oneHot } from "./one-hot.js";
import type { Op } from "./op.js";
import { centerCropPad, pad } from "./pad.js";
import { plainAttention } from "./plain-attention.js";
import * as pointwise from "./pointwise.js";
import { averagePool, globalAveragePool, globalLpPool, globalMaxPool, lpPool, maxPool } from "./pool.js";
import { dequantizeLinear, dynamicQuantizeLinear, quantizeLinear } from "./quantize.js";
import { argMax, argMin, hardmax, topK } from "./rank.js";
import { gru, lstm, rnn } from "./recurrent.js";
import * as reduce from "./reduce.js";
import { resize } from "./resize.js";
import { roiAlign } from "./roi-align.js";
import { rotaryEmbedding } from "./rotary.js";
import { scatterElements, scatterND } from "./scatter.js";
import { compress, nonZero, unique } from "./select.js";
import { reverseSequence, tensorScatter } from "./sequence.js";
import { blackmanWindow, hammingWindow, hannWindow } from "./signal.js";
import { concat, slice, split } from "./slice.js";
import { logSoftmax, softmax } from "./softmax.js";
import * as statistics from "./statistics.js";
import { nonMaxSuppression } from "./suppression.js";
import { depthToSpace, spaceToDepth, transpose } from "./transpose.js";
import { trilu } from "./trilu.js";

/** Every operator that runs, by its ONNX name. */
export const operators: ReadonlyMap<string, Op> = new Map([
  ["Abs", pointwise.abs],
  ["Acos", pointwise.acos],
  ["Acosh", pointwise.acosh],
  ["Add", elementwise.add],
  ["AffineGrid", affineGrid],
  ["And", elementwise.and],
  ["ArgMax", argMax],
  ["ArgMin", argMin],
  ["Asin", pointwise.asin],
  ["Asinh", pointwise.asinh],
  ["Atan", pointwise.atan],
  ["Atanh", pointwise.atanh],
  ["Attention", attention],
  ["AveragePool", averagePool],
  ["BatchNormalization", batchNormalization],
  ["BitCast", bitCast],
  ["BitShift", elementwise.bitShift],
  ["BitwiseAnd", elementwise.bitwiseAnd],
  ["BitwiseNot", pointwise.bitwiseNot],
  ["BitwiseOr", elementwise.bitwiseOr],
  ["BitwiseXor", elementwise.bitwiseXor],
  ["BlackmanWindow", blackmanWindow],
  ["Cast", cast],
  ["CastLike", castLike],
  ["Ceil", pointwise.ceil],
  ["Celu", pointwise.celu],
  ["CenterCropPad", centerCropPad],
  ["Clip", clip],
  ["Col2Im", col2im],
  ["Compress", compress],
  ["Concat", concat],
  ["Constant", constant],
  ["ConstantOfShape", constantOfShape],
  ["Conv", conv],
  ["ConvInteger", convInteger],
  ["ConvTranspose", convTranspose],
  ["Cos", pointwise.cos],
  ["Cosh", pointwise.cosh],
  ["CumProd", cumProd],
  ["CumSum", cumSum],
  ["DeformConv", deformConv],
  ["DepthToSpace", depthToSpace],
  ["DequantizeLinear", dequantizeLinear],
  ["Det", det],
  ["Div", elementwise.div],
  ["Dropout", dropout],
  ["DynamicQuantizeLinear", dynamicQuantizeLinear],
  ["Einsum", einsum],
  ["Elu", pointwise.elu],
  ["Equal", elementwise.equal],
  ["Erf", erf],
  ["Exp", pointwise.exp],
  ["Expand", expand],
  ["EyeLike", eyeLike],
  ["Flatten", flatten],
  ["Floor", pointwise.floor],
  ["Gather", gather],
  ["GatherElements", gatherElements],
  ["GatherND", gatherND],
  ["Gelu", gelu],
  ["Gemm", gemm],
  ["GlobalAveragePool", globalAveragePool],
  ["GlobalLpPool", globalLpPool],
  ["GlobalMaxPool", globalMaxPool],
  ["Greater", elementwise.greater],
  ["GreaterOrEqual", elementwise.greaterOrEqual],
  ["GridSample", gridSample],
  ["GroupNormalization", statistics.groupNormalization],
  ["GRU", gru],
  ["HammingWindow", hammingWindow],
  ["HannWindow", hannWindow],
  ["Hardmax", hardmax],
  ["HardSigmoid", pointwise.hardSigmoid],
  ["HardSwish", pointwise.hardSwish],
  ["Identity", identity],
  ["InstanceNormalization", statistics.instanceNormalization],
  ["IsInf", pointwise.isInf],
  ["IsNaN", pointwise.isNotNumber],
  ["LayerNormalization", layerNormalization],
  ["LeakyRelu", pointwise.leakyRelu],
  ["Less", elementwise.less],
  ["LessOrEqual", elementwise.lessOrEqual],
  ["Log", pointwise.log],
  ["LogSoftmax", logSoftmax],
  ["LpNormalization", statistics.lpNormalization],
  ["LpPool", lpPool],
  ["LRN", statistics.lrn],
  ["LSTM", lstm],
  ["MatMul", matmul],
  ["MatMulInteger", matMulInteger],
  ["Max", elementwise.max],
  ["MaxPool", maxPool],
  ["MaxUnpool", maxUnpool],
  ["Mean", elementwise.mean],
  ["MeanVarianceNormalization", statistics.meanVarianceNormalization],
  ["Min", elementwise.min],
  ["Mish", pointwise.mish],
  ["Mod", elementwise.mod],
  ["Mul", elementwise.mul],
  ["Neg", pointwise.neg],
  ["NegativeLogLikelihoodLoss", negativeLogLikelihoodLoss],
  ["NonMaxSuppression", nonMaxSuppression],
  ["NonZero", nonZero],
  ["Not", pointwise.not],
  ["OneHot", oneHot],
  ["Or", elementwise.or],
  ["Pad", pad],
  ["Pow", elementwise.pow],
  ["PRelu", elementwise.prelu],
  ["QLinearConv", qLinearConv],
  ["QLinearMatMul", qLinearMatMul],
  ["QuantizeLinear", quantizeLinear],
  ["Range", range],
  ["Reciprocal", pointwise.reciprocal],
  ["ReduceL1", reduce.reduceL1],
  ["ReduceL2", reduce.reduceL2],
  ["ReduceLogSum", reduce.reduceLogSum],
  ["ReduceLogSumExp", reduce.reduceLogSumExp],
  ["ReduceMax", reduce.reduceMax],
  ["ReduceMean", reduce.reduceMean],
  ["ReduceMin", reduce.reduceMin],
  ["ReduceProd", reduce.reduceProd],
  ["ReduceSum", reduce.reduceSum],
  ["ReduceSumSquare", reduce.reduceSumSquare],
  ["Relu", relu],
  ["Reshape", reshape],
  ["Resize", resize],
  ["ReverseSequence", reverseSequence],
  ["RMSNormalization", statistics.rmsNormalization],
  ["RNN", rnn],
  ["RoiAlign", roiAlign],
  ["RotaryEmbedding", rotaryEmbedding],
  ["Round", pointwise.round],
  ["ScatterElements", scatterElements],
  ["ScatterND", scatterND],
  ["Selu", pointwise.selu],
  ["Shape", shape],
  ["Shrink", pointwise.shrink],
  ["Sigmoid", sigmoid],
  ["Sign", pointwise.sign],
  ["Sin", pointwise.sin],
  ["Sinh", pointwise.sinh],
  ["Size", size],
  ["Slice", slice],
  ["Softmax", softmax],
  ["SoftmaxCrossEntropyLoss", softmaxCrossEntropyLoss],
  ["Softplus", pointwise.softplus],
  ["Softsign", pointwise.softsign],
  ["SpaceToDepth", spaceToDepth],
  ["Split", split],
  ["Sqrt", pointwise.sqrt],
  ["Squeeze", squeeze],
  ["Sub", elementwise.sub],
  ["Sum", elementwise.sum],
  ["Swish", pointwise.swish],
  ["Tan", pointwise.tan],
  ["Tanh", tanh],
  ["TensorScatter", tensorScatter],
  ["ThresholdedRelu", pointwise.thresholdedRelu],
  ["Tile", tile],
  ["TopK", topK],
  ["Transpose", transpose],
  ["Trilu", trilu],
  ["Unique", unique],
  ["Unsqueeze", unsqueeze],
  ["Where", elementwise.where],
  ["Xor", elementwise.xor],
]);

/** Operators that hold bodies: they are followed while planning (passes/control.ts). */
export const controls: ReadonlySet<string> = new Set(["If", "Loop", "Scan"]);

/** The domain of operators that passes make and no file has. */
export const ownDomain = "coppice";

const ours: ReadonlyMap<string, ReadonlyMap<string, Op>> = new Map([
  [ownDomain, new Map([["Attention", plainAttention]])],
]);

/** @throws UnsupportedError naming the node and its operator */
export function operatorOf(node: GraphNode): Op {
  const known = node.domain ? ours.get(node.domain) : operators;
  const op = known?.get(node.op);
  if (op) return op;
  const name = node.domain ? `${node.domain}.${node.op}` : node.op;
  throw new UnsupportedError(expected(`node ${node.name}`, "an operator that runs here", name));
}
