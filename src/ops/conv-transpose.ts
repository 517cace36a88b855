import { expected, ShapeError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import type { RunKernels } from "../kernels/abi.js";
import { sameShape, showShape, sizeOf } from "../tensor.js";
import { integer, integers, only } from "./attributes.js";
import { withBias } from "./bias.js";
import { checkFloats, inputOf, sized } from "./known.js";
import { copying, steps } from "./move.js";
import { type Launch, nothing, type Op, type Site, type Slots } from "./op.js";
import { convolution, packVolume, type Three, three, volumeBytes, type Weights } from "./volume.js";

const attributes = [
  "kernel_shape",
  "strides",
  "pads",
  "dilations",
  "group",
  "auto_pad",
  "output_padding",
  "output_shape",
];

/**
 * The adjoint of Conv over one to three sides: x [n, c, ...], W [c, o / group, ...k], y[oy] += W[k] x[iy] where oy = iy stride + k
 * dilation - pad. Outputs a stride apart see the same taps: each such set is a convolution without a stride, its taps backwards, whose
 * results are then put between the others. So every value is one sum, in rising (c, backwards k), from its bias.
 */
export const convTranspose: Op = {
  attrs(node) {
    only(node, attributes);
    const group = integer(node, "group", 1);
    if (group < 1) throw new ShapeError(expected(`${node.name}.group`, "at least 1", `${group}`));
  },
  infer(node, inputs) {
    checkFloats(node, inputs, 0);
    checkFloats(node, inputs, 1);
    const { dtype, shape } = inputOf(node, inputs, 0);
    const weight = inputOf(node, inputs, 1).shape;
    const group = integer(node, "group", 1);
    const [n, c, ...sizes] = shape;
    const fits = sizes.length >= 1 && sizes.length <= 3 && sizes.every((size) => size > 0);
    if (!fits) {
      throw new ShapeError(
        expected(`${node.name} (ConvTranspose) input 0`, "[n, c] and one to three sizes from 1", showShape(shape)),
      );
    }
    if (weight.length !== shape.length || weight[0] !== c) refuse(node, `[${c}, o / ${group}]`, sizes.length, weight);
    checkWeight(node, weight);
    const o = weight[1] * group;
    const bias = inputs[2]?.shape;
    if (bias && (bias.length !== 1 || bias[0] !== o)) {
      throw new ShapeError(expected(`${node.name} (ConvTranspose) bias`, `${o} values`, showShape(bias)));
    }
    const { whole, out } = sidesOf(node, sizes, weight.slice(2));
    sized(node, dtype, [n, o, ...whole]);
    return [sized(node, dtype, [n, o, ...out])];
  },
  lower(site) {
    const { kernels, node } = site;
    const weight = site.weight(1);
    if (weight) checkWeight(node, weight.shape);
    if (weight === undefined || weight.kind === "live") {
      return (io) => {
        const { shape, pointer } = io.inputs[1]!;
        const parts = partsOf(node, shape);
        const [packed, turned] = [roundUp(4 * sizeOf(shape)), roundUp(largest(parts))];
        const launch = bind(
          site,
          io,
          shape,
          parts,
          (at, scratch) => scratch + at,
          io.inputs[2]?.pointer ?? 0,
          packed + turned,
        );
        return {
          scratch: launch.scratch,
          run(scratch) {
            for (const part of parts) part.pack(kernels, pointer, scratch + packed, scratch);
            launch.run(scratch);
          },
        };
      };
    }
    const { shape } = weight;
    return withBias(site, 2, shape[1] * integer(node, "group", 1), (bias) => {
      const parts = partsOf(node, shape);
      const panels = site.alloc(4 * sizeOf(shape));
      site.borrow(1, (values) =>
        site.temporary(largest(parts), (turned) => {
          for (const part of parts) part.pack(kernels, values, turned, panels);
        }),
      );
      return (io) => bind(site, io, shape, parts, (at) => panels + at, bias, 0);
    });
  },
};

/** @throws ShapeError where a weight [c, o / group, ...] has not one to three sides, or channels that make no groups */
function checkWeight(node: GraphNode, weight: readonly number[]): void {
  const group = integer(node, "group", 1);
  const rank = weight.length - 2;
  const whole = rank >= 1 && rank <= 3 && weight.slice(2).every((size) => size > 0);
  if (!whole || weight[0] % group !== 0) refuse(node, `[c, o / ${group}], c a multiple of ${group},`, rank, weight);
}

function refuse(node: GraphNode, want: string, rank: number, weight: readonly number[]): never {
  const sizes = `${want} and ${rank >= 1 && rank <= 3 ? rank : "1 to 3"} sizes from 1`;
  throw new ShapeError(expected(`${node.name} (ConvTranspose) weight`, sizes, showShape(weight)));
}

/** The sides of an output: whole, and cut to what is wanted, from `begins` on. */
interface Sides {
  readonly whole: readonly number[];
  readonly begins: readonly number[];
  readonly out: readonly number[];
}

/** @throws ShapeError where padding leaves nothing */
function sidesOf(node: GraphNode, sizes: readonly number[], kernel: readonly number[]): Sides {
  const rank = sizes.length;
  const given = integers(node, "kernel_shape", rank, 0, 1);
  if (node.attributes.kernel_shape !== undefined && !sameShape(given, kernel)) {
    throw new ShapeError(expected(`${node.name}.kernel_shape`, showShape(kernel), showShape(given)));
  }
  const strides = integers(node, "strides", rank, 1, 1);
  const dilations = integers(node, "dilations", rank, 1, 1);
  const more = integers(node, "output_padding", rank, 0, 0);
  const pads = integers(node, "pads", 2 * rank, 0, 0);
  const auto = node.attributes.auto_pad || "NOTSET";
  if (auto !== "NOTSET" && auto !== "VALID" && auto !== "SAME_UPPER" && auto !== "SAME_LOWER") {
    const words = "NOTSET, VALID, SAME_UPPER or SAME_LOWER";
    throw new ShapeError(expected(`${node.name}.auto_pad`, words, JSON.stringify(auto)));
  }
  const whole = sizes.map((size, i) => (size - 1) * strides[i] + (kernel[i] - 1) * dilations[i] + 1 + more[i]);
  const same = auto.startsWith("SAME") ? sizes.map((size, i) => size * strides[i]) : undefined;
  const out = node.attributes.output_shape === undefined ? same : integers(node, "output_shape", rank, 0, 1);
  if (out) {
    const begins = out.map((size, i) => {
      const half = Math.max(0, whole[i] - size) / 2;
      return auto === "SAME_UPPER" ? Math.floor(half) : Math.ceil(half);
    });
    return { whole: whole.map((size, i) => Math.max(size, out[i])), begins, out };
  }
  const padded = auto === "NOTSET";
  const left = whole.map((size, i) => (padded ? size - pads[i] - pads[i + rank] : size));
  if (left.some((size) => size < 1)) {
    throw new ShapeError(
      expected(`${node.name}.pads`, `less than ${showShape(whole)}, which they are cut from`, showShape(pads)),
    );
  }
  return { whole, begins: whole.map((_, i) => (padded ? pads[i] : 0)), out: left };
}

/** Taps of one side that meet the same outputs: tap, tap + step, .. */
interface Taps {
  readonly tap: number;
  readonly step: number;
  readonly count: number;
  /** Inputs from one to the next. */
  readonly dilation: number;
  /** Which outputs they meet: those that are `rest` more than a multiple of the stride, and the input of the first then. */
  readonly rest: number;
  readonly before: number;
}

function tapsOf(size: number, stride: number, dilation: number): Taps[] {
  let [common, rest] = [stride, dilation];
  while (rest > 0) [common, rest] = [rest, common % rest];
  const step = stride / common;
  return Array.from({ length: Math.min(size, step) }, (_, tap) => {
    const at = (tap * dilation) % stride;
    const count = Math.ceil((size - tap) / step);
    return { tap, step, count, dilation: dilation / common, rest: at, before: (tap * dilation - at) / stride };
  });
}

/** One set of taps of every side: a convolution. */
interface Part {
  readonly taps: readonly [Taps, Taps, Taps];
  readonly weights: Weights;
  /** Where its weights stand among those of all parts, in bytes. */
  readonly at: number;
  /** Packs them from the weight's values, by way of `turned`. */
  pack(kernels: RunKernels, values: number, turned: number, packed: number): void;
}

function partsOf(node: GraphNode, shape: readonly number[]): Part[] {
  const group = integer(node, "group", 1);
  const rank = shape.length - 2;
  const [c, o] = [shape[0] / group, shape[1]];
  const kernel = three(shape.slice(2), 1);
  const strides = three(integers(node, "strides", rank, 1, 1), 1);
  const dilations = three(integers(node, "dilations", rank, 1, 1), 1);
  const [deep, high, wide] = kernel.map((size, i) => tapsOf(size, strides[i], dilations[i]));
  const from = steps([group, c, o, ...kernel], 4);
  let at = 0;
  return deep.flatMap((d) =>
    high.flatMap((h) =>
      wide.map((w): Part => {
        const taps = [d, h, w] as const;
        const own: Three = [d.count, h.count, w.count];
        const weights = { deep: rank === 3, group, c, o, kernel: own };
        const to = steps([group, o, c, ...own], 4);
        const dims = [
          { size: group, from: from[0], to: to[0] },
          { size: o, from: from[2], to: to[1] },
          { size: c, from: from[1], to: to[2] },
          ...taps.map(({ count, step }, i) => ({ size: count, from: -step * from[3 + i], to: to[3 + i] })),
        ];
        const last = taps.reduce((sum, { tap, step, count }, i) => sum + (tap + (count - 1) * step) * from[3 + i], 0);
        const place = at;
        at += volumeBytes(weights);
        return {
          ...{ taps, weights, at: place },
          pack(kernels, values, turned, packed) {
            copying(kernels, 4, dims)(values + last, turned);
            packVolume(kernels, weights, turned, packed + place);
          },
        };
      }),
    ),
  );
}

const roundUp = (bytes: number) => Math.ceil(bytes / 64) * 64;
const largest = (parts: readonly Part[]) =>
  parts.reduce((most, { weights }) => Math.max(most, volumeBytes(weights)), 0);

/** @param packedAt where a part's weights stand; @param taken bytes of scratch that are not free */
function bind(
  { node, kernels, limits }: Pick<Site, "node" | "kernels" | "limits">,
  { inputs, outputs }: Slots,
  shape: readonly number[],
  parts: readonly Part[],
  packedAt: (at: number, scratch: number) => number,
  bias: number,
  taken: number,
): Launch {
  const [x, y] = [inputs[0]!, outputs[0]];
  if (sizeOf(y.shape) === 0) return nothing;
  const rank = shape.length - 2;
  const sides = sidesOf(node, x.shape.slice(2), shape.slice(2));
  const [size, out] = [three(x.shape.slice(2), 1), three(y.shape.slice(2), 1)];
  const begins = three(sides.begins, 0);
  const strides = three(integers(node, "strides", rank, 1, 1), 1);
  const [batch, channels] = y.shape;
  const to = steps([batch * channels, ...out], 4);
  const calls: ((scratch: number) => void)[] = [];
  let [most, filled] = [0, 0];
  for (const { taps, weights, at } of parts) {
    const ways = taps.map((way, i) => wayOf(way, strides[i], begins[i], out[i]));
    if (ways.some(({ count }) => count === 0)) continue;
    const made = three(
      ways.map(({ lead, count }) => lead + count),
      1,
    );
    const convolve = convolution(kernels, {
      ...{ ...weights, batch, size, out: made, strides: [1, 1, 1] },
      dilations: [taps[0].dilation, taps[1].dilation, taps[2].dilation],
      begins: [ways[0].begin, ways[1].begin, ways[2].begin],
    });
    filled += ways.reduce((product, { count }) => product * count, 1);
    if (ways.every(({ lead, count }, i) => lead === 0 && count === out[i])) {
      most = Math.max(most, convolve.scratch);
      calls.push((scratch) => convolve.run(x.pointer, packedAt(at, scratch), bias, limits, y.pointer, scratch + taken));
      continue;
    }
    const from = steps([batch * channels, ...made], 4);
    const spread = copying(kernels, 4, [
      { size: batch * channels, from: from[0], to: to[0] },
      ...ways.map(({ count }, i) => ({ size: count, from: from[1 + i], to: strides[i] * to[1 + i] })),
    ]);
    const own = roundUp(from[0] * batch * channels);
    const [read, write] = [
      ways.reduce((sum, { lead }, i) => sum + lead * from[1 + i], 0),
      ways.reduce((sum, { first }, i) => sum + first * to[1 + i], y.pointer),
    ];
    most = Math.max(most, own + convolve.scratch);
    calls.push((scratch) => {
      const result = scratch + taken;
      convolve.run(x.pointer, packedAt(at, scratch), bias, limits, result, result + own);
      spread(result + read, write);
    });
  }
  if (filled < sizeOf(out)) calls.unshift(unmet(kernels, y.pointer, batch, channels, sizeOf(out), bias, limits));
  return {
    scratch: taken + most,
    run(scratch) {
      for (let i = 0; i < calls.length; i++) calls[i](scratch);
    },
  };
}

/** The outputs of one side that some taps meet: first, first + stride, .., `count` of them. */
interface Way {
  readonly first: number;
  readonly count: number;
  /** Padding in front of the convolution, or, where it would be negative, results that are left out. */
  readonly begin: number;
  readonly lead: number;
}

function wayOf({ count: taps, dilation, rest, before }: Taps, stride: number, pad: number, out: number): Way {
  const first = (((rest - pad) % stride) + stride) % stride;
  const begin = before + (taps - 1) * dilation - (first + pad - rest) / stride;
  const count = first < out ? Math.floor((out - 1 - first) / stride) + 1 : 0;
  return { first, count, begin: Math.max(0, begin), lead: Math.max(0, -begin) };
}

/** Every output as if no tap met it. */
function unmet(
  kernels: RunKernels,
  y: number,
  batch: number,
  channels: number,
  plane: number,
  bias: number,
  limits: number,
): () => void {
  const size = batch * channels * plane;
  const spread = copying(kernels, 4, [
    { size: batch, from: 0, to: 4 * channels * plane },
    { size: channels, from: 4, to: 4 * plane },
    { size: plane, from: 0, to: 4 },
  ]);
  return () => {
    if (bias) spread(bias, y);
    else kernels.fill_row_f32(1, size, 0, y);
    if (limits) kernels.clip_f32(size, y, limits, y);
  };
}
