/**
 * Quantization that looks at what a layer makes and not at its weights: the error of each column goes into the columns after it.
 * With H = E[x x^T] of the inputs x that the rows of W meet, the error of the outputs is e H e^T for the error e of a row.
 *
 * E. Frantar et al., "GPTQ: accurate post-training quantization for generative pre-trained transformers", 2023.
 */

/** Sum of a[i] * b[i]: even and odd elements apart, their sums added at the end. */
// @ts-ignore: decorator
@inline
export function dot(n: i32, a: usize, b: usize): f64 {
  const end = a + ((<usize>(n & ~1)) << 3);
  let sums = f64x2.splat(0);
  while (a < end) {
    sums = f64x2.add(sums, f64x2.mul(v128.load(a), v128.load(b)));
    a += 16;
    b += 16;
  }
  let sum = f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1);
  if (n & 1) sum += load<f64>(a) * load<f64>(b);
  return sum;
}

/** y[i] += factor * x[i]. */
// @ts-ignore: decorator
@inline
export function add_scaled(n: i32, factor: f64, x: usize, y: usize): void {
  const end = y + ((<usize>(n & ~1)) << 3);
  const factors = f64x2.splat(factor);
  while (y < end) {
    v128.store(y, f64x2.add(v128.load(y), f64x2.mul(factors, v128.load(x))));
    x += 16;
    y += 16;
  }
  if (n & 1) store<f64>(y, load<f64>(y) + factor * load<f64>(x));
}

/**
 * U, upper triangular, with H^-1 = U^T U: H = R R^T with R upper (A.-L. Cholesky's factor from the last row up), U = R^-1.
 * Returns 1, or 0 where a pivot is not above zero; the contents are then of no use.
 *
 * - h: f64 [n, n], symmetric; overwritten by U on and above the diagonal, undefined below
 */
export function inverse_factor_f64(n: i32, h: usize): i32 {
  assert((h & 3) == 0);
  const line = (<usize>n) << 3;
  for (let j = n - 1; j >= 0; j--) {
    // Row j of R right of the diagonal is done: it serves every row above.
    const after = n - 1 - j;
    const rowJ = h + <usize>j * line + ((<usize>j) << 3);
    const pivot = load<f64>(rowJ) - dot(after, rowJ + 8, rowJ + 8);
    if (!(pivot > 0)) return 0;
    const root = Math.sqrt(pivot);
    store<f64>(rowJ, root);
    for (let i = 0; i < j; i++) {
      const at = h + <usize>i * line + ((<usize>j) << 3);
      store<f64>(at, (load<f64>(at) - dot(after, at + 8, rowJ + 8)) / root);
    }
  }
  for (let i = 0; i < n; i++) {
    const rowI = h + <usize>i * line;
    const diagonal = rowI + ((<usize>i) << 3);
    const first = 1 / load<f64>(diagonal);
    store<f64>(diagonal, first);
    for (let j = i + 1; j < n; j++) {
      const at = rowI + ((<usize>j) << 3);
      store<f64>(at, first * load<f64>(at));
    }
    for (let k = i + 1; k < n; k++) {
      const at = rowI + ((<usize>k) << 3);
      const below = h + <usize>k * line + ((<usize>k) << 3);
      const value = -load<f64>(at) / load<f64>(below);
      store<f64>(at, value);
      add_scaled(n - 1 - k, value, below + 8, at + 8);
    }
  }
  return 1;
}

/**
 * Rounds W to integers times a step for each row, column by column, each error fed into the columns to its right. Each value takes
 * the integer of least (error of the outputs) + lambda[r] * (bits of the integer) among the nearest, the next towards zero, and
 * zero; ties go to the first of these. Nearest is half to even, and within -levels..levels.
 *
 * - w: f64 [rows, cols]; overwritten
 * - u: f64 [cols, cols], what `inverse_factor_f64` gives
 * - step: f32 [rows], each > 0
 * - lambda: f64 [rows]
 * - bits: f64 [tables, 256], what the integer i costs in column c at [c % tables, i + 128]; not read where lambda is 0
 * - levels: at most 32767; at most 127 where some lambda is not 0
 * - q: int16 [rows, cols], written in full
 * - error: f64 [rows], written: the error e H e^T of each row
 */
export function quantize_feedback_f64(
  rows: i32, cols: i32, w: usize, u: usize, step: usize, lambda: usize, tables: i32, bits: usize, levels: i32,
  q: usize, error: usize,
): void {
  assert(((w | u | step | lambda | bits | error) & 3) == 0 && (q & 1) == 0);
  const line = (<usize>cols) << 3;
  const end = <f64>levels;
  for (let r = 0; r < rows; r++) {
    const size = <f64>load<f32>(step + ((<usize>r) << 2));
    const price = load<f64>(lambda + ((<usize>r) << 3));
    let total: f64 = 0;
    let table = 0;
    for (let c = 0; c < cols; c++) {
      const prices = bits + ((<usize>table) << 11);
      if (++table == tables) table = 0;
      const diagonal = u + <usize>c * (line + 8);
      const root = load<f64>(diagonal);
      const value = load<f64>(w);
      const x = value / size;
      const close = min(max(nearest<f64>(x), -end), end);
      let best = close;
      if (price > 0 && close != 0) {
        let least = cost(value - close * size, root, price, prices, close);
        const inner = close > 0 ? close - 1 : close + 1;
        const other = cost(value - inner * size, root, price, prices, inner);
        if (other < least) {
          least = other;
          best = inner;
        }
        if (cost(value, root, price, prices, 0) < least) best = 0;
      }
      store<i16>(q, <i16>best);
      q += 2;
      const off = (value - best * size) / root;
      total += off * off;
      w += 8;
      add_scaled(cols - 1 - c, -off, diagonal + 8, w);
    }
    store<f64>(error + ((<usize>r) << 3), total);
  }
}

// @ts-ignore: decorator
@inline
function cost(off: f64, root: f64, price: f64, bits: usize, integer: f64): f64 {
  const scaled = off / root;
  return scaled * scaled + price * load<f64>(bits + ((<usize>(<i32>integer + 128)) << 3));
}

/**
 * error[r] = e[r] H e[r]^T.
 *
 * - e: f64 [rows, cols], h: f64 [cols, cols]
 * - error: f64 [rows], written
 */
export function quadratic_rows_f64(rows: i32, cols: i32, e: usize, h: usize, error: usize): void {
  assert(((e | h | error) & 3) == 0);
  const line = (<usize>cols) << 3;
  for (let r = 0; r < rows; r++) {
    let total: f64 = 0;
    for (let c = 0; c < cols; c++) {
      const value = load<f64>(e + ((<usize>c) << 3));
      if (value != 0) total += value * dot(cols, e, h + <usize>c * line);
    }
    store<f64>(error, total);
    error += 8;
    e += line;
  }
}
