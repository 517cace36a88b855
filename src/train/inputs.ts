import { holds, inMemory, type TypedArray } from "../dtype.js";
import { expected, ShapeError } from "../errors.js";
import type { ValueInfo } from "../graph/graph.js";
import { checkTensor, nameOf, sameShape, showShape, type Tensor } from "../tensor.js";
import type { Batch } from "./data.js";

/** Shapes of a network's inputs, by name. */
export type Shapes = ReadonlyMap<string, readonly number[]>;

/** Those of the first batch, which all others have as well. @throws ShapeError as inputOf */
export function shapesOf(inputs: readonly ValueInfo[], first: Batch): Shapes {
  return new Map(inputs.map((input) => [input.name, inputOf(first, input).shape]));
}

/** What a batch brings for an input. @throws ShapeError where that is not what the input takes, or of another shape than `shapes` has */
export function inputOf(batch: Batch, { name, dtype }: ValueInfo, shapes?: Shapes): Tensor & { data: TypedArray } {
  const where = `fit: input ${name}`;
  const tensor = batch.inputs[name];
  if (ArrayBuffer.isView(tensor)) {
    throw new ShapeError(expected(where, "a tensor { dtype, shape, data }", nameOf(tensor)));
  }
  if (!tensor) throw new ShapeError(expected("fit: batch", `a tensor for input ${name}`, "none"));
  checkTensor(where, tensor);
  const wanted = inMemory(dtype);
  if (!holds(wanted, tensor.data)) {
    throw new ShapeError(expected(where, `${wanted} values`, nameOf(tensor.data)));
  }
  const shape = shapes?.get(name);
  if (shape && !sameShape(tensor.shape, shape)) {
    throw new ShapeError(expected(where, `${showShape(shape)} in every batch`, showShape(tensor.shape)));
  }
  return tensor;
}
