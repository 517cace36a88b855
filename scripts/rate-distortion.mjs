// `npm run rate-distortion -- [MODEL ...] [--json FILE] [--quick]`: real networks of the data folder (COPPICE_DATA), compressed to
// several sizes in several ways (bench/curves), and how far their outputs then lie from those of the dense network. A MODEL is a part of
// a network's name; --quick scores fewer examples. FILE is written after each result: what is there already, from the same build, is not
// done again. `node scripts/write-curves.mjs FILE` makes tables of it.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { folder } from "../bench/curves/data.mjs";
import { baselines } from "../bench/curves/families.mjs";
import { networks } from "../bench/curves/networks.mjs";
import { denseResult, prepared, resultOf, targetsOf } from "../bench/curves/run.mjs";
import { mean } from "../bench/curves/score.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const { models, json, quick } = parsed(process.argv.slice(2));
if (!folder) throw new Error("rate-distortion: expected COPPICE_DATA to name the data folder, got nothing");
const run = { build: buildOf(), quick, node: process.version, processor: cpus()[0].model, results: [] };
if (json && existsSync(json)) {
  const before = JSON.parse(readFileSync(json, "utf8"));
  if (before.build === run.build && before.quick === quick) run.results = before.results;
  else console.error(`${json}: made by another build or with other examples, begun anew`);
}

console.log(
  `${"network".padEnd(18)}${"size".padEnd(8)}${"family".padEnd(8)}    bytes   ratio  agreement    mean KL   top-1  seconds`,
);
for (const network of networks.filter(({ id, name }) => chosen(id, name))) await measure(network);

async function measure(network) {
  const jobs = [{ target: "dense", family: "dense" }];
  for (const [name, target] of targetsOf(network)) {
    // At the size that is asked of it, only what the target chooses by itself is of interest.
    const families = "ratio" in target ? ["ours"] : ["ours", ...baselines];
    for (const family of families) jobs.push({ target: name, family, size: target });
  }
  const isDone = ({ target, family }) =>
    run.results.some((r) => r.network === network.name && r.target === target && r.family === family);
  const left = jobs.filter((job) => !isDone(job));
  if (left.length === 0) return;
  const ready = await prepared(network, quick);
  for (const [done, { target, family, size }] of left.entries()) {
    const onProgress = (p) =>
      tell(`${network.name} ${done}/${left.length}: ${target} ${family}, ${p.done}/${p.total} ${p.weight}`);
    const found = size ? await resultOf(ready, family, size, onProgress) : denseResult(ready);
    const result = { network: network.name, target, family, ...found };
    run.results.push(result);
    if (json) writeFileSync(json, textOf(run));
    tell("");
    console.log(lineOf(result));
  }
}

function parsed(args) {
  const found = { models: [], json: undefined, quick: false };
  for (let i = 0; i < args.length; i++) {
    if (args[i] === "--json" && args[i + 1]) found.json = args[++i];
    else if (args[i] === "--quick") found.quick = true;
    else if (args[i].startsWith("--"))
      throw new Error(`rate-distortion: expected --json FILE or --quick, got ${args[i]}`);
    else found.models.push(args[i]);
  }
  const unknown = found.models.find((model) => !networks.some(({ id, name }) => `${id} ${name}`.includes(model)));
  if (unknown) {
    const names = networks.map(({ id }) => id).join(", ");
    throw new Error(`rate-distortion: expected some of ${names}, got ${unknown}`);
  }
  return found;
}

function chosen(id, name) {
  return models.length === 0 || models.some((model) => `${id} ${name}`.includes(model));
}

/** A hash over what is measured and what measures. */
function buildOf() {
  const hash = createHash("sha256");
  const files = (below, endings) =>
    readdirSync(join(root, below), { recursive: true })
      .filter((name) => endings.some((ending) => name.endsWith(ending)))
      .sort()
      .map((name) => join(below, name));
  for (const file of [...files("dist", [".js", ".wasm"]), ...files("bench/curves", [".mjs"])]) {
    hash.update(file).update(readFileSync(join(root, file)));
  }
  return hash.digest("hex").slice(0, 12);
}

/** One line for each result; values of examples in few digits. */
function textOf({ results, ...rest }) {
  const short = (_, value) =>
    typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value;
  const lines = results.map((result) => JSON.stringify(result, short));
  return `${JSON.stringify(rest).slice(0, -1)},"results":[\n${lines.join(",\n")}\n]}\n`;
}

function lineOf({ network, target, family, cannot, bytes, ratio, agreement, kl, top1, seconds }) {
  const start = `${network.padEnd(18)}${target.padEnd(8)}${family.padEnd(8)}`;
  if (cannot) return `${start} ${cannot}`;
  const cells = [
    `${bytes}`.padStart(9),
    `${ratio.toFixed(2)}x`.padStart(8),
    mean(agreement).toFixed(4).padStart(11),
    mean(kl).toFixed(5).padStart(11),
    (top1 ? mean(top1).toFixed(4) : "").padStart(8),
    (seconds?.toFixed(1) ?? "").padStart(9),
  ];
  return start + cells.join("");
}

/** One line on a terminal, written over by the next. */
function tell(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[2K${text.slice(0, process.stderr.columns ?? 80)}`);
}
