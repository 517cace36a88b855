import { createArray, dtypes, holds, type TypedArray } from "../dtype.js";
import { expected, ShapeError } from "../errors.js";
import type { ValueInfo } from "../graph/graph.js";
import type { Info } from "../ops/op.js";
import { checkTensor, nameOf, sameShape, showShape, sizeOf, type Tensor } from "../tensor.js";

/** Inputs by name: tensors, or bare arrays where at most one dimension is open. */
export type Feeds = Readonly<Record<string, Tensor | TypedArray>>;

/** The values of a feed. */
export function valuesOf(feed: Tensor | TypedArray): TypedArray {
  return ArrayBuffer.isView(feed) ? feed : feed.data;
}

/** Whether a feed can go into a slot as it is: the fast path of every run but the first. */
export function fitsSlot(feed: Tensor | TypedArray | undefined, { dtype, shape }: Info): boolean {
  if (feed === undefined) return true;
  if (feed === null) return false;
  if (ArrayBuffer.isView(feed)) return holds(dtype, feed) && feed.length === sizeOf(shape);
  if (feed.dtype !== dtype) return false;
  if (!(holds(dtype, feed.data) && Array.isArray(feed.shape))) return false;
  return sameShape(feed.shape, shape) && feed.data.length === sizeOf(shape);
}

/** Checks a shape that a caller gives. @throws TypeError where it is no array, ShapeError where its sizes are none */
export function checkShape(where: string, shape: readonly number[]): void {
  if (!Array.isArray(shape)) throw new TypeError(expected(`${where} shape`, "an array of sizes", nameOf(shape)));
  try {
    sizeOf(shape);
  } catch {
    throw new ShapeError(expected(where, "whole sizes from 0, fewer than 2^53 elements", showShape(shape)));
  }
}

/**
 * Shape of a feed; a bare array may leave one open dimension to be found.
 * @throws ShapeError; TypeError where it is null, or a tensor whose shape or dtype is none
 */
export function shapeOfFeed(declared: ValueInfo, feed: Tensor | TypedArray): readonly number[] {
  const where = `input ${declared.name}`;
  if (feed === null)
    throw new TypeError(expected(where, `a tensor or a ${nameOf(createArray(declared.dtype, 0))}`, "null"));
  const data: unknown = typeof feed === "object" && "data" in feed ? feed.data : feed;
  if (!holds(declared.dtype, data)) {
    throw new ShapeError(
      expected(where, `${declared.dtype} values in a ${nameOf(createArray(declared.dtype, 0))}`, nameOf(data)),
    );
  }
  if (!ArrayBuffer.isView(feed)) {
    if (!dtypes.includes(feed.dtype)) {
      throw new TypeError(expected(`${where} dtype`, `one of ${dtypes.join(", ")}`, `${feed.dtype}`));
    }
    checkShape(where, feed.shape);
    checkTensor(where, feed);
    return feed.shape;
  }
  if (!declared.shape) throw new ShapeError(expected(where, "a tensor, with its shape", nameOf(data)));
  const open = declared.shape.filter((dim) => typeof dim !== "number").length;
  const rest = sizeOf(declared.shape.filter((dim): dim is number => typeof dim === "number"));
  const size = open === 0 ? 1 : data.length / rest;
  if (open > 1 || !Number.isInteger(size) || (open === 0 && data.length !== rest)) {
    throw new ShapeError(expected(where, `values for ${showShape(declared.shape)}`, `${data.length} of them`));
  }
  return declared.shape.map((dim) => (typeof dim === "number" ? dim : size));
}
