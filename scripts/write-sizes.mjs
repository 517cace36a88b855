// Puts the sizes of what is shipped into README.md: node scripts/write-sizes.mjs (after `npm run build`).
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { replaceBlock } from "./block.mjs";

const dist = new URL("../dist/", import.meta.url);

/** Files that `entry` of dist imports, itself included. */
function reachable(entry, kernels) {
  const found = new Set([entry]);
  for (const file of found) {
    for (const [, specifier] of readFileSync(new URL(file, dist), "utf8").matchAll(/from\s+"([^"]+)"/g)) {
      const target = specifier.startsWith("#")
        ? `entry/${kernels}.browser.js`
        : new URL(specifier, new URL(file, dist)).href;
      found.add(target.startsWith("file:") ? target.slice(dist.href.length) : target);
    }
  }
  return [...found];
}

const kilobytes = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;
const row = (name, files) => {
  const contents = files.map((file) => readFileSync(new URL(file, dist)));
  const all = Buffer.concat(contents);
  return `| ${name} | ${kilobytes(all.length)} | ${kilobytes(gzipSync(all, { level: 9 }).length)} |`;
};

const run = reachable("index.js", "run");
const full = [...new Set([...reachable("compress/index.js", "full"), ...reachable("train/index.js", "full")])];
const lines = [
  "| | raw | gzip |",
  "|---|--:|--:|",
  row("`run.wasm`: kernels for running", ["wasm/run.wasm"]),
  row("JavaScript for running (`coppice`), not minified", run),
  row("`full.wasm`: kernels for compressing and training too", ["wasm/full.wasm"]),
  row("JavaScript for compressing and training, not minified", full),
];
replaceBlock(fileURLToPath(new URL("../README.md", import.meta.url)), "sizes", lines.join("\n"));
