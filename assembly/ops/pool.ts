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
  for (; planes > 0; planes--, x += <usize>(h * w) << 2) {
    for (let oy = 0; oy < outH; oy++) {
      const top = oy * strideH - padTop;
      const y0 = max(top, 0), y1 = min(top + kh, h);
      for (let ox = 0; ox < outW; ox++, y += 4) {
        const left = ox * strideW - padLeft;
        const x0 = max(left, 0), x1 = min(left + kw, w);
        let highest: f32 = -Infinity;
        for (let iy = y0; iy < y1; iy++) {
          const row = x + (<usize>(iy * w) << 2);
          for (let ix = x0; ix < x1; ix++) highest = max<f32>(highest, load<f32>(row + (<usize>ix << 2)));
        }
        store<f32>(y, highest);
      }
    }
  }
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
