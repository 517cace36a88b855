import { describe, expect, test } from "vitest";
import type { DType } from "../../src/dtype.js";
import { ShapeError, UnsupportedError } from "../../src/errors.js";
import { loadModel } from "../../src/index.js";
import { Model } from "../../src/runtime/session.js";
import type { Tensor } from "../../src/tensor.js";
import { elementwise, made } from "../reference/elementwise.js";
import { expectSame } from "../support/compare.js";
import { runModule } from "../support/network.js";
import { integerTypes, lone, resultOf, some, tensor } from "../support/operator.js";

/** Pairs of shapes that broadcast: alike, scalars, rows, channels, both sides, ranks apart, rank 5, nothing at all. */
const pairs: readonly [number[], number[]][] = [
  [[], []],
  [[7], []],
  [[], [5]],
  [
    [2, 3],
    [2, 3],
  ],
  [[3, 17], [17]],
  [[17], [3, 17]],
  [
    [5, 1],
    [1, 6],
  ],
  [
    [2, 5, 3, 4],
    [1, 5, 1, 1],
  ],
  [
    [2, 1, 3, 1, 4],
    [1, 3, 1, 5, 1],
  ],
  [[2, 3, 1], [70]],
  [
    [0, 3],
    [1, 3],
  ],
  [
    [2, 0],
    [1, 1],
  ],
];

function same(actual: Tensor, wanted: Tensor, what: string) {
  expect([actual.dtype, actual.shape], what).toEqual([wanted.dtype, wanted.shape]);
  if (wanted.dtype === "float32") expectSame(actual.data as Float32Array, wanted.data as Float32Array, what);
  else expect([...actual.data], what).toEqual([...wanted.data]);
}

const zeroFor = (a: bigint, b: bigint, f: (a: bigint, b: bigint) => bigint) => (b === 0n ? 0n : f(a, b));
const floor = (a: bigint, b: bigint) => {
  const rest = a % b;
  return rest !== 0n && rest < 0n !== b < 0n ? rest + b : rest;
};

type Floats = (a: number, b: number) => number | boolean;
type Ints = (a: bigint, b: bigint) => bigint | boolean;

const f = Math.fround;
const binaries: Record<string, { floats?: Floats; ints?: Ints; bool?: true }> = {
  Add: { floats: (a, b) => a + b, ints: (a, b) => a + b },
  Sub: { floats: (a, b) => a - b, ints: (a, b) => a - b },
  Mul: { floats: (a, b) => a * b, ints: (a, b) => a * b },
  Div: { floats: (a, b) => a / b, ints: (a, b) => zeroFor(a, b, (x, y) => x / y) },
  Max: { floats: Math.max, ints: (a, b) => (a > b ? a : b) },
  Min: { floats: Math.min, ints: (a, b) => (a < b ? a : b) },
  PRelu: { floats: (a, b) => (a < 0 ? a * b : a), ints: (a, b) => (a < 0n ? a * b : a) },
  Mod: { floats: (a, b) => f(a - b * Math.floor(a / b)), ints: (a, b) => zeroFor(a, b, floor) },
  BitwiseAnd: { ints: (a, b) => a & b },
  BitwiseOr: { ints: (a, b) => a | b },
  BitwiseXor: { ints: (a, b) => a ^ b },
  Equal: { floats: (a, b) => a === b, ints: (a, b) => a === b, bool: true },
  Less: { floats: (a, b) => a < b, ints: (a, b) => a < b, bool: true },
  LessOrEqual: { floats: (a, b) => a <= b, ints: (a, b) => a <= b, bool: true },
  Greater: { floats: (a, b) => a > b, ints: (a, b) => a > b, bool: true },
  GreaterOrEqual: { floats: (a, b) => a >= b, ints: (a, b) => a >= b, bool: true },
};

describe("of two", () => {
  test.each(Object.entries(binaries))("%s, broadcast, of every type", (op, { floats, ints, bool }) => {
    const types: DType[] = [...(floats ? (["float32"] as const) : []), ...(ints ? integerTypes : [])];
    for (const dtype of types) {
      for (const [i, [left, right]] of pairs.entries()) {
        const [a, b] = [some(dtype, left, i), some(dtype, right, 50 + i)];
        const to = bool ? "bool" : dtype;
        const twin = (dtype === "float32" ? floats : ints) as never;
        same(resultOf(op, [a, b], to), elementwise(to, [a, b], twin), `${op} ${dtype} [${left}] [${right}]`);
      }
    }
  });

  test("And, Or, Xor of bool; Equal of bool", () => {
    for (const [i, [left, right]] of pairs.entries()) {
      const [a, b] = [some("bool", left, i), some("bool", right, 50 + i)];
      for (const [op, twin] of [
        ["And", (x: bigint, y: bigint) => x & y],
        ["Or", (x: bigint, y: bigint) => x | y],
        ["Xor", (x: bigint, y: bigint) => x ^ y],
        ["Equal", (x: bigint, y: bigint) => x === y],
      ] as const) {
        same(resultOf(op, [a, b], "bool"), elementwise("bool", [a, b], twin as never), op);
      }
    }
  });

  test("BitShift of every unsigned type, by more than its bits too", () => {
    for (const dtype of integerTypes.filter((name) => name.startsWith("u"))) {
      const a = some(dtype, [3, 40], 1);
      const b = tensor(
        dtype,
        [40],
        [...Array(40).keys()].map((i) => [0, 1, 7, 8, 31, 32, 63, 64, 200][i % 9]),
      );
      const left = (x: bigint, y: bigint) => x << y;
      const right = (x: bigint, y: bigint) => x >> y;
      for (const [direction, twin] of [
        ["LEFT", left],
        ["RIGHT", right],
      ] as const) {
        const y = resultOf("BitShift", [a, b], dtype, { direction });
        same(y, elementwise(dtype, [a, b], twin as never), `${dtype} ${direction}`);
      }
    }
  });

  test("Mod with fmod has the dividend's sign, and is exact for floats however large the quotient", () => {
    const [a, b] = [tensor("float32", [4], [-7.5, 1e30, 5.25, -1e-3]), tensor("float32", [4], [2, 3, -0.7, 1e-5])];
    same(
      resultOf("Mod", [a, b], "float32", { fmod: 1 }),
      elementwise("float32", [a, b], ((x: number, y: number) => x % y) as never),
      "fmod",
    );
    for (const dtype of integerTypes) {
      const [x, y] = [some(dtype, [3, 21], 5), some(dtype, [21], 6)];
      const twin = (p: bigint, q: bigint) => zeroFor(p, q, (r, s) => r % s);
      same(resultOf("Mod", [x, y], dtype, { fmod: 1 }), elementwise(dtype, [x, y], twin as never), dtype);
    }
  });

  test("the extremes of integers trap nowhere", () => {
    const least = tensor("int64", [3], [-(2n ** 63n), -(2n ** 63n), 5n]);
    const by = tensor("int64", [3], [-1n, 0n, 0n]);
    expect([...resultOf("Div", [least, by], "int64").data]).toEqual([-(2n ** 63n), 0n, 0n]);
    expect([...resultOf("Mod", [least, by], "int64").data]).toEqual([0n, 0n, 0n]);
    const most = tensor("uint64", [2], [2n ** 64n - 1n, 2n ** 63n]);
    expect([...resultOf("Div", [most, tensor("uint64", [], [2n])], "uint64").data]).toEqual([
      2n ** 63n - 1n,
      2n ** 62n,
    ]);
    expect([...resultOf("Less", [most, tensor("uint64", [], [1n])], "bool").data]).toEqual([0, 0]);
  });

  test("NaN: Max, Min and Add give it, comparisons are false, PRelu passes it on", () => {
    const [a, b] = [tensor("float32", [2], [NaN, 1]), tensor("float32", [2], [1, NaN])];
    for (const op of ["Max", "Min", "Add"]) expect([...resultOf(op, [a, b], "float32").data]).toEqual([NaN, NaN]);
    for (const op of ["Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Equal"]) {
      expect([...resultOf(op, [a, b], "bool").data], op).toEqual([0, 0]);
    }
    expect(resultOf("PRelu", [a, b], "float32").data[0]).toBeNaN();
  });
});

describe("Pow", () => {
  test.each([2, 3, 0.5, -1, 0, 1.7, -2.5])("floats to the power %s", (exponent) => {
    for (const shape of [[], [3, 5], [65]]) {
      const x = { ...some("float32", shape, 3) };
      const base = { ...x, data: (x.data as Float32Array).map((v) => (Number.isInteger(exponent) ? v : Math.abs(v))) };
      const graph = lone("Pow", [base, tensor("float32", [], [exponent])], ["float32"]);
      // As a weight, which is known while planning, and as an input.
      const weighted = {
        ...graph,
        inputs: graph.inputs.slice(0, 1),
        weights: new Map([["x1", { kind: "dense" as const, ...tensor("float32", [], [exponent]) }]]),
      };
      for (const y of [
        resultOf("Pow", [base, tensor("float32", [], [exponent])], "float32"),
        runWeighted(weighted, base),
      ]) {
        expect(y.shape).toEqual(shape);
        for (const [i, v] of (base.data as Float32Array).entries()) {
          const want = v ** exponent;
          expect(Math.abs((y.data[i] as number) - want)).toBeLessThanOrEqual(2 * 2 ** -23 * Math.abs(want));
        }
      }
    }
  });

  function runWeighted(graph: ReturnType<typeof lone>, x: Tensor): Tensor {
    using model = new Model(graph, runModule);
    return model.run({ x0: x }).y0;
  }

  test("integers wrap; mixed types have the base's", () => {
    for (const dtype of ["int32", "int64", "uint8"] as const) {
      const a = tensor(dtype, [6], [0, 1, 2, 3, 7, 11]);
      const b = tensor(dtype, [2, 1], [0, 5]);
      same(
        resultOf("Pow", [a, b], dtype),
        elementwise(dtype, [a, b], ((x: bigint, y: bigint) => x ** y) as never),
        dtype,
      );
    }
    expect([
      ...resultOf("Pow", [tensor("int64", [4], [1, -1, 2, -1]), tensor("int32", [4], [-3, -3, -1, -2])], "int64").data,
    ]).toEqual([1n, -1n, 0n, 1n]);
    expect([
      ...resultOf("Pow", [tensor("float32", [2], [1.5, -2]), tensor("int64", [2], [2, 3])], "float32").data,
    ]).toEqual([2.25, -8]);
    expect([
      ...resultOf("Pow", [tensor("int64", [2], [2, 9]), tensor("float32", [2], [3, 0.5])], "int64").data,
    ]).toEqual([8n, 3n]);
  });
});

describe("of many", () => {
  test.each(["Max", "Min", "Sum", "Mean"])("%s of one, two and three, broadcast", (op) => {
    const all = [some("float32", [2, 1, 5], 1), some("float32", [3, 1], 2), some("float32", [], 3)];
    for (const count of [1, 2, 3]) {
      const inputs = all.slice(0, count);
      const twin = (...v: number[]) => {
        if (op === "Max") return Math.max(...v);
        if (op === "Min") return Math.min(...v);
        const sum = v.reduce((s, x) => f(s + x));
        return op === "Sum" ? sum : f(sum / v.length);
      };
      same(resultOf(op, inputs, "float32"), elementwise("float32", inputs, twin as never), `${op} of ${count}`);
    }
  });
});

describe("Where", () => {
  test("of every type, each of the three broadcast", () => {
    const shapes = [
      [[], [], []],
      [
        [3, 5],
        [3, 5],
        [3, 5],
      ],
      [[5], [3, 1], []],
      [[], [2, 3], [3]],
      [[2, 1, 4], [3, 1], [1]],
      [[1, 70], [2, 70], []],
      [[0, 3], [1, 3], []],
    ];
    for (const dtype of ["float32", "bool", ...integerTypes] as DType[]) {
      for (const [i, [c, a, b]] of shapes.entries()) {
        const inputs = [some("bool", c, i), some(dtype, a, 20 + i), some(dtype, b, 40 + i)];
        const twin = (p: bigint, x: number, y: number) => (p ? x : y);
        same(resultOf("Where", inputs, dtype), elementwise(dtype, inputs, twin as never), `${dtype} ${i}`);
      }
    }
  });
});

describe("what does not fit", () => {
  const refused = (op: string, inputs: Tensor[], attributes = {}) => {
    try {
      resultOf(op, inputs, "float32", attributes);
    } catch (error) {
      return error;
    }
    throw new Error("nothing was thrown");
  };
  const floats = (...shape: number[]) => some("float32", shape, 1);

  test("shapes, types and sizes are refused by name", () => {
    expect(refused("Mul", [floats(2, 3), floats(4)])).toEqual(
      new ShapeError("n (Mul) input 1: expected a shape that broadcasts with [2, 3], got [4]"),
    );
    expect(refused("Sub", [floats(2), some("int32", [2], 1)])).toEqual(
      new ShapeError("n (Sub) input 1: expected float32 as input 0, got int32"),
    );
    expect(refused("And", [floats(2), floats(2)])).toEqual(
      new UnsupportedError("n (And) input 0: expected bool values, got float32"),
    );
    expect(refused("BitShift", [some("uint8", [2], 1), some("uint8", [2], 1)])).toEqual(
      new ShapeError('n.direction: expected "LEFT" or "RIGHT", got undefined'),
    );
    expect(refused("Add", [floats(2), floats(2)], { axis: 1 })).toBeInstanceOf(UnsupportedError);
    expect(refused("Add", [some("float32", [65536, 1], 1), some("float32", [1, 65536], 1)])).toBeInstanceOf(ShapeError);
    expect(refused("Where", [floats(2), floats(2), floats(2)])).toBeInstanceOf(UnsupportedError);
  });
});

test("what is broadcast may lie in a place that is used again", async () => {
  const graph = lone("Mul", [tensor("float32", [3, 1], [1, 2, 3]), tensor("float32", [4], [1, 2, 3, 4])], ["float32"]);
  const nodes = [
    { name: "a", op: "Neg", inputs: ["x0"], outputs: ["a"], attributes: {} },
    { name: "b", op: "Mul", inputs: ["a", "x1"], outputs: ["b"], attributes: {} },
    { name: "c", op: "Sub", inputs: ["b", "a"], outputs: ["c"], attributes: {} },
    { name: "d", op: "Mul", inputs: ["c", "c"], outputs: ["y0"], attributes: {} },
  ];
  using model = await loadModel({ ...graph, nodes });
  const { y0 } = model.run({ x0: Float32Array.of(1, 2, 3), x1: Float32Array.of(1, 2, 3, 4) });
  expect(y0.data).toEqual(
    made("float32", [3, 4], (i) => (-(Math.floor(i / 4) + 1) * ((i % 4) + 1) + Math.floor(i / 4) + 1) ** 2).data,
  );
});
