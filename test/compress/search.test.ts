import { describe, expect, it } from "vitest";
import type { Cache } from "../../src/compress/cache.js";
import { type Candidate, candidate } from "../../src/compress/candidate.js";
import type { CompressOptions } from "../../src/compress/compress.js";
import { withinBudget } from "../../src/compress/search.js";
import type { Offer } from "../../src/compress/sweep.js";
import { TargetError } from "../../src/errors.js";
import { writeContainer } from "../../src/formats/container/index.js";
import { toDense } from "../../src/graph/dense.js";
import type { Graph } from "../../src/graph/graph.js";
import type { PlainWeight } from "../../src/graph/weight.js";
import type { Parallel } from "../../src/parallel.js";
import { runReference } from "../reference/network.js";
import { normals } from "../support/kernels.js";
import { fed } from "../support/network.js";
import { run, small, tiny } from "./networks.js";

const inputs = { x: fed([60, 2, 8, 8], 11) };
const outputs = (graph: Graph) => runReference(graph, inputs).get("y")!.data;

function classes(graph: Graph): Uint8Array {
  const data = outputs(graph);
  return Uint8Array.from({ length: 60 }, (_, i) => {
    const row = Array.from(data.slice(4 * i, 4 * i + 4));
    return row.indexOf(Math.max(...row));
  });
}

describe("maxDrop", () => {
  const labelled = [{ inputs, labels: classes(small()) }];
  const lost = (graph: Graph) => classes(graph).filter((c, i) => c !== labelled[0].labels[i]).length / 60;
  const size = (graph: Graph) => writeContainer(graph).length;

  it("is kept, and the file smaller the more may be lost", async () => {
    const files: number[] = [];
    for (const maxDrop of [0, 0.05, 0.2]) {
      const { graph } = await run(small(), { target: { maxDrop, labelled } });
      expect(lost(graph)).toBeLessThanOrEqual(maxDrop + 1e-12);
      files.push(size(graph));
    }
    expect(files[2]).toBeLessThan(files[1]);
    expect(files[1]).toBeLessThanOrEqual(files[0]);
    // Of the 8 bits that lose next to nothing more than a quarter is left over.
    expect(files[2]).toBeLessThan(
      0.75 * size((await run(small(), { recipe: { weights: { "*": { storage: "int8" } } } })).graph),
    );
  });

  it("may be in any measure, also one that is asked for", async () => {
    const want = outputs(small());
    let asked = 0;
    const evaluate = async (graph: Graph) => {
      asked++;
      return -outputs(graph).reduce((sum, value, i) => sum + (value - want[i]) ** 2, 0);
    };
    const { graph } = await run(small(), {
      target: { maxDrop: 3, evaluate },
      calibration: [{ x: fed([40, 2, 8, 8], 3) }],
    });
    expect(-(await evaluate(graph))).toBeLessThanOrEqual(3);
    expect(asked).toBeLessThan(12);
  });

  it("that cannot be kept is a TargetError with the best that can be had", async () => {
    const recipe = { weights: { "*": { storage: "int8", bits: 2 } } } as const;
    const error: unknown = await run(small(), { recipe, target: { maxDrop: 0, labelled } }).catch((reason) => reason);
    expect(error).toBeInstanceOf(TargetError);
    const best = lost((await run(small(), { recipe })).graph);
    expect(best).toBeGreaterThan(0);
    expect((error as TargetError).best).toBeCloseTo(best, 12);
    expect((error as TargetError).message).toMatch(/^compress: expected a drop of at most 0, got 0\.\d+ at the best$/);
  });

  it("in what is no number is a TypeError; labels that do not fit are a ShapeError", async () => {
    const evaluate = () => Number.NaN;
    await expect(run(small(), { target: { maxDrop: 1, evaluate } })).rejects.toThrow(
      "target.evaluate: expected a finite number, got NaN",
    );
    const wrong = [{ inputs, labels: [1, 2, 3, 4, 5, 6, 7] }];
    await expect(run(small(), { target: { maxDrop: 1, labelled: wrong } })).rejects.toThrow(
      "target.labelled[0]: expected 60 labels of y, got 7",
    );
  });
});

describe("a score", () => {
  const files = async (maxDrop: number) => {
    // 99 of 100 once anything is lost.
    let whole: ReturnType<typeof outputs> | undefined;
    const evaluate = (graph: Graph) => {
      whole ??= outputs(graph);
      return outputs(graph).every((value, i) => value === whole![i]) ? 1 : 0.99;
    };
    return writeContainer((await run(small(), { target: { maxDrop, evaluate } })).graph).length;
  };

  it("that falls by just as much as is allowed is allowed", async () => {
    expect(1 - 0.99).toBeGreaterThan(0.01);
    expect(await files(0.01)).toBe(await files(0.0101));
    expect(await files(0.01)).toBeLessThan(await files(0.005));
  });

  it("is asked for before the work begins, and not after an abort", async () => {
    const told: unknown[] = [];
    const onProgress = (progress: unknown) => told.push(progress);
    const bad = () => Number.NEGATIVE_INFINITY;
    await expect(run(small(), { target: { maxDrop: 1, evaluate: bad }, onProgress })).rejects.toThrow(TypeError);
    expect(told).toEqual([]);
    for (const stop of [1, 3]) {
      const controller = new AbortController();
      let asked = 0;
      const evaluate = () => {
        if (++asked === stop) controller.abort();
        return 1;
      };
      const done = run(small(), { target: { maxDrop: 1, evaluate }, signal: controller.signal });
      await expect(done).rejects.toMatchObject({ name: "AbortError" });
      expect(asked).toBe(stop);
    }
  });

  it.each<[string, unknown, string]>([
    [
      "labels of another type",
      [{ inputs, labels: new BigInt64Array(60) }],
      "target.labelled[0].labels[0]: expected a class in 0..3, got 0",
    ],
    [
      "labels out of range",
      [{ inputs, labels: new Uint8Array(60).fill(4) }],
      "target.labelled[0].labels[0]: expected a class in 0..3, got 4",
    ],
    [
      "half as many labels",
      [{ inputs, labels: new Uint8Array(30) }],
      "target.labelled[0]: expected 60 labels of y, got 30",
    ],
    ["no labels", [{ inputs }], "target.labelled[0]: expected inputs and labels, got Object"],
    ["nothing", [null], "target.labelled[0]: expected inputs and labels, got null"],
  ])("by %s is refused", async (_, labelled, message) => {
    const target = { maxDrop: 0.1, labelled } as CompressOptions["target"];
    await expect(run(small(), { target })).rejects.toThrow(message);
  });
});

it("a file that fits is kept where later ones do not", async () => {
  const graph = tiny();
  const offers = [...graph.weights.values()].map((): Offer[] => [
    { seed: 1, bytes: 10, error: 3 },
    { seed: 1, bytes: 900, error: 2 },
    { seed: 1, bytes: 1800, error: 1 },
  ]);
  // Whatever is picked, the first time it is small and then large.
  let settles = 0;
  const settle = async () => {
    const size = [40, 900, 900, 900, 900][settles++];
    return [...graph.weights].map(([, weight]): Candidate => {
      const data = normals(size, settles);
      const stored = { kind: "dense", shape: [size], dtype: "float32", data } as const;
      return {
        ...candidate(stored, 0),
        weight: weight as PlainWeight,
        coded: { ...candidate(stored, 0).coded, shape: [size] },
      };
    });
  };
  const found = await withinBudget({ graph, offers, settle }, 2000);
  expect(found.settled[0].bytes).toBeLessThan(400);
  expect(settles).toBeGreaterThan(1);
});

describe("what was measured", () => {
  const calibration = [{ x: fed([40, 2, 8, 8], 3) }];
  const options = { target: { ratio: 8 }, calibration };
  const file = async (more: object) => writeContainer((await run(small(), { ...options, ...more })).graph);

  it("is kept by a cache, and not measured again", async () => {
    const cache = new Map<string, string>();
    let measured = 0;
    const parallel: Parallel = async (task, setup, jobs, onResult) => {
      const work = task.start(setup);
      for (const [i, job] of jobs.entries()) {
        measured++;
        await onResult(work(job), i);
      }
    };
    const first = await file({ cache, parallel });
    expect(measured).toBe(cache.size);
    expect(await file({ cache, parallel })).toEqual(first);
    expect(await file({})).toEqual(first);
    expect(measured).toBe(cache.size);
    // Another target takes the same figures; other inputs, weights or seeds do not.
    await file({ cache, parallel, target: { ratio: 5 } });
    expect(measured).toBe(cache.size);
    const before = measured;
    await file({ cache, parallel, calibration: [{ x: fed([40, 2, 8, 8], 4) }] });
    expect(measured).toBe(2 * before);
    await file({ cache, parallel, seed: 2 });
    expect(measured).toBe(3 * before);
    await run(small(3), { ...options, cache, parallel });
    expect(measured).toBe(4 * before);
  });

  it("is gone on with where a run was stopped", async () => {
    const whole = await file({});
    for (const stop of [1, 3]) {
      const cache = new Map<string, string>();
      const controller = new AbortController();
      const onProgress = ({ done }: { done: number }) => done === stop && controller.abort();
      await expect(file({ cache, signal: controller.signal, onProgress })).rejects.toMatchObject({
        name: "AbortError",
      });
      expect(cache.size).toBe(stop);
      expect(await file({ cache })).toEqual(whole);
    }
  });

  it("is measured again where the cache has something else", async () => {
    const whole = await file({});
    for (const junk of [
      "",
      "{",
      "null",
      "[]",
      '{"offers":[],"ms":1}',
      '{"offers":[[2.5,0]],"ms":1}',
      '{"offers":[[2,-1]],"ms":1}',
      '{"offers":[4],"ms":0}',
    ]) {
      const cache: Cache = { get: async () => junk, set: () => {} };
      expect(await file({ cache })).toEqual(whole);
    }
    const offered = { recipe: { weights: { "*": { storage: "int8" } as const } }, target: { ratio: 1 } };
    const cache: Cache = { get: async () => '{"offers":[[1,"0"]],"ms":1}', set: () => {} };
    const [mended, own] = [await run(small(), { ...offered, cache }), await run(small(), offered)];
    expect(mended.report.weights.map(({ error }) => error)).toEqual(own.report.weights.map(({ error }) => error));
  });

  it("is the same in any order", async () => {
    const whole = await file({});
    const parallel: Parallel = async (task, setup, jobs, onResult) => {
      // Two workers, each with half of the jobs, the last first.
      const workers = [task.start(structuredClone(setup)), task.start(structuredClone(setup))];
      for (const i of [...jobs.keys()].reverse()) await onResult(structuredClone(workers[i % 2](jobs[i])), i);
    };
    expect(await file({ parallel })).toEqual(whole);
    expect(await file({ parallel, cache: new Map() })).toEqual(whole);
  });

  it("is the same for arrays that stand alone", async () => {
    const [x] = calibration.map((feeds) => feeds.x);
    expect(await file({ calibration: [{ x: x.data }] })).toEqual(await file({ calibration: [{ x }] }));
  });

  it("does not depend on arrays that a caller fills again", async () => {
    const x = fed([40, 2, 8, 8], 3);
    const part = { ...x, shape: [10, 2, 8, 8], data: new Float32Array(10 * 128) };
    const refilled = {
      *[Symbol.iterator]() {
        for (let i = 0; i < 4; i++) {
          part.data.set(x.data.subarray(1280 * i, 1280 * (i + 1)));
          yield { x: part };
        }
      },
    };
    const fresh = Array.from({ length: 4 }, (_, i) => ({
      x: { ...part, data: x.data.slice(1280 * i, 1280 * (i + 1)) },
    }));
    expect(await file({ calibration: refilled })).toEqual(await file({ calibration: fresh }));
  });
});

it("corrections may change every weight but keep its storage", async () => {
  const calibration = [{ x: fed([40, 2, 8, 8], 3) }];
  const { graph, report } = await run(small(), { target: { ratio: 6 }, calibration });
  expect(
    report.weights.every(({ bytes, rate, shape }) => rate === (8 * bytes) / shape.reduce((a, b) => a * b, 1)),
  ).toBe(true);
  for (const { name, weightError, nonzeros, storage } of report.weights) {
    expect(weightError).toBeLessThan(1);
    // A factored weight counts its coefficients.
    if (nonzeros === undefined || storage === "factored") continue;
    expect(nonzeros).toBe(toDense(graph.weights.get(name)!).filter((v) => v !== 0).length);
  }
});
