import { store_columns } from "../simd";
import { MR, NR } from "./tile";

/**
 * A block of A as panels of five rows, [k][5]; the last panel has the height that is left.
 * src: f32, element (i, p) at i rowStride + p colStride elements; out: f32, m k elements, written in full.
 */
export function pack_rows(m: i32, k: i32, rowStride: i32, colStride: i32, src: usize, out: usize): void {
  const row = <usize>rowStride << 2;
  const col = <usize>colStride << 2;
  for (; m > 0; m -= MR) {
    const height = min(m, MR);
    if (colStride == 1 && height >= 4) pack_rows_contiguous(height, k, row, src, out);
    else if (rowStride == 1 && height >= 4) pack_columns_contiguous(height, k, col, src, out);
    else {
      const end = row * <usize>height;
      let to = out;
      for (let p = 0, from = src; p < k; p++, from += col) {
        for (let at: usize = 0; at < end; at += row, to += 4) store<f32>(to, load<f32>(from + at));
      }
    }
    src += row * MR;
    out += <usize>(height * k) << 2;
  }
}

/** Four or five rows, each contiguous: 4 x 4 tiles turned in registers. */
function pack_rows_contiguous(height: i32, k: i32, row: usize, src: usize, out: usize): void {
  const step = <usize>height << 2;
  let p0 = src, p1 = p0 + row, p2 = p1 + row, p3 = p2 + row, p4 = p3 + row;
  for (; k >= 4; k -= 4) {
    store_columns(out, step, v128.load(p0), v128.load(p1), v128.load(p2), v128.load(p3));
    if (height == 5) {
      store<f32>(out, load<f32>(p4), 16);
      store<f32>(out, load<f32>(p4, 4), 36);
      store<f32>(out, load<f32>(p4, 8), 56);
      store<f32>(out, load<f32>(p4, 12), 76);
    }
    p0 += 16; p1 += 16; p2 += 16; p3 += 16; p4 += 16;
    out += step << 2;
  }
  for (; k > 0; k--) {
    store<f32>(out, load<f32>(p0));
    store<f32>(out, load<f32>(p1), 4);
    store<f32>(out, load<f32>(p2), 8);
    store<f32>(out, load<f32>(p3), 12);
    if (height == 5) store<f32>(out, load<f32>(p4), 16);
    p0 += 4; p1 += 4; p2 += 4; p3 += 4; p4 += 4;
    out += step;
  }
}

/** Four or five rows whose columns are contiguous: A is stored transposed. */
function pack_columns_contiguous(height: i32, k: i32, col: usize, src: usize, out: usize): void {
  if (height == 5) {
    for (; k > 0; k--) {
      v128.store(out, v128.load(src));
      store<f32>(out, load<f32>(src, 16), 16);
      src += col;
      out += 20;
    }
  } else {
    for (; k > 0; k--) {
      v128.store(out, v128.load(src));
      src += col;
      out += 16;
    }
  }
}

/**
 * A block of B as panels of eight columns, [k][8], the last padded with zeros.
 * src: f32, element (p, j) at p rowStride + j colStride elements; out: f32, k ceil(n / 8) 8 elements, written in full.
 */
export function pack_columns(k: i32, n: i32, rowStride: i32, colStride: i32, src: usize, out: usize): void {
  const row = <usize>rowStride << 2;
  const col = <usize>colStride << 2;
  for (; n > 0; n -= NR) {
    if (n >= NR && colStride == 1) {
      for (let p = 0, from = src; p < k; p++, from += row, out += 32) {
        v128.store(out, v128.load(from));
        v128.store(out, v128.load(from, 16), 16);
      }
    } else if (n >= NR && rowStride == 1) {
      pack_eight_rows(k, col, src, out);
      out += <usize>k << 5;
    } else {
      const width = min(n, NR);
      for (let p = 0, from = src; p < k; p++, from += row, out += 32) {
        v128.store(out, f32x4.splat(0));
        v128.store(out, f32x4.splat(0), 16);
        for (let j = 0, at = from; j < width; j++, at += col) store<f32>(out + (<usize>j << 2), load<f32>(at));
      }
    }
    src += col << 3;
  }
}

/** Eight columns of B, each contiguous (B is stored transposed), as one panel. */
function pack_eight_rows(k: i32, col: usize, src: usize, out: usize): void {
  const half = col << 2;
  let p0 = src, p1 = p0 + col, p2 = p1 + col, p3 = p2 + col;
  for (; k >= 4; k -= 4) {
    store_columns(out, 32, v128.load(p0), v128.load(p1), v128.load(p2), v128.load(p3));
    store_columns(out + 16, 32, v128.load(p0 + half), v128.load(p1 + half), v128.load(p2 + half), v128.load(p3 + half));
    p0 += 16; p1 += 16; p2 += 16; p3 += 16;
    out += 128;
  }
  for (; k > 0; k--, out += 32) {
    store<f32>(out, load<f32>(p0));
    store<f32>(out, load<f32>(p1), 4);
    store<f32>(out, load<f32>(p2), 8);
    store<f32>(out, load<f32>(p3), 12);
    store<f32>(out, load<f32>(p0 + half), 16);
    store<f32>(out, load<f32>(p1 + half), 20);
    store<f32>(out, load<f32>(p2 + half), 24);
    store<f32>(out, load<f32>(p3 + half), 28);
    p0 += 4; p1 += 4; p2 += 4; p3 += 4;
  }
}
