import { isFloat } from "../dtype.js";
import { expected, ShapeError } from "../errors.js";
import { sizeOf } from "../tensor.js";
import { only } from "./attributes.js";
import { dtypeOf, viewing } from "./element.js";
import { inputOf } from "./known.js";
import type { Op } from "./op.js";
import { combine, copy, launchOf, type Operand, type Recipe, recipeOf, standing, zero } from "./recipe.js";

/**
 * y = x in the type of y: a float toward zero, an integer wrapped, a bool whether it is not 0; float16 and bfloat16, which stand
 * in memory as float32, by what they can hold.
 */
export function convert(recipe: Recipe, x: Operand, y: Operand): void {
  const float = isFloat(y.dtype);
  if (y.dtype === "bool" && x.dtype !== "bool") combine(recipe, "unequal", x, zero(recipe, x.dtype), y);
  else if (!float || !isFloat(x.dtype)) combine(recipe, "left", x, x, y);
  else copy(recipe, x, y);
  if (x.dtype === y.dtype) return;
  if (y.dtype === "float16") round(recipe, y, 13);
  else if (y.dtype === "bfloat16") round(recipe, y, 16);
  else if (y.dtype === "int4" || y.dtype === "uint4") wrap(recipe, y);
}

/** To the nearest float with `bits` fewer digits, of two the even one: in TypeScript. */
function round({ kernels, steps }: Recipe, y: Operand, bits: 13 | 16): void {
  const size = sizeOf(y.shape);
  const half = (1 << (bits - 1)) - 1;
  const [asFloats, asWords] = [viewing(kernels, "float32", size), viewing(kernels, "uint32", size)];
  steps.push((scratch) => {
    const floats = asFloats(y.at(scratch)) as Float32Array;
    const words = asWords(y.at(scratch)) as Uint32Array;
    for (let i = 0; i < size; i++) {
      const word = words[i];
      const magnitude = word & 0x7fffffff;
      if (magnitude > 0x7f800000) continue;
      if (bits === 13 && magnitude < 0x38800000) {
        // Denormal halves are multiples of 2^-24, which is the last place of 1/2.
        const sum = Math.fround(Math.abs(floats[i]) + 0.5) - 0.5;
        floats[i] = word >>> 31 ? -sum : sum;
      } else if (bits === 13 && magnitude >= 0x477ff000) words[i] = (word & 0x80000000) | 0x7f800000;
      else words[i] = ((word + half + ((word >>> bits) & 1)) >>> bits) << bits;
    }
  });
}

/** To four bits, the sign among them for int4: in TypeScript. */
function wrap({ kernels, steps }: Recipe, y: Operand): void {
  const size = sizeOf(y.shape);
  const signed = y.dtype === "int4";
  const asBytes = viewing(kernels, "int8", size);
  steps.push((scratch) => {
    const data = asBytes(y.at(scratch)) as Int8Array;
    for (let i = 0; i < size; i++) data[i] = signed ? (data[i] << 28) >> 28 : data[i] & 15;
  });
}

const lower: Op["lower"] =
  ({ kernels }) =>
  ({ inputs, outputs }) => {
    const recipe = recipeOf(kernels);
    convert(recipe, standing(inputs[0]!), standing(outputs[0]));
    return launchOf(recipe);
  };

/** X in the type `to`. `saturate` and `round_mode` are about types that do not run here. */
export const cast: Op = {
  attrs(node) {
    only(node, ["to", "saturate", "round_mode"]);
    if (node.attributes.to === undefined) throw new ShapeError(expected(`${node.name}.to`, "an element type", "none"));
    dtypeOf(node, "to", "float32");
  },
  infer: (node, inputs) => [{ dtype: dtypeOf(node, "to", "float32"), shape: inputOf(node, inputs, 0).shape }],
  lower,
};

/** X in the type of the second input. */
export const castLike: Op = {
  attrs: (node) => only(node, ["saturate", "round_mode"]),
  infer: (node, inputs) => [{ dtype: inputOf(node, inputs, 1).dtype, shape: inputOf(node, inputs, 0).shape }],
  lower,
};
