import { load_head, madd, store_head } from "../simd";

/**
 * y = x scale[c] + shift[c]: what is left of BatchNormalization at inference.
 * x: f32 [n, c, plane]; scale, shift: f32 [c]; y: f32 [n, c, plane], written in full, may be x.
 */
export function scale_shift_f32(n: i32, c: i32, plane: i32, x: usize, scale: usize, shift: usize, y: usize): void {
  assert(n >= 0 && c >= 0 && plane >= 0 && ((x | scale | shift | y) & 3) == 0);
  const bytes = <usize>(plane == 1 ? c : plane) << 2;
  const body = bytes & ~15;
  const tail = <i32>((bytes & 15) >> 2);
  for (; n > 0; n--) {
    if (plane == 1) {
      for (let i: usize = 0; i < body; i += 16) {
        v128.store(y + i, madd(v128.load(shift + i), v128.load(x + i), v128.load(scale + i)));
      }
      if (tail) {
        const by = load_head(scale + body, tail, 0);
        const v = madd(load_head(shift + body, tail, 0), load_head(x + body, tail, 0), by);
        store_head(y + body, v, tail);
      }
      x += bytes;
      y += bytes;
      continue;
    }
    for (let j: usize = 0, end = <usize>c << 2; j < end; j += 4, x += bytes, y += bytes) {
      const by = v128.load32_splat(scale + j);
      const to = v128.load32_splat(shift + j);
      for (let i: usize = 0; i < body; i += 16) v128.store(y + i, madd(to, v128.load(x + i), by));
      if (tail) store_head(y + body, madd(to, load_head(x + body, tail, 0), by), tail);
    }
  }
}
