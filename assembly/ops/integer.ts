/** How elements stand in memory. A bool is a u8. src/ops/codes.ts has the same numbers. */
const enum Type {
  i8,
  u8,
  i16,
  u16,
  i32,
  u32,
  i64,
  u64,
  /** A float: toward zero, held within i64. */
  f32,
  /** A float that comes from or goes to u64. */
  f32u,
}

const enum Int {
  left,
  add,
  sub,
  mul,
  /** Toward zero; 0 for a divisor of 0. */
  div,
  /** Remainder with the divisor's sign. */
  mod,
  /** Remainder with the dividend's sign. */
  fmod,
  /** 0 for a negative power of more than one. */
  pow,
  max,
  min,
  and,
  or,
  xor,
  shl,
  shr,
  less,
  lessOrEqual,
  equal,
  unequal,
  /** |a|. */
  abs,
  /** -1, 0, 1. */
  sign,
  /** a where a >= 0, a b elsewhere. */
  prelu,
}

const block = 64;

/**
 * y[r, c] = a[r, c] op b[r, c] in 64 bits, wrapped to the type of y, row after row: a row may be made of rows before it.
 * a, b: elements of their types, the next row `aRow` and `bRow` bytes further (0: the same one); along a row one after the other, or
 * where aCol or bCol is 0 a single one. y: each row [cols] written in full, `yRow` bytes further than the one before; may be
 * a or b where those move as y does. scratch: 1024 bytes, 8-byte aligned.
 */
export function binary_int(
  op: i32, rows: i32, cols: i32, aType: i32, a: usize, aRow: usize, aCol: i32, bType: i32, b: usize, bRow: usize, bCol: i32,
  yType: i32, y: usize, yRow: usize, scratch: usize,
): void {
  assert(rows >= 0 && cols >= 0 && (scratch & 7) == 0);
  const aStep = aCol ? bytes_of(aType) : 0;
  const bStep = bCol ? bytes_of(bType) : 0;
  const yStep = bytes_of(yType);
  const right = scratch + (block << 3);
  for (; rows > 0; rows--, a += aRow, b += bRow, y += yRow) {
    for (let c = 0; c < cols; c += block) {
      const n = min(block, cols - c);
      widen(aType, n, a + <usize>c * aStep, aStep, scratch);
      if (op != Int.left) {
        widen(bType, n, b + <usize>c * bStep, bStep, right);
        combine(op, n, scratch, right, aType == Type.u64);
      }
      narrow(yType, n, scratch, y + <usize>c * yStep);
    }
  }
}

/** Bytes of one element. */
function bytes_of(type: i32): usize {
  return type >= Type.f32 ? 4 : (<usize>1) << (type >> 1);
}

/** n elements, `step` bytes from each to the next, as i64. */
function widen(type: i32, n: i32, x: usize, step: usize, to: usize): void {
  const end = to + (<usize>n << 3);
  switch (type) {
    case Type.i8:
      for (; to < end; to += 8, x += step) store<i64>(to, load<i8>(x));
      return;
    case Type.u8:
      for (; to < end; to += 8, x += step) store<i64>(to, load<u8>(x));
      return;
    case Type.i16:
      for (; to < end; to += 8, x += step) store<i64>(to, load<i16>(x));
      return;
    case Type.u16:
      for (; to < end; to += 8, x += step) store<i64>(to, load<u16>(x));
      return;
    case Type.i32:
      for (; to < end; to += 8, x += step) store<i64>(to, load<i32>(x));
      return;
    case Type.u32:
      for (; to < end; to += 8, x += step) store<i64>(to, load<u32>(x));
      return;
    case Type.f32:
      for (; to < end; to += 8, x += step) store<i64>(to, <i64>load<f32>(x));
      return;
    case Type.f32u:
      for (; to < end; to += 8, x += step) store<i64>(to, <u64>load<f32>(x));
      return;
    default:
      for (; to < end; to += 8, x += step) store<i64>(to, load<i64>(x));
  }
}

/** n i64 as elements one after the other. */
function narrow(type: i32, n: i32, from: usize, y: usize): void {
  const end = from + (<usize>n << 3);
  switch (type) {
    case Type.i8:
    case Type.u8:
      for (; from < end; from += 8, y++) store<u8>(y, load<u8>(from));
      return;
    case Type.i16:
    case Type.u16:
      for (; from < end; from += 8, y += 2) store<u16>(y, load<u16>(from));
      return;
    case Type.i32:
    case Type.u32:
      for (; from < end; from += 8, y += 4) store<u32>(y, load<u32>(from));
      return;
    case Type.f32:
      for (; from < end; from += 8, y += 4) store<f32>(y, <f32>load<i64>(from));
      return;
    case Type.f32u:
      for (; from < end; from += 8, y += 4) store<f32>(y, <f32>load<u64>(from));
      return;
    default:
      for (; from < end; from += 8, y += 8) store<i64>(y, load<i64>(from));
  }
}

/** a = a op b over n i64; `unsigned`: both are u64. */
function combine(op: i32, n: i32, a: usize, b: usize, unsigned: bool): void {
  const flip: i64 = unsigned ? i64.MIN_VALUE : 0;
  for (const end = a + (<usize>n << 3); a < end; a += 8, b += 8) {
    const l = load<i64>(a);
    const r = load<i64>(b);
    let v = l;
    switch (op) {
      case Int.add: v = l + r; break;
      case Int.sub: v = l - r; break;
      case Int.mul: v = l * r; break;
      case Int.div: v = quotient(l, r, unsigned); break;
      case Int.fmod: v = remainder(l, r, unsigned); break;
      case Int.mod: {
        v = remainder(l, r, unsigned);
        if (!unsigned && v != 0 && (v ^ r) < 0) v += r;
        break;
      }
      case Int.pow: v = power(l, r); break;
      case Int.max: v = (l ^ flip) > (r ^ flip) ? l : r; break;
      case Int.min: v = (l ^ flip) < (r ^ flip) ? l : r; break;
      case Int.and: v = l & r; break;
      case Int.or: v = l | r; break;
      case Int.xor: v = l ^ r; break;
      case Int.shl: v = <u64>r > 63 ? 0 : l << r; break;
      case Int.shr: v = <u64>r > 63 ? 0 : <i64>(<u64>l >> r); break;
      case Int.less: v = i64((l ^ flip) < (r ^ flip)); break;
      case Int.lessOrEqual: v = i64((l ^ flip) <= (r ^ flip)); break;
      case Int.equal: v = i64(l == r); break;
      case Int.unequal: v = i64(l != r); break;
      case Int.abs: v = l < 0 && !unsigned ? -l : l; break;
      case Int.sign: v = l == 0 ? 0 : l < 0 && !unsigned ? -1 : 1; break;
      case Int.prelu: v = l < 0 && !unsigned ? l * r : l; break;
    }
    store<i64>(a, v);
  }
}

// The smallest i64 by -1 and any by 0 would trap.
function quotient(l: i64, r: i64, unsigned: bool): i64 {
  if (r == 0) return 0;
  if (unsigned) return <i64>(<u64>l / <u64>r);
  return r == -1 ? -l : l / r;
}

function remainder(l: i64, r: i64, unsigned: bool): i64 {
  if (r == 0) return 0;
  return unsigned ? <i64>(<u64>l % <u64>r) : l % r;
}

function power(base: i64, exponent: i64): i64 {
  if (exponent < 0) return base == 1 || (base == -1 && (exponent & 1) == 0) ? 1 : base == -1 ? -1 : 0;
  let v: i64 = 1;
  for (; exponent; exponent >>= 1, base *= base) if (exponent & 1) v *= base;
  return v;
}
