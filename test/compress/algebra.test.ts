import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { eigen, solve } from "../../src/compress/algebra.js";
import { normals } from "../support/kernels.js";

/** M M^T + shift I of a random M [n, n]. */
function symmetric(n: number, seed: number, shift = 0): Float64Array {
  const m = normals(n * n, seed);
  const a = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      for (let k = 0; k < n; k++) a[i * n + j] += m[i * n + k] * m[j * n + k];
    }
    a[i * n + i] += shift;
  }
  return a;
}

function times(a: Float64Array, n: number, b: Float64Array, count: number): Float64Array {
  const out = new Float64Array(n * count);
  for (let i = 0; i < n; i++) {
    for (let c = 0; c < count; c++) for (let k = 0; k < n; k++) out[i * count + c] += a[i * n + k] * b[k * count + c];
  }
  return out;
}

const largest = (values: Float64Array) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
const apart = (a: Float64Array, b: Float64Array) => largest(a.map((value, i) => value - b[i]));

/** A v = lambda v for every pair, V^T V = I, values falling. */
function expectEigen(a: Float64Array, n: number): Float64Array {
  const before = a.slice();
  const { values, vectors } = eigen(a, n);
  expect(a, "the matrix is left alone").toEqual(before);
  for (let i = 1; i < n; i++) expect(values[i]).toBeLessThanOrEqual(values[i - 1]);
  const left = times(a, n, vectors, n);
  const right = vectors.map((v, i) => v * values[i % n]);
  expect(apart(left, right)).toBeLessThanOrEqual(1e-13 * n * (largest(a) || 1));
  for (let p = 0; p < n; p++) {
    for (let q = 0; q < n; q++) {
      let dot = 0;
      for (let i = 0; i < n; i++) dot += vectors[i * n + p] * vectors[i * n + q];
      expect(Math.abs(dot - (p === q ? 1 : 0))).toBeLessThanOrEqual(1e-13 * n);
    }
  }
  return values;
}

describe("eigen", () => {
  it("finds known values", () => {
    expect([...expectEigen(Float64Array.of(2, 1, 1, 2), 2)]).toEqual([3, 1].map((v) => expect.closeTo(v, 14)));
    const values = expectEigen(Float64Array.of(2, -1, 0, -1, 2, -1, 0, -1, 2), 3);
    const root = Math.SQRT2;
    expect([...values]).toEqual([2 + root, 2, 2 - root].map((v) => expect.closeTo(v, 13)));
  });

  it("takes size 1, and negative and zero matrices", () => {
    expect(eigen(Float64Array.of(-7), 1)).toEqual({ values: Float64Array.of(-7), vectors: Float64Array.of(1) });
    expect([...expectEigen(new Float64Array(9), 3)]).toEqual([0, 0, 0]);
    expect([...expectEigen(Float64Array.of(0, 5, 5, 0), 2)]).toEqual([expect.closeTo(5, 14), expect.closeTo(-5, 14)]);
  });

  it("holds its residuals on random matrices", () => {
    for (const n of [2, 3, 5, 9, 25, 40]) expectEigen(symmetric(n, n), n);
  });

  it("keeps vectors orthogonal where values are equal", () => {
    // I + u u^T: one value of 1 + |u|^2, all others 1.
    const n = 12;
    const u = normals(n, 3);
    const a = Float64Array.from(
      { length: n * n },
      (_, i) => u[Math.floor(i / n)] * u[i % n] + (i % (n + 1) === 0 ? 1 : 0),
    );
    const values = expectEigen(a, n);
    for (let i = 1; i < n; i++) expect(values[i]).toBeCloseTo(1, 13);
    expectEigen(
      Float64Array.from({ length: 16 }, (_, i) => (i % 5 === 0 ? 4 : 0)),
      4,
    );
    // Rank one: all others 0.
    const flat = expectEigen(
      Float64Array.from({ length: 64 }, () => 1),
      8,
    );
    expect(flat[0]).toBeCloseTo(8, 13);
  });

  it("takes whatever squares of float32 numbers come to", () => {
    for (const scale of [1e-90, 1e-40, 1e40, 1e80]) {
      const a = symmetric(6, 1).map((value) => value * scale);
      expect(expectEigen(a, 6)[0]).toBeGreaterThan(scale);
    }
    expect(expectEigen(Float64Array.of(1e77, 1, 1, 1e-90), 2)[0]).toBe(1e77);
  });
});

describe("solve", () => {
  it("solves by hand", () => {
    const b = Float64Array.of(2, 4, 5, 11);
    solve(Float64Array.of(4, 2, 2, 3), 2, b, 2);
    // A^-1 = [3, -2; -2, 4] / 8
    expect([...b]).toEqual([-0.5, -1.25, 2, 4.5].map((v) => expect.closeTo(v, 14)));
    const one = Float64Array.of(6, -9, 0);
    solve(Float64Array.of(3), 1, one, 3);
    expect([...one]).toEqual([2, -3, 0].map((v) => expect.closeTo(v, 14)));
  });

  it("holds its residuals on random matrices", () => {
    for (const n of [1, 2, 7, 24, 60]) {
      for (const count of [1, 3]) {
        const a = symmetric(n, n, 0.1);
        const b = Float64Array.from(normals(n * count, 99));
        const x = b.slice();
        solve(a.slice(), n, x, count);
        expect(apart(times(a, n, x, count), b)).toBeLessThanOrEqual(1e-13 * n * largest(a) * Math.max(1, largest(x)));
      }
    }
  });

  it("reads the lower half alone, and gives numbers for a singular matrix too", () => {
    const x = Float64Array.of(2, 5);
    solve(Float64Array.of(4, Number.NaN, 2, 3), 2, x, 1);
    expect([...x]).toEqual([-0.5, 2].map((v) => expect.closeTo(v, 14)));
    const y = Float64Array.of(1, 1);
    solve(new Float64Array(4), 2, y, 1);
    expect(y.some(Number.isNaN)).toBe(false);
  });
});

it("uses + - * / and sqrt alone, whose bits are the same on every engine", () => {
  const source = readFileSync(new URL("../../src/compress/algebra.ts", import.meta.url), "utf8");
  const code = source.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, "");
  expect(new Set(code.match(/Math\.\w+/g))).toEqual(new Set(["Math.abs", "Math.max", "Math.sqrt"]));
});
