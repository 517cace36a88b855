import { GraphBuilder } from "../../graph/build.js";
import { toDense } from "../../graph/dense.js";
import { Random } from "../../random.js";
import { table } from "../../table.js";
import {
  alternating,
  type Batch,
  cyclical,
  denseSparseDense,
  fit,
  gradual,
  oneShot,
  type Revival,
  type Schedule,
} from "../../train/index.js";
import { Progress } from "../progress.js";
import { type Estimate, estimateOf } from "./statistics.js";

/** Fewer equations than unknowns, of which a few are not 0. */
const size = { equations: 60, unknowns: 128, kept: 14 };
const noise = 0.05;
const steps = 960;
const sparsity = 1 - size.kept / size.unknowns;

interface Problem {
  readonly batch: Batch;
  readonly support: ReadonlySet<number>;
}

/** y = X w + noise with X standard normal, and w of `kept` values of sizes in 1..2. */
export function problemOf(seed: number): Problem {
  const random = new Random(seed);
  const { equations, unknowns, kept } = size;
  const x = Float32Array.from({ length: equations * unknowns }, () => random.normal());
  const order = random.shuffle(Uint32Array.from({ length: unknowns }, (_, i) => i));
  const support = order.subarray(0, kept);
  const truth = Array.from(support, (at) => ({ at, value: (random.integer(2) ? 1 : -1) * (1 + random.uniform()) }));
  const target = Float32Array.from({ length: equations }, (_, i) =>
    truth.reduce((sum, { at, value }) => sum + value * x[i * unknowns + at], noise * random.normal()),
  );
  const tensor = { dtype: "float32", shape: [equations, unknowns], data: x } as const;
  return { batch: { inputs: { x: tensor }, target }, support: new Set(support) };
}

interface LinearWay {
  readonly name: string;
  readonly schedule: Schedule;
  readonly revival: Revival;
}

/** All begin with a part of the steps dense. */
export const linearWays: readonly LinearWay[] = [
  { name: "one-shot", schedule: oneShot({ sparsity, warm: 240, hold: 720 }), revival: "keep" },
  { name: "gradual", schedule: gradual({ sparsity, warm: 240, ramp: 480, hold: 240 }), revival: "keep" },
  { name: "alternating", schedule: alternating({ cycles: 4, sparsity, dense: 120, sparse: 120 }), revival: "zero" },
  {
    name: "dense-sparse-dense",
    schedule: denseSparseDense({ sparsity, dense: 320, sparse: 320, end: 320 }),
    revival: "zero",
  },
  ...[0.5, 0].flatMap((drop) =>
    (drop === 0 ? (["shadow", "keep", "zero"] as const) : (["zero"] as const)).map((revival) => ({
      name: drop === 0 ? "cyclical" : "partial",
      schedule: cyclical({ cycles: 4, sparsity, drop: drop * sparsity, warm: 50, ramp: 84, hold: 34 }),
      revival,
    })),
  ),
];

/** How much of the support each way finds, seed by seed. */
export interface LinearReport {
  readonly seeds: readonly number[];
  readonly ways: readonly {
    readonly way: string;
    readonly revival: Revival;
    /** Unknowns of the support among as many largest ones, for each seed. */
    readonly found: readonly number[];
    readonly of: number;
    /** Seeds for which all were found. */
    readonly exact: number;
    /** Unknowns found less those that the last way finds, in pairs. */
    readonly difference?: Estimate;
  }[];
}

export async function linear(seeds: readonly number[]): Promise<LinearReport> {
  const total = linearWays.length * seeds.length;
  const progress = new Progress("linear", total);
  const found = linearWays.map((): number[] => []);
  for (const [i, seed] of seeds.entries()) {
    const problem = problemOf(seed);
    for (const [w, way] of linearWays.entries()) {
      found[w].push(await foundBy(way, problem));
      progress.update(i * linearWays.length + w + 1, total, way.name);
    }
  }
  progress.end(`${seeds.length} seeds`);
  const best = found[found.length - 1];
  const ways = linearWays.map(({ name, revival }, w) => ({
    way: name,
    revival,
    found: found[w],
    of: size.kept,
    exact: found[w].filter((count) => count === size.kept).length,
    ...(w < found.length - 1 && { difference: estimateOf(found[w].map((count, i) => count - best[i])) }),
  }));
  return { seeds, ways };
}

async function foundBy({ schedule, revival }: LinearWay, { batch, support }: Problem): Promise<number> {
  const { unknowns, kept } = size;
  const b = new GraphBuilder("linear");
  const w = b.weight("w", [1, unknowns], new Float32Array(unknowns));
  b.output("y", ["N", 1], b.node("Gemm", [b.input("x", ["N", unknowns]), w], { transB: 1 }));
  const run = fit(b.build(), {
    data: Array.from({ length: steps }, () => batch),
    loss: "meanSquaredError",
    optimizer: { kind: "sgd", momentum: 0.9 },
    rate: 0.01,
    schedule,
    revival,
  });
  for await (const _ of run);
  const values = toDense(run.graph().weights.get("w")!);
  const order = [...values.keys()].sort((i, j) => Math.abs(values[j]) - Math.abs(values[i]));
  return order.slice(0, kept).filter((at) => support.has(at) && values[at] !== 0).length;
}

export function linearText({ seeds, ways }: LinearReport): string {
  const { equations, unknowns, kept } = size;
  const rows = ways.map(({ way, revival, found, exact, difference }) => [
    way,
    revival,
    `${((100 * found.reduce((sum, count) => sum + count, 0)) / found.length / kept).toFixed(1)} %`,
    `${exact} of ${seeds.length}`,
    difference ? `${difference.mean.toFixed(2)} ± ${difference.error.toFixed(2)}` : "",
  ]);
  const head = ["", "pruned weights", "support found", "all of it", `found less those of the last way, of ${kept}`];
  return `\n${kept} of ${unknowns} unknowns from ${equations} equations\n${table(head, rows, 2)}\n`;
}
