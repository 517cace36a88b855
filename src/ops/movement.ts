import { expected, ShapeError } from "../errors.js";
import { showShape, sizeOf } from "../tensor.js";
import { integer, only, shapeOf } from "./attributes.js";
import { bytesOf, type Op, ofAny } from "./op.js";

/** The same values in another shape: nothing moves where the memory plan gives both one place. */
const lower: Op["lower"] =
  ({ kernels }) =>
  ({ inputs, outputs }) => {
    const x = inputs[0]!;
    const y = outputs[0].pointer;
    const size = bytesOf(x);
    return { scratch: 0, run: () => (x.pointer === y ? undefined : kernels.copy_bytes(size, x.pointer, y)) };
  };

const grad: NonNullable<Op["grad"]> =
  ({ kernels }) =>
  ({ outputs, dInputs, dOutputs }) => {
    const size = sizeOf(outputs[0].shape);
    return { scratch: 0, run: () => kernels.add_into_f32(size, dOutputs[0], dInputs[0]) };
  };

/** [d0, .., dn] -> [d0 * .. * d(axis - 1), d(axis) * .. * dn]. */
export const flatten: Op = {
  inPlace: true,
  attrs: (node) => only(node, ["axis"]),
  infer: ofAny((node, inputs) => {
    const shape = shapeOf(node, inputs, 0);
    const axis = integer(node, "axis", 1);
    const at = axis < 0 ? axis + shape.length : axis;
    if (at < 0 || at > shape.length) {
      throw new ShapeError(expected(`${node.name}.axis`, `an axis of ${showShape(shape)}`, `${axis}`));
    }
    return [[sizeOf(shape.slice(0, at)), sizeOf(shape.slice(at))]];
  }),
  lower,
  grad,
};

export const identity: Op = {
  inPlace: true,
  attrs: (node) => only(node, []),
  infer: ofAny((node, inputs) => [shapeOf(node, inputs, 0)]),
  lower,
  grad,
};
