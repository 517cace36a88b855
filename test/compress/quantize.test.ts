import { beforeAll, describe, expect, it } from "vitest";
import { keptOf, quantize, roundScale, scaleFor, sparsify, toSparse } from "../../src/compress/quantize.js";
import { checkWeight } from "../../src/graph/check.js";
import { denseOf } from "../../src/graph/storage.js";
import type { FullKernels } from "../../src/kernels/abi.js";
import { createEngine, type FullEngine } from "../../src/kernels/engine.js";
import { halfToEven, quantizeRows } from "../reference/compress.js";
import { expectSame } from "../support/compare.js";
import { normals, sizes } from "../support/kernels.js";
import { fullModule } from "../support/network.js";

let engine: FullEngine;
beforeAll(() => {
  engine = createEngine<FullKernels>(fullModule);
});

const allLevels = [1, 3, 7, 15, 31, 63, 127];

/** Squared error of values on the grid of a scale. */
function errorOf(values: ArrayLike<number>, scale: number, levels: number): number {
  let error = 0;
  for (let i = 0; i < values.length; i++) {
    const q = Math.min(Math.max(halfToEven(values[i] / scale), -levels), levels);
    error += (values[i] - q * scale) ** 2;
  }
  return error;
}

describe("roundScale", () => {
  it("stays finite at the end of float32", () => {
    for (const scale of [3.3e38, 3.4028234663852886e38, 1e39, Infinity])
      expect(roundScale(scale)).toBe(3.2964854295465914e38);
  });

  it("is the least that is not smaller and has four bits of mantissa", () => {
    for (const x of [...normals(200, 8), 1, 1.0625, 1.0626, 1.99, 3e38, 1.2e-38]) {
      const scale = Math.abs(x);
      const rounded = roundScale(scale);
      const unit = 2 ** (Math.floor(Math.log2(rounded)) - 4);
      expect(rounded / unit).toBe(Math.round(rounded / unit));
      expect(rounded).toBeGreaterThanOrEqual(Math.fround(scale));
      expect(rounded - unit).toBeLessThan(scale);
      expect(roundScale(rounded)).toBe(rounded);
    }
  });

  it("keeps what is below the normal range, and is never 0", () => {
    expect(roundScale(0)).toBe(1.401298464324817e-45);
    expect(roundScale(1e-46)).toBe(1.401298464324817e-45);
    for (const scale of [1e-45, 1.45e-45, 2e-45, 2.09e-45, 1e-43, 1e-40, 1.1754943e-38]) {
      expect(roundScale(scale)).toBeGreaterThanOrEqual(scale);
      expect(roundScale(scale)).toBeLessThan(scale + 1.401298464324817e-45);
      expect(roundScale(roundScale(scale))).toBe(roundScale(scale));
    }
  });
});

describe("scaleFor", () => {
  it("is 1 for nothing and for zeros", () => {
    for (const levels of allLevels) {
      expect(scaleFor([], levels)).toBe(1);
      expect(scaleFor([0, -0, 0], levels)).toBe(1);
    }
  });

  it("keeps the whole range with 8 bits", () => {
    for (const seed of [1, 2, 3]) {
      const values = normals(50, seed);
      values[7] = -40;
      expect(scaleFor(values, 127)).toBe(0.328125); // 40 / 127 = 0.315, and a step is 1/64
    }
  });

  it("is the best of the steps from the whole range down to three eighths of it with fewer bits", () => {
    for (const levels of allLevels.slice(0, -1)) {
      for (const [seed, length] of [1, 5, 40, 300].entries()) {
        const values = normals(length, seed + levels);
        if (seed > 1) values[3] = 12;
        const most = values.reduce((top, v) => Math.max(top, Math.abs(v)), 0);
        const scale = scaleFor(values, levels);
        const tried: number[] = [];
        for (let t = roundScale(most / levels); tried.length <= 16; t = roundScale(t * 0.9)) {
          if (tried.at(-1) !== t) tried.push(t);
        }
        expect(roundScale(scale)).toBe(scale);
        expect(scale).toBeLessThanOrEqual(tried[0]);
        expect(scale).toBeGreaterThanOrEqual(0.3 * tried[0]);
        const within = tried.filter((t) => t >= tried[0] / 2);
        expect(within.length).toBeGreaterThan(5);
        const least = Math.min(...within.map((t) => errorOf(values, t, levels)));
        expect(errorOf(values, scale, levels)).toBeLessThanOrEqual(least);
      }
    }
  });

  it("clips an outlier where that serves the rest", () => {
    const values = normals(2000, 5);
    values[0] = 3 * values.reduce((top, v) => Math.max(top, Math.abs(v)), 0);
    expect(scaleFor(values, 7)).toBeLessThan((0.8 * values[0]) / 7);
  });

  it("is a float32 above zero however small the values are", () => {
    for (const most of [1e-45, 1e-44, 1e-43, 1e-38, 3e38]) {
      for (const levels of allLevels) {
        const scale = scaleFor([most / 3, -most], levels);
        expect(scale).toBeGreaterThan(0);
        expect(Math.fround(scale)).toBe(scale);
        expect(scale).toBeLessThan(Infinity);
      }
    }
  });
});

describe("quantize", () => {
  it("equals its twin exactly, with a scale per row and with one", () => {
    for (const rows of [0, 1, 3]) {
      for (const cols of sizes) {
        const dense = normals(rows * cols, rows + cols, 0.2);
        // One row of zeros.
        if (rows === 3) dense.fill(0, cols, 2 * cols);
        for (const levels of [1, 7, 127]) {
          for (const perTensor of [false, true]) {
            const shape = [rows, cols];
            const weight = quantize(engine, shape, dense, levels, perTensor);
            const where = `${rows} x ${cols}, ${levels} levels, ${perTensor ? "one scale" : "a scale per row"}`;
            const row = (r: number) => dense.subarray(r * cols, (r + 1) * cols);
            const each = Float32Array.from({ length: rows }, (_, r) => scaleFor(row(r), levels));
            const scale = perTensor ? Float32Array.of(scaleFor(dense, levels)) : each;
            expectSame(weight.scale, scale, where);
            const spread = Float32Array.from({ length: rows }, (_, r) => scale[perTensor ? 0 : r]);
            expectSame(weight.q, quantizeRows(rows, cols, dense, spread, levels), where);
            expect({ kind: weight.kind, shape: weight.shape }).toEqual({ kind: "int8", shape });
            checkWeight("w", weight);
          }
        }
      }
    }
  });

  it("gives a row of zeros scale 1 and exact zeros, whatever its neighbours", () => {
    const weight = quantize(engine, [3, 4], Float32Array.of(1, 2, 3, 4, 0, -0, 0, 0, 5, 6, 7, 8), 127, false);
    expect(weight.scale[1]).toBe(1);
    expectSame(denseOf(weight).subarray(4, 8), [0, 0, 0, 0]);
    expectSame(denseOf(quantize(engine, [6], new Float32Array(6), 7, true)), new Float32Array(6));
  });

  it("rounds half to even and saturates", () => {
    // The scale is 1: the largest is 127.
    const dense = Float32Array.of(127, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, -126.5, 125.5);
    expect([...quantize(engine, [1, 9], dense, 127, false).q]).toEqual([127, 0, 2, 2, 0, -2, -2, -126, 126]);
    const { q } = quantize(engine, [400], normals(400, 9), 3, false);
    expect([Math.min(...q), Math.max(...q)]).toEqual([-3, 3]);
  });

  it("sees kernels as rows of their output channel, and a vector as one row", () => {
    const dense = normals(2 * 3 * 3 * 3, 4);
    expect(quantize(engine, [2, 3, 3, 3], dense, 127, false).scale).toHaveLength(2);
    expect(quantize(engine, [54], dense, 127, false).scale).toHaveLength(1);
    expect(quantize(engine, [], dense.subarray(0, 1), 127, false).scale).toHaveLength(1);
  });

  it("keeps what is smaller than any scale", () => {
    const dense = Float32Array.of(1e-45, -7e-45, 3e-44, 0);
    for (const levels of [31, 127]) expectSame(denseOf(quantize(engine, [1, 4], dense, levels, false)), dense);
    const weight = quantize(engine, [1, 4], dense, 1, false);
    checkWeight("w", weight);
    expect(weight.scale[0]).toBeGreaterThan(0);
  });

  it("leaves the arena and the values as they were", () => {
    const mark = engine.arena.mark();
    const dense = normals(100, 1);
    const before = dense.slice();
    quantize(engine, [10, 10], dense, 7, false);
    expect(dense).toEqual(before);
    expect(engine.arena.mark()).toBe(mark);
  });
});

describe("sparsify", () => {
  /** Keeps the largest, ties to the lower index. */
  function twin(dense: Float32Array, keep: number): Float32Array {
    const order = [...dense.keys()].sort((i, j) => Math.abs(dense[j]) - Math.abs(dense[i]) || i - j);
    const out = new Float32Array(dense.length);
    for (const i of order.slice(0, keep)) out[i] = dense[i];
    return out;
  }

  it("keeps exactly size - round(s size), the largest", () => {
    for (const size of sizes) {
      for (const sparsity of [0, 0.5, 0.9, 1]) {
        const dense = normals(size, size + 1);
        const keep = size - halfToEven(sparsity * size);
        expect(keptOf(size, sparsity)).toBe(keep);
        const want = twin(dense, keep);
        const mark = engine.arena.mark();
        sparsify(engine, dense, sparsity);
        expectSame(dense, want, `${size} at ${sparsity}`);
        expect(dense.filter((v) => v !== 0)).toHaveLength(keep);
        expect(engine.arena.mark()).toBe(mark);
      }
    }
  });

  it("breaks ties in favour of the lower index, over every sign", () => {
    for (const size of [1, 2, 7, 33, 129]) {
      for (const sparsity of [0.1, 0.5, 0.9]) {
        const dense = Float32Array.from({ length: size }, (_, i) => (i % 3 === 0 ? -2 : 2) * (i % 5 === 0 ? 0.5 : 1));
        const want = twin(dense, keptOf(size, sparsity));
        sparsify(engine, dense, sparsity);
        expectSame(dense, want, `${size} at ${sparsity}`);
      }
    }
  });

  it("rounds the number of zeros half to even", () => {
    expect([1, 3, 5, 7].map((size) => keptOf(size, 0.5))).toEqual([1, 1, 3, 3]);
  });

  it("leaves zeros alone where there are more of them than asked", () => {
    const dense = normals(200, 3, 0.8);
    const want = dense.slice();
    sparsify(engine, dense, 0.5);
    expectSame(dense, want);
  });
});

describe("toSparse", () => {
  it("has the same dense values", () => {
    for (const shape of [[0, 4], [4, 0], [1, 1], [7, 33], [3, 2, 3, 3], [40], []]) {
      const size = shape.reduce((product, dim) => product * dim, 1);
      for (const sparsity of [0, 0.5, 0.9, 1]) {
        for (const perTensor of [false, true]) {
          const int8 = quantize(engine, shape, normals(size, size, sparsity), 15, perTensor);
          const sparse = toSparse(int8);
          checkWeight("w", sparse);
          expectSame(
            denseOf(sparse),
            denseOf(int8).map((v) => v + 0),
            `${shape} at ${sparsity}`,
          );
          expect(sparse.values.every((value) => value !== 0)).toBe(true);
          expect(sparse.scale).toBe(int8.scale);
        }
      }
    }
  });
});

it("the largest float32 comes back finite, whatever the bits", () => {
  const largest = 3.4028234663852886e38;
  for (const levels of [1, 3, 7, 15, 31, 63, 127]) {
    const scale = scaleFor([largest, -largest, 1], levels);
    expect(Math.fround(scale * levels)).toBeLessThan(Number.POSITIVE_INFINITY);
    expect(Math.fround(scale * levels)).toBeGreaterThan(0.49 * largest);
  }
});
