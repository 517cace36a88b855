/** int8 codes of a whole matrix: the twin of src/codec/codes.ts. */
import { LEAST, WEIGHTS, chances, freshWeights, logits, mixed } from "./mixture";
import { CODE, CONTEXTS, RANGE, bit, direct, fresh, lowered, next, raised, spend } from "./range-decoder";

const SIGN: u32 = 8;
const SECOND: u32 = 32;
const THIRD: u32 = 96;
const PER_SET: u32 = 160;
const SIGNS: u32 = SIGN * PER_SET;
const MANTISSA: u32 = SIGNS + 9 + 9 + 27;
const COUNT: u32 = MANTISSA + 64;

// Behind the weights: what is known of the codes so far. Two codes before, mean magnitude of the row, shift of the columns' means; then
// what stays: columns, period, whether they are coefficients, the shortest and the longest length.
const BEFORE: usize = WEIGHTS + 256;
const BEFORE2: usize = BEFORE + 4;
const ROW: usize = BEFORE + 8;
const RATE: usize = BEFORE + 12;
const PERIOD: usize = BEFORE + 16;
const ATOMS: usize = BEFORE + 20;
const FEWEST: usize = BEFORE + 24;
const MOST: usize = BEFORE + 28;

/** What `magnitude` gives for one outside int8. */
export const OUTSIDE: i32 = 256;

/** Begins a matrix. Gives false where the lengths of codes make no sense. */
export function startCodes(s: usize, period: u32, atoms: bool): bool {
  fresh(s, COUNT);
  freshWeights(s, SIGN + 1);
  store<i32>(s, 0, ROW);
  store<u32>(s, period, PERIOD);
  store<u32>(s, <u32>atoms, ATOMS);
  const fewest = direct(s, 3);
  const most = direct(s, 3);
  store<u32>(s, fewest, FEWEST);
  store<u32>(s, most, MOST);
  return fewest <= most;
}

/** What it takes to tell that so many codes are not 0. Gives false where that is too much. */
export function spendCodes(s: usize, entries: u64): bool {
  const most = <u64>load<u32>(s, MOST);
  return spend(s, (4 * (most - load<u32>(s, FEWEST) + 1) + most) * entries);
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

// @ts-ignore: decorator
@inline
function around(before: i32, before2: i32, above: i32, channel: i32): u32 {
  return THIRD + min<u32>(<u32>(abs(before) + abs(before2)), 7) + 8 * min<u32>(<u32>(abs(above) + abs(channel)), 7);
}

/** A weight of the mixture after a step. */
// @ts-ignore: decorator
@inline
function within(weight: i32): i32 {
  if (weight > 65536) return 65536;
  if (weight < -65536) return -65536;
  return weight;
}

/**
 * columns: i32 [cols], mean magnitude in 1/4096, times 256, and the code above in the lowest 8 bits; at first 0.
 * From column c on, passes over the codes that are 0 and gives the column of the first that is not, or `cols`. This is the loop that
 * takes the time: the state stays in locals, and a decision is written out for the case that it is as expected.
 */
export function zeros(s: usize, columns: usize, c: u32, cols: u32): u32 {
  if (c >= cols) return c;
  const period = load<u32>(s, PERIOD);
  const atoms = load<u32>(s, ATOMS);
  const rate = load<i32>(s, RATE);
  let before = load<i32>(s, BEFORE);
  let before2 = load<i32>(s, BEFORE2);
  let row = load<i32>(s, ROW);
  let w0 = load<i32>(s, WEIGHTS);
  let w1 = load<i32>(s, WEIGHTS + 4);
  let w2 = load<i32>(s, WEIGHTS + 8);
  let range = load<u32>(s, RANGE);
  let code = load<u32>(s, CODE);
  let phase: u32 = atoms ? c % period : 0;
  let at = columns + ((<usize>c) << 2);
  for (; c < cols; c++, at += 4) {
    const column = load<i32>(at);
    const channel = c >= period ? <i32>load<i8>(at - ((<usize>period) << 2)) : 0;
    const y = SECOND + (atoms ? min<u32>(phase, 63) : sizeOf(row));
    const z = around(before, before2, <i32>(<i8>column), channel);
    const atX = s + ((<usize>sizeOf(column >> 8)) << 2);
    const atY = s + ((<usize>y) << 2);
    const atZ = s + ((<usize>z) << 2);
    const stateX = load<u32>(atX, CONTEXTS);
    const stateY = load<u32>(atY, CONTEXTS);
    const stateZ = load<u32>(atZ, CONTEXTS);
    const l0 = <i32>load<i16>(logits + ((stateX & 0xfff0) >> 3));
    const l1 = <i32>load<i16>(logits + ((stateY & 0xfff0) >> 3));
    const l2 = <i32>load<i16>(logits + ((stateZ & 0xfff0) >> 3));
    // Branches and not minima: what is as expected need not wait.
    let sum = (w0 * l0 + w1 * l1 + w2 * l2 + 8192) >> 14;
    if (sum > 2047) sum = 2047;
    if (sum < -2047) sum = -2047;
    let chance = <u32>load<u16>(chances + ((2048 + sum) << 1));
    if (chance > 65536 - LEAST) chance = 65536 - LEAST;
    if (chance < LEAST) chance = LEAST;
    const bound = (range >>> 16) * chance;
    const zero = code < bound;
    let error = -(<i32>chance);
    if (zero) {
      range = bound;
      error += 65536;
      store<u32>(atX, raised(stateX), CONTEXTS);
      store<u32>(atY, raised(stateY), CONTEXTS);
      store<u32>(atZ, raised(stateZ), CONTEXTS);
    } else {
      code -= bound;
      range -= bound;
      store<u32>(atX, lowered(stateX), CONTEXTS);
      store<u32>(atY, lowered(stateY), CONTEXTS);
      store<u32>(atZ, lowered(stateZ), CONTEXTS);
    }
    while (range < 0x1000000) {
      range <<= 8;
      code = (code << 8) | next(s);
    }
    w0 = within(w0 + ((l0 * error + 32768) >> 16));
    w1 = within(w1 + ((l1 * error + 32768) >> 16));
    w2 = within(w2 + ((l2 * error + 32768) >> 16));
    if (!zero) break;
    const mean = column >> 8;
    store<i32>(at, (mean + (-mean >> rate)) << 8);
    row += -row >> 5;
    before2 = before;
    before = 0;
    if (atoms && ++phase == period) phase = 0;
  }
  store<i32>(s, before, BEFORE);
  store<i32>(s, before2, BEFORE2);
  store<i32>(s, row, ROW);
  store<i32>(s, w0, WEIGHTS);
  store<i32>(s, w1, WEIGHTS + 4);
  store<i32>(s, w2, WEIGHTS + 8);
  store<u32>(s, range, RANGE);
  store<u32>(s, code, CODE);
  return c;
}

/** The code of column c, of which `zeros` has told that it is not 0. Gives OUTSIDE for a magnitude that int8 does not have. */
export function nonzero(s: usize, columns: usize, c: u32): i32 {
  const period = load<u32>(s, PERIOD);
  const before = load<i32>(s, BEFORE);
  const before2 = load<i32>(s, BEFORE2);
  const row = load<i32>(s, ROW);
  const at = columns + ((<usize>c) << 2);
  const column = load<i32>(at);
  const above = <i32>(<i8>column);
  const channel = c >= period ? <i32>load<i8>(at - ((<usize>period) << 2)) : 0;
  const x = sizeOf(column >> 8);
  const y = SECOND + (load<u32>(s, ATOMS) ? min<u32>(c % period, 63) : sizeOf(row));
  const z = around(before, before2, above, channel);
  let n = load<u32>(s, FEWEST);
  const most = load<u32>(s, MOST);
  while (n < most) {
    const first = PER_SET * (n + 1);
    if (!mixed(s, n + 1, first + x, first + y, first + z)) break;
    n++;
  }
  let node: u32 = 1;
  for (let depth: u32 = 0; depth < n; depth++) {
    node = (node << 1) | bit(s, MANTISSA + 8 * n + (depth < 3 ? node : 0));
  }
  const pair = 3 * signOf(above) + signOf(channel);
  const first = SIGNS + 3 * signOf(before);
  const negative = mixed(s, SIGN, first + signOf(before2), SIGNS + 9 + pair, SIGNS + 18 + 9 * signOf(before) + pair);
  if (node > (negative ? 128 : 127)) return OUTSIDE;
  const value = negative ? -(<i32>node) : <i32>node;
  const size = <i32>node << 12;
  const mean = (column >> 8) + ((size - (column >> 8)) >> load<i32>(s, RATE));
  store<i32>(at, (mean << 8) | (value & 255));
  store<i32>(s, row + ((size - row) >> 5), ROW);
  store<i32>(s, before, BEFORE2);
  store<i32>(s, value, BEFORE);
  return value;
}
