import { expected, ShapeError, UnsupportedError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import { showShape } from "../tensor.js";
import { integers } from "./attributes.js";

/** A sliding window over images [n, c, h, w], as convolutions and pools share it. */
export interface Window {
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly dilations: readonly [number, number];
  /** top, left, bottom, right */
  readonly pads: readonly [number, number, number, number];
}

/**
 * Window of a node; `kernel` where no kernel_shape attribute gives it. Of rank 1, a line is an image of height 1.
 * @throws ShapeError, UnsupportedError
 */
export function windowOf(node: GraphNode, kernel?: readonly number[], rank = 2): Window {
  const given =
    node.attributes.kernel_shape === undefined && kernel ? kernel : integers(node, "kernel_shape", rank, undefined, 1);
  const pads = integers(node, "pads", 2 * rank, 0, 0);
  const strides = integers(node, "strides", rank, 1, 1);
  const dilations = integers(node, "dilations", rank, 1, 1);
  const auto = node.attributes.auto_pad ?? "NOTSET";
  if (auto !== "NOTSET") throw new UnsupportedError(expected(`${node.name}.auto_pad`, "NOTSET", String(auto)));
  const pair = (values: readonly number[], missing: number): readonly [number, number] =>
    rank === 1 ? [missing, values[0]] : [values[0], values[1]];
  return {
    kernel: pair(given, 1),
    strides: pair(strides, 1),
    dilations: pair(dilations, 1),
    pads: [...pair(pads, 0), ...pair(pads.slice(rank), 0)],
  };
}

/** Height and width of the output. @throws ShapeError where the window does not fit into the padded image */
export function windowOutput(node: GraphNode, window: Window, h: number, w: number): [number, number] {
  const side = (size: number, axis: 0 | 1) => {
    const extent = window.dilations[axis] * (window.kernel[axis] - 1) + 1;
    const room = size + window.pads[axis] + window.pads[axis + 2] - extent;
    if (room < 0) {
      throw new ShapeError(
        expected(`${node.name} (${node.op})`, `an image that holds a window of ${extent}`, `${size}`),
      );
    }
    return Math.floor(room / window.strides[axis]) + 1;
  };
  return [side(h, 0), side(w, 1)];
}

/** Checks for images and gives [n, c, h, w]. */
export function imageShape(node: GraphNode, shape: readonly number[]): readonly [number, number, number, number] {
  if (shape.length !== 4) {
    throw new ShapeError(expected(`${node.name} (${node.op})`, "images [n, c, h, w]", showShape(shape)));
  }
  return shape as unknown as readonly [number, number, number, number];
}
