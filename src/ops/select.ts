import { createArray, inMemory, type TypedArray } from "../dtype.js";
import { expected, ShapeError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import { showShape, sizeOf } from "../tensor.js";
import { axisOf, integer, only } from "./attributes.js";
import { inputOf, knownNumbers } from "./known.js";
import { steps, widthOf } from "./move.js";
import { type Info, NeedsValue, nothing, type Op } from "./op.js";

/** The slices of x along an axis (without one: the elements) where the condition, input 1, holds. */
export const compress: Op = {
  attrs: (node) => only(node, ["axis"]),
  infer(node, inputs) {
    const { dtype, shape } = inputOf(node, inputs, 0);
    const view = viewOfAxis(node, shape);
    const kept = keptOf(node, inputs, view.size);
    return [{ dtype, shape: [...view.before, kept.length, ...view.after] }];
  },
  lower({ node, kernels }) {
    return ({ inputs, outputs }, table) => {
      const x = inputs[0]!;
      const view = viewOfAxis(node, x.shape);
      const kept = keptOf(node, inputs, view.size);
      const run = sizeOf(view.after) * widthOf(x);
      const offsets = table(Uint32Array.from(kept, (i) => i * run));
      const [outer, count] = [sizeOf(view.before), kept.length];
      const y = outputs[0].pointer;
      return {
        scratch: 0,
        run: () => kernels.gather_bytes(outer, count, run, view.size * run, x.pointer, offsets, y),
      };
    };
  },
};

/** A shape around the axis that a node names, or all of it as one dimension. */
function viewOfAxis(node: GraphNode, shape: readonly number[]) {
  if (node.attributes.axis === undefined) return { before: [], size: sizeOf(shape), after: [] };
  const axis = axisOf(node, integer(node, "axis", 0), shape.length);
  return { before: shape.slice(0, axis), size: shape[axis], after: shape.slice(axis + 1) };
}

function keptOf(node: GraphNode, inputs: readonly (Info | undefined)[], size: number): number[] {
  const { dtype, shape } = inputOf(node, inputs, 1);
  if (dtype !== "bool" || shape.length !== 1 || shape[0] > size) {
    const want = `at most ${size} truth values`;
    throw new ShapeError(expected(`${node.name} (Compress) input 1`, want, `${dtype} ${showShape(shape)}`));
  }
  return knownNumbers(node, inputs, 1).flatMap((holds, i) => (holds ? [i] : []));
}

/** The elements of input 0, which the shape of the result depends on. @throws NeedsValue */
function elementsOf(node: GraphNode, inputs: readonly (Info | undefined)[]): TypedArray {
  const { known } = inputOf(node, inputs, 0);
  if (!known) throw new NeedsValue(0);
  return known;
}

/** What is wholly known while planning is never run. */
const lower: Op["lower"] = () => () => nothing;

/** Indices of the elements that are not 0, int64 [rank, count]. */
export const nonZero: Op = {
  attrs: (node) => only(node, []),
  infer(node, inputs) {
    const data = elementsOf(node, inputs);
    const { shape } = inputOf(node, inputs, 0);
    const places: number[] = [];
    // biome-ignore lint/suspicious/noDoubleEquals: 0n is 0 too
    for (let i = 0; i < data.length; i++) if (data[i] != 0) places.push(i);
    const known = new BigInt64Array(shape.length * places.length);
    for (const [axis, step] of steps(shape, 1).entries()) {
      for (const [i, place] of places.entries()) {
        known[axis * places.length + i] = BigInt(Math.floor(place / step) % shape[axis]);
      }
    }
    return [{ dtype: "int64", shape: [shape.length, places.length], known }];
  },
  lower,
};

/**
 * The different slices along an axis (without one: the different elements), sorted or in the order in which they come; the place of
 * the first of each, which of them each is, and how many there are of each.
 */
export const unique: Op = {
  attrs: (node) => only(node, ["axis", "sorted"]),
  infer(node, inputs) {
    const data = elementsOf(node, inputs);
    const { dtype, shape } = inputOf(node, inputs, 0);
    const view = viewOfAxis(node, shape);
    const [before, after] = [sizeOf(view.before), sizeOf(view.after)];
    const element = (slice: number, o: number, i: number) => data[(o * view.size + slice) * after + i];
    const compare = (a: number, b: number) => {
      for (let o = 0; o < before; o++) {
        for (let i = 0; i < after; i++) {
          const order = inOrder(element(a, o, i), element(b, o, i));
          if (order !== 0) return order;
        }
      }
      return 0;
    };
    // Sorting is stable: the first of each group is the first that comes.
    const sorted = Array.from({ length: view.size }, (_, i) => i).sort(compare);
    const groups: number[][] = [];
    for (const [i, slice] of sorted.entries()) {
      if (i > 0 && compare(sorted[i - 1], slice) === 0) groups[groups.length - 1].push(slice);
      else groups.push([slice]);
    }
    if (integer(node, "sorted", 1) === 0) groups.sort(([a], [b]) => a - b);
    const known = createArray(inMemory(dtype), before * groups.length * after);
    const inverse = new BigInt64Array(view.size);
    for (const [g, group] of groups.entries()) {
      for (const slice of group) inverse[slice] = BigInt(g);
      for (let o = 0; o < before; o++) {
        for (let i = 0; i < after; i++) known[(o * groups.length + g) * after + i] = element(group[0], o, i);
      }
    }
    const list = (values: BigInt64Array): Info => ({ dtype: "int64", shape: [values.length], known: values });
    return [
      { dtype, shape: [...view.before, groups.length, ...view.after], known },
      list(BigInt64Array.from(groups, ([first]) => BigInt(first))),
      list(inverse),
      list(BigInt64Array.from(groups, (group) => BigInt(group.length))),
    ];
  },
  lower,
};

/** Below 0 where a comes before b; NaN comes last, and all of them are alike. */
function inOrder(a: number | bigint, b: number | bigint): number {
  if (a < b) return -1;
  if (a > b) return 1;
  return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
}
