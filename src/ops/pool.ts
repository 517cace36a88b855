import { expected, ShapeError, UnsupportedError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import { integer, only, shapeOf } from "./attributes.js";
import { type Op, ofFloats } from "./op.js";
import { imageShape, windowOf, windowOutput } from "./window.js";

type Sizes = [number, number, number, number, number, number, number, number, number, number, number];

/** planes, h, w, kh, kw, strides, pads, output: what every pooling kernel begins with. */
function sizesOf(node: GraphNode, x: readonly number[], y: readonly number[]): Sizes {
  const { kernel, strides, pads } = windowOf(node);
  return [x[0] * x[1], x[2], x[3], ...kernel, ...strides, pads[0], pads[1], y[2], y[3]];
}

function attrs(node: GraphNode, names: readonly string[]): void {
  only(node, ["kernel_shape", "strides", "pads", "dilations", "ceil_mode", "auto_pad", ...names]);
  if (integer(node, "ceil_mode", 0) !== 0) {
    throw new UnsupportedError(expected(`${node.name}.ceil_mode`, "0", "1"));
  }
  const { kernel, dilations, pads } = windowOf(node);
  const [dilationH, dilationW] = dilations;
  if (dilationH !== 1 || dilationW !== 1) {
    throw new UnsupportedError(expected(`${node.name}.dilations`, "[1, 1]", `[${dilationH}, ${dilationW}]`));
  }
  // A window that holds nothing but padding has neither a largest value nor a mean.
  if (pads.some((pad, side) => pad >= kernel[side % 2])) {
    const want = `pads smaller than the kernel [${kernel.join(", ")}]`;
    throw new ShapeError(expected(`${node.name}.pads`, want, `[${pads.join(", ")}]`));
  }
}

const infer = ofFloats((node, inputs) => {
  const [n, c, h, w] = imageShape(node, shapeOf(node, inputs, 0));
  return [[n, c, ...windowOutput(node, windowOf(node), h, w)]];
});

/** Largest value of each window; padding does not count. */
export const maxPool: Op = {
  attrs: (node) => attrs(node, ["storage_order"]),
  infer,
  lower:
    ({ node, kernels }) =>
    ({ inputs, outputs }) => {
      const [x, y] = [inputs[0]!, outputs[0]];
      const sizes = sizesOf(node, x.shape, y.shape);
      return { scratch: 0, run: () => kernels.max_pool_f32(...sizes, x.pointer, y.pointer) };
    },
  grad:
    ({ node, kernels }) =>
    ({ inputs, outputs, dInputs, dOutputs }) => {
      const x = inputs[0]!;
      const sizes = sizesOf(node, x.shape, outputs[0].shape);
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
      const sizes = sizesOf(node, x.shape, y.shape);
      const count = integer(node, "count_include_pad", 0);
      return { scratch: 0, run: () => kernels.average_pool_f32(...sizes, x.pointer, y.pointer, count) };
    },
  grad:
    ({ node, kernels }) =>
    ({ inputs, outputs, dInputs, dOutputs }) => {
      const sizes = sizesOf(node, inputs[0]!.shape, outputs[0].shape);
      const count = integer(node, "count_include_pad", 0);
      return { scratch: 0, run: () => kernels.average_pool_grad_f32(...sizes, dOutputs[0], dInputs[0], count) };
    },
};

/** Mean over all pixels: [n, c, h, w] -> [n, c, 1, 1]. */
export const globalAveragePool: Op = {
  attrs: (node) => only(node, []),
  infer: ofFloats((node, inputs) => {
    const [n, c] = imageShape(node, shapeOf(node, inputs, 0));
    return [[n, c, 1, 1]];
  }),
  lower:
    ({ kernels }) =>
    ({ inputs, outputs }) => {
      const { pointer, shape } = inputs[0]!;
      const sizes: Sizes = [shape[0] * shape[1], shape[2], shape[3], shape[2], shape[3], 1, 1, 0, 0, 1, 1];
      return { scratch: 0, run: () => kernels.average_pool_f32(...sizes, pointer, outputs[0].pointer, 0) };
    },
  grad:
    ({ kernels }) =>
    ({ inputs, dInputs, dOutputs }) => {
      const { shape } = inputs[0]!;
      const sizes: Sizes = [shape[0] * shape[1], shape[2], shape[3], shape[2], shape[3], 1, 1, 0, 0, 1, 1];
      return { scratch: 0, run: () => kernels.average_pool_grad_f32(...sizes, dOutputs[0], dInputs[0], 0) };
    },
};
