import { expected, ShapeError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import { showShape, sizeOf } from "../tensor.js";
import { axisOf, integer, only } from "./attributes.js";
import { offsetsOf } from "./indices.js";
import { inputOf, knownNumbers, sized } from "./known.js";
import { copying, moving, steps, widthOf } from "./move.js";
import type { Info, Op } from "./op.js";

/**
 * y[a, i, b] = values[1] where indices[a, b] is i, else values[0]; inputs indices, depth, values. Negative indices count from the end;
 * those outside leave values[0] everywhere.
 */
export const oneHot: Op = {
  attrs: (node) => only(node, ["axis"]),
  infer(node, inputs) {
    const index = inputOf(node, inputs, 0);
    const values = inputOf(node, inputs, 2);
    if (values.shape.length !== 1 || values.shape[0] !== 2) {
      throw new ShapeError(expected(`${node.name} (OneHot) input 2`, "two values", showShape(values.shape)));
    }
    const axis = axisOf(node, integer(node, "axis", -1), index.shape.length + 1);
    const depth = depthOf(node, inputs);
    return [sized(node, values.dtype, [...index.shape.slice(0, axis), depth, ...index.shape.slice(axis)])];
  },
  lower({ node, kernels }) {
    return ({ inputs, outputs }) => {
      const [index, , values] = inputs.map((slot) => slot!);
      const [y] = outputs;
      const width = widthOf(y);
      const axis = axisOf(node, integer(node, "axis", -1), y.shape.length);
      const own = steps(y.shape, width);
      const along = { limit: y.shape[axis], stride: own[axis] };
      const from = own.filter((_, i) => i !== axis);
      const { count, fill } = offsetsOf(kernels, index, index.shape, from, [along]);
      const repeated = (size: number) => [{ size, from: 0, to: width }];
      const off = moving(kernels, width, [{ dims: repeated(sizeOf(y.shape)), x: values.pointer, y: y.pointer }]);
      const on = copying(kernels, width, repeated(count));
      const room = 4 * count;
      return {
        scratch: room + width * count,
        run(scratch) {
          off();
          fill(scratch);
          on(values.pointer + width, scratch + room);
          kernels.scatter_bytes(count, width, scratch + room, scratch, y.pointer);
        },
      };
    };
  },
};

function depthOf(node: GraphNode, inputs: readonly (Info | undefined)[]): number {
  const given = knownNumbers(node, inputs, 1);
  if (given.length !== 1)
    throw new ShapeError(expected(`${node.name} (OneHot) input 1`, "one number", `${given.length}`));
  return Math.trunc(given[0]);
}
