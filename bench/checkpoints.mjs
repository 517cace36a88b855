// `npm run bench -- checkpoints [FILTER ...]`: training in batches of 64 that keeps checkpoints in a folder as often as fit does by itself.
// "step" and "save" are medians; a save makes the bytes, sums them and brings them to the disk.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkpointFolder } from "../dist/checkpoints/index.js";
import { readOnnx } from "../dist/formats/onnx/index.js";
import { readCheckpoint, writeCheckpoint } from "../dist/train/checkpoint.js";
import { fit } from "../dist/train/index.js";
import { median } from "./contest.mjs";
import { uniforms } from "./memory.mjs";
import { bytesOf, folder, networks } from "./networks.mjs";
import { lenet5 } from "./startup.mjs";

const size = 64;
const saves = 15;

const resnet20 = () => readOnnx(bytesOf(networks.find(({ name }) => name === "ResNet-20")));
const cases = [
  { name: "LeNet-5", graph: lenet5, input: "image", shape: [1, 28, 28] },
  ...(folder ? [{ name: "ResNet-20", graph: resnet20, input: "input", shape: [3, 32, 32] }] : []),
];

/** @param options { filters } */
export async function checkpoints({ filters }) {
  console.log(`${"network".padEnd(12)}optimizer      MB   step ms   save ms   one in   share of the time`);
  for (const { name, ...given } of cases) {
    if (filters.length > 0 && !filters.some((filter) => name.includes(filter))) continue;
    for (const kind of ["sgd", "adam"]) {
      const { bytes, step, save, every } = await measure(given, kind);
      const figures = [(bytes / 1e6).toFixed(1), step.toFixed(1), save.toFixed(1), `${every} steps`];
      const [megabytes, ...rest] = figures.map((text, i) => text.padStart([8, 10, 10, 11][i]));
      const share = `${((100 * save) / (every * step + save)).toFixed(2)} %`;
      console.log(`${name.padEnd(12)}${kind.padEnd(9)}${megabytes}${rest.join("")}${share.padStart(10)}`);
    }
  }
  if (!folder) console.log("ResNet-20 skipped, as COPPICE_DATA is not set");
}

async function measure({ graph, input, shape }, kind) {
  const open = (values) => values.map(({ name, dtype }) => ({ name, dtype }));
  const model = graph();
  const anySize = { ...model, inputs: open(model.inputs), outputs: open(model.outputs) };
  const data = uniforms(size * shape.reduce((a, b) => a * b), 1);
  const inputs = { [input]: { dtype: "float32", shape: [size, ...shape], data } };
  const batch = { inputs, target: Uint8Array.from({ length: size }, (_, i) => i % 10) };
  function* always() {
    for (;;) yield batch;
  }
  const place = mkdtempSync(join(tmpdir(), "coppice-"));
  const inner = checkpointFolder(place);
  let file;
  const store = {
    ...inner,
    save(bytes) {
      file = bytes;
      return inner.save(bytes);
    },
  };
  const options = { data: always(), loss: "crossEntropy", optimizer: { kind }, norms: "batch", rate: 1e-3 };
  const reports = fit(anySize, { ...options, checkpoints: { store } })[Symbol.asyncIterator]();
  const clocked = async (work) => {
    const start = performance.now();
    await work();
    return performance.now() - start;
  };
  const steps = [];
  while (!file) steps.push(await clocked(() => reports.next()));
  const { job, sections } = await readCheckpoint(file);
  const times = [];
  for (let i = 0; i < saves; i++) {
    times.push(await clocked(async () => inner.save(await writeCheckpoint(i, job, sections))));
  }
  await reports.return();
  rmSync(place, { recursive: true });
  return { bytes: file.length, step: median(steps), save: median(times), every: steps.length };
}
