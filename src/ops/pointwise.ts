import { isFloat } from "../dtype.js";
import type { GraphNode } from "../graph/graph.js";
import * as math from "../math.js";
import { sizeOf } from "../tensor.js";
import { integer, number, only } from "./attributes.js";
import { viewing } from "./element.js";
import { checkTypes, type Numbers } from "./elementwise.js";
import type { Op } from "./op.js";
import { combine, launchOf, map, type Operand, type Recipe, recipeOf, room, standing, zero } from "./recipe.js";

type Make = (recipe: Recipe, x: Operand, y: Operand, node: GraphNode) => void;

/** A function of each element by itself. */
function each(make: Make, numbers: Numbers = "floats", attributes: readonly string[] = [], result?: "bool"): Op {
  return {
    attrs(node) {
      only(node, attributes);
      for (const name of attributes) number(node, name, 0);
    },
    inPlace: result === undefined,
    infer(node, inputs) {
      const [{ dtype, shape }] = checkTypes(node, inputs.slice(0, 1), numbers);
      return [{ dtype: result ?? dtype, shape }];
    },
    lower:
      ({ kernels, node }) =>
      ({ inputs, outputs }) => {
        const recipe = recipeOf(kernels);
        make(recipe, standing(inputs[0]!), standing(outputs[0]), node);
        return launchOf(recipe);
      },
  };
}

type Function = Parameters<typeof map>[1];

/** By a kernel over floats. */
const float = (op: Function): Op => each((recipe, x, y) => map(recipe, op, x, y));

export const floor: Op = float("floor");
export const ceil: Op = float("ceil");
/** The nearest whole number, of two the even one. */
export const round: Op = float("round");
export const sqrt: Op = float("sqrt");
/** Within 1 ulp, as log. */
export const exp: Op = float("exp");
export const log: Op = float("log");
/** log(1 + e^x), within 4 ulp. */
export const softplus: Op = each((recipe, x, y) => softly(recipe, x, y));
export const reciprocal: Op = each((recipe, x, y) => map(recipe, "reciprocal", x, y, 1));

export const abs: Op = each((recipe, x, y) => {
  if (isFloat(x.dtype)) map(recipe, "abs", x, y);
  else combine(recipe, "abs", x, x, y);
}, "numbers");

export const neg: Op = each((recipe, x, y) => {
  if (isFloat(x.dtype)) map(recipe, "neg", x, y);
  else combine(recipe, "sub", zero(recipe, x.dtype), x, y);
}, "numbers");

export const not: Op = each((recipe, x, y) => combine(recipe, "equal", x, zero(recipe, x.dtype), y), "bools");

/** -1 - x. */
export const bitwiseNot: Op = each((recipe, x, y) => {
  // Where all bits are ones, less what is there; x may be where y is, so the ones are made apart.
  const ones = room(recipe, [], x.dtype);
  combine(recipe, "equal", zero(recipe, x.dtype), zero(recipe, x.dtype), ones);
  combine(recipe, "sub", zero(recipe, x.dtype), ones, ones);
  combine(recipe, "xor", x, ones, y);
}, "ints");

/** x p where x > 0, q (e^(r x) - 1) elsewhere, within 4 ulp. */
const exponential = (attributes: readonly string[], pqr: (node: GraphNode) => readonly [number, number, number]): Op =>
  each((recipe, x, y, node) => map(recipe, "elu", x, y, ...pqr(node)), "floats", attributes);

/** D.-A. Clevert et al., "Fast and accurate deep network learning by exponential linear units", 2015. */
export const elu: Op = exponential(["alpha"], (node) => [1, number(node, "alpha", 1), 1]);
/** J. T. Barron, "Continuously differentiable exponential linear units", 2017. */
export const celu: Op = exponential(["alpha"], (node) => {
  const alpha = number(node, "alpha", 1);
  return [1, alpha, 1 / alpha];
});
/** G. Klambauer et al., "Self-normalizing neural networks", 2017. */
export const selu: Op = exponential(["alpha", "gamma"], (node) => {
  const gamma = number(node, "gamma", 1.0507009873554805);
  return [gamma, gamma * number(node, "alpha", 1.6732632423543772), 1];
});

/** max(0, min(1, alpha x + beta)). */
export const hardSigmoid: Op = each(
  (recipe, x, y, node) => map(recipe, "hardSigmoid", x, y, number(node, "alpha", 0.2), number(node, "beta", 0.5)),
  "floats",
  ["alpha", "beta"],
);
/** x max(0, min(1, x / 6 + 1/2)). A. Howard et al., "Searching for MobileNetV3", 2019. */
export const hardSwish: Op = each((recipe, x, y) => map(recipe, "hardSwish", x, y, 1 / 6, 0.5));

/**
 * y = max(x, 0) + log(1 + u), u = e^-|x|, so that neither end overflows; what 1 + u = w loses of u comes back over w. y may be in the
 * place of x.
 */
export function softly(recipe: Recipe, x: Operand, y: Operand): void {
  const [u, w, lost] = [room(recipe, x.shape), room(recipe, x.shape), room(recipe, x.shape)];
  map(recipe, "abs", x, u);
  map(recipe, "neg", u, u);
  map(recipe, "exp", u, u);
  map(recipe, "quotient", u, w, 1, 1);
  map(recipe, "quotient", w, lost, 1, -1);
  combine(recipe, "sub", u, lost, lost);
  combine(recipe, "div", lost, w, lost);
  map(recipe, "log", w, w);
  combine(recipe, "add", w, lost, w);
  map(recipe, "clip", x, y, 0, Number.POSITIVE_INFINITY);
  combine(recipe, "add", y, w, y);
}

/** y = g(x) x, where g(x) needs room of its own. */
function gated(attributes: readonly string[], gate: Make): Op {
  return each(
    (recipe, x, y, node) => {
      const g = room(recipe, x.shape);
      gate(recipe, x, g, node);
      combine(recipe, "mul", x, g, y);
    },
    "floats",
    attributes,
  );
}

/** x tanh(log(1 + e^x)). D. Misra, "Mish: A self regularized non-monotonic activation function", 2019. */
export const mish: Op = gated([], (recipe, x, g) => {
  const size = sizeOf(x.shape);
  softly(recipe, x, g);
  recipe.steps.push((scratch) => recipe.kernels.tanh_f32(size, g.at(scratch), g.at(scratch)));
});

/** x / (1 + e^(-alpha x)). P. Ramachandran et al., "Searching for activation functions", 2017. */
export const swish: Op = gated(["alpha"], (recipe, x, g, node) => {
  const size = sizeOf(x.shape);
  const alpha = number(node, "alpha", 1);
  if (alpha !== 1) map(recipe, "quotient", x, g, 1 / alpha);
  const from = alpha === 1 ? x : g;
  recipe.steps.push((scratch) => recipe.kernels.sigmoid_f32(size, from.at(scratch), g.at(scratch)));
});

/** y = f(x) for each element in TypeScript: for what is rare. */
export function scalar(recipe: Recipe, f: (x: number) => number, x: Operand, y: Operand): void {
  const size = sizeOf(x.shape);
  const [source, target] = [x, y].map(() => viewing(recipe.kernels, "float32", size));
  recipe.steps.push((scratch) => {
    const from = source(x.at(scratch)) as Float32Array;
    const to = target(y.at(scratch)) as Float32Array;
    for (let i = 0; i < size; i++) to[i] = f(from[i]);
  });
}

const rare = (f: (node: GraphNode) => (x: number) => number, attributes: readonly string[] = []): Op =>
  each((recipe, x, y, node) => scalar(recipe, f(node), x, y), "floats", attributes);

// In f64, so that the float is the nearest but where two are all but as near.
export const sin: Op = rare(() => math.sin);
export const cos: Op = rare(() => math.cos);
export const tan: Op = rare(() => math.tan);
export const asin: Op = rare(() => math.asin);
export const acos: Op = rare(() => math.acos);
export const atan: Op = rare(() => math.atan);
export const sinh: Op = rare(() => math.sinh);
export const cosh: Op = rare(() => math.cosh);
export const asinh: Op = rare(() => math.asinh);
export const acosh: Op = rare(() => math.acosh);
export const atanh: Op = rare(() => math.atanh);

/** -1, 0 or 1, and NaN for NaN. */
export const sign: Op = each((recipe, x, y) => {
  if (isFloat(x.dtype)) scalar(recipe, (v) => (v > 0 ? 1 : v < 0 ? -1 : v), x, y);
  else combine(recipe, "sign", x, x, y);
}, "numbers");

/** x / (1 + |x|). */
export const softsign: Op = rare(() => (x) => x / (1 + Math.abs(x)));

/** x where x > alpha, 0 elsewhere. */
export const thresholdedRelu: Op = rare(
  (node) => {
    const alpha = Math.fround(number(node, "alpha", 1));
    return (x) => (x > alpha ? x : 0);
  },
  ["alpha"],
);

/** x + bias below -lambd, x - bias above lambd, 0 between. */
export const shrink: Op = each(
  (recipe, x, y, node) => {
    const [bias, limit] = [number(node, "bias", 0), number(node, "lambd", 0.5)];
    const f = (v: number) => (v < -limit ? v + bias : v > limit ? v - bias : 0);
    scalar(recipe, f, x, y);
  },
  "floats",
  ["bias", "lambd"],
);

/** x where x >= 0, alpha x elsewhere. */
export const leakyRelu: Op = each(
  (recipe, x, y, node) => {
    const slope = zero(recipe, "float32");
    map(recipe, "quotient", slope, slope, 1, number(node, "alpha", 0.01));
    combine(recipe, "prelu", x, slope, y);
  },
  "floats",
  ["alpha"],
);

/** Whether x is NaN. */
export const isNotNumber: Op = each((recipe, x, y) => combine(recipe, "unequal", x, x, y), "floats", [], "bool");

/** Whether x is infinite, of the signs that are asked for. */
export const isInf: Op = each(
  (recipe, x, y, node) => {
    const positive = integer(node, "detect_positive", 1) !== 0;
    const negative = integer(node, "detect_negative", 1) !== 0;
    const infinity = zero(recipe, "float32");
    map(recipe, "reciprocal", infinity, infinity, positive ? 1 : -1);
    if (positive && negative) {
      const size = room(recipe, x.shape);
      map(recipe, "abs", x, size);
      combine(recipe, "equal", size, infinity, y);
    } else if (positive || negative) combine(recipe, "equal", x, infinity, y);
    else combine(recipe, "unequal", infinity, infinity, y);
  },
  "floats",
  ["detect_positive", "detect_negative"],
  "bool",
);
