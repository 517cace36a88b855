// `node scripts/readme-example.mjs N` prints the N-th JavaScript block of README.md, from 1: .ci/run runs them from the packed package.
import { readFileSync } from "node:fs";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const block = [...readme.matchAll(/```js\n([\s\S]*?)```/g)][Number(process.argv[2]) - 1];
if (!block) throw new Error(`README.md: expected block ${process.argv[2]} of JavaScript, got none`);
process.stdout.write(block[1]);
