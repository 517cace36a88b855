import { sparsity, toDense } from "../graph/dense.js";
import type { PlainWeight, Weight } from "../graph/weight.js";
import { grouped, table } from "../table.js";
import { sizeOf } from "../tensor.js";
import type { Candidate } from "./candidate.js";
import type { Choice } from "./recipe.js";
import { isFloat, type Offer, type Swept } from "./sweep.js";
import { stepOf } from "./wide.js";

export interface CompressReport {
  /** Number of float weights of the network. */
  readonly parameters: number;
  /** Coded bytes of all weights; the file has a header besides. */
  readonly bytes: number;
  readonly weights: readonly WeightReport[];
}

export interface WeightReport {
  readonly name: string;
  readonly shape: readonly number[];
  readonly storage: Weight["kind"];
  /** What was chosen: one of `candidates`, or a size of steps between two of them. Absent where the weight stays as it was. */
  readonly choice?: Choice;
  readonly bytes: number;
  /** Coded bits for each value. */
  readonly rate: number;
  /** Fraction of zeros of the values, 0..1. */
  readonly sparsity: number;
  /** Atoms of a codebook. */
  readonly k?: number;
  /**
   * Integers, or coefficients of a factored weight, that are not zero; absent where values are not integers. Integers beyond int8 count as
   * such, and not by their codes.
   */
  readonly nonzeros?: number;
  /** Bits that these need, sign and all. */
  readonly bits?: number;
  /**
   * With a target and calibration that gives two rows of outputs or more: what this weight adds to the error of the network's outputs, see
   * Judge. Otherwise the squared error of what it makes over its squared norm, see Candidate.
   */
  readonly error: number;
  /** Squared error of the values over their squared norm. */
  readonly weightError: number;
  /** Squared error of what the weight makes of its inputs, over the square of that; as `weightError` without calibration. */
  readonly outputError: number;
  /** Milliseconds that trying its candidates took, at this time or when they were cached. */
  readonly ms: number;
  readonly candidates: readonly { readonly choice: Choice; readonly bytes: number; readonly error: number }[];
}

/** @param before the weight as it was @param picked see WeightReport */
export function reportOf(
  name: string,
  before: PlainWeight,
  { weight, bytes, error: outputError }: Candidate,
  { choice, error }: Offer,
  { offers, ms }: Swept,
): WeightReport {
  const codes = codesOf(weight);
  let most = 0;
  let nonzeros = 0;
  for (const code of codes ?? []) {
    most = Math.max(most, Math.abs(code));
    if (code !== 0) nonzeros++;
  }
  const { shape } = weight;
  return {
    name,
    shape,
    storage: weight.kind,
    ...(choice && { choice }),
    bytes,
    rate: (8 * bytes) / Math.max(1, sizeOf(shape)),
    sparsity: isFloat(weight) ? sparsity(weight) : 0,
    ...(weight.kind === "factored" && { k: weight.k }),
    ...(codes && { nonzeros, bits: bitsOf(most) }),
    error,
    weightError: isFloat(weight) ? relative(toDense(before), toDense(weight)) : 0,
    outputError,
    ms,
    candidates: offers.flatMap(({ choice, bytes, error }) => (choice ? [{ choice, bytes, error }] : [])),
  };
}

/** The report as a table for people, one line for each weight. */
export function reportTable({ weights, bytes, parameters }: CompressReport): string {
  const number = (value: number) => (value === 0 ? "0" : value.toExponential(1));
  const lines = weights.map((w) => [
    w.name,
    w.storage,
    w.shape.join("x"),
    grouped(w.bytes),
    w.rate.toFixed(2),
    `${(100 * w.sparsity).toFixed(1)} %`,
    w.k ?? "",
    w.nonzeros === undefined ? "" : grouped(w.nonzeros),
    w.bits ?? "",
    number(w.weightError),
    number(w.outputError),
    number(w.error),
    w.ms.toFixed(0),
  ]);
  const head = ["weight", "stored as", "shape", "bytes", "bits each", "sparsity", "k", "not zero", "code bits"];
  const whole = ["all", "", grouped(parameters), grouped(bytes), ((8 * bytes) / Math.max(1, parameters)).toFixed(2)];
  return table(
    [...head, "weight error", "output error", "error", "ms"],
    [...lines, [...whole, ...new Array<string>(8).fill("")]],
    2,
  );
}

function codesOf(weight: PlainWeight): Int8Array | Int16Array | undefined {
  if (weight.kind === "int8") return weight.q;
  if (weight.kind === "factored") {
    const step = stepOf(weight);
    return step === undefined ? weight.codes : Int16Array.from(toDense(weight), (value) => value / step);
  }
  return weight.kind === "sparse" && weight.values instanceof Int8Array ? weight.values : undefined;
}

/** Bits of the integers from -most to most: at least two. */
function bitsOf(most: number): number {
  let bits = 2;
  while ((1 << (bits - 1)) - 1 < most) bits++;
  return bits;
}

function relative(before: Float32Array, after: Float32Array): number {
  let [off, norm] = [0, 0];
  for (let i = 0; i < before.length; i++) {
    off += (before[i] - after[i]) * (before[i] - after[i]);
    norm += before[i] * before[i];
  }
  return norm > 0 ? off / norm : 0;
}
