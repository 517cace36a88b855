import { sizeOf } from "../../tensor.js";
import { convert } from "../cast.js";
import type { GradSlots, Op } from "../op.js";
import {
  type Combination,
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
} from "../recipe.js";

/** How gradients are made of the kernels that the forward pass is made of: values in scratch, and sums into the inputs' gradients. */

export type Gradient = NonNullable<Op["grad"]>;

/** What the gradient of a node is made of. */
export interface Chain {
  readonly recipe: Recipe;
  readonly io: GradSlots;
  /** Input and output i. */
  x(i: number): Operand;
  y(i?: number): Operand;
  /** Gradient of output i. */
  dy(i?: number): Operand;
  /** Whether a gradient of input i is asked for. */
  wants(i: number): boolean;
}

/** A gradient that is a recipe. */
export function chained(make: (chain: Chain, node: Parameters<Gradient>[0]["node"]) => void): Gradient {
  return ({ kernels, node }) =>
    (io) => {
      const recipe = recipeOf(kernels);
      const chain: Chain = {
        recipe,
        io,
        x: (i) => standing(io.inputs[i]!),
        y: (i = 0) => standing(io.outputs[i]),
        dy: (i = 0) => ({ at: () => io.dOutputs[i], shape: io.outputs[i].shape, dtype: "float32" }),
        wants: (i) => io.dInputs[i] !== undefined && io.dInputs[i] !== 0,
      };
      make(chain, node);
      return launchOf(recipe);
    };
}

/** Adds `from` into the gradient of input i, summed over what the input was repeated along and repeated along what was reduced. */
export function give({ recipe, io }: Chain, i: number, from: Operand, shape = io.inputs[i]!.shape): void {
  const pointer = io.dInputs[i];
  if (!pointer) return;
  const to: Operand = { at: () => pointer, shape, dtype: "float32" };
  const first = from.shape.length - shape.length;
  const axes = from.shape.flatMap((dim, d) => (dim !== 1 && (shape[d - first] ?? 1) === 1 ? [d] : []));
  if (axes.length === 0) {
    combine(recipe, "add", to, first > 0 ? reshaped(from, from.shape.slice(first)) : from, to);
    return;
  }
  const sum = room(recipe, keptShape(from.shape, axes));
  fold(recipe, "sum", from, axes, sum);
  combine(recipe, "add", to, first > 0 ? reshaped(sum, sum.shape.slice(first)) : sum, to);
}

/** a op b in scratch, in the shape of the larger; b is broadcast to a. */
export function made({ recipe }: Chain, op: Combination, a: Operand, b: Operand): Operand {
  const to = room(recipe, sizeOf(a.shape) >= sizeOf(b.shape) && a.shape.length >= b.shape.length ? a.shape : b.shape);
  combine(recipe, op, a, b, to);
  return to;
}

/** op(x, p, q, r) in scratch. */
export function mapped({ recipe }: Chain, op: Parameters<typeof map>[1], x: Operand, p = 0, q = 0, r = 0): Operand {
  const to = room(recipe, x.shape);
  map(recipe, op, x, to, p, q, r);
  return to;
}

/** x scale + shift in scratch. */
export function line(chain: Chain, x: Operand, scale: number, shift = 0): Operand {
  return mapped(chain, "quotient", x, 1 / scale, shift);
}

/** One float that is the same in each run. */
export function float({ recipe }: Chain, value: number): Operand {
  const to = room(recipe, [4]);
  recipe.steps.push((scratch) => new Float32Array(recipe.kernels.memory.buffer, to.at(scratch), 1).fill(value));
  return reshaped(to, []);
}

/** Where a op b holds 1, elsewhere 0, of the shape of the larger. */
export function where(
  { recipe }: Chain,
  op: "less" | "lessOrEqual" | "equal",
  a: Operand,
  b: Operand,
  shape = sizeOf(a.shape) >= sizeOf(b.shape) ? a.shape : b.shape,
): Operand {
  const holds = room(recipe, shape, "bool");
  combine(recipe, op, a, b, holds);
  return numbersOf(recipe, holds);
}

/** A bool as 0 or 1. */
export function numbersOf(recipe: Recipe, holds: Operand): Operand {
  const to = room(recipe, holds.shape);
  convert(recipe, holds, to);
  return to;
}

/** Sum over axes, which keep a size of 1. */
export function summed({ recipe }: Chain, x: Operand, axes: readonly number[]): Operand {
  const to = room(recipe, keptShape(x.shape, axes));
  fold(recipe, "sum", x, axes, to);
  return to;
}

/** Mean over axes. */
export function meaned(chain: Chain, x: Operand, axes: readonly number[]): Operand {
  return line(chain, summed(chain, x, axes), 1 / sizeOf(axes.map((axis) => x.shape[axis])));
}

/** 1 where x > 0, elsewhere 0. */
export function positive(chain: Chain, x: Operand): Operand {
  return where(chain, "less", float(chain, 0), x);
}

/** -1, 0 or 1. */
export function signOf(chain: Chain, x: Operand): Operand {
  return made(chain, "sub", positive(chain, x), where(chain, "less", x, float(chain, 0)));
}
