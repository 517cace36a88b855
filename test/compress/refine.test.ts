import { beforeAll, describe, expect, it } from "vitest";
import { type Book, bookOf } from "../../src/compress/atoms.js";
import { refine } from "../../src/compress/refine.js";
import { damp } from "../../src/compress/rounder.js";
import { columnsOf, matrixOf, toColumns } from "../../src/graph/storage.js";
import type { Layout } from "../../src/graph/weight.js";
import type { FullKernels } from "../../src/kernels/abi.js";
import { codesAt, createEngine, type FullEngine, place } from "../../src/kernels/engine.js";
import { type Columns, outputError, reround, solved } from "../reference/factor.js";
import { gramOf } from "../reference/feedback.js";
import { normals, uniform } from "../support/kernels.js";
import { fullModule } from "../support/network.js";

let engine: FullEngine;
beforeAll(() => {
  engine = createEngine<FullKernels>(fullModule);
});

const shape = [6, 8];

/** A weight whose atoms and coefficients are off, and what both twin and source want of it. */
function start(layout: Layout, wanted: number | undefined, groups: number, unit: number) {
  const { rows, cols } = matrixOf(shape);
  const { d, n } = columnsOf(shape, layout, wanted);
  const k = 3;
  const next = uniform(d + groups);
  const h = Float64Array.from(Array.from({ length: groups }, () => [...gramOf(cols, next)]).flat());
  const w = Float32Array.from(normals(rows * cols, 3), (value) => value * unit);
  const sizes = { shape, layout, d, n, k };
  const scale = Float32Array.from({ length: k }, () => unit * (0.1 + 0.1 * next()));
  const book = bookOf(Float64Array.from(normals(k * d, 4)), 127);
  const first = Int8Array.from({ length: n * k }, () => Math.round(6 * next() - 3));
  const columns = ({ values }: Book): Columns => ({
    ...{ rows, cols, down: layout !== "kernel", d, k },
    ...{ w: Float64Array.from(w), book: values, scale: Float64Array.from(scale) },
  });
  const run = (support: Uint8Array, sweeps: number) =>
    engine.arena.scope(() => {
      const z = { q: place(engine, first), support: place(engine, support), scale, levels: 7, sweeps };
      const last = refine(engine, sizes, Float64Array.from(toColumns(sizes, w)), book, 127, z, h);
      return { last, q: codesAt(engine, z.q, n * k).slice() };
    });
  const error = (atoms: Book, q: Int8Array) => outputError(columns(atoms), q, damp(h, cols));
  return { sizes, book, first, columns, run, error, h: damp(h, cols) };
}

const cases: [Layout, number | undefined, number, number][] = [
  ["kernel", 4, 1, 1],
  ["kernel", 5, 2, 1],
  ["kernel", 5, 1, 2 ** -60],
  ["rows", undefined, 1, 1],
  ["rows", undefined, 3, 2 ** 60],
  ["tile", 3, 1, 1],
  ["tile", 4, 2, 1],
];

describe.each(cases)("%s, d %s, %i groups, in units of %f", (layout, d, groups, unit) => {
  it("gives no more error than coordinate descent on the coefficients alone, and the integers that make it", () => {
    const { sizes, book, first, columns, run, error, h } = start(layout, d, groups, unit);
    const support = Uint8Array.from({ length: sizes.n * sizes.k }, (_, i) => (i % 4 === 0 ? 0 : 1));
    const { last, q } = run(support, 2);
    const alone = reround(columns(book), first, support, h, 7, 2);
    expect(error(last, q)).toBeLessThan(0.95 * error(book, alone));
    for (const [i, code] of q.entries()) {
      expect(Math.abs(code)).toBeLessThanOrEqual(7);
      if (support[i] === 0) expect(code).toBe(first[i]);
    }
    expect(last.values).toEqual(Float64Array.from(last.codebook, (code) => code * last.codebookScale));
  });

  it("finds the best atoms for coefficients that must stay, up to their rounding", () => {
    const { sizes, book, first, run, error } = start(layout, d, groups, unit);
    const { last, q } = run(new Uint8Array(sizes.n * sizes.k), 1);
    expect(q).toEqual(first);
    // The error is a parabola of the atoms: its matrix and slope by differences, exact but for rounding.
    const size = sizes.k * sizes.d;
    const at = (change: (i: number) => number) =>
      error({ ...book, values: Float64Array.from({ length: size }, (_, i) => change(i)) }, first) / unit / unit;
    const zero = at(() => 0);
    const one = Array.from({ length: size }, (_, p) => at((i) => +(i === p)));
    const square = new Float64Array(size * size);
    for (let p = 0; p < size; p++) {
      for (let r = 0; r < size; r++) {
        const both = at((i) => +(i === p) + +(i === r));
        square[p * size + r] = both - one[p] - one[r] + zero;
      }
    }
    const minus = Array.from({ length: size }, (_, p) => at((i) => -(i === p)));
    const slope = Float64Array.from({ length: size }, (_, p) => (minus[p] - one[p]) / 2);
    const best = solved(square, size, slope, 1);
    const least = at((i) => best[i]);
    const before = error(book, first) / unit / unit;
    const after = error(last, q) / unit / unit;
    expect(after).toBeGreaterThan(0.999 * least);
    expect(after - least).toBeLessThan(0.02 * (before - least));
  });
});
