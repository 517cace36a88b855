import { expected, ShapeError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import { showShape, sizeOf } from "../tensor.js";
import { integer, only, word } from "./attributes.js";
import { fill } from "./element.js";
import { checkFloats, inputOf, knownIntegers, sized } from "./known.js";
import type { Info, Op } from "./op.js";

const modes = ["linear", "nearest", "cubic"] as const;
const paddings = ["zeros", "border", "reflection"] as const;

/** Images [n, c, h, w] or volumes [n, c, d, h, w] at the points of a grid [n, .., 2 or 3]; M. Jaderberg et al., 2015. */
export const gridSample: Op = {
  attrs(node) {
    only(node, ["align_corners", "mode", "padding_mode"]);
    word(node, "mode", modes, "linear");
    word(node, "padding_mode", paddings, "zeros");
  },
  infer(node, inputs) {
    for (const i of [0, 1]) checkFloats(node, inputs, i);
    const { dtype, shape } = inputOf(node, inputs, 0);
    const grid = inputOf(node, inputs, 1).shape;
    const dims = shape.length - 2;
    const fits = grid.length === shape.length && grid[0] === shape[0] && grid[grid.length - 1] === dims;
    if (!fits || (dims !== 2 && dims !== 3)) {
      const want = "images or volumes and a grid of as many coordinates";
      throw new ShapeError(expected(`${node.name} (GridSample)`, want, `${showShape(shape)}, ${showShape(grid)}`));
    }
    return [sized(node, dtype, [shape[0], shape[1], ...grid.slice(1, -1)])];
  },
  lower({ node, kernels }) {
    const taps = { nearest: 1, linear: 2, cubic: 4 }[word(node, "mode", modes, "linear")];
    const padding = paddings.indexOf(word(node, "padding_mode", paddings, "zeros"));
    const align = integer(node, "align_corners", 0) === 0 ? 0 : 1;
    return ({ inputs, outputs }) => {
      const [x, grid] = [inputs[0]!, inputs[1]!];
      const dims = x.shape.length - 2;
      const [n, c] = x.shape;
      const [d, h, w] = dims === 2 ? [1, ...x.shape.slice(2)] : x.shape.slice(2);
      const points = sizeOf(grid.shape.slice(1, -1));
      const y = outputs[0].pointer;
      return {
        scratch: kernels.grid_sample_scratch_bytes(),
        run(scratch) {
          kernels.grid_sample_f32(
            n,
            c,
            d,
            h,
            w,
            points,
            dims,
            x.pointer,
            grid.pointer,
            y,
            scratch,
            taps,
            padding,
            align,
          );
        },
      };
    };
  },
};

/** The grid of the points theta (x, y, 1) or theta (x, y, z, 1), theta [n, 2, 3] or [n, 3, 4], over an image of the size of input 1. */
export const affineGrid: Op = {
  attrs: (node) => only(node, ["align_corners"]),
  infer(node, inputs) {
    checkFloats(node, inputs, 0);
    const { dtype, shape } = inputOf(node, inputs, 0);
    const sides = sidesOf(node, shape, inputs);
    return [sized(node, dtype, [shape[0], ...sides, sides.length])];
  },
  lower({ node, kernels }) {
    const align = integer(node, "align_corners", 0) !== 0;
    return ({ inputs, outputs }, table) => {
      const [y] = outputs;
      const theta = inputs[0]!;
      const sides = sidesOf(node, theta.shape, inputs);
      const dims = sides.length;
      const points = sizeOf(sides);
      const places = table(fill(new Float32Array(points * (dims + 1)), (i) => coordinate(sides, i, align)));
      const scratch = kernels.gemm_scratch_bytes(points, dims, dims + 1);
      return {
        scratch,
        run(at) {
          kernels.fill_row_f32(theta.shape[0], points * dims, 0, y.pointer);
          for (let i = 0; i < theta.shape[0]; i++) {
            const turn = theta.pointer + 4 * i * dims * (dims + 1);
            kernels.gemm_nt_f32(points, dims, dims + 1, places, turn, y.pointer + 4 * i * points * dims, at);
          }
        },
      };
    };
  },
};

/** Height and width, or depth, height and width. */
function sidesOf(node: GraphNode, theta: readonly number[], inputs: readonly (Info | undefined)[]): number[] {
  const size = knownIntegers(node, inputs, 1);
  const dims = size.length - 2;
  const fits = (dims === 2 || dims === 3) && theta.length === 3 && theta[1] === dims && theta[2] === dims + 1;
  if (!fits || theta[0] !== size[0] || size.some((side) => side < 0)) {
    const want = "theta [n, 2, 3] and a size [n, c, h, w], or one dimension more";
    throw new ShapeError(expected(`${node.name} (AffineGrid)`, want, `${showShape(theta)}, ${showShape(size)}`));
  }
  return size.slice(2);
}

/** Element i of the points (x, y, [z,] 1) in row-major order, -1..1 from edge to edge, or with `align` from centre to centre. */
function coordinate(sides: readonly number[], i: number, align: boolean): number {
  const dims = sides.length;
  const which = i % (dims + 1);
  if (which === dims) return 1;
  const axis = dims - 1 - which;
  const place = Math.floor(Math.floor(i / (dims + 1)) / sizeOf(sides.slice(axis + 1))) % sides[axis];
  if (align) return sides[axis] === 1 ? 0 : (2 * place) / (sides[axis] - 1) - 1;
  return (2 * place + 1) / sides[axis] - 1;
}
