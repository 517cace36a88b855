import { expected, ShapeError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import type { RunKernels } from "../kernels/abi.js";
import { sizeOf } from "../tensor.js";
import { typeCode } from "./codes.js";
import { elementsOf } from "./element.js";
import { over, steps, widthOf } from "./move.js";
import type { Info, Slot } from "./op.js";

/** One dimension that indices lead along: its size, and the bytes from one element to the next. */
export interface Along {
  readonly limit: number;
  readonly stride: number;
}

/** Where indices lead: as many offsets, in bytes, as there are tuples of indices. */
export interface Offsets {
  readonly count: number;
  /** Writes u32 [count] at an address; allocates nothing. */
  fill(to: number): void;
}

/**
 * The offset of each tuple of indices, one for each of `along`, in a tensor of tuples of `shape`. Each is added to where the tuple
 * begins: `from` bytes from one to the next in each dimension. An index outside is a ShapeError when it is met, or leads nowhere
 * where no node is given that would be at fault.
 */
export function offsetsOf(
  kernels: RunKernels,
  index: Slot,
  shape: readonly number[],
  from: readonly number[],
  along: readonly Along[],
  node?: GraphNode,
  input = 1,
): Offsets {
  const count = sizeOf(shape);
  const to = steps(shape, 4);
  const begin = over(
    kernels.lattice_x32,
    4,
    shape.map((size, i) => ({ size, from: from[i], to: to[i] })),
  );
  const code = typeCode(index.dtype);
  const width = widthOf(index);
  const tuple = along.length;
  return {
    count,
    fill(offsets) {
      begin(0, offsets);
      for (let i = 0; i < tuple; i++) {
        const { limit, stride } = along[i];
        const column = index.pointer + i * width;
        const outside = kernels.index_offsets_int(count, code, tuple, limit, stride, column, offsets);
        if (outside > 0 && node) {
          const known = elementsOf(kernels, index);
          checkIndices(
            node,
            input,
            { ...index, known },
            along.map((each) => each.limit),
          );
        }
      }
    },
  };
}

/** @throws ShapeError where indices are known and one of them lies outside the dimension that it leads along */
export function checkIndices(node: GraphNode, i: number, { known }: Info, limits: readonly number[]): void {
  if (!known) return;
  for (let k = 0; k < known.length; k++) {
    const limit = limits[k % limits.length];
    const index = Number(known[k]);
    if (!(index >= -limit && index < limit)) {
      throw new ShapeError(
        expected(`${node.name} (${node.op}) input ${i}`, `indices in ${-limit}..${limit - 1}`, `${index}`),
      );
    }
  }
}

/** @throws ShapeError where indices lead along a dimension without elements */
export function checkRoom(node: GraphNode, count: number, limits: readonly number[]): void {
  if (count > 0 && limits.includes(0)) {
    throw new ShapeError(expected(`${node.name} (${node.op})`, "elements for the indices to lead to", "a size of 0"));
  }
}
