import { bytes } from "./bytes.js";
import { Codes } from "./codes.js";
import { createEntryContexts, entryCode } from "./entry.js";
import { Fault, fault } from "./fault.js";
import { lengthContexts, mantissaContexts, number } from "./number.js";
import { type Coder, createContexts, type Decoder } from "./range-coder.js";
import { scales } from "./scales.js";

// Contexts: row counts (length, mantissa), then column counts or gaps (32 sets of lengths, mantissa).
const rowLength = 0;
const rowMantissa = lengthContexts;
const secondLength = rowMantissa + mantissaContexts;
const secondMantissa = secondLength + 32 * lengthContexts;
const count = secondMantissa + mantissaContexts;

/** Where the entries of a matrix are: with an Encoder all is given, with a Decoder the arrays are written in full. */
export interface Positions {
  readonly rows: number;
  readonly cols: number;
  readonly nnz: number;
  /** [rows + 1]; rowPtr[0] is 0. */
  readonly rowPtr: Uint32Array;
  /** [nnz], rising within a row. */
  readonly col: Uint32Array;
}

/**
 * Cells that may be visited one by one in a section of that many bytes: decoding stays linear in the file's size. It
 * allows densities down to about 0.15 %, below which gaps cost as little.
 */
export function mostCells(bytes: number): number {
  return Math.min(65536 + 512 * bytes, 0x1000000000);
}

/**
 * The positions: how they are told (`gaps` or not), the entries of each row, then either of the two.
 * @throws Fault
 */
function positions(coder: Coder, where: Positions, gaps: boolean): void {
  const contexts = createContexts(count);
  const told = coder.known(32768, gaps ? 1 : 0);
  const busy = rowCounts(coder, contexts, where);
  if (told) byGaps(coder, contexts, where);
  else byCells(coder, contexts, where, busy);
}

/** Entries of each row. Gives the number of rows that have any. */
function rowCounts(coder: Coder, contexts: Uint16Array, { rows, cols, nnz, rowPtr }: Positions): number {
  let busy = 0;
  let total = 0;
  for (let r = 0; r < rows; r++) {
    const entries = number(coder, contexts, rowLength, rowMantissa, rowPtr[r + 1] - rowPtr[r]);
    if (entries > cols || entries > nnz - total) throw new Fault(fault.count);
    total += entries;
    rowPtr[r + 1] = total;
    if (entries > 0) busy++;
  }
  if (total !== nnz) throw new Fault(fault.count);
  return busy;
}

/**
 * The entries of each column, then every cell in turn. Given both margins, a cell of row r and column c is an entry
 * with chance k * C[c] / S: k entries that row r still has, C[c] that column c still has, S = sum of C over the columns
 * from c on. Full rows and empty columns cost nothing, and the chances need no learning. The context of a column's
 * count is the size of the two before it.
 */
function byCells(coder: Coder, contexts: Uint16Array, where: Positions, busy: number): void {
  const { rows, cols, nnz, rowPtr, col } = where;
  if (coder.decodes && rows * cols > mostCells((coder as Decoder).byteLength)) throw new Fault(fault.effort);
  const remaining = new Uint32Array(cols);
  if (!coder.decodes) for (const c of col) remaining[c]++;
  let open = 0;
  let total = 0;
  let before = 0;
  let before2 = 0;
  for (let c = 0; c < cols; c++) {
    const set = secondLength + lengthContexts * size(Math.trunc((before + before2 + 1) / 2));
    const entries = number(coder, contexts, set, secondMantissa, remaining[c]);
    if (entries > busy || entries > nnz - total) throw new Fault(fault.count);
    total += entries;
    remaining[c] = entries;
    if (entries > 0) open++;
    before2 = before;
    before = entries;
  }
  if (total !== nnz) throw new Fault(fault.count);

  let rowsLeft = busy;
  for (let r = 0; r < rows; r++) {
    let e = rowPtr[r];
    let k = rowPtr[r + 1] - e;
    if (k === 0) continue;
    let ahead = open; // columns from c on that still have entries
    if (k > ahead) throw new Fault(fault.position);
    let sum = nnz - e;
    for (let c = 0; k > 0; c++) {
      const left = remaining[c];
      if (left === 0) continue;
      // All that are ahead, or in all rows that are left: nothing to tell.
      let entry = 1;
      if (k !== ahead && left !== rowsLeft) {
        entry = coder.known(chance(k * left, sum), col[e] === c ? 1 : 0);
      }
      sum -= left;
      ahead--;
      if (entry) {
        col[e++] = c;
        k--;
        remaining[c] = left - 1;
        if (left === 1) open--;
      }
    }
    rowsLeft--;
  }
}

/**
 * product / sum in 1/65536, in 1..31/32. Exact: the product is below 2^36, so the quotient cannot round up to a whole
 * number.
 */
function chance(product: number, sum: number): number {
  return Math.max(1, Math.min(63488, Math.trunc((product * 65536) / sum)));
}

/** 0, 1..2, 3..7, more. */
function size(entries: number): number {
  return entries === 0 ? 0 : entries < 3 ? 1 : entries < 8 ? 2 : 3;
}

/** The number of empty cells before each entry; the context is the size of the mean gap that is left in the row. */
function byGaps(coder: Coder, contexts: Uint16Array, { rows, cols, rowPtr, col }: Positions): void {
  for (let r = 0; r < rows; r++) {
    let next = 0; // first column where the entry may stand
    for (let e = rowPtr[r]; e < rowPtr[r + 1]; e++) {
      const entries = rowPtr[r + 1] - e;
      const spare = cols - next - entries;
      if (spare > 0) {
        const set = secondLength + lengthContexts * (31 - Math.clz32(Math.trunc(spare / entries) + 1));
        const gap = number(coder, contexts, set, secondMantissa, col[e] - next);
        if (gap > spare) throw new Fault(fault.position);
        next += gap;
      }
      col[e] = next++;
    }
  }
}

/** How the entries of a matrix are told: each encoder takes the shortest. */
export type Manner = "gaps" | "cells" | "codes";

/** Cells may be nearly sure to be empty: whole columns are. */
const leastOfCell = 64;

/**
 * Positions and int8 values: one after the other, or all cells of the matrix as codes, where those that are not 0 are entries.
 * @throws Fault
 */
export function entries(coder: Coder, where: Positions, period: number, values: Int8Array, manner: Manner): void {
  if (coder.known(32768, manner === "codes" ? 1 : 0)) {
    asCodes(coder, where, period, values);
  } else {
    positions(coder, where, manner === "gaps");
    entryCodes(coder, where, values);
  }
}

/** Cells that may be told as codes in a section of that many bytes. */
export function mostCodes(bytes: number): number {
  return 256 * (bytes + 1);
}

function asCodes(coder: Coder, where: Positions, period: number, values: Int8Array): void {
  const { rows, cols, nnz, rowPtr, col } = where;
  if (coder.decodes && rows * cols > mostCodes((coder as Decoder).byteLength)) throw new Fault(fault.effort);
  const model = new Codes(cols, period, leastOfCell);
  let e = 0;
  for (let r = 0; r < rows; r++) {
    model.next();
    for (let c = 0; c < cols; c++) {
      const given = !coder.decodes && e < rowPtr[r + 1] && col[e] === c ? values[e] : 0;
      const code = model.code(coder, c, given);
      if (code === 0) continue;
      if (e === nnz) throw new Fault(fault.count);
      col[e] = c;
      values[e++] = code;
    }
    rowPtr[r + 1] = e;
  }
  if (e !== nnz) throw new Fault(fault.count);
}

/** int8 values of the entries; the neighbour of an entry is the one in the column just before. @throws Fault */
function entryCodes(coder: Coder, { rows, rowPtr, col }: Positions, values: Int8Array): void {
  const contexts = createEntryContexts();
  for (let r = 0; r < rows; r++) {
    for (let e = rowPtr[r]; e < rowPtr[r + 1]; e++) {
      const touches = e > rowPtr[r] && col[e - 1] + 1 === col[e];
      values[e] = entryCode(coder, contexts, values[e], touches ? values[e - 1] : 0);
    }
  }
}

/** A sparse section: positions and values, scales (none for float32 values). @throws Fault */
export function sparse(
  coder: Coder,
  where: Positions,
  period: number,
  values: Float32Array | Int8Array,
  scale: Float32Array,
  manner: Manner,
): void {
  if (values instanceof Int8Array) entries(coder, where, period, values, manner);
  else {
    positions(coder, where, manner === "gaps");
    bytes(coder, where.nnz, 4, new Uint8Array(values.buffer, values.byteOffset, values.byteLength), true);
  }
  scales(coder, scale);
}
