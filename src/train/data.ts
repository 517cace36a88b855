import { expected, ShapeError } from "../errors.js";
import { Random } from "../random.js";
import { sizeOf, type Tensor } from "../tensor.js";
import { type Augmentation, createAugment } from "./augment.js";

/** Class numbers for crossEntropy, values for meanSquaredError. */
export type Target = Uint8Array | Uint32Array | Float32Array;

/** What one step learns from: a tensor for each graph input, and what the output should have been. */
export interface Batch {
  readonly inputs: Readonly<Record<string, Tensor>>;
  /** Needed unless the loss is a distillation without labels. */
  readonly target?: Target;
  /** What a teacher makes of the inputs, f32 of the output's shape: for a distillation that names no teacher. */
  readonly outputs?: Float32Array;
}

/** Batches, one after the other. */
export type Batches = Iterable<Batch> | AsyncIterable<Batch>;

/**
 * Batches of examples in a fresh order for each epoch, the same for the same seed. The last batch of an epoch is left out
 * where it would be smaller. Every batch lives in the same arrays: it is valid until the next is asked for.
 * @param examples `inputs` f32 [count, ...shape], `labels` [count], `outputs` of a teacher f32 [count, ...]
 * @throws ShapeError, RangeError
 */
export function* batches(
  examples: {
    readonly input: string;
    readonly inputs: Float32Array;
    readonly shape: readonly number[];
    readonly labels?: ArrayLike<number>;
    readonly outputs?: Float32Array;
  },
  options: {
    readonly size: number;
    readonly epochs: number;
    readonly seed: number;
    /** Random changes to inputs that are images [.., height, width]; what a teacher made of them stays. */
    readonly augment?: Augmentation;
  },
): Generator<Batch> {
  const { input, inputs, shape, labels, outputs } = examples;
  const { size, epochs, seed, augment } = options;
  const each = sizeOf(shape);
  const count = labels?.length ?? Math.floor(inputs.length / each);
  if (inputs.length !== count * each) {
    throw new ShapeError(expected("batches", `${count} examples of ${each} values`, `${inputs.length} values`));
  }
  const made = outputs ? outputs.length / count : 0;
  if (!Number.isInteger(made)) {
    throw new ShapeError(expected("batches", `outputs of ${count} examples`, `${outputs?.length} values`));
  }
  if (!Number.isSafeInteger(size) || size < 1 || size > count) {
    throw new RangeError(expected("batches", `a size in 1..${count}`, `${size}`));
  }
  const random = new Random(seed);
  const change = augment && createAugment(augment, shape, seed);
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  const data = new Float32Array(size * each);
  const target = labels && new Uint32Array(size);
  const taught = outputs && new Float32Array(size * made);
  const batch: Batch = {
    inputs: { [input]: { dtype: "float32", shape: [size, ...shape], data } },
    target,
    outputs: taught,
  };
  for (let epoch = 0; epoch < epochs; epoch++) {
    random.shuffle(order);
    for (let at = 0; at + size <= count; at += size) {
      for (let i = 0; i < size; i++) {
        const from = order[at + i];
        const example = inputs.subarray(from * each, (from + 1) * each);
        if (change) change(example, data.subarray(i * each, (i + 1) * each));
        else data.set(example, i * each);
        if (target) target[i] = labels[from];
        if (taught) taught.set(outputs.subarray(from * made, (from + 1) * made), i * made);
      }
      yield batch;
    }
  }
}
