/** Masks: one bit for each element, and what is done with them. */
import { MAGNITUDE, magnitude_mask } from "./magnitude";

/** Bits of a mask byte, lane by lane: loaded for the same reason as magnitude_mask. */
const places = memory.data<u32>([1, 2, 4, 8, 16, 32, 64, 128]);

/**
 * mask bit i = |x[i]| > t, or |x[i]| == t and fewer than `ties` such elements came before: ties go to the lower
 * index. With t the k-th largest magnitude and ties = k - #(|x| > t), exactly k bits are set.
 *
 * - x: f32 [n]
 * - mask: (n + 7) >> 3 bytes, bit i & 7 of byte i >> 3, written in full, spare bits 0; must not overlap x
 * - threshold: bits of t without sign, ties: 0 or more
 * - returns the number of ties used, so that a caller can go over several tensors in turn
 */
export function topk_mask_f32(n: i32, x: usize, mask: usize, threshold: u32, ties: i32): i32 {
  assert((x & 3) == 0);
  assert(ties >= 0);
  const t = <i32>threshold;
  const limit = i32x4.splat(t);
  const below = i32x4.splat(t - 1);
  const blocks = x + ((<usize>(n & ~15)) << 2);
  let left = ties;
  while (x < blocks) {
    let kept = above16(x, limit);
    if (left > 0) {
      const same = above16(x, below) & ~kept;
      if (same) {
        const taken = lowest(same, left);
        left -= popcnt(taken);
        kept |= taken;
      }
    }
    store<u16>(mask, <u16>kept);
    x += 64;
    mask += 2;
  }
  let rest = n & 15;
  while (rest > 0) {
    const here = min(rest, 8);
    let kept: u32 = 0;
    for (let bit = 0; bit < here; bit++) {
      const v = load<i32>(x) & MAGNITUDE;
      if (v > t) {
        kept |= 1 << bit;
      } else if (v == t && left > 0) {
        kept |= 1 << bit;
        left--;
      }
      x += 4;
    }
    store<u8>(mask, <u8>kept);
    mask++;
    rest -= here;
  }
  return ties - left;
}

/** The lowest `count` set bits. */
// @ts-ignore: decorator
@inline
function lowest(bits: u32, count: i32): u32 {
  while (<i32>popcnt(bits) > count) bits &= ~(0x80000000 >>> clz(bits));
  return bits;
}

/** One bit for each of sixteen elements: its magnitude is above the limit. */
// @ts-ignore: decorator
@inline
function above16(x: usize, limit: v128): u32 {
  const magnitude = magnitude_mask();
  const a = i32x4.gt_s(v128.and(magnitude, v128.load(x)), limit);
  const b = i32x4.gt_s(v128.and(magnitude, v128.load(x, 16)), limit);
  const c = i32x4.gt_s(v128.and(magnitude, v128.load(x, 32)), limit);
  const d = i32x4.gt_s(v128.and(magnitude, v128.load(x, 48)), limit);
  return i8x16.bitmask(i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, d)));
}

/**
 * y[i] = mask bit i ? x[i] : +0, NaN under a 0 included.
 *
 * - x: f32 [n]
 * - mask: (n + 7) >> 3 bytes
 * - y: f32 [n], written in full; may be x
 */
export function mask_apply_f32(n: i32, x: usize, mask: usize, y: usize): void {
  assert(((x | y) & 3) == 0);
  const blocks = x + ((<usize>(n & ~7)) << 2);
  while (x < blocks) {
    const bits = i32x4.splat(load<u8>(mask));
    v128.store(y, v128.and(v128.load(x), firstLanes(bits)));
    v128.store(y, v128.and(v128.load(x, 16), lastLanes(bits)), 16);
    x += 32;
    y += 32;
    mask++;
  }
  for (let bit = 0, rest = n & 7; bit < rest; bit++) {
    store<u32>(y, (load<u8>(mask) >> (<u8>bit)) & 1 ? load<u32>(x) : 0);
    x += 4;
    y += 4;
  }
}

/** Lanes for bits 0..3 of a mask byte that stands in every lane: all ones where the bit is set. */
// @ts-ignore: decorator
@inline
export function firstLanes(bits: v128): v128 {
  const place = v128.load(places);
  return i32x4.eq(v128.and(bits, place), place);
}

/** The same for bits 4..7. */
// @ts-ignore: decorator
@inline
export function lastLanes(bits: v128): v128 {
  const place = v128.load(places, 16);
  return i32x4.eq(v128.and(bits, place), place);
}

/** The number of set bits among the first n. mask: (n + 7) >> 3 bytes; spare bits are not looked at. */
export function mask_count(n: i32, mask: usize): i32 {
  const words = mask + (<usize>((n >> 6) << 3));
  let count: i64 = 0;
  while (mask < words) {
    count += popcnt(load<i64>(mask));
    mask += 8;
  }
  let rest = n & 63;
  while (rest >= 8) {
    count += popcnt(<i64>load<u8>(mask));
    mask++;
    rest -= 8;
  }
  if (rest > 0) count += popcnt(<i64>(<i32>load<u8>(mask) & ((1 << rest) - 1)));
  return <i32>count;
}
