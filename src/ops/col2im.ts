import { expected, ShapeError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import { showShape, sizeOf } from "../tensor.js";
import { integers, only } from "./attributes.js";
import { checkFloats, inputOf, knownIntegers, sized } from "./known.js";
import { over, steps } from "./move.js";
import { type Info, nothing, type Op } from "./op.js";

/** How blocks lie in an image, one number for each dimension. */
interface Blocks {
  readonly image: readonly number[];
  readonly block: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly before: readonly number[];
  /** How many blocks there are. */
  readonly count: readonly number[];
}

/** The sum of blocks where they lie in the image: x [n, c * block, blocks], image and block sizes as inputs; y [n, c, ..image]. */
export const col2im: Op = {
  attrs: (node) => only(node, ["dilations", "pads", "strides"]),
  infer(node, inputs) {
    checkFloats(node, inputs, 0);
    const { dtype, shape } = inputOf(node, inputs, 0);
    const { image, block, count } = blocksOf(node, inputs);
    const channels = shape[1] / sizeOf(block);
    if (shape.length !== 3 || !Number.isInteger(channels) || shape[2] !== sizeOf(count)) {
      const want = `[n, c * ${sizeOf(block)}, ${sizeOf(count)}]`;
      throw new ShapeError(expected(`${node.name} (Col2Im) input 0`, want, showShape(shape)));
    }
    return [sized(node, dtype, [shape[0], channels, ...image])];
  },
  lower({ node, kernels }) {
    return ({ inputs, outputs }) => {
      const x = inputs[0]!;
      const [y] = outputs;
      if (sizeOf(y.shape) === 0) return nothing;
      const { image, block, strides, dilations, before, count } = blocksOf(node, inputs);
      const [planes, own, to] = [y.shape[0] * y.shape[1], steps(count, 4), steps(image, 4)];
      const size = 4 * sizeOf(count);
      // One call for each place in a block: those of its elements that lie in the image, over all blocks and planes.
      const calls = Array.from({ length: sizeOf(block) }, (_, i) => {
        let from = x.pointer + i * size;
        let into = y.pointer;
        const dims = block.map((_, d) => {
          const place = (Math.floor(i / sizeOf(block.slice(d + 1))) % block[d]) * dilations[d] - before[d];
          const first = Math.max(0, Math.ceil(-place / strides[d]));
          const last = Math.min(count[d] - 1, Math.floor((image[d] - 1 - place) / strides[d]));
          from += first * own[d];
          into += (place + first * strides[d]) * to[d];
          return { size: Math.max(0, last - first + 1), from: own[d], to: strides[d] * to[d] };
        });
        const plane = { size: planes, from: sizeOf(block) * size, to: 4 * sizeOf(image) };
        const run = over(kernels.accumulate_f32, 4, [plane, ...dims]);
        return () => run(from, into);
      });
      return {
        scratch: 0,
        run() {
          kernels.fill_row_f32(1, sizeOf(y.shape), 0, y.pointer);
          for (const call of calls) call();
        },
      };
    };
  },
};

function blocksOf(node: GraphNode, inputs: readonly (Info | undefined)[]): Blocks {
  const image = knownIntegers(node, inputs, 1);
  const block = knownIntegers(node, inputs, 2);
  const rank = image.length;
  const strides = integers(node, "strides", rank, 1, 1);
  const dilations = integers(node, "dilations", rank, 1, 1);
  const pads = integers(node, "pads", 2 * rank, 0, 0);
  const count = image.map((size, d) => {
    const room = size + pads[d] + pads[d + rank] - dilations[d] * (block[d] - 1) - 1;
    return Math.floor(room / strides[d]) + 1;
  });
  const fits = rank > 0 && block.length === rank && block.every((size) => size > 0) && count.every((n) => n > 0);
  if (!fits || image.some((size) => size < 0)) {
    const got = `${showShape(image)}, ${showShape(block)}`;
    throw new ShapeError(expected(`${node.name} (Col2Im)`, "an image that holds its blocks", got));
  }
  for (const sizes of [image, block, count]) sized(node, "float32", sizes);
  return { image, block, strides, dilations, before: pads.slice(0, rank), count };
}
