import { bytes } from "./bytes.js";
import { Codes, type Grid, lengthsOf, stepsPerCell } from "./codes.js";
import { createEntryContexts, entryCode, stepsPerEntryCode } from "./entry.js";
import { Fault, fault } from "./fault.js";
import { lengthContexts, mantissaContexts, number, stepsOfNumber } from "./number.js";
import { type Coder, createContexts } from "./range-coder.js";
import { scales } from "./scales.js";

// Contexts: row counts (length, mantissa), then gaps (32 sets of lengths, mantissa).
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

/** A bit, and what a row takes that is in memory. */
export const stepsPerRow = 16;

/** The positions: the entries of each row, then the empty cells before each entry. @throws Fault */
function positions(coder: Coder, where: Positions): void {
  const { rows, cols, nnz } = where;
  // A number for each row that has entries and for each entry.
  coder.spend(stepsPerRow * rows + (Math.min(rows, nnz) + nnz) * stepsOfNumber(cols));
  const contexts = createContexts(count);
  rowCounts(coder, contexts, where);
  gaps(coder, contexts, where);
}

/** Entries of each row. */
function rowCounts(coder: Coder, contexts: Uint16Array, { rows, cols, nnz, rowPtr }: Positions): void {
  let total = 0;
  for (let r = 0; r < rows; r++) {
    const entries = number(coder, contexts, rowLength, rowMantissa, rowPtr[r + 1] - rowPtr[r]);
    if (entries > cols || entries > nnz - total) throw new Fault(fault.count);
    total += entries;
    rowPtr[r + 1] = total;
  }
  if (total !== nnz) throw new Fault(fault.count);
}

/** The number of empty cells before each entry; the context is the size of the mean gap that is left in the row. */
function gaps(coder: Coder, contexts: Uint16Array, { rows, cols, rowPtr, col }: Positions): void {
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

/** How the entries of a matrix are told: an encoder takes the shorter. */
export type Manner = "gaps" | "codes";

/**
 * Positions and int8 values: one after the other, or all cells of the matrix as codes, where those that are not 0 are entries.
 * @param grid what the cells are where they are told as codes: `grid.cols` cells are one or more rows of the matrix
 * @throws Fault
 */
export function entries(coder: Coder, where: Positions, grid: Grid, values: Int8Array, manner: Manner): void {
  if (coder.known(32768, manner === "codes" ? 1 : 0)) {
    asCodes(coder, where, grid, values);
  } else {
    positions(coder, where);
    entryCodes(coder, where, values);
  }
}

function asCodes(coder: Coder, where: Positions, grid: Grid, values: Int8Array): void {
  const { rows, cols, nnz, rowPtr, col } = where;
  const model = new Codes(coder, grid, values);
  coder.spend(stepsPerRow * rows + stepsPerCell * rows * cols);
  model.spend(coder, nnz);
  let e = 0;
  for (let r = 0, first = 0; r < rows; r++) {
    if (first === 0) model.next();
    for (let c = 0; c < cols; c++) {
      const given = !coder.decodes && e < rowPtr[r + 1] && col[e] === c ? values[e] : 0;
      const code = model.code(coder, first + c, given);
      if (code === 0) continue;
      if (e === nnz) throw new Fault(fault.count);
      col[e] = c;
      values[e++] = code;
    }
    rowPtr[r + 1] = e;
    first = first + cols < grid.cols ? first + cols : 0;
  }
  if (e !== nnz) throw new Fault(fault.count);
}

/** int8 values of the entries; the neighbour of an entry is the one in the column just before. @throws Fault */
function entryCodes(coder: Coder, { rows, nnz, rowPtr, col }: Positions, values: Int8Array): void {
  const most = coder.direct(3, coder.decodes ? 0 : lengthsOf(values)[1]);
  coder.spend(stepsPerEntryCode(most) * nnz);
  const contexts = createEntryContexts();
  for (let r = 0; r < rows; r++) {
    for (let e = rowPtr[r]; e < rowPtr[r + 1]; e++) {
      const touches = e > rowPtr[r] && col[e - 1] + 1 === col[e];
      values[e] = entryCode(coder, contexts, values[e], touches ? values[e - 1] : 0);
      if (Math.abs(values[e]) >> (most + 1)) throw new Fault(fault.value);
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
  if (values instanceof Int8Array) entries(coder, where, { cols: where.cols, period, atoms: false }, values, manner);
  else {
    positions(coder, where);
    bytes(coder, where.nnz, 4, new Uint8Array(values.buffer, values.byteOffset, values.byteLength), true);
  }
  scales(coder, scale);
}
