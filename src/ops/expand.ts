import { expected, ShapeError } from "../errors.js";
import { showShape } from "../tensor.js";
import { only } from "./attributes.js";
import { inputOf, knownIntegers, sized } from "./known.js";
import { between, type Dimension, moving, steps, widthOf } from "./move.js";
import type { Op } from "./op.js";

/** x repeated along its dimensions of size 1, and along new ones before them, to the shape that both it and input 1 broadcast to. */
export const expand: Op = {
  attrs: (node) => only(node, []),
  infer(node, inputs) {
    const { dtype, shape } = inputOf(node, inputs, 0);
    const wanted = knownIntegers(node, inputs, 1);
    const rank = Math.max(shape.length, wanted.length);
    const made = Array.from({ length: rank }, (_, i) => {
      const own = shape[i - rank + shape.length] ?? 1;
      const other = wanted[i - rank + wanted.length] ?? 1;
      if (own !== other && own !== 1 && other !== 1) {
        throw new ShapeError(
          expected(`${node.name} (Expand)`, `a shape that ${showShape(shape)} broadcasts with`, showShape(wanted)),
        );
      }
      return own === 1 ? other : own;
    });
    return [sized(node, dtype, made)];
  },
  lower({ kernels }) {
    return ({ inputs, outputs }) => {
      const x = inputs[0]!;
      const [y] = outputs;
      const width = widthOf(x);
      const missing = y.shape.length - x.shape.length;
      const own = steps(x.shape, width);
      const from = y.shape.map((_, i) => (i < missing || x.shape[i - missing] === 1 ? 0 : own[i - missing]));
      const dims = between(y.shape, from, steps(y.shape, width));
      return { scratch: 0, run: moving(kernels, width, [{ dims, x: x.pointer, y: y.pointer }]) };
    };
  },
};

/** x repeated as often as input 1 says, along each dimension. */
export const tile: Op = {
  attrs: (node) => only(node, []),
  infer(node, inputs) {
    const { dtype, shape } = inputOf(node, inputs, 0);
    const repeats = knownIntegers(node, inputs, 1);
    if (repeats.length !== shape.length || repeats.some((count) => count < 0)) {
      throw new ShapeError(expected(`${node.name} (Tile)`, `repeats for ${showShape(shape)}`, showShape(repeats)));
    }
    const made = shape.map((size, i) => size * repeats[i]);
    return [sized(node, dtype, made)];
  },
  lower({ node, kernels }) {
    return ({ inputs, outputs }) => {
      const x = inputs[0]!;
      const [y] = outputs;
      const width = widthOf(x);
      const repeats = knownIntegers(node, inputs, 1);
      const [from, to] = [steps(x.shape, width), steps(y.shape, width)];
      const dims = x.shape.flatMap((size, i): Dimension[] => [
        { size: repeats[i], from: 0, to: size * to[i] },
        { size, from: from[i], to: to[i] },
      ]);
      return { scratch: 0, run: moving(kernels, width, [{ dims, x: x.pointer, y: y.pointer }]) };
    };
  },
};
