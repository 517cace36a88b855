import { expected, ShapeError } from "../errors.js";
import { Random } from "../random.js";
import { sizeOf } from "../tensor.js";
import type { Batch } from "./options.js";

/**
 * Batches of labelled examples in a fresh order for each epoch, the same for the same seed. The last batch of an epoch is left out
 * where it would be smaller. Every batch lives in the same arrays: it is valid until the next is asked for.
 * @param examples `inputs` f32 [count, ...shape], `labels` [count]
 * @throws ShapeError, RangeError
 */
export function* batches(
  examples: {
    readonly input: string;
    readonly inputs: Float32Array;
    readonly shape: readonly number[];
    readonly labels: ArrayLike<number>;
  },
  options: { readonly size: number; readonly epochs: number; readonly seed: number },
): Generator<Batch> {
  const { input, inputs, shape, labels } = examples;
  const { size, epochs, seed } = options;
  const each = sizeOf(shape);
  const count = labels.length;
  if (inputs.length !== count * each) {
    throw new ShapeError(expected("batches", `${count} examples of ${each} values`, `${inputs.length} values`));
  }
  if (!Number.isSafeInteger(size) || size < 1 || size > count) {
    throw new RangeError(expected("batches", `a size in 1..${count}`, `${size}`));
  }
  const random = new Random(seed);
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  const data = new Float32Array(size * each);
  const target = new Uint32Array(size);
  const batch: Batch = { inputs: { [input]: { dtype: "float32", shape: [size, ...shape], data } }, target };
  for (let epoch = 0; epoch < epochs; epoch++) {
    random.shuffle(order);
    for (let at = 0; at + size <= count; at += size) {
      for (let i = 0; i < size; i++) {
        const from = order[at + i];
        data.set(inputs.subarray(from * each, (from + 1) * each), i * each);
        target[i] = labels[from];
      }
      yield batch;
    }
  }
}
