// From nothing to the first result of LeNet-5, each time in a process of its own. Work: results.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeContainer } from "../dist/formats/container/index.js";
import { GraphBuilder } from "../dist/graph/index.js";
import { Random } from "../dist/random.js";
import { uniforms } from "./memory.mjs";
import { onnxModel } from "./onnx.mjs";
import { sparseWeight } from "./session.mjs";

const child = fileURLToPath(new URL("startup-child.mjs", import.meta.url));

export function* startup(options) {
  const phases = { load: "first result after import", whole: "first result with import" };
  const files = { "dense.coppice": "LeNet-5", "pruned.coppice": "LeNet-5, ours with 95 % zeros in int8" };
  for (const [phase, title] of Object.entries(phases)) {
    for (const [file, shape] of Object.entries(files)) {
      yield { case: title, shape, prepare: () => first(phase, file, options) };
    }
  }
}

async function first(phase, file, { relaxed, peers }) {
  const folder = mkdtempSync(join(tmpdir(), "coppice-bench-"));
  const layers = weights();
  const graph = coppiceModel(layers);
  writeFileSync(join(folder, "dense.coppice"), writeContainer(graph));
  writeFileSync(join(folder, "pruned.coppice"), writeContainer(pruned(graph)));
  writeFileSync(join(folder, "lenet5.onnx"), onnxLenet(layers));
  const contestant = (name) => ({
    once: () => JSON.parse(execFileSync(process.execPath, [child, name, folder, file, `${relaxed}`]))[phase] / 1000,
  });
  const names = await peers.installed(["onnxruntime-web", "onnxruntime-node", "tfjs-wasm"]);
  const ours = { ...contestant("coppice"), dispose: () => rmSync(folder, { recursive: true, force: true }) };
  return {
    unit: "results/s",
    work: 1e9,
    ours,
    peers: Object.fromEntries(names.map((name) => [name, contestant(name)])),
  };
}

/** As Caffe has it: convolutions 20 and 50 of 5 x 5 with pooling, 500 and 10 dense. */
function weights() {
  const shapes = { c1: [20, 1, 5, 5], c2: [50, 20, 5, 5], f1: [500, 800], f2: [10, 500] };
  return Object.entries(shapes).map(([name, shape], i) => {
    const data = uniforms(
      shape.reduce((a, b) => a * b),
      i + 1,
    );
    return { name, dtype: "float32", shape, data: data.map((value) => value / 10) };
  });
}

const convAttributes = { kernel_shape: [5, 5] };
const poolAttributes = { kernel_shape: [2, 2], strides: [2, 2] };
const nodes = [
  ["Conv", ["image", "c1"], "a1", convAttributes],
  ["MaxPool", ["a1"], "p1", poolAttributes],
  ["Conv", ["p1", "c2"], "a2", convAttributes],
  ["MaxPool", ["a2"], "p2", poolAttributes],
  ["Flatten", ["p2"], "flat", {}],
  ["Gemm", ["flat", "f1"], "h", { transB: 1 }],
  ["Relu", ["h"], "r", {}],
  ["Gemm", ["r", "f2"], "logits", { transB: 1 }],
];

/** LeNet-5, dense. */
export function lenet5() {
  return coppiceModel(weights());
}

function coppiceModel(layers) {
  const builder = new GraphBuilder("lenet5");
  builder.input("image", [1, 1, 28, 28]);
  for (const { name, shape, data } of layers) builder.weight(name, shape, data);
  for (const [op, inputs, output, attributes] of nodes) builder.node(op, inputs, attributes, output);
  builder.output("logits", [1, 10], "logits");
  return builder.build();
}

/** What compression makes of it: one weight in twenty kept, as int8 in CSR with a scale. */
function pruned(graph) {
  const weights = [...graph.weights].map(([name, { shape, data }]) => {
    const { weight } = sparseWeight(shape, data, 0.95, new Random(7));
    const scale = Float32Array.of(0.05 / 127);
    const values = Int8Array.from(weight.values, (value) => Math.round(value / scale[0]) || 1);
    return [name, { ...weight, values, scale }];
  });
  return { ...graph, weights: new Map(weights) };
}

function onnxLenet(layers) {
  return onnxModel({
    nodes: nodes.map(([op, inputs, output, attributes]) => ({ op, inputs, outputs: [output], attributes })),
    inputs: [{ name: "image", dtype: "float32", shape: [1, 1, 28, 28] }],
    outputs: [{ name: "logits", dtype: "float32", shape: [1, 10] }],
    weights: layers,
  });
}
