/** Losses: a value in f64, and the gradient with respect to the network's output. */
import { exp_f32x4 } from "../math";
import { load_head, max_lanes, store_head } from "../simd";

// Kept out of line: it is called often.
function exp4(x: v128): v128 {
  return exp_f32x4(x);
}

/**
 * Returns the sum over rows r of -sum_c t[c] log softmax(logits[r, :])[c]; dlogits = (softmax(logits) - t) / rows. The target t is
 * 1 - smoothing at labels[r], and smoothing / cols more at each class.
 *
 * The sum and not the mean, so that a caller can add up batches; NaN where a row holds a NaN, +infinity or nothing
 * finite.
 *
 * - logits: f32 [rows, cols]
 * - labels: u32 [rows], each < cols
 * - smoothing: 0..1
 * - dlogits: f32 [rows, cols], written in full; may be logits
 *
 * Smoothing: C. Szegedy et al., "Rethinking the Inception architecture for computer vision", 2016.
 */
export function cross_entropy_f32(
  rows: i32, cols: i32, logits: usize, labels: usize, smoothing: f64, dlogits: usize,
): f64 {
  assert(((logits | labels | dlogits) & 3) == 0);
  const rowBytes = (<usize>cols) << 2;
  const tail = cols & 3;
  const tailAt = rowBytes - ((<usize>tail) << 2);
  const share = smoothing / <f64>cols;
  const everywhere = f32x4.splat(<f32>(share / <f64>rows));
  let loss: f64 = 0;
  for (let r = 0; r < rows; r++) {
    const label = load<u32>(labels);
    assert(label < <u32>cols);
    const labelAt = (<usize>label) << 2;
    const top = rowMax(logits, tailAt, tail);
    let chosen = <f64>load<f32>(logits + labelAt) - <f64>top;
    if (smoothing > 0) chosen = (1 - smoothing) * chosen + share * rowSum(logits, cols, <f64>top);

    const shift = f32x4.splat(top);
    let sums = f32x4.splat(0);
    for (let at: usize = 0; at < tailAt; at += 16) {
      const e = exp4(f32x4.sub(v128.load(logits + at), shift));
      v128.store(dlogits + at, e);
      sums = f32x4.add(sums, e);
    }
    if (tail) {
      const e = exp4(f32x4.sub(load_head(logits + tailAt, tail, -Infinity), shift));
      store_head(dlogits + tailAt, e, tail);
      sums = f32x4.add(sums, e);
    }
    const sum = total(sums);
    loss += log(sum) - chosen;

    const labelExp = <f64>load<f32>(dlogits + labelAt);
    const factor = 1 / (sum * <f64>rows);
    const factors = f32x4.splat(<f32>factor);
    for (let at: usize = 0; at < tailAt; at += 16) {
      v128.store(dlogits + at, f32x4.sub(f32x4.mul(v128.load(dlogits + at), factors), everywhere));
    }
    if (tail) {
      const g = f32x4.mul(load_head(dlogits + tailAt, tail, 0), factors);
      store_head(dlogits + tailAt, f32x4.sub(g, everywhere), tail);
    }
    store<f32>(dlogits + labelAt, <f32>((labelExp - sum * (1 - smoothing + share)) * factor));
    logits += rowBytes;
    dlogits += rowBytes;
    labels += 4;
  }
  return loss;
}

/** The largest of whole vectors, `tailAt` bytes of them, and `tail` elements after them; NaN if one is NaN. */
// @ts-ignore: decorator
@inline
function rowMax(x: usize, tailAt: usize, tail: i32): f32 {
  let tops = f32x4.splat(-Infinity);
  for (let at: usize = 0; at < tailAt; at += 16) tops = f32x4.max(tops, v128.load(x + at));
  if (tail) tops = f32x4.max(tops, load_head(x + tailAt, tail, -Infinity));
  return max_lanes(tops);
}

/** The sum of x[i] - top in f64. */
function rowSum(x: usize, cols: i32, top: f64): f64 {
  let sum: f64 = 0;
  for (let c = 0; c < cols; c++) sum += <f64>load<f32>(x + ((<usize>c) << 2)) - top;
  return sum;
}

const LN2_HIGH: f64 = 0.693147180369123816490; // the first 33 bits of ln 2: products with an exponent are exact
const LN2_LOW: f64 = 1.90821492927058770002e-10; // the rest

/**
 * ln x for normal x > 0, within 2 ulp; infinity and NaN as they are.
 *
 * x = 2^k * m with m in sqrt(1/2) .. sqrt(2); ln m = 2 artanh(s), s = (m - 1) / (m + 1), |s| < .1716, by its power
 * series to s^19 (the next term is below 2^-55 of the sum).
 */
function log(x: f64): f64 {
  if (!(x < Infinity)) return x;
  const bits = reinterpret<u64>(x);
  let k = <i32>(bits >> 52) - 1023;
  let m = reinterpret<f64>((bits & 0x000fffffffffffff) | 0x3ff0000000000000);
  if (m > 1.4142135623730951) {
    m *= 0.5;
    k++;
  }
  const s = (m - 1) / (m + 1);
  const z = s * s;
  let series: f64 = 0;
  for (let odd = 19; odd > 1; odd -= 2) series = (series + 1 / <f64>odd) * z;
  return k * LN2_HIGH + (2 * s + (2 * s * series + k * LN2_LOW));
}

/**
 * Returns T^2 times the sum over rows r of KL(softmax(wanted[r, :] / T) || softmax(logits[r, :] / T)), in nats;
 * dlogits = T (softmax(logits / T) - softmax(wanted / T)) / rows.
 *
 * T^2, so that the gradient is of the same size for any temperature T. NaN where a row of `wanted` is not finite, or one of
 * logits holds a NaN or +infinity.
 *
 * - logits, wanted: f32 [rows, cols]
 * - dlogits: f32 [rows, cols], written in full; may be logits
 *
 * G. Hinton, O. Vinyals, J. Dean, "Distilling the knowledge in a neural network", 2015.
 */
export function divergence_f32(
  rows: i32, cols: i32, logits: usize, wanted: usize, temperature: f32, dlogits: usize,
): f64 {
  assert(((logits | wanted | dlogits) & 3) == 0);
  const rowBytes = (<usize>cols) << 2;
  const tail = cols & 3;
  const tailAt = rowBytes - ((<usize>tail) << 2);
  const cold = f32x4.splat(1 / temperature);
  let loss: f64 = 0;
  for (let r = 0; r < rows; r++) {
    const top = f32x4.splat(rowMax(logits, tailAt, tail));
    const wantedTop = f32x4.splat(rowMax(wanted, tailAt, tail));
    const shift = f32x4.sub(wantedTop, top);
    let sums = f32x4.splat(0);
    let wantedSums = f32x4.splat(0);
    let low = f64x2.splat(0);
    let high = f64x2.splat(0);
    for (let at: usize = 0; at < rowBytes; at += 16) {
      const whole = at < tailAt;
      const x = whole ? v128.load(logits + at) : load_head(logits + at, tail, 0);
      const w = whole ? v128.load(wanted + at) : load_head(wanted + at, tail, 0);
      let e = exp4(f32x4.mul(f32x4.sub(x, top), cold));
      let p = exp4(f32x4.mul(f32x4.sub(w, wantedTop), cold));
      if (!whole) {
        const inside = i32x4.lt_s(i32x4(0, 1, 2, 3), i32x4.splat(tail));
        e = v128.and(e, inside);
        p = v128.and(p, inside);
        store_head(dlogits + at, e, tail);
      } else v128.store(dlogits + at, e);
      sums = f32x4.add(sums, e);
      wantedSums = f32x4.add(wantedSums, p);
      // p times the log of the ratio of the two, but for the sums; a p of 0 counts nothing, whatever the other is.
      const ratio = f32x4.mul(f32x4.sub(f32x4.sub(w, x), shift), cold);
      const part = v128.andnot(f32x4.mul(p, ratio), f32x4.eq(p, f32x4.splat(0)));
      low = f64x2.add(low, f64x2.promote_low_f32x4(part));
      high = f64x2.add(high, f64x2.promote_low_f32x4(v128.shuffle<i32>(part, part, 2, 3, 2, 3)));
    }
    const sum = total(sums);
    const wantedSum = total(wantedSums);
    low = f64x2.add(low, high);
    const mixed = f64x2.extract_lane(low, 0) + f64x2.extract_lane(low, 1);
    // Never below 0 but for rounding; NaN stays.
    loss += max<f64>(0, mixed / wantedSum + log(sum) - log(wantedSum));

    const factor = <f64>temperature / <f64>rows;
    const mine = f32x4.splat(<f32>(factor / sum));
    const theirs = f32x4.splat(<f32>(factor / wantedSum));
    for (let at: usize = 0; at < tailAt; at += 16) {
      const p = exp4(f32x4.mul(f32x4.sub(v128.load(wanted + at), wantedTop), cold));
      v128.store(dlogits + at, f32x4.sub(f32x4.mul(v128.load(dlogits + at), mine), f32x4.mul(p, theirs)));
    }
    if (tail) {
      const p = exp4(f32x4.mul(f32x4.sub(load_head(wanted + tailAt, tail, 0), wantedTop), cold));
      const e = load_head(dlogits + tailAt, tail, 0);
      store_head(dlogits + tailAt, f32x4.sub(f32x4.mul(e, mine), f32x4.mul(p, theirs)), tail);
    }
    logits += rowBytes;
    wanted += rowBytes;
    dlogits += rowBytes;
  }
  return loss * <f64>temperature * <f64>temperature;
}

/** The sum of the lanes in f64. */
// @ts-ignore: decorator
@inline
function total(v: v128): f64 {
  return <f64>f32x4.extract_lane(v, 0) + <f64>f32x4.extract_lane(v, 1) +
    <f64>f32x4.extract_lane(v, 2) + <f64>f32x4.extract_lane(v, 3);
}

/**
 * Returns the mean of (y[i] - target[i])^2, 0 for n = 0; dy[i] = 2 (y[i] - target[i]) / n.
 *
 * - y, target: f32 [n]
 * - dy: f32 [n], written in full; may be y or target
 */
export function mean_squared_error_f32(n: i32, y: usize, target: usize, dy: usize): f64 {
  assert(((y | target | dy) & 3) == 0);
  if (n == 0) return 0;
  const factor = <f32>(2 / <f64>n);
  const factors = f32x4.splat(factor);
  let low = f64x2.splat(0);
  let high = f64x2.splat(0);
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    const d = f32x4.sub(v128.load(y), v128.load(target));
    const d0 = f64x2.promote_low_f32x4(d);
    const d1 = f64x2.promote_low_f32x4(v128.shuffle<i32>(d, d, 2, 3, 2, 3));
    low = f64x2.add(low, f64x2.mul(d0, d0));
    high = f64x2.add(high, f64x2.mul(d1, d1));
    v128.store(dy, f32x4.mul(d, factors));
    y += 16;
    target += 16;
    dy += 16;
  }
  low = f64x2.add(low, high);
  let sum = f64x2.extract_lane(low, 0) + f64x2.extract_lane(low, 1);
  for (; i < n; i++) {
    const d = load<f32>(y) - load<f32>(target);
    sum += <f64>d * <f64>d;
    store<f32>(dy, d * factor);
    y += 4;
    target += 4;
    dy += 4;
  }
  return sum / <f64>n;
}
