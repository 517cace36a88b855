import type { GraphNode } from "../graph/graph.js";
import { sizeOf } from "../tensor.js";
import { axisOf, integer, only, shapeOf } from "./attributes.js";
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
  room,
  standing,
} from "./recipe.js";

const along: Pick<Op, "attrs" | "infer" | "inPlace"> = {
  inPlace: true,
  attrs: (node) => only(node, ["axis"]),
  infer: ofFloats((node, inputs) => {
    const shape = shapeOf(node, inputs, 0);
    axisIn(node, shape);
    return [shape];
  }),
};

/** The axis; of a scalar none, and 0 is taken for it. */
export function axisIn(node: GraphNode, shape: readonly number[]): number {
  return axisOf(node, integer(node, "axis", -1), Math.max(1, shape.length));
}

/** y = x - max x along an axis. */
function shifted(recipe: Recipe, axis: number, x: Operand, y: Operand): void {
  const most = room(recipe, keptShape(x.shape, [axis]));
  fold(recipe, "max", x, [axis], most);
  combine(recipe, "sub", x, most, y);
}

/** exp(x) / sum exp(x) along an axis, the last unless told otherwise. */
export const softmax: Op = {
  ...along,
  lower:
    ({ kernels, node }) =>
    ({ inputs, outputs }) => {
      const { pointer, shape } = inputs[0]!;
      const axis = axisIn(node, shape);
      if (sizeOf(shape.slice(axis + 1)) === 1) {
        const cols = shape[axis] ?? 1;
        const rows = cols === 0 ? 0 : sizeOf(shape) / cols;
        return { scratch: 0, run: () => kernels.softmax_f32(rows, cols, pointer, outputs[0].pointer) };
      }
      const recipe = recipeOf(kernels);
      const y = standing(outputs[0]);
      shifted(recipe, axis, standing(inputs[0]!), y);
      map(recipe, "exp", y, y);
      const sum = room(recipe, keptShape(shape, [axis]));
      fold(recipe, "sum", y, [axis], sum);
      combine(recipe, "div", y, sum, y);
      return launchOf(recipe);
    },
};

/** y = x - max x - log sum exp(x - max x) along an axis. */
export function logSoftmaxOf(recipe: Recipe, axis: number, x: Operand, y: Operand): void {
  shifted(recipe, axis, x, y);
  const powers = room(recipe, x.shape);
  map(recipe, "exp", y, powers);
  const sum = room(recipe, keptShape(x.shape, [axis]));
  fold(recipe, "sum", powers, [axis], sum);
  map(recipe, "log", sum, sum);
  combine(recipe, "sub", y, sum, y);
}

export const logSoftmax: Op = {
  ...along,
  lower:
    ({ kernels, node }) =>
    ({ inputs, outputs }) => {
      const recipe = recipeOf(kernels);
      const axis = axisIn(node, outputs[0].shape);
      logSoftmaxOf(recipe, axis, standing(inputs[0]!), standing(outputs[0]));
      return launchOf(recipe);
    },
};
