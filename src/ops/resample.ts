import type { GraphNode } from "../graph/graph.js";
import { integer, number, word } from "./attributes.js";

const coordinates = [
  "half_pixel",
  "half_pixel_symmetric",
  "pytorch_half_pixel",
  "align_corners",
  "asymmetric",
  "tf_half_pixel_for_nn",
  "tf_crop_and_resize",
] as const;
const roundings = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"] as const;

/** How a Resize node means its new sizes. */
export interface Resampling {
  readonly mode: "nearest" | "linear" | "cubic";
  readonly coordinates: (typeof coordinates)[number];
  readonly rounding: (typeof roundings)[number];
  readonly antialias: boolean;
  readonly excludeOutside: boolean;
  readonly cubic: number;
}

/** @throws UnsupportedError for a word that ONNX does not have */
export function resamplingOf(node: GraphNode): Resampling {
  return {
    mode: word(node, "mode", ["nearest", "linear", "cubic"], "nearest"),
    coordinates: word(node, "coordinate_transformation_mode", coordinates, "half_pixel"),
    rounding: word(node, "nearest_mode", roundings, "round_prefer_floor"),
    antialias: integer(node, "antialias", 0) !== 0,
    excludeOutside: integer(node, "exclude_outside", 0) !== 0,
    cubic: number(node, "cubic_coeff_a", -0.75),
  };
}

/** One dimension in another size. */
export interface Axis {
  readonly axis: number;
  readonly from: number;
  readonly to: number;
  readonly scale: number;
  /** Where the part of tf_crop_and_resize begins and ends, 0..1. */
  readonly roi: readonly [number, number];
}

/** Where element i of the result lies in the source, in elements. */
function placeOf({ coordinates }: Resampling, { from, to, scale, roi }: Axis, i: number): number {
  // A size that was rounded down is meant as it was.
  const length = scale * from;
  const centre = (i + 0.5) / scale - 0.5;
  switch (coordinates) {
    case "align_corners":
      return length === 1 ? 0 : (i * (from - 1)) / (length - 1);
    case "asymmetric":
      return i / scale;
    case "pytorch_half_pixel":
      return to === 1 ? 0 : centre;
    case "tf_half_pixel_for_nn":
      return (i + 0.5) / scale;
    case "tf_crop_and_resize": {
      const [begin, end] = roi.map((edge) => edge * (from - 1));
      const place = length === 1 ? (begin + end) / 2 : begin + (i * (end - begin)) / (length - 1);
      // How far outside says nothing more.
      return Math.min(Math.max(place, -1), from);
    }
    case "half_pixel_symmetric":
      return (from / 2) * (1 - to / length) + centre;
    default:
      return centre;
  }
}

/** Whether every element of the result is that of the source in its place. */
export function isIdentity(how: Resampling, axis: Axis): boolean {
  if (axis.from !== axis.to) return false;
  for (let i = 0; i < axis.to; i++) if (placeOf(how, axis, i) !== i) return false;
  return true;
}

/** Elements of the result whose place is outside the source: those before `first`, and from `last` on. */
export function insideOf(how: Resampling, axis: Axis): { first: number; last: number } {
  if (how.coordinates !== "tf_crop_and_resize") return { first: 0, last: axis.to };
  const inside = (i: number) => {
    const place = placeOf(how, axis, i);
    return place >= 0 && place <= axis.from - 1;
  };
  let first = 0;
  while (first < axis.to && !inside(first)) first++;
  let last = axis.to;
  while (last > first && !inside(last - 1)) last--;
  return { first, last };
}

/** For each element of the result the element of the source that it is. */
export function nearestOf(how: Resampling, axis: Axis): Uint32Array {
  return Uint32Array.from({ length: axis.to }, (_, i) => {
    const place = placeOf(how, axis, i);
    return Math.min(Math.max(rounded(how.rounding, place), 0), axis.from - 1);
  });
}

function rounded(rounding: Resampling["rounding"], place: number): number {
  switch (rounding) {
    case "floor":
      return Math.floor(place);
    case "ceil":
      return Math.ceil(place);
    case "round_prefer_ceil":
      return Math.floor(place + 0.5);
    default:
      return Math.ceil(place - 0.5);
  }
}

/** For each element of the result the first of `taps` elements of the source, and how much of each it is. */
export interface Taps {
  readonly taps: number;
  readonly first: Uint32Array;
  readonly weights: Float32Array;
}

/**
 * Linear or cubic interpolation (R. Keys, "Cubic convolution interpolation for digital image processing", 1981); with antialias its
 * kernel is stretched as the source shrinks. What lies past the ends counts for the outermost element, or with exclude_outside not
 * at all.
 */
export function tapsOf(how: Resampling, axis: Axis): Taps {
  const { from, to, scale } = axis;
  const stretch = how.antialias && scale < 1 ? scale : 1;
  const reach = how.mode === "linear" ? 1 / stretch : 2 / stretch;
  const kernel = how.mode === "linear" ? linear : (s: number) => keys(how.cubic, s);
  const span = Math.min(from, Math.ceil(2 * reach));
  const first = new Uint32Array(to);
  const weights = new Float32Array(to * span);
  const row = new Float64Array(span);
  for (let i = 0; i < to; i++) {
    const place = placeOf(how, axis, i);
    const low = Math.floor(place - reach) + 1;
    const high = Math.ceil(place + reach) - 1;
    const start = Math.min(Math.max(low, 0), from - span);
    row.fill(0);
    let sum = 0;
    for (let k = low; k <= high; k++) {
      const weight = kernel(Math.abs(k - place) * stretch);
      if (how.excludeOutside && (k < 0 || k >= from)) continue;
      row[Math.min(Math.max(k, 0), from - 1) - start] += weight;
      sum += weight;
    }
    first[i] = start;
    const whole = how.excludeOutside || stretch !== 1 ? sum : 1;
    for (let t = 0; t < span; t++) weights[i * span + t] = row[t] / whole;
  }
  return { taps: span, first, weights };
}

function linear(s: number): number {
  return Math.max(0, 1 - s);
}

function keys(a: number, s: number): number {
  if (s < 1) return ((a + 2) * s - (a + 3)) * s * s + 1;
  return s < 2 ? ((a * s - 5 * a) * s + 8 * a) * s - 4 * a : 0;
}
