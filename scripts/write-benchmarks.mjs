// Puts runs of `npm run bench -- --json FILE` into docs/benchmarks.md: node scripts/write-benchmarks.mjs FILE ...
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { reachedBy } from "../bench/goals.mjs";
import { shareOf } from "../bench/roofline.mjs";
import { replaceBlock } from "./block.mjs";

const page = fileURLToPath(new URL("../docs/benchmarks.md", import.meta.url));
const runs = process.argv.slice(2).map((file) => JSON.parse(readFileSync(file, "utf8")));
if (runs.length === 0) throw new Error("write-benchmarks: expected files of `npm run bench -- --json FILE`, got none");

replaceBlock(page, "machine", runs.map(machineOf).join("\n"));
replaceBlock(page, "goals", goalsOf().join("\n"));
replaceBlock(page, "figures", runs.flatMap(figuresOf).join("\n"));

function titleOf({ machine, versions }) {
  return `Node ${versions.node.slice(1)}, ${machine.build}`;
}

function machineOf(run) {
  const { machine, versions } = run;
  const { peaks, effort } = machine;
  const { node, v8, coppice, ...peers } = versions;
  const names = Object.entries(peers).map(([name, version]) => `${name} ${version}`);
  return [
    `- **${titleOf(run)}** (V8 ${v8}), coppice ${coppice}: \`${machine.command}\`, ${effort.rounds} rounds of ${1000 * effort.cycle} ms a`,
    `  contestant, on ${machine.processor}, ${machine.cores} cores, one thread used, ${machine.memory}, ${machine.system}. One core reaches`,
    `  ${peaks.f32.toFixed(1)} GFLOP/s in f32 and ${peaks.int8.toFixed(1)} Gop/s in int8, and reads ${peaks.l2.toFixed(0)} GB/s from L2 and ` +
      `${peaks.memory.toFixed(0)} GB/s from memory.${names.length ? ` Peers: ${names.join(", ")}.` : ""}`,
  ].join("\n");
}

function goalsOf() {
  const answers = runs.map(reachedBy);
  const keys = new Map();
  for (const goal of answers.flat()) keys.set(goal.line, goal);
  const lines = [
    `| what | against | goal | stretch | ${runs.map(titleOf).join(" | ")} |`,
    `|---|---|--:|--:|${runs.map(() => "--:").join("|")}|`,
  ];
  for (const { line, what, peer, goal, stretch } of [...keys.values()].sort((a, b) => a.line - b.line)) {
    const cells = answers.map((goals) => {
      const found = goals.find((other) => other.line === line);
      return found ? reachedCell(found) : "";
    });
    lines.push(`| ${[what, peer, goal, stretch ?? "", ...cells].join(" | ")} |`);
  }
  return lines;
}

/** The median, the range where there are several cases, and whether that is the goal. */
function reachedCell({ reached, least, most, cases, goal, stretch }) {
  const range = cases > 1 ? ` (${times(least)} to ${times(most)})` : "";
  const mark = stretch !== undefined && reached >= stretch ? "**stretch**" : reached >= goal ? "reached" : "missed";
  return `${times(reached)}${range} ${mark}`;
}

function figuresOf(run) {
  const lines = ["", `### ${titleOf(run)}`];
  const titles = [...new Set(run.rows.map((row) => row.case))];
  for (const title of titles) {
    const rows = run.rows.filter((row) => row.case === title);
    const peers = [...new Set(rows.flatMap((row) => Object.keys(row.peers)))];
    const { unit } = rows[0].ours;
    lines.push("", `**${title}**`, "");
    lines.push(`| shape | coppice ms | ${unit} | of peak |${peers.map((peer) => ` ${peer} ms | times |`).join("")}`);
    lines.push(`|---|--:|--:|--:|${peers.map(() => "--:|--:|").join("")}`);
    for (const { shape, ours, peers: others } of rows) {
      const share = shareOf(ours, run.machine.peaks);
      const cells = peers.flatMap((peer) =>
        others[peer] ? [time(others[peer].ms), times(others[peer].ratio)] : ["", ""],
      );
      const part = share === undefined ? "" : `${Math.round(100 * share)} %`;
      lines.push(`| ${[shape, time(ours.ms), ours.rate.toFixed(2), part, ...cells].join(" | ")} |`);
    }
  }
  return lines;
}

/** Three digits, never in powers of ten. */
function time(value) {
  return value >= 100 ? value.toFixed(0) : value.toFixed(Math.min(6, 2 - Math.floor(Math.log10(value))));
}

function times(ratio) {
  return ratio.toFixed(ratio < 10 ? 2 : 1);
}
