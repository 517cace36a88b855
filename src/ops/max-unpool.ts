import { expected, ShapeError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import { sameShape, showShape, sizeOf } from "../tensor.js";
import { integers, only } from "./attributes.js";
import { elementsOf } from "./element.js";
import { checkFloats, inputOf, optionalIntegers, sized } from "./known.js";
import { steps } from "./move.js";
import type { Info, Op } from "./op.js";

/**
 * Each value at its place, as MaxPool gives it, and zeros elsewhere. Places count the elements of what was pooled: the shape that follows
 * from the window; a larger output_shape adds zeros at the ends. A place outside is nowhere. Places are read through a view.
 */
export const maxUnpool: Op = {
  attrs: (node) => only(node, ["kernel_shape", "strides", "pads"]),
  infer(node, inputs) {
    checkFloats(node, inputs, 0);
    const { dtype, shape } = inputOf(node, inputs, 0);
    const places = inputOf(node, inputs, 1);
    if (places.dtype !== "int64" || !sameShape(places.shape, shape)) {
      const got = `${places.dtype} ${showShape(places.shape)}`;
      throw new ShapeError(expected(`${node.name} (MaxUnpool) input 1`, `int64 ${showShape(shape)}`, got));
    }
    const pooled = pooledShape(node, shape);
    const wanted = optionalIntegers(node, inputs, 2) ?? pooled;
    if (wanted.length !== pooled.length) {
      const want = `${pooled.length} sizes`;
      throw new ShapeError(expected(`${node.name} (MaxUnpool) input 2`, want, showShape(wanted)));
    }
    sized(node, dtype, pooled);
    return [sized(node, dtype, wanted)];
  },
  lower:
    ({ node, kernels }) =>
    ({ inputs, outputs }) => {
      const [x, places] = inputs.map((slot) => slot!);
      const [y] = outputs;
      const pooled = pooledShape(node, x.shape);
      const [from, to] = [steps(pooled, 1), steps(y.shape, 1)];
      const [size, count] = [sizeOf(pooled), sizeOf(x.shape)];
      return {
        scratch: 0,
        run() {
          kernels.fill_row_f32(1, sizeOf(y.shape), 0, y.pointer);
          const [values, at, made] = [x, places, y].map((slot: Info & { pointer: number }) =>
            elementsOf(kernels, slot),
          );
          for (let i = 0; i < count; i++) {
            const place = Number(at[i]);
            if (!(place >= 0 && place < size)) continue;
            let into = 0;
            for (let d = 0; d < from.length && into >= 0; d++) {
              const index = Math.floor(place / from[d]) % pooled[d];
              into = index < y.shape[d] ? into + index * to[d] : Number.NaN;
            }
            if (into >= 0) made[into] = values[i];
          }
        },
      };
    },
};

/** The shape that pooling made `shape` of. @throws ShapeError */
function pooledShape(node: GraphNode, [n, c, ...sizes]: readonly number[]): number[] {
  const rank = sizes.length;
  if (rank === 0)
    throw new ShapeError(expected(`${node.name} (MaxUnpool)`, "[n, c] and one size or more", `${n}, ${c}`));
  const kernel = integers(node, "kernel_shape", rank, undefined, 1);
  const strides = integers(node, "strides", rank, 1, 1);
  const pads = integers(node, "pads", 2 * rank, 0, 0);
  return [n, c, ...sizes.map((size, d) => (size - 1) * strides[d] + kernel[d] - pads[d] - pads[d + rank])];
}
