// One contestant of startup.mjs: imports, loads LeNet-5, runs it once, prints { whole, load } in milliseconds.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const [name, folder, file, relaxed] = process.argv.slice(2);
const image = new Float32Array(784).fill(0.5);
const require = createRequire(new URL("peers/index.mjs", import.meta.url));

const contestants = {
  async coppice() {
    const { loadModel } = await import("../dist/index.js");
    return async () => {
      const model = await loadModel(readFileSync(join(folder, file)), { fast: relaxed === "true" });
      return model.run({ image }).logits.data;
    };
  },
  async "onnxruntime-web"() {
    const ort = await import("./peers/node_modules/onnxruntime-web/dist/ort.node.min.mjs");
    ort.env.wasm.numThreads = 1;
    return () => onnx(ort, { executionProviders: ["wasm"] });
  },
  async "onnxruntime-node"() {
    const ort = require("onnxruntime-node");
    return () => onnx(ort, { intraOpNumThreads: 1, interOpNumThreads: 1 });
  },
  async "tfjs-wasm"() {
    const tf = require("@tensorflow/tfjs-core");
    tf.env().set("PROD", true);
    const wasm = require("@tensorflow/tfjs-backend-wasm");
    wasm.setThreadsCount(1);
    wasm.setWasmPaths(`${dirname(require.resolve("@tensorflow/tfjs-backend-wasm"))}/`);
    return async () => {
      await tf.setBackend("wasm");
      await tf.ready();
      const values = (shape) => tf.tensor(new Float32Array(shape.reduce((a, b) => a * b)).fill(0.01), shape);
      let x = tf.tensor(image, [1, 28, 28, 1]);
      x = tf.maxPool(tf.conv2d(x, values([5, 5, 1, 20]), 1, "valid"), 2, 2, "valid");
      x = tf.maxPool(tf.conv2d(x, values([5, 5, 20, 50]), 1, "valid"), 2, 2, "valid");
      x = tf.relu(tf.matMul(tf.reshape(x, [1, 800]), values([800, 500])));
      return tf.matMul(x, values([500, 10])).dataSync();
    };
  },
};

async function onnx(ort, options) {
  const session = await ort.InferenceSession.create(readFileSync(join(folder, "lenet5.onnx")), options);
  const { logits } = await session.run({ image: new ort.Tensor("float32", image, [1, 1, 28, 28]) });
  return logits.data;
}

const start = performance.now();
const run = await contestants[name]();
const imported = performance.now();
const logits = await run();
const end = performance.now();
if (logits.length !== 10) throw new Error(`${name}: ${logits.length} logits`);
console.log(JSON.stringify({ whole: end - start, load: end - imported }));
process.exit(0);
