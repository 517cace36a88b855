// Logistic mixing: M. Mahoney, "Adaptive weighing of context models for lossless data compression", 2005.
import { type Coder, createContexts, learn } from "./range-coder.js";

/** Logits are in 1/256, from -limit to limit. */
const limit = 2047;
/** Weights are in 1/16384; they begin at a third each and stay within 4. */
const third = 5461;
const mostWeight = 65536;
/** Chances stay in least .. 65536 - least: whole columns are zero. */
const least = 64;

/** Chance of a 1, in 1/65536, of each logit: 65536 / (1 + e^-x), rounded; entry x + 2048. */
export const chances = new Uint16Array(4096);
/** Logit of a chance, by its upper 12 bits: the first whose chance is not below the middle of those that share them. */
export const logits = new Int16Array(4096);

let power = 1; // e^(-x / 256)
for (let x = 0; x <= limit; x++) {
  const chance = Math.floor(65536 / (1 + power) + 0.5);
  chances[2048 + x] = chance;
  chances[2048 - x] = 65536 - chance;
  power *= 0.9961013694701175;
}
let logit = -limit;
for (let i = 0; i < 4096; i++) {
  while (logit < limit && chances[2048 + logit] < 16 * i + 8) logit++;
  logits[i] = logit;
}

/**
 * Decisions of which each is seen under three adaptive contexts at once. What the three expect is added up as logits,
 * with weights that are learnt by gradient descent on the cost; each kind of decision (a set) has weights of its own.
 */
export class Mixture {
  readonly #contexts: Uint16Array;
  readonly #weights: Int32Array;

  constructor(contexts: number, sets: number) {
    this.#contexts = createContexts(contexts);
    this.#weights = new Int32Array(3 * sets).fill(third);
  }

  /** One bit of the kind `set` under the contexts a, b and c, which differ. */
  bit(coder: Coder, set: number, a: number, b: number, c: number, bit: number): number {
    const contexts = this.#contexts;
    const weights = this.#weights;
    const at = 3 * set;
    const x = logits[contexts[2 * a] >> 4];
    const y = logits[contexts[2 * b] >> 4];
    const z = logits[contexts[2 * c] >> 4];
    const sum = (weights[at] * x + weights[at + 1] * y + weights[at + 2] * z + 8192) >> 14;
    const chance = clamp(chances[2048 + clamp(sum, -limit, limit)], least, 65536 - least);
    const got = coder.known(chance, bit);
    const error = (got << 16) - chance;
    weights[at] = moved(weights[at], x * error);
    weights[at + 1] = moved(weights[at + 1], y * error);
    weights[at + 2] = moved(weights[at + 2], z * error);
    learn(contexts, a, got);
    learn(contexts, b, got);
    learn(contexts, c, got);
    return got;
  }
}

function moved(weight: number, gradient: number): number {
  return clamp(weight + ((gradient + 32768) >> 16), -mostWeight, mostWeight);
}

function clamp(value: number, low: number, high: number): number {
  return Math.max(low, Math.min(value, high));
}
