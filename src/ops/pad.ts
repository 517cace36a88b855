import { expected, ShapeError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import { showShape, sizeOf } from "../tensor.js";
import { axesOf, only, word } from "./attributes.js";
import { checkSameType, inputOf, knownIntegers, optionalIntegers, sized } from "./known.js";
import { between, type Move, moving, steps, undoing, widthOf } from "./move.js";
import { gradientsOf, type Info, type Op, type Slot } from "./op.js";

const modes = ["constant", "reflect", "edge", "wrap"] as const;
type Mode = (typeof modes)[number];

/** What stands before and after each dimension; a negative number is cut off there. */
interface Pads {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

/** x with a margin; inputs x, pads (all beginnings, then all ends), the margin's value or none (0), axes or none. */
export const pad: Op = {
  attrs(node) {
    only(node, ["mode"]);
    word(node, "mode", modes, "constant");
  },
  infer(node, inputs) {
    const { dtype, shape } = inputOf(node, inputs, 0);
    if (inputs[2]) {
      checkSameType(node, inputs, 0, 2);
      if (sizeOf(inputs[2].shape) !== 1) {
        throw new ShapeError(expected(`${node.name} (Pad) input 2`, "one value", showShape(inputs[2].shape)));
      }
    }
    const { before, after } = padsOf(node, shape, inputs);
    const made = shape.map((size, i) => size + before[i] + after[i]);
    const bare = shape.findIndex((size, i) => size + Math.min(before[i], 0) + Math.min(after[i], 0) < 1 && made[i] > 0);
    if (bare >= 0 && (node.attributes.mode ?? "constant") !== "constant") {
      throw new ShapeError(expected(`${node.name} (Pad)`, `elements along axis ${bare} to repeat`, showShape(shape)));
    }
    return [sized(node, dtype, made)];
  },
  lower({ node, kernels }) {
    const mode = word(node, "mode", modes, "constant");
    return ({ inputs, outputs }, table) => {
      const x = inputs[0]!;
      const value = inputs[2]?.pointer || table(new Float64Array(1));
      const moves = marginMoves(mode, x, outputs[0], padsOf(node, x.shape, inputs), value);
      return { scratch: 0, run: moving(kernels, widthOf(x), moves) };
    };
  },
  /** Margins that repeat the middle give it what they have, in dY itself, which nothing reads later. The margin's value is a constant. */
  grad({ node, kernels }) {
    const mode = word(node, "mode", modes, "constant");
    return (io) => {
      const [dx, dy] = gradientsOf(io);
      const [inner, ...margins] = marginMoves(mode, dx, dy, padsOf(node, dx.shape, io.inputs), 0);
      return undoing(kernels, mode === "constant" ? [inner] : [inner, ...margins]);
    };
  },
};

function padsOf(node: GraphNode, shape: readonly number[], inputs: readonly (Info | undefined)[]): Pads {
  const given = knownIntegers(node, inputs, 1);
  const axes = axesOf(node, optionalIntegers(node, inputs, 3) ?? [...shape.keys()], shape.length);
  if (given.length !== 2 * axes.length) {
    throw new ShapeError(expected(`${node.name} (Pad)`, `${2 * axes.length} pads`, `${given.length}`));
  }
  if (!given.every(Number.isSafeInteger)) {
    throw new ShapeError(expected(`${node.name} (Pad)`, "pads below 2^53", showShape(given)));
  }
  const before = shape.map((_, axis) => (axes.includes(axis) ? given[axes.indexOf(axis)] : 0));
  const after = shape.map((_, axis) => (axes.includes(axis) ? given[axes.length + axes.indexOf(axis)] : 0));
  return { before, after };
}

/** The middle of x, or x in the middle of zeros, so that it has the sizes of input 1; the odd one goes to the end. */
export const centerCropPad: Op = {
  attrs: (node) => only(node, ["axes"]),
  infer(node, inputs) {
    const { dtype, shape } = inputOf(node, inputs, 0);
    const sizes = sizesOf(node, shape, inputs);
    return [sized(node, dtype, sizes)];
  },
  lower({ node, kernels }) {
    return ({ inputs, outputs }, table) => {
      const x = inputs[0]!;
      const more = sizesOf(node, x.shape, inputs).map((size, i) => size - x.shape[i]);
      const before = more.map((count) => (count < 0 ? -Math.floor(-count / 2) : Math.floor(count / 2)));
      const pads = { before, after: more.map((count, i) => count - before[i]) };
      const moves = marginMoves("constant", x, outputs[0], pads, table(new Float64Array(1)));
      return { scratch: 0, run: moving(kernels, widthOf(x), moves) };
    };
  },
};

function sizesOf(node: GraphNode, shape: readonly number[], inputs: readonly (Info | undefined)[]): number[] {
  const given = knownIntegers(node, inputs, 1);
  const named = (node.attributes.axes as readonly number[] | undefined) ?? [...shape.keys()];
  const axes = axesOf(node, Array.isArray(named) ? named : [Number.NaN], shape.length);
  if (given.length !== axes.length) {
    throw new ShapeError(expected(`${node.name} (CenterCropPad)`, `${axes.length} sizes`, showShape(given)));
  }
  return shape.map((size, axis) => (axes.includes(axis) ? given[axes.indexOf(axis)] : size));
}

/**
 * The copies that fill y: the middle from x, then the margins, from the last dimension to the first; a margin runs through all of
 * the dimensions behind its own, whose margins stand by then. Repeating modes read y.
 */
function marginMoves(mode: Mode, x: Slot, y: Slot, { before, after }: Pads, value: number): Move[] {
  const width = widthOf(x);
  const [from, to] = [steps(x.shape, width), steps(y.shape, width)];
  const start = before.map((count) => Math.max(count, 0));
  const size = x.shape.map((all, i) => Math.max(0, all + Math.min(before[i], 0) + Math.min(after[i], 0)));
  const at = (place: readonly number[], by: readonly number[]) => place.reduce((sum, p, i) => sum + p * by[i], 0);
  const cut = before.map((count) => Math.max(-count, 0));
  const inner = { dims: between(size, from, to), x: x.pointer + at(cut, from), y: y.pointer + at(start, to) };
  const moves: Move[] = [inner];
  for (let axis = y.shape.length - 1; axis >= 0; axis--) {
    const base = y.pointer + at(start.slice(0, axis), to);
    for (const { first, count, source, step } of marginsOf(mode, start[axis], size[axis], y.shape[axis])) {
      if (count <= 0) continue;
      const sizes = [...size.slice(0, axis), count, ...y.shape.slice(axis + 1)];
      const zero = mode === "constant";
      const by = zero ? sizes.map(() => 0) : to.with(axis, step * to[axis]);
      const origin = zero ? value : base + source * to[axis];
      moves.push({ dims: between(sizes, by, to), x: origin, y: base + first * to[axis] });
    }
  }
  return moves;
}

/** Places first .. first + count - 1 along a dimension that repeat source, source + step, ... */
interface Margin {
  readonly first: number;
  readonly count: number;
  readonly source: number;
  readonly step: number;
}

/** The margins of a dimension of `total` places whose places start .. start + size - 1 are filled. */
function marginsOf(mode: Mode, start: number, size: number, total: number): Margin[] {
  const end = start + size;
  if (mode === "constant" || mode === "edge" || (mode === "reflect" && size === 1)) {
    return [
      { first: 0, count: start, source: start, step: 0 },
      { first: end, count: total - end, source: end - 1, step: 0 },
    ];
  }
  const margins: Margin[] = [];
  let [low, high] = [start, end];
  let period = size;
  if (mode === "reflect") {
    const [left, right] = [Math.min(start, size - 1), Math.min(total - end, size - 1)];
    margins.push({ first: start - left, count: left, source: start + left, step: -1 });
    margins.push({ first: end, count: right, source: end - 2, step: -1 });
    low -= left;
    high += right;
    period = 2 * (size - 1);
  }
  // What is filled repeats itself after `period` places: it is copied on, twice as far each time.
  while (low > 0) {
    const shift = period * Math.floor((high - low) / period);
    const count = Math.min(low, shift);
    margins.push({ first: low - count, count, source: low - count + shift, step: 1 });
    low -= count;
  }
  while (high < total) {
    const shift = period * Math.floor((high - low) / period);
    const count = Math.min(total - high, shift);
    margins.push({ first: high, count, source: high - shift, step: 1 });
    high += count;
  }
  return margins;
}
