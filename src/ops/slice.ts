import { expected, ShapeError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import { showShape } from "../tensor.js";
import { axesOf, axisOf, integer, only, shapeOf } from "./attributes.js";
import { checkSameType, inputOf, knownIntegers, optionalIntegers, sized } from "./known.js";
import { between, type Move, moving, steps, undoing, widthOf } from "./move.js";
import { gradientsOf, type Info, type Op, type Slot } from "./op.js";

/** Every `step`-th element of a dimension, from `start` on. */
interface Range {
  readonly start: number;
  readonly step: number;
  readonly size: number;
}

/** x[start : end : step] along some axes, as in numpy; inputs x, starts, ends, axes or none, steps or none. */
export const slice: Op = {
  attrs: (node) => only(node, []),
  infer(node, inputs) {
    const { dtype, shape } = inputOf(node, inputs, 0);
    return [{ dtype, shape: rangesOf(node, shape, inputs).map((range) => range.size) }];
  },
  lower({ node, kernels }) {
    return ({ inputs, outputs }) => {
      const move = sliced(node, inputs, inputs[0]!, outputs[0]);
      return { scratch: 0, run: moving(kernels, widthOf(outputs[0]), [move]) };
    };
  },
  grad:
    ({ node, kernels }) =>
    (io) => {
      const [x, y] = gradientsOf(io);
      return undoing(kernels, [sliced(node, io.inputs, x, y)]);
    },
};

function sliced(node: GraphNode, inputs: readonly (Info | undefined)[], x: Slot, y: Slot): Move {
  const width = widthOf(x);
  const ranges = rangesOf(node, x.shape, inputs);
  const from = steps(x.shape, width);
  const dims = between(
    y.shape,
    ranges.map(({ step }, i) => step * from[i]),
    steps(y.shape, width),
  );
  const start = ranges.reduce((sum, range, i) => sum + range.start * from[i], 0);
  return { dims, x: x.pointer + start, y: y.pointer };
}

function rangesOf(node: GraphNode, shape: readonly number[], inputs: readonly (Info | undefined)[]): Range[] {
  const starts = knownIntegers(node, inputs, 1);
  const ends = knownIntegers(node, inputs, 2);
  const given = optionalIntegers(node, inputs, 3) ?? [...starts.keys()];
  const axes = axesOf(node, given, shape.length);
  const strides = optionalIntegers(node, inputs, 4) ?? starts.map(() => 1);
  const where = `${node.name} (Slice)`;
  if ([starts, ends, strides].some((list) => list.length !== axes.length)) {
    const lengths = [starts, ends, axes, strides].map((list) => list.length);
    throw new ShapeError(expected(where, "as many starts as ends, axes and steps", lengths.join(", ")));
  }
  return shape.map((size, axis): Range => {
    const i = axes.indexOf(axis);
    if (i < 0) return { start: 0, step: 1, size };
    const step = strides[i];
    if (step === 0) throw new ShapeError(expected(where, "steps other than 0", strides.join(", ")));
    // Downwards, the place before the first element is an end too.
    const least = step < 0 ? -1 : 0;
    const inside = (at: number) => Math.min(Math.max(at < 0 ? at + size : at, least), size + least);
    const [start, end] = [inside(starts[i]), inside(ends[i])];
    // A step past the dimension takes its first element, and bytes are counted with it.
    const bounded = Math.min(Math.max(step, -size - 1), size + 1);
    return { start, step: bounded, size: Math.max(0, Math.ceil((end - start) / bounded)) };
  });
}

/** The parts of x one after the other along an axis; input 1 or num_outputs says how large they are. */
export const split: Op = {
  attrs: (node) => only(node, ["axis", "num_outputs"]),
  infer(node, inputs) {
    const { dtype, shape } = inputOf(node, inputs, 0);
    const axis = axisOf(node, integer(node, "axis", 0), shape.length);
    const sizes = partsOf(node, shape[axis], inputs);
    return sizes.map((size) => ({ dtype, shape: shape.with(axis, size) }));
  },
  lower({ node, kernels }) {
    return ({ inputs, outputs }) => {
      const x = inputs[0]!;
      return { scratch: 0, run: moving(kernels, widthOf(x), taken(node, inputs, x, outputs)) };
    };
  },
  grad:
    ({ node, kernels }) =>
    (io) => {
      const x = { ...io.inputs[0]!, pointer: io.dInputs[0] };
      const parts = io.outputs.map((y, i) => y && io.dOutputs[i] && { ...y, pointer: io.dOutputs[i] });
      return undoing(kernels, taken(node, io.inputs, x, parts));
    },
};

/** @param outputs one that nobody wants has no slot */
function taken(
  node: GraphNode,
  inputs: readonly (Info | undefined)[],
  x: Slot,
  outputs: readonly (Slot | undefined | 0)[],
): Move[] {
  const axis = axisOf(node, integer(node, "axis", 0), x.shape.length);
  let at = 0;
  return partsOf(node, x.shape[axis], inputs).flatMap((size, i) => {
    const part = partOf(x, axis, at, size);
    at += size;
    const y = outputs[i];
    return y ? [{ dims: part.dims, x: part.pointer, y: y.pointer }] : [];
  });
}

function partsOf(node: GraphNode, size: number, inputs: readonly (Info | undefined)[]): number[] {
  const where = `${node.name} (Split)`;
  const given = optionalIntegers(node, inputs, 1);
  const count = integer(node, "num_outputs", given?.length ?? node.outputs.length);
  if (given) {
    const sum = given.reduce((total, part) => total + part, 0);
    if (sum !== size || given.some((part) => part < 0) || count !== given.length) {
      throw new ShapeError(expected(where, `${count} parts of ${size} in all`, showShape(given)));
    }
    return given;
  }
  if (count !== node.outputs.length) {
    throw new ShapeError(
      expected(`${node.name}.num_outputs`, `${node.outputs.length}, as many as outputs`, `${count}`),
    );
  }
  const even = node.attributes.num_outputs === undefined;
  if (count < 1 || (even && size % count !== 0)) {
    throw new ShapeError(expected(where, `${size} in equal parts`, `${count} parts`));
  }
  const part = Math.ceil(size / count);
  return node.outputs.map((_, i) => (i < count ? Math.max(0, Math.min(part, size - i * part)) : 0)).slice(0, count);
}

/** Dimensions and address of the part of a tensor that begins at `at` along an axis, copied from or to a tensor of its own. */
function partOf({ pointer, shape, dtype }: Slot, axis: number, at: number, size: number) {
  const width = widthOf({ dtype });
  const whole = steps(shape, width);
  const own = shape.with(axis, size);
  return { dims: between(own, whole, steps(own, width)), pointer: pointer + at * whole[axis] };
}

/** The inputs one after the other along an axis. */
export const concat: Op = {
  attrs(node) {
    only(node, ["axis"]);
    if (node.attributes.axis === undefined) throw new ShapeError(expected(`${node.name}.axis`, "an integer", "none"));
  },
  infer(node, inputs) {
    const { dtype, shape } = inputOf(node, inputs, 0);
    const axis = axisOf(node, integer(node, "axis", 0), shape.length);
    let sum = 0;
    for (const i of inputs.keys()) {
      checkSameType(node, inputs, 0, i);
      const given = shapeOf(node, [inputs[i]?.shape], 0);
      if (given.length !== shape.length || given.some((size, d) => d !== axis && size !== shape[d])) {
        throw new ShapeError(
          expected(`${node.name} (Concat) input ${i}`, `${showShape(shape)} but for axis ${axis}`, showShape(given)),
        );
      }
      sum += given[axis];
    }
    return [sized(node, dtype, shape.with(axis, sum))];
  },
  lower({ node, kernels }) {
    return ({ inputs, outputs }) => {
      const [y] = outputs;
      return { scratch: 0, run: moving(kernels, widthOf(y), joined(node, inputs, y)) };
    };
  },
  grad:
    ({ node, kernels }) =>
    ({ inputs, outputs, dInputs, dOutputs }) => {
      const given = inputs.map((x, i) => ({ ...x!, pointer: dInputs[i] }));
      const moves = joined(node, given, { ...outputs[0], pointer: dOutputs[0] });
      return undoing(
        kernels,
        moves.filter(({ x }) => x !== 0),
      );
    },
};

function joined(node: GraphNode, inputs: readonly (Slot | undefined)[], y: Slot): Move[] {
  const axis = axisOf(node, integer(node, "axis", 0), y.shape.length);
  let at = 0;
  return inputs.map((x) => {
    const size = x!.shape[axis];
    const { dims, pointer } = partOf(y, axis, at, size);
    at += size;
    const turned = dims.map((dim) => ({ size: dim.size, from: dim.to, to: dim.from }));
    return { dims: turned, x: x!.pointer, y: pointer };
  });
}
