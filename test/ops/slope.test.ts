import { describe, expect, test } from "vitest";
import { erf, gelu, geluTanh, sigmoid, slopes } from "../reference/special.js";
import { expectSame, salted } from "../support/compare.js";
import { builds, Guarded, normals, sizes } from "../support/kernels.js";

/** Each function with its kernels; what the slope is told from; how far the slope may be off. */
const functions = [
  {
    name: "sigmoid",
    forward: "sigmoid_f32",
    slope: "sigmoid_grad_f32",
    twin: sigmoid,
    from: "y",
    ulps: 2,
    off: 2 ** -22,
  },
  { name: "tanh", forward: "tanh_f32", slope: "tanh_grad_f32", twin: Math.tanh, from: "y", ulps: 2, off: 2 ** -22 },
  { name: "erf", forward: "erf_f32", slope: "erf_grad_f32", twin: erf, from: "x", ulps: 2, off: 2 ** -21 },
  { name: "gelu", forward: "gelu_f32", slope: "gelu_grad_f32", twin: gelu, from: "x", ulps: 4, off: 2 ** -22 },
  {
    name: "geluTanh",
    forward: "gelu_tanh_f32",
    slope: "gelu_tanh_grad_f32",
    twin: geluTanh,
    from: "x",
    ulps: 4,
    off: 2 ** -20,
  },
] as const;

/** A pass over the values by themselves, in place too. */
describe.each(builds())("$name", ({ name: build, kernels }) => {
  test.each(functions)("$forward goes value by value, in place too", ({ forward, twin, ulps }) => {
    for (const n of sizes) {
      const x = normals(n, n).map((v) => v * 4);
      const memory = new Guarded(kernels);
      const y = memory.room(4 * n);
      const px = memory.placeFlush(x);
      kernels[forward](n, px, y);
      kernels[forward](n, px, px);
      memory.check();
      const got = memory.read(Float32Array, y, n);
      expectSame(memory.read(Float32Array, px, n), got);
      for (let i = 0; i < n; i++) {
        const limit = ulps * (2 ** -23 * Math.abs(twin(x[i])) + 2 ** -149);
        expect(Math.abs(got[i] - twin(x[i]))).toBeLessThanOrEqual(limit);
      }
    }
  });

  test.each(functions)(
    "$forward gives a value the same bits wherever it stands, NaN and infinities too",
    ({ forward }) => {
      const x = salted(normals(31, 1));
      const memory = new Guarded(kernels);
      const [px, y, alone] = [memory.place(x), memory.room(4 * 31), memory.room(4 * 31)];
      kernels[forward](31, px, y);
      for (let i = 0; i < 31; i++) kernels[forward](1, px + 4 * i, alone + 4 * i);
      memory.check();
      expectSame(memory.read(Float32Array, alone, 31), memory.read(Float32Array, y, 31));
      for (const [i, value] of memory.read(Float32Array, y, 31).entries()) {
        expect(Number.isNaN(value)).toBe(Number.isNaN(x[i]) || (forward.startsWith("gelu") && x[i] === -Infinity));
      }
    },
  );

  test.each(functions)("$slope adds dY times the slope", ({ name, forward, slope, from, off }) => {
    for (const n of sizes) {
      const x = normals(n, n).map((v, i) => (i % 7 === 6 ? v * 1e20 : v * 3));
      const [dy, start] = [normals(n, n + 1), normals(n, n + 2)];
      const memory = new Guarded(kernels);
      const [px, y, dx] = [memory.place(x), memory.room(4 * n), memory.place(start)];
      kernels[forward](n, px, y);
      kernels[slope](n, from === "x" ? px : y, memory.placeFlush(dy), dx);
      memory.check();
      for (const [i, value] of memory.read(Float32Array, dx, n).entries()) {
        const want = start[i] + dy[i] * slopes[name](x[i]);
        const limit = Math.abs(dy[i]) * off + 2 ** -23 * (Math.abs(want) + Math.abs(start[i]));
        if (!(Math.abs(value - want) <= limit)) throw new Error(`${build} ${slope} at ${x[i]}: ${value}, not ${want}`);
      }
    }
  });
});

test("the twins' slopes agree with finite differences", () => {
  for (const { name, twin } of functions) {
    for (const x of [-5.3, -1, -0.2, 0, 0.7, 2.4]) {
      const step = 1e-5;
      expect(Math.abs((twin(x + step) - twin(x - step)) / (2 * step) - slopes[name](x))).toBeLessThan(1e-9);
    }
  }
});
