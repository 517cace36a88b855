// A bias that is fed or computed, beside a weight in every storage: the same bits as one that is a weight.
import { describe, expect, test } from "vitest";
import type { Attribute, Graph } from "../../src/graph/graph.js";
import type { Weight } from "../../src/graph/weight.js";
import { paysWidened } from "../../src/ops/linear.js";
import { Model } from "../../src/runtime/session.js";
import { normals } from "../support/kernels.js";
import { fed, isFactored, network, runModule, sizeOf, storages, withWeights } from "../support/network.js";

interface Case {
  readonly op: string;
  readonly x: readonly number[];
  readonly w: readonly number[];
  readonly o: number;
  readonly attributes?: Record<string, Attribute>;
}

const cases: Record<string, Case> = {
  "Gemm, [out, in]": { op: "Gemm", x: [12], w: [9, 12], o: 9, attributes: { transB: 1 } },
  "Gemm, [in, out]": { op: "Gemm", x: [12], w: [12, 9], o: 9 },
  "a row of MatMul": { op: "MatMul", x: [3, 12], w: [12, 9], o: 9 },
  "Conv of images": { op: "Conv", x: [3, 7, 6], w: [5, 3, 3, 3], o: 5, attributes: { pads: [1, 1, 1, 1] } },
  "Conv by Winograd": { op: "Conv", x: [8, 12, 12], w: [8, 8, 3, 3], o: 8 },
  "Conv of one pixel each": { op: "Conv", x: [4, 5, 5], w: [6, 4, 1, 1], o: 6 },
  "Conv in groups": { op: "Conv", x: [4, 6, 7], w: [6, 2, 3, 3], o: 6, attributes: { group: 2 } },
  "Conv by channels": { op: "Conv", x: [5, 7, 6], w: [5, 1, 3, 3], o: 5, attributes: { group: 5 } },
  "Conv of lines": { op: "Conv", x: [3, 11], w: [4, 3, 3], o: 4 },
  "Conv of volumes": { op: "Conv", x: [2, 4, 5, 4], w: [3, 2, 2, 3, 2], o: 3 },
  ConvTranspose: { op: "ConvTranspose", x: [3, 5, 4], w: [3, 2, 3, 3], o: 2, attributes: { strides: [2, 2] } },
  "ConvTranspose in groups": { op: "ConvTranspose", x: [4, 5], w: [4, 3, 2], o: 6, attributes: { group: 2 } },
};

/** The network of a case with the bias that is given, followed by Relu: as a weight, an input, or made of one by a node. */
function graphOf(
  { op, x, w, attributes }: Case,
  weight: Weight,
  how: "weight" | "input" | "node",
  b: Float32Array,
): Graph {
  const graph = withWeights(network(op, x, [], attributes, w, b.length), [["w", weight]]);
  const [node] = graph.nodes;
  const weights = new Map(graph.weights);
  const bias = { dtype: "float32", shape: [b.length] } as const;
  if (how === "weight") weights.set("b", { kind: "dense", ...bias, data: b });
  else weights.delete("b");
  const negated: Graph["nodes"] = [{ name: "neg", op: "Neg", inputs: ["c"], outputs: ["b"], attributes: {} }];
  const given = how === "input" ? [{ name: "b", ...bias }] : how === "node" ? [{ name: "c", ...bias }] : [];
  return {
    ...graph,
    inputs: [...graph.inputs, ...given],
    outputs: [{ name: "y", dtype: "float32" }],
    nodes: [
      ...(how === "node" ? negated : []),
      { ...node, outputs: ["sum"] },
      { name: "relu", op: "Relu", inputs: ["sum"], outputs: ["y"], attributes: {} },
    ],
    weights,
  };
}

function check(it: Case, weight: Weight, batches = [1, 4], ways = [false]) {
  const biases = [1, 2].map((seed) => normals(it.o, seed));
  for (const exact of ways) {
    using input = new Model(graphOf(it, weight, "input", biases[0]), runModule, { exact });
    using node = new Model(graphOf(it, weight, "node", biases[0]), runModule, { exact });
    for (const b of biases) {
      using whole = new Model(graphOf(it, weight, "weight", b), runModule, { exact });
      for (const n of batches) {
        const x = fed([n, ...it.x], 30 + n);
        const want = whole.run({ x }).y;
        expect(want.data.some((value) => value > 0)).toBe(true);
        expect(input.run({ x, b }).y).toEqual(want);
        expect(node.run({ x, c: b.map((value) => -value) }).y).toEqual(want);
      }
    }
  }
}

for (const [title, it] of Object.entries(cases)) {
  describe(title, () => {
    test.each(storages(it.w))("%s", (name, weight) =>
      check(it, weight, [1, 4], isFactored(name) ? [false, true] : [false]),
    );
  });
}

test("int8 weights that are widened on the way", () => {
  const w = [2048, 2048] as const;
  expect(paysWidened({ rows: w[0], cols: w[1] })).toBe(true);
  const q = Int8Array.from({ length: sizeOf(w) }, (_, i) => (i * 7919) % 255);
  const weight: Weight = { kind: "int8", shape: w, q, scale: Float32Array.of(0.01) };
  check({ op: "Gemm", x: [w[1]], w, o: w[0], attributes: { transB: 1 } }, weight, [1]);
});

test("DeformConv", () => {
  const x = fed([1, 2, 5, 5], 1).data;
  const offset = fed([1, 18, 3, 3], 2).data;
  const b = normals(3, 3);
  const run = (fixed: boolean) => {
    const graph = network("DeformConv", [2, 5, 5], [], {}, [3, 2, 3, 3], 3);
    const weights = new Map(graph.weights);
    if (fixed) weights.set("b", { kind: "dense", dtype: "float32", shape: [3], data: b });
    else weights.delete("b");
    const input = (name: string, shape: number[]) => ({ name, dtype: "float32", shape }) as const;
    using model = new Model(
      {
        ...graph,
        inputs: [input("x", [1, 2, 5, 5]), input("offset", [1, 18, 3, 3]), ...(fixed ? [] : [input("b", [3])])],
        outputs: [{ name: graph.outputs[0].name, dtype: "float32" }],
        nodes: [{ ...graph.nodes[0], inputs: ["x", "w", "offset", "b"] }],
        weights,
      },
      runModule,
    );
    return model.run(fixed ? { x, offset } : { x, offset, b });
  };
  expect(run(false)).toEqual(run(true));
});

test("a bias that is fed to ConvTranspose or Conv has a value for each channel", () => {
  for (const title of ["Conv of images", "ConvTranspose"]) {
    const it = cases[title];
    using model = new Model(graphOf(it, storages(it.w)[0][1], "input", normals(it.o + 1, 1)), runModule);
    expect(() => model.run({ x: fed([1, ...it.x], 1), b: normals(it.o + 1, 1) })).toThrow(/bias: expected . values/);
  }
});
