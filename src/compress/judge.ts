import type { TypedArray } from "../dtype.js";
import type { Graph } from "../graph/graph.js";
import type { PlainWeight } from "../graph/weight.js";
import { log } from "../math.js";
import type { Feeds } from "../runtime/feeds.js";
import type { Tensor } from "../tensor.js";
import { type Results, resultsOf, Tail } from "./tail.js";

/** Probabilities below that count as that. */
const least = 1e-12;

/** How far the outputs of a network with another weight lie from its own, over a few of the calibration inputs. */
export class Judge {
  readonly #graph: Graph;
  readonly #module: WebAssembly.Module;
  readonly #feeds: readonly Feeds[];
  readonly #wanted: readonly Results[];
  /** That of the weight that was asked for last. */
  #tail: { readonly name: string; readonly tail: Tail } | undefined;

  constructor(graph: Graph, module: WebAssembly.Module, feeds: readonly Feeds[]) {
    this.#graph = graph;
    this.#module = module;
    this.#feeds = feeds;
    this.#wanted = resultsOf(graph, module, feeds);
  }

  /** Rows of the output that has most of them, over all inputs. */
  get rows(): number {
    const rowsOf = ({ data, shape }: Tensor) => data.length / (shape.at(-1) || 1);
    const counts = this.#graph.outputs.map(({ name }) =>
      this.#wanted.reduce((sum, results) => sum + rowsOf(results[name]), 0),
    );
    return Math.max(0, ...counts);
  }

  /**
   * Mean over outputs of their squared error over their squared norm; of an output that gives probabilities p, the mean over its rows
   * of half the variance of the change of log p, each class counting by the mean of p and an equal share. Where p alone counted,
   * that would be the Kullback-Leibler divergence in nats, to second order, which at large changes follows a few rows and classes
   * (measured: what is chosen by the divergence itself loses more of it on other inputs). 0 where nothing changes.
   */
  error(name: string, weight: PlainWeight): number {
    if (this.#tail?.name !== name) {
      this.#tail = { name, tail: new Tail(this.#graph, this.#module, this.#feeds, name) };
    }
    const found = this.#tail.tail.run(weight);
    const outputs = this.#graph.outputs;
    const errors = outputs.map(({ name }) => {
      // An output that the weight has no say in is what it was.
      if (!found.every((results) => Object.hasOwn(results, name))) return 0;
      return difference(
        this.#wanted.map((results) => results[name]),
        found.map((results) => results[name]),
      );
    });
    return errors.reduce((sum, error) => sum + error, 0) / outputs.length;
  }
}

function difference(wanted: readonly Tensor[], found: readonly Tensor[]): number {
  const classes = wanted[0].shape.at(-1) ?? 0;
  const probable = classes > 1 && wanted.every((tensor) => isDistribution(tensor, classes));
  let off = 0;
  let whole = 0;
  for (const [i, { data }] of wanted.entries()) {
    const other = found[i].data;
    if (probable) {
      for (let at = 0; at < data.length; at += classes) off += divergence(data, other, at, classes);
      whole += data.length / classes;
      continue;
    }
    for (let k = 0; k < data.length; k++) {
      const [p, q] = [Number(data[k]), Number(other[k])];
      // What the network itself does not give as a number, such as masked logits, has no say.
      if (!Number.isFinite(p)) continue;
      off += (p - q) * (p - q);
      whole += p * p;
    }
  }
  // What is no number is as far off as can be.
  if (Number.isNaN(off)) return Number.POSITIVE_INFINITY;
  return whole === 0 ? off : Math.max(0, off) / whole;
}

/** Of the row from `at` on; see Judge. */
function divergence(wanted: TypedArray, found: TypedArray, at: number, classes: number): number {
  let [first, second] = [0, 0];
  for (let k = at; k < at + classes; k++) {
    const p = Number(wanted[k]);
    const change = log(Math.max(p, least)) - log(Math.max(Number(found[k]), least));
    const weight = (p + 1 / classes) / 2;
    first += weight * change;
    second += weight * change * change;
  }
  return (second - first * first) / 2;
}

function isDistribution({ dtype, data }: Tensor, classes: number): boolean {
  if (dtype !== "float32") return false;
  for (let at = 0; at < data.length; at += classes) {
    let sum = 0;
    for (let k = at; k < at + classes; k++) {
      const p = Number(data[k]);
      if (!(p >= 0)) return false;
      sum += p;
    }
    if (Math.abs(sum - 1) > 1e-3) return false;
  }
  return true;
}
