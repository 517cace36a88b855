import { expected, ShapeError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import { integer, integers } from "./attributes.js";

/** A sliding window over the dimensions after images and channels, as convolutions and pools share it. */
export interface Sides {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly begins: readonly number[];
  readonly ends: readonly number[];
}

/**
 * Window of a node over `sizes`; `kernel` where no kernel_shape attribute gives it. auto_pad SAME_UPPER and SAME_LOWER pad so that
 * there are ceil(size / stride) outputs, the odd one at the end or at the beginning.
 * @throws ShapeError
 */
export function sidesOf(node: GraphNode, sizes: readonly number[], kernel?: readonly number[]): Sides {
  const rank = sizes.length;
  const given =
    node.attributes.kernel_shape === undefined && kernel ? kernel : integers(node, "kernel_shape", rank, undefined, 1);
  const strides = integers(node, "strides", rank, 1, 1);
  // The dilation of a single place is none.
  const dilations = integers(node, "dilations", rank, 1, 1).map((step, i) => (given[i] === 1 ? 1 : step));
  const pads = integers(node, "pads", 2 * rank, 0, 0);
  const auto = node.attributes.auto_pad ?? "NOTSET";
  const window = { kernel: given, strides, dilations };
  switch (auto) {
    case "NOTSET":
    case "":
      return { ...window, begins: pads.slice(0, rank), ends: pads.slice(rank) };
    case "VALID":
      return { ...window, begins: sizes.map(() => 0), ends: sizes.map(() => 0) };
    case "SAME_UPPER":
    case "SAME_LOWER": {
      const totals = sizes.map((size, i) => {
        const extent = dilations[i] * (given[i] - 1) + 1;
        return Math.max((Math.ceil(size / strides[i]) - 1) * strides[i] + extent - size, 0);
      });
      const less = totals.map((total) => Math.floor(total / 2));
      const more = totals.map((total) => Math.ceil(total / 2));
      return auto === "SAME_UPPER" ? { ...window, begins: less, ends: more } : { ...window, begins: more, ends: less };
    }
    default:
      throw new ShapeError(
        expected(`${node.name}.auto_pad`, "NOTSET, VALID, SAME_UPPER or SAME_LOWER", JSON.stringify(auto)),
      );
  }
}

/** Places of a padded image: kernels count them in 32 bits, and lay out rows of some length at least. */
const mostPlaces = 0x20000000;

/** Sizes of the output. @throws ShapeError where the window does not fit into the padded sizes */
export function sidesOutput(node: GraphNode, sides: Sides, sizes: readonly number[]): number[] {
  const up = integer(node, "ceil_mode", 0) !== 0;
  let places = 1;
  return sizes.map((size, i) => {
    const extent = sides.dilations[i] * (sides.kernel[i] - 1) + 1;
    const room = size + sides.begins[i] + sides.ends[i] - extent;
    // Rounded up, a window larger than the image is one that hangs over the end, as far as less than a stride.
    const hangs = up && size > 0 && room > -sides.strides[i];
    if (room < 0 && !hangs) {
      throw new ShapeError(
        expected(`${node.name} (${node.op})`, `an image that holds a window of ${extent}`, `${size}`),
      );
    }
    places *= Math.max(room + extent, extent, 32);
    if (places > mostPlaces) {
      throw new ShapeError(expected(`${node.name} (${node.op})`, "a padded image of at most 2^29 places", `${places}`));
    }
    if (!up) return Math.floor(room / sides.strides[i]) + 1;
    const count = Math.ceil(room / sides.strides[i]) + 1;
    // A window that begins past the image and the padding before it has nothing to see.
    return (count - 1) * sides.strides[i] >= size + sides.begins[i] ? count - 1 : count;
  });
}

/** A window over images [n, c, h, w]. */
export interface Window {
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly dilations: readonly [number, number];
  /** top, left, bottom, right */
  readonly pads: readonly [number, number, number, number];
}

/** Window of a node over images; a line is an image of height 1. @throws ShapeError */
export function windowOf(node: GraphNode, sizes: readonly number[], kernel?: readonly number[]): Window {
  const { strides, dilations, begins, ends, kernel: given } = sidesOf(node, sizes, kernel);
  const pair = (values: readonly number[], missing: number): readonly [number, number] =>
    values.length === 1 ? [missing, values[0]] : [values[0], values[1]];
  return {
    kernel: pair(given, 1),
    strides: pair(strides, 1),
    dilations: pair(dilations, 1),
    pads: [...pair(begins, 0), ...pair(ends, 0)],
  };
}
