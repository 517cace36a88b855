import { isFloat } from "../dtype.js";
import { expected, UnsupportedError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import { integer, only } from "./attributes.js";
import { one } from "./cumulative.js";
import { checkFloats, inputOf } from "./known.js";
import { type Info, NeedsValue, type Op } from "./op.js";
import { combine, copy, launchOf, recipeOf, standing } from "./recipe.js";

/** Nothing is dropped in inference: y = x, and the mask is all true. Inputs x, ratio, training_mode. */
export const dropout: Op = {
  inPlace: true,
  attrs(node) {
    only(node, ["seed"]);
    integer(node, "seed", 0);
  },
  infer(node, inputs) {
    checkFloats(node, inputs, 0);
    const { dtype, shape } = inputOf(node, inputs, 0);
    checkInference(node, inputs);
    return [
      { dtype, shape },
      { dtype: "bool", shape },
    ];
  },
  lower:
    ({ kernels }) =>
    ({ inputs, outputs }) => {
      const recipe = recipeOf(kernels);
      const [y, mask] = outputs;
      const x = standing(inputs[0]!);
      if (y) copy(recipe, x, standing(y));
      if (mask) {
        const always = one(recipe, "bool");
        combine(recipe, "left", always, always, standing(mask));
      }
      return launchOf(recipe);
    },
};

/** @throws UnsupportedError where something would be dropped; NeedsValue */
function checkInference(node: GraphNode, inputs: readonly (Info | undefined)[]): void {
  const [, ratio, training] = inputs;
  if (!training) return;
  if (!training.known) throw new NeedsValue(2);
  if (!Number(training.known[0])) return;
  if (ratio && !ratio.known) throw new NeedsValue(1);
  if (Number(ratio?.known?.[0] ?? 0.5) !== 0 || !isFloat(ratio!.dtype)) {
    throw new UnsupportedError(expected(`${node.name} (Dropout) training_mode`, "false, or a ratio of 0", "true"));
  }
}
