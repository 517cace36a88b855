// The shapes that layer kernels are tried on: tests, gradient checks and benchmarks read the same list.
import type { Geometry, Pool } from "../reference/ops.js";

/** m, n, k around each edge of the product's tiles: 5 rows, 8 columns, 24 columns for one row, blocks of 120, 512, 256. */
export const products: readonly (readonly [m: number, n: number, k: number])[] = [
  ...cross([0, 1, 2, 4, 5, 6, 11], [0, 1, 3, 7, 8, 9, 17], [0, 1, 3, 4, 5, 8]),
  ...cross([1], [23, 24, 25, 31, 33, 49, 65], [1, 7, 129]),
  ...[3, 15, 16, 31, 33, 63, 64, 65, 127, 129].map((size) => [size, size, size] as const),
  [4, 9, 255],
  [5, 8, 256],
  [6, 7, 257],
  [1, 33, 513],
  [2, 5, 511],
  [119, 8, 9],
  [120, 9, 8],
  [121, 17, 5],
  [241, 3, 7],
  [3, 511, 5],
  [7, 512, 4],
  [5, 513, 9],
  [1, 1025, 3],
  [121, 513, 257],
  [50, 64, 500],
  [20, 576, 25],
  [64, 10, 500],
];

function cross(ms: number[], ns: number[], ks: number[]): (readonly [number, number, number])[] {
  return ms.flatMap((m) => ns.flatMap((n) => ks.map((k) => [m, n, k] as const)));
}

/** Limits that a layer may hold what it makes within: none, those of a Relu, both, one side, a single value. */
export const allLimits: readonly (readonly [lo: number, hi: number])[] = [
  [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
  [0, Number.POSITIVE_INFINITY],
  [-0.75, 0.5],
  [Number.NEGATIVE_INFINITY, 0.25],
  [0, 0],
];

interface ConvShape {
  readonly name: string;
  readonly batch: number;
  /** Channels of one group, in and out, and the number of groups. */
  readonly c: number;
  readonly o: number;
  readonly groups?: number;
  readonly size: readonly [h: number, w: number];
  readonly kernel: readonly [kh: number, kw: number];
  readonly stride?: readonly [number, number];
  /** top, left, bottom, right */
  readonly pads?: readonly [number, number, number, number];
  readonly dilation?: readonly [number, number];
}

export interface ConvCase extends Geometry {
  readonly name: string;
  readonly batch: number;
  readonly groups: number;
}

export const convs: readonly ConvCase[] = [
  conv({ name: "LeNet-5 first", batch: 2, c: 1, o: 20, size: [28, 28], kernel: [5, 5] }),
  conv({ name: "LeNet-5 second", batch: 2, c: 20, o: 50, size: [12, 12], kernel: [5, 5] }),
  conv({ name: "padded", batch: 2, c: 3, o: 7, size: [9, 11], kernel: [3, 3], pads: [1, 1, 1, 1] }),
  conv({ name: "padding on one side", batch: 1, c: 2, o: 6, size: [8, 13], kernel: [3, 4], pads: [0, 2, 1, 1] }),
  conv({
    name: "padding wider than the image",
    batch: 1,
    c: 2,
    o: 3,
    size: [1, 2],
    kernel: [5, 7],
    pads: [3, 6, 4, 5],
  }),
  conv({ name: "stride 2", batch: 2, c: 4, o: 5, size: [13, 14], kernel: [3, 3], stride: [2, 2], pads: [1, 1, 1, 1] }),
  conv({
    name: "stride 1 by 3",
    batch: 1,
    c: 3,
    o: 4,
    size: [7, 29],
    kernel: [2, 5],
    stride: [1, 3],
    pads: [0, 2, 0, 2],
  }),
  conv({ name: "stride 2 by 1", batch: 1, c: 2, o: 4, size: [11, 17], kernel: [3, 2], stride: [2, 1] }),
  conv({ name: "stride past the kernel", batch: 1, c: 2, o: 3, size: [10, 11], kernel: [2, 1], stride: [4, 3] }),
  conv({ name: "dilated", batch: 1, c: 3, o: 6, size: [15, 19], kernel: [3, 3], dilation: [2, 3], pads: [2, 3, 2, 3] }),
  conv({
    name: "dilated, strided",
    batch: 1,
    c: 2,
    o: 3,
    size: [12, 15],
    kernel: [2, 3],
    stride: [2, 2],
    dilation: [3, 2],
  }),
  conv({ name: "pointwise", batch: 2, c: 13, o: 11, size: [7, 9], kernel: [1, 1] }),
  conv({ name: "pointwise, strided", batch: 1, c: 9, o: 6, size: [7, 8], kernel: [1, 1], stride: [2, 2] }),
  conv({ name: "pointwise, padded", batch: 1, c: 3, o: 6, size: [5, 6], kernel: [1, 1], pads: [1, 1, 0, 2] }),
  conv({ name: "cropped on the right", batch: 1, c: 2, o: 3, size: [6, 12], kernel: [1, 1], pads: [0, 0, -1, -2] }),
  conv({ name: "one pixel", batch: 3, c: 5, o: 4, size: [3, 3], kernel: [3, 3] }),
  conv({ name: "one channel out", batch: 1, c: 3, o: 1, size: [8, 20], kernel: [3, 3], pads: [1, 1, 1, 1] }),
  conv({ name: "groups", batch: 2, c: 3, o: 4, groups: 3, size: [6, 9], kernel: [3, 3], pads: [1, 1, 1, 1] }),
  conv({ name: "depthwise", batch: 2, c: 1, o: 1, groups: 5, size: [9, 16], kernel: [3, 3], pads: [1, 1, 1, 1] }),
  conv({ name: "depth past a block", batch: 1, c: 29, o: 6, size: [7, 8], kernel: [3, 3], pads: [1, 1, 1, 1] }),
  conv({ name: "taps past a block", batch: 1, c: 58, o: 4, size: [4, 6], kernel: [3, 3] }),
  conv({ name: "pixels past a block", batch: 1, c: 1, o: 6, size: [25, 26], kernel: [2, 2] }),
  conv({ name: "rows past a block", batch: 1, c: 2, o: 123, size: [4, 6], kernel: [2, 2] }),
  conv({ name: "channels in past a block", batch: 1, c: 123, o: 3, size: [4, 6], kernel: [2, 2] }),
  conv({ name: "channels out past a block", batch: 1, c: 1, o: 259, size: [3, 4], kernel: [2, 2] }),
  ...[6, 7, 8, 9, 15, 16].map((w) =>
    conv({
      name: `rows of ${w} in panels of 8`,
      batch: 1,
      c: 2,
      o: 6,
      size: [5, w],
      kernel: [3, 3],
      pads: [1, 1, 1, 1],
    }),
  ),
  ...[27, 28, 29, 31, 32, 55, 56, 57].map((w) =>
    conv({
      name: `rows of ${w} in strips of 28`,
      batch: 1,
      c: 2,
      o: 3,
      size: [4, w],
      kernel: [3, 3],
      pads: [1, 1, 1, 1],
    }),
  ),
  ...[27, 28, 29, 55, 56, 57].map((w) =>
    conv({ name: `pointwise, ${w} pixels in strips of 28`, batch: 2, c: 5, o: 3, size: [1, w], kernel: [1, 1] }),
  ),
  conv({
    name: "pointwise, strided, in strips of 28",
    batch: 2,
    c: 4,
    o: 3,
    groups: 2,
    size: [13, 14],
    kernel: [1, 1],
    stride: [2, 2],
  }),
  conv({
    name: "a strip, stride 2",
    batch: 1,
    c: 2,
    o: 3,
    size: [9, 57],
    kernel: [3, 3],
    stride: [2, 2],
    pads: [1, 1, 1, 1],
  }),
  conv({ name: "wide padding, no stride", batch: 2, c: 2, o: 3, size: [6, 7], kernel: [11, 13], pads: [5, 6, 5, 6] }),
  conv({ name: "a line", batch: 2, c: 4, o: 5, size: [1, 61], kernel: [1, 5], pads: [0, 2, 0, 2] }),
  conv({
    name: "depthwise, one row",
    batch: 2,
    c: 1,
    o: 1,
    groups: 3,
    size: [1, 9],
    kernel: [3, 3],
    pads: [1, 1, 1, 1],
  }),
  conv({
    name: "depthwise, two rows",
    batch: 1,
    c: 1,
    o: 1,
    groups: 3,
    size: [2, 4],
    kernel: [3, 3],
    pads: [1, 1, 1, 1],
  }),
  conv({
    name: "depthwise, three columns",
    batch: 1,
    c: 1,
    o: 1,
    groups: 2,
    size: [5, 3],
    kernel: [3, 3],
    pads: [1, 1, 1, 1],
  }),
  conv({ name: "depthwise, unpadded", batch: 1, c: 1, o: 2, groups: 2, size: [7, 11], kernel: [3, 3] }),
  conv({ name: "depthwise 5 x 5", batch: 2, c: 1, o: 1, groups: 3, size: [8, 30], kernel: [5, 5], pads: [2, 2, 2, 2] }),
  conv({
    name: "depthwise, stride 2",
    batch: 2,
    c: 1,
    o: 3,
    groups: 2,
    size: [9, 58],
    kernel: [3, 3],
    stride: [2, 2],
    pads: [1, 1, 1, 1],
  }),
  conv({
    name: "depthwise, dilated and strided",
    batch: 1,
    c: 1,
    o: 2,
    groups: 2,
    size: [11, 13],
    kernel: [3, 3],
    stride: [2, 3],
    dilation: [2, 2],
    pads: [2, 1, 2, 2],
  }),
  ...[1, 4, 5, 8, 9, 17, 33].map((side) =>
    conv({
      name: `tiles of 4 x 4 on ${side}`,
      batch: 2,
      c: 3,
      o: 6,
      size: [side, side + 1],
      kernel: [3, 3],
      pads: [1, 1, 1, 1],
    }),
  ),
  // Blocks of whole lines of tiles (8, 14, 28 or 56 of them), and blocks that begin within a line.
  ...[
    [41, 32],
    [20, 56],
    [12, 110],
    [9, 222],
    [11, 140],
    [22, 52],
  ].map(([h, w]) =>
    conv({
      name: `tiles of 4 x 4 on ${h} x ${w}`,
      batch: 1,
      c: 2,
      o: 3,
      size: [h, w],
      kernel: [3, 3],
      pads: [1, 1, 1, 1],
    }),
  ),
  conv({ name: "tiles, unevenly padded", batch: 1, c: 5, o: 4, size: [7, 6], kernel: [3, 3], pads: [2, 0, 1, 3] }),
  conv({ name: "tiles, unpadded", batch: 1, c: 2, o: 11, size: [11, 14], kernel: [3, 3] }),
  conv({
    name: "tiles and depth past a block",
    batch: 1,
    c: 259,
    o: 7,
    size: [6, 5],
    kernel: [3, 3],
    pads: [1, 1, 1, 1],
  }),
  conv({ name: "no image", batch: 0, c: 2, o: 3, size: [4, 4], kernel: [2, 2] }),
  conv({ name: "no channel in", batch: 1, c: 0, o: 3, size: [4, 4], kernel: [2, 2] }),
  conv({ name: "no channel out", batch: 1, c: 2, o: 0, size: [4, 4], kernel: [2, 2] }),
  conv({ name: "no pixel out", batch: 1, c: 2, o: 3, size: [1, 4], kernel: [2, 2] }),
];

/** Windows of 3 x 3, alone in their channel: every padding that the columns of four know and some that they do not. */
export const windows: readonly ConvCase[] = [1, 2].flatMap((stride) => [
  ...[3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 21].flatMap((w) =>
    [0, 1, 2].flatMap((left) =>
      [-1, 0, 1, 2].map((right) =>
        window(stride, [1 + ((5 * w + left) % 9), w], [(w + right) & 3, left, w & 1, right]),
      ),
    ),
  ),
  // As many rows as a band has, with the rows that its columns begin and end with.
  ...[31, 32, 33, 63, 64, 65, 127, 128, 129, 130].map((h) => window(stride, [h, 11], [1, 1, 1, 1])),
  ...[255, 256, 257, 511, 512, 513].map((w) => window(stride, [35, w], [1, 1, 1, 1])),
]);

function window(stride: number, size: [number, number], pads: [number, number, number, number]): ConvCase {
  const name = `${size.join(" x ")}, padded by ${pads.join(", ")}, stride ${stride}`;
  return conv({ name, batch: 1, c: 1, o: 1, groups: 2, size, kernel: [3, 3], stride: [stride, stride], pads });
}

function conv(shape: ConvShape): ConvCase {
  const [h, w] = shape.size;
  const [kh, kw] = shape.kernel;
  const [strideH, strideW] = shape.stride ?? [1, 1];
  const [padTop, padLeft, padBottom, padRight] = shape.pads ?? [0, 0, 0, 0];
  const [dilationH, dilationW] = shape.dilation ?? [1, 1];
  const outH = outputs(h + padTop + padBottom, (kh - 1) * dilationH + 1, strideH);
  const outW = outputs(w + padLeft + padRight, (kw - 1) * dilationW + 1, strideW);
  return {
    name: shape.name,
    batch: shape.batch,
    groups: shape.groups ?? 1,
    c: shape.c,
    h,
    w,
    o: shape.o,
    kh,
    kw,
    strideH,
    strideW,
    padTop,
    padLeft,
    dilationH,
    dilationW,
    outH,
    outW,
  };
}

function outputs(size: number, window: number, stride: number): number {
  return size < window ? 0 : Math.floor((size - window) / stride) + 1;
}

export const pools: readonly (Pool & { readonly name: string })[] = [
  pool("halves", [8, 16], [2, 2], [2, 2]),
  pool("halves, odd image", [7, 11], [2, 2], [2, 2]),
  pool("halves, padded", [7, 9], [2, 2], [2, 2], [1, 1, 0, 0]),
  pool("halves, hanging over", [5, 9], [2, 2], [2, 2], [0, 0, 1, 1]),
  pool("halves, hanging over on the right", [4, 9], [2, 2], [2, 2], [0, 0, 0, 1]),
  pool("halves, hanging over below", [5, 8], [2, 2], [2, 2], [0, 0, 1, 0]),
  pool("halves, one column", [4, 2], [2, 2], [2, 2]),
  pool("overlapping", [11, 13], [3, 3], [2, 2], [1, 1, 1, 1]),
  pool("overlapping, unpadded, odd width", [9, 19], [3, 3], [2, 2]),
  pool("overlapping, unpadded, even width", [8, 20], [3, 3], [2, 2]),
  pool("overlapping, four inside", [3, 9], [3, 3], [2, 2]),
  pool("overlapping, three inside", [3, 7], [3, 3], [2, 2]),
  pool("overlapping, five inside and padding", [4, 11], [3, 3], [2, 2], [0, 1, 0, 1]),
  pool("overlapping, padded by two", [6, 17], [3, 3], [2, 2], [2, 2, 2, 2]),
  pool("overlapping, cropped on the right", [5, 23], [2, 3], [1, 2], [1, 1, 0, -5]),
  pool("overlapping, rows of padding alone", [2, 13], [2, 3], [2, 2], [4, 0, 3, 0]),
  pool("stride 1", [5, 6], [3, 2], [1, 1], [1, 0, 1, 1]),
  pool("gaps", [9, 10], [2, 2], [3, 4]),
  pool("global", [7, 7], [7, 7], [1, 1]),
  pool("identity", [3, 5], [1, 1], [1, 1]),
  pool("empty window", [2, 2], [2, 2], [2, 2], [2, 2, 2, 2]),
  pool("no output", [1, 1], [2, 2], [2, 2]),
];

function pool(
  name: string,
  [h, w]: [number, number],
  [kh, kw]: [number, number],
  [strideH, strideW]: [number, number],
  [padTop, padLeft, padBottom, padRight]: [number, number, number, number] = [0, 0, 0, 0],
): Pool & { name: string } {
  const outH = outputs(h + padTop + padBottom, kh, strideH);
  const outW = outputs(w + padLeft + padRight, kw, strideW);
  return { name, h, w, kh, kw, strideH, strideW, padTop, padLeft, outH, outW };
}
