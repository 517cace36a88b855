import { expected, ShapeError } from "../errors.js";
import { showShape, sizeOf } from "../tensor.js";
import { axesOf, integer, only, shapeOf } from "./attributes.js";
import { checkRank, inputOf, knownIntegers, optionalIntegers, sized } from "./known.js";
import { bytesOf, type Op, ofAny } from "./op.js";

/** The same values in another shape: a plan gives both one place, and only what is known while planning is copied. */
const lower: Op["lower"] =
  ({ kernels }) =>
  ({ inputs, outputs }) => ({
    scratch: 0,
    run: kernels.copy_bytes.bind(undefined, bytesOf(inputs[0]!), inputs[0]!.pointer, outputs[0].pointer),
  });

/** [d0, .., dn] -> [d0 * .. * d(axis - 1), d(axis) * .. * dn]. */
export const flatten: Op = {
  alias: true,
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
};

export const identity: Op = {
  alias: true,
  attrs: (node) => only(node, []),
  infer: ofAny((node, inputs) => [shapeOf(node, inputs, 0)]),
  lower,
};

/** The elements in another shape: 0 stands for the input's own size there (or with allowzero for none), one -1 for what is left. */
export const reshape: Op = {
  alias: true,
  attrs: (node) => only(node, ["allowzero"]),
  infer(node, inputs) {
    const { dtype, shape, known } = inputOf(node, inputs, 0);
    const wanted = knownIntegers(node, inputs, 1);
    const zero = integer(node, "allowzero", 0) === 0;
    const where = `${node.name} (Reshape)`;
    if (wanted.filter((size) => size === -1).length > 1) {
      throw new ShapeError(expected(where, "at most one -1", showShape(wanted)));
    }
    if (!zero && wanted.includes(0) && wanted.includes(-1)) {
      throw new ShapeError(expected(where, "no -1 beside a 0 that allowzero takes at its word", showShape(wanted)));
    }
    const sizes = wanted.map((size, i) => {
      if (size !== 0 || !zero) return size;
      if (i >= shape.length) throw new ShapeError(expected(where, `a size where ${showShape(shape)} ends`, "0"));
      return shape[i];
    });
    const rest = sizes.reduce((product, size) => (size === -1 ? product : product * size), 1);
    const made = sizes.map((size) => (size !== -1 ? size : rest === 0 ? 0 : sizeOf(shape) / rest));
    const info = made.every((size) => Number.isSafeInteger(size) && size >= 0) ? sized(node, dtype, made) : undefined;
    if (!info || sizeOf(made) !== sizeOf(shape)) {
      throw new ShapeError(expected(where, `a shape of ${sizeOf(shape)} elements`, showShape(wanted)));
    }
    return [{ ...info, known }];
  },
  lower,
};

/** Without the dimensions of size 1 that `axes` names, or without all of them. */
export const squeeze: Op = {
  alias: true,
  attrs: (node) => only(node, []),
  infer(node, inputs) {
    const { dtype, shape, known } = inputOf(node, inputs, 0);
    const given = optionalIntegers(node, inputs, 1);
    const axes = given ? axesOf(node, given, shape.length) : [...shape.keys()].filter((i) => shape[i] === 1);
    for (const axis of axes) {
      if (shape[axis] !== 1) {
        throw new ShapeError(expected(`${node.name} (Squeeze)`, `size 1 at axis ${axis}`, showShape(shape)));
      }
    }
    return [{ dtype, shape: shape.filter((_, i) => !axes.includes(i)), known }];
  },
  lower,
};

/** With dimensions of size 1 where `axes` says that they stand in the result. */
export const unsqueeze: Op = {
  alias: true,
  attrs: (node) => only(node, []),
  infer(node, inputs) {
    const { dtype, shape, known } = inputOf(node, inputs, 0);
    const given = knownIntegers(node, inputs, 1);
    checkRank(`${node.name} (Unsqueeze)`, [...shape, ...given]);
    const axes = axesOf(node, given, shape.length + given.length);
    const rest = shape[Symbol.iterator]();
    const made = Array.from({ length: shape.length + axes.length }, (_, i) =>
      axes.includes(i) ? 1 : (rest.next().value as number),
    );
    return [{ dtype, shape: made, known }];
  },
  lower,
};
