// Prints the first JavaScript block of README.md: .ci/run runs it from the packed package.
import { readFileSync } from "node:fs";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const block = /```js\n([\s\S]*?)```/.exec(readme);
if (!block) throw new Error("README.md: expected a block of JavaScript, got none");
process.stdout.write(block[1]);
