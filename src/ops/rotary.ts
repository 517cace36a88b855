import { expected, ShapeError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import { sameShape, showShape, sizeOf } from "../tensor.js";
import { integer, only } from "./attributes.js";
import { type Heads, headsOf } from "./heads.js";
import { offsetsOf } from "./indices.js";
import { checkFloats, inputOf } from "./known.js";
import { between, copying, steps } from "./move.js";
import type { Info, Op, Slot } from "./op.js";
import { combine, launchOf, type Operand, type Recipe, recipeOf, reshaped, room, standing } from "./recipe.js";

/**
 * Pairs of numbers of each head turned by angles that grow with the position: (a, b) to (a cos - b sin, a sin + b cos). The first
 * and the second half of what is turned are the pairs, or with `interleaved` neighbours; the rest of a head stays. cos and sin are
 * [positions, pairs] where positions [batch, rows] are given, [batch, rows, pairs] without.
 * J. Su et al., "RoFormer: enhanced transformer with rotary position embedding", 2021.
 */
export const rotaryEmbedding: Op = {
  attrs(node) {
    only(node, ["interleaved", "num_heads", "rotary_embedding_dim"]);
    integer(node, "interleaved", 0);
    const turned = integer(node, "rotary_embedding_dim", 0);
    if (turned < 0 || turned % 2 !== 0) {
      throw new ShapeError(expected(`${node.name}.rotary_embedding_dim`, "an even number", `${turned}`));
    }
  },
  infer(node, inputs) {
    for (const i of [0, 1, 2]) checkFloats(node, inputs, i);
    const { dtype, shape } = inputOf(node, inputs, 0);
    const heads = headsOf(node, shape, "num_heads", "input 0");
    checkAngles(node, inputs, heads);
    return [{ dtype, shape }];
  },
  lower:
    ({ node, kernels }) =>
    ({ inputs, outputs }) => {
      const [x, cos, sin, positions] = inputs;
      const heads = headsOf(node, x!.shape, "num_heads", "input 0");
      const { batch, heads: count, rows, size } = heads;
      const pairs = pairsOf(node, heads);
      const [shape, beside] =
        x!.shape.length === 4
          ? [
              [batch, count, rows, size],
              [batch, 1, rows, pairs],
            ]
          : [
              [batch, rows, count, size],
              [batch, rows, 1, pairs],
            ];
      const recipe = recipeOf(kernels);
      const [c, s] = [cos!, sin!].map((slot) => reshaped(anglesOf(recipe, node, slot, positions), beside));
      const apart = integer(node, "interleaved", 0) !== 0 ? 2 : 1;
      const half = shape.with(3, pairs);
      const own = steps(shape, 4);
      const [outside, inside] = [own.with(3, 4 * apart), steps(half, 4)];
      const take = copying(kernels, 4, between(half, outside, inside));
      const put = copying(kernels, 4, between(half, inside, outside));
      const second = apart === 2 ? 4 : 4 * pairs;
      const y = outputs[0].pointer;
      const [a, b, turned, product] = [0, 1, 2, 3].map(() => room(recipe, half));
      recipe.steps.push((scratch) => {
        take(x!.pointer, a.at(scratch));
        take(x!.pointer + second, b.at(scratch));
      });
      combine(recipe, "mul", a, c, turned);
      combine(recipe, "mul", b, s, product);
      combine(recipe, "sub", turned, product, turned);
      recipe.steps.push((scratch) => put(turned.at(scratch), y));
      combine(recipe, "mul", a, s, a);
      combine(recipe, "mul", b, c, b);
      combine(recipe, "add", a, b, a);
      recipe.steps.push((scratch) => put(a.at(scratch), y + second));
      const rest = copying(kernels, 4, between(shape.with(3, size - 2 * pairs), own, own));
      recipe.steps.push(() => rest(x!.pointer + 8 * pairs, y + 8 * pairs));
      return launchOf(recipe);
    },
};

/** Cosines or sines for each row: as they are, or those of its position. */
function anglesOf(recipe: Recipe, node: GraphNode, given: Slot, positions: Slot | undefined): Operand {
  if (!positions) return standing(given);
  const { kernels, steps } = recipe;
  const [limit, pairs] = given.shape;
  const none = positions.shape.map(() => 0);
  const { count, fill } = offsetsOf(kernels, positions, positions.shape, none, [{ limit, stride: 4 * pairs }], node, 3);
  const offsets = room(recipe, [count]);
  const made = room(recipe, [count, pairs]);
  steps.push((scratch) => {
    fill(offsets.at(scratch));
    kernels.gather_bytes(1, count, 4 * pairs, 0, given.pointer, offsets.at(scratch), made.at(scratch));
  });
  return made;
}

/** Pairs that are turned in each head. */
function pairsOf(node: GraphNode, { size }: Heads): number {
  return (integer(node, "rotary_embedding_dim", 0) || size) / 2;
}

/** @throws ShapeError; positions that only a run knows are checked then */
function checkAngles(node: GraphNode, inputs: readonly (Info | undefined)[], heads: Heads): void {
  const pairs = pairsOf(node, heads);
  const where = (i: number) => `${node.name} (${node.op}) input ${i}`;
  if (!Number.isInteger(pairs) || 2 * pairs > heads.size) {
    throw new ShapeError(expected(where(0), `heads of an even size, ${2 * pairs} or more`, `${heads.size}`));
  }
  const positions = inputs[3];
  const [limit] = inputOf(node, inputs, 1).shape;
  const want = positions ? [limit, pairs] : [heads.batch, heads.rows, pairs];
  for (const i of [1, 2]) {
    const { shape } = inputOf(node, inputs, i);
    if (!sameShape(shape, want)) throw new ShapeError(expected(where(i), showShape(want), showShape(shape)));
  }
  if (!positions) return;
  if (positions.dtype !== "int64") throw new ShapeError(expected(where(3), "int64", positions.dtype));
  if (!sameShape(positions.shape, [heads.batch, heads.rows])) {
    throw new ShapeError(expected(where(3), showShape([heads.batch, heads.rows]), showShape(positions.shape)));
  }
  if (limit === 0 && sizeOf(positions.shape) > 0) {
    throw new ShapeError(expected(where(1), "a row for the positions to lead to", showShape(want)));
  }
  for (const position of positions.known ?? []) {
    if (!(position >= 0 && position < limit)) {
      throw new ShapeError(expected(where(3), `positions in 0..${limit - 1}`, `${position}`));
    }
  }
}
