/**
 * y[r, c] = condition[r, c] ? a[r, c] : b[r, c]. condition: u8, others: elements of 32 bits, each the next row so many bytes further (0: the same one),
 * along a row one after the other, or a single one where Col is 0; y: [rows, cols], written in full, apart from the rest. scratch: 48 bytes, 16-byte aligned.
 */
export function where_x32(
  rows: i32, cols: i32, condition: usize, conditionRow: usize, conditionCol: i32, a: usize, aRow: usize, aCol: i32, b: usize,
  bRow: usize, bCol: i32, y: usize, scratch: usize,
): void {
  assert(rows >= 0 && cols >= 0 && ((a | b | y) & 3) == 0 && (scratch & 15) == 0);
  const step: usize = conditionCol ? 4 : 0;
  const aStep: usize = aCol ? 16 : 0;
  const bStep: usize = bCol ? 16 : 0;
  for (; rows > 0; rows--, condition += conditionRow, a += aRow, b += bRow) {
    let c = condition, l = a, r = b;
    if (!conditionCol) v128.store((c = scratch), v128.load8_splat(condition));
    if (!aCol) v128.store((l = scratch + 16), v128.load32_splat(a));
    if (!bCol) v128.store((r = scratch + 32), v128.load32_splat(b));
    let n = cols;
    for (; n >= 4; n -= 4, c += step, l += aStep, r += bStep, y += 16) {
      const words = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(c)));
      v128.store(y, v128.bitselect(v128.load(l), v128.load(r), i32x4.ne(words, i32x4.splat(0))));
    }
    for (; n > 0; n--, c += step >> 2, l += aStep >> 2, r += bStep >> 2, y += 4) store<u32>(y, load<u32>(load<u8>(c) ? l : r));
  }
}
