import { steps, within } from "./pool-general";

/**
 * dX of a pool over windows of three sides: dx += dy at the first largest value of a window (kind 0), dy / count at each of its values (1,
 * and 2 where padding counts), dy (|x| / y)^(p - 1) sign x (3). Sizes as pool_f32 takes them.
 * x: f32 [planes, d, h, w]; y, dy: f32 [planes, od, oh, ow]; dx: f32 as x, added into, apart from the rest. x is read for kinds 0 and
 * 3, y for 3.
 */
export function pool_grad_f32(
  kind: i32, p: i32, planes: i32, d: i32, h: i32, w: i32, kd: i32, kh: i32, kw: i32, sd: i32, sh: i32, sw: i32,
  dd: i32, dh: i32, dw: i32, pd: i32, ph: i32, pw: i32, ed: i32, eh: i32, ew: i32, od: i32, oh: i32, ow: i32,
  x: usize, y: usize, dy: usize, dx: usize,
): void {
  assert(((x | y | dy | dx) & 3) == 0);
  const plane = <usize>(d * h * w) << 2;
  for (; planes > 0; planes--, x += plane, dx += plane) {
    for (let oz = 0; oz < od; oz++) {
      const z0 = oz * sd - pd, z1 = min(z0 + (kd - 1) * dd + 1, d + ed);
      for (let oy = 0; oy < oh; oy++) {
        const y0 = oy * sh - ph, y1 = min(y0 + (kh - 1) * dh + 1, h + eh);
        for (let ox = 0; ox < ow; ox++, dy += 4, y += 4) {
          const x0 = ox * sw - pw, x1 = min(x0 + (kw - 1) * dw + 1, w + ew);
          const g = load<f32>(dy);
          const zs = within(z0, dd), rs = within(y0, dh), cs = within(x0, dw);
          const ze = min(z1, d), re = min(y1, h), ce = min(x1, w);
          let count = 0;
          if (kind == 1) count = steps(zs, max(ze, zs), dd) * steps(rs, max(re, rs), dh) * steps(cs, max(ce, cs), dw);
          if (kind == 2) count = steps(z0, z1, dd) * steps(y0, y1, dh) * steps(x0, x1, dw);
          let best: f32 = -Infinity;
          let place: usize = 0, inside = false;
          for (let z = zs; z < ze; z += dd) {
            for (let r = rs; r < re; r += dh) {
              for (let c = cs; c < ce; c += dw) {
                const at = <usize>((z * h + r) * w + c) << 2;
                if (kind == 0) {
                  const v = load<f32>(x + at);
                  if (!inside || (!(v <= best) && best == best)) {
                    best = v;
                    place = at;
                  }
                  inside = true;
                } else if (kind == 3) {
                  const v = load<f32>(x + at);
                  add(dx + at, g * share(v, load<f32>(y), p));
                } else add(dx + at, g / <f32>count);
              }
            }
          }
          if (inside) add(dx + place, g);
        }
      }
    }
  }
}

// @ts-ignore: decorator
@inline
function add(at: usize, value: f32): void {
  store<f32>(at, load<f32>(at) + value);
}

/** (|v| / y)^(p - 1) sign v; 0 where both are. */
function share(v: f32, y: f32, p: i32): f32 {
  if (v == 0 || y == 0) return 0;
  const part = abs<f32>(v) / y;
  let power: f32 = 1;
  for (let e = 1; e < p; e++) power *= part;
  return v < 0 ? -power : power;
}
