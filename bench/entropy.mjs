// `npm run bench -- entropy [FILTER ...]`: the entropy coder on the networks of the data folder (COPPICE_DATA), stored in several
// ways: bits a weight, against the empirical entropy of the codes (frequencies known beforehand), plain and under the best of four
// single contexts, and the speed of the wasm decoder on one core. Only tensors of 10,000 weights or more count.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Decoder } from "../dist/codec/range-coder.js";
import { decodeWeight, encodeWeight } from "../dist/codec/weight.js";
import { compress } from "../dist/compress/index.js";
import { readOnnx } from "../dist/formats/onnx/index.js";
import { matrixOf } from "../dist/graph/storage.js";
import { place } from "../dist/kernels/engine.js";
import { freshEngine } from "./memory.mjs";

const networks = {
  "ResNet-20": "onnx/cifar10-resnet20/model.onnx",
  "ResNet-8": "onnx/mlperf-tiny-resnet8/model.onnx",
  "MobileNetV1-0.25": "onnx/imagenet-mobilenetv1-025/model.onnx",
  "SqueezeNet 1.1": "onnx/imagenet-squeezenet11/model.onnx",
  stories260K: "onnx/stories260k/model.onnx",
  Magika: "magika/model.onnx",
  "Silero VAD": "silero-vad/silero_vad_16k_op15.onnx",
};
const storages = {
  "8 bits": { storage: "int8", bits: 8 },
  "4 bits": { storage: "int8", bits: 4 },
  "3 bits": { storage: "int8", bits: 3 },
  "2 bits": { storage: "int8", bits: 2 },
  "4 bits, 80 % zero": { storage: "sparse", sparsity: 0.8, bits: 4 },
  "4 bits, 95 % zero": { storage: "sparse", sparsity: 0.95, bits: 4 },
};
const least = 10_000;

/** @param options { relaxed, quick, filters }: a filter is a part of a network's name or of a storage's */
export async function entropy({ relaxed, quick, filters }) {
  const data = process.env.COPPICE_DATA ?? "";
  const engine = freshEngine(relaxed);
  console.log(
    `${"network".padEnd(18)}${"stored".padEnd(20)}bits a weight   codes   entropy  in context   M decisions/s  MB/s`,
  );
  for (const [network, path] of Object.entries(networks)) {
    if (!existsSync(join(data, path))) {
      console.log(`${network}: skipped, COPPICE_DATA names no folder with ${path}`);
      continue;
    }
    const graph = readOnnx(readFileSync(join(data, path)));
    for (const [name, choice] of Object.entries(storages)) {
      const wanted = (filter) => network.includes(filter) || name.includes(filter);
      if (filters.length > 0 && !filters.some(wanted)) continue;
      const stored = await compress(graph, { recipe: { weights: { "*": choice } } });
      const total = { weights: 0, bytes: 0, codes: 0, entropy: 0, context: 0, decisions: 0, seconds: 0 };
      for (const weight of stored.graph.weights.values()) measure(engine, weight, quick ? 3 : 15, total);
      const bits = (value) => (value / total.weights).toFixed(3).padStart(8);
      const speed = (total.decisions / total.seconds / 1e6).toFixed(0).padStart(15);
      const rate = (total.bytes / total.seconds / 1e6).toFixed(1).padStart(6);
      console.log(
        `${network.padEnd(18)}${name.padEnd(20)}${bits(8 * total.bytes).padStart(13)}${bits(total.codes)}` +
          `  ${bits(total.entropy)}  ${bits(total.context).padStart(10)} ${speed}${rate}`,
      );
    }
  }
}

function measure(engine, weight, rounds, total) {
  const { rows, cols } = matrixOf(weight.shape);
  if (rows * cols < least || (weight.kind !== "int8" && weight.kind !== "sparse")) return;
  const coded = encodeWeight(weight);
  total.weights += rows * cols;
  total.bytes += coded.bytes.length;
  total.codes += 8 * encodeWeight({ ...weight, scale: Float32Array.of(1) }).bytes.length;
  const q = codesOf(weight, rows, cols);
  const period = weight.shape.slice(2).reduce((size, dim) => size * dim, 1);
  const contexts = contextsOf(q, rows, cols, period);
  total.entropy += entropyOf(q, () => 0);
  total.context += Math.min(...contexts.map((context) => entropyOf(q, (i) => context[i])));
  total.decisions += decisionsOf(coded);
  total.seconds += secondsOf(engine, coded, rows, cols, period, rounds);
}

function codesOf(weight, rows, cols) {
  if (weight.kind === "int8") return weight.q;
  const q = new Int8Array(rows * cols);
  for (let r = 0; r < rows; r++) {
    for (let e = weight.rowPtr[r]; e < weight.rowPtr[r + 1]; e++) q[r * cols + weight.col[e]] = weight.values[e];
  }
  return q;
}

/** Of each code: the size of its column so far, of the last 32 of its row, which neighbours are zero, and how large two of them are. */
function contextsOf(q, rows, cols, period) {
  const contexts = [0, 1, 2, 3].map(() => new Uint8Array(q.length));
  const means = new Float64Array(cols);
  const size = (mean) => (mean < 1 / 32 ? 0 : 1 + Math.floor(2 * Math.log2(32 * mean)));
  let recent = 0;
  for (let r = 0, i = 0; r < rows; r++) {
    for (let c = 0; c < cols; c++, i++) {
      const before = c > 0 ? q[i - 1] : 0;
      const above = r > 0 ? q[i - cols] : 0;
      const others = [before, above, c >= period ? q[i - period] : 0, c > 1 ? q[i - 2] : 0];
      contexts[0][i] = size(means[c]);
      contexts[1][i] = size(recent);
      contexts[2][i] = others.reduce((bits, code, j) => bits + (code ? 1 << j : 0), 0);
      contexts[3][i] = 4 * Math.min(Math.abs(before), 3) + Math.min(Math.abs(above), 3);
      means[c] += (Math.abs(q[i]) - means[c]) / Math.min(r + 2, 128);
      recent += (Math.abs(q[i]) - recent) / 32;
    }
  }
  return contexts;
}

function entropyOf(q, context) {
  const counts = new Map();
  for (let i = 0; i < q.length; i++) {
    const key = context(i) * 256 + (q[i] & 255);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const sums = new Map();
  for (const [key, n] of counts) sums.set(key >> 8, (sums.get(key >> 8) ?? 0) + n);
  let bits = 0;
  for (const [key, n] of counts) bits -= n * Math.log2(n / sums.get(key >> 8));
  return bits;
}

/** Binary decisions that decoding takes. */
function decisionsOf(coded) {
  const { known } = Decoder.prototype;
  let count = 0;
  Decoder.prototype.known = function (chance) {
    count++;
    return known.call(this, chance);
  };
  try {
    decodeWeight(coded);
  } finally {
    Decoder.prototype.known = known;
  }
  return count;
}

/** The best of some rounds: other work on the machine only ever adds. */
function secondsOf({ kernels, arena }, { bytes, storage }, rows, cols, period, rounds) {
  const mark = arena.mark();
  const source = place({ kernels, arena }, bytes);
  const nnz = storage.nnz ?? rows * cols;
  const [rowPtr, col, values] = [arena.alloc(4 * rows + 4), arena.alloc(4 * nnz), arena.alloc(nnz)];
  const [scale, scratch] = [arena.alloc(4 * rows), arena.alloc(kernels.decode_scratch_bytes(cols, bytes.length))];
  const to = [scale, storage.scales];
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    const fault =
      storage.kind === "int8"
        ? kernels.decode_int8(rows, cols, period, source, bytes.length, values, ...to, scratch)
        : kernels.decode_sparse(rows, cols, period, nnz, source, bytes.length, rowPtr, col, values, ...to, 1, scratch);
    best = Math.min(best, performance.now() - start);
    if (fault !== 0) throw new Error(`entropy: fault ${fault}`);
  }
  arena.release(mark);
  return best / 1000;
}
