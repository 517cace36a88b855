// Checks the figures that `npm run demo` wrote against what they must be: node scripts/check-demo.mjs FIGURES.json FILE.coppice
// [--quick]. The quick run learns from fewer images, so its limits are looser.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

const [figuresFile, coppiceFile, mode] = process.argv.slice(2);
const quick = mode === "--quick";
const { dense, pruned, coppice, layers } = JSON.parse(readFileSync(figuresFile, "utf8"));
const file = readFileSync(coppiceFile);

const parameters = 431_080;
const limits = quick ? { dense: 3, coppice: 4.5, ratio: 100 } : { dense: 1.3, coppice: 1.4, ratio: 150 };
const facts = [
  [`dense error ${dense.error} % <= ${limits.dense} %`, dense.error <= limits.dense],
  [`coppice error ${coppice.error} % <= ${limits.coppice} %`, coppice.error <= limits.coppice],
  [`ratio ${coppice.ratio.toFixed(1)} >= ${limits.ratio}`, coppice.ratio >= limits.ratio],
  [`dense bytes ${dense.bytes} = 4 x ${parameters}`, dense.bytes === 4 * parameters],
  [`file of ${file.length} bytes = ${coppice.bytes}`, file.length === coppice.bytes],
  ["ratio = dense bytes / bytes of the file", Math.abs(coppice.ratio * file.length - dense.bytes) < 1e-6 * dense.bytes],
  ["sha256 is that of the file", createHash("sha256").update(file).digest("hex") === coppice.sha256],
  [`${pruned.cycles.length} cycles >= 3`, pruned.cycles.length >= 3],
  ["weights were revived in every cycle but the first", pruned.cycles.slice(1).every(({ revived }) => revived > 0)],
  [`last cycle's sparsity ${pruned.cycles.at(-1).to} >= 0.9`, pruned.cycles.at(-1).to >= 0.9],
  ["a layer is stored factored", layers.some(({ storage }) => storage === "factored")],
  ["times are positive", dense.msPerImage > 0 && coppice.msPerImage > 0],
];
for (const [fact, holds] of facts) console.log(`${holds ? "ok  " : "FAIL"} ${fact}`);
process.exitCode = facts.every(([, holds]) => holds) ? 0 : 1;
