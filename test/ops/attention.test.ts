// The kernels of attention against their definitions.
import { describe, expect, test } from "vitest";
import { softmax } from "../reference/ops.js";
import { expectSame } from "../support/compare.js";
import { builds, Guarded, normals, sizes, uniform } from "../support/kernels.js";

const none = Number.NEGATIVE_INFINITY;
const rows = 3;

describe.each(builds())("$name", ({ kernels }) => {
  test.each([
    ["none", 0],
    ["added", 1],
    ["chosen", 2],
    ["closing", 3],
  ])("score_rows_f32: %s", (_name, kind) => {
    const next = uniform(kind + 1);
    for (const cols of sizes) {
      // A mask of rows, of one row for all, of one element a row.
      for (const [maskRows, maskCol] of [
        [rows, 1],
        [1, 1],
        [rows, 0],
      ]) {
        const wide = maskCol ? cols : 1;
        const s = normals(rows * cols, cols + 7).map((v, i) => (i % 11 === 3 ? NaN : v));
        const open = Array.from({ length: maskRows * wide }, () => next() < 0.6);
        const mask =
          kind === 2
            ? Uint8Array.from(open, (yes) => (yes ? 1 + Math.floor(200 * next()) : 0))
            : Float32Array.from(open, (yes) => (yes ? 4 * next() - 2 : none));
        const [scale, fill] = [Math.fround(0.37), kind === 2 ? -1e9 : none];
        const memory = new Guarded(kernels);
        const at = memory.place(s);
        const maskRow = maskRows === 1 ? 0 : wide * mask.BYTES_PER_ELEMENT;
        kernels.score_rows_f32(rows, cols, memory.placeFlush(mask), maskRow, maskCol, at, kind, scale, fill);
        memory.check();
        const want = s.map((v, i) => {
          const place = (maskRows === 1 ? 0 : Math.floor(i / cols)) * wide + (maskCol ? i % cols : 0);
          const scaled = Math.fround(v * scale);
          if (kind === 0) return scaled;
          if (kind === 1) return Math.fround(scaled + mask[place]);
          return mask[place] === (kind === 2 ? 0 : none) ? fill : scaled;
        });
        expectSame(memory.read(Float32Array, at, rows * cols), want, `${cols} ${maskRows} ${maskCol}`);
      }
    }
  });

  test("open_cols_f32 is where the last open column of any row stands", () => {
    for (const cols of sizes) {
      for (const kind of [1, 2]) {
        for (const edges of [
          [0, 0, 0],
          [cols, 0, 1],
          [1, Math.min(3, cols), cols - 1],
          [cols >> 1, cols >> 1, cols >> 2],
          [2, 1, 0],
        ]) {
          const ends = edges.map((end) => Math.max(0, Math.min(end, cols)));
          const open = Array.from({ length: rows * cols }, (_, i) => {
            const [r, c] = [Math.floor(i / cols), i % cols];
            return c < ends[r] && (c === ends[r] - 1 || c % 3 === 0);
          });
          const mask =
            kind === 2 ? Uint8Array.from(open, Number) : Float32Array.from(open, (yes) => (yes ? NaN : none));
          const memory = new Guarded(kernels);
          const at = memory.placeFlush(mask);
          const row = cols * mask.BYTES_PER_ELEMENT;
          const last = Math.max(...ends);
          expect(kernels.open_cols_f32(rows, cols, at, row, kind, 0)).toBe(last);
          expect(kernels.open_cols_f32(rows, cols, at, row, kind, 1)).toBe(ends.includes(0) ? cols : last);
          expect(kernels.open_cols_f32(rows, cols, at, 0, kind, 0)).toBe(ends[0]);
          memory.check();
        }
      }
    }
  });

  test("softmax_seen_f32 weighs what each row sees and leaves 0 elsewhere", () => {
    for (const cols of sizes) {
      for (const [seen, step] of [
        [cols, 0],
        [cols - 2, 1],
        [0, 1],
        [-1, 1],
        [-9, 0],
        [cols + 5, -3],
      ]) {
        const s = normals(rows * cols, cols).map((v) => 5 * v);
        // A row that is closed, but for what it does not see.
        s.fill(none, cols, cols + Math.max(0, Math.min(seen + step, cols)));
        const memory = new Guarded(kernels);
        const at = memory.placeFlush(s);
        kernels.softmax_seen_f32(rows, cols, at, seen, step);
        memory.check();
        const got = memory.read(Float32Array, at, rows * cols);
        for (let r = 0; r < rows; r++) {
          const count = Math.max(0, Math.min(seen + r * step, cols));
          const weights = softmax(s.subarray(r * cols, r * cols + count));
          for (let c = 0; c < cols; c++) {
            const want = r === 1 || c >= count ? 0 : weights[c];
            const limit = (cols + 80) * 2 ** -24 * want + 1e-44;
            expect(Math.abs(got[r * cols + c] - want), `${cols} ${seen} ${step} ${r} ${c}`).toBeLessThanOrEqual(limit);
          }
        }
      }
    }
  });

  test("softmax_seen_f32: NaN stays in its row, also beside what is closed", () => {
    const s = Float32Array.of(none, NaN, none, 1, 2, 3, none, none, none);
    const memory = new Guarded(kernels);
    const at = memory.place(s);
    kernels.softmax_seen_f32(3, 3, at, 3, 0);
    const got = memory.read(Float32Array, at, 9);
    expect([...got.subarray(0, 3)]).toEqual([NaN, NaN, NaN]);
    expect(got.subarray(3, 6).every((v) => v > 0 && v < 1)).toBe(true);
    expect([...got.subarray(6)]).toEqual([0, 0, 0]);
  });
});
