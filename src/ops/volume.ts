import type { RunKernels } from "../kernels/abi.js";
import { sizeOf } from "../tensor.js";
import { isDepthwise, type Sizes } from "./image.js";

/** Depth, height and width. */
export type Three = readonly [number, number, number];

/** One to three sizes as three; `missing` stands for those in front. */
export function three(values: readonly number[], missing: number): Three {
  const all = [...new Array<number>(3 - values.length).fill(missing), ...values];
  return [all[0], all[1], all[2]];
}

/** A convolution of volumes [batch, group c, ...size] to [batch, group o, ...out]; an image is a volume of depth 1. */
export interface Volume {
  readonly batch: number;
  /** Whether there are three sides. */
  readonly deep: boolean;
  readonly group: number;
  /** Channels of a group, in and out. */
  readonly c: number;
  readonly o: number;
  readonly size: Three;
  readonly kernel: Three;
  readonly strides: Three;
  readonly dilations: Three;
  /** Padding in front; that behind follows from `out`. */
  readonly begins: Three;
  readonly out: Three;
}

/** What packing asks of it. */
export type Weights = Pick<Volume, "deep" | "group" | "c" | "o" | "kernel">;

/** Images by themselves need no panels. */
function isAlone({ deep, c, o }: Weights): boolean {
  return !deep && isDepthwise(c, o);
}

/** Bytes of what `packVolume` makes. */
export function volumeBytes({ group, c, o, kernel }: Weights): number {
  return 4 * group * o * c * sizeOf(kernel);
}

/** The weights f32 [group, o, c, ...kernel] as `convolution` wants them. */
export function packVolume(kernels: RunKernels, weights: Weights, values: number, to: number): void {
  const { group, c, o, kernel } = weights;
  const r = c * sizeOf(kernel);
  if (isAlone(weights)) kernels.copy_bytes(volumeBytes(weights), values, to);
  else for (let g = 0; g < group; g++) kernels.gemm_pack_a_f32(o, r, r, 1, values + 4 * g * o * r, to + 4 * g * o * r);
}

/** A convolution that is bound to all but its addresses. It allocates nothing. */
export interface Convolution {
  readonly scratch: number;
  /** Y = conv(X, W) + bias, held within limits; bias and limits may be 0, packed: of `packVolume`. */
  run(x: number, packed: number, bias: number, limits: number, y: number, scratch: number): void;
}

/**
 * Convolutions of one to three sides. A deep one is that of images whose channels are the slices that the window sees, for each slice
 * of the output: the sums of a value rise in (c, kd, kh, kw) from the bias.
 */
export function convolution(kernels: RunKernels, volume: Volume): Convolution {
  if (!volume.deep) return isAlone(volume) ? depthwise(kernels, volume) : images(kernels, volume);
  const { batch, group, c, o, size, kernel, strides, dilations, begins, out } = volume;
  const [depth, slices, far] = [size[0], kernel[0], out[0]];
  const [plane, made] = [4 * size[1] * size[2], 4 * out[1] * out[2]];
  const slice = images(kernels, {
    ...{ ...volume, batch: 1, group: 1, c: c * slices, size: [1, size[1], size[2]], out: [1, out[1], out[2]] },
    ...{ kernel: [1, kernel[1], kernel[2]], strides: [1, strides[1], strides[2]] },
    ...{ dilations: [1, dilations[1], dilations[2]], begins: [0, begins[1], begins[2]] },
  });
  const seen = Math.ceil((c * slices * plane) / 16) * 16;
  const result = seen + Math.ceil((o * made) / 16) * 16;
  const weights = 4 * o * c * sizeOf(kernel);
  return {
    scratch: result + slice.scratch,
    run(x, packed, bias, limits, y, scratch) {
      for (let part = 0; part < batch * group; part++) {
        const g = part % group;
        for (let z = 0; z < far; z++) {
          let to = scratch;
          for (let i = 0; i < c; i++) {
            for (let k = 0; k < slices; k++, to += plane) {
              const from = z * strides[0] - begins[0] + k * dilations[0];
              if (from < 0 || from >= depth) kernels.fill_row_f32(1, plane >> 2, 0, to);
              else kernels.copy_bytes(plane, x + ((part * c + i) * depth + from) * plane, to);
            }
          }
          slice.run(scratch, packed + g * weights, bias && bias + 4 * g * o, limits, scratch + seen, scratch + result);
          for (let i = 0; i < o; i++) {
            kernels.copy_bytes(made, scratch + seen + i * made, y + ((part * o + i) * far + z) * made);
          }
        }
      }
    },
  };
}

/** What a kernel is told of one group. */
function sizesOf({ batch, group, c, o, size, kernel, strides, dilations, begins, out }: Volume): Sizes {
  const [[, h, w], [, outH, outW]] = [size, out];
  return [
    ...([batch, c, h, w, o, kernel[1], kernel[2], strides[1], strides[2], begins[1], begins[2]] as const),
    ...([dilations[1], dilations[2], outH, outW, group * c * h * w, group * o * outH * outW] as const),
  ];
}

function images(kernels: RunKernels, volume: Volume): Convolution {
  const { group, c, o, size, kernel, strides, dilations, begins, out } = volume;
  const convolve = kernels.conv_f32.bind(undefined, ...sizesOf(volume));
  const [xs, ys] = [4 * c * size[1] * size[2], 4 * o * out[1] * out[2]];
  const ws = 4 * o * c * kernel[1] * kernel[2];
  return {
    scratch: kernels.conv_scratch_bytes(
      ...([c, size[2], kernel[1], kernel[2], strides[1], strides[2], begins[2]] as const),
      ...([dilations[1], dilations[2], out[1], out[2]] as const),
    ),
    run(x, packed, bias, limits, y, scratch) {
      for (let g = 0; g < group; g++) {
        convolve(x + g * xs, packed + g * ws, bias && bias + 4 * g * o, limits, y + g * ys, scratch);
      }
    },
  };
}

function depthwise(kernels: RunKernels, volume: Volume): Convolution {
  const { group, size, kernel, strides, dilations, begins, out } = volume;
  const [batch, , h, w, o, ...rest] = sizesOf(volume);
  const [kh, kw, strideH, strideW, padTop, padLeft, dilationH, dilationW, outH, outW] = rest;
  return {
    scratch: kernels.depthwise_scratch_bytes(
      ...([size[2], kernel[1], kernel[2], strides[1], strides[2], begins[2]] as const),
      ...([dilations[1], dilations[2], out[1], out[2]] as const),
    ),
    run: kernels.depthwise_f32.bind(
      undefined,
      ...([batch, group, h, w, o, kh, kw, strideH, strideW, padTop, padLeft] as const),
      ...([dilationH, dilationW, outH, outW] as const),
    ),
  };
}
