import { describe, expect, it } from "vitest";
import { kept, magnitudes } from "../reference/compress.js";
import { builds, Guarded, normals } from "../support/kernels.js";

const dims = [1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 33];

/** Values with ties, zeros of both signs, and a NaN where asked for. */
function values(n: number, seed: number, bad = false): Float32Array {
  return normals(n, seed).map((v, i) => (bad && i % 11 === 5 ? Number.NaN : i % 3 ? Math.round(v * 2) / 2 : -v));
}

/** The `keep` largest of a range, of equal ones the lower index, by a full sort. */
function choose(bits: boolean[], sizes: Uint32Array, from: number, to: number, keep: number): number {
  const order = Array.from({ length: to - from }, (_, i) => from + i).sort((a, b) => sizes[b] - sizes[a] || a - b);
  for (const i of order.slice(0, keep)) bits[i] = true;
  return order.length === 0 ? 0x7fffffff : sizes[order[Math.min(keep, order.length) - 1]];
}

const bitsOf = (mask: Uint8Array, n: number) => Array.from({ length: n }, (_, i) => kept(mask, i));
const spareOf = (mask: Uint8Array, n: number) => (n & 7 ? mask[mask.length - 1] >> (n & 7) : 0);

for (const { name, kernels } of builds()) {
  describe(`structure, ${name}`, () => {
    it("keeps the largest of each row", () => {
      for (const rows of [0, 1, 2, 5]) {
        for (const cols of [...dims, 1500]) {
          const x = values(rows * cols, cols, cols % 2 === 1);
          for (const keep of new Set([1, (cols + 1) >> 1, cols])) {
            const want = new Array<boolean>(rows * cols).fill(false);
            let least = 0x7fffffff;
            for (let r = 0; r < rows; r++)
              least = Math.min(least, choose(want, magnitudes(x), r * cols, (r + 1) * cols, keep));
            const guarded = new Guarded(kernels);
            const scratch = guarded.room(kernels.rows_mask_scratch_bytes(cols));
            const mask = guarded.room((rows * cols + 7) >> 3);
            const got = kernels.rows_mask_f32(rows, cols, keep, guarded.placeFlush(x), mask, scratch);
            guarded.check();
            const bytes = guarded.read(Uint8Array, mask, (rows * cols + 7) >> 3);
            expect(bitsOf(bytes, rows * cols), `${rows} x ${cols}, ${keep}`).toEqual(want);
            expect(spareOf(bytes, rows * cols)).toBe(0);
            expect(got >>> 0).toBe(least);
          }
        }
      }
    });

    it("keeps n of each m neighbours, the rest of a row too", () => {
      for (const rows of [0, 1, 2, 5]) {
        for (const cols of dims) {
          const x = values(rows * cols, cols + 1, cols % 2 === 0);
          for (const [keep, group] of [
            [2, 4],
            [1, 4],
            [4, 8],
            [1, 2],
            [3, 5],
            [4, 4],
          ]) {
            const want = new Array<boolean>(rows * cols).fill(false);
            let least = 0x7fffffff;
            for (let r = 0; r < rows; r++) {
              for (let c = 0; c < cols; c += group) {
                const end = r * cols + Math.min(cols, c + group);
                least = Math.min(least, choose(want, magnitudes(x), r * cols + c, end, keep));
              }
            }
            const guarded = new Guarded(kernels);
            const mask = guarded.room((rows * cols + 7) >> 3);
            const got = kernels.groups_mask_f32(rows, cols, group, keep, guarded.placeFlush(x), mask);
            guarded.check();
            const bytes = guarded.read(Uint8Array, mask, (rows * cols + 7) >> 3);
            expect(bitsOf(bytes, rows * cols), `${rows} x ${cols}, ${keep}:${group}`).toEqual(want);
            expect(spareOf(bytes, rows * cols)).toBe(0);
            expect(got >>> 0).toBe(least);
          }
        }
      }
    });

    it("measures blocks, those at the ends too, and spreads a mask of them", () => {
      for (const rows of [0, 1, 3, 4, 5, 9]) {
        for (const cols of dims) {
          for (const [high, wide] of [
            [1, 1],
            [1, 4],
            [4, 4],
            [4, 1],
            [3, 2],
          ]) {
            const x = normals(rows * cols, cols).map((v) => v * 1e20);
            const [down, across] = [Math.ceil(rows / high), Math.ceil(cols / wide)];
            const blockOf = (i: number) =>
              Math.floor(Math.floor(i / cols) / high) * across + Math.floor((i % cols) / wide);
            const sums = new Float64Array(down * across);
            for (const [i, v] of x.entries()) sums[blockOf(i)] += v * v;
            const guarded = new Guarded(kernels);
            const norms = guarded.room(4 * down * across);
            const mask = guarded.room((rows * cols + 7) >> 3);
            const chosen = Uint8Array.from({ length: (down * across + 7) >> 3 }, (_, i) => 0x5a ^ (i * 37));
            kernels.block_mask(rows, cols, high, wide, guarded.place(chosen), mask);
            kernels.block_norms_f32(rows, cols, high, wide, guarded.placeFlush(x), norms);
            guarded.check();
            // Summed in the same order, in f64: the very bits.
            expect(guarded.read(Float32Array, norms, down * across)).toEqual(Float32Array.from(sums, Math.sqrt));
            const bytes = guarded.read(Uint8Array, mask, (rows * cols + 7) >> 3);
            expect(bitsOf(bytes, rows * cols)).toEqual(Array.from(x, (_, i) => kept(chosen, blockOf(i))));
            expect(spareOf(bytes, rows * cols)).toBe(0);
          }
        }
      }
    });
  });
}
