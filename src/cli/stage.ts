import type { Graph } from "../graph/graph.js";
import { Random } from "../random.js";
import { batches, type CycleReport, type FitOptions, fit } from "../train/index.js";
import { type Images, imageShape } from "./mnist.js";
import { Progress } from "./progress.js";
import { shifted } from "./shift.js";

const batchSize = 64;

export interface StageOptions extends Partial<Pick<FitOptions, "schedule" | "loss" | "revival" | "prunable">> {
  readonly seed: number;
  readonly steps: number;
  readonly rate: FitOptions["rate"];
  /** Weight decay. */
  readonly decay: number;
  /** Whether images are moved by a pixel, another way each time. */
  readonly shift?: boolean;
  /** What a teacher makes of the images, [count, 10]. */
  readonly outputs?: Float32Array;
  readonly onCycle?: (cycle: CycleReport, graph: Graph) => Promise<void>;
}

/** Trains for some steps on labelled images, with a bar. */
export async function stage(label: string, graph: Graph, images: Images, options: StageOptions): Promise<Graph> {
  const { seed, steps, rate, decay, shift, outputs, onCycle, ...settings } = options;
  const progress = new Progress(label, steps);
  const examples = { input: "image", inputs: images.pixels, shape: imageShape, labels: images.labels, outputs };
  const epochs = Math.ceil(steps / Math.floor(images.count / batchSize));
  const data = take(batches(examples, { size: batchSize, epochs, seed }), steps);
  const run = fit(graph, {
    loss: "crossEntropy",
    revival: "shadow",
    ...settings,
    data: shift ? shifted(data, "image", new Random(seed)) : data,
    optimizer: { kind: "sgd", momentum: 0.9, decay },
    rate,
  });
  let note = "";
  let average = Number.NaN;
  for await (const { step, loss, sparsity, cycle } of run) {
    average = Number.isNaN(average) ? loss : 0.98 * average + 0.02 * loss;
    note = `loss ${average.toFixed(4)}${settings.schedule ? `  sparsity ${(100 * sparsity).toFixed(2)} %` : ""}`;
    if (step % 10 === 9) progress.update(step + 1, steps, note);
    if (cycle) await onCycle?.(cycle, run.graph());
  }
  progress.end(note);
  return run.graph();
}

function* take<T>(items: Iterable<T>, count: number): Generator<T> {
  let left = count;
  if (left === 0) return;
  for (const item of items) {
    yield item;
    if (--left === 0) return;
  }
}
