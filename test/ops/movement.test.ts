import { describe, test } from "vitest";
import { expectSame, salted } from "../support/compare.js";
import { builds, Guarded, normals, sizes } from "../support/kernels.js";

describe.each(builds())("$name", ({ kernels }) => {
  test("transpose_f32 writes y[j, i] = x[i, j]", () => {
    for (const rows of sizes) {
      for (const cols of [0, 1, 3, 4, 5, 16, 17, 33]) {
        const x = salted(normals(rows * cols, rows));
        const memory = new Guarded(kernels);
        const y = memory.room(4 * x.length);
        kernels.transpose_f32(rows, cols, memory.placeFlush(x), y);
        memory.check();
        const wanted = Float32Array.from(x, (_, i) => x[(i % rows) * cols + Math.floor(i / rows)]);
        expectSame(memory.read(Float32Array, y, x.length), wanted, `${rows} x ${cols}`);
      }
    }
  });

  test("copy_bytes copies bits, overlapping too", () => {
    for (const n of sizes) {
      const x = salted(normals(n + 3, n));
      const memory = new Guarded(kernels);
      const [y, px] = [memory.room(4 * n), memory.place(x)];
      kernels.copy_bytes(4 * n, px, y);
      kernels.copy_bytes(4 * n, px, px + 12);
      memory.check();
      expectSame(memory.read(Float32Array, y, n), x.subarray(0, n));
      expectSame(memory.read(Float32Array, px + 12, n), x.subarray(0, n));
    }
  });
});
