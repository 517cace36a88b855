import { expected, ShapeError } from "../errors.js";
import { showShape } from "../tensor.js";
import { only } from "./attributes.js";
import { inputOf, knownIntegers, sized } from "./known.js";
import { between, type Dimension, type Move, moving, steps, undoing, widthOf } from "./move.js";
import { gradientsOf, type Op, type Slot } from "./op.js";

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
      return { scratch: 0, run: moving(kernels, widthOf(x), [expanded(x, outputs[0])]) };
    };
  },
  grad:
    ({ kernels }) =>
    (io) =>
      undoing(kernels, [expanded(...gradientsOf(io))]),
};

function expanded(x: Slot, y: Slot): Move {
  const width = widthOf(x);
  const missing = y.shape.length - x.shape.length;
  const own = steps(x.shape, width);
  const from = y.shape.map((_, i) => (i < missing || x.shape[i - missing] === 1 ? 0 : own[i - missing]));
  return { dims: between(y.shape, from, steps(y.shape, width)), x: x.pointer, y: y.pointer };
}

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
      const move = tiled(x, outputs[0], knownIntegers(node, inputs, 1));
      return { scratch: 0, run: moving(kernels, widthOf(x), [move]) };
    };
  },
  grad:
    ({ node, kernels }) =>
    (io) =>
      undoing(kernels, [tiled(...gradientsOf(io), knownIntegers(node, io.inputs, 1))]),
};

function tiled(x: Slot, y: Slot, repeats: readonly number[]): Move {
  const width = widthOf(x);
  const [from, to] = [steps(x.shape, width), steps(y.shape, width)];
  const dims = x.shape.flatMap((size, i): Dimension[] => [
    { size: repeats[i], from: 0, to: size * to[i] },
    { size, from: from[i], to: to[i] },
  ]);
  return { dims, x: x.pointer, y: y.pointer };
}
