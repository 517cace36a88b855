import { describe, expect, test } from "vitest";
import { GraphBuilder } from "../../src/graph/build.js";
import { checkGraph } from "../../src/graph/check.js";
import { toDense } from "../../src/graph/dense.js";
import type { Graph } from "../../src/graph/graph.js";
import { fold } from "../../src/passes/fold.js";
import { normals, uniform } from "../support/kernels.js";

const ops = (graph: Graph) => graph.nodes.map(({ op, inputs, outputs }) => `${op}(${inputs}) -> ${outputs}`);

/** Conv and BatchNormalization; `change` may add nodes before the output. */
function normed(
  options: {
    bias?: boolean;
    shareKernel?: boolean;
    tap?: boolean;
    gamma?: number;
    attributes?: Record<string, number>;
  } = {},
) {
  const next = uniform(5);
  const b = new GraphBuilder("net");
  const x = b.input("x", ["N", 2, 4, 4]);
  const inputs = [x, b.weight("w", [3, 2, 3, 3], normals(54, 1))];
  if (options.bias) inputs.push(b.weight("bias", [3], normals(3, 2)));
  const c = b.node("Conv", inputs, {}, "conv");
  const gamma = b.weight("gamma", [options.gamma ?? 3], normals(options.gamma ?? 3, 3));
  const beta = b.weight("beta", [3], normals(3, 4));
  const mean = b.weight("mean", [3], normals(3, 5));
  const variance = b.weight(
    "variance",
    [3],
    Float32Array.from({ length: 3 }, () => next() + 0.1),
  );
  const y = b.node(
    "BatchNormalization",
    [c, gamma, beta, mean, variance],
    options.attributes ?? { epsilon: 0.01 },
    "norm",
  );
  if (options.tap) b.output("tap", ["N", 3, 2, 2], c);
  if (options.shareKernel) b.output("other", ["N", 3, 2, 2], b.node("Conv", [x, "w"], {}, "again"));
  b.output("y", ["N", 3, 2, 2], y);
  return b.build();
}

describe("fold: BatchNormalization into Conv", () => {
  test.each([false, true])("weights and bias take it in (bias before: %s)", (bias) => {
    const graph = normed({ bias });
    const folded = fold(graph);
    checkGraph(folded);
    expect(ops(folded)).toEqual([`Conv(x,w,${bias ? "bias" : "conv.norm.bias"}) -> y`]);
    expect([...folded.weights.keys()].sort()).toEqual(bias ? ["bias", "w"] : ["conv.norm.bias", "w"]);
    const [w, gamma, beta, mean, variance] = ["w", "gamma", "beta", "mean", "variance"].map((name) =>
      toDense(graph.weights.get(name)!),
    );
    const before = bias ? toDense(graph.weights.get("bias")!) : new Float32Array(3);
    const after = toDense(folded.weights.get("w")!);
    const shift = toDense(folded.weights.get(folded.nodes[0].inputs[2])!);
    for (let r = 0; r < 3; r++) {
      const scale = gamma[r] / Math.sqrt(variance[r] + 0.01);
      for (let i = 0; i < 18; i++) expect(after[r * 18 + i]).toBeCloseTo(w[r * 18 + i] * scale, 5);
      expect(shift[r]).toBeCloseTo(beta[r] + (before[r] - mean[r]) * scale, 5);
    }
    // The graph that was given is as it was.
    expect(graph.nodes).toHaveLength(2);
    expect(toDense(graph.weights.get("w")!)).toEqual(normals(54, 1));
  });

  test.each([
    ["the Conv's output is needed elsewhere", { tap: true }],
    ["the kernel is shared", { shareKernel: true }],
    ["gamma does not fit", { gamma: 2 }],
    ["it is in training mode", { attributes: { training_mode: 1 } }],
  ])("is left where %s", (_name, options) => {
    const graph = normed(options);
    expect(ops(fold(graph))).toEqual(ops(graph));
    expect(fold(graph).weights).toEqual(graph.weights);
  });

  test("a compressed kernel keeps its storage", () => {
    const graph = normed();
    const int8 = { kind: "int8", shape: [3, 2, 3, 3], q: new Int8Array(54), scale: Float32Array.of(1) } as const;
    const folded = fold({ ...graph, weights: new Map(graph.weights).set("w", int8) });
    expect(folded.weights.get("w")).toBe(int8);
    expect(folded.nodes).toHaveLength(2);
  });
});

describe("fold: what is not needed", () => {
  test("Identity is passed by, through chains, unless it makes an output", () => {
    const b = new GraphBuilder("net");
    const x = b.input("x", [4]);
    const i = b.node("Identity", [b.node("Identity", [x])]);
    const h = b.node("Add", [b.node("Identity", [b.node("Relu", [i])]), i]);
    b.output("y", [4], b.node("Identity", [h], {}, "last"));
    const folded = fold(b.build());
    checkGraph(folded);
    expect(ops(folded)).toEqual(["Relu(x) -> relu3", "Add(relu3,x) -> add5", "Identity(add5) -> y"]);
  });

  test("nodes and weights that no output needs are dropped", () => {
    const b = new GraphBuilder("net");
    const x = b.input("x", [4]);
    b.node("Relu", [b.node("Add", [x, b.weight("unused", [4], new Float32Array(4))])]);
    b.output("y", [4], b.node("Add", [x, b.weight("used", [4], new Float32Array(4))], {}, "kept"));
    const folded = fold(b.build());
    expect(ops(folded)).toEqual(["Add(x,used) -> y"]);
    expect([...folded.weights.keys()]).toEqual(["used"]);
    expect(folded.inputs).toHaveLength(1);
  });

  test("a folded graph is folded", () => {
    const once = fold(normed({ bias: true }));
    expect(fold(once)).toEqual(once);
  });
});
