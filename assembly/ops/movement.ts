import { store_columns } from "../simd";

/** y = x. x: u8 [n]; y: u8 [n], written in full, may overlap x. */
export function copy_bytes(n: usize, x: usize, y: usize): void {
  memory.copy(y, x, n);
}

/** y = x^T. x: f32 [rows, cols]; y: f32 [cols, rows], written in full, apart from x. */
export function transpose_f32(rows: i32, cols: i32, x: usize, y: usize): void {
  assert(rows >= 0 && cols >= 0 && ((x | y) & 3) == 0);
  const from = <usize>cols << 2;
  const to = <usize>rows << 2;
  // Sixteen rows at a time: the writes to one row of y fill a cache line before it is left.
  for (let i = 0; i < rows; i += 16) {
    const height = min(16, rows - i);
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
    x += from << 4;
    y += 64;
  }
}
