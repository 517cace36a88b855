import { load_head, store_head } from "../simd";
import { softmax_f32 } from "./activation";

/** How a mask says what a score becomes. src/ops/attend.ts has the same numbers. */
const enum Mask {
  none,
  /** f32, added. */
  added,
  /** A byte: 0 closes, anything else leaves. */
  chosen,
  /** f32: -Inf closes, anything else leaves. */
  closing,
}

/**
 * s = s scale, masked; what a mask closes is `fill`. Product and sum are rounded each, in every build.
 * mask: [rows, cols], rows maskRow bytes apart (0: one for all), one element for a whole row where maskCol is 0, or 0 where there is
 * none; s: f32 [rows, cols].
 */
export function score_rows_f32(
  rows: i32, cols: i32, mask: usize, maskRow: usize, maskCol: i32, s: usize, kind: i32, scale: f32, fill: f32,
): void {
  assert(rows >= 0 && cols >= 0 && (s & 3) == 0 && (kind == Mask.chosen || (mask & 3) == 0));
  const by = f32x4.splat(scale), to = f32x4.splat(fill);
  const row = <usize>cols << 2;
  const step: usize = maskCol ? (kind == Mask.chosen ? 4 : 16) : 0;
  for (; rows > 0; rows--, mask += maskRow, s += row) {
    let left = cols, p = s, m = mask;
    for (; left >= 4; left -= 4, p += 16, m += step) {
      let given = to;
      if (kind == Mask.chosen) given = maskCol ? v128.load32_zero(m) : v128.load8_splat(m);
      else if (kind != Mask.none) given = maskCol ? v128.load(m) : v128.load32_splat(m);
      v128.store(p, masked(kind, f32x4.mul(v128.load(p), by), given, to));
    }
    if (left == 0) continue;
    let given = to;
    if (kind == Mask.chosen) given = maskCol ? bytes_head(m, left) : v128.load8_splat(m);
    else if (kind != Mask.none) given = maskCol ? load_head(m, left, 0) : v128.load32_splat(m);
    store_head(p, masked(kind, f32x4.mul(load_head(p, left, 0), by), given, to), left);
  }
}

// @ts-ignore: decorator
@inline
function masked(kind: i32, v: v128, mask: v128, fill: v128): v128 {
  if (kind == Mask.none) return v;
  if (kind == Mask.added) return f32x4.add(v, mask);
  const closed = kind == Mask.chosen
    ? i32x4.eq(i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(mask)), i32x4.splat(0))
    : f32x4.eq(mask, f32x4.splat(-Infinity));
  return v128.bitselect(fill, v, closed);
}

/** The first n (1..3) bytes at p; the other lanes are 0. */
// @ts-ignore: decorator
@inline
function bytes_head(p: usize, n: i32): v128 {
  let v = i8x16.replace_lane(i8x16.splat(0), 0, load<i8>(p));
  if (n > 1) v = i8x16.replace_lane(v, 1, load<i8>(p, 1));
  if (n > 2) v = i8x16.replace_lane(v, 2, load<i8>(p, 2));
  return v;
}

/**
 * Softmax of what each row may see: row i the first seen + i step of its columns (none from 0 down, all from cols up). The rest of a
 * row is 0, and all of it where every score that it sees is -Inf.
 * s: f32 [rows, cols]. See softmax_f32.
 */
export function softmax_seen_f32(rows: i32, cols: i32, s: usize, seen: i32, step: i32): void {
  assert(rows >= 0 && cols >= 0 && (s & 3) == 0);
  const row = <usize>cols << 2;
  for (; rows > 0; rows--, s += row, seen += step) {
    const end = s + (<usize>min(max(seen, 0), cols) << 2);
    let p = s;
    while (p < end && load<f32>(p) == -Infinity) p += 4;
    if (p < end) {
      softmax_f32(1, <i32>((end - s) >> 2), s, s);
      p = end;
    } else p = s;
    if (p < s + row) memory.fill(p, 0, s + row - p);
  }
}

/**
 * How many columns stand before those that a mask closes in every row; with `whole` all of them, where a row is closed throughout.
 * mask: of kind added or chosen, [rows, cols], rows maskRow bytes apart.
 */
export function open_cols_f32(rows: i32, cols: i32, mask: usize, maskRow: usize, kind: i32, whole: i32): i32 {
  assert(rows >= 0 && cols >= 0 && (kind == Mask.chosen || (kind == Mask.added && (mask & 3) == 0)));
  let end = 0;
  for (; rows > 0; rows--, mask += maskRow) {
    const last = last_open(mask, cols, end, kind);
    if (last > end) end = last;
    else if (whole && last_open(mask, end, 0, kind) == 0) return cols;
  }
  return end;
}

/** One more than the place of the last element from `least` on that leaves open, of those before `end`; `least` where none does. */
function last_open(mask: usize, end: i32, least: i32, kind: i32): i32 {
  const none = f32x4.splat(-Infinity);
  for (; end - 4 >= least; end -= 4) {
    const open = kind == Mask.chosen
      ? load<u32>(mask + end - 4) != 0
      : v128.any_true(f32x4.ne(v128.load(mask + (<usize>(end - 4) << 2)), none));
    if (open) break;
  }
  for (; end > least; end--) {
    const at = <usize>(end - 1);
    if (kind == Mask.chosen ? load<u8>(mask + at) != 0 : load<f32>(mask + (at << 2)) != -Infinity) break;
  }
  return end;
}
