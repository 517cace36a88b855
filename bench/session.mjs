// Our side where a peer is measured through its own surface: a model of one node, loaded and run as anyone would, into an array of the
// caller's. Peers give fresh arrays, which is their best form (measured, conv 1x1 64 x 56 x 56 -> 256): with an output tensor given
// as `session.run(feeds, fetches)`, onnxruntime-web 1.30 returns that tensor and leaves it as it was (its issue 25786), while the run
// takes 0.90 to 0.95 of the time; onnxruntime-node 1.30 returns a fresh array all the same, in 0.94 to 1.01 of the time.
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
  const outputs = { y: new Float32Array(yShape.reduce((size, side) => size * side, 1)) };
  return { run: () => model.run(feeds, outputs), result: (found) => found.y.data, dispose: () => model.dispose() };
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
