// The node cases of the ONNX backend test suite: every one whose operators and element types are run here passes.
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const archive = join(process.env.COPPICE_DATA ?? "", "onnx-node-v1.21", "data.tar.xz");
const missing = existsSync(archive) ? "" : " (skipped: COPPICE_DATA names no folder with onnx-node-v1.21/data.tar.xz)";

test.skipIf(missing !== "")(`ONNX node suite v1.21${missing}`, { timeout: 300_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), "coppice-suite-"));
  try {
    execFileSync("tar", ["-xJf", archive, "-C", folder]);
    const script = fileURLToPath(new URL("../scripts/conformance.mjs", import.meta.url));
    const json = join(folder, "report.json");
    try {
      execFileSync(process.execPath, [script, join(folder, "node"), "--json", json], { stdio: "pipe" });
    } catch (error) {
      if (!existsSync(json)) throw error;
    }
    const report = JSON.parse(readFileSync(json, "utf8"));
    expect(report.failed).toEqual([]);
    expect(report.total).toBe(1678);
    expect(report.passed).toBeGreaterThanOrEqual(1431);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
