import { expected, ShapeError, UnsupportedError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import { showShape, sizeOf } from "../tensor.js";
import { integer, number, only, shapeOf } from "./attributes.js";
import type { Op } from "./op.js";

/**
 * y = (x - mean) / sqrt(var + epsilon) * gamma + beta per channel, with stored statistics; inputs x, gamma, beta, mean, var.
 * S. Ioffe, C. Szegedy, "Batch normalization", 2015.
 */
export const batchNormalization: Op = {
  attrs(node) {
    only(node, ["epsilon", "momentum", "training_mode"]);
    if (integer(node, "training_mode", 0) !== 0) {
      throw new UnsupportedError(expected(`${node.name}.training_mode`, "0", "1"));
    }
  },
  infer(node, inputs) {
    const shape = shapeOf(node, inputs, 0);
    for (let i = 1; i < 5; i++) checkChannels(node, i, shapeOf(node, inputs, i), shape[1]);
    return [shape];
  },
  lower(site) {
    const pointers = [1, 2, 3, 4].map((i) => site.dense(i));
    const shapes = [1, 2, 3, 4].map((i) => shapeOf(site.node, [site.weight(i)?.shape], 0));
    const channels = sizeOf(shapes[0]);
    for (const [i, shape] of shapes.entries()) checkChannels(site.node, i + 1, shape, channels);
    const scale = site.alloc(8 * channels);
    const shift = scale + 4 * channels;
    const [gamma, beta, mean, variance] = pointers.map(
      (p) => new Float32Array(site.kernels.memory.buffer, p, channels),
    );
    const values = new Float32Array(site.kernels.memory.buffer, scale, 2 * channels);
    const epsilon = number(site.node, "epsilon", 1e-5);
    for (let c = 0; c < channels; c++) {
      values[c] = gamma[c] / Math.sqrt(variance[c] + epsilon);
      values[channels + c] = beta[c] - mean[c] * values[c];
    }
    return ({ inputs, outputs }) => {
      const { pointer, shape } = inputs[0]!;
      const plane = sizeOf(shape.slice(2));
      const y = outputs[0].pointer;
      return {
        scratch: 0,
        run: () => site.kernels.scale_shift_f32(shape[0], channels, plane, pointer, scale, shift, y),
      };
    };
  },
};

function checkChannels(node: GraphNode, i: number, shape: readonly number[], channels: number): void {
  if (sizeOf(shape) !== channels) {
    throw new ShapeError(
      expected(`${node.name} (BatchNormalization) input ${i}`, `${channels} values`, showShape(shape)),
    );
  }
}
