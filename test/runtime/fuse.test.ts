import { describe, expect, test } from "vitest";
import { GraphBuilder } from "../../src/graph/build.js";
import type { Attribute, Graph } from "../../src/graph/graph.js";
import { fuse } from "../../src/runtime/fuse.js";
import { thrown } from "../support/network.js";

/** x, then a product, then whatever `rest` makes of it. */
function graphOf(rest: (b: GraphBuilder, product: string) => void, op = "Gemm"): Graph {
  const b = new GraphBuilder("graph");
  const product = b.node(op, [b.input("x", [2, 2]), b.weight("w", [2, 2], new Float32Array(4))], {}, "product");
  rest(b, product);
  return b.build();
}

/** Operators of what is left, each with the activation that it takes along. */
function launches(graph: Graph): string[] {
  const { graph: left, activations } = fuse(graph);
  return left.nodes.map((node) => [node.op, activations.get(node)?.op].filter(Boolean).join("+"));
}

const followed = (op: string, attributes: Record<string, Attribute> = {}) =>
  graphOf((b, product) => b.output("y", [2, 2], b.node(op, [product], attributes)));

describe("an activation goes into the product before it", () => {
  test.each(["Gemm", "MatMul", "Conv"])("Relu after %s", (op) => {
    const graph = graphOf((b, product) => b.output("y", [2, 2], b.node("Relu", [product])), op);
    expect(launches(graph)).toEqual([`${op}+Relu`]);
  });

  test("the product's launch makes what the activation did, and the graph stays as it was", () => {
    const graph = followed("Relu");
    const before = structuredClone(graph.nodes);
    const { graph: left, activations } = fuse(graph);
    expect(left.nodes[0].outputs).toEqual(graph.nodes[1].outputs);
    expect({ ...left.nodes[0], outputs: [] }).toEqual({ ...graph.nodes[0], outputs: [] });
    expect(activations.get(left.nodes[0])).toBe(graph.nodes[1]);
    expect(left.outputs).toBe(graph.outputs);
    expect(left.weights).toBe(graph.weights);
    expect(graph.nodes).toEqual(before);
  });

  test("Clip with attributes, with weights, with neither and with one of both", () => {
    expect(launches(followed("Clip", { min: 0, max: 6 }))).toEqual(["Gemm+Clip"]);
    expect(launches(followed("Clip"))).toEqual(["Gemm+Clip"]);
    const graph = graphOf((b, product) => {
      const most = b.weight("most", [], Float32Array.of(6));
      b.output("y", [2, 2], b.node("Clip", [product, "", most]));
    });
    expect(launches(graph)).toEqual(["Gemm+Clip"]);
  });

  test("Relu and Clip after a sum", () => {
    const relu = graphOf((b, product) => b.output("y", [2, 2], b.node("Relu", [b.node("Add", [product, product])])));
    expect(launches(relu)).toEqual(["Gemm", "Add+Relu"]);
    const clip = graphOf((b, product) => {
      const least = b.weight("least", [], Float32Array.of(-1));
      b.output("y", [2, 2], b.node("Clip", [b.node("Add", [product, product]), least]));
    });
    expect(launches(clip)).toEqual(["Gemm", "Add+Clip"]);
  });

  test("the first of two, and each of those that follow products of their own", () => {
    const graph = graphOf((b, product) => {
      const held = b.node("Clip", [b.node("Relu", [product])], { max: 6 });
      b.output("y", [2, 2], b.node("Relu", [b.node("MatMul", [held, "w"])]));
    });
    expect(launches(graph)).toEqual(["Gemm+Relu", "Clip", "MatMul+Relu"]);
  });
});

describe("an activation stays by itself", () => {
  test.each(["Softmax", "Sigmoid", "Identity", "Flatten"])("%s", (op) => {
    expect(launches(followed(op))).toEqual(["Gemm", op]);
  });

  test("after what is no product and no sum", () => {
    const graph = graphOf((b, product) => b.output("y", [2, 2], b.node("Relu", [b.node("Mul", [product, product])])));
    expect(launches(graph)).toEqual(["Gemm", "Mul", "Relu"]);
  });

  test("after a sum that may be of integers", () => {
    const graph = graphOf((b, product) => b.output("y", [2, 2], b.node("Clip", [b.node("Add", [product, product])])));
    expect(launches(graph)).toEqual(["Gemm", "Add", "Clip"]);
  });

  test("where the product is an output, or read by another node, or twice by one", () => {
    const output = graphOf((b, product) => {
      b.output("y", [2, 2], b.node("Relu", [product]));
      b.output("z", [2, 2], product);
    });
    expect(launches(output)).toEqual(["Gemm", "Relu"]);
    const read = graphOf((b, product) => {
      b.output("y", [2, 2], b.node("Relu", [product]));
      b.output("z", [2, 2], b.node("Tanh", [product]));
    });
    expect(launches(read)).toEqual(["Gemm", "Relu", "Tanh"]);
    const twice = graphOf((b, product) => b.output("y", [2, 2], b.node("Clip", [product, product])));
    expect(launches(twice)).toEqual(["Gemm", "Clip"]);
  });

  test("where bounds are computed, or are no single values", () => {
    const computed = graphOf((b, product) => {
      const least = b.node("Relu", [b.input("least", [])]);
      b.output("y", [2, 2], b.node("Clip", [product, least]));
    });
    expect(launches(computed)).toEqual(["Gemm", "Relu", "Clip"]);
    const wide = graphOf((b, product) => {
      b.output("y", [2, 2], b.node("Clip", [product, b.weight("least", [2], new Float32Array(2))]));
    });
    expect(launches(wide)).toEqual(["Gemm", "Clip"]);
  });
});

test("an activation that is not understood is refused, not taken along", () => {
  const error = thrown(() => fuse(followed("Relu", { alpha: 1 })));
  expect(String(error)).toMatch(/attributes among none, got alpha/);
});
