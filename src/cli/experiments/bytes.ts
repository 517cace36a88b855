import { createHash } from "node:crypto";
import { type Choice, compress, shrink } from "../../compress/index.js";
import { writeContainer } from "../../formats/container/index.js";
import { sparsity } from "../../graph/dense.js";
import { type Graph, parameterCount } from "../../graph/graph.js";
import { grouped, table } from "../../table.js";
import { sizeOf } from "../../tensor.js";
import { cyclical, type Schedule } from "../../train/index.js";
import { heldOut, type Images, readMnist, slice } from "../mnist.js";
import { narrow } from "../narrow.js";
import { errorOn, logitsFrom } from "../score.js";
import { type StageOptions, stage } from "../stage.js";
import { type Plan, type Point, plans } from "./plans.js";

/** What an experiment reports; errors in percent. */
export interface Report {
  readonly network: string;
  readonly parameters: number;
  readonly runs: readonly {
    readonly seed: number;
    readonly seconds: number;
    readonly dense: { readonly bytes: number; readonly heldOut: number; readonly error: number };
    readonly files: readonly ({ readonly bytes: number; readonly error: number; readonly sha256: string } & Omit<
      Outcome,
      "file"
    >)[];
  }[];
}

/** Makes a network as small as it goes, for each seed, and prints what was reached. */
export async function bytesExperiment(network: keyof typeof plans, seeds: readonly number[]): Promise<Report> {
  const plan = plans[network];
  process.stderr.write(`${network}: about ${plan.minutes} minutes a seed, on a core of one's own\n`);
  const all = await readMnist("train");
  const [train, held] = [slice(all, 0, all.count - heldOut), slice(all, all.count - heldOut, all.count)];
  const runs: Report["runs"][number][] = [];
  for (const seed of seeds) {
    const start = performance.now();
    const { dense, outcomes } = await run(plan, seed, train, held);
    const seconds = Math.round((performance.now() - start) / 1000);
    // Nothing was chosen on the test images: they are read once everything is fixed.
    const test = await readMnist("t10k");
    const bytes = 4 * parameterCount(dense);
    const files: Report["runs"][number]["files"][number][] = [];
    for (const { file, ...rest } of outcomes) {
      const sha256 = createHash("sha256").update(file).digest("hex");
      files.push({ bytes: file.length, error: await errorOn(file, test), sha256, ...rest });
    }
    const figures = { bytes, heldOut: await errorOn(dense, held), error: await errorOn(dense, test) };
    runs.push({ seed, seconds, dense: figures, files });
  }
  const report = { network, parameters: parameterCount(plan.create(1)), runs };
  process.stdout.write(summary(report));
  return report;
}

function summary({ network, runs }: Report): string {
  const percent = (value: number) => `${value.toFixed(2)} %`;
  const rows = runs.flatMap(({ seed, seconds, dense, files }) => [
    [
      `seed ${seed}, ${seconds} s`,
      grouped(dense.bytes),
      "1x",
      percent(dense.heldOut),
      percent(dense.error),
      "dense",
      "",
    ],
    ...files.map(({ bytes, heldOut, error, layers, revived }) => [
      "",
      grouped(bytes),
      `${(dense.bytes / bytes).toFixed(0)}x`,
      percent(heldOut),
      percent(error),
      layers.map(({ shape, kept }) => `${kept} of ${shape.join("x")}`).join(", "),
      grouped(revived),
    ]),
  ]);
  return `\n${table([network, "bytes", "ratio", "held-out error", "test error", "weights kept", "revived"], rows)}\n`;
}

/** One file of an experiment. */
export interface Outcome {
  readonly file: Uint8Array;
  readonly heldOut: number;
  /** Weights that cycles brought back while the network was tuned in its compressed form. */
  readonly revived: number;
  readonly layers: readonly { readonly name: string; readonly shape: readonly number[]; readonly kept: number }[];
}

export interface Run {
  readonly dense: Graph;
  readonly outcomes: readonly Outcome[];
}

/**
 * Trains a network, cuts it narrower and narrower, and from each width on the way makes a file: pruned in cycles, compressed, and tuned
 * while its support moves on in cycles. All of that learns from a teacher and from the labels.
 */
export async function run(plan: Plan, seed: number, train: Images, held: Images): Promise<Run> {
  const { layers } = plan;
  let next = seed;
  const fresh = () => ++next;
  const first = (label: string, create: Plan["create"], steps: number) =>
    stage(label, create(seed), train, { ...settings(fresh(), steps, 0.04), decay: 5e-4, shift: true });
  const dense = await first("train", plan.create, plan.dense);
  const teacher = plan.teacher ? await first("train the teacher", plan.teacher.create, plan.teacher.dense) : dense;
  const outputs = await logitsFrom(teacher, train);
  const taught = { outputs, loss: { kind: "distill", temperature: 2, labels: 0.3 } } as const;
  const outcomes: Outcome[] = [];
  let wide = dense;
  for (const { widths, settle, points } of plan.widths) {
    wide = narrow(wide, layers, widths);
    wide = await stage(`narrow ${widths.join("-")}`, wide, train, { ...taught, ...settings(fresh(), settle, 0.03) });
    for (const point of points) outcomes.push(await finish(wide, layers, point, fresh, { train, held, taught }));
  }
  return { dense, outcomes };
}

interface Lesson {
  readonly train: Images;
  readonly held: Images;
  readonly taught: Pick<StageOptions, "outputs" | "loss">;
}

async function finish(
  wide: Graph,
  layers: readonly string[],
  point: Point,
  fresh: () => number,
  { train, held, taught }: Lesson,
): Promise<Outcome> {
  const { sparsity: peak, bits, prune, tune } = point;
  const pruned = await stage(`prune to ${(100 * peak).toFixed(1)} %`, wide, train, {
    ...taught,
    ...settings(fresh(), prune, 0.015),
    decay: 1e-4,
    revival: "keep",
    schedule: inCycles(
      prune,
      [1 - 3 * (1 - peak), 1 - 1.5 * (1 - peak), peak].map((level) => Math.max(0, level)),
    ),
  });
  const weights = Object.fromEntries([
    ...layers.map((layer): [string, Choice] => [`${layer}.weight`, { storage: "sparse", bits, perTensor: true }]),
    ["*", { storage: "int8", bits: 5, perTensor: true }],
  ]);
  const { graph } = await compress(shrink(pruned), { recipe: { weights } });
  let revived = 0;
  const level = sparsityOf(graph, layers);
  const tuned = await stage("tune", graph, train, {
    ...taught,
    ...settings(fresh(), tune, 0.01),
    revival: "keep",
    schedule: inCycles(tune, [level, level, level]),
    async onCycle(cycle) {
      revived += cycle.revived;
    },
  });
  const small = shrink(tuned);
  return {
    file: writeContainer(small),
    heldOut: await errorOn(small, held),
    revived,
    layers: layers.map((name) => {
      const weight = small.weights.get(`${name}.weight`)!;
      return { name, shape: weight.shape, kept: Math.round((1 - sparsity(weight)) * sizeOf(weight.shape)) };
    }),
  };
}

/** Three fifths of the steps go up to each level and hold it, falling back in between to as many kept values again; the rest settles. */
function inCycles(steps: number, targets: readonly number[]): Schedule {
  const period = Math.floor((0.6 * steps) / targets.length);
  const [warm, ramp] = [Math.floor(0.1 * period), Math.floor(0.5 * period)];
  return cyclical({
    cycles: targets.length,
    sparsity: targets[targets.length - 1],
    targets,
    from: Math.max(0, 1 - 1.5 * (1 - targets[0])),
    drop: targets.slice(1).map((level) => Math.max(0, 1 - 1.5 * (1 - level))),
    warm,
    ramp,
    hold: period - warm - ramp,
  });
}

/** Fraction of zeros over the weights of all layers. */
function sparsityOf(graph: Graph, layers: readonly string[]): number {
  const weights = layers.map((layer) => graph.weights.get(`${layer}.weight`)!);
  const size = weights.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  return weights.reduce((sum, weight) => sum + sparsity(weight) * sizeOf(weight.shape), 0) / size;
}

function settings(seed: number, steps: number, from: number) {
  return {
    seed,
    steps,
    decay: 0,
    rate: { kind: "cosine", from, to: 1e-5, periods: [steps], warm: Math.min(50, steps - 1) },
  } as const;
}
