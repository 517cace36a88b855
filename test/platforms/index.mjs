// `npm run test:platforms [-- --write]`: the packed package on every JavaScript runtime; all hashes must be equal.
// --write puts the table into docs/platforms.md.
import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { replaceBlock } from "../../scripts/block.mjs";
import { runtimes } from "./runtimes.mjs";

const here = fileURLToPath(new URL("./", import.meta.url));
const root = fileURLToPath(new URL("../../", import.meta.url));

install();
// Outside the repository, where nothing of it (Bun would read its tsconfig.json) can help.
const folder = mkdtempSync(join(tmpdir(), "coppice-platforms-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
stage();
const rows = [];
let failed = 0;
let reference;
for (const [name, start] of runtimes) {
  try {
    const result = await start(folder);
    if (!result) {
      rows.push([name, "skipped: not installed", "", ""]);
      continue;
    }
    const { version, found } = result;
    const { loadMs, ...same } = found;
    reference ??= same;
    const equal = JSON.stringify(same) === JSON.stringify(reference);
    if (!equal) failed++;
    const hash = [same.weights, same.file, same.logits].map((part) => part.slice(0, 8)).join(" ");
    rows.push([name, version, equal ? hash : `${hash} DIFFERS`, loadMs.toFixed(1)]);
  } catch (error) {
    failed++;
    rows.push([name, "FAILED", "", ""]);
    console.error(`${name}: ${error.stderr || error.stack}\n`);
  }
}

const head = ["runtime", "version", "SHA-256 of weights, file, logits", "load ms"];
const widths = head.map((title, c) => Math.max(title.length, ...rows.map((row) => row[c].length)));
const line = (cells) => `| ${cells.map((cell, c) => cell.padEnd(widths[c])).join(" | ")} |`;
const table = [line(head), `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`, ...rows.map(line)].join("\n");
console.log(table);
console.log(failed ? `\n${failed} of ${rows.length} failed` : "\nall hashes are equal");
if (process.argv.includes("--write")) replaceBlock(join(root, "docs/platforms.md"), "platforms", table);
process.exitCode = failed ? 1 : 0;

/** The runtimes, from npm; what is there already stays. */
function install() {
  const lock = readFileSync(join(here, "package-lock.json"), "utf8");
  const stamp = join(here, "node_modules/.installed");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === lock) return;
  execFileSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], { cwd: here, stdio: ["ignore", 2, 2] });
  writeFileSync(stamp, lock);
}

/** The package as it would be installed, and the test beside it. */
function stage() {
  if (!existsSync(join(root, "dist/index.js"))) throw new Error("dist is missing: run `npm run build`");
  const target = join(folder, "node_modules/coppice");
  mkdirSync(target, { recursive: true });
  execFileSync("npm", ["pack", "--ignore-scripts", "--silent", "--pack-destination", folder], { cwd: root });
  const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz"));
  execFileSync("tar", ["-xzf", join(folder, tarball), "-C", target, "--strip-components=1"]);
  for (const name of ["smoke.mjs", "main.mjs", "worker.mjs", "workerd.capnp", "page.html"]) {
    copyFileSync(join(here, name), join(folder, name));
  }
  writeFileSync(join(folder, "package.json"), '{ "private": true, "type": "module" }\n');
}
