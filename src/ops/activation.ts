import { expected, UnsupportedError } from "../errors.js";
import { sizeOf } from "../tensor.js";
import { integer, only, shapeOf } from "./attributes.js";
import type { Op } from "./op.js";

/** max(x, 0). */
export const relu: Op = {
  attrs: (node) => only(node, []),
  infer: (node, inputs) => [shapeOf(node, inputs, 0)],
  lower:
    ({ kernels }) =>
    ({ inputs, outputs }) => {
      const x = inputs[0]!;
      const size = sizeOf(x.shape);
      return { scratch: 0, run: () => kernels.relu_f32(size, x.pointer, outputs[0].pointer) };
    },
  grad:
    ({ kernels }) =>
    ({ outputs, dInputs, dOutputs }) => {
      const size = sizeOf(outputs[0].shape);
      return { scratch: 0, run: () => kernels.relu_grad_f32(size, outputs[0].pointer, dOutputs[0], dInputs[0]) };
    },
};

/** exp(x) / sum exp(x) along the last axis. */
export const softmax: Op = {
  attrs: (node) => only(node, ["axis"]),
  infer(node, inputs) {
    const shape = shapeOf(node, inputs, 0);
    const axis = integer(node, "axis", -1);
    if (axis !== -1 && axis !== shape.length - 1) {
      throw new UnsupportedError(expected(`${node.name}.axis`, `the last axis (${shape.length - 1} or -1)`, `${axis}`));
    }
    return [shape];
  },
  lower:
    ({ kernels }) =>
    ({ inputs, outputs }) => {
      const { pointer, shape } = inputs[0]!;
      const cols = shape[shape.length - 1] ?? 1;
      const rows = cols === 0 ? 0 : sizeOf(shape) / cols;
      return { scratch: 0, run: () => kernels.softmax_f32(rows, cols, pointer, outputs[0].pointer) };
    },
  grad:
    ({ kernels }) =>
    ({ outputs, dInputs, dOutputs }) => {
      const { pointer, shape } = outputs[0];
      const cols = shape[shape.length - 1] ?? 1;
      const rows = cols === 0 ? 0 : sizeOf(shape) / cols;
      return { scratch: 0, run: () => kernels.softmax_grad_f32(rows, cols, pointer, dOutputs[0], dInputs[0]) };
    },
};
