// What checkpoints cost: steps of training, of batches of 64, with one checkpoint in a folder as often as fit saves by itself, against
// the same steps without. Both sides give the same bits. Work: steps.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkpointFolder } from "../dist/checkpoints/index.js";
import { readOnnx } from "../dist/formats/onnx/index.js";
import { fit } from "../dist/train/index.js";
import { uniforms } from "./memory.mjs";
import { bytesOf, folder, networks } from "./networks.mjs";
import { lenet5 } from "./startup.mjs";

const size = 64;

export function* checkpoints() {
  const open = (values) => values.map(({ name, dtype }) => ({ name, dtype }));
  const anySize = (graph) => ({ ...graph, inputs: open(graph.inputs), outputs: open(graph.outputs) });
  const title = "training with checkpoints";
  const lenet = { graph: anySize(lenet5()), input: "image", shape: [1, 28, 28] };
  yield { case: title, shape: "LeNet-5", prepare: () => saving(lenet) };
  if (!folder) {
    console.log("\ncheckpoints: ResNet-20 skipped, as COPPICE_DATA is not set");
    return;
  }
  const graph = () => readOnnx(bytesOf(networks.find(({ name }) => name === "ResNet-20")));
  yield {
    case: title,
    shape: "ResNet-20",
    prepare: () => saving({ graph: graph(), input: "input", shape: [3, 32, 32] }),
  };
}

async function saving({ graph, input, shape }) {
  const data = uniforms(size * shape.reduce((a, b) => a * b), 1);
  const inputs = { [input]: { dtype: "float32", shape: [size, ...shape], data } };
  const batch = { inputs, target: Uint8Array.from({ length: size }, (_, i) => i % 10) };
  function* always() {
    for (;;) yield batch;
  }
  const place = mkdtempSync(join(tmpdir(), "coppice-"));
  const inner = checkpointFolder(place);
  let saved = 0;
  const store = {
    ...inner,
    save(bytes) {
      saved++;
      return inner.save(bytes);
    },
  };
  const start = (kept) => {
    const options = { data: always(), loss: "crossEntropy", optimizer: { kind: "sgd" }, norms: "batch", rate: 1e-3 };
    return fit(graph, { ...options, checkpoints: kept && { store } })[Symbol.asyncIterator]();
  };
  const ours = start(true);
  const theirs = start(false);
  // As many steps as there are from one checkpoint to the next.
  let period = 0;
  while (saved === 0) {
    await ours.next();
    await theirs.next();
    period++;
  }
  const contestant = (reports, dispose) => ({
    async run() {
      const losses = [];
      for (let step = 0; step < period; step++) losses.push((await reports.next()).value.loss);
      return Float64Array.from(losses);
    },
    waits: true,
    async dispose() {
      await reports.return();
      dispose?.();
    },
  });
  return {
    unit: "steps/s",
    work: 1e9 * period,
    tolerance: 0,
    ours: contestant(ours, () => rmSync(place, { recursive: true })),
    peers: { "without checkpoints": contestant(theirs) },
  };
}
