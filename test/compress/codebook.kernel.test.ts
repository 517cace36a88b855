import { describe, expect, it } from "vitest";
import { absolute, codebookDot, codebookRows, codebookScatter, randomCsr } from "../reference/compress.js";
import { type Build, builds, Guarded, normals, sizes } from "../support/kernels.js";

const bitsOf = (x: Float32Array) => new Uint32Array(x.buffer, x.byteOffset, x.length);
const epsilon = 2 ** -24;
const rows = 6;
const k = 7;
const lead = 3;
// Lengths of real atoms too: kernels of 3x3, three of them, 5x5.
const lengths = [...sizes, 9, 23, 24, 25, 27];

function expectNear(got: Float32Array, want: Float64Array, size: Float64Array, terms: number): void {
  for (const [i, value] of got.entries()) {
    expect(Math.abs(value - want[i])).toBeLessThanOrEqual((terms + 4) * epsilon * size[i]);
  }
}

/** The very bits where nothing is fused. */
function expectSame(
  build: Build,
  got: Float32Array,
  want: () => Float64Array,
  near: () => [Float64Array, Float64Array],
) {
  if (build.name === "relaxed") expectNear(got, ...near(), k);
  else expect(bitsOf(got)).toEqual(bitsOf(Float32Array.from(want())));
}

for (const build of builds()) {
  const { kernels } = build;
  describe(`codebook, ${build.name}`, () => {
    it("rebuilds rows from int8 codes and atoms, whole or a slice, whatever d", () => {
      for (const d of lengths) {
        for (const sparsity of [0, 0.5, 0.9, 1]) {
          const codes = randomCsr(rows, k, sparsity, d, true, lead);
          const codeScale = normals(k, 1).map((value) => 0.01 + Math.abs(value) / 50);
          const atoms = Int8Array.from(normals(k * d, d), (value) => Math.max(-127, Math.min(127, value * 50)));
          const scale = Math.fround(0.037);
          const guarded = new Guarded(kernels);
          const rowPtr = guarded.place(codes.rowPtr);
          const col = guarded.place(codes.col);
          const values = guarded.place(codes.values);
          const scales = guarded.place(codeScale);
          const whole = guarded.room(4 * rows * d);
          const slice = guarded.room(4 * 2 * d);
          const book = guarded.placeFlush(atoms);
          kernels.codebook_rows_i8(rows, d, k, rowPtr, col, values, scales, book, whole, scale);
          kernels.codebook_rows_i8(2, d, k, rowPtr + 12, col, values, scales, book, slice, scale);
          guarded.check();
          const got = guarded.read(Float32Array, whole, rows * d);
          expectSame(
            build,
            got,
            () => codebookRows(codes, { d, atoms, scale }, codeScale, Math.fround),
            () => [
              codebookRows(codes, { d, atoms, scale }, codeScale),
              codebookRows(absolute(codes), { d, atoms: atoms.map(Math.abs), scale }, codeScale),
            ],
          );
          expect(bitsOf(guarded.read(Float32Array, slice, 2 * d))).toEqual(bitsOf(got.slice(3 * d, 5 * d)));
        }
      }
    });

    it("reads no code past the last", () => {
      const codes = randomCsr(rows, k, 0.5, 1, true);
      const guarded = new Guarded(kernels);
      const pointers = [codes.rowPtr, codes.col].map((part) => guarded.place(part));
      const scales = guarded.place(new Float32Array(k).fill(1));
      const book = guarded.place(new Int8Array(k * 9).fill(1));
      const y = guarded.room(4 * rows * 9);
      kernels.codebook_rows_i8(
        rows,
        9,
        k,
        pointers[0],
        pointers[1],
        guarded.placeFlush(codes.values),
        scales,
        book,
        y,
        1,
      );
      guarded.check();
      const sums = codebookRows(codes, { d: 9, atoms: new Int8Array(k * 9).fill(1), scale: 1 });
      expect(guarded.read(Float32Array, y, rows * 9)).toEqual(Float32Array.from(sums));
    });

    it("rebuilds rows from f32 codes and atoms", () => {
      for (const d of lengths) {
        for (const sparsity of [0, 0.5, 0.9, 1]) {
          const codes = randomCsr(rows, k, sparsity, d, false, lead);
          const atoms = normals(k * d, d);
          const guarded = new Guarded(kernels);
          const rowPtr = guarded.place(codes.rowPtr);
          const col = guarded.place(codes.col);
          const values = guarded.place(codes.values);
          const y = guarded.room(4 * rows * d);
          kernels.codebook_rows_f32(rows, d, rowPtr, col, values, guarded.placeFlush(atoms), y);
          guarded.check();
          expectSame(
            build,
            guarded.read(Float32Array, y, rows * d),
            () => codebookRows(codes, { d, atoms, scale: 1 }, undefined, Math.fround),
            () => [
              codebookRows(codes, { d, atoms, scale: 1 }),
              codebookRows(absolute(codes), { d, atoms: atoms.map(Math.abs), scale: 1 }),
            ],
          );
        }
      }
    });

    it("gives the gradient of the codes: a dot product for every entry", () => {
      for (const d of lengths) {
        for (const sparsity of [0, 0.5, 0.9, 1]) {
          const codes = randomCsr(rows, k, sparsity, d, false, lead);
          const [g, atoms] = [normals(rows * d, 1), normals(k * d, 2)];
          const guarded = new Guarded(kernels);
          const rowPtr = guarded.place(codes.rowPtr);
          const col = guarded.place(codes.col);
          const gradient = guarded.place(g);
          const y = guarded.room(4 * codes.col.length);
          const before = guarded.read(Float32Array, y, lead);
          kernels.codebook_dot_f32(rows, d, rowPtr, col, gradient, guarded.placeFlush(atoms), y);
          guarded.check();
          const got = guarded.read(Float32Array, y, codes.col.length);
          expect(bitsOf(got).slice(0, lead), "entries of other rows").toEqual(bitsOf(before));
          const inner = (all: Float64Array) => all.slice(lead);
          const size = codebookDot(codes, d, g.map(Math.abs), atoms.map(Math.abs));
          expectNear(got.slice(lead), inner(codebookDot(codes, d, g, atoms)), inner(size), d);
        }
      }
    });

    it("adds the gradient of the codebook into what is there", () => {
      for (const d of lengths) {
        for (const sparsity of [0, 0.5, 0.9, 1]) {
          const codes = randomCsr(rows, k, sparsity, d, false, lead);
          const [g, start] = [normals(rows * d, 1), normals(k * d, 2)];
          const guarded = new Guarded(kernels);
          const rowPtr = guarded.place(codes.rowPtr);
          const col = guarded.place(codes.col);
          const values = guarded.place(codes.values);
          const book = guarded.place(start);
          kernels.codebook_scatter_f32(rows, d, rowPtr, col, values, guarded.placeFlush(g), book);
          guarded.check();
          expectSame(
            build,
            guarded.read(Float32Array, book, k * d),
            () => codebookScatter(codes, d, g, start, Math.fround),
            () => [
              codebookScatter(codes, d, g, start),
              codebookScatter(absolute(codes), d, g.map(Math.abs), start.map(Math.abs)),
            ],
          );
        }
      }
    });

    it("both gradients agree with finite differences of the forward twin", () => {
      const d = 5;
      const codes = randomCsr(rows, k, 0.5, 4);
      const [g, atoms] = [normals(rows * d, 1), normals(k * d, 2)];
      // The product is linear in each factor, so a difference over any step is exact up to rounding.
      const value = (a: typeof codes, book: Float32Array) => {
        return codebookRows(a, { d, atoms: book, scale: 1 }).reduce((sum, y, i) => sum + y * g[i], 0);
      };
      const nudged = (x: Float32Array, i: number) => x.map((v, j) => (i === j ? v + 1 : v));
      const dCodes = codebookDot(codes, d, g, atoms);
      const values = codes.values as Float32Array;
      for (let e = 0; e < values.length; e++) {
        const after = value({ ...codes, values: nudged(values, e) }, atoms);
        expect(after - value(codes, atoms)).toBeCloseTo(dCodes[e], 5);
      }
      const dBook = codebookScatter(codes, d, g, new Float32Array(k * d));
      for (let i = 0; i < atoms.length; i++) {
        expect(value(codes, nudged(atoms, i)) - value(codes, atoms)).toBeCloseTo(dBook[i], 5);
      }
    });
  });
}
