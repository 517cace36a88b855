import { describe, expect, test } from "vitest";
import { floatCodes } from "../../src/ops/codes.js";
import { expectSame, salted } from "../support/compare.js";
import { builds, Guarded, normals, sizes } from "../support/kernels.js";

const f = Math.fround;
const twins: Record<keyof typeof floatCodes, (a: number, b: number) => number> = {
  add: (a, b) => f(a + b),
  sub: (a, b) => f(a - b),
  mul: (a, b) => f(a * b),
  div: (a, b) => f(a / b),
  max: Math.max,
  min: Math.min,
  prelu: (a, b) => (a < 0 ? f(a * b) : a),
  less: (a, b) => Number(a < b),
  lessOrEqual: (a, b) => Number(a <= b),
  equal: (a, b) => Number(a === b),
  unequal: (a, b) => Number(a !== b),
};
type Name = keyof typeof floatCodes;

/** How an operand moves: along rows and columns, and whether it has a row of its own for each. */
const moves = [
  [true, 1],
  [true, 0],
  [false, 1],
  [false, 0],
] as const;

describe.each(builds())("$name", ({ kernels }) => {
  test.each(Object.keys(twins) as Name[])(
    "binary_f32 %s, each operand whole, by rows, by columns or one value",
    (op) => {
      const bytes = floatCodes[op] < floatCodes.less ? 4 : 1;
      for (const cols of sizes) {
        for (const rows of [0, 1, 3]) {
          for (const [aRows, aCol] of moves) {
            for (const [bRows, bCol] of moves) {
              const length = (byRow: boolean, col: number) => (byRow ? rows : 1) * (col ? cols : 1);
              const a = salted(normals(length(aRows, aCol), 1));
              const b = salted(normals(length(bRows, bCol), 2)).reverse();
              const at = (v: Float32Array, byRow: boolean, col: number, r: number, c: number) =>
                v[(byRow ? r * (col ? cols : 1) : 0) + (col ? c : 0)];
              const wanted = Float32Array.from({ length: rows * cols }, (_, i) => {
                const [r, c] = [Math.floor(i / cols), i % cols];
                return twins[op](at(a, aRows, aCol, r, c), at(b, bRows, bCol, r, c));
              });
              const memory = new Guarded(kernels);
              const [y, scratch, pb] = [memory.room(bytes * rows * cols), aligned(memory, 48), memory.place(b)];
              const pa = memory.placeFlush(a);
              const row = (byRow: boolean, col: number) => (byRow ? 4 * (col ? cols : 1) : 0);
              const [aRow, bRow] = [row(aRows, aCol), row(bRows, bCol)];
              kernels.binary_f32(floatCodes[op], rows, cols, pa, aRow, aCol, pb, bRow, bCol, y, bytes * cols, scratch);
              memory.check();
              const got =
                bytes === 4 ? memory.read(Float32Array, y, rows * cols) : memory.read(Uint8Array, y, rows * cols);
              expectSame(got, wanted, `${op} ${rows} x ${cols}`);
            }
          }
        }
      }
    },
  );

  test("binary_f32 in place, and rows made of rows before them, backwards too", () => {
    for (const cols of [1, 3, 4, 7, 16, 65]) {
      const x = normals(5 * cols, 3);
      const memory = new Guarded(kernels);
      const [px, scratch] = [memory.place(x), aligned(memory, 48)];
      const step = 4 * cols;
      kernels.binary_f32(floatCodes.add, 4, cols, px, step, 1, px + step, step, 1, px + step, step, scratch);
      const sums = x.slice();
      for (let i = cols; i < sums.length; i++) sums[i] += sums[i - cols];
      expectSame(memory.read(Float32Array, px, x.length), sums);
      const last = px + 4 * step;
      kernels.binary_f32(floatCodes.sub, 4, cols, last, -step, 1, last - step, -step, 1, last - step, -step, scratch);
      for (let i = 4 * cols - 1; i >= 0; i--) sums[i] = f(sums[i + cols] - sums[i]);
      expectSame(memory.read(Float32Array, px, x.length), sums);
      memory.check();
    }
  });
});

/** Room for scratch at an address that is a multiple of 16. */
function aligned(memory: Guarded, bytes: number): number {
  return Math.ceil(memory.room(bytes + 12) / 16) * 16;
}

test("the codes are the numbers from 0 on", () => {
  expect(Object.values(floatCodes)).toEqual([...Object.values(floatCodes).keys()]);
});
