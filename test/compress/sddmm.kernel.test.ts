import { describe, expect, it } from "vitest";
import { randomCsr, sddmm } from "../reference/compress.js";
import { expectSame } from "../support/compare.js";
import { builds, Guarded, normals, sizes } from "../support/kernels.js";

for (const { name, kernels } of builds()) {
  describe(`sddmm, ${name}`, () => {
    it("adds dY X^T on the support, whatever the length of rows and sums, with gaps between rows", () => {
      for (const n of sizes) {
        for (const sparsity of [0, 0.5, 0.9, 1]) {
          for (const gap of [0, 3]) {
            const [rows, cols, lead] = [5, 13, n % 3];
            const a = randomCsr(rows, cols, sparsity, n, false, lead);
            const spread = (count: number, seed: number) => {
              const values = new Float32Array(Math.max(0, count * (n + gap) - gap)).fill(Number.NaN);
              for (let r = 0; r < count; r++) values.set(normals(n, seed + r), r * (n + gap));
              return values;
            };
            const [dy, x, start] = [spread(rows, 1), spread(cols, 50), normals(a.col.length, 9)];
            const memory = new Guarded(kernels);
            const [rowPtr, col, y] = [memory.place(a.rowPtr), memory.place(a.col), memory.place(start)];
            const inside = memory.place(n % 2 ? x : dy);
            const last = memory.placeFlush(n % 2 ? dy : x);
            const [pdy, px] = n % 2 ? [last, inside] : [inside, last];
            kernels.sddmm_csr_f32(rows, n, rowPtr, col, pdy, n + gap, px, n + gap, y);
            memory.check();
            const got = memory.read(Float32Array, y, start.length);
            expectSame(got.subarray(0, lead), start.subarray(0, lead));
            const { value, size } = sddmm(a, n, dy, n + gap, x, n + gap, start);
            for (let e = lead; e < start.length; e++) {
              expect(Math.abs(got[e] - value[e])).toBeLessThanOrEqual((n / 4 + 5) * 2 ** -24 * size[e]);
            }
          }
        }
      }
    });

    it("gives an entry the same bits whatever stands beside it, and lets NaN and infinities reach theirs alone", () => {
      const n = 9;
      const [dy, x] = [normals(n, 1), normals(7 * n, 2)];
      x[2 * n] = Number.NaN;
      x[3 * n + 8] = Infinity;
      const memory = new Guarded(kernels);
      const [rowPtr, single] = [memory.place(Uint32Array.of(0, 7)), memory.place(Uint32Array.of(0, 1))];
      const col = memory.place(Uint32Array.of(0, 1, 2, 3, 4, 5, 6));
      const [pdy, px] = [memory.place(dy), memory.place(x)];
      const [together, alone] = [memory.place(new Float32Array(7)), memory.place(new Float32Array(7))];
      kernels.sddmm_csr_f32(1, n, rowPtr, col, pdy, n, px, n, together);
      for (let e = 0; e < 7; e++) kernels.sddmm_csr_f32(1, n, single, col + 4 * e, pdy, n, px, n, alone + 4 * e);
      memory.check();
      const got = memory.read(Float32Array, together, 7);
      expectSame(memory.read(Float32Array, alone, 7), got);
      expect([...got].map(Number.isFinite)).toEqual([true, true, false, false, true, true, true]);
    });
  });
}
