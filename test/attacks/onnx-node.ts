// ONNX files of one node, read, loaded and run: what comes of them.
import { expect, test } from "vitest";
import type { DType, TypedArray } from "../../src/dtype.js";
import { CoppiceError } from "../../src/errors.js";
import { readOnnx, writeOnnx } from "../../src/formats/onnx/index.js";
import type { Attribute, Body, Graph } from "../../src/graph/graph.js";
import { loadModel } from "../../src/index.js";
import type { SessionOptions } from "../../src/runtime/session.js";
import { showShape, type Tensor } from "../../src/tensor.js";
import { tensorOf } from "./operator-seeds.js";

export type Attributes = Readonly<Record<string, Attribute>>;

/** A value of a text: "f[2,3]" is fed, "F[2,3]" a weight, "name" another node's. */
export interface Line {
  readonly op: string;
  readonly inputs: string;
  readonly attributes?: Attributes;
  /** Names of the outputs; those of the last line are the graph's. */
  readonly outputs?: string;
}

export interface File {
  readonly bytes: Uint8Array;
  readonly feeds: Readonly<Record<string, Tensor>>;
}

/** The nodes, one after another, as a graph and what is to be fed to it. */
export function graphOf(lines: readonly Line[], outputs: readonly DType[] = ["float32"]): Graph & Pick<File, "feeds"> {
  const feeds: Record<string, Tensor> = {};
  const weights = new Map<string, Tensor & { kind: "dense" }>();
  let count = 0;
  const nameOf = (text: string) => {
    if (!/^\w\[/.test(text)) return text;
    const name = `x${count++}`;
    const tensor = tensorOf(text)!;
    if (/^[A-Z]/.test(text)) weights.set(name, { kind: "dense", ...tensor });
    else feeds[name] = tensor;
    return name;
  };
  const nodes = lines.map(
    ({ op, inputs, attributes = {}, outputs: made = outputs.map((_, k) => `y${k}`).join(" ") }, i) => ({
      name: `n${i}`,
      op,
      inputs: inputs === "" ? [] : inputs.split(" ").map(nameOf),
      outputs: made.split(" "),
      attributes,
    }),
  );
  const inputs = Object.entries(feeds).map(([name, { dtype }]) => ({ name, dtype }));
  const last = nodes.at(-1)!.outputs;
  return { name: "g", inputs, outputs: outputs.map((dtype, i) => ({ name: last[i], dtype })), nodes, weights, feeds };
}

export function fileOf(lines: readonly Line[], outputs?: readonly DType[]): File {
  const { feeds, ...graph } = graphOf(lines, outputs);
  return { bytes: writeOnnx(graph), feeds };
}

export async function run({ bytes, feeds }: File, options?: SessionOptions): Promise<readonly Tensor[]> {
  using model = await loadModel(readOnnx(bytes), options);
  return Object.values(model.run<TypedArray>(feeds));
}

/** The error that running ends in. */
export async function refusal(file: File, options?: SessionOptions): Promise<Error> {
  try {
    await run(file, options);
  } catch (error) {
    return error as Error;
  }
  throw new Error("nothing was refused");
}

/** Milliseconds that the process was busy since `start`: other processes on the machine do not count. */
export function busySince(start: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}

/** Class and start of the message of the error, which comes within two seconds. */
export async function expectRefusal(file: File, name: string, start: string, options?: SessionOptions): Promise<void> {
  const started = process.cpuUsage();
  const error = await refusal(file, options);
  expect(busySince(started)).toBeLessThan(2000);
  expect(`${error.name}: ${error.message}`.slice(0, name.length + 2 + start.length)).toBe(`${name}: ${start}`);
  expect(error).toBeInstanceOf(CoppiceError);
  expect(error.message).toMatch(/^.+: expected .+, got /s);
}

/** A body of lines, which may name what is around it; `apart` sets its name and those of its nodes apart from other bodies'. */
export function bodyOf(
  inputs: readonly string[],
  lines: readonly Line[],
  outputs: readonly string[],
  apart = "",
): Body {
  const { nodes, weights } = lines.length > 0 ? graphOf(lines) : { nodes: [], weights: new Map() };
  const own = (name: string) => (weights.has(name) ? `b${apart}.${name}` : name);
  return {
    name: `body${apart}`,
    inputs: inputs.map((name) => ({ name })),
    outputs: outputs.map((name) => ({ name })),
    nodes: nodes.map((node, i) => ({ ...node, name: `b${i}${apart}`, inputs: node.inputs.map(own) })),
    weights: new Map([...weights].map(([name, weight]) => [own(name), weight])),
  };
}

/** "Op input input -> output | Op ..": nodes one after another, the last of which has the attributes. */
export function linesOf(text: string, attributes: Attributes): readonly Line[] {
  const parts = text.split(" | ");
  return parts.map((part, i) => {
    const [, op, inputs = "", outputs] = /^(\w+)(?: (.*?))?(?: -> (.*))?$/.exec(part)!;
    return { op, inputs, outputs, attributes: i === parts.length - 1 ? attributes : {} };
  });
}

/** A tensor in a line. */
export const shown = ({ dtype, shape, data }: Tensor): string =>
  `${dtype} ${showShape(shape)} ${Array.from(data as ArrayLike<number | bigint>, String)}`.trim();

/** A title, nodes as `linesOf` takes them, and what comes of them: how an error starts, or all of a tensor. */
export type Row = readonly [title: string, nodes: string, attributes: Attributes, outcome: string];

export function testRows(rows: readonly Row[]): void {
  test.each(rows)("%s", async (_, nodes, attributes, outcome) => {
    const lines = linesOf(nodes, attributes);
    const [, name, start] = /^(\w+Error): (.*)$/s.exec(outcome) ?? [];
    if (name) return expectRefusal(fileOf(lines), name, start);
    const [y] = await run(fileOf(lines, [outcome.split(" ")[0] as DType]));
    expect(shown(y)).toBe(outcome);
  });
}
