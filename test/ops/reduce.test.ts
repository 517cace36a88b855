import { describe, test } from "vitest";
import { expectSame, expectWithin } from "../support/compare.js";
import { builds, Guarded, normals, sizes } from "../support/kernels.js";

describe.each(builds())("$name", ({ kernels }) => {
  test("column_sum_f32 adds each column in rising row, from what y held", () => {
    for (const rows of [0, 1, 2, 17, 65]) {
      for (const cols of sizes) {
        const [x, start] = [normals(rows * cols, rows), normals(cols, 2)];
        const memory = new Guarded(kernels);
        const y = memory.place(start);
        kernels.column_sum_f32(rows, cols, memory.placeFlush(x), y);
        memory.check();
        const wanted = start.slice();
        for (let i = 0; i < x.length; i++) wanted[i % cols] += x[i];
        expectSame(memory.read(Float32Array, y, cols), wanted, `${rows} x ${cols}`);
      }
    }
  });

  test("channel_sum_f32 adds each channel over images and planes", () => {
    for (const plane of sizes) {
      for (const [batch, c] of [
        [0, 3],
        [1, 1],
        [2, 3],
        [3, 7],
        [2, 0],
      ]) {
        const [x, start] = [normals(batch * c * plane, plane), normals(c, 2)];
        const memory = new Guarded(kernels);
        const y = memory.place(start);
        kernels.channel_sum_f32(batch, c, plane, memory.placeFlush(x), y);
        memory.check();
        const value = Float64Array.from(start);
        const size = Float64Array.from(start, Math.abs);
        for (let i = 0; i < x.length; i++) {
          value[Math.floor(i / plane) % c] += x[i];
          size[Math.floor(i / plane) % c] += Math.abs(x[i]);
        }
        expectWithin(memory.read(Float32Array, y, c), { value, size }, batch * plane + 1);
      }
    }
  });
});
