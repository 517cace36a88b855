import { describe, expect, test } from "vitest";
import { ShapeError, UnsupportedError } from "../../src/errors.js";
import { Model } from "../../src/runtime/session.js";
import type { Tensor } from "../../src/tensor.js";
import { gathered, indexIn } from "../reference/elementwise.js";
import { runModule } from "../support/network.js";
import { lone, resultOf, runNode, some, tensor } from "../support/operator.js";

const near = (actual: Tensor, shape: readonly number[], want: ArrayLike<number>, limit = 2e-5) => {
  expect(actual.shape).toEqual(shape);
  for (let i = 0; i < want.length; i++) {
    if (!(Math.abs((actual.data[i] as number) - want[i]) <= limit * (1 + Math.abs(want[i])))) {
      throw new Error(`[${i}]: expected ${want[i]}, got ${actual.data[i]}`);
    }
  }
};

/** Each group of positions normalized: (x - mean) / sqrt(var + epsilon). */
function standardized(x: ArrayLike<number>, groups: readonly number[][], epsilon: number): Float64Array {
  const out = new Float64Array(x.length);
  for (const group of groups) {
    const mean = group.reduce((sum, p) => sum + x[p], 0) / group.length;
    const variance = group.reduce((sum, p) => sum + (x[p] - mean) ** 2, 0) / group.length;
    for (const p of group) out[p] = (x[p] - mean) / Math.sqrt(variance + epsilon);
  }
  return out;
}

const values = (t: Tensor) => t.data as Float32Array;

describe("softmaxes", () => {
  const shapes = [[5], [3, 7], [2, 3, 4], [2, 3, 1, 5], [2, 17, 20], [2, 0, 3]];
  test.each(["Softmax", "LogSoftmax", "Hardmax"])("%s along every axis", (op) => {
    for (const shape of shapes) {
      for (let axis = -1; axis < shape.length; axis++) {
        const x = some("float32", shape, axis + 3);
        const want = new Float64Array(x.data.length);
        for (const group of gathered(shape, [axis < 0 ? axis + shape.length : axis]).groups) {
          const row = group.map((p) => values(x)[p]);
          const most = Math.max(...row);
          const sum = row.reduce((total, v) => total + Math.exp(v - most), 0);
          for (const [j, p] of group.entries()) {
            if (op === "Softmax") want[p] = Math.exp(row[j] - most) / sum;
            else if (op === "LogSoftmax") want[p] = row[j] - most - Math.log(sum);
            else want[p] = row.indexOf(most) === j ? 1 : 0;
          }
        }
        near(resultOf(op, [x], "float32", axis === -1 ? {} : { axis }), shape, want, op === "Hardmax" ? 0 : 2e-6);
      }
    }
  });

  test.each(["Softmax", "LogSoftmax", "Hardmax"])("%s gives the same in the place of what it is given", (op) => {
    for (const axis of [0, 1]) {
      const x = some("float32", [3, 7], 2);
      const graph = lone(op, [x], ["float32"], { axis });
      const negated = { name: "a", op: "Neg", inputs: ["x0"], outputs: ["a"], attributes: {} };
      using model = new Model({ ...graph, nodes: [negated, { ...graph.nodes[0], inputs: ["a"] }] }, runModule);
      const minus = { ...x, data: values(x).map((v) => -v) };
      expect(model.run({ x0: x }).y0).toEqual(resultOf(op, [minus], "float32", { axis }));
    }
  });

  test("bear any size, and refuse an axis that is not there", () => {
    const x = tensor("float32", [2, 2], [1000, 3e38, -1000, 3e38]);
    expect([...resultOf("Softmax", [x], "float32", { axis: 0 }).data]).toEqual([1, 0.5, 0, 0.5]);
    expect([...resultOf("LogSoftmax", [x], "float32", { axis: 0 }).data]).toEqual([
      0,
      -Math.fround(Math.LN2),
      -2000,
      -Math.fround(Math.LN2),
    ]);
    expect(() => resultOf("Softmax", [x], "float32", { axis: 2 })).toThrow(ShapeError);
    expect([...resultOf("Softmax", [tensor("float32", [], [3])], "float32").data]).toEqual([1]);
  });
});

describe("normalizations", () => {
  const shapes = [
    [2, 4],
    [2, 4, 5],
    [1, 4, 3, 3],
    [2, 4, 2, 3, 5],
    [0, 4, 3],
  ];

  test("BatchNormalization in training mode: statistics of the batch, and what the stored ones become", () => {
    for (const shape of shapes.slice(0, 4)) {
      const [x, scale, bias, mean, spread] = [shape, [4], [4], [4], [4]].map((of, i) => some("float32", of, 1 + i));
      const variance = { ...spread, data: Float32Array.from(spread.data as Float32Array, Math.abs) };
      const inputs = [x, scale, bias, mean, variance];
      const attributes = { training_mode: 1, momentum: 0.7, epsilon: 0.01 };
      const plane = shape.slice(2).reduce((a, b) => a * b, 1);
      const channels = Array.from(values(x), (_, i) => Math.floor(i / plane) % 4);
      const groups = [0, 1, 2, 3].map((c) => channels.flatMap((of, i) => (of === c ? [i] : [])));
      const norm = standardized(values(x), groups, 0.01);
      const want = norm.map((v, i) => v * values(scale)[channels[i]] + values(bias)[channels[i]]);
      const means = groups.map((group) => group.reduce((sum, i) => sum + values(x)[i], 0) / group.length);
      const spreads = groups.map(
        (group, c) => group.reduce((sum, i) => sum + (values(x)[i] - means[c]) ** 2, 0) / group.length,
      );
      const [y, nextMean, nextVariance] = runNode(
        "BatchNormalization",
        inputs,
        ["float32", "float32", "float32"],
        attributes,
      );
      near(y!, shape, want, 1e-5);
      near(
        nextMean!,
        [4],
        means.map((v, c) => 0.7 * values(mean)[c] + 0.3 * v),
        1e-5,
      );
      near(
        nextVariance!,
        [4],
        spreads.map((v, c) => 0.7 * values(variance)[c] + 0.3 * v),
        1e-5,
      );
      near(resultOf("BatchNormalization", inputs, "float32", attributes), shape, want, 1e-5);
    }
  });

  test.each([
    ["InstanceNormalization", 4],
    ["GroupNormalization", 2],
    ["GroupNormalization", 1],
  ] as const)("%s of 4 channels in %s groups", (op, groups) => {
    for (const shape of shapes) {
      // One value alone is its own mean.
      const x = some("float32", shape, 1);
      const [scale, bias] = [some("float32", [4], 2), some("float32", [4], 3)];
      const rows = [shape[0] * groups, (4 / groups) * shape.slice(2).reduce((a, b) => a * b, 1)];
      const norm = standardized(values(x), gathered(rows, [1]).groups, 0.01);
      const plane = rows[1] / (4 / groups);
      const want = norm.map(
        (v, i) => v * values(scale)[Math.floor(i / plane) % 4] + values(bias)[Math.floor(i / plane) % 4],
      );
      const attributes: Record<string, number> =
        op === "GroupNormalization" ? { num_groups: groups, epsilon: 0.01 } : { epsilon: 0.01 };
      near(resultOf(op, [x, scale, bias], "float32", attributes), shape, want);
    }
  });

  test("RMSNormalization from each axis, its scale repeated", () => {
    for (const shape of [[6], [3, 5], [2, 3, 20]]) {
      for (let axis = -shape.length; axis < shape.length; axis++) {
        const at = axis < 0 ? axis + shape.length : axis;
        const x = some("float32", shape, 4);
        const scale = some("float32", shape.slice(at), 5);
        const want = new Float64Array(x.data.length);
        for (const group of gathered(shape, shape.map((_, i) => i).slice(at)).groups) {
          const mean = group.reduce((sum, p) => sum + values(x)[p] ** 2, 0) / group.length;
          for (const p of group)
            want[p] = (values(x)[p] / Math.sqrt(mean + 1e-5)) * values(scale)[indexIn(scale.shape, shape, p)];
        }
        near(resultOf("RMSNormalization", [x, scale], "float32", { axis }), shape, want);
      }
    }
    const x = some("float32", [2, 3], 1);
    expect(() => resultOf("RMSNormalization", [x, some("float32", [2], 1)], "float32")).toThrow(ShapeError);
    expect(() => resultOf("RMSNormalization", [x, some("float32", [2, 2, 3], 1)], "float32")).toThrow(ShapeError);
    expect(() => resultOf("RMSNormalization", [x, some("float32", [3], 1)], "float32", { stash_type: 10 })).toThrow(
      UnsupportedError,
    );
  });

  test("LpNormalization by both norms; where that is 0, 0", () => {
    for (const p of [1, 2]) {
      for (const axis of [0, 1, -1]) {
        const x = some("float32", [3, 4, 5], 6);
        for (const at of [0, 20, 40]) for (let i = 0; i < 5; i++) values(x)[at + i] = 0;
        const want = new Float64Array(60);
        for (const group of gathered(x.shape, [axis < 0 ? 2 : axis]).groups) {
          const norm = group.reduce((sum, q) => sum + Math.abs(values(x)[q]) ** p, 0) ** (1 / p);
          for (const q of group) want[q] = norm === 0 ? 0 : values(x)[q] / norm;
        }
        near(resultOf("LpNormalization", [x], "float32", { p, axis }), x.shape, want, 2e-6);
      }
    }
    expect(() => resultOf("LpNormalization", [some("float32", [3], 1)], "float32", { p: 3 })).toThrow(
      new ShapeError("n.p: expected 1 or 2, got 3"),
    );
  });

  test("MeanVarianceNormalization over axes apart", () => {
    for (const axes of [undefined, [0, 2, 3], [-1], [1]]) {
      const x = some("float32", [2, 3, 4, 5], 7);
      const at = (axes ?? [0, 2, 3]).map((axis) => (axis < 0 ? axis + 4 : axis));
      near(
        resultOf("MeanVarianceNormalization", [x], "float32", axes ? { axes } : {}),
        x.shape,
        standardized(values(x), gathered(x.shape, at).groups, 1e-18),
      );
    }
  });

  test("LRN over the channels around each", () => {
    for (const size of [1, 2, 3, 4, 5, 12]) {
      const x = some("float32", [2, 5, 3, 2], 8);
      const [alpha, beta, bias] = [0.5, 0.75, 2];
      const want = Float64Array.from(values(x), (v, i) => {
        const [n, c, q] = [Math.floor(i / 30), Math.floor(i / 6) % 5, i % 6];
        let sum = 0;
        for (let d = c - Math.floor((size - 1) / 2); d <= c + Math.ceil((size - 1) / 2); d++) {
          if (d >= 0 && d < 5) sum += values(x)[(n * 5 + d) * 6 + q] ** 2;
        }
        return v / (bias + (alpha / size) * sum) ** beta;
      });
      near(resultOf("LRN", [x], "float32", { size, alpha, beta, bias }), x.shape, want, 2e-6);
    }
    expect(() => resultOf("LRN", [some("float32", [1, 2, 3], 1)], "float32")).toThrow(ShapeError);
  });

  test("LayerNormalization gives the mean and the inverse deviation of each row", () => {
    for (const axis of [1, -1]) {
      const x = some("float32", [2, 3, 5], 9);
      const shape = axis === 1 ? [3, 5] : [5];
      const [scale, bias] = [some("float32", shape, 10), some("float32", shape, 11)];
      const { kept, groups } = gathered(x.shape, axis === 1 ? [1, 2] : [2]);
      const norm = standardized(values(x), groups, 1e-5);
      const mean = groups.map((group) => group.reduce((sum, p) => sum + values(x)[p], 0) / group.length);
      const inverse = groups.map(
        (group, g) =>
          1 / Math.sqrt(group.reduce((sum, p) => sum + (values(x)[p] - mean[g]) ** 2, 0) / group.length + 1e-5),
      );
      for (const withBias of [true, false]) {
        const inputs = [x, scale, ...(withBias ? [bias] : [])];
        const [y, m, s] = runNode("LayerNormalization", inputs, ["float32", "float32", "float32"], { axis });
        near(
          y!,
          x.shape,
          norm.map(
            (v, i) =>
              v * values(scale)[indexIn(shape, x.shape, i)] + (withBias ? values(bias)[indexIn(shape, x.shape, i)] : 0),
          ),
        );
        near(m!, kept, mean);
        near(s!, kept, inverse);
        const [, , alone] = runNode("LayerNormalization", inputs, [undefined, undefined, "float32"], { axis });
        near(alone!, kept, inverse);
      }
    }
  });

  test("BatchNormalization whose parameters are no weights", () => {
    const x = some("float32", [2, 3, 4], 12);
    const inputs = [0, 1, 2].map((i) => some("float32", [3], 13 + i));
    const variance = tensor("float32", [3], [0.5, 1, 2]);
    const [gamma, beta, mean] = inputs.map(values);
    const want = values(x).map((v, i) => {
      const c = Math.floor(i / 4) % 3;
      return ((v - mean[c]) / Math.sqrt(values(variance)[c] + 0.01)) * gamma[c] + beta[c];
    });
    near(resultOf("BatchNormalization", [x, ...inputs, variance], "float32", { epsilon: 0.01 }), x.shape, want);
  });
});
