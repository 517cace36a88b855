/** Masks by structure: the rows of a matrix each by itself, groups of neighbours in a row, and whole blocks. */
import { MAGNITUDE } from "./magnitude";
import { topk_threshold_f32 } from "./topk";

/**
 * mask bit i = x[i] is among the `keep` largest magnitudes of its row, ties to the lower index.
 *
 * - x: f32 [rows, cols]; keep: 1..cols
 * - mask: (rows * cols + 7) >> 3 bytes, written in full, spare bits 0; must not overlap x
 * - scratch: topk_scratch_bytes(cols) bytes, 4-byte aligned
 * - returns the bits of the smallest magnitude that is kept, 0x7fffffff where there are no rows
 */
export function rows_mask_f32(rows: i32, cols: i32, keep: i32, x: usize, mask: usize, scratch: usize): u32 {
  assert(keep >= 1 && keep <= cols);
  memory.fill(mask, 0, (<usize>(rows * cols) + 7) >> 3);
  let least: u32 = MAGNITUDE;
  let at = 0;
  for (let r = 0; r < rows; r++) {
    const threshold = topk_threshold_f32(cols, x, keep, scratch);
    least = min(least, threshold);
    let above = 0;
    for (let c = 0; c < cols; c++) above += i32(magnitude(x, c) > threshold);
    let ties = keep - above;
    for (let c = 0; c < cols; c++) {
      const size = magnitude(x, c);
      const tie = i32(size == threshold && ties > 0);
      ties -= tie;
      if (size > threshold || tie) set(mask, at + c);
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
  let least: u32 = MAGNITUDE;
  let at = 0;
  for (let r = 0; r < rows; r++) {
    for (let start = 0; start < cols; start += group) {
      const end = min(start + group, cols);
      for (let i = start; i < end; i++) {
        const mine = magnitude(x, i);
        let before = 0;
        for (let j = start; j < i; j++) before += i32(magnitude(x, j) >= mine);
        for (let j = i + 1; j < end; j++) before += i32(magnitude(x, j) > mine);
        if (before >= keep) continue;
        set(mask, at + i);
        least = min(least, mine);
      }
    }
    at += cols;
    x += (<usize>cols) << 2;
  }
  return least;
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
    const row = (r / high) * across;
    for (let c = 0; c < cols; c++) {
      const block = row + c / wide;
      if ((load<u8>(blocks + (<usize>block >> 3)) >> (<u8>(block & 7))) & 1) set(mask, at + c);
    }
    at += cols;
  }
}

// @ts-ignore: decorator
@inline
function magnitude(x: usize, i: i32): u32 {
  return load<u32>(x + ((<usize>i) << 2)) & MAGNITUDE;
}

// @ts-ignore: decorator
@inline
function set(mask: usize, bit: i32): void {
  const p = mask + (<usize>bit >> 3);
  store<u8>(p, load<u8>(p) | (<u8>1 << (<u8>(bit & 7))));
}
