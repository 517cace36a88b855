// Convolutions as kernels take them, and what they give: shared by the tests of every convolution kernel.
import type { FullKernels } from "../../src/kernels/abi.js";
import type { ConvCase } from "../cases/ops.js";
import { columns, product, roundedProduct, type Sums } from "../reference/ops.js";
import { normals } from "./kernels.js";

type Sizes =
  Parameters<FullKernels["conv_f32"]> extends [...infer S, number, number, number, number, number, number] ? S : never;
type Laid = Parameters<FullKernels["conv_scratch_bytes"]> extends [number, number, ...infer S] ? S : never;

/** The sizes that every convolution kernel begins with. */
export function sizes(g: ConvCase): Sizes {
  return [
    g.batch,
    g.c,
    g.h,
    g.w,
    g.o,
    g.kh,
    g.kw,
    g.strideH,
    g.strideW,
    g.padTop,
    g.padLeft,
    g.dilationH,
    g.dilationW,
    g.outH,
    g.outW,
    g.groups * g.c * g.h * g.w,
    g.groups * g.o * g.outH * g.outW,
  ];
}

/** The sizes that a laid-out image depends on beside its channels. */
export function laid(g: ConvCase): Laid {
  return [g.kh, g.kw, g.strideH, g.strideW, g.padLeft, g.dilationH, g.dilationW, g.outH, g.outW];
}

export function dimensions(g: ConvCase): { image: number; plane: number; r: number; p: number } {
  const p = g.outH * g.outW;
  return { image: g.c * g.h * g.w, plane: g.o * p, r: g.c * g.kh * g.kw, p };
}

/** One group of one image of a tensor. */
export function part(x: Float32Array, g: ConvCase, image: number, group: number, size: number): Float32Array {
  const start = (image * g.groups + group) * size;
  return x.subarray(start, start + size);
}

export interface Layer {
  readonly x: Float32Array;
  readonly weight: Float32Array;
  readonly bias: Float32Array;
  readonly dy: Float32Array;
}

export function layer(g: ConvCase, seed: number): Layer {
  const { image, plane, r } = dimensions(g);
  return {
    x: normals(g.batch * g.groups * image, seed),
    weight: normals(g.groups * g.o * r, seed + 1, [0, 0.5, 0.9, 1][seed % 4]),
    bias: normals(g.groups * g.o, seed + 2),
    dy: normals(g.batch * g.groups * plane, seed + 3),
  };
}

/** Y of one group of one image, exactly and as f32 rounds it when it sums in rising (c, ky, kx) from the bias. */
export function twin(
  g: ConvCase,
  { x, weight, bias }: Pick<Layer, "x" | "weight" | "bias">,
  image: number,
  group: number,
  withBias: boolean,
): { exact: Sums; rounded: Float32Array } {
  const { image: size, plane, r, p } = dimensions(g);
  const cols = columns(g, part(x, g, image, group, size));
  const w = weight.subarray(group * g.o * r, (group + 1) * g.o * r);
  const start = new Float32Array(plane).map((_, q) => (withBias ? bias[group * g.o + Math.floor(q / p)] : 0));
  const [a, b] = [(o: number, t: number) => w[o * r + t], (t: number, q: number) => cols[t * p + q]];
  return { exact: product(g.o, p, r, a, b, start), rounded: roundedProduct(g.o, p, r, a, b, start) };
}
