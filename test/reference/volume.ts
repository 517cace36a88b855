// Conv and ConvTranspose over any number of sides, one product at a time in f64.
import { type Elements, indicesOf, placeOf, sizeOf } from "./movement.js";

export interface Window {
  readonly group: number;
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** Padding in front of each side. */
  readonly begins: readonly number[];
  /** Sides of the output. */
  readonly out: readonly number[];
}

const inside = (index: readonly number[], shape: readonly number[]) => index.every((i, d) => i >= 0 && i < shape[d]);

/** x [n, group c, ...], w [group o, c, ...], bias [group o]. */
export function convolved(x: Elements, w: Elements, bias: readonly number[] | undefined, window: Window): Elements {
  const { group, strides, dilations, begins, out } = window;
  const [batch, channels, ...sides] = x.shape;
  const [outputs, c, ...kernel] = w.shape;
  const data: number[] = [];
  for (let n = 0; n < batch; n++) {
    for (let o = 0; o < outputs; o++) {
      const g = Math.floor(o / (outputs / group));
      for (const at of indicesOf(out)) {
        let sum = bias?.[o] ?? 0;
        for (let i = 0; i < c; i++) {
          for (const tap of indicesOf(kernel)) {
            const from = at.map((p, d) => p * strides[d] - begins[d] + tap[d] * dilations[d]);
            if (!inside(from, sides)) continue;
            const plane = (n * channels + g * c + i) * sizeOf(sides);
            sum += x.data[plane + placeOf(sides, from)] * w.data[(o * c + i) * sizeOf(kernel) + placeOf(kernel, tap)];
          }
        }
        data.push(sum);
      }
    }
  }
  return { shape: [batch, outputs, ...out], data };
}

/** x [n, group c, ...], w [group c, o, ...], bias [group o]: every value goes to wherever a tap takes it. */
export function scattered(x: Elements, w: Elements, bias: readonly number[] | undefined, window: Window): Elements {
  const { group, strides, dilations, begins, out } = window;
  const [batch, channels, ...sides] = x.shape;
  const [, o, ...kernel] = w.shape;
  const outputs = group * o;
  const plane = sizeOf(out);
  const data = Array.from({ length: batch * outputs * plane }, (_, i) => bias?.[Math.floor(i / plane) % outputs] ?? 0);
  for (let n = 0; n < batch; n++) {
    for (let i = 0; i < channels; i++) {
      const g = Math.floor(i / (channels / group));
      for (const at of indicesOf(sides)) {
        const value = x.data[(n * channels + i) * sizeOf(sides) + placeOf(sides, at)];
        for (let j = 0; j < o; j++) {
          for (const tap of indicesOf(kernel)) {
            const to = at.map((p, d) => p * strides[d] - begins[d] + tap[d] * dilations[d]);
            if (!inside(to, out)) continue;
            const weight = w.data[(i * o + j) * sizeOf(kernel) + placeOf(kernel, tap)];
            data[(n * outputs + g * o + j) * plane + placeOf(out, to)] += value * weight;
          }
        }
      }
    }
  }
  return { shape: [batch, outputs, ...out], data };
}
