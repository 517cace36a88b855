// Losses over classes against their definition, one target at a time in f64.
import { describe, expect, test } from "vitest";
import { ShapeError, UnsupportedError } from "../../src/errors.js";
import type { Attribute } from "../../src/graph/graph.js";
import type { Tensor } from "../../src/tensor.js";
import { sizeOf } from "../reference/movement.js";
import { normals, uniform } from "../support/kernels.js";
import { counted, runNode, tensor } from "../support/one-node.js";

const floats = (shape: readonly number[], seed: number) => tensor("float32", shape, [...normals(sizeOf(shape), seed)]);

/** log softmax over dimension 1, in f64. */
function logs({ shape, data }: Tensor): number[] {
  const [n, c, ...rest] = shape;
  const plane = sizeOf(rest);
  const out = new Array<number>(data.length);
  for (let i = 0; i < n * plane; i++) {
    const at = (k: number) => (Math.floor(i / plane) * c + k) * plane + (i % plane);
    const values = Array.from({ length: c }, (_, k) => Number(data[at(k)]));
    const most = Math.max(...values);
    const sum = values.reduce((total, v) => total + Math.exp(v - most), 0);
    for (const [k, v] of values.entries()) out[at(k)] = v - most - Math.log(sum);
  }
  return out;
}

interface Given {
  readonly reduction: "none" | "sum" | "mean";
  readonly ignore?: number;
  readonly weights?: Tensor;
}

function twin(x: readonly number[], shape: readonly number[], targets: readonly number[], given: Given): number[] {
  const [, c, ...rest] = shape;
  const plane = sizeOf(rest);
  const share = (t: number) => (t === given.ignore ? 0 : Number(given.weights?.data[t] ?? 1));
  const each = targets.map((t, i) =>
    t === given.ignore ? 0 : -x[(Math.floor(i / plane) * c + t) * plane + (i % plane)] * share(t),
  );
  if (given.reduction === "none") return each;
  const total = each.reduce((a, b) => a + b, 0);
  return [given.reduction === "sum" ? total : total / targets.reduce((sum, t) => sum + share(t), 0)];
}

const shapes = [
  [3, 5],
  [1, 1],
  [2, 4, 3],
  [2, 3, 2, 3],
  [1, 2, 2, 1, 3, 2],
  [0, 3],
  [40, 17],
];

describe.each(["NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"])("%s", (op) => {
  for (const shape of shapes) {
    for (const reduction of ["none", "sum", "mean"] as const) {
      test(`${shape}, ${reduction}`, () => {
        for (const [k, dtype] of (["int64", "int32", "int64", "int64"] as const).entries()) {
          const next = uniform(k + 1);
          const [n, c, ...rest] = shape;
          const ignore = k === 2 ? 0 : k === 3 ? -100 : undefined;
          const targets = Array.from({ length: n * sizeOf(rest) }, () =>
            k === 3 && next() < 0.3 ? -100 : Math.floor(next() * c),
          );
          const weights =
            k % 2 === 1
              ? tensor(
                  "float32",
                  [c],
                  Array.from({ length: c }, () => 0.1 + next()),
                )
              : undefined;
          const x = floats(shape, k + 5);
          const attributes: Record<string, Attribute> = { reduction };
          if (ignore !== undefined) attributes.ignore_index = ignore;
          const inputs = [x, tensor(dtype, [n, ...rest], targets), ...(weights ? [weights] : [])];
          const soft = op === "SoftmaxCrossEntropyLoss";
          const outputs = soft ? (["float32", "float32"] as const) : (["float32"] as const);
          const [loss, probabilities] = runNode(op, inputs, attributes, { outputs });
          const from = soft ? logs(x) : Array.from(x.data, Number);
          const want = twin(from, shape, targets, { reduction, ignore, weights });
          expect(loss.shape).toEqual(reduction === "none" ? [n, ...rest] : []);
          for (const [i, value] of want.entries()) {
            if (Number.isNaN(value)) expect(loss.data[i]).toBeNaN();
            else expect(Math.abs(Number(loss.data[i]) - value)).toBeLessThan(1e-5 * (1 + Math.abs(value)));
          }
          if (!soft) continue;
          for (const [i, value] of from.entries()) {
            expect(Math.abs(Number(probabilities.data[i]) - value)).toBeLessThan(1e-5);
          }
        }
      });
    }
  }

  test("a target outside the classes is taken for the nearest", () => {
    const x = floats([3, 4], 1);
    const run = (targets: number[]) => runNode(op, [x, tensor("int64", [3], targets)], { reduction: "none" })[0].data;
    expect(run([-7, 99, 2])).toEqual(run([0, 3, 2]));
  });

  const x = floats([2, 3, 4], 1);
  test.each([
    [[x, counted("int64", [2, 3])], {}, `n (${op}) input 1: expected [2, 4], got [2, 3]`],
    [[x, counted("uint8", [2, 4])], {}, `n (${op}) input 1: expected int64 or int32, got uint8`],
    [[x, counted("int64", [2, 4]), floats([4], 1)], {}, `n (${op}) input 2: expected [3], got [4]`],
    [
      [floats([3], 1), counted("int64", [3])],
      {},
      `n (${op}) input 0: expected [n, c] and any sizes, a class or more, got [3]`,
    ],
    [
      [floats([3, 0], 1), counted("int64", [3])],
      {},
      `n (${op}) input 0: expected [n, c] and any sizes, a class or more, got [3, 0]`,
    ],
    [[x, counted("int64", [2, 4])], { ignore_index: 0.5 }, "n.ignore_index: expected an integer, got 0.5"],
  ] as const)("%# is refused", (inputs, attributes, message) => {
    expect(() => runNode(op, inputs, attributes)).toThrow(new ShapeError(message));
  });

  test("other reductions and integers are refused", () => {
    const targets = counted("int64", [2, 4]);
    expect(() => runNode(op, [x, targets], { reduction: "max" })).toThrow(
      new UnsupportedError("n.reduction: expected one of none, sum, mean, got max"),
    );
    expect(() => runNode(op, [counted("int32", [2, 3, 4]), targets])).toThrow(UnsupportedError);
  });
});
