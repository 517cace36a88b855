import { describe, expect, it } from "vitest";
import type { Cache } from "../../src/compress/cache.js";
import { TargetError } from "../../src/errors.js";
import { writeContainer } from "../../src/formats/container/index.js";
import { toDense } from "../../src/graph/dense.js";
import type { Graph } from "../../src/graph/graph.js";
import type { Parallel } from "../../src/parallel.js";
import { runReference } from "../reference/network.js";
import { fed } from "../support/network.js";
import { run, small } from "./networks.js";

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
      expect(lost(graph)).toBeLessThanOrEqual(maxDrop + 1e-9);
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
      "target.evaluate: expected a number, got NaN",
    );
    const wrong = [{ inputs, labels: [1, 2, 3, 4, 5, 6, 7] }];
    await expect(run(small(), { target: { maxDrop: 1, labelled: wrong } })).rejects.toThrow(
      "target.labelled: expected labels for 240 values of y, got 7",
    );
  });
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
      '{"offers":[{"seed":1,"bytes":2.5,"error":0}],"ms":1}',
      '{"offers":[{"seed":1,"bytes":2,"error":-1}],"ms":1}',
      '{"offers":[4],"ms":0}',
    ]) {
      const cache: Cache = { get: async () => junk, set: () => {} };
      expect(await file({ cache })).toEqual(whole);
    }
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
  for (const { name, weightError, nonzeros } of report.weights) {
    expect(weightError).toBeLessThan(1);
    if (nonzeros !== undefined) expect(nonzeros).toBe(toDense(graph.weights.get(name)!).filter((v) => v !== 0).length);
  }
});
