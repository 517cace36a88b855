import { expect, it } from "vitest";
import { compress } from "../../src/compress/compress.js";
import { stagesOf, Walk } from "../../src/compress/stages.js";
import { GraphBuilder } from "../../src/graph/build.js";
import type { Graph } from "../../src/graph/graph.js";
import { sizeOf } from "../../src/tensor.js";
import { runReference } from "../reference/network.js";
import { normals } from "../support/kernels.js";
import { fed, fullModule } from "../support/network.js";

/** A branch that is taken up again two layers on, and one value that two layers read. */
function branched(): Graph {
  const b = new GraphBuilder("branched");
  const layer = (x: string, name: string) =>
    b.node("Relu", [b.node("Gemm", [x, b.weight(name, [5, 5], normals(25, name.length))], { transB: 1 })]);
  const first = layer(b.input("x", ["N", 5]), "a");
  const [left, right] = [layer(first, "bb"), layer(first, "ccc")];
  const sum = b.node("Add", [b.node("Add", [left, right]), first]);
  b.output("y", ["N", 5], layer(layer(sum, "dddd"), "eeeee"));
  return b.build();
}

it("every stage meets what it meets in the whole network, in its order", () => {
  const graph = branched();
  const stages = stagesOf(graph);
  expect(stages.map(({ weight }) => weight)).toEqual(["a", "bb", "ccc", "dddd", "eeeee"]);
  const feeds = [3, 4, 5].map((count) => ({ x: fed([count, 5], count) }));
  const walk = new Walk(graph, fullModule, feeds, stages);
  for (const { input } of stages) {
    const met = walk.next(graph);
    for (const [i, { shape, data }] of met.entries()) {
      const want = input === "x" ? feeds[i].x : runReference(graph, feeds[i]).get(input)!;
      expect(shape).toEqual(want.shape);
      for (const [k, value] of data.entries()) expect(value).toBeCloseTo(want.data[k], 4);
    }
  }
});

it("weights of float64 are met by no stage, and compression leaves them alone", async () => {
  const b = new GraphBuilder("double");
  const doubles = (shape: number[], name: string) =>
    b.weight(name, shape, Float64Array.from(normals(sizeOf(shape), name.length), Math.abs), "float64");
  const norm = [[5], [5], [5], [5]].map((shape, i) => doubles(shape, "abcd".slice(0, i + 1)));
  const h = b.node("Gemm", [b.node("Cast", [b.input("x", ["N", 5])], { to: 11 }), doubles([5, 5], "double")], {
    transB: 1,
  });
  const back = b.node("Cast", [b.node("BatchNormalization", [h, ...norm])], { to: 1 });
  b.output("y", ["N", 9], b.node("Gemm", [back, b.weight("real", [9, 5], normals(45, 3))], { transB: 1 }));
  const graph = b.build();
  expect(stagesOf(graph).map(({ weight }) => weight)).toEqual(["real"]);
  const calibration = [{ x: fed([6, 5], 1) }];
  const made = await compress(graph, { target: { maxBytes: 800 }, calibration, module: fullModule });
  expect(made.graph.weights.get("double")).toEqual(graph.weights.get("double"));
});
