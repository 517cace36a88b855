import { createArray, type DType, dtypes, holds, type TypedArray } from "../dtype.js";
import { expected, ShapeError } from "../errors.js";
import type { ValueInfo } from "../graph/graph.js";
import type { Info } from "../ops/op.js";
import { checkTensor, nameOf, sameShape, showShape, sizeOf, type Tensor } from "../tensor.js";

/** Inputs by name: tensors, or bare arrays where at most one dimension is open. */
export type Feeds = Readonly<Record<string, Tensor | TypedArray>>;

/** Where a run writes outputs, by name: tensors, or bare arrays of as many elements. */
export type Outputs = Readonly<Record<string, Tensor | TypedArray>>;

/** The values of a tensor or of a bare array. */
export function valuesOf(given: Tensor | TypedArray): TypedArray {
  return ArrayBuffer.isView(given) ? given : given.data;
}

/** Checks that what a caller gives is a record whose names are all declared. @throws TypeError */
export function checkNames(
  kind: "inputs" | "outputs",
  declared: readonly ValueInfo[],
  given: Readonly<Record<string, unknown>>,
): void {
  if (typeof given !== "object" || given === null)
    throw new TypeError(expected("run", `${kind} by name`, nameOf(given)));
  for (const name of Object.keys(given)) {
    if (!declared.some((value) => value.name === name)) {
      throw new TypeError(expected("run", `${kind} among ${declared.map((value) => value.name).join(", ")}`, name));
    }
  }
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

/** Shape of a tensor that a caller gives, or none of a bare array; both hold `dtype`. @throws as shapeOfFeed */
function shapeOfGiven(where: string, dtype: DType, given: Tensor | TypedArray): readonly number[] | undefined {
  const array = nameOf(createArray(dtype, 0));
  if (given === null) throw new TypeError(expected(where, `a tensor or a ${array}`, "null"));
  const data: unknown = typeof given === "object" && "data" in given ? given.data : given;
  if (!holds(dtype, data)) throw new ShapeError(expected(where, `${dtype} values in a ${array}`, nameOf(data)));
  if (ArrayBuffer.isView(given)) return undefined;
  if (!dtypes.includes(given.dtype)) {
    throw new TypeError(expected(`${where} dtype`, `one of ${dtypes.join(", ")}`, `${given.dtype}`));
  }
  checkShape(where, given.shape);
  checkTensor(where, given);
  if (given.dtype !== dtype) throw new ShapeError(expected(where, dtype, given.dtype));
  return given.shape;
}

/**
 * Shape of a feed; a bare array may leave one open dimension to be found.
 * @throws ShapeError; TypeError where it is null, or a tensor whose shape or dtype is none
 */
export function shapeOfFeed(declared: ValueInfo, feed: Tensor | TypedArray): readonly number[] {
  const where = `input ${declared.name}`;
  const shape = shapeOfGiven(where, declared.dtype, feed);
  if (shape) return shape;
  const data = valuesOf(feed);
  if (!declared.shape) throw new ShapeError(expected(where, "a tensor, with its shape", nameOf(data)));
  const open = declared.shape.filter((dim) => typeof dim !== "number").length;
  const rest = sizeOf(declared.shape.filter((dim): dim is number => typeof dim === "number"));
  const size = open === 0 ? 1 : data.length / rest;
  if (open > 1 || !Number.isInteger(size) || (open === 0 && data.length !== rest)) {
    throw new ShapeError(expected(where, `values for ${showShape(declared.shape)}`, `${data.length} of them`));
  }
  return declared.shape.map((dim) => (typeof dim === "number" ? dim : size));
}

/**
 * Where a caller wants the elements of an output, outside the model's own `memory`; undefined where it is not said.
 * @throws ShapeError; TypeError where it is null, or a tensor whose shape or dtype is none, or lies in `memory`
 */
export function targetOf(
  name: string,
  { dtype, shape }: Info,
  outputs: Outputs,
  memory: ArrayBufferLike,
): TypedArray | undefined {
  // What every object inherits is not given.
  const given = Object.hasOwn(outputs, name) ? outputs[name] : undefined;
  if (given === undefined) return undefined;
  const where = `output ${name}`;
  const found = shapeOfGiven(where, dtype, given);
  if (found && !sameShape(found, shape)) throw new ShapeError(expected(where, showShape(shape), showShape(found)));
  const data = valuesOf(given);
  if (data.length !== sizeOf(shape)) {
    throw new ShapeError(expected(where, `values for ${showShape(shape)}`, `${data.length} of them`));
  }
  if (data.buffer === memory) throw new TypeError(expected(where, "memory of the caller", "the model's own"));
  return data;
}

/** Checks that the arrays that a caller gives for outputs lie apart. @throws TypeError */
export function checkApart(names: readonly ValueInfo[], targets: readonly (TypedArray | undefined)[]): void {
  for (let i = 1; i < targets.length; i++) {
    for (let j = 0; j < i; j++) {
      const [a, b] = [targets[i], targets[j]];
      if (!a || !b || a.buffer !== b.buffer || a.byteLength === 0 || b.byteLength === 0) continue;
      if (a.byteOffset < b.byteOffset + b.byteLength && b.byteOffset < a.byteOffset + a.byteLength) {
        throw new TypeError(expected(`output ${names[i].name}`, "memory of its own", `that of ${names[j].name}`));
      }
    }
  }
}
