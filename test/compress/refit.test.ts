import { describe, expect, it } from "vitest";
import { type Refit, refit } from "../../src/compress/refit.js";
import { stagesOf } from "../../src/compress/stages.js";
import { turn } from "../../src/compress/turn.js";
import { GraphBuilder } from "../../src/graph/build.js";
import { toDense } from "../../src/graph/dense.js";
import { type Graph, withWeights } from "../../src/graph/graph.js";
import type { PlainWeight } from "../../src/graph/weight.js";
import type { FullKernels } from "../../src/kernels/abi.js";
import { createEngine } from "../../src/kernels/engine.js";
import type { Feeds } from "../../src/runtime/feeds.js";
import { runReference, type Values } from "../reference/network.js";
import { normals } from "../support/kernels.js";
import { fed, fullModule, network } from "../support/network.js";

/** Values that are not centred, as activations are. */
const samples = (shape: readonly number[], seed: number) => {
  const x = fed(shape, seed);
  return { ...x, data: x.data.map((v, i) => v + 1 + (i % 3)) };
};

const stored = (shape: readonly number[], data: Float32Array): PlainWeight => ({
  kind: "dense",
  shape,
  dtype: "float32",
  data,
});

/** Weights rounded to so many parts of 1, biases left. */
const isRounded = (name: string) => name.startsWith("w");
const round = (values: Float32Array, parts: number) => values.map((v) => Math.round(parts * v) / parts);

function coarse(graph: Graph, parts: number): Graph {
  return withWeights(
    graph,
    [...graph.weights]
      .filter(([name]) => isRounded(name))
      .map(([name, weight]) => {
        return [name, stored(weight.shape, round(toDense(weight), parts))];
      }),
  );
}

async function corrected(graph: Graph, feeds: readonly Feeds[], parts = 4, more: Partial<Refit> = {}): Promise<Graph> {
  const engine = createEngine<FullKernels>(fullModule);
  return refit(
    graph,
    coarse(graph, parts),
    { engine, module: fullModule, feeds },
    {
      store: (name, dense) => stored(graph.weights.get(name)!.shape, isRounded(name) ? round(dense, parts) : dense),
      onStage: async () => {},
      ...more,
    },
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

const relative = (want: ArrayLike<number>, got: ArrayLike<number>) => {
  let [off, norm] = [0, 0];
  for (let i = 0; i < want.length; i++) {
    off += (want[i] - got[i]) ** 2;
    norm += want[i] ** 2;
  }
  return off / norm;
};

const layers: [string, Graph, number[]][] = [
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

/** Gemms one behind the other, Relu between. */
function chain(sizes: readonly number[], seed = 7): Graph {
  const b = new GraphBuilder("chain");
  let x = b.input("x", ["N", sizes[0]]);
  for (const [i, out] of sizes.slice(1).entries()) {
    const values = normals(out * sizes[i], seed + i).map((v) => v / Math.sqrt(sizes[i]));
    const weights = [b.weight(`w${i}`, [out, sizes[i]], values), b.weight(`b${i}`, [out], normals(out, seed + 50 + i))];
    x = b.node("Gemm", [x, ...weights], { transB: 1 }, `fc${i}`);
    if (i < sizes.length - 2) x = b.node("Relu", [x], {}, `relu${i}`);
  }
  b.output("y", ["N", sizes.at(-1)!], x);
  return b.build();
}

describe("the mean output over the calibration data is what it was", () => {
  it.each(layers)("of one layer: %s", async (_, graph, x) => {
    const feeds = { x: samples([6, ...x], 5) };
    const run = (g: Graph) => means(runReference(g, feeds).get("y")!);
    const want = run(graph);
    const shift = Math.max(...run(coarse(graph, 4)).map((value, i) => Math.abs(value - want[i])));
    expect(shift).toBeGreaterThan(0.05);
    const after = await corrected(graph, [feeds]);
    // The bias itself is rounded to f32.
    for (const [i, value] of run(after).entries()) expect(value).toBeCloseTo(want[i], 4);
    // The first layer meets what it met: its values are wanted as they were.
    expect(toDense(after.weights.get("w")!)).toEqual(toDense(coarse(graph, 4).weights.get("w")!));
    expect(after.nodes).toBe(graph.nodes);
  });

  it("of layers behind others that changed", async () => {
    const graph = chain([6, 8, 7, 3]);
    const feeds = [{ x: samples([25, 6], 2) }, { x: samples([25, 6], 3) }];
    const after = await corrected(graph, feeds, 2);
    const all = (g: Graph) => feeds.map((given) => means(runReference(g, given).get("y")!));
    const mean = (g: Graph) => all(g)[0].map((value, i) => (value + all(g)[1][i]) / 2);
    for (const [i, value] of mean(after).entries()) expect(value).toBeCloseTo(mean(graph)[i], 4);
  });

  it("of inputs given as bare arrays", async () => {
    const graph = chain([6, 8, 3]);
    const { data } = samples([25, 6], 2);
    const [a, b] = [await corrected(graph, [{ x: data }]), await corrected(graph, [{ x: samples([25, 6], 2) }])];
    for (const name of graph.weights.keys())
      expect(toDense(a.weights.get(name)!)).toEqual(toDense(b.weights.get(name)!));
  });
});

it("weights make good for what was lost before them", async () => {
  const other = { x: samples([200, 12], 91) };
  const output = (g: Graph) => runReference(g, other).get("y")!.data;
  const errors = { biases: 0, all: 0 };
  for (const seed of [1, 20, 40, 60, 80]) {
    const graph = chain([12, 16, 16, 5], seed);
    const feeds = [{ x: samples([256, 12], 2) }];
    // Only the first layer is coarse: the others can be what they like.
    const store = (name: string, dense: Float32Array) =>
      stored(graph.weights.get(name)!.shape, name === "w0" ? round(dense, 3) : dense);
    const biases = (name: string, dense: Float32Array) =>
      stored(
        graph.weights.get(name)!.shape,
        name === "w0" ? round(dense, 3) : name.startsWith("b") ? dense : toDense(graph.weights.get(name)!),
      );
    const want = output(graph);
    errors.all += relative(want, output(await corrected(graph, feeds, 3, { store })));
    errors.biases += relative(want, output(await corrected(graph, feeds, 3, { store: biases })));
  }
  expect(errors.all).toBeLessThan(0.7 * errors.biases);
});

it("statistics of a norm that stands alone move with its input", async () => {
  const b = new GraphBuilder("alone");
  const w = b.weight(
    "w",
    [4, 3, 3, 3],
    normals(108, 1).map((v) => 0.4 * v),
  );
  const x = b.node("Relu", [b.node("Conv", [b.input("x", ["N", 3, 6, 6]), w], {}, "conv")], {}, "relu");
  const norm = [normals(4, 2), normals(4, 3), normals(4, 4), Float32Array.of(1, 0.5, 2, 3)];
  const names = norm.map((values, i) => b.weight(`n${i}`, [4], values));
  b.output("y", ["N", 4, 4, 4], b.node("BatchNormalization", [x, ...names], {}, "norm"));
  const graph = b.build();
  const feeds = { x: samples([40, 3, 6, 6], 5) };
  const after = await corrected(graph, [feeds], 2);
  const moments = (g: Graph) => {
    const { data, shape } = runReference(g, feeds).get("y")!;
    return [means({ shape, data }), means({ shape, data: data.map((v) => v * v) })];
  };
  const [[wantMean, wantSquare], [mean, square], [plain]] = [graph, after, coarse(graph, 2)].map(moments);
  expect(Math.max(...plain.map((value, c) => Math.abs(value - wantMean[c])))).toBeGreaterThan(0.05);
  for (let c = 0; c < 4; c++) {
    expect(mean[c]).toBeCloseTo(wantMean[c], 3);
    // epsilon stays as it is beside a variance that moves.
    expect(square[c] / wantSquare[c]).toBeCloseTo(1, 3);
  }
  for (const name of ["n0", "n1"]) expect(after.weights.get(name)).toBe(graph.weights.get(name));
});

describe("what is left alone", () => {
  it("a network of which nothing changed", async () => {
    const graph = chain([6, 8, 3]);
    const engine = createEngine<FullKernels>(fullModule);
    const given = { engine, module: fullModule, feeds: [{ x: samples([9, 6], 2) }] };
    const refuse = () => expect.unreachable();
    const after = await refit(graph, graph, given, { store: refuse, onStage: async () => {} });
    expect(after.weights).toEqual(graph.weights);
  });

  it("layers without a bias, biases and weights that others read too", async () => {
    const shared = (biases: string[], weights: string[]) => {
      const b = new GraphBuilder("shared");
      for (const name of new Set([...weights, ...biases].filter(Boolean))) {
        b.weight(name, name.startsWith("w") ? [3, 4] : [3], normals(name.startsWith("w") ? 12 : 3, name.length));
      }
      const input = b.input("x", ["N", 4]);
      for (const [i, name] of ["y", "z"].entries()) {
        b.output(name, ["N", 3], b.node("Gemm", [input, weights[i], biases[i]], { transB: 1 }));
      }
      return b.build();
    };
    for (const graph of [
      shared(["", ""], ["w", "w22"]),
      shared(["b", "b"], ["w", "w22"]),
      shared(["b", "b22"], ["w", "w"]),
    ]) {
      const after = await corrected(graph, [{ x: samples([6, 4], 5) }]);
      expect([...after.weights].map(([name, weight]) => [name, toDense(weight)])).toEqual(
        [...coarse(graph, 4).weights].map(([name, weight]) => [name, toDense(weight)]),
      );
    }
  });

  it("a weight that two products read through one Transpose", () => {
    const b = new GraphBuilder("twice");
    const w = b.weight("w", [4, 4], normals(16, 1));
    const x = b.node("MatMul", [b.input("x", ["N", 4]), w], {}, "first");
    b.output("y", ["N", 4], b.node("MatMul", [x, w], {}, "second"));
    expect(stagesOf(turn(b.build()))).toEqual([]);
  });

  it("the shape of a bias", async () => {
    const b = new GraphBuilder("row");
    const w = b.weight("w", [3, 4], normals(12, 1));
    const inputs = [b.input("x", ["N", 4]), w, b.weight("b", [1, 3], normals(3, 2))];
    b.output("y", ["N", 3], b.node("Gemm", inputs, { transB: 1 }));
    const row = b.build();
    const after = await corrected(row, [{ x: samples([6, 4], 5) }]);
    expect(after.weights.get("b")!.shape).toEqual([1, 3]);
    expect(after.weights.get("b")).not.toEqual(row.weights.get("b"));
  });
});
