// Training in shards: on any number of threads the same bytes.
import { createThreads } from "coppice/threads";
import { cyclical, type FitOptions } from "coppice/train";
import { afterAll, describe, expect, test } from "vitest";
import { toDense } from "../../src/graph/dense.js";
import type { Graph } from "../../src/graph/graph.js";
import { inTurn } from "../../src/parallel.js";
import { batchOf, small, trained } from "./networks.js";

const pools = [1, 2, 4].map((count) => [count, createThreads(count)] as const);
afterAll(() => Promise.all(pools.map(([, threads]) => threads.dispose())));

const schedule = cyclical({ sparsity: 0.8, cycles: 2, warm: 1, ramp: 1, hold: 1 });
const teacher = small(50);

const cases: readonly (readonly [string, Partial<FitOptions>])[] = [
  ["plain", { shards: 4 }],
  ["with norms of the batch", { shards: 4, norms: "batch" }],
  ["with shards of a size of their own", { shards: 1 }],
  ["with a schedule", { shards: 2, schedule, revival: "shadow", optimizer: { kind: "adam" }, rate: 0.01 }],
  ["with a teacher", { shards: 4, loss: { kind: "distill", teacher, temperature: 2, labels: 0.3 } }],
  ["clipped", { shards: 8, optimizer: { kind: "sgd", clip: 0.1, decay: 1e-3 }, norms: "batch" }],
];

describe.each(cases)("training %s", (_, options) => {
  test("gives the same bytes and reports on any number of threads", async () => {
    const here = await trained(options);
    expect(here.reports).toHaveLength(6);
    expect(await trained({ ...options, parallel: inTurn })).toEqual(here);
    for (const [, threads] of pools) expect(await trained({ ...options, parallel: threads.parallel })).toEqual(here);
  });
});

/** By how much weights moved in a step of plain descent with rate 1: minus the gradients. */
async function moves(options: Partial<FitOptions>, graph = small()): Promise<Map<string, Float32Array>> {
  const after = await trained({ optimizer: { kind: "sgd", momentum: 0 }, rate: 1, ...options }, graph);
  return movesBetween(graph, after.graph);
}

function movesBetween(before: Graph, after: Graph): Map<string, Float32Array> {
  const entries = [...before.weights].map(([name, weight]) => {
    const from = toDense(weight);
    return [name, toDense(after.weights.get(name)!).map((value, i) => value - from[i])] as const;
  });
  return new Map(entries);
}

/** Apart by no more than the order of summing: 1e-5 of the largest, and the rounding of the weights that moved. */
function expectSame(given: ReadonlyMap<string, Float32Array>, wanted: ReadonlyMap<string, Float32Array>): void {
  for (const [name, values] of wanted) {
    const largest = values.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
    for (const [i, value] of values.entries()) {
      expect(Math.abs(given.get(name)![i] - value), `${name}[${i}]`).toBeLessThanOrEqual(1e-5 * largest + 1e-6);
    }
  }
}

describe("shards", () => {
  const losses: readonly FitOptions["loss"][] = [
    "crossEntropy",
    { kind: "crossEntropy", smoothing: 0.2 },
    { kind: "distill", teacher, labels: 0.4 },
    { kind: "distill", teacher, match: "squares" },
    {
      kind: "sum",
      terms: [
        { loss: "crossEntropy", weight: 0.7 },
        { loss: { kind: "distill", teacher, temperature: 3 }, weight: 2 },
      ],
    },
  ];
  test.each(losses.map((loss) => [JSON.stringify(loss).slice(0, 60), loss] as const))(
    "change the result by rounding alone: %s",
    async (_, loss) => {
      const data = [batchOf(12, 3)];
      const whole = await trained({ data, loss, rate: 0 });
      const gradients = await moves({ data, loss });
      expect([...gradients.values()].some((values) => values.some((v) => Math.abs(v) > 0.01))).toBe(true);
      for (const shards of [2, 3, 12]) {
        const cut = await trained({ data, loss, rate: 0, shards });
        expect(Math.abs(cut.reports[0].loss - whole.reports[0].loss)).toBeLessThan(1e-6);
        expectSame(await moves({ data, loss, shards }), gradients);
      }
    },
  );

  test("with norms of the batch are the mean of what each would do alone", async () => {
    const { inputs, target } = batchOf(8, 4);
    const halves = [0, 1].map((i) => ({
      inputs: { x: { ...inputs.x, shape: [4, 2, 6, 6], data: inputs.x.data.slice(i * 288, (i + 1) * 288) } },
      target: target!.slice(4 * i, 4 * i + 4),
    }));
    const both = await moves({ data: [{ inputs, target }], norms: "batch", shards: 2 });
    const [first, second] = await Promise.all(halves.map((half) => moves({ data: [half], norms: "batch" })));
    const mean = [...first].map(([name, a]) => [name, a.map((v, i) => (v + second.get(name)![i]) / 2)] as const);
    expectSame(both, new Map(mean));
    for (const name of ["mean", "variance"]) expect(both.get(name)!.some((v) => Math.abs(v) > 0.01)).toBe(true);
  });

  test("are refused where a batch has no equal parts", async () => {
    await expect(trained({ shards: 3 })).rejects.toMatchObject({
      code: "SHAPE",
      message: "fit: input x: expected a batch that 3 shards have equal parts of, got [8, 2, 6, 6]",
    });
    const { inputs, target } = batchOf(8, 1);
    await expect(trained({ shards: 2, data: [{ inputs, target: target!.slice(1) }] })).rejects.toMatchObject({
      code: "SHAPE",
      message: "fit: target: expected values that 2 shards have equal parts of, got 7",
    });
  });

  test("of a later batch in another shape are refused", async () => {
    const data = [batchOf(8, 1), batchOf(4, 1)];
    await expect(trained({ shards: 2, data })).rejects.toMatchObject({
      code: "SHAPE",
      message: "fit: input x: expected [8, 2, 6, 6] in every batch, got [4, 2, 6, 6]",
    });
  });

  test.each([0, 1.5, -1, Number.NaN, "2"])("are a number from 1, not %s", async (shards) => {
    await expect(trained({ shards: shards as number })).rejects.toThrow(RangeError);
  });

  test("are done by a function", async () => {
    const parallel = pools[0][1] as unknown as FitOptions["parallel"];
    await expect(trained({ shards: 2, parallel })).rejects.toThrow(
      new TypeError("fit: parallel: expected a function, got Object"),
    );
  });

  test.each(pools)("that diverge, or whose labels are none, end as without threads: %d threads", async (_, threads) => {
    const { parallel } = threads;
    const { inputs, target } = batchOf(8, 1);
    const data = Float32Array.from(inputs.x.data as Float32Array, (v, i) => (i === 400 ? Number.NaN : v));
    const bad = { inputs: { x: { ...inputs.x, data } }, target };
    await expect(trained({ shards: 2, parallel, data: [bad] })).rejects.toMatchObject({ code: "DIVERGED" });
    const labels = Uint8Array.of(0, 1, 2, 3, 4, 5, 0, 0);
    await expect(trained({ shards: 2, parallel, data: [{ inputs, target: labels }] })).rejects.toMatchObject({
      name: "ShapeError",
      code: "SHAPE",
      message: "fit: target: expected classes in 0..4, got 5",
    });
    // Enough for weights, and too little for what lies between.
    const large = { data: [batchOf(400, 1)], maxBytes: 1 << 19 };
    await expect(trained({ shards: 2, parallel, ...large })).rejects.toMatchObject({
      name: "OutOfMemoryError",
      code: "OUT_OF_MEMORY",
    });
    // The threads are as good as before.
    expect(await trained({ shards: 2, parallel })).toEqual(await trained({ shards: 2 }));
  });
});
