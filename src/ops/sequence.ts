import { expected, ShapeError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import { sameShape, showShape, sizeOf } from "../tensor.js";
import { axisOf, integer, only, word } from "./attributes.js";
import { elementsOf } from "./element.js";
import { checkIndexType, checkSameType, inputOf } from "./known.js";
import { steps, wholly, widthOf } from "./move.js";
import { bytesOf, type Op } from "./op.js";

/**
 * x with the first lengths[b] elements of each sequence b in reverse; batch_axis and time_axis are 0 and 1 or 1 and 0. A length that
 * there is not is a ShapeError.
 */
export const reverseSequence: Op = {
  attrs: (node) => only(node, ["batch_axis", "time_axis"]),
  infer(node, inputs) {
    const { dtype, shape } = inputOf(node, inputs, 0);
    checkIndexType(node, inputs, 1);
    const lengths = inputOf(node, inputs, 1);
    const { batch } = axesOf(node);
    if (shape.length < 2 || !sameShape(lengths.shape, [shape[batch]])) {
      const want = `a length for each sequence of ${showShape(shape)}`;
      throw new ShapeError(expected(`${node.name} (ReverseSequence) input 1`, want, showShape(lengths.shape)));
    }
    return [{ dtype, shape }];
  },
  lower({ node, kernels }) {
    const { batch, time } = axesOf(node);
    return ({ inputs, outputs }) => {
      const [x, lengths] = inputs.map((slot) => slot!);
      const y = outputs[0].pointer;
      const by = steps(x.shape, widthOf(x));
      const [between, step, most] = [by[batch], by[time], x.shape[time]];
      const run = sizeOf(x.shape.slice(2)) * widthOf(x);
      return {
        scratch: 0,
        run() {
          const counts = elementsOf(kernels, lengths);
          for (let b = 0; b < counts.length; b++) {
            const n = Number(counts[b]);
            checkPlace(node, 1, n, most);
            const from = x.pointer + b * between;
            const to = y + b * between;
            kernels.move_x8(1, n, run, 0, -step, 1, 0, step, 1, from + (n - 1) * step, to);
            kernels.move_x8(1, most - n, run, 0, step, 1, 0, step, 1, from + n * step, to + n * step);
          }
        },
      };
    };
  },
};

function axesOf(node: GraphNode): { batch: number; time: number } {
  const [batch, time] = [integer(node, "batch_axis", 1), integer(node, "time_axis", 0)];
  if (batch + time !== 1 || batch * time !== 0) {
    throw new ShapeError(expected(`${node.name} (ReverseSequence)`, "axes 0 and 1", `${batch} and ${time}`));
  }
  return { batch, time };
}

/** @throws ShapeError where an element of input i is not in 0..most */
function checkPlace(node: GraphNode, i: number, place: number, most: number): void {
  if (place >= 0 && place <= most) return;
  throw new ShapeError(expected(`${node.name} (${node.op}) input ${i}`, `numbers in 0..${most}`, `${place}`));
}

/**
 * A cache with new elements written along an axis, from place indices[b] on (0 without them): inputs cache, update, indices or none.
 * Linear: a place from which they reach past the end is a ShapeError; circular: they go on at the beginning.
 */
export const tensorScatter: Op = {
  inPlace: true,
  attrs(node) {
    only(node, ["axis", "mode"]);
    word(node, "mode", ["linear", "circular"], "linear");
  },
  infer(node, inputs) {
    const { dtype, shape } = inputOf(node, inputs, 0);
    const axis = axisOf(node, integer(node, "axis", -2), shape.length);
    checkSameType(node, inputs, 0, 1);
    const update = inputOf(node, inputs, 1).shape;
    if (axis === 0 || !(update[axis] <= shape[axis]) || !sameShape(update.with(axis, shape[axis]), shape)) {
      const want = `${showShape(shape)} or less along axis ${axis}, which is not the first`;
      throw new ShapeError(expected(`${node.name} (TensorScatter) input 1`, want, showShape(update)));
    }
    if (inputs[2]) {
      checkIndexType(node, inputs, 2);
      if (!sameShape(inputs[2].shape, [shape[0]])) {
        const want = `a place for each of ${shape[0]}`;
        throw new ShapeError(expected(`${node.name} (TensorScatter) input 2`, want, showShape(inputs[2].shape)));
      }
    }
    return [{ dtype, shape }];
  },
  lower({ node, kernels }) {
    const circular = node.attributes.mode === "circular";
    return ({ inputs, outputs }) => {
      const [x, update] = [inputs[0]!, inputs[1]!];
      const [y] = outputs;
      const axis = axisOf(node, integer(node, "axis", -2), x.shape.length);
      const copy = wholly(kernels, x, y);
      const [length, count] = [x.shape[axis], update.shape[axis]];
      const run = sizeOf(x.shape.slice(axis + 1)) * widthOf(x);
      const rows = sizeOf(x.shape.slice(1, axis));
      const [from, to] = [count * run, length * run];
      // What is to be written may stand where the result does, where both inputs are one value.
      const bytes = bytesOf(update);
      const saved = update.pointer === y.pointer;
      let origin = update.pointer;
      const put = (first: number, size: number, place: number, b: number) => {
        const source = origin + b * rows * from + first * run;
        const target = y.pointer + b * rows * to + place * run;
        kernels.move_x8(1, rows, size * run, 0, from, 1, 0, to, 1, source, target);
      };
      return {
        scratch: saved ? bytes : 0,
        run(scratch) {
          if (saved) kernels.copy_bytes(bytes, update.pointer, (origin = scratch));
          copy();
          const places = inputs[2] && elementsOf(kernels, inputs[2]);
          for (let b = 0; b < x.shape[0] && count > 0; b++) {
            const place = Number(places?.[b] ?? 0);
            if (!circular) {
              checkPlace(node, 2, place, length - count);
              put(0, count, place, b);
            } else {
              const start = ((place % length) + length) % length;
              const head = Math.min(count, length - start);
              put(0, head, start, b);
              put(head, count - head, 0, b);
            }
          }
        },
      };
    };
  },
};
