import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { codedBytes } from "../../src/codec/weight.js";
import { scaleFor } from "../../src/compress/quantize.js";
import { type Grid, roundByRate } from "../../src/compress/rate.js";
import { quantizeRows } from "../reference/compress.js";
import { normals } from "../support/kernels.js";

/** Squared error + lambda * bits, the bits of a code being -log2 of its share among the codes. */
function costOf({ values, scale }: Grid, codes: Int8Array, lambda: number): number {
  const counts = new Map<number, number>();
  for (const code of codes) counts.set(code, (counts.get(code) ?? 0) + 1);
  return codes.reduce((cost, code, i) => {
    const off = values[i] - code * scale[Math.floor((i * scale.length) / values.length)];
    return cost + off * off + lambda * Math.log2(codes.length / counts.get(code)!);
  }, 0);
}

function grid(rows: number, cols: number, levels: number, seed: number, perTensor = false): Grid & { cols: number } {
  const values = normals(rows * cols, seed, 0.3);
  const scale = perTensor
    ? Float32Array.of(scaleFor(values, levels))
    : Float32Array.from({ length: rows }, (_, r) => scaleFor(values.subarray(r * cols, (r + 1) * cols), levels));
  return { values, cols, scale, levels };
}

function plainOf({ values, cols, scale, levels }: Grid & { cols: number }): Int8Array {
  const rows = values.length / cols;
  const spread = Float32Array.from({ length: rows }, (_, r) => scale[scale.length === 1 ? 0 : r]);
  return quantizeRows(rows, cols, values, spread, levels);
}

function errorOf(given: Grid, codes: Int8Array): number {
  return costOf(given, codes, 0);
}

describe("roundByRate", () => {
  it("is plain rounding where a bit costs nothing", () => {
    for (const levels of [1, 3, 7, 127]) {
      for (const perTensor of [false, true]) {
        const given = grid(5, 37, levels, levels, perTensor);
        expect(roundByRate(given, 0)).toEqual(plainOf(given));
      }
    }
    const ties = {
      values: Float32Array.of(0.5, 1.5, -0.5, -2.5, 9, -0),
      scale: Float32Array.of(1),
      levels: 3,
    };
    expect([...roundByRate(ties, 0)]).toEqual([0, 2, 0, -2, 3, 0]);
  });

  it("never costs more than plain rounding", () => {
    const cases = fc.record({
      rows: fc.integer({ min: 1, max: 6 }),
      cols: fc.integer({ min: 1, max: 60 }),
      levels: fc.constantFrom(1, 3, 7, 31, 127),
      seed: fc.nat(1000),
      lambda: fc.constantFrom(1e-9, 1e-5, 1e-3, 1e-2, 0.1, 10),
      perTensor: fc.boolean(),
    });
    fc.assert(
      fc.property(cases, ({ rows, cols, levels, seed, lambda, perTensor }) => {
        const given = grid(rows, cols, levels, seed, perTensor);
        const codes = roundByRate(given, lambda);
        expect(codes.every((code) => Math.abs(code) <= levels)).toBe(true);
        expect(costOf(given, codes, lambda)).toBeLessThanOrEqual(costOf(given, plainOf(given), lambda) * (1 + 1e-12));
        expect(roundByRate(given, lambda)).toEqual(codes);
      }),
      { numRuns: 300 },
    );
  });

  it("finds the best of all codes for the frequencies that it goes by", () => {
    // The second round alone, done again by trying every code for every value.
    const given = grid(1, 40, 7, 3);
    const lambda = 2e-3;
    const tryAll = (from: Int8Array) => {
      const bits = (code: number) => -Math.log2(from.filter((c) => c === code).length / from.length);
      return Int8Array.from(given.values, (x, i) => {
        let best = from[i];
        const cost = (code: number) => (x - code * given.scale[0]) ** 2 + lambda * bits(code);
        for (let code = -7; code <= 7; code++) if (cost(code) < cost(best)) best = code;
        return best;
      });
    };
    expect(roundByRate(given, lambda)).toEqual(tryAll(tryAll(plainOf(given))));
  });

  it("costs fewer bytes the more a bit costs, and more error", () => {
    const given = grid(20, 500, 7, 5);
    let [bytes, error] = [Number.POSITIVE_INFINITY, -1];
    for (const lambda of [0, 5e-4, 1e-3, 2e-3, 4e-3]) {
      const codes = roundByRate(given, lambda);
      const now = codedBytes({ kind: "int8", shape: [20, 500], q: codes, scale: given.scale });
      expect(now).toBeLessThan(bytes);
      expect(errorOf(given, codes)).toBeGreaterThan(error);
      [bytes, error] = [now, errorOf(given, codes)];
    }
  });

  it("beats plain rounding on a wider grid at the same bytes", () => {
    const fine = grid(20, 500, 7, 5);
    const codes = roundByRate(fine, 1.2e-3);
    const bytes = codedBytes({ kind: "int8", shape: [20, 500], q: codes, scale: fine.scale });
    let least = Number.POSITIVE_INFINITY;
    for (const wider of [1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.8, 2]) {
      const coarse = { ...fine, scale: fine.scale.map((s) => s * wider) };
      const plain = plainOf(coarse);
      const size = codedBytes({ kind: "int8", shape: [20, 500], q: plain, scale: fine.scale });
      if (size <= bytes) least = Math.min(least, errorOf(coarse, plain));
    }
    expect(errorOf(fine, codes)).toBeLessThan(least);
  });

  it("takes no values", () => {
    const none = { values: new Float32Array(0), scale: new Float32Array(0), levels: 7 };
    expect(roundByRate(none, 1)).toEqual(new Int8Array(0));
  });
});
