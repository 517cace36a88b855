import { bytesPerElement, isFloat } from "../dtype.js";
import type { GraphNode } from "../graph/graph.js";
import { sizeOf } from "../tensor.js";
import { axesOf, integer, only } from "./attributes.js";
import { convert } from "./cast.js";
import { one } from "./cumulative.js";
import { checkTypes, type Numbers } from "./elementwise.js";
import { optionalIntegers } from "./known.js";
import type { Info, Op } from "./op.js";
import {
  accumulate,
  combine,
  constant,
  copy,
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
  zero,
} from "./recipe.js";

type Make = (recipe: Recipe, x: Operand, axes: readonly number[], y: Operand) => void;

/** The axes that are reduced: given as an input, else all; undefined where there are none and that means nothing is done. */
export function axesIn(node: GraphNode, inputs: readonly (Info | undefined)[]): readonly number[] | undefined {
  const { shape } = inputs[0]!;
  const given = optionalIntegers(node, inputs, 1) ?? [];
  if (given.length > 0) return axesOf(node, given, shape.length);
  return integer(node, "noop_with_empty_axes", 0) !== 0 ? undefined : shape.map((_, i) => i);
}

/** A reduction over axes. `floats` makes a float of floats; `ints` an integer of integers, and without it they go through float32. */
function reduction(numbers: Numbers, floats: Make, ints?: Make): Op {
  return {
    attrs: (node) => only(node, ["keepdims", "noop_with_empty_axes"]),
    infer(node, inputs) {
      const [{ dtype, shape }] = checkTypes(node, inputs.slice(0, 1), numbers);
      const axes = axesIn(node, inputs);
      if (!axes) return [{ dtype, shape }];
      const kept = integer(node, "keepdims", 1) !== 0;
      return [{ dtype, shape: kept ? keptShape(shape, axes) : shape.filter((_, i) => !axes.includes(i)) }];
    },
    lower:
      ({ kernels, node }) =>
      ({ inputs, outputs }) => {
        const recipe = recipeOf(kernels);
        const x = standing(inputs[0]!);
        const axes = axesIn(node, inputs);
        if (!axes) {
          copy(recipe, x, standing(outputs[0]));
          return launchOf(recipe);
        }
        const y = reshaped(standing(outputs[0]), keptShape(x.shape, axes));
        if (isFloat(x.dtype)) floats(recipe, x, axes, y);
        else if (ints) ints(recipe, x, axes, y);
        else {
          const [from, to] = [room(recipe, x.shape), room(recipe, y.shape)];
          convert(recipe, x, from);
          floats(recipe, from, axes, to);
          convert(recipe, to, y);
        }
        return launchOf(recipe);
      },
  };
}

/** Integers: the sum of what `each` makes of them. */
const total =
  (each?: (recipe: Recipe, x: Operand, to: Operand) => void): Make =>
  (recipe, x, axes, y) => {
    const from = each ? room(recipe, x.shape, x.dtype) : x;
    each?.(recipe, x, from);
    accumulate(recipe, "add", from, axes, y, () => zero(recipe, x.dtype));
  };

const countOf = (x: Operand, axes: readonly number[]) => sizeOf(axes.map((axis) => x.shape[axis]));

export const reduceSum: Op = reduction("numbers", (recipe, x, axes, y) => fold(recipe, "sum", x, axes, y), total());

/** Integers toward zero. */
export const reduceMean: Op = reduction(
  "numbers",
  (recipe, x, axes, y) => {
    fold(recipe, "sum", x, axes, y);
    map(recipe, "quotient", y, y, countOf(x, axes));
  },
  (recipe, x, axes, y) => {
    total()(recipe, x, axes, y);
    combine(recipe, "div", y, constant(recipe, "int64", BigInt(countOf(x, axes))), y);
  },
);

/** NaN where any is. Of nothing the least value of the type, or the greatest. */
const extreme = (op: "max" | "min"): Op =>
  reduction(
    "any",
    (recipe, x, axes, y) => fold(recipe, op, x, axes, y),
    (recipe, x, axes, y) => accumulate(recipe, op, x, axes, y, () => bound(recipe, x, op)),
  );

export const reduceMax: Op = extreme("max");
export const reduceMin: Op = extreme("min");

/** The least value of an integer type for "max", the greatest for "min". */
function bound(recipe: Recipe, { dtype }: Operand, op: "max" | "min"): Operand {
  const bits = BigInt(8 * bytesPerElement(dtype));
  const least = dtype.startsWith("int") ? -(1n << (bits - 1n)) : 0n;
  const most = dtype === "bool" ? 1n : least - 1n;
  return constant(recipe, dtype, BigInt.asIntN(64, op === "max" ? least : most));
}

export const reduceProd: Op = reduction(
  "numbers",
  (recipe, x, axes, y) => accumulate(recipe, "mul", x, axes, y, () => one(recipe, x.dtype)),
  (recipe, x, axes, y) => accumulate(recipe, "mul", x, axes, y, () => one(recipe, x.dtype)),
);

/** Sum of |x|. */
export const reduceL1: Op = reduction(
  "numbers",
  (recipe, x, axes, y) => {
    const sizes = room(recipe, x.shape);
    map(recipe, "abs", x, sizes);
    fold(recipe, "sum", sizes, axes, y);
  },
  total((recipe, x, to) => combine(recipe, "abs", x, x, to)),
);

/** Sum of x^2. */
export const reduceSumSquare: Op = reduction(
  "numbers",
  (recipe, x, axes, y) => fold(recipe, "sumSquare", x, axes, y),
  total((recipe, x, to) => combine(recipe, "mul", x, x, to)),
);

/** Root of the sum of x^2. */
export const reduceL2: Op = reduction("numbers", (recipe, x, axes, y) => {
  fold(recipe, "sumSquare", x, axes, y);
  map(recipe, "sqrt", y, y);
});

export const reduceLogSum: Op = reduction("numbers", (recipe, x, axes, y) => {
  fold(recipe, "sum", x, axes, y);
  map(recipe, "log", y, y);
});

/** log sum e^x, from e^(x - max x): neither end overflows. */
export const reduceLogSumExp: Op = reduction("numbers", (recipe, x, axes, y) => {
  const most = room(recipe, y.shape);
  const powers = room(recipe, x.shape);
  fold(recipe, "max", x, axes, most);
  // An infinite maximum less itself would be NaN.
  map(recipe, "clip", most, most, -3.4028234663852886e38, 3.4028234663852886e38);
  combine(recipe, "sub", x, most, powers);
  map(recipe, "exp", powers, powers);
  fold(recipe, "sum", powers, axes, y);
  map(recipe, "log", y, y);
  combine(recipe, "add", y, most, y);
});
