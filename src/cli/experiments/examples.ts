import type { Graph } from "../../graph/graph.js";
import { loadModel } from "../../index.js";
import { heldOut, imageShape, readMnist, slice } from "../mnist.js";
import { errorOf } from "../score.js";

/** Labelled inputs, one after the other: f32 [count, ...shape]. */
export interface Examples {
  readonly inputs: Float32Array;
  readonly shape: readonly number[];
  readonly labels: Uint8Array;
}

export interface Split {
  readonly train: Examples;
  readonly test: Examples;
}

/** MNIST without the images that choices are made on. */
export async function mnist(): Promise<Split> {
  const all = await readMnist("train");
  const [train, test] = [slice(all, 0, all.count - heldOut), await readMnist("t10k")];
  const examplesOf = ({ pixels, labels }: typeof all) => ({ inputs: pixels, shape: imageShape, labels });
  return { train: examplesOf(train), test: examplesOf(test) };
}

/** How a network does on examples. */
export interface Score {
  /** Top-1 error in percent. */
  readonly error: number;
  /** A bit for each example, 1 where it is wrong, the lowest first; in base64. */
  readonly wrong: string;
}

const batchSize = 100;

export async function scoreOn(graph: Graph, { inputs, shape, labels }: Examples): Promise<Score> {
  const each = inputs.length / labels.length;
  const wrong = new Uint8Array(Math.ceil(labels.length / 8));
  let count = 0;
  using model = await loadModel(graph);
  const [input, output] = [model.inputs[0].name, model.outputs[0].name];
  for (let at = 0; at < labels.length; at += batchSize) {
    const size = Math.min(batchSize, labels.length - at);
    const data = inputs.subarray(at * each, (at + size) * each);
    const logits = model.run({ [input]: { dtype: "float32", shape: [size, ...shape], data } })[output].data;
    const classes = logits.length / size;
    for (let i = at; i < at + size; i++) {
      const row = logits.subarray((i - at) * classes, (i - at + 1) * classes);
      if (errorOf(row, labels.subarray(i, i + 1)) === 0) continue;
      wrong[i >> 3] |= 1 << (i & 7);
      count++;
    }
  }
  return { error: (100 * count) / labels.length, wrong: Buffer.from(wrong).toString("base64") };
}

/** The bits of `wrong`. */
export function bitsOf(wrong: string, count: number): Uint8Array {
  const bytes = Buffer.from(wrong, "base64");
  return Uint8Array.from({ length: count }, (_, i) => (bytes[i >> 3] >> (i & 7)) & 1);
}
