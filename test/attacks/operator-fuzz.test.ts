// Any node ends in a result or in an error of ours, and writes nothing but its outputs and its scratch block.

import { describe, expect, test } from "vitest";
import { type DType, dtypes } from "../../src/dtype.js";
import type { Attribute } from "../../src/graph/graph.js";
import { operators } from "../../src/ops/registry.js";
import type { Tensor } from "../../src/tensor.js";
import { uniform } from "../support/kernels.js";
import { runModule } from "../support/network.js";
import { busySince } from "./onnx-node.js";
import { type Case, filled, outcomeOf } from "./operator-run.js";
import { own, seeds } from "./operator-seeds.js";

const maxBytes = 2 ** 24;
const sizes = [0, 1, 1, 2, 2, 3, 4, 5, 7, 8, 9, 16];
const wholes = [
  ...[0, 1, -1, 2, -2, 3, 4, 5, 7, -5, 8, 16, 100, 65536, -65536, 2 ** 20],
  ...[
    2 ** 31 - 1,
    2 ** 31,
    -(2 ** 31),
    2 ** 32 - 1,
    2 ** 32,
    2 ** 32 + 1,
    2 ** 53 - 1,
    -(2 ** 53) + 1,
    2 ** 63,
    -(2 ** 63),
  ],
];
const reals = [...wholes, 0.5, -0.5, 1e-30, 1e30, 3e38, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];

type Pick = <T>(list: readonly T[]) => T;

/** A case with one thing changed. */
function mutated(one: Case, next: () => number, pick: Pick): Case {
  const i = Math.floor(next() * Math.max(1, one.inputs.length));
  const tensor = one.inputs[i];
  const withInput = (made: Tensor | undefined): Case => ({ ...one, inputs: one.inputs.toSpliced(i, 1, made) });
  const again = (dtype: DType, shape: readonly number[]): Case => {
    const values = tensor ? Array.from(tensor.data as ArrayLike<number | bigint>, Number) : [1];
    return withInput(filled(dtype, shape, (k) => values[k % Math.max(1, values.length)] ?? 1));
  };
  const names = Object.keys(one.attributes);
  const name = pick(names.length > 0 ? names : ["axis"]);
  const value = one.attributes[name];
  const withValue = (made: Attribute | undefined): Case => {
    const { [name]: _, ...rest } = one.attributes;
    return { ...one, attributes: made === undefined ? rest : { ...rest, [name]: made } };
  };
  switch (Math.floor(next() * 12)) {
    case 0:
      return tensor && tensor.shape.length > 0
        ? again(tensor.dtype, tensor.shape.with(Math.floor(next() * tensor.shape.length), pick(sizes)))
        : one;
    case 1:
      return tensor ? again(tensor.dtype, [...tensor.shape.slice(0, Math.floor(next() * 5)), pick(sizes)]) : one;
    case 2:
      return tensor ? again(tensor.dtype, tensor.shape.slice(1)) : one;
    case 3:
      return tensor
        ? again(pick(dtypes), tensor.shape)
        : withInput(filled(pick(dtypes), [pick(sizes)], () => pick(sizes)));
    case 4:
      return withInput(undefined);
    case 5:
    case 6:
      return tensor ? withInput(filled(tensor.dtype, tensor.shape, () => pick(next() < 0.5 ? sizes : reals))) : one;
    case 7:
      return { ...one, inputs: next() < 0.5 ? one.inputs.slice(0, -1) : [...one.inputs, tensor] };
    case 8:
      return withValue(undefined);
    case 9:
      return withValue(pick<Attribute>([pick(wholes), pick(reals), "x", [pick(wholes)], ["x"], []]));
    case 10:
      return { ...one, weights: one.inputs.flatMap((_, k) => (next() < 0.5 ? [k] : [])) };
    default:
      if (typeof value === "number") return withValue(pick(next() < 0.8 ? wholes : reals));
      if (!Array.isArray(value) || value.length === 0) return one;
      if (next() < 0.2) return withValue([...value, pick(wholes)] as number[]);
      return withValue(value.with(Math.floor(next() * value.length), pick(wholes)) as number[]);
  }
}

const show = (one: Case) =>
  JSON.stringify(one, (_, value) =>
    typeof value === "bigint" || (typeof value === "number" && !Number.isFinite(value))
      ? `${value}`
      : ArrayBuffer.isView(value)
        ? Array.from(value as unknown as ArrayLike<number | bigint>, String)
        : value,
  );

describe("fuzz", () => {
  test("the nodes that are mutated run", () => {
    for (const [op, given] of [...own].filter(([op]) => operators.has(op))) {
      const outcomes = given.map((seed) => outcomeOf({ ...seed, weights: [] }, runModule, maxBytes));
      expect(outcomes, op).toContain("a result");
    }
  });

  // COPPICE_FUZZ says how many, and a seed: "1000000 7".
  const [count = 2000, seed = 5] = process.env.COPPICE_FUZZ?.split(" ").map(Number) ?? [];

  test(
    `${count} nodes`,
    () => {
      const next = uniform(seed);
      const pick: Pick = (list) => list[Math.floor(next() * list.length)];
      const names = [...seeds.keys()];
      const seen = new Map<string, number>();
      for (let i = 0; i < count; i++) {
        let one: Case = { ...pick(seeds.get(pick(names))!), weights: [] };
        for (let k = 0; k < 3 && (k === 0 || next() < 0.5); k++) one = mutated(one, next, pick);
        const started = process.cpuUsage();
        let outcome: string;
        try {
          outcome = outcomeOf(one, runModule, maxBytes);
        } catch (error) {
          throw new Error(`case ${i}, ${show(one)}: ${error}`, { cause: error });
        }
        const took = busySince(started);
        if (took > 2000) throw new Error(`case ${i}, ${show(one)}: ${took} ms`);
        seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
      }
      expect(seen.get("a result")).toBeGreaterThan(count / 10);
      expect(seen.get("ShapeError")).toBeGreaterThan(count / 10);
    },
    300_000 + 10 * count,
  );
});
