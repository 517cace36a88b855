import { isFloat } from "../dtype.js";
import { expected, ShapeError } from "../errors.js";
import { showShape, sizeOf } from "../tensor.js";
import { number, only } from "./attributes.js";
import { checkTypes } from "./elementwise.js";
import { boundsOf, zeroOf } from "./held.js";
import type { Op } from "./op.js";
import { combine, copy, launchOf, map, recipeOf, reshaped, standing } from "./recipe.js";

/**
 * min(max(x, lo), hi), NaN for NaN; lo and hi are the attributes min and max, or inputs 1 and 2, each of which may be absent. Numbers of any
 * type.
 */
export const clip: Op = {
  attrs(node) {
    only(node, ["min", "max"]);
    for (const name of ["min", "max"]) number(node, name, 0);
  },
  infer(node, inputs) {
    const [{ dtype, shape }] = checkTypes(node, inputs.slice(0, 1), "numbers");
    for (const i of [1, 2]) {
      const bound = inputs[i];
      if (!bound) continue;
      checkTypes(node, [inputs[0], bound], "numbers", 2);
      if (sizeOf(bound.shape) !== 1) {
        throw new ShapeError(expected(`${node.name} (Clip) input ${i}`, "one value", showShape(bound.shape)));
      }
    }
    return [{ dtype, shape }];
  },
  inPlace: true,
  lower:
    ({ kernels, node }) =>
    ({ inputs, outputs }) => {
      const [x, least, most] = inputs;
      const recipe = recipeOf(kernels);
      const [from, to] = [standing(x!), standing(outputs[0])];
      if (isFloat(x!.dtype) && [least, most].every((bound) => !bound || bound.known)) {
        const [lo, hi] = boundsOf(node, (i) => Number(inputs[i]!.known![0]));
        map(recipe, "clip", from, to, lo, hi, zeroOf(lo));
        return launchOf(recipe);
      }
      if (least) combine(recipe, "max", from, reshaped(standing(least), []), to);
      if (most) combine(recipe, "min", least ? to : from, reshaped(standing(most), []), to);
      if (!least && !most) copy(recipe, from, to);
      return launchOf(recipe);
    },
  /** Bounds are constants: no gradient leads to them. */
  grad:
    ({ node, kernels }) =>
    ({ inputs, dInputs, dOutputs }) => {
      const { pointer, shape } = inputs[0]!;
      const [lo, hi] = boundsOf(node, (i) => new Float32Array(kernels.memory.buffer, inputs[i]!.pointer, 1)[0]);
      return {
        scratch: 0,
        run: kernels.clip_grad_f32.bind(undefined, sizeOf(shape), pointer, dOutputs[0], dInputs[0], lo, hi),
      };
    },
};
