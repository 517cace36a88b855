import { expected, ShapeError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import { sameShape, showShape, sizeOf } from "../tensor.js";
import { integer, only, shapeOf } from "./attributes.js";
import { factoredConv, wholeKernels } from "./conv-factored.js";
import { asImage, type Geometry, geometryOf, laid, offsets, scratchOf } from "./image.js";
import { type Launch, type Op, ofFloats, type PlacedWeight, type Site, type Slots } from "./op.js";
import { paysSparse, type Sparse } from "./sparse.js";
import { imageShape, sidesOf, sidesOutput, windowOf } from "./window.js";

type Kernels = Site["kernels"];

/** Channels of a group, in and out, from which Winograd is used (measured: 2.4 times faster at 16, 3 at 64, 1.8 at 8). */
export const winogradFrom = 16;
/** Sparsity from which CSR is faster than Winograd (measured: between 0.7 and 0.83, by shape). */
export const sparseFromWinograd = 0.8;
/**
 * Outputs for each input channel up to which a depthwise convolution is no matrix product (measured: 1.6 times faster at 4
 * without a stride, 0.9 with one; 1.3 and 0.7 at 8).
 */
export const depthwiseUntil = 4;

/** Y = W * X + b over images, X [n, c, h, w], W [o, c / group, kh, kw], or over lines, X [n, c, l], W [o, c / group, k]. */
export const conv: Op = {
  attrs(node) {
    only(node, ["kernel_shape", "strides", "pads", "dilations", "group", "auto_pad"]);
    if (integer(node, "group", 1) < 1) {
      throw new ShapeError(expected(`${node.name}.group`, "at least 1", `${integer(node, "group", 1)}`));
    }
  },
  infer: ofFloats((node, inputs) => {
    const x = shapeOf(node, inputs, 0);
    const [n, c] = imageShape(node, asImage(x));
    const weight = shapeOf(node, inputs, 1);
    const group = integer(node, "group", 1);
    if (weight.length !== x.length || weight[1] * group !== c || weight[0] % group !== 0) {
      throw new ShapeError(
        expected(
          `${node.name} (Conv) weight`,
          `[o, ${c} / ${group}, ${x.length === 3 ? "k" : "kh, kw"}], o a multiple of ${group}`,
          showShape(weight),
        ),
      );
    }
    const sides = sidesOf(node, x.slice(2), weight.slice(2));
    if (!sameShape(sides.kernel, weight.slice(2))) {
      throw new ShapeError(expected(`${node.name}.kernel_shape`, showShape(weight.slice(2)), showShape(sides.kernel)));
    }
    const bias = inputs[2];
    if (bias && sizeOf(bias) !== weight[0]) {
      throw new ShapeError(expected(`${node.name} (Conv) bias`, `${weight[0]} values`, showShape(bias)));
    }
    return [[n, weight[0], ...sidesOutput(node, sides, x.slice(2))]];
  }),
  lower(site) {
    const weight = site.weight(1);
    if (weight === undefined || weight.kind === "live") return unpacked(site);
    const bias = site.dense(2);
    const group = integer(site.node, "group", 1);
    if (isDepthwise(weight.shape[1], weight.rows / group)) {
      const values = site.dense(1);
      return ({ inputs, outputs }) => {
        const geometry = geometryOf(site.node, inputs[0]!.shape, weight.shape, outputs[0].shape);
        return depthwise(site.kernels, geometry, inputs[0]!.pointer, values, bias, outputs[0].pointer);
      };
    }
    const minimal = !site.exact && paysWinograd(site.node, weight, group);
    if (weight.kind === "sparse" && paysSparse(weight) && !(minimal && fasterDense(weight))) {
      return sparse(site, weight, bias);
    }
    if (weight.kind === "factored" && group === 1 && wholeKernels(weight)) return factoredConv(site, weight, bias);
    return minimal ? winograd(site, weight, group, bias) : packed(site, weight, group, bias);
  },
  grad({ node, kernels }) {
    return ({ inputs, outputs, dInputs, dOutputs }) => {
      const geometry = geometryOf(node, inputs[0]!.shape, inputs[1]!.shape, outputs[0].shape);
      const { group, o, p, batch } = geometry;
      const [x, w] = [inputs[0]!.pointer, inputs[1]!.pointer];
      const dy = dOutputs[0];
      const [dx, dw, db = 0] = dInputs;
      const alone = isDepthwise(geometry.c, o);
      const sizes = depthwiseSizes(geometry);
      return {
        scratch: alone
          ? kernels.depthwise_scratch_bytes(geometry.sizes[3], ...laid(geometry.sizes))
          : kernels.conv_grad_scratch_bytes(geometry.c, geometry.sizes[3], o, ...laid(geometry.sizes)),
        run(scratch) {
          if (alone && dw) kernels.depthwise_grad_w_f32(...sizes, x, dy, dw, scratch);
          if (alone && dx) kernels.depthwise_grad_x_f32(...sizes, dy, w, dx, scratch);
          for (let g = 0; g < group && !alone; g++) {
            const at = offsets(geometry, g);
            if (dw) kernels.conv_grad_w_f32(...geometry.sizes, x + at.x, dy + at.y, dw + at.w, scratch);
            if (dx) kernels.conv_grad_x_f32(...geometry.sizes, dy + at.y, w + at.w, dx + at.x, scratch);
          }
          if (db) kernels.channel_sum_f32(batch, o * group, p, dy, db);
        },
      };
    };
  },
};

/** Whether every window is 3 x 3 without strides, and there are channels enough. */
function paysWinograd(node: GraphNode, { shape, rows }: PlacedWeight, group: number): boolean {
  if (shape.length !== 4 || shape[2] !== 3 || shape[3] !== 3) return false;
  const { strides, dilations } = windowOf(node, [3, 3], [3, 3]);
  const plain = [...strides, ...dilations].every((step) => step === 1);
  return plain && shape[1] >= winogradFrom && rows / group >= winogradFrom;
}

/**
 * Whether Winograd takes fewer multiplications, 36 a tile for 9 a pixel, both in panels of eight (measured: 5 x 5 outputs are
 * alike, 7 x 7 are 1.6 times faster, 4 x 4 half as fast).
 */
function fewerProducts(outH: number, outW: number): boolean {
  const panels = (n: number) => Math.ceil(n / 8);
  return 4 * panels(Math.ceil(outH / 4) * Math.ceil(outW / 4)) < panels(outH * outW);
}

/** Whether the weight is so full that Winograd on all of it is faster. */
function fasterDense({ nnz, rows, cols }: Sparse): boolean {
  return nnz > (1 - sparseFromWinograd) * rows * cols;
}

/** Weights that change between runs: what is packed is packed at each. */
function unpacked({ kernels, node }: Site): (io: Slots) => Launch {
  return ({ inputs, outputs }) => {
    const geometry = geometryOf(node, inputs[0]!.shape, inputs[1]!.shape, outputs[0].shape);
    const [x, w, b = 0] = inputs.map((slot) => slot?.pointer ?? 0);
    const launch = isDepthwise(geometry.c, geometry.o) ? depthwise : packedEachRun;
    return launch(kernels, geometry, x, w, b, outputs[0].pointer);
  };
}

function packedEachRun(kernels: Kernels, geometry: Geometry, x: number, w: number, bias: number, y: number): Launch {
  const { group, o, r, sizes } = geometry;
  const panels = kernels.gemm_panels_a_bytes(o, r);
  return {
    scratch: panels + scratchOf(kernels, sizes),
    run(scratch) {
      for (let g = 0; g < group; g++) {
        const at = offsets(geometry, g);
        kernels.gemm_pack_a_f32(o, r, r, 1, w + at.w, scratch);
        kernels.conv_f32(...sizes, x + at.x, scratch, bias && bias + 4 * g * o, y + at.y, scratch + panels);
      }
    },
  };
}

/** Dense weights, packed once. */
function packed(site: Site, weight: PlacedWeight, group: number, bias: number): (io: Slots) => Launch {
  const { kernels, node } = site;
  const values = site.dense(1);
  const [o, r] = [weight.rows / group, weight.cols];
  const bytes = kernels.gemm_panels_a_bytes(o, r);
  const panels = site.alloc(bytes * group);
  for (let g = 0; g < group; g++) kernels.gemm_pack_a_f32(o, r, r, 1, values + 4 * g * o * r, panels + g * bytes);
  return ({ inputs, outputs }) => {
    const geometry = geometryOf(node, inputs[0]!.shape, weight.shape, outputs[0].shape);
    const { sizes } = geometry;
    const x = inputs[0]!.pointer;
    const y = outputs[0].pointer;
    return {
      scratch: scratchOf(kernels, sizes),
      run(scratch) {
        for (let g = 0; g < group; g++) {
          const at = offsets(geometry, g);
          kernels.conv_f32(...sizes, x + at.x, panels + g * bytes, bias && bias + 4 * g * o, y + at.y, scratch);
        }
      },
    };
  };
}

/** Dense 3 x 3 weights, transformed once for F(4 x 4, 3 x 3). */
function winograd(site: Site, weight: PlacedWeight, group: number, bias: number): (io: Slots) => Launch {
  const { kernels, node } = site;
  const values = site.dense(1);
  const [o, c] = [weight.rows / group, weight.shape[1]];
  const bytes = kernels.winograd_panels_bytes(o, c);
  const panels = site.alloc(bytes * group);
  site.temporary(kernels.winograd_pack_scratch_bytes(c), (scratch) => {
    for (let g = 0; g < group; g++) {
      kernels.winograd_pack_f32(o, c, values + 4 * g * o * weight.cols, panels + g * bytes, scratch);
    }
  });
  return ({ inputs, outputs }) => {
    const geometry = geometryOf(node, inputs[0]!.shape, weight.shape, outputs[0].shape);
    const [batch, , h, w, , , , , , padTop, padLeft, , , outH, outW, xImage, yImage] = geometry.sizes;
    const x = inputs[0]!.pointer;
    const y = outputs[0].pointer;
    if (!fewerProducts(outH, outW)) return packedEachRun(kernels, geometry, x, values, bias, y);
    return {
      scratch: kernels.winograd_scratch_bytes(c, o, outH, outW),
      run(scratch) {
        for (let g = 0; g < group; g++) {
          const at = offsets(geometry, g);
          kernels.winograd_f32(
            ...([batch, c, h, w, o, padTop, padLeft, outH, outW, xImage, yImage] as const),
            x + at.x,
            panels + g * bytes,
            bias && bias + 4 * g * o,
            y + at.y,
            scratch,
          );
        }
      },
    };
  };
}

/** Whether each group has one channel in and few out, so that there are no channels to sum over. */
function isDepthwise(inputs: number, outputs: number): boolean {
  return inputs === 1 && outputs <= depthwiseUntil;
}

type DepthwiseSizes =
  Parameters<Kernels["depthwise_f32"]> extends [...infer S, number, number, number, number, number] ? S : never;

/** Sizes of all groups at once: a channel each. */
function depthwiseSizes({ group, sizes }: Geometry): DepthwiseSizes {
  const [batch, , h, w, o, kh, kw, strideH, strideW, padTop, padLeft, dilationH, dilationW, outH, outW] = sizes;
  return [batch, group, h, w, o, kh, kw, strideH, strideW, padTop, padLeft, dilationH, dilationW, outH, outW];
}

/** One channel in for each group; weights as they are. */
function depthwise(kernels: Kernels, geometry: Geometry, x: number, w: number, bias: number, y: number): Launch {
  const sizes = depthwiseSizes(geometry);
  return {
    scratch: kernels.depthwise_scratch_bytes(geometry.sizes[3], ...laid(geometry.sizes)),
    run: (scratch) => kernels.depthwise_f32(...sizes, x, w, bias, y, scratch),
  };
}

/** Weights in CSR, pointing straight into the padded image; a group is a slice of rows. */
function sparse({ kernels, node }: Site, weight: Sparse, bias: number): (io: Slots) => Launch {
  const { nnz, rowPtr, col, values, scale } = weight;
  return ({ inputs, outputs }) => {
    const geometry = geometryOf(node, inputs[0]!.shape, weight.shape, outputs[0].shape);
    const { group, c, o, sizes } = geometry;
    const x = inputs[0]!.pointer;
    const y = outputs[0].pointer;
    return {
      scratch: kernels.sparse_conv_scratch_bytes(c, sizes[3], o, nnz, ...laid(sizes)),
      run(scratch) {
        for (let g = 0; g < group; g++) {
          const at = offsets(geometry, g);
          const [rows, b] = [rowPtr + 4 * g * o, bias && bias + 4 * g * o];
          const source = [...sizes, x + at.x, rows, col, values] as const;
          if (scale) kernels.sparse_conv_i8(...source, scale + 4 * g * o, b, y + at.y, scratch);
          else kernels.sparse_conv_f32(...source, b, y + at.y, scratch);
        }
      },
    };
  };
}
