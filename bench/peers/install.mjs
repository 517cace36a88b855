// `npm run bench:peers`: installs what `npm run bench -- --peers` compares with, here and not in the project.
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

// Without scripts: onnxruntime-node's would download what only graphics cards need.
const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
execFileSync("npm", args, { cwd: fileURLToPath(new URL("./", import.meta.url)), stdio: "inherit" });
