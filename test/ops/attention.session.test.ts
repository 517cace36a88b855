import { describe, expect, test } from "vitest";
import type { Attribute, Graph } from "../../src/graph/graph.js";
import { Model } from "../../src/runtime/session.js";
import type { Tensor } from "../../src/tensor.js";
import { attention } from "../reference/attention.js";
import { normals, uniform } from "../support/kernels.js";
import { relaxedModule, runModule, sizeOf } from "../support/network.js";
import { ints, numbers, tensor } from "../support/one-node.js";
import { lone, runNode } from "../support/operator.js";

const none = Number.NEGATIVE_INFINITY;

interface Case {
  readonly batch?: number;
  readonly heads?: number;
  readonly shared?: number;
  readonly rows: number;
  readonly keys: number;
  readonly d?: number;
  readonly size?: number;
  readonly past?: number;
  readonly three?: boolean;
  /** Spread of queries and keys. */
  readonly spread?: number;
  readonly mask?: { readonly shape: readonly number[]; readonly bool?: boolean; readonly open?: number };
  readonly lengths?: readonly number[];
  readonly attributes?: Readonly<Record<string, number>>;
}

function floats(shape: readonly number[], seed: number, spread = 1): Tensor {
  return {
    dtype: "float32",
    shape,
    data: normals(sizeOf(shape), seed).map((v) => v * spread),
  };
}

function maskOf({ shape, bool = false, open = 0.7 }: NonNullable<Case["mask"]>): Tensor {
  const next = uniform(5);
  const values = Array.from({ length: sizeOf(shape) }, () => (next() < open ? 2 * next() : none));
  if (bool) {
    return tensor(
      "bool",
      shape,
      values.map((v) => (v === none ? 0 : 1)),
    );
  }
  return tensor("float32", shape, values);
}

function inputsOf(given: Case): (Tensor | undefined)[] {
  const { batch = 2, heads = 3, shared = heads, rows, keys, d = 8, size = d, past, three = false, spread } = given;
  const shape = (count: number, length: number, width: number) =>
    three ? [batch, length, count * width] : [batch, count, length, width];
  return [
    floats(shape(heads, rows, d), 1, spread),
    floats(shape(shared, keys, d), 2, spread),
    floats(shape(shared, keys, size), 3),
    given.mask && maskOf(given.mask),
    past === undefined ? undefined : floats([batch, shared, past, d], 4, spread),
    past === undefined ? undefined : floats([batch, shared, past, size], 5),
    given.lengths && ints(given.lengths),
  ];
}

function attributesOf({ heads = 3, shared = heads, three = false, attributes = {} }: Case): Record<string, number> {
  return three ? { ...attributes, q_num_heads: heads, kv_num_heads: shared } : attributes;
}

/** Runs a case with and without the outputs behind the first; each mode of scores gives the same first output. */
function check(given: Case): void {
  const inputs = inputsOf(given);
  const attributes = attributesOf(given);
  const [q, k, v, mask, pastKey, pastValue] = inputs.map((input) => input && numbers(input));
  const twin = (mode: number) =>
    attention(
      {
        q: q!,
        k: k!,
        v: v!,
        mask: mask && { ...mask, bool: inputs[3]!.dtype === "bool" },
        pastKey,
        pastValue,
        lengths: given.lengths,
      },
      { ...attributes, qk_matmul_output_mode: mode },
    );
  const { y, keys, values } = twin(0);
  const most = Math.max(0, ...Array.from(v!.data, Math.abs));
  const sizes = { d: given.d ?? 8, n: given.keys + (given.past ?? 0), spread: given.spread ?? 1 };
  // A score is a sum of d products, and an error of a score is one of its power's exponent.
  const score = (sizes.d + 8) * 2 ** -24 * (4 * sizes.spread ** 2) * Math.sqrt(sizes.d);
  const bound = most * (2 * score + (2 * sizes.n + 60) * 2 ** -24);
  const near = (got: Tensor | undefined, want: ArrayLike<number>, limit: number, what: string) => {
    expect(got!.data.length, what).toBe(want.length);
    for (let i = 0; i < want.length; i++) {
      const [a, b] = [Number(got!.data[i]), want[i]];
      if (Object.is(a, b) || Math.abs(a - b) <= limit) continue;
      throw new Error(`${what}[${i}]: expected ${b} within ${limit}, got ${a}`);
    }
  };
  near(runNode("Attention", inputs, ["float32"], attributes)[0], y, bound, "alone");
  for (const mode of [0, 1, 2, 3]) {
    const all = runNode("Attention", inputs, ["float32", "float32", "float32", "float32"], {
      ...attributes,
      qk_matmul_output_mode: mode,
    });
    near(all[0], y, bound, `mode ${mode}`);
    expect(numbers(all[1]!)).toEqual({ shape: keys.shape, data: [...keys.data] });
    expect(numbers(all[2]!)).toEqual({ shape: values.shape, data: [...values.data] });
    near(all[3], twin(mode).scores, mode === 3 ? 2 * score + 2 ** -18 : score * 4, `scores of mode ${mode}`);
  }
}

describe("shapes around the edges of tiles and blocks", () => {
  test.each([
    { rows: 1, keys: 1, d: 1 },
    { rows: 1, keys: 9, d: 3 },
    { rows: 4, keys: 6 },
    { rows: 5, keys: 8, d: 16, size: 7 },
    { rows: 6, keys: 9, d: 5, size: 17 },
    { rows: 33, keys: 31 },
    { rows: 60, keys: 60, batch: 1 },
    { rows: 61, keys: 65, batch: 1, size: 3 },
    { rows: 127, keys: 129, batch: 1, heads: 2 },
    { rows: 3, keys: 700, batch: 1, d: 4 },
    { rows: 7, keys: 5, d: 300, batch: 1, heads: 1 },
    { rows: 4, keys: 0 },
    { rows: 0, keys: 4 },
    { rows: 2, keys: 3, batch: 0 },
    { rows: 2, keys: 3, size: 0 },
  ])("%o", (given) => {
    for (const three of [false, true]) {
      for (const is_causal of [0, 1]) check({ ...given, three, attributes: { is_causal } });
    }
  });
});

test.each([
  { heads: 6, shared: 2, rows: 4, keys: 6 },
  { heads: 6, shared: 1, rows: 1, keys: 6 },
  { heads: 9, shared: 3, rows: 1, keys: 40, past: 3 },
  { heads: 4, shared: 2, rows: 33, keys: 33 },
  { heads: 70, shared: 1, rows: 1, keys: 5, batch: 1 },
])("heads that share keys and values: %o", (given) => {
  for (const three of [false, true]) {
    check({ ...given, three });
    check({ ...given, three, attributes: { is_causal: 1, scale: 0.2 } });
  }
});

describe("masks", () => {
  const [batch, heads, rows, keys] = [2, 3, 37, 40];
  const shapes = [
    [rows, keys],
    [1, keys],
    [heads, rows, keys],
    [1, rows, keys],
    [heads, 1, keys],
    [batch, heads, rows, keys],
    [batch, 1, rows, keys],
    [1, heads, rows, keys],
    [batch, 1, 1, keys],
    [rows, keys - 5],
    [batch, 1, 1, 3],
    [1, 1],
    [rows, 0],
  ];
  test.each(shapes.map((shape) => [shape]))("of shape %j, of bools and of floats, with and without causal", (shape) => {
    for (const bool of [false, true]) {
      const all: Record<string, number>[] = [{}, { is_causal: 1 }, { softcap: 0.5 }, { is_causal: 1, softcap: 2 }];
      for (const attributes of all) {
        check({ batch, heads, rows, keys, mask: { shape, bool }, attributes });
      }
    }
  });

  test("closed throughout give 0, in rows or in all", () => {
    for (const bool of [false, true]) {
      check({ rows: 30, keys: 2, mask: { shape: [30, 2], bool, open: 0.3 } });
      check({ rows: 4, keys: 6, mask: { shape: [4, 6], bool, open: 0 }, attributes: { softcap: 3 } });
    }
  });

  test("of rows that see no more than what came before, for all heads, for each of the batch or for each head", () => {
    for (const bool of [false, true]) {
      for (const front of [[], [2, 1], [1, 3], [2, 3]]) {
        const shape = [...front, 90, 90];
        const values = Array.from({ length: sizeOf(shape) }, (_, i) => {
          const [which, r, c] = [Math.floor(i / 8100), Math.floor(i / 90) % 90, i % 90];
          // Each mask begins further on: its first rows see nothing.
          return c <= r - which && c % 7 !== 3 ? 0.5 : none;
        });
        const mask = tensor(
          bool ? "bool" : "float32",
          shape,
          bool ? values.map((value) => (value === none ? 0 : 1)) : values,
        );
        const [q, k, v] = inputsOf({ rows: 90, keys: 90 });
        const [y] = runNode("Attention", [q, k, v, mask], ["float32"], {});
        const want = attention(
          { q: numbers(q!), k: numbers(k!), v: numbers(v!), mask: { ...numbers(mask), bool } },
          {},
        );
        for (let i = 0; i < want.y.length; i++) {
          expect(Math.abs(Number(y!.data[i]) - want.y[i])).toBeLessThan(1e-5);
        }
      }
    }
  });
});

test.each([
  { rows: 4, keys: 6, past: 12 },
  { rows: 1, keys: 1, past: 0 },
  { rows: 1, keys: 1, past: 33, heads: 6, shared: 2 },
  { rows: 5, keys: 5, past: 64, size: 9, mask: { shape: [5, 69] } },
  { rows: 5, keys: 5, past: 6, mask: { shape: [2, 1, 1, 9], bool: true } },
])("a past: %o", (given) => {
  for (const three of [false, true]) {
    for (const is_causal of [0, 1]) check({ ...given, three, attributes: { is_causal } });
  }
});

test.each([
  { rows: 1, keys: 20, lengths: [7, 20] },
  { rows: 4, keys: 20, lengths: [4, 11] },
  { rows: 4, keys: 20, lengths: [2, 0] },
  { rows: 4, keys: 20, lengths: [9, 20], mask: { shape: [2, 3, 4, 12] } },
])("lengths of keys: %o", (given) => {
  for (const is_causal of [0, 1]) check({ ...given, attributes: { is_causal } });
});

test("lengths that only a run knows are held within what there is", () => {
  const inputs = inputsOf({ rows: 4, keys: 6, lengths: [-3, 99] });
  const [y] = runNode("Attention", inputs, ["float32"], {});
  const want = runNode("Attention", [...inputs.slice(0, 6), ints([0, 6])], ["float32"], {});
  expect(y).toEqual(want[0]);
  expect([...y!.data.slice(0, 96)]).toEqual(new Array(96).fill(0));
});

test.each([30, 1e4])("large values, spread %d: the largest score takes all", (spread) => {
  const given = { rows: 9, keys: 12, spread };
  const inputs = inputsOf(given);
  const [q, k, v] = inputs.slice(0, 3).map((input) => numbers(input!));
  const [y] = runNode("Attention", inputs, ["float32"], {});
  expect(y!.data.every((value) => Number.isFinite(Number(value)))).toBe(true);
  if (spread < 1e4) return;
  const want = attention({ q, k, v }, {}).y;
  for (let i = 0; i < want.length; i++) expect(Math.abs(Number(y!.data[i]) - want[i])).toBeLessThan(1e-5);
});

test("NaN in a query stays in its row, one in a key goes where it is seen", () => {
  const inputs = inputsOf({ rows: 4, keys: 4, batch: 1, heads: 1 });
  inputs[0]!.data[8] = NaN;
  inputs[1]!.data[8 * 2] = NaN;
  const [y] = runNode("Attention", inputs, ["float32"], { is_causal: 1 });
  const rows = [0, 1, 2, 3].map((i) => Number.isNaN(y!.data[8 * i]));
  expect(rows).toEqual([false, true, true, true]);
});

test("a row has the same bits alone and among others", () => {
  const inputs = inputsOf({ rows: 70, keys: 50, d: 33 });
  const [all] = runNode("Attention", inputs, ["float32"], {});
  const q = inputs[0]!;
  for (const i of [0, 34, 35, 69]) {
    const rows = [0, 1, 2, 3, 4, 5].flatMap((head) => [
      ...(q.data as Float32Array).slice((head * 70 + i) * 33, (head * 70 + i + 1) * 33),
    ]);
    const alone = tensor("float32", [2, 3, 1, 33], rows);
    const [y] = runNode("Attention", [alone, inputs[1], inputs[2]], ["float32"], {});
    for (let head = 0; head < 6; head++) {
      const got = (y!.data as Float32Array).slice(head * 33, (head + 1) * 33);
      expect(got).toEqual((all!.data as Float32Array).slice((head * 70 + i) * 33, (head * 70 + i + 1) * 33));
    }
  }
});

test("softmax_precision changes nothing; the relaxed build agrees", () => {
  const inputs = inputsOf({ rows: 9, keys: 9 });
  const [y] = runNode("Attention", inputs, ["float32"], {});
  for (const softmax_precision of [1, 10, 11, 16]) {
    expect(runNode("Attention", inputs, ["float32"], { softmax_precision })[0]).toEqual(y);
  }
  const module = relaxedModule();
  if (!module) return;
  using model = new Model(lone("Attention", inputs, ["float32"], {}), module);
  const got = model.run({ x0: inputs[0]!, x1: inputs[1]!, x2: inputs[2]! }).y0.data;
  for (let i = 0; i < got.length; i++) expect(Math.abs(got[i] - Number(y!.data[i]))).toBeLessThan(1e-5);
});

/** A decoder's step: keys and values go in as the past and come out longer. */
test("step by step is all at once", () => {
  const [steps, heads, d] = [40, 2, 8];
  const attributes: Record<string, Attribute> = { is_causal: 1, q_num_heads: 4, kv_num_heads: heads };
  const dims = (rows: string, past: string): Graph["inputs"] => [
    { name: "q", dtype: "float32", shape: [1, rows, 4 * d] },
    { name: "k", dtype: "float32", shape: [1, rows, heads * d] },
    { name: "v", dtype: "float32", shape: [1, rows, heads * d] },
    { name: "pk", dtype: "float32", shape: [1, heads, past, d] },
    { name: "pv", dtype: "float32", shape: [1, heads, past, d] },
  ];
  const outputs = ["y", "keys", "values"];
  const graph: Graph = {
    name: "decoder",
    inputs: dims("T", "P"),
    outputs: outputs.map((name) => ({ name, dtype: "float32" })),
    nodes: [{ name: "a", op: "Attention", inputs: ["q", "k", "v", "", "pk", "pv"], outputs, attributes }],
    weights: new Map(),
  };
  const [q, k, v] = [4, heads, heads].map((count, i) => floats([1, steps, count * d], i + 1));
  const empty = { dtype: "float32", shape: [1, heads, 0, d], data: new Float32Array(0) } as const;
  using whole = new Model(graph, runModule);
  const want = whole.run({ q, k, v, pk: empty, pv: empty });
  using model = new Model(graph, runModule);
  let past: Record<"keys" | "values", Tensor> = { keys: empty, values: empty };
  for (let t = 0; t < steps; t++) {
    const row = ({ data, shape }: Tensor): Tensor => {
      const width = shape[2];
      return { dtype: "float32", shape: [1, 1, width], data: data.slice(t * width, (t + 1) * width) };
    };
    const { y, keys, values } = model.run({ q: row(q), k: row(k), v: row(v), pk: past.keys, pv: past.values });
    for (let i = 0; i < 4 * d; i++) expect(y.data[i]).toBe(want.y.data[t * 4 * d + i]);
    past = { keys, values };
  }
  expect(past.keys.data).toEqual(want.keys.data);
  expect(past.values.data).toEqual(want.values.data);
});

test("step by step into a cache of one size, whose length a run tells, is all at once", () => {
  const [steps, most, heads, d] = [24, 32, 2, 8];
  const attributes = { is_causal: 1, q_num_heads: 4, kv_num_heads: heads };
  const scatter = (cache: string, update: string, output: string) =>
    ({
      name: output,
      op: "TensorScatter",
      inputs: [cache, update, "at"],
      outputs: [output],
      attributes: { axis: 1 },
    }) as const;
  const graph: Graph = {
    name: "decoder",
    inputs: [
      ...["q", "k", "v"].map((name, i) => ({ name, dtype: "float32" as const, shape: [1, 1, (i ? heads : 4) * d] })),
      ...["ck", "cv"].map((name) => ({ name, dtype: "float32" as const, shape: [1, most, heads * d] })),
      ...["at", "length"].map((name) => ({ name, dtype: "int64" as const, shape: [1] })),
    ],
    outputs: ["y", "keys", "values"].map((name) => ({ name, dtype: "float32" as const })),
    nodes: [
      scatter("ck", "k", "keys"),
      scatter("cv", "v", "values"),
      { name: "a", op: "Attention", inputs: ["q", "keys", "values", "", "", "", "length"], outputs: ["y"], attributes },
    ],
    weights: new Map(),
  };
  const [q, k, v] = [4, heads, heads].map((count, i) => floats([1, steps, count * d], i + 1));
  const [want] = runNode("Attention", [q, k, v], ["float32"], attributes);
  using model = new Model(graph, runModule);
  // What lies behind the length is looked at by nobody.
  const cache = () => tensor("float32", [1, most, heads * d], new Array(most * heads * d).fill(NaN));
  let [keys, values]: Tensor[] = [cache(), cache()];
  for (let t = 0; t < steps; t++) {
    const row = ({ data, shape }: Tensor): Tensor => {
      const width = shape[2];
      return { dtype: "float32", shape: [1, 1, width], data: data.slice(t * width, (t + 1) * width) };
    };
    const bytes = t > 0 ? model.bytes : 0;
    const feeds = { q: row(q), k: row(k), v: row(v), ck: keys, cv: values, at: ints([t]), length: ints([t + 1]) };
    const made = model.run(feeds);
    if (t > 0) expect(model.bytes).toBe(bytes);
    for (let i = 0; i < 4 * d; i++) expect(made.y.data[i]).toBe(want!.data[t * 4 * d + i]);
    [keys, values] = [made.keys, made.values];
  }
});
