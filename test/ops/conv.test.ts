import { describe, expect, test } from "vitest";
import type { FullKernels } from "../../src/kernels/abi.js";
import { allLimits, type ConvCase, convs } from "../cases/ops.js";
import { clip, columns, convGradients, type Geometry, product, roundedProduct } from "../reference/ops.js";
import { expectSame, expectWithin } from "../support/compare.js";
import { dimensions, type Layer, laid, layer, part, sizes, twin } from "../support/conv.js";
import { builds, Guarded, normals } from "../support/kernels.js";

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
  const panels = memory.room(kernels.gemm_panels_a_bytes(g.o, r));
  const pb = memory.place(bias);
  const limits = memory.limits(held);
  const py = memory.room(g.batch * g.groups * plane * 4);
  const scratch = memory.room(kernels.conv_scratch_bytes(g.c, g.w, ...laid(g)));
  const px = memory.placeFlush(x);
  for (let i = 0; i < g.groups; i++) {
    kernels.gemm_pack_a_f32(g.o, r, r, 1, pw + 4 * i * g.o * r, panels);
    kernels.conv_f32(
      ...sizes(g),
      px + 4 * i * image,
      panels,
      withBias ? pb + 4 * i * g.o : 0,
      limits,
      py + 4 * i * plane,
      scratch,
    );
  }
  memory.check();
  return memory.read(Float32Array, py, g.batch * g.groups * plane);
}

describe.each(builds())("$name", ({ name, kernels }) => {
  const exact = name !== "relaxed";

  test.each(convs)("conv_f32: $name", (g) => {
    const { plane, r } = dimensions(g);
    for (const withBias of [true, false]) {
      const given = layer(g, g.name.length);
      const y = forward(kernels, g, given, withBias);
      for (let i = 0; i < g.batch; i++) {
        for (let group = 0; group < g.groups; group++) {
          const got = part(y, g, i, group, plane);
          const { exact: sums, rounded } = twin(g, given, i, group, withBias);
          expectWithin(got, sums, r + 2, `image ${i} group ${group}`);
          if (exact) expectSame(got, rounded, `image ${i} group ${group}`);
        }
      }
      const held = allLimits[1 + (g.name.length % (allLimits.length - 1))];
      expectSame(
        forward(kernels, g, given, withBias, held),
        y.map((v) => clip(v, ...held)),
      );
    }
  });

  test("an image has the same bits alone and in a batch", () => {
    const g = { ...convs.find((c) => c.name === "LeNet-5 second")!, batch: 5 };
    const given = layer(g, 2);
    const { image, plane } = dimensions(g);
    const together = forward(kernels, g, given, true);
    for (let i = 0; i < g.batch; i++) {
      const alone = forward(kernels, { ...g, batch: 1 }, { ...given, x: part(given.x, g, i, 0, image) }, true);
      expectSame(alone, part(together, g, i, 0, plane));
    }
  });

  test.each(convs)("conv_grad_w_f32 and conv_grad_x_f32: $name", (g) => {
    const { image, plane, r, p } = dimensions(g);
    const given = layer(g, g.name.length + 4);
    const started = { dw: normals(given.weight.length, 8), dx: normals(given.x.length, 9) };
    for (const flushed of [true, false]) {
      const memory = new Guarded(kernels);
      const [px, pw] = [memory.place(given.x), memory.place(given.weight)];
      const [pdw, pdx] = [memory.place(started.dw), memory.place(started.dx)];
      const scratch = memory.room(kernels.conv_grad_scratch_bytes(g.c, g.w, g.o, ...laid(g)));
      // Once each operand that is read stands against the end of memory.
      const inside = memory.place(given.dy);
      const x = flushed ? memory.placeFlush(given.x) : px;
      const pdy = flushed ? inside : memory.placeFlush(given.dy);
      for (let i = 0; i < g.groups; i++) {
        const dy = pdy + 4 * i * plane;
        const ofWeight = 4 * i * g.o * r;
        kernels.conv_grad_w_f32(...sizes(g), x + 4 * i * image, dy, pdw + ofWeight, scratch);
        kernels.conv_grad_x_f32(...sizes(g), dy, pw + ofWeight, pdx + 4 * i * image, scratch);
      }
      memory.check();
      const dw = memory.read(Float32Array, pdw, started.dw.length);
      const dx = memory.read(Float32Array, pdx, started.dx.length);
      for (let group = 0; group < g.groups; group++) {
        const span = [group * g.o * r, (group + 1) * g.o * r] as const;
        const value = Float64Array.from(started.dw.subarray(...span));
        const size = value.map(Math.abs);
        for (let i = 0; i < g.batch; i++) {
          const twin = convGradients(
            g,
            part(given.x, g, i, group, image),
            given.weight.subarray(...span),
            part(given.dy, g, i, group, plane),
          );
          for (let j = 0; j < value.length; j++) {
            value[j] += twin.dw.value[j];
            size[j] += twin.dw.size[j];
          }
          const start = part(started.dx, g, i, group, image);
          const sums = {
            value: twin.dx.value.map((v, j) => v + start[j]),
            size: twin.dx.size.map((v, j) => v + Math.abs(start[j])),
          };
          expectWithin(part(dx, g, i, group, image), sums, g.o * g.kh * g.kw + 3, `dX ${i} ${group}`);
        }
        expectWithin(dw.subarray(...span), { value, size }, g.batch * p + 2, `dW ${group}`);
      }
    }
  });

  test("dW does not depend on what scratch held, and adds in order of image, then pixel", () => {
    const g = convs.find((c) => c.name === "padded")!;
    const { image, plane, r, p } = dimensions(g);
    const given = layer(g, 4);
    const memory = new Guarded(kernels);
    const [px, pdy, pdw] = [memory.place(given.x), memory.place(given.dy), memory.place(new Float32Array(g.o * r))];
    const scratch = memory.room(kernels.conv_grad_scratch_bytes(g.c, g.w, g.o, ...laid(g)));
    kernels.conv_grad_w_f32(...sizes(g), px, pdy, pdw, scratch);
    let wanted: Float32Array = new Float32Array(g.o * r);
    for (let i = 0; i < g.batch; i++) {
      const cols = columns(g, part(given.x, g, i, 0, image));
      const dy = part(given.dy, g, i, 0, plane);
      wanted = roundedProduct(
        g.o,
        r,
        p,
        (o, q) => dy[o * p + q],
        (q, t) => cols[t * p + q],
        wanted,
      );
    }
    const got = memory.read(Float32Array, pdw, g.o * r);
    if (exact) expectSame(got, wanted);
    else expect(got.some((v) => v !== 0)).toBe(true);
  });

  test.each(["padded", "stride 1 by 3", "dilated, strided", "pointwise", "channels out past a block"])(
    "dX does not depend on what scratch held, and adds in order of block of channels out, tap, channel out: %s",
    (name) => {
      const g = convs.find((c) => c.name === name)!;
      const { image, p } = dimensions(g);
      const { weight, dy } = layer(g, 5);
      const start = normals(g.batch * image, 6);
      const memory = new Guarded(kernels);
      const [pdy, pw, pdx] = [dy, weight, start].map((values) => memory.place(values));
      const scratch = memory.room(kernels.conv_grad_scratch_bytes(g.c, g.w, g.o, ...laid(g)));
      kernels.conv_grad_x_f32(...sizes(g), pdy, pw, pdx, scratch);
      const taps = g.kh * g.kw;
      const wanted = start.slice();
      for (let i = 0; i < g.batch; i++) {
        // A pointwise sum begins with what dX held, any other is added to it.
        const sums = name === "pointwise" ? wanted.subarray(i * image, (i + 1) * image) : new Float32Array(image);
        for (let k = 0; k < g.o; k += 256) {
          for (let t = 0; t < taps; t++) {
            for (let at = 0; at < g.c * p; at++) {
              const [c, oy, ox] = [Math.floor(at / p), Math.floor((at % p) / g.outW), at % g.outW];
              const y = oy * g.strideH - g.padTop + Math.floor(t / g.kw) * g.dilationH;
              const x = ox * g.strideW - g.padLeft + (t % g.kw) * g.dilationW;
              if (y < 0 || y >= g.h || x < 0 || x >= g.w) continue;
              const to = (c * g.h + y) * g.w + x;
              for (let o = k; o < Math.min(k + 256, g.o); o++) {
                const term = Math.fround(weight[(o * g.c + c) * taps + t] * dy[(i * g.o + o) * p + (at % p)]);
                sums[to] = Math.fround(sums[to] + term);
              }
            }
          }
        }
        if (name !== "pointwise") for (const [at, sum] of sums.entries()) wanted[i * image + at] += sum;
      }
      const got = memory.read(Float32Array, pdx, start.length);
      if (exact) expectSame(got, wanted);
      else expect(got.some((v, at) => v !== start[at])).toBe(true);
    },
  );
});

test("the twin's gradients are the adjoints of the twin's convolution: <dY, conv X> = <dX, X> = <dW, W>", () => {
  for (const g of convs) {
    const { image, plane, r, p } = dimensions(g);
    const [x, weight, dy] = [normals(image, 1), normals(g.o * r, 2), normals(plane, 3)];
    const cols = columns(g as Geometry, x);
    const y = product(
      g.o,
      p,
      r,
      (o, t) => weight[o * r + t],
      (t, q) => cols[t * p + q],
      new Float32Array(plane),
    ).value;
    const { dw, dx } = convGradients(g, x, weight, dy);
    const inner = dot(dy, y);
    expect(Math.abs(dot(dx.value, x) - inner)).toBeLessThan(1e-9 * (1 + dot(dx.size, x.map(Math.abs))));
    expect(Math.abs(dot(dw.value, weight) - inner)).toBeLessThan(1e-9 * (1 + dot(dw.size, weight.map(Math.abs))));
  }
});

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}
