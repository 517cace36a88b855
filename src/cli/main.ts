#!/usr/bin/env node
import { parseArgs } from "node:util";
import { CoppiceError } from "../errors.js";
import { demo } from "./demo.js";
import { stopBars } from "./progress.js";
import { removeUnfinished } from "./write.js";

const help = `coppice demo: train, prune in cycles, decompose, write, load and run LeNet-5 on MNIST

  npm run demo -- [--quick] [--seed N] [--out DIR] [--json FILE]

  --quick      10,000 training images instead of 55,000: well under 90 seconds
  --seed N     another run, just as repeatable (default 1)
  --out DIR    where lenet5.coppice is written (default demo-out)
  --json FILE  the figures, for programs
  --help       this text

  npm run demo -- --quick --json demo-out/figures.json
`;

async function main(args: string[]): Promise<number> {
  if (args[0] !== "demo" || args.some((arg) => arg === "--help" || arg === "-h")) {
    process.stdout.write(help);
    return args[0] === "demo" || args.some((arg) => arg === "--help" || arg === "-h") ? 0 : 2;
  }
  const { values } = parseArgs({
    args: args.slice(1),
    options: {
      quick: { type: "boolean", default: false },
      seed: { type: "string", default: "1" },
      out: { type: "string", default: "demo-out" },
      json: { type: "string" },
    },
  });
  if (!/^-?\d{1,15}$/.test(values.seed)) throw new RangeError(`--seed: expected an integer, got "${values.seed}"`);
  const seed = Number(values.seed);
  await demo({ quick: values.quick, seed, out: values.out, json: values.json });
  return 0;
}

/** A system's own error names what it could not do; its stack tells a user nothing. */
function isExpected(error: unknown): error is Error {
  const system = error instanceof Error && "syscall" in error;
  return system || error instanceof CoppiceError || error instanceof TypeError || error instanceof RangeError;
}

// Nothing half-written stays behind, and the terminal is given back.
for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const) {
  process.on(signal, () => {
    stopBars();
    removeUnfinished();
    process.exit(code);
  });
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    stopBars();
    process.stderr.write(
      `${isExpected(error) ? error.message : error instanceof Error ? error.stack : String(error)}\n`,
    );
    process.exitCode = 1;
  },
);
