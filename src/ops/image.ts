import type { GraphNode } from "../graph/graph.js";
import { integer } from "./attributes.js";
import type { Site } from "./op.js";
import { type Window, windowOf } from "./window.js";

type Kernels = Site["kernels"];

/**
 * Outputs for each input channel up to which a depthwise convolution is no matrix product (measured: 1.6 times faster at 4
 * without a stride, 0.9 with one; 1.3 and 0.7 at 8).
 */
export const depthwiseUntil = 4;

/** Whether each group has one channel in and few out, so that there are no channels to sum over. */
export function isDepthwise(inputs: number, outputs: number): boolean {
  return inputs === 1 && outputs <= depthwiseUntil;
}

/** What every convolution kernel begins with; see assembly/ops/conv.ts. */
export type Sizes =
  Parameters<Kernels["conv_f32"]> extends [...infer S, number, number, number, number, number, number] ? S : never;

/** What a convolution has to do, in numbers. A line [n, c, l] is an image of height 1. */
export interface Geometry {
  /** Sizes of one group, as kernels take them. */
  readonly sizes: Sizes;
  readonly group: number;
  readonly batch: number;
  readonly c: number;
  readonly o: number;
  /** Values in one row of W: c * kh * kw. */
  readonly r: number;
  /** Pixels of the output. */
  readonly p: number;
  readonly inputPlane: number;
  readonly window: Window;
}

/** [..., l] as [..., 1, l]; four dimensions stay. */
export function asImage(shape: readonly number[]): readonly number[] {
  return shape.length === 3 ? [shape[0], shape[1], 1, shape[2]] : shape;
}

/** Geometry of a Conv node from the shapes of X, W and Y. */
export function geometryOf(
  node: GraphNode,
  xShape: readonly number[],
  wShape: readonly number[],
  yShape: readonly number[],
): Geometry {
  const window = windowOf(node, xShape.slice(2), wShape.slice(2));
  const group = integer(node, "group", 1);
  const [batch, channels, h, width] = asImage(xShape);
  const [, outputs, outH, outW] = asImage(yShape);
  const [kh, kw] = window.kernel;
  const [c, o] = [channels / group, outputs / group];
  const p = outH * outW;
  return {
    sizes: [
      batch,
      c,
      h,
      width,
      o,
      kh,
      kw,
      ...window.strides,
      window.pads[0],
      window.pads[1],
      ...window.dilations,
      outH,
      outW,
      channels * h * width,
      outputs * p,
    ],
    group,
    batch,
    c,
    o,
    r: c * kh * kw,
    p,
    inputPlane: h * width,
    window,
  };
}

/** Byte offsets of group g in X, Y and W. */
export function offsets({ c, o, r, p, inputPlane }: Geometry, g: number): { x: number; y: number; w: number } {
  return { x: 4 * g * c * inputPlane, y: 4 * g * o * p, w: 4 * g * o * r };
}

/** The sizes that a laid-out image depends on beside its channels. */
type Laid = Parameters<Kernels["conv_scratch_bytes"]> extends [number, number, ...infer S] ? S : never;

export function laid(sizes: Sizes): Laid {
  const [, , , , , kh, kw, strideH, strideW, , padLeft, dilationH, dilationW, outH, outW] = sizes;
  return [kh, kw, strideH, strideW, padLeft, dilationH, dilationW, outH, outW];
}

/** Scratch of conv_f32. */
export function scratchOf(kernels: Kernels, sizes: Sizes): number {
  return kernels.conv_scratch_bytes(sizes[1], sizes[3], ...laid(sizes));
}
