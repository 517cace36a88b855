/** int8 codes of a whole matrix: the twin of src/codec/codes.ts. */
import { WEIGHTS, freshWeights, mixed } from "./mixture";
import { bit, fresh } from "./range-decoder";

const SIGN: u32 = 8;
const PER_SET: u32 = 96;
const SIGNS: u32 = SIGN * PER_SET;
const MANTISSA: u32 = SIGNS + 9 + 9 + 27;
const COUNT: u32 = MANTISSA + 64;

// Behind the weights: what a row knows of its codes so far. Two codes before, mean magnitude, shift of the columns' means.
const BEFORE: usize = WEIGHTS + 256;
const BEFORE2: usize = BEFORE + 4;
const ROW: usize = BEFORE + 8;
const RATE: usize = BEFORE + 12;

/** What `code` gives for a magnitude outside int8. */
export const OUTSIDE: i32 = 256;

/** Begins a matrix. columns: i32 [cols], mean magnitude in 1/4096, times 256, and the code above in the lowest 8 bits. */
export function startCodes(s: usize, columns: usize, cols: u32): void {
  fresh(s, COUNT);
  freshWeights(s, SIGN + 1);
  store<i32>(s, 0, ROW);
  memory.fill(columns, 0, (<usize>cols) << 2);
}

/** Begins row r. */
export function startRow(s: usize, r: u32): void {
  store<i32>(s, 0, BEFORE);
  store<i32>(s, 0, BEFORE2);
  store<u32>(s, 31 - clz<u32>(min(r, 253) + 2), RATE);
}

/** A mean magnitude in 1/4096 as one of 26 sizes, two for each doubling from 1/32 on. */
// @ts-ignore: decorator
@inline
function sizeOf(mean: i32): u32 {
  const x = <u32>mean >> 7;
  if (x == 0) return 0;
  const bits = 31 - clz<u32>(x);
  return 1 + 2 * bits + (bits ? (x >> (bits - 1)) & 1 : 0);
}

/** 0 for 0, 1 below, 2 above. */
// @ts-ignore: decorator
@inline
function signOf(code: i32): u32 {
  return <u32>(code > 0) * 2 + <u32>(code < 0);
}

/** Bounds of the chances, as there. */
const LEAST: u32 = 64;
export const LEAST_OF_DENSE: u32 = 1024;

/** The code of column c, whose chance to be 0 stays in leastOfZero .. 65536 - leastOfZero. Gives OUTSIDE for a magnitude that int8 does not have. */
export function code(s: usize, columns: usize, c: u32, period: u32, leastOfZero: u32): i32 {
  const before = load<i32>(s, BEFORE);
  const before2 = load<i32>(s, BEFORE2);
  const row = load<i32>(s, ROW);
  const at = columns + ((<usize>c) << 2);
  const column = load<i32>(at);
  const above = <i32>load<i8>(at);
  const channel = c >= period ? <i32>load<i8>(at - ((<usize>period) << 2)) : 0;
  const x = sizeOf(column >> 8);
  const y = 32 + sizeOf(row);
  const z = 64 + <u32>(before != 0) + 2 * <u32>(above != 0) + 4 * <u32>(channel != 0) + 8 * <u32>(before2 != 0);
  let value: i32 = 0;
  let size: i32 = 0;
  if (!mixed(s, leastOfZero, 0, x, y, z)) {
    let n: u32 = 0;
    while (n < 7) {
      const first = PER_SET * (n + 1);
      if (!mixed(s, LEAST, n + 1, first + x, first + y, first + z)) break;
      n++;
    }
    let node: u32 = 1;
    for (let depth: u32 = 0; depth < n; depth++) {
      node = (node << 1) | bit(s, MANTISSA + 8 * n + (depth < 3 ? node : 0));
    }
    const pair = 3 * signOf(above) + signOf(channel);
    const first = SIGNS + 3 * signOf(before);
    const negative = mixed(s, LEAST, SIGN, first + signOf(before2), SIGNS + 9 + pair, SIGNS + 18 + 9 * signOf(before) + pair);
    if (node > (negative ? 128 : 127)) return OUTSIDE;
    value = negative ? -(<i32>node) : <i32>node;
    size = <i32>node << 12;
  }
  const mean = (column >> 8) + ((size - (column >> 8)) >> load<i32>(s, RATE));
  store<i32>(at, (mean << 8) | (value & 255));
  store<i32>(s, row + ((size - row) >> 5), ROW);
  store<i32>(s, before, BEFORE2);
  store<i32>(s, value, BEFORE);
  return value;
}
