import { describe, expect, test } from "vitest";
import { chances, logits } from "../../src/codec/mixture.js";
import { Decoder, stepsPerByte } from "../../src/codec/range-coder.js";
import { codedBytes, encodeWeight } from "../../src/codec/weight.js";
import type { PlainWeight } from "../../src/graph/weight.js";
import { normals, uniform } from "../support/kernels.js";

describe("tables of the mixture", () => {
  test("chances are 65536 / (1 + e^-x), rounded", () => {
    for (let x = -2047; x <= 2047; x++) {
      // No entry lies near a tie, so that any good exp gives the same table.
      const exact = 65536 / (1 + Math.exp(-x / 256));
      expect(Math.abs(exact - Math.floor(exact) - 0.5)).toBeGreaterThan(1e-6);
      expect(chances[2048 + x]).toBe(Math.floor(exact + 0.5));
    }
  });

  test("logits are the first whose chance is not below", () => {
    for (let i = 0; i < 4096; i++) {
      expect(logits[i] === 2047 || chances[2048 + logits[i]] >= 16 * i + 8).toBe(true);
      expect(logits[i] === -2047 || chances[2048 + logits[i] - 1] < 16 * i + 8).toBe(true);
    }
  });
});

/** Bits of the codes when each context's frequencies are known. */
function entropy(q: Int8Array, context: (i: number) => number): number {
  const counts = new Map<number, Map<number, number>>();
  for (let i = 0; i < q.length; i++) {
    const own = counts.get(context(i)) ?? new Map<number, number>();
    counts.set(context(i), own.set(q[i], (own.get(q[i]) ?? 0) + 1));
  }
  let bits = 0;
  for (const own of counts.values()) {
    const all = [...own.values()].reduce((sum, n) => sum + n, 0);
    for (const n of own.values()) bits -= n * Math.log2(n / all);
  }
  return bits;
}

function drawn(rows: number, cols: number, size: (r: number, c: number) => number, seed: number): Int8Array {
  const x = normals(rows * cols, seed);
  return Int8Array.from(x, (value, i) =>
    Math.max(-7, Math.min(7, Math.round(value * size(Math.floor(i / cols), i % cols)))),
  );
}

const bitsOf = (q: Int8Array, shape: readonly number[]) =>
  8 * codedBytes({ kind: "int8", shape, q, scale: Float32Array.of(1) });

describe("codes of a matrix", () => {
  test("alike everywhere: the entropy and 1 %, what is learnt included", () => {
    for (const size of [0.4, 0.8, 1.5, 3]) {
      const q = drawn(100, 100, () => size, 1);
      expect(bitsOf(q, [100, 100])).toBeLessThan(1.01 * entropy(q, () => 0) + 80);
    }
  });

  test("columns of four sizes: the entropy that knows the size of each, and 2 %; rows, whose size is met anew: 4 %", () => {
    const sizes = [0.3, 0.7, 1.5, 3];
    const columns = drawn(400, 64, (_, c) => sizes[c % 4], 2);
    expect(bitsOf(columns, [400, 64])).toBeLessThan(1.02 * entropy(columns, (i) => i % 4));
    const rows = drawn(64, 400, (r) => sizes[r % 4], 3);
    expect(bitsOf(rows, [64, 400])).toBeLessThan(1.04 * entropy(rows, (i) => Math.floor(i / 400) % 4));
  });

  test("taps of a convolution that follow those of the channel before", () => {
    const next = uniform(4);
    const [out, channels, taps] = [16, 32, 9];
    const q = new Int8Array(out * channels * taps);
    for (let i = 0; i < q.length; i++) {
      const fresh = next() < 0.3 || i % (channels * taps) < taps;
      q[i] = fresh ? Math.floor(next() * 3) - 1 : q[i - taps];
    }
    expect(bitsOf(q, [out, channels, 3, 3])).toBeLessThan(0.93 * bitsOf(q, [out, channels * taps]));
  });

  test("alike to the last, they take the bytes that their steps ask for", () => {
    for (const [code, perEntry] of [
      [0, 0],
      [1, 4],
      [-128, 11],
    ]) {
      const q = new Int8Array(100_000).fill(code);
      const { bytes } = encodeWeight({ kind: "int8", shape: [100, 1000], q, scale: Float32Array.of(1) });
      expect(bytes.length).toBe(Math.ceil(((3 + perEntry) * q.length + 32) / stepsPerByte));
    }
  });

  test("coefficients of unlike atoms, in turn: each has its own chances", () => {
    const sizes = [3, 0.4, 1.2, 0.2];
    const z = drawn(600, 4, (_, c) => sizes[c], 6);
    const entries = [...z.keys()].filter((i) => z[i] !== 0);
    const rowPtr = Uint32Array.from({ length: 601 }, (_, r) => entries.filter((i) => i < 4 * r).length);
    const bytes = codedBytes({
      ...{ kind: "factored", layout: "kernel", shape: [30, 20, 2, 2], d: 4, n: 600, k: 4 },
      ...{ rowPtr, col: Uint32Array.from(entries, (i) => i % 4), codes: Int8Array.from(entries, (i) => z[i]) },
      ...{ codeScale: new Float32Array(4).fill(1), codebook: new Int8Array(16), codebookScale: 1 },
    });
    expect(8 * bytes).toBeLessThan(1.05 * entropy(z, (i) => i % 4));
    expect(bytes).toBeLessThan(0.95 * codedBytes({ kind: "int8", shape: [30, 80], q: z, scale: Float32Array.of(1) }));
  });

  test("-128 and 127 and nothing in between", () => {
    const q = Int8Array.from({ length: 1000 }, (_, i) => [-128, 127, 0][i % 3]);
    expect(bitsOf(q, [10, 100])).toBeLessThan(3000);
  });
});

describe("entries take the shorter of two manners", () => {
  const sparse = (rows: number, cols: number, hit: (r: number, c: number) => boolean): PlainWeight => {
    const rowPtr = new Uint32Array(rows + 1);
    const col: number[] = [];
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < cols; c++) if (hit(r, c)) col.push(c);
      rowPtr[r + 1] = col.length;
    }
    const values = Int8Array.from(col, (c, i) => ((i * 7 + c) % 5) - 2 || 3);
    return {
      kind: "sparse",
      shape: [rows, cols],
      rowPtr,
      col: Uint32Array.from(col),
      values,
      scale: Float32Array.of(1),
    };
  };
  const mannerOf = (weight: PlainWeight) => {
    const decoder = new Decoder(encodeWeight(weight).bytes);
    return decoder.known(32768) ? "codes" : "gaps";
  };
  const next = uniform(5);

  test("few entries in a wide matrix: gaps", () => {
    expect(mannerOf(sparse(4, 100_000, (_, c) => c % 33_333 === 7))).toBe("gaps");
  });

  test("a third of the cells: codes", () => {
    expect(mannerOf(sparse(60, 60, () => next() < 0.3))).toBe("codes");
  });

  test("an entry of 0 is kept, so that its cell is no code", () => {
    const weight = sparse(30, 30, () => next() < 0.5);
    if (weight.kind === "sparse") weight.values[3] = 0;
    expect(mannerOf(weight)).not.toBe("codes");
  });
});
