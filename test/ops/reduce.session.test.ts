import { describe, expect, test } from "vitest";
import type { DType } from "../../src/dtype.js";
import { ShapeError, UnsupportedError } from "../../src/errors.js";
import type { Tensor } from "../../src/tensor.js";
import { gathered, wrapped } from "../reference/elementwise.js";
import { integerTypes, resultOf, runNode, some, tensor } from "../support/operator.js";

const axesOf = (axes: readonly number[]) => tensor("int64", [axes.length], axes);

/** Shapes and axes: the last, the first, the middle, several apart, all, negative, of size 1, nothing at all. */
const cases: [number[], number[]][] = [
  [[7], [0]],
  [[3, 5], [1]],
  [[3, 5], [0]],
  [[2, 3, 4], [-2]],
  [
    [2, 3, 4, 5],
    [0, 2],
  ],
  [
    [2, 3, 4, 5],
    [-1, 1],
  ],
  [
    [2, 3, 2, 2, 3],
    [0, 2, 4],
  ],
  [[3, 1, 5], [1]],
  [
    [2, 70],
    [0, 1],
  ],
  [[33, 2], [0]],
  [[2, 0, 3], [1]],
  [[2, 0, 3], [2]],
];

type Twin = (values: readonly number[]) => number;
const sum: Twin = (v) => v.reduce((a, b) => a + b, 0);
const floats: Record<string, Twin> = {
  ReduceSum: sum,
  ReduceMean: (v) => sum(v) / v.length,
  ReduceMax: (v) => Math.max(...v),
  ReduceMin: (v) => Math.min(...v),
  ReduceProd: (v) => v.reduce((a, b) => a * b, 1),
  ReduceL1: (v) => sum(v.map(Math.abs)),
  ReduceL2: (v) => Math.sqrt(sum(v.map((x) => x * x))),
  ReduceSumSquare: (v) => sum(v.map((x) => x * x)),
  ReduceLogSum: (v) => Math.log(sum(v)),
  ReduceLogSumExp: (v) => Math.log(sum(v.map(Math.exp))),
};

describe("reductions of floats", () => {
  test.each(Object.entries(floats))("%s", (op, twin) => {
    for (const [i, [shape, axes]] of cases.entries()) {
      for (const keepdims of [undefined, 0]) {
        let x = some("float32", shape, i);
        if (op === "ReduceLogSum") x = { ...x, data: (x.data as Float32Array).map(Math.abs) };
        const at = axes.map((axis) => (axis < 0 ? axis + shape.length : axis));
        const { kept, groups } = gathered(shape, at);
        const y = resultOf(op, [x, axesOf(axes)], "float32", keepdims === undefined ? {} : { keepdims });
        expect(y.shape).toEqual(keepdims === 0 ? kept.filter((_, d) => !at.includes(d)) : kept);
        for (const [j, group] of groups.entries()) {
          const values = group.map((p) => x.data[p] as number);
          const [got, want] = [y.data[j] as number, twin(values)];
          const size = op === "ReduceProd" ? Math.abs(want) : sum(values.map((v) => Math.max(Math.abs(v), v * v))) + 1;
          if (Number.isFinite(want))
            expect(Math.abs(got - want), `${op} [${shape}] [${axes}]`).toBeLessThanOrEqual(1e-6 * size);
          else expect(got, `${op} [${shape}] [${axes}]`).toBe(want);
        }
      }
    }
  });

  test("without axes all of them, or none where that is asked for", () => {
    const x = some("float32", [3, 5], 1);
    for (const inputs of [[x], [x, axesOf([])]]) {
      const all = resultOf("ReduceMax", inputs, "float32");
      expect([all.shape, all.data[0]]).toEqual([[1, 1], Math.max(...(x.data as Float32Array))]);
      expect(resultOf("ReduceMax", inputs, "float32", { keepdims: 0 }).shape).toEqual([]);
      expect(resultOf("ReduceMax", inputs, "float32", { noop_with_empty_axes: 1 })).toEqual(x);
    }
    expect(resultOf("ReduceSum", [tensor("float32", [], [3])], "float32").data[0]).toBe(3);
  });

  test("LogSumExp overflows at neither end and bears infinities", () => {
    const x = tensor("float32", [5, 2], [1000, 1000, -1000, -1000, -Infinity, -Infinity, Infinity, 0, -Infinity, 3]);
    const y = resultOf("ReduceLogSumExp", [x, axesOf([1])], "float32", { keepdims: 0 });
    const log2 = Math.fround(Math.log(2));
    expect([...y.data]).toEqual([Math.fround(1000 + log2), Math.fround(-1000 + log2), -Infinity, Infinity, 3]);
  });

  test("axes that are not there or given twice are refused", () => {
    const x = some("float32", [3, 5], 1);
    expect(() => resultOf("ReduceSum", [x, axesOf([2])], "float32")).toThrow(ShapeError);
    expect(() => resultOf("ReduceSum", [x, axesOf([1, -1])], "float32")).toThrow(ShapeError);
    expect(() => resultOf("ReduceSum", [x, tensor("float32", [1], [0])], "float32")).toThrow(
      new ShapeError("n (ReduceSum) input 1: expected int64 or int32, got float32"),
    );
  });
});

describe("reductions of integers", () => {
  const whole: Record<string, (values: readonly bigint[], dtype: DType) => bigint> = {
    ReduceSum: (v) => v.reduce((a, b) => a + b, 0n),
    ReduceProd: (v) => v.reduce((a, b) => a * b, 1n),
    ReduceL1: (v) => v.reduce((a, b) => a + (b < 0n ? -b : b), 0n),
    ReduceSumSquare: (v) => v.reduce((a, b) => a + b * b, 0n),
    ReduceMax: (v, dtype) => v.reduce((a, b) => (a > b ? a : b), bounds(dtype)[0]),
    ReduceMin: (v, dtype) => v.reduce((a, b) => (a < b ? a : b), bounds(dtype)[1]),
  };
  const bounds = (dtype: DType): [bigint, bigint] => {
    if (dtype === "bool") return [0n, 1n];
    const bits = BigInt(dtype.replace(/\D/g, ""));
    return dtype.startsWith("u") ? [0n, (1n << bits) - 1n] : [-(1n << (bits - 1n)), (1n << (bits - 1n)) - 1n];
  };

  test.each(Object.entries(whole))("%s of every type", (op, twin) => {
    const types = op === "ReduceMax" || op === "ReduceMin" ? ([...integerTypes, "bool"] as DType[]) : integerTypes;
    for (const dtype of types) {
      for (const [i, [shape, axes]] of cases.entries()) {
        const x = some(dtype, shape, i);
        const { groups } = gathered(
          shape,
          axes.map((axis) => (axis < 0 ? axis + shape.length : axis)),
        );
        const y = resultOf(op, [x, axesOf(axes)], dtype);
        const want = groups.map((group) =>
          wrapped(
            dtype,
            twin(
              group.map((p) => BigInt(x.data[p])),
              dtype,
            ),
          ),
        );
        expect(Array.from(y.data as ArrayLike<number>, BigInt), `${op} ${dtype} [${shape}] [${axes}]`).toEqual(want);
      }
    }
  });

  test("ReduceMean goes toward zero; roots and logarithms go through float32", () => {
    const x = tensor("int32", [2, 3], [-5, 0, 1, 7, 1, 0]);
    expect([...resultOf("ReduceMean", [x, axesOf([1])], "int32").data]).toEqual([-1, 2]);
    expect([...resultOf("ReduceL2", [tensor("int64", [2], [3, 4]), axesOf([0])], "int64").data]).toEqual([5n]);
    expect([...resultOf("ReduceLogSum", [tensor("uint32", [2], [20, 1]), axesOf([0])], "uint32").data]).toEqual([3]);
  });
});

describe("positions", () => {
  const positions = (x: Tensor, axis: number, before: (a: number, b: number) => boolean, last: boolean) => {
    const { groups } = gathered(x.shape, [axis]);
    return groups.map((group) => {
      let best = 0;
      for (const [j, p] of group.entries()) {
        const [v, top] = [x.data[p] as number, x.data[group[best]] as number];
        if (before(v, top) || (last && v === top)) best = j;
      }
      return BigInt(best);
    });
  };

  test("ArgMax and ArgMin of every type, the first or the last of equals", () => {
    for (const dtype of ["float32", ...integerTypes] as DType[]) {
      for (const [shape, axis] of [
        [[7], 0],
        [[3, 5], 1],
        [[3, 5], 0],
        [[2, 9, 4], 1],
      ] as [number[], number][]) {
        // Few values, so that many are equal.
        const size = shape.reduce((a, b) => a * b, 1);
        const x = tensor(
          dtype,
          shape,
          [...Array(size).keys()].map((i) => (i * 7) % 4),
        );
        for (const last of [0, 1]) {
          for (const [op, before] of [
            ["ArgMax", (a: number, b: number) => a > b],
            ["ArgMin", (a: number, b: number) => a < b],
          ] as const) {
            const y = resultOf(op, [x], "int64", { axis, select_last_index: last, keepdims: 0 });
            expect(y.shape).toEqual(shape.filter((_, d) => d !== axis));
            expect([...y.data], `${op} ${dtype} [${shape}]`).toEqual(positions(x, axis, before, last === 1));
          }
        }
      }
    }
    expect(resultOf("ArgMax", [some("float32", [2, 3, 4], 1)], "int64").shape).toEqual([1, 3, 4]);
    const dirty = tensor("float32", [3], [5, NaN, NaN]);
    expect(resultOf("ArgMax", [dirty], "int64").data[0]).toBe(1n);
    expect(() => resultOf("ArgMax", [some("float32", [0, 3], 1)], "int64")).toThrow(
      new ShapeError("n (ArgMax): expected values along the axis, got none"),
    );
  });

  test("TopK of every type: largest or smallest, in order, of equals the earlier", () => {
    for (const dtype of ["float32", ...integerTypes] as DType[]) {
      for (const [shape, axis] of [
        [[40], 0],
        [[3, 17], -1],
        [[17, 3], 0],
        [[2, 11, 4], 1],
      ] as [number[], number][]) {
        const at = axis < 0 ? axis + shape.length : axis;
        const size = shape.reduce((a, b) => a * b, 1);
        const x =
          size % 2
            ? some(dtype, shape, 1)
            : tensor(
                dtype,
                shape,
                [...Array(size).keys()].map((i) => (i * 7) % 5),
              );
        for (const most of [0, 1, 4, shape[at]]) {
          for (const largest of [1, 0]) {
            const [y, where] = runNode("TopK", [x, tensor("int64", [1], [most])], [dtype, "int64"], { axis, largest });
            const to = shape.map((dim, d) => (d === at ? most : dim));
            expect([y!.shape, where!.shape]).toEqual([to, to]);
            const { groups } = gathered(shape, [at]);
            const results = gathered(to, [at]).groups;
            for (const [g, group] of groups.entries()) {
              const order = group.map((p, j) => ({ v: x.data[p], j }));
              order.sort((a, b) => (a.v === b.v ? a.j - b.j : a.v > b.v === (largest === 1) ? -1 : 1));
              const best = order.slice(0, most);
              if (most === 0) continue;
              expect(results[g].map((p) => y!.data[p])).toEqual(best.map(({ v }) => v));
              expect(results[g].map((p) => where!.data[p])).toEqual(best.map(({ j }) => BigInt(j)));
            }
          }
        }
      }
    }
  });

  test("TopK refuses more than there are, and gives NaN first", () => {
    const x = tensor("float32", [4], [1, NaN, 3, 2]);
    expect(() => runNode("TopK", [x, tensor("int64", [1], [5])], ["float32", "int64"])).toThrow(
      new ShapeError("n (TopK) K: expected one number from 0 to 4, got 5"),
    );
    const [, where] = runNode("TopK", [x, tensor("int64", [1], [2])], [undefined, "int64"]);
    expect([...where!.data]).toEqual([1n, 2n]);
  });
});

describe("CumSum and CumProd", () => {
  test.each([
    ["CumSum", 0n, (a: bigint, b: bigint) => a + b],
    ["CumProd", 1n, (a: bigint, b: bigint) => a * b],
  ] as const)("%s along every axis, reverse, exclusive, of every type", (op, neutral, twin) => {
    for (const dtype of ["float32", ...integerTypes] as DType[]) {
      for (const shape of [[5], [3, 4], [2, 3, 17], [2, 1, 3], [2, 0]]) {
        const size = shape.reduce((a, b) => a * b, 1);
        const x = tensor(
          dtype,
          shape,
          [...Array(size).keys()].map((i) => (i % 3) + 1),
        );
        for (let axis = -1; axis < shape.length; axis++) {
          for (const [reverse, exclusive] of [
            [0, 0],
            [1, 0],
            [0, 1],
            [1, 1],
          ]) {
            const y = resultOf(op, [x, tensor("int64", [], [axis])], dtype, { reverse, exclusive });
            const want = [...Array(size)].map(() => 0n);
            for (const group of gathered(shape, [axis < 0 ? axis + shape.length : axis]).groups) {
              const order = reverse ? [...group].reverse() : group;
              let total: bigint = neutral;
              for (const p of order) {
                if (exclusive) want[p] = total;
                total = twin(total, BigInt(x.data[p]));
                if (!exclusive) want[p] = total;
              }
            }
            const whole = Array.from(y.data as ArrayLike<number>, BigInt);
            expect(whole, `${op} ${dtype} [${shape}] ${axis}`).toEqual(
              want.map((v) => (dtype === "float32" ? v : wrapped(dtype, v))),
            );
          }
        }
      }
    }
    expect(() => resultOf(op, [some("float32", [3], 1), tensor("int64", [2], [0, 0])], "float32")).toThrow(
      new ShapeError(`n (${op}) axis: expected one integer, got 2`),
    );
    expect(() => resultOf(op, [some("bool", [3], 1), tensor("int64", [], [0])], "bool")).toThrow(UnsupportedError);
  });
});
