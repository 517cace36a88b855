import { inMemory } from "../dtype.js";
import { expected, ShapeError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import type { RunKernels } from "../kernels/abi.js";
import { sameShape, showShape, sizeOf } from "../tensor.js";
import { axisOf, integer, only, word } from "./attributes.js";
import { typeCode } from "./codes.js";
import { checkInside } from "./gather.js";
import { checkIndices, checkRoom, type Offsets, offsetsOf } from "./indices.js";
import { checkIndexType, checkSameType, inputOf } from "./known.js";
import { steps, wholly, widthOf } from "./move.js";
import { bytesOf, type Info, type Launch, type Op, type Slot } from "./op.js";

const reductions = ["none", "add", "mul", "max", "min"] as const;
type Reduction = (typeof reductions)[number];

/**
 * x with updates[.., i, ..] at [.., indices[.., i, ..], ..]: set, or joined with what stands there. Of two that are set at one place
 * the later stays. An index outside is a ShapeError, at run time where it is not known before.
 */
export const scatterElements: Op = {
  inPlace: true,
  attrs(node) {
    only(node, ["axis", "reduction"]);
    word(node, "reduction", reductions, "none");
  },
  infer(node, inputs) {
    const { dtype, shape } = inputOf(node, inputs, 0);
    const axis = axisOf(node, integer(node, "axis", 0), shape.length);
    const index = inputOf(node, inputs, 1);
    checkIndexType(node, inputs, 1);
    checkInside(node, shape, index.shape, axis);
    checkIndices(node, 1, index, [shape[axis]]);
    checkUpdates(node, inputs, index.shape);
    return [{ dtype, shape }];
  },
  lower({ node, kernels }) {
    return ({ inputs, outputs }) => {
      const [x, index, updates] = inputs.map((slot) => slot!);
      const axis = axisOf(node, integer(node, "axis", 0), x.shape.length);
      const own = steps(x.shape, widthOf(x));
      const along = { limit: x.shape[axis], stride: own[axis] };
      const offsets = offsetsOf(kernels, index, index.shape, own.with(axis, 0), [along], node);
      return scattering(kernels, word(node, "reduction", reductions, "none"), x, updates, outputs[0], offsets, 1);
    };
  },
};

/** x with the slice updates[i] at [indices[i, 0], indices[i, 1], ..]; the rest as above. */
export const scatterND: Op = {
  inPlace: true,
  attrs(node) {
    only(node, ["reduction"]);
    word(node, "reduction", reductions, "none");
  },
  infer(node, inputs) {
    const { dtype, shape } = inputOf(node, inputs, 0);
    const index = inputOf(node, inputs, 1);
    checkIndexType(node, inputs, 1);
    const tuple = index.shape[index.shape.length - 1] ?? 0;
    if (tuple < 1 || tuple > shape.length) {
      const want = `tuples of at most ${shape.length} indices`;
      throw new ShapeError(expected(`${node.name} (ScatterND) input 1`, want, showShape(index.shape)));
    }
    const limits = shape.slice(0, tuple);
    checkUpdates(node, inputs, [...index.shape.slice(0, -1), ...shape.slice(tuple)]);
    checkRoom(node, sizeOf(inputOf(node, inputs, 2).shape), limits);
    checkIndices(node, 1, index, limits);
    return [{ dtype, shape }];
  },
  lower({ node, kernels }) {
    return ({ inputs, outputs }) => {
      const [x, index, updates] = inputs.map((slot) => slot!);
      const tuples = index.shape.slice(0, -1);
      const tuple = index.shape[tuples.length];
      const own = steps(x.shape, widthOf(x));
      const along = own.slice(0, tuple).map((stride, i) => ({ limit: x.shape[i], stride }));
      const none = tuples.map(() => 0);
      const offsets = offsetsOf(kernels, index, tuples, none, along, node);
      const run = sizeOf(x.shape.slice(tuple));
      return scattering(kernels, word(node, "reduction", reductions, "none"), x, updates, outputs[0], offsets, run);
    };
  },
};

function checkUpdates(node: GraphNode, inputs: readonly (Info | undefined)[], shape: readonly number[]): void {
  checkSameType(node, inputs, 0, 2);
  const given = inputOf(node, inputs, 2).shape;
  if (!sameShape(given, shape)) {
    throw new ShapeError(expected(`${node.name} (${node.op}) input 2`, showShape(shape), showShape(given)));
  }
}

/** y = x, then updates in runs of `run` elements to where the offsets lead. */
function scattering(
  kernels: RunKernels,
  reduction: Reduction,
  x: Slot,
  updates: Slot,
  y: Slot,
  { count, fill }: Offsets,
  run: number,
): Launch {
  const copy = wholly(kernels, x, y);
  // What is to be scattered may stand where the result does, where both inputs are one value.
  const size = bytesOf(updates);
  const saved = updates.pointer === y.pointer ? Math.ceil(size / 16) * 16 : 0;
  const put = scatterOf(kernels, reduction, updates, run);
  return {
    scratch: saved + 4 * count,
    run(scratch) {
      const from = saved > 0 ? scratch : updates.pointer;
      if (saved > 0) kernels.copy_bytes(size, updates.pointer, from);
      copy();
      if (count === 0) return;
      fill(scratch + saved);
      put(count, from, scratch + saved, y.pointer);
    },
  };
}

type Scatter = (count: number, from: number, offsets: number, to: number) => void;

function scatterOf(kernels: RunKernels, reduction: Reduction, { dtype }: Slot, run: number): Scatter {
  if (reduction === "none") {
    const bytes = run * widthOf({ dtype });
    return (count, from, offsets, to) => kernels.scatter_bytes(count, bytes, from, offsets, to);
  }
  // Of truth values, the sum is their maximum and the product their minimum.
  const kind = (dtype === "bool" ? { add: 2, mul: 3, max: 2, min: 3 } : { add: 0, mul: 1, max: 2, min: 3 })[reduction];
  if (inMemory(dtype) === "float32") {
    return (count, from, offsets, to) => kernels.scatter_f32(count, run, from, offsets, to, kind);
  }
  const code = typeCode(dtype);
  return (count, from, offsets, to) => kernels.scatter_int(count, run, code, from, offsets, to, kind);
}
