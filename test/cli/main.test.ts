// The built command line, as a user runs it. `npm test` builds it first.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";

const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "coppice-"));
afterAll(() => rmSync(folder, { recursive: true }));

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs the command; `signal` is sent after `after` milliseconds. */
function run(args: readonly string[], signal?: NodeJS.Signals, after = 0): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [main, ...args], { stdio: ["ignore", "pipe", "pipe"] });
    let out = "";
    let err = "";
    child.stdout.on("data", (text) => (out += text));
    child.stderr.on("data", (text) => (err += text));
    if (signal) setTimeout(() => child.kill(signal), after);
    child.on("close", (code) => resolve({ code, out, err }));
  });
}

describe("the command line", () => {
  test.each([[["demo", "--help"]], [["demo", "-h"]]])("%j gives help with an example", async (args) => {
    const { code, out } = await run(args);
    expect([code, out.includes("npm run demo -- --quick")]).toEqual([0, true]);
  });

  test("without a command it gives help and exit code 2", async () => {
    expect((await run([])).code).toBe(2);
  });

  test.each([
    [["--seed", "x"], '--seed: expected an integer, got "x"'],
    [["--seed="], '--seed: expected an integer, got ""'],
    [["--fast"], "Unknown option '--fast'"],
    [["--out", "/dev/null/x"], "/dev/null"],
    [["--json", "/dev/null/x.json", "--out", folder], "/dev/null"],
  ])("demo %j is refused before any work, in one line", async (args, message) => {
    const { code, out, err } = await run(["demo", "--quick", ...args]);
    expect([code, out]).toEqual([1, ""]);
    expect(err).toContain(message);
    expect(err.trim().split("\n")).toHaveLength(1);
  });

  test.each([
    [[], "experiment: expected one of linear, lenet300, lenet5, resnet8, resnet20, got none"],
    [["lenet"], "experiment: expected one of linear, lenet300, lenet5, resnet8, resnet20, got lenet"],
    [["lenet5", "lenet300"], "got lenet5 lenet300"],
    [["lenet5", "--part", "all"], "experiment lenet5 --part: expected one of bytes, schedules, got all"],
    [["linear", "--part", "bytes"], "experiment linear --part: expected one of schedules, got bytes"],
    [["lenet5", "--part", "schedules", "--cache", "/dev/null/x"], "/dev/null"],
    [["lenet5", "--seeds", "1,,2"], '--seeds: expected an integer, got ""'],
    [["lenet5", "--json", "/dev/null/x.json"], "/dev/null"],
  ])("experiment %j is refused before any work, in one line", async (args, message) => {
    const { code, out, err } = await run(["experiment", ...args]);
    expect([code, out]).toEqual([1, ""]);
    expect(err).toContain(message);
    expect(err.trim().split("\n")).toHaveLength(1);
  });

  test("experiment linear prints its table and writes its figures", async () => {
    const json = join(folder, "linear.json");
    const { code, out } = await run(["experiment", "linear", "--seeds", "1,2", "--json", json]);
    expect([code, out.includes("dense-sparse-dense"), out.includes("2 of 2")]).toEqual([0, true, true]);
    const { schedules } = JSON.parse(readFileSync(json, "utf8"));
    expect([schedules.seeds, schedules.ways.at(-1).exact]).toEqual([[1, 2], 2]);
  });

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("%s in the middle of training ends it, and nothing is left behind", async (signal, wanted) => {
    const out = join(folder, signal);
    const started = performance.now();
    const { code } = await run(["demo", "--quick", "--out", out], signal, 4000);
    expect(code).toBe(wanted);
    // A watchdog, not a measurement: the whole run would take more than half a minute.
    expect(performance.now() - started).toBeLessThan(20_000);
    expect(existsSync(out) ? readdirSync(out) : []).toEqual([]);
  });
});
