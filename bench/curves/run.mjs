// Compresses one network in one way to one size, and scores the file.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { compress } from "../../dist/compress/index.js";
import { TargetError } from "../../dist/errors.js";
import { writeContainer } from "../../dist/formats/container/index.js";
import { readOnnx } from "../../dist/formats/onnx/index.js";
import { loadModel } from "../../dist/index.js";
import { folder } from "./data.mjs";
import { recipesOf } from "./families.mjs";
import { score } from "./score.mjs";

const bitsPerWeight = [1, 2, 3, 4];

/** The sizes that a network is compressed to, by name. */
export function targetsOf(network) {
  const targets = bitsPerWeight.map((bits) => [bits === 1 ? "1 bit" : `${bits} bits`, { bitsPerWeight: bits }]);
  return new Map([...targets, ...(network.ratio ? [[`${network.ratio}x`, { ratio: network.ratio }]] : [])]);
}

/** What stays the same from one result to the next. */
export async function prepared(network, quick) {
  const graph = readOnnx(new Uint8Array(readFileSync(join(folder, network.file))));
  const model = await loadModel(graph);
  const set = await network.scored(quick);
  const dense = set.run(model);
  const calibration = network.calibration(model);
  model.dispose();
  // With no choices at all this tells what is there to compress, once norms are folded.
  const { report } = await compress(graph, { recipe: { weights: {} } });
  const { parameters, weights } = report;
  return { graph, set, dense, calibration, parameters, recipes: recipesOf(weights), cache: new Map() };
}

/** Of the dense network: f32 weights, and values as `score` gives them. */
export function denseResult({ set, dense, parameters }) {
  return { bytes: 4 * parameters, ratio: 1, ...score(set, dense, dense) };
}

/**
 * @param onProgress as `compress` takes it
 * @returns bytes, ratio, seconds to compress (by the clock, and of the processor), and values as `score` gives them; or
 * `cannot`, why the size is out of reach
 */
export async function resultOf(
  { graph, set, dense, calibration, recipes, parameters, cache },
  family,
  target,
  onProgress,
) {
  // What one size has measured serves the others of its family; but where time is asked for, all of it counts.
  const kept = "ratio" in target ? undefined : cache;
  const [start, cpu] = [performance.now(), process.cpuUsage()];
  let compressed;
  try {
    compressed = await compress(graph, { target, recipe: recipes[family], calibration, cache: kept, onProgress });
  } catch (error) {
    if (error instanceof TargetError) return { cannot: error.message };
    throw error;
  }
  const file = writeContainer(compressed.graph);
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const model = await loadModel(file);
  const found = set.run(model);
  model.dispose();
  const storages = {};
  for (const { storage, bytes } of compressed.report.weights) storages[storage] = (storages[storage] ?? 0) + bytes;
  const ratio = (4 * parameters) / file.length;
  const cost = { seconds, cpuSeconds: (user + system) / 1e6 };
  return { bytes: file.length, ratio, ...cost, storages, ...score(set, dense, found) };
}
