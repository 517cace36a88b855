import { describe, test } from "vitest";
import { foldCodes } from "../../src/ops/codes.js";
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

  test.each(Object.keys(foldCodes) as (keyof typeof foldCodes)[])("reduce_f32 %s over rows and down columns", (op) => {
    for (const k of [0, 1, 3, 4, 15, 16, 17, 33, 64, 130]) {
      for (const inner of [1, 2, 15, 16, 17, 33]) {
        for (const outer of [0, 1, 3]) {
          const x = normals(outer * k * inner, k + inner);
          const memory = new Guarded(kernels);
          const y = memory.room(4 * outer * inner);
          const scratch = Math.ceil(memory.room(192 + 12) / 16) * 16;
          kernels.reduce_f32(foldCodes[op], outer, k, inner, memory.placeFlush(x), y, scratch);
          memory.check();
          const value = new Float64Array(outer * inner).fill(op === "max" ? -Infinity : op === "min" ? Infinity : 0);
          const size = new Float64Array(outer * inner);
          for (const [i, v] of x.entries()) {
            const to = Math.floor(i / (k * inner)) * inner + (i % inner);
            if (op === "max" || op === "min") value[to] = Math[op](value[to], v);
            else value[to] += op === "sum" ? v : v * v;
            size[to] += op === "sum" ? Math.abs(v) : v * v;
          }
          const got = memory.read(Float32Array, y, outer * inner);
          if (op === "max" || op === "min") expectSame(got, Float32Array.from(value));
          else expectWithin(got, { value, size }, k + 2, `${op} ${outer} ${k} ${inner}`);
        }
      }
    }
  });

  test("reduce_f32 gives a row the same bits wherever it stands, and NaN for a NaN", () => {
    for (const k of [5, 16, 23, 65]) {
      const x = normals(4 * k, k);
      const memory = new Guarded(kernels);
      const [all, alone] = [memory.room(16), memory.room(4)];
      const scratch = Math.ceil(memory.room(192 + 12) / 16) * 16;
      const px = memory.place(x);
      kernels.reduce_f32(foldCodes.sum, 4, k, 1, px, all, scratch);
      for (let r = 0; r < 4; r++) {
        kernels.reduce_f32(foldCodes.sum, 1, k, 1, px + 4 * r * k, alone, scratch);
        expectSame(memory.read(Float32Array, alone, 1), memory.read(Float32Array, all + 4 * r, 1));
      }
      x[k - 1] = Number.NaN;
      const dirty = memory.place(x);
      for (const op of Object.values(foldCodes)) {
        kernels.reduce_f32(op, 1, k, 1, dirty, alone, scratch);
        expectSame(memory.read(Float32Array, alone, 1), [Number.NaN]);
      }
      memory.check();
    }
  });
});
