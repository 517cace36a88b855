// Node, Deno and Bun: prints what smoke.mjs found as one line of JSON.
import { smoke } from "./smoke.mjs";

console.log(JSON.stringify(await smoke()));
