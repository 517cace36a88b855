/** Masks by structure: the rows of a matrix each by itself, groups of neighbours in a row, and whole blocks. */
import { MAGNITUDE } from "./magnitude";
import { mask_count, topk_mask_f32 } from "./mask";
import { topk_scratch_bytes, topk_threshold_f32 } from "./topk";

/** Bytes of scratch that `rows_mask_f32` wants. */
export function rows_mask_scratch_bytes(cols: i32): usize {
  return rowBytes(cols) + topk_scratch_bytes(cols);
}

/** Bytes of one row's mask, and up to where scratch is aligned again. */
// @ts-ignore: decorator
@inline
function rowBytes(cols: i32): usize {
  return (<usize>((cols + 31) >> 5)) << 2;
}

/**
 * mask bit i = x[i] is among the `keep` largest magnitudes of its row, ties to the lower index.
 *
 * - x: f32 [rows, cols]; keep: 1..cols
 * - mask: (rows * cols + 7) >> 3 bytes, written in full, spare bits 0; must not overlap x
 * - scratch: rows_mask_scratch_bytes(cols) bytes, 4-byte aligned
 * - returns the bits of the smallest magnitude that is kept, 0x7fffffff where there are no rows
 */
export function rows_mask_f32(rows: i32, cols: i32, keep: i32, x: usize, mask: usize, scratch: usize): u32 {
  assert(keep >= 1 && keep <= cols);
  memory.fill(mask, 0, (<usize>(rows * cols) + 7) >> 3);
  const free = scratch + rowBytes(cols);
  let least: u32 = MAGNITUDE;
  let at = 0;
  for (let r = 0; r < rows; r++) {
    const threshold = topk_threshold_f32(cols, x, keep, free);
    least = min(least, threshold);
    topk_mask_f32(cols, x, scratch, threshold, 0);
    topk_mask_f32(cols, x, scratch, threshold, keep - mask_count(cols, scratch));
    // A row need not begin with a byte.
    for (let c = 0; c < cols; c += 8) {
      const bits = <u32>load<u8>(scratch + ((<usize>c) >> 3));
      put(mask, at + c, bits);
    }
    at += cols;
    x += (<usize>cols) << 2;
  }
  return least;
}

/**
 * N:M sparsity: mask bit i = x[i] is among the `keep` largest magnitudes of its group, ties to the lower index. Groups are `group`
 * neighbours in a row, counted from its start; a shorter one at its end keeps up to `keep` as well.
 *
 * - x: f32 [rows, cols]; group: 1 or more; keep: 1..group
 * - mask: (rows * cols + 7) >> 3 bytes, written in full, spare bits 0; must not overlap x
 * - returns the bits of the smallest magnitude that is kept, 0x7fffffff where there is none
 *
 * A. Mishra et al., "Accelerating sparse deep neural networks", 2021.
 */
export function groups_mask_f32(rows: i32, cols: i32, group: i32, keep: i32, x: usize, mask: usize): u32 {
  assert(keep >= 1 && keep <= group);
  memory.fill(mask, 0, (<usize>(rows * cols) + 7) >> 3);
  let lows = i32x4.splat(MAGNITUDE);
  let least: u32 = MAGNITUDE;
  let at = 0;
  for (let r = 0; r < rows; r++) {
    let start = 0;
    if (group == 4) {
      for (; start + 4 <= cols; start += 4) {
        const v = v128.and(v128.load(x + ((<usize>start) << 2)), i32x4.splat(MAGNITUDE));
        const kept = fourOf(v, keep);
        put(mask, at + start, i32x4.bitmask(kept));
        lows = i32x4.min_u(lows, v128.or(v, v128.not(kept)));
      }
    }
    for (; start < cols; start += group) {
      const end = min(start + group, cols);
      for (let i = start; i < end; i++) {
        const mine = magnitude(x, i);
        let before = 0;
        for (let j = start; j < i; j++) before += i32(magnitude(x, j) >= mine);
        for (let j = i + 1; j < end; j++) before += i32(magnitude(x, j) > mine);
        if (before >= keep) continue;
        put(mask, at + i, 1);
        least = min(least, mine);
      }
    }
    at += cols;
    x += (<usize>cols) << 2;
  }
  for (let lane = 0; lane < 4; lane++) {
    least = min(least, <u32>i32x4.extract_lane(lows, 0));
    lows = i32x4.shuffle(lows, lows, 1, 2, 3, 0);
  }
  return least;
}

/** All ones in the lanes of the `keep` largest, of equal ones the lower lanes: those before which fewer than `keep` stand. */
// @ts-ignore: decorator
@inline
function fourOf(v: v128, keep: i32): v128 {
  const a = i32x4.shuffle(v, v, 1, 2, 3, 0);
  const b = i32x4.shuffle(v, v, 2, 3, 0, 1);
  const c = i32x4.shuffle(v, v, 3, 0, 1, 2);
  // Lanes that came around stand before this one, and win where they are equal. Each comparison counts -1.
  let before = v128.bitselect(i32x4.ge_s(a, v), i32x4.gt_s(a, v), i32x4(0, 0, 0, -1));
  before = i32x4.add(before, v128.bitselect(i32x4.ge_s(b, v), i32x4.gt_s(b, v), i32x4(0, 0, -1, -1)));
  before = i32x4.add(before, v128.bitselect(i32x4.ge_s(c, v), i32x4.gt_s(c, v), i32x4(0, -1, -1, -1)));
  return i32x4.gt_s(before, i32x4.splat(-keep));
}

/**
 * y = the root of the sum of squares of each block, summed in f64; infinity where f32 ends.
 *
 * - x: f32 [rows, cols] in blocks of `high` rows and `wide` columns, those at the ends smaller
 * - y: f32 [ceil(rows / high), ceil(cols / wide)], written in full
 */
export function block_norms_f32(rows: i32, cols: i32, high: i32, wide: i32, x: usize, y: usize): void {
  for (let top = 0; top < rows; top += high) {
    const bottom = min(top + high, rows);
    for (let first = 0; first < cols; first += wide) {
      const end = min(first + wide, cols);
      let sum: f64 = 0;
      for (let r = top; r < bottom; r++) {
        const row = x + ((<usize>(r * cols)) << 2);
        for (let c = first; c < end; c++) {
          const value = <f64>load<f32>(row + ((<usize>c) << 2));
          sum += value * value;
        }
      }
      store<f32>(y, <f32>Math.sqrt(sum));
      y += 4;
    }
  }
}

/**
 * A mask of elements from one of blocks, as `block_norms_f32` counts them.
 *
 * - blocks: a bit for each block
 * - mask: (rows * cols + 7) >> 3 bytes, written in full, spare bits 0; must not overlap blocks
 */
export function block_mask(rows: i32, cols: i32, high: i32, wide: i32, blocks: usize, mask: usize): void {
  memory.fill(mask, 0, (<usize>(rows * cols) + 7) >> 3);
  const across = (cols + wide - 1) / wide;
  let at = 0;
  for (let r = 0; r < rows; r++) {
    let block = (r / high) * across;
    for (let first = 0; first < cols; first += wide, block++) {
      if (!((load<u8>(blocks + (<usize>block >> 3)) >> (<u8>(block & 7))) & 1)) continue;
      for (let c = first, end = min(first + wide, cols); c < end; c++) put(mask, at + c, 1);
    }
    at += cols;
  }
}

// @ts-ignore: decorator
@inline
function magnitude(x: usize, i: i32): u32 {
  return load<u32>(x + ((<usize>i) << 2)) & MAGNITUDE;
}

/** Adds up to eight bits at any place of a mask; writes nothing beyond the last 1. */
// @ts-ignore: decorator
@inline
function put(mask: usize, at: i32, bits: u32): void {
  const p = mask + (<usize>at >> 3);
  const placed = bits << (at & 7);
  store<u8>(p, load<u8>(p) | <u8>placed);
  if (placed >> 8) store<u8>(p, load<u8>(p, 1) | <u8>(placed >> 8), 1);
}
