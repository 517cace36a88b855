import { describe, expect, test } from "vitest";
import { GraphBuilder } from "../../src/graph/build.js";
import type { Attribute } from "../../src/graph/graph.js";
import { Model } from "../../src/runtime/session.js";
import { runReference } from "../reference/network.js";
import {
  bits,
  expectClose,
  factoredWeight,
  fed,
  isFactored,
  network,
  runModule,
  storages,
  withWeights,
} from "../support/network.js";

interface Case {
  readonly x: readonly [number, number, number];
  readonly w: readonly [number, number, number, number];
  readonly attributes: Record<string, Attribute>;
}

/** Geometries: each differs from the others in what could be mixed up. */
const cases: Record<string, Case> = {
  plain: { x: [3, 8, 9], w: [5, 3, 3, 3], attributes: {} },
  pointwise: { x: [7, 5, 6], w: [9, 7, 1, 1], attributes: { kernel_shape: [1, 1] } },
  "uneven kernel": { x: [2, 9, 8], w: [4, 2, 2, 3], attributes: {} },
  strides: { x: [3, 11, 10], w: [4, 3, 3, 3], attributes: { strides: [2, 3] } },
  "padding all around": { x: [2, 6, 5], w: [6, 2, 3, 3], attributes: { pads: [1, 1, 1, 1] } },
  "uneven padding": { x: [2, 6, 5], w: [6, 2, 3, 3], attributes: { pads: [2, 0, 1, 3] } },
  "padding on one side": { x: [2, 5, 5], w: [3, 2, 3, 3], attributes: { pads: [0, 2, 0, 0], strides: [1, 2] } },
  dilations: { x: [2, 9, 11], w: [3, 2, 3, 3], attributes: { dilations: [2, 3] } },
  "all at once": {
    x: [3, 12, 9],
    w: [4, 3, 3, 2],
    attributes: { dilations: [2, 1], strides: [2, 3], pads: [1, 2, 3, 0] },
  },
  "one pixel out": { x: [4, 3, 3], w: [6, 4, 3, 3], attributes: {} },
  "padding wider than the image": { x: [1, 2, 2], w: [2, 1, 5, 5], attributes: { pads: [3, 4, 3, 4] } },
  "more channels than a tile": { x: [10, 7, 7], w: [70, 10, 3, 3], attributes: { pads: [1, 1, 1, 1] } },
  "more pixels than a tile": { x: [2, 21, 33], w: [7, 2, 3, 3], attributes: { pads: [1, 1, 1, 1] } },
};

const groups: Record<string, Case> = {
  "two groups": { x: [4, 6, 7], w: [6, 2, 3, 3], attributes: { group: 2, pads: [1, 0, 0, 1] } },
  depthwise: { x: [5, 7, 6], w: [5, 1, 3, 3], attributes: { group: 5, strides: [2, 1] } },
  "depthwise, two outputs each": { x: [3, 7, 6], w: [6, 1, 3, 2], attributes: { group: 3, dilations: [1, 2] } },
};

function graphOf({ x, w, attributes }: Case, bias: number | undefined) {
  const probe = network("Conv", x, [w[0], "h", "w"] as never, attributes, w, bias);
  const out = runReference(probe, { x: fed([1, ...x], 1) }).get("y")!.shape;
  return network("Conv", x, out.slice(1), attributes, w, bias);
}

for (const [title, shape] of Object.entries({ ...cases, ...groups })) {
  describe(`Conv, ${title}`, () => {
    test.each(storages(shape.w))("%s", (name, weight) => {
      const roundings = 2 * shape.w[1] * shape.w[2] * shape.w[3] + 30;
      for (const bias of [undefined, shape.w[0]]) {
        const graph = withWeights(graphOf(shape, bias), [["w", weight]]);
        for (const exact of isFactored(name) ? [false, true] : [false]) {
          const model = new Model(graph, runModule, { exact });
          for (const n of [1, 3]) {
            const x = fed([n, ...shape.x], 50 + n);
            expectClose(model.run({ x }).y, graph, { x }, roundings);
          }
        }
      }
    });
  });
}

describe("Conv of compressed weights that have their own paths", () => {
  // k below and above the number of outputs, and every size around a tile of rebuilt rows.
  test.each([1, 4, 59, 60, 61, 120, 121])("factored by kernel with %d outputs", (outputs) => {
    for (const k of [1, 3, outputs + 1]) {
      const shape = [outputs, 3, 3, 3] as const;
      const weight = factoredWeight(shape, "kernel", { seed: outputs, k });
      const graph = withWeights(graphOf({ x: [3, 5, 6], w: shape, attributes: { strides: [2, 1] } }, outputs), [
        ["w", weight],
      ]);
      const x = fed([2, 3, 5, 6], 3);
      for (const exact of [false, true])
        expectClose(new Model(graph, runModule, { exact }).run({ x }).y, graph, { x }, 120);
    }
  });

  test.each([1, 63, 64, 65, 128, 130])("Gemm, factored either way with %d inputs and outputs", (side) => {
    for (const layout of ["rows", "kernel"] as const) {
      const weight = factoredWeight([side, side], layout, { seed: side, k: 5, d: side });
      const graph = withWeights(network("Gemm", [side], [side], { transB: 1 }, [side, side], side), [["w", weight]]);
      const x = fed([3, side], 3);
      for (const exact of [false, true]) {
        expectClose(new Model(graph, runModule, { exact }).run({ x }).y, graph, { x }, 2 * side + 30);
      }
    }
  });

  test("exact and factored results differ by rounding only, and do differ", () => {
    const weight = factoredWeight([32, 8, 3, 3], "kernel", { seed: 3, k: 8 });
    const graph = withWeights(graphOf({ x: [8, 9, 9], w: [32, 8, 3, 3], attributes: {} }, undefined), [["w", weight]]);
    const x = fed([1, 8, 9, 9], 3);
    const [fast, exact] = [false, true].map((flag) => new Model(graph, runModule, { exact: flag }).run({ x }).y);
    expectClose(fast, graph, { x }, 200);
    expectClose(exact, graph, { x }, 200);
    expect(bits(fast.data)).not.toEqual(bits(exact.data));
  });
});

describe("one image alone and among 64 gives the same bits", () => {
  const shape = cases["padding all around"];
  for (const [title, one] of Object.entries({ shape, depthwise: groups.depthwise })) {
    test.each(storages(one.w))(`${title}, %s`, (name, weight) => {
      const graph = withWeights(graphOf(one, one.w[0]), [["w", weight]]);
      const model = new Model(graph, runModule, { exact: isFactored(name) });
      const x = fed([64, ...one.x], 9);
      const each = x.data.length / 64;
      const together = model.run({ x }).y.data;
      for (const i of [0, 1, 31, 63]) {
        const alone = model.run({ x: x.data.subarray(i * each, (i + 1) * each) }).y.data;
        expect(bits(alone)).toEqual(bits(together.slice(i * alone.length, (i + 1) * alone.length)));
      }
    });
  }
});

test.each(storages([6, 2, 3, 3]).filter(([name]) => name.startsWith("coded")))(
  "%s gives the bits of what it was coded from",
  (name, weight) => {
    const plain = storages([6, 2, 3, 3]).find(([other]) => `coded ${other}` === name)![1];
    const graph = graphOf(cases["uneven padding"], 6);
    const x = fed([3, 2, 6, 5], 9);
    const [coded, stored] = [weight, plain].map(
      (w) => new Model(withWeights(graph, [["w", w]]), runModule).run({ x }).y.data,
    );
    expect(bits(coded)).toEqual(bits(stored));
  },
);

test("images, kernels and biases may be constants or computed", () => {
  const b = new GraphBuilder("computed");
  const x = b.input("x", ["N", 2, 5, 5]);
  const w = b.input("w", [4, 2, 3, 3]);
  const constant = b.weight("c", [1, 2, 5, 5], fed([1, 2, 5, 5], 1).data);
  const bias = b.weight("b", [4], fed([4], 2).data);
  b.output("both", ["N", 4, 3, 3], b.node("Conv", [x, b.node("Relu", [w]), bias], {}, "first"));
  b.output("image", [1, 4, 3, 3], b.node("Conv", [constant, w, bias], {}, "second"));
  const graph = b.build();
  const inputs = { x: fed([3, 2, 5, 5], 4), w: fed([4, 2, 3, 3], 5) };
  const results = new Model(graph, runModule).run(inputs);
  expectClose(results.both, graph, inputs, 60, "both");
  expectClose(results.image, graph, inputs, 60, "image");
});
