import { load } from "#kernels/full";
import { DivergedError, expected, ShapeError } from "../errors.js";
import { checkGraph } from "../graph/check.js";
import { type Graph, withWeights } from "../graph/graph.js";
import type { Weight } from "../graph/weight.js";
import { modernize } from "../passes/modernize.js";
import { Model } from "../runtime/session.js";
import type { Batches } from "./data.js";
import { inTraining } from "./norms.js";

/** Where the statistics of one norm are made, and the weights that store them. */
interface Norm {
  readonly stored: readonly [mean: string, variance: string];
  readonly made: readonly [mean: string, variance: string];
  readonly channels: number;
}

/** Sums over the examples so far, each batch by its size: of the means, and of the mean squares. */
interface Sums {
  readonly means: Float64Array;
  readonly squares: Float64Array;
}

/**
 * The network with the statistics of every BatchNormalization taken anew, over all of `data`: for the end of training, where those that
 * followed the weights by a momentum lag behind them. As in training each batch is normalised by itself; of what a norm is given, mean and
 * variance are those over all batches together, summed in f64. Batches are as for `fit`, without targets; the last may be smaller. Norms
 * whose statistics are no weights of the graph stay as they are, and so does everything else.
 * S. Ioffe, C. Szegedy, "Batch normalization", 2015, algorithm 2.
 * @throws RangeError where there is no batch; ShapeError for a batch that does not fit or has no example; DivergedError where a statistic is
 * not finite; UnsupportedError, OutOfMemoryError
 */
export async function estimateNorms(
  graph: Graph,
  data: Batches,
  options: { readonly module?: WebAssembly.Module; readonly maxBytes?: number } = {},
): Promise<Graph> {
  checkGraph(graph);
  const { network, norms } = observed(graph);
  if (norms.length === 0) return graph;
  const model = new Model(network, options.module ?? (await load(false)), options);
  const sums = norms.map(({ channels }): Sums => {
    return { means: new Float64Array(channels), squares: new Float64Array(channels) };
  });
  let total = 0;
  try {
    for await (const { inputs } of data) {
      const results = model.run(inputs);
      const size = inputs[network.inputs[0].name].shape[0];
      if (size === 0) throw new ShapeError(expected("estimateNorms: data", "batches of at least one example", "none"));
      for (const [i, { made }] of norms.entries()) add(sums[i], results[made[0]].data, results[made[1]].data, size);
      total += size;
    }
  } finally {
    model.dispose();
  }
  if (total === 0) throw new RangeError(expected("estimateNorms: data", "at least one batch", "none"));
  return withWeights(
    graph,
    norms.flatMap((norm, i) => weightsOf(norm, sums[i], total)),
  );
}

/** The network as it trains, its outputs being what each norm makes of a batch: with a momentum of 0, the batch's own statistics. */
function observed(graph: Graph): { network: Graph; norms: Norm[] } {
  const norms: Norm[] = [];
  const training = inTraining(modernize(graph), true);
  const nodes = training.nodes.map((node) => {
    const { op, domain, inputs, outputs } = node;
    if (op !== "BatchNormalization" || domain) return node;
    const [mean, variance] = [inputs[3], inputs[4]];
    const weight = graph.weights.get(mean);
    if (weight && graph.weights.has(variance)) {
      norms.push({ stored: [mean, variance], made: [outputs[1], outputs[2]], channels: weight.shape[0] });
    }
    return { ...node, attributes: { ...node.attributes, momentum: 0 } };
  });
  const outputs = norms.flatMap(({ made, channels }) =>
    made.map((name) => ({ name, dtype: "float32", shape: [channels] }) as const),
  );
  return { network: { ...training, nodes, outputs }, norms };
}

function add({ means, squares }: Sums, mean: Float32Array, variance: Float32Array, size: number): void {
  for (let c = 0; c < means.length; c++) {
    means[c] += size * mean[c];
    squares[c] += size * (variance[c] + mean[c] * mean[c]);
  }
}

function weightsOf({ stored, channels }: Norm, { means, squares }: Sums, total: number): [string, Weight][] {
  const [mean, variance] = [new Float32Array(channels), new Float32Array(channels)];
  for (let c = 0; c < channels; c++) {
    const middle = means[c] / total;
    mean[c] = middle;
    // Rounding must not take a channel that is always the same below 0.
    variance[c] = Math.max(0, squares[c] / total - middle * middle);
    if (!Number.isFinite(mean[c]) || !Number.isFinite(variance[c])) {
      throw new DivergedError(
        expected("estimateNorms", `finite statistics in ${stored[0]}`, `${mean[c]}, ${variance[c]}`),
      );
    }
  }
  const weight = (data: Float32Array): Weight => ({ kind: "dense", shape: [channels], dtype: "float32", data });
  return [
    [stored[0], weight(mean)],
    [stored[1], weight(variance)],
  ];
}
