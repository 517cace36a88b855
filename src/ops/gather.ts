import { expected, ShapeError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import { showShape, sizeOf } from "../tensor.js";
import { axisOf, integer, only } from "./attributes.js";
import { checkIndices, checkRoom, offsetsOf } from "./indices.js";
import { checkIndexType, inputOf, sized } from "./known.js";
import { steps, widthOf } from "./move.js";
import { gradientsOf, type Info, type Op } from "./op.js";

/**
 * y[a, i, b] = x[a, indices[i], b]: slices along an axis. Negative indices count from the end; one outside is a ShapeError, at run
 * time where it is not known before.
 */
export const gather: Op = {
  attrs: (node) => only(node, ["axis"]),
  infer(node, inputs) {
    const { dtype, shape } = inputOf(node, inputs, 0);
    checkIndexType(node, inputs, 1);
    const index = inputOf(node, inputs, 1);
    const axis = axisOf(node, integer(node, "axis", 0), shape.length);
    checkIndices(node, 1, index, [shape[axis]]);
    const made = sized(node, dtype, [...shape.slice(0, axis), ...index.shape, ...shape.slice(axis + 1)]);
    checkRoom(node, sizeOf(made.shape), [shape[axis]]);
    return [made];
  },
  lower({ node, kernels }) {
    return ({ inputs, outputs }) => {
      const [x, index] = [inputs[0]!, inputs[1]!];
      const [y] = outputs;
      const axis = axisOf(node, integer(node, "axis", 0), x.shape.length);
      const limit = x.shape[axis];
      const run = sizeOf(x.shape.slice(axis + 1)) * widthOf(x);
      const outer = sizeOf(x.shape.slice(0, axis));
      const none = index.shape.map(() => 0);
      const { count, fill } = offsetsOf(kernels, index, index.shape, none, [{ limit, stride: run }], node);
      return launchOf(sizeOf(y.shape), 4 * count, (scratch) => {
        fill(scratch);
        kernels.gather_bytes(outer, count, run, limit * run, x.pointer, scratch, y.pointer);
      });
    };
  },
  grad({ node, kernels }) {
    return (io) => {
      const [dx, dy] = gradientsOf(io);
      const index = io.inputs[1]!;
      const axis = axisOf(node, integer(node, "axis", 0), dx.shape.length);
      const limit = dx.shape[axis];
      const run = sizeOf(dx.shape.slice(axis + 1));
      const outer = sizeOf(dx.shape.slice(0, axis));
      const none = index.shape.map(() => 0);
      const { count, fill } = offsetsOf(kernels, index, index.shape, none, [{ limit, stride: 4 * run }], node);
      return launchOf(sizeOf(dy.shape), 4 * count, (scratch) => {
        fill(scratch);
        for (let o = 0; o < outer; o++) {
          kernels.scatter_f32(
            count,
            run,
            dy.pointer + 4 * o * count * run,
            scratch,
            dx.pointer + 4 * o * limit * run,
            0,
          );
        }
      });
    };
  },
};

/** A launch that does nothing where there is nothing to write. */
function launchOf(size: number, scratch: number, run: (scratch: number) => void) {
  return size === 0 ? { scratch: 0, run() {} } : { scratch, run };
}

/** y[.., i, ..] = x[.., indices[.., i, ..], ..]: an element for each index along an axis. */
export const gatherElements: Op = {
  attrs: (node) => only(node, ["axis"]),
  infer(node, inputs) {
    const { dtype, shape } = inputOf(node, inputs, 0);
    const axis = axisOf(node, integer(node, "axis", 0), shape.length);
    checkIndexType(node, inputs, 1);
    const index = inputOf(node, inputs, 1);
    checkInside(node, shape, index.shape, axis);
    checkIndices(node, 1, index, [shape[axis]]);
    return [sized(node, dtype, index.shape)];
  },
  lower({ node, kernels }) {
    return ({ inputs, outputs }) => {
      const [x, index] = [inputs[0]!, inputs[1]!];
      const axis = axisOf(node, integer(node, "axis", 0), x.shape.length);
      const width = widthOf(x);
      const own = steps(x.shape, width);
      const along = { limit: x.shape[axis], stride: own[axis] };
      const { count, fill } = offsetsOf(kernels, index, index.shape, own.with(axis, 0), [along], node);
      return launchOf(count, 4 * count, (scratch) => {
        fill(scratch);
        kernels.gather_bytes(1, count, width, 0, x.pointer, scratch, outputs[0].pointer);
      });
    };
  },
  grad({ node, kernels }) {
    return (io) => {
      const [dx, dy] = gradientsOf(io);
      const index = io.inputs[1]!;
      const axis = axisOf(node, integer(node, "axis", 0), dx.shape.length);
      const own = steps(dx.shape, 4);
      const along = { limit: dx.shape[axis], stride: own[axis] };
      const { count, fill } = offsetsOf(kernels, index, index.shape, own.with(axis, 0), [along], node);
      return launchOf(count, 4 * count, (scratch) => {
        fill(scratch);
        kernels.scatter_f32(count, 1, dy.pointer, scratch, dx.pointer, 0);
      });
    };
  },
};

/** @throws ShapeError where indices of one element each do not fit into a tensor */
export function checkInside(node: GraphNode, shape: readonly number[], index: readonly number[], axis: number): void {
  if (index.length !== shape.length || index.some((size, i) => i !== axis && size > shape[i])) {
    const want = `at most ${showShape(shape)} but for axis ${axis}`;
    throw new ShapeError(expected(`${node.name} (${node.op}) input 1`, want, showShape(index)));
  }
  checkRoom(node, sizeOf(index), [shape[axis]]);
}

/** y[b, i] = x[b, indices[b, i, 0], indices[b, i, 1], ..], b over the first batch_dims dimensions: slices by tuples of indices. */
export const gatherND: Op = {
  attrs: (node) => only(node, ["batch_dims"]),
  infer(node, inputs) {
    const { dtype, shape } = inputOf(node, inputs, 0);
    checkIndexType(node, inputs, 1);
    const index = inputOf(node, inputs, 1);
    const { batch, tuple } = tuplesOf(node, shape, index);
    const limits = shape.slice(batch, batch + tuple);
    const made = sized(node, dtype, [...index.shape.slice(0, -1), ...shape.slice(batch + tuple)]);
    checkRoom(node, sizeOf(made.shape), limits);
    checkIndices(node, 1, index, limits);
    return [made];
  },
  lower({ node, kernels }) {
    return ({ inputs, outputs }) => {
      const [x, index] = [inputs[0]!, inputs[1]!];
      const [y] = outputs;
      const { batch, tuple } = tuplesOf(node, x.shape, index);
      const own = steps(x.shape, widthOf(x));
      const run = sizeOf(x.shape.slice(batch + tuple)) * widthOf(x);
      const along = x.shape.slice(batch, batch + tuple).map((limit, i) => ({ limit, stride: own[batch + i] }));
      const shape = index.shape.slice(0, -1);
      const from = shape.map((_, i) => (i < batch ? own[i] : 0));
      const { count, fill } = offsetsOf(kernels, index, shape, from, along, node);
      return launchOf(sizeOf(y.shape), 4 * count, (scratch) => {
        fill(scratch);
        kernels.gather_bytes(1, count, run, 0, x.pointer, scratch, y.pointer);
      });
    };
  },
};

function tuplesOf(node: GraphNode, shape: readonly number[], index: Info): { batch: number; tuple: number } {
  const batch = integer(node, "batch_dims", 0);
  const tuple = index.shape[index.shape.length - 1] ?? 0;
  const fits =
    batch >= 0 &&
    batch < Math.min(shape.length, index.shape.length) &&
    tuple >= 1 &&
    batch + tuple <= shape.length &&
    shape.slice(0, batch).every((size, i) => size === index.shape[i]);
  if (!fits) {
    const want = `tuples that lead into ${showShape(shape)} after ${batch} dimensions that are alike`;
    throw new ShapeError(expected(`${node.name} (${node.op}) input 1`, want, showShape(index.shape)));
  }
  return { batch, tuple };
}
