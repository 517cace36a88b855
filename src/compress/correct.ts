import { toDense } from "../graph/dense.js";
import { type Graph, withWeights } from "../graph/graph.js";
import { matrixOf } from "../graph/storage.js";
import type { Weight } from "../graph/weight.js";
import type { Moments } from "./moments.js";

/**
 * Bias correction: a compressed weight W' shifts the mean of its output by (W' - W) E[x]; the bias takes that back.
 * M. Nagel et al., "Data-free quantization through weight equalization and bias correction", 2019.
 * Only biases that exist, and that go with one weight alone, are corrected; they become dense.
 */
export function correctBiases(before: Graph, after: Graph, moments: ReadonlyMap<string, Moments>): Graph {
  const corrected: [string, Weight][] = [];
  for (const node of before.nodes) {
    const [, weightName, biasName] = node.inputs;
    const mean = moments.get(weightName)?.mean;
    if (!mean || !biasName || !after.weights.has(biasName)) continue;
    if (before.nodes.some(({ inputs }) => inputs.includes(weightName) !== inputs.includes(biasName))) continue;
    const old = before.weights.get(weightName)!;
    const now = after.weights.get(weightName)!;
    if (old === now) continue;
    const { rows, cols } = matrixOf(old.shape);
    const [w, v] = [toDense(old), toDense(now)];
    const stored = after.weights.get(biasName)!;
    const bias = toDense(stored);
    for (let r = 0; r < rows; r++) {
      const met = Math.floor((r * mean.length) / (rows * cols)) * cols;
      let shift = 0;
      for (let c = 0; c < cols; c++) shift += (v[r * cols + c] - w[r * cols + c]) * mean[met + c];
      bias[r] -= shift;
    }
    corrected.push([biasName, { kind: "dense", shape: stored.shape, dtype: "float32", data: bias }]);
  }
  return withWeights(after, corrected);
}
