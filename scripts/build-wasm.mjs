// Compiles the two modules (run: inference, full: compression and training too).
// `node scripts/build-wasm.mjs` builds strict and relaxed into dist/wasm, `... debug` the asserting build into build/wasm.
import { mkdirSync } from "node:fs";
import asc from "assemblyscript/asc";

const debug = process.argv[2] === "debug";
const folder = debug ? "build/wasm" : "dist/wasm";
mkdirSync(folder, { recursive: true });
for (const module of ["run", "full"]) {
  for (const target of debug ? ["debug"] : ["strict", "relaxed"]) {
    const suffix = target === "strict" ? "" : `.${target}`;
    const { error, stderr } = await asc.main([
      `assembly/${module}.ts`,
      "--config",
      "asconfig.json",
      "--target",
      target,
      "--outFile",
      `${folder}/${module}${suffix}.wasm`,
    ]);
    if (error) {
      process.stderr.write(`${stderr.toString()}\n`);
      process.exit(1);
    }
  }
}
