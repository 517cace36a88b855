// The quantized operators' executable specification: integers in f64, which holds them, and Math.fround where f32 is rounded to.
import { halfToEven } from "./int8.js";

/** Least and largest code of each type. */
export const ranges = {
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32768, 32767],
  uint16: [0, 65535],
  int4: [-8, 7],
  uint4: [0, 15],
} as const;

/** saturate(round(quotient) + zero); NaN gives the zero point. */
export function codeOf(quotient: number, zero: number, [low, high]: readonly [number, number]): number {
  const steps = Number.isNaN(quotient) ? 0 : Number.isFinite(quotient) ? halfToEven(quotient) : quotient;
  return Math.min(high, Math.max(low, steps + zero));
}

/** The scale and the zero point that hold all of x, and 0, in uint8. */
export function dynamicRange(x: Float32Array): { scale: number; zero: number } {
  const [low, high] = x.reduce(([least, most], v) => [Math.min(least, v), Math.max(most, v)], [0, 0]);
  const scale = Math.fround(Math.fround(high - low) / 255) || 1;
  return { scale, zero: Math.min(255, Math.max(0, halfToEven(Math.fround(-low / scale)))) };
}

/** Codes of a sum: saturate(round(f32(sum + bias) * (a b / y)) + zero), each step in f32. */
export function requantize(
  sum: number,
  [a, b, y]: readonly [number, number, number],
  zero: number,
  range: readonly [number, number],
): number {
  const factor = Math.fround(Math.fround(a * b) / y);
  return codeOf(Math.fround(Math.fround(sum | 0) * factor), zero, range);
}

/** Sums of A B, with A(i, p) and B(p, j) as functions: [m, n]. */
export function sumsOf(
  m: number,
  n: number,
  k: number,
  a: (i: number, p: number) => number,
  b: (p: number, j: number) => number,
): number[] {
  return Array.from({ length: m * n }, (_, at) => {
    const [i, j] = [Math.floor(at / n), at % n];
    let sum = 0;
    for (let p = 0; p < k; p++) sum += a(i, p) * b(p, j);
    return sum;
  });
}

/** A window over images; pads: top, left, bottom, right. */
export interface Filter {
  readonly batch: number;
  readonly channels: number;
  readonly h: number;
  readonly w: number;
  readonly outputs: number;
  readonly group: number;
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly dilations: readonly [number, number];
  readonly pads: readonly [number, number, number, number];
}

/** Height and width of what a filter makes. */
export function outputOf({ h, w, kernel, strides, dilations, pads }: Filter): [number, number] {
  const size = (i: 0 | 1, side: number) =>
    Math.floor((side + pads[i] + pads[i + 2] - dilations[i] * (kernel[i] - 1) - 1) / strides[i]) + 1;
  return [size(0, h), size(1, w)];
}

/** Sums of the convolution, [batch, outputs, outH, outW]; x and weight: values without their zero points, by place. */
export function convolved(
  filter: Filter,
  x: (at: number) => number,
  weight: (at: number, output: number) => number,
): number[] {
  const { batch, channels, h, w, outputs, group, kernel, strides, dilations, pads } = filter;
  const [outH, outW] = outputOf(filter);
  const [c, o] = [channels / group, outputs / group];
  const sums: number[] = [];
  for (let n = 0; n < batch; n++) {
    for (let f = 0; f < outputs; f++) {
      for (let oy = 0; oy < outH; oy++) {
        for (let ox = 0; ox < outW; ox++) {
          let sum = 0;
          for (let j = 0; j < c; j++) {
            for (let ky = 0; ky < kernel[0]; ky++) {
              for (let kx = 0; kx < kernel[1]; kx++) {
                const iy = oy * strides[0] - pads[0] + ky * dilations[0];
                const ix = ox * strides[1] - pads[1] + kx * dilations[1];
                if (iy < 0 || iy >= h || ix < 0 || ix >= w) continue;
                const channel = Math.floor(f / o) * c + j;
                const from = ((n * channels + channel) * h + iy) * w + ix;
                sum += x(from) * weight(((f * c + j) * kernel[0] + ky) * kernel[1] + kx, f);
              }
            }
          }
          sums.push(sum);
        }
      }
    }
  }
  return sums;
}
