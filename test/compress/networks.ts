// Networks that are compressed, and ways to do it.
import { type CompressOptions, compress } from "../../src/compress/compress.js";
import type { Choice } from "../../src/compress/recipe.js";
import { GraphBuilder } from "../../src/graph/build.js";
import type { Graph } from "../../src/graph/graph.js";
import { normals } from "../support/kernels.js";
import { fullModule } from "../support/network.js";

export const run = (graph: Graph, options: CompressOptions) => compress(graph, { module: fullModule, ...options });

/** Convolution, norm, a depthwise convolution and two matrices: every kind of layer, few weights. */
export function small(seed = 1): Graph {
  const b = new GraphBuilder("small");
  let next = seed;
  const weight = (name: string, shape: readonly number[], factor = 0.5) =>
    b.weight(
      name,
      shape,
      normals(
        shape.reduce((size, dim) => size * dim, 1),
        next++,
      ).map((v) => v * factor),
    );
  let x = b.input("x", ["N", 2, 8, 8]);
  x = b.node("Conv", [x, weight("conv.w", [6, 2, 3, 3]), weight("conv.b", [6])], { pads: [1, 1, 1, 1] }, "conv");
  const variance = b.weight("norm.var", [6], Float32Array.of(1, 2, 0.5, 1e-4, 3, 1));
  x = b.node(
    "BatchNormalization",
    [x, weight("norm.g", [6]), weight("norm.b", [6]), weight("norm.m", [6]), variance],
    {},
    "norm",
  );
  x = b.node("Relu", [x], {}, "relu");
  x = b.node("Conv", [x, weight("depth.w", [6, 1, 3, 3]), weight("depth.b", [6])], { group: 6 }, "depth");
  x = b.node("Flatten", [x], {}, "flat");
  x = b.node("Gemm", [x, weight("fc.w", [20, 216], 0.1), weight("fc.b", [20])], { transB: 1 }, "fc");
  b.output("y", ["N", 4], b.node("MatMul", [b.node("Relu", [x], {}, "relu2"), weight("out.w", [20, 4])], {}, "out"));
  return b.build();
}

/** One layer of a few weights: the header is most of its file. */
export function tiny(): Graph {
  const b = new GraphBuilder("tiny");
  const inputs = [b.input("x", ["N", 6]), b.weight("w", [5, 6], normals(30, 1)), b.weight("b", [5], normals(5, 2))];
  b.output("y", ["N", 5], b.node("Gemm", inputs, { transB: 1 }));
  return b.build();
}

/** Many layers with long names. */
export function deep(): Graph {
  const b = new GraphBuilder("a network whose header is long");
  let x = b.input("some input of the network", ["batch size", 8]);
  for (let i = 0; i < 60; i++) {
    const name = `/model/stages.${i % 7}/blocks.${i}/feed_forward`;
    const weights = [b.weight(`${name}.weight`, [8, 8], normals(64, i)), b.weight(`${name}.bias`, [8], normals(8, i))];
    x = b.node("Gemm", [x, ...weights], { transB: 1 }, `${name}/Gemm`, [`${name}/Gemm_output_0`]);
  }
  b.output("y", ["batch size", 8], x);
  return b.build();
}

/** Squared error over squared norm. */
export function relative(before: ArrayLike<number>, after: ArrayLike<number>): number {
  let off = 0;
  let norm = 0;
  for (let i = 0; i < before.length; i++) {
    off += (before[i] - after[i]) ** 2;
    norm += before[i] ** 2;
  }
  return off / norm;
}

export const everyWay: readonly Choice[] = [
  { storage: "dense" },
  { storage: "int8" },
  { storage: "int8", bits: 4, perTensor: true },
  { storage: "sparse", sparsity: 0.8, bits: 5 },
  { storage: "factored", layout: "kernel", d: 9, k: 6, density: 0.3, bits: 5, codebookBits: 6 },
  { storage: "factored", layout: "rows", k: 3, density: 0.4 },
  { storage: "factored", layout: "tile", d: 4, k: 3, density: 0.4, bits: 4 },
  { storage: "vq", d: 3, k: 8 },
  { storage: "svd", k: 3, size: 0.5 },
  { storage: "transform", d: 3, size: 0.4, codebookBits: 5 },
];

const factored: readonly Choice["storage"][] = ["vq", "svd", "transform"];

/** The storage that a choice gives. */
export function kindOf({ storage }: Choice): string {
  return factored.includes(storage) ? "factored" : storage;
}
