// The gradient of an operator against central differences of its f64 twin: its inputs are the weights of a network of one node, so that
// one step of descent tells all of them.
import { expect, test } from "vitest";
import type { Attribute, Graph } from "../../src/graph/graph.js";
import type { Weight } from "../../src/graph/weight.js";
import { runReference } from "../reference/network.js";
import { normals } from "./kernels.js";
import { fed, sizeOf } from "./network.js";
import { batch, descent, expectGradients, train } from "./training.js";

export type Shape = readonly number[];
/** A shape has random values, and a gradient; numbers are what an input holds for good. */
export type Input =
  | Shape
  | { readonly held: readonly number[]; readonly shape?: Shape; readonly dtype?: "bool" | "float32" }
  | "";
export type Case = readonly [
  op: string,
  inputs: readonly Input[],
  attributes?: Record<string, Attribute>,
  outputs?: number,
];

/** An input of whole numbers. */
export const ints = (...held: number[]): Input => ({ held });

export interface Options {
  /** Makes a value of a normal one, where not all of them are in the domain or away from an edge. */
  readonly value?: (v: number, i: number) => number;
  readonly tolerance?: number;
}

function weightOf(input: Exclude<Input, "">, seed: number, value: (v: number, i: number) => number): Weight {
  if (!("held" in input)) {
    const data = normals(sizeOf(input), seed).map(value);
    return { kind: "dense", shape: input, dtype: "float32", data };
  }
  const { held, shape = [held.length], dtype } = input;
  if (dtype === "float32") return { kind: "dense", shape, dtype, data: Float32Array.from(held) };
  if (dtype === "bool") return { kind: "dense", shape, dtype, data: Uint8Array.from(held) };
  return { kind: "dense", shape, dtype: "int64", data: BigInt64Array.from(held, BigInt) };
}

/** All outputs of the node beside one another in one row, and its shape. */
function networkOf([op, inputs, attributes = {}, outputs = 1]: Case, options: Options = {}): Graph {
  const { value = (v: number) => v } = options;
  const weights = new Map<string, Weight>();
  const names = inputs.map((input, i) => {
    if (input === "") return "";
    weights.set(`w${i}`, weightOf(input, 70 + i, value));
    return `w${i}`;
  });
  weights.set("row", { kind: "dense", shape: [1], dtype: "int64", data: BigInt64Array.of(-1n) });
  const made = Array.from({ length: outputs }, (_, i) => `y${i}`);
  const nodes = [{ name: "node", op, inputs: names, outputs: made, attributes }];
  const flat = made.map((name, i) => ({
    name: `row ${i}`,
    op: "Reshape",
    inputs: [name, "row"],
    outputs: [`row${i}`],
    attributes: {},
  }));
  const all = {
    name: "all",
    op: "Concat",
    inputs: flat.map((node) => node.outputs[0]),
    outputs: ["y"],
    attributes: { axis: 0 },
  };
  return {
    name: `${op} ${JSON.stringify(inputs)} ${JSON.stringify(attributes)}`,
    inputs: [{ name: "x", dtype: "float32", shape: [1] }],
    outputs: [{ name: "y", dtype: "float32" }],
    nodes: [...nodes, ...flat, all],
    weights,
    opset: new Map([["", 23]]),
  };
}

/** One case. */
export async function check(given: Case, options: Options = {}): Promise<void> {
  const graph = networkOf(given, options);
  const inputs = { x: fed([1], 1) };
  const { shape, data } = runReference(graph, inputs).get("y")!;
  expect(data.every(Number.isFinite)).toBe(true);
  const target = normals(sizeOf(shape), 900);
  const trained = given[1].flatMap((input, i) => (input === "" || "held" in input ? [] : [`w${i}`]));
  await expectGradients(graph, batch(inputs, target), "meanSquaredError", options.tolerance ?? 5e-5, trained);
}

/** One step of training, for what it throws. */
export async function refused(given: Case): Promise<void> {
  const data = [batch({ x: fed([1], 1) }, new Float32Array(1))];
  await train(networkOf(given), { ...descent, data, loss: "meanSquaredError" });
}

/** Tests named by what is checked. */
export function checks(cases: readonly Case[], options: Options = {}): void {
  test.each(cases.map((given) => [JSON.stringify(given), given] as const))("%s", (_, given) => check(given, options));
}
