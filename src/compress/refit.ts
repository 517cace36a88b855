import { toDense } from "../graph/dense.js";
import { type Graph, withWeights } from "../graph/graph.js";
import type { PlainWeight } from "../graph/weight.js";
import type { FullEngine } from "../kernels/engine.js";
import type { Feeds } from "../runtime/feeds.js";
import { examplesIn } from "./calibration.js";
import { compare, type Meeting, towards } from "./meeting.js";
import { type Moments, mostPlaces } from "./moments.js";
import { rowsOf } from "./rows.js";
import { type Stage, stagesOf, Walk } from "./stages.js";
import { steady } from "./steady.js";

/** Rows of each stage that are looked at, about, and at least so many for each column: many inputs at few places show more than few at many. */
const wantedRows = 4096;
const rowsPerColumn = 8;

export interface Refit {
  /** Stores other values of a weight in the way that was chosen for it, by what they meet, where that is known. */
  store(name: string, dense: Float32Array, moments?: Moments): PlainWeight;
  /** Told after each stage. */
  onStage(done: number, total: number, weight: string): Promise<void>;
}

/**
 * Corrects a compressed network layer by layer, from its inputs on. Each product W x of the dense network meets other inputs x' now:
 * its weight is made again out of the values that come nearest to giving W x for x', and is rounded by what x' is like; then its
 * bias is shifted so that the mean of each output is what it was (M. Nagel et al., "Data-free quantization through weight
 * equalization and bias correction", 2019). The statistics of a BatchNormalization move as those of its input do.
 * Weights that more than one node reads, and those of which not a value changed, stay as they are.
 * @param chosen the network with all its weights compressed
 * @param feeds calibration inputs
 */
export async function refit(
  dense: Graph,
  chosen: Graph,
  { engine, module, feeds }: { engine: FullEngine; module: WebAssembly.Module; feeds: readonly Feeds[] },
  { store, onStage }: Refit,
): Promise<Graph> {
  const stages = stagesOf(dense);
  const examples = examplesIn(dense, feeds);
  const walks = [dense, chosen].map((graph) => new Walk(graph, module, feeds, stages));
  let graph = chosen;
  for (const [done, stage] of stages.entries()) {
    const rows = Math.max(wantedRows, rowsPerColumn * stage.cols);
    const places = Math.min(mostPlaces, Math.ceil(rows / examples));
    const [then, now] = walks.map((walk, i) =>
      walk.next(i === 0 ? dense : graph).map((x) => rowsOf(x, stage, dense, places)),
    );
    const meeting = compare(engine, then, now, stage, examples);
    const weights =
      stage.kind === "norm"
        ? normed(dense, meeting, stage, store)
        : solved(dense, graph, engine, meeting, stage, store);
    graph = withWeights(graph, weights);
    await onStage(done + 1, stages.length, stage.weight);
  }
  return graph;
}

function solved(
  dense: Graph,
  graph: Graph,
  engine: FullEngine,
  meeting: Meeting,
  stage: Stage,
  store: Refit["store"],
): [string, PlainWeight][] {
  const { weight: name, bias, rows, cols, groups } = stage;
  const old = dense.weights.get(name) as PlainWeight;
  const w = toDense(old);
  let made = graph.weights.get(name) as PlainWeight;
  const weights: [string, PlainWeight][] = [];
  if (made !== old) {
    made = store(name, towards(engine, w, meeting, stage), steady(meeting));
    weights.push([name, made]);
  }
  if (!bias) return weights;
  const v = made === old ? w : toDense(made);
  const shifted = toDense(dense.weights.get(bias) as PlainWeight).slice();
  let moved = false;
  for (let r = 0; r < rows; r++) {
    const from = Math.floor((r * groups) / rows) * cols;
    let shift = 0;
    for (let c = 0; c < cols; c++)
      shift += w[r * cols + c] * meeting.before[from + c] - v[r * cols + c] * meeting.mean[from + c];
    shifted[r] += shift;
    moved ||= shift !== 0;
  }
  if (moved) weights.push([bias, store(bias, shifted)]);
  return weights;
}

function normed(
  dense: Graph,
  { mean, square, before, squareBefore }: Meeting,
  { node }: Stage,
  store: Refit["store"],
): [string, PlainWeight][] {
  const [, , , meanName, varianceName] = node.inputs;
  const [means, variances] = [meanName, varianceName].map((name) =>
    toDense(dense.weights.get(name) as PlainWeight).slice(),
  );
  let moved = false;
  for (let c = 0; c < means.length; c++) {
    const [now, then] = [square[c] - mean[c] * mean[c], squareBefore[c] - before[c] * before[c]];
    moved ||= mean[c] !== before[c] || now !== then;
    // A channel that never moves tells nothing of its spread.
    const spread = now > 0 && then > 0 ? now / then : 1;
    variances[c] *= spread;
    means[c] = mean[c] - (before[c] - means[c]) * Math.sqrt(spread);
  }
  return moved
    ? [
        [meanName, store(meanName, means)],
        [varianceName, store(varianceName, variances)],
      ]
    : [];
}
