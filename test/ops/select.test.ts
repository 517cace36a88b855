import { describe, test } from "vitest";
import { expectSame, salted } from "../support/compare.js";
import { builds, Guarded, normals, sizes, uniform } from "../support/kernels.js";

describe.each(builds())("$name", ({ kernels }) => {
  test("where_x32 takes a where the condition holds, each of the three whole or one value", () => {
    for (const cols of sizes) {
      for (const rows of [0, 1, 3]) {
        for (let which = 0; which < 8; which++) {
          const [cCol, aCol, bCol] = [which & 1, (which >> 1) & 1, which >> 2];
          const next = uniform(cols + which);
          const condition = Uint8Array.from({ length: rows * (cCol ? cols : 1) }, () => Number(next() < 0.5));
          const a = salted(normals(rows * (aCol ? cols : 1), 1));
          const b = salted(normals(bCol ? cols : 1, 2));
          const memory = new Guarded(kernels);
          const [y, pa, pb] = [memory.room(4 * rows * cols), memory.place(a), memory.place(b)];
          const scratch = Math.ceil(memory.room(48 + 12) / 16) * 16;
          const pc = memory.placeFlush(condition);
          const [cRow, aRow] = [cCol ? cols : 1, 4 * (aCol ? cols : 1)];
          kernels.where_x32(rows, cols, pc, cRow, cCol, pa, aRow, aCol, pb, 0, bCol, y, scratch);
          memory.check();
          const wanted = Float32Array.from({ length: rows * cols }, (_, i) => {
            const r = Math.floor(i / cols);
            return condition[cCol ? i : r] ? a[aCol ? i : r] : b[bCol ? i % cols : 0];
          });
          expectSame(memory.read(Float32Array, y, rows * cols), wanted, `${rows} x ${cols}, ${which}`);
        }
      }
    }
  });
});
