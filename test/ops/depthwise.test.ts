import { describe, expect, test } from "vitest";
import type { FullKernels } from "../../src/kernels/abi.js";
import { allLimits, type ConvCase, convs, windows } from "../cases/ops.js";
import { clip, convGradients } from "../reference/ops.js";
import { expectSame, expectWithin } from "../support/compare.js";
import { dimensions, type Layer, laid, layer, part, twin } from "../support/conv.js";
import { builds, Guarded, normals } from "../support/kernels.js";

/** Every case with one channel in for each group; the others with their first channel alone. */
const cases: readonly ConvCase[] = convs.map((g) => (g.c <= 1 ? g : { ...g, c: 1, o: Math.min(g.o, 3) }));

/** Y of a whole tensor; whatever is read last lies against the end of memory. */
function forward(
  kernels: FullKernels,
  g: ConvCase,
  { x, weight, bias }: Layer,
  last: "x" | "weight" | "none",
  held = allLimits[0],
) {
  const memory = new Guarded(kernels);
  const length = g.batch * g.groups * dimensions(g).plane;
  const y = memory.room(4 * length);
  const scratch = memory.room(kernels.depthwise_scratch_bytes(g.w, ...laid(g)));
  const b = last === "none" ? 0 : memory.place(bias);
  const limits = memory.limits(held);
  const [px, pw] =
    last === "weight"
      ? [memory.place(x), memory.placeFlush(weight)]
      : [0, memory.place(weight)].map((at) => at || memory.placeFlush(x));
  kernels.depthwise_f32(
    ...([g.batch, g.groups * g.c, g.h, g.w, g.o, g.kh, g.kw, g.strideH, g.strideW, g.padTop, g.padLeft] as const),
    ...([g.dilationH, g.dilationW, g.outH, g.outW, px, pw, b, limits, y, scratch] as const),
  );
  memory.check();
  return memory.read(Float32Array, y, length);
}

describe.each(builds())("$name", ({ name, kernels }) => {
  function check(g: ConvCase): void {
    const { plane, r } = dimensions(g);
    const given = layer(g, g.name.length);
    for (const last of ["x", "weight", "none"] as const) {
      const y = forward(kernels, g, given, last);
      for (let i = 0; i < g.batch; i++) {
        for (let group = 0; group < g.groups * g.c; group++) {
          const { exact, rounded } = twin(g, given, i, group, last !== "none");
          const got = part(y, g, i, group, plane);
          expectWithin(got, exact, r + 2, `${g.name}, image ${i} group ${group}`);
          if (name !== "relaxed") expectSame(got, rounded, `${g.name}, image ${i} group ${group}`);
        }
      }
      const held = allLimits[1 + (g.name.length % (allLimits.length - 1))];
      expectSame(
        forward(kernels, g, given, last, held),
        y.map((v) => clip(v, ...held)),
      );
    }
  }

  test.each(cases)("depthwise_f32: $name", check);

  test("depthwise_f32: windows of 3 x 3 of any padding, images of any width, and as high as a band and more", () => {
    for (const g of windows) check(g);
  });

  test("bits of an element do not depend on the height or the width of the image", () => {
    for (const stride of [1, 2]) {
      const whole = windows.find((g) => g.strideW === stride && g.w === 257)!;
      const given = layer(whole, 3);
      const y = forward(kernels, whole, given, "x");
      // Unpadded pieces of the image, from output (3, 5) on: columns of every kind, and images that are laid out.
      for (const [outH, outW] of [
        [12, 3],
        [1, 4],
        [2, 5],
        [9, 100],
      ]) {
        const [h, w] = [(outH - 1) * stride + 3, (outW - 1) * stride + 3];
        const [top, left] = [3 * stride - whole.padTop, 5 * stride - whole.padLeft];
        const small: ConvCase = { ...whole, h, w, padTop: 0, padLeft: 0, outH, outW };
        const x = new Float32Array(whole.groups * h * w);
        const wanted = new Float32Array(whole.groups * outH * outW);
        for (let group = 0; group < whole.groups; group++) {
          for (let i = 0; i < h; i++) {
            const from = (group * whole.h + top + i) * whole.w + left;
            x.set(given.x.subarray(from, from + w), (group * h + i) * w);
          }
          for (let i = 0; i < outH; i++) {
            const from = (group * whole.outH + 3 + i) * whole.outW + 5;
            wanted.set(y.subarray(from, from + outW), (group * outH + i) * outW);
          }
        }
        expectSame(forward(kernels, small, { ...given, x }, "x"), wanted, `stride ${stride}, ${outH} x ${outW}`);
      }
    }
  });

  test.each(cases)("depthwise_grad_w_f32 and depthwise_grad_x_f32: $name", (g) => {
    const { image, plane, r, p } = dimensions(g);
    const groups = g.groups * g.c;
    const given = layer(g, g.name.length + 4);
    const started = { dw: normals(given.weight.length, 8), dx: normals(given.x.length, 9) };
    const window = [g.h, g.w, g.o, g.kh, g.kw, g.strideH, g.strideW, g.padTop, g.padLeft] as const;
    const rest = [g.dilationH, g.dilationW, g.outH, g.outW] as const;
    const got = (["x", "dy"] as const).map((last) => {
      const memory = new Guarded(kernels);
      const [pw, pdw, pdx] = [given.weight, started.dw, started.dx].map((array) => memory.place(array));
      const scratch = memory.room(kernels.depthwise_scratch_bytes(g.w, ...laid(g)));
      // Once each operand that is read stands against the end of memory.
      const first = memory.place(last === "x" ? given.dy : given.x);
      const flush = memory.placeFlush(last === "x" ? given.x : given.dy);
      const [px, pdy] = last === "x" ? [flush, first] : [first, flush];
      kernels.depthwise_grad_w_f32(g.batch, groups, ...window, ...rest, px, pdy, pdw, scratch);
      kernels.depthwise_grad_x_f32(g.batch, groups, ...window, ...rest, pdy, pw, pdx, scratch);
      memory.check();
      return {
        dw: memory.read(Float32Array, pdw, started.dw.length),
        dx: memory.read(Float32Array, pdx, started.dx.length),
      };
    });
    expectSame(got[0].dw, got[1].dw);
    expectSame(got[0].dx, got[1].dx);
    for (let group = 0; group < groups; group++) {
      const span = [group * g.o * r, (group + 1) * g.o * r] as const;
      const value = Float64Array.from(started.dw.subarray(...span));
      const size = value.map(Math.abs);
      for (let i = 0; i < g.batch; i++) {
        const [x, dy] = [part(given.x, g, i, group, image), part(given.dy, g, i, group, plane)];
        const wanted = convGradients(g, x, given.weight.subarray(...span), dy);
        for (let j = 0; j < value.length; j++) {
          value[j] += wanted.dw.value[j];
          size[j] += wanted.dw.size[j];
        }
        const start = part(started.dx, g, i, group, image);
        const sums = {
          value: wanted.dx.value.map((v, j) => v + start[j]),
          size: wanted.dx.size.map((v, j) => v + Math.abs(start[j])),
        };
        expectWithin(part(got[0].dx, g, i, group, image), sums, g.o * r + 3, `dX ${i} ${group}`);
      }
      expectWithin(got[0].dw.subarray(...span), { value, size }, g.batch * p + 2, `dW ${group}`);
    }
  });

  test("what is not finite goes to the outputs whose windows hold it, and to no others", () => {
    for (const g of cases.filter((c) => c.kh === 3 && c.kw === 3 && c.outH * c.outW > 4 && c.groups > 1)) {
      const given = layer(g, 4);
      for (const value of [NaN, Infinity, -Infinity, 1e-40]) {
        const x = given.x.map((v, i) => (i % 17 === 5 ? value : v));
        const weight = given.weight.map((v) => v || 1);
        const y = forward(kernels, g, { ...given, x, weight }, "x");
        const { plane } = dimensions(g);
        for (let i = 0; i < g.batch; i++) {
          for (let group = 0; group < g.groups; group++) {
            const { exact } = twin(g, { ...given, x, weight }, i, group, true);
            const got = part(y, g, i, group, plane);
            for (const [q, v] of exact.value.entries()) expect(Number.isFinite(got[q])).toBe(Number.isFinite(v));
          }
        }
      }
    }
  });
});
