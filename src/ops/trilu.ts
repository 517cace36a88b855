import { expected, ShapeError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import { showShape, sizeOf } from "../tensor.js";
import { integer, only } from "./attributes.js";
import { inputOf, knownIntegers } from "./known.js";
import { type Move, moving, wholly, widthOf } from "./move.js";
import type { Info, Op, Slot } from "./op.js";

/** The upper or lower triangle of the matrices in the last two dimensions; the diagonal is that of input 1, or the main one. */
export const trilu: Op = {
  inPlace: true,
  attrs: (node) => only(node, ["upper"]),
  infer(node, inputs) {
    const { dtype, shape } = inputOf(node, inputs, 0);
    diagonalOf(node, inputs);
    if (shape.length < 2) throw new ShapeError(expected(`${node.name} (Trilu)`, "matrices", showShape(shape)));
    return [{ dtype, shape }];
  },
  lower({ node, kernels }) {
    return ({ inputs, outputs }, table) => {
      const x = inputs[0]!;
      const [y] = outputs;
      const whole = wholly(kernels, x, y);
      const outside = triangleMoves(node, x, y.pointer, diagonalOf(node, inputs), table(new Float64Array(1)));
      const zeros = moving(kernels, widthOf(x), outside);
      return {
        scratch: 0,
        run() {
          whole();
          zeros();
        },
      };
    };
  },
};

function diagonalOf(node: GraphNode, inputs: readonly (Info | undefined)[]): number {
  if (!inputs[1]) return 0;
  const given = knownIntegers(node, inputs, 1);
  if (given.length !== 1)
    throw new ShapeError(expected(`${node.name} (Trilu) input 1`, "one number", `${given.length}`));
  return given[0];
}

/** What sets the elements outside the triangle to the value at `zero`: whole rows at once, others row by row. */
function triangleMoves(node: GraphNode, { shape, dtype }: Slot, y: number, k: number, zero: number): Move[] {
  const width = widthOf({ dtype });
  const [rows, cols] = shape.slice(-2);
  const inside = (row: number) => Math.min(Math.max(row, 0), rows);
  const upper = integer(node, "upper", 1) !== 0;
  const [first, last] = upper ? [inside(1 - k), inside(cols - k)] : [inside(-k), inside(cols - k - 1)];
  const clear = (row: number, count: number, col: number, size: number): Move => ({
    dims: [
      { size: sizeOf(shape.slice(0, -2)), from: 0, to: rows * cols * width },
      { size: count, from: 0, to: cols * width },
      { size, from: 0, to: width },
    ],
    x: zero,
    y: y + (row * cols + col) * width,
  });
  const moves = [upper ? clear(last, rows - last, 0, cols) : clear(0, first, 0, cols)];
  for (let r = first; r < last; r++) {
    moves.push(upper ? clear(r, 1, 0, r + k) : clear(r, 1, r + k + 1, cols - r - k - 1));
  }
  return moves;
}
