// `npm run bench [-- filter ...] [--quick] [--relaxed] [--json FILE]`: the four kernels of the design card against plain typed-array
// JavaScript. A filter is a part of a suite's or a case's name.
import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { codebook } from "./codebook.mjs";
import { contest } from "./contest.mjs";
import { int8 } from "./int8.mjs";
import { layer } from "./layer.mjs";
import { topk } from "./topk.mjs";

const suites = { topk, int8, codebook, layer };

const args = process.argv.slice(2);
const flags = { json: undefined, quick: false, relaxed: false };
const filters = [];
for (let i = 0; i < args.length; i++) {
  if (args[i] === "--json") flags.json = args[++i];
  else if (args[i] === "--quick" || args[i] === "--relaxed") flags[args[i].slice(2)] = true;
  else if (args[i].startsWith("--"))
    throw new Error(`bench: expected --json FILE, --quick or --relaxed, got ${args[i]}`);
  else filters.push(args[i]);
}
const effort = flags.quick ? { rounds: 3, cycle: 0.01 } : { rounds: 21, cycle: 0.02 };

const results = [];
for (const [suite, cases] of Object.entries(suites)) {
  console.log(`\n${suite.padEnd(62)}    coppice      plain JS    times as fast`);
  // V8 builds the variables of a closure into its code as long as there is only one of it. Making every case once beforehand makes
  // all of them alike.
  for (const match of cases(flags.relaxed)) if (!match.name) throw new Error(`${suite}: a case without a name`);
  for (const match of cases(flags.relaxed)) {
    if (filters.length && !filters.some((filter) => suite.includes(filter) || match.name.includes(filter))) continue;
    const result = { suite, ...contest(match, effort) };
    results.push(result);
    const { name, unit, ours, plain, ratio } = result;
    const cell = ({ ms, rate }) => `${ms.toPrecision(3).padStart(9)} ms ${rate.toFixed(2).padStart(7)}`;
    console.log(`  ${name.padEnd(52)} ${cell(ours)} ${cell(plain)} ${unit.padEnd(7)} ${ratio.toFixed(1).padStart(6)}`);
  }
}
if (flags.json) {
  const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  const machine = {
    processor: cpus()[0].model,
    cores: cpus().length,
    system: `${process.platform} ${process.arch}`,
    node: process.version,
    v8: process.versions.v8,
    coppice: version,
    build: flags.relaxed ? "relaxed" : "strict",
  };
  const shown = args.filter((arg, i) => arg !== "--json" && args[i - 1] !== "--json");
  const command = ["npm run bench", ...(shown.length ? ["--", ...shown] : [])].join(" ");
  writeFileSync(flags.json, `${JSON.stringify({ command, machine, effort, results }, null, 2)}\n`);
}
