import type { GraphNode } from "../graph/graph.js";
import { sizeOf } from "../tensor.js";
import { axisOf, integer } from "./attributes.js";

/** The attribute `axis` as a place in a shape. @throws ShapeError */
export function axisAttribute(node: GraphNode, fallback: number, shape: readonly number[]): number {
  return axisOf(node, integer(node, "axis", fallback), shape.length);
}

/** A shape as [outer, k, inner] around an axis. */
export function around(shape: readonly number[], axis: number): { outer: number; k: number; inner: number } {
  return { outer: sizeOf(shape.slice(0, axis)), k: shape[axis], inner: sizeOf(shape.slice(axis + 1)) };
}
