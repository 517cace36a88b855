import { describe, expect, test } from "vitest";
import { expectSame, salted } from "../support/compare.js";
import { builds, Guarded, normals, sizes, uniform } from "../support/kernels.js";

const widths = [1, 2, 4, 8] as const;

/** Steps of three dimensions that lie one behind the other in some order, with a gap after each innermost run of `gap` elements. */
function laid(counts: readonly number[], order: readonly number[], width: number, gap: number): number[] {
  const steps = [0, 0, 0];
  let step = width;
  for (const [i, d] of order.entries()) {
    steps[d] = step;
    step *= counts[d] + (i === 0 ? gap : 0);
  }
  return steps;
}

/** Where a copy begins so that its lowest byte is byte 0, and how many bytes it spans. */
function spanOf(counts: readonly number[], steps: readonly number[], width: number) {
  const ends = counts.map((count, d) => Math.max(0, count - 1) * steps[d]);
  const low = ends.reduce((sum, end) => sum + Math.min(end, 0), 0);
  const high = ends.reduce((sum, end) => sum + Math.max(end, 0), 0);
  return { begin: -low, bytes: counts.includes(0) ? 0 : high - low + width };
}

function* places(counts: readonly number[]) {
  for (let i = 0; i < counts[0]; i++)
    for (let j = 0; j < counts[1]; j++) for (let k = 0; k < counts[2]; k++) yield [i, j, k];
}

const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, v, i) => sum + v * b[i], 0);

/** Contiguous and with gaps, turned in every order, backwards, and repeated. */
function* layouts(counts: readonly number[], width: number) {
  const orders = [
    [2, 1, 0],
    [1, 2, 0],
    [0, 1, 2],
    [1, 0, 2],
    [2, 0, 1],
  ];
  for (const order of orders) {
    for (const gap of [0, 3]) {
      const x = laid(counts, order, width, gap);
      yield [x, laid(counts, [2, 1, 0], width, 0)];
      yield [x, laid(counts, [2, 1, 0], width, 2)];
      yield [x.with(2, -x[2]), laid(counts, [2, 1, 0], width, gap)];
    }
  }
  const y = laid(counts, [2, 1, 0], width, 0);
  yield [[0, 0, 0], y];
  yield [laid(counts, [2, 1, 0], width, 0).with(2, 0), y];
  yield [laid(counts, [2, 1, 0], width, 0).with(1, 0), y];
  yield [laid(counts, [2, 1, 0], width, 0), y.map((step) => -step)];
}

describe.each(builds())("$name", ({ kernels }) => {
  const moves = { 1: kernels.move_x8, 2: kernels.move_x16, 4: kernels.move_x32, 8: kernels.move_x64 };

  test.each(widths)("a strided copy of elements of %i bytes touches nothing else", (width) => {
    const next = uniform(width);
    for (const counts of [
      [0, 3, 5],
      [1, 1, 1],
      [2, 0, 3],
      [2, 3, 0],
      [1, 1, 257],
      [1, 2, 300],
      [2, 3, 1],
      [2, 5, 3],
      [1, 16, 4],
      [2, 17, 5],
      [1, 4, 33],
      [1, 33, 17],
      [3, 7, 15],
    ]) {
      for (const [xs, ys] of layouts(counts, width)) {
        const [from, to] = [spanOf(counts, xs, width), spanOf(counts, ys, width)];
        const x = Uint8Array.from({ length: from.bytes }, () => Math.floor(256 * next()));
        const y = Uint8Array.from({ length: to.bytes }, () => Math.floor(256 * next()));
        const memory = new Guarded(kernels);
        const py = memory.place(y);
        // Only as aligned as its element asks: a block that ends with memory traps where more is read.
        const px = memory.placeFlush(x);
        const [[n0, n1, n2], [x0, x1, x2], [y0, y1, y2]] = [counts, xs, ys];
        moves[width](n0, n1, n2, x0, x1, x2, y0, y1, y2, px + from.begin, py + to.begin);
        memory.check();
        for (const place of places(counts)) {
          const [a, b] = [from.begin + dot(place, xs), to.begin + dot(place, ys)];
          for (let i = 0; i < width; i++) y[b + i] = x[a + i];
        }
        const what = `${counts} from ${xs} to ${ys}`;
        expectSame(memory.read(Uint8Array, py, y.length), y, what);
      }
    }
  });

  test("accumulate_f32 adds, where several meet too; lattice_x32 says where elements stand", () => {
    for (const counts of [
      [2, 3, 5],
      [1, 4, 7],
      [3, 0, 2],
    ]) {
      for (const [xs, ys] of layouts(counts, 4)) {
        // A third of the destination's steps: elements meet.
        for (const steps of [ys, [ys[0], 4, 4]]) {
          const [from, to] = [spanOf(counts, xs, 4), spanOf(counts, steps, 4)];
          const [x, y] = [salted(normals(from.bytes / 4, 1)), normals(to.bytes / 4, 2)];
          const memory = new Guarded(kernels);
          const [py, pl] = [memory.place(y), memory.place(new Uint32Array(to.bytes / 4))];
          const px = memory.placeFlush(x);
          const [[n0, n1, n2], [x0, x1, x2], [y0, y1, y2]] = [counts, xs, steps];
          kernels.accumulate_f32(n0, n1, n2, x0, x1, x2, y0, y1, y2, px + from.begin, py + to.begin);
          kernels.lattice_x32(n0, n1, n2, x0, x1, x2, y0, y1, y2, 1000 + from.begin, pl + to.begin);
          memory.check();
          const lattice = new Uint32Array(to.bytes / 4);
          for (const place of places(counts)) {
            const [a, b] = [from.begin + dot(place, xs), (to.begin + dot(place, steps)) / 4];
            y[b] += x[a / 4];
            lattice[b] = 1000 + a;
          }
          expectSame(memory.read(Float32Array, py, y.length), y, `${counts} from ${xs} to ${steps}`);
          expect(memory.read(Uint32Array, pl, y.length)).toEqual(lattice);
        }
      }
    }
  });

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
