// Our side where a peer is measured through its own surface: a model of one node, loaded and run as anyone would.
import { loadModel } from "../dist/index.js";

/**
 * @param node { op, attributes }: its inputs are x and the weights
 * @param weight as in src/graph/weight.ts, or a Map of several by name
 * @param options { relaxed, exact }
 * @returns a contestant whose run copies x in and the result out
 */
export async function session({ op, attributes = {} }, xShape, x, weight, yShape, options) {
  const weights = weight instanceof Map ? weight : new Map([["w", weight]]);
  const nodes = [{ op, inputs: ["x", ...weights.keys()], outputs: ["y"], attributes }];
  return network(nodes, { x: [xShape, x] }, weights, yShape, options);
}

/**
 * The same of several nodes.
 * @param nodes { op, inputs, outputs, attributes }
 * @param inputs { NAME: [shape, data] }; the output is y
 */
export async function network(nodes, inputs, weights, yShape, { relaxed, exact = false }) {
  const given = Object.entries(inputs);
  const graph = {
    name: "bench",
    inputs: given.map(([name, [shape]]) => ({ name, dtype: "float32", shape })),
    outputs: [{ name: "y", dtype: "float32", shape: yShape }],
    nodes: nodes.map((node, i) => ({ name: `node${i}`, attributes: {}, ...node })),
    weights,
  };
  const model = await loadModel(graph, { fast: relaxed, exact });
  const feeds = Object.fromEntries(given.map(([name, [, data]]) => [name, data]));
  return { run: () => model.run(feeds), result: (found) => found.y.data, dispose: () => model.dispose() };
}

export function denseWeight(shape, data) {
  return { kind: "dense", shape, dtype: "float32", data };
}

/** W [rows, cols] of `shape` with random zeros, in CSR and dense: { weight, dense, rowPtr, col, values }. */
export function sparseWeight(shape, data, sparsity, random) {
  const rows = shape[0];
  const cols = data.length / rows;
  const dense = Float32Array.from(data, (value) => (random.uniform() < sparsity ? 0 : value));
  const rowPtr = new Uint32Array(rows + 1);
  for (let r = 0; r < rows; r++) {
    let count = rowPtr[r];
    for (let i = r * cols; i < (r + 1) * cols; i++) if (dense[i] !== 0) count++;
    rowPtr[r + 1] = count;
  }
  const col = new Uint32Array(rowPtr[rows]);
  const values = new Float32Array(rowPtr[rows]);
  for (let i = 0, e = 0; i < dense.length; i++) {
    if (dense[i] === 0) continue;
    col[e] = i % cols;
    values[e++] = dense[i];
  }
  return { weight: { kind: "sparse", shape, rowPtr, col, values }, dense, rowPtr, col, values };
}
