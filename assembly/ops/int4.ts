/**
 * Products with int4 weights: a nibble each, -8..7, with a scale for each group of `group` successive weights of a
 * column.
 *
 * y[i, j] = aScale[i] * sum over groups g of (f32(sum over p in g of A[i, p] B[p, j]) * scale[j, g]) + bias[j]: the
 * inner sums are exact in s32, the outer one is rounded to f32 after each operation, groups rising. Every build gives
 * the same bits, for any number of rows.
 *
 * Panels of B[k, n]: for each 16 columns, for each group: scale f32 [16], then [group / 2] vectors of eight i16. Lane l
 * of vector p holds in nibble t, counted from the lowest, the weight (2 p + (l & 1), 4 t + (l >> 1)): plus 8 for t < 3,
 * in two's complement for t = 3. So a mask alone makes i16 pairs 16^t times too large, and no nibble is ever shifted.
 */
import { dot, pack_pairs } from "./int8-tile";

/** Columns of a panel. */
const NQ: i32 = 16;
/** The masks of the four nibbles. Loaded and not written as constants, which V8 of Node 26 makes anew in every turn. */
const masks = memory.data<u32>([0x000f000f, 0x00f000f0, 0x0f000f00, 0xf000f000]);

// @ts-ignore: decorator
@inline
function groups_of(k: i32, group: i32): i32 {
  return (k + group - 1) / group;
}

/** Bytes of a group of a panel: scales and codes. */
// @ts-ignore: decorator
@inline
function group_bytes(group: i32): usize {
  return 64 + (<usize>group << 3);
}

/** Bytes of the panels of B[k, n]. */
export function gemm_panels_i4_bytes(k: i32, n: i32, group: i32): f64 {
  return <f64>((n + (NQ - 1)) / NQ) * <f64>groups_of(k, group) * <f64>group_bytes(group);
}

/**
 * Packs B once for many products.
 * b: int8 [n, k] (a column of B is a row here), each -8..7; scale: f32, of column j and group g at j rowStride + g
 * groupStride elements (a scale per row: 1 and 0); panels: gemm_panels_i4_bytes, written in full, apart from the rest;
 * group: even, 2..256.
 */
export function gemm_pack_i4(
  k: i32, n: i32, group: i32, b: usize, scale: usize, panels: usize, rowStride: i32, groupStride: i32,
): void {
  assert(k >= 0 && n >= 0 && group >= 2 && group <= 256 && (group & 1) == 0 && ((scale | panels) & 3) == 0);
  for (let j = 0; j < n; j += NQ) {
    for (let p = 0, g = 0; p < k; p += group, g++, panels += group_bytes(group)) {
      memory.fill(panels, 0, group_bytes(group));
      for (let c = 0; c < min(n - j, NQ); c++) {
        const at = <usize>(j + c) * <usize>rowStride + <usize>g * <usize>groupStride;
        store<f32>(panels + (<usize>c << 2), load<f32>(scale + (at << 2)));
        const row = b + <usize>(j + c) * <usize>k;
        const shift = c & ~3;
        const flip = c < 12 ? 8 : 0;
        for (let q = p; q < min(k, p + group); q++) {
          // A nibble plus 8 is that nibble with its sign turned.
          const nibble = ((<i32>load<i8>(row + <usize>q) & 15) ^ flip) << shift;
          const to = panels + 64 + (<usize>((q - p) >> 1) << 4) + <usize>(((c & 3) << 2) + ((q & 1) << 1));
          store<u16>(to, <u16>(<i32>load<u16>(to) | nibble));
        }
      }
    }
  }
}

/** Bytes of scratch of gemm_i4. */
export function gemm_scratch_i4_bytes(k: i32, group: i32): f64 {
  return <f64>groups_of(k, group) * <f64>(2 * group + 4) + 64;
}

/**
 * a: int8 [m, k]; aScale: f32 [m]; panels: gemm_pack_i4 of B[k, n]; bias: f32 [n], or 0 for none; y: f32 [m, n],
 * written in full, apart from the rest; scratch: gemm_scratch_i4_bytes; group: as packed.
 */
export function gemm_i4(
  m: i32, n: i32, k: i32, group: i32, a: usize, aScale: usize, panels: usize, bias: usize, y: usize, scratch: usize,
): void {
  assert(m >= 0 && n >= 0 && k >= 0 && group >= 2 && group <= 256 && (group & 1) == 0);
  assert(((aScale | bias | y | scratch) & 3) == 0);
  const groups = groups_of(k, group);
  const x = scratch + 64;
  const sums = x + <usize>(groups * group) * 2;
  memory.fill(x, 0, sums - x);
  for (; m > 0; m--, a += <usize>k, aScale += 4) {
    pack_pairs(1, k, a, x, 128, 128);
    offsets(groups, group, x, sums);
    const s = v128.load32_splat(aScale);
    let panel = panels;
    for (let j = 0; j < n; j += NQ, panel += <usize>groups * group_bytes(group)) {
      const width = min(n - j, NQ);
      const out = width == NQ ? y : scratch;
      multiply_panel(groups, group, x, sums, panel, out);
      for (let c = 0; c < 64; c += 16) v128.store(out + c, f32x4.mul(v128.load(out + c), s));
      for (let c = 0; c < width; c++) {
        const at = <usize>c << 2;
        store<f32>(y + at, load<f32>(out + at) + (bias ? load<f32>(bias + (<usize>j << 2) + at) : 0));
      }
      y += <usize>width << 2;
    }
  }
}

/** sums[g] = -8 times the sum of x over group g: what adding 8 to every weight of a column adds, taken off. */
function offsets(groups: i32, group: i32, x: usize, sums: usize): void {
  for (; groups > 0; groups--, sums += 4) {
    let sum = 0;
    for (const end = x + (<usize>group << 1); x < end; x += 2) sum -= 8 * <i32>load<i16>(x);
    store<i32>(sums, sum);
  }
}

/**
 * y[16] = sum over groups of f32(x B) * scale. x: i16 [groups][group]; sums: s32 [groups]; y: f32 [16], written in
 * full.
 */
function multiply_panel(groups: i32, group: i32, x: usize, sums: usize, panel: usize, y: usize): void {
  const m0 = v128.load32_splat(masks), m1 = v128.load32_splat(masks, 4);
  const m2 = v128.load32_splat(masks, 8), m3 = v128.load32_splat(masks, 12);
  let y0 = f32x4.splat(0), y1 = y0, y2 = y0, y3 = y0;
  for (; groups > 0; groups--, sums += 4) {
    const scale = panel;
    // Sums that start at the offset, 16^t times as large as the rest.
    let c0 = v128.load32_splat(sums), c1 = i32x4.shl(c0, 4), c2 = i32x4.shl(c0, 8), c3 = i32x4.splat(0);
    panel += 64;
    for (const end = x + (<usize>group << 1); x < end; x += 4, panel += 16) {
      const u = v128.load32_splat(x), v = v128.load(panel);
      c0 = dot(c0, v128.and(v, m0), u);
      c1 = dot(c1, v128.and(v, m1), u);
      c2 = dot(c2, v128.and(v, m2), u);
      c3 = dot(c3, v128.and(v, m3), u);
    }
    y0 = f32x4.add(y0, f32x4.mul(f32x4.convert_i32x4_s(c0), v128.load(scale)));
    y1 = f32x4.add(y1, f32x4.mul(f32x4.convert_i32x4_s(i32x4.shr_s(c1, 4)), v128.load(scale, 16)));
    y2 = f32x4.add(y2, f32x4.mul(f32x4.convert_i32x4_s(i32x4.shr_s(c2, 8)), v128.load(scale, 32)));
    y3 = f32x4.add(y3, f32x4.mul(f32x4.convert_i32x4_s(i32x4.shr_s(c3, 12)), v128.load(scale, 48)));
  }
  v128.store(y, y0);
  v128.store(y, y1, 16);
  v128.store(y, y2, 32);
  v128.store(y, y3, 48);
}
