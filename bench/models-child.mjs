// One contestant of models.mjs: from the bytes of an .onnx file to the first result. Prints { ms, some: numbers of the result }.
import { createRequire } from "node:module";
import { bytesOf, joined, networks, tensorsOf } from "./networks.mjs";
import { quiet } from "./peers/onnxruntime.mjs";

const [name, index, relaxed] = process.argv.slice(2);
const network = networks[index];
const [feeds, bytes] = [network.feeds(), bytesOf(network)];

const contestants = {
  async coppice() {
    const { loadModel } = await import("../dist/index.js");
    const { readOnnx } = await import("../dist/formats/onnx/index.js");
    return async () => (await loadModel(readOnnx(bytes), { fast: relaxed === "true" })).run(feeds);
  },
  async "onnxruntime-web"() {
    const ort = await import("./peers/node_modules/onnxruntime-web/dist/ort.node.min.mjs");
    ort.env.wasm.numThreads = 1;
    return () => onnx(ort, { executionProviders: ["wasm"] });
  },
  async "onnxruntime-node"() {
    const ort = createRequire(new URL("peers/index.mjs", import.meta.url))("onnxruntime-node");
    return () => onnx(ort, { intraOpNumThreads: 1, interOpNumThreads: 1 });
  },
};

async function onnx(ort, options) {
  const session = await ort.InferenceSession.create(bytes, { ...options, ...quiet });
  return session.run(tensorsOf(ort, feeds));
}

const run = await contestants[name]();
const start = performance.now();
const outputs = await run();
const ms = performance.now() - start;
const all = joined(outputs);
const step = Math.ceil(all.length / 1000);
console.log(JSON.stringify({ ms, some: [...all.filter((_, i) => i % step === 0)] }));
process.exit(0);
