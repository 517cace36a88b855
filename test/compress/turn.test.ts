import { expect, test } from "vitest";
import { productsOf } from "../../src/compress/product.js";
import { turn } from "../../src/compress/turn.js";
import { GraphBuilder } from "../../src/graph/build.js";
import { checkGraph } from "../../src/graph/check.js";
import type { Graph } from "../../src/graph/graph.js";
import { Model } from "../../src/runtime/session.js";
import { normals } from "../support/kernels.js";
import { fed, runModule } from "../support/network.js";

function network(): Graph {
  const b = new GraphBuilder("turning");
  const x = b.input("x", ["N", 6]);
  const shared = b.weight("shared", [6, 6], normals(36, 1));
  const tied = b.weight("tied", [6, 6], normals(36, 2));
  let h = b.node("MatMul", [x, shared]);
  h = b.node("MatMul", [h, shared]);
  h = b.node("Gemm", [h, b.weight("plain", [6, 4], normals(24, 3)), b.weight("bias", [4], normals(4, 4))]);
  h = b.node("Gemm", [h, b.weight("already", [6, 4], normals(24, 5))], { transB: 1 });
  h = b.node("MatMul", [h, b.node("Add", [b.node("MatMul", [x, tied]), tied])]);
  b.output("y", ["N", 6], b.node("MatMul", [b.weight("left", [6, 6], normals(36, 6)), h]));
  return b.build();
}

test("products take their weights as [out, in]; what is read in another way stays", () => {
  const given = network();
  const made = turn(given);
  checkGraph(made);
  const shape = (name: string) => made.weights.get(name)!.shape;
  expect([shape("plain"), shape("already")]).toEqual([
    [4, 6],
    [6, 4],
  ]);
  expect(made.weights.get("shared")).not.toEqual(given.weights.get("shared"));
  for (const name of ["tied", "left", "already", "bias"]) expect(made.weights.get(name)).toBe(given.weights.get(name));
  // One Transpose serves both products.
  expect(made.nodes.filter(({ op }) => op === "Transpose")).toHaveLength(1);
  expect(productsOf(made).map(({ weight, bias }) => [weight, bias])).toEqual([
    ["shared", undefined],
    ["shared", undefined],
    ["plain", "bias"],
    ["already", undefined],
  ]);
  expect(turn(made)).toEqual(made);
});

test("the network says the same", () => {
  const x = fed([6, 6], 7);
  using before = new Model(network(), runModule);
  using after = new Model(turn(network()), runModule);
  const [want, got] = [before.run({ x }).y.data, after.run({ x }).y.data];
  for (const [i, value] of want.entries()) expect(got[i]).toBeCloseTo(value, 3);
});
