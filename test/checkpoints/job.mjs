// A job of about a second, in a process that may be killed: `node job.mjs FOLDER FILE [EVENT]`. Writes the network that it ends with to
// FILE; SIGINT and SIGTERM stop it, to be taken up (exit code 75). EVENT: dies at that operation on the folder, from 0.
import * as files from "node:fs/promises";
import { folderStore } from "../../dist/checkpoints/folder.js";
import { writeContainer } from "../../dist/formats/container/index.js";
import { GraphBuilder } from "../../dist/graph/index.js";
import { Random } from "../../dist/random.js";
import { batches, cyclical, fit } from "../../dist/train/index.js";

const [folder, file, event] = process.argv.slice(2);
const random = new Random(1);
const normals = (length) => Float32Array.from({ length }, () => 0.3 * random.normal());

function network() {
  const b = new GraphBuilder("job");
  const x = b.input("x", ["N", 1, 12, 12]);
  const c = b.node("Relu", [b.node("Conv", [x, b.weight("conv", [8, 1, 3, 3], normals(72))])]);
  const h = b.node("Gemm", [b.node("Flatten", [c]), b.weight("w", [32, 800], normals(25600))], { transB: 1 });
  const y = b.node("Gemm", [b.node("Relu", [h]), b.weight("v", [10, 32], normals(320))], { transB: 1 });
  b.output("y", ["N", 10], y);
  return b.build();
}

/** node:fs/promises until the event comes. */
function mortal(last) {
  let seen = 0;
  const counted = (object) =>
    new Proxy(object, {
      get(target, key) {
        const value = Reflect.get(target, key);
        if (typeof value !== "function") return value;
        return async (...args) => {
          if (seen++ === last) process.kill(process.pid, "SIGKILL");
          const result = await value.apply(target, args);
          return key === "open" ? counted(result) : result;
        };
      },
    });
  return counted({ ...files });
}

const examples = {
  input: "x",
  inputs: normals(200 * 144),
  shape: [1, 12, 12],
  labels: Uint8Array.from({ length: 200 }, (_, i) => i % 10),
};
const stop = new AbortController();
for (const name of ["SIGINT", "SIGTERM"]) process.once(name, () => stop.abort());
const store = folderStore(folder, event === undefined ? files : mortal(Number(event)));
const training = fit(network(), {
  data: (seed) => batches(examples, { size: 20, epochs: 30, seed, augment: { crop: 1, flip: true } }),
  loss: "crossEntropy",
  optimizer: { kind: "adam" },
  schedule: cyclical({ cycles: 3, sparsity: 0.9, drop: 0.3, ramp: 60, hold: 30 }),
  revival: "shadow",
  checkpoints: { store, every: 7 },
  signal: stop.signal,
});
try {
  for await (const { step } of training) if (step % 10 === 0) process.stdout.write(`${step}\n`);
} catch (error) {
  if (error === stop.signal.reason) process.exit(75);
  throw error;
}
await files.writeFile(file, writeContainer(training.graph()));
