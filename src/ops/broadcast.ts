import { expected, ShapeError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import { showShape, sizeOf } from "../tensor.js";

/**
 * The shape that all of `shapes` broadcast to: aligned at their last dimensions, sizes of 1 repeat.
 * @throws ShapeError naming the input that does not fit
 */
export function broadcastShape(node: GraphNode, shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  const to: number[] = new Array(rank).fill(1);
  for (const [i, shape] of shapes.entries()) {
    const first = rank - shape.length;
    if (shape.some((dim, d) => dim !== 1 && to[first + d] !== 1 && to[first + d] !== dim)) {
      const want = `a shape that broadcasts with ${showShape(to)}`;
      throw new ShapeError(expected(`${node.name} (${node.op}) input ${i}`, want, showShape(shape)));
    }
    for (const [d, dim] of shape.entries()) if (dim !== 1) to[first + d] = dim;
  }
  return to;
}

/** Values of several shapes walked together over the shape that they broadcast to. */
export interface Walk {
  /** A block: so many rows, each of so many elements. */
  readonly rows: number;
  readonly cols: number;
  /** For each value the elements from one row to the next, and 1 along a row or 0 where one element repeats. */
  readonly row: readonly number[];
  readonly col: readonly number[];
  /** Every block in turn: where it begins in each value, and in the result. The array is the same each time. */
  visit(block: (from: readonly number[], to: number) => void): void;
}

/** @param shapes each of which broadcasts to `shape` */
export function walkOf(shape: readonly number[], shapes: readonly (readonly number[])[]): Walk {
  const dims = merged(shape, shapes);
  const none = { size: 1, strides: shapes.map(() => 0) };
  const [columns = none, rows = none, ...outer] = dims;
  const block = rows.size * columns.size;
  const blocks = sizeOf(shape) === 0 ? 0 : outer.reduce((product, { size }) => product * size, 1);
  const counters = outer.map(() => 0);
  const from = shapes.map(() => 0);
  return {
    rows: rows.size,
    cols: columns.size,
    row: rows.strides,
    col: columns.strides,
    visit(act) {
      counters.fill(0);
      from.fill(0);
      for (let i = 0; i < blocks; i++) {
        act(from, i * block);
        for (let d = 0; d < outer.length; d++) {
          const { size, strides } = outer[d];
          const back = ++counters[d] === size;
          for (let v = 0; v < from.length; v++) from[v] += back ? (1 - size) * strides[v] : strides[v];
          if (!back) break;
          counters[d] = 0;
        }
      }
    },
  };
}

interface Dimension {
  size: number;
  /** Elements of each value from one to the next, 0 where it repeats. */
  readonly strides: readonly number[];
}

/** The dimensions from the innermost out, those that all values go through as if they were one put together. */
function merged(shape: readonly number[], shapes: readonly (readonly number[])[]): Dimension[] {
  const dims: Dimension[] = [];
  const strides = shapes.map(() => 1);
  for (let d = shape.length - 1; d >= 0; d--) {
    const size = shape[d];
    const own = shapes.map((s) => s[d - shape.length + s.length] ?? 1);
    const steps = own.map((dim, v) => (dim === 1 ? 0 : strides[v]));
    for (const [v, dim] of own.entries()) strides[v] *= dim;
    if (size === 1) continue;
    const inner = dims[dims.length - 1];
    if (inner && steps.every((step, v) => step === inner.strides[v] * inner.size)) inner.size *= size;
    else dims.push({ size, strides: steps });
  }
  return dims;
}
