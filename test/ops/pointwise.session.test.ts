import { describe, expect, test } from "vitest";
import type { DType } from "../../src/dtype.js";
import { ShapeError, UnsupportedError } from "../../src/errors.js";
import { floatToBfloat, floatToHalf, halfToFloat } from "../../src/graph/storage.js";
import { Model } from "../../src/runtime/session.js";
import type { Tensor } from "../../src/tensor.js";
import { elementwise, wrapped } from "../reference/elementwise.js";
import { sigmoid } from "../reference/special.js";
import { runModule } from "../support/network.js";
import { integerTypes, lone, resultOf, runNode, some, tensor } from "../support/operator.js";

const shapes = [[], [1], [7], [3, 5], [2, 0, 3], [2, 1, 3, 1, 4]];
const salt = [0, -0, 1e-40, -1e-40, 1e-5, -1e-5, 30, -30, 100, -100, Infinity, -Infinity, NaN];
const even = (x: number) => (Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x));
const softplus = (x: number) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
/** What attributes say is float32, as ONNX has it. */
const f = Math.fround;
const scaled = (p: number, q: number, r: number) => (x: number) => (x > 0 ? p * x : q * Math.expm1(r * x));
const line = (a: number, b: number) => (x: number) => Math.min(Math.max(a * x + b, 0), 1);

/** Operator, attributes, the function, and within how many units in the last place of the result or of the term given. */
const cases: [string, Record<string, number>, (x: number) => number, number, ((x: number) => number)?][] = [
  ["Abs", {}, Math.abs, 0],
  ["Neg", {}, (x) => -x, 0],
  ["Sign", {}, Math.sign, 0],
  ["Floor", {}, Math.floor, 0],
  ["Ceil", {}, Math.ceil, 0],
  ["Round", {}, even, 0],
  ["Sqrt", {}, Math.sqrt, 0.5],
  ["Reciprocal", {}, (x) => 1 / x, 0.5],
  ["Exp", {}, Math.exp, 1],
  ["Log", {}, Math.log, 1],
  ["Sin", {}, Math.sin, 0.51],
  ["Cos", {}, Math.cos, 0.51],
  ["Tan", {}, Math.tan, 0.51],
  ["Asin", {}, Math.asin, 0.51],
  ["Acos", {}, Math.acos, 0.51],
  ["Atan", {}, Math.atan, 0.51],
  ["Sinh", {}, Math.sinh, 0.51],
  ["Cosh", {}, Math.cosh, 0.51],
  ["Asinh", {}, Math.asinh, 0.51],
  ["Acosh", {}, Math.acosh, 0.51],
  ["Atanh", {}, Math.atanh, 0.51],
  ["Softplus", {}, softplus, 4],
  ["Softsign", {}, (x) => x / (1 + Math.abs(x)), 0.51],
  ["Elu", {}, scaled(1, 1, 1), 2],
  ["Elu", { alpha: 2.5 }, scaled(1, 2.5, 1), 4],
  ["Celu", { alpha: 0.5 }, scaled(1, 0.5, 2), 4],
  ["Selu", {}, scaled(1.0507009873554805, 1.0507009873554805 * 1.6732632423543772, 1), 4],
  ["Selu", { alpha: 2, gamma: 3 }, scaled(3, 6, 1), 4],
  ["LeakyRelu", {}, (x) => (x < 0 ? f(0.01) * x : x), 0.5],
  ["LeakyRelu", { alpha: -0.25 }, (x) => (x < 0 ? -0.25 * x : x), 0.5],
  ["ThresholdedRelu", { alpha: 0.5 }, (x) => (x > 0.5 ? x : 0), 0],
  ["HardSigmoid", {}, line(f(0.2), 0.5), 3, () => 1],
  ["HardSigmoid", { alpha: 0.5, beta: 0.25 }, line(0.5, 0.25), 3, () => 1],
  ["HardSwish", {}, (x) => x * line(f(1 / 6), 0.5)(x), 3, (x) => x],
  ["Mish", {}, (x) => x * Math.tanh(softplus(x)), 8],
  ["Swish", {}, (x) => x * sigmoid(x), 4],
  // The gate's argument is rounded, and its error grows with what it is.
  ["Swish", { alpha: 0.5 }, (x) => x * sigmoid(0.5 * x), 4],
  ["Swish", { alpha: 0 }, (x) => x / 2, 4],
  ["Shrink", {}, (x) => (x < -0.5 ? x : x > 0.5 ? x : 0), 0],
  ["Shrink", { bias: 0.25, lambd: 1 }, (x) => (x < -1 ? x + 0.25 : x > 1 ? x - 0.25 : 0), 0.5],
];

function unit(x: number): number {
  return 2 ** (Math.max(-126, Math.floor(Math.log2(Math.abs(x) || 1e-45))) - 23);
}

describe("floats", () => {
  test.each(cases)("%s %o", (op, attributes, twin, ulps, term = twin) => {
    const all = [...shapes.map((shape, i) => some("float32", shape, i)), tensor("float32", [salt.length], salt)];
    for (const x of all) {
      const y = resultOf(op, [x], "float32", attributes);
      expect(y.shape).toEqual(x.shape);
      for (const [i, v] of (x.data as Float32Array).entries()) {
        const [got, want] = [y.data[i] as number, twin(v)];
        if (!Number.isFinite(f(want))) {
          // Infinity times 0 and over Infinity: formulas differ in what is undefined.
          if (Number.isFinite(v) || ["Abs", "Neg", "Floor", "Exp", "Log", "Sqrt"].includes(op))
            expect(got, `${op} ${v}`).toBe(f(want));
          continue;
        }
        // What multiplies x may be a denormal, whose last place is not small beside it.
        const limit = ulps * unit(term(v)) + (ulps > 3 ? 4 * 2 ** -149 * Math.abs(v) : 0);
        const near = ulps === 0 ? got === want || Object.is(got, want) : Math.abs(got - want) <= limit;
        if (!near && Number.isFinite(v)) throw new Error(`${op} of ${v}: expected ${want}, got ${got}`);
      }
    }
  });

  test.each(cases)("%s %o gives the same in the place of what it is given", (op, attributes) => {
    const x = some("float32", [3, 7], 2);
    const graph = lone(op, [x], ["float32"], attributes);
    const negated = { name: "a", op: "Neg", inputs: ["x0"], outputs: ["a"], attributes: {} };
    using model = new Model({ ...graph, nodes: [negated, { ...graph.nodes[0], inputs: ["a"] }] }, runModule);
    const minus = { ...x, data: (x.data as Float32Array).map((v) => -v) };
    expect(model.run({ x0: x }).y0).toEqual(resultOf(op, [minus], "float32", attributes));
  });

  test("IsNaN, and IsInf of the signs that are asked for", () => {
    const x = tensor("float32", [5], [NaN, Infinity, -Infinity, 3e38, 0]);
    const told = (op: string, attributes = {}) => [...resultOf(op, [x], "bool", attributes).data];
    expect(told("IsNaN")).toEqual([1, 0, 0, 0, 0]);
    expect(told("IsInf")).toEqual([0, 1, 1, 0, 0]);
    expect(told("IsInf", { detect_negative: 0 })).toEqual([0, 1, 0, 0, 0]);
    expect(told("IsInf", { detect_positive: 0 })).toEqual([0, 0, 1, 0, 0]);
    expect(told("IsInf", { detect_positive: 0, detect_negative: 0 })).toEqual([0, 0, 0, 0, 0]);
  });

  test("integers and attributes that no operator takes are refused", () => {
    expect(() => resultOf("Exp", [some("int32", [2], 1)], "int32")).toThrow(
      new UnsupportedError("n (Exp) input 0: expected floating-point values, got int32"),
    );
    expect(() => resultOf("Exp", [some("float32", [2], 1)], "float32", { alpha: 1 })).toThrow(UnsupportedError);
    expect(() => resultOf("Elu", [some("float32", [2], 1)], "float32", { alpha: "x" })).toThrow(ShapeError);
  });

  test("Mish ends in x and in 0", () => {
    const x = tensor("float32", [3], [25, -25, -100]);
    const y = resultOf("Mish", [x], "float32").data;
    expect(y[0]).toBe(25);
    expect(Math.abs((y[1] as number) + 25 * Math.exp(-25))).toBeLessThan(1e-15);
    expect(Math.abs(y[2] as number)).toBeLessThan(1e-36);
  });
});

describe("integers and bool", () => {
  test.each([
    ["Abs", (v: bigint) => (v < 0n ? -v : v)],
    ["Neg", (v: bigint) => -v],
    ["Sign", (v: bigint) => (v > 0n ? 1n : v < 0n ? -1n : 0n)],
    ["BitwiseNot", (v: bigint) => ~v],
  ] as const)("%s of every type", (op, twin) => {
    for (const dtype of integerTypes) {
      for (const shape of shapes) {
        const x = some(dtype, shape, 3);
        expect(resultOf(op, [x], dtype)).toEqual(elementwise(dtype, [x], twin as never));
      }
    }
  });

  test("Not", () => {
    expect([...resultOf("Not", [tensor("bool", [3], [0, 1, 0])], "bool").data]).toEqual([1, 0, 1]);
  });
});

test("Relu of integers of every type", () => {
  for (const dtype of integerTypes) {
    const x = some(dtype, [3, 50], 4);
    const values = Array.from(x.data as ArrayLike<number | bigint>);
    const want = values.map((v) => (v < 0 ? (typeof v === "bigint" ? 0n : 0) : v));
    expect([...resultOf("Relu", [x], dtype).data]).toEqual(want);
    if (!dtype.startsWith("u")) expect(want).not.toEqual(values);
  }
  expect(() => resultOf("Relu", [tensor("bool", [1], [1])], "bool")).toThrow(
    /Relu\) input 0: expected numbers, got bool/,
  );
});

describe("Clip", () => {
  const bounds = [
    [undefined, undefined],
    [-1, undefined],
    [undefined, 2],
    [-1, 2],
    [2, -1],
  ];

  test("of every type, bounds from outside or as weights, or none", () => {
    for (const dtype of ["float32", ...integerTypes] as DType[]) {
      for (const [low, high] of bounds) {
        const least = low !== undefined && dtype.startsWith("u") ? low + 2 : low;
        const x = some(dtype, [3, 50], 4);
        const scalar = (v: number | undefined) =>
          v === undefined ? undefined : tensor(dtype, [], [v < 0 && dtype.startsWith("u") ? 0 : v]);
        const inputs = [x, scalar(least), scalar(high)];
        const [a, b] = inputs.slice(1).map((t) => t?.data[0]);
        const want = Array.from(x.data as ArrayLike<number>, (v) => {
          const raised = a !== undefined && v < (a as number) ? a : v;
          return b !== undefined && raised > (b as number) ? b : raised;
        });
        expect([...resultOf("Clip", inputs, dtype).data]).toEqual(want);
        expect([...weighted(inputs, dtype).data]).toEqual(want);
      }
    }
  });

  /** The bounds as weights. */
  function weighted(inputs: readonly (Tensor | undefined)[], dtype: DType): Tensor {
    const graph = lone("Clip", inputs, [dtype]);
    const weights = new Map(
      inputs.flatMap((t, i) => (t && i > 0 ? [[`x${i}`, { kind: "dense" as const, ...t }] as const] : [])),
    );
    using model = new Model({ ...graph, inputs: graph.inputs.slice(0, 1), weights }, runModule);
    return model.run({ x0: inputs[0]! }).y0;
  }

  test("NaN stays, and a bound of several values is refused", () => {
    const x = tensor("float32", [1], [NaN]);
    const [low, high] = [tensor("float32", [], [0]), tensor("float32", [], [6])];
    expect(resultOf("Clip", [x, low, high], "float32").data[0]).toBeNaN();
    expect(weighted([x, low, high], "float32").data[0]).toBeNaN();
    expect(() => resultOf("Clip", [x, some("float32", [2], 1)], "float32")).toThrow(
      new ShapeError("n (Clip) input 1: expected one value, got [2]"),
    );
  });
});

describe("Cast", () => {
  // biome-ignore format: sizes in lines
  const numbers: Partial<Record<DType, number>> = {
    float32: 1, uint8: 2, int8: 3, uint16: 4, int16: 5, int32: 6, int64: 7, bool: 9, float16: 10, float64: 11,
    uint32: 12, uint64: 13, bfloat16: 16, uint4: 21, int4: 22,
  };

  test("between integers, bool and floats, by number and like another value", () => {
    for (const from of ["float32", "bool", ...integerTypes] as DType[]) {
      for (const to of ["float32", "bool", ...integerTypes] as DType[]) {
        let x = some(from, [3, 25], 5);
        if (from === "float32" && to.startsWith("u")) x = { ...x, data: (x.data as Float32Array).map(Math.abs) };
        const want = Array.from(x.data as ArrayLike<number>, (v) => {
          if (to === "bool") return Number(v) === 0 ? 0 : 1;
          if (to === "float32") return f(Number(v));
          const whole = wrapped(to, BigInt(from === "float32" ? Math.trunc(v) : v));
          return to.endsWith("int64") ? whole : Number(whole);
        });
        const y = resultOf("Cast", [x], to, { to: numbers[to]! });
        expect(y.shape).toEqual([3, 25]);
        expect([...y.data], `${from} to ${to}`).toEqual(want);
        expect([...resultOf("CastLike", [x, some(to, [1], 1)], to).data]).toEqual(want);
      }
    }
  });

  test("to float16 and bfloat16 rounds to what those hold", () => {
    const values = [
      0,
      -0,
      1,
      1.0004883,
      1.0014649,
      65519.99,
      65520,
      -7e4,
      1e-8,
      2.98e-8,
      2.99e-8,
      6.1e-5,
      3e38,
      NaN,
      Infinity,
      0.1,
      -0.1,
    ];
    const x = tensor("float32", [values.length], values);
    const floats = x.data as Float32Array;
    const half = resultOf("Cast", [x], "float32" as DType, { to: 10 });
    expect([...half.data]).toEqual(Array.from(floats, (v) => halfToFloat(floatToHalf(v))));
    const brain = resultOf("Cast", [x], "float32" as DType, { to: 16 });
    const back = new Float32Array(Uint32Array.from(floats, (v) => floatToBfloat(v) << 16).buffer);
    expect([...brain.data]).toEqual([...back]);
  });

  test("4-bit integers wrap", () => {
    const x = tensor("float32", [6], [-9, -8.7, 7, 8, 15.9, 17]);
    expect([...resultOf("Cast", [x], "int4", { to: 22 }).data]).toEqual([7, -8, 7, -8, -1, 1]);
    expect([...resultOf("Cast", [x], "uint4", { to: 21 }).data]).toEqual([7, 8, 7, 8, 15, 1]);
    const four = tensor("int4", [3], [-8, 7, -1]);
    expect([...resultOf("Cast", [four], "float32", { to: 1 }).data]).toEqual([-8, 7, -1]);
    expect([...resultOf("Cast", [four], "int64", { to: 7 }).data]).toEqual([-8n, 7n, -1n]);
  });

  test.each([8, 17, 23, 99, -1])("to type %s is not done here", (to) => {
    expect(() => resultOf("Cast", [some("float32", [2], 1)], "float32", { to })).toThrow(
      new UnsupportedError(`n.to: expected an element type, got ${to}`),
    );
  });
});

describe("Dropout", () => {
  const x = some("float32", [3, 5], 1);

  test("is the identity and a mask of true", () => {
    const [y, mask] = runNode("Dropout", [x, tensor("float32", [], [0.5])], ["float32", "bool"]);
    expect(y!.data).toEqual(x.data);
    expect(mask).toEqual(tensor("bool", [3, 5], Array(15).fill(1)));
    const [only] = runNode("Dropout", [x], ["float32"], { seed: 3 });
    expect(only!.data).toEqual(x.data);
    const [, masked] = runNode("Dropout", [x], [undefined, "bool"]);
    expect(masked!.data).toEqual(mask!.data);
  });

  test("in training it drops nothing at a ratio of 0, and is refused otherwise", () => {
    const on = tensor("bool", [], [1]);
    const [y] = runNode("Dropout", [x, tensor("float32", [], [0]), on], ["float32"]);
    expect(y!.data).toEqual(x.data);
    expect(() => runNode("Dropout", [x, tensor("float32", [], [0.5]), on], ["float32"])).toThrow(
      new UnsupportedError("n (Dropout) training_mode: expected false, or a ratio of 0, got true"),
    );
    expect(() => runNode("Dropout", [x, undefined, on], ["float32"])).toThrow(UnsupportedError);
  });
});
