// A folder of checkpoints: what a full or broken disk leaves behind, and who may have it.
import * as files from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { folderStore } from "../../src/checkpoints/folder.js";
import { checkpointFolder } from "../../src/checkpoints/index.js";
import { claimOf } from "../../src/checkpoints/lock.js";
import { StorageError } from "../../src/errors.js";
import { cyclical } from "../../src/schedule.js";
import { readCheckpoint } from "../../src/train/checkpoint.js";
import type { CheckpointStore } from "../../src/train/keeper.js";
import type { FitOptions } from "../../src/train/options.js";
import { run } from "../support/checkpoints.js";
import { type Fate, faulty } from "../support/files.js";
import { fullModule } from "../support/network.js";
import { batchOf, small } from "../threads/networks.js";

let folder: string;
beforeEach(async () => {
  folder = join(await files.mkdtemp(join(tmpdir(), "coppice-")), "job");
});
afterEach(() => files.rm(join(folder, ".."), { recursive: true }));

const options: FitOptions = {
  data: [1, 2, 3, 4, 5, 6, 7].map((seed) => batchOf(4, seed)),
  loss: "crossEntropy",
  optimizer: { kind: "sgd" },
  rate: 0.05,
  schedule: cyclical({ cycles: 2, sparsity: 0.5, ramp: 2, hold: 1 }),
  module: fullModule,
};
const job = (store: CheckpointStore, steps?: number) =>
  run(small(), { ...options, checkpoints: { store, every: 2 } }, steps);

const names = async () => (await files.readdir(folder)).sort();
/** Steps of the checkpoints that are there and whole. */
async function steps(): Promise<number[]> {
  const found: number[] = [];
  for (const name of await names()) {
    if (name.endsWith(".checkpoint")) found.push((await readCheckpoint(await files.readFile(join(folder, name)))).step);
  }
  return found;
}

describe("a folder", () => {
  test("holds the newest two, and nothing else when the job is over", async () => {
    const whole = await run(small(), options);
    expect(await job(checkpointFolder(folder))).toEqual(whole);
    expect(await names()).toEqual(["00000003.checkpoint", "00000004.checkpoint"]);
    expect(await steps()).toEqual([6, 7]);
    expect(await job(checkpointFolder(folder))).toEqual({ reports: [], bits: whole.bits });
  });

  test("makes each durable before it has its name, and the name before an older one goes", async () => {
    const system = faulty(() => "done");
    await job(folderStore(folder, system));
    const take = ["mkdir", "open", "close", "readdir"];
    const write = ["open", "write", "sync", "close", "rename", "open", "sync", "close"];
    const last = [...write, "unlink"];
    expect(system.operations).toEqual([...take, ...write, ...write, ...last, ...last, "unlink"]);
  });

  test("of which the newest is damaged gives the one before, keeps it until there is a better one, and cleans up", async () => {
    const whole = await run(small(), options);
    await job(checkpointFolder(folder), 4);
    await job(checkpointFolder(folder), 1);
    expect(await steps()).toEqual([4, 5]);
    const newest = join(folder, (await names())[1]);
    await files.truncate(newest, 1000);
    await files.writeFile(join(folder, `00000009.checkpoint.${crypto.randomUUID()}.tmp`), "half of one");
    await files.writeFile(join(folder, "notes.tmp"), "somebody's");
    const { reports, bits } = await job(checkpointFolder(folder), 2);
    expect(reports).toEqual(whole.reports.slice(4, 6));
    expect(bits).not.toEqual(whole.bits);
    expect(await names()).toEqual(["00000002.checkpoint", "00000004.checkpoint", "notes.tmp"]);
    expect(await steps()).toEqual([4, 6]);
    expect((await job(checkpointFolder(folder))).bits).toEqual(whole.bits);
  });
});

describe("a fault", () => {
  const codes = ["ENOSPC", "EIO", "EACCES", "EROFS"];
  const isOver = { code: "EIO" };

  /** Runs with one fault, then without: whatever happened, the job ends as it would have. */
  async function survives(fate: (index: number, operation: string) => Fate): Promise<unknown> {
    const system = faulty(fate);
    const error = await job(folderStore(folder, system)).then(
      () => undefined,
      (error) => error,
    );
    const saved = system.operations.filter((operation) => operation === "rename").length;
    const held = (await files.readdir(folder).catch((): string[] => [])).filter((name) => name.startsWith("lock."));
    for (const name of held) await files.unlink(join(folder, name));
    const kept = await files.readdir(folder).then(steps, () => []);
    // The rename that failed, if one did, was not of these.
    expect(kept.length).toBeGreaterThanOrEqual(Math.min(2, error ? saved - 1 : saved));
    const { reports, bits } = await job(checkpointFolder(folder));
    expect(bits).toEqual(wholeBits);
    expect(reports).toHaveLength(7 - Math.max(0, ...kept));
    expect(await steps()).toEqual(expect.arrayContaining([7]));
    await files.rm(folder, { recursive: true });
    return error;
  }
  let wholeBits: readonly string[];
  let whole: readonly string[];
  beforeEach(async () => {
    wholeBits = (await run(small(), options)).bits;
    const system = faulty(() => "done");
    await job(folderStore(folder, system));
    whole = system.operations;
    await files.rm(folder, { recursive: true });
  });

  test.each(codes)("%s at any operation is told, and what was kept is still there", async (code) => {
    expect(whole.length).toBeGreaterThan(30);
    let told = 0;
    for (const [at, operation] of whole.entries()) {
      const error = await survives((index) => (index === at ? { code } : "done"));
      // Of giving the folder back, the last of all, nothing is told: the claim ends with the process.
      if (at === whole.length - 1) expect(error).toBeUndefined();
      else {
        expect(error).toBeInstanceOf(StorageError);
        expect(error).toMatchObject({ code: "STORAGE", reason: code, cause: { code } });
        expect(String(error)).toContain(`got ${code}: as asked, ${operation}`);
        expect(String(error)).toContain(folder);
        told++;
      }
    }
    expect(told).toBe(whole.length - 1);
  });

  test("that lasts, as if the process or the disk were gone, leaves the job as it was", async () => {
    for (const at of whole.keys()) await survives((index) => (index >= at ? isOver : "done"));
  });

  test("a write that takes only some of the bytes goes on with the rest", async () => {
    expect(await survives((_, operation) => (operation === "write" ? "short" : "done"))).toBeUndefined();
  });

  test("a write that takes some of the bytes, and then no more", async () => {
    const writes = whole.filter((operation) => operation === "write").length;
    for (let at = 0; at < writes; at++) {
      let seen = 0;
      const error = await survives((_, operation) => {
        if (operation !== "write") return "done";
        return seen++ < at ? "done" : seen === at + 1 ? "short" : { code: "ENOSPC" };
      });
      expect(error).toMatchObject({ reason: "ENOSPC" });
      expect(String(error)).toMatch(
        /expected to write it, got ENOSPC: as asked, write \(make room on the disk, and run/,
      );
    }
  });

  test("in reading is told as well: nothing is skipped or thrown away for it", async () => {
    await job(checkpointFolder(folder), 5);
    const system = faulty((_, operation) => (operation === "readFile" ? { code: "EIO" } : "done"));
    await expect(job(folderStore(folder, system))).rejects.toMatchObject({ code: "STORAGE", reason: "EIO" });
    expect(await steps()).toEqual([4, 5]);
    expect((await job(checkpointFolder(folder))).bits).toEqual(wholeBits);
  });

  test("a file where the folder should be", async () => {
    await files.writeFile(folder, "no folder");
    await expect(job(checkpointFolder(folder))).rejects.toMatchObject({ code: "STORAGE", reason: "EEXIST" });
    await expect(job(checkpointFolder(join(folder, "inside")))).rejects.toMatchObject({ reason: "ENOTDIR" });
  });
});

describe("a folder that another run has", () => {
  const unique = "00000000-0000-0000-0000-000000000000";
  const refused = async () => {
    const before = await names();
    const error = await job(checkpointFolder(folder)).catch((error) => error);
    expect(error).toBeInstanceOf(StorageError);
    expect(error.reason).toBe("LOCKED");
    expect(await names()).toEqual(before);
    return error.message;
  };

  test("is refused, in this process too, and free when the run is over", async () => {
    const store = checkpointFolder(folder);
    await store.open();
    expect(await refused()).toMatch(
      new RegExp(`^checkpoints: expected a folder that no other run has, .*process ${process.pid}$`),
    );
    await expect(store.open()).rejects.toMatchObject({ reason: "LOCKED" });
    await store.save(new Uint8Array(3));
    await store.close();
    await store.close();
    await store.open();
    await store.close();
    expect(await names()).toEqual(["00000001.checkpoint"]);
  });

  test("of two that begin at once, at most one has it", async () => {
    for (let i = 0; i < 10; i++) {
      const stores = [1, 2, 3].map(() => checkpointFolder(folder));
      const taken = await Promise.allSettled(stores.map((store) => store.open()));
      expect(taken.filter(({ status }) => status === "fulfilled").length).toBeLessThanOrEqual(1);
      await Promise.all(stores.map((store) => store.close()));
      expect(await names()).toEqual([]);
    }
  });

  test("is taken over from a process that is gone, that had this number before, or that was of another boot", async () => {
    const ours = await claimOf(unique);
    const [, pid, boot, started] = ours.split(".");
    const gone = ours.replace(`lock.${pid}.`, "lock.4194304.");
    const before = ours.replace(`.${started}.`, ".1.");
    const earlier = ours.replace(`.${boot}.`, ".0badcafe.");
    for (const claim of [gone, ...(started ? [before] : []), ...(boot ? [earlier] : [])]) {
      await files.mkdir(folder, { recursive: true });
      await files.writeFile(join(folder, claim), "");
      await job(checkpointFolder(folder), 1);
      expect((await names()).filter((name) => name.startsWith("lock."))).toEqual([]);
    }
  });

  test("on another machine is not judged from here", async () => {
    const elsewhere = (await claimOf(unique)).replace(encodeURIComponent(hostname()), "some%20where");
    await files.mkdir(folder, { recursive: true });
    await files.writeFile(join(folder, elsewhere), "");
    expect(await refused()).toContain(`process ${process.pid} on some where; delete it where that has ended`);
  });
});
