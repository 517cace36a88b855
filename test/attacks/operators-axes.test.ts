// Axes, shapes and counts that make no sense: each ends in this error, or in this result.
import { describe } from "vitest";
import { testRows } from "./onnx-node.js";

describe("axes", () => {
  // biome-ignore format: a row a line
  testRows([
    ["ReduceSum, past the end", "ReduceSum f[2,3] I[1]=2", {}, "ShapeError: n0 (ReduceSum): expected an axis of 2 dimensions, got 2"],
    ["ReduceMax, before the start", "ReduceMax f[2,3] I[1]=-3", {}, "ShapeError: n0 (ReduceMax): expected an axis of 2 dimensions, got -3"],
    ["ReduceMean, twice", "ReduceMean f[2,3] I[2]=1,-1", {}, "ShapeError: n0 (ReduceMean): expected axes once each, got 1, -1"],
    ["ReduceProd, -2^63", "ReduceProd f[2,3] I[1]=-9223372036854775808", {}, "ShapeError: n0 (ReduceProd): expected an axis of 2 dimensions, got -9223372036854776000"],
    ["ReduceL2, a matrix of them", "ReduceL2 f[2,3] I[1,1]=0", {}, "ShapeError: n0 (ReduceL2) input 1: expected a list of int64, got [1, 1]"],
    ["ReduceMin, reals", "ReduceMin f[2,3] F[1]=0", {}, "ShapeError: n0 (ReduceMin) input 1: expected int64 or int32, got float32"],
    ["Squeeze, past the end", "Squeeze f[1,3] I[1]=2", {}, "ShapeError: n0 (Squeeze): expected an axis of 2 dimensions, got 2"],
    ["Squeeze, twice", "Squeeze f[1,3] I[2]=0,-2", {}, "ShapeError: n0 (Squeeze): expected axes once each, got 0, -2"],
    ["Squeeze, of another size", "Squeeze f[1,3] I[1]=1", {}, "ShapeError: n0 (Squeeze): expected size 1 at axis 1, got [1, 3]"],
    ["Unsqueeze, past the end", "Unsqueeze f[3] I[1]=2", {}, "ShapeError: n0 (Unsqueeze): expected an axis of 2 dimensions, got 2"],
    ["Unsqueeze, twice", "Unsqueeze f[3] I[2]=0,-3", {}, "ShapeError: n0 (Unsqueeze): expected axes once each, got 0, -3"],
    ["Transpose, too many", "Transpose f[2,3]", {perm:[0,1,2]}, "ShapeError: n0.perm: expected each axis of [2, 3] once, got 0,1,2"],
    ["Transpose, too few", "Transpose f[2,3]", {perm:[0]}, "ShapeError: n0.perm: expected each axis of [2, 3] once, got 0"],
    ["Transpose, twice", "Transpose f[2,3]", {perm:[0,0]}, "ShapeError: n0.perm: expected each axis of [2, 3] once, got 0,0"],
    ["Transpose, past the end", "Transpose f[2,3]", {perm:[0,2]}, "ShapeError: n0.perm: expected each axis of [2, 3] once, got 0,2"],
    ["Transpose, negative", "Transpose f[2,3]", {perm:[0,-1]}, "ShapeError: n0.perm: expected each axis of [2, 3] once, got 0,-1"],
    ["Concat, past the end", "Concat f[2,3] f[2,3]", {axis:2}, "ShapeError: n0 (Concat): expected an axis of 2 dimensions, got 2"],
    ["Concat, before the start", "Concat f[2,3] f[2,3]", {axis:-3}, "ShapeError: n0 (Concat): expected an axis of 2 dimensions, got -3"],
    ["Concat, missing", "Concat f[2,3] f[2,3]", {}, "ShapeError: n0.axis: expected an integer, got none"],
    ["Concat, of scalars", "Concat f[] f[]", {axis:0}, "ShapeError: n0 (Concat): expected an axis of 0 dimensions, got 0"],
    ["Split, past the end", "Split f[4] I[1]=4", {axis:1}, "ShapeError: n0 (Split): expected an axis of 1 dimensions, got 1"],
    ["Split, of a scalar", "Split f[]", {num_outputs:1}, "ShapeError: n0 (Split): expected an axis of 0 dimensions, got 0"],
    ["Softmax, past the end", "Softmax f[2,3]", {axis:2}, "ShapeError: n0 (Softmax): expected an axis of 2 dimensions, got 2"],
    ["LogSoftmax, before the start", "LogSoftmax f[2,3]", {axis:-3}, "ShapeError: n0 (LogSoftmax): expected an axis of 2 dimensions, got -3"],
    ["Hardmax, past the end", "Hardmax f[2,3]", {axis:2}, "ShapeError: n0 (Hardmax): expected an axis of 2 dimensions, got 2"],
    ["Gather, past the end", "Gather f[2,3] i[1]=0", {axis:2}, "ShapeError: n0 (Gather): expected an axis of 2 dimensions, got 2"],
    ["Gather, of a scalar", "Gather f[] i[1]=0", {}, "ShapeError: n0 (Gather): expected an axis of 0 dimensions, got 0"],
    ["GatherElements, before the start", "GatherElements f[2,3] i[1,1]=0", {axis:-3}, "ShapeError: n0 (GatherElements): expected an axis of 2 dimensions, got -3"],
    ["ScatterElements, past the end", "ScatterElements f[2,3] i[1,1]=0 f[1,1]", {axis:5}, "ShapeError: n0 (ScatterElements): expected an axis of 2 dimensions, got 5"],
    ["TopK, past the end", "TopK f[2,3] I[1]=1", {axis:2}, "ShapeError: n0 (TopK): expected an axis of 2 dimensions, got 2"],
    ["CumSum, past the end", "CumSum f[2,3] I[]=2", {}, "ShapeError: n0 (CumSum): expected an axis of 2 dimensions, got 2"],
    ["CumSum, before the start", "CumSum f[2,3] I[]=-3", {}, "ShapeError: n0 (CumSum): expected an axis of 2 dimensions, got -3"],
    ["CumSum, two of them", "CumSum f[2,3] I[2]=0,1", {}, "ShapeError: n0 (CumSum) axis: expected one integer, got 2"],
    ["CumProd, of a scalar", "CumProd f[] I[]=0", {}, "ShapeError: n0 (CumProd): expected an axis of 0 dimensions, got 0"],
    ["Flatten, past the end", "Flatten f[2,3]", {axis:3}, "ShapeError: n0.axis: expected an axis of [2, 3], got 3"],
    ["Flatten, before the start", "Flatten f[2,3]", {axis:-3}, "ShapeError: n0.axis: expected an axis of [2, 3], got -3"],
    ["ArgMax, past the end", "ArgMax f[2,3]", {axis:2}, "ShapeError: n0 (ArgMax): expected an axis of 2 dimensions, got 2"],
    ["ArgMin, of nothing", "ArgMin f[2,0]", {axis:1}, "ShapeError: n0 (ArgMin): expected values along the axis, got none"],
    ["OneHot, past the end", "OneHot i[2]=0,1 I[]=2 f[2]", {axis:3}, "ShapeError: n0 (OneHot): expected an axis of 2 dimensions, got 3"],
    ["Compress, past the end", "Compress f[2,3] b[1]", {axis:2}, "ShapeError: n0 (Compress): expected an axis of 2 dimensions, got 2"],
    ["Unique, past the end", "Unique f[2,3]", {axis:2}, "ShapeError: n0 (Unique): expected an axis of 2 dimensions, got 2"],
    ["LayerNormalization, past the end", "LayerNormalization f[2,3] f[3]", {axis:2}, "ShapeError: n0.axis: expected an axis of [2, 3], got 2"],
    ["RMSNormalization, past the end", "RMSNormalization f[2,3] f[3]", {axis:2}, "ShapeError: n0 (RMSNormalization): expected an axis of 2 dimensions, got 2"],
    ["LpNormalization, past the end", "LpNormalization f[2,3]", {axis:2}, "ShapeError: n0 (LpNormalization): expected an axis of 2 dimensions, got 2"],
    ["MeanVarianceNormalization, past the end", "MeanVarianceNormalization f[2,3]", {axes:[0,2]}, "ShapeError: n0 (MeanVarianceNormalization): expected an axis of 2 dimensions, got 2"],
    ["MeanVarianceNormalization, twice", "MeanVarianceNormalization f[2,3]", {axes:[0,-2]}, "ShapeError: n0 (MeanVarianceNormalization): expected axes once each, got 0, -2"],
    ["TensorScatter, the first", "TensorScatter f[2,3,1] f[2,3,1]", {axis:0}, "ShapeError: n0 (TensorScatter) input 1: expected [2, 3, 1] or less along axis 0, which is not the first, got [2, 3, 1]"],
    ["CenterCropPad, twice", "CenterCropPad f[2,3] I[2]=2,2", {axes:[0,0]}, "ShapeError: n0 (CenterCropPad): expected axes once each, got 0, 0"],
    ["Pad, twice", "Pad f[2,3] I[4]=0,0,0,0  I[2]=0,0", {}, "ShapeError: n0 (Pad): expected axes once each, got 0, 0"],
    ["Slice, twice", "Slice f[2,3] I[2]=0,0 I[2]=1,1 I[2]=0,-2", {}, "ShapeError: n0 (Slice): expected axes once each, got 0, -2"],
    ["Slice, past the end", "Slice f[2,3] I[1]=0 I[1]=1 I[1]=2", {}, "ShapeError: n0 (Slice): expected an axis of 2 dimensions, got 2"],
    ["Shape, from the largest number to the smallest", "Shape f[2,3]", {start:9007199254740991,end:-9007199254740991}, "int64 [0]"],
  ]);
});

describe("Reshape", () => {
  // biome-ignore format: a row a line
  testRows([
    ["-1 twice", "Reshape f[2,3] I[2]=-1,-1", {}, "ShapeError: n0 (Reshape): expected at most one -1, got [-1, -1]"],
    ["-1 beside the 0 of x: nothing", "Reshape f[0,3] I[2]=0,-1", {}, "float32 [0, 0]"],
    ["-1 beside a 0 that is meant", "Reshape f[0,3] I[2]=0,-1", {allowzero:1}, "ShapeError: n0 (Reshape): expected no -1 beside a 0 that allowzero takes at its word, got [0, -1]"],
    ["too few elements", "Reshape f[2,3] I[2]=2,2", {}, "ShapeError: n0 (Reshape): expected a shape of 6 elements, got [2, 2]"],
    ["-1 that does not come out", "Reshape f[2,3] I[2]=4,-1", {}, "ShapeError: n0 (Reshape): expected a shape of 6 elements, got [4, -1]"],
    ["negative sizes", "Reshape f[2,3] I[2]=-2,-3", {}, "ShapeError: n0 (Reshape): expected a shape of 6 elements, got [-2, -3]"],
    ["a 0 beyond the rank", "Reshape f[6] I[2]=6,0", {}, "ShapeError: n0 (Reshape): expected a size where [6] ends, got 0"],
    ["a 0 that is meant, of something", "Reshape f[2,3] I[2]=0,6", {allowzero:1}, "ShapeError: n0 (Reshape): expected a shape of 6 elements, got [0, 6]"],
    ["2^53 + 1", "Reshape f[2,3] I[2]=9007199254740993,1", {}, "ShapeError: n0 (Reshape): expected a shape of 6 elements, got [9007199254740992, 1]"],
    ["sizes that wrap around", "Reshape f[4] I[3]=4294967296,4294967296,-1", {}, "ShapeError: n0 (Reshape): expected a shape of 4 elements, got [4294967296, 4294967296, -1]"],
    ["nothing in huge strides", "Reshape f[0] I[3]=0,2147483647,2147483647", {allowzero:1}, "ShapeError: n0 (Reshape): expected an output of at most 2^31 bytes, got shape [0, 2147483647, 2147483647]"],
    ["reals", "Reshape f[4] F[1]=4", {}, "ShapeError: n0 (Reshape) input 1: expected int64 or int32, got float32"],
  ]);
});

describe("Slice, Split and Concat", () => {
  // biome-ignore format: a row a line
  testRows([
    ["a step of 0", "Slice f[4] I[1]=0 I[1]=4 I[1]=0 I[1]=0", {}, "ShapeError: n0 (Slice): expected steps other than 0, got 0"],
    ["the smallest step", "Slice f[4] I[1]=9223372036854775807 I[1]=-9223372036854775808 I[1]=0 I[1]=-9223372036854775808", {}, "float32 [1] 1.5"],
    ["the largest step", "Slice f[4] I[1]=-9223372036854775808 I[1]=9223372036854775807 I[1]=0 I[1]=9223372036854775807", {}, "float32 [1] -1"],
    ["more ends than starts", "Slice f[4] I[1]=0 I[2]=4,4", {}, "ShapeError: n0 (Slice): expected as many starts as ends, axes and steps, got 1, 2, 1, 1"],
    ["a scalar", "Slice f[] I[1]=0 I[1]=4", {}, "ShapeError: n0 (Slice): expected an axis of 0 dimensions, got 0"],
    ["reals for starts", "Slice f[4] F[1]=0 F[1]=4", {}, "ShapeError: n0 (Slice) input 1: expected int64 or int32, got float32"],
    ["parts of another sum", "Split f[4] I[2]=2,3", {}, "ShapeError: n0 (Split): expected 2 parts of 4 in all, got [2, 3]"],
    ["a negative part", "Split f[4] I[3]=-2,3,3", {}, "ShapeError: n0 (Split): expected 3 parts of 4 in all, got [-2, 3, 3]"],
    ["0 parts", "Split f[4]", {num_outputs:0}, "ShapeError: n0.num_outputs: expected 1, as many as outputs, got 0"],
    ["-1 parts", "Split f[4]", {num_outputs:-1}, "ShapeError: n0.num_outputs: expected 1, as many as outputs, got -1"],
    ["2^53 - 1 parts", "Split f[4]", {num_outputs:9007199254740991}, "ShapeError: n0.num_outputs: expected 1, as many as outputs, got 9007199254740991"],
    ["2^63 parts", "Split f[4]", {num_outputs:2 ** 63}, "ShapeError: n0.num_outputs: expected an integer, got 9223372036854776000"],
    ["parts that are counted otherwise", "Split f[4] I[2]=2,2", {num_outputs:3}, "ShapeError: n0 (Split): expected 3 parts of 4 in all, got [2, 2]"],
    ["more outputs than parts", "Split f[4] I[2]=2,2 -> a b c", {}, "UnsupportedError: node n0 (Split): expected 2 outputs, got 3"],
    ["sizes that differ", "Concat f[2,3] f[3,3]", {axis:1}, "ShapeError: n0 (Concat) input 1: expected [2, 3] but for axis 1, got [3, 3]"],
    ["ranks that differ", "Concat f[2,3] f[2]", {axis:0}, "ShapeError: n0 (Concat) input 1: expected [2, 3] but for axis 0, got [2]"],
    ["types that differ", "Concat f[2,3] i[2,3]", {axis:0}, "ShapeError: n0 (Concat) input 1: expected float32, got int64"],
    ["nothing at all", "Concat", {axis:0}, "ShapeError: n0 (Concat): expected an input 0, got none"],
  ]);
});

describe("how many", () => {
  // biome-ignore format: a row a line
  testRows([
    ["TopK, a negative k", "TopK f[4] I[1]=-1", {}, "ShapeError: n0 (TopK) K: expected one number from 0 to 4, got -1"],
    ["TopK, k larger than the axis", "TopK f[4] I[1]=5", {}, "ShapeError: n0 (TopK) K: expected one number from 0 to 4, got 5"],
    ["TopK, 2^63 - 1", "TopK f[4] I[1]=9223372036854775807", {}, "ShapeError: n0 (TopK) K: expected one number from 0 to 4, got 9223372036854776000"],
    ["TopK, two of them", "TopK f[4] I[2]=1,2", {}, "ShapeError: n0 (TopK) K: expected one number from 0 to 4, got 1, 2"],
    ["TopK, none", "TopK f[4] I[0]", {}, "ShapeError: n0 (TopK) K: expected one number from 0 to 4, got none"],
    ["TopK, a matrix", "TopK f[4] I[1,1]=1", {}, "ShapeError: n0 (TopK) input 1: expected a list of int64, got [1, 1]"],
    ["TopK, a real", "TopK f[4] F[1]=1", {}, "ShapeError: n0 (TopK) input 1: expected int64 or int32, got float32"],
    ["TopK, 0", "TopK f[4] I[1]=0", {}, "float32 [0]"],
    ["TopK, of a scalar", "TopK f[] I[1]=1", {}, "ShapeError: n0 (TopK): expected an axis of 0 dimensions, got -1"],
    ["OneHot, a negative depth", "OneHot i[2]=0,1 I[]=-1 f[2]", {}, "ShapeError: n0 (OneHot): expected an output of at most 2^31 bytes, got shape [2, -1]"],
    ["OneHot, a depth of 0", "OneHot i[2]=0,1 I[]=0 f[2]", {}, "float32 [2, 0]"],
    ["OneHot, a depth that is no number", "OneHot i[2]=0,1 f[]=NaN f[2]", {}, "ShapeError: n0 (OneHot): expected an output of at most 2^31 bytes, got shape [2, NaN]"],
    ["OneHot, two depths", "OneHot i[2]=0,1 I[2]=1,2 f[2]", {}, "ShapeError: n0 (OneHot) input 1: expected one number, got 2"],
    ["OneHot, three values", "OneHot i[2]=0,1 I[]=2 f[3]", {}, "ShapeError: n0 (OneHot) input 2: expected two values, got [3]"],
    ["Range, a delta of 0", "Range I[]=0 I[]=5 I[]=0", {}, "ShapeError: n0 (Range): expected a delta other than 0, got 0"],
    ["Range, a delta that is no number", "Range f[]=0 f[]=5 f[]=NaN", {}, "ShapeError: n0 (Range): expected an output of at most 2^31 bytes, got shape [NaN]"],
    ["Range, an infinite delta", "Range f[]=0 f[]=5 f[]=Infinity", {}, "float32 [0]"],
    ["Range, two starts", "Range I[2]=0,1 I[]=5 I[]=1", {}, "ShapeError: n0 (Range) input 0: expected one number, got 2"],
    ["Range, numbers of two types", "Range I[]=0 I[]=5 F[]=0.5", {}, "ShapeError: n0 (Range) input 2: expected int64, got float32"],
    ["Range, the other way", "Range I[]=5 I[]=0 I[]=1", {}, "int64 [0]"],
    ["NonZero, of a scalar", "NonZero f[]=1", {}, "int64 [0, 1]"],
    ["NonZero, of nothing", "NonZero f[0,3]", {}, "int64 [2, 0]"],
    ["NonZero, of no number", "NonZero f[2]=NaN,0", {}, "int64 [1, 1] 0"],
    ["Compress, too many", "Compress f[2] b[3]", {}, "ShapeError: n0 (Compress) input 1: expected at most 2 truth values, got bool [3]"],
    ["Compress, a matrix", "Compress f[2] b[1,2]", {}, "ShapeError: n0 (Compress) input 1: expected at most 2 truth values, got bool [1, 2]"],
    ["Compress, numbers", "Compress f[2] i[2]", {}, "ShapeError: n0 (Compress) input 1: expected at most 2 truth values, got int64 [2]"],
    ["Compress, none", "Compress f[2] b[2]=0,0", {}, "float32 [0]"],
    ["Unique, of nothing", "Unique f[0]", {}, "float32 [0]"],
    ["Trilu, the largest diagonal", "Trilu f[2,2]=1,2,3,4 I[]=9223372036854775807", {}, "float32 [2, 2] 0,0,0,0"],
    ["Trilu, the smallest diagonal", "Trilu f[2,2]=1,2,3,4 I[]=-9223372036854775808", {}, "float32 [2, 2] 1,2,3,4"],
    ["Trilu, of a vector", "Trilu f[2]", {}, "ShapeError: n0 (Trilu): expected matrices, got [2]"],
    ["Trilu, two diagonals", "Trilu f[2,2] I[2]=1,2", {}, "ShapeError: n0 (Trilu) input 1: expected one number, got 2"],
    ["EyeLike, the largest diagonal", "EyeLike f[2,2]", {k:9007199254740991}, "float32 [2, 2] 0,0,0,0"],
    ["EyeLike, the smallest diagonal", "EyeLike f[2,2]", {k:-9007199254740991}, "float32 [2, 2] 0,0,0,0"],
    ["EyeLike, of texts", "EyeLike f[2,2]", {dtype:8}, "UnsupportedError: n0.dtype: expected an element type, got 8"],
    ["EyeLike, of a vector", "EyeLike f[2]", {}, "ShapeError: n0 (EyeLike): expected a matrix, got [2]"],
  ]);
});

describe("Pad", () => {
  // biome-ignore format: a row a line
  testRows([
    ["one element, reflected", "Pad f[1]=5 I[2]=3,1", {mode:"reflect"}, "float32 [5] 5,5,5,5,5"],
    ["nothing, reflected", "Pad f[0] I[2]=3,3", {mode:"reflect"}, "ShapeError: n0 (Pad): expected elements along axis 0 to repeat, got [0]"],
    ["nothing, by its edge", "Pad f[0] I[2]=1,0", {mode:"edge"}, "ShapeError: n0 (Pad): expected elements along axis 0 to repeat, got [0]"],
    ["two elements, many times around", "Pad f[2]=1,2 I[2]=3,4", {mode:"wrap"}, "float32 [9] 2,1,2,1,2,1,2,1,2"],
    ["more cut off than there is", "Pad f[2] I[2]=-2,-1", {}, "ShapeError: n0 (Pad): expected an output of at most 2^31 bytes, got shape [-1]"],
    ["more cut off than there is, and filled again", "Pad f[3] I[2]=-4,3", {}, "float32 [2] 0,0"],
    ["2^63 - 1", "Pad f[2] I[2]=9223372036854775807,0", {}, "ShapeError: n0 (Pad): expected pads below 2^53, got [9223372036854776000, 0]"],
    ["2^63 - 1 and back", "Pad f[2] I[2]=9223372036854775807,-9223372036854775807", {}, "ShapeError: n0 (Pad): expected pads below 2^53, got [9223372036854776000, -9223372036854776000]"],
    ["2^31 and back", "Pad f[2] I[2]=2147483648,-2147483648", {}, "float32 [2] 0,0"],
    ["too few", "Pad f[2,2] I[3]=0,0,0", {}, "ShapeError: n0 (Pad): expected 4 pads, got 3"],
    ["a word that is none", "Pad f[2] I[2]=0,0", {mode:"x"}, "UnsupportedError: n0.mode: expected one of constant, reflect, edge, wrap, got x"],
    ["two values", "Pad f[2] I[2]=0,0 f[2]", {}, "ShapeError: n0 (Pad) input 2: expected one value, got [2]"],
    ["a value of another type", "Pad f[2] I[2]=0,0 i[]", {}, "ShapeError: n0 (Pad) input 2: expected float32, got int64"],
  ]);
});
