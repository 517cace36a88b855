// Indices, numbers, recurrent networks and attributes that make no sense: each ends in this error, or in this result.
import { describe } from "vitest";
import { testRows } from "./onnx-node.js";

describe("indices outside", () => {
  // biome-ignore format: a row a line
  testRows([
    ["Gather, a weight", "Gather f[3,2] I[2]=0,3", {}, "ShapeError: n0 (Gather) input 1: expected indices in -3..2, got 3"],
    ["Gather, at run time", "Gather f[3,2] i[2]=0,3", {}, "ShapeError: n0 (Gather) input 1: expected indices in -3..2, got 3"],
    ["Gather, int32", "Gather f[3,2] j[2]=0,-4", {}, "ShapeError: n0 (Gather) input 1: expected indices in -3..2, got -4"],
    ["Gather, 2^63 - 1", "Gather f[3,2] i[1]=9223372036854775807", {}, "ShapeError: n0 (Gather) input 1: expected indices in -3..2, got 9223372036854776000"],
    ["Gather, -2^63", "Gather f[3,2] i[1]=-9223372036854775808", {}, "ShapeError: n0 (Gather) input 1: expected indices in -3..2, got -9223372036854776000"],
    ["Gather, 2^32, which is 0 in 32 bits", "Gather f[3,2] i[1]=4294967296", {}, "ShapeError: n0 (Gather) input 1: expected indices in -3..2, got 4294967296"],
    ["Gather, a rest counted from the end", "Gather f[3]=1,2,3 i[4]=-1,-3,2,0", {}, "float32 [4] 3,1,3,1"],
    ["Gather, computed", "Add i[2]=1,2 i[1]=1 -> i | Gather f[3,2] i", {}, "ShapeError: n1 (Gather) input 1: expected indices in -3..2, got 3"],
    ["Gather, along the second axis", "Gather f[3,2] i[1]=2", {axis:1}, "ShapeError: n0 (Gather) input 1: expected indices in -2..1, got 2"],
    ["Gather, of nothing", "Gather f[0,2] i[1]=0", {}, "ShapeError: n0 (Gather): expected elements for the indices to lead to, got a size of 0"],
    ["Gather, reals", "Gather f[3,2] f[1]", {}, "ShapeError: n0 (Gather) input 1: expected int64 or int32, got float32"],
    ["GatherElements, a weight", "GatherElements f[3,2] I[1,2]=0,-4", {}, "ShapeError: n0 (GatherElements) input 1: expected indices in -3..2, got -4"],
    ["GatherElements, at run time", "GatherElements f[3,2] i[1,2]=0,3", {}, "ShapeError: n0 (GatherElements) input 1: expected indices in -3..2, got 3"],
    ["GatherElements, of more than there is", "GatherElements f[3,2] i[1,3]=0,0,0", {}, "ShapeError: n0 (GatherElements) input 1: expected at most [3, 2] but for axis 0, got [1, 3]"],
    ["GatherND, a weight", "GatherND f[3,2] I[1,2]=0,2", {}, "ShapeError: n0 (GatherND) input 1: expected indices in -2..1, got 2"],
    ["GatherND, at run time", "GatherND f[3,2] i[1,2]=-4,0", {}, "ShapeError: n0 (GatherND) input 1: expected indices in -3..2, got -4"],
    ["GatherND, of longer tuples", "GatherND f[3,2] i[1,3]=0,0,0", {}, "ShapeError: n0 (GatherND) input 1: expected tuples that lead into [3, 2] after 0 dimensions that are alike, got [1, 3]"],
    ["GatherND, of tuples of nothing", "GatherND f[3,2] i[1,0]", {}, "ShapeError: n0 (GatherND) input 1: expected tuples that lead into [3, 2] after 0 dimensions that are alike, got [1, 0]"],
    ["GatherND, more batches than there are", "GatherND f[3,2] i[3,1]=0,0,0", {batch_dims:2}, "ShapeError: n0 (GatherND) input 1: expected tuples that lead into [3, 2] after 2 dimensions that are alike, got [3, 1]"],
    ["GatherND, fewer batches than none", "GatherND f[3,2] i[3,1]=0,0,0", {batch_dims:-1}, "ShapeError: n0 (GatherND) input 1: expected tuples that lead into [3, 2] after -1 dimensions that are alike, got [3, 1]"],
    ["GatherND, batches that differ", "GatherND f[3,2] i[2,1]=0,0", {batch_dims:1}, "ShapeError: n0 (GatherND) input 1: expected tuples that lead into [3, 2] after 1 dimensions that are alike, got [2, 1]"],
    ["ScatterElements, a weight", "ScatterElements f[3,2] I[1,2]=0,3 f[1,2]", {}, "ShapeError: n0 (ScatterElements) input 1: expected indices in -3..2, got 3"],
    ["ScatterElements, at run time", "ScatterElements f[3,2] i[1,2]=0,-4 f[1,2]", {}, "ShapeError: n0 (ScatterElements) input 1: expected indices in -3..2, got -4"],
    ["ScatterElements, at run time, added", "ScatterElements f[3,2] i[1,2]=0,3 f[1,2]", {reduction:"add"}, "ShapeError: n0 (ScatterElements) input 1: expected indices in -3..2, got 3"],
    ["ScatterElements, of other updates", "ScatterElements f[3,2] i[1,2]=0,1 f[2,2]", {}, "ShapeError: n0 (ScatterElements) input 2: expected [1, 2], got [2, 2]"],
    ["ScatterElements, by a word that is none", "ScatterElements f[3,2] i[1,2]=0,1 f[1,2]", {reduction:"sub"}, "UnsupportedError: n0.reduction: expected one of none, add, mul, max, min, got sub"],
    ["ScatterND, a weight", "ScatterND f[3,2] I[1,1]=3 f[1,2]", {}, "ShapeError: n0 (ScatterND) input 1: expected indices in -3..2, got 3"],
    ["ScatterND, at run time", "ScatterND f[3,2] i[2,1]=1,-4 f[2,2]", {}, "ShapeError: n0 (ScatterND) input 1: expected indices in -3..2, got -4"],
    ["ScatterND, at run time, the larger", "ScatterND f[3,2] i[1,2]=0,2 f[1]", {reduction:"max"}, "ShapeError: n0 (ScatterND) input 1: expected indices in -2..1, got 2"],
    ["ScatterND, of other updates", "ScatterND f[3,2] i[1,1]=0 f[2]", {}, "ShapeError: n0 (ScatterND) input 2: expected [1, 2], got [2]"],
    ["ScatterND, of longer tuples", "ScatterND f[3,2] i[1,3]=0,0,0 f[1]", {}, "ShapeError: n0 (ScatterND) input 1: expected tuples of at most 2 indices, got [1, 3]"],
    ["TensorScatter, past the end", "TensorScatter f[1,3,1] f[1,2,1] i[1]=2", {}, "ShapeError: n0 (TensorScatter) input 2: expected numbers in 0..1, got 2"],
    ["TensorScatter, before the start", "TensorScatter f[1,3,1] f[1,2,1] i[1]=-1", {}, "ShapeError: n0 (TensorScatter) input 2: expected numbers in 0..1, got -1"],
    ["TensorScatter, around the end", "TensorScatter f[1,3,1]=1,2,3 f[1,2,1]=4,5 i[1]=-1", {mode:"circular"}, "float32 [1, 3, 1] 5,2,4"],
    ["TensorScatter, more than there is", "TensorScatter f[1,3,1] f[1,4,1]", {}, "ShapeError: n0 (TensorScatter) input 1: expected [1, 3, 1] or less along axis 1, which is not the first, got [1, 4, 1]"],
    ["OneHot, which has none there", "OneHot i[4]=5,-5,9223372036854775807,-9223372036854775808 I[]=2 f[2]=0,1", {}, "float32 [4, 2] 0,0,0,0,0,0,0,0"],
    ["ReverseSequence, past the end", "ReverseSequence f[3,2] i[2]=4,1", {}, "ShapeError: n0 (ReverseSequence) input 1: expected numbers in 0..3, got 4"],
    ["ReverseSequence, before the start", "ReverseSequence f[3,2] I[2]=-1,1", {}, "ShapeError: n0 (ReverseSequence) input 1: expected numbers in 0..3, got -1"],
    ["ReverseSequence, too many", "ReverseSequence f[3,2] i[3]=1,1,1", {}, "ShapeError: n0 (ReverseSequence) input 1: expected a length for each sequence of [3, 2], got [3]"],
    ["ReverseSequence, other axes", "ReverseSequence f[3,2] i[2]=1,1", {batch_axis:1,time_axis:2}, "ShapeError: n0 (ReverseSequence): expected axes 0 and 1, got 1 and 2"],
    ["ReverseSequence, of a vector", "ReverseSequence f[3] i[3]=1,1,1", {}, "ShapeError: n0 (ReverseSequence) input 1: expected a length for each sequence of [3], got [3]"],
    ["ReverseSequence, reals", "ReverseSequence f[3,2] f[2]=1,1", {}, "ShapeError: n0 (ReverseSequence) input 1: expected int64 or int32, got float32"],
  ]);
});

describe("numbers", () => {
  // biome-ignore format: a row a line
  testRows([
    ["Clip, where min is above max", "Clip f[3] F[]=1 F[]=-1", {}, "float32 [3] -1,-1,-1"],
    ["Clip, where min is above max, integers", "Clip j[3]=1,2,3 J[]=5 J[]=2", {}, "int32 [3] 2,2,2"],
    ["Clip, where min is no number", "Clip f[3]=NaN,0,Infinity f[]=NaN f[]=1", {}, "float32 [3] NaN,NaN,NaN"],
    ["Clip, two minima", "Clip f[3] F[2]=0,1", {}, "ShapeError: n0 (Clip) input 1: expected one value, got [2]"],
    ["Clip, of another type", "Clip f[3] I[]=0", {}, "ShapeError: n0 (Clip) input 1: expected float32 as input 0, got int64"],
    ["Cast, to int64", "Cast f[6]=NaN,Infinity,-Infinity,1e30,-1e30,300", {to:7}, "int64 [6] 0,9223372036854775807,-9223372036854775808,9223372036854775807,-9223372036854775808,300"],
    ["Cast, to int32", "Cast f[6]=NaN,Infinity,-Infinity,1e30,-1e30,300", {to:6}, "int32 [6] 0,-1,0,-1,0,300"],
    ["Cast, to uint8", "Cast f[6]=NaN,Infinity,-Infinity,1e30,-1e30,300", {to:2}, "uint8 [6] 0,255,0,255,0,44"],
    ["Cast, to uint64", "Cast f[6]=NaN,Infinity,-Infinity,1e30,-1e30,300", {to:13}, "uint64 [6] 0,18446744073709551615,0,18446744073709551615,0,300"],
    ["Cast, to bool", "Cast f[6]=NaN,Infinity,-Infinity,0,-0,300", {to:9}, "bool [6] 1,1,1,0,0,1"],
    ["Cast, to int4", "Cast f[6]=NaN,Infinity,-Infinity,1e30,-1e30,300", {to:22}, "int4 [6] 0,-1,0,-1,0,-4"],
    ["Cast, to nothing", "Cast f[1]", {}, "ShapeError: n0.to: expected an element type, got none"],
    ["Cast, to type 0", "Cast f[1]", {to:0}, "UnsupportedError: n0.to: expected an element type, got 0"],
    ["Cast, to texts", "Cast f[1]", {to:8}, "UnsupportedError: n0.to: expected an element type, got 8"],
    ["Cast, to type 2^53 - 1", "Cast f[1]", {to:9007199254740991}, "UnsupportedError: n0.to: expected an element type, got 9007199254740991"],
    ["Div by 0", "Div j[3]=1,-1,0 j[3]=0,0,0", {}, "int32 [3] 0,0,0"],
    ["Div, the smallest by -1", "Div i[1]=-9223372036854775808 i[1]=-1", {}, "int64 [1] -9223372036854775808"],
    ["Mod by 0", "Mod j[2]=1,-1 j[2]=0,0", {}, "int32 [2] 0,0"],
    ["Mod, the smallest by -1", "Mod i[1]=-9223372036854775808 i[1]=-1", {}, "int64 [1] 0"],
    ["Pow, by negative integers", "Pow j[3]=2,0,-1 j[3]=-1,-1,2147483647", {}, "int32 [3] 0,0,-1"],
    ["BitShift, further than there are bits", "BitShift u[2]=255,1 u[2]=200,8", {direction:"LEFT"}, "uint8 [2] 0,0"],
    ["BitShift, no way", "BitShift u[2] u[2]", {}, "ShapeError: n0.direction: expected \"LEFT\" or \"RIGHT\", got undefined"],
    ["Dropout, all of it and more", "Dropout f[2]=1,2 F[]=2", {}, "float32 [2] 1,2"],
  ]);
});

describe("products and sums", () => {
  // biome-ignore format: a row a line
  testRows([
    ["shapes that do not fit", "Add f[2,3] f[2]", {}, "ShapeError: n0 (Add) input 1: expected a shape that broadcasts with [2, 3], got [2]"],
    ["types that do not fit", "Add f[2] i[2]", {}, "ShapeError: n0 (Add) input 1: expected float32 as input 0, got int64"],
    ["one for two", "Add f[2]", {}, "ShapeError: n0 (Add) input 1: expected a value, got none"],
    ["depths that differ", "MatMul f[2,3] f[2,3]", {}, "ShapeError: n0 (MatMul): expected 2 columns of A, got [2, 3]"],
    ["scalars", "MatMul f[] f[]", {}, "ShapeError: n0 (MatMul): expected vectors, matrices or stacks of them, got [] and []"],
    ["stacks that differ", "MatMul f[2,1,3] f[3,3,1]", {}, "ShapeError: n0 (MatMul): expected dimensions in front that are equal or 1, got [2, 1, 3] and [3, 3, 1]"],
    ["no depth", "MatMul f[2,0] f[0,3]", {}, "float32 [2, 3] 0,0,0,0,0,0"],
    ["depths that differ, Gemm", "Gemm f[2,3] f[2,3]", {}, "ShapeError: n0 (Gemm): expected 2 columns of A, got [2, 3]"],
    ["a bias that does not fit", "Gemm f[2,3] f[3,2] f[3]", {}, "ShapeError: n0.sum (Add) input 1: expected a shape that broadcasts"],
    ["a way to turn that is none", "Gemm f[1,2] f[2,1]", {transB:2}, "ShapeError: n0.transB: expected 0 or 1, got 2"],
  ]);
});

describe("normalizations", () => {
  // biome-ignore format: a row a line
  testRows([
    ["BatchNormalization, scales for others", "BatchNormalization f[1,3,1,1] F[2] F[3] F[3] F[3]", {}, "ShapeError: n0 (BatchNormalization) input 2: expected 2 values, got [3]"],
    ["BatchNormalization, means for others, computed", "BatchNormalization f[1,3,1,1] f[3] f[3] f[4] f[3]", {}, "ShapeError: n0 (BatchNormalization) input 3: expected 3 values, got [4]"],
    ["BatchNormalization, a negative variance", "BatchNormalization f[1,2,1]=2,3 F[2]=1,1 F[2]=0,0 F[2]=0,0 F[2]=-1,4", {epsilon:0}, "float32 [1, 2, 1] NaN,1.5"],
    ["BatchNormalization, a negative variance behind a Conv", "Conv f[1,1,2] F[1,1,1]=1 -> c | BatchNormalization c F[1]=1 F[1]=0 F[1]=0 F[1]=-1", {}, "float32 [1, 1, 2] NaN,NaN"],
    ["BatchNormalization, an epsilon that is no number", "BatchNormalization f[1,2,1] F[2]=1,1 F[2]=0,0 F[2]=0,0 F[2]=1,1", {epsilon:NaN}, "float32 [1, 2, 1] NaN,NaN"],
    ["BatchNormalization, inputs missing", "BatchNormalization f[1,2,1] F[2] F[2]", {}, "ShapeError: n0 (BatchNormalization): expected an input 3, got none"],
    ["BatchNormalization, a vector", "BatchNormalization f[2] F[2] F[2] F[2] F[2]", {}, "ShapeError: n0 (BatchNormalization): expected batch and channels, got [2]"],
    ["LayerNormalization, scales for others", "LayerNormalization f[2,3] f[2]", {}, "ShapeError: n0 (LayerNormalization) input 1: expected 3 values, got [2]"],
    ["LayerNormalization, biases for others", "LayerNormalization f[2,3] f[3] f[2]", {}, "ShapeError: n0 (LayerNormalization) input 2: expected 3 values, got [2]"],
    ["LayerNormalization, an epsilon that is no number", "LayerNormalization f[1,2] f[2]", {epsilon:NaN}, "float32 [1, 2] NaN,NaN"],
    ["LayerNormalization, a scalar", "LayerNormalization f[] f[]", {}, "ShapeError: n0.axis: expected an axis of [], got -1"],
    ["GroupNormalization, no groups", "GroupNormalization f[1,4,2] f[4] f[4]", {}, "ShapeError: n0.num_groups: expected a divisor of 4, got 0"],
    ["GroupNormalization, 0 groups", "GroupNormalization f[1,4,2] f[4] f[4]", {num_groups:0}, "ShapeError: n0.num_groups: expected a divisor of 4, got 0"],
    ["GroupNormalization, groups that do not divide", "GroupNormalization f[1,4,2] f[4] f[4]", {num_groups:3}, "ShapeError: n0.num_groups: expected a divisor of 4, got 3"],
    ["GroupNormalization, a negative number of groups", "GroupNormalization f[1,4,2] f[4] f[4]", {num_groups:-2}, "ShapeError: n0.num_groups: expected a divisor of 4, got -2"],
    ["InstanceNormalization, scales for others", "InstanceNormalization f[1,4,2] f[3] f[4]", {}, "ShapeError: n0 (InstanceNormalization) input 1: expected [4], got [3]"],
  ]);
});

describe("recurrent networks", () => {
  // biome-ignore format: a row a line
  testRows([
    ["another hidden_size", "RNN f[3,2,4] F[1,5,4] F[1,5,5]", {hidden_size:4}, "ShapeError: n0 (RNN) input 1: expected [1, 4, 4], got [1, 5, 4]"],
    ["a negative hidden_size", "RNN f[3,2,4] F[1,5,4] F[1,5,5]", {hidden_size:-5}, "ShapeError: n0 (RNN) input 1: expected [1, -5, 4], got [1, 5, 4]"],
    ["hidden_size 0", "RNN f[3,2,4] F[1,0,4] F[1,0,0]", {hidden_size:0}, "float32 [3, 1, 2, 0]"],
    ["hidden_size 2^53 - 1", "RNN f[3,2,4] F[1,5,4] F[1,5,5]", {hidden_size:9007199254740991}, "ShapeError: n0 (RNN) input 1: expected [1, 9007199254740991, 4], got [1, 5, 4]"],
    ["another width of W", "RNN f[3,2,4] F[1,5,3] F[1,5,5]", {}, "ShapeError: n0 (RNN) input 1: expected [1, 5, 4], got [1, 5, 3]"],
    ["another height of W", "GRU f[3,2,4] F[1,7,4] F[1,6,2]", {}, "ShapeError: n0 (GRU) input 1: expected [1, 6, 4], got [1, 7, 4]"],
    ["another width of R", "RNN f[3,2,4] F[1,5,4] F[1,5,4]", {hidden_size:5}, "ShapeError: n0 (RNN) input 2: expected [1, 5, 5], got [1, 5, 4]"],
    ["R wider than high", "GRU f[3,2,4] F[1,6,4] F[1,1,2000]", {}, "ShapeError: n0 (GRU) input 1: expected [1, 6000, 4], got [1, 6, 4]"],
    ["R of one dimension", "GRU f[3,2,4] F[1,6,4] F[12]", {}, "ShapeError: n0 (GRU) input 1: expected [1, 0, 4], got [1, 6, 4]"],
    ["W of two dimensions", "LSTM f[3,2,4] F[8,4] F[1,8,2]", {}, "ShapeError: n0 (LSTM) input 1: expected [1, 8, 4], got [8, 4]"],
    ["no W", "RNN f[3,2,4]", {}, "ShapeError: n0 (RNN): expected an input 1, got none"],
    ["x of two dimensions", "RNN f[3,4] F[1,5,4] F[1,5,5]", {}, "ShapeError: n0 (RNN) input 0: expected three dimensions, got [3, 4]"],
    ["x of integers", "RNN u[3,2,4] f[1,5,4] f[1,5,5]", {}, "UnsupportedError: n0 (RNN) input 0: expected floating-point values, got uint8"],
    ["W of integers", "GRU f[3,2,4] u[1,6,4] f[1,6,2]", {}, "UnsupportedError: n0 (GRU) input 1: expected floating-point values, got uint8"],
    ["two directions in one", "LSTM f[3,2,4] F[1,8,4] F[1,8,2]", {direction:"bidirectional"}, "ShapeError: n0 (LSTM) input 1: expected [2, 8, 4], got [1, 8, 4]"],
    ["a direction that is none", "LSTM f[3,2,4] F[1,8,4] F[1,8,2]", {direction:"up"}, "ShapeError: n0.direction: expected forward, reverse or bidirectional, got up"],
    ["a layout that is none", "RNN f[3,2,4] F[1,5,4] F[1,5,5]", {layout:2}, "ShapeError: n0.layout: expected 0 or 1, got 2"],
    ["half a bias", "RNN f[3,2,4] F[1,5,4] F[1,5,5] F[1,5]", {}, "ShapeError: n0 (RNN) input 3: expected [1, 10], got [1, 5]"],
    ["a length past the end", "RNN f[3,2,4] F[1,5,4] F[1,5,5]  j[2]=4,1", {}, "ShapeError: n0 (RNN) input 4: expected lengths in 0..3, got 4"],
    ["a length past the end, a weight", "GRU f[3,2,4] F[1,6,4] F[1,6,2]  J[2]=1,4", {}, "ShapeError: n0 (GRU) input 4: expected lengths in 0..3, got 4"],
    ["a negative length", "LSTM f[3,2,4] F[1,8,4] F[1,8,2]  j[2]=-1,1", {}, "ShapeError: n0 (LSTM) input 4: expected lengths in 0..3, got -1"],
    ["lengths of 64 bits", "RNN f[3,2,4] F[1,5,4] F[1,5,5]  i[2]=1,1", {}, "ShapeError: n0 (RNN) input 4: expected int32, got int64"],
    ["lengths for others", "RNN f[3,2,4] F[1,5,4] F[1,5,5]  j[3]=1,1,1", {}, "ShapeError: n0 (RNN) input 4: expected [2], got [3]"],
    ["a state for another batch", "RNN f[3,2,4] F[1,5,4] F[1,5,5]   f[1,3,5]", {}, "ShapeError: n0 (RNN) input 5: expected [1, 2, 5], got [1, 3, 5]"],
    ["a cell of another size", "LSTM f[3,2,4] F[1,8,4] F[1,8,2]    f[1,2,3]", {}, "ShapeError: n0 (LSTM) input 6: expected [1, 2, 2], got [1, 2, 3]"],
    ["peepholes of another size", "LSTM f[3,2,4] F[1,8,4] F[1,8,2]     f[1,5]", {}, "ShapeError: n0 (LSTM) input 7: expected [1, 6], got [1, 5]"],
    ["too many functions", "RNN f[3,2,4] F[1,5,4] F[1,5,5]", {activations:["Tanh","Tanh"]}, "ShapeError: n0.activations: expected 1 for each direction, got Tanh,Tanh"],
    ["a function that every object has", "RNN f[3,2,4] F[1,5,4] F[1,5,5]", {activations:["constructor"]}, "UnsupportedError: n0.activations: expected names of ONNX's activations, got constructor"],
    ["a clip that is no number", "RNN f[3,2,4] F[1,5,4] F[1,5,5]", {clip:NaN}, "ShapeError: n0.clip: expected a number above 0, got NaN"],
  ]);
});

describe("attributes", () => {
  // biome-ignore format: a row a line
  testRows([
    ["text for an integer", "Softmax f[2]", {axis:"0"}, "ShapeError: n0.axis: expected an integer, got 0"],
    ["integers for one", "LayerNormalization f[2,3] f[3]", {axis:[1]}, "ShapeError: n0.axis: expected an integer, got 1"],
    ["a real for an integer", "Concat f[2,3] f[2,3]", {axis:0.5}, "ShapeError: n0.axis: expected an integer, got 0.5"],
    ["2^63 for an integer", "Conv f[1,2,4,4] F[2,2,2,2]", {group:2 ** 63}, "ShapeError: n0.group: expected an integer, got 9223372036854776000"],
    ["a tensor for an integer", "Softmax f[2]", {axis:{dtype:"int64",shape:[1],data:BigInt64Array.of(0n)}}, "ShapeError: n0.axis: expected an integer, got [object Object]"],
    ["an integer for integers", "Conv f[1,1,3,3] F[1,1,1,1]", {strides:1}, "ShapeError: n0.strides: expected 2 integers from 1 to 2147483647, got 1"],
    ["text for integers", "MaxPool f[1,1,3,3]", {kernel_shape:"2"}, "ShapeError: n0.kernel_shape: expected 2 integers from 1 to 2147483647, got 2"],
    ["texts for integers", "Conv f[1,1,3,3] F[1,1,1,1]", {strides:["1","1"]}, "ShapeError: n0.strides: expected 2 integers from 1 to 2147483647, got 1,1"],
    ["reals for integers", "Conv f[1,1,3,3] F[1,1,1,1]", {strides:[1.5,1]}, "ShapeError: n0.strides: expected 2 integers from 1 to 2147483647, got 1.5,1"],
    ["a real in a permutation", "Transpose f[2,3]", {perm:[0.5,1]}, "ShapeError: n0.perm: expected each axis of [2, 3] once, got 0.5,1"],
    ["text for a permutation", "Transpose f[2,3]", {perm:"01"}, "ShapeError: n0.perm: expected each axis of [2, 3] once, got 01"],
    ["an integer for a permutation", "Transpose f[2,3]", {perm:1}, "ShapeError: n0.perm: expected each axis of [2, 3] once, got 1"],
    ["a tensor for a permutation", "Transpose f[2,3]", {perm:{dtype:"int64",shape:[2],data:BigInt64Array.of(1n,0n)}}, "ShapeError: n0.perm: expected each axis of [2, 3] once, got [object Object]"],
    ["text for axes", "CenterCropPad f[4,5] I[2]=2,2", {axes:"x"}, "ShapeError: n0 (CenterCropPad): expected an axis of 2 dimensions, got NaN"],
    ["integers for a real", "LeakyRelu f[2]", {alpha:[1]}, "ShapeError: n0.alpha: expected a number, got 1"],
    ["text for a real", "BatchNormalization f[1,2,1] F[2] F[2] F[2] F[2]", {epsilon:"x"}, "ShapeError: n0.epsilon: expected a number, got x"],
    ["an integer for a word", "LSTM f[3,2,4] F[1,8,4] F[1,8,2]", {direction:1}, "ShapeError: n0.direction: expected forward, reverse or bidirectional, got 1"],
    ["an integer for another word", "Pad f[2] I[2]=0,0", {mode:1}, "UnsupportedError: n0.mode: expected one of constant, reflect, edge, wrap, got 1"],
    ["an integer for a third word", "Conv f[1,1,4,4] F[1,1,2,2]", {auto_pad:1}, "ShapeError: n0.auto_pad: expected NOTSET, VALID, SAME_UPPER or SAME_LOWER, got 1"],
    ["an integer for a tensor", "ConstantOfShape I[1]=2", {value:1}, "ShapeError: n0.value: expected a tensor of one element, got 1"],
    ["a tensor of two for one of one", "ConstantOfShape I[1]=2", {value:{dtype:"float32",shape:[2],data:Float32Array.of(1,2)}}, "ShapeError: n0.value: expected a tensor of one element, got [object Object]"],
    ["an integer for a list in a Constant", "Constant", {value_ints:1}, "ShapeError: n0.value_ints: expected integers, in a list, got 1"],
    ["a list for an integer in a Constant", "Constant", {value_int:[1]}, "ShapeError: n0.value_int: expected integers, one of them, got Array"],
    ["a text for integers in a Constant", "Constant", {value_ints:"x"}, "ShapeError: n0.value_ints: expected integers, in a list, got x"],
    ["texts for reals in a Constant", "Constant", {value_floats:["x"]}, "ShapeError: n0.value_floats: expected numbers, in a list, got Array"],
    ["text in a Constant", "Constant", {value_string:"x"}, "UnsupportedError: n0 (Constant): expected attributes among value, value_float, value_floats, value_int, value_ints, got value_stri"],
    ["two values of a Constant", "Constant", {value_int:1,value_float:1}, "ShapeError: n0 (Constant): expected one value, got value_float, value_int"],
    ["no value of a Constant", "Constant", {}, "ShapeError: n0 (Constant): expected one value, got none"],
    ["the largest integer in a Constant", "Constant", {value_int:2 ** 63}, "int64 [] 9223372036854775807"],
    ["no number for a slope", "LeakyRelu f[2]=-1,1", {alpha:NaN}, "float32 [2] NaN,1"],
    ["an infinite slope", "Elu f[2]=-1,1", {alpha:Infinity}, "float32 [2] -Infinity,1"],
    ["no number for a factor", "HardSigmoid f[2]=-1,1", {alpha:NaN}, "float32 [2] NaN,NaN"],
    ["what the operator does not have", "Relu f[2]", {axis:1}, "UnsupportedError: n0 (Relu): expected attributes among none, got axis"],
    ["what every object has", "Relu f[2]", {constructor:1}, "UnsupportedError: n0 (Relu): expected attributes among none, got constructor"],
  ]);
});
