import { describe, expect, test } from "vitest";
import { allLimits } from "../cases/ops.js";
import { clip } from "../reference/ops.js";
import { expectSame, salted } from "../support/compare.js";
import { builds, Guarded, normals, sizes } from "../support/kernels.js";

/** Limits as they stand in memory, those that hold nothing too. */
const placed = (memory: Guarded, [lo, hi]: readonly [number, number]) =>
  memory.place(Float32Array.of(lo, hi, lo === 0 ? 0 : -0));

describe.each(builds())("$name", ({ name, kernels }) => {
  test.each(allLimits)("clip_f32 holds x within %f and %f, NaN for NaN, in place too", (lo, hi) => {
    for (const n of sizes) {
      const x = salted(normals(n, n));
      const memory = new Guarded(kernels);
      const [y, limits] = [memory.room(4 * n), placed(memory, [lo, hi])];
      const px = memory.placeFlush(x);
      kernels.clip_f32(n, px, limits, y);
      kernels.clip_f32(n, px, limits, px);
      memory.check();
      const wanted = x.map((v) => clip(v, lo, hi));
      expectSame(memory.read(Float32Array, y, n), wanted);
      expectSame(memory.read(Float32Array, px, n), wanted);
    }
  });

  test.each(allLimits)("add_clip_f32 holds a + b within %f and %f, in place too", (lo, hi) => {
    for (const n of sizes) {
      const [a, b] = [salted(normals(n, n)), salted(normals(n, n + 1)).reverse()];
      const memory = new Guarded(kernels);
      const [y, left, again, limits] = [memory.room(4 * n), memory.place(a), memory.place(a), placed(memory, [lo, hi])];
      const right = memory.placeFlush(b);
      kernels.add_clip_f32(n, left, right, limits, y);
      kernels.add_clip_f32(n, left, right, limits, left);
      kernels.add_clip_f32(n, again, right, limits, right);
      memory.check();
      const wanted = a.map((v, i) => clip(Math.fround(v + b[i]), lo, hi));
      for (const pointer of [y, left, right]) expectSame(memory.read(Float32Array, pointer, n), wanted);
    }
  });

  test("clip_f32 from 0 up gives the bits of relu_f32", () => {
    const x = salted(normals(129, 5));
    const memory = new Guarded(kernels);
    const [limits, px, y, z] = [placed(memory, [0, Infinity]), memory.place(x), memory.room(516), memory.room(516)];
    kernels.clip_f32(129, px, limits, y);
    kernels.relu_f32(129, px, z);
    expectSame(memory.read(Float32Array, y, 129), memory.read(Float32Array, z, 129));
  });

  test.each(allLimits)("clip_grad_f32 lets dY through where %f <= x <= %f, and nothing elsewhere", (lo, hi) => {
    for (const n of sizes) {
      const [x, dy, start] = [salted(normals(n, n)), normals(n, n + 1), normals(n, n + 2)];
      // On the limits themselves too.
      for (let i = 0; i < n; i++) if (i % 5 === 0) x[i] = i % 2 ? lo : hi;
      const within = Array.from(x, (v) => v >= lo && v <= hi);
      for (let i = 0; i < n; i++) if (!within[i] && i % 2 === 0) dy[i] = i % 4 === 0 ? NaN : Infinity;
      const memory = new Guarded(kernels);
      const [dx, px] = [memory.place(start), memory.place(x)];
      kernels.clip_grad_f32(n, px, memory.placeFlush(dy), dx, lo, hi);
      memory.check();
      expectSame(
        memory.read(Float32Array, dx, n),
        start.map((v, i) => v + (within[i] ? dy[i] : 0)),
      );
    }
  });

  test.runIf(name === "debug")("the debug build says which precondition was broken", () => {
    expect(() => kernels.clip_f32(1, 4, 6, 8)).toThrow(/clip/);
    expect(() => kernels.clip_grad_f32(-1, 4, 8, 12, 0, 1)).toThrow(/clip/);
  });
});
