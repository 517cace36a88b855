/**
 * What integer convolutions are made of beside the products of int8.ts: images with their channels last, windows as rows, and
 * convolutions of each channel alone. Y[pixel, o] is then a product of such rows and of the weight's panels.
 */
import { copy_run } from "./movement";

/** y = x^T of bytes. x: [rows, cols]; y: [cols, rows], written in full, apart from x. */
export function transpose_x8(rows: i32, cols: i32, x: usize, y: usize): void {
  assert(rows >= 0 && cols >= 0);
  const from = <usize>cols, to = <usize>rows;
  let r = rows;
  for (; r >= 8; r -= 8, x += from << 3, y += 8) {
    let j = cols, px = x, py = y;
    for (; j >= 8; j -= 8, px += 8, py += to << 3) turn_bytes(from, to, px, py);
    for (; j > 0; j--, px++, py += to) {
      for (let i: usize = 0; i < 8; i++) store<u8>(py + i, load<u8>(px + i * from));
    }
  }
  for (; r > 0; r--, x += from, y++) {
    for (let j: usize = 0; j < from; j++) store<u8>(y + j * to, load<u8>(x + j));
  }
}

/** The 8 x 8 matrix of bytes at x, rows `from` bytes apart, turned to rows `to` bytes apart. */
// @ts-ignore: decorator
@inline
function turn_bytes(from: usize, to: usize, x: usize, y: usize): void {
  const a = zipped(v128.load64_zero(x), v128.load64_zero(x + from));
  x += from << 1;
  const b = zipped(v128.load64_zero(x), v128.load64_zero(x + from));
  x += from << 1;
  const c = zipped(v128.load64_zero(x), v128.load64_zero(x + from));
  x += from << 1;
  const d = zipped(v128.load64_zero(x), v128.load64_zero(x + from));
  const ab = i16x8.shuffle(a, b, 0, 8, 1, 9, 2, 10, 3, 11), cd = i16x8.shuffle(c, d, 0, 8, 1, 9, 2, 10, 3, 11);
  const ef = i16x8.shuffle(a, b, 4, 12, 5, 13, 6, 14, 7, 15), gh = i16x8.shuffle(c, d, 4, 12, 5, 13, 6, 14, 7, 15);
  store_two(to, i32x4.shuffle(ab, cd, 0, 4, 1, 5), y);
  store_two(to, i32x4.shuffle(ab, cd, 2, 6, 3, 7), y + (to << 1));
  y += to << 2;
  store_two(to, i32x4.shuffle(ef, gh, 0, 4, 1, 5), y);
  store_two(to, i32x4.shuffle(ef, gh, 2, 6, 3, 7), y + (to << 1));
}

// @ts-ignore: decorator
@inline
function zipped(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

// @ts-ignore: decorator
@inline
function store_two(to: usize, v: v128, y: usize): void {
  v128.store_lane<u64>(y, v, 0);
  v128.store_lane<u64>(y + to, v, 1);
}

/**
 * The windows of `count` output pixels from number `first` on as rows [count, kh, kw, run]; what lies outside of the image is `pad`.
 * x: bytes of the first of `run` channels, [h, w] pixels that lie `pixel` bytes apart; y: written in full, apart from x.
 */
export function columns_x8(
  first: i32, count: i32, h: i32, w: i32, pixel: i32, run: i32, kh: i32, kw: i32, strideH: i32, strideW: i32,
  padTop: i32, padLeft: i32, dilationH: i32, dilationW: i32, outW: i32, x: usize, y: usize, pad: i32,
): void {
  assert(first >= 0 && count >= 0 && run >= 0 && run <= pixel && outW > 0);
  // Pixels of a window's row that lie one behind the other.
  const whole = dilationW == 1 && run == pixel;
  const line = <usize>(kw * run);
  let oy = first / outW, ox = first % outW;
  for (; count > 0; count--) {
    const top = oy * strideH - padTop, left = ox * strideW - padLeft;
    for (let i = 0; i < kh; i++) {
      const r = top + i * dilationH;
      if (r < 0 || r >= h) {
        memory.fill(y, <u8>pad, line);
        y += line;
        continue;
      }
      const row = x + <usize>(r * w) * <usize>pixel;
      if (whole && left >= 0 && left + kw <= w) {
        copy_run(line, row + <usize>left * <usize>pixel, y);
        y += line;
        continue;
      }
      for (let j = 0, c = left; j < kw; j++, c += dilationW, y += run) {
        if (c < 0 || c >= w) memory.fill(y, <u8>pad, run);
        else copy_run(run, row + <usize>c * <usize>pixel, y);
      }
    }
    if (++ox == outW) {
      ox = 0;
      oy++;
    }
  }
}

/**
 * C[pixel, j] = sum over the window of (X - zero) W of channel j alone, for `count` output pixels from number `first` on.
 * x: int8 [h, w, c], or uint8 where `unsigned` is 1; weight: s16 [kh kw, c], |W| <= 255; y: s32 [count, c], written in full, apart
 * from the rest. What lies outside of the image counts as `zero`.
 */
export function depthwise_i8(
  first: i32, count: i32, h: i32, w: i32, c: i32, kh: i32, kw: i32, strideH: i32, strideW: i32, padTop: i32,
  padLeft: i32, dilationH: i32, dilationW: i32, outW: i32, x: usize, weight: usize, y: usize, zero: i32, unsigned: i32,
): void {
  assert(first >= 0 && count >= 0 && c >= 0 && outW > 0 && (weight & 1) == 0 && (y & 3) == 0);
  const flips = unsigned ? i16x8.splat(0) : i16x8.splat(128);
  const zeros = i16x8.splat(<i16>(unsigned ? zero : zero + 128));
  let oy = first / outW, ox = first % outW;
  for (; count > 0; count--) {
    const top = oy * strideH - padTop, left = ox * strideW - padLeft;
    for (let j = 0; j < c; j += 8) {
      const some = min(8, c - j);
      let low = i32x4.splat(0), high = low;
      for (let i = 0; i < kh; i++) {
        const r = top + i * dilationH;
        if (r < 0 || r >= h) continue;
        let tap = weight + (<usize>(i * kw * c + j) << 1);
        for (let k = 0, s = left; k < kw; k++, s += dilationW, tap += <usize>c << 1) {
          if (s < 0 || s >= w) continue;
          const from = x + <usize>(r * w + s) * <usize>c + <usize>j;
          // A byte with its highest bit turned is the int8 and 128.
          const bytes = some == 8 ? v128.load8x8_u(from) : bytes_of(some, from);
          const v = i16x8.sub(v128.xor(bytes, flips), zeros);
          const f = some == 8 ? v128.load(tap) : words_of(some, tap);
          low = i32x4.add(low, i32x4.extmul_low_i16x8_s(v, f));
          high = i32x4.add(high, i32x4.extmul_high_i16x8_s(v, f));
        }
      }
      if (some == 8) {
        v128.store(y, low);
        v128.store(y, high, 16);
      } else {
        for (let i = 0; i < some; i++, low = i8x16.shuffle(low, high, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19),
          high = i32x4.shuffle(high, high, 1, 2, 3, 3)) {
          store<i32>(y + (<usize>i << 2), i32x4.extract_lane(low, 0));
        }
      }
      y += <usize>some << 2;
    }
    if (++ox == outW) {
      ox = 0;
      oy++;
    }
  }
}

/** Fewer than eight bytes as eight words; what is beyond counts for nothing. */
function bytes_of(n: i32, p: usize): v128 {
  let v = i16x8.splat(0);
  for (let i = n - 1; i >= 0; i--) {
    v = i16x8.replace_lane(i16x8.shuffle(v, v, 0, 0, 1, 2, 3, 4, 5, 6), 0, <i16>load<u8>(p + i));
  }
  return v;
}

function words_of(n: i32, p: usize): v128 {
  let v = i16x8.splat(0);
  for (let i = n - 1; i >= 0; i--) {
    v = i16x8.replace_lane(i16x8.shuffle(v, v, 0, 0, 1, 2, 3, 4, 5, 6), 0, load<i16>(p + (<usize>i << 1)));
  }
  return v;
}
