import type { Graph } from "../graph/graph.js";
import { type LoadOptions, loadModel } from "../index.js";
import type { Model } from "../runtime/session.js";
import { type Images, imageShape } from "./mnist.js";

/** Images scored at a time. */
const batchSize = 100;

/** Logits of all images, [count, 10], batch by batch. */
export function logitsOf(model: Model, images: Images): Float32Array {
  const each = images.pixels.length / images.count;
  const parts: Float32Array[] = [];
  for (let at = 0; at < images.count; at += batchSize) {
    const size = Math.min(batchSize, images.count - at);
    const data = images.pixels.subarray(at * each, (at + size) * each);
    parts.push(model.run({ image: { dtype: "float32", shape: [size, ...imageShape], data } }).logits.data);
  }
  const logits = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let to = 0;
  for (const part of parts) {
    logits.set(part, to);
    to += part.length;
  }
  return logits;
}

/** Logits of a session that lives for this one question. */
export async function logitsFrom(
  source: Graph | Uint8Array,
  images: Images,
  options?: LoadOptions,
): Promise<Float32Array> {
  const model = await loadModel(source, options);
  const logits = logitsOf(model, images);
  model.dispose();
  return logits;
}

export async function errorOn(source: Graph | Uint8Array, images: Images): Promise<number> {
  return errorOf(await logitsFrom(source, images), images.labels);
}

/** Top-1 error in percent. */
export function errorOf(logits: Float32Array, labels: Uint8Array): number {
  const classes = logits.length / labels.length;
  let wrong = 0;
  for (const [i, label] of labels.entries()) {
    let best = 0;
    for (let c = 1; c < classes; c++) if (logits[i * classes + c] > logits[i * classes + best]) best = c;
    if (best !== label) wrong++;
  }
  return (100 * wrong) / labels.length;
}

/** Median time of one image at batch 1, in milliseconds. */
export function millisecondsPerImage(model: Model, images: Images): number {
  const each = images.pixels.length / images.count;
  const times: number[] = [];
  for (let i = 0; i < 300; i++) {
    const data = images.pixels.subarray((i % images.count) * each, ((i % images.count) + 1) * each);
    const start = performance.now();
    model.run({ image: { dtype: "float32", shape: [1, ...imageShape], data } });
    times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b)[times.length >> 1];
}
