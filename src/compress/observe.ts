import { expected, ShapeError } from "../errors.js";
import type { Graph, GraphNode } from "../graph/graph.js";
import { matrixOf } from "../graph/storage.js";
import { createEngine, floatsAt } from "../kernels/engine.js";
import { type Feeds, shapeOfFeed, valuesOf } from "../runtime/feeds.js";
import { bindPlan, lowerGraph, runPlan } from "../runtime/plan.js";
import { sizeOf } from "../tensor.js";

/** What a weight is multiplied with, per column of its matrix [rows, cols]. Every tap of a kernel is given the moments of its channel. */
export interface Moments {
  /** E[x]. */
  readonly mean: Float64Array;
  /** E[x^2]. */
  readonly square: Float64Array;
}

interface Sums {
  readonly mean: Float64Array;
  readonly square: Float64Array;
  count: number;
}

/**
 * Runs the network over unlabelled inputs and gives the moments before each weight of a Conv or Gemm [out, in].
 * @throws ShapeError where the inputs do not fit, bring NaN, or there are none
 */
export function observe(graph: Graph, module: WebAssembly.Module, calibration: Iterable<Feeds>): Map<string, Moments> {
  const watched = graph.nodes.filter((node) => graph.weights.has(node.inputs[1]) && multiplies(node));
  const sums = new Map<string, Sums>();
  const engine = createEngine(module);
  const lowered = lowerGraph(engine, graph, false);
  const base = engine.arena.mark();
  for (const feeds of calibration) {
    engine.arena.release(base);
    const shapes = new Map<string, readonly number[]>();
    for (const input of graph.inputs) {
      const feed = feeds[input.name];
      if (!feed)
        throw new ShapeError(expected("calibration", `input ${input.name}`, Object.keys(feeds).join(", ") || "none"));
      shapes.set(input.name, shapeOfFeed(input, feed));
    }
    const plan = bindPlan(engine, graph, lowered, shapes, { keep: true });
    for (const { name } of graph.inputs) {
      const values = valuesOf(feeds[name]);
      floatsAt(engine, plan.slots.get(name)!.pointer, values.length).set(values as Float32Array);
    }
    runPlan(plan);
    for (const name of new Set(watched.map((node) => node.inputs[0]))) {
      const { pointer, shape } = plan.slots.get(name)!;
      sums.set(name, added(sums.get(name), shape, floatsAt(engine, pointer, sizeOf(shape))));
    }
  }
  if (sums.size === 0) throw new ShapeError(expected("calibration", "at least one input", "none"));
  return new Map(watched.map((node) => [node.inputs[1], momentsOf(graph, node, sums.get(node.inputs[0])!)]));
}

function multiplies(node: GraphNode): boolean {
  return node.op === "Conv" || (node.op === "Gemm" && node.attributes.transB === 1);
}

/** Images [n, c, h, w] are summed over n, h and w; matrices [n, c] over n. */
function added(sums: Sums | undefined, shape: readonly number[], values: Float32Array): Sums {
  const channels = shape[1];
  const plane = sizeOf(shape.slice(2));
  const into = sums ?? { mean: new Float64Array(channels), square: new Float64Array(channels), count: 0 };
  for (let i = 0; i < values.length; i++) {
    const channel = Math.floor(i / plane) % channels;
    into.mean[channel] += values[i];
    into.square[channel] += values[i] * values[i];
  }
  into.count += values.length / channels;
  return into;
}

function momentsOf(graph: Graph, node: GraphNode, sums: Sums): Moments {
  const { rows, cols } = matrixOf(graph.weights.get(node.inputs[1])!.shape);
  const channels = sums.mean.length;
  const group = node.op === "Conv" ? channels / graph.weights.get(node.inputs[1])!.shape[1] : 1;
  const taps = (cols * group) / channels;
  const spread = (values: Float64Array) =>
    Float64Array.from({ length: cols }, (_, c) => {
      // A grouped convolution meets another share of the channels in each group: the mean over the groups stands for all.
      let sum = 0;
      for (let g = 0; g < group; g++) sum += values[Math.floor(c / taps) + (g * channels) / group];
      return sum / (group * sums.count);
    });
  const moments = { mean: spread(sums.mean), square: spread(sums.square) };
  if (rows > 0 && moments.square.some((value) => !Number.isFinite(value))) {
    throw new ShapeError(expected("calibration", "finite activations", `NaN or Infinity before node ${node.name}`));
  }
  return moments;
}
