import { expected, ShapeError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import { showShape } from "../tensor.js";
import { integer, only, shapeOf, word } from "./attributes.js";
import { between, type Dimension, moving, steps, undoing, widthOf } from "./move.js";
import { type Op, ofAny } from "./op.js";

/** A tensor seen in another shape, whose dimensions go to other places: dimension i of the result is perm[i] of the source. */
interface Turned {
  readonly shape: readonly number[];
  readonly perm: readonly number[];
}

/** An operator that turns dimensions, from what it makes of a shape and the shape of its result. */
function turning(attrs: Op["attrs"], turned: (node: GraphNode, shape: readonly number[]) => Turned & Result): Op {
  return {
    attrs,
    infer: ofAny((node, inputs) => [turned(node, shapeOf(node, inputs, 0)).result]),
    lower({ node, kernels }) {
      return ({ inputs, outputs }) => {
        const x = inputs[0]!;
        const width = widthOf(x);
        const dims = turnedDims(turned(node, x.shape), width);
        const run = moving(kernels, width, [{ dims, x: x.pointer, y: outputs[0].pointer }]);
        return { scratch: 0, run };
      };
    },
    grad({ node, kernels }) {
      return ({ inputs, dInputs, dOutputs }) => {
        const dims = turnedDims(turned(node, inputs[0]!.shape), 4);
        return undoing(kernels, [{ dims, x: dInputs[0], y: dOutputs[0] }]);
      };
    },
  };
}

function turnedDims({ shape, perm }: Turned, width: number): Dimension[] {
  const from = steps(shape, width);
  const sizes = perm.map((axis) => shape[axis]);
  return between(
    sizes,
    perm.map((axis) => from[axis]),
    steps(sizes, width),
  );
}

interface Result {
  readonly result: readonly number[];
}

/** Dimension i of y is dimension perm[i] of x; without perm they stand in reverse. */
export const transpose: Op = turning(
  (node) => only(node, ["perm"]),
  (node, shape) => {
    const perm = (node.attributes.perm as number[] | undefined) ?? [...shape.keys()].reverse();
    const places = new Set(Array.isArray(perm) ? perm : []);
    if (perm.length !== shape.length || shape.some((_, i) => !places.has(i))) {
      throw new ShapeError(expected(`${node.name}.perm`, `each axis of ${showShape(shape)} once`, String(perm)));
    }
    return { shape, perm, result: perm.map((axis) => shape[axis]) };
  },
);

/** Channels [n, c, h, w] into blocks of pixels [n, c / b^2, h b, w b]; mode DCR takes them depth first, CRD column first. */
export const depthToSpace: Op = turning(
  (node) => {
    only(node, ["blocksize", "mode"]);
    word(node, "mode", ["DCR", "CRD"], "DCR");
  },
  (node, shape) => {
    const b = blockOf(node, shape);
    const [n, c, h, w] = shape;
    const depth = c / (b * b);
    if (!Number.isInteger(depth)) {
      throw new ShapeError(expected(`${node.name} (DepthToSpace)`, `channels in blocks of ${b * b}`, showShape(shape)));
    }
    const result = [n, depth, h * b, w * b];
    return node.attributes.mode === "CRD"
      ? { shape: [n, depth, b, b, h, w], perm: [0, 1, 4, 2, 5, 3], result }
      : { shape: [n, b, b, depth, h, w], perm: [0, 3, 4, 1, 5, 2], result };
  },
);

/** Blocks of pixels [n, c, h, w] into channels [n, b^2 c, h / b, w / b]. */
export const spaceToDepth: Op = turning(
  (node) => only(node, ["blocksize"]),
  (node, shape) => {
    const b = blockOf(node, shape);
    const [n, c, h, w] = shape;
    if (h % b !== 0 || w % b !== 0) {
      throw new ShapeError(expected(`${node.name} (SpaceToDepth)`, `sides in blocks of ${b}`, showShape(shape)));
    }
    const [high, wide] = [h / b, w / b];
    const result = [n, c * b * b, high, wide];
    return { shape: [n, c, high, b, wide, b], perm: [0, 3, 5, 1, 2, 4], result };
  },
);

function blockOf(node: GraphNode, shape: readonly number[]): number {
  const b = integer(node, "blocksize", 0);
  if (b < 1 || shape.length !== 4) {
    throw new ShapeError(
      expected(`${node.name} (${node.op})`, "images [n, c, h, w] and a blocksize from 1", `${showShape(shape)}, ${b}`),
    );
  }
  return b;
}
