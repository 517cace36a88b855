import { describe, expect, it } from "vitest";
import { absolute, type Csr, csrRows, randomCsr, spmm } from "../reference/compress.js";
import { type Build, builds, Guarded, normals, sizes } from "../support/kernels.js";

const bitsOf = (x: Float32Array) => new Uint32Array(x.buffer, x.byteOffset, x.length);
const epsilon = 2 ** -24;

interface Operand {
  readonly a: Csr;
  readonly scale?: Float32Array;
}

/** Runs the product; `gap` columns stand between the rows of x and of y. */
function run(build: Build, { a, scale }: Operand, n: number, x: Float32Array, gap = 0): Float32Array {
  const { kernels } = build;
  const guarded = new Guarded(kernels);
  const stride = n + gap;
  const spread = new Float32Array(Math.max(0, a.cols * stride - gap)).fill(Number.NaN);
  for (let c = 0; c < a.cols; c++) spread.set(x.subarray(c * n, c * n + n), c * stride);
  const rowPtr = guarded.place(a.rowPtr);
  const col = guarded.place(a.col);
  const s = scale ? guarded.place(scale) : 0;
  const y = guarded.room(4 * a.rows * stride);
  const poisoned = guarded.read(Float32Array, y, a.rows * stride);
  // In turn, one of the sources ends where memory ends.
  const [inside, last] = n % 2 === 1 ? [spread, a.values] : [a.values, spread];
  const pointers = [guarded.place(inside), guarded.placeFlush(last)];
  const [values, source] = n % 2 === 1 ? pointers.reverse() : pointers;
  if (scale) kernels.spmm_csr_i8(a.rows, n, rowPtr, col, values, s, source, stride, y, stride);
  else kernels.spmm_csr_f32(a.rows, n, rowPtr, col, values, source, stride, y, stride);
  guarded.check();
  const wide = guarded.read(Float32Array, y, a.rows * stride);
  const out = new Float32Array(a.rows * n);
  for (let r = 0; r < a.rows; r++) {
    out.set(wide.subarray(r * stride, r * stride + n), r * n);
    const between = (all: Float32Array) => bitsOf(all.slice(r * stride + n, (r + 1) * stride));
    expect(between(wide), "between the rows").toEqual(between(poisoned));
  }
  return out;
}

function operands(rows: number, cols: number, sparsity: number, lead = 0): Operand[] {
  const scale = normals(rows, 3).map((value) => 0.01 + Math.abs(value) / 100);
  return [
    { a: randomCsr(rows, cols, sparsity, rows + cols, false, lead) },
    { a: randomCsr(rows, cols, sparsity, rows + cols, true, lead), scale },
  ];
}

/** The very bits where nothing is fused, within the worst case of the rounding errors where it is. */
function expectProduct(build: Build, operand: Operand, n: number, x: Float32Array, y: Float32Array): void {
  const { a, scale } = operand;
  if (build.name !== "relaxed") {
    expect(bitsOf(y)).toEqual(bitsOf(Float32Array.from(spmm(a, n, x, scale, Math.fround))));
    return;
  }
  const want = spmm(a, n, x, scale);
  const size = spmm(absolute(a), n, x.map(Math.abs), scale);
  for (const [i, value] of y.entries()) {
    expect(Math.abs(value - want[i])).toBeLessThanOrEqual((a.cols + 2) * epsilon * size[i]);
  }
}

for (const build of builds()) {
  const { kernels } = build;
  describe(`csr, ${build.name}`, () => {
    it("multiplies any number of columns", () => {
      for (const n of [
        ...sizes,
        11,
        12,
        13,
        20,
        23,
        24,
        25,
        27,
        28,
        29,
        32,
        36,
        37,
        39,
        40,
        41,
        47,
        48,
        49,
        56,
        57,
        196,
      ]) {
        for (const operand of operands(5, 9, 0.5)) {
          const x = normals(9 * n, n);
          expectProduct(build, operand, n, x, run(build, operand, n, x));
          expectProduct(build, operand, n, x, run(build, operand, n, x, 3));
        }
      }
    });

    it("multiplies any number of rows, at any sparsity, and from the middle of a matrix", () => {
      for (const rows of sizes) {
        for (const sparsity of [0, 0.5, 0.9, 1]) {
          for (const [i, operand] of operands(rows, 40, sparsity, rows % 3).entries()) {
            const n = [1, 2, 4, 30][(rows + i) & 3];
            const x = normals(40 * n, rows);
            expectProduct(build, operand, n, x, run(build, operand, n, x));
          }
        }
      }
    });

    it("gives the same bits for one column alone and for many together", () => {
      const n = 64;
      for (const operand of operands(17, 100, 0.7)) {
        const x = normals(100 * n, 5);
        const together = run(build, operand, n, x);
        for (const width of [1, 3, 7, 13, 24, 28]) {
          for (let j = 0; j + width <= n; j += 7) {
            const part = Float32Array.from({ length: 100 * width }, (_, i) => {
              return x[Math.floor(i / width) * n + j + (i % width)];
            });
            const alone = run(build, operand, width, part);
            const want = Float32Array.from({ length: 17 * width }, (_, i) => {
              return together[Math.floor(i / width) * n + j + (i % width)];
            });
            expect(bitsOf(alone), `${width} columns from ${j}`).toEqual(bitsOf(want));
          }
        }
      }
    });

    it("lets zeros that are not stored hide infinities, and sums from +0", () => {
      const a: Csr = {
        rows: 4,
        cols: 3,
        rowPtr: Uint32Array.of(0, 1, 1, 3, 4),
        col: Uint32Array.of(0, 0, 2, 1),
        values: Float32Array.of(1, 0, 2, -1e-45),
      };
      for (const n of [1, 4, 8, 16, 24, 31]) {
        const x = new Float32Array(3 * n)
          .fill(-0, 0, n)
          .fill(Infinity, n, 2 * n)
          .fill(Number.NaN, 2 * n);
        const y = run(build, { a }, n, x);
        expect(bitsOf(y.slice(0, 2 * n))).toEqual(new Uint32Array(2 * n)); // +0 + 1 * -0 = +0, and an empty row
        expect(y.slice(2 * n, 3 * n)).toEqual(new Float32Array(n).fill(Number.NaN));
        expect(y.slice(3 * n)).toEqual(new Float32Array(n).fill(-Infinity));
      }
    });

    it("rebuilds dense rows, or a slice of them", () => {
      for (const cols of sizes) {
        for (const sparsity of [0, 0.5, 0.9, 1]) {
          for (const { a, scale } of operands(6, cols, sparsity, 5)) {
            const guarded = new Guarded(kernels);
            const rowPtr = guarded.place(a.rowPtr);
            const col = guarded.place(a.col);
            const s = scale ? guarded.place(scale) : 0;
            const whole = guarded.room(4 * 6 * cols);
            const slice = guarded.room(4 * 3 * cols);
            const values = guarded.placeFlush(a.values);
            if (scale) {
              kernels.csr_rows_i8(6, cols, rowPtr, col, values, s, whole);
              kernels.csr_rows_i8(3, cols, rowPtr + 8, col, values, s + 8, slice);
            } else {
              kernels.csr_rows_f32(6, cols, rowPtr, col, values, whole);
              kernels.csr_rows_f32(3, cols, rowPtr + 8, col, values, slice);
            }
            guarded.check();
            const want = csrRows(a, scale);
            expect(bitsOf(guarded.read(Float32Array, whole, 6 * cols))).toEqual(bitsOf(want));
            expect(bitsOf(guarded.read(Float32Array, slice, 3 * cols))).toEqual(bitsOf(want.slice(2 * cols, 5 * cols)));
          }
        }
      }
    });
  });
}
