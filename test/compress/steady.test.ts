import { describe, expect, it } from "vitest";
import { observe } from "../../src/compress/moments.js";
import { chanceIn, type Part, steady } from "../../src/compress/steady.js";
import { normals } from "../support/kernels.js";
import { fullModule, network } from "../support/network.js";

/** Rows whose columns have spreads of their own, about a mean. */
const rowsOf = (count: number, cols: number, seed: number, spread = (c: number) => 1 + c) =>
  normals(count * cols, seed).map((v, i) => 3 + spread(i % cols) * v);

function sumsOf(rows: Float32Array, cols: number): Part {
  const [mean, gram] = [new Float64Array(cols), new Float64Array(cols * cols)];
  for (let at = 0; at < rows.length; at += cols) {
    for (let r = 0; r < cols; r++) {
      mean[r] += rows[at + r];
      for (let c = 0; c < cols; c++) gram[r * cols + c] += rows[at + r] * rows[at + c];
    }
  }
  return { mean, gram, count: rows.length / cols };
}

const chanceOf = (rows: Float32Array, cols: number) =>
  chanceIn(sumsOf(rows.slice(0, rows.length / 2), cols), sumsOf(rows, cols));

describe("chanceIn", () => {
  it("falls with the number of rows", () => {
    const found = [20, 200, 2000, 20000].map((count) => chanceOf(rowsOf(count, 10, 3), 10));
    for (const [i, chance] of found.entries()) if (i > 0) expect(chance).toBeLessThan(0.5 * found[i - 1]);
    expect(found[0]).toBeGreaterThan(0.05);
    expect(found[3]).toBeLessThan(0.002);
  });

  it("is that of the rows that are different: each one four times tells no more", () => {
    const rows = rowsOf(100, 10, 5);
    const often = new Float32Array(4000);
    for (let i = 0; i < often.length; i++) often[i] = rows[10 * Math.floor(i / 40) + (i % 10)];
    expect(chanceOf(often, 10) / chanceOf(rows, 10)).toBeCloseTo(1, 5);
  });

  it("is 1 at most, and 0 where nothing can be told", () => {
    // All columns spread alike: whatever differs between them is chance.
    expect(
      chanceOf(
        rowsOf(40, 10, 7, () => 1),
        10,
      ),
    ).toBeGreaterThan(0.5);
    expect(
      chanceOf(
        rowsOf(4, 10, 7, () => 1),
        10,
      ),
    ).toBeLessThanOrEqual(1);
    const whole = sumsOf(rowsOf(10, 4, 1), 4);
    expect(chanceIn(whole, whole)).toBe(0);
    expect(chanceIn({ ...whole, count: 0 }, whole)).toBe(0);
    expect(chanceOf(new Float32Array(40), 4)).toBe(0);
  });
});

describe("steady", () => {
  it("keeps mean and spread in all, and draws the covariance to as much of it as was told", () => {
    const feeds = [1, 2].map((seed) => ({
      x: { dtype: "float32" as const, shape: [6, 13], data: rowsOf(6, 13, seed) },
    }));
    const graph = network("Gemm", [13], [4], { transB: 1 }, [4, 13], 4);
    const moments = observe(graph, fullModule, feeds).get("w")!;
    const { gram, mean, chance } = moments as Required<typeof moments>;
    expect(chance).toBeGreaterThan(0.1);
    const drawn = steady(moments).gram!;
    const covariance = (g: Float64Array, r: number, c: number) => g[13 * r + c] - mean[r] * mean[c];
    const trace = (g: Float64Array) =>
      Array.from({ length: 13 }, (_, c) => covariance(g, c, c)).reduce((a, b) => a + b);
    expect(trace(drawn)).toBeCloseTo(trace(gram), 6);
    expect(covariance(drawn, 2, 7)).toBeCloseTo((1 - chance) * covariance(gram, 2, 7), 8);
    expect(covariance(drawn, 5, 5)).toBeCloseTo((1 - chance) * covariance(gram, 5, 5) + (chance * trace(gram)) / 13, 8);
    expect(steady({ ...moments, chance: 0 }).gram).toBe(gram);
  });
});

it("inputs given all at once tell as much of chance as when they come by and by", () => {
  const graph = network("Gemm", [13], [4], { transB: 1 }, [4, 13], 4);
  const data = rowsOf(40, 13, 9);
  const parts = (count: number) =>
    Array.from({ length: 40 / count }, (_, i) => ({
      x: { dtype: "float32" as const, shape: [count, 13], data: data.slice(13 * count * i, 13 * count * (i + 1)) },
    }));
  const chances = [40, 20, 4, 1].map((count) => observe(graph, fullModule, parts(count)).get("w")!.chance!);
  for (const chance of chances) {
    expect(chance).toBeGreaterThan(0.02);
    expect(chance).toBeLessThan(3 * chances[0]);
    expect(chance).toBeGreaterThan(chances[0] / 3);
  }
});
