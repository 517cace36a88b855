// What threads do when something goes wrong: everything is told, nothing waits for ever, and they go on.
import { execFileSync } from "node:child_process";
import type { Worker } from "node:worker_threads";
import { createThreads, type Parallel, type Task, ThreadError, type Threads } from "coppice/threads";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type ShardJob, type ShardSetup, shard } from "../../src/train/shard.js";
import { normals } from "../support/kernels.js";
import { fullModule } from "../support/network.js";
import { batchOf, small } from "./networks.js";

/** The workers that threads have begun. */
const workers: Worker[] = [];
const note = (worker: Worker) => void workers.push(worker);
beforeAll(() => void process.on("worker", note));
afterAll(() => void process.off("worker", note));

const open: Threads[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((threads) => threads.dispose()));
  workers.length = 0;
});
function threadsOf(count: number): Threads {
  open.push(createThreads(count));
  return open[open.length - 1];
}

const graph = small();
const setup: ShardSetup = {
  graph,
  module: fullModule,
  trained: ["fc", "out"],
  shapes: new Map([["x", [4, 2, 6, 6]]]),
  loss: "crossEntropy",
};
const weights = normals(5 * 81 + 5, 1);
const job = (seed: number): ShardJob => ({ weights, batch: batchOf(4, seed) });
const jobs = [1, 2, 3, 4, 5, 6].map(job);

/** The losses of all jobs. */
async function losses(parallel: Parallel, given = setup, list = jobs): Promise<number[]> {
  const found: number[] = [];
  await parallel(shard, given, list, ({ loss }, i) => {
    expect(found[i]).toBeUndefined();
    found[i] = loss;
  });
  return found;
}

const run = shard.start(setup);
const wanted = jobs.map((one) => run(one).loss);

describe("threads", () => {
  test.each([1, 2, 4, 9])("do all jobs and begin as many as there are jobs at most: %d", async (count) => {
    const { parallel } = threadsOf(count);
    expect(await losses(parallel)).toEqual(wanted);
    expect(await losses(parallel)).toEqual(wanted);
    expect(workers).toHaveLength(Math.min(count, jobs.length));
    await parallel(shard, setup, [], () => expect.unreachable());
  });

  test("serve several at once", async () => {
    const { parallel } = threadsOf(2);
    const other = { ...setup, loss: { kind: "crossEntropy", smoothing: 0.5 } } as const;
    const all = await Promise.all([losses(parallel), losses(parallel, other), losses(parallel)]);
    expect(all[0]).toEqual(wanted);
    expect(all[1]).not.toEqual(wanted);
    expect(all[2]).toEqual(wanted);
    expect(workers).toHaveLength(2);
  });

  test("give errors of ours as they are", async () => {
    const { parallel } = threadsOf(2);
    const bad = { ...job(1), batch: { ...batchOf(4, 1), target: Uint8Array.of(0, 1, 9, 0) } };
    const failed = losses(parallel, setup, [job(1), bad, job(3)]);
    await expect(failed).rejects.toMatchObject({
      name: "ShapeError",
      code: "SHAPE",
      message: "fit: target: expected classes in 0..4, got 9",
    });
    expect(await losses(parallel)).toEqual(wanted);
  });

  test("give errors of starting, and start anew", async () => {
    const { parallel } = threadsOf(1);
    const missing = losses(parallel, { ...setup, maxBytes: 1 });
    await expect(missing).rejects.toMatchObject({ name: "OutOfMemoryError", code: "OUT_OF_MEMORY" });
    expect(await losses(parallel)).toEqual(wanted);
    expect(workers).toHaveLength(1);
  });

  test("name the tasks that they know", async () => {
    const { parallel } = threadsOf(1);
    const mine: Task<null, number, number> = { name: "mine", start: () => (x) => x };
    await expect(parallel(mine, null, [1], () => {})).rejects.toThrow(
      new TypeError("threads: expected a task among sweep, shard, got mine"),
    );
    expect(await losses(parallel)).toEqual(wanted);
  });

  test("refuse what cannot be copied", async () => {
    const { parallel } = threadsOf(2);
    const setupOfFunctions = { ...setup, graph: { ...graph, notices: [() => {}] } } as unknown as ShardSetup;
    await expect(losses(parallel, setupOfFunctions)).rejects.toMatchObject({ name: "DataCloneError" });
    expect(await losses(parallel)).toEqual(wanted);
  });

  test("begin no more jobs where a result is refused", async () => {
    const { parallel } = threadsOf(2);
    const reason = new Error("enough");
    let told = 0;
    const stopped = parallel(shard, setup, jobs, () => {
      told++;
      throw reason;
    });
    await expect(stopped).rejects.toBe(reason);
    expect(await losses(parallel)).toEqual(wanted);
    expect(told).toBe(1);
  });

  test("wait for what is done with a result", async () => {
    const { parallel } = threadsOf(1);
    const begun: number[] = [];
    await parallel(shard, setup, jobs, async (_, i) => {
      expect(begun).toHaveLength(i);
      await new Promise((resolve) => setTimeout(resolve, 1));
      begun.push(i);
    });
    expect(begun).toHaveLength(jobs.length);
  });

  test.each([1, 2])("that end in the middle are named, and replaced: %d", async (count) => {
    const { parallel } = threadsOf(count);
    const ended = parallel(shard, setup, jobs, () => void workers[0].terminate());
    await expect(ended).rejects.toThrow(ThreadError);
    await expect(ended).rejects.toMatchObject({
      code: "THREAD",
      message: "thread 1: expected to finish its job, got the end of the thread, exit code 1",
    });
    expect(await losses(parallel)).toEqual(wanted);
    expect(workers).toHaveLength(count + 1);
  });

  test.each([
    ["ThreadError", "THREAD", {}, "thread 1: expected to finish its job, got RangeError: of its own"],
    [
      "OutOfMemoryError",
      "OUT_OF_MEMORY",
      { code: "ERR_WORKER_OUT_OF_MEMORY" },
      "thread 1: expected to finish its job, got RangeError: of its own",
    ],
  ])("that fall over are a %s", async (name, code, more, message) => {
    const { parallel } = threadsOf(1);
    const fallen = losses(parallel);
    await new Promise((resolve) => setTimeout(resolve, 0));
    // As Node tells it, after which the thread ends.
    workers[0].emit("error", Object.assign(new RangeError("of its own"), more));
    await expect(fallen).rejects.toMatchObject({ name, code, message });
    await workers[0].terminate();
    expect(await losses(parallel)).toEqual(wanted);
  });

  test("that are disposed in the middle reject what they do and what waits for them", async () => {
    const threads = threadsOf(1);
    const gone = new TypeError("threads: expected live threads, got disposed ones");
    const runs = [losses(threads.parallel), losses(threads.parallel)].map((run) => expect(run).rejects.toThrow(gone));
    await new Promise((resolve) => setTimeout(resolve, 0));
    await threads.dispose();
    await Promise.all(runs);
    await expect(losses(threads.parallel)).rejects.toThrow(gone);
    await threads.dispose();
    await threads[Symbol.asyncDispose]();
  });

  test.each([0, 1.5, -1, Number.NaN, "2"])("are not %s", (count) => {
    expect(() => createThreads(count as number)).toThrow(
      new RangeError(`threads: expected a number of threads from 1, got ${count}`),
    );
  });

  test.each([
    ["do not keep a process alive when they are idle, and do while they work", ""],
    [
      "keep it alive until they are disposed",
      "setTimeout(() => threads.dispose().then(() => console.log('disposed')));",
    ],
  ])("%s", (_, then) => {
    const script = `
      import { createThreads } from ${JSON.stringify(new URL("../../dist/threads/index.js", import.meta.url).href)};
      const threads = createThreads(1);
      threads.parallel({ name: "mine" }, null, [1], () => {}).catch((error) => console.log(error.message));
      ${then}
    `;
    const printed = execFileSync(process.execPath, ["--input-type=module", "-e", script], { timeout: 20_000 });
    expect(`${printed}`.trim().split("\n")).toEqual(
      then
        ? ["threads: expected live threads, got disposed ones", "disposed"]
        : ["threads: expected a task among sweep, shard, got mine"],
    );
  });
});
