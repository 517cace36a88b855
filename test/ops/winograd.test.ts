import { describe, expect, test } from "vitest";
import type { FullKernels } from "../../src/kernels/abi.js";
import { allLimits, type ConvCase, convs } from "../cases/ops.js";
import { clip } from "../reference/ops.js";
import { expectSame } from "../support/compare.js";
import { dimensions, type Layer, layer, part, sizes, twin } from "../support/conv.js";
import { builds, Guarded } from "../support/kernels.js";

const cases = convs.filter(
  ({ kh, kw, strideH, strideW, dilationH, dilationW }) =>
    kh === 3 && kw === 3 && strideH * strideW * dilationH * dilationW === 1,
);

/** Y of a whole tensor, group by group; x lies against the end of memory. */
function forward(
  kernels: FullKernels,
  g: ConvCase,
  { x, weight, bias }: Layer,
  withBias: boolean,
  held = allLimits[0],
): Float32Array {
  const { image, plane, r } = dimensions(g);
  const memory = new Guarded(kernels);
  const pw = memory.place(weight);
  const panels = memory.room(kernels.winograd_panels_bytes(g.o, g.c));
  const temporary = memory.room(kernels.winograd_pack_scratch_bytes(g.c));
  const b = memory.place(bias);
  const limits = memory.limits(held);
  const y = memory.room(4 * g.batch * g.groups * plane);
  const scratch = memory.room(kernels.winograd_scratch_bytes(g.c, g.o, g.outH, g.outW));
  const px = memory.placeFlush(x);
  const [batch, c, h, w, o, , , , , padTop, padLeft, , , outH, outW, xImage, yImage] = sizes(g);
  for (let i = 0; i < g.groups; i++) {
    kernels.winograd_pack_f32(o, c, pw + 4 * i * o * r, panels, temporary);
    kernels.winograd_f32(
      ...([batch, c, h, w, o, padTop, padLeft, outH, outW, xImage, yImage] as const),
      ...([px + 4 * i * image, panels, withBias ? b + 4 * i * o : 0, limits, y + 4 * i * plane, scratch] as const),
    );
  }
  memory.check();
  return memory.read(Float32Array, y, g.batch * g.groups * plane);
}

/**
 * A tile's sums hold terms up to 100 times as large as the plain ones (the rows of |B^T| sum to 10), and all of them share what
 * the largest loses: errors are held against the largest of a layer's sums of terms.
 */
function limitOf(sizes: ArrayLike<number>, roundings: number): number {
  return 2 ** -24 * roundings * Math.max(...Array.from(sizes), 0);
}

describe.each(builds())("$name", ({ kernels }) => {
  test.each(cases)("winograd_f32: $name", (g) => {
    const { plane } = dimensions(g);
    for (const withBias of [true, false]) {
      const given = layer(g, g.name.length);
      const y = forward(kernels, g, given, withBias);
      for (let i = 0; i < g.batch; i++) {
        for (let group = 0; group < g.groups; group++) {
          const { exact } = twin(g, given, i, group, withBias);
          const limit = limitOf(exact.size, 100) + 1e-40;
          const got = part(y, g, i, group, plane);
          for (const [q, v] of exact.value.entries()) {
            if (!(Math.abs(got[q] - v) <= limit))
              throw new Error(`${i} ${group} [${q}]: ${got[q]}, not ${v} (${limit})`);
          }
        }
      }
      const held = allLimits[1 + (g.name.length % (allLimits.length - 1))];
      expectSame(
        forward(kernels, g, given, withBias, held),
        y.map((v) => clip(v, ...held)),
      );
    }
  });

  test("the stated error: about 1e-5 on 64 channels and outputs of unit variance", () => {
    const g: ConvCase = { ...cases.find((c) => c.name.startsWith("tiles of 4 x 4 on 17"))!, batch: 1, c: 64, o: 32 };
    const full = layer(g, 4);
    const given = { ...full, weight: full.weight.map((v) => v / 24), bias: full.bias.fill(0) };
    const y = forward(kernels, g, given, false);
    const { value } = twin(g, given, 0, 0, false).exact;
    const variance = value.reduce((sum, v) => sum + v * v, 0) / value.length;
    expect(variance).toBeGreaterThan(0.5);
    expect(variance).toBeLessThan(1.5);
    const error = value.reduce((most, v, q) => Math.max(most, Math.abs(v - y[q])), 0);
    expect(error).toBeLessThan(3e-5);
    expect(error).toBeGreaterThan(1e-7);
  });

  test("small integers come out exactly", () => {
    // Weights in multiples of 24^2 make every transformed weight an integer.
    const g = cases.find((c) => c.name === "tiles, unevenly padded")!;
    const full = layer(g, 4);
    const whole = {
      ...full,
      x: full.x.map(Math.round),
      weight: full.weight.map((v) => 576 * Math.round(v / 2)),
      bias: full.bias.map(Math.round),
    };
    const y = forward(kernels, g, whole, true);
    expectSame(
      y.map((v) => v + 0),
      Float32Array.from(twin(g, whole, 0, 0, true).exact.value, (v) => v + 0),
    );
  });

  test("an image has the same bits alone and in a batch, a tile whatever lies behind it", () => {
    const g = { ...cases.find((c) => c.name === "tiles of 4 x 4 on 33")!, batch: 3 };
    const given = layer(g, 4);
    const { image, plane } = dimensions(g);
    const together = forward(kernels, g, given, true);
    for (let i = 0; i < g.batch; i++) {
      const alone = forward(kernels, { ...g, batch: 1 }, { ...given, x: part(given.x, g, i, 0, image) }, true);
      expectSame(alone, part(together, g, i, 0, plane));
    }
    // Sixteen rows fewer of the same image: the tiles that are left keep their bits, though they stand elsewhere in blocks.
    const low = { ...g, batch: 1, h: 17, outH: 16 };
    const x = given.x.slice(0, image).filter((_, i) => i % (g.h * g.w) < 17 * g.w);
    const top = forward(kernels, low, { ...given, x }, true);
    for (let o = 0; o < g.o; o++) {
      const [a, b] = [o * low.outH * g.outW, o * g.outH * g.outW];
      expectSame(top.subarray(a, a + 16 * g.outW), together.subarray(b, b + 16 * g.outW));
    }
  });

  test("what is not finite is never lost, and stays in the tiles that read it", () => {
    const g = { ...cases.find((c) => c.name === "tiles of 4 x 4 on 17")!, batch: 1 };
    const given = layer(g, 4);
    for (const value of [NaN, Infinity, -Infinity]) {
      const x = given.x.slice();
      const [iy, ix] = [9, 6];
      x[iy * g.w + ix] = value;
      const y = forward(kernels, g, { ...given, x }, true);
      for (let o = 0; o < g.o; o++) {
        for (let oy = 0; oy < g.outH; oy++) {
          for (let ox = 0; ox < g.outW; ox++) {
            const [ty, tx] = [oy & ~3, ox & ~3];
            const reads = iy >= ty - 1 && iy < ty + 5 && ix >= tx - 1 && ix < tx + 5;
            const finite = Number.isFinite(y[(o * g.outH + oy) * g.outW + ox]);
            if (!reads) expect(finite).toBe(true);
            else if (Math.abs(oy - iy) <= 1 && Math.abs(ox - ix) <= 1) expect(finite).toBe(false);
          }
        }
      }
    }
  });
});
