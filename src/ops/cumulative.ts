import { type DType, isFloat } from "../dtype.js";
import { expected, ShapeError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import { axisOf, integer, only } from "./attributes.js";
import { around } from "./axis.js";
import { checkTypes } from "./elementwise.js";
import { knownIntegers } from "./known.js";
import type { Info, Op } from "./op.js";
import {
  combine,
  constant,
  launchOf,
  type Operand,
  type Recipe,
  recipeOf,
  rowByRow,
  standing,
  zero,
} from "./recipe.js";

/** The axis, which is an input here. */
function axisIn(node: GraphNode, inputs: readonly (Info | undefined)[]): number {
  const axes = knownIntegers(node, inputs, 1);
  if (axes.length !== 1)
    throw new ShapeError(expected(`${node.name} (${node.op}) axis`, "one integer", `${axes.length}`));
  return axisOf(node, axes[0], inputs[0]!.shape.length);
}

/** y[i] = x[0] op .. op x[i] along an axis; `exclusive` leaves out x[i], `reverse` begins at the end. */
function cumulative(op: "add" | "mul", neutral: (recipe: Recipe, x: Operand) => Operand): Op {
  return {
    attrs: (node) => only(node, ["exclusive", "reverse"]),
    infer(node, inputs) {
      const [{ dtype, shape }] = checkTypes(node, inputs.slice(0, 1), "numbers");
      axisIn(node, inputs);
      return [{ dtype, shape }];
    },
    lower:
      ({ kernels, node }) =>
      ({ inputs, outputs }) => {
        const x = standing(inputs[0]!);
        const recipe = recipeOf(kernels);
        const rows = {
          ...around(x.shape, axisIn(node, inputs)),
          move: true,
          reverse: integer(node, "reverse", 0) !== 0,
          exclusive: integer(node, "exclusive", 0) !== 0,
        };
        rowByRow(recipe, op, rows, x, standing(outputs[0]), neutral(recipe, x));
        return launchOf(recipe);
      },
  };
}

/** 1 of any type. */
export function one(recipe: Recipe, dtype: DType): Operand {
  const to = constant(recipe, "int64", 1n);
  if (!isFloat(dtype)) return { ...to, dtype };
  combine(recipe, "left", to, to, { ...to, dtype });
  return { ...to, dtype };
}

export const cumSum: Op = cumulative("add", (recipe, x) => zero(recipe, x.dtype));
export const cumProd: Op = cumulative("mul", (recipe, x) => one(recipe, x.dtype));
