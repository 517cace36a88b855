import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Choice, compress, type Recipe, type WeightReport } from "../compress/index.js";
import { readContainer, writeContainer } from "../formats/container/index.js";
import { sparsity } from "../graph/dense.js";
import { type Graph, parameterCount } from "../graph/graph.js";
import { byteLength } from "../graph/storage.js";
import { loadModel } from "../index.js";
import { sizeOf } from "../tensor.js";
import { cyclical } from "../train/index.js";
import { type Figures, summary } from "./figures.js";
import { lenet5 } from "./lenet.js";
import { heldOut, type Images, readMnist, slice } from "./mnist.js";
import { Progress } from "./progress.js";
import { errorOf, errorOn, logitsFrom, logitsOf, millisecondsPerImage } from "./score.js";
import { stage } from "./stage.js";
import { checkWritable, writeWhole } from "./write.js";

export interface DemoOptions {
  readonly quick: boolean;
  readonly seed: number;
  readonly json: string | undefined;
  readonly out: string;
}

/** Weight decay, of what is not compressed yet. */
const decay = 5e-4;

/** Steps of each stage; a cycle is warm + ramp + hold. */
interface Plan {
  readonly images: number;
  readonly dense: number;
  readonly warm: number;
  readonly ramp: number;
  readonly hold: number;
  readonly settle: number;
  readonly tune: number;
}
const whole: Plan = { images: 55000, dense: 1500, warm: 60, ramp: 340, hold: 250, settle: 650, tune: 1150 };
const quick: Plan = { images: 10000, dense: 600, warm: 20, ramp: 120, hold: 80, settle: 160, tune: 300 };

/** Sparsity at the top of each cycle, and what the next falls back to. */
const peaks = [0.95, 0.97, 0.984];
const drops = [0.8, 0.9];

/** Each layer may be stored as sparse integers, or as codebook times sparse coefficients over atoms of `d` values. */
const layers = [
  { name: "conv1.weight", d: 25, k: 12, density: 0.5 },
  { name: "conv2.weight", d: 25, k: 16, density: 0.07 },
  { name: "fc1.weight", d: 16, k: 16, density: 0.012 },
  { name: "fc2.weight", d: 10, k: 10, density: 0.15 },
] as const;

/** Of each layer's candidates the one with fewer bytes is kept. */
const recipe: Recipe = {
  weights: {
    ...Object.fromEntries(
      layers.map(({ name, d, k, density }): [string, Choice[]] => [
        name,
        [
          { storage: "sparse", bits: 3, perTensor: true },
          { storage: "factored", layout: "kernel", d, k, density, bits: 5, codebookBits: 6 },
        ],
      ]),
    ),
    "*": { storage: "int8", bits: 6, perTensor: true },
  },
};

/** The same recipe with one storage for all layers. */
function restricted(storage: Choice["storage"]): Recipe {
  const entries = Object.entries(recipe.weights).map(([name, choices]): [string, Choice | readonly Choice[]] => [
    name,
    Array.isArray(choices) ? choices.filter((choice: Choice) => choice.storage === storage) : choices,
  ]);
  return { weights: Object.fromEntries(entries) };
}

/** Points of held-out error that decomposition may cost. */
const tolerated = 0.5;

/** Outputs of rebuilt and factored weights differ by rounding only: at most this share of the largest logit. */
const agreement = 1e-4;

/** Images to learn from and to look at, and what the dense network makes of the first: whatever is smaller learns from that too. */
interface Lessons {
  readonly train: Images;
  readonly held: Images;
  readonly outputs: Float32Array;
}
const loss = { kind: "distill", temperature: 2, labels: 0.3 } as const;

/** The main job on MNIST: train, prune in cycles, decompose, tune, write, load and run. */
export async function demo({ quick: short, seed, json, out }: DemoOptions): Promise<Figures> {
  const plan = short ? quick : whole;
  const path = join(out, "lenet5.coppice");
  await checkWritable(path);
  if (json !== undefined) await checkWritable(json);
  const all = await readMnist("train");
  const train = slice(all, 0, plan.images);
  const held = slice(all, all.count - heldOut, all.count);

  const dense = await stage("train", lenet5(seed), train, {
    seed,
    steps: plan.dense,
    decay,
    rate: { kind: "cosine", from: 0.05, to: 0.0005, periods: [plan.dense], warm: 50 },
  });
  const lessons: Lessons = { train, held, outputs: await logitsFrom(dense, train) };
  const { pruned, cycles } = await pruneInCycles(dense, plan, seed + 1, lessons);
  const { graph, report } = await decompose(pruned, plan, seed + 2, lessons);

  await writeWhole(path, writeContainer(graph));
  const file = new Uint8Array(await readFile(path));
  const difference = await compareWays(file, held);

  // Nothing was chosen on the test images: they are read here for the first time, once everything is fixed.
  const test = await readMnist("t10k");
  const parameters = parameterCount(dense);
  const [denseFigures, prunedFigures, coppiceFigures] = [
    await figuresOf(dense, 4 * parameters, test),
    await figuresOf(writeContainer(pruned), undefined, test),
    await figuresOf(file, undefined, test),
  ];
  const figures: Figures = {
    seed,
    dense: denseFigures,
    pruned: { sparsity: sparsityOf(pruned), error: prunedFigures.error, cycles },
    coppice: {
      ...coppiceFigures,
      ratio: denseFigures.bytes / file.length,
      sha256: createHash("sha256").update(file).digest("hex"),
    },
    layers: layersOf(report.weights, readContainer(file)),
  };
  process.stdout.write(summary(figures, prunedFigures, sparsityOf(graph), difference, path));
  if (json !== undefined) await writeWhole(json, `${JSON.stringify(figures, null, 2)}\n`);
  return figures;
}

/** Several times up to a high sparsity and down again, ending up. */
async function pruneInCycles(dense: Graph, plan: Plan, seed: number, { train, held, outputs }: Lessons) {
  const { warm, ramp, hold, settle } = plan;
  const period = warm + ramp + hold;
  const cycles: Figures["pruned"]["cycles"][number][] = [];
  const pruned = await stage("prune in cycles", dense, train, {
    seed,
    steps: peaks.length * period + settle,
    decay,
    outputs,
    loss,
    schedule: cyclical({
      cycles: peaks.length,
      sparsity: peaks[peaks.length - 1],
      targets: peaks,
      drop: drops,
      warm,
      ramp,
      hold,
    }),
    rate: { kind: "cosine", from: 0.02, to: 0.0005, periods: [period, period, period + settle] },
    async onCycle({ from, to, revived }, graph) {
      cycles.push({ from, to, revived, error: await errorOn(graph, held) });
    },
  });
  return { pruned, cycles };
}

/**
 * Stores each layer in the cheaper of its forms and tunes the whole; where the held-out error then rises too far, all layers sparse
 * are tried too and the better is kept.
 */
async function decompose(pruned: Graph, plan: Plan, seed: number, { train, held, outputs }: Lessons) {
  // In doubles sums fall short of what they are on paper.
  const limit = (await errorOn(pruned, held)) + tolerated + 1e-9;
  const attempt = async (only?: Choice["storage"]) => {
    const progress = new Progress("decompose", pruned.weights.size);
    const { graph, report } = await compress(pruned, {
      recipe: only ? restricted(only) : recipe,
      seed,
      onProgress: ({ done, total, weight }) => progress.update(done, total, weight),
    });
    const factored = report.weights.filter((weight) => weight.storage === "factored").length;
    progress.end(`${factored} of ${layers.length} layers factored`);
    const tuned = await stage("tune", graph, train, {
      seed,
      steps: plan.tune,
      decay,
      outputs,
      loss,
      rate: { kind: "cosine", from: 0.015, to: 0.0001, periods: [plan.tune] },
    });
    return { graph: tuned, report, error: await errorOn(tuned, held) };
  };
  const mixed = await attempt();
  if (mixed.error <= limit) return mixed;
  const sparse = await attempt("sparse");
  return sparse.error < mixed.error ? sparse : mixed;
}

/** Runs the file with its factored weights rebuilt and in factored form. @throws Error where they differ by more than the bound */
async function compareWays(bytes: Uint8Array, images: Images): Promise<number> {
  const rebuilt = await logitsFrom(bytes, images, { exact: true });
  const factored = await logitsFrom(bytes, images);
  let off = 0;
  let most = 0;
  for (const [i, value] of rebuilt.entries()) {
    off = Math.max(off, Math.abs(value - factored[i]));
    most = Math.max(most, Math.abs(value));
  }
  if (!(off <= agreement * most))
    throw new Error(`rebuilt and factored logits differ by ${off}, more than ${agreement} of ${most}`);
  return off / most;
}

/** Size, top-1 error and speed of a network, a file or a graph. */
async function figuresOf(source: Graph | Uint8Array, bytes: number | undefined, images: Images) {
  const model = await loadModel(source);
  const error = errorOf(logitsOf(model, images), images.labels);
  const msPerImage = millisecondsPerImage(model, images);
  model.dispose();
  return { bytes: bytes ?? (source as Uint8Array).length, error, msPerImage };
}

/** Fraction of zeros over the weights of all layers, 0..1. */
function sparsityOf(graph: Graph): number {
  let zeros = 0;
  let all = 0;
  for (const weight of graph.weights.values()) {
    if (weight.shape.length < 2) continue;
    const size = sizeOf(weight.shape);
    zeros += sparsity(weight) * size;
    all += size;
  }
  return zeros / all;
}

/** What each layer takes in the file, beside what its candidates took when the choice was made (before tuning). */
function layersOf(weights: readonly WeightReport[], stored: Graph): Figures["layers"] {
  return weights
    .filter(({ shape }) => shape.length > 1)
    .map(({ name, storage, candidates }) => {
      const bytesOf = (kind: Choice["storage"]) => candidates.find(({ choice }) => choice.storage === kind)?.bytes ?? 0;
      const bytes = byteLength(stored.weights.get(name)!);
      return { name, storage, bytes, bytesFactored: bytesOf("factored"), bytesSparse: bytesOf("sparse") };
    });
}
