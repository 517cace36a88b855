import { describe, test } from "vitest";
import { expectSame, expectWithin, salted } from "../support/compare.js";
import { builds, Guarded, normals, sizes } from "../support/kernels.js";

const shapes = sizes.flatMap((cols) => [0, 1, 3].map((rows) => [rows, cols] as const));

describe.each(builds())("$name", ({ name, kernels }) => {
  test("add_f32 and add_into_f32, in place too", () => {
    for (const n of sizes) {
      const [a, b] = [salted(normals(n, 1)), salted(normals(n, 2)).reverse()];
      const wanted = a.map((v, i) => v + b[i]);
      const memory = new Guarded(kernels);
      const [y, left, right, into] = [memory.room(4 * n), memory.place(a), memory.place(b), memory.place(b)];
      const last = memory.placeFlush(a);
      kernels.add_f32(n, last, right, y);
      kernels.add_f32(n, left, right, right);
      kernels.add_into_f32(n, last, into);
      kernels.add_f32(n, left, left, left);
      memory.check();
      for (const pointer of [y, right, into]) expectSame(memory.read(Float32Array, pointer, n), wanted);
      expectSame(
        memory.read(Float32Array, left, n),
        a.map((v) => v + v),
      );
    }
  });

  test("multiply_add_f32 is c + a b and blend_f32 a + z (b - a), in place too", () => {
    for (const n of sizes) {
      const [a, b, c] = [1, 2, 3].map((seed) => normals(n, seed));
      const memory = new Guarded(kernels);
      const [y, alone, blended] = [memory.room(4 * n), memory.room(4 * n), memory.room(4 * n)];
      const [pa, pb, pc] = [memory.place(a), memory.place(b), memory.place(c)];
      const last = memory.placeFlush(c);
      kernels.multiply_add_f32(n, pa, pb, last, y);
      kernels.multiply_add_f32(n, last, pb, 0, alone);
      kernels.blend_f32(n, pa, pb, last, blended);
      kernels.multiply_add_f32(n, pa, pb, pc, pc);
      memory.check();
      const fround = Math.fround;
      const sum = a.map((v, i) => c[i] + fround(v * b[i]));
      for (const pointer of [y, pc]) expectSame(memory.read(Float32Array, pointer, n), sum);
      expectSame(
        memory.read(Float32Array, alone, n),
        c.map((v, i) => v * b[i]),
      );
      expectSame(
        memory.read(Float32Array, blended, n),
        a.map((v, i) => b[i] + fround(v * fround(c[i] - b[i]))),
      );
    }
  });

  test("add_row_f32 adds the row to every row", () => {
    for (const [rows, cols] of shapes) {
      const [row, y] = [normals(cols, 1), normals(rows * cols, 2)];
      const memory = new Guarded(kernels);
      const py = memory.place(y);
      kernels.add_row_f32(rows, cols, memory.placeFlush(row), py);
      memory.check();
      expectSame(
        memory.read(Float32Array, py, rows * cols),
        y.map((v, i) => v + row[i % cols]),
      );
    }
  });

  test("fill_row_f32 repeats the row, or zeros for row 0", () => {
    for (const [rows, cols] of shapes) {
      const row = salted(normals(cols, 1));
      const memory = new Guarded(kernels);
      const [y, zeros] = [memory.room(4 * rows * cols), memory.room(4 * rows * cols)];
      kernels.fill_row_f32(rows, cols, memory.placeFlush(row), y);
      kernels.fill_row_f32(rows, cols, 0, zeros);
      memory.check();
      expectSame(
        memory.read(Float32Array, y, rows * cols),
        Float32Array.from({ length: rows * cols }, (_, i) => row[i % cols]),
      );
      expectSame(memory.read(Float32Array, zeros, rows * cols), new Float32Array(rows * cols));
    }
  });

  test("scale_shift_f32 is x scale + shift for each channel, in place too", () => {
    for (const plane of sizes) {
      for (const [n, c] of [
        [1, 0],
        [2, 1],
        [2, 3],
        [3, 5],
        [2, 18],
      ]) {
        const x = normals(n * c * plane, 1);
        const [scale, shift] = [normals(c, 2), normals(c, 3)];
        const memory = new Guarded(kernels);
        const [y, pScale, pShift] = [memory.room(4 * x.length), memory.place(scale), memory.place(shift)];
        const px = memory.placeFlush(x);
        kernels.scale_shift_f32(n, c, plane, px, pScale, pShift, y);
        kernels.scale_shift_f32(n, c, plane, px, pScale, pShift, px);
        memory.check();
        const got = memory.read(Float32Array, y, x.length);
        expectSame(memory.read(Float32Array, px, x.length), got);
        const channel = (i: number) => Math.floor(i / plane) % c;
        if (name !== "relaxed") {
          expectSame(
            got,
            x.map((v, i) => Math.fround(v * scale[channel(i)]) + shift[channel(i)]),
          );
        }
        const value = Float64Array.from(x, (v, i) => v * scale[channel(i)] + shift[channel(i)]);
        const size = Float64Array.from(x, (v, i) => Math.abs(v * scale[channel(i)]) + Math.abs(shift[channel(i)]));
        expectWithin(got, { value, size }, 2);
      }
    }
  });
});
