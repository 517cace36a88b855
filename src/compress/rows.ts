import type { Graph, GraphNode } from "../graph/graph.js";
import { sidesOf, sidesOutput, windowOf } from "../ops/window.js";
import { sizeOf, type Tensor } from "../tensor.js";
import type { Product } from "./product.js";

/**
 * What the weight of a product meets at some places of each example, [groups, count, cols], f32; of a BatchNormalization, what each
 * channel is there.
 * @param most places of one example that are looked at, evenly spread
 */
export function rowsOf(x: Floats, product: Omit<Product, "bias">, graph: Graph, most: number): Float32Array {
  switch (product.node.op) {
    case "Conv":
      return rowsOfImages(x, product, graph, most);
    case "BatchNormalization":
      return rowsOfChannels(x, most);
    default:
      return rowsOfMatrix(x, product.cols, most);
  }
}

export type Floats = Tensor & { readonly data: Float32Array };

/** Places of one of `examples` that are looked at: every so-and-so-many-th, from another one on in each. */
function placesOf(places: number, example: number, most: number): number[] {
  const step = Math.max(1, Math.ceil(places / most));
  const found: number[] = [];
  for (let place = (example * 7) % step; place < places; place += step) found.push(place);
  return found;
}

/** Rows of x [n, ..., cols]. */
function rowsOfMatrix({ shape, data }: Floats, cols: number, most: number): Float32Array {
  const all = data.length / cols;
  const examples = shape.length > 1 ? shape[0] : 1;
  const places = examples === 0 ? 0 : all / examples;
  const chosen = Array.from({ length: examples }, (_, i) =>
    placesOf(places, i, most).map((place) => i * places + place),
  ).flat();
  if (chosen.length === all) return data;
  const rows = new Float32Array(chosen.length * cols);
  for (const [i, row] of chosen.entries()) rows.set(data.subarray(row * cols, (row + 1) * cols), i * cols);
  return rows;
}

/** What the kernel meets, [groups, places, cols], in images [n, c, h, w] or lines [n, c, l]; zeros beyond the edges. */
function rowsOfImages(
  { shape, data }: Floats,
  { node, weight, groups, cols }: Omit<Product, "bias">,
  graph: Graph,
  most: number,
): Float32Array {
  const [images, channels, ...sizes] = shape;
  const { places, tap } = tapsOf(node, sizes, graph.weights.get(weight)!.shape.slice(2));
  const chosen = Array.from({ length: images }, (_, i) => placesOf(places, i, most));
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

/** Rows [count, channels] of x [n, channels, ...]. */
function rowsOfChannels({ shape: [images, channels, ...sizes], data }: Floats, most: number): Float32Array {
  const plane = sizeOf(sizes);
  const chosen = Array.from({ length: images }, (_, i) => placesOf(plane, i, most));
  const rows = new Float32Array(channels * chosen.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const [image, list] of chosen.entries()) {
    for (const place of list) {
      for (let c = 0; c < channels; c++) rows[at++] = data[(image * channels + c) * plane + place];
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
