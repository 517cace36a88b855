// Training that is left at any step and taken up again gives the same bits and the same reports.
import { describe, expect, test } from "vitest";
import type { Graph } from "../../src/graph/graph.js";
import type { Weight } from "../../src/graph/weight.js";
import { periodsOf } from "../../src/rate.js";
import { cyclical } from "../../src/schedule.js";
import { batches } from "../../src/train/data.js";
import { fit, type StepReport } from "../../src/train/fit.js";
import type { FitOptions } from "../../src/train/options.js";
import { memoryStore, run } from "../support/checkpoints.js";
import { normals } from "../support/kernels.js";
import { fullModule, storages, withWeights } from "../support/network.js";
import { small } from "../threads/networks.js";

const examples = {
  input: "x",
  inputs: normals(40 * 72, 3),
  shape: [2, 6, 6],
  labels: Uint8Array.from({ length: 40 }, (_, i) => (i * 7) % 5),
};
const augment = { crop: 1, flip: true };
const schedule = cyclical({ cycles: 2, sparsity: 0.7, drop: 0.2, warm: 1, ramp: 3, hold: 2 });
const base: FitOptions = {
  data: (seed) => batches(examples, { size: 8, epochs: 3, seed, augment }),
  seed: 7,
  loss: "crossEntropy",
  optimizer: { kind: "sgd" },
  rate: 0.05,
  module: fullModule,
};

const storageOf = (name: string, shape: readonly number[]): Weight => storages(shape).find(([n]) => n === name)![1];
const stored = (name: string): Graph =>
  withWeights(small(), [
    ["conv2", storageOf(name, [9, 7, 2, 2])],
    ["fc", storageOf(name, [5, 81])],
  ]);

const cases: [string, Partial<FitOptions>, Graph?][] = [
  ["descent with momentum", {}],
  ["Adam with decay and clipped gradients", { optimizer: { kind: "adam", decay: 0.01, clip: 0.5 }, rate: 0.01 }],
  [
    "a rate that restarts with each cycle",
    { schedule, rate: { kind: "cosine", from: 0.1, to: 0, periods: periodsOf(schedule, 3), warm: 2 } },
  ],
  ...(["zero", "keep", "shadow"] as const).map((revival): [string, Partial<FitOptions>] => [
    `cycles with revival ${revival}`,
    { schedule, revival, optimizer: { kind: "adam" }, rate: 0.01 },
  ]),
  ["the scope tensor by Erdos-Renyi", { schedule, scope: "tensor", distribution: "erdosRenyi" }],
  ["blocks", { schedule, block: [1, 4] }],
  ["channels", { schedule, scope: "channel" }],
  ["norms with statistics of the batch", { norms: "batch", schedule }],
  ["shards", { norms: "batch", schedule, shards: 2 }],
  ["a teacher", { loss: { kind: "distill", teacher: small(90), temperature: 2, labels: 0.3 } }],
  ["masks that stay", {}, stored("masked")],
  ["int8 weights", {}, stored("int8 per row")],
  ["sparse int8 weights with a schedule", { schedule, revival: "shadow" }, stored("sparse int8 per row")],
  ["factored weights with a schedule", { schedule }, stored("factored by rows")],
];

describe("a job", () => {
  test.each(cases)("taken up at every step, with %s", async (_, changes, graph = small()) => {
    const options = { ...base, ...changes };
    const whole = await run(graph, options);
    expect(whole.reports).toHaveLength(15);
    const store = memoryStore();
    expect(await run(graph, { ...options, checkpoints: { store, every: 1 } })).toEqual(whole);
    expect(store.saved).toHaveLength(15);
    for (const [i, bytes] of store.saved.entries()) {
      const { reports, bits } = await run(graph, { ...options, checkpoints: { store: memoryStore([bytes]) } });
      expect(reports).toEqual(whole.reports.slice(i + 1));
      expect(bits).toEqual(whole.bits);
    }
  });

  test("left by break is kept as it is, again and again", async () => {
    const options = { ...base, schedule };
    const whole = await run(small(), options);
    const store = memoryStore();
    const checkpoints = { store, every: 100 };
    const reports = [];
    for (const steps of [1, 4, 2, 7]) reports.push(...(await run(small(), { ...options, checkpoints }, steps)).reports);
    expect(store.saved).toHaveLength(4);
    const last = await run(small(), { ...options, checkpoints });
    expect([...reports, ...last.reports]).toEqual(whole.reports);
    expect(last.bits).toEqual(whole.bits);
    // What is done is not done again.
    expect(await run(small(), { ...options, checkpoints })).toEqual({ reports: [], bits: whole.bits });
    expect(store.saved).toHaveLength(5);
  });

  test("stopped by its signal keeps the steps done and rejects with the reason, also while it skips", async () => {
    const whole = await run(small(), { ...base, schedule });
    const store = memoryStore();
    const reason = new Error("enough");
    const stop = new AbortController();
    const given = { ...base, schedule, checkpoints: { store, every: 100 } };
    const reports: StepReport[] = [];
    const first = (async () => {
      for await (const report of fit(small(), { ...given, signal: stop.signal })) {
        reports.push(report);
        if (report.step === 5) stop.abort(reason);
      }
    })();
    await expect(first).rejects.toBe(reason);
    expect(reports).toEqual(whole.reports.slice(0, 6));
    expect(store.saved).toHaveLength(1);
    await expect(run(small(), { ...given, signal: stop.signal })).rejects.toBe(reason);
    expect(store.saved).toHaveLength(1);
    let asked = 0;
    const later = new AbortController();
    const data = async function* (seed: number) {
      for (const batch of batches(examples, { size: 8, epochs: 3, seed, augment })) {
        if (++asked === 4) later.abort(reason);
        yield batch;
      }
    };
    await expect(run(small(), { ...given, data, signal: later.signal })).rejects.toBe(reason);
    expect([asked, store.saved.length]).toEqual([4, 1]);
    const last = await run(small(), given);
    expect(last).toEqual({ reports: whole.reports.slice(6), bits: whole.bits });
  });

  test("may change options that change no result", async () => {
    const store = memoryStore();
    const whole = await run(small(), base);
    await run(small(), { ...base, checkpoints: { store } }, 5);
    const { reports, bits } = await run(small(), { ...base, maxBytes: 1 << 28, checkpoints: { store, every: 3 } });
    expect(reports).toEqual(whole.reports.slice(5));
    expect(bits).toEqual(whole.bits);
    expect(store.saved).toHaveLength(5);
  });

  test("saves by itself where it is not told how often", async () => {
    const store = memoryStore();
    await run(small(), { ...base, checkpoints: { store } });
    expect(store.saved).toHaveLength(1);
  });
});
