// Naive twin of Resize: every element of the result from all of its neighbours at once, in f64.
import type { Attribute } from "../../src/graph/graph.js";
import { indicesOf } from "./movement.js";

interface Image {
  readonly shape: readonly number[];
  readonly data: ArrayLike<number | bigint>;
}

function placeOf(mode: string, i: number, from: number, to: number, scale: number, roi: readonly number[]): number {
  const length = from * scale;
  if (mode === "align_corners") return length === 1 ? 0 : (i * (from - 1)) / (length - 1);
  if (mode === "asymmetric") return i / scale;
  if (mode === "tf_half_pixel_for_nn") return (i + 0.5) / scale;
  if (mode === "tf_crop_and_resize") {
    if (length === 1) return ((roi[0] + roi[1]) * (from - 1)) / 2;
    return roi[0] * (from - 1) + (i * (roi[1] - roi[0]) * (from - 1)) / (length - 1);
  }
  if (mode === "pytorch_half_pixel" && to === 1) return 0;
  const half = (i + 0.5) / scale - 0.5;
  return mode === "half_pixel_symmetric" ? (from / 2) * (1 - to / length) + half : half;
}

function keys(a: number, s: number): number {
  if (s <= 1) return (a + 2) * s * s * s - (a + 3) * s * s + 1;
  return s < 2 ? a * s * s * s - 5 * a * s * s + 8 * a * s - 4 * a : 0;
}

/** Elements that make one of the result along an axis, and how much of each. */
function partsOf(
  attributes: Readonly<Record<string, Attribute>>,
  place: number,
  from: number,
  scale: number,
): [number, number][] {
  const inside = (k: number) => Math.min(Math.max(k, 0), from - 1);
  if ((attributes.mode ?? "nearest") === "nearest") {
    const floor = Math.floor(place);
    const half = place - floor;
    switch (attributes.nearest_mode ?? "round_prefer_floor") {
      case "floor":
        return [[inside(floor), 1]];
      case "ceil":
        return [[inside(half > 0 ? floor + 1 : floor), 1]];
      case "round_prefer_ceil":
        return [[inside(half >= 0.5 ? floor + 1 : floor), 1]];
      default:
        return [[inside(half > 0.5 ? floor + 1 : floor), 1]];
    }
  }
  const stretch = attributes.antialias ? Math.min(scale, 1) : 1;
  const a = Number(attributes.cubic_coeff_a ?? -0.75);
  const parts: [number, number][] = [];
  for (let k = Math.floor(place - 3 / stretch); k <= Math.ceil(place + 3 / stretch); k++) {
    const s = Math.abs(k - place) * stretch;
    const weight = attributes.mode === "linear" ? Math.max(0, 1 - s) : keys(a, s);
    if (attributes.exclude_outside && (k < 0 || k >= from)) continue;
    parts.push([inside(k), weight]);
  }
  const sum = parts.reduce((total, [, weight]) => total + weight, 0);
  return parts.map(([k, weight]) => [k, attributes.exclude_outside || stretch < 1 ? weight / sum : weight]);
}

/** @param roi where it begins in each dimension, then where it ends */
export function resized(
  x: Image,
  sizes: readonly number[],
  scales: readonly number[],
  attributes: Readonly<Record<string, Attribute>>,
  roi: readonly number[] = [],
): { shape: readonly number[]; data: number[] } {
  const mode = String(attributes.coordinate_transformation_mode ?? "half_pixel");
  const rank = sizes.length;
  const data = [...indicesOf(sizes)].map((index) => {
    const places = index.map((i, d) => placeOf(mode, i, x.shape[d], sizes[d], scales[d], [roi[d], roi[d + rank]]));
    if (mode === "tf_crop_and_resize" && places.some((place, d) => place < 0 || place > x.shape[d] - 1)) {
      return Number(attributes.extrapolation_value ?? 0);
    }
    const parts = places.map((place, d) => partsOf(attributes, place, x.shape[d], scales[d]));
    const walk = (d: number, offset: number): number => {
      if (d === rank) return Number(x.data[offset]);
      return parts[d].reduce((sum, [k, weight]) => sum + weight * walk(d + 1, offset * x.shape[d] + k), 0);
    };
    return walk(0, 0);
  });
  return { shape: sizes, data };
}
