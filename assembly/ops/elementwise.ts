/** y = a + b. a, b: f32 [n]; y: f32 [n], written in full, may be a or b. */
export function add_f32(n: i32, a: usize, b: usize, y: usize): void {
  assert(n >= 0 && ((a | b | y) & 3) == 0);
  for (; n >= 4; n -= 4, a += 16, b += 16, y += 16) v128.store(y, f32x4.add(v128.load(a), v128.load(b)));
  for (; n > 0; n--, a += 4, b += 4, y += 4) store<f32>(y, load<f32>(a) + load<f32>(b));
}

/** y += x. x: f32 [n]; y: f32 [n], added into. */
export function add_into_f32(n: i32, x: usize, y: usize): void {
  add_f32(n, y, x, y);
}

/** y[r, :] += row. row: f32 [cols]; y: f32 [rows, cols], added into, apart from row. */
export function add_row_f32(rows: i32, cols: i32, row: usize, y: usize): void {
  assert(rows >= 0 && cols >= 0 && ((row | y) & 3) == 0);
  for (; rows > 0; rows--, y += <usize>cols << 2) add_f32(cols, y, row, y);
}

/**
 * y[r, :] = row: what a product that adds into its destination starts from.
 * row: f32 [cols], or 0 for zeros; y: f32 [rows, cols], written in full, apart from row.
 */
export function fill_row_f32(rows: i32, cols: i32, row: usize, y: usize): void {
  assert(rows >= 0 && cols >= 0 && ((row | y) & 3) == 0);
  const bytes = <usize>cols << 2;
  if (row == 0) {
    memory.fill(y, 0, <usize>rows * bytes);
    return;
  }
  for (; rows > 0; rows--, y += bytes) memory.copy(y, row, bytes);
}

/**
 * y = c + a b. a, b: f32 [n]; c: f32 [n], or 0 for zeros; y: f32 [n], written in full, may be any of them.
 */
export function multiply_add_f32(n: i32, a: usize, b: usize, c: usize, y: usize): void {
  assert(n >= 0 && ((a | b | c | y) & 3) == 0);
  const step: usize = c ? 4 : 0;
  if (!c) c = zeros;
  for (; n >= 4; n -= 4, a += 16, b += 16, c += step << 2, y += 16) {
    v128.store(y, f32x4.add(v128.load(c), f32x4.mul(v128.load(a), v128.load(b))));
  }
  for (; n > 0; n--, a += 4, b += 4, c += step, y += 4) store<f32>(y, load<f32>(c) + load<f32>(a) * load<f32>(b));
}

const zeros = memory.data(16);

/** y = a + z (b - a). z, a, b: f32 [n]; y: f32 [n], written in full, may be any of them. */
export function blend_f32(n: i32, z: usize, a: usize, b: usize, y: usize): void {
  assert(n >= 0 && ((z | a | b | y) & 3) == 0);
  for (; n >= 4; n -= 4, z += 16, a += 16, b += 16, y += 16) {
    const from = v128.load(a);
    v128.store(y, f32x4.add(from, f32x4.mul(v128.load(z), f32x4.sub(v128.load(b), from))));
  }
  for (; n > 0; n--, z += 4, a += 4, b += 4, y += 4) {
    const from = load<f32>(a);
    store<f32>(y, from + load<f32>(z) * (load<f32>(b) - from));
  }
}
