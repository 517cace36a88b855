import { expected, ShapeError, UnsupportedError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import { showShape, sizeOf } from "../tensor.js";
import { axesOf, axisOf, integer, number, only, shapeOf } from "./attributes.js";
import { axisAttribute } from "./axis.js";
import { broadcastShape } from "./broadcast.js";
import { type Op, ofFloats } from "./op.js";
import {
  combine,
  fold,
  keptShape,
  launchOf,
  map,
  type Operand,
  type Recipe,
  recipeOf,
  reshaped,
  room,
  standing,
} from "./recipe.js";

/** Normalizations made of general kernels. */

/** Room for 1 / sqrt(mean x^2 + epsilon) over axes; it lies beside x. */
function inverseRoot(recipe: Recipe, x: Operand, axes: readonly number[], epsilon: number, to?: Operand): Operand {
  const root = to ?? room(recipe, keptShape(x.shape, axes));
  fold(recipe, "sumSquare", x, axes, root);
  map(recipe, "quotient", root, root, sizeOf(axes.map((axis) => x.shape[axis])), epsilon);
  map(recipe, "sqrt", root, root);
  map(recipe, "reciprocal", root, root, 1);
  return root;
}

/** y = x - mean x over axes. */
export function centred(recipe: Recipe, x: Operand, axes: readonly number[], y: Operand, to?: Operand): void {
  const mean = to ?? room(recipe, keptShape(x.shape, axes));
  fold(recipe, "sum", x, axes, mean);
  map(recipe, "quotient", mean, mean, sizeOf(axes.map((axis) => x.shape[axis])));
  combine(recipe, "sub", x, mean, y);
}

/** y = (x - mean) / sqrt(var + epsilon) over axes; where a caller wants them, mean and 1 / sqrt(var + epsilon) have places of their own. */
export function standardized(
  recipe: Recipe,
  x: Operand,
  axes: readonly number[],
  epsilon: number,
  y: Operand,
  mean?: Operand,
  inverse?: Operand,
): void {
  centred(recipe, x, axes, y, mean);
  combine(recipe, "mul", y, inverseRoot(recipe, y, axes, epsilon, inverse), y);
}

const from = (axis: number, shape: readonly number[]) => shape.map((_, i) => i).slice(axis);

/** Only float32 is what statistics are taken in here. @throws UnsupportedError */
function checkStash(node: GraphNode): void {
  if (integer(node, "stash_type", 1) !== 1) {
    throw new UnsupportedError(expected(`${node.name}.stash_type`, "1 (float32)", "another"));
  }
}

/** x / sqrt(mean x^2 + epsilon) scale over the dimensions from `axis` on. B. Zhang, R. Sennrich, "Root mean square layer normalization", 2019. */
export const rmsNormalization: Op = {
  attrs(node) {
    only(node, ["axis", "epsilon", "stash_type"]);
    checkStash(node);
    number(node, "epsilon", 1e-5);
  },
  infer: ofFloats((node, inputs) => {
    const [shape, scale] = [shapeOf(node, inputs, 0), shapeOf(node, inputs, 1)];
    axisAttribute(node, -1, shape);
    checkFits(node, 1, scale, shape);
    return [shape];
  }),
  lower:
    ({ kernels, node }) =>
    ({ inputs, outputs }) => {
      const recipe = recipeOf(kernels);
      const [x, scale] = inputs.slice(0, 2).map((slot) => standing(slot!));
      const y = standing(outputs[0]);
      const axes = from(axisAttribute(node, -1, x.shape), x.shape);
      combine(recipe, "mul", x, inverseRoot(recipe, x, axes, number(node, "epsilon", 1e-5)), y);
      combine(recipe, "mul", y, scale, y);
      return launchOf(recipe);
    },
};

/** @throws ShapeError where an input does not repeat to fill `shape` */
function checkFits(node: GraphNode, i: number, shape: readonly number[], to: readonly number[]): void {
  const fits = shape.length <= to.length && `${broadcastShape(node, [to, shape])}` === `${to}`;
  if (!fits) {
    throw new ShapeError(
      expected(`${node.name} (${node.op}) input ${i}`, `a shape within ${showShape(to)}`, showShape(shape)),
    );
  }
}

/** (x - mean) / sqrt(var + epsilon) over `groups(c)` groups of the c channels of each image, then scale and bias for each channel. */
function grouped(groups: (node: GraphNode, channels: number) => number, attributes: readonly string[]): Op {
  return {
    attrs(node) {
      only(node, ["epsilon", ...attributes]);
      checkStash(node);
      number(node, "epsilon", 1e-5);
    },
    infer: ofFloats((node, inputs) => {
      const shape = shapeOf(node, inputs, 0);
      if (shape.length < 2) {
        throw new ShapeError(expected(`${node.name} (${node.op})`, "batch and channels", showShape(shape)));
      }
      const count = groups(node, shape[1]);
      if (!(count > 0) || shape[1] % count !== 0) {
        throw new ShapeError(expected(`${node.name}.num_groups`, `a divisor of ${shape[1]}`, `${count}`));
      }
      for (const i of [1, 2]) {
        const given = shapeOf(node, inputs, i);
        if (given.length !== 1 || given[0] !== shape[1]) {
          throw new ShapeError(expected(`${node.name} (${node.op}) input ${i}`, `[${shape[1]}]`, showShape(given)));
        }
      }
      return [shape];
    }),
    lower:
      ({ kernels, node }) =>
      ({ inputs, outputs }) => {
        const recipe = recipeOf(kernels);
        const [x, scale, bias] = inputs.map((slot) => slot!);
        const [n, c] = x.shape;
        const plane = sizeOf(x.shape.slice(2));
        const rows = [n * groups(node, c), sizeOf(x.shape) === 0 ? 0 : (c / groups(node, c)) * plane];
        const y = standing(outputs[0]);
        const epsilon = number(node, "epsilon", 1e-5);
        standardized(recipe, reshaped(standing(x), rows), [1], epsilon, reshaped(y, rows));
        recipe.steps.push((scratch) =>
          kernels.scale_shift_f32(n, c, plane, y.at(scratch), scale.pointer, bias.pointer, y.at(scratch)),
        );
        return launchOf(recipe);
      },
  };
}

/** D. Ulyanov et al., "Instance normalization", 2016. */
export const instanceNormalization: Op = grouped((_, channels) => channels, []);

/** Y. Wu, K. He, "Group normalization", 2018. */
export const groupNormalization: Op = grouped((node) => integer(node, "num_groups", 0), ["num_groups", "stash_type"]);

/** x / the p-norm along an axis, p 1 or 2; where that is 0, 0. */
export const lpNormalization: Op = {
  attrs(node) {
    only(node, ["axis", "p"]);
    const p = integer(node, "p", 2);
    if (p !== 1 && p !== 2) throw new ShapeError(expected(`${node.name}.p`, "1 or 2", `${p}`));
  },
  infer: ofFloats((node, inputs) => {
    const shape = shapeOf(node, inputs, 0);
    axisAttribute(node, -1, shape);
    return [shape];
  }),
  lower:
    ({ kernels, node }) =>
    ({ inputs, outputs }) => {
      const recipe = recipeOf(kernels);
      const x = standing(inputs[0]!);
      const axes = [axisAttribute(node, -1, x.shape)];
      const norm = room(recipe, keptShape(x.shape, axes));
      if (integer(node, "p", 2) === 1) {
        const sizes = room(recipe, x.shape);
        map(recipe, "abs", x, sizes);
        fold(recipe, "sum", sizes, axes, norm);
      } else {
        fold(recipe, "sumSquare", x, axes, norm);
        map(recipe, "sqrt", norm, norm);
      }
      // The smallest float in the place of 0, which all of x are then.
      map(recipe, "clip", norm, norm, 1.401298464324817e-45, Number.POSITIVE_INFINITY);
      combine(recipe, "div", x, norm, standing(outputs[0]));
      return launchOf(recipe);
    },
};

/** (x - mean) / (sqrt var + 1e-9) over axes. */
export const meanVarianceNormalization: Op = {
  attrs: (node) => only(node, ["axes"]),
  infer: ofFloats((node, inputs) => {
    const shape = shapeOf(node, inputs, 0);
    axesFor(node, shape);
    return [shape];
  }),
  lower:
    ({ kernels, node }) =>
    ({ inputs, outputs }) => {
      const recipe = recipeOf(kernels);
      const x = standing(inputs[0]!);
      const y = standing(outputs[0]);
      const axes = axesFor(node, x.shape);
      centred(recipe, x, axes, y);
      const deviation = room(recipe, keptShape(x.shape, axes));
      fold(recipe, "sumSquare", y, axes, deviation);
      map(recipe, "quotient", deviation, deviation, sizeOf(axes.map((axis) => x.shape[axis])));
      map(recipe, "sqrt", deviation, deviation);
      map(recipe, "quotient", deviation, deviation, 1, 1e-9);
      combine(recipe, "div", y, deviation, y);
      return launchOf(recipe);
    },
};

function axesFor(node: GraphNode, shape: readonly number[]): number[] {
  const axes = node.attributes.axes ?? [0, 2, 3];
  if (!Array.isArray(axes)) throw new ShapeError(expected(`${node.name}.axes`, "a list of integers", String(axes)));
  return axesOf(node, axes as number[], shape.length);
}

/**
 * x / (bias + alpha / size sum x^2)^beta, the sum over the `size` channels around each. The power is e^(-beta log), within
 * 2^-24 (4 + 2 beta |log|) of the exact one. A. Krizhevsky et al., "ImageNet classification with deep convolutional neural networks", 2012.
 */
export const lrn: Op = {
  attrs(node) {
    only(node, ["alpha", "beta", "bias", "size"]);
    if (!(integer(node, "size", 0) > 0)) throw new ShapeError(expected(`${node.name}.size`, "1 or more", "less"));
    for (const name of ["alpha", "beta", "bias"]) number(node, name, 1);
  },
  infer: ofFloats((node, inputs) => {
    const shape = shapeOf(node, inputs, 0);
    axisOf(node, 1, shape.length);
    return [shape];
  }),
  lower:
    ({ kernels, node }) =>
    ({ inputs, outputs }) => {
      const recipe = recipeOf(kernels);
      const x = standing(inputs[0]!);
      const [n, c] = x.shape;
      const plane = sizeOf(x.shape.slice(2));
      const size = integer(node, "size", 1);
      const [squares, sums] = [room(recipe, x.shape), room(recipe, x.shape)];
      combine(recipe, "mul", x, x, squares);
      combine(recipe, "mul", x, x, sums);
      // The channels from (size - 1) / 2 before to size / 2 after, both rounded down and up.
      for (let d = -Math.min(c, Math.floor((size - 1) / 2)); d <= Math.min(c, Math.ceil((size - 1) / 2)); d++) {
        if (d === 0 || Math.abs(d) >= c) continue;
        const length = (c - Math.abs(d)) * plane;
        const [first, source] = [4 * Math.max(0, -d) * plane, 4 * Math.max(0, d) * plane];
        recipe.steps.push((scratch) => {
          for (let image = 0; image < n; image++) {
            const at = 4 * image * c * plane;
            const to = sums.at(scratch) + at + first;
            kernels.add_f32(length, to, squares.at(scratch) + at + source, to);
          }
        });
      }
      const alpha = number(node, "alpha", 1e-4);
      map(recipe, "quotient", sums, sums, size / alpha, number(node, "bias", 1));
      map(recipe, "log", sums, sums);
      map(recipe, "quotient", sums, sums, -1 / number(node, "beta", 0.75));
      map(recipe, "exp", sums, sums);
      combine(recipe, "mul", x, sums, standing(outputs[0]));
      return launchOf(recipe);
    },
};
