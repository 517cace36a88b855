import { log_f32x4 } from "../log";
import { exp_f32x4 } from "../math";
import { clamp, load_head, store_head } from "../simd";

/** What is done with x and the numbers p, q, r. src/ops/codes.ts has the same numbers. */
const enum Unary {
  abs,
  neg,
  floor,
  ceil,
  /** The nearest whole number, of two the even one. */
  round,
  sqrt,
  exp,
  log,
  /** p / x. */
  reciprocal,
  /** x / p + q. */
  quotient,
  /** min(max(x, p), q) + r, NaN for NaN: see `clamp` in ../simd. */
  clip,
  /** x p + q within 0..1. */
  hardSigmoid,
  /** x times that. */
  hardSwish,
  /** x p where x > 0, q (e^(r x) - 1) elsewhere. */
  elu,
}

/**
 * y = op(x, p, q, r). x: f32 [n]; y: f32 [n], written in full, may be x; scratch: 16 bytes, 16-byte aligned.
 * exp, log within 1 ulp, what elu is made of within 2.
 */
export function unary_f32(op: i32, n: i32, x: usize, y: usize, scratch: usize, p: f32, q: f32, r: f32): void {
  assert(n >= 0 && ((x | y) & 3) == 0 && (scratch & 15) == 0);
  const tail = n & 3;
  const body = <usize>(n - tail) << 2;
  lanes(op, n - tail, x, y, p, q, r);
  if (!tail) return;
  v128.store(scratch, load_head(x + body, tail, 0));
  lanes(op, 4, scratch, scratch, p, q, r);
  store_head(y + body, v128.load(scratch), tail);
}

/** n, a multiple of 4, values. */
function lanes(op: i32, n: i32, x: usize, y: usize, p: f32, q: f32, r: f32): void {
  switch (op) {
    case Unary.abs: return each(Unary.abs, n, x, y, p, q, r);
    case Unary.neg: return each(Unary.neg, n, x, y, p, q, r);
    case Unary.floor: return each(Unary.floor, n, x, y, p, q, r);
    case Unary.ceil: return each(Unary.ceil, n, x, y, p, q, r);
    case Unary.round: return each(Unary.round, n, x, y, p, q, r);
    case Unary.sqrt: return each(Unary.sqrt, n, x, y, p, q, r);
    case Unary.exp: return each(Unary.exp, n, x, y, p, q, r);
    case Unary.log: return each(Unary.log, n, x, y, p, q, r);
    case Unary.reciprocal: return each(Unary.reciprocal, n, x, y, p, q, r);
    case Unary.quotient: return each(Unary.quotient, n, x, y, p, q, r);
    case Unary.clip: return each(Unary.clip, n, x, y, p, q, r);
    case Unary.hardSigmoid: return each(Unary.hardSigmoid, n, x, y, p, q, r);
    case Unary.hardSwish: return each(Unary.hardSwish, n, x, y, p, q, r);
    default: return each(Unary.elu, n, x, y, p, q, r);
  }
}

// @ts-ignore: decorator
@inline
function each(op: Unary, n: i32, x: usize, y: usize, p: f32, q: f32, r: f32): void {
  const zero = f32x4.splat(0);
  const one = f32x4.splat(1);
  // pmin and pmax keep a NaN in the first place, and are one instruction where min and max are many.
  for (; n > 0; n -= 4, x += 16, y += 16) {
    const v = v128.load(x);
    let to = v;
    if (op == Unary.abs) to = f32x4.abs(v);
    if (op == Unary.neg) to = f32x4.neg(v);
    if (op == Unary.floor) to = f32x4.floor(v);
    if (op == Unary.ceil) to = f32x4.ceil(v);
    if (op == Unary.round) to = f32x4.nearest(v);
    if (op == Unary.sqrt) to = f32x4.sqrt(v);
    if (op == Unary.exp) to = exp_f32x4(v);
    if (op == Unary.log) to = log_f32x4(v);
    if (op == Unary.reciprocal) to = f32x4.div(f32x4.splat(p), v);
    if (op == Unary.quotient) to = f32x4.add(f32x4.div(v, f32x4.splat(p)), f32x4.splat(q));
    if (op == Unary.clip) to = clamp(v, f32x4.splat(p), f32x4.splat(q), f32x4.splat(r));
    if (op == Unary.hardSigmoid || op == Unary.hardSwish) {
      const line = f32x4.add(f32x4.mul(v, f32x4.splat(p)), f32x4.splat(q));
      to = f32x4.pmin(f32x4.pmax(line, zero), one);
      if (op == Unary.hardSwish) to = f32x4.mul(to, v);
    }
    if (op == Unary.elu) {
      // e^w - 1 = 2^n (e^r - 1) + (2^n - 1), as exp but for the 1 that would lose what is small. From -20 on it is -1.
      const w = f32x4.pmax(f32x4.mul(f32x4.pmin(v, zero), f32x4.splat(r)), f32x4.splat(-20));
      const n = f32x4.nearest(f32x4.mul(w, f32x4.splat(1.44269504088896341)));
      const rest = f32x4.sub(w, f32x4.mul(n, f32x4.splat(0.693359375)));
      const d = f32x4.sub(rest, f32x4.mul(n, f32x4.splat(-2.12194440e-4)));
      let e = f32x4.splat(1.9875691500e-4);
      e = f32x4.add(f32x4.mul(e, d), f32x4.splat(1.3981999507e-3));
      e = f32x4.add(f32x4.mul(e, d), f32x4.splat(8.3334519073e-3));
      e = f32x4.add(f32x4.mul(e, d), f32x4.splat(4.1665795894e-2));
      e = f32x4.add(f32x4.mul(e, d), f32x4.splat(1.6666665459e-1));
      e = f32x4.add(f32x4.mul(e, d), f32x4.splat(5.0000001201e-1));
      e = f32x4.add(f32x4.mul(e, f32x4.mul(d, d)), d);
      const scale = i32x4.shl(i32x4.add(i32x4.trunc_sat_f32x4_s(n), i32x4.splat(127)), 23);
      e = f32x4.add(f32x4.mul(e, scale), f32x4.sub(scale, one));
      to = v128.bitselect(f32x4.mul(v, f32x4.splat(p)), f32x4.mul(e, f32x4.splat(q)), f32x4.gt(v, zero));
    }
    v128.store(y, to);
  }
}
