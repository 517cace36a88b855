import { describe, expect, it } from "vitest";
import { resultsOf, Tail } from "../../src/compress/tail.js";
import { GraphBuilder } from "../../src/graph/build.js";
import { type Graph, withWeights } from "../../src/graph/graph.js";
import type { DenseWeight } from "../../src/graph/weight.js";
import { normals } from "../support/kernels.js";
import { fed, fullModule } from "../support/network.js";

/** Two branches, a value taken up again behind them, sizes computed from a value, two outputs, and a weight that nothing reads. */
function branched(): Graph {
  const b = new GraphBuilder("branched");
  const conv = (x: string, name: string, channels: number) =>
    b.node("Conv", [x, b.weight(name, [4, channels, 3, 3], normals(36 * channels, name.length))], {
      pads: [1, 1, 1, 1],
    });
  const first = b.node("Relu", [conv(b.input("x", ["N", 2, 6, 6]), "a", 2)]);
  const both = b.node("Concat", [b.node("Relu", [conv(first, "bb", 4)]), b.node("Tanh", [conv(first, "ccc", 4)])], {
    axis: 1,
  });
  const whole = (name: string, value: bigint) => b.weight(name, [1], BigInt64Array.of(value), "int64");
  const count = b.node("Slice", [b.node("Shape", [first]), whole("from", 0n), whole("to", 1n)]);
  const flat = b.node("Reshape", [both, b.node("Concat", [count, whole("rest", -1n)], { axis: 0 })]);
  b.output(
    "y",
    ["N", 3],
    b.node("Gemm", [flat, b.weight("dddd", [3, 288], normals(864, 4)), b.weight("bias", [3], normals(3, 5))], {
      transB: 1,
    }),
  );
  b.output("z", ["N", 4, 6, 6], b.node("Add", [first, b.weight("eeeee", [1, 4, 1, 1], normals(4, 6))]));
  b.weight("unused", [2, 2], normals(4, 7));
  return b.build();
}

describe("the part of a network that follows from a weight", () => {
  const graph = branched();
  const feeds = [1, 3].map((count) => ({ x: fed([count, 2, 6, 6], count) }));
  const before = resultsOf(graph, fullModule, feeds);

  it.each(["a", "bb", "ccc", "dddd", "bias", "eeeee"])("gives what the whole network gives with another %s", (name) => {
    const weight = graph.weights.get(name) as DenseWeight;
    const other = { ...weight, data: (weight.data as Float32Array).map((value, i) => value + Math.sin(i)) };
    const tail = new Tail(graph, fullModule, feeds, name);
    for (const one of [other, weight]) {
      const want = resultsOf(withWeights(graph, [[name, one]]), fullModule, feeds);
      // Outputs that are left out do not depend on it.
      expect(tail.run(one).map((found, i) => ({ ...before[i], ...found }))).toEqual(want);
    }
    const outputs = Object.keys(tail.run(other)[0]);
    expect(outputs).toEqual(name === "a" ? ["y", "z"] : [name === "eeeee" ? "z" : "y"]);
  });

  it("is empty for a weight that nothing reads", () => {
    const tail = new Tail(graph, fullModule, feeds, "unused");
    expect(tail.run(graph.weights.get("unused") as DenseWeight)).toEqual([{}, {}]);
  });
});
