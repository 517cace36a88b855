import { expected, ShapeError } from "../errors.js";
import type { Graph, GraphNode } from "../graph/graph.js";
import { createEngine, floatsAt } from "../kernels/engine.js";
import type { Info, Slot } from "../ops/op.js";
import { type Feeds, shapeOfFeed, valuesOf } from "../runtime/feeds.js";
import { bindPlan, enterPlan, lowerGraph, runPlan } from "../runtime/plan.js";
import { sizeOf } from "../tensor.js";

/**
 * What a weight is multiplied with, per column of its matrix [rows, cols]. In a grouped convolution the rows of each group meet
 * other channels: both arrays are [groups, cols], and the first rows / groups rows belong to the first.
 */
export interface Moments {
  /** E[x]. */
  readonly mean: Float64Array;
  /** E[x^2]. */
  readonly square: Float64Array;
}

/** Sums of x and x^2, per column and group, over `count` rows of inputs. */
interface Sums extends Moments {
  count: number;
}

/**
 * Runs the network over unlabelled inputs and gives the moments before each weight of a Conv or Gemm [out, in], over all nodes
 * that use it.
 * @throws ShapeError where the inputs do not fit, bring NaN, or there are none
 */
export function observe(graph: Graph, module: WebAssembly.Module, calibration: Iterable<Feeds>): Map<string, Moments> {
  const watched = graph.nodes.filter((node) => graph.weights.has(node.inputs[1]) && multiplies(node));
  const sums = new Map<string, Sums>();
  const engine = createEngine(module);
  const lowered = lowerGraph(engine, graph);
  const base = engine.arena.mark();
  let samples = 0;
  for (const feeds of calibration) {
    engine.arena.release(base);
    const infos = new Map<string, Info>();
    for (const input of graph.inputs) {
      const feed = feeds[input.name];
      if (!feed)
        throw new ShapeError(expected("calibration", `input ${input.name}`, Object.keys(feeds).join(", ") || "none"));
      infos.set(input.name, { dtype: input.dtype, shape: shapeOfFeed(input, feed) });
    }
    const plan = bindPlan(engine, graph, lowered, infos, { keep: true });
    enterPlan(engine, plan);
    for (const { name } of graph.inputs) {
      const values = valuesOf(feeds[name]);
      floatsAt(engine, plan.slots.get(name)!.pointer, values.length).set(values as Float32Array);
    }
    runPlan(plan);
    for (const node of watched) {
      const [x, y] = [plan.slots.get(node.inputs[0])!, plan.slots.get(node.outputs[0])!];
      const kernel = graph.weights.get(node.inputs[1])!.shape.slice(2);
      const width = x.shape[1] * sizeOf(kernel);
      const into = sums.get(node.inputs[1]) ?? {
        mean: new Float64Array(width),
        square: new Float64Array(width),
        count: 0,
      };
      const values = floatsAt(engine, x.pointer, sizeOf(x.shape));
      if (node.op === "Gemm") addMatrix(into, values);
      else addImages(into, values, x, y, node, kernel);
      sums.set(node.inputs[1], into);
      if (into.count > 0 && !into.square.every(Number.isFinite)) {
        throw new ShapeError(expected("calibration", "finite activations", `NaN or Infinity before node ${node.name}`));
      }
    }
    samples++;
  }
  if (samples === 0 || [...sums.values()].some(({ count }) => count === 0)) {
    throw new ShapeError(expected("calibration", "at least one input", "none"));
  }
  const mean = (values: Float64Array, count: number) => values.map((value) => value / count);
  return new Map(
    [...sums].map(([name, into]) => [
      name,
      { mean: mean(into.mean, into.count), square: mean(into.square, into.count) },
    ]),
  );
}

function multiplies(node: GraphNode): boolean {
  return node.op === "Conv" || (node.op === "Gemm" && node.attributes.transB === 1);
}

/** x [n, width]. */
function addMatrix(into: Sums, x: Float32Array): void {
  const width = into.mean.length;
  for (let i = 0; i < x.length; i++) {
    into.mean[i % width] += x[i];
    into.square[i % width] += x[i] * x[i];
  }
  into.count += x.length / width;
}

/** Every tap of the kernel sees its own part of the images x [n, c, h, w], and zeros beyond their edges. */
function addImages(
  into: Sums,
  x: Float32Array,
  { shape: [batch, channels, height, width] }: Slot,
  { shape: [, , outHeight, outWidth] }: Slot,
  { attributes }: GraphNode,
  [kernelHeight, kernelWidth]: readonly number[],
): void {
  const [strideY, strideX] = (attributes.strides ?? [1, 1]) as readonly number[];
  const [dilationY, dilationX] = (attributes.dilations ?? [1, 1]) as readonly number[];
  const [top, left] = (attributes.pads ?? [0, 0]) as readonly number[];
  for (let image = 0; image < batch * channels; image++) {
    let column = (image % channels) * kernelHeight * kernelWidth;
    for (let i = 0; i < kernelHeight; i++) {
      for (let j = 0; j < kernelWidth; j++, column++) {
        for (let outY = 0; outY < outHeight; outY++) {
          const inY = outY * strideY - top + i * dilationY;
          if (inY < 0 || inY >= height) continue;
          for (let outX = 0; outX < outWidth; outX++) {
            const inX = outX * strideX - left + j * dilationX;
            if (inX < 0 || inX >= width) continue;
            const value = x[(image * height + inY) * width + inX];
            into.mean[column] += value;
            into.square[column] += value * value;
          }
        }
      }
    }
  }
  into.count += batch * outHeight * outWidth;
}
