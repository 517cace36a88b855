import { type DType, isFloat, type TypedArray, viewOf } from "../dtype.js";
import { expected, ShapeError, UnsupportedError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import type { RunKernels } from "../kernels/abi.js";
import { showShape, sizeOf } from "../tensor.js";
import { elementsOf } from "./element.js";
import { inputOf } from "./known.js";
import type { Info, Site, Slot, Slots, Table } from "./op.js";
import { type Place, type Recipe, room } from "./recipe.js";

type Inputs = readonly (Info | undefined)[];

/** @throws UnsupportedError where input i is of another type */
export function checkType(node: GraphNode, inputs: Inputs, i: number, types: readonly DType[]): DType {
  const { dtype } = inputOf(node, inputs, i);
  if (!types.includes(dtype)) {
    throw new UnsupportedError(expected(`${node.name} (${node.op}) input ${i}`, types.join(", "), dtype));
  }
  return dtype;
}

/**
 * Checks a scale as far as it is known; `divides`: values are divided by it, and it may not be 0.
 * @throws UnsupportedError where it is no floating-point number, ShapeError
 */
export function checkScale(node: GraphNode, inputs: Inputs, i: number, divides = false): void {
  const { dtype, known } = inputOf(node, inputs, i);
  if (!isFloat(dtype)) {
    throw new UnsupportedError(expected(`${node.name} (${node.op}) input ${i}`, "a floating-point scale", dtype));
  }
  const wrong = known?.find(
    (scale: number | bigint) => !(Number(scale) < Infinity && (divides ? scale > 0 : scale >= 0)),
  );
  if (wrong === undefined) return;
  const want = divides ? "scales above 0 and finite" : "scales of at least 0 and finite";
  throw new ShapeError(expected(`${node.name} (${node.op}) input ${i}`, want, `${wrong}`));
}

/** Checks a zero point for values of type `dtype`; an absent one is 0. @throws ShapeError */
export function checkZero(node: GraphNode, inputs: Inputs, i: number, dtype: DType): void {
  const zero = inputs[i];
  if (zero && zero.dtype !== dtype) {
    throw new ShapeError(expected(`${node.name} (${node.op}) input ${i}`, `a zero point of type ${dtype}`, zero.dtype));
  }
}

/** Checks that an input, where it is there, holds one of so many elements. @throws ShapeError */
export function checkCount(node: GraphNode, inputs: Inputs, i: number, counts: readonly number[]): void {
  const shape = inputs[i]?.shape;
  if (shape === undefined || counts.includes(sizeOf(shape))) return;
  const want = `${[...new Set(counts)].join(" or ")} ${counts.every((count) => count === 1) ? "element" : "elements"}`;
  throw new ShapeError(expected(`${node.name} (${node.op}) input ${i}`, want, `shape ${showShape(shape)}`));
}

/** An input, and its elements where they are known before anything runs. */
export interface Source {
  readonly slot: Slot;
  readonly known: TypedArray | undefined;
}

/** The inputs of a node; what is a weight takes no memory of its own, but for the first and `packed`, which are left as they are. */
export function sourcesOf(site: Site, packed: number): (io: Slots) => readonly (Source | undefined)[] {
  const constants = site.node.inputs.map((_, i) => (i === 0 || i === packed ? undefined : site.constant(i)));
  return ({ inputs }) => inputs.map((slot, i) => slot && { slot, known: constants[i]?.known ?? slot.known });
}

/** The elements of an input: a view of the moment, where they are not known. */
export function elementsIn(kernels: RunKernels, { slot, known }: Source): TypedArray {
  return known ?? elementsOf(kernels, slot);
}

/** An array made of inputs: once where all of them are known, else at each run, which is rare. */
export function madeOf(
  recipe: Recipe,
  table: Table,
  sources: readonly (Source | undefined)[],
  dtype: DType,
  length: number,
  make: (...values: (TypedArray | undefined)[]) => TypedArray,
): Place {
  if (sources.every((source) => !source || source.known)) {
    const pointer = table(make(...sources.map((source) => source?.known)));
    return () => pointer;
  }
  const { kernels, steps } = recipe;
  const to = room(recipe, [length], dtype);
  steps.push((scratch) => {
    const values = make(...sources.map((source) => source && elementsIn(kernels, source)));
    (viewOf(dtype, kernels.memory.buffer, to.at(scratch), length) as Int32Array).set(values as Int32Array);
  });
  return to.at;
}

/** Element i of an input, counted round where it has fewer; 0 where there is no input. */
export function elementOf(kernels: RunKernels, source: Source | undefined): (i: number) => number {
  if (!source) return () => 0;
  const size = Math.max(sizeOf(source.slot.shape), 1);
  return (i) => Number(elementsIn(kernels, source)[i % size]);
}
