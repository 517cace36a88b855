/**
 * Pooling over planes = images x channels. The window is what of it lies inside the image; only the padding at the top
 * and at the left is given, that at the bottom and the right follows from outH and outW.
 */

/**
 * y = the largest value of the window, NaN if any is NaN (IEEE 754 maximum), -Infinity if it is empty.
 * x: f32 [planes, h, w]; y: f32 [planes, outH, outW], written in full, apart from x.
 */
export function max_pool_f32(
  planes: i32, h: i32, w: i32, kh: i32, kw: i32, strideH: i32, strideW: i32, padTop: i32, padLeft: i32,
  outH: i32, outW: i32, x: usize, y: usize,
): void {
  assert(strideH > 0 && strideW > 0 && padTop >= 0 && padLeft >= 0 && ((x | y) & 3) == 0);
  const whole = padTop == 0 && padLeft == 0 && outH * 2 <= h && outW * 2 <= w;
  if (whole && kh == 2 && kw == 2 && strideH == 2 && strideW == 2) {
    max_pool_halves(planes, h, w, outH, outW, x, y);
    return;
  }
  // Outputs whose windows of three columns, two apart, lie inside the rows: nine columns hold four windows.
  const first = (padLeft + 1) >> 1;
  const end = kw == 3 && strideW == 2 ? min(outW, (w + padLeft - 1) >> 1) : 0;
  for (; planes > 0; planes--, x += <usize>(h * w) << 2) {
    for (let oy = 0; oy < outH; oy++, y += <usize>outW << 2) {
      const top = oy * strideH - padTop;
      const y0 = max(top, 0), y1 = min(top + kh, h);
      const row = x + (<usize>(y0 * w) << 2);
      const vectors = end - first >= 4 && y0 < y1;
      for (let ox = 0; ox < outW; ) {
        if (vectors && ox >= first && ox < end) {
          // The last four overlap outputs that are done.
          ox = min(ox, end - 4);
          max_of_four(y1 - y0, <usize>w << 2, row + (<usize>(ox * 2 - padLeft) << 2), y + (<usize>ox << 2));
          ox += 4;
          continue;
        }
        const left = ox * strideW - padLeft;
        const x0 = max(left, 0), x1 = min(left + kw, w);
        let highest: f32 = -Infinity;
        for (let i = y0, from = row; i < y1; i++, from += <usize>w << 2) {
          for (let ix = x0; ix < x1; ix++) highest = max<f32>(highest, load<f32>(from + (<usize>ix << 2)));
        }
        store<f32>(y + (<usize>ox << 2), highest);
        ox++;
      }
    }
  }
}

/** Four outputs, each of three columns of n rows, two columns apart. Reads nine columns. */
function max_of_four(n: i32, row: usize, from: usize, to: usize): void {
  let a = v128.load(from), b = v128.load(from, 16), c = v128.load(from, 20);
  for (; n > 1; n--) {
    from += row;
    a = f32x4.max(a, v128.load(from));
    b = f32x4.max(b, v128.load(from, 16));
    c = f32x4.max(c, v128.load(from, 20));
  }
  const even = i32x4.shuffle(a, b, 0, 2, 4, 6);
  const odd = i32x4.shuffle(a, b, 1, 3, 5, 7);
  const next = i32x4.shuffle(i32x4.shuffle(a, b, 2, 4, 6, 7), c, 0, 1, 2, 7);
  v128.store(to, f32x4.max(f32x4.max(even, odd), next));
}

/** Windows of 2 x 2, side by side. */
function max_pool_halves(planes: i32, h: i32, w: i32, outH: i32, outW: i32, x: usize, y: usize): void {
  const row = <usize>w << 2;
  for (; planes > 0; planes--, x += <usize>h * row) {
    for (let oy = 0, from = x; oy < outH; oy++, from += row << 1) {
      let p = from;
      let n = outW;
      for (; n >= 4; n -= 4, p += 32, y += 16) {
        const q = p + row;
        const a = f32x4.max(v128.load(p), v128.load(q));
        const b = f32x4.max(v128.load(p, 16), v128.load(q, 16));
        v128.store(y, f32x4.max(i32x4.shuffle(a, b, 0, 2, 4, 6), i32x4.shuffle(a, b, 1, 3, 5, 7)));
      }
      for (; n > 0; n--, p += 8, y += 4) {
        const q = p + row;
        store<f32>(y, max<f32>(max<f32>(load<f32>(p), load<f32>(p, 4)), max<f32>(load<f32>(q), load<f32>(q, 4))));
      }
    }
  }
}

/**
 * dX += dY where the window's first maximum stands, in row order; the first NaN counts as the maximum.
 * x: f32 [planes, h, w]; dy: f32 [planes, outH, outW]; dx: f32 [planes, h, w], added into, apart from both.
 */
export function max_pool_grad_f32(
  planes: i32, h: i32, w: i32, kh: i32, kw: i32, strideH: i32, strideW: i32, padTop: i32, padLeft: i32,
  outH: i32, outW: i32, x: usize, dy: usize, dx: usize,
): void {
  assert(strideH > 0 && strideW > 0 && padTop >= 0 && padLeft >= 0 && ((x | dy | dx) & 3) == 0);
  const whole = padTop == 0 && padLeft == 0 && outH * 2 <= h && outW * 2 <= w;
  if (whole && kh == 2 && kw == 2 && strideH == 2 && strideW == 2) {
    max_pool_grad_halves(planes, h, w, outH, outW, x, dy, dx);
    return;
  }
  const plane = <usize>(h * w) << 2;
  for (; planes > 0; planes--, x += plane, dx += plane) {
    for (let oy = 0; oy < outH; oy++) {
      const top = oy * strideH - padTop;
      const y0 = max(top, 0), y1 = min(top + kh, h);
      for (let ox = 0; ox < outW; ox++, dy += 4) {
        const left = ox * strideW - padLeft;
        const x0 = max(left, 0), x1 = min(left + kw, w);
        if (y0 >= y1 || x0 >= x1) continue;
        let at = <usize>(y0 * w + x0) << 2;
        let highest = load<f32>(x + at);
        for (let iy = y0; iy < y1; iy++) {
          for (let ix = x0; ix < x1; ix++) {
            const here = <usize>(iy * w + ix) << 2;
            const v = load<f32>(x + here);
            // Not (v <= highest): v is larger, or one of the two is NaN; a NaN that is there stays.
            if (!(v <= highest) && highest == highest) {
              highest = v;
              at = here;
            }
          }
        }
        store<f32>(dx + at, load<f32>(dx + at) + load<f32>(dy));
      }
    }
  }
}

/** Lanes of `v` that a first maximum in `highest` gives way to: larger ones, and the first NaN. */
// @ts-ignore: decorator
@inline
function wins(v: v128, highest: v128): v128 {
  return v128.andnot(f32x4.eq(highest, highest), f32x4.le(v, highest));
}

/** dx (4 pairs at p) += the lanes of dy that `even` and `odd` let through, woven together. */
// @ts-ignore: decorator
@inline
function add_pairs(p: usize, dy: v128, even: v128, odd: v128): void {
  const a = v128.and(dy, even), b = v128.and(dy, odd);
  v128.store(p, f32x4.add(v128.load(p), i32x4.shuffle(a, b, 0, 4, 1, 5)));
  v128.store(p, f32x4.add(v128.load(p, 16), i32x4.shuffle(a, b, 2, 6, 3, 7)), 16);
}

/** Windows of 2 x 2, side by side: the same choice as above, four windows at a time. */
function max_pool_grad_halves(planes: i32, h: i32, w: i32, outH: i32, outW: i32, x: usize, dy: usize, dx: usize): void {
  const row = <usize>w << 2;
  const plane = <usize>h * row;
  for (; planes > 0; planes--, x += plane, dx += plane) {
    for (let oy = 0, down: usize = 0; oy < outH; oy++, down += row << 1) {
      let p = x + down, g = dx + down;
      let n = outW;
      for (; n >= 4; n -= 4, p += 32, g += 32, dy += 16) {
        const q = p + row;
        const a = v128.load(p), b = v128.load(p, 16), c = v128.load(q), d = v128.load(q, 16);
        let highest = i32x4.shuffle(a, b, 0, 2, 4, 6);
        let v = i32x4.shuffle(a, b, 1, 3, 5, 7);
        const second = wins(v, highest);
        highest = v128.bitselect(v, highest, second);
        v = i32x4.shuffle(c, d, 0, 2, 4, 6);
        const third = wins(v, highest);
        highest = v128.bitselect(v, highest, third);
        const fourth = wins(i32x4.shuffle(c, d, 1, 3, 5, 7), highest);
        const lower = v128.or(third, fourth);
        const gradient = v128.load(dy);
        add_pairs(g, gradient, v128.not(v128.or(second, lower)), v128.andnot(second, lower));
        add_pairs(g + row, gradient, v128.andnot(third, fourth), fourth);
      }
      for (; n > 0; n--, p += 8, g += 8, dy += 4) {
        let at: usize = 0;
        let highest = load<f32>(p);
        for (let i = 1; i < 4; i++) {
          const here = <usize>(i >> 1) * row + (<usize>(i & 1) << 2);
          const v = load<f32>(p + here);
          if (!(v <= highest) && highest == highest) {
            highest = v;
            at = here;
          }
        }
        store<f32>(g + at, load<f32>(g + at) + load<f32>(dy));
      }
    }
  }
}

/** The number of values that an average divides by: the whole window's, or those inside the image. */
// @ts-ignore: decorator
@inline
function divisor(window: i32, inside: i32, countIncludePad: i32): f32 {
  return <f32>(countIncludePad ? window : max(inside, 1));
}

/**
 * y = sum of the window, in row order, / count. The count is kh kw with countIncludePad, else what lies inside the
 * image; an empty window gives 0.
 * x: f32 [planes, h, w]; y: f32 [planes, outH, outW], written in full, apart from x; countIncludePad: 0 or 1.
 */
export function average_pool_f32(
  planes: i32, h: i32, w: i32, kh: i32, kw: i32, strideH: i32, strideW: i32, padTop: i32, padLeft: i32,
  outH: i32, outW: i32, x: usize, y: usize, countIncludePad: i32,
): void {
  assert(strideH > 0 && strideW > 0 && padTop >= 0 && padLeft >= 0 && ((x | y) & 3) == 0);
  for (; planes > 0; planes--, x += <usize>(h * w) << 2) {
    for (let oy = 0; oy < outH; oy++) {
      const top = oy * strideH - padTop;
      const y0 = max(top, 0), y1 = min(top + kh, h);
      for (let ox = 0; ox < outW; ox++, y += 4) {
        const left = ox * strideW - padLeft;
        const x0 = max(left, 0), x1 = min(left + kw, w);
        let sum: f32 = 0;
        for (let iy = y0; iy < y1; iy++) {
          const row = x + (<usize>(iy * w) << 2);
          for (let ix = x0; ix < x1; ix++) sum += load<f32>(row + (<usize>ix << 2));
        }
        store<f32>(y, sum / divisor(kh * kw, max(y1 - y0, 0) * max(x1 - x0, 0), countIncludePad));
      }
    }
  }
}

/**
 * dX += dY / count over the window.
 * dy: f32 [planes, outH, outW]; dx: f32 [planes, h, w], added into, apart from dy; countIncludePad: 0 or 1.
 */
export function average_pool_grad_f32(
  planes: i32, h: i32, w: i32, kh: i32, kw: i32, strideH: i32, strideW: i32, padTop: i32, padLeft: i32,
  outH: i32, outW: i32, dy: usize, dx: usize, countIncludePad: i32,
): void {
  assert(strideH > 0 && strideW > 0 && padTop >= 0 && padLeft >= 0 && ((dy | dx) & 3) == 0);
  for (; planes > 0; planes--, dx += <usize>(h * w) << 2) {
    for (let oy = 0; oy < outH; oy++) {
      const top = oy * strideH - padTop;
      const y0 = max(top, 0), y1 = min(top + kh, h);
      for (let ox = 0; ox < outW; ox++, dy += 4) {
        const left = ox * strideW - padLeft;
        const x0 = max(left, 0), x1 = min(left + kw, w);
        const share = load<f32>(dy) / divisor(kh * kw, max(y1 - y0, 0) * max(x1 - x0, 0), countIncludePad);
        for (let iy = y0; iy < y1; iy++) {
          const row = dx + (<usize>(iy * w) << 2);
          for (let ix = x0; ix < x1; ix++) {
            const at = row + (<usize>ix << 2);
            store<f32>(at, load<f32>(at) + share);
          }
        }
      }
    }
  }
}
