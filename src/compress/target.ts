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
  if (!(value > 0 && Number.isFinite(bytes)))
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

/** Fraction of examples whose class is the first output's largest. @throws ShapeError where there are not as many labels as examples */
function top1(graph: Graph, labelled: readonly Labelled[], module: WebAssembly.Module): number {
  const model = new Model(graph, module);
  const [{ name }] = graph.outputs;
  let [right, all] = [0, 0];
  for (const { inputs, labels } of labelled) {
    const { data } = model.run(inputs)[name];
    const classes = data.length / labels.length;
    if (!Number.isInteger(classes) || classes === 0) {
      throw new ShapeError(
        expected("target.labelled", `labels for ${data.length} values of ${name}`, `${labels.length}`),
      );
    }
    for (let i = 0; i < labels.length; i++) {
      let best = 0;
      for (let c = 1; c < classes; c++) if (data[i * classes + c] > data[i * classes + best]) best = c;
      right += best === labels[i] ? 1 : 0;
    }
    all += labels.length;
  }
  model.dispose();
  return right / all;
}
