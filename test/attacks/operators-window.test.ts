// Sliding windows, blocks and new sizes of images that make no sense: each ends in this error, or in this result.
import { describe } from "vitest";
import { testRows } from "./onnx-node.js";

describe("kernels", () => {
  // biome-ignore format: a row a line
  testRows([
    ["0", "MaxPool f[1,1,4,4]", {kernel_shape:[0,2]}, "ShapeError: n0.kernel_shape: expected 2 integers from 1 to 2147483647, got 0,2"],
    ["negative", "MaxPool f[1,1,4,4]", {kernel_shape:[-1,2]}, "ShapeError: n0.kernel_shape: expected 2 integers from 1 to 2147483647, got -1,2"],
    ["2^31", "MaxPool f[1,1,4,4]", {kernel_shape:[2147483648,2]}, "ShapeError: n0.kernel_shape: expected 2 integers from 1 to 2147483647, got 2147483648,2"],
    ["2^31 - 1", "MaxPool f[1,1,4,4]", {kernel_shape:[2147483647,2]}, "ShapeError: n0 (MaxPool): expected an image that holds a window of 2147483647, got 4"],
    ["2^53 - 1", "AveragePool f[1,1,4,4]", {kernel_shape:[9007199254740991,2]}, "ShapeError: n0.kernel_shape: expected 2 integers from 1 to 2147483647, got 9007199254740991,2"],
    ["2^63", "LpPool f[1,1,4,4]", {kernel_shape:[2 ** 63,2]}, "ShapeError: n0.kernel_shape: expected 2 integers from 1 to 2147483647, got 9223372036854776000,2"],
    ["missing", "MaxPool f[1,1,4,4]", {}, "ShapeError: n0.kernel_shape: expected 2 integers from 1 to 2147483647, got undefined"],
    ["of more sides", "MaxPool f[1,1,4,4]", {kernel_shape:[2,2,2]}, "ShapeError: n0.kernel_shape: expected 2 integers from 1 to 2147483647, got 2,2,2"],
    ["larger than the image", "MaxPool f[1,1,4,4]", {kernel_shape:[5,5]}, "ShapeError: n0 (MaxPool): expected an image that holds a window of 5, got 4"],
    ["larger than the image, rounded up", "MaxPool f[1,1,4,4]", {kernel_shape:[5,5],ceil_mode:1}, "ShapeError: n0 (MaxPool): expected an image that holds a window of 5, got 4"],
    ["2^31 - 1, rounded up", "AveragePool f[1,1,4]", {kernel_shape:[2147483647],strides:[2147483647],ceil_mode:1,count_include_pad:1}, "ShapeError: n0 (AveragePool): expected a padded image of at most 2^29 places, got 2147483647"],
    ["no image, rounded up", "MaxPool f[1,1,0]", {kernel_shape:[2],strides:[3],ceil_mode:1}, "ShapeError: n0 (MaxPool): expected an image that holds a window of 2, got 0"],
    ["other than the weight's", "Conv f[1,2,4,4] F[2,2,2,2]", {kernel_shape:[3,3]}, "ShapeError: n0.kernel_shape: expected [2, 2], got [3, 3]"],
    ["larger than the image, as a weight", "Conv f[1,1,1,4] F[1,1,3,3]", {}, "ShapeError: n0 (Conv): expected an image that holds a window of 3, got 1"],
  ]);
});

describe("strides", () => {
  // biome-ignore format: a row a line
  testRows([
    ["0", "MaxPool f[1,1,4,4]", {kernel_shape:[2,2],strides:[0,1]}, "ShapeError: n0.strides: expected 2 integers from 1 to 2147483647, got 0,1"],
    ["negative", "Conv f[1,1,4,4] F[1,1,2,2]", {strides:[-1,1]}, "ShapeError: n0.strides: expected 2 integers from 1 to 2147483647, got -1,1"],
    ["2^31", "Conv f[1,1,4,4] F[1,1,2,2]", {strides:[2147483648,1]}, "ShapeError: n0.strides: expected 2 integers from 1 to 2147483647, got 2147483648,1"],
    ["2^31 - 1", "Conv f[1,1,2,2] F[1,1,2,2]", {strides:[2147483647,1]}, "float32 [1, 1, 1, 1] 3.875"],
    ["2^31 - 1, rounded up", "MaxPool f[1,1,2,2]", {kernel_shape:[2,2],strides:[2147483647,2147483647],ceil_mode:1}, "float32 [1, 1, 1, 1] 1.5"],
    ["2^31 - 1, SAME_UPPER", "MaxPool f[1,1,2,2]", {kernel_shape:[2,2],strides:[2147483647,2],auto_pad:"SAME_UPPER"}, "float32 [1, 1, 1, 1] 1.5"],
    ["2^63", "Conv f[1,1,4,4] F[1,1,2,2]", {strides:[2 ** 63,1]}, "ShapeError: n0.strides: expected 2 integers from 1 to 2147483647, got 9223372036854776000,1"],
  ]);
});

describe("dilations", () => {
  // biome-ignore format: a row a line
  testRows([
    ["0", "Conv f[1,1,4,4] F[1,1,2,2]", {dilations:[0,1]}, "ShapeError: n0.dilations: expected 2 integers from 1 to 2147483647, got 0,1"],
    ["negative", "MaxPool f[1,1,4,4]", {kernel_shape:[2,2],dilations:[-2,1]}, "ShapeError: n0.dilations: expected 2 integers from 1 to 2147483647, got -2,1"],
    ["2^31 - 1", "Conv f[1,1,4,4] F[1,1,2,2]", {dilations:[2147483647,1]}, "ShapeError: n0 (Conv): expected an image that holds a window of 2147483648, got 4"],
    ["2^31 - 1, with pads", "Conv f[1,1,4,4] F[1,1,2,2]", {dilations:[2147483647,1],pads:[2147483647,0,2147483647,0]}, "ShapeError: n0 (Conv): expected a padded image of at most 2^29 places, got 4294967298"],
    ["2^31 - 1, of single pixels", "Conv f[1,1,1,2] F[1,1,1,1]", {dilations:[2147483647,2147483647]}, "float32 [1, 1, 1, 2] 1,-0.75"],
    ["2^31 - 1, of single pixels, the largest", "MaxPool f[1,1,1,2]", {kernel_shape:[1,1],dilations:[2147483647,2147483647]}, "float32 [1, 1, 1, 2] -1,0.75"],
    ["2^31 - 1, of single pixels, the mean", "AveragePool f[1,1,3]=1,2,3", {kernel_shape:[1],dilations:[2147483647],ceil_mode:1,strides:[2]}, "float32 [1, 1, 2] 1,3"],
    ["a million, with pads", "Conv f[1,1,1] F[1,1,2]=1,3", {dilations:[1000000],pads:[1000000,0]}, "float32 [1, 1, 1] -3"],
    ["a million, with pads, in two channels", "Conv f[1,2,1]=1,2 F[1,2,2]=1,3,1,5", {dilations:[1000000],pads:[1000000,0]}, "float32 [1, 1, 1] 13"],
    ["a billion, SAME_LOWER", "MaxPool f[1,1,4,4]", {kernel_shape:[3,2],dilations:[1000000000,1],auto_pad:"SAME_LOWER"}, "ShapeError: n0 (MaxPool): expected a padded image of at most 2^29 places, got 2000000004"],
  ]);
});

describe("groups", () => {
  // biome-ignore format: a row a line
  testRows([
    ["0", "Conv f[1,2,4,4] F[2,2,2,2]", {group:0}, "ShapeError: n0.group: expected at least 1, got 0"],
    ["negative", "Conv f[1,2,4,4] F[2,2,2,2]", {group:-1}, "ShapeError: n0.group: expected at least 1, got -1"],
    ["not dividing", "Conv f[1,3,4,4] F[3,1,2,2]", {group:2}, "ShapeError: n0 (Conv) weight: expected [o, c / 2, ..] and one to three sides, o a multiple of 2, got [3, 1, 2, 2]"],
    ["not dividing, the weight computed", "Conv f[1,3,4,4] f[3,1,2,2]", {group:2}, "ShapeError: n0 (Conv) weight: expected [o, 3 / 2, kh, kw], o a multiple of 2, got [3, 1, 2, 2]"],
    ["2^31 - 1", "Conv f[1,2,4,4] F[2,2,2,2]", {group:2147483647}, "ShapeError: n0 (Conv) weight: expected [o, c / 2147483647, ..] and one to three sides, o a multiple of 2147483647, got [2, 2, 2, 2]"],
    ["2^31 - 1, the weight computed", "Conv f[1,2,4,4] f[2,2,2,2]", {group:2147483647}, "ShapeError: n0 (Conv) weight: expected [o, 2 / 2147483647, kh, kw], o a multiple of 2147483647, got [2, 2, 2, 2]"],
    ["2^53 - 1", "Conv f[1,2,4,4] F[2,2,2,2]", {group:9007199254740991}, "ShapeError: n0 (Conv) weight: expected [o, c / 9007199254740991, ..] and one to three sides, o a multiple of 9007199254740991, got [2, 2, 2, 2]"],
    ["2^63", "Conv f[1,2,4,4] F[2,2,2,2]", {group:2 ** 63}, "ShapeError: n0.group: expected an integer, got 9223372036854776000"],
    ["of no channels", "Conv f[1,0,2,2] F[0,0,2,2]", {group:5}, "float32 [1, 0, 1, 1]"],
    ["a weight of one dimension", "Conv f[1,2,4,4] F[4]", {}, "ShapeError: n0 (Conv) weight: expected [o, c / 1, ..] and one to three sides, o a multiple of 1, got [4]"],
    ["a weight of five dimensions", "Conv f[1,2,4,4] F[2,2,2,2,1]", {}, "ShapeError: n0 (Conv) weight: expected [o, 2 / 1, kh, kw], o a multiple of 1, got [2, 2, 2, 2, 1]"],
    ["a weight of six dimensions", "Conv f[1,2,4,4] F[2,2,2,2,1,1]", {}, "ShapeError: n0 (Conv) weight: expected [o, c / 1, ..] and one to three sides, o a multiple of 1, got [2, 2, 2, 2, 1, 1]"],
    ["2^31 - 1, over volumes", "Conv f[1,2,4,4,4] F[2,2,2,2,2]", {group:2147483647}, "ShapeError: n0 (Conv) weight: expected [o, c / 2147483647, ..] and one to three sides, o a multiple of 2147483647, got [2, 2, 2, 2, 2]"],
    ["a bias of another length", "Conv f[1,2,4,4] F[2,2,2,2] F[3]", {}, "ShapeError: n0 (Conv) bias: expected 2 values, got [3]"],
    ["an image of two dimensions", "Conv f[1,2] F[2,2,2,2]", {}, "ShapeError: n0 (Conv): expected images [n, c, h, w], got [1, 2]"],
    ["integers", "Conv i[1,1,2,2] F[1,1,2,2]", {}, "UnsupportedError: n0 (Conv) input 0: expected floating-point values, got int64"],
  ]);
});

describe("pads", () => {
  // biome-ignore format: a row a line
  testRows([
    ["negative", "Conv f[1,1,4,4] F[1,1,2,2]", {pads:[-1,0,0,0]}, "ShapeError: n0.pads: expected 4 integers from 0 to 2147483647, got -1,0,0,0"],
    ["two for two sides", "Conv f[1,1,4,4] F[1,1,2,2]", {pads:[1,1]}, "ShapeError: n0.pads: expected 4 integers from 0 to 2147483647, got 1,1"],
    ["six for two sides", "MaxPool f[1,1,4,4]", {kernel_shape:[2,2],pads:[1,1,1,1,1,1]}, "ShapeError: n0.pads: expected 4 integers from 0 to 2147483647, got 1,1,1,1,1,1"],
    ["2^31", "MaxPool f[1,1,4,4]", {kernel_shape:[2,2],pads:[2147483648,0,0,0]}, "ShapeError: n0.pads: expected 4 integers from 0 to 2147483647, got 2147483648,0,0,0"],
    ["2^63", "Conv f[1,1,4,4] F[1,1,2,2]", {pads:[2 ** 63,0,0,0]}, "ShapeError: n0.pads: expected 4 integers from 0 to 2147483647, got 9223372036854776000,0,0,0"],
    ["as large as the kernel", "MaxPool f[1,1,4,4]", {kernel_shape:[2,2],pads:[2,0,0,0]}, "ShapeError: n0.pads: expected pads smaller than the kernel [2, 2], got [2, 0, 0, 0]"],
    ["a word that is none", "Conv f[1,1,4,4] F[1,1,2,2]", {auto_pad:"SAME"}, "ShapeError: n0.auto_pad: expected NOTSET, VALID, SAME_UPPER or SAME_LOWER, got \"SAME\""],
    ["a number for a word", "Conv f[1,1,4,4] F[1,1,2,2]", {auto_pad:1}, "ShapeError: n0.auto_pad: expected NOTSET, VALID, SAME_UPPER or SAME_LOWER, got 1"],
  ]);
});

describe("images of nothing", () => {
  // biome-ignore format: a row a line
  testRows([
    ["no rows", "Conv f[1,1,0,4] F[1,1,2,2]", {}, "ShapeError: n0 (Conv): expected an image that holds a window of 2, got 0"],
    ["no images", "Conv f[0,1,4,4] F[1,1,2,2]", {}, "float32 [0, 1, 3, 3]"],
    ["no rows, all of which are one window", "GlobalMaxPool f[1,1,0,2]", {}, "float32 [1, 1, 1, 1] -Infinity"],
    ["no images at all", "GlobalMaxPool f[2,3]", {}, "ShapeError: n0 (GlobalMaxPool): expected [n, c] and one to three sizes, got [2, 3]"],
    ["integers", "MaxPool i[1,1,4,4]", {kernel_shape:[2,2]}, "UnsupportedError: n0 (MaxPool) input 0: expected float"],
    ["a power of 0", "LpPool f[1,1,4,4]", {kernel_shape:[2,2],p:0}, "ShapeError: n0.p: expected 1 to 64, got 0"],
    ["a huge power", "LpPool f[1,1,4,4]", {kernel_shape:[2,2],p:2147483647}, "ShapeError: n0.p: expected 1 to 64, got 2147483647"],
    ["a negative power", "GlobalLpPool f[1,1,2,2]", {p:-1}, "ShapeError: n0.p: expected 1 to 64, got -1"],
  ]);
});

describe("blocks", () => {
  // biome-ignore format: a row a line
  testRows([
    ["size 0", "DepthToSpace f[1,4,2,2]", {blocksize:0}, "ShapeError: n0 (DepthToSpace): expected images [n, c, h, w] and a blocksize from 1, got [1, 4, 2, 2], 0"],
    ["negative", "DepthToSpace f[1,4,2,2]", {blocksize:-2}, "ShapeError: n0 (DepthToSpace): expected images [n, c, h, w] and a blocksize from 1, got [1, 4, 2, 2], -2"],
    ["missing", "DepthToSpace f[1,4,2,2]", {}, "ShapeError: n0 (DepthToSpace): expected images [n, c, h, w] and a blocksize from 1, got [1, 4, 2, 2], 0"],
    ["not dividing", "DepthToSpace f[1,4,2,2]", {blocksize:3}, "ShapeError: n0 (DepthToSpace): expected channels in blocks of 9, got [1, 4, 2, 2]"],
    ["2^31", "DepthToSpace f[1,4,2,2]", {blocksize:2147483648}, "ShapeError: n0 (DepthToSpace): expected channels in blocks of 4611686018427388000, got [1, 4, 2, 2]"],
    ["of lines", "DepthToSpace f[1,4,2]", {blocksize:2}, "ShapeError: n0 (DepthToSpace): expected images [n, c, h, w] and a blocksize from 1, got [1, 4, 2], 2"],
    ["a word that is none", "DepthToSpace f[1,4,2,2]", {blocksize:2,mode:"X"}, "UnsupportedError: n0.mode: expected one of DCR, CRD, got X"],
    ["not dividing the sides", "SpaceToDepth f[1,4,2,2]", {blocksize:3}, "ShapeError: n0 (SpaceToDepth): expected sides in blocks of 3, got [1, 4, 2, 2]"],
    ["2^31 for the sides", "SpaceToDepth f[1,4,2,2]", {blocksize:2147483648}, "ShapeError: n0 (SpaceToDepth): expected sides in blocks of 2147483648, got [1, 4, 2, 2]"],
    ["size 0 for the sides", "SpaceToDepth f[1,4,2,2]", {blocksize:0}, "ShapeError: n0 (SpaceToDepth): expected images [n, c, h, w] and a blocksize from 1, got [1, 4, 2, 2], 0"],
  ]);
});

describe("Col2Im", () => {
  // biome-ignore format: a row a line
  testRows([
    ["a block of 0", "Col2Im f[1,4,4] I[2]=3,3 I[2]=0,2", {}, "ShapeError: n0 (Col2Im): expected an image that holds its blocks, got [3, 3], [0, 2]"],
    ["a negative block", "Col2Im f[1,4,4] I[2]=3,3 I[2]=-1,-4", {}, "ShapeError: n0 (Col2Im): expected an image that holds its blocks, got [3, 3], [-1, -4]"],
    ["a block that does not divide", "Col2Im f[1,5,4] I[2]=3,3 I[2]=2,2", {}, "ShapeError: n0 (Col2Im) input 0: expected [n, c * 4, 4], got [1, 5, 4]"],
    ["a negative image", "Col2Im f[1,4,4] I[2]=-3,3 I[2]=2,2", {}, "ShapeError: n0 (Col2Im): expected an image that holds its blocks, got [-3, 3], [2, 2]"],
    ["an image of nothing", "Col2Im f[1,1,1] I[2]=0,0 I[2]=1,1", {pads:[1,1,0,0]}, "float32 [1, 1, 0, 0]"],
    ["a stride of 0", "Col2Im f[1,4,4] I[2]=3,3 I[2]=2,2", {strides:[0,1]}, "ShapeError: n0.strides: expected 2 integers from 1 to 2147483647, got 0,1"],
    ["a dilation of 2^31", "Col2Im f[1,4,4] I[2]=3,3 I[2]=2,2", {dilations:[2147483648,1]}, "ShapeError: n0.dilations: expected 2 integers from 1 to 2147483647, got 2147483648,1"],
    ["a dilation of 2^31 - 1 with pads", "Col2Im f[1,2,3]=1,2,3,4,5,6 I[1]=3 I[1]=2", {dilations:[2147483647],pads:[2147483647,0]}, "float32 [1, 1, 3] 4,5,6"],
    ["negative pads", "Col2Im f[1,4,4] I[2]=3,3 I[2]=2,2", {pads:[-1,0,0,0]}, "ShapeError: n0.pads: expected 4 integers from 0 to 2147483647, got -1,0,0,0"],
    ["pads for one side", "Col2Im f[1,4,4] I[2]=3,3 I[2]=2,2", {pads:[1,1]}, "ShapeError: n0.pads: expected 4 integers from 0 to 2147483647, got 1,1"],
    ["lists of two lengths", "Col2Im f[1,4,4] I[2]=3,3 I[1]=2", {}, "ShapeError: n0 (Col2Im): expected an image that holds its blocks, got [3, 3], [2]"],
    ["no sides", "Col2Im f[1,4,4] I[0] I[0]", {}, "ShapeError: n0 (Col2Im): expected an image that holds its blocks, got [], []"],
    ["a vector", "Col2Im f[4] I[2]=3,3 I[2]=2,2", {}, "ShapeError: n0 (Col2Im) input 0: expected [n, c * 4, 4], got [4]"],
  ]);
});

describe("others over images", () => {
  // biome-ignore format: a row a line
  testRows([
    ["LRN over no channels", "LRN f[1,3,2,2]", {size:0}, "ShapeError: n0.size: expected 1 or more, got less"],
    ["LRN over more channels than there are", "LRN f[1,3,1,1]=1,0,2", {size:9007199254740991,alpha:1}, "float32 [1, 3, 1, 1] 1,0,2"],
    ["GridSample of coordinates that do not fit", "GridSample f[1,1,2,2] f[1,2,2,3]", {}, "ShapeError: n0 (GridSample): expected images or volumes and a grid of as many coordinates, got [1, 1, 2, 2], [1, 2, 2, 3]"],
    ["GridSample over four sides", "GridSample f[1,1,2,2,2,2] f[1,2,2,2,2,4]", {}, "ShapeError: n0 (GridSample): expected images or volumes and a grid of as many coordinates, got [1, 1, 2, 2, 2, 2], [1, 2, 2, 2, 2,"],
    ["GridSample of other images", "GridSample f[2,1,2,2] f[1,2,2,2]", {}, "ShapeError: n0 (GridSample): expected images or volumes and a grid of as many coordinates, got [2, 1, 2, 2], [1, 2, 2, 2]"],
    ["GridSample of no pixels", "GridSample f[1,1,0,2] f[1,1,1,2]", {}, "float32 [1, 1, 1, 1] 0"],
    ["GridSample at places that are none", "GridSample f[1,1,2,2] f[1,1,3,2]=NaN,Infinity,-Infinity,3e38,-3e38,NaN", {padding_mode:"reflection",mode:"cubic"}, "float32 [1, 1, 1, 3] -0.25,-0.25,-1"],
    ["AffineGrid of three sizes", "AffineGrid f[1,2,3] I[3]=1,1,3", {}, "ShapeError: n0 (AffineGrid): expected theta [n, 2, 3] and a size [n, c, h, w], or one dimension more, got [1, 2, 3], [1, 1, 3]"],
    ["AffineGrid of a negative size", "AffineGrid f[1,2,3] I[4]=1,1,-3,3", {}, "ShapeError: n0 (AffineGrid): expected theta [n, 2, 3] and a size [n, c, h, w], or one dimension more, got [1, 2, 3], [1, 1, -3, 3]"],
    ["AffineGrid of matrices that do not fit", "AffineGrid f[1,3,3] I[4]=1,1,3,3", {}, "ShapeError: n0 (AffineGrid): expected theta [n, 2, 3] and a size [n, c, h, w], or one dimension more, got [1, 3, 3], [1, 1, 3, 3]"],
  ]);
});

describe("Resize", () => {
  // biome-ignore format: a row a line
  testRows([
    ["a scale of 0", "Resize f[2,2]  F[2]=0,1", {}, "ShapeError: n0 (Resize) input 2: expected scales above 0, got 0, 1"],
    ["a negative scale", "Resize f[2,2]  F[2]=-1,1", {}, "ShapeError: n0 (Resize) input 2: expected scales above 0, got -1, 1"],
    ["a scale that is no number", "Resize f[2,2]  f[2]=NaN,1", {}, "ShapeError: n0 (Resize) input 2: expected scales above 0, got NaN, 1"],
    ["an infinite scale", "Resize f[2,2]  f[2]=Infinity,1", {}, "ShapeError: n0 (Resize) input 2: expected scales above 0, got Infinity, 1"],
    ["a very small scale", "Resize f[2,2]  F[2]=1e-30,1", {}, "float32 [0, 2]"],
    ["too few scales", "Resize f[2,2]  F[1]=1", {}, "ShapeError: n0 (Resize) input 2: expected 2 values, got 1"],
    ["a negative size", "Resize f[2,2]   I[2]=-1,2", {}, "ShapeError: n0 (Resize): expected an output of at most 2^31 bytes, got shape [-1, 2]"],
    ["a size of 0", "Resize f[2,2]   I[2]=0,2", {}, "float32 [0, 2]"],
    ["nothing made larger", "Resize f[0,2]   I[2]=2,2", {}, "ShapeError: n0 (Resize): expected elements to resize, got [0, 2]"],
    ["nothing by its policy", "Resize f[0,2]   I[2]=3,4", {keep_aspect_ratio_policy:"not_smaller"}, "ShapeError: n0 (Resize): expected an output of at most 2^31 bytes, got shape [NaN, Infinity]"],
    ["neither scales nor sizes", "Resize f[2,2]", {}, "ShapeError: n0 (Resize): expected scales or sizes, got neither"],
    ["an axis twice", "Resize f[2,2]   I[2]=1,1", {axes:[0,0]}, "ShapeError: n0 (Resize): expected axes once each, got 0, 0"],
    ["no part", "Resize f[2,2]   I[2]=3,3", {coordinate_transformation_mode:"tf_crop_and_resize"}, "ShapeError: n0 (Resize): expected an input 1, got none"],
    ["half a part", "Resize f[2,2] F[2]=0,1  I[2]=3,3", {coordinate_transformation_mode:"tf_crop_and_resize"}, "ShapeError: n0 (Resize) input 1: expected 4 values, got 2"],
    ["a part that is no number", "Resize f[2,2] f[4]=NaN,NaN,NaN,NaN  I[2]=1,2", {coordinate_transformation_mode:"tf_crop_and_resize",mode:"linear",extrapolation_value:7}, "float32 [1, 2] 7,7"],
    ["an endless part", "Resize f[2,2] f[4]=-Infinity,3e38,Infinity,-3e38  I[2]=1,2", {coordinate_transformation_mode:"tf_crop_and_resize",mode:"cubic",extrapolation_value:7}, "float32 [1, 2] 7,7"],
    ["a part far outside, the nearest", "Resize f[2,2] f[4]=3e38,3e38,3e38,3e38  I[2]=1,2", {coordinate_transformation_mode:"tf_crop_and_resize",extrapolation_value:7}, "float32 [1, 2] 7,7"],
    ["a word that is none", "Resize f[2,2]   I[2]=3,3", {mode:"x"}, "UnsupportedError: n0.mode: expected one of nearest, linear, cubic, got x"],
    ["a coefficient that is no number", "Resize f[2]   I[1]=3", {mode:"cubic",cubic_coeff_a:NaN}, "float32 [3] NaN,NaN,NaN"],
  ]);
});
