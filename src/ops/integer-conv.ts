import type { TypedArray } from "../dtype.js";
import { expected, ShapeError, UnsupportedError } from "../errors.js";
import { sizeOf } from "../tensor.js";
import { integer } from "./attributes.js";
import { conv } from "./conv.js";
import { type Geometry, geometryOf } from "./image.js";
import { byteTypes, encode, factorsOf, type Product, packer, signed, sum, zerosOf } from "./integer-product.js";
import { inputOf } from "./known.js";
import type { Info, Launch, Op, Site, Slot, Slots, Table } from "./op.js";
import {
  checkCount,
  checkScale,
  checkType,
  checkZero,
  elementOf,
  madeOf,
  type Source,
  sourcesOf,
} from "./quantized.js";
import { launchOf, type Place, type Recipe, recipeOf, room } from "./recipe.js";

type Kernels = Site["kernels"];

/** Where each operator has its inputs. */
interface Places {
  readonly w: number;
  readonly xZero: number;
  readonly wZero: number;
  readonly codes?: {
    readonly xScale: number;
    readonly wScale: number;
    readonly yScale: number;
    readonly yZero: number;
    readonly bias: number;
  };
}

/** Bytes of windows that are laid out at a time, so that they stay in the second-level cache; whole blocks of the product's rows. */
const windowBytes = 128 * 1024;
const blockRows = 120;

/** Checks X and W and gives the shape of Y. @throws UnsupportedError, ShapeError */
function shapeOfY(node: Site["node"], inputs: readonly (Info | undefined)[], places: Places): readonly number[] {
  const { w, xZero, wZero, codes } = places;
  checkZero(node, inputs, xZero, checkType(node, inputs, 0, byteTypes));
  checkZero(node, inputs, wZero, checkType(node, inputs, w, byteTypes));
  const { shape } = inputOf(node, inputs, w);
  checkCount(node, inputs, xZero, [1]);
  checkCount(node, inputs, wZero, [1, shape[0]]);
  if (codes) {
    for (const i of [codes.xScale, codes.yScale, codes.yZero]) checkCount(node, inputs, i, [1]);
    checkCount(node, inputs, codes.wScale, [1, shape[0]]);
    checkCount(node, inputs, codes.bias, [shape[0]]);
  }
  const rank = inputOf(node, inputs, 0).shape.length;
  if (rank > 4) {
    throw new UnsupportedError(
      expected(`${node.name} (${node.op})`, "images [n, c, h, w] or lines [n, c, l]", `${rank} dimensions`),
    );
  }
  // What Conv says of shapes, which is all that it looks at in floats.
  const floats = [inputs[0], inputs[w]].map((info): Info => ({ dtype: "float32", shape: info!.shape }));
  return conv.infer(node, floats)[0].shape;
}

/** Filters [o, c, taps] as [o, taps, c], int8: in the order of an image with its channels last. */
function channelsLast(codes: TypedArray, shape: readonly number[]): Int8Array {
  const [o, c] = shape;
  const taps = sizeOf(shape.slice(2));
  const from = signed(codes);
  if (taps === 1) return from;
  const to = new Int8Array(from.length);
  for (let f = 0; f < o; f++) {
    for (let j = 0; j < c; j++)
      for (let t = 0; t < taps; t++) to[(f * taps + t) * c + j] = from[(f * c + j) * taps + t];
  }
  return to;
}

/** Makes values of all channels out of `count` pixels from number `first` on: sums, or codes. */
type Block = (scratch: number, first: number, count: number, to: number) => void;

/** What a convolution is bound to. */
interface Bound {
  readonly recipe: Recipe;
  readonly table: Table;
  readonly geometry: Geometry;
  readonly given: readonly (Source | undefined)[];
  /** The image with its channels last. */
  readonly image: Place;
  readonly x: Slot;
  readonly zero: () => number;
  /** Factors and biases of the outputs, and what becomes of the sums; absent where Y is the sums. */
  readonly codes?: {
    readonly factors: Place;
    readonly bias: Place | undefined;
    readonly zero: () => number;
    readonly unsigned: boolean;
  };
}

const first = (element: (i: number) => number) => () => element(0);

/** Whether each channel is a group with one filter of its own. */
const isDepthwise = ({ c, o, group }: Geometry) => c === 1 && o === 1 && group > 1;

/** Image by image: channels last, sums or codes of the pixels, and channels first again. */
function lower(site: Site, places: Places): (io: Slots, table: Table) => Launch {
  const { node, kernels } = site;
  const { codes } = places;
  const group = integer(node, "group", 1);
  const weight = site.constant(places.w);
  const alone = weight && group > 1 && weight.shape[1] === 1 && weight.shape[0] === group ? weight.known : undefined;
  const filters = (shape: readonly number[]) => {
    if (shape.length < 3 || shape[0] % group !== 0) return undefined;
    const [k, n] = [sizeOf(shape.slice(1)), shape[0] / group];
    return { count: group, k, n, row: 1, col: k };
  };
  const pack = alone ? undefined : packer(site, places.w, filters, channelsLast);
  const sources = sourcesOf(site, places.w);
  return (io, table) => {
    const recipe = recipeOf(kernels);
    const given = sources(io);
    const [x, w, y] = [io.inputs[0]!, io.inputs[places.w]!, io.outputs[0]];
    const geometry = geometryOf(node, x.shape, w.shape, y.shape);
    const { batch, c, o, p, inputPlane } = geometry;
    const [channels, outputs] = [c * group, o * group];
    const image = room(recipe, [channels * inputPlane], "int8");
    const bias = codes && given[codes.bias];
    const bound: Bound = {
      ...{ recipe, table, geometry, given, x, image: image.at },
      zero: first(elementOf(kernels, given[places.xZero])),
      codes: codes && {
        factors: factorsOf(recipe, table, [given[codes.xScale], given[codes.wScale], given[codes.yScale]], outputs),
        bias: bias && madeOf(recipe, table, [bias], "int32", outputs, (values) => values!),
        zero: first(elementOf(kernels, given[codes.yZero])),
        unsigned: y.dtype === "uint8",
      },
    };
    const width = codes ? 1 : 4;
    const result = room(recipe, [p * outputs * width], "int8");
    const { block, rows } = isDepthwise(geometry)
      ? depthwise(kernels, bound, { slot: w, known: alone }, given[places.wZero])
      : products(kernels, bound, w, pack!(recipe, w), given[places.wZero]);
    const turn = codes ? kernels.transpose_x8 : kernels.transpose_f32;
    // No outputs, however many pixels they would have.
    if (outputs === 0) return launchOf(recipe);
    recipe.steps.push((scratch) => {
      const [from, made] = [image.at(scratch), result.at(scratch)];
      for (let i = 0; i < batch; i++) {
        kernels.transpose_x8(channels, inputPlane, x.pointer + i * channels * inputPlane, from);
        for (let first = 0; first < p; first += rows) {
          block(scratch, first, Math.min(rows, p - first), made);
        }
        for (let g = 0; g < bandsOf(geometry); g++) {
          const band = outputs / bandsOf(geometry);
          turn(p, band, made + g * band * p * width, y.pointer + (i * outputs + g * band) * p * width);
        }
      }
    });
    return launchOf(recipe);
  };
}

/** Parts of the outputs that lie one behind the other, [pixels, outputs] each: groups, but for channels alone, which lie together. */
const bandsOf = (geometry: Geometry) => (isDepthwise(geometry) ? 1 : geometry.group);

/** Windows as rows, times the filters of each group. */
function products(
  kernels: Kernels,
  { recipe, table, geometry, image, x, zero, codes }: Bound,
  w: Slot,
  panels: Place,
  wZero: Source | undefined,
): { block: Block; rows: number } {
  const { sizes, group, c, o: n, r: k, p } = geometry;
  const [, , h, width, , kh, kw, strideH, strideW, padTop, padLeft, dilationH, dilationW, , outW] = sizes;
  const rows = Math.min(p, Math.max(1, Math.floor(windowBytes / Math.max(k * blockRows, 1))) * blockRows);
  // Each pixel is its own window: the image is what the product reads.
  const direct =
    group === 1 &&
    kh * kw === 1 &&
    strideH * strideW === 1 &&
    width === outW &&
    padTop + padLeft === 0 &&
    h * width === p;
  const windows = direct ? undefined : room(recipe, [rows * k], "int8");
  const zeros = zerosOf(recipe, table, wZero, w.dtype === "uint8", n * group);
  const sums = zeros && codes ? room(recipe, [rows, n], "int32") : undefined;
  const work = room(recipe, [kernels.gemm_scratch_i8_bytes(rows, k)], "int8");
  const bytes = kernels.gemm_panels_i8_bytes(k, n);
  const unsigned = x.dtype === "uint8";
  // biome-ignore format: sizes in lines
  const layOut = (first: number, count: number, from: number, to: number) => kernels.columns_x8(
    first, count, h, width, c * group, c, kh, kw, strideH, strideW, padTop, padLeft, dilationH, dilationW, outW, from, to,
    zero(),
  );
  const all: Product = { m: rows, n, k, unsigned, zero };
  const last: Product = { ...all, m: p % rows || rows };
  const block: Block = (scratch, first, count, to) => {
    const product = count === rows ? all : last;
    for (let g = 0; g < group; g++) {
      let a = image(scratch) + (direct ? first * k : g * c);
      if (windows) {
        if (k > 0) layOut(first, count, a, windows.at(scratch));
        a = windows.at(scratch);
      }
      const right = panels(scratch) + g * bytes;
      const z = zeros ? zeros(scratch) + 4 * g * n : 0;
      const made = (g * p + first) * n;
      const room = work.at(scratch);
      if (!codes) sum(kernels, product, a, right, z, to + 4 * made, room);
      else {
        const [scale, bias] = [codes.factors(scratch) + 4 * g * n, codes.bias ? codes.bias(scratch) + 4 * g * n : 0];
        encode(kernels, product, codes, a, right, z, scale, bias, to + made, sums?.at(scratch) ?? 0, room);
      }
    }
  };
  return { block, rows };
}

/** Each channel with its own filter. */
function depthwise(
  kernels: Kernels,
  { recipe, table, geometry, image, x, zero, codes }: Bound,
  weight: Source,
  wZero: Source | undefined,
): { block: Block; rows: number } {
  const { sizes, group: n, p } = geometry;
  const [, , h, width, , kh, kw, strideH, strideW, padTop, padLeft, dilationH, dilationW, , outW] = sizes;
  const taps = kh * kw;
  const rows = Math.min(p, Math.max(1, Math.floor(windowBytes / (4 * n))));
  const filters = madeOf(recipe, table, [weight, wZero], "int16", taps * n, (values, zeros) =>
    Int16Array.from({ length: taps * n }, (_, at) => {
      const [t, j] = [Math.floor(at / n), at % n];
      return Number(values![j * taps + t]) - (zeros ? Number(zeros[j % zeros.length]) : 0);
    }),
  );
  const sums = codes ? room(recipe, [rows, n], "int32") : undefined;
  const unsigned = x.dtype === "uint8" ? 1 : 0;
  const block: Block = (scratch, first, count, to) => {
    const made = sums ? sums.at(scratch) : to + 4 * first * n;
    // biome-ignore format: sizes in lines
    kernels.depthwise_i8(
      first, count, h, width, n, kh, kw, strideH, strideW, padTop, padLeft, dilationH, dilationW, outW, image(scratch),
      filters(scratch), made, zero(), unsigned,
    );
    if (!codes) return;
    const [scale, bias] = [codes.factors(scratch), codes.bias?.(scratch) ?? 0];
    kernels.requantize_i8(count, n, made, scale, bias, to + first * n, codes.zero(), codes.unsigned ? 1 : 0);
  };
  return { block, rows };
}

const ofSums: Places = { w: 1, xZero: 2, wZero: 3 };

/** Y = (X - xZero) * (W - wZero), int32, modulo 2^32, over images or lines; wZero: one, or one for each output channel. */
export const convInteger: Op = {
  attrs: conv.attrs,
  infer: (node, inputs) => [{ dtype: "int32", shape: shapeOfY(node, inputs, ofSums) }],
  lower: (site) => lower(site, ofSums),
};

const ofCodes: Places = {
  ...{ w: 3, xZero: 2, wZero: 5 },
  codes: { xScale: 1, wScale: 4, yScale: 6, yZero: 7, bias: 8 },
};

/**
 * Y = saturate(round((S + bias) * (xScale wScale / yScale)) + yZero) with S = (X - xZero) * (W - wZero); S + bias is int32, modulo 2^32,
 * and is rounded to f32, as each step is; the product then to the nearest integer, half to even.
 */
export const qLinearConv: Op = {
  attrs: conv.attrs,
  infer(node, inputs) {
    for (const i of [2, 5]) inputOf(node, inputs, i);
    checkScale(node, inputs, 1);
    checkScale(node, inputs, 4);
    checkScale(node, inputs, 6, true);
    if (inputs[8] && inputs[8].dtype !== "int32") {
      throw new ShapeError(expected(`${node.name} (QLinearConv) input 8`, "a bias of type int32", inputs[8].dtype));
    }
    return [{ dtype: checkType(node, inputs, 7, byteTypes), shape: shapeOfY(node, inputs, ofCodes) }];
  },
  lower: (site) => lower(site, ofCodes),
};
