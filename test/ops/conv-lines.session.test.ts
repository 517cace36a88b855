// Convolution over lines [n, c, l] is convolution over images of height 1, bit for bit, forwards and backwards.
import { describe, expect, test } from "vitest";
import { toDense } from "../../src/graph/dense.js";
import type { Attribute, Graph, GraphNode } from "../../src/graph/graph.js";
import { conv } from "../../src/ops/conv.js";
import { Model } from "../../src/runtime/session.js";
import { runReference } from "../reference/network.js";
import { normals } from "../support/kernels.js";
import {
  bits,
  expectClose,
  fed,
  isFactored,
  network,
  runModule,
  sizeOf,
  storages,
  withWeights,
} from "../support/network.js";
import { batch, descent, train } from "../support/training.js";

interface Line {
  readonly c: number;
  readonly l: number;
  readonly w: readonly [number, number, number];
  readonly attributes: Record<string, Attribute>;
}

const cases: Record<string, Line> = {
  plain: { c: 3, l: 20, w: [5, 3, 4], attributes: {} },
  "kernel_shape given": { c: 3, l: 20, w: [5, 3, 4], attributes: { kernel_shape: [4] } },
  pointwise: { c: 7, l: 9, w: [6, 7, 1], attributes: {} },
  "strides, uneven padding": { c: 2, l: 33, w: [4, 2, 5], attributes: { strides: [3], pads: [2, 1] } },
  dilations: { c: 2, l: 41, w: [4, 2, 3], attributes: { dilations: [4], pads: [4, 4] } },
  depthwise: { c: 6, l: 30, w: [6, 1, 5], attributes: { group: 6, pads: [2, 2] } },
  groups: { c: 6, l: 30, w: [4, 3, 3], attributes: { group: 2, pads: [1, 1] } },
};

/** The attributes of the same window over images of height 1. */
function raised(attributes: Record<string, Attribute>): Record<string, Attribute> {
  const out: Record<string, Attribute> = { ...attributes };
  const list = (name: string) => attributes[name] as number[] | undefined;
  for (const name of ["kernel_shape", "strides", "dilations"]) if (list(name)) out[name] = [1, ...list(name)!];
  const pads = list("pads");
  if (pads) out.pads = [0, pads[0], 0, pads[1]];
  return out;
}

function graphs({ c, l, w, attributes }: Line): { line: Graph; image: Graph; shape: readonly number[] } {
  const image = (out: readonly number[]) =>
    network("Conv", [c, 1, l], out, raised(attributes), [w[0], w[1], 1, w[2]], w[0]);
  const [, o, , out] = runReference(image([w[0], 1, 1]), { x: fed([1, c, 1, l], 1) }).get("y")!.shape;
  return {
    line: network("Conv", [c, l], [o, out], attributes, w, w[0]),
    image: image([o, 1, out]),
    shape: [o, out],
  };
}

for (const [title, one] of Object.entries(cases)) {
  test.each(storages(one.w))(`${title}, %s`, (name, weight) => {
    const { line, image, shape } = graphs(one);
    const high = { ...weight, shape: [one.w[0], one.w[1], 1, one.w[2]] };
    for (const exact of isFactored(name) ? [false, true] : [false]) {
      const x = fed([3, one.c, one.l], 8);
      const asImages = { ...x, shape: [3, one.c, 1, one.l] };
      const low = new Model(withWeights(line, [["w", weight]]), runModule, { exact }).run({ x }).y;
      const graph = withWeights(image, [["w", high]]);
      const wanted = new Model(graph, runModule, { exact }).run({ x: asImages }).y;
      expect(low.shape).toEqual([3, ...shape]);
      expect(bits(low.data)).toEqual(bits(wanted.data));
      expectClose(wanted, graph, { x: asImages }, 2 * one.w[1] * one.w[2] + 60);
    }
  });
}

test.each(Object.keys(cases))("trained alike: %s", async (title) => {
  const { line, image, shape } = graphs(cases[title]);
  const { c, l } = cases[title];
  const target = normals(2 * sizeOf(shape), 4);
  const after = async (graph: Graph, x: readonly number[]) => {
    const data = [batch({ x: fed([2, ...x], 8) }, target)];
    const { graph: trained } = await train(graph, { ...descent, data, loss: "meanSquaredError" });
    return ["w", "b"].map((name) => bits(toDense(trained.weights.get(name)!)));
  };
  const before = ["w", "b"].map((name) => bits(toDense(line.weights.get(name)!)));
  const got = await after(line, [c, l]);
  expect(got).toEqual(await after(image, [c, 1, l]));
  expect(got).not.toEqual(before);
});

describe("refused", () => {
  const node = (attributes: Record<string, Attribute>): GraphNode => ({
    name: "c",
    op: "Conv",
    inputs: ["x", "w"],
    outputs: ["y"],
    attributes,
  });

  test.each([
    ["an image's kernel over a line", {}, [1, 2, 9], [3, 2, 1, 3]],
    ["a line's kernel over an image", {}, [1, 2, 9, 9], [3, 2, 3]],
    ["two strides for a line", { strides: [1, 1] }, [1, 2, 9], [3, 2, 3]],
    ["four pads for a line", { pads: [0, 1, 0, 1] }, [1, 2, 9], [3, 2, 3]],
    ["another kernel_shape", { kernel_shape: [2] }, [1, 2, 9], [3, 2, 3]],
    ["a kernel longer than the line", {}, [1, 2, 2], [3, 2, 3]],
    ["two dimensions", {}, [2, 9], [3, 2]],
    ["six dimensions", {}, [1, 2, 9, 9, 9, 9], [3, 2, 3, 3, 3, 3]],
  ] as [string, Record<string, Attribute>, number[], number[]][])("%s", (_, attributes, x, w) => {
    expect(() =>
      conv.infer(
        node(attributes),
        [x, w].map((shape) => ({ dtype: "float32", shape })),
      ),
    ).toThrow(/c[ .]/);
  });
});
