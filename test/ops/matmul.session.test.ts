import { describe, expect, test } from "vitest";
import { ShapeError } from "../../src/errors.js";
import { GraphBuilder } from "../../src/graph/build.js";
import type { Graph } from "../../src/graph/graph.js";
import { Model } from "../../src/runtime/session.js";
import { normals } from "../support/kernels.js";
import {
  bits,
  expectClose,
  fed,
  relaxedModule,
  runModule,
  sizeOf,
  storages,
  thrown,
  withWeights,
} from "../support/network.js";

/** A, B and Y, batches broadcast every way that ONNX says; sizes beside and past a panel of eight and a tile of five. */
const cases: readonly (readonly [a: number[], b: number[], y: number[]])[] = [
  [
    [2, 5, 7],
    [2, 7, 9],
    [2, 5, 9],
  ],
  [
    [3, 2, 6, 4],
    [3, 2, 4, 8],
    [3, 2, 6, 8],
  ],
  [
    [3, 2, 6, 4],
    [2, 4, 8],
    [3, 2, 6, 8],
  ],
  [
    [3, 1, 6, 4],
    [5, 4, 3],
    [3, 5, 6, 3],
  ],
  [
    [3, 1, 6, 4],
    [1, 5, 4, 3],
    [3, 5, 6, 3],
  ],
  [
    [1, 5, 2, 4],
    [3, 1, 4, 3],
    [3, 5, 2, 3],
  ],
  [
    [6, 4],
    [5, 4, 3],
    [5, 6, 3],
  ],
  [
    [2, 3, 6, 4],
    [1, 1, 4, 3],
    [2, 3, 6, 3],
  ],
  [
    [6, 4],
    [1, 1, 4, 3],
    [1, 1, 6, 3],
  ],
  [
    [2, 1, 300],
    [2, 300, 11],
    [2, 1, 11],
  ],
  [[7], [7, 9], [9]],
  [[7], [3, 7, 9], [3, 9]],
  [[5, 7], [7], [5]],
  [[2, 3, 5, 7], [7], [2, 3, 5]],
  [[7], [7], []],
  [
    [2, 3, 0],
    [2, 0, 4],
    [2, 3, 4],
  ],
  [
    [2, 0, 3],
    [2, 3, 4],
    [2, 0, 4],
  ],
  [
    [0, 2, 3],
    [1, 3, 4],
    [0, 2, 4],
  ],
  [
    [0, 2, 3],
    [0, 3, 4],
    [0, 2, 4],
  ],
];

/** A Relu may follow, which goes into the launch of the product. */
function graphOf([a, b, y]: readonly [number[], number[], number[]], weight: "b" | "a" | "none", relu: boolean): Graph {
  const g = new GraphBuilder("matmul");
  const left = weight === "a" ? g.weight("a", a, normals(sizeOf(a), 3)) : g.input("a", a);
  const right = weight === "b" ? g.weight("b", b, normals(sizeOf(b), 4)) : g.input("b", b);
  const product = g.node("MatMul", [left, right]);
  g.output("y", y, relu ? g.node("Relu", [product]) : product);
  return g.build();
}

describe.each(cases)("MatMul of %j and %j", (...shapes) => {
  const [a, b] = shapes;
  test.each(["none", "a", "b"] as const)("weight: %s", (weight) => {
    for (const module of [runModule, relaxedModule()]) {
      if (!module) continue;
      for (const relu of [false, true]) {
        const graph = graphOf(shapes, weight, relu);
        const inputs = {
          ...(weight === "a" ? {} : { a: fed(a, 1) }),
          ...(weight === "b" ? {} : { b: fed(b, 2) }),
        };
        const model = new Model(graph, module);
        // Twice: what a run leaves in memory does not change the next.
        model.run(inputs);
        expectClose(model.run(inputs).y, graph, inputs, 2 * a[a.length - 1] + 4);
        model.dispose();
      }
    }
  });
});

test.each([
  [[2, 3], [2], "2 columns of A, got [2, 3]"],
  [[3], [2, 4], "2 columns of A, got [3]"],
  [[], [3], "vectors, matrices or stacks of them, got [] and [3]"],
  [[3], [], "vectors, matrices or stacks of them, got [3] and []"],
  [[2, 2, 3], [3, 3, 5], "dimensions in front that are equal or 1, got [2, 2, 3] and [3, 3, 5]"],
  [[4, 1, 2, 3], [3, 1, 3, 5], "dimensions in front that are equal or 1, got [4, 1, 2, 3] and [3, 1, 3, 5]"],
])("MatMul of %j and %j is refused", (a, b, message) => {
  const graph = graphOf([a, b, []], "none", false);
  const error = thrown(() => new Model(graph, runModule).run({ a: fed(a, 1), b: fed(b, 2) }));
  expect(error).toBeInstanceOf(ShapeError);
  expect((error as Error).message).toContain(`(MatMul): expected ${message}`);
});

test.each(storages([3, 8, 5]))("a stack of weights stored as %s", (_name, weight) => {
  const graph = withWeights(
    graphOf(
      [
        [2, 3, 4, 8],
        [3, 8, 5],
        [2, 3, 4, 5],
      ],
      "b",
      true,
    ),
    [["b", weight]],
  );
  const inputs = { a: fed([2, 3, 4, 8], 1) };
  expectClose(new Model(graph, runModule).run(inputs).y, graph, inputs, 60);
});

test.each(storages([8]))("a vector of weights stored as %s", (_name, weight) => {
  const graph = withWeights(graphOf([[2, 4, 8], [8], [2, 4]], "b", false), [["b", weight]]);
  const inputs = { a: fed([2, 4, 8], 1) };
  expectClose(new Model(graph, runModule).run(inputs).y, graph, inputs, 60);
});

test("a product of a batch has the bits that it has alone", () => {
  const [a, b] = [fed([6, 9, 33], 1), fed([6, 33, 17], 2)];
  const together = new Model(
    graphOf(
      [
        [6, 9, 33],
        [6, 33, 17],
        [6, 9, 17],
      ],
      "none",
      false,
    ),
    runModule,
  );
  const alone = new Model(
    graphOf(
      [
        [9, 33],
        [33, 17],
        [9, 17],
      ],
      "none",
      false,
    ),
    runModule,
  );
  const y = together.run({ a, b }).y.data;
  for (let i = 0; i < 6; i++) {
    const one = alone.run({ a: a.data.slice(i * 297, (i + 1) * 297), b: b.data.slice(i * 561, (i + 1) * 561) });
    expect(bits(one.y.data)).toEqual(bits(y.slice(i * 153, (i + 1) * 153)));
  }
});

test("an open batch, and sizes that change between runs", () => {
  const g = new GraphBuilder("open");
  const a = g.input("a", ["N", 2, "m", 4]);
  g.output("y", ["N", 2, "m", "n"], g.node("MatMul", [a, g.input("b", ["N", 1, 4, "n"])]));
  const graph = g.build();
  const model = new Model(graph, runModule);
  for (const [batch, m, n] of [
    [1, 1, 1],
    [3, 5, 9],
    [2, 130, 3],
  ]) {
    const inputs = { a: fed([batch, 2, m, 4], m), b: fed([batch, 1, 4, n], n) };
    expectClose(model.run(inputs).y, graph, inputs, 12);
  }
});
