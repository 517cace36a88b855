/**
 * Decoders of the container's sections, the twins of src/codec: the same symbols, the same checks in the same order,
 * the same fault numbers (src/codec/fault.ts says what each means). A test holds both equal on valid and on damaged
 * sections. docs/container.md has every step in words.
 *
 * Nothing outside the buffers is read or written whatever the section holds. After a fault their contents mean nothing.
 */
import { OUTSIDE, nonzero, spendCodes, startCodes, startRow, zeros } from "./codes";
import {
  CONTEXTS, ENDED, bit, direct, fail, finish, fresh, known, number, over, spend, start, stepsOfNumber, tree,
} from "./range-decoder";

const COUNT: i32 = 3;
const POSITION: i32 = 4;
const VALUE: i32 = 5;
const EFFORT: i32 = 6;

// Scratch: what the range decoder keeps there (range-decoder.ts), then counts of columns.
/** The most that one model has: bytes, 2073. */
const MOST_CONTEXTS: usize = 2080;
const COLUMNS: usize = CONTEXTS + 4 * MOST_CONTEXTS;

/**
 * Bytes of scratch that every decoder here needs: 0 columns for decode_bytes, `cols` for decode_int8 and decode_sparse, the larger
 * of k times the rows of Z^T to a row, and d, for decode_factored. Bounded by the size of the section, whatever `cols` says.
 */
export function decode_scratch_bytes(cols: u32, srcBytes: u32): usize {
  return COLUMNS + 4 * (<usize>min<u64>(cols, 128 * <u64>srcBytes));
}

// Elements of 1, 2, 4 or 8 bytes: src/codec/bytes.ts

const NIBBLE: u32 = 2049;
const LOWER: u32 = NIBBLE + 16;

function bytes(s: usize, n: u32, width: u32, dst: usize, finite: bool): i32 {
  if (!spend(s, (width == 1 ? 8 : 16 + 3 * (width - 2)) * <u64>n)) return fail(s, EFFORT);
  fresh(s, LOWER + 8);
  const special: u32 = !finite ? 0x800 : width == 2 ? 0x7c0 : width == 4 ? 0x7f8 : 0x7ff;
  for (let i: u32 = 0; i < n; i++, dst += width) {
    if (width == 1) store<u8>(dst, tree(s, 0, 8));
    else {
      const sign = bit(s, 0);
      const middle = tree(s, 1, 11);
      if (middle >= special) return fail(s, VALUE);
      store<u16>(dst + width - 2, (sign << 15) | (middle << 4) | tree(s, NIBBLE, 4));
      for (let b = <i32>width - 3; b >= 0; b--) {
        const same = bit(s, LOWER + b);
        store<u8>(dst + b, same ? (i == 0 ? 0 : load<u8>(dst + b - width)) : direct(s, 8));
      }
    }
    if (over(s)) return ENDED;
  }
  return 0;
}

// Scales: src/codec/scales.ts

const STEP_SIGN: u32 = 1;
const STEP_LENGTH: u32 = 2;
const STEP_MANTISSA: u32 = STEP_LENGTH + 32;
const REST: u32 = STEP_MANTISSA + 256;

function scales(s: usize, n: u32, scale: usize): i32 {
  if (!spend(s, 32 * <u64>n)) return fail(s, EFFORT);
  fresh(s, REST + 1);
  let mean: i32 = 0;
  let low: u32 = 0;
  for (let i: u32 = 0; i < n; i++) {
    let step: i64 = 0;
    if (i == 0) step = direct(s, 12);
    else {
      step = (mean + 8) >> 4;
      if (!bit(s, 0)) {
        const distance = <i64>number(s, STEP_LENGTH, STEP_MANTISSA) + 1;
        step += bit(s, STEP_SIGN) ? -distance : distance;
      }
    }
    if (step < 0 || step >= 0xff0) return fail(s, VALUE);
    if (!bit(s, REST)) {
      const high = direct(s, 3) << 16;
      low = high | direct(s, 16);
    }
    const bits = (<u32>step << 19) | low;
    if (over(s)) return ENDED;
    if (bits == 0) return VALUE;
    store<u32>(scale + (i << 2), bits);
    const wide = 16 * <i32>step;
    mean = i == 0 ? wide : mean + ((wide - mean) >> min(31 - clz<u32>(i + 1), 4));
  }
  return 0;
}

// Dense codes: src/codec/codes.ts

const STEPS_PER_CODE: u64 = 3;
const STEPS_PER_CELL: u64 = 2;
/** First context of the number of zeros: behind all that codes.ts keeps. */
const ZEROS: u32 = 1600;

/** cols is at most what decode_scratch_bytes was asked for. */
function codes(s: usize, rows: u32, cols: u32, period: u32, q: usize): i32 {
  const columns = s + COLUMNS;
  if (!startCodes(s, period, false)) return fail(s, VALUE);
  fresh(s, 32 + 256, ZEROS);
  const size = <u64>rows * cols;
  const told = <u64>number(s, ZEROS, ZEROS + 32);
  if (told > size) return fail(s, COUNT);
  if (!spend(s, STEPS_PER_CODE * size) || !spendCodes(s, size - told)) return fail(s, EFFORT);
  let left = size - told;
  memory.fill(columns, 0, rows ? (<usize>cols) << 2 : 0);
  memory.fill(q, 0, (<usize>rows) * cols);
  for (let r: u32 = 0; r < rows; r++, q += cols) {
    startRow(s, r);
    for (let c = zeros(s, columns, 0, cols); c < cols; c = zeros(s, columns, c + 1, cols)) {
      const value = nonzero(s, columns, c);
      if (value == OUTSIDE) return fail(s, VALUE);
      if (left == 0) return fail(s, COUNT);
      left--;
      store<i8>(q + c, value);
    }
    if (over(s)) return ENDED;
  }
  return left ? COUNT : 0;
}

// Positions: src/codec/sparse.ts

const STEPS_PER_ROW: u64 = 16;
const ROW_LENGTH: u32 = 0;
const ROW_MANTISSA: u32 = 32;
const SECOND_LENGTH: u32 = ROW_MANTISSA + 256;
const SECOND_MANTISSA: u32 = SECOND_LENGTH + 32 * 32;
const POSITION_CONTEXTS: u32 = SECOND_MANTISSA + 256;

function positions(s: usize, rows: u32, cols: u32, nnz: u32, rowPtr: usize, col: usize): i32 {
  if (!spend(s, STEPS_PER_ROW * rows + (<u64>min(rows, nnz) + <u64>nnz) * stepsOfNumber(cols))) return fail(s, EFFORT);
  fresh(s, POSITION_CONTEXTS);
  let total: u32 = 0;
  store<u32>(rowPtr, 0);
  for (let r: u32 = 0; r < rows; r++) {
    const entries = number(s, ROW_LENGTH, ROW_MANTISSA);
    if (entries > cols || entries > nnz - total) return fail(s, COUNT);
    if (over(s)) return ENDED;
    total += entries;
    store<u32>(rowPtr + ((<usize>r + 1) << 2), total);
  }
  return total == nnz ? gaps(s, rows, cols, rowPtr, col) : COUNT;
}

function gaps(s: usize, rows: u32, cols: u32, rowPtr: usize, col: usize): i32 {
  for (let r: u32 = 0; r < rows; r++, rowPtr += 4) {
    let entries = load<u32>(rowPtr, 4) - load<u32>(rowPtr);
    let column: u32 = 0;
    for (; entries > 0; entries--, col += 4) {
      const spare = cols - column - entries;
      if (spare > 0) {
        const gap = number(s, SECOND_LENGTH + 32 * (31 - clz<u32>(spare / entries + 1)), SECOND_MANTISSA);
        if (gap > spare) return fail(s, POSITION);
        column += gap;
      }
      store<u32>(col, column++);
    }
    if (over(s)) return ENDED;
  }
  return 0;
}

// Entries: src/codec/entry.ts, src/codec/sparse.ts

const ENTRY_SIGN: u32 = 2;
const ENTRY_LENGTH: u32 = 5;
const ENTRY_MANTISSA: u32 = ENTRY_LENGTH + 32;

function entry_code(s: usize, before: i32): i32 {
  if (bit(s, before == 0 ? 0 : 1)) return 0;
  const magnitude = <i64>number(s, ENTRY_LENGTH, ENTRY_MANTISSA) + 1;
  const negative = bit(s, ENTRY_SIGN + (before == 0 ? 0 : before < 0 ? 1 : 2));
  if (magnitude > (negative ? 128 : 127)) return OUTSIDE;
  return negative ? -(<i32>magnitude) : <i32>magnitude;
}

function entry_codes(s: usize, rows: u32, nnz: u32, rowPtr: usize, col: usize, values: usize): i32 {
  const most = direct(s, 3);
  if (!spend(s, (3 + 2 * <u64>most) * nnz)) return fail(s, EFFORT);
  fresh(s, ENTRY_MANTISSA + 256);
  for (let r: u32 = 0; r < rows; r++, rowPtr += 4) {
    let before: i32 = 0;
    let touching: i64 = -1;
    const end = load<u32>(rowPtr, 4);
    for (let e = load<u32>(rowPtr); e < end; e++) {
      const column = <i64>load<u32>(col + ((<usize>e) << 2));
      before = entry_code(s, column == touching ? before : 0);
      if (before == OUTSIDE || abs(before) >> (most + 1)) return fail(s, VALUE);
      store<i8>(values + e, before);
      touching = column + 1;
      if (over(s)) return ENDED;
    }
  }
  return 0;
}

/** width: columns of the grid whose cells are codes, one or more rows of the matrix. */
function entries(
  s: usize, rows: u32, cols: u32, width: u32, period: u32, atoms: bool, nnz: u32, rowPtr: usize, col: usize, values: usize,
): i32 {
  if (!known(s, 32768)) {
    const fault = positions(s, rows, cols, nnz, rowPtr, col);
    return fault ? fault : entry_codes(s, rows, nnz, rowPtr, col, values);
  }
  const columns = s + COLUMNS;
  if (!startCodes(s, period, atoms)) return fail(s, VALUE);
  if (!spend(s, STEPS_PER_ROW * rows + STEPS_PER_CELL * rows * cols) || !spendCodes(s, nnz)) return fail(s, EFFORT);
  memory.fill(columns, 0, rows ? (<usize>width) << 2 : 0);
  let left = nnz;
  let first: u32 = 0;
  let row: u32 = 0;
  store<u32>(rowPtr, 0);
  for (let r: u32 = 0; r < rows; r++) {
    if (first == 0) startRow(s, row++);
    const end = first + cols;
    for (let c = zeros(s, columns, first, end); c < end; c = zeros(s, columns, c + 1, end)) {
      const value = nonzero(s, columns, c);
      if (value == OUTSIDE) return fail(s, VALUE);
      if (left == 0) return fail(s, COUNT);
      left--;
      store<u32>(col, c - first);
      store<i8>(values, value);
      col += 4;
      values++;
    }
    if (over(s)) return ENDED;
    rowPtr += 4;
    store<u32>(rowPtr, nnz - left);
    first = end < width ? end : 0;
  }
  return left ? COUNT : 0;
}

// The sections

/**
 * Compressed sparse rows from a coded section. Gives 0, or the number of a fault.
 *
 * - src: u8 [srcBytes]
 * - rowPtr: u32 [rows + 1], col: u32 [nnz], written in full
 * - values: f32 [nnz], or i8 [nnz] with int8 = 1; scale: f32 [scales]; written in full
 * - scratch: decode_scratch_bytes(cols, srcBytes), 4-byte aligned, contents undefined before and after
 */
export function decode_sparse(
  rows: u32, cols: u32, period: u32, nnz: u32, src: usize, srcBytes: u32, rowPtr: usize, col: usize, values: usize,
  scale: usize, scales_: u32, int8: bool, scratch: usize,
): i32 {
  assert(((rowPtr | col | scale | scratch) & 3) == 0);
  start(scratch, src, srcBytes);
  let fault: i32 = 0;
  if (int8) fault = entries(scratch, rows, cols, cols, period, false, nnz, rowPtr, col, values);
  else {
    fault = positions(scratch, rows, cols, nnz, rowPtr, col);
    if (!fault) fault = bytes(scratch, nnz, 4, values, true);
  }
  if (fault) return fault;
  fault = scales(scratch, scales_, scale);
  return fault ? fault : finish(scratch);
}

/**
 * Dense int8 codes from a coded section. Gives 0, or the number of a fault.
 *
 * - period: columns from one tap of a convolution to the same of the next input channel; 1 where there are none
 * - src: u8 [srcBytes]
 * - q: i8 [rows, cols], scale: f32 [scales], written in full
 * - scratch: decode_scratch_bytes(cols, srcBytes), 4-byte aligned
 */
export function decode_int8(
  rows: u32, cols: u32, period: u32, src: usize, srcBytes: u32, q: usize, scale: usize, scales_: u32, scratch: usize,
): i32 {
  assert(((scale | scratch) & 3) == 0);
  start(scratch, src, srcBytes);
  let fault = codes(scratch, rows, cols, period, q);
  if (fault) return fault;
  fault = scales(scratch, scales_, scale);
  return fault ? fault : finish(scratch);
}

/**
 * Elements of `width` bytes (1, 2, 4 or 8) from a coded section, bit for bit. Gives 0, or the number of a fault.
 *
 * - src: u8 [srcBytes]
 * - dst: u8 [n * width], written in full
 * - scratch: decode_scratch_bytes(0, srcBytes), 4-byte aligned
 * - finite: 1 where the elements are floating-point numbers: NaN and infinity are then a fault
 */
export function decode_bytes(
  n: u32, width: u32, src: usize, srcBytes: u32, dst: usize, finite: bool, scratch: usize,
): i32 {
  assert((scratch & 3) == 0 && (width == 1 || width == 2 || width == 4 || width == 8));
  start(scratch, src, srcBytes);
  const fault = bytes(scratch, n, width, dst, finite);
  return fault ? fault : finish(scratch);
}

/**
 * Whether floating-point elements that are stored as they are all are finite: 0, or the fault of a value.
 *
 * - p: u8 [n * width], width 2 (float16), 4 or 8
 */
export function check_bytes(n: u32, width: u32, p: usize): i32 {
  assert(width == 2 || width == 4 || width == 8);
  if (width == 4) {
    const infinite = f32x4.splat(Infinity);
    let bad = i32x4.splat(0);
    for (; n >= 4; n -= 4, p += 16) bad = v128.or(bad, v128.not(f32x4.lt(f32x4.abs(v128.load(p)), infinite)));
    if (v128.any_true(bad)) return VALUE;
  }
  const special: u32 = width == 2 ? 0x7c00 : width == 4 ? 0x7f80 : 0x7ff0;
  for (; n > 0; n--, p += width) {
    if ((load<u16>(p + width - 2) & special) == special) return VALUE;
  }
  return 0;
}

/**
 * A factored weight from a coded section: Z^T [n, k] as compressed sparse rows, C^T [k, d]. Gives 0, or the number of a
 * fault.
 *
 * - perRow: rows of Z^T that belong to one row of the weight
 * - src: u8 [srcBytes]
 * - rowPtr: u32 [n + 1], col: u32 [nnz], codes: i8 [nnz], codeScale: f32 [k], written in full
 * - codebook: i8 [k, d], codebookScale: f32 [1], written in full
 * - scratch: decode_scratch_bytes(max(k * perRow, d), srcBytes), 4-byte aligned
 */
export function decode_factored(
  n: u32, k: u32, d: u32, nnz: u32, perRow: u32, src: usize, srcBytes: u32, rowPtr: usize, col: usize, codes_: usize,
  codeScale: usize, codebook: usize, codebookScale: usize, scratch: usize,
): i32 {
  assert(((rowPtr | col | codeScale | codebookScale | scratch) & 3) == 0);
  start(scratch, src, srcBytes);
  let fault = entries(scratch, n, k, perRow * k, k, true, nnz, rowPtr, col, codes_);
  if (fault) return fault;
  fault = scales(scratch, k, codeScale);
  if (fault) return fault;
  fault = codes(scratch, k, d, 1, codebook);
  if (fault) return fault;
  fault = scales(scratch, 1, codebookScale);
  return fault ? fault : finish(scratch);
}
