// Puts the figures of `npm run bench -- --json FILE` into docs/benchmarks.md: node scripts/write-benchmarks.mjs FILE
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { replaceBlock } from "./block.mjs";

const { command, machine, effort, results } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const page = fileURLToPath(new URL("../docs/benchmarks.md", import.meta.url));

const titles = {
  topk: "Exact magnitude top-k",
  int8: "int8 quantization, a scale per row",
  codebook: "CSR sparse x dense codebook product",
  layer: "Layer forward",
};

const lines = [
  `${machine.processor}, ${machine.cores} cores, one thread used, ${machine.system}; Node ${machine.node.slice(1)} (V8 ${machine.v8});`,
  `coppice ${machine.coppice}, ${machine.build} build; \`${command}\`; ${effort.rounds} rounds of ${1000 * effort.cycle} ms a contestant.`,
];
for (const suite of new Set(results.map((result) => result.suite))) {
  const group = results.filter((result) => result.suite === suite);
  const { unit } = group[0];
  lines.push("", `### ${titles[suite]}`, "");
  lines.push(
    `| case | coppice ms | ${unit} | plain JavaScript ms | ${unit} | times as fast |`,
    "|---|--:|--:|--:|--:|--:|",
  );
  for (const { name, ours, plain, ratio } of group) {
    const cells = [ours, plain].flatMap(({ ms, rate }) => [milliseconds(ms), rate.toFixed(2)]);
    lines.push(`| ${[name, ...cells, ratio.toFixed(1)].join(" | ")} |`);
  }
}
replaceBlock(page, "figures", lines.join("\n"));

/** Three digits, never in powers of ten. */
function milliseconds(value) {
  return value >= 100 ? value.toFixed(0) : value.toFixed(Math.min(6, 2 - Math.floor(Math.log10(value))));
}
