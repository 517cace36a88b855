import { encodeWeight } from "../codec/weight.js";
import { toDense } from "../graph/dense.js";
import { columnsOf, matrixOf } from "../graph/storage.js";
import type { CodedWeight, FactoredWeight, Int8Weight, Layout, PlainWeight } from "../graph/weight.js";
import type { FullEngine } from "../kernels/engine.js";
import { sizeOf } from "../tensor.js";
import { factorize, supportOf } from "./factorize.js";
import type { Moments } from "./moments.js";
import { keptOf, quantize, sparsify, toSparse } from "./quantize.js";
import { type Choice, levelsOf } from "./recipe.js";
import { Rounder, type Steps } from "./rounder.js";
import { type DenseChoice, Transform } from "./transform.js";
import { vectorQuantize } from "./vq.js";
import { stepOf, wide, widest } from "./wide.js";

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
  readonly #moments?: Moments;
  readonly #rounder: Rounder;
  /** By all of a choice but the size of its steps. */
  readonly #transforms = new Map<string, Transform>();
  /** w H w^T of each row. */
  readonly #norms: Float64Array;

  /** @param moments what the weight is multiplied with, where that is known */
  constructor(engine: FullEngine, original: PlainWeight, moments?: Moments) {
    this.#engine = engine;
    this.#original = original;
    this.#dense = toDense(original);
    this.#moments = moments;
    this.#rounder = new Rounder(engine, original.shape, this.#dense, moments);
    this.#norms = this.#rounder.error(new Float32Array(this.#dense.length));
  }

  /** A weight that is stored already as the choice asks is kept as it is. @param byRow whether each row's error counts alike */
  create(choice: Choice, seed: number, byRow: boolean): Candidate {
    if (isStored(this.#original, choice)) return { ...candidate(this.#original, 0), choice };
    if (choice.storage === "scalar") {
      return { ...this.#round(choice.steps ?? "tensor", choice.size, byRow), choice };
    }
    const weight = this.#store(choice, seed);
    return { ...candidate(weight, this.#relative(this.#rounder.error(toDense(weight)), byRow)), choice };
  }

  #store(choice: Exclude<Choice, { storage: "scalar" }>, seed: number): PlainWeight {
    const [engine, { shape }, dense] = [this.#engine, this.#original, this.#dense.slice()];
    switch (choice.storage) {
      case "dense":
        return { kind: "dense", shape, dtype: "float32", data: dense };
      case "int8":
        return quantize(engine, shape, dense, levelsOf(choice.bits ?? 8), choice.perTensor ?? false);
      case "sparse": {
        if (choice.sparsity !== undefined) sparsify(engine, dense, choice.sparsity);
        return toSparse(quantize(engine, shape, dense, levelsOf(choice.bits ?? 8), choice.perTensor ?? false));
      }
      case "vq":
        return vectorQuantize(engine, shape, dense, choice, seed, this.#moments, this.#rounder);
      case "factored":
        return factorize(engine, shape, dense, choice, seed, this.#moments);
      case "svd":
      case "transform":
        return this.#transform(choice, seed).round(choice.size);
    }
  }

  /** Steps for each row hold int8 alone. */
  #round(steps: Steps, size: number, byRow: boolean): Candidate {
    const { shape } = this.#original;
    const { q, scale, error } = this.#rounder.round(steps, size, steps === "tensor" ? widest : undefined);
    const lost = this.#relative(error, byRow);
    if (q.some((value) => Math.abs(value) > 127)) return candidate(wide(shape, q, scale[0]), lost);
    return smaller({ kind: "int8", shape, q: Int8Array.from(q), scale }, lost);
  }

  #transform(choice: DenseChoice, seed: number): Transform {
    const key = JSON.stringify({ ...choice, size: 0 });
    const made =
      this.#transforms.get(key) ??
      new Transform(this.#engine, this.#original.shape, this.#dense, choice, seed, this.#moments);
    this.#transforms.set(key, made);
    return made;
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
  if (choice.storage === "scalar") return isRounded(weight, choice.steps ?? "tensor", choice.size);
  const scales = "perTensor" in choice && choice.perTensor ? 1 : matrixOf(weight.shape).rows;
  if (choice.storage === "int8") {
    return weight.kind === "int8" && weight.scale.length === scales && fits(weight.q, choice.bits);
  }
  if (choice.storage === "sparse") {
    if (weight.kind !== "sparse" || weight.values instanceof Float32Array || weight.scale?.length !== scales)
      return false;
    return weight.values.length <= keptOf(size, choice.sparsity ?? 0) && fits(weight.values, choice.bits);
  }
  if (weight.kind !== "factored" || !fits(weight.codebook, choice.codebookBits)) return false;
  const { layout, d, k, n } = weight;
  const sameColumns = (wanted: Layout, length?: number) =>
    layout === wanted && d === columnsOf(weight.shape, wanted, length).d;
  switch (choice.storage) {
    case "vq":
      return sameColumns("kernel", choice.d) && k === Math.min(choice.k, n) && isOneHot(weight);
    case "svd":
      return sameColumns("rows") && k === Math.min(choice.k, d) && isCoarse(weight, choice.size);
    case "transform":
      return sameColumns("kernel", choice.d) && k === d && isCoarse(weight, choice.size);
    case "factored":
      return (
        sameColumns(choice.layout, choice.d) &&
        k === Math.min(choice.k, n) &&
        weight.codes.length <= supportOf(choice.density, k, n) &&
        fits(weight.codes, choice.bits)
      );
  }
}

function isOneHot({ codes, codeScale, rowPtr }: FactoredWeight): boolean {
  return codes.every((code) => code === 1) && codeScale.every((s) => s === 1) && rowPtr.every((e, j) => e === j);
}

/** Whether coefficients have one step that is as large already: rounding made none of them larger by more than half a step. */
function isCoarse({ codes, codeScale, col, n, k }: FactoredWeight, size: number): boolean {
  const [step] = codeScale;
  let square = 0;
  for (const [e, code] of codes.entries()) square += code * code * codeScale[col[e]] * codeScale[col[e]];
  return codeScale.every((each) => each === step) && step * (1 + size / 2) >= size * Math.sqrt(square / (n * k));
}

function fits(codes: Int8Array, bits = 8): boolean {
  return codes.every((code) => Math.abs(code) <= levelsOf(bits));
}

/** Whether a weight is integers times steps that are as large already; see `isCoarse`. */
function isRounded(weight: PlainWeight, steps: Steps, size: number): boolean {
  const scale = scalesOf(weight);
  if (scale === undefined || scale.length !== (steps === "row" ? matrixOf(weight.shape).rows : 1)) return false;
  const dense = toDense(weight);
  const cols = dense.length / scale.length;
  return scale.every((step, r) => {
    const square = dense.subarray(r * cols, (r + 1) * cols).reduce((total, value) => total + value * value, 0);
    return step * (1 + size / 2) >= size * Math.sqrt(square / cols);
  });
}

/** The steps of a weight of integers. */
function scalesOf(weight: PlainWeight): Float32Array | undefined {
  if (weight.kind === "int8" || weight.kind === "sparse") return weight.scale;
  const step = weight.kind === "factored" ? stepOf(weight) : undefined;
  return step === undefined ? undefined : Float32Array.of(step);
}
