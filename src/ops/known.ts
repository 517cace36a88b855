import { type DType, inMemory, isFloat } from "../dtype.js";
import { expected, ShapeError, UnsupportedError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import { showShape } from "../tensor.js";
import { type Info, NeedsValue } from "./op.js";

type Inputs = readonly (Info | undefined)[];

/** What input i is. @throws ShapeError where it is absent */
export function inputOf(node: GraphNode, inputs: Inputs, i: number): Info {
  const info = inputs[i];
  if (!info) throw new ShapeError(expected(`${node.name} (${node.op})`, `an input ${i}`, "none"));
  return info;
}

/** The elements of an input as numbers. @throws NeedsValue where planning does not know them */
export function knownNumbers(node: GraphNode, inputs: Inputs, i: number): number[] {
  const { known } = inputOf(node, inputs, i);
  if (!known) throw new NeedsValue(i);
  return Array.from(known as ArrayLike<number | bigint>, Number);
}

/** The same of int32 or int64, a list: what shapes, axes and steps are given as. */
export function knownIntegers(node: GraphNode, inputs: Inputs, i: number): number[] {
  const { dtype, shape } = inputOf(node, inputs, i);
  checkIndexType(node, inputs, i);
  if (shape.length > 1) {
    throw new ShapeError(expected(`${node.name} (${node.op}) input ${i}`, `a list of ${dtype}`, showShape(shape)));
  }
  return knownNumbers(node, inputs, i);
}

/** The same where the input may be left out. */
export function optionalIntegers(node: GraphNode, inputs: Inputs, i: number): number[] | undefined {
  return inputs[i] && knownIntegers(node, inputs, i);
}

/** @throws ShapeError where input i holds neither int32 nor int64 */
export function checkIndexType(node: GraphNode, inputs: Inputs, i: number): void {
  const { dtype } = inputOf(node, inputs, i);
  if (dtype !== "int64" && dtype !== "int32") {
    throw new ShapeError(expected(`${node.name} (${node.op}) input ${i}`, "int64 or int32", dtype));
  }
}

/** @throws ShapeError where two inputs are of types that do not stand alike in memory */
export function checkSameType(node: GraphNode, inputs: Inputs, i: number, j: number): void {
  const [a, b] = [inputOf(node, inputs, i).dtype, inputOf(node, inputs, j).dtype];
  if (inMemory(a) !== inMemory(b)) {
    throw new ShapeError(expected(`${node.name} (${node.op}) input ${j}`, a, b));
  }
}

/** @throws UnsupportedError where input i holds no floating-point numbers */
export function checkFloats(node: GraphNode, inputs: Inputs, i: number): void {
  const { dtype } = inputOf(node, inputs, i);
  if (!isFloat(dtype)) {
    throw new UnsupportedError(expected(`${node.name} (${node.op}) input ${i}`, "floating-point values", dtype));
  }
}

/** No tensor takes more bytes: offsets inside one are 32-bit integers, and a few bytes of file cannot ask for more. */
const mostBytes = 2147483647;

/** No tensor has more dimensions: work that grows with their square stays small. */
const mostDimensions = 32;

/**
 * An output whose shape attributes or elements decide: strides count bytes too where a size of 0 leaves no elements.
 * @throws ShapeError where a size is none or the whole is past 2^31 bytes, UnsupportedError for too many dimensions
 */
export function sized(node: GraphNode, dtype: DType, shape: readonly number[]): Info {
  const where = `${node.name} (${node.op})`;
  checkRank(where, shape);
  let bytes = inMemory(dtype).endsWith("64") ? 8 : 4;
  for (const size of shape) if (size !== 0) bytes *= size;
  if (!(bytes <= mostBytes) || !shape.every((size) => Number.isSafeInteger(size) && size >= 0)) {
    throw new ShapeError(expected(where, "an output of at most 2^31 bytes", `shape ${showShape(shape)}`));
  }
  return { dtype, shape };
}

/** @throws UnsupportedError */
export function checkRank(where: string, { length }: readonly unknown[]): void {
  if (length <= mostDimensions) return;
  throw new UnsupportedError(expected(where, `at most ${mostDimensions} dimensions`, `${length}`));
}
