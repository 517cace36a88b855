import type { GraphNode } from "../../graph/graph.js";

import * as math from "../../math.js";
import { number } from "../attributes.js";
import { walkOf } from "../broadcast.js";
import { convert } from "../cast.js";
import { scalar, softly } from "../pointwise.js";
import { type Operand, room } from "../recipe.js";
import {
  type Chain,
  chained,
  float,
  type Gradient,
  give,
  line,
  made,
  mapped,
  numbersOf,
  positive,
  signOf,
  where,
} from "./chain.js";

/** Gradients of operators that do one element at a time: dx = dy times a slope, summed over what was broadcast. */

/** A function of one input; its slope, in scratch or in its place. */
function sloped(slope: (chain: Chain, x: Operand, node: GraphNode) => Operand): Gradient {
  return chained((chain, node) => give(chain, 0, made(chain, "mul", chain.dy(), slope(chain, chain.x(0), node))));
}

/** high where x > 0 or x >= 0, low elsewhere: high m + low (1 - m). */
function either(chain: Chain, m: Operand, high: number, low: Operand | number): Operand {
  const rest = line(chain, m, -1, 1);
  const part = typeof low === "number" ? line(chain, rest, low) : made(chain, "mul", rest, low);
  return made(chain, "add", line(chain, m, high), part);
}

/** x p where x > 0, q (e^(r x) - 1) elsewhere: p, or r (y + q). */
const exponential = (pqr: (node: GraphNode) => readonly [number, number, number]): Gradient =>
  sloped((chain, x, node) => {
    const [p, q, r] = pqr(node);
    return either(chain, positive(chain, x), p, line(chain, line(chain, chain.y(), 1, q), r));
  });

/** 1 where 0 < y < 1. */
function inside(chain: Chain, y: Operand): Operand {
  return made(chain, "mul", positive(chain, y), where(chain, "less", y, float(chain, 1)));
}

function sigmoid({ recipe }: Chain, x: Operand): Operand {
  const to = room(recipe, x.shape);
  const size = x.shape.reduce((product, dim) => product * dim, 1);
  recipe.steps.push((scratch) => recipe.kernels.sigmoid_f32(size, x.at(scratch), to.at(scratch)));
  return to;
}

function byScalar({ recipe }: Chain, f: (x: number) => number, x: Operand): Operand {
  const to = room(recipe, x.shape);
  scalar(recipe, f, x, to);
  return to;
}

const square = (chain: Chain, x: Operand) => made(chain, "mul", x, x);

/** dy as it is: what is only moved to another type of floats. */
const same: Gradient = chained((chain) => give(chain, 0, chain.dy()));

/** The first of the inputs that are y, element by element, has its gradient. */
const chosen: Gradient = chained((chain) => {
  const y = chain.y();
  let free: Operand | undefined;
  for (const i of chain.io.inputs.keys()) {
    const own = where(chain, "equal", chain.x(i), y, y.shape);
    const mine: Operand = free ? made(chain, "mul", own, free) : own;
    give(chain, i, made(chain, "mul", chain.dy(), mine));
    const left = line(chain, mine, -1, 1);
    free = free ? made(chain, "mul", free, left) : left;
  }
});

/** Slopes of x^e, in f64 in TypeScript as the power itself is. */
function powerSlope({ recipe, io }: Chain, x: Operand, e: Operand, f: (x: number, e: number) => number): Operand {
  const to = room(recipe, io.outputs[0].shape);
  const { kernels } = recipe;
  const { rows, cols, row, col, visit } = walkOf(to.shape, [x.shape, e.shape]);
  recipe.steps.push((scratch) => {
    const floats = (at: number) => new Float32Array(kernels.memory.buffer, at);
    const [base, exponent, y] = [x, e, to].map((operand) => floats(operand.at(scratch)));
    visit((from, at) => {
      for (let r = 0; r < rows; r++) {
        for (let c = 0; c < cols; c++) {
          y[at + r * cols + c] = f(
            base[from[0] + r * row[0] + c * col[0]],
            exponent[from[1] + r * row[1] + c * col[1]],
          );
        }
      }
    });
  });
  return to;
}

export const elementwise: Readonly<Record<string, Gradient>> = {
  Abs: sloped(signOf),
  Neg: chained((chain) => give(chain, 0, mapped(chain, "neg", chain.dy()))),
  Exp: sloped((chain) => chain.y()),
  Log: sloped((chain, x) => mapped(chain, "reciprocal", x, 1)),
  Sqrt: sloped((chain) => mapped(chain, "reciprocal", chain.y(), 0.5)),
  Reciprocal: sloped((chain) => mapped(chain, "neg", square(chain, chain.y()))),
  Sin: sloped((chain, x) => byScalar(chain, math.cos, x)),
  Cos: sloped((chain, x) => byScalar(chain, (v) => -math.sin(v), x)),
  LeakyRelu: sloped((chain, x, node) =>
    either(chain, where(chain, "lessOrEqual", float(chain, 0), x), 1, number(node, "alpha", 0.01)),
  ),
  Elu: exponential((node) => [1, number(node, "alpha", 1), 1]),
  Celu: exponential((node) => [1, number(node, "alpha", 1), 1 / number(node, "alpha", 1)]),
  Selu: exponential((node) => {
    const gamma = number(node, "gamma", 1.0507009873554805);
    return [gamma, gamma * number(node, "alpha", 1.6732632423543772), 1];
  }),
  ThresholdedRelu: sloped((chain, x, node) => where(chain, "less", float(chain, number(node, "alpha", 1)), x)),
  Softplus: sloped((chain, x) => sigmoid(chain, x)),
  Softsign: sloped((chain, x) => {
    const size = line(chain, mapped(chain, "abs", x), 1, 1);
    return mapped(chain, "reciprocal", square(chain, size), 1);
  }),
  HardSigmoid: sloped((chain, _, node) => line(chain, inside(chain, chain.y()), number(node, "alpha", 0.2))),
  HardSwish: sloped((chain, x) => {
    const gate = mapped(chain, "hardSigmoid", x, 1 / 6, 0.5);
    return made(chain, "add", gate, line(chain, made(chain, "mul", x, inside(chain, gate)), 1 / 6));
  }),
  /** t + x (1 - t^2) sigmoid(x), t = tanh(softplus(x)). */
  Mish: sloped((chain, x) => {
    const { recipe } = chain;
    const t = room(recipe, x.shape);
    const size = x.shape.reduce((product, dim) => product * dim, 1);
    softly(recipe, x, t);
    recipe.steps.push((scratch) => recipe.kernels.tanh_f32(size, t.at(scratch), t.at(scratch)));
    const bent = made(chain, "mul", line(chain, square(chain, t), -1, 1), sigmoid(chain, x));
    return made(chain, "add", t, made(chain, "mul", x, bent));
  }),
  /** s + alpha x s (1 - s), s = sigmoid(alpha x). */
  Swish: sloped((chain, x, node) => {
    const alpha = number(node, "alpha", 1);
    const inner = line(chain, x, alpha);
    const s = sigmoid(chain, inner);
    const bent = made(chain, "mul", s, line(chain, s, -1, 1));
    return made(chain, "add", s, made(chain, "mul", inner, bent));
  }),
  Cast: same,
  CastLike: same,
  Dropout: same,

  Add: chained((chain) => {
    for (const i of [0, 1]) give(chain, i, chain.dy());
  }),
  Sum: chained((chain) => {
    for (const i of chain.io.inputs.keys()) give(chain, i, chain.dy());
  }),
  Mean: chained((chain) => {
    const part = line(chain, chain.dy(), 1 / chain.io.inputs.length);
    for (const i of chain.io.inputs.keys()) give(chain, i, part);
  }),
  Sub: chained((chain) => {
    give(chain, 0, chain.dy());
    if (chain.wants(1)) give(chain, 1, mapped(chain, "neg", chain.dy()));
  }),
  Mul: chained((chain) => {
    for (const i of [0, 1]) if (chain.wants(i)) give(chain, i, made(chain, "mul", chain.dy(), chain.x(1 - i)));
  }),
  Div: chained((chain) => {
    const part = made(chain, "div", chain.dy(), chain.x(1));
    give(chain, 0, part);
    if (chain.wants(1)) give(chain, 1, mapped(chain, "neg", made(chain, "mul", part, chain.y())));
  }),
  Max: chosen,
  Min: chosen,
  Pow: chained((chain) => {
    const [x, e] = [chain.x(0), chain.x(1)];
    const known = chain.io.inputs[1]?.known;
    const exponent = known?.length === 1 ? Number(known[0]) : undefined;
    if (chain.wants(0)) {
      let slope: Operand;
      if (exponent === 2) slope = line(chain, x, 2);
      else if (exponent === 3) slope = line(chain, square(chain, x), 3);
      else if (exponent === 0.5) slope = mapped(chain, "reciprocal", chain.y(), 0.5);
      else {
        const by = room(chain.recipe, e.shape);
        convert(chain.recipe, e, by);
        slope = powerSlope(chain, x, by, (v, n) => n * math.pow(v, n - 1));
      }
      give(chain, 0, made(chain, "mul", chain.dy(), slope));
    }
    if (chain.wants(1)) {
      const slope = powerSlope(chain, x, e, (v, n) => (v > 0 ? math.pow(v, n) * math.log(v) : 0));
      give(chain, 1, made(chain, "mul", chain.dy(), slope));
    }
  }),
  PRelu: chained((chain) => {
    const [x, slope] = [chain.x(0), chain.x(1)];
    const m = where(chain, "lessOrEqual", float(chain, 0), x);
    const rest = made(chain, "mul", chain.dy(), line(chain, m, -1, 1));
    if (chain.wants(0)) {
      give(chain, 0, made(chain, "mul", chain.dy(), m));
      give(chain, 0, made(chain, "mul", rest, slope));
    }
    if (chain.wants(1)) give(chain, 1, made(chain, "mul", rest, x));
  }),
  Where: chained((chain) => {
    const open = numbersOf(chain.recipe, chain.x(0));
    const taken = made(chain, "mul", chain.dy(), open);
    give(chain, 1, taken);
    if (chain.wants(2)) give(chain, 2, made(chain, "sub", chain.dy(), taken));
  }),
};
