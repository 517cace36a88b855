/**
 * Pooling over windows of three sides with strides, dilations and padding at both ends; windows may hang over the end.
 * y = the largest value (kind 0; NaN if any is NaN), the mean of what lies in the image (1) or in it and its padding (2),
 * (sum |x|^p)^(1/p) (3). at: i64 [planes, od, oh, ow], where in x the largest value stands, or 0; y may be 0 then.
 * x: f32 [planes, d, h, w]; y: f32 [planes, od, oh, ow], written in full, apart from x. The first of equal values counts;
 * columns: 1 where places are counted in column-major order inside a plane.
 */
export function pool_f32(
  kind: i32, p: i32, planes: i32, d: i32, h: i32, w: i32, kd: i32, kh: i32, kw: i32, sd: i32, sh: i32, sw: i32,
  dd: i32, dh: i32, dw: i32, pd: i32, ph: i32, pw: i32, ed: i32, eh: i32, ew: i32, od: i32, oh: i32, ow: i32,
  x: usize, y: usize, at: usize, columns: i32,
): void {
  assert(((x | y) & 3) == 0 && (at & 7) == 0);
  const plane = d * h * w;
  for (let i = 0; i < planes; i++, x += <usize>plane << 2) {
    for (let oz = 0; oz < od; oz++) {
      const z0 = oz * sd - pd, z1 = min(z0 + (kd - 1) * dd + 1, d + ed);
      for (let oy = 0; oy < oh; oy++) {
        const y0 = oy * sh - ph, y1 = min(y0 + (kh - 1) * dh + 1, h + eh);
        for (let ox = 0; ox < ow; ox++) {
          const x0 = ox * sw - pw, x1 = min(x0 + (kw - 1) * dw + 1, w + ew);
          let best: f32 = -Infinity, sum: f64 = 0;
          let place: i64 = 0, inside = 0;
          for (let z = within(z0, dd); z < min(z1, d); z += dd) {
            for (let r = within(y0, dh); r < min(y1, h); r += dh) {
              const row = x + (<usize>((z * h + r) * w) << 2);
              for (let c = within(x0, dw); c < min(x1, w); c += dw) {
                const v = load<f32>(row + (<usize>c << 2));
                if (kind == 0) {
                  // The first largest; a NaN that is there stays.
                  if (inside == 0 || (!(v <= best) && best == best)) {
                    best = v;
                    place = columns ? (<i64>c * h + r) * d + z : (<i64>z * h + r) * w + c;
                  }
                } else if (kind == 3) {
                  let power: f64 = 1;
                  for (let e = 0; e < p; e++) power *= abs<f64>(v);
                  sum += power;
                } else sum += v;
                inside++;
              }
            }
          }
          if (kind == 2) inside = steps(z0, z1, dd) * steps(y0, y1, dh) * steps(x0, x1, dw);
          if (y) {
            store<f32>(y, kind == 0 ? best : kind == 3 ? <f32>root(sum, p) : <f32>(sum / <f64>inside));
            y += 4;
          }
          if (at) {
            store<i64>(at, <i64>i * plane + place);
            at += 8;
          }
        }
      }
    }
  }
}

/** The first of from, from + step, .. that is not negative. */
export function within(from: i32, step: i32): i32 {
  return from < 0 ? from + (step - 1 - from) / step * step : from;
}

export function steps(from: i32, to: i32, step: i32): i32 {
  return (to - from + step - 1) / step;
}

/** The p-th root of s >= 0, by Newton's iteration from the power of two near it. */
function root(s: f64, p: i32): f64 {
  if (p == 1 || s == 0 || s == Infinity || s != s) return s;
  if (p == 2) return sqrt(s);
  const exponent = <i32>((reinterpret<u64>(s) >> 52) & 2047) - 1023;
  let r = reinterpret<f64>(<u64>(1023 + exponent / p + 1) << 52);
  for (let i = 0; i < 12; i++) {
    let power: f64 = 1;
    for (let e = 1; e < p; e++) power *= r;
    r -= (r - s / power) / p;
  }
  return r;
}
