// Nodes that run, one or more for each operator with inputs of its own kind: what the fuzz over operators mutates.
import { createArray, type DType } from "../../src/dtype.js";
import type { Attribute } from "../../src/graph/graph.js";
import { operators } from "../../src/ops/registry.js";
import type { Tensor } from "../../src/tensor.js";

export interface Seed {
  readonly op: string;
  readonly inputs: readonly (Tensor | undefined)[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

const letters: Readonly<Record<string, DType>> = { f: "float32", i: "int64", j: "int32", u: "uint8", b: "bool" };

/** "f[2,3]" is a tensor of small values, "i[2]=1,-1" one of those, "" an absent input. A letter may be a capital. */
export function tensorOf(text: string): Tensor | undefined {
  if (text === "") return undefined;
  const [, letter, dims, values] = /^(\w)\[([^\]]*)\](?:=(.*))?$/.exec(text)!;
  const dtype = letters[letter.toLowerCase()];
  const shape = dims === "" ? [] : dims.split(",").map(Number);
  const size = shape.reduce((product, dim) => product * dim, 1);
  const data = createArray(dtype, size);
  const given = values?.split(",");
  for (let i = 0; i < size; i++) {
    const value = given ? given[i] : dtype === "float32" ? ((i * 7) % 11) / 4 - 1 : i % 2;
    data[i] = dtype === "int64" ? BigInt(value) : Number(value);
  }
  return { dtype, shape, data };
}

type Row = readonly [ops: string, inputs: string, attributes?: Readonly<Record<string, Attribute>>];

const image = { kernel_shape: [2, 2], strides: [2, 1], pads: [1, 0, 1, 1], dilations: [1, 2] };
const sums =
  "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare";

const rows: readonly Row[] = [
  ["Conv", "f[1,2,5,5] f[4,1,3,3] f[4]", { group: 2, pads: [1, 1, 1, 1], strides: [1, 2], dilations: [1, 1] }],
  ["Conv", "f[2,3,6,6] f[4,3,3,3]", { auto_pad: "SAME_UPPER", kernel_shape: [3, 3] }],
  ["Conv", "f[1,8,6,6] f[8,8,3,3]", { pads: [1, 1, 1, 1] }],
  ["Conv", "f[1,2,7] f[3,2,2]", { dilations: [2], pads: [1, 2], strides: [2] }],
  ["ConvTranspose", "f[1,2,4,4] f[2,3,3,3]", { strides: [2, 2], output_padding: [1, 0], group: 1, pads: [1, 1, 1, 1] }],
  ["MaxPool AveragePool LpPool", "f[1,2,5,5]", image],
  ["MaxPool", "f[1,1,4,4,3]", { kernel_shape: [2, 2, 2], ceil_mode: 1, storage_order: 1 }],
  ["AveragePool", "f[1,2,6]", { kernel_shape: [3], count_include_pad: 1, pads: [1, 1], ceil_mode: 1, strides: [2] }],
  ["GlobalAveragePool GlobalMaxPool GlobalLpPool", "f[2,3,4,4]"],
  ["Gemm", "f[3,4] f[4,5] f[5]", { alpha: 1, beta: 1, transA: 0, transB: 0 }],
  ["Gemm", "f[3,4] f[5,4]", { transB: 1 }],
  ["MatMul", "f[2,3,4] f[4,5]"],
  ["MatMul", "f[2,1,3,4] f[2,4,2]"],
  ["BatchNormalization", "f[2,3,2,2] f[3] f[3] f[3] f[3]", { epsilon: 1e-5, momentum: 0.9 }],
  ["LayerNormalization RMSNormalization", "f[2,3,4] f[4] f[4]", { axis: -1, epsilon: 1e-5, stash_type: 1 }],
  ["GroupNormalization", "f[2,4,3] f[4] f[4]", { num_groups: 2, epsilon: 1e-5 }],
  ["InstanceNormalization", "f[2,3,4] f[3] f[3]", { epsilon: 1e-5 }],
  ["LpNormalization", "f[2,3]", { axis: 1, p: 1 }],
  ["MeanVarianceNormalization", "f[2,3,2,2]", { axes: [0, 2] }],
  ["LRN", "f[1,5,3,3]", { size: 3, alpha: 0.1, beta: 0.5, bias: 1 }],
  ["RNN", "f[3,2,4] f[1,5,4] f[1,5,5] f[1,10] j[2]=3,1 f[1,2,5]", { hidden_size: 5, direction: "forward" }],
  ["GRU", "f[3,2,4] f[2,6,4] f[2,6,2] f[2,12] j[2]=3,1 f[2,2,2]", { hidden_size: 2, direction: "bidirectional" }],
  ["LSTM", "f[3,2,4] f[1,8,4] f[1,8,2] f[1,16] j[2]=2,3 f[1,2,2] f[1,2,2] f[1,6]", { hidden_size: 2, layout: 0 }],
  [`Softmax LogSoftmax Hardmax ArgMax ArgMin Concat Flatten`, "f[2,3,4]", { axis: 1 }],
  ["Concat", "f[2,3] f[2,1] f[2,2]", { axis: -1 }],
  [sums, "f[2,3,4] i[2]=0,-1", { keepdims: 0, noop_with_empty_axes: 0 }],
  [sums, "j[2,3,4] i[1]=1", { keepdims: 1 }],
  ["TopK", "f[3,5] i[1]=3", { axis: 1, largest: 1, sorted: 1 }],
  ["CumSum CumProd", "f[3,4] i[]=1", { exclusive: 1, reverse: 1 }],
  ["CumSum", "i[3,4] j[]=0"],
  ["Reshape", "f[2,3,4] i[3]=0,-1,2", { allowzero: 0 }],
  ["Squeeze", "f[1,3,1] i[1]=0"],
  ["Unsqueeze", "f[3,2] i[2]=0,-1"],
  ["Transpose", "f[2,3,4]", { perm: [2, 0, 1] }],
  ["Expand", "f[3,1] i[3]=2,1,4"],
  ["Tile", "f[2,3] i[2]=2,3"],
  ["Pad", "f[2,3] i[4]=1,0,2,1 f[1]", { mode: "constant" }],
  ["Pad", "f[2,3] i[4]=1,2,0,1", { mode: "reflect" }],
  ["Pad", "f[3,4] i[2]=3,-1 i[1]=1", { mode: "wrap" }],
  ["CenterCropPad", "f[4,5] i[2]=6,2", { axes: [0, 1] }],
  ["Slice", "f[4,5] i[2]=0,4 i[2]=3,-9 i[2]=0,1 i[2]=2,-2"],
  ["Split", "f[6,2] i[3]=1,2,3", { axis: 0 }],
  ["Split", "f[6,2]", { axis: 0, num_outputs: 3 }],
  ["Gather", "f[3,4] i[2,2]=0,-1,2,1", { axis: 0 }],
  ["Gather", "i[5] j[2]=0,4", { axis: 0 }],
  ["GatherElements", "f[3,4] i[2,4]=0,1,2,0,1,2,-1,-2", { axis: 0 }],
  ["GatherND", "f[2,3,4] i[2,2]=0,1,1,-1", { batch_dims: 0 }],
  ["GatherND", "f[2,3,4] i[2,1]=0,-1", { batch_dims: 1 }],
  ["ScatterElements", "f[3,4] i[2,2]=0,1,2,0 f[2,2]", { axis: 1, reduction: "add" }],
  ["ScatterND", "f[4,3] i[2,1]=1,-1 f[2,3]", { reduction: "none" }],
  ["TensorScatter", "f[2,4,3] f[2,2,3] i[2]=1,2", { axis: 1, mode: "linear" }],
  ["OneHot", "i[2,2]=0,3,-1,9 i[]=4 f[2]", { axis: -1 }],
  ["Compress", "f[3,4] b[3]=1,0,1", { axis: 0 }],
  ["NonZero", "f[3,4]"],
  ["Unique", "f[3,4]", { axis: 0, sorted: 1 }],
  ["Trilu", "f[2,4,3] i[]=1", { upper: 0 }],
  ["EyeLike", "f[3,4]", { k: 1, dtype: 1 }],
  ["Range", "f[]=0 f[]=5 f[]=1"],
  ["Range", "i[]=0 i[]=5 i[]=2"],
  ["ConstantOfShape", "i[2]=2,3", { value: { dtype: "float32", shape: [1], data: Float32Array.of(2) } }],
  ["Constant", "", { value_ints: [1, 2] }],
  ["Shape", "f[2,3]", { start: 0, end: 2 }],
  ["Resize", "f[1,1,3,4]  f[4]=1,1,2,1.5", { mode: "linear", coordinate_transformation_mode: "half_pixel" }],
  ["Resize", "f[1,1,3,4]   i[4]=1,1,5,2", { mode: "cubic", antialias: 1, cubic_coeff_a: -0.75, exclude_outside: 1 }],
  [
    "Resize",
    "f[1,1,3,4] f[8]=0,0,0.2,0.1,1,1,0.8,0.9  i[4]=1,1,5,2",
    { coordinate_transformation_mode: "tf_crop_and_resize", mode: "linear" },
  ],
  ["Resize", "f[3,4]   i[1]=7", { axes: [1], keep_aspect_ratio_policy: "not_larger", nearest_mode: "ceil" }],
  ["Upsample", "f[1,1,3,4] f[4]=1,1,2,2", { mode: "nearest" }],
  ["GridSample", "f[1,2,3,4] f[1,2,3,2]", { mode: "cubic", padding_mode: "reflection", align_corners: 1 }],
  ["GridSample", "f[1,2,3,4,2] f[1,2,3,2,3]", { mode: "linear", padding_mode: "border" }],
  ["AffineGrid", "f[1,2,3] i[4]=1,1,3,4", { align_corners: 0 }],
  ["Col2Im", "f[1,4,4] i[2]=3,3 i[2]=2,2", { strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1] }],
  ["DepthToSpace", "f[1,8,2,3]", { blocksize: 2, mode: "DCR" }],
  ["SpaceToDepth", "f[1,2,4,6]", { blocksize: 2 }],
  ["ReverseSequence", "f[4,2,3] i[2]=3,2", { batch_axis: 1, time_axis: 0 }],
  ["Where", "b[2,3] f[3] f[2,1]"],
  ["Clip", "f[2,3] f[]=0 f[]=1"],
  ["Clip", "j[2,3] j[]=0 j[]=1"],
  ["Cast", "f[2,3]", { to: 7, saturate: 1 }],
  ["CastLike", "f[2,3] i[1]"],
  ["Dropout", "f[2,3] f[]=0.5 b[]=0", { seed: 1 }],
  ["BitShift", "u[4] u[4]", { direction: "LEFT" }],
  ["Mod", "f[4] f[4]", { fmod: 1 }],
  ["Mod Div Pow", "j[4] j[4]=1,2,0,-1"],
  ["And Or Xor", "b[2,3] b[3]"],
  ["Not", "b[2,3]"],
  ["BitwiseAnd BitwiseOr BitwiseXor", "j[2,3] j[3]"],
  ["BitwiseNot", "j[2,3]"],
  ["IsInf", "f[4]", { detect_negative: 1, detect_positive: 0 }],
  ["HardSigmoid", "f[4]", { alpha: 0.1, beta: 0.2 }],
  ["Gelu", "f[4]", { approximate: "tanh" }],
  ["BitCast", "f[2,3]", { to: 6 }],
  ["BlackmanWindow HammingWindow HannWindow", "i[]=5", { periodic: 0, output_datatype: 1 }],
  ["DeformConv", "f[1,2,4,4] f[2,2,2,2] f[1,8,3,3] f[2]", { kernel_shape: [2, 2], pads: [0, 0, 0, 0], group: 1 }],
  ["Det", "f[2,3,3]"],
  ["Einsum", "f[2,3] f[3,4]", { equation: "ij,jk->ik" }],
  ["MaxUnpool", "f[1,1,2,2] i[1,1,2,2]=0,2,8,10", { kernel_shape: [2, 2], strides: [2, 2], pads: [0, 0, 0, 0] }],
  [
    "NegativeLogLikelihoodLoss SoftmaxCrossEntropyLoss",
    "f[3,5] i[3]=0,2,4 f[5]",
    { reduction: "mean", ignore_index: 2 },
  ],
  ["NonMaxSuppression", "f[1,3,4] f[1,1,3] i[1]=2 f[1]=0.5 f[1]=0", { center_point_box: 0 }],
  ["RoiAlign", "f[1,2,5,5] f[2,4]=0,0,3,3,1,1,4,4 i[2]=0,0", { output_height: 2, output_width: 3, sampling_ratio: 2 }],
  ["Conv", "f[1,2,3,4,3] f[2,1,2,2,2]", { group: 2, strides: [1, 2, 1], pads: [0, 1, 0, 0, 1, 0] }],
];

/** For what has none of its own: some of them fit. */
const others = ["f[2,3]", "f[2,3] f[2,3]", "f[2,3] f[3] f[1]", "f[1,2,4,4] f[2,2,3,3]", "j[2,3] j[2,3]"];

/** By the operators of the rows. */
export const own = new Map<string, Seed[]>();
for (const [ops, inputs, attributes = {}] of rows) {
  for (const op of ops.split(" ")) {
    own.set(op, [...(own.get(op) ?? []), { op, inputs: inputs.split(" ").map(tensorOf), attributes }]);
  }
}

/** By every operator that runs. */
export const seeds: ReadonlyMap<string, readonly Seed[]> = new Map(
  [...operators.keys()].map((op) => [
    op,
    own.get(op) ?? others.map((inputs) => ({ op, inputs: inputs.split(" ").map(tensorOf), attributes: {} })),
  ]),
);
