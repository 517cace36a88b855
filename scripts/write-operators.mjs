// Puts the operators that run, and what a run of the ONNX node suite leaves out, into docs/operators.md:
// npm run conformance -- DIR --json FILE && node scripts/write-operators.mjs FILE (after `npm run build`).
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { controls, operators } from "../dist/ops/registry.js";
import { replaceBlock } from "./block.mjs";

const page = fileURLToPath(new URL("../docs/operators.md", import.meta.url));
const { total, supported, passed, unsupported } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const names = [...operators.keys(), ...controls].sort((a, b) => (a.toLowerCase() < b.toLowerCase() ? -1 : 1));

replaceBlock(page, "operators", `${names.length} operators:\n\n${names.join(", ")}.`);
replaceBlock(
  page,
  "suite",
  [
    `${total} cases, ${supported} of them supported, ${passed} passed. Outside, with the number of cases:`,
    "",
    "| what | cases |",
    "|---|--:|",
    ...Object.entries(unsupported).map(([what, count]) => `| ${what} | ${count} |`),
  ].join("\n"),
);
