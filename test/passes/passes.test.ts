import { expect, test } from "vitest";
import { GraphBuilder } from "../../src/graph/build.js";
import type { Graph } from "../../src/graph/graph.js";
import { applyPasses, type Pass, PassError } from "../../src/passes/index.js";
import { normals } from "../support/kernels.js";

function net(): Graph {
  const b = new GraphBuilder("net");
  const x = b.input("x", ["N", 4]);
  const h = b.node("Gemm", [x, b.weight("w", [3, 4], normals(12, 1))], { transB: 1 }, "fc");
  b.output("y", ["N", 3], b.node("Relu", [h], {}, "relu"));
  return b.build();
}

const same: Pass = { name: "same", run: (graph) => graph };

test.each<[string, (graph: Graph) => Graph, string]>([
  [
    "takes a node away that is needed",
    (graph) => ({ ...graph, nodes: graph.nodes.slice(1) }),
    'node relu: expected inputs made before it, got "fc"',
  ],
  [
    "puts nodes in the wrong order",
    (graph) => ({ ...graph, nodes: graph.nodes.toReversed() }),
    'node relu: expected inputs made before it, got "fc"',
  ],
  [
    "makes a value twice",
    (graph) => ({ ...graph, nodes: [...graph.nodes, { ...graph.nodes[1], name: "again" }] }),
    'output of node again: expected a name of its own, got "y" twice',
  ],
  [
    "calls two nodes alike",
    (graph) => ({ ...graph, nodes: [...graph.nodes, { ...graph.nodes[1], outputs: ["z"] }] }),
    "node relu: expected a name of its own",
  ],
  [
    "loses an output",
    (graph) => ({ ...graph, nodes: graph.nodes.slice(0, 1) }),
    'graph output: expected a value of the graph, got "y"',
  ],
  [
    "drops a weight that is used",
    (graph) => ({ ...graph, weights: new Map() }),
    'node fc: expected inputs made before it, got "w"',
  ],
  [
    "leaves a weight without all of its values",
    (graph) => ({
      ...graph,
      weights: new Map([["w", { kind: "dense", dtype: "float32", shape: [3, 4], data: normals(11, 1) }]]),
    }),
    "weight w [3, 4]: expected 12 values, got 11",
  ],
  [
    "leaves codes out",
    (graph) => ({
      ...graph,
      weights: new Map([["w", { kind: "int8", shape: [3, 4], q: new Int8Array(11), scale: Float32Array.of(1) }]]),
    }),
    "weight w [3, 4]: expected 12 codes, got 11",
  ],
  [
    "holds a weight as other numbers than it says",
    (graph) => ({
      ...graph,
      weights: new Map([["w", { kind: "dense", dtype: "int32", shape: [3, 4], data: normals(12, 1) }]]),
    }),
    "weight w: expected data of int32, got Float32Array",
  ],
])("a pass that %s is named", (_what, run, message) => {
  const graph = net();
  expect(applyPasses(graph, [same])).toBe(graph);
  const broken = () => applyPasses(graph, [same, { name: "saw", run }, same]);
  expect(broken).toThrow(PassError);
  expect(broken).toThrow(`pass saw: ${message}`);
  try {
    broken();
  } catch (error) {
    expect((error as PassError).pass).toBe("saw");
  }
});
