import type { Coder } from "./range-coder.js";

/** Contexts of the length part of a number. */
export const lengthContexts = 32;
/** Contexts of the mantissa part of a number. */
export const mantissaContexts = 256;

/** Bits of a number that is `most` at most. */
export function stepsOfNumber(most: number): number {
  return 2 * (31 - Math.clz32(most + 1)) + 1;
}

/**
 * A whole number 0 <= value <= 2^32 - 2 as an adaptive Elias-gamma code of value + 1: its number of bits less one in
 * unary, then the bits below the leading one. The first three of these have a context each (a tree), the rest share one
 * per length. Small alphabets are thereby learnt exactly, long tails smoothly.
 * @param length first of 32 contexts
 * @param mantissa first of 256 contexts
 */
export function number(coder: Coder, contexts: Uint16Array, length: number, mantissa: number, value: number): number {
  const plus1 = value + 1;
  const bits = 31 - Math.clz32(plus1);
  let n = 0;
  while (n < 31 && coder.bit(contexts, length + n, n < bits ? 1 : 0)) n++;
  let node = 1;
  for (let i = n - 1; i >= 0; i--) {
    const context = mantissa + 8 * n + (n - 1 - i < 3 ? node : 0);
    node = 2 * node + coder.bit(contexts, context, (plus1 >>> i) & 1);
  }
  return node - 1;
}
