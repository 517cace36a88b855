// The loops of sweep-math.mjs, in AssemblyScript.
import {
  erf_f32x4,
  exp_f32x4,
  gelu_f32x4,
  gelu_tanh_f32x4,
  scaled_exp_f32x4,
  sigmoid_f32x4,
  tanh_f32x4,
} from "../assembly/math";

/** The n floats whose bits are `first` and on, at x. */
export function fill(n: i32, first: u32, x: usize): void {
  for (let i = 0; i < n; i++, x += 4) store<u32>(x, first + i);
}

export function exp(n: i32, x: usize): void {
  for (; n > 0; n -= 4, x += 16) v128.store(x, exp_f32x4(v128.load(x)));
}
export function scaled_exp(n: i32, x: usize): void {
  for (; n > 0; n -= 4, x += 16) v128.store(x, scaled_exp_f32x4(v128.load(x)));
}
export function sigmoid(n: i32, x: usize): void {
  for (; n > 0; n -= 4, x += 16) v128.store(x, sigmoid_f32x4(v128.load(x)));
}
export function tanh(n: i32, x: usize): void {
  for (; n > 0; n -= 4, x += 16) v128.store(x, tanh_f32x4(v128.load(x)));
}
export function erf(n: i32, x: usize): void {
  for (; n > 0; n -= 4, x += 16) v128.store(x, erf_f32x4(v128.load(x)));
}
export function gelu(n: i32, x: usize): void {
  for (; n > 0; n -= 4, x += 16) v128.store(x, gelu_f32x4(v128.load(x)));
}
export function gelu_tanh(n: i32, x: usize): void {
  for (; n > 0; n -= 4, x += 16) v128.store(x, gelu_tanh_f32x4(v128.load(x)));
}

let worst: f64 = 0;
let where: u32 = 0;

export function reset(): void {
  worst = 0;
}
/** The worst error since `reset`, in ulp of the true value; NaN where one of the two is NaN. */
export function error(): f64 {
  return worst;
}
/** The bits of the float that has it. */
export function bits(): u32 {
  return where;
}

/**
 * The n results at y against a polynomial of t = (float - middle) times `by`, its ten coefficients from the constant up at c.
 */
export function check(n: i32, first: u32, y: usize, c: usize, middle: f64, by: f64): void {
  for (let i = 0; i < n; i++, y += 4) {
    const t = (<f64>reinterpret<f32>(first + i) - middle) * by;
    let truth = load<f64>(c, 72);
    for (let j = 64; j >= 0; j -= 8) truth = truth * t + load<f64>(c + j);
    compare(truth, load<f32>(y), first + i);
  }
}

/** Above the largest float infinity counts as the power of two that comes next. */
export function compare(truth: f64, result: f32, at: u32): void {
  const end: f64 = 3.4028236692093846e38;
  const wanted = max(min(truth, end), -end);
  const distance = abs(max(min(<f64>result, end), -end) - wanted);
  const exponent = max(min(<i64>(reinterpret<u64>(wanted) >> 52) & 2047, 1150), 897);
  const ulps = distance * reinterpret<f64>((2069 - exponent) << 52);
  // A NaN stays.
  if (ulps <= worst || isNaN(worst)) return;
  worst = ulps;
  where = at;
}
