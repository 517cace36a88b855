import type { TypedArray } from "../dtype.js";
import { expected, ShapeError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import { integer, only, shapeOf } from "./attributes.js";
import { around, axisAttribute } from "./axis.js";
import { elementsOf, viewing } from "./element.js";
import { checkTypes } from "./elementwise.js";
import { knownIntegers } from "./known.js";
import { type Op, ofFloats } from "./op.js";
import { keptShape } from "./recipe.js";

/** Operators that rank elements, in TypeScript: a 64-bit integer is one of JavaScript's while it is looked at. */

/** A value as a 64-bit integer, as two halves: no integer of JavaScript is made. */
function writeIndex(halves: Uint32Array, at: number, index: number): void {
  halves[2 * at] = index;
  halves[2 * at + 1] = 0;
}

/** Whether a ranks before b, neither being NaN. */
type Before = (a: number | bigint, b: number | bigint) => boolean;
const larger: Before = (a, b) => a > b;
const smaller: Before = (a, b) => a < b;

/** The first position along the axis, or with `last` the last, of the element that ranks first; NaN ranks before all. */
function firstAlong(x: TypedArray, at: number, k: number, step: number, before: Before, last: boolean): number {
  let best = 0;
  let value = x[at];
  for (let j = 0; j < k; j++) {
    const other = x[at + j * step];
    // NaN, the only value that differs from itself.
    if (Number.isNaN(other)) return j;
    if (before(other, value) || (last && other === value)) {
      best = j;
      value = other;
    }
  }
  return best;
}

function arg(before: Before): Op {
  return {
    attrs: (node) => only(node, ["axis", "keepdims", "select_last_index"]),
    infer(node, inputs) {
      const [{ shape }] = checkTypes(node, inputs.slice(0, 1), "numbers");
      const axis = axisAttribute(node, 0, shape);
      if (shape[axis] === 0)
        throw new ShapeError(expected(`${node.name} (${node.op})`, "values along the axis", "none"));
      const kept = integer(node, "keepdims", 1) !== 0;
      return [{ dtype: "int64", shape: kept ? keptShape(shape, [axis]) : shape.filter((_, i) => i !== axis) }];
    },
    lower:
      ({ kernels, node }) =>
      ({ inputs, outputs }) => {
        const x = inputs[0]!;
        const { outer, k, inner } = around(x.shape, axisAttribute(node, 0, x.shape));
        const last = integer(node, "select_last_index", 0) !== 0;
        const positions = viewing(kernels, "uint32", 2 * outer * inner);
        return {
          scratch: 0,
          run() {
            const from = elementsOf(kernels, x);
            const to = positions(outputs[0].pointer) as Uint32Array;
            for (let o = 0; o < outer; o++) {
              for (let i = 0; i < inner; i++) {
                writeIndex(to, o * inner + i, firstAlong(from, o * k * inner + i, k, inner, before, last));
              }
            }
          },
        };
      },
  };
}

/** The position of the largest element along an axis, of equals the first, or with `select_last_index` the last. */
export const argMax: Op = arg(larger);
export const argMin: Op = arg(smaller);

/** 1 at the first of the largest elements along an axis, 0 elsewhere. */
export const hardmax: Op = {
  attrs: (node) => only(node, ["axis"]),
  inPlace: true,
  infer: ofFloats((node, inputs) => {
    const shape = shapeOf(node, inputs, 0);
    axisAttribute(node, -1, shape);
    return [shape];
  }),
  lower:
    ({ kernels, node }) =>
    ({ inputs, outputs }) => {
      const x = inputs[0]!;
      const { outer, k, inner } = around(x.shape, axisAttribute(node, -1, x.shape));
      return {
        scratch: 0,
        run() {
          const from = elementsOf(kernels, x);
          const to = elementsOf(kernels, outputs[0]);
          for (let o = 0; o < outer; o++) {
            for (let i = 0; i < inner; i++) {
              const at = o * k * inner + i;
              const best = k === 0 ? 0 : firstAlong(from, at, k, inner, larger, false);
              for (let j = 0; j < k; j++) to[at + j * inner] = j === best ? 1 : 0;
            }
          }
        },
      };
    },
};

/** How many of TopK's elements are wanted. */
function wanted(node: GraphNode, inputs: Parameters<typeof knownIntegers>[1], k: number): number {
  const given = knownIntegers(node, inputs, 1);
  if (given.length !== 1 || !(given[0] >= 0 && given[0] <= k)) {
    throw new ShapeError(
      expected(`${node.name} (TopK) K`, `one number from 0 to ${k}`, `${given.join(", ") || "none"}`),
    );
  }
  return given[0];
}

/**
 * The K largest elements along an axis, or the smallest, and where they stand: in that order, of equals the earlier first, NaN before
 * all. A heap of the best so far with the worst of them at the root, sorted in place at the end. J. W. J. Williams, "Heapsort", 1964.
 */
export const topK: Op = {
  attrs: (node) => only(node, ["axis", "largest", "sorted"]),
  infer(node, inputs) {
    const [{ dtype, shape }] = checkTypes(node, inputs.slice(0, 1), "numbers");
    const axis = axisAttribute(node, -1, shape);
    const most = wanted(node, inputs, shape[axis]);
    const to = shape.map((dim, i) => (i === axis ? most : dim));
    return [
      { dtype, shape: to },
      { dtype: "int64", shape: to },
    ];
  },
  lower:
    ({ kernels, node }) =>
    ({ inputs, outputs }) => {
      const x = inputs[0]!;
      const { outer, k, inner } = around(x.shape, axisAttribute(node, -1, x.shape));
      const most = wanted(node, inputs, k);
      const before = integer(node, "largest", 1) !== 0 ? larger : smaller;
      const heap = new Int32Array(most);
      const [values, indices] = outputs;
      const indicesAt = viewing(kernels, "uint32", 2 * outer * most * inner);
      return {
        scratch: 0,
        run() {
          const from = elementsOf(kernels, x);
          const to = values && elementsOf(kernels, values);
          const positions = indices && (indicesAt(indices.pointer) as Uint32Array);
          for (let o = 0; o < outer; o++) {
            for (let i = 0; i < inner; i++) {
              const at = o * k * inner + i;
              best(from, at, k, inner, before, heap);
              for (let j = 0; j < most; j++) {
                const y = (o * most + j) * inner + i;
                if (to) to[y] = from[at + heap[j] * inner];
                if (positions) writeIndex(positions, y, heap[j]);
              }
            }
          }
        },
      };
    },
};

/** Fills `heap` with the positions of the elements that rank first, in order. */
function best(x: TypedArray, at: number, k: number, step: number, before: Before, heap: Int32Array): void {
  const most = heap.length;
  if (most === 0) return;
  for (let j = 0; j < most; j++) heap[j] = j;
  for (let j = (most >> 1) - 1; j >= 0; j--) sink(x, at, step, before, heap, j, most);
  for (let j = most; j < k; j++) {
    if (!worse(x, at, step, before, heap[0], j)) continue;
    heap[0] = j;
    sink(x, at, step, before, heap, 0, most);
  }
  for (let end = most - 1; end > 0; end--) {
    const root = heap[0];
    heap[0] = heap[end];
    heap[end] = root;
    sink(x, at, step, before, heap, 0, end);
  }
}

/** Whether element i ranks after element j. */
function worse(x: TypedArray, at: number, step: number, before: Before, i: number, j: number): boolean {
  const [a, b] = [x[at + i * step], x[at + j * step]];
  const [aNaN, bNaN] = [Number.isNaN(a), Number.isNaN(b)];
  if (aNaN !== bNaN) return bNaN;
  return aNaN || a === b ? i > j : before(b, a);
}

/** Lets entry i of a heap of n sink until nothing below it is worse. */
function sink(x: TypedArray, at: number, step: number, before: Before, heap: Int32Array, i: number, n: number): void {
  const item = heap[i];
  for (;;) {
    let child = 2 * i + 1;
    if (child >= n) break;
    if (child + 1 < n && worse(x, at, step, before, heap[child + 1], heap[child])) child++;
    if (!worse(x, at, step, before, heap[child], item)) break;
    heap[i] = heap[child];
    i = child;
  }
  heap[i] = item;
}
