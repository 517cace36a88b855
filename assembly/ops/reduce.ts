import { sum_lanes } from "../simd";

/**
 * y[c] += sum over r of x[r, c], in rising r from what y held. x: f32 [rows, cols]; y: f32 [cols], added into, apart
 * from x.
 */
export function column_sum_f32(rows: i32, cols: i32, x: usize, y: usize): void {
  assert(rows >= 0 && cols >= 0 && ((x | y) & 3) == 0);
  const row = <usize>cols << 2;
  for (; cols >= 16; cols -= 16, x += 64, y += 64) {
    let s0 = v128.load(y), s1 = v128.load(y, 16), s2 = v128.load(y, 32), s3 = v128.load(y, 48);
    for (let r = 0, p = x; r < rows; r++, p += row) {
      s0 = f32x4.add(s0, v128.load(p));
      s1 = f32x4.add(s1, v128.load(p, 16));
      s2 = f32x4.add(s2, v128.load(p, 32));
      s3 = f32x4.add(s3, v128.load(p, 48));
    }
    v128.store(y, s0);
    v128.store(y, s1, 16);
    v128.store(y, s2, 32);
    v128.store(y, s3, 48);
  }
  for (; cols >= 4; cols -= 4, x += 16, y += 16) {
    let sum = v128.load(y);
    for (let r = 0, p = x; r < rows; r++, p += row) sum = f32x4.add(sum, v128.load(p));
    v128.store(y, sum);
  }
  for (; cols > 0; cols--, x += 4, y += 4) {
    let sum = load<f32>(y);
    for (let r = 0, p = x; r < rows; r++, p += row) sum += load<f32>(p);
    store<f32>(y, sum);
  }
}

/**
 * y[c] += sum over n and plane of x[n, c, plane]: plane by plane, each summed in sixteen lanes.
 * x: f32 [batch, c, plane]; y: f32 [c], added into, apart from x.
 */
export function channel_sum_f32(batch: i32, c: i32, plane: i32, x: usize, y: usize): void {
  assert(batch >= 0 && c >= 0 && plane >= 0 && ((x | y) & 3) == 0);
  const channels = <usize>c << 2;
  for (; batch > 0; batch--) {
    for (let j: usize = 0; j < channels; j += 4) {
      let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
      let n = plane;
      for (; n >= 16; n -= 16, x += 64) {
        s0 = f32x4.add(s0, v128.load(x));
        s1 = f32x4.add(s1, v128.load(x, 16));
        s2 = f32x4.add(s2, v128.load(x, 32));
        s3 = f32x4.add(s3, v128.load(x, 48));
      }
      for (; n >= 4; n -= 4, x += 16) s0 = f32x4.add(s0, v128.load(x));
      let sum = sum_lanes(f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3)));
      for (; n > 0; n--, x += 4) sum += load<f32>(x);
      store<f32>(y + j, load<f32>(y + j) + sum);
    }
  }
}

/** What is gathered of values. src/ops/codes.ts has the same numbers. */
const enum Fold {
  sum,
  /** NaN if any is. */
  max,
  min,
  /** Of x^2. */
  sumSquare,
}

/**
 * y[o, i] = x[o, 0, i] op .. op x[o, k - 1, i]: in rising k, or in a row by itself (inner = 1) by sixteens, then the rest. Of nothing: 0, -Inf, +Inf, 0.
 * x: f32 [outer, k, inner]; y: f32 [outer, inner], written in full, apart from x; scratch: 192 bytes, 16-byte aligned.
 */
export function reduce_f32(op: i32, outer: i32, k: i32, inner: i32, x: usize, y: usize, scratch: usize): void {
  assert(outer >= 0 && k >= 0 && inner >= 0 && ((x | y) & 3) == 0 && (scratch & 15) == 0);
  const neutral: f32 = op == Fold.max ? -Infinity : op == Fold.min ? Infinity : 0;
  const row = <usize>inner << 2;
  const area = <usize>k * row;
  const tail = k & 15;
  const end = x + <usize>outer * area;
  for (; outer > 0; outer--, x += area) {
    for (let i = 0; i < inner; i += 16) {
      const width = min(16, inner - i);
      const from = x + (<usize>i << 2);
      pad(scratch, 0, 0, neutral);
      if (inner == 1) {
        fold(op, k >> 4, from, 64, scratch);
        // The halves of sixteen, of eight, .. end in the first; what the others make is of no use.
        const merge: i32 = op == Fold.sumSquare ? Fold.sum : op;
        if (k >= 16) for (let half: usize = 32; half >= 4; half >>= 1) fold(merge, 1, scratch + half, 0, scratch);
        // It takes the rest in turn. Sixteen are read for each, from a copy where x ends before.
        let rest = from + area - (<usize>tail << 2);
        if (from + area + 60 > end) {
          for (let j: usize = 0; j < <usize>tail << 2; j += 4) store<f32>(scratch + 64 + j, load<f32>(rest + j));
          rest = scratch + 64;
        }
        fold(op, tail, rest, 4, scratch);
      } else strip(op, k, from, row, width, scratch, neutral);
      for (let j = 0; j < width; j++, y += 4) store<f32>(y, load<f32>(scratch + (<usize>j << 2)));
    }
  }
}

/** The sixteen floats at scratch op x for `count` x of `width` floats, `step` bytes from each to the next. */
function strip(op: i32, count: i32, x: usize, step: usize, width: i32, scratch: usize, neutral: f32): void {
  if (width == 16) return fold(op, count, x, step, scratch);
  for (; count > 0; count--, x += step) {
    pad(scratch + 64, x, width, neutral);
    fold(op, 1, scratch + 64, 0, scratch);
  }
}

/** Sixteen floats at `to`: n from x, then `rest`. */
function pad(to: usize, x: usize, n: i32, rest: f32): void {
  const fill = f32x4.splat(rest);
  for (let i: usize = 0; i < 64; i += 16) v128.store(to + i, fill);
  for (; n > 0; n--, x += 4, to += 4) store<f32>(to, load<f32>(x));
}

/** acc[0..15] = acc op x for `count` x, `step` bytes from each to the next. */
function fold(op: i32, count: i32, x: usize, step: usize, acc: usize): void {
  if (op == Fold.sum) each(Fold.sum, count, x, step, acc);
  else if (op == Fold.max) each(Fold.max, count, x, step, acc);
  else if (op == Fold.min) each(Fold.min, count, x, step, acc);
  else each(Fold.sumSquare, count, x, step, acc);
}

// @ts-ignore: decorator
@inline
function each(op: Fold, count: i32, x: usize, step: usize, acc: usize): void {
  let a0 = v128.load(acc), a1 = v128.load(acc, 16), a2 = v128.load(acc, 32), a3 = v128.load(acc, 48);
  for (; count > 0; count--, x += step) {
    a0 = taken(op, a0, v128.load(x));
    a1 = taken(op, a1, v128.load(x, 16));
    a2 = taken(op, a2, v128.load(x, 32));
    a3 = taken(op, a3, v128.load(x, 48));
  }
  v128.store(acc, a0);
  v128.store(acc, a1, 16);
  v128.store(acc, a2, 32);
  v128.store(acc, a3, 48);
}

// @ts-ignore: decorator
@inline
function taken(op: Fold, a: v128, x: v128): v128 {
  if (op == Fold.max) return f32x4.max(a, x);
  if (op == Fold.min) return f32x4.min(a, x);
  return f32x4.add(a, op == Fold.sumSquare ? f32x4.mul(x, x) : x);
}
