import { Fault, fault } from "./fault.js";
import { Mixture } from "./mixture.js";
import { lengthContexts, mantissaContexts, number } from "./number.js";
import { type Coder, createContexts } from "./range-coder.js";

// Sets of the mixture: zero or not, seven of the length, the sign.
const sign = 8;
// Its contexts: for each set but the sign's 32 sizes of the column, 64 sizes of the row or atoms, 64 of neighbours; then 9, 9 and 27
// of signs.
const second = 32;
const third = 96;
const perSet = 160;
const signs = sign * perSet;
const count = signs + 9 + 9 + 27;

/** Whether a cell is zero. A dense one takes room in memory too. */
export const stepsPerCell = 2;
export const stepsPerCode = 3;

/** What the rows and columns of codes are: the second context of a code is how large its row is, or which atom it belongs to. */
export interface Grid {
  readonly cols: number;
  /** Columns from a code to the one that it continues: of a convolution, the same tap of the input channel before. */
  readonly period: number;
  /** Whether the codes are coefficients, those of one atom `period` columns apart. */
  readonly atoms: boolean;
}

/**
 * int8 codes of a whole matrix, row after row. What a code may be is told by how large the codes of its column have been of late, by
 * those of its row or by its atom, and by its neighbours: the two codes before it, the one above, and the one a `period` before.
 */
export class Codes {
  readonly #mixture: Mixture;
  readonly #mantissa = createContexts(64);
  /** [cols] Mean magnitude in 1/4096, times 256, and the code above in the lowest 8 bits. */
  readonly #columns: Int32Array;
  readonly #grid: Grid;
  /** Bits below the first of the smallest and of the largest magnitude that is not 0. */
  readonly #fewest: number;
  readonly #most: number;
  #row = 0;
  #rows = 0;
  #rate = 1;
  #before = 0;
  #before2 = 0;

  /** @param values all that will be told, for an Encoder; those that are 0 may be left out @throws Fault */
  constructor(coder: Coder, grid: Grid, values: Int8Array) {
    this.#mixture = new Mixture(count, sign + 1);
    this.#columns = new Int32Array(grid.cols);
    this.#grid = grid;
    const [fewest, most] = coder.decodes ? [0, 0] : lengthsOf(values);
    this.#fewest = coder.direct(3, fewest);
    this.#most = coder.direct(3, most);
    if (this.#fewest > this.#most) throw new Fault(fault.value);
  }

  /** What it takes to tell that so many codes are not 0: lengths, bits and signs. @throws Fault */
  spend(coder: Coder, entries: number): void {
    const perEntry = 4 * (this.#most - this.#fewest + 1) + this.#most;
    coder.spend(perEntry * entries);
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
    const { period, atoms } = this.#grid;
    const before = this.#before;
    const before2 = this.#before2;
    const column = this.#columns[c];
    const above = (column << 24) >> 24;
    const channel = c >= period ? (this.#columns[c - period] << 24) >> 24 : 0;
    const x = sizeOf(column >> 8);
    const y = second + (atoms ? Math.min(c % period, 63) : sizeOf(this.#row));
    const z = third + upTo7(Math.abs(before) + Math.abs(before2)) + 8 * upTo7(Math.abs(above) + Math.abs(channel));
    let value = 0;
    if (!this.#mixture.bit(coder, 0, x, y, z, given === 0 ? 1 : 0)) {
      const magnitude = this.#magnitude(coder, x, y, z, Math.abs(given));
      const a = signs + 3 * signOf(before) + signOf(before2);
      const b = signs + 9 + 3 * signOf(above) + signOf(channel);
      const all = signs + 18 + 9 * signOf(before) + 3 * signOf(above) + signOf(channel);
      const negative = this.#mixture.bit(coder, sign, a, b, all, given < 0 ? 1 : 0);
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
    let n = this.#fewest;
    while (n < this.#most) {
      const at = perSet * (n + 1);
      if (!this.#mixture.bit(coder, n + 1, at + x, at + y, at + z, n < bits ? 1 : 0)) break;
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

/**
 * Dense codes: how many are 0, then all of them.
 * @param q [rows * cols], read by an Encoder, written in full by a Decoder
 * @throws Fault
 */
export function codes(coder: Coder, rows: number, cols: number, period: number, q: Int8Array): void {
  const model = new Codes(coder, { cols: rows > 0 ? cols : 0, period, atoms: false }, q);
  const given = coder.decodes ? 0 : q.reduce((zeros, code) => zeros + (code === 0 ? 1 : 0), 0);
  const told = number(coder, createContexts(lengthContexts + mantissaContexts), 0, lengthContexts, given);
  if (told > q.length) throw new Fault(fault.count);
  coder.spend(stepsPerCode * q.length);
  model.spend(coder, q.length - told);
  let entries = 0;
  for (let r = 0, i = 0; r < rows; r++) {
    model.next();
    for (let c = 0; c < cols; c++, i++) {
      q[i] = model.code(coder, c, q[i]);
      if (q[i] !== 0 && ++entries > q.length - told) throw new Fault(fault.count);
    }
  }
  if (entries !== q.length - told) throw new Fault(fault.count);
}

/** Bits below the first of the smallest and of the largest magnitude but 0; 0 and 0 where there are none. */
export function lengthsOf(values: Int8Array): [fewest: number, most: number] {
  let smallest = 128;
  let largest = 0;
  for (const value of values) {
    const magnitude = Math.abs(value);
    if (magnitude > largest) largest = magnitude;
    if (magnitude > 0 && magnitude < smallest) smallest = magnitude;
  }
  return largest === 0 ? [0, 0] : [31 - Math.clz32(smallest), 31 - Math.clz32(largest)];
}

/** A mean magnitude in 1/4096 as one of 26 sizes, two for each doubling from 1/32 on. */
function sizeOf(mean: number): number {
  const x = mean >> 7;
  if (x === 0) return 0;
  const bits = 31 - Math.clz32(x);
  return 1 + 2 * bits + (bits > 0 ? (x >> (bits - 1)) & 1 : 0);
}

function upTo7(sum: number): number {
  return Math.min(sum, 7);
}

/** 0 for 0, 1 below, 2 above. */
function signOf(code: number): number {
  return code === 0 ? 0 : code < 0 ? 1 : 2;
}
