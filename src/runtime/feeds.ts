import { holds, type TypedArray } from "../dtype.js";
import { expected, ShapeError } from "../errors.js";
import type { ValueInfo } from "../graph/graph.js";
import { checkTensor, nameOf, sameShape, showShape, sizeOf, type Tensor } from "../tensor.js";

/** Inputs by name: tensors, or bare arrays where at most one dimension is open. */
export type Feeds = Readonly<Record<string, Tensor | TypedArray>>;

/** The values of a feed. */
export function valuesOf(feed: Tensor | TypedArray): TypedArray {
  return ArrayBuffer.isView(feed) ? feed : feed.data;
}

/** Whether a feed can go into a slot as it is: the fast path of every run but the first. */
export function fitsSlot(feed: Tensor | TypedArray | undefined, shape: readonly number[]): boolean {
  if (feed === undefined) return true;
  if (feed instanceof Float32Array) return feed.length === sizeOf(shape);
  if (ArrayBuffer.isView(feed)) return false;
  if (feed.dtype !== "float32") return false;
  return feed.data instanceof Float32Array && sameShape(feed.shape, shape) && feed.data.length === sizeOf(shape);
}

/** Shape of a feed; a bare array may leave one open dimension to be found. @throws ShapeError */
export function shapeOfFeed(declared: ValueInfo, feed: Tensor | TypedArray): readonly number[] {
  const where = `input ${declared.name}`;
  const data: unknown = ArrayBuffer.isView(feed) ? feed : feed?.data;
  if (!holds(declared.dtype, data)) {
    throw new ShapeError(expected(where, `${declared.dtype} values in a Float32Array`, nameOf(data)));
  }
  if (!ArrayBuffer.isView(feed)) {
    checkTensor(where, feed);
    return feed.shape;
  }
  const open = declared.shape.filter((dim) => typeof dim !== "number").length;
  const rest = sizeOf(declared.shape.filter((dim): dim is number => typeof dim === "number"));
  const size = open === 0 ? 1 : data.length / rest;
  if (open > 1 || !Number.isInteger(size) || (open === 0 && data.length !== rest)) {
    throw new ShapeError(expected(where, `values for ${showShape(declared.shape)}`, `${data.length} of them`));
  }
  return declared.shape.map((dim) => (typeof dim === "number" ? dim : size));
}
