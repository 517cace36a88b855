import { describe, expect, test } from "vitest";
import { builds, Guarded, normals, uniform } from "../support/kernels.js";

interface Sampling {
  readonly taps: number;
  readonly padding: number;
  readonly align: number;
}

/** Place of g along an axis of `size`, thrown back or held inside where that is asked for. */
function placed(g: number, size: number, { padding, align, taps }: Sampling): number {
  const place = align ? ((g + 1) / 2) * (size - 1) : ((g + 1) * size - 1) / 2;
  const whole = taps === 1 ? even(place) : place;
  if (padding === 1) return Math.min(Math.max(whole, 0), size - 1);
  return padding === 2 ? thrown(whole, align ? 0 : -0.5, align ? size - 1 : size - 0.5) : whole;
}

function even(v: number): number {
  const r = Math.round(v);
  return Math.abs(v % 1) === 0.5 && r % 2 !== 0 ? r - 1 : r;
}

function thrown(v: number, low: number, high: number): number {
  if (high <= low) return low;
  let at = v;
  while (at < low || at > high) at = at < low ? 2 * low - at : 2 * high - at;
  return at;
}

function weight(s: number, taps: number): number {
  const d = Math.abs(s);
  if (taps === 1) return d < 0.5 ? 1 : 0;
  if (taps === 2) return Math.max(0, 1 - d);
  if (d < 1) return 1.25 * d ** 3 - 2.25 * d ** 2 + 1;
  return d < 2 ? -0.75 * d ** 3 + 3.75 * d ** 2 - 6 * d + 3 : 0;
}

/** The element that stands at k, or undefined where nothing does. */
function element(k: number, size: number, { padding, align }: Sampling): number | undefined {
  if (k >= 0 && k < size) return k;
  if (padding === 0) return undefined;
  if (padding === 1) return k < 0 ? 0 : size - 1;
  const at = Math.trunc(thrown(k, align ? 0 : -0.5, align ? size - 1 : size - 0.5));
  return Math.min(Math.max(at, 0), size - 1);
}

function sampled(x: Float32Array, sides: readonly number[], point: readonly number[], how: Sampling): number {
  let sum = 0;
  const places = sides.map((size, d) => placed(point[point.length - 1 - d], size, how));
  const walk = (d: number, offset: number, part: number) => {
    if (d === sides.length) {
      sum += part * x[offset];
      return;
    }
    for (let k = Math.floor(places[d]) - 2; k <= Math.floor(places[d]) + 3; k++) {
      const w = weight(k - places[d], how.taps);
      const at = element(k, sides[d], how);
      if (w !== 0 && at !== undefined) walk(d + 1, offset * sides[d] + at, part * w);
    }
  };
  walk(0, 0, 1);
  return sum;
}

describe.each(builds())("$name", ({ kernels }) => {
  test.each([1, 2, 4])("grid_sample_f32 of %i taps", (taps) => {
    const next = uniform(taps);
    for (const sides of [
      [1, 1],
      [4, 5],
      [2, 7],
      [3, 2, 4],
    ]) {
      const volume = sides.reduce((a, b) => a * b, 1);
      const [n, c, points, dims] = [2, 3, 37, sides.length];
      const x = normals(n * c * volume, 3);
      const grid = Float32Array.from({ length: n * points * dims }, () => 4 * next() - 2);
      for (const padding of [0, 1, 2]) {
        for (const align of [0, 1]) {
          const memory = new Guarded(kernels);
          const y = memory.room(4 * n * c * points);
          const scratch = memory.room(kernels.grid_sample_scratch_bytes());
          const at = memory.place(grid);
          const px = memory.placeFlush(x);
          const [d, h, w] = dims === 2 ? [1, ...sides] : sides;
          kernels.grid_sample_f32(n, c, d, h, w, points, dims, px, at, y, scratch, taps, padding, align);
          memory.check();
          const got = memory.read(Float32Array, y, n * c * points);
          for (let i = 0; i < n; i++) {
            for (let k = 0; k < c; k++) {
              const plane = x.subarray((i * c + k) * volume, (i * c + k + 1) * volume);
              for (let p = 0; p < points; p++) {
                const point = [...grid.subarray((i * points + p) * dims, (i * points + p + 1) * dims)];
                const want = sampled(plane, sides, point, { taps, padding, align });
                const what = `${sides} ${padding} ${align} ${point}`;
                expect(Math.abs(got[(i * c + k) * points + p] - want), what).toBeLessThan(2e-4);
              }
            }
          }
        }
      }
    }
  });

  test("points that are no numbers, or infinitely far, stay inside", () => {
    for (const taps of [1, 2, 4]) {
      for (const padding of [0, 1, 2]) {
        const memory = new Guarded(kernels);
        const y = memory.room(4 * 6);
        const scratch = memory.room(kernels.grid_sample_scratch_bytes());
        const far = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 3e38, -3e38, 1e12];
        const grid = memory.place(Float32Array.from(far.flatMap((g) => [g, 0])));
        kernels.grid_sample_f32(
          1,
          1,
          1,
          2,
          2,
          6,
          2,
          memory.placeFlush(normals(4, 1)),
          grid,
          y,
          scratch,
          taps,
          padding,
          0,
        );
        memory.check();
      }
    }
  });
});
