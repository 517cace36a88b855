import { describe, expect, test } from "vitest";
import { pools } from "../cases/ops.js";
import { firstMaximum, type Pool, poolWindows } from "../reference/ops.js";
import { expectSame, expectWithin, salted } from "../support/compare.js";
import { builds, Guarded, normals } from "../support/kernels.js";

const planes = 3;

type Sizes = [number, number, number, number, number, number, number, number, number, number, number];

function sizes(g: Pool, count = planes): Sizes {
  return [count, g.h, g.w, g.kh, g.kw, g.strideH, g.strideW, g.padTop, g.padLeft, g.outH, g.outW];
}

/** The windows of every plane, as indices into the whole of x. */
function windows(g: Pool): number[][] {
  const one = poolWindows(g);
  return Array.from({ length: planes }, (_, i) => one.map((window) => window.map((at) => at + i * g.h * g.w))).flat();
}

describe.each(builds())("$name", ({ kernels }) => {
  describe.each(pools)("$name", (g) => {
    const outputs = windows(g);
    const plain = normals(planes * g.h * g.w, 3);
    // Ties, and everything that an order can stumble over.
    const rounded = plain.map((v) => Math.round(v) / 2);

    test.each([
      ["plain", plain],
      ["ties", rounded],
      ["salted", salted(rounded)],
    ] as const)("max_pool_f32, %s", (_, x) => {
      const memory = new Guarded(kernels);
      const y = memory.room(outputs.length * 4);
      kernels.max_pool_f32(...sizes(g), memory.placeFlush(x), y);
      memory.check();
      const wanted = outputs.map((window) => Math.max(...window.map((at) => x[at])));
      expectSame(memory.read(Float32Array, y, outputs.length), wanted);
    });

    test.each([
      ["plain", plain],
      ["ties", rounded],
      ["salted", salted(rounded)],
    ] as const)("max_pool_grad_f32, %s", (_, x) => {
      const [dy, start] = [normals(outputs.length, 5), normals(x.length, 6)];
      const memory = new Guarded(kernels);
      const [px, dx] = [memory.place(x), memory.place(start)];
      kernels.max_pool_grad_f32(...sizes(g), px, memory.placeFlush(dy), dx);
      memory.check();
      const wanted = start.slice();
      for (const [i, window] of outputs.entries()) {
        const at = firstMaximum(window.map((from) => x[from]));
        if (at >= 0) wanted[window[at]] += dy[i];
      }
      expectSame(memory.read(Float32Array, dx, x.length), wanted);
    });

    test.each([0, 1])("average_pool_f32 and its gradient, countIncludePad %i", (countIncludePad) => {
      const [dy, start] = [normals(outputs.length, 5), normals(plain.length, 6)];
      const memory = new Guarded(kernels);
      const [y, dx, pdy] = [memory.room(outputs.length * 4), memory.place(start), memory.place(dy)];
      kernels.average_pool_f32(...sizes(g), memory.placeFlush(plain), y, countIncludePad);
      kernels.average_pool_grad_f32(...sizes(g), pdy, dx, countIncludePad);
      memory.check();
      const value = new Float64Array(outputs.length);
      const size = new Float64Array(outputs.length);
      const grad = { value: Float64Array.from(start), size: Float64Array.from(start, Math.abs) };
      for (const [i, window] of outputs.entries()) {
        const count = countIncludePad ? g.kh * g.kw : Math.max(window.length, 1);
        for (const at of window) {
          value[i] += plain[at] / count;
          size[i] += Math.abs(plain[at]) / count;
          grad.value[at] += dy[i] / count;
          grad.size[at] += Math.abs(dy[i]) / count;
        }
      }
      expectWithin(memory.read(Float32Array, y, outputs.length), { value, size }, g.kh * g.kw + 2);
      expectWithin(memory.read(Float32Array, dx, plain.length), grad, g.kh * g.kw + 2);
    });
  });

  describe.each(pools)("pool_grad_f32, $name", (g) => {
    const outputs = windows(g);
    const x = normals(planes * g.h * g.w, 3).map((v) => Math.round(2 * v) / 2);
    const [dy, start] = [normals(outputs.length, 5), normals(x.length, 6)];
    const p = 3;
    const norms = outputs.map((window) => Math.cbrt(window.reduce((sum, at) => sum + Math.abs(x[at]) ** p, 0)));
    /** What a window gives the i-th of the values in it. */
    const shares = {
      largest: (window: number[], i: number) => Number(i === firstMaximum(window.map((at) => x[at]))),
      mean: (window: number[]) => 1 / window.length,
      meanOfPads: () => 1 / (g.kh * g.kw),
      norm: (window: number[], i: number, y: number) =>
        y ? Math.sign(x[window[i]]) * (Math.abs(x[window[i]]) / y) ** 2 : 0,
    };
    const ends = [
      0,
      (g.outH - 1) * g.strideH + g.kh - g.h - g.padTop,
      (g.outW - 1) * g.strideW + g.kw - g.w - g.padLeft,
    ] as const;

    test.each(Object.entries(shares).map(([name, share], kind) => [name, kind, share] as const))(
      "%s",
      (_, kind, share) => {
        const memory = new Guarded(kernels);
        const dx = memory.place(start);
        const [px, y] = [memory.place(x), memory.place(Float32Array.from(norms))];
        const pdy = memory.placeFlush(dy);
        // biome-ignore format: sizes in lines
        kernels.pool_grad_f32(
        kind, p, planes, 1, g.h, g.w, 1, g.kh, g.kw, 1, g.strideH, g.strideW, 1, 1, 1, 0, g.padTop, g.padLeft, ...ends,
        1, g.outH, g.outW, px, y, pdy, dx,
      );
        memory.check();
        const value = Float64Array.from(start);
        const size = Float64Array.from(start, Math.abs);
        for (const [o, window] of outputs.entries()) {
          for (const [i, at] of window.entries()) {
            const term = dy[o] * share(window, i, norms[o]);
            value[at] += term;
            size[at] += Math.abs(term);
          }
        }
        expectWithin(memory.read(Float32Array, dx, x.length), { value, size }, g.kh * g.kw + 8);
      },
    );
  });

  test("no planes is legal", () => {
    const memory = new Guarded(kernels);
    const nothing = memory.room(0);
    kernels.max_pool_f32(...sizes(pools[0], 0), nothing, nothing);
    kernels.max_pool_grad_f32(...sizes(pools[0], 0), nothing, nothing, nothing);
    kernels.average_pool_f32(...sizes(pools[0], 0), nothing, nothing, 0);
    kernels.average_pool_grad_f32(...sizes(pools[0], 0), nothing, nothing, 0);
    expect(() => memory.check()).not.toThrow();
  });
});
