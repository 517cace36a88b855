import { load_head, store_head } from "../simd";

/** What is done with a and b; from `less` on the result is a byte, 0 or 1. src/ops/codes.ts has the same numbers. */
const enum Binary {
  add,
  sub,
  mul,
  div,
  /** NaN if either is. */
  max,
  min,
  /** a where a >= 0, a b elsewhere. */
  prelu,
  less,
  lessOrEqual,
  equal,
  unequal,
}

/**
 * y[r, c] = a[r, c] op b[r, c], row after row: a row may be made of rows before it.
 * a, b: f32, the next row `aRow` and `bRow` bytes further (0: the same one); along a row one after the other, or where aCol or bCol is
 * 0 a single value. y: f32, or u8 for comparisons, each row [cols] written in full, `yRow` bytes further than the one before;
 * may be a or b where those move as y does. scratch: 48 bytes, 16-byte aligned.
 */
export function binary_f32(
  op: i32, rows: i32, cols: i32, a: usize, aRow: usize, aCol: i32, b: usize, bRow: usize, bCol: i32, y: usize,
  yRow: usize, scratch: usize,
): void {
  assert(rows >= 0 && cols >= 0 && ((a | aRow | b | bRow) & 3) == 0 && (scratch & 15) == 0);
  const shift: i32 = op < Binary.less ? 2 : 0;
  const tail = cols & 3;
  const body = cols - tail;
  const from = <usize>body << 2;
  const to = <usize>body << shift;
  for (; rows > 0; rows--, a += aRow, b += bRow, y += yRow) {
    if (!aCol) v128.store(scratch, v128.load32_splat(a));
    if (!bCol) v128.store(scratch, v128.load32_splat(b), 16);
    lanes(op, body, aCol ? a : scratch, aCol ? 16 : 0, bCol ? b : scratch + 16, bCol ? 16 : 0, y);
    if (!tail) continue;
    if (aCol) v128.store(scratch, load_head(a + from, tail, 0));
    if (bCol) v128.store(scratch, load_head(b + from, tail, 0), 16);
    lanes(op, 4, scratch, 0, scratch + 16, 0, scratch + 32);
    const v = v128.load(scratch, 32);
    if (shift) store_head(y + to, v, tail);
    else for (let i: usize = 0; i < <usize>tail; i++) store<u8>(y + to + i, load<u8>(scratch + i, 32));
  }
}

/** n, a multiple of 4, values: a and b move by their steps for each four. */
function lanes(op: i32, n: i32, a: usize, aStep: usize, b: usize, bStep: usize, y: usize): void {
  switch (op) {
    case Binary.add: return each(Binary.add, n, a, aStep, b, bStep, y);
    case Binary.sub: return each(Binary.sub, n, a, aStep, b, bStep, y);
    case Binary.mul: return each(Binary.mul, n, a, aStep, b, bStep, y);
    case Binary.div: return each(Binary.div, n, a, aStep, b, bStep, y);
    case Binary.max: return each(Binary.max, n, a, aStep, b, bStep, y);
    case Binary.min: return each(Binary.min, n, a, aStep, b, bStep, y);
    case Binary.prelu: return each(Binary.prelu, n, a, aStep, b, bStep, y);
    case Binary.less: return each(Binary.less, n, a, aStep, b, bStep, y);
    case Binary.lessOrEqual: return each(Binary.lessOrEqual, n, a, aStep, b, bStep, y);
    case Binary.equal: return each(Binary.equal, n, a, aStep, b, bStep, y);
    default: return each(Binary.unequal, n, a, aStep, b, bStep, y);
  }
}

// @ts-ignore: decorator
@inline
function each(op: Binary, n: i32, a: usize, aStep: usize, b: usize, bStep: usize, y: usize): void {
  for (; n > 0; n -= 4, a += aStep, b += bStep, y += op < Binary.less ? 16 : 4) {
    const l = v128.load(a);
    const r = v128.load(b);
    let v = l;
    if (op == Binary.add) v = f32x4.add(l, r);
    if (op == Binary.sub) v = f32x4.sub(l, r);
    if (op == Binary.mul) v = f32x4.mul(l, r);
    if (op == Binary.div) v = f32x4.div(l, r);
    if (op == Binary.max) v = f32x4.max(l, r);
    if (op == Binary.min) v = f32x4.min(l, r);
    if (op == Binary.prelu) v = v128.bitselect(f32x4.mul(l, r), l, f32x4.lt(l, f32x4.splat(0)));
    if (op == Binary.less) v = f32x4.lt(l, r);
    if (op == Binary.lessOrEqual) v = f32x4.le(l, r);
    if (op == Binary.equal) v = f32x4.eq(l, r);
    if (op == Binary.unequal) v = f32x4.ne(l, r);
    if (op < Binary.less) v128.store(y, v);
    else {
      const words = i16x8.narrow_i32x4_s(v, v);
      v128.store32_lane(y, v128.and(i8x16.narrow_i16x8_s(words, words), i8x16.splat(1)), 0);
    }
  }
}
