import { describe, expect, it } from "vitest";
import { observe } from "../../src/compress/moments.js";
import { turn } from "../../src/compress/turn.js";
import { ShapeError, UnsupportedError } from "../../src/errors.js";
import { GraphBuilder } from "../../src/graph/build.js";
import type { Graph } from "../../src/graph/graph.js";
import { runReference } from "../reference/network.js";
import { normals } from "../support/kernels.js";
import { type Fed, fed, fullModule, network } from "../support/network.js";

/** Values that every column of a weight meets, one array for each, from a plain walk over the outputs. */
function columnsOf(x: { shape: readonly number[]; data: ArrayLike<number> }, graph: Graph, out: readonly number[]) {
  const node = graph.nodes.find(({ inputs }) => inputs[1] === "w")!;
  const columns: number[][] = [];
  const meet = (column: number, value: number) => (columns[column] ??= []).push(value);
  if (node.op === "Gemm") {
    for (let i = 0; i < x.data.length; i++) meet(i % x.shape[1], x.data[i]);
    return columns;
  }
  const [, c, kh, kw] = graph.weights.get("w")!.shape;
  const [n, channels, h, w] = x.shape;
  const attributes = node.attributes as Record<string, number[]>;
  const [sy, sx] = attributes.strides ?? [1, 1];
  const [dy, dx] = attributes.dilations ?? [1, 1];
  const [top, left] = attributes.pads ?? [0, 0];
  for (let image = 0; image < n; image++) {
    for (let channel = 0; channel < channels; channel++) {
      for (let oy = 0; oy < out[2]; oy++) {
        for (let ox = 0; ox < out[3]; ox++) {
          for (let i = 0; i < kh; i++) {
            for (let j = 0; j < kw; j++) {
              const y = oy * sy - top + i * dy;
              const z = ox * sx - left + j * dx;
              const inside = y >= 0 && y < h && z >= 0 && z < w;
              const group = Math.floor(channel / c);
              const column = (group * c + (channel % c)) * kh * kw + i * kw + j;
              meet(column, inside ? x.data[((image * channels + channel) * h + y) * w + z] : 0);
            }
          }
        }
      }
    }
  }
  return columns;
}

const mean = (values: readonly number[]) => values.reduce((sum, v) => sum + v, 0) / values.length;

const convolutions: [string, Graph, number[]][] = [
  ["5 x 5", network("Conv", [2, 9, 8], [3, 5, 4], { kernel_shape: [5, 5] }, [3, 2, 5, 5], 3), [2, 9, 8]],
  [
    "padded unevenly, strides and dilations",
    network("Conv", [3, 11, 10], [4, 6, 4], { strides: [2, 3], pads: [2, 1, 1, 2], dilations: [1, 2] }, [4, 3, 3, 2]),
    [3, 11, 10],
  ],
  ["1 x 1", network("Conv", [4, 5, 5], [6, 5, 5], {}, [6, 4, 1, 1], 6), [4, 5, 5]],
  ["in groups", network("Conv", [6, 7, 7], [9, 7, 7], { group: 3, pads: [1, 1, 1, 1] }, [9, 2, 3, 3], 9), [6, 7, 7]],
  ["depthwise", network("Conv", [5, 6, 6], [5, 4, 4], { group: 5 }, [5, 1, 3, 3], 5), [5, 6, 6]],
];

describe("moments", () => {
  it.each([
    ...convolutions.map(([name, graph, x]) => [`Conv ${name}`, graph, x] as const),
    ["Gemm", network("Gemm", [13], [4], { transB: 1 }, [4, 13], 4), [13]] as const,
  ])("equal plain loops: %s", (_, graph, x) => {
    // Batches of different sizes: each value counts alike.
    const batches: Fed[] = [fed([1, ...x], 1), fed([3, ...x], 2), fed([2, ...x], 3)];
    const moments = observe(
      graph,
      fullModule,
      batches.map((batch) => ({ x: { dtype: "float32", ...batch } })),
    ).get("w")!;
    const columns: number[][] = [];
    for (const batch of batches) {
      const { shape } = runReference(graph, { x: batch }).get("y")!;
      for (const [i, values] of columnsOf(batch, graph, shape).entries()) (columns[i] ??= []).push(...values);
    }
    expect(moments.mean).toHaveLength(columns.length);
    expect(moments.square).toHaveLength(columns.length);
    for (const [i, values] of columns.entries()) {
      expect(moments.mean[i]).toBeCloseTo(mean(values), 12);
      expect(moments.square[i]).toBeCloseTo(mean(values.map((v) => v * v)), 12);
    }
  });

  it("second moments are those of all pairs of columns, for each group", () => {
    const graph = network("Conv", [4, 6, 5], [6, 6, 5], { group: 2, pads: [1, 1, 1, 1] }, [6, 2, 3, 3]);
    const batch = fed([3, 4, 6, 5], 2);
    const { gram, mean: means, square } = observe(graph, fullModule, [{ x: batch }]).get("w")!;
    const columns = columnsOf(batch, graph, [3, 6, 6, 5]);
    expect(gram).toHaveLength(2 * 18 * 18);
    expect(means).toHaveLength(36);
    for (let group = 0; group < 2; group++) {
      for (let a = 0; a < 18; a++) {
        for (let b = 0; b < 18; b++) {
          const want = mean(columns[18 * group + a].map((value, i) => value * columns[18 * group + b][i]));
          expect(gram![18 * (18 * group + a) + b]).toBeCloseTo(want, 5);
        }
        expect(gram![18 * (18 * group + a) + a]).toBeCloseTo(square[18 * group + a], 5);
      }
    }
  });

  it("of many examples and places are those of a sample of them", () => {
    const graph = network("Gemm", [3], [2], { transB: 1 }, [2, 3]);
    const data = Float32Array.from({ length: 3 * 20_000 }, (_, i) => (i < 3 * 16_384 ? 1 : 1e6));
    const halves = [data.subarray(0, 3 * 16_384), data.subarray(3 * 16_384)];
    const seen = observe(
      graph,
      fullModule,
      halves.map((x) => ({ x })),
    ).get("w")!;
    expect([...seen.mean]).toEqual([1, 1, 1]);
  });

  it("of a MatMul are those before its turned weight", () => {
    const b = new GraphBuilder("matmul");
    const x = b.input("x", ["N", 5, 3]);
    b.output("y", ["N", 5, 2], b.node("MatMul", [x, b.weight("w", [3, 2], normals(6, 1))]));
    const graph = turn(b.build());
    const batch = fed([2, 5, 3], 3);
    const { mean: means } = observe(graph, fullModule, [{ x: batch }]).get("w")!;
    expect(graph.weights.get("w")!.shape).toEqual([2, 3]);
    for (let c = 0; c < 3; c++) expect(means[c]).toBeCloseTo(mean([...batch.data].filter((_, i) => i % 3 === c)), 12);
  });

  it("of a convolution over lines, and of one that pads by itself, are those of the same as an image with pads", () => {
    const x = fed([2, 3, 9], 4);
    const image = { ...x, shape: [2, 3, 1, 9] };
    const lines = network("Conv", [3, 9], [4, 4], { strides: [2], pads: [2, 1], dilations: [2] }, [4, 3, 3]);
    const flat = { strides: [1, 2], pads: [0, 2, 0, 1], dilations: [1, 2] };
    const seen = observe(lines, fullModule, [{ x }]).get("w")!;
    expect(seen).toEqual(
      observe(network("Conv", [3, 1, 9], [4, 1, 4], flat, [4, 3, 1, 3]), fullModule, [{ x: image }]).get("w"),
    );
    const auto = network("Conv", [3, 9], [4, 9], { auto_pad: "SAME_LOWER" }, [4, 3, 4]);
    const padded = network("Conv", [3, 9], [4, 9], { pads: [2, 1] }, [4, 3, 4]);
    expect(observe(auto, fullModule, [{ x }])).toEqual(observe(padded, fullModule, [{ x }]));
  });

  it("follow inputs that are whole numbers, and inputs that shapes depend on", () => {
    const tokens = { dtype: "int64", shape: [3], data: BigInt64Array.of(2n, 0n, 1n) } as const;
    const count = { dtype: "int64", shape: [1], data: BigInt64Array.of(2n) } as const;
    const b = new GraphBuilder("mixed");
    const [ids, n] = [b.input("ids", [3], "int64"), b.input("n", [1], "int64")];
    const rows = b.node("Gather", [
      b.weight(
        "table",
        [3, 4],
        Float32Array.from({ length: 12 }, (_, i) => i),
      ),
      ids,
    ]);
    const more = b.node("Tile", [rows, b.node("Concat", [n, n], { axis: 0 })]);
    b.output("y", ["M", 2], b.node("Gemm", [more, b.weight("w", [2, 8], normals(16, 1))], { transB: 1 }));
    const moments = observe(b.build(), fullModule, [{ ids: tokens, n: count }]).get("w")!;
    expect([...moments.mean]).toEqual([4, 5, 6, 7, 4, 5, 6, 7]);
  });

  it("are those of every layer's own input", () => {
    const b = new GraphBuilder("deep");
    const x = b.input("x", ["N", 5]);
    const hidden = b.node(
      "Relu",
      [b.node("Gemm", [x, b.weight("first", [7, 5], normals(35, 1))], { transB: 1 })],
      {},
      "h",
    );
    b.output("y", ["N", 2], b.node("Gemm", [hidden, b.weight("second", [2, 7], normals(14, 2))], { transB: 1 }));
    const graph = b.build();
    const batch = fed([20, 5], 3);
    const moments = observe(graph, fullModule, [{ x: batch }]);
    const { data } = runReference(graph, { x: batch }).get("h")!;
    const want = Float64Array.from({ length: 7 }, (_, c) => mean([...data].filter((_, i) => i % 7 === c)));
    expect([...moments.keys()]).toEqual(["first", "second"]);
    for (const [i, value] of moments.get("second")!.mean.entries()) expect(value).toBeCloseTo(want[i], 5);
  });

  it("of a weight that two nodes use are over both", () => {
    const b = new GraphBuilder("twins");
    const w = b.weight("w", [3, 4], normals(12, 1));
    const [left, right] = [b.input("left", ["N", 4]), b.input("right", ["M", 4])];
    b.output("y", ["N", 3], b.node("Gemm", [left, w], { transB: 1 }));
    b.output("z", ["M", 3], b.node("Gemm", [right, w], { transB: 1 }));
    const [p, q] = [fed([2, 4], 5), fed([5, 4], 6)];
    const moments = observe(b.build(), fullModule, [{ left: p, right: q }]).get("w")!;
    const all = [...p.data, ...q.data];
    for (let c = 0; c < 4; c++) expect(moments.mean[c]).toBeCloseTo(mean(all.filter((_, i) => i % 4 === c)), 12);
  });

  it("of convolutions of volumes are none", () => {
    const graph = network("Conv", [2, 4, 5, 6], [3, 2, 3, 4], {}, [3, 2, 3, 3, 3]);
    expect(observe(graph, fullModule, [{ x: fed([2, 2, 4, 5, 6], 1) }])).toEqual(new Map());
  });

  it("of a network without such weights are none", () => {
    expect(observe(network("MatMul", [4], [3], {}, [4, 3]), fullModule, [{ x: fed([2, 4], 1) }])).toEqual(new Map());
  });

  it("takes bare arrays, and any iterable, once", () => {
    const graph = network("Gemm", [4], [3], { transB: 1 }, [3, 4]);
    let asked = 0;
    const once = {
      *[Symbol.iterator]() {
        asked++;
        yield { x: Float32Array.of(1, 2, 3, 4, 3, 2, 1, 0) };
      },
    };
    expect(observe(graph, fullModule, once).get("w")!.mean).toEqual(Float64Array.of(2, 2, 2, 2));
    expect(asked).toBe(1);
  });
});

describe("calibration that does not fit", () => {
  const graph = network("Conv", [2, 6, 6], [3, 4, 4], {}, [3, 2, 3, 3], 3);
  const good = fed([2, 2, 6, 6], 1);
  const seen =
    (...calibration: Parameters<typeof observe>[2][]) =>
    () =>
      observe(graph, fullModule, ...(calibration as [[]]));
  const bad = (data: Float32Array) => ({ dtype: "float32", shape: good.shape, data }) as const;
  const spoiled = (value: number) => bad(good.data.map((v, i) => (i === 70 ? value : v)));

  it.each<[string, () => unknown, RegExp]>([
    ["none", seen([]), /^calibration: expected at least one input, got none$/],
    ["no images", seen([{ x: fed([0, 2, 6, 6], 1) }]), /^calibration: expected at least one input, got none$/],
    ["wrong name", seen([{ image: good }]), /^calibration: expected input x, got image$/],
    ["no name", seen([{}]), /^calibration: expected input x, got none$/],
    ["wrong shape", seen([{ x: fed([1, 2, 7, 6], 1) }]), /^input x: expected \[N, 2, 6, 6\], got \[1, 2, 7, 6\]$/],
    ["wrong rank", seen([{ x: fed([2, 36], 1) }]), /^input x: expected/],
    ["wrong length", seen([{ x: bad(good.data.subarray(1)) }]), /^input x: expected/],
    ["wrong type", seen([{ x: Float64Array.from(good.data) }]), /^input x: expected/],
    ["the second is wrong", seen([{ x: good }, { x: fed([1, 2, 7, 6], 1) }]), /^input x: expected/],
    [
      "NaN",
      seen([{ x: spoiled(Number.NaN) }]),
      /^calibration: expected finite activations, got NaN or Infinity before node /,
    ],
    ["Infinity", seen([{ x: good }, { x: spoiled(-Infinity) }]), /^calibration: expected finite activations/],
  ])("%s: ShapeError", (_, run, message) => {
    expect(run).toThrow(ShapeError);
    expect(run).toThrow(message);
  });

  it("an operator that does not run: UnsupportedError", () => {
    const b = new GraphBuilder("tanh");
    b.output("y", ["N", 2], b.node("ImageDecoder", [b.input("x", ["N", 2])]));
    expect(() => observe(b.build(), fullModule, [{ x: fed([1, 2], 1) }])).toThrow(UnsupportedError);
  });
});

it("memory does not grow with the number of samples", () => {
  const graph = network("Gemm", [64], [4], { transB: 1 }, [4, 64]);
  function* many() {
    for (let i = 0; i < 300; i++) yield { x: fed([1 + (i % 40), 64], i) };
  }
  const memories: WebAssembly.Memory[] = [];
  const original = WebAssembly.Instance;
  class Watched extends original {
    constructor(module: WebAssembly.Module) {
      super(module);
      memories.push(this.exports.memory as WebAssembly.Memory);
    }
  }
  try {
    WebAssembly.Instance = Watched;
    observe(graph, fullModule, many());
  } finally {
    WebAssembly.Instance = original;
  }
  expect(memories).toHaveLength(2);
  for (const memory of memories) expect(memory.buffer.byteLength).toBeLessThan(1 << 20);
});
