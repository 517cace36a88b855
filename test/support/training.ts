// One step of plain descent gives a gradient: w' = w - g. What it is held against is the twin's, by central differences.
import { expect } from "vitest";
import { toDense } from "../../src/graph/dense.js";
import type { Graph } from "../../src/graph/graph.js";
import type { Weight } from "../../src/graph/weight.js";
import type { Batch, Target } from "../../src/train/data.js";
import { type Fit, fit, type StepReport } from "../../src/train/fit.js";
import type { Loss } from "../../src/train/loss.js";
import type { FitOptions } from "../../src/train/options.js";
import { runReference } from "../reference/network.js";
import { crossEntropy, divergence } from "../reference/train.js";
import { type Fed, fullModule } from "./network.js";

/** Plain descent with rate 1: a weight changes by minus its gradient. */
export const descent = { optimizer: { kind: "sgd", momentum: 0 }, rate: 1, module: fullModule } as const;

/** Runs to the end of the data. `each` is called after every step, with the graph as it stands. */
export async function train(
  graph: Graph,
  options: FitOptions,
  each: (report: StepReport, graph: Graph) => void = () => {},
): Promise<{ graph: Graph; reports: StepReport[]; fit: Fit }> {
  const run = fit(graph, options);
  const reports: StepReport[] = [];
  for await (const report of run) {
    reports.push(report);
    each(report, run.graph());
  }
  return { graph: run.graph(), reports, fit: run };
}

export function batch(inputs: Record<string, Fed>, target?: Target, outputs?: Float32Array): Batch {
  const tensors = Object.entries(inputs).map(
    ([name, { shape, data }]) => [name, { dtype: "float32", shape, data }] as const,
  );
  return { inputs: Object.fromEntries(tensors), target, outputs };
}

/** The loss of the twin, in f64. */
export function twinLoss(
  graph: Graph,
  { inputs, target, outputs }: Batch,
  loss: Loss,
  weights?: ReadonlyMap<string, ArrayLike<number>>,
): number {
  const fed = Object.fromEntries(
    Object.entries(inputs).map(([name, { shape, data }]) => [name, { shape, data: data as Float32Array }]),
  );
  const { shape, data } = runReference(graph, fed, weights).get(graph.outputs[0].name)!;
  const squares = (wanted: ArrayLike<number>) =>
    data.reduce((sum, v, i) => sum + (v - wanted[i]) ** 2, 0) / data.length;
  const entropy = (smoothing = 0) => entropyOf(data, shape, target!, smoothing);
  if (loss === "meanSquaredError") return squares(target!);
  if (loss === "crossEntropy") return entropy();
  if (loss.kind === "crossEntropy") return entropy(loss.smoothing);
  if (loss.kind === "sum") {
    const batch = { inputs, target, outputs };
    return loss.terms.reduce((sum, term) => sum + term.weight * twinLoss(graph, batch, term.loss, weights), 0);
  }
  const { teacher, match, temperature = 1, labels = 0 } = loss;
  const wanted = teacher ? runReference(teacher, fed).get(teacher.outputs[0].name)!.data : outputs!;
  const [rows, classes] = shape;
  const taught =
    match === "squares" ? squares(wanted) : divergence(rows, classes, data, wanted, temperature).loss / rows;
  return labels === 0 ? taught : (1 - labels) * taught + labels * entropy();
}

function entropyOf(data: Float64Array, [rows, classes]: readonly number[], target: Target, smoothing: number): number {
  return crossEntropy(rows, classes, data, Uint32Array.from(target), smoothing).loss / rows;
}

/** Central differences of `loss` with respect to `values`, which are moved in place and put back. */
export function differences(values: Float64Array, loss: () => number, step = 1e-5): Float64Array {
  return Float64Array.from(values, (value, i) => {
    values[i] = value + step;
    const above = loss();
    values[i] = value - step;
    const below = loss();
    values[i] = value;
    return (above - below) / (2 * step);
  });
}

/** Gradient of the twin's loss with respect to a weight's values; `at` replaces the weights of the graph. */
export function twinGradient(
  graph: Graph,
  data: Batch,
  loss: Loss,
  name: string,
  at?: ReadonlyMap<string, ArrayLike<number>>,
): Float64Array {
  const values = Float64Array.from(at?.get(name) ?? toDense(graph.weights.get(name)!));
  const weights = new Map<string, ArrayLike<number>>(at).set(name, values);
  return differences(values, () => twinLoss(graph, data, loss, weights));
}

/** The stored values, those of pruned weights too. */
export function valuesOf(weight: Weight): Float32Array {
  return weight.kind === "masked" ? weight.data : toDense(weight);
}

/** The gradient of every weight, or of those that are named, by one step of descent, against the twin's. */
export async function expectGradients(
  graph: Graph,
  data: Batch,
  loss: Loss,
  tolerance = 2e-5,
  names?: readonly string[],
): Promise<void> {
  const trainable = names && ((name: string) => names.includes(name));
  const { graph: after, reports } = await train(graph, { ...descent, data: [data], loss, trainable });
  const wanted = twinLoss(graph, data, loss);
  expect(Math.abs(reports[0].loss - wanted)).toBeLessThan(tolerance * (1 + Math.abs(wanted)));
  for (const name of names ?? graph.weights.keys()) {
    const before = toDense(graph.weights.get(name)!);
    const moved = toDense(after.weights.get(name)!);
    const gradient = twinGradient(graph, data, loss, name);
    const largest = gradient.reduce((most, g) => Math.max(most, Math.abs(g)), 0);
    expect(largest, `${name} has a gradient`).toBeGreaterThan(1e-6);
    for (const [i, g] of gradient.entries()) {
      const error = Math.abs(before[i] - moved[i] - g);
      const limit = tolerance * largest + 2 ** -23 * (Math.abs(before[i]) + Math.abs(moved[i]));
      if (!(error <= limit))
        throw new Error(`${graph.name}, d ${name}[${i}]: expected ${g} within ${limit}, got ${before[i] - moved[i]}`);
    }
  }
}
