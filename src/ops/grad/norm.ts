import { sizeOf } from "../../tensor.js";
import { integer, number } from "../attributes.js";
import { axisAttribute } from "../axis.js";
import { combine, fold, keptShape, map, type Operand, reshaped, room } from "../recipe.js";
import { standardized } from "../statistics.js";
import { type Chain, chained, type Gradient, give, line, made, mapped, meaned } from "./chain.js";

/** (x - mean) / sqrt(var + epsilon) over axes, made anew, and 1 / sqrt(var + epsilon). */
function standard(chain: Chain, x: Operand, axes: readonly number[], epsilon: number) {
  const { recipe } = chain;
  const [y, inverse] = [room(recipe, x.shape), room(recipe, keptShape(x.shape, axes))];
  standardized(recipe, x, axes, epsilon, y, undefined, inverse);
  return { y, inverse };
}

/** Gradient of x from the gradient d of standardized values y: (d - mean d - y mean(d y)) / sqrt(var + epsilon). */
function throughStandard(chain: Chain, d: Operand, y: Operand, inverse: Operand, axes: readonly number[]): Operand {
  const along = meaned(chain, made(chain, "mul", d, y), axes);
  const rest = made(chain, "sub", made(chain, "sub", d, meaned(chain, d, axes)), made(chain, "mul", y, along));
  return made(chain, "mul", rest, inverse);
}

/** Norms of [n, groups, c / groups, plane] over the last two, then scale and bias for each channel. */
const grouped = (groups: (chain: Chain, n: number) => number): Gradient =>
  chained((chain, node) => {
    const { shape } = chain.x(0);
    const [n, c] = shape;
    const plane = sizeOf(shape.slice(2));
    const count = groups(chain, integer(node, "num_groups", c));
    const rows = [n * count, (c / count) * plane];
    const channels = [n, c, plane];
    const { y, inverse } = standard(chain, reshaped(chain.x(0), rows), [1], number(node, "epsilon", 1e-5));
    const dy = reshaped(chain.dy(), channels);
    give(chain, 1, made(chain, "mul", dy, reshaped(y, channels)), [c, 1]);
    give(chain, 2, dy, [c, 1]);
    if (!chain.wants(0)) return;
    const d = made(chain, "mul", dy, reshaped(chain.x(1), [c, 1]));
    give(chain, 0, throughStandard(chain, reshaped(d, rows), y, inverse, [1]), rows);
  });

export const norms: Readonly<Record<string, Gradient>> = {
  InstanceNormalization: grouped((_, groups) => groups),
  GroupNormalization: grouped((_, groups) => groups),
  RMSNormalization: chained((chain, node) => {
    const { recipe } = chain;
    const x = chain.x(0);
    const first = axisAttribute(node, -1, x.shape);
    const axes = x.shape.map((_, i) => i).slice(first);
    const inverse = room(recipe, keptShape(x.shape, axes));
    fold(recipe, "sumSquare", x, axes, inverse);
    map(recipe, "quotient", inverse, inverse, sizeOf(x.shape.slice(first)), number(node, "epsilon", 1e-5));
    map(recipe, "sqrt", inverse, inverse);
    map(recipe, "reciprocal", inverse, inverse, 1);
    const y = made(chain, "mul", x, inverse);
    give(chain, 1, made(chain, "mul", chain.dy(), y));
    if (!chain.wants(0)) return;
    const d = made(chain, "mul", chain.dy(), chain.x(1));
    const along = meaned(chain, made(chain, "mul", d, y), axes);
    give(chain, 0, made(chain, "mul", made(chain, "sub", d, made(chain, "mul", y, along)), inverse));
  }),
  /** With statistics of the batch where the node is in training mode; stored ones are constants. */
  BatchNormalization: chained((chain, node) => {
    const { recipe } = chain;
    const { shape } = chain.x(0);
    const [n, c] = shape;
    const channels = [n, c, sizeOf(shape.slice(2))];
    const x = reshaped(chain.x(0), channels);
    const dy = reshaped(chain.dy(), channels);
    const [gamma, mean, variance] = [1, 3, 4].map((i) => reshaped(chain.x(i), [c, 1]));
    const epsilon = number(node, "epsilon", 1e-5);
    const training = integer(node, "training_mode", 0) !== 0;
    const { y, inverse } = training ? standard(chain, x, [0, 2], epsilon) : stored();
    give(chain, 1, made(chain, "mul", dy, y), [c, 1]);
    give(chain, 2, dy, [c, 1]);
    if (!chain.wants(0)) return;
    const d = made(chain, "mul", dy, gamma);
    give(chain, 0, training ? throughStandard(chain, d, y, inverse, [0, 2]) : made(chain, "mul", d, inverse), channels);

    function stored() {
      const root = mapped(chain, "sqrt", line(chain, variance, 1, epsilon));
      const inverse = mapped(chain, "reciprocal", root, 1);
      const y = room(recipe, channels);
      combine(recipe, "sub", x, mean, y);
      combine(recipe, "mul", y, inverse, y);
      return { y, inverse };
    }
  }),
};
