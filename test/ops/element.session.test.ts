// Views of memory that are kept from run to run, and what becomes of them when the memory grows.
import { describe, expect, test } from "vitest";
import { createEngine } from "../../src/kernels/engine.js";
import { elementsOf, viewing } from "../../src/ops/element.js";
import { Model } from "../../src/runtime/session.js";
import type { Tensor } from "../../src/tensor.js";
import { normals } from "../support/kernels.js";
import { runModule } from "../support/network.js";
import { ints, networkOf, tensor } from "../support/one-node.js";

describe("a view of memory", () => {
  test("is the same until the memory grows, then one of what stands there now", () => {
    const { kernels, arena } = createEngine(runModule);
    const slot = { pointer: arena.alloc(16), shape: [2, 2], dtype: "float16" } as const;
    const first = elementsOf(kernels, slot);
    expect(first).toBeInstanceOf(Float32Array);
    first[3] = 7;
    expect(elementsOf(kernels, slot)).toBe(first);
    kernels.memory.grow(1);
    const second = elementsOf(kernels, slot);
    expect([first.length, second.length, second[3]]).toEqual([0, 4, 7]);
    expect(elementsOf(kernels, slot)).toBe(second);
  });

  test("at any place is another for another place", () => {
    const { kernels, arena } = createEngine(runModule);
    const [a, b] = [arena.alloc(32), arena.alloc(32)];
    const at = viewing(kernels, "int64", 2);
    const first = at(a) as BigInt64Array;
    first[1] = 5n;
    expect(at(a)).toBe(first);
    expect([at(b).byteOffset, at(b).length]).toEqual([b, 2]);
    kernels.memory.grow(1);
    expect(at(a)[1]).toBe(5n);
  });
});

const rows = (n: number): Tensor => ({ dtype: "float32", shape: [n, 6], data: normals(6 * n, n) });
const sequences = (n: number): Tensor => ({ dtype: "float32", shape: [n, 2, 6], data: normals(12 * n, n) });
const weight = (count: number, shape: readonly number[]): Tensor => ({
  dtype: "float32",
  shape,
  data: normals(count, 4),
});

test.each([
  ["Sin", (n: number) => [rows(n)], {}],
  ["Shrink", (n: number) => [rows(n)], {}],
  ["Cast", (n: number) => [rows(n)], { to: 10 }],
  ["Pow", (n: number) => [rows(n), rows(n)], {}],
  ["ArgMax", (n: number) => [rows(n)], { axis: 1 }],
  ["Hardmax", (n: number) => [rows(n)], {}],
  ["TopK", (n: number) => [rows(n), ints([2])], {}],
  [
    "ReverseSequence",
    (n: number) => [rows(n), ints(Array.from({ length: n }, () => 4))],
    { batch_axis: 0, time_axis: 1 },
  ],
  ["TensorScatter", (n: number) => [sequences(n), sequences(n), ints(Array.from({ length: n }, () => 0))], {}],
  [
    "RNN",
    (n: number) => [
      sequences(n),
      weight(24, [1, 4, 6]),
      weight(16, [1, 4, 4]),
      undefined,
      tensor("int32", [2], [1, 2]),
    ],
    { hidden_size: 4 },
  ],
] as const)("%s runs as before after the memory has grown under it", (op, inputs, attributes) => {
  const given = (n: number) => inputs(n) as readonly (Tensor | undefined)[];
  const outputs = [op === "ArgMax" ? "int64" : op === "Cast" ? "float16" : "float32"] as const;
  const graph = networkOf(op, given(5), attributes, { outputs });
  const model = new Model(graph, runModule);
  const fed = (n: number) =>
    Object.fromEntries(graph.inputs.map(({ name }) => [name, given(n)[Number(name.slice(1))]!]));
  const before = model.run(fed(5));
  const { bytes } = model;
  model.run(fed(40000));
  expect(model.bytes).toBeGreaterThan(bytes);
  expect(model.run(fed(5))).toEqual(before);
});
