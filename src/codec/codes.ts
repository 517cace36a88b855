import { Fault, fault } from "./fault.js";
import { Mixture } from "./mixture.js";
import { type Coder, createContexts } from "./range-coder.js";

// Sets of the mixture: zero or not, seven of the length, the sign.
const sign = 8;
// Its contexts: for each set but the sign's 32 sizes of the column, 32 of the row, 16 patterns of neighbours; then 9, 9 and 27 of signs.
const perSet = 96;
const signs = sign * perSet;
const count = signs + 9 + 9 + 27;

/** Bounds of the chances: of what a code that is not 0 is; of a dense code to be 0, so that bytes hold no more codes than they should. */
const least = 64;
export const leastOfDense = 1024;

/**
 * int8 codes of a whole matrix, row after row. What a code may be is told by how large the codes of its column and of
 * its row have been of late, and by its neighbours: the code before it, the one before that, the one above, and the one a
 * `period` before (of a convolution, the same tap of the input channel before).
 */
export class Codes {
  readonly #mixture: Mixture;
  readonly #mantissa = createContexts(64);
  /** [cols] Mean magnitude in 1/4096, times 256, and the code above in the lowest 8 bits. */
  readonly #columns: Int32Array;
  readonly #period: number;
  #row = 0;
  #rows = 0;
  #rate = 1;
  #before = 0;
  #before2 = 0;

  readonly #least: number;

  /** @param leastOfZero bound of the chance that a code is 0, see Mixture */
  constructor(cols: number, period: number, leastOfZero: number) {
    this.#mixture = new Mixture(count, sign + 1);
    this.#least = leastOfZero;
    this.#columns = new Int32Array(cols);
    this.#period = period;
  }

  /** Begins a row. */
  next(): void {
    this.#before = 0;
    this.#before2 = 0;
    this.#rate = Math.min(31 - Math.clz32(this.#rows + 2), 7);
    if (this.#rows < 254) this.#rows++;
  }

  /** The code of column c: all of a row's are told, from the first to the last. @throws Fault */
  code(coder: Coder, c: number, given: number): number {
    const before = this.#before;
    const before2 = this.#before2;
    const column = this.#columns[c];
    const above = (column << 24) >> 24;
    const channel = c >= this.#period ? (this.#columns[c - this.#period] << 24) >> 24 : 0;
    const x = sizeOf(column >> 8);
    const y = 32 + sizeOf(this.#row);
    const z = 64 + (before ? 1 : 0) + (above ? 2 : 0) + (channel ? 4 : 0) + (before2 ? 8 : 0);
    let value = 0;
    if (!this.#mixture.bit(coder, this.#least, 0, x, y, z, given === 0 ? 1 : 0)) {
      const magnitude = this.#magnitude(coder, x, y, z, Math.abs(given));
      const a = signs + 3 * signOf(before) + signOf(before2);
      const b = signs + 9 + 3 * signOf(above) + signOf(channel);
      const all = signs + 18 + 9 * signOf(before) + 3 * signOf(above) + signOf(channel);
      const negative = this.#mixture.bit(coder, least, sign, a, b, all, given < 0 ? 1 : 0);
      if (magnitude > (negative ? 128 : 127)) throw new Fault(fault.value);
      value = negative ? -magnitude : magnitude;
    }
    const size = Math.abs(value) << 12;
    const mean = (column >> 8) + ((size - (column >> 8)) >> this.#rate);
    this.#columns[c] = (mean << 8) | (value & 255);
    this.#row += (size - this.#row) >> 5;
    this.#before2 = before;
    this.#before = value;
    return value;
  }

  /** 1..255: the number of bits below the first in unary, then those bits. */
  #magnitude(coder: Coder, x: number, y: number, z: number, given: number): number {
    const bits = 31 - Math.clz32(given);
    let n = 0;
    while (n < 7) {
      const at = perSet * (n + 1);
      if (!this.#mixture.bit(coder, least, n + 1, at + x, at + y, at + z, n < bits ? 1 : 0)) break;
      n++;
    }
    let node = 1;
    for (let i = n - 1; i >= 0; i--) {
      const context = 8 * n + (n - 1 - i < 3 ? node : 0);
      node = 2 * node + coder.bit(this.#mantissa, context, (given >> i) & 1);
    }
    return node;
  }
}

/** Dense codes. @param q [rows * cols], read by an Encoder, written in full by a Decoder @throws Fault */
export function codes(coder: Coder, rows: number, cols: number, period: number, q: Int8Array): void {
  const model = new Codes(cols, period, leastOfDense);
  for (let r = 0, i = 0; r < rows; r++) {
    model.next();
    for (let c = 0; c < cols; c++, i++) q[i] = model.code(coder, c, q[i]);
  }
}

/** A mean magnitude in 1/4096 as one of 26 sizes, two for each doubling from 1/32 on. */
function sizeOf(mean: number): number {
  const x = mean >> 7;
  if (x === 0) return 0;
  const bits = 31 - Math.clz32(x);
  return 1 + 2 * bits + (bits > 0 ? (x >> (bits - 1)) & 1 : 0);
}

/** 0 for 0, 1 below, 2 above. */
function signOf(code: number): number {
  return code === 0 ? 0 : code < 0 ? 1 : 2;
}
