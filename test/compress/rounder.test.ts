import { describe, expect, it } from "vitest";
import type { Moments } from "../../src/compress/moments.js";
import { type Rounded, Rounder, type Steps } from "../../src/compress/rounder.js";
import { widest } from "../../src/compress/wide.js";
import type { FullKernels } from "../../src/kernels/abi.js";
import { createEngine } from "../../src/kernels/engine.js";
import { gramOf, quadratic } from "../reference/feedback.js";
import { normals, uniform } from "../support/kernels.js";
import { fullModule } from "../support/network.js";

const engine = createEngine<FullKernels>(fullModule);

/** Moments of `groups` groups whose columns depend on one another. */
function momentsOf(groups: number, cols: number): Moments {
  const gram = new Float64Array(groups * cols * cols);
  for (let g = 0; g < groups; g++) gram.set(gramOf(cols, uniform(g + 3)), g * cols * cols);
  const square = Float64Array.from({ length: groups * cols }, (_, i) => gram[i * cols + (i % cols)]);
  return { mean: new Float64Array(groups * cols), square, gram };
}

/** The second moments as they are looked at: with 1 % of their mean diagonal on the diagonal. */
function damped({ gram, square }: Moments, cols: number): Float64Array {
  const more = (0.01 * square.reduce((sum, value) => sum + value, 0)) / square.length;
  return gram!.map((value, i) => value + ((i % (cols * cols)) % (cols + 1) === 0 ? more : 0));
}

describe.each<[Steps, boolean]>([
  ["tensor", true],
  ["row", true],
  ["tensor", false],
  ["row", false],
])("steps by %s, second moments known: %s", (kind, known) => {
  const [groups, rows, cols] = [2, 6, 10];
  const dense = normals(rows * cols, 1).map((value, i) => value * (i < cols ? 0.01 : 1));
  const moments = known ? momentsOf(groups, cols) : undefined;
  const rounder = new Rounder(engine, [rows, cols], dense, moments);
  const valuesOf = ({ q, scale }: Pick<Rounded, "q" | "scale">) =>
    Float32Array.from(q, (code, i) => code * scale[kind === "row" ? Math.floor(i / cols) : 0]);
  const errorOf = (stored: Float32Array) =>
    Float64Array.from({ length: rows }, (_, r) => {
      const e = dense.subarray(r * cols, (r + 1) * cols).map((value, c) => value - stored[r * cols + c]);
      if (!moments) return e.reduce((sum, value) => sum + value * value, 0);
      const group = Math.floor((r * groups) / rows);
      return quadratic(e, damped(moments, cols).subarray(group * cols * cols, (group + 1) * cols * cols));
    });

  it("tells the error of what it gives, and of what something else gives", () => {
    for (const size of [0.05, 0.5, 2]) {
      const { error, ...rounded } = rounder.round(kind, size);
      const other = dense.map((value, i) => value + (i % 3) / 10);
      for (const [stored, told] of [
        [valuesOf(rounded), error],
        [other, rounder.error(other)],
      ] as const) {
        for (const [r, want] of errorOf(stored).entries()) {
          expect(Math.abs(told[r] - want)).toBeLessThanOrEqual(1e-5 * want + 1e-9);
        }
      }
    }
  });

  it("takes steps of that size, against the whole or each row, that hold the largest value", () => {
    const rms = (values: Float32Array) => Math.sqrt(values.reduce((sum, v) => sum + v * v, 0) / values.length);
    const { scale } = rounder.round(kind, 0.5);
    expect(scale).toHaveLength(kind === "row" ? rows : 1);
    for (const [r, step] of scale.entries()) {
      const part = kind === "row" ? dense.subarray(r * cols, (r + 1) * cols) : dense;
      expect(step / (0.5 * rms(part))).toBeGreaterThanOrEqual(1);
      expect(step / (0.5 * rms(part))).toBeLessThan(1.07);
    }
    const fine = valuesOf(rounder.round(kind, 1e-6));
    expect(Math.max(...fine.map((value, i) => Math.abs(value - dense[i])))).toBeLessThan(0.05);
  });

  it("takes integers beyond int8 where it may, and errs that much less", () => {
    const [narrow, large] = [rounder.round(kind, 0.001), rounder.round(kind, 0.001, widest)];
    const most = large.q.reduce((most, code) => Math.max(most, Math.abs(code)), 0);
    expect(most).toBeGreaterThan(1000);
    expect(most).toBeLessThanOrEqual(widest);
    for (const [r, want] of errorOf(valuesOf(large)).entries()) {
      expect(Math.abs(large.error[r] - want)).toBeLessThanOrEqual(1e-3 * want + 1e-9);
      expect(large.error[r]).toBeLessThan(0.05 * narrow.error[r]);
    }
  });

  it("finer steps err less, and no step takes more than the values say", () => {
    let before = 0;
    for (const size of [0.02, 0.1, 0.5, 2]) {
      const { q, error } = rounder.round(kind, size);
      const total = error.reduce((sum, value) => sum + value, 0);
      expect(total).toBeGreaterThan(before);
      before = total;
      expect(q.every((code) => Math.abs(code) <= 127)).toBe(true);
    }
  });
});

it("zeros stay zeros, with a step of 1", () => {
  const rounder = new Rounder(engine, [2, 3], Float32Array.of(0, 0, 0, 1, 2, 3), momentsOf(1, 3));
  const { q, scale, error } = rounder.round("row", 0.1);
  expect([...q.subarray(0, 3)]).toEqual([0, 0, 0]);
  expect([scale[0], error[0]]).toEqual([1, 0]);
});

it("the end of float32 comes back finite, whatever the size of the steps", () => {
  const ends = Float32Array.from({ length: 12 }, (_, i) => (i % 2 ? 3.4e38 : -3.4e38));
  const rounder = new Rounder(engine, [3, 4], ends);
  for (const size of [0.001, 0.3, 0.4, 0.5, 0.65, 0.7, 1, 2]) {
    const { q, scale } = rounder.round("tensor", size);
    expect(q.every((code) => code !== 0 && Math.fround(Math.abs(code) * scale[0]) < Number.POSITIVE_INFINITY)).toBe(
      true,
    );
  }
});

it.each(["tensor", "row"] as const)("values below the normal range are off by half a step at most, by %s", (kind) => {
  for (const size of [2e-43, 2.52e-43, 1.9e-41, 3.4e-41, 1.28e-38, 1e-37]) {
    const small = Float32Array.from({ length: 60 }, (_, i) => size * Math.sin(i + 1));
    const most = kind === "tensor" ? widest : 127;
    const { q, scale } = new Rounder(engine, [3, 20], small).round(kind, 1e-6, most);
    for (const [i, code] of q.entries()) {
      const step = scale[kind === "row" ? Math.floor(i / 20) : 0];
      expect(Math.abs(code)).toBeLessThanOrEqual(most);
      // Where there is something to save, the next integer towards zero is taken too.
      expect(Math.abs(small[i] - code * step)).toBeLessThanOrEqual((kind === "row" ? 1.01 : 0.51) * step);
    }
  }
});
