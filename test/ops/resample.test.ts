import { describe, test } from "vitest";
import { expectWithin } from "../support/compare.js";
import { builds, Guarded, normals, sizes, uniform } from "../support/kernels.js";

describe.each(builds())("$name", ({ kernels }) => {
  test("resample_f32 is a weighted sum of neighbours", () => {
    const next = uniform(1);
    for (const inner of [0, 1, 2, 3, 4, 5, 17]) {
      for (const m of sizes.filter((size) => size < 40)) {
        for (const [outer, n, taps] of [
          [1, 1, 1],
          [2, 2, 2],
          [3, 9, 2],
          [2, 9, 4],
          [1, 9, 9],
          [0, 9, 3],
        ]) {
          const x = normals(outer * n * inner, 2);
          const weights = normals(m * taps, 3);
          const first = Uint32Array.from({ length: m }, () => Math.floor(next() * (n - taps + 1)));
          const memory = new Guarded(kernels);
          const y = memory.room(4 * outer * m * inner);
          const [places, parts] = [memory.place(first), memory.place(weights)];
          kernels.resample_f32(outer, n, m, inner, taps, places, parts, memory.placeFlush(x), y);
          memory.check();
          const value = new Float64Array(outer * m * inner);
          const size = new Float64Array(value.length);
          for (let o = 0; o < outer; o++) {
            for (let j = 0; j < m; j++) {
              for (let i = 0; i < inner; i++) {
                const at = (o * m + j) * inner + i;
                for (let t = 0; t < taps; t++) {
                  const term = weights[j * taps + t] * x[(o * n + first[j] + t) * inner + i];
                  value[at] += term;
                  size[at] += Math.abs(term);
                }
              }
            }
          }
          expectWithin(memory.read(Float32Array, y, value.length), { value, size }, taps + 1, `${inner} ${m} ${n}`);
        }
      }
    }
  });

  test("resample_grad_f32 gives each neighbour its share", () => {
    const next = uniform(1);
    for (const inner of [0, 1, 3, 4, 5, 17]) {
      for (const [outer, n, m, taps] of [
        [1, 1, 1, 1],
        [2, 2, 7, 2],
        [3, 9, 4, 4],
        [0, 9, 3, 3],
        [2, 5, 0, 2],
      ]) {
        const [dy, start] = [normals(outer * m * inner, 2), normals(outer * n * inner, 4)];
        const weights = normals(m * taps, 3);
        const first = Uint32Array.from({ length: m }, () => Math.floor(next() * (n - taps + 1)));
        const memory = new Guarded(kernels);
        const [places, parts, dx] = [memory.place(first), memory.place(weights), memory.place(start)];
        kernels.resample_grad_f32(outer, n, m, inner, taps, places, parts, memory.placeFlush(dy), dx);
        memory.check();
        const value = Float64Array.from(start);
        const size = Float64Array.from(start, Math.abs);
        for (let o = 0; o < outer; o++) {
          for (let j = 0; j < m; j++) {
            for (let t = 0; t < taps; t++) {
              for (let i = 0; i < inner; i++) {
                const term = weights[j * taps + t] * dy[(o * m + j) * inner + i];
                value[(o * n + first[j] + t) * inner + i] += term;
                size[(o * n + first[j] + t) * inner + i] += Math.abs(term);
              }
            }
          }
        }
        expectWithin(memory.read(Float32Array, dx, value.length), { value, size }, m * taps + 1, `${inner} ${m} ${n}`);
      }
    }
  });
});
