import { expected, ShapeError } from "../errors.js";
import type { Graph } from "../graph/graph.js";
import type { Feeds } from "../runtime/feeds.js";
import { Model } from "../runtime/session.js";
import { nameOf } from "../tensor.js";

/** Inputs, and the class of each example in them. */
export interface Labelled {
  readonly inputs: Feeds;
  readonly labels: ArrayLike<number>;
}

/** Tells how good a network is; more is better. */
export type Evaluate = (graph: Graph) => number | Promise<number>;

/**
 * What the whole compressed file may cost: `ratio` = 4 x parameters / bytes of the file. Or what the network may lose, `maxDrop`: the
 * file is then as small as that allows. The loss is in what `evaluate` gives, or in top-1 (0..1) of the first output over labelled
 * examples, which should not be those that are used for calibration.
 */
export type Target =
  | { readonly ratio: number }
  | { readonly bitsPerWeight: number }
  | { readonly maxBytes: number }
  | { readonly maxDrop: number; readonly evaluate: Evaluate }
  | { readonly maxDrop: number; readonly labelled: readonly Labelled[] };

/** A target in the terms of the search. */
export type Limit =
  | { readonly kind: "bytes"; readonly budget: number }
  | { readonly kind: "drop"; readonly maxDrop: number; readonly evaluate: Evaluate };

const sizes = ["ratio", "bitsPerWeight", "maxBytes"];

/** @throws RangeError; TypeError where it is no target, or several */
export function limitOf(target: Target, parameters: number, module: WebAssembly.Module): Limit {
  if (typeof target !== "object" || target === null) {
    throw new TypeError(expected("target", "an object", nameOf(target)));
  }
  if ("maxDrop" in target) return dropOf(target, module);
  const given = Object.entries(target);
  const [key, value] = given[0] ?? ["", 0];
  if (given.length !== 1 || !sizes.includes(key)) {
    const got = given.map(([name]) => name).join(", ") || "none";
    throw new TypeError(expected("target", `one of ${sizes.join(", ")}, maxDrop`, got));
  }
  const bytes = key === "ratio" ? (4 * parameters) / value : key === "bitsPerWeight" ? (parameters * value) / 8 : value;
  if (!(typeof value === "number" && value > 0 && Number.isFinite(bytes)))
    throw new RangeError(expected(`target.${key}`, "a positive number", `${value}`));
  return { kind: "bytes", budget: Math.floor(bytes) };
}

function dropOf(target: Extract<Target, { maxDrop: number }>, module: WebAssembly.Module): Limit {
  const { maxDrop, ...how } = target;
  if (!(maxDrop >= 0 && Number.isFinite(maxDrop))) {
    throw new RangeError(expected("target.maxDrop", "a number of 0 or more", `${maxDrop}`));
  }
  const [[key, value] = ["", undefined], more] = Object.entries<unknown>(how);
  if (more === undefined && key === "evaluate" && typeof value === "function") {
    return { kind: "drop", maxDrop, evaluate: value as Evaluate };
  }
  if (more === undefined && key === "labelled" && Array.isArray(value) && value.length > 0) {
    return { kind: "drop", maxDrop, evaluate: (graph) => top1(graph, value as Labelled[], module) };
  }
  const got = Object.keys(how).join(", ") || "none";
  throw new TypeError(expected("target", "evaluate, a function, or labelled, an array of examples", got));
}

/** Fraction of rows of the first output, [..., classes], whose class is the largest. @throws TypeError or ShapeError naming the entry */
function top1(graph: Graph, labelled: readonly Labelled[], module: WebAssembly.Module): number {
  const model = new Model(graph, module);
  const [{ name }] = graph.outputs;
  let [right, all] = [0, 0];
  for (const [entry, given] of labelled.entries()) {
    const where = `target.labelled[${entry}]`;
    if (typeof given?.inputs !== "object" || given.inputs === null || typeof given.labels?.length !== "number") {
      throw new TypeError(expected(where, "inputs and labels", nameOf(given)));
    }
    const { data, shape } = model.run(given.inputs)[name];
    const classes = shape.at(-1) ?? 1;
    const rows = data.length / Math.max(1, classes);
    if (given.labels.length !== rows) {
      throw new ShapeError(expected(where, `${rows} labels of ${name}`, `${given.labels.length}`));
    }
    for (let i = 0; i < rows; i++) {
      const label = given.labels[i];
      if (!(Number.isInteger(label) && label >= 0 && label < classes)) {
        throw new TypeError(expected(`${where}.labels[${i}]`, `a class in 0..${classes - 1}`, String(label)));
      }
      let best = 0;
      for (let c = 1; c < classes; c++) if (data[i * classes + c] > data[i * classes + best]) best = c;
      right += best === label ? 1 : 0;
    }
    all += rows;
  }
  model.dispose();
  return right / all;
}
