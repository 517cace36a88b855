// Real networks of the data folder at batch 1, through both public surfaces: a run, and from the bytes of the .onnx file in memory to
// the first result, each time in a process of its own. Work: results.
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { readOnnx } from "../dist/formats/onnx/index.js";
import { loadModel } from "../dist/index.js";
import { bytesOf, folder, joined, networks } from "./networks.mjs";

const child = fileURLToPath(new URL("models-child.mjs", import.meta.url));
const only = ["onnxruntime-web", "onnxruntime-node"];
const job = ({ tolerance = 1e-4 }) => ({ unit: "results/s", work: 1e9, tolerance });

export function* models(options) {
  if (!folder) {
    console.log("\nmodels: skipped, as COPPICE_DATA is not set");
    return;
  }
  for (const network of networks) {
    const title = network.cnn ? "network of convolutions" : "network of other kinds";
    yield { case: title, shape: network.name, prepare: () => run(network, options) };
  }
  for (const network of networks) {
    yield { case: "network, file to first result", shape: network.name, prepare: () => first(network, options) };
  }
}

async function run(network, { relaxed, peers }) {
  const bytes = bytesOf(network);
  const model = await loadModel(readOnnx(bytes), { fast: relaxed });
  const feeds = network.feeds();
  const outputs = Object.fromEntries(Object.entries(model.run(feeds)).map(([name, { data }]) => [name, data]));
  return {
    ...job(network),
    ours: { run: () => model.run(feeds, outputs), result: joined, dispose: () => model.dispose() },
    peers: await peers.contestants("file", { bytes, feeds }, { only }),
  };
}

async function first(network, { relaxed, peers }) {
  const contestant = (name) => {
    const report = () =>
      JSON.parse(execFileSync(process.execPath, [child, name, `${networks.indexOf(network)}`, `${relaxed}`]));
    return { run: report, result: ({ some }) => Float32Array.from(some), once: () => report().ms / 1000 };
  };
  const names = await peers.installed(only);
  return {
    ...job(network),
    ours: contestant("coppice"),
    peers: Object.fromEntries(names.map((name) => [name, contestant(name)])),
  };
}
