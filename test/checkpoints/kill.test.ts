// A job in a process of its own is killed, stopped, and started twice: it ends with the same bytes. COPPICE_SOAK=1 kills it more often.
import { type ChildProcess, spawn } from "node:child_process";
import * as files from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readCheckpoint } from "../../src/train/checkpoint.js";
import { uniform } from "../support/kernels.js";

const program = fileURLToPath(new URL("job.mjs", import.meta.url));
const soak = process.env.COPPICE_SOAK !== undefined;
const minutes = 60_000;

let place: string;
let whole: Buffer;
const at = (...path: string[]) => join(place, ...path);
const running = new Set<ChildProcess>();

beforeAll(async () => {
  place = await files.mkdtemp(join(tmpdir(), "coppice-"));
  await ends("whole");
  whole = await files.readFile(at("whole.coppice"));
}, minutes);
afterAll(async () => {
  for (const child of running) child.kill("SIGKILL");
  await files.rm(place, { recursive: true });
});

interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly told: string;
}

/** Starts a job; `heard` is called with each line of its steps. */
function start(name: string, heard: (lines: number, child: ChildProcess) => void = () => {}, event?: number) {
  const args = [program, at(name), at(`${name}.coppice`), ...(event === undefined ? [] : [`${event}`])];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  running.add(child);
  let lines = 0;
  let told = "";
  child.stdout.on("data", (text) => {
    lines += String(text).split("\n").length - 1;
    heard(lines, child);
  });
  child.stderr.on("data", (text) => {
    told += text;
  });
  return new Promise<End>((resolve) => {
    child.on("close", (code, signal) => {
      running.delete(child);
      resolve({ code, signal, told });
    });
  });
}

/** Runs a job to its end. */
async function ends(name: string): Promise<void> {
  expect(await start(name)).toEqual({ code: 0, signal: null, told: "" });
}

/** The job is over, and ended as it would have. */
async function expectSame(name: string): Promise<void> {
  expect((await files.readFile(at(`${name}.coppice`))).equals(whole)).toBe(true);
  for (const file of await files.readdir(at(name))) expect(file).toMatch(/^\d{8}\.checkpoint$/);
  await files.rm(at(name), { recursive: true });
  await files.rm(at(`${name}.coppice`));
}

/** The steps of the newest checkpoint: whatever was killed, those in the folder are whole. */
async function newest(name: string): Promise<number> {
  const names = (await files.readdir(at(name)).catch((): string[] => [])).filter((file) =>
    file.endsWith(".checkpoint"),
  );
  let step = 0;
  for (const file of names.sort()) ({ step } = await readCheckpoint(await files.readFile(at(name, file))));
  return step;
}

describe("a job", () => {
  test(
    "killed at random moments, again and again",
    async () => {
      const next = uniform(31);
      let kills = 0;
      let taken = 0;
      while (kills < (soak ? 50 : 8)) {
        const after = Math.floor(next() * 5);
        const delay = next() * 30;
        const { code, signal } = await start("killed", (lines, child) => {
          if (lines > after) setTimeout(() => child.kill("SIGKILL"), delay);
        });
        if (signal === "SIGKILL") {
          kills++;
          if ((await newest("killed")) > 0) taken++;
        } else {
          expect(code).toBe(0);
          await expectSame("killed");
        }
      }
      await ends("killed");
      await expectSame("killed");
      expect(taken).toBeGreaterThan(kills / 2);
    },
    10 * minutes,
  );

  test(
    "killed at operations on its folder",
    async () => {
      const next = uniform(32);
      const first = soak ? 45 : 0;
      const events = [...Array(first).keys(), ...Array.from({ length: soak ? 15 : 5 }, () => Math.floor(next() * 300))];
      for (const event of events) {
        expect(await start("event", undefined, event)).toMatchObject({ signal: "SIGKILL" });
        await newest("event");
        await ends("event");
        await expectSame("event");
      }
    },
    10 * minutes,
  );

  test.each(["SIGINT", "SIGTERM"] as const)(
    "stops by %s, to be taken up",
    async (signal) => {
      let watchdog: NodeJS.Timeout | undefined;
      const end = await start("stopped", (_, child) => {
        if (watchdog) return;
        child.kill(signal);
        watchdog = setTimeout(() => child.kill("SIGKILL"), 2000);
      });
      clearTimeout(watchdog);
      expect(end).toEqual({ code: 75, signal: null, told: "" });
      expect(await newest("stopped")).toBeGreaterThan(0);
      await ends("stopped");
      await expectSame("stopped");
    },
    minutes,
  );

  test(
    "is not started twice on one folder",
    async () => {
      let second: Promise<End> | undefined;
      // The first waits for the second by being stopped, and not by luck.
      const first = await start("twice", (_, child) => {
        if (second) return;
        child.kill("SIGSTOP");
        second = start("twice").finally(() => child.kill("SIGCONT"));
      });
      const { code, told } = await second!;
      expect(code).toBe(1);
      expect(told).toMatch(/StorageError: checkpoints: expected a folder that no other run has, got .* of process \d+/);
      expect(told).toContain("reason: 'LOCKED'");
      expect(first).toEqual({ code: 0, signal: null, told: "" });
      await expectSame("twice");
    },
    minutes,
  );
});
