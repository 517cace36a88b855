import { describe, expect, it } from "vitest";
import { correctBiases } from "../../src/compress/correct.js";
import { observe } from "../../src/compress/moments.js";
import { GraphBuilder } from "../../src/graph/build.js";
import { toDense } from "../../src/graph/dense.js";
import { type Graph, withWeights } from "../../src/graph/graph.js";
import { runReference, type Values } from "../reference/network.js";
import { normals } from "../support/kernels.js";
import { fed, fullModule, network } from "../support/network.js";

/** Values that are not centred, as activations are. */
const samples = (shape: readonly number[], seed: number) => {
  const x = fed(shape, seed);
  return { ...x, data: x.data.map((v, i) => v + 1 + (i % 3)) };
};

/** The weights rounded to quarters. */
function coarse(graph: Graph, names = [...graph.weights.keys()].filter((name) => name.startsWith("w"))): Graph {
  return withWeights(
    graph,
    names.map((name) => {
      const { shape } = graph.weights.get(name)!;
      const data = toDense(graph.weights.get(name)!).map((v) => Math.round(4 * v) / 4);
      return [name, { kind: "dense", shape, dtype: "float32", data }];
    }),
  );
}

/** Mean of each output channel. */
function means({ shape, data }: Values): number[] {
  const channels = shape[1];
  const plane = data.length / shape[0] / channels;
  const sums = new Array<number>(channels).fill(0);
  for (const [i, value] of data.entries()) sums[Math.floor(i / plane) % channels] += value;
  return sums.map((sum) => sum / (plane * shape[0]));
}

const graphs: [string, Graph, number[]][] = [
  ["Gemm", network("Gemm", [13], [4], { transB: 1 }, [4, 13], 4), [13]],
  ["Conv", network("Conv", [2, 9, 8], [3, 5, 4], {}, [3, 2, 5, 5], 3), [2, 9, 8]],
  [
    "Conv, padded, with strides",
    network("Conv", [3, 7, 6], [4, 4, 3], { strides: [2, 2], pads: [1, 1, 1, 1] }, [4, 3, 3, 3], 4),
    [3, 7, 6],
  ],
  [
    "Conv in groups",
    network("Conv", [6, 7, 7], [9, 7, 7], { group: 3, pads: [1, 1, 1, 1] }, [9, 2, 3, 3], 9),
    [6, 7, 7],
  ],
  ["Conv, depthwise", network("Conv", [5, 6, 6], [5, 4, 4], { group: 5 }, [5, 1, 3, 3], 5), [5, 6, 6]],
];

describe("the mean output over the calibration data", () => {
  it.each(graphs)("is restored: %s", (_, graph, x) => {
    const inputs = samples([6, ...x], 5);
    const after = coarse(graph);
    const corrected = correctBiases(graph, after, observe(graph, fullModule, [{ x: inputs }]));
    const run = (g: Graph) => means(runReference(g, { x: inputs }).get("y")!);
    const want = run(graph);
    const shift = Math.max(...run(after).map((value, i) => Math.abs(value - want[i])));
    expect(shift).toBeGreaterThan(0.05);
    // The bias itself is rounded to f32.
    for (const [i, value] of run(corrected).entries()) expect(value).toBeCloseTo(want[i], 5);
    expect(corrected.weights.get("w")).toBe(after.weights.get("w"));
    expect(corrected.nodes).toBe(after.nodes);
  });

  it("of each layer is restored for the inputs that the layer had", () => {
    const b = new GraphBuilder("deep");
    const layer = (x: string, name: string, shape: [number, number]) =>
      b.node(
        "Gemm",
        [
          x,
          b.weight(`w${name}`, shape, normals(shape[0] * shape[1], 7)),
          b.weight(`b${name}`, [shape[0]], normals(shape[0], 8)),
        ],
        { transB: 1 },
        name,
      );
    const first = b.node("Relu", [layer(b.input("x", ["N", 6]), "1", [8, 6])], {}, "h");
    b.output("y", ["N", 3], layer(first, "2", [3, 8]));
    const graph = b.build();
    const inputs = samples([50, 6], 2);
    const corrected = correctBiases(graph, coarse(graph), observe(graph, fullModule, [{ x: inputs }]));
    const values = runReference(graph, { x: inputs });
    const hidden = values.get("h")!;
    const w = toDense(corrected.weights.get("w2")!);
    const bias = toDense(corrected.weights.get("b2")!);
    const want = means(values.get("y")!);
    for (let o = 0; o < 3; o++) {
      let sum = 0;
      for (const [i, value] of hidden.data.entries()) sum += value * w[o * 8 + (i % 8)];
      expect(sum / 50 + bias[o]).toBeCloseTo(want[o], 4);
    }
  });
});

describe("what is left alone", () => {
  const [, graph, x] = graphs[0];
  const moments = observe(graph, fullModule, [{ x: samples([6, ...x], 5) }]);

  it("biases of weights that did not change", () => {
    expect(correctBiases(graph, graph, moments).weights).toEqual(graph.weights);
  });

  it("layers without a bias", () => {
    const bare = network("Gemm", [13], [4], { transB: 1 }, [4, 13]);
    const after = coarse(bare);
    expect(correctBiases(bare, after, moments).weights).toEqual(after.weights);
  });

  it("layers that were not observed", () => {
    const after = coarse(graph);
    expect(correctBiases(graph, after, new Map()).weights).toEqual(after.weights);
  });

  it("a bias that belongs to two weights, and biases of one weight", () => {
    const shared = (biases: string[], weights: string[]) => {
      const b = new GraphBuilder("shared");
      for (const name of new Set([...weights, ...biases])) {
        b.weight(name, name.startsWith("w") ? [3, 4] : [3], normals(name.startsWith("w") ? 12 : 3, name.length));
      }
      const input = b.input("x", ["N", 4]);
      for (const [i, name] of ["y", "z"].entries()) {
        b.output(name, ["N", 3], b.node("Gemm", [input, weights[i], biases[i]], { transB: 1 }));
      }
      return b.build();
    };
    const inputs = samples([6, 4], 5);
    for (const network of [shared(["b", "b"], ["w", "w22"]), shared(["b", "b22"], ["w", "w"])]) {
      const after = coarse(network);
      const seen = observe(network, fullModule, [{ x: inputs }]);
      expect(correctBiases(network, after, seen).weights).toEqual(after.weights);
    }
    // The same pair twice is corrected, once.
    const pair = shared(["b", "b"], ["w", "w"]);
    const corrected = correctBiases(pair, coarse(pair), observe(pair, fullModule, [{ x: inputs }]));
    const run = (g: Graph) => means(runReference(g, { x: inputs }).get("z")!);
    for (const [i, value] of run(corrected).entries()) expect(value).toBeCloseTo(run(pair)[i], 5);
  });

  it("the shape of a bias", () => {
    const b = new GraphBuilder("row");
    const w = b.weight("w", [3, 4], normals(12, 1));
    b.output(
      "y",
      ["N", 3],
      b.node("Gemm", [b.input("x", ["N", 4]), w, b.weight("b", [1, 3], normals(3, 2))], { transB: 1 }),
    );
    const row = b.build();
    const corrected = correctBiases(row, coarse(row), observe(row, fullModule, [{ x: samples([6, 4], 5) }]));
    expect(corrected.weights.get("b")!.shape).toEqual([1, 3]);
    expect(corrected.weights.get("b")).not.toEqual(row.weights.get("b"));
  });
});
