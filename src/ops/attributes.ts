import { expected, ShapeError, UnsupportedError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";

/** Reads attributes of a node, checked. */
export function integer(node: GraphNode, name: string, fallback: number): number {
  const value = node.attributes[name];
  if (value === undefined) return fallback;
  if (typeof value !== "number" || !Number.isSafeInteger(value)) {
    throw new ShapeError(expected(`${node.name}.${name}`, "an integer", String(value)));
  }
  return value;
}

export function number(node: GraphNode, name: string, fallback: number): number {
  const value = node.attributes[name];
  if (value === undefined) return fallback;
  if (typeof value !== "number") throw new ShapeError(expected(`${node.name}.${name}`, "a number", String(value)));
  return value;
}

/** A list of `length` integers, each at least `least`. */
export function integers(
  node: GraphNode,
  name: string,
  length: number,
  fallback: number | undefined,
  least: number,
): number[] {
  const value = node.attributes[name];
  if (value === undefined && fallback !== undefined) return new Array(length).fill(fallback);
  const fits =
    Array.isArray(value) &&
    value.length === length &&
    value.every(
      (item) => typeof item === "number" && Number.isSafeInteger(item) && item >= least && item <= 0x7fffffff,
    );
  if (!fits) {
    const want = `${length} integers from ${least} to 2147483647`;
    throw new ShapeError(expected(`${node.name}.${name}`, want, String(value)));
  }
  return value as number[];
}

/** Refuses attributes that the operator here does not know: a silent wrong answer is worse. */
export function only(node: GraphNode, names: readonly string[]): void {
  for (const name of Object.keys(node.attributes)) {
    if (!names.includes(name)) {
      throw new UnsupportedError(
        expected(`${node.name} (${node.op})`, `attributes among ${names.join(", ") || "none"}`, name),
      );
    }
  }
}

/** The shape of input i. @throws ShapeError where it is absent */
export function shapeOf(
  node: GraphNode,
  inputs: readonly (readonly number[] | undefined)[],
  i: number,
): readonly number[] {
  const shape = inputs[i];
  if (!shape) throw new ShapeError(expected(`${node.name} (${node.op})`, `an input ${i}`, "none"));
  return shape;
}

/** One of some words. */
export function word<T extends string>(node: GraphNode, name: string, words: readonly T[], fallback: T): T {
  const value = node.attributes[name] ?? fallback;
  if (!words.includes(value as T)) {
    throw new UnsupportedError(expected(`${node.name}.${name}`, `one of ${words.join(", ")}`, String(value)));
  }
  return value as T;
}

/** Place of an axis of `rank` dimensions, counted from the end where it is negative. @throws ShapeError */
export function axisOf(node: GraphNode, axis: number, rank: number): number {
  const at = axis < 0 ? axis + rank : axis;
  if (!(Number.isSafeInteger(at) && at >= 0 && at < rank)) {
    throw new ShapeError(expected(`${node.name} (${node.op})`, `an axis of ${rank} dimensions`, `${axis}`));
  }
  return at;
}

/** The same of several, each once. @throws ShapeError */
export function axesOf(node: GraphNode, axes: readonly number[], rank: number): number[] {
  const places = axes.map((axis) => axisOf(node, axis, rank));
  if (new Set(places).size !== places.length) {
    throw new ShapeError(expected(`${node.name} (${node.op})`, "axes once each", axes.join(", ")));
  }
  return places;
}
