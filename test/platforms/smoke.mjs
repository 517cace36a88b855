// The whole road on any JavaScript runtime, nothing of a platform in it: build a network, train and prune it in cycles, compress
// it, write, read, load and run it. Gives hashes that must be the same everywhere.
import { loadModel } from "coppice";
import { compress } from "coppice/compress";
import { readContainer, writeContainer } from "coppice/container";
import { readNpz } from "coppice/data";
import { GraphBuilder, toDense } from "coppice/graph";
import { batches, cyclical, fit } from "coppice/train";

const classes = 4;
const side = 12;

/** @returns {Promise<{ weights: string, file: string, logits: string, bytes: number, loadMs: number }>} hashes are SHA-256, hex */
export async function smoke() {
  const examples = patterns(256);
  const schedule = cyclical({ cycles: 2, sparsity: 0.8, drop: 0.3, warm: 4, ramp: 8, hold: 8 });
  const training = fit(network(), {
    data: batches(examples, { size: 32, epochs: 6, seed: 3 }),
    loss: "crossEntropy",
    optimizer: { kind: "adam" },
    rate: { kind: "cosine", from: 0.01, to: 0.001, periods: [48] },
    schedule,
    scope: "global",
  });
  let first = 0;
  let last = 0;
  for await (const { step, loss } of training) {
    if (step === 0) first = loss;
    last = loss;
  }
  if (!(last < first)) throw new Error(`training: expected a loss below ${first}, got ${last}`);
  const trained = training.graph();
  const structured = await tune(trained, examples);

  const { a } = await readNpz(Uint8Array.from(atob(npz), (char) => char.charCodeAt(0))).then(Object.fromEntries);
  if (`${a.dtype} ${a.shape} ${a.data}` !== "int16 2,3 1,2,3,4,5,6") throw new Error(`npz: got ${a.shape} ${a.data}`);

  const { graph } = await compress(trained, {
    recipe: {
      weights: {
        "conv.weight": { storage: "int8" },
        "fc1.weight": { storage: "sparse", sparsity: 0.8, bits: 5 },
        "fc2.weight": { storage: "factored", layout: "rows", k: 4, density: 0.5 },
        "*": { storage: "int8", perTensor: true },
      },
    },
    seed: 5,
  });
  const kinds = ["conv", "fc1", "fc2"].map((name) => graph.weights.get(`${name}.weight`).kind);
  if (kinds.join() !== "int8,sparse,factored") throw new Error(`compress: got ${kinds.join()}`);

  const bytes = writeContainer(graph);
  const read = readContainer(bytes);
  const again = writeContainer(read);
  if ((await sha256(again)) !== (await sha256(bytes)))
    throw new Error("container: written, read and written again it differs");

  const start = performance.now();
  const model = await loadModel(bytes);
  const loadMs = performance.now() - start;
  const image = { dtype: "float32", shape: [16, 1, side, side], data: examples.inputs.slice(0, 16 * side * side) };
  const { logits } = model.run({ image });
  model.dispose();
  let wrong = 0;
  for (let i = 0; i < 16; i++) {
    const row = logits.data.subarray(i * classes, (i + 1) * classes);
    if (row.indexOf(Math.max(...row)) !== examples.labels[i]) wrong++;
  }
  if (wrong > 4) throw new Error(`run: ${wrong} of 16 training images classed wrongly`);

  const values = [trained, structured].flatMap(({ weights }) =>
    [...weights.keys()].sort().map((name) => toDense(weights.get(name))),
  );
  return {
    weights: await sha256(...values),
    file: await sha256(bytes),
    logits: await sha256(logits.data),
    bytes: bytes.length,
    loadMs,
  };
}

/** What the first training leaves out: shadows, N:M, smoothed labels, Nesterov, clipping, moved images. */
async function tune(graph, examples) {
  const schedule = cyclical({ cycles: 2, targets: [0.25, 0.5], warm: 2, ramp: 4, hold: 4, shape: "cosine" });
  const tuning = fit(graph, {
    data: batches(examples, { size: 32, epochs: 3, seed: 4, augment: { crop: 1, flip: true } }),
    loss: { kind: "crossEntropy", smoothing: 0.1 },
    optimizer: { kind: "sgd", nesterov: true, decay: 1e-4, clip: 1 },
    rate: { kind: "step", from: 0.01, factor: 0.3, at: [12], warm: 3 },
    schedule,
    scope: "2:4",
    revival: "shadow",
    prunable: "*.weight",
  });
  for await (const _ of tuning);
  return tuning.graph();
}

/** A NPZ file with one deflated array: big-endian, in Fortran's order. */
const npz =
  "UEsDBAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAFAAAAYS5ucHmb7BfqGxDJyFDGUK2eklqcXKRupaBul2mkrqOgnpZfVFKUmBefX5SS" +
  "ChIPKSpN1VFQL85ILEhVt1LQMNJRMNbUUahVIB9wMTAysDAwMbAyMDOwAQBQSwECAAAAAAAACAAAAAAASKRWmVQAAACMAAAABQAA" +
  "AAAAAAAAAAAAAAAAAAAAYS5ucHlQSwUGAAAAAAEAAQAzAAAAdwAAAAAA";

/** conv 6 3x3, relu, pool, fc 16, relu, fc 4. */
function network() {
  const next = uniform(1);
  const b = new GraphBuilder("smoke");
  const layer = (name, shape) => {
    const size = shape.reduce((product, dim) => product * dim, 1);
    const spread = 2 * Math.sqrt(shape[0] / size);
    return [
      b.weight(
        `${name}.weight`,
        shape,
        Float32Array.from({ length: size }, () => spread * (2 * next() - 1)),
      ),
      b.weight(`${name}.bias`, [shape[0]], new Float32Array(shape[0])),
    ];
  };
  let x = b.input("image", ["N", 1, side, side]);
  x = b.node("Conv", [x, ...layer("conv", [6, 1, 3, 3])], { kernel_shape: [3, 3] });
  x = b.node("Relu", [x]);
  x = b.node("MaxPool", [x], { kernel_shape: [2, 2], strides: [2, 2] });
  x = b.node("Flatten", [x]);
  x = b.node("Gemm", [x, ...layer("fc1", [16, 150])], { transB: 1 });
  x = b.node("Relu", [x]);
  x = b.node("Gemm", [x, ...layer("fc2", [classes, 16])], { transB: 1 });
  b.output("logits", ["N", classes], x);
  return b.build();
}

/** Noise, and a bright bar whose place is the label. */
function patterns(count) {
  const next = uniform(2);
  const inputs = Float32Array.from({ length: count * side * side }, () => next() - 0.5);
  const labels = Uint8Array.from({ length: count }, (_, i) => i % classes);
  for (let i = 0; i < count; i++) {
    for (let y = 0; y < side; y++) {
      for (let x = 0; x < 3; x++) inputs[(i * side + y) * side + 3 * labels[i] + x] += 1;
    }
  }
  return { input: "image", inputs, shape: [1, side, side], labels };
}

/** Seeded numbers in 0..1 (mulberry32). */
function uniform(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** SHA-256 over the arrays' bytes, one after the other. */
async function sha256(...arrays) {
  const parts = arrays.map((array) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", joined));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
