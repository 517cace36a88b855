/** Planes (see planes.ts) on the way back: what the two gradients of a convolution need of them. */
import { store_columns } from "../simd";
import { end_inside, first_inside } from "./window";

/**
 * B panels of the window's taps, transposed: rows (pixels) q0 .. q0 + k, columns (taps) r0 .. r0 + n of (c, ky, kx).
 * taps: u32 [count], bytes, see list_taps; channel: bytes; out: f32 [ceil(n / 8)][k][8], written in full; the padding of
 * the last panel repeats its last tap, since what it gives is thrown away.
 */
export function pack_planes_transposed(
  q0: i32, k: i32, r0: i32, n: i32, count: i32, taps: usize, channel: usize, outW: i32, pitch: i32,
  planes: usize, out: usize,
): void {
  const begin = q0 % outW;
  const jump = <usize>(pitch - outW) << 2;
  let tap = r0 % count;
  let plane = planes + <usize>(r0 / count) * channel + (<usize>(q0 / outW * pitch + begin) << 2);
  for (; n > 0; n -= 8) {
    let p0: usize = 0, p1: usize = 0, p2: usize = 0, p3: usize = 0, p4: usize = 0, p5: usize = 0, p6: usize = 0;
    let p7: usize = 0;
    for (let i = 0; i < 8; i++) {
      p0 = p1; p1 = p2; p2 = p3; p3 = p4; p4 = p5; p5 = p6; p6 = p7;
      if (i >= n) continue;
      p7 = plane + load<u32>(taps + (<usize>tap << 2));
      if (++tap == count) {
        tap = 0;
        plane += channel;
      }
    }
    let run = outW - begin;
    for (let left = k; left > 0; run = outW) {
      run = min(run, left);
      left -= run;
      for (; run >= 4; run -= 4) {
        store_columns(out, 32, v128.load(p0), v128.load(p1), v128.load(p2), v128.load(p3));
        store_columns(out + 16, 32, v128.load(p4), v128.load(p5), v128.load(p6), v128.load(p7));
        p0 += 16; p1 += 16; p2 += 16; p3 += 16; p4 += 16; p5 += 16; p6 += 16; p7 += 16;
        out += 128;
      }
      for (; run > 0; run--) {
        store<f32>(out, load<f32>(p0));
        store<f32>(out, load<f32>(p1), 4);
        store<f32>(out, load<f32>(p2), 8);
        store<f32>(out, load<f32>(p3), 12);
        store<f32>(out, load<f32>(p4), 16);
        store<f32>(out, load<f32>(p5), 20);
        store<f32>(out, load<f32>(p6), 24);
        store<f32>(out, load<f32>(p7), 28);
        p0 += 4; p1 += 4; p2 += 4; p3 += 4; p4 += 4; p5 += 4; p6 += 4; p7 += 4;
        out += 32;
      }
      p0 += jump; p1 += jump; p2 += jump; p3 += jump; p4 += jump; p5 += jump; p6 += jump; p7 += jump;
    }
  }
}

/**
 * x += planes, each pixel from where lay_out puts it; what stands where the image is padded is left out.
 * planes: f32 [c, phasesH, phasesW, rows, pitch]; x: f32 [c, h, w], added into, apart from planes.
 */
export function add_planes(
  c: i32, h: i32, w: i32, strideH: i32, strideW: i32, padTop: i32, padLeft: i32,
  phasesH: i32, phasesW: i32, rows: i32, pitch: i32, planes: usize, x: usize,
): void {
  const line = <usize>pitch << 2;
  const step = <usize>strideW << 2;
  for (; c > 0; c--, x += <usize>(h * w) << 2) {
    for (let a = 0; a < phasesH; a++) {
      for (let b = 0; b < phasesW; b++) {
        const offset = b - padLeft;
        const first = first_inside(offset, strideW, pitch);
        const n = end_inside(offset, strideW, pitch, w) - first;
        for (let i = 0; i < rows; i++, planes += line) {
          const y = i * strideH + a - padTop;
          if (<u32>y >= <u32>h) continue;
          let from = planes + (<usize>first << 2);
          let to = x + (<usize>(y * w + first * strideW + offset) << 2);
          let left = n;
          if (strideW == 1) {
            for (; left >= 4; left -= 4, to += 16, from += 16) {
              v128.store(to, f32x4.add(v128.load(to), v128.load(from)));
            }
          }
          for (; left > 0; left--, to += step, from += 4) store<f32>(to, load<f32>(to) + load<f32>(from));
        }
      }
    }
  }
}
