import { store_columns } from "../simd";

/** y = x. x: u8 [n]; y: u8 [n], written in full, may overlap x. */
export function copy_bytes(n: usize, x: usize, y: usize): void {
  memory.copy(y, x, n);
}

/** The same for runs that do not overlap. */
export function copy_run(n: usize, x: usize, y: usize): void {
  if (n > longest) {
    memory.copy(y, x, n);
    return;
  }
  for (; n >= 16; n -= 16, x += 16, y += 16) v128.store(y, v128.load(x));
  if (n & 8) {
    store<u64>(y, load<u64>(x));
    x += 8;
    y += 8;
  }
  if (n & 4) {
    store<u32>(y, load<u32>(x));
    x += 4;
    y += 4;
  }
  if (n & 2) {
    store<u16>(y, load<u16>(x));
    x += 2;
    y += 2;
  }
  if (n & 1) store<u8>(y, load<u8>(x));
}

/** Longer runs go to memory.copy, whose call costs more than it saves before (measured: even at 112 bytes on Node 20, 192 on 26). */
const longest: usize = 128;

/** y = x^T. x: f32 [rows, cols]; y: f32 [cols, rows], written in full, apart from x. */
export function transpose_f32(rows: i32, cols: i32, x: usize, y: usize): void {
  assert(rows >= 0 && cols >= 0 && ((x | y) & 3) == 0);
  turn(rows, cols, <usize>cols << 2, <usize>rows << 2, x, y);
}

/** The same of rows that lie `from` bytes apart, to rows `to` bytes apart. */
function turn(rows: i32, cols: i32, from: usize, to: usize, x: usize, y: usize): void {
  // Sixteen rows at a time: the writes to one row of y fill a cache line before it is left. Of narrow ones 64: rows of y that
  // lie a power of two apart compete for few places in the caches, and four lines of each are then written at once (measured:
  // 1024 x 28 takes 0.08 instead of 0.50 ns an element).
  const most = cols <= 32 ? 64 : 16;
  for (let i = 0; i < rows; i += most) {
    const height = min(most, rows - i);
    const body = height & ~3;
    let j = 0;
    for (; j + 4 <= cols; j += 4) {
      let px = x + (<usize>j << 2);
      let py = y + <usize>j * to;
      for (let k = 0; k < body; k += 4, px += from << 2, py += 16) {
        const p2 = px + (from << 1);
        store_columns(py, to, v128.load(px), v128.load(px + from), v128.load(p2), v128.load(p2 + from));
      }
      for (let k = body; k < height; k++, px += from, py += 4) {
        store<f32>(py, load<f32>(px));
        store<f32>(py + to, load<f32>(px, 4));
        store<f32>(py + 2 * to, load<f32>(px, 8));
        store<f32>(py + 3 * to, load<f32>(px, 12));
      }
    }
    for (; j < cols; j++) {
      let px = x + (<usize>j << 2);
      let py = y + <usize>j * to;
      for (let k = 0; k < height; k++, px += from, py += 4) store<f32>(py, load<f32>(px));
    }
    x += from * most;
    y += <usize>most << 2;
  }
}

/**
 * y[i, j, k] = x[i, j, k] for elements of so many bits, whatever they mean: i < n0, j < n1, k < n2. Element (i, j, k) stands
 * i x0 + j x1 + k x2 bytes after x, and likewise in y; steps may be 0 in x and negative in both.
 * x, y: aligned to the element; what is written is apart from what is read.
 */
export function move_x8(
  n0: i32, n1: i32, n2: i32, x0: isize, x1: isize, x2: isize, y0: isize, y1: isize, y2: isize, x: usize, y: usize,
): void {
  if (x2 == 1 && y2 == 1) {
    for (; n0 > 0; n0--, x += x0, y += y0) {
      let px = x, py = y;
      for (let i = n1; i > 0; i--, px += x1, py += y1) copy_run(n2, px, py);
    }
  } else move<u8>(n0, n1, n2, x0, x1, x2, y0, y1, y2, x, y);
}

export function move_x16(
  n0: i32, n1: i32, n2: i32, x0: isize, x1: isize, x2: isize, y0: isize, y1: isize, y2: isize, x: usize, y: usize,
): void {
  move<u16>(n0, n1, n2, x0, x1, x2, y0, y1, y2, x, y);
}

export function move_x32(
  n0: i32, n1: i32, n2: i32, x0: isize, x1: isize, x2: isize, y0: isize, y1: isize, y2: isize, x: usize, y: usize,
): void {
  if (x1 == 4 && y2 == 4) {
    for (; n0 > 0; n0--, x += x0, y += y0) turn(n2, n1, x2, y1, x, y);
  } else move<u32>(n0, n1, n2, x0, x1, x2, y0, y1, y2, x, y);
}

export function move_x64(
  n0: i32, n1: i32, n2: i32, x0: isize, x1: isize, x2: isize, y0: isize, y1: isize, y2: isize, x: usize, y: usize,
): void {
  move<u64>(n0, n1, n2, x0, x1, x2, y0, y1, y2, x, y);
}

// @ts-ignore: decorator
@inline
function move<T>(
  n0: i32, n1: i32, n2: i32, x0: isize, x1: isize, x2: isize, y0: isize, y1: isize, y2: isize, x: usize, y: usize,
): void {
  const lanes = 16 / <i32>sizeof<T>();
  const repeats = x2 == 0 && y2 == <isize>sizeof<T>();
  for (; n0 > 0; n0--, x += x0, y += y0) {
    let px = x, py = y;
    for (let i = n1; i > 0; i--, px += x1, py += y1) {
      let qx = px, qy = py;
      let k = n2;
      if (repeats && k >= lanes) {
        const v = v128.splat<T>(load<T>(px));
        for (; k >= lanes; k -= lanes, qy += 16) v128.store(qy, v);
      }
      for (; k > 0; k--, qx += x2, qy += y2) store<T>(qy, load<T>(qx));
    }
  }
}

/** y[i, j, k] += x[i, j, k], steps in bytes as above; several (i, j, k) may mean one element of y. */
export function accumulate_f32(
  n0: i32, n1: i32, n2: i32, x0: isize, x1: isize, x2: isize, y0: isize, y1: isize, y2: isize, x: usize, y: usize,
): void {
  for (; n0 > 0; n0--, x += x0, y += y0) {
    let px = x, py = y;
    for (let i = n1; i > 0; i--, px += x1, py += y1) {
      let qx = px, qy = py;
      for (let k = n2; k > 0; k--, qx += x2, qy += y2) store<f32>(qy, load<f32>(qy) + load<f32>(qx));
    }
  }
}

/** y[i, j, k] = x + i x0 + j x1 + k x2, u32: where the elements of a tensor stand. Steps of y in bytes. */
export function lattice_x32(
  n0: i32, n1: i32, n2: i32, x0: isize, x1: isize, x2: isize, y0: isize, y1: isize, y2: isize, x: usize, y: usize,
): void {
  for (; n0 > 0; n0--, x += x0, y += y0) {
    let px = x, py = y;
    for (let i = n1; i > 0; i--, px += x1, py += y1) {
      let qx = px, qy = py;
      for (let k = n2; k > 0; k--, qx += x2, qy += y2) store<u32>(qy, <u32>qx);
    }
  }
}
