/**
 * Names that are told by their place in these lists. The lists are part of the format: they only ever grow at the end.
 */

/** Operators, the frequent first. */
export const operators: readonly string[] = `
Conv Relu MaxPool Gemm Add BatchNormalization Flatten GlobalAveragePool MatMul AveragePool Softmax Reshape Concat
Mul Transpose Clip Sigmoid Sub Div Pow Sqrt ReduceMean Gather Slice Squeeze Unsqueeze Shape Constant Cast Split Pad
Resize Tanh LeakyRelu PRelu Elu Gelu Erf HardSigmoid HardSwish LayerNormalization InstanceNormalization
GroupNormalization Dropout Identity ConvTranspose Exp Log Neg Abs Max Min Sum Mean ReduceMax ReduceMin ReduceSum
ReduceProd ReduceL2 ArgMax ArgMin TopK Expand Tile Where Equal Greater Less Not And Or LSTM GRU RNN GatherElements
GatherND ScatterElements ScatterND DepthToSpace SpaceToDepth Upsample ConstantOfShape Range NonZero CumSum
LogSoftmax Softplus Softsign Selu Celu Mish ThresholdedRelu Reciprocal Floor Ceil Round Sign Sin Cos Einsum
GlobalMaxPool LpPool LRN QuantizeLinear DequantizeLinear QLinearConv QLinearMatMul ConvInteger MatMulInteger
DynamicQuantizeLinear OneHot Size If Loop Scan
`
  .trim()
  .split(/\s+/);

/** Attributes. */
export const attributeNames: readonly string[] = `
kernel_shape strides pads dilations group auto_pad ceil_mode count_include_pad storage_order axis alpha beta transA
transB epsilon momentum training_mode keepdims axes perm to value mode spatial output_padding output_shape allowzero
split num_outputs largest sorted select_last_index noop_with_empty_axes coordinate_transformation_mode nearest_mode
cubic_coeff_a extrapolation_value exclude_outside antialias keep_aspect_ratio_policy approximate stash_type
num_groups blocksize direction hidden_size linear_before_reset activations clip layout batch_dims reduction equation
size bias gamma lambd start end
`
  .trim()
  .split(/\s+/);

/** What the model of texts has seen before the first: one text a line. */
export const primer = `
model
lenet5
main_graph
input
image
x
data
output
logits
y
probabilities
batch_size
N
model.layers.0.self_attn.q_proj.weight
features.0.weight
features.3.bias
classifier.1.weight
layer1.0.conv2.weight
layer1.0.bn1.running_mean
layer2.0.downsample.1.running_var
embedding.weight
bn1.weight
bn1.bias
conv1.weight
conv1.bias
conv2.weight
conv2.bias
fc.weight
fc.bias
fc1.weight
fc1.bias
fc2.weight
fc2.bias
/features/features.0/Conv_output_0
/layer1/layer1.0/conv1/Conv_output_0
/relu/Relu_output_0
/MaxPool_output_0
/Add_output_0
conv1
pool1
conv2
pool2
maxpool2
relu3
gemm4
matmul5
add6
flatten
batchnormalization7
globalaveragepool8
averagepool9
fc1
relu1
fc2
softmax
logits
`
  .trim()
  .split("\n");
