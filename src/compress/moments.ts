import { expected, ShapeError } from "../errors.js";
import type { Graph, GraphNode, ValueInfo } from "../graph/graph.js";
import { createEngine, type Engine, floatsAt, place } from "../kernels/engine.js";
import { sidesOf, sidesOutput, windowOf } from "../ops/window.js";
import type { Feeds } from "../runtime/feeds.js";
import { Model } from "../runtime/session.js";
import { sizeOf, type Tensor } from "../tensor.js";
import { type Product, productsOf } from "./product.js";

/** What a weight [rows, cols] is multiplied with, for each group of its rows; see Product. */
export interface Moments {
  /** E[x], [groups, cols]. */
  readonly mean: Float64Array;
  /** E[x^2], [groups, cols]. */
  readonly square: Float64Array;
  /** E[x x^T], [groups, cols, cols]; absent where there are more columns than `mostColumns`. */
  readonly gram?: Float64Array;
}

/** Sums over `count` rows of inputs of each group. */
interface Sums extends Moments {
  count: number;
}

/** Second moments take cols^2 memory and cols^3 time. */
export const mostColumns = 2048;
/** Places of one example that are looked at, evenly spread, and rows in all: what bounds the time for second moments. */
const mostPlaces = 64;
const mostRows = 16384;

/**
 * Runs the network over unlabelled inputs and gives the moments before each weight of a product, over all nodes that use it.
 * @throws ShapeError where the inputs do not fit, bring NaN, or there are none
 */
export function observe(graph: Graph, module: WebAssembly.Module, calibration: Iterable<Feeds>): Map<string, Moments> {
  const products = productsOf(graph);
  const sums = new Map<string, Sums>();
  const model = new Model(withOutputs(graph, new Set(products.map(({ input }) => input))), module);
  const engine = createEngine(module);
  let samples = 0;
  for (const feeds of calibration) {
    checkNames(graph, feeds);
    const values = model.run(feeds);
    for (const product of products) {
      const into = sums.get(product.weight) ?? emptySums(product);
      sums.set(product.weight, into);
      if (into.count >= mostRows) continue;
      const x = values[product.input];
      const rows = product.node.op === "Conv" ? rowsOfImages(x, product, graph) : rowsOfMatrix(x, product.cols);
      add(engine, into, rows, product);
      if (into.count > 0 && !into.square.every(Number.isFinite)) {
        const got = `NaN or Infinity before node ${product.node.name}`;
        throw new ShapeError(expected("calibration", "finite activations", got));
      }
    }
    samples++;
  }
  if (samples === 0 || [...sums.values()].some(({ count }) => count === 0)) {
    throw new ShapeError(expected("calibration", "at least one input", "none"));
  }
  return new Map(
    [...sums].map(([name, { mean, square, gram, count }]) => {
      const each = (values: Float64Array) => values.map((value) => value / count);
      return [name, { mean: each(mean), square: each(square), ...(gram && { gram: each(gram) }) }];
    }),
  );
}

/** @throws ShapeError where an input is missing */
export function checkNames(graph: Graph, feeds: Feeds): void {
  for (const { name } of graph.inputs) {
    if (feeds[name] !== undefined) continue;
    throw new ShapeError(expected("calibration", `input ${name}`, Object.keys(feeds).join(", ") || "none"));
  }
}

/** The network with more of its values among its outputs, as float32. */
function withOutputs(graph: Graph, names: ReadonlySet<string>): Graph {
  const given = new Set(graph.outputs.map(({ name }) => name));
  const more = [...names].filter((name) => !given.has(name)).map((name): ValueInfo => ({ name, dtype: "float32" }));
  return { ...graph, outputs: [...graph.outputs, ...more] };
}

function emptySums({ groups, cols }: Product): Sums {
  const gram = cols <= mostColumns ? { gram: new Float64Array(groups * cols * cols) } : {};
  return { mean: new Float64Array(groups * cols), square: new Float64Array(groups * cols), ...gram, count: 0 };
}

/** Adds rows [groups, count, cols]. */
function add(engine: Engine, into: Sums, rows: Float32Array, { groups, cols }: Product): void {
  const count = rows.length / (groups * cols);
  for (let group = 0, at = 0; group < groups; group++) {
    const first = group * cols;
    for (let r = 0; r < count; r++) {
      for (let c = 0; c < cols; c++, at++) {
        const value = rows[at];
        into.mean[first + c] += value;
        into.square[first + c] += value * value;
      }
    }
  }
  into.count += count;
  const { gram } = into;
  if (!gram || count === 0) return;
  engine.arena.scope(() => {
    const { arena, kernels } = engine;
    const x = place(engine, rows);
    const y = arena.alloc(4 * cols * cols);
    const scratch = arena.alloc(kernels.gemm_scratch_bytes(cols, cols, count));
    for (let group = 0; group < groups; group++) {
      const own = x + 4 * group * count * cols;
      floatsAt(engine, y, cols * cols).fill(0);
      kernels.gemm_tn_f32(cols, cols, count, own, own, y, scratch);
      const sums = floatsAt(engine, y, cols * cols);
      for (let i = 0; i < sums.length; i++) gram[group * cols * cols + i] += sums[i];
    }
  });
}

/** Places of one of `examples` that are looked at: every so-and-so-many-th, from another one on in each. */
function placesOf(places: number, example: number): number[] {
  const step = Math.max(1, Math.ceil(places / mostPlaces));
  const found: number[] = [];
  for (let place = (example * 7) % step; place < places; place += step) found.push(place);
  return found;
}

/** Rows of x [n, ..., cols]. */
function rowsOfMatrix({ shape, data }: Tensor & { readonly data: Float32Array }, cols: number): Float32Array {
  const all = data.length / cols;
  const examples = shape.length > 1 ? shape[0] : 1;
  const places = examples === 0 ? 0 : all / examples;
  const chosen = Array.from({ length: examples }, (_, i) =>
    placesOf(places, i).map((place) => i * places + place),
  ).flat();
  if (chosen.length === all) return data;
  const rows = new Float32Array(chosen.length * cols);
  for (const [i, row] of chosen.entries()) rows.set(data.subarray(row * cols, (row + 1) * cols), i * cols);
  return rows;
}

/** What the kernel meets, [groups, places, cols], in images [n, c, h, w] or lines [n, c, l]; zeros beyond the edges. */
function rowsOfImages(
  { shape, data }: Tensor & { readonly data: Float32Array },
  { node, weight, groups, cols }: Product,
  graph: Graph,
): Float32Array {
  const [images, channels, ...sizes] = shape;
  const { places, tap } = tapsOf(node, sizes, graph.weights.get(weight)!.shape.slice(2));
  const chosen = Array.from({ length: images }, (_, i) => placesOf(places, i));
  const count = chosen.reduce((sum, { length }) => sum + length, 0);
  const rows = new Float32Array(groups * count * cols);
  const plane = sizeOf(sizes);
  const taps = (cols * groups) / channels;
  let at = 0;
  for (let group = 0; group < groups; group++) {
    for (const [image, list] of chosen.entries()) {
      for (const place of list) {
        for (let channel = 0; channel < channels / groups; channel++) {
          const from = (image * channels + (channels / groups) * group + channel) * plane;
          for (let t = 0; t < taps; t++, at++) {
            const pixel = tap(place, t);
            if (pixel >= 0) rows[at] = data[from + pixel];
          }
        }
      }
    }
  }
  return rows;
}

/** Which pixel of a plane tap t of the kernel meets at a place of the output; -1 beyond the edges. */
function tapsOf(node: GraphNode, sizes: readonly number[], kernel: readonly number[]) {
  const output = sidesOutput(node, sidesOf(node, sizes, kernel), sizes);
  const {
    kernel: [kh, kw],
    strides,
    dilations,
    pads: [top, left],
  } = windowOf(node, sizes, kernel);
  const [height, width] = [sizes.length === 1 ? 1 : sizes[0], sizes[sizes.length - 1]];
  const outWidth = output[output.length - 1];
  const places = sizeOf(output);
  const table = new Int32Array(places * kh * kw);
  for (let place = 0, at = 0; place < places; place++) {
    const [outY, outX] = [Math.floor(place / outWidth), place % outWidth];
    for (let i = 0; i < kh; i++) {
      for (let j = 0; j < kw; j++, at++) {
        const y = outY * strides[0] - top + i * dilations[0];
        const x = outX * strides[1] - left + j * dilations[1];
        table[at] = y >= 0 && y < height && x >= 0 && x < width ? y * width + x : -1;
      }
    }
  }
  const taps = kh * kw;
  return { places, tap: (place: number, t: number) => table[place * taps + t] };
}
