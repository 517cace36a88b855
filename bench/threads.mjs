// Two threads against one doing the same: steps of training, of batches of 64 in 2 shards, and what compress measures of each weight.
// Work: steps, networks. Both sides give the same bits.
import { readFileSync } from "node:fs";
import { compress } from "../dist/compress/index.js";
import { readOnnx } from "../dist/formats/onnx/index.js";
import { createThreads } from "../dist/threads/index.js";
import { fit } from "../dist/train/index.js";
import { uniforms } from "./memory.mjs";
import { bytesOf, folder, networks } from "./networks.mjs";
import { lenet5 } from "./startup.mjs";

const job = { work: 1e9, tolerance: 0 };
const size = 64;

export function* threads(options) {
  const open = (values) => values.map(({ name, dtype }) => ({ name, dtype }));
  const anySize = (graph) => ({ ...graph, inputs: open(graph.inputs), outputs: open(graph.outputs) });
  const lenet = { name: "LeNet-5", graph: () => anySize(lenet5()), input: "image", shape: [1, 28, 28] };
  yield { case: "training step, 2 threads", shape: lenet.name, prepare: () => steps(lenet, options) };
  if (!folder) {
    console.log("\nthreads: ResNet-20 skipped, as COPPICE_DATA is not set");
    return;
  }
  const graph = () => readOnnx(bytesOf(networks.find(({ name }) => name === "ResNet-20")));
  const resnet = { name: "ResNet-20", graph, input: "input", shape: [3, 32, 32] };
  yield { case: "training step, 2 threads", shape: resnet.name, prepare: () => steps(resnet, options) };
  yield { case: "compress, measuring, 2 threads", shape: resnet.name, prepare: () => measuring(resnet, options) };
}

/** full.wasm, compiled. */
function moduleOf(relaxed) {
  return new WebAssembly.Module(
    readFileSync(new URL(`../dist/wasm/full${relaxed ? ".relaxed" : ""}.wasm`, import.meta.url)),
  );
}

async function steps({ graph, input, shape }, { relaxed }) {
  const module = moduleOf(relaxed);
  const data = uniforms(size * shape.reduce((a, b) => a * b), 1);
  const inputs = { [input]: { dtype: "float32", shape: [size, ...shape], data } };
  const batch = { inputs, target: Uint8Array.from({ length: size }, (_, i) => i % 10) };
  function* always() {
    for (;;) yield batch;
  }
  const contestant = (parallel, dispose = () => {}) => {
    const training = fit(graph(), {
      data: always(),
      loss: "crossEntropy",
      optimizer: { kind: "sgd" },
      norms: "batch",
      rate: 1e-3,
      shards: 2,
      parallel,
      module,
    });
    const reports = training[Symbol.asyncIterator]();
    return {
      run: () => reports.next(),
      waits: true,
      result: ({ value }) => Float64Array.of(value.loss),
      dispose: async () => {
        await reports.return();
        await dispose();
      },
    };
  };
  const pool = createThreads(2);
  return {
    ...job,
    unit: "steps/s",
    ours: contestant(pool.parallel, () => pool.dispose()),
    peers: { "one thread": contestant(undefined) },
  };
}

async function measuring({ graph }, { relaxed }) {
  const module = moduleOf(relaxed);
  const contestant = (parallel) => {
    let seconds = 0;
    const run = async () => {
      const start = performance.now();
      const onProgress = ({ stage }) => {
        if (stage === "measure") seconds = (performance.now() - start) / 1000;
      };
      const { report } = await compress(graph(), { target: { ratio: 10 }, parallel, onProgress, module });
      return Float64Array.from(report.weights, ({ bytes }) => bytes);
    };
    return { run, once: () => run().then(() => seconds) };
  };
  const pool = createThreads(2);
  return {
    ...job,
    unit: "networks/s",
    ours: { ...contestant(pool.parallel), dispose: () => pool.dispose() },
    peers: { "one thread": contestant(undefined) },
  };
}
