import { describe, expect, test } from "vitest";
import { relu, softmax, softmaxGrad } from "../reference/ops.js";
import { expectSame, expectWithin, salted } from "../support/compare.js";
import { builds, Guarded, normals, sizes } from "../support/kernels.js";

describe.each(builds())("$name", ({ kernels }) => {
  test("relu_f32 is max(x, 0), with +0 for -0 and NaN for NaN, in place too", () => {
    for (const n of sizes) {
      const x = salted(normals(n, n));
      const memory = new Guarded(kernels);
      const y = memory.room(4 * n);
      const px = memory.placeFlush(x);
      kernels.relu_f32(n, px, y);
      kernels.relu_f32(n, px, px);
      memory.check();
      expectSame(memory.read(Float32Array, y, n), x.map(relu));
      expectSame(memory.read(Float32Array, px, n), x.map(relu));
    }
  });

  test("relu_grad_f32 lets dY through where y > 0 and nothing elsewhere, not even NaN", () => {
    for (const n of sizes) {
      const [y, dy, start] = [salted(normals(n, n)), normals(n, n + 1), normals(n, n + 2)];
      for (let i = 0; i < n; i++) if (!(y[i] > 0) && i % 2 === 0) dy[i] = i % 4 === 0 ? NaN : Infinity;
      const memory = new Guarded(kernels);
      const [dx, py] = [memory.place(start), memory.place(y)];
      kernels.relu_grad_f32(n, py, memory.placeFlush(dy), dx);
      memory.check();
      expectSame(
        memory.read(Float32Array, dx, n),
        start.map((v, i) => v + (y[i] > 0 ? dy[i] : 0)),
      );
    }
  });

  test("softmax_f32 follows its definition, in place too", () => {
    for (const cols of sizes) {
      for (const spread of [1, 30]) {
        const rows = 3;
        const x = normals(rows * cols, cols).map((v) => v * spread);
        const memory = new Guarded(kernels);
        const y = memory.room(4 * rows * cols);
        const px = memory.placeFlush(x);
        kernels.softmax_f32(rows, cols, px, y);
        kernels.softmax_f32(rows, cols, px, px);
        memory.check();
        const got = memory.read(Float32Array, y, rows * cols);
        expectSame(memory.read(Float32Array, px, rows * cols), got);
        for (let r = 0; r < rows; r++) {
          const row = x.subarray(r * cols, (r + 1) * cols);
          const value = softmax(row);
          // One ulp (two roundings) of exp above and below, the rounding of x - max, which exp turns into a factor, the sum's
          // and the quotient's.
          let shift = 0;
          for (const v of row) shift = Math.max(shift, Math.max(...row) - v);
          expectWithin(got.subarray(r * cols, (r + 1) * cols), { value, size: value }, 2 * shift + cols + 8, `${cols}`);
        }
      }
    }
  });

  test("softmax_f32 does not overflow, loses nothing to large offsets, and gives NaN where its definition does", () => {
    const rows = [
      [1000, 1000, 1000, 1000, 1000],
      [-3e38, -3e38, 0, -3e38, -3e38],
      [3e38, -3e38, 0, 1, 2],
      [-Infinity, 0, -Infinity, 0, -Infinity],
      [-Infinity, -Infinity, -Infinity, -Infinity, -Infinity],
      [1, 2, 3, 4, NaN],
      [1, Infinity, 3, 4, 5],
      [-104, -103, -100, 0, -90],
    ];
    const memory = new Guarded(kernels);
    const y = memory.room(4 * 5 * rows.length);
    kernels.softmax_f32(rows.length, 5, memory.placeFlush(Float32Array.from(rows.flat())), y);
    memory.check();
    for (const [r, row] of rows.entries()) {
      const value = softmax(row);
      expectWithin(memory.read(Float32Array, y + 20 * r, 5), { value, size: value }, 220, `row ${r}`);
    }
    expect([...memory.read(Float32Array, y + 80, 15)].every(Number.isNaN)).toBe(true);
  });

  test("softmax_f32 makes a row NaN wherever in it a NaN or +Inf stands, and 0 what is -Inf", () => {
    for (const cols of [1, 3, 4, 5, 16, 19, 33]) {
      for (const [value, among] of [
        [NaN, NaN],
        [Infinity, NaN],
        [-Infinity, 0],
      ]) {
        const x = normals(cols * cols, cols);
        for (let r = 0; r < cols; r++) x[r * cols + r] = value;
        const memory = new Guarded(kernels);
        const [px, y] = [memory.place(x), memory.room(4 * x.length)];
        kernels.softmax_f32(cols, cols, px, y);
        memory.check();
        const got = memory.read(Float32Array, y, x.length);
        for (let r = 0; r < cols; r++) {
          const row = got.subarray(r * cols, (r + 1) * cols);
          if (Number.isNaN(among) || cols === 1) expect([...row].every(Number.isNaN)).toBe(true);
          else expect(row.indexOf(0)).toBe(r);
        }
      }
    }
  });

  test("a row's softmax has the same bits alone and among others", () => {
    const [rows, cols] = [5, 11];
    const x = normals(rows * cols, 1);
    const memory = new Guarded(kernels);
    const [px, together, alone] = [memory.place(x), memory.room(4 * rows * cols), memory.room(4 * rows * cols)];
    kernels.softmax_f32(rows, cols, px, together);
    for (let r = 0; r < rows; r++) kernels.softmax_f32(1, cols, px + 4 * r * cols, alone + 4 * r * cols);
    expectSame(memory.read(Float32Array, alone, rows * cols), memory.read(Float32Array, together, rows * cols));
  });

  test("softmax_grad_f32 adds y (dY - <dY, y>)", () => {
    for (const cols of sizes) {
      const rows = 3;
      const [x, dy, start] = [normals(rows * cols, 4), normals(rows * cols, 5), normals(rows * cols, 6)];
      const values = new Float32Array(rows * cols);
      for (const r of [0, 1, 2]) values.set(softmax(x.subarray(r * cols, (r + 1) * cols)), r * cols);
      const memory = new Guarded(kernels);
      const [dx, py] = [memory.place(start), memory.place(values)];
      kernels.softmax_grad_f32(rows, cols, py, memory.placeFlush(dy), dx);
      memory.check();
      for (const r of [0, 1, 2]) {
        const span = [r * cols, (r + 1) * cols] as const;
        const twin = softmaxGrad(values.subarray(...span), dy.subarray(...span));
        const before = start.subarray(...span);
        const sums = {
          value: twin.value.map((v, i) => v + before[i]),
          size: twin.size.map((v, i) => v + Math.abs(before[i])),
        };
        expectWithin(memory.read(Float32Array, dx + 4 * r * cols, cols), sums, cols + 5, `${cols}`);
      }
    }
  });
});

test("the twin's softmax gradient agrees with finite differences", () => {
  const [x, dy] = [Float64Array.from(normals(7, 1)), normals(7, 2)];
  const twin = softmaxGrad(softmax(x), dy).value;
  for (let i = 0; i < x.length; i++) {
    const step = 1e-6;
    const at = (shift: number) =>
      softmax(x.map((v, j) => (j === i ? v + shift : v))).reduce((s, v, j) => s + v * dy[j], 0);
    expect(Math.abs((at(step) - at(-step)) / (2 * step) - twin[i])).toBeLessThan(1e-8);
  }
});
