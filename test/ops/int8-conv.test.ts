// What integer convolutions are made of, and what becomes of sums where weights have zero points, against their twins.
import { describe, expect, test } from "vitest";
import { integerProducts } from "../cases/int8.js";
import { requantized } from "../reference/int8.js";
import { convolved, type Filter, outputOf } from "../reference/quantized.js";
import { builds, Guarded, normals, sizes, uniform } from "../support/kernels.js";

function bytes(length: number, seed: number): Uint8Array {
  const next = uniform(seed);
  return Uint8Array.from({ length }, () => next() * 256);
}

const filters: Filter[] = [];
const next = uniform(11);
const random = (least: number, most: number) => least + Math.floor(next() * (most - least + 1));
for (const channels of [1, 2, 3, 7, 8, 9, 16, 17, 130]) {
  for (let i = 0; i < 6; i++) {
    const kernel = [random(1, 3), random(1, 4)] as const;
    const dilations = i % 2 ? ([1, 1] as const) : ([random(1, 2), random(1, 3)] as const);
    const [h, w] = [0, 1].map((s) => dilations[s] * (kernel[s] - 1) + 1 + random(0, 5));
    filters.push({
      ...{ batch: 1, channels, h, w, outputs: channels, group: channels, kernel, dilations },
      strides: [random(1, 3), random(1, 3)],
      pads: [random(0, 2), random(0, 2), random(0, 2), random(0, 2)],
    });
  }
}

describe.each(builds())("$name", ({ kernels }) => {
  test("transpose_x8", () => {
    for (const rows of sizes) {
      for (const cols of sizes) {
        const x = bytes(rows * cols, rows + cols);
        const memory = new Guarded(kernels);
        const y = memory.room(x.length);
        kernels.transpose_x8(rows, cols, memory.placeFlush(x), y);
        memory.check();
        const want = x.map((_, at) => x[(at % rows) * cols + Math.floor(at / rows)]);
        expect(memory.read(Uint8Array, y, x.length)).toEqual(want);
      }
    }
  });

  test("columns_x8 lays out windows, of some of the channels too", () => {
    for (const filter of filters) {
      const { channels, h, w, kernel, strides, dilations, pads } = filter;
      const [outH, outW] = outputOf(filter);
      const x = bytes(h * w * channels, channels);
      const half = Math.ceil(channels / 2);
      for (const [skip, run] of [
        [0, channels],
        [channels - half, half],
      ]) {
        const first = Math.floor((outH * outW) / 3);
        const count = outH * outW - first;
        const memory = new Guarded(kernels);
        const y = memory.room(count * kernel[0] * kernel[1] * run);
        const from = memory.placeFlush(x) + skip;
        // biome-ignore format: sizes in lines
        kernels.columns_x8(
          first, count, h, w, channels, run, ...kernel, ...strides, pads[0], pads[1], ...dilations, outW, from, y, 77,
        );
        memory.check();
        const want: number[] = [];
        for (let p = first; p < outH * outW; p++) {
          for (let i = 0; i < kernel[0]; i++) {
            for (let j = 0; j < kernel[1]; j++) {
              const r = Math.floor(p / outW) * strides[0] - pads[0] + i * dilations[0];
              const s = (p % outW) * strides[1] - pads[1] + j * dilations[1];
              const inside = r >= 0 && r < h && s >= 0 && s < w;
              for (let c = 0; c < run; c++) want.push(inside ? x[(r * w + s) * channels + skip + c] : 77);
            }
          }
        }
        expect([...memory.read(Uint8Array, y, want.length)]).toEqual(want);
      }
    }
  });

  test("depthwise_i8: each channel alone, of either sign", () => {
    for (const [seed, filter] of filters.entries()) {
      const { channels, h, w, kernel, strides, dilations, pads } = filter;
      const [outH, outW] = outputOf(filter);
      const taps = kernel[0] * kernel[1];
      const unsigned = seed % 2;
      const x = bytes(h * w * channels, seed);
      const zero = unsigned ? [0, 128, 255][seed % 3] : [-128, 0, 127][seed % 3];
      const weight = Int16Array.from(bytes(taps * channels, seed + 1), (v, i) => (i % 2 ? v : -v));
      const first = seed % 4 ? 0 : Math.floor((outH * outW) / 2);
      const count = outH * outW - first;
      const memory = new Guarded(kernels);
      const pw = memory.place(new Uint8Array(weight.buffer));
      const y = memory.room(4 * count * channels);
      // biome-ignore format: sizes in lines
      kernels.depthwise_i8(
        first, count, h, w, channels, ...kernel, ...strides, pads[0], pads[1], ...dilations, outW, memory.placeFlush(x), pw, y,
        zero, unsigned,
      );
      memory.check();
      // The twin has channels first: place (c, r, s) of it is (r, s, c) here.
      const value = (at: number) => {
        const code = x[(at % (h * w)) * channels + Math.floor(at / (h * w))];
        return (unsigned ? code : (code << 24) >> 24) - zero;
      };
      const sums = convolved(filter, value, (at) => weight[(at % taps) * channels + Math.floor(at / taps)]);
      const want = Array.from({ length: count * channels }, (_, at) => {
        return sums[(at % channels) * outH * outW + first + Math.floor(at / channels)];
      });
      expect([...memory.read(Int32Array, y, want.length)]).toEqual(want);
    }
  });

  test("subtract_zeros_i8 takes the zero points of B off, modulo 2^32", () => {
    for (const [seed, [m, n, k]] of integerProducts.entries()) {
      const unsigned = seed % 2;
      const codes = bytes(m * k, seed);
      const a = unsigned ? codes : new Int8Array(codes.buffer);
      const zero = unsigned ? 131 : -77;
      const zeros = Int32Array.from({ length: n }, (_, j) => ((j * 91 + seed) % 384) - 128);
      const before = Int32Array.from({ length: m * n }, (_, at) => (at * 0x9e3779b1) | 0);
      const memory = new Guarded(kernels);
      const [pz, c] = [memory.place(zeros), memory.place(before)];
      kernels.subtract_zeros_i8(m, n, k, memory.placeFlush(a), pz, c, zero, unsigned);
      memory.check();
      const row = (i: number): number[] => [...a.subarray(i * k, i * k + k)];
      const sums = Array.from({ length: m }, (_, i) => row(i).reduce((sum, v) => sum + v - zero, 0));
      const want = before.map((value, at) => value - Math.imul(sums[Math.floor(at / n)], zeros[at % n]));
      expect(memory.read(Int32Array, c, m * n)).toEqual(want);
    }
  });

  test("requantize_i8 ends sums as the product itself does", () => {
    for (const rows of [0, 1, 3]) {
      for (const [seed, cols] of sizes.entries()) {
        const sums = normals(rows * cols, seed).map((v) => Math.round(v * 1000));
        const scale = normals(cols, seed + 1).map((v, j) => (j % 2 ? 2 ** -(j % 9) : Math.abs(v) / 7));
        const bias = seed % 2 ? Int32Array.from(normals(cols, seed + 2), (v) => v * 300) : undefined;
        const unsigned = seed % 3 === 0;
        const zero = unsigned ? 130 : -5;
        const memory = new Guarded(kernels);
        const [ps, pb] = [memory.place(scale), bias ? memory.place(bias) : 0];
        const y = memory.room(rows * cols);
        const from = memory.placeFlush(Int32Array.from(sums));
        kernels.requantize_i8(rows, cols, from, ps, pb, y, zero, unsigned ? 1 : 0);
        memory.check();
        const want = requantized(cols, Int32Array.from(sums), scale, bias, zero, unsigned);
        const got = memory.read(Uint8Array, y, want.length);
        expect([...(unsigned ? got : new Int8Array(got.buffer))]).toEqual([...want]);
      }
    }
  });
});
