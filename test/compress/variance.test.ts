import { expect, it } from "vitest";
import { GraphBuilder } from "../../src/graph/build.js";
import { toDense } from "../../src/graph/dense.js";
import { normals } from "../support/kernels.js";
import { run } from "./networks.js";

it("variances of a norm that stands alone stay what they are: small ones are divided by", async () => {
  const b = new GraphBuilder("alone");
  const variance = Float32Array.from({ length: 16 }, (_, c) => 10 ** -(c % 5));
  const names = [normals(16, 1), normals(16, 2), normals(16, 3), variance].map((values, i) =>
    b.weight(`n${i}`, [16], values),
  );
  const x = b.node("BatchNormalization", [b.input("x", ["N", 16, 4, 4]), ...names], {}, "norm");
  const w = b.weight("w", [8, 16, 3, 3], normals(1152, 5));
  b.output("y", ["N", 8, 2, 2], b.node("Conv", [b.node("Relu", [x], {}, "relu"), w], {}, "conv"));
  const { graph, report } = await run(b.build(), { target: { ratio: 4 } });
  expect(toDense(graph.weights.get("n3")!)).toEqual(variance);
  const storages = (name: string) =>
    report.weights.find((weight) => weight.name === name)!.candidates.map(({ choice }) => choice.storage);
  expect([storages("n3"), storages("n2")]).toEqual([["dense"], ["scalar", "scalar", "scalar", "scalar", "dense"]]);
});
