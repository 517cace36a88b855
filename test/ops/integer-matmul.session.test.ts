// MatMulInteger and QLinearMatMul through a session: types, zero points and scales of every kind, B fed or known.
import { describe, expect, test } from "vitest";
import { floatToHalf, widen } from "../../src/graph/storage.js";
import type { Tensor } from "../../src/tensor.js";
import { ranges, requantize, sumsOf } from "../reference/quantized.js";
import { uniform } from "../support/kernels.js";
import { sizeOf } from "../support/network.js";
import { runNode, tensor } from "../support/one-node.js";

type Byte = "int8" | "uint8";
const signs = [
  ["int8", "int8"],
  ["uint8", "int8"],
  ["int8", "uint8"],
  ["uint8", "uint8"],
] as const;

function bytes(dtype: Byte, shape: readonly number[], seed: number): Tensor {
  const next = uniform(seed);
  const [low] = ranges[dtype];
  return tensor(
    dtype,
    shape,
    Array.from({ length: sizeOf(shape) }, () => low + Math.floor(next() * 256)),
  );
}

const at = (from: Tensor | undefined, i: number) => (from ? Number(from.data[i % from.data.length]) : 0);

/** Sums with zero points counted round, one matrix: they are given for all, for rows of A and for columns of B. */
function exact(m: number, n: number, k: number, a: Tensor, b: Tensor, aZero?: Tensor, bZero?: Tensor): number[] {
  const left = (i: number, p: number) => Number(a.data[i * k + p]) - at(aZero, i);
  return sumsOf(m, n, k, left, (p, j) => Number(b.data[p * n + j]) - at(bZero, j));
}

const shapes = [0, 1, 5, 6].flatMap((m) => [1, 8, 9].flatMap((n) => [0, 1, 2, 17].map((k) => [m, n, k])));
shapes.push([121, 9, 33], [6, 17, 513], [1, 9, 1025], [240, 3, 7], [1, 0, 3]);

describe.each(signs)("MatMulInteger of %s and %s", (aType, bType) => {
  test.each(["none", "one", "many", "middle"])("zero points: %s", (kind) => {
    for (const [seed, [m, n, k]] of shapes.entries()) {
      const [a, b] = [bytes(aType, [m, k], seed), bytes(bType, [k, n], seed + 1)];
      const zeros = (type: Byte, count: number) => {
        if (kind === "none") return undefined;
        if (kind === "middle") return tensor(type, [], [type === "uint8" ? 128 : 0]);
        return bytes(type, kind === "one" ? [] : [count], seed + 2);
      };
      const [aZero, bZero] = [zeros(aType, m), zeros(bType, n)];
      const want = exact(m, n, k, a, b, aZero, bZero);
      for (const weights of [[], [1], bZero ? [1, 3] : [1], aZero ? [0, 2] : [0]]) {
        const [y] = runNode("MatMulInteger", [a, b, aZero, bZero], {}, { outputs: ["int32"], weights });
        expect(y.shape).toEqual([m, n]);
        expect([...(y.data as Int32Array)], `${m} x ${n} x ${k}`).toEqual(want);
      }
    }
  });

  test.each([
    [
      [2, 3, 4],
      [4, 5],
      [2, 3, 5],
    ],
    [
      [2, 3, 4],
      [2, 4, 5],
      [2, 3, 5],
    ],
    [
      [2, 1, 3, 4],
      [3, 4, 5],
      [2, 3, 3, 5],
    ],
    [
      [3, 4],
      [2, 4, 5],
      [2, 3, 5],
    ],
    [[4], [4, 5], [5]],
    [[3, 4], [4], [3]],
    [[4], [4], []],
  ])("%j by %j, with zero points of each matrix where there are several", (aShape, bShape, yShape) => {
    const [a, b] = [bytes(aType, aShape, 3), bytes(bType, bShape, 4)];
    const [m, k] = aShape.length === 1 ? [1, aShape[0]] : aShape.slice(-2);
    const n = bShape.length === 1 ? 1 : bShape[bShape.length - 1];
    const perMatrix = (shape: readonly number[], kept: number) =>
      shape.length < 2 ? [] : shape.with(shape.length - kept, 1);
    for (const full of [false, true]) {
      const aZero = bytes(aType, full ? perMatrix(aShape, 1) : [m], 5);
      const bZero = bytes(bType, full ? perMatrix(bShape, 2) : [n], 6);
      const product = (i: number, j: number) => {
        const rowsOf = { ...a, data: a.data.slice(i * m * k, (i + 1) * m * k) };
        const colsOf = { ...b, data: b.data.slice(j * k * n, (j + 1) * k * n) };
        const zeros = (zero: Tensor, matrix: number, count: number): Tensor =>
          zero.data.length > count ? { ...zero, data: zero.data.slice(matrix * count, (matrix + 1) * count) } : zero;
        return exact(m, n, k, rowsOf, colsOf, zeros(aZero, i, m), zeros(bZero, j, n));
      };
      const [aFront, bFront, front] = [aShape, bShape, yShape].map((shape, i) =>
        i < 2 ? shape.slice(0, -2) : shape.slice(0, Math.max(aShape.length, bShape.length, 2) - 2),
      );
      const place = (side: readonly number[], y: number) => {
        let [index, rest, stride] = [0, y, 1];
        for (let d = front.length - 1; d >= 0; d--) {
          const size = side[d - front.length + side.length] ?? 1;
          if (size > 1) index += stride * (rest % front[d]);
          rest = Math.floor(rest / front[d]);
          stride *= size;
        }
        return index;
      };
      const want = Array.from({ length: sizeOf(front) }, (_, y) => product(place(aFront, y), place(bFront, y))).flat();
      for (const weights of [[], [1, 3]]) {
        const [y] = runNode("MatMulInteger", [a, b, aZero, bZero], {}, { outputs: ["int32"], weights });
        expect(y.shape).toEqual(yShape);
        expect([...(y.data as Int32Array)]).toEqual(want);
      }
    }
  });
});

test("sums are modulo 2^32", () => {
  const k = 70001;
  const a = tensor("uint8", [1, k], new Array(k).fill(255));
  const b = tensor("uint8", [k, 1], new Array(k).fill(255));
  const [y] = runNode("MatMulInteger", [a, b], {}, { outputs: ["int32"] });
  expect(y.data[0]).toBe(Number(BigInt.asIntN(32, 255n * 255n * BigInt(k))));
});

describe.each(signs)("QLinearMatMul of %s and %s", (aType, bType) => {
  /** 0: one of each; 1: one for each column of B; 2: one for each row of A and Y too. */
  test.each([0, 1, 2])("scales and zero points of kind %i", (kind) => {
    for (const [seed, [m, n, k]] of shapes.entries()) {
      const yType: Byte = seed % 2 ? "int8" : "uint8";
      const next = uniform(seed);
      const [a, b] = [bytes(aType, [m, k], seed), bytes(bType, [k, n], seed + 1)];
      const rows = kind === 2 ? [m] : [];
      const columns = kind > 0 ? [n] : [];
      const scale = (shape: readonly number[], least: number) =>
        tensor(
          "float32",
          shape,
          Array.from({ length: sizeOf(shape) }, (_, i) => (i % 3 ? least * (1 + next()) : least)),
        );
      const [aScale, bScale] = [scale(rows, 1 / 64), scale(columns, 1 / 128)];
      const yScale = scale(rows, Math.max(k, 1) / 32);
      const [aZero, bZero, yZero] = [
        bytes(aType, rows, seed + 2),
        bytes(bType, columns, seed + 3),
        bytes(yType, rows, seed + 4),
      ];
      const sums = exact(m, n, k, a, b, aZero, bZero);
      const want = sums.map((sum, e) => {
        const [i, j] = [Math.floor(e / n), e % n];
        return requantize(sum, [at(aScale, i), at(bScale, j), at(yScale, i)], at(yZero, i), ranges[yType]);
      });
      const inputs = [a, aScale, aZero, b, bScale, bZero, yScale, yZero];
      for (const weights of [[], [3, 5], [1, 2, 3, 4, 5, 6, 7], [3]]) {
        const [y] = runNode("QLinearMatMul", inputs, {}, { outputs: [yType], weights });
        expect([...(y.data as Int8Array)], `${m} x ${n} x ${k}`).toEqual(want);
      }
    }
  });

  test("stacks of matrices, and scales of halves", () => {
    const [a, b] = [bytes(aType, [2, 3, 4], 1), bytes(bType, [2, 4, 5], 2)];
    const half = (value: number): Tensor => ({ dtype: "float16", shape: [], data: Uint16Array.of(floatToHalf(value)) });
    const wide = (value: number) => {
      const out = new Float32Array(1);
      widen("float16", half(value).data, out);
      return out[0];
    };
    const zeros = [bytes(aType, [], 3), bytes(bType, [], 4), bytes("int8", [], 5)];
    const inputs = [a, half(0.0066), zeros[0], b, half(0.00705), zeros[1], half(0.0107), zeros[2]];
    const [y] = runNode("QLinearMatMul", inputs, {}, { outputs: ["int8"] });
    const want = [0, 1].flatMap((i) => {
      const matrix = (t: Tensor, size: number) => ({ ...t, data: t.data.slice(i * size, (i + 1) * size) });
      return exact(3, 5, 4, matrix(a, 12), matrix(b, 20), zeros[0], zeros[1]).map((sum) =>
        requantize(sum, [wide(0.0066), wide(0.00705), wide(0.0107)], at(zeros[2], 0), ranges.int8),
      );
    });
    expect([...(y.data as Int8Array)]).toEqual(want);
  });
});
