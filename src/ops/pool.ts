import { isFloat } from "../dtype.js";
import { expected, ShapeError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import type { FullKernels, RunKernels } from "../kernels/abi.js";
import { showShape, sizeOf } from "../tensor.js";
import { integer, only, shapeOf } from "./attributes.js";
import { convert } from "./cast.js";
import { inputOf } from "./known.js";
import { type GradSlots, type Info, type Launch, type Op, ofFloats, type Site, type Slot } from "./op.js";
import { checkType } from "./quantized.js";
import { launchOf, recipeOf, room, standing } from "./recipe.js";
import { sidesOf, sidesOutput, windowOf } from "./window.js";

type Sizes = [number, number, number, number, number, number, number, number, number, number, number];

/** planes, h, w, kh, kw, strides, pads, output: what every kernel for images without dilation begins with. */
function sizesOf(node: GraphNode, x: readonly number[], y: readonly number[]): Sizes {
  const { kernel, strides, pads } = windowOf(node, x.slice(2));
  const image = (shape: readonly number[]) => (shape.length === 3 ? [1, shape[2]] : [shape[2], shape[3]]);
  const [h, w] = image(x);
  const [outH, outW] = image(y);
  return [x[0] * x[1], h, w, ...kernel, ...strides, pads[0], pads[1], outH, outW];
}

function attrs(node: GraphNode, names: readonly string[]): void {
  only(node, ["kernel_shape", "strides", "pads", "dilations", "ceil_mode", "auto_pad", ...names]);
}

/** Sizes after images and channels: one to three of them. @throws ShapeError */
function spatial(node: GraphNode, shape: readonly number[]): readonly number[] {
  if (shape.length < 3 || shape.length > 5) {
    throw new ShapeError(expected(`${node.name} (${node.op})`, "[n, c] and one to three sizes", showShape(shape)));
  }
  return shape.slice(2);
}

function pooled(node: GraphNode, shape: readonly number[]): readonly number[] {
  const sizes = spatial(node, shape);
  const sides = sidesOf(node, sizes);
  // A window that holds nothing but padding has neither a largest value nor a mean.
  const reach = (i: number) => sides.dilations[i] * (sides.kernel[i] - 1) + 1;
  if ([...sides.begins, ...sides.ends].some((pad, i) => pad >= reach(i % sizes.length))) {
    const want = `pads smaller than the kernel [${sides.kernel.join(", ")}]`;
    throw new ShapeError(expected(`${node.name}.pads`, want, `[${[...sides.begins, ...sides.ends].join(", ")}]`));
  }
  return [shape[0], shape[1], ...sidesOutput(node, sides, sizes)];
}

const infer = ofFloats((node, inputs) => [pooled(node, shapeOf(node, inputs, 0))]);

/** Kinds of the general kernel: assembly/ops/pool.ts. */
const kinds = { max: 0, average: 1, averageOfPads: 2, lp: 3 } as const;

/** Whether the kernels for images do: no dilation, two sides at most. */
function isPlain(node: GraphNode, { shape }: Slot): boolean {
  return shape.length < 5 && sidesOf(node, shape.slice(2)).dilations.every((step) => step === 1);
}

/** Whether windows reach past the padding at the end, where an average's count is another. */
function reachesOver(node: GraphNode): boolean {
  return integer(node, "ceil_mode", 0) !== 0;
}

type Window = Parameters<RunKernels["pool_f32"]> extends [number, number, ...infer W, P, P, P, number] ? W : never;
type P = number;

/** planes, sizes, kernel, strides, dilations, pads at both ends, output, each of three sides: what the general kernels begin with. */
function windowSizes(node: GraphNode, x: readonly number[], made: readonly number[]): Window {
  const sides = sidesOf(node, x.slice(2));
  const three = (values: readonly number[], missing: number): [number, number, number] => {
    const all = [...new Array(3 - values.length).fill(missing), ...values];
    return [all[0], all[1], all[2]];
  };
  return [
    x[0] * x[1],
    ...three(x.slice(2), 1),
    ...three(sides.kernel, 1),
    ...three(sides.strides, 1),
    ...three(sides.dilations, 1),
    ...three(sides.begins, 0),
    ...three(sides.ends, 0),
    ...three(made.slice(2), 1),
  ];
}

/** One window over all there is. */
function wholeSizes(x: readonly number[]): Window {
  const size = sizeOf(x.slice(2));
  return [x[0] * x[1], 1, 1, size, 1, 1, size, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1];
}

/** Any window over one to three sides. */
function general(
  kernels: RunKernels,
  node: GraphNode,
  kind: number,
  x: Slot,
  [y, indices]: readonly (Slot | undefined)[],
  power = 0,
): Launch {
  const sizes = windowSizes(node, x.shape, (y ?? indices)!.shape);
  const columns = integer(node, "storage_order", 0);
  const [pointer, to, at] = [x.pointer, y?.pointer ?? 0, indices?.pointer ?? 0];
  return { scratch: 0, run: () => kernels.pool_f32(kind, power, ...sizes, pointer, to, at, columns) };
}

/** Its gradient. */
function back(kernels: FullKernels, kind: number, sizes: Window, io: GradSlots, power = 0): Launch {
  const [x, y] = [io.inputs[0]!.pointer, io.outputs[0].pointer];
  const [dy, dx] = [io.dOutputs[0], io.dInputs[0]];
  return { scratch: 0, run: () => kernels.pool_grad_f32(kind, power, ...sizes, x, y, dy, dx) };
}

function largest({ node, kernels }: Site, x: Slot, [y, indices]: readonly (Slot | undefined)[]): Launch {
  if (indices || !isPlain(node, x)) return general(kernels, node, kinds.max, x, [y, indices]);
  const sizes = sizesOf(node, x.shape, y!.shape);
  return { scratch: 0, run: () => kernels.max_pool_f32(...sizes, x.pointer, y!.pointer) };
}

/** Largest value of each window, and where in X it stands; padding does not count. Bytes are compared as floats, which hold them. */
export const maxPool: Op = {
  attrs: (node) => attrs(node, ["storage_order"]),
  infer(node, inputs): readonly Info[] {
    const shape = pooled(node, inputOf(node, inputs, 0).shape);
    return [
      { dtype: checkType(node, inputs, 0, ["float32", "float16", "bfloat16", "float64", "int8", "uint8"]), shape },
      { dtype: "int64", shape },
    ];
  },
  lower: (site) => (io) => {
    const [x, y, indices] = [io.inputs[0]!, io.outputs[0], io.outputs[1]] as const;
    if (isFloat(x.dtype)) return largest(site, x, [y, indices]);
    const recipe = recipeOf(site.kernels);
    const [floats, made] = [room(recipe, x.shape), y && room(recipe, y.shape)];
    convert(recipe, standing(x), floats);
    recipe.steps.push((scratch) => {
      const from: Slot = { ...x, dtype: "float32", pointer: floats.at(scratch) };
      const to = y && { ...y, dtype: "float32" as const, pointer: made.at(scratch) };
      largest(site, from, [to, indices]).run(0);
    });
    if (y) convert(recipe, made, standing(y));
    return launchOf(recipe);
  },
  grad:
    ({ node, kernels }) =>
    (io) => {
      const { inputs, outputs, dInputs, dOutputs } = io;
      const x = inputs[0]!;
      const [{ shape }] = outputs;
      if (!isPlain(node, x)) return back(kernels, kinds.max, windowSizes(node, x.shape, shape), io);
      const sizes = sizesOf(node, x.shape, shape);
      return { scratch: 0, run: () => kernels.max_pool_grad_f32(...sizes, x.pointer, dOutputs[0], dInputs[0]) };
    },
};

/** Mean of each window; `count_include_pad` says whether padding counts as zeros. */
export const averagePool: Op = {
  attrs: (node) => attrs(node, ["count_include_pad"]),
  infer,
  lower:
    ({ node, kernels }) =>
    ({ inputs, outputs }) => {
      const [x, y] = [inputs[0]!, outputs[0]];
      const count = integer(node, "count_include_pad", 0);
      if (reachesOver(node) || !isPlain(node, x))
        return general(kernels, node, count ? kinds.averageOfPads : kinds.average, x, [y]);
      const sizes = sizesOf(node, x.shape, y.shape);
      return { scratch: 0, run: () => kernels.average_pool_f32(...sizes, x.pointer, y.pointer, count) };
    },
  grad:
    ({ node, kernels }) =>
    (io) => {
      const { inputs, outputs, dInputs, dOutputs } = io;
      const x = inputs[0]!;
      const count = integer(node, "count_include_pad", 0);
      if (reachesOver(node) || !isPlain(node, x)) {
        const kind = count ? kinds.averageOfPads : kinds.average;
        return back(kernels, kind, windowSizes(node, x.shape, outputs[0].shape), io);
      }
      const sizes = sizesOf(node, x.shape, outputs[0].shape);
      return { scratch: 0, run: () => kernels.average_pool_grad_f32(...sizes, dOutputs[0], dInputs[0], count) };
    },
};

/** (sum |x|^p)^(1/p) of each window. */
export const lpPool: Op = {
  attrs: (node) => attrs(node, ["p"]),
  infer,
  lower:
    ({ node, kernels }) =>
    ({ inputs, outputs }) =>
      general(kernels, node, kinds.lp, inputs[0]!, outputs, powerOf(node)),
  grad:
    ({ node, kernels }) =>
    (io) =>
      back(kernels, kinds.lp, windowSizes(node, io.inputs[0]!.shape, io.outputs[0].shape), io, powerOf(node)),
};

function powerOf(node: GraphNode): number {
  const p = integer(node, "p", 2);
  if (p < 1 || p > 64) throw new ShapeError(expected(`${node.name}.p`, "1 to 64", `${p}`));
  return p;
}

/** One window over all there is: [n, c, ...] -> [n, c, 1, ...]. */
function whole(kind: number, names: readonly string[] = []): Op {
  return {
    attrs: (node) => only(node, names),
    infer: ofFloats((node, inputs) => {
      const shape = shapeOf(node, inputs, 0);
      return [[shape[0], shape[1], ...spatial(node, shape).map(() => 1)]];
    }),
    lower:
      ({ kernels, node }) =>
      ({ inputs, outputs }) => {
        const x = inputs[0]!;
        const power = kind === kinds.lp ? powerOf(node) : 0;
        const [from, to] = [x.pointer, outputs[0].pointer];
        if (kind === kinds.average) {
          const sizes = wholeImage(x.shape);
          return { scratch: 0, run: () => kernels.average_pool_f32(...sizes, from, to, 0) };
        }
        const sizes = wholeSizes(x.shape);
        return { scratch: 0, run: () => kernels.pool_f32(kind, power, ...sizes, from, to, 0, 0) };
      },
    grad:
      ({ kernels, node }) =>
      (io) => {
        const { shape } = io.inputs[0]!;
        const [dy, dx] = [io.dOutputs[0], io.dInputs[0]];
        if (kind === kinds.average) {
          const sizes = wholeImage(shape);
          return { scratch: 0, run: () => kernels.average_pool_grad_f32(...sizes, dy, dx, 0) };
        }
        return back(kernels, kind, wholeSizes(shape), io, kind === kinds.lp ? powerOf(node) : 0);
      },
  };
}

function wholeImage(x: readonly number[]): Sizes {
  const size = sizeOf(x.slice(2));
  return [x[0] * x[1], 1, size, 1, size, 1, 1, 0, 0, 1, 1];
}

/** Mean over all pixels: [n, c, h, w] -> [n, c, 1, 1]. */
export const globalAveragePool: Op = whole(kinds.average);
export const globalMaxPool: Op = whole(kinds.max);
export const globalLpPool: Op = whole(kinds.lp, ["p"]);
