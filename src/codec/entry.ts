import { Fault, fault } from "./fault.js";
import { lengthContexts, mantissaContexts, number } from "./number.js";
import { type Coder, createContexts } from "./range-coder.js";

// Contexts: zero (by whether the neighbour before is zero), sign (by that of the neighbour), magnitude.
const sign = 2;
const length = 5;
const mantissa = length + lengthContexts;
const count = mantissa + mantissaContexts;

/** Zero or not, |code| - 1, sign: of magnitudes below 2^(most + 1). */
export function stepsPerEntryCode(most: number): number {
  return 3 + 2 * most;
}

export function createEntryContexts(): Uint16Array {
  return createContexts(count);
}

/**
 * The int8 code of an entry whose place is known: zero or not, |code| - 1, sign. `before` is the code just before it in its row,
 * 0 where there is none: neighbours in a filter like to agree in sign (measured: 5 % of a bit on LeNet-5).
 * @throws Fault
 */
export function entryCode(coder: Coder, contexts: Uint16Array, value: number, before: number): number {
  if (coder.bit(contexts, before === 0 ? 0 : 1, value === 0 ? 1 : 0)) return 0;
  const magnitude = number(coder, contexts, length, mantissa, Math.abs(value) - 1) + 1;
  const negative = coder.bit(contexts, sign + (before === 0 ? 0 : before < 0 ? 1 : 2), value < 0 ? 1 : 0);
  if (magnitude > (negative ? 128 : 127)) throw new Fault(fault.value);
  return negative ? -magnitude : magnitude;
}
