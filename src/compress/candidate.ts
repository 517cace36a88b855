import { encodeWeight } from "../codec/weight.js";
import { toDense } from "../graph/dense.js";
import { matrixOf } from "../graph/storage.js";
import type { PlainWeight, Weight } from "../graph/weight.js";
import type { FullEngine } from "../kernels/engine.js";
import { factorize } from "./factorize.js";
import { quantize, sparsify, toSparse } from "./quantize.js";
import { type Choice, levelsOf } from "./recipe.js";

/** One way of storing a weight, with what it costs and what it loses. */
export interface Candidate {
  readonly choice: Choice;
  readonly weight: PlainWeight;
  /** Coded bytes, as they stand in the file. */
  readonly bytes: number;
  /** Squared error over squared norm, weighted by `importance` where that is known: 0 is lossless, 1 is everything lost. */
  readonly error: number;
}

/** @param importance mean square of the input that each column of the weight meets */
export function createCandidate(
  engine: FullEngine,
  original: Weight,
  choice: Choice,
  seed: number,
  importance?: Float64Array,
): Candidate {
  const weight = store(engine, original, choice, seed);
  return {
    choice,
    weight,
    bytes: encodeWeight(weight).bytes.length,
    error: relativeError(toDense(original), toDense(weight), matrixOf(original.shape).cols, importance),
  };
}

function store(engine: FullEngine, original: Weight, choice: Choice, seed: number): PlainWeight {
  const { shape } = original;
  const dense = toDense(original);
  switch (choice.storage) {
    case "dense":
      return { kind: "dense", shape, dtype: "float32", data: dense };
    case "int8":
      return quantize(engine, shape, dense, levelsOf(choice.bits ?? 8), choice.perTensor ?? false);
    case "sparse": {
      if (choice.sparsity !== undefined) sparsify(engine, dense, choice.sparsity);
      return toSparse(quantize(engine, shape, dense, levelsOf(choice.bits ?? 8), choice.perTensor ?? false));
    }
    case "factored":
      return factorize(shape, dense, choice, seed);
  }
}

function relativeError(before: Float32Array, after: Float32Array, cols: number, importance?: Float64Array): number {
  let off = 0;
  let norm = 0;
  for (let i = 0; i < before.length; i++) {
    const weight = importance ? importance[i % cols] : 1;
    const difference = before[i] - after[i];
    off += weight * difference * difference;
    norm += weight * before[i] * before[i];
  }
  return norm === 0 ? 0 : off / norm;
}
