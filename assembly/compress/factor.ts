/**
 * Inner loops of a decomposition X ~ C Z, with X^T [n, d] and Z^T [n, k] row by row: what the products of whole matrices leave over.
 *
 * A. Kuzmin et al., "Quantized sparse weight decomposition for neural network compression", 2022. M. van Baalen et al., "GPTVQ: the
 * blessing of dimensionality for LLM quantization", 2024.
 */
import { add_scaled, dot } from "./feedback";

// The least pivot against its diagonal element, and for zeros: rows that depend on others get next to nothing.
const RELATIVE: f64 = 1e-12;
const LEAST: f64 = 1e-300;

/**
 * Solves A x = b for a symmetric positive definite A (A.-L. Cholesky's factor, A = L L^T).
 *
 * - a: f64 [n, n]; its lower half is overwritten by L
 * - b: f64 [n, count]; overwritten by x
 */
export function cholesky_solve_f64(n: i32, a: usize, count: i32, b: usize): void {
  assert(((a | b) & 3) == 0);
  const line = (<usize>n) << 3;
  const wide = (<usize>count) << 3;
  for (let i = 0; i < n; i++) {
    const rowI = a + <usize>i * line;
    for (let j = 0; j < i; j++) {
      const at = rowI + ((<usize>j) << 3);
      const rowJ = a + <usize>j * line;
      store<f64>(at, (load<f64>(at) - dot(j, rowI, rowJ)) / load<f64>(rowJ + ((<usize>j) << 3)));
    }
    const at = rowI + ((<usize>i) << 3);
    const own = load<f64>(at);
    store<f64>(at, Math.sqrt(max<f64>(own - dot(i, rowI, rowI), max<f64>(RELATIVE * own, LEAST))));
  }
  for (let i = 0; i < n; i++) {
    const rowI = a + <usize>i * line;
    const bI = b + <usize>i * wide;
    for (let j = 0; j < i; j++) add_scaled(count, -load<f64>(rowI + ((<usize>j) << 3)), b + <usize>j * wide, bI);
    divide(count, bI, load<f64>(rowI + ((<usize>i) << 3)));
  }
  for (let i = n - 1; i >= 0; i--) {
    const bI = b + <usize>i * wide;
    for (let j = i + 1; j < n; j++) {
      add_scaled(count, -load<f64>(a + <usize>j * line + ((<usize>i) << 3)), b + <usize>j * wide, bI);
    }
    divide(count, bI, load<f64>(a + <usize>i * (line + 8)));
  }
}

// @ts-ignore: decorator
@inline
function divide(n: i32, x: usize, by: f64): void {
  for (let i = 0; i < n; i++, x += 8) store<f64>(x, load<f64>(x) / by);
}

/**
 * Least squares on the support of each row of Z^T: those of its coefficients that are not zero become what makes |x - C z| least.
 *
 * - gram: f64 [k, k], C^T C, to whose diagonal 1e-9 of itself is added
 * - match: f64 [n, k], X^T C
 * - z: f64 [n, k]; changed on its support
 * - scratch: 8 k^2 + 12 k bytes
 */
export function support_solve_f64(n: i32, k: i32, gram: usize, match: usize, z: usize, scratch: usize): void {
  assert(((gram | match | z | scratch) & 3) == 0);
  const right = scratch + (<usize>k * <usize>k << 3);
  const used = right + ((<usize>k) << 3);
  const line = (<usize>k) << 3;
  for (let j = 0; j < n; j++, z += line, match += line) {
    let size = 0;
    for (let a = 0; a < k; a++) {
      if (load<f64>(z + ((<usize>a) << 3)) == 0) continue;
      store<i32>(used + ((<usize>size) << 2), a);
      store<f64>(right + ((<usize>size) << 3), load<f64>(match + ((<usize>a) << 3)));
      size++;
    }
    for (let p = 0; p < size; p++) {
      const row = gram + <usize>load<i32>(used + ((<usize>p) << 2)) * line;
      const to = scratch + (<usize>(p * size) << 3);
      for (let q = 0; q <= p; q++) {
        store<f64>(to + ((<usize>q) << 3), load<f64>(row + ((<usize>load<i32>(used + ((<usize>q) << 2))) << 3)));
      }
      const diagonal = to + ((<usize>p) << 3);
      store<f64>(diagonal, load<f64>(diagonal) * (1 + 1e-9));
    }
    cholesky_solve_f64(size, scratch, 1, right);
    for (let p = 0; p < size; p++) {
      store<f64>(z + ((<usize>load<i32>(used + ((<usize>p) << 2))) << 3), load<f64>(right + ((<usize>p) << 3)));
    }
  }
}

/**
 * For each row of X^T the atom c of least sum over i of weight[i] (x[i] - c[i])^2, the first of equals.
 *
 * - x: f64 [n, d], weight: f64 [n, d], c: f64 [k, d]
 * - index: u32 [n], written
 */
export function nearest_atoms_f64(n: i32, d: i32, k: i32, x: usize, weight: usize, c: usize, index: usize): void {
  assert(((x | weight | c | index) & 3) == 0);
  const line = (<usize>d) << 3;
  for (let j = 0; j < n; j++, x += line, weight += line) {
    let best = 0;
    let least = f64.MAX_VALUE;
    let atom = c;
    for (let a = 0; a < k; a++) {
      let sum: f64 = 0;
      for (let i: usize = 0; i < line; i += 8, atom += 8) {
        const off = load<f64>(x + i) - load<f64>(atom);
        sum += load<f64>(weight + i) * off * off;
      }
      if (sum < least) {
        least = sum;
        best = a;
      }
    }
    store<u32>(index + ((<usize>j) << 2), best);
  }
}

/**
 * The same where the error is that of what the layer makes, and flows into the columns after it: row by row of W, each piece of d
 * columns becomes the atom after which the columns to its right can answer best. U is what `inverse_factor_f64` gives.
 *
 * - w: f64 [rows, cols], cols a multiple of d; overwritten
 * - u: f64 [cols, cols], c: f64 [k, d]
 * - index: u32 [rows, cols / d], written
 * - scratch: 8 * (d * d + k * d + d) bytes
 */
export function nearest_feedback_f64(
  rows: i32, cols: i32, d: i32, k: i32, w: usize, u: usize, c: usize, index: usize, scratch: usize,
): void {
  assert(((w | u | c | index | scratch) & 3) == 0);
  const line = (<usize>cols) << 3;
  const short = (<usize>d) << 3;
  const inverse = scratch;
  const atoms = inverse + <usize>d * short;
  const off = atoms + <usize>k * short;
  const pieces = cols / d;
  for (let piece = 0; piece < pieces; piece++) {
    const first = piece * d;
    const block = u + <usize>first * (line + 8);
    invert_upper(d, block, line, inverse);
    for (let a = 0; a < k; a++) times_upper(d, c + <usize>a * short, inverse, atoms + <usize>a * short);
    const rest = cols - first - d;
    for (let r = 0; r < rows; r++) {
      const at = w + <usize>r * line + ((<usize>first) << 3);
      times_upper(d, at, inverse, off);
      let best = 0;
      let least = f64.MAX_VALUE;
      let atom = atoms;
      for (let a = 0; a < k; a++) {
        let sum: f64 = 0;
        for (let i: usize = 0; i < short; i += 8, atom += 8) {
          const part = load<f64>(off + i) - load<f64>(atom);
          sum += part * part;
        }
        if (sum < least) {
          least = sum;
          best = a;
        }
      }
      store<u32>(index + ((<usize>(r * pieces + piece)) << 2), best);
      const chosen = atoms + <usize>best * short;
      for (let i = 0; i < d; i++) {
        const here = (<usize>i) << 3;
        const error = load<f64>(off + here) - load<f64>(chosen + here);
        add_scaled(rest, -error, block + <usize>i * line + short, at + short);
      }
    }
  }
}

/** The inverse, [n, n], of the upper triangle at u whose rows are `line` bytes apart; what is below is not written. */
function invert_upper(n: i32, u: usize, line: usize, inverse: usize): void {
  for (let i = 0; i < n; i++) {
    const row = inverse + ((<usize>(i * n)) << 3);
    store<f64>(row + ((<usize>i) << 3), 1 / load<f64>(u + <usize>i * (line + 8)));
    for (let j = i + 1; j < n; j++) {
      const column = u + ((<usize>j) << 3);
      let sum: f64 = 0;
      for (let l = i; l < j; l++) sum += load<f64>(row + ((<usize>l) << 3)) * load<f64>(column + <usize>l * line);
      store<f64>(row + ((<usize>j) << 3), -sum / load<f64>(column + <usize>j * line));
    }
  }
}

/** y = x T for an upper triangle T [n, n]. */
function times_upper(n: i32, x: usize, t: usize, y: usize): void {
  for (let j = 0; j < n; j++) {
    let sum: f64 = 0;
    for (let i = 0; i <= j; i++) {
      sum += load<f64>(x + ((<usize>i) << 3)) * load<f64>(t + ((<usize>(i * n + j)) << 3));
    }
    store<f64>(y + ((<usize>j) << 3), sum);
  }
}

/**
 * Coordinate descent on integer coefficients: each in turn takes the integer that is nearest, half to even, to what makes |x - C z|
 * least given the others, z = scale * q.
 *
 * - gram: f64 [k, k], C^T C; match: f64 [n, k], X^T C; scale: f64 [k]
 * - support: u8 [n, k]: where it is 0 the coefficient stays as it is
 * - q: int8 [n, k], changed, within -levels..levels
 */
export function reround_rows_f64(
  n: i32, k: i32, gram: usize, match: usize, scale: usize, support: usize, levels: i32, sweeps: i32, q: usize,
): void {
  assert(((gram | match | scale) & 3) == 0);
  const line = (<usize>k) << 3;
  for (let j = 0; j < n; j++, match += line, support += k, q += k) {
    for (let sweep = 0; sweep < sweeps; sweep++) {
      for (let a = 0; a < k; a++) {
        const row = gram + <usize>a * line;
        const own = load<f64>(row + ((<usize>a) << 3));
        if (load<u8>(support + a) == 0 || own == 0) continue;
        let rest = load<f64>(match + ((<usize>a) << 3));
        for (let b = 0; b < k; b++) {
          const code = load<i8>(q + b);
          if (code == 0 || b == a) continue;
          const at = (<usize>b) << 3;
          rest -= load<f64>(row + at) * (<f64>code * load<f64>(scale + at));
        }
        store<i8>(q + a, on_grid(rest / own / load<f64>(scale + ((<usize>a) << 3)), levels));
      }
    }
  }
}

/**
 * The same where errors are those of what the layer makes: sum over the rows r of W of e[r] H e[r]^T, H being that of the row's
 * group, the first rows / groups rows being the first group and so on. Columns of X may cross rows and groups; what of them is
 * beyond the end of W does not count.
 *
 * - rows, cols: of W, rows a multiple of groups; d, n, k: length and number of the columns of X, number of atoms
 * - down: 0: column j of X is the values from j * d on, row after row; 1: it is column j % cols of W in the rows from j / cols * d on
 * - e: f64 [rows, cols], W less what the coefficients make at first
 * - h: f64 [groups, cols, cols], symmetric
 * - book: f64 [k, d], scale: f64 [k]
 * - support: u8 [n, k]: where it is 0 the coefficient stays as it is
 * - q: int8 [n, k], changed, within -levels..levels
 * - scratch: 8 * rows * cols + 20 * d bytes, must not overlap the rest
 */
export function reround_columns_f64(
  rows: i32, cols: i32, groups: i32, d: i32, n: i32, k: i32, down: i32, e: usize, h: usize, book: usize, scale: usize,
  support: usize, levels: i32, sweeps: i32, q: usize, scratch: usize,
): void {
  assert(((e | h | book | scale | scratch) & 3) == 0);
  const line = (<usize>cols) << 3;
  const square = <usize>cols * line;
  const own = rows / groups;
  // E H, kept up to date.
  memory.fill(scratch, 0, <usize>rows * line);
  for (let r = 0; r < rows; r++) {
    const gram = h + <usize>(r / own) * square;
    for (let c = 0; c < cols; c++, e += 8) {
      const value = load<f64>(e);
      if (value != 0) add_scaled(cols, value, gram + <usize>c * line, scratch + <usize>r * line);
    }
  }
  const runs = scratch + <usize>rows * line;
  const atom = (<usize>d) << 3;
  for (let sweep = 0; sweep < sweeps; sweep++) {
    let at: usize = 0;
    for (let j = 0; j < n; j++) {
      const end = down ? runs_down(j, d, rows, cols, runs) : runs_along(j, d, rows, cols, runs);
      for (let run = runs; run < end; run += RUN) {
        const r = load<i32>(run);
        const c = load<i32>(run, 4);
        store<usize>(run, scratch + <usize>r * line + ((<usize>c) << 3));
        store<usize>(run, h + <usize>(r / own) * square + <usize>c * (line + 8), 16);
      }
      for (let a = 0; a < k; a++, at++) {
        if (load<u8>(support + at) == 0) continue;
        const shape = book + <usize>a * atom;
        let gain: f64 = 0;
        let curve: f64 = 0;
        for (let run = runs; run < end; run += RUN) {
          const size = load<i32>(run, 8);
          const part = shape + load<usize>(run, 12);
          const gram = load<usize>(run, 16);
          gain += dot(size, load<usize>(run), part);
          for (let l = 0; l < size; l++) {
            curve += load<f64>(part + ((<usize>l) << 3)) * dot(size, gram + <usize>l * line, part);
          }
        }
        if (!(curve > 0)) continue;
        const size = load<f64>(scale + ((<usize>a) << 3));
        const before = load<i8>(q + at);
        const after = on_grid(<f64>before + gain / curve / size, levels);
        if (after == before) continue;
        store<i8>(q + at, after);
        const moved = (<f64>before - <f64>after) * size;
        for (let run = runs; run < end; run += RUN) {
          const first = load<usize>(run, 4) << 3;
          const part = shape + load<usize>(run, 12);
          for (let l = 0; l < load<i32>(run, 8); l++) {
            const value = load<f64>(part + ((<usize>l) << 3));
            if (value == 0) continue;
            add_scaled(cols, moved * value, load<usize>(run, 16) - first + <usize>l * line, load<usize>(run) - first);
          }
        }
      }
    }
  }
}

/** Bytes of a run, a part of a column of X that lies in one row of W: row, column, length, offset in an atom, room for an address. */
const RUN: usize = 20;

function add_run(run: usize, r: i32, c: i32, size: i32, offset: i32): usize {
  store<i32>(run, r);
  store<i32>(run, c, 4);
  store<i32>(run, size, 8);
  store<usize>(run, (<usize>offset) << 3, 12);
  return run + RUN;
}

/** The runs of column j where columns follow the rows of W; returns their end. */
function runs_along(j: i32, d: i32, rows: i32, cols: i32, run: usize): usize {
  const first = j * d;
  const end = min(first + d, rows * cols);
  for (let at = first; at < end; ) {
    const c = at % cols;
    const size = min(cols - c, end - at);
    run = add_run(run, at / cols, c, size, at - first);
    at += size;
  }
  return run;
}

/** The same where columns stand across the rows of W. */
function runs_down(j: i32, d: i32, rows: i32, cols: i32, run: usize): usize {
  const first = (j / cols) * d;
  const size = min(d, rows - first);
  for (let i = 0; i < size; i++) run = add_run(run, first + i, j % cols, 1, i);
  return run;
}

// @ts-ignore: decorator
@inline
function on_grid(x: f64, levels: i32): i8 {
  const end = <f64>levels;
  return <i8>min(max(nearest<f64>(x), -end), end);
}
