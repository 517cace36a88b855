/** Taps of one axis of one point, in scratch: 4 offsets (bytes, i32, -1: nothing stands there), 4 weights (f32). */
const axisBytes: usize = 32;

export function grid_sample_scratch_bytes(): usize {
  return 3 * axisBytes;
}

/**
 * y[i, c, p] = x[i, c] at the point grid[i, p], between its elements.
 * x: f32 [n, c, d, h, w]; grid: f32 [n, points, dims], x before y before z, -1..1 from edge to edge; y: f32 [n, c, points], written in
 * full, apart from the rest. dims: 2 (d is 1) or 3. taps: 1 nearest (half to even), 2 linear, 4 cubic (R. Keys, 1981, a = -0.75).
 * padding: 0 zeros, 1 the border's values, 2 reflected there. align: 1 where -1 and 1 are the centres of the outermost elements.
 */
export function grid_sample_f32(
  n: i32, c: i32, d: i32, h: i32, w: i32, points: i32, dims: i32, x: usize, grid: usize, y: usize, scratch: usize,
  taps: i32, padding: i32, align: i32,
): void {
  assert((dims == 2 && d == 1 || dims == 3) && (taps == 1 || taps == 2 || taps == 4));
  const row = w << 2, plane = h * row, volume = <usize>d * plane;
  const across = scratch, down = scratch + axisBytes, deep = scratch + 2 * axisBytes;
  const depths = dims == 3 ? taps : 1;
  store<i32>(deep, 0);
  store<f32>(deep, 1, 16);
  for (; n > 0; n--, x += <usize>c * volume) {
    for (let p = 0; p < points; p++, grid += <usize>dims << 2, y += 4) {
      list_axis(load<f32>(grid), w, 4, taps, padding, align, across);
      list_axis(load<f32>(grid, 4), h, row, taps, padding, align, down);
      if (dims == 3) list_axis(load<f32>(grid, 8), d, plane, taps, padding, align, deep);
      let from = x, to = y;
      for (let k = 0; k < c; k++, from += volume, to += <usize>points << 2) {
        let sum: f32 = 0;
        for (let i = 0; i < depths; i++) {
          const a = deep + (<usize>i << 2);
          if (load<i32>(a) < 0) continue;
          for (let j = 0; j < taps; j++) {
            const b = down + (<usize>j << 2);
            if (load<i32>(b) < 0) continue;
            const line = from + load<i32>(a) + load<i32>(b);
            let part: f32 = 0;
            for (let l = 0; l < taps; l++) {
              const e = across + (<usize>l << 2);
              if (load<i32>(e) >= 0) part += load<f32>(line + load<i32>(e)) * load<f32>(e, 16);
            }
            sum += part * load<f32>(a, 16) * load<f32>(b, 16);
          }
        }
        store<f32>(to, sum);
      }
    }
    y += <usize>(c - 1) * (<usize>points << 2);
  }
}

function list_axis(g: f32, size: i32, stride: i32, taps: i32, padding: i32, align: i32, to: usize): void {
  let at = align ? (g + 1) * 0.5 * <f32>(size - 1) : ((g + 1) * <f32>size - 1) * 0.5;
  const low: f32 = align ? 0 : -0.5, high: f32 = <f32>(size - 1) - low;
  if (taps == 1) at = nearest(at);
  // A point that is no number, or farther than any image is wide, is the border or nothing.
  if (padding == 1) at = min(max(at, 0), <f32>(size - 1));
  else if (padding == 2) at = reflected(at, low, high);
  if (!(at > -1e9)) at = -1e9;
  if (at > 1e9) at = 1e9;
  const base = floor(at);
  const t = at - base;
  let k = <i32>base;
  if (taps == 1) store<f32>(to, 1, 16);
  else if (taps == 2) {
    store<f32>(to, 1 - t, 16);
    store<f32>(to, t, 20);
  } else {
    store<f32>(to, outside(1 + t), 16);
    store<f32>(to, inside(t), 20);
    store<f32>(to, inside(1 - t), 24);
    store<f32>(to, outside(2 - t), 28);
    k--;
  }
  for (let i = 0; i < taps; i++, k++, to += 4) {
    let j = k;
    if (padding == 1) j = min(max(j, 0), size - 1);
    else if (padding == 2 && <u32>j >= <u32>size) j = min(max(<i32>reflected(<f32>j, low, high), 0), size - 1);
    store<i32>(to, <u32>j < <u32>size ? j * stride : -1);
  }
}

/** v thrown back between low and high as often as it takes. */
function reflected(v: f32, low: f32, high: f32): f32 {
  const range = high - low;
  if (range <= 0) return low;
  const over = v < low ? low - v : v > high ? v - high : 0;
  if (over == 0 || !(over < 1e9)) return v;
  const times = floor(over / range);
  const rest = over - times * range;
  const even = (<i32>times & 1) == 0;
  return v < low == even ? low + rest : high - rest;
}

/** Keys's kernel up to 1, and from 1 to 2. */
function inside(s: f32): f32 {
  return (1.25 * s - 2.25) * s * s + 1;
}
function outside(s: f32): f32 {
  return ((-0.75 * s + 3.75) * s - 6) * s + 3;
}
