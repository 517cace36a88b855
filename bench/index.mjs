// `npm run bench -- [FILTER ...] [--peers] [--relaxed] [--quick] [--json FILE]`: coppice against plain typed-array JavaScript, and
// with --peers against the packages that `npm run bench:peers` installs. A filter is a part of a suite's, a case's or a shape's name.
// `npm run bench -- crossover [FILTER ...]`: where one way of computing overtakes another (crossover.mjs).
// `npm run bench -- entropy [FILTER ...]`: the entropy coder on the networks of the data folder (entropy.mjs).
// `npm run bench -- loading [FILTER ...]`: how long files of 1 MB take to load, and the worst of 64 KiB (loading.mjs).
// `npm run bench -- checkpoints [FILTER ...]`: what share of a training checkpoints take (checkpoints.mjs).
import { readFileSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { activation } from "./activation.mjs";
import { codebook } from "./codebook.mjs";
import { contest } from "./contest.mjs";
import { factored } from "./factored.mjs";
import { gradient } from "./gradient.mjs";
import { conversion, int8 } from "./int8.mjs";
import { integer } from "./integer.mjs";
import { layer } from "./layer.mjs";
import { models } from "./models.mjs";
import { Peers } from "./peers/index.mjs";
import { conv, gemm, gemv } from "./product.mjs";
import { roofline, shareOf } from "./roofline.mjs";
import { sparse } from "./sparse.mjs";
import { startup } from "./startup.mjs";
import { threads } from "./threads.mjs";
import { selection, topk } from "./topk.mjs";

// Memory that grows detaches its buffer, after which the V8 of Node 20 runs every loop over typed arrays a third slower (measured).
// So whatever is measured against JavaScript comes first, in memories that never grow, and what grows memories after it.
const againstJavaScript = { topk, int8, codebook, layer };
const throughSessions = {
  startup,
  models,
  gemm,
  gemv,
  conv,
  sparse,
  factored,
  integer,
  activation,
  selection,
  conversion,
  gradient,
  threads,
};

const { filters, peers: wanted, relaxed, quick, json } = parsed(process.argv.slice(2));
if (filters[0] === "crossover") {
  const { crossover } = await import("./crossover.mjs");
  await crossover({ relaxed, quick, filters: filters.slice(1) });
  process.exit(0);
}
if (filters[0] === "entropy") {
  const { entropy } = await import("./entropy.mjs");
  await entropy({ relaxed, quick, filters: filters.slice(1) });
  process.exit(0);
}
if (filters[0] === "loading") {
  const { loading } = await import("./loading.mjs");
  await loading({ quick, filters: filters.slice(1) });
  process.exit(0);
}
if (filters[0] === "checkpoints") {
  const { checkpoints } = await import("./checkpoints.mjs");
  await checkpoints({ filters: filters.slice(1) });
  process.exit(0);
}
if (relaxed) checkRelaxed();
const effort = quick ? { rounds: 3, cycle: 0.01 } : { rounds: 9, cycle: 0.02 };
const peers = new Peers(wanted);
const options = { relaxed, peers };

const peaks = roofline(quick);
console.log(
  `one core: ${peaks.f32.toFixed(1)} GFLOP/s f32, ${peaks.int8.toFixed(1)} Gop/s int8, ` +
    `reads ${peaks.l2.toFixed(1)} GB/s from L2, ${peaks.memory.toFixed(1)} from memory`,
);
const rows = [];
const failures = [];
for (const [name, suite] of Object.entries({ ...againstJavaScript, ...throughSessions })) {
  const cases = [...suite(options)].filter((entry) => chosen(name, entry));
  if (cases.length === 0) continue;
  console.log(`\n${name.padEnd(85)} coppice               of peak   times as fast as`);
  // V8 builds the variables of a closure into its code as long as there is only one of it. Making every case once beforehand makes
  // all of them alike.
  if (name in againstJavaScript) for (const entry of cases) await entry.prepare();
  for (const entry of cases) await compete(entry);
}
for (const [name, error] of peers.troubles) console.log(`\n${name} could not take part: ${briefly(error)}`);
for (const error of failures) console.error(`\nFAILED ${error.message}`);
if (json) writeFileSync(json, `${JSON.stringify({ machine: machine(), versions: versions(), rows }, null, 2)}\n`);
process.exit(failures.length ? 1 : 0);

function parsed(args) {
  const found = { filters: [], peers: false, relaxed: false, quick: false, json: undefined };
  for (let i = 0; i < args.length; i++) {
    if (args[i] === "--json" && args[i + 1]) found.json = args[++i];
    else if (["--peers", "--relaxed", "--quick"].includes(args[i])) found[args[i].slice(2)] = true;
    else if (args[i].startsWith("--")) {
      throw new Error(`bench: expected --json FILE, --peers, --relaxed or --quick, got ${args[i]}`);
    } else found.filters.push(args[i]);
  }
  return found;
}

function chosen(suite, entry) {
  const names = [suite, entry.case, entry.shape];
  return filters.length === 0 || filters.some((filter) => names.some((name) => name.includes(filter)));
}

async function compete(entry) {
  const title = `  ${`${entry.case}: ${entry.shape}`.padEnd(83)}`;
  let match;
  try {
    match = { ...entry, ...(await entry.prepare()) };
    const row = await contest(match, match.ours.once ? { ...effort, rounds: Math.min(effort.rounds, 7) } : effort);
    rows.push(row);
    console.log(`${title} ${figures(row)}`);
  } catch (error) {
    failures.push(error);
    console.log(`${title} FAILED: ${error.message}`);
  }
  for (const contestant of match ? [match.ours, ...Object.values(match.peers)] : []) await contestant.dispose?.();
}

function figures({ ours, peers: others }) {
  const share = shareOf(ours, peaks);
  const part = share === undefined ? "" : `${Math.round(100 * share)} %`;
  const ratios = Object.entries(others).map(([name, { ratio }]) => `${name} ${ratio.toFixed(ratio < 10 ? 2 : 1)}`);
  const time = `${ours.ms.toPrecision(3).padStart(8)} ms`;
  return `${time} ${ours.rate.toFixed(2).padStart(7)} ${ours.unit.padEnd(12)} ${part.padStart(5)}   ${ratios.join(", ")}`;
}

function briefly(error) {
  return `${error.message ?? error}`.slice(0, 300);
}

function checkRelaxed() {
  const bytes = readFileSync(new URL("../dist/wasm/full.relaxed.wasm", import.meta.url));
  if (!WebAssembly.validate(bytes))
    throw new Error(`bench: expected relaxed SIMD, got Node ${process.version} without it`);
}

function machine() {
  const shown = process.argv.slice(2).filter((arg, i, args) => arg !== "--json" && args[i - 1] !== "--json");
  return {
    processor: cpus()[0].model,
    cores: cpus().length,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `${process.platform} ${process.arch}`,
    peaks,
    build: relaxed ? "relaxed" : "strict",
    command: ["npm run bench", ...(shown.length ? ["--", ...shown] : [])].join(" "),
    effort,
  };
}

function versions() {
  const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  return { coppice: version, node: process.version, v8: process.versions.v8, ...peers.versions };
}
