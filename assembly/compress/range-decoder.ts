/**
 * The range decoder of src/codec/range-coder.ts, its state in scratch memory: range, code, the next byte, the end,
 * whether more was read than there is; then contexts of 4 bytes (chance of a 1 in 1/65536, observations).
 *
 * G. N. N. Martin, "Range encoding", 1979; R. Krichevsky and V. Trofimov, "The performance of universal encoding",
 * 1981.
 */

/** Faults of the stream itself: src/codec/fault.ts. */
export const ENDED: i32 = 1;
export const ENDING: i32 = 2;

export const RANGE: usize = 0;
export const CODE: usize = 4;
const NEXT: usize = 8;
const END: usize = 12;
const OVER: usize = 16;
const STEPS: usize = 24;
const MOST_STEPS: usize = 32;
export const CONTEXTS: usize = 64;

/** Steps that a byte may ask for: src/codec/range-coder.ts. */
const STEPS_PER_BYTE: u64 = 128;

/** Begins a section of `bytes` bytes. */
export function start(s: usize, src: usize, bytes: u32): void {
  if (load<u32>(inverses) == 0) {
    for (let i: u32 = 0; i < 255; i++) store<u32>(inverses + (i << 2), (0x1000001 + i) / (i + 2));
  }
  store<u32>(s, 0xffffffff, RANGE);
  store<u32>(s, <u32>src, NEXT);
  store<u32>(s, <u32>src + bytes, END);
  store<u64>(s, 0, STEPS);
  store<u64>(s, STEPS_PER_BYTE * <u64>bytes, MOST_STEPS);
  store<u32>(s, 0, OVER);
  let code: u32 = 0;
  for (let i = 0; i < 4; i++) code = (code << 8) | next(s);
  store<u32>(s, code, CODE);
}

/** The next byte; zeros after the last, of which an encoder leaves out four at most. */
// @ts-ignore: decorator
@inline
export function next(s: usize): u32 {
  const at = load<u32>(s, NEXT);
  const end = load<u32>(s, END);
  store<u32>(s, at + 1, NEXT);
  if (at < end) return load<u8>(at);
  if (at >= end + 4) store<u32>(s, 1, OVER);
  return 0;
}

/** What comes takes so many steps. Gives false where that is more than the section has bytes for. */
export function spend(s: usize, steps: u64): bool {
  const all = load<u64>(s, STEPS) + steps;
  store<u64>(s, all, STEPS);
  return all <= load<u64>(s, MOST_STEPS);
}

/** 0 where the section ends as an encoder ends it, else the fault. */
export function finish(s: usize): i32 {
  if (over(s)) return ENDED;
  const end = load<u32>(s, END);
  const at = load<u32>(s, NEXT);
  const last: u32 = at - 4 < end ? load<u8>(at - 4) : 0;
  const stop = at - (last ? 3 : 4);
  const code = load<u32>(s, CODE);
  const range = load<u32>(s, RANGE);
  // Zeros after the stream are there only where its steps ask for them, to the last.
  const spare = load<u64>(s, MOST_STEPS) - load<u64>(s, STEPS);
  if (code >= range || (stop < end && spare >= STEPS_PER_BYTE)) return ENDING;
  for (let p = stop; p < end; p++) if (load<u8>(p)) return ENDING;
  if (last == 0) return 0;
  return code < 0x1000000 && <u64>code + (0x100000000 - (<u64>last << 24)) >= <u64>range ? 0 : ENDING;
}

/** Whether more was read than the section holds. */
// @ts-ignore: decorator
@inline
export function over(s: usize): bool {
  return load<u32>(s, OVER) != 0;
}

/** The earlier of two faults: once the section has ended, what follows is no fault of its own. */
export function fail(s: usize, fault: i32): i32 {
  return over(s) ? ENDED : fault;
}

/** `count` contexts from `first` on as they are at the start of a part. */
export function fresh(s: usize, count: u32, first: u32 = 0): void {
  for (let i: u32 = first; i < first + count; i++) store<u32>(s + (i << 2), 32768, CONTEXTS);
}

/**
 * One bit under the adaptive context number `index`. Masks and not branches, for what is worth coding cannot be
 * predicted (measured: 17 % faster).
 */
export function bit(s: usize, index: u32): u32 {
  const context = s + CONTEXTS + ((<usize>index) << 2);
  const state = load<u32>(context);
  let range = load<u32>(s, RANGE);
  let code = load<u32>(s, CODE);
  const bound = (range >>> 16) * (state & 0xffff);
  const zero = <u32>(code < bound ? 1 : 0) - 1; // all ones for a 0
  code -= bound & zero;
  range = bound + ((range - bound - bound) & zero);
  // A chance of at least 256 leaves a range of at least 2^16: one byte brings it back.
  if (range < 0x1000000) {
    range <<= 8;
    code = (code << 8) | next(s);
  }
  store<u32>(s, range, RANGE);
  store<u32>(s, code, CODE);
  store<u32>(context, learnt(state, zero));
  return zero + 1;
}

/** u32 [255]: 2^24 / (i + 2), rounded up. What is below 2^16, times this, is exact when cut off to whole numbers. */
const inverses = memory.data(4 * 255, 4);

/** The state of a context after a bit: `zero` is all ones for a 0, else 0. */
// @ts-ignore: decorator
@inline
function learnt(state: u32, zero: u32): u32 {
  const chance = state & 0xffff;
  const seen = state >>> 16;
  const step = <u32>((<u64>(((65536 - chance) & ~zero) | (chance & zero)) * <u64>load<u32>(inverses + (seen << 2))) >> 24);
  const moved = <i32>(chance + ((step ^ zero) - zero));
  return <u32>max(256, min(moved, 65280)) | ((seen + <u32>(seen < 254)) << 16);
}

/** The state of a context after a 1. */
// @ts-ignore: decorator
@inline
export function raised(state: u32): u32 {
  const chance = state & 0xffff;
  const seen = state >>> 16;
  const step = <u32>((<u64>(65536 - chance) * <u64>load<u32>(inverses + (seen << 2))) >> 24);
  return min<u32>(chance + step, 65280) | ((seen + <u32>(seen < 254)) << 16);
}

/** The state of a context after a 0. */
// @ts-ignore: decorator
@inline
export function lowered(state: u32): u32 {
  const chance = state & 0xffff;
  const seen = state >>> 16;
  const step = <u32>((<u64>chance * <u64>load<u32>(inverses + (seen << 2))) >> 24);
  return max<u32>(chance - step, 256) | ((seen + <u32>(seen < 254)) << 16);
}

/** One bit whose chance of being 1 is chance / 65536. */
// @ts-ignore: decorator
@inline
export function known(s: usize, chance: u32): u32 {
  let range = load<u32>(s, RANGE);
  let code = load<u32>(s, CODE);
  const bound = (range >>> 16) * chance;
  const one = code < bound;
  if (one) range = bound;
  else {
    code -= bound;
    range -= bound;
  }
  while (range < 0x1000000) {
    range <<= 8;
    code = (code << 8) | next(s);
  }
  store<u32>(s, range, RANGE);
  store<u32>(s, code, CODE);
  return one ? 1 : 0;
}

/** `count` equiprobable bits. */
export function direct(s: usize, count: u32): u32 {
  let range = load<u32>(s, RANGE) >>> count;
  let code = load<u32>(s, CODE);
  const value = min<u32>(code / range, (1 << count) - 1);
  code -= value * range;
  while (range < 0x1000000) {
    range <<= 8;
    code = (code << 8) | next(s);
  }
  store<u32>(s, range, RANGE);
  store<u32>(s, code, CODE);
  return value;
}

/** Bits of a number that is `most` at most. */
export function stepsOfNumber(most: u32): u64 {
  return 2 * (31 - clz<u32>(most + 1)) + 1;
}

/** A whole number: src/codec/number.ts. `length` and `mantissa` are the first of its 32 and 256 contexts. */
export function number(s: usize, length: u32, mantissa: u32): u32 {
  let n: u32 = 0;
  while (n < 31 && bit(s, length + n)) n++;
  let node: u32 = 1;
  for (let depth: u32 = 0; depth < n; depth++) {
    node = (node << 1) | bit(s, mantissa + 8 * n + (depth < 3 ? node : 0));
  }
  return node - 1;
}

/**
 * `bits` bits from the highest down, each under the bits above it: contexts base + 1 .. base + 2^bits - 1. As `bit`, but the state stays
 * in locals and decisions are branches (measured: what trees tell can mostly be predicted).
 */
export function tree(s: usize, base: u32, bits: u32): u32 {
  const first = s + CONTEXTS + ((<usize>base) << 2);
  let range = load<u32>(s, RANGE);
  let code = load<u32>(s, CODE);
  let node: u32 = 1;
  for (let i: u32 = 0; i < bits; i++) {
    const context = first + (node << 2);
    const state = load<u32>(context);
    const bound = (range >>> 16) * (state & 0xffff);
    if (code < bound) {
      range = bound;
      store<u32>(context, raised(state));
      node = (node << 1) | 1;
    } else {
      code -= bound;
      range -= bound;
      store<u32>(context, lowered(state));
      node <<= 1;
    }
    if (range < 0x1000000) {
      range <<= 8;
      code = (code << 8) | next(s);
    }
  }
  store<u32>(s, range, RANGE);
  store<u32>(s, code, CODE);
  return node - (1 << bits);
}
