import { describe, expect, test } from "vitest";
import type { FullKernels } from "../../src/kernels/abi.js";
import { allLimits, type ConvCase, convs } from "../cases/ops.js";
import { clip } from "../reference/ops.js";
import { expectSame, expectWithin } from "../support/compare.js";
import { dimensions, type Layer, laid, layer, part, sizes, twin } from "../support/conv.js";
import { builds, Guarded, normals } from "../support/kernels.js";

interface Csr {
  readonly rowPtr: Uint32Array;
  readonly col: Uint32Array;
  readonly values: Float32Array;
}

function csr(dense: Float32Array, rows: number, cols: number): Csr {
  const rowPtr = new Uint32Array(rows + 1);
  const col: number[] = [];
  const values: number[] = [];
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < cols; c++) {
      if (dense[r * cols + c] === 0) continue;
      col.push(c);
      values.push(dense[r * cols + c]);
    }
    rowPtr[r + 1] = col.length;
  }
  return { rowPtr, col: Uint32Array.from(col), values: Float32Array.from(values) };
}

/** A layer whose weights are integers / 16 times a power of two for each row, so that int8 holds them exactly. */
function coded(g: ConvCase, seed: number): { given: Layer; q: Float32Array; scale: Float32Array } {
  const given = layer(g, seed);
  const { r } = dimensions(g);
  const rows = g.groups * g.o;
  const scale = Float32Array.from({ length: rows }, (_, i) => 2 ** ((i % 7) - 6));
  const q = given.weight.map((v) => Math.max(-127, Math.min(127, Math.round(v * 30))));
  return { given: { ...given, weight: q.map((v, i) => v * scale[Math.floor(i / r)]) }, q, scale };
}

/** Y of a whole tensor, group by group; x or the values lie against the end of memory. */
function forward(
  kernels: FullKernels,
  g: ConvCase,
  given: Layer,
  int8?: { q: Float32Array; scale: Float32Array },
  held = allLimits[0],
) {
  const { image, plane, r } = dimensions(g);
  const memory = new Guarded(kernels);
  const { rowPtr, col, values } = csr(int8 ? int8.q : given.weight, g.groups * g.o, r);
  const [prow, pcol, b] = [rowPtr, col, given.bias].map((array) => memory.place(array));
  const scale = int8 ? memory.place(int8.scale) : 0;
  const limits = memory.limits(held);
  const y = memory.room(4 * g.batch * g.groups * plane);
  const scratch = memory.room(kernels.sparse_conv_scratch_bytes(g.c, g.w, g.o, col.length, ...laid(g)));
  const px = int8 ? memory.place(given.x) : 0;
  const pv = int8 ? memory.placeFlush(Int8Array.from(values)) : memory.place(values);
  const x = px || memory.placeFlush(given.x);
  for (let i = 0; i < g.groups; i++) {
    const rows = [x + 4 * i * image, prow + 4 * i * g.o, pcol, pv] as const;
    const [bias, to] = [b + 4 * i * g.o, y + 4 * i * plane];
    if (int8) kernels.sparse_conv_i8(...sizes(g), ...rows, scale + 4 * i * g.o, bias, limits, to, scratch);
    else kernels.sparse_conv_f32(...sizes(g), ...rows, bias, limits, to, scratch);
  }
  memory.check();
  return memory.read(Float32Array, y, g.batch * g.groups * plane);
}

describe.each(builds())("$name", ({ name, kernels }) => {
  test.each(convs)("sparse_conv_f32: $name", (g) => {
    const { plane, r } = dimensions(g);
    for (const seed of [4, 5, 6, 7]) {
      const given = layer(g, seed);
      const y = forward(kernels, g, given);
      for (let i = 0; i < g.batch; i++) {
        for (let group = 0; group < g.groups; group++) {
          const { exact, rounded } = twin(g, given, i, group, true);
          const got = part(y, g, i, group, plane);
          expectWithin(got, exact, r + 2, `image ${i} group ${group}`);
          // A zero that is not added changes at most the sign of a zero.
          if (name !== "relaxed") expectSame(got.map(plain), rounded.map(plain), `image ${i} group ${group}`);
        }
      }
      const held = allLimits[1 + (seed % (allLimits.length - 1))];
      expectSame(
        forward(kernels, g, given, undefined, held),
        y.map((v) => clip(v, ...held)),
      );
    }
  });

  test.each(convs)("sparse_conv_i8: $name", (g) => {
    const { plane, r } = dimensions(g);
    for (const seed of [4, 5, 6, 7]) {
      const { given, ...int8 } = coded(g, seed);
      const y = forward(kernels, g, given, int8);
      for (let i = 0; i < g.batch; i++) {
        for (let group = 0; group < g.groups; group++) {
          const { exact } = twin(g, given, i, group, true);
          expectWithin(part(y, g, i, group, plane), exact, r + 3, `image ${i} group ${group}`);
        }
      }
      const held = allLimits[1 + (seed % (allLimits.length - 1))];
      expectSame(
        forward(kernels, g, given, int8, held),
        y.map((v) => clip(v, ...held)),
      );
    }
  });

  test("no bias, no entry: zeros; a bias and no entry: the bias", () => {
    const g = convs.find((c) => c.name === "rows of 29 in strips of 28")!;
    const { plane, p } = dimensions(g);
    const none = { ...layer(g, 4), weight: new Float32Array(layer(g, 4).weight.length) };
    expectSame(
      forward(kernels, g, none),
      new Float32Array(plane).map((_, q) => none.bias[Math.floor(q / p)]),
    );
  });

  test("an image has the same bits alone and in a batch, a pixel whatever the width of the image", () => {
    const g = { ...convs.find((c) => c.name === "rows of 57 in strips of 28")!, batch: 3 };
    const given = layer(g, 5);
    const { image, plane, p } = dimensions(g);
    const together = forward(kernels, g, given);
    for (let i = 0; i < g.batch; i++) {
      const alone = forward(kernels, { ...g, batch: 1 }, { ...given, x: part(given.x, g, i, 0, image) });
      expectSame(alone, part(together, g, i, 0, plane));
    }
    for (const w of [7, 28, 31, 56]) {
      const narrow = { ...g, batch: 1, w, outW: w - 1 };
      const x = given.x.slice(0, image).filter((_, i) => i % g.w < w);
      const y = forward(kernels, narrow, { ...given, x });
      for (let at = 0; at < g.o * g.outH; at++) {
        const row = y.subarray(at * (w - 1), (at + 1) * (w - 1));
        expectSame(row, together.subarray(at * g.outW, at * g.outW + w - 1));
      }
    }
    expect(p).toBe(g.outH * g.outW);
  });

  test("a pixel of a pointwise convolution has the same bits whatever the size of the image", () => {
    const whole = convs.find((c) => c.name === "pointwise, 57 pixels in strips of 28")!;
    const g = { ...whole, batch: 1 };
    const given = layer(g, 5);
    const { image } = dimensions(g);
    const x = given.x.subarray(0, image);
    for (const q of [undefined, coded(g, 5)]) {
      const together = forward(kernels, g, { ...given, x }, q);
      for (const w of [1, 5, 27, 28, 29, 56]) {
        const alone = forward(kernels, { ...g, w, outW: w }, { ...given, x: x.filter((_, i) => i % g.w < w) }, q);
        for (let o = 0; o < g.o; o++) {
          expectSame(alone.subarray(o * w, (o + 1) * w), together.subarray(o * g.w, o * g.w + w));
        }
      }
    }
  });

  test.each(["rows of 15 in panels of 8", "pointwise, 29 pixels in strips of 28"])(
    "what is not finite goes where an entry reads it, and nowhere else: %s",
    (name) => {
      const g = convs.find((c) => c.name === name)!;
      const taps = g.kh * g.kw;
      const given = layer(g, 5);
      const x = normals(given.x.length, 3).map((v, i) => (i % 31 === 7 ? [NaN, Infinity, -Infinity, 1e-42][i % 4] : v));
      const y = forward(kernels, g, { ...given, x });
      const { r, p, image } = dimensions(g);
      expect(x.length).toBe(g.batch * image);
      // The twin multiplies by zeros too, so here are the sums of the entries alone.
      for (let o = 0; o < g.o; o++) {
        const w = given.weight.subarray(o * r, (o + 1) * r);
        for (let q = 0; q < p; q++) {
          let sum = given.bias[o];
          const [oy, ox] = [Math.floor(q / g.outW), q % g.outW];
          for (const [t, value] of w.entries()) {
            const [iy, ix] = [oy - g.padTop + (Math.floor(t / g.kw) % g.kh), ox - g.padLeft + (t % g.kw)];
            const inside = iy >= 0 && iy < g.h && ix >= 0 && ix < g.w;
            if (value !== 0) sum += value * (inside ? x[(Math.floor(t / taps) * g.h + iy) * g.w + ix] : 0);
          }
          if (Number.isFinite(sum)) expect(Math.abs(y[o * p + q] - sum)).toBeLessThan(1e-4);
          else expect(y[o * p + q]).toBe(sum);
        }
      }
    },
  );
});

const plain = (v: number) => v + 0;
