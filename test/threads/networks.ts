// A small network with norms, batches for it, and what is compared of a training.
import { type Batch, type FitOptions, fit, type StepReport } from "coppice/train";
import { GraphBuilder } from "../../src/graph/build.js";
import type { Graph } from "../../src/graph/graph.js";
import { normals } from "../support/kernels.js";
import { fed, fullModule } from "../support/network.js";

/** Two convolutions, between them a norm that cannot be folded, and a layer of 5 classes. */
export function small(seed = 1): Graph {
  const b = new GraphBuilder("small");
  let next = seed;
  const weight = (name: string, shape: readonly number[]) =>
    b.weight(
      name,
      shape,
      normals(
        shape.reduce((size, dim) => size * dim),
        next++,
      ).map((v) => v / 3),
    );
  let x = b.input("x", ["N", 2, 6, 6]);
  x = b.node("Relu", [b.node("Conv", [x, weight("conv", [7, 2, 3, 3]), weight("bias", [7])])]);
  const norm = [weight("gamma", [7]), weight("beta", [7]), weight("mean", [7])];
  const variance = b.weight("variance", [7], Float32Array.of(1, 2, 0.5, 1, 3, 1, 0.7));
  x = b.node("BatchNormalization", [x, ...norm, variance], { momentum: 0.8 });
  x = b.node("Relu", [b.node("Conv", [x, weight("conv2", [9, 7, 2, 2])])]);
  x = b.node("Flatten", [x]);
  b.output("y", ["N", 5], b.node("Gemm", [x, weight("fc", [5, 81]), weight("out", [5])], { transB: 1 }));
  return b.build();
}

export function batchOf(size: number, seed: number): Batch {
  const x = fed([size, 2, 6, 6], seed);
  return { inputs: { x }, target: Uint8Array.from(x.data.subarray(0, size), (v) => Math.abs(v * 1000) % 5) };
}

/** Some steps; `changes` stand beside plain descent of the cross entropy. */
export async function trained(
  changes: Partial<FitOptions>,
  graph: Graph = small(),
): Promise<{ readonly graph: Graph; readonly reports: readonly StepReport[] }> {
  const run = fit(graph, {
    data: [1, 2, 3, 4, 5, 6].map((seed) => batchOf(8, seed)),
    loss: "crossEntropy",
    optimizer: { kind: "sgd" },
    rate: 0.05,
    module: fullModule,
    ...changes,
  });
  const reports: StepReport[] = [];
  for await (const report of run) reports.push(report);
  return { graph: run.graph(), reports };
}
