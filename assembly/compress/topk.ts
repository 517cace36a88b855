/** The k-th largest magnitude. */
import { MAGNITUDE, magnitude_mask } from "./magnitude";

// Up to this many elements, halving the range of values is as fast as a sample (measured), and above it a bracket is
// always smaller than the set it is taken from.
const SMALL: i32 = 1024;
// How far the bracket reaches on either side of the wanted rank, in standard deviations of the sample's rank.
const MARGIN: f64 = 3.5;
// After so many brackets that missed, the range of values is cut into thirds instead: at most 20 further passes.
const SAMPLED_ROUNDS: i32 = 3;
// Scratch begins with a head: the table of shuffles, the list of noted blocks, two counts, and the number of elements
// looked at in all passes together (i64, for tests).
const LIST: usize = 256;
const LIST_BLOCKS: usize = 64;
const COUNTS: usize = LIST + LIST_BLOCKS * 4;
const SWEPT: usize = COUNTS + 8;
const HEAD_BYTES: usize = SWEPT + 8;
// A block of sixteen is packed by whole vectors, even where the bracket is full already.
const OVERRUN_BYTES: usize = 80;

/** Bytes of scratch that `topk_threshold_f32` wants: at most 1024 + 120 * n^(2/3). */
export function topk_scratch_bytes(n: i32): usize {
  return HEAD_BYTES + selectBytes(n);
}

/**
 * t = bits of the k-th largest |x[i]|, exactly: #(|x| > t) < k <= #(|x| >= t).
 *
 * Expected time one pass over x, two where the data were made to mislead the first sample; at most 24 passes for any data
 * whatsoever.
 *
 * - n: elements, k: 1..n
 * - x: f32 [n], not written
 * - scratch: topk_scratch_bytes(n) bytes, 4-byte aligned, contents lost, must not overlap x
 * - returns the bit pattern of t, without sign
 *
 * R. W. Floyd, R. L. Rivest, "Expected time bounds for selection", 1975: bracket the wanted rank by a sample of
 * n^(2/3) elements, then select among the elements inside the bracket.
 */
export function topk_threshold_f32(n: i32, x: usize, k: i32, scratch: usize): u32 {
  assert(k >= 1 && k <= n);
  assert(((x | scratch) & 3) == 0);
  // For each set of lanes, the byte shuffle that moves these lanes to the front.
  for (let set = 0; set < 16; set++) {
    let place = scratch + ((<usize>set) << 4);
    for (let lane = 0; lane < 4; lane++) {
      if (set & (1 << lane)) {
        store<u32>(place, 0x03020100 + 0x04040404 * lane);
        place += 4;
      }
    }
  }
  store<i64>(scratch, 0, SWEPT);
  return select(x, n, k, scratch, scratch + HEAD_BYTES);
}

/** Elements of the sample for n elements: a power of two near 1.5 * n^(2/3). */
// @ts-ignore: decorator
@inline
function sampleSize(n: i32): i32 {
  return 2 << ((2 * (32 - clz(n)) + 1) / 3);
}

// The bracket is expected to hold up to 1.8 samples (MARGIN above, ranks near the median).
// @ts-ignore: decorator
@inline
function bracketSize(n: i32): i32 {
  return 3 * sampleSize(n);
}

function selectBytes(n: i32): usize {
  if (n <= SMALL) return 0;
  const sample = sampleSize(n);
  const bracket = bracketSize(n);
  // Sample and bracket are never searched at the same time.
  const packed = ((<usize>bracket) << 2) + OVERRUN_BYTES;
  return ((<usize>sample) << 2) + max(selectBytes(sample), packed + selectBytes(bracket));
}

function select(x: usize, n: i32, k: i32, head: usize, scratch: usize): i32 {
  if (n <= SMALL) return selectByHalving(x, n, k);
  const sample = scratch;
  const sampled = sampleSize(n);
  const free = sample + ((<usize>sampled) << 2);
  const capacity = bracketSize(n);
  let random = mix(n, k);

  // The answer lies in low..high; `above` elements are greater than high, `inside` lie in low..high.
  let low = 0;
  let high = MAGNITUDE;
  let above = 0;
  let inside = n;
  for (let round = 0; low < high; round++) {
    let a = low;
    let b = high;
    if (inside > capacity) {
      // Another sample after each bracket that missed, drawn by what it counted: nobody can have foreseen it.
      takeSample(x, n, sample, sampled, random);
      const counts = countAbove(sample, sampled, low - 1, high);
      const sampleAbove = <i32>(counts >> 32);
      const sampleInside = <i32>counts - sampleAbove;
      if (round < SAMPLED_ROUNDS && sampleInside > 0) {
        const part = <f64>(k - above) / <f64>inside;
        const rank = part * <f64>sampleInside;
        const reach = MARGIN * Math.sqrt(rank * (1 - part)) + 3;
        const upper = <i32>(rank - reach);
        const lower = <i32>(rank + reach);
        if (upper >= 1) b = select(sample, sampled, sampleAbove + upper, head, free);
        if (lower <= sampleInside) a = select(sample, sampled, sampleAbove + lower, head, free);
      } else {
        const third = (high - low) / 3;
        a = low + third;
        b = high - third;
      }
    }

    if (a == b) {
      // One value fills the bracket.
      const counts = countAbove(x, n, a - 1, a);
      const greater = <i32>(counts >> 32);
      const notLess = <i32>counts;
      store<i64>(head, load<i64>(head, SWEPT) + n, SWEPT);
      random = mix(random ^ greater, notLess);
      if (k <= greater) {
        low = a + 1;
        inside = greater - above;
      } else if (k <= notLess) {
        return a;
      } else {
        high = a - 1;
        inside -= notLess - above;
        above = notLess;
      }
      continue;
    }

    packBetween(x, n, a, b, free, capacity, head);
    const notLess = load<i32>(head, COUNTS); // #(v >= b)
    const between = load<i32>(head, COUNTS + 4); // #(a < v < b)
    random = mix(random ^ notLess, between);
    if (k <= notLess) {
      low = b;
      inside = notLess - above;
    } else if (k <= notLess + between) {
      if (between <= capacity) {
        return select(free, between, k - notLess, head, free + ((<usize>capacity) << 2) + OVERRUN_BYTES);
      }
      low = a + 1;
      high = b - 1;
      above = notLess;
      inside = between;
    } else {
      inside -= notLess + between - above;
      above = notLess + between;
      high = a;
    }
  }
  return low;
}

/** A seed from two numbers: the multipliers and shifts of A. Appleby, MurmurHash3, 2011. */
// @ts-ignore: decorator
@inline
function mix(a: u32, b: u32): u32 {
  let h = (a ^ (b * 0xcc9e2d51)) * 0x85ebca6b;
  h ^= h >> 13;
  h *= 0xc2b2ae35;
  return h ^ (h >> 16);
}

/** Four neighbours from a random place in each of `size / 4` equal stretches of x: weights have structure by rows. */
function takeSample(x: usize, n: i32, sample: usize, size: i32, random: u32): void {
  const magnitude = magnitude_mask();
  const quads = <u64>(n >> 2);
  const shift = <u64>ctz(size >> 2);
  const end = sample + ((<usize>size) << 2);
  let stretch: u64 = 0;
  while (sample < end) {
    random = random * 1664525 + 1013904223; // D. E. Knuth's generator
    // (stretch + random / 2^32) * quads / (size / 4)
    const quad = ((((stretch << 16) | <u64>(random >> 16)) * quads) >> shift) >> 16;
    v128.store(sample, v128.and(magnitude, v128.load(x + ((<usize>quad) << 4))));
    stretch++;
    sample += 16;
  }
}

/** #(|x| > low) in the lower half of the result, #(|x| > high) in the upper half. */
function countAbove(x: usize, n: i32, low: i32, high: i32): u64 {
  const magnitude = magnitude_mask();
  const a = i32x4.splat(low);
  const b = i32x4.splat(high);
  const end = x + ((<usize>n) << 2);
  const pairs = x + ((<usize>(n & ~7)) << 2);
  let aboveLow = i32x4.splat(0);
  let aboveHigh = i32x4.splat(0);
  while (x < pairs) {
    const v0 = v128.and(magnitude, v128.load(x));
    const v1 = v128.and(magnitude, v128.load(x, 16));
    aboveLow = i32x4.add(aboveLow, i32x4.add(i32x4.gt_s(v0, a), i32x4.gt_s(v1, a)));
    aboveHigh = i32x4.add(aboveHigh, i32x4.add(i32x4.gt_s(v0, b), i32x4.gt_s(v1, b)));
    x += 32;
  }
  let l: u64 = -laneSum(aboveLow);
  let h: u64 = -laneSum(aboveHigh);
  while (x < end) {
    const v = load<i32>(x) & MAGNITUDE;
    l += u64(v > low);
    h += u64(v > high);
    x += 4;
  }
  return l | (h << 32);
}

/** The k-th largest magnitude by halving the range of values: at most 31 passes, for sets that fit the first cache. */
function selectByHalving(x: usize, n: i32, k: i32): i32 {
  const magnitude = magnitude_mask();
  const end = x + ((<usize>n) << 2);
  const vectors = x + ((<usize>(n & ~15)) << 2);
  let low = 0;
  let high = MAGNITUDE;
  while (low < high) {
    const middle = low + ((high - low) >> 1);
    const limit = i32x4.splat(middle);
    let even = i32x4.splat(0);
    let odd = i32x4.splat(0);
    let p = x;
    while (p < vectors) {
      even = i32x4.add(even, i32x4.gt_s(v128.and(magnitude, v128.load(p)), limit));
      odd = i32x4.add(odd, i32x4.gt_s(v128.and(magnitude, v128.load(p, 16)), limit));
      even = i32x4.add(even, i32x4.gt_s(v128.and(magnitude, v128.load(p, 32)), limit));
      odd = i32x4.add(odd, i32x4.gt_s(v128.and(magnitude, v128.load(p, 48)), limit));
      p += 64;
    }
    let count = -laneSum(i32x4.add(even, odd));
    while (p < end) {
      count += i32((load<i32>(p) & MAGNITUDE) > middle);
      p += 4;
    }
    if (count >= k) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Counts and packs in one pass: counts = [#(v >= b), #(a < v < b)], a < b, and the values with a < v < b, as many as
 * fit, to `packed`. Heavy values, such as the zeros of a pruned weight, tend to be a or b themselves and are only counted.
 *
 * A first loop notes the blocks of sixteen that hold such a value, a second one packs these blocks: a branch for each
 * block would be guessed wrong too often (measured: half the speed near the median).
 */
function packBetween(x: usize, n: i32, a: i32, b: i32, packed: usize, capacity: i32, head: usize): void {
  const magnitude = magnitude_mask();
  const va = i32x4.splat(a);
  const vc = i32x4.splat(b - 1);
  const list = head + LIST;
  store<i64>(head, load<i64>(head, SWEPT) + n, SWEPT);
  const full = packed + ((<usize>capacity) << 2);
  const end = x + ((<usize>n) << 2);
  const blocks = x + ((<usize>(n & ~15)) << 2);
  let notLess = i32x4.splat(0);
  let between = 0;
  let out = packed;
  while (x < blocks) {
    const stop = min(blocks, x + LIST_BLOCKS * 64);
    let noted = list;
    while (x < stop) {
      const v0 = v128.and(magnitude, v128.load(x));
      const v1 = v128.and(magnitude, v128.load(x, 16));
      const v2 = v128.and(magnitude, v128.load(x, 32));
      const v3 = v128.and(magnitude, v128.load(x, 48));
      const c0 = i32x4.gt_s(v0, vc);
      const c1 = i32x4.gt_s(v1, vc);
      const c2 = i32x4.gt_s(v2, vc);
      const c3 = i32x4.gt_s(v3, vc);
      // a < v < b: greater than a and not greater than b - 1
      const some = v128.or(
        v128.or(v128.andnot(i32x4.gt_s(v0, va), c0), v128.andnot(i32x4.gt_s(v1, va), c1)),
        v128.or(v128.andnot(i32x4.gt_s(v2, va), c2), v128.andnot(i32x4.gt_s(v3, va), c3)),
      );
      notLess = i32x4.add(notLess, i32x4.add(i32x4.add(c0, c1), i32x4.add(c2, c3)));
      store<usize>(noted, x);
      noted += (<usize>v128.any_true(some)) << 2;
      x += 64;
    }
    for (let place = list; place < noted; place += 4) {
      const block = load<usize>(place);
      const start = out;
      out = pack(out, v128.and(magnitude, v128.load(block)), va, vc, head);
      out = pack(out, v128.and(magnitude, v128.load(block, 16)), va, vc, head);
      out = pack(out, v128.and(magnitude, v128.load(block, 32)), va, vc, head);
      out = pack(out, v128.and(magnitude, v128.load(block, 48)), va, vc, head);
      between += <i32>((out - start) >> 2);
      out = min(out, full);
    }
  }
  let above = -laneSum(notLess);
  while (x < end) {
    const v = load<i32>(x) & MAGNITUDE;
    above += i32(v >= b);
    if (v > a && v < b) {
      store<i32>(out, v);
      out = min(out + 4, full);
      between++;
    }
    x += 4;
  }
  store<i32>(head, above, COUNTS);
  store<i32>(head, between, COUNTS + 4);
}

/** Stores the lanes of v in a < v <= c at `out`, in order, and gives the place after them. */
// @ts-ignore: decorator
@inline
function pack(out: usize, v: v128, a: v128, c: v128, table: usize): usize {
  const set = <usize>i32x4.bitmask(v128.andnot(i32x4.gt_s(v, a), i32x4.gt_s(v, c)));
  v128.store(out, i8x16.swizzle(v, v128.load(table + (set << 4))));
  return out + (popcnt(set) << 2);
}

// @ts-ignore: decorator
@inline
function laneSum(v: v128): i32 {
  return i32x4.extract_lane(v, 0) + i32x4.extract_lane(v, 1) + i32x4.extract_lane(v, 2) + i32x4.extract_lane(v, 3);
}
