/**
 * Mixed decisions: the twin of src/codec/mixture.ts. The state is in the scratch of the range decoder: contexts, and three
 * weights of a set each at WEIGHTS.
 */
import { CODE, CONTEXTS, RANGE, next } from "./range-decoder";

/** Behind all the contexts that a mixture is used with: 1408. */
export const WEIGHTS: usize = CONTEXTS + 4 * 1408;

/** u16 [4096]: chance of the logit i - 2048. */
export const chances = memory.data(8192, 4);
/** i16 [4096]: logit of the chance i * 16 + 8. */
export const logits = memory.data(8192, 4);

function build(): void {
  let power: f64 = 1;
  for (let x: i32 = 0; x < 2048; x++) {
    const chance = <u32>(65536 / (1 + power) + 0.5);
    store<u16>(chances + ((2048 + x) << 1), chance);
    store<u16>(chances + ((2048 - x) << 1), 65536 - chance);
    power *= 0.9961013694701175;
  }
  let logit: i32 = -2047;
  for (let i: i32 = 0; i < 4096; i++) {
    while (logit < 2047 && <i32>load<u16>(chances + ((2048 + logit) << 1)) < 16 * i + 8) logit++;
    store<i16>(logits + (i << 1), logit);
  }
}

/** The weights of that many sets as they are at the start of a part: 16 bytes a set, of which the last 4 mean nothing. */
export function freshWeights(s: usize, sets: u32): void {
  if (load<u16>(chances + 4096) == 0) build();
  for (let i: u32 = 0; i < 4 * sets; i++) store<i32>(s + (i << 2), 5461, WEIGHTS);
}

/** Bound of the chances. */
export const LEAST: u32 = 64;

/** One bit of the kind `set` under the contexts a, b and c. */
export function mixed(s: usize, set: u32, a: u32, b: u32, c: u32): u32 {
  const atA = s + ((<usize>a) << 2);
  const atB = s + ((<usize>b) << 2);
  const atC = s + ((<usize>c) << 2);
  const x = <i32>load<i16>(logits + ((load<u16>(atA, CONTEXTS) & 0xfff0) >> 3));
  const y = <i32>load<i16>(logits + ((load<u16>(atB, CONTEXTS) & 0xfff0) >> 3));
  const z = <i32>load<i16>(logits + ((load<u16>(atC, CONTEXTS) & 0xfff0) >> 3));
  const at = s + ((<usize>set) << 4);
  const dot = load<i32>(at, WEIGHTS) * x + load<i32>(at, WEIGHTS + 4) * y + load<i32>(at, WEIGHTS + 8) * z;
  const sum = max(min((dot + 8192) >> 14, 2047), -2047);
  const chance = max(min<u32>(load<u16>(chances + ((2048 + sum) << 1)), 65536 - LEAST), LEAST);

  // What the contexts become after a 1 and after a 0, before it is known which (measured: up to a third faster). In f32 the quotients
  // a / b are exact when cut off: one that is not whole lies 1 / b below the next whole number at least, which is 2^-16 of its size.
  let states = v128.load_lane<u32>(atA, i32x4.splat(32768), 0, CONTEXTS);
  states = v128.load_lane<u32>(atB, states, 1, CONTEXTS);
  states = v128.load_lane<u32>(atC, states, 2, CONTEXTS);
  const before = v128.and(states, i32x4.splat(0xffff));
  const seen = i32x4.shr_u(states, 16);
  const parts = f32x4.convert_i32x4_s(i32x4.add(seen, i32x4.splat(2)));
  const counted = i32x4.shl(i32x4.sub(seen, i32x4.lt_s(seen, i32x4.splat(254))), 16);
  const rise = f32x4.div(f32x4.convert_i32x4_s(i32x4.sub(i32x4.splat(65536), before)), parts);
  const fall = f32x4.div(f32x4.convert_i32x4_s(before), parts);
  const higher = i32x4.min_s(i32x4.add(before, i32x4.trunc_sat_f32x4_s(rise)), i32x4.splat(65280));
  const lower = i32x4.max_s(i32x4.sub(before, i32x4.trunc_sat_f32x4_s(fall)), i32x4.splat(256));
  const up = v128.or(higher, counted);
  const down = v128.or(lower, counted);

  let range = load<u32>(s, RANGE);
  let code = load<u32>(s, CODE);
  const bound = (range >>> 16) * chance;
  const zero = <u32>(code < bound ? 1 : 0) - 1; // all ones for a 0
  code -= bound & zero;
  range = bound + ((range - bound - bound) & zero);
  while (range < 0x1000000) {
    range <<= 8;
    code = (code << 8) | next(s);
  }
  store<u32>(s, range, RANGE);
  store<u32>(s, code, CODE);

  const error = <i32>(65536 & ~zero) - <i32>chance;
  const inputs = i32x4.replace_lane(i32x4.replace_lane(i32x4.splat(x), 1, y), 2, z);
  const gradient = i32x4.mul(inputs, i32x4.splat(error));
  const moved = i32x4.add(v128.load(at, WEIGHTS), i32x4.shr_s(i32x4.add(gradient, i32x4.splat(32768)), 16));
  v128.store(at, i32x4.max_s(i32x4.min_s(moved, i32x4.splat(65536)), i32x4.splat(-65536)), WEIGHTS);

  const learnt = v128.bitselect(down, up, i32x4.splat(zero));
  v128.store_lane<u32>(atA, learnt, 0, CONTEXTS);
  v128.store_lane<u32>(atB, learnt, 1, CONTEXTS);
  v128.store_lane<u32>(atC, learnt, 2, CONTEXTS);
  return zero + 1;
}
