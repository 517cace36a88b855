import { describe, expect, test } from "vitest";
import { GraphBuilder } from "../../src/graph/build.js";
import { checkGraph } from "../../src/graph/check.js";
import { parameterCount, withWeights } from "../../src/graph/graph.js";
import type { Weight } from "../../src/graph/weight.js";

function small() {
  const b = new GraphBuilder("net");
  const x = b.input("x", ["N", 3]);
  const h = b.node("Gemm", [x, b.weight("w", [2, 3], new Float32Array(6)), b.weight("b", [2], new Float32Array(2))], {
    transB: 1,
  });
  const y = b.node("Relu", [h]);
  b.output("y", ["N", 2], y);
  return b;
}

describe("GraphBuilder", () => {
  test("builds plain data in order", () => {
    const graph = small().build();
    checkGraph(graph);
    expect(graph.name).toBe("net");
    expect(graph.inputs).toEqual([{ name: "x", dtype: "float32", shape: ["N", 3] }]);
    expect(graph.outputs).toEqual([{ name: "y", dtype: "float32", shape: ["N", 2] }]);
    expect(graph.nodes).toEqual([
      { name: "gemm1", op: "Gemm", inputs: ["x", "w", "b"], outputs: ["gemm1"], attributes: { transB: 1 } },
      { name: "relu2", op: "Relu", inputs: ["gemm1"], outputs: ["y"], attributes: {} },
    ]);
    expect([...graph.weights.keys()]).toEqual(["w", "b"]);
  });

  test("an output that other nodes use is renamed there too", () => {
    const b = new GraphBuilder("net");
    const x = b.input("x", [4]);
    const h = b.node("Relu", [x]);
    const y = b.node("Add", [h, h]);
    b.output("hidden", [4], h);
    b.output("y", [4], y);
    const graph = b.build();
    checkGraph(graph);
    expect(graph.nodes[1].inputs).toEqual(["hidden", "hidden"]);
  });

  test("an output that no node makes is refused, and nothing is renamed", () => {
    const b = new GraphBuilder("net");
    const x = b.input("x", [4]);
    b.node("Relu", [x]);
    expect(() => b.output("y", [4], x)).toThrow(
      new RangeError('graph output y: expected a value that a node makes, got "x"'),
    );
    expect(b.build().nodes[0].inputs).toEqual(["x"]);
  });

  test("a name of an input or weight is given once", () => {
    const b = new GraphBuilder("net");
    b.input("x", [4]);
    b.weight("w", [1], new Float32Array(1));
    for (const name of ["x", "w"]) {
      expect(() => b.input(name, [2])).toThrow(
        new RangeError(`graph input: expected a name of its own, got "${name}" twice`),
      );
      expect(() => b.weight(name, [1], Float32Array.of(5))).toThrow(
        new RangeError(`weight: expected a name of its own, got "${name}" twice`),
      );
    }
    const { inputs, weights } = b.build();
    expect([inputs.length, weights.size]).toEqual([1, 1]);
    expect(weights.get("w")).toMatchObject({ data: new Float32Array(1) });
  });

  test("names and outputs may be given", () => {
    const b = new GraphBuilder("net");
    const x = b.input("x", [4], "int8");
    expect(b.node("Split", [x], {}, "cut", ["left", "right"])).toBe("left");
    expect(b.build().nodes[0]).toEqual({
      name: "cut",
      op: "Split",
      inputs: ["x"],
      outputs: ["left", "right"],
      attributes: {},
    });
    expect(b.build().inputs[0].dtype).toBe("int8");
  });

  test("a built graph is not changed by building on", () => {
    const b = small();
    const before = b.build();
    b.weight("more", [1], new Float32Array(1));
    b.node("Relu", ["y"]);
    b.input("z", [1]);
    expect(before.nodes).toHaveLength(2);
    expect(before.inputs).toHaveLength(1);
    expect(before.weights.has("more")).toBe(false);
  });
});

describe("a graph", () => {
  test("withWeights changes storages and nothing else", () => {
    const graph = small().build();
    const masked: Weight = { kind: "masked", shape: [2, 3], data: new Float32Array(6), mask: Uint8Array.of(63) };
    const changed = withWeights(graph, [["w", masked]]);
    expect(changed.weights.get("w")).toBe(masked);
    expect(changed.weights.get("b")).toBe(graph.weights.get("b"));
    expect(graph.weights.get("w")?.kind).toBe("dense");
    expect(changed.nodes).toBe(graph.nodes);
    expect([...changed.weights.keys()]).toEqual(["w", "b"]);
  });

  test("parameterCount counts float weights of any storage", () => {
    const graph = withWeights(small().build(), [
      ["half", { kind: "dense", shape: [5], dtype: "float16", data: new Uint16Array(5) }],
      ["shape", { kind: "dense", shape: [2], dtype: "int64", data: new BigInt64Array(2) }],
      ["q", { kind: "int8", shape: [3, 3], q: new Int8Array(9), scale: new Float32Array(1) }],
      ["none", { kind: "dense", shape: [0, 4], dtype: "float32", data: new Float32Array(0) }],
    ]);
    expect(parameterCount(graph)).toBe(6 + 2 + 5 + 9);
  });
});
