import { expected, ShapeError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import { showShape } from "../tensor.js";
import { integer, only } from "./attributes.js";
import { checkFloats, inputOf, knownNumbers } from "./known.js";
import { type Info, nothing, type Op } from "./op.js";

type Inputs = readonly (Info | undefined)[];

/**
 * The boxes of each class that overlap none with a higher score by more than a threshold: int64 [count, 3] of batch, class, box. Inputs
 * boxes [b, n, 4], scores [b, c, n], then the most boxes of a class (0), the threshold of intersection over union (0) and the one of scores
 * (none). How many there are depends on elements, so they must be known while planning.
 */
export const nonMaxSuppression: Op = {
  attrs(node) {
    only(node, ["center_point_box"]);
    const form = integer(node, "center_point_box", 0);
    if (form !== 0 && form !== 1) throw new ShapeError(expected(`${node.name}.center_point_box`, "0 or 1", `${form}`));
  },
  infer(node, inputs) {
    const [boxes, scores] = [inputOf(node, inputs, 0).shape, inputOf(node, inputs, 1).shape];
    for (const i of [0, 1]) checkFloats(node, inputs, i);
    const fits = boxes.length === 3 && boxes[2] === 4 && scores.length === 3;
    if (!fits || scores[0] !== boxes[0] || scores[2] !== boxes[1]) {
      const got = `${showShape(boxes)} and ${showShape(scores)}`;
      throw new ShapeError(expected(`${node.name} (NonMaxSuppression)`, "boxes [b, n, 4] and scores [b, c, n]", got));
    }
    const most = scalarOf(node, inputs, 2, 0);
    const overlap = scalarOf(node, inputs, 3, 0);
    const least = scalarOf(node, inputs, 4, Number.NEGATIVE_INFINITY);
    const [batch, classes, n] = scores;
    const sides = sidesOf(knownNumbers(node, inputs, 0), integer(node, "center_point_box", 0) === 1);
    const values = knownNumbers(node, inputs, 1);
    const found: number[] = [];
    for (let b = 0; b < batch; b++) {
      for (let c = 0; c < classes; c++) {
        const first = (b * classes + c) * n;
        const order = Array.from({ length: n }, (_, i) => i).filter((i) => values[first + i] > least);
        // Sorting is stable: of equal scores the first box comes first.
        order.sort((i, j) => values[first + j] - values[first + i]);
        const kept: number[] = [];
        for (const i of order) {
          if (kept.length >= most) break;
          if (kept.every((j) => !(shared(sides, b * n + i, b * n + j) > overlap))) kept.push(i);
        }
        for (const i of kept) found.push(b, c, i);
      }
    }
    return [{ dtype: "int64", shape: [found.length / 3, 3], known: BigInt64Array.from(found, BigInt) }];
  },
  lower: () => () => nothing,
};

/** The only element of an input that may be left out. @throws ShapeError, NeedsValue */
function scalarOf(node: GraphNode, inputs: Inputs, i: number, missing: number): number {
  if (!inputs[i]) return missing;
  const values = knownNumbers(node, inputs, i);
  if (values.length !== 1) {
    throw new ShapeError(expected(`${node.name} (NonMaxSuppression) input ${i}`, "one value", `${values.length}`));
  }
  return values[0];
}

/** The sides of boxes, four each: the lower and the upper end of both. */
function sidesOf(boxes: readonly number[], centred: boolean): Float64Array {
  const sides = new Float64Array(boxes.length);
  for (let i = 0; i < boxes.length; i += 4) {
    for (const d of [0, 1]) {
      const [a, b] = centred
        ? [boxes[i + d] - boxes[i + d + 2] / 2, boxes[i + d] + boxes[i + d + 2] / 2]
        : [boxes[i + d], boxes[i + d + 2]];
      sides[i + 2 * d] = Math.min(a, b);
      sides[i + 2 * d + 1] = Math.max(a, b);
    }
  }
  return sides;
}

/** Intersection of two boxes over their union; 0 where one of them is empty. */
function shared(sides: Float64Array, i: number, j: number): number {
  let [both, one, other] = [1, 1, 1];
  for (let d = 0; d < 4; d += 2) {
    const [a, b, c, e] = [sides[4 * i + d], sides[4 * i + d + 1], sides[4 * j + d], sides[4 * j + d + 1]];
    both *= Math.max(0, Math.min(b, e) - Math.max(a, c));
    one *= b - a;
    other *= e - c;
  }
  return one > 0 && other > 0 ? both / (one + other - both) : 0;
}
