// Puts a run of `npm run rate-distortion -- --json FILE` into docs/benchmarks.md and docs/curves.svg: node scripts/write-curves.mjs FILE
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { comparisons, enough } from "../bench/curves/comparison.mjs";
import { baselines } from "../bench/curves/families.mjs";
import { reachedBy } from "../bench/curves/goals.mjs";
import { networks as known } from "../bench/curves/networks.mjs";
import { plot } from "../bench/curves/plot.mjs";
import { targetsOf } from "../bench/curves/run.mjs";
import { mean } from "../bench/curves/score.mjs";
import { replaceBlock } from "./block.mjs";

const path = (name) => fileURLToPath(new URL(`../docs/${name}`, import.meta.url));
const page = path("benchmarks.md");
const [file] = process.argv.slice(2);
if (!file) throw new Error("write-curves: expected a file of `npm run rate-distortion -- --json FILE`, got none");
const { results: found, processor, node, quick } = JSON.parse(readFileSync(file, "utf8"));
if (quick) throw new Error(`write-curves: expected a whole run, got ${file} of --quick`);
// A run that was taken up again has its results in another order.
const results = known.flatMap((network) =>
  ["dense", ...targetsOf(network).keys()].flatMap((target) =>
    ["dense", "ours", ...baselines].flatMap((family) =>
      found.filter((r) => r.network === network.name && r.target === target && r.family === family),
    ),
  ),
);
const networks = [...new Set(results.map(({ network }) => network))];

replaceBlock(page, "curve-goals", [...goals(), "", ...against()].join("\n"));
replaceBlock(page, "curves", networks.flatMap(figures).join("\n"));
writeFileSync(path("curves.svg"), plot(results));

function goals() {
  const lines = [
    `Measured with Node ${node.slice(1)} on ${processor}, one thread used.`,
    "",
    "| network | ratio to f32 | to f16 | bytes | asked | got | |",
    "|---|--:|--:|--:|---|--:|---|",
  ];
  for (const { network, asked, text, reached, result } of reachedBy(results)) {
    const { ratio, bytes } = result;
    // Ratios are rounded down: what is asked for is at least so much.
    const cells = [
      network,
      times(ratio),
      times(ratio / 2),
      whole(bytes),
      asked,
      text,
      reached ? "reached" : "**missed**",
    ];
    lines.push(`| ${cells.join(" | ")} |`);
  }
  return lines;
}

function against() {
  const lines = [
    "| network | bits | ours, mean KL | best of one storage | its mean KL | ours - that, 95 % | smaller by | asked | passed by |",
    "|---|--:|--:|---|--:|--:|--:|---|---|",
  ];
  const reached = {};
  for (const network of networks) {
    for (const row of comparisons(results.filter((result) => result.network === network))) {
      const { target, ours, best, difference, within, better, goal, below, missing } = row;
      if (goal) reached[target] = (reached[target] ?? 0) + (better >= goal && missing.length === 0 ? 1 : 0);
      const answer = better >= goal ? (missing.length > 0 ? "open" : "reached") : "missed";
      const cells = [
        network,
        target.split(" ")[0],
        small(mean(ours.kl)),
        missing.length > 0 ? `${best.family} (${missing.join(", ")} not run)` : best.family,
        small(mean(best.kl)),
        `${small(difference)} ± ${small(within)}`,
        `${(100 * better).toFixed(1)} %`,
        goal ? `${100 * goal} %: ${answer}` : "",
        below.length === 0 ? "none" : `**${below.join(", ")}**`,
      ];
      lines.push(`| ${cells.join(" | ")} |`);
    }
  }
  const counts = Object.entries(reached).map(([target, n]) => `${n} networks at ${target} a weight`);
  return [
    ...lines,
    "",
    `Smaller by 5 % or more than every storage alone: ${counts.join(", ")}; at least ${enough} are asked for.`,
  ];
}

function figures(network) {
  const own = results.filter((result) => result.network === network);
  const dense = own.find(({ target }) => target === "dense");
  const labelled = dense.top1 !== undefined;
  const lines = ["", `**${network}**`, ""];
  lines.push(`| size | family | file bytes | ratio | agreement | mean KL |${labelled ? " top-1 |" : ""} seconds |`);
  lines.push(`|---|---|--:|--:|--:|--:|${labelled ? "--:|" : ""}--:|`);
  for (const { target, family, cannot, bytes, ratio, agreement, kl, top1, seconds } of own) {
    const start = [target === "dense" ? "" : target, family];
    const cells = cannot
      ? ["cannot", "", "", "", ...(labelled ? [""] : []), ""]
      : [
          whole(bytes),
          times(ratio),
          percent(mean(agreement)),
          small(mean(kl)),
          ...(labelled ? [percent(mean(top1))] : []),
          seconds?.toFixed(1) ?? "",
        ];
    lines.push(`| ${[...start, ...cells].join(" | ")} |`);
  }
  return lines;
}

function whole(value) {
  return value.toLocaleString("en-US");
}

function times(ratio) {
  return `${(Math.floor(100 * ratio) / 100).toFixed(2)}x`;
}

function percent(part) {
  return `${(100 * part).toFixed(2)} %`;
}

/** Three digits, never in powers of ten. */
function small(value) {
  if (value === 0) return "0";
  return value.toFixed(Math.max(0, Math.min(9, 2 - Math.floor(Math.log10(Math.abs(value))))));
}
