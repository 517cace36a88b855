import { encodeWeight } from "../codec/weight.js";
import { toDense } from "../graph/dense.js";
import { columnsOf, matrixOf } from "../graph/storage.js";
import type { CodedWeight, Int8Weight, PlainWeight } from "../graph/weight.js";
import type { FullEngine } from "../kernels/engine.js";
import { sizeOf } from "../tensor.js";
import { factorize, supportOf } from "./factorize.js";
import type { Moments } from "./moments.js";
import { keptOf, quantize, sparsify, toSparse } from "./quantize.js";
import { type Choice, levelsOf } from "./recipe.js";
import { Rounder } from "./rounder.js";

/** One way of storing a weight, with what it costs and what it loses. */
export interface Candidate {
  /** Left out where the weight stays as it was. */
  readonly choice?: Choice;
  readonly weight: PlainWeight;
  readonly coded: CodedWeight;
  /** Coded bytes, as they stand in the file. */
  readonly bytes: number;
  /**
   * Squared error of what the weight makes over its squared norm, 0 is lossless, 1 is everything lost; where each row has a step of
   * its own, the mean of that over the rows.
   */
  readonly error: number;
}

/** Makes the candidates of one weight. Its memory in the engine is that of the arena's scope. */
export class Candidates {
  readonly #engine: FullEngine;
  readonly #original: PlainWeight;
  readonly #dense: Float32Array;
  readonly #rounder: Rounder;
  /** w H w^T of each row. */
  readonly #norms: Float64Array;

  /** @param moments what the weight is multiplied with, where that is known */
  constructor(engine: FullEngine, original: PlainWeight, moments?: Moments) {
    this.#engine = engine;
    this.#original = original;
    this.#dense = toDense(original);
    this.#rounder = new Rounder(engine, original.shape, this.#dense, moments);
    this.#norms = this.#rounder.error(new Float32Array(this.#dense.length));
  }

  /** A weight that is stored already as the choice asks is kept as it is. @param byRow whether each row's error counts alike */
  create(choice: Choice, seed: number, byRow: boolean): Candidate {
    if (isStored(this.#original, choice)) return { ...candidate(this.#original, 0), choice };
    if (choice.storage === "scalar") {
      const { weight, error } = this.#rounder.round(choice.steps ?? "tensor", choice.size);
      return { ...smaller(weight, this.#relative(error, byRow)), choice };
    }
    const weight = store(this.#engine, this.#original.shape, this.#dense, choice, seed);
    return { ...candidate(weight, this.#relative(this.#rounder.error(toDense(weight)), byRow)), choice };
  }

  #relative(error: Float64Array, byRow: boolean): number {
    const norms = this.#norms;
    if (!byRow) return ratio(sum(error), sum(norms));
    return sum(error.map((value, r) => ratio(value, norms[r]))) / error.length;
  }
}

/** A weight as it is. */
export function candidate(weight: PlainWeight, error: number): Candidate {
  const coded = encodeWeight(weight);
  return { weight, coded, bytes: coded.bytes.length, error };
}

/** Integers as they are or as compressed sparse rows, whichever takes fewer bytes. */
function smaller(weight: Int8Weight, error: number): Candidate {
  const plain = candidate(weight, error);
  // Fewer zeros never pay for the places of the rest.
  if (2 * weight.q.reduce((zeros, value) => zeros + (value === 0 ? 1 : 0), 0) < weight.q.length) return plain;
  const sparse = candidate(toSparse(weight), error);
  return sparse.bytes < plain.bytes ? sparse : plain;
}

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0);
}

function ratio(part: number, whole: number): number {
  return whole > 0 ? part / whole : 0;
}

/** Whether a storage is one that the choice gives: compressing twice loses nothing more. An empty weight has nothing to lose. */
function isStored(weight: PlainWeight, choice: Choice): boolean {
  const size = sizeOf(weight.shape);
  if (size === 0) return true;
  if (choice.storage === "dense") return weight.kind === "dense";
  if (choice.storage === "scalar") return isRounded(weight, choice.size);
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

/** Whether a weight is integers times steps that are as large already. */
function isRounded(weight: PlainWeight, size: number): boolean {
  if (weight.kind !== "int8" && (weight.kind !== "sparse" || weight.scale === undefined)) return false;
  const dense = toDense(weight);
  const rows = weight.scale!.length;
  const cols = dense.length / rows;
  return weight.scale!.every((step, r) => {
    const square = dense.subarray(r * cols, (r + 1) * cols).reduce((total, value) => total + value * value, 0);
    return square === 0 || step >= size * Math.sqrt(square / cols);
  });
}

function store(
  engine: FullEngine,
  shape: readonly number[],
  values: Float32Array,
  choice: Exclude<Choice, { storage: "scalar" }>,
  seed: number,
): PlainWeight {
  const dense = values.slice();
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
