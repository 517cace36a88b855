import { encodeWeight } from "../codec/weight.js";
import { toDense } from "../graph/dense.js";
import { columnsOf, matrixOf } from "../graph/storage.js";
import type { PlainWeight } from "../graph/weight.js";
import type { FullEngine } from "../kernels/engine.js";
import { sizeOf } from "../tensor.js";
import { factorize, supportOf } from "./factorize.js";
import { keptOf, quantize, sparsify, toSparse } from "./quantize.js";
import { type Choice, levelsOf } from "./recipe.js";

/** One way of storing a weight, with what it costs and what it loses. */
export interface Candidate {
  /** Left out where the weight stays as it was. */
  readonly choice?: Choice;
  readonly weight: PlainWeight;
  /** Coded bytes, as they stand in the file. */
  readonly bytes: number;
  /** Squared error over squared norm, weighted by `importance` where that is known: 0 is lossless, 1 is everything lost. */
  readonly error: number;
}

/**
 * A weight that is stored already as the choice asks, or for which there is none, is kept as it is.
 * @param importance [groups, cols] mean square of the input that each column of the weight meets; see Moments
 */
export function createCandidate(
  engine: FullEngine,
  original: PlainWeight,
  choice: Choice | undefined,
  seed: number,
  importance?: Float64Array,
): Candidate {
  const kept = choice === undefined || isStored(original, choice);
  const weight = kept ? original : store(engine, original, choice, seed);
  const error = kept ? 0 : relativeError(original, weight, importance);
  return { choice, weight, bytes: encodeWeight(weight).bytes.length, error };
}

/** Whether a storage is one that the choice gives: compressing twice loses nothing more. An empty weight has nothing to lose. */
function isStored(weight: PlainWeight, choice: Choice): boolean {
  const size = sizeOf(weight.shape);
  if (size === 0) return true;
  if (choice.storage === "dense") return weight.kind === "dense";
  const scales = "perTensor" in choice && choice.perTensor ? 1 : matrixOf(weight.shape).rows;
  if (choice.storage === "int8") {
    return weight.kind === "int8" && weight.scale.length === scales && fits(weight.q, choice.bits);
  }
  if (choice.storage === "sparse") {
    if (weight.kind !== "sparse" || weight.values instanceof Float32Array || weight.scale?.length !== scales)
      return false;
    return weight.values.length <= keptOf(size, choice.sparsity ?? 0) && fits(weight.values, choice.bits);
  }
  return (
    weight.kind === "factored" &&
    weight.layout === choice.layout &&
    weight.d === columnsOf(weight.shape, choice.layout, choice.d).d &&
    weight.k === choice.k &&
    weight.codes.length <= supportOf(choice.density, weight.k, weight.n) &&
    fits(weight.codes, choice.bits) &&
    fits(weight.codebook, choice.codebookBits)
  );
}

function fits(codes: Int8Array, bits = 8): boolean {
  return codes.every((code) => Math.abs(code) <= levelsOf(bits));
}

function store(engine: FullEngine, original: PlainWeight, choice: Choice, seed: number): PlainWeight {
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

function relativeError(original: PlainWeight, stored: PlainWeight, importance?: Float64Array): number {
  const { rows, cols } = matrixOf(original.shape);
  const [before, after] = [toDense(original), toDense(stored)];
  let off = 0;
  let norm = 0;
  for (let r = 0; r < rows; r++) {
    const met = importance ? Math.floor((r * importance.length) / (rows * cols)) * cols : 0;
    for (let c = 0; c < cols; c++) {
      const weight = importance ? importance[met + c] : 1;
      const value = before[r * cols + c];
      const difference = value - after[r * cols + c];
      off += weight * difference * difference;
      norm += weight * value * value;
    }
  }
  return norm === 0 ? 0 : off / norm;
}
