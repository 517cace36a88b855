import { expected, ShapeError } from "../errors.js";
import type { Graph, GraphNode, ValueInfo } from "../graph/graph.js";
import { sidesOf, sidesOutput, type Window, windowOf } from "../ops/window.js";
import type { Feeds } from "../runtime/feeds.js";
import { Model } from "../runtime/session.js";
import { sizeOf, type Tensor } from "../tensor.js";

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
 * Runs the network over unlabelled inputs and gives the moments before each weight of a Conv (of images or lines) or Gemm [out, in],
 * over all nodes that use it.
 * @throws ShapeError where the inputs do not fit, bring NaN, or there are none
 */
export function observe(graph: Graph, module: WebAssembly.Module, calibration: Iterable<Feeds>): Map<string, Moments> {
  const watched = graph.nodes.filter((node) => isWatched(graph, node));
  const sums = new Map<string, Sums>();
  const model = new Model(withOutputs(graph, new Set(watched.map(({ inputs }) => inputs[0]))), module);
  let samples = 0;
  for (const feeds of calibration) {
    for (const { name } of graph.inputs) {
      if (feeds[name] === undefined) {
        throw new ShapeError(expected("calibration", `input ${name}`, Object.keys(feeds).join(", ") || "none"));
      }
    }
    const values = model.run(feeds);
    for (const node of watched) {
      const weight = graph.weights.get(node.inputs[1])!;
      const x = values[node.inputs[0]];
      const width = x.shape[1] * sizeOf(weight.shape.slice(2));
      const into = sums.get(node.inputs[1]) ?? {
        mean: new Float64Array(width),
        square: new Float64Array(width),
        count: 0,
      };
      if (node.op === "Gemm") addMatrix(into, x.data);
      else addImages(into, x, node, weight.shape.slice(2));
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

/** The network with more of its values among its outputs, as float32. */
function withOutputs(graph: Graph, names: ReadonlySet<string>): Graph {
  const given = new Set(graph.outputs.map(({ name }) => name));
  const more = [...names].filter((name) => !given.has(name)).map((name): ValueInfo => ({ name, dtype: "float32" }));
  return { ...graph, outputs: [...graph.outputs, ...more] };
}

function isWatched(graph: Graph, { op, inputs, attributes }: GraphNode): boolean {
  const weight = graph.weights.get(inputs[1]);
  if (!weight || graph.weights.has(inputs[0])) return false;
  if (op === "Gemm") return attributes.transB === 1 && !attributes.transA;
  return op === "Conv" && (weight.shape.length === 3 || weight.shape.length === 4);
}

/** x [n, width]. */
function addMatrix(into: Sums, x: ArrayLike<number>): void {
  const width = into.mean.length;
  for (let i = 0; i < x.length; i++) {
    into.mean[i % width] += x[i];
    into.square[i % width] += x[i] * x[i];
  }
  into.count += x.length / width;
}

/** Images [n, c, h, w] or lines [n, c, l]. */
function addImages(
  into: Sums,
  { shape, data }: Tensor & { readonly data: Float32Array },
  node: GraphNode,
  kernel: readonly number[],
): void {
  const [batch, channels, ...sizes] = shape;
  const output = sidesOutput(node, sidesOf(node, sizes, kernel), sizes);
  const window = windowOf(node, sizes, kernel);
  for (let image = 0; image < batch * channels; image++) {
    addPlane(into, image % channels, data, image, sizes, output, window);
  }
  into.count += batch * sizeOf(output);
}

/** Every tap of the kernel sees its own part of plane `at`, of one channel, and zeros beyond its edges. */
function addPlane(
  into: Sums,
  channel: number,
  x: Float32Array,
  at: number,
  sizes: readonly number[],
  output: readonly number[],
  { kernel: [kernelHeight, kernelWidth], strides, dilations, pads: [top, left] }: Window,
): void {
  const [height, width] = [sizes.length === 1 ? 1 : sizes[0], sizes[sizes.length - 1]];
  const [outHeight, outWidth] = [output.length === 1 ? 1 : output[0], output[output.length - 1]];
  let column = channel * kernelHeight * kernelWidth;
  for (let i = 0; i < kernelHeight; i++) {
    for (let j = 0; j < kernelWidth; j++, column++) {
      let sum = 0;
      let square = 0;
      for (let outY = 0; outY < outHeight; outY++) {
        const inY = outY * strides[0] - top + i * dilations[0];
        if (inY < 0 || inY >= height) continue;
        for (let outX = 0; outX < outWidth; outX++) {
          const inX = outX * strides[1] - left + j * dilations[1];
          if (inX < 0 || inX >= width) continue;
          const value = x[(at * height + inY) * width + inX];
          sum += value;
          square += value * value;
        }
      }
      into.mean[column] += sum;
      into.square[column] += square;
    }
  }
}
