import { expected, ShapeError, UnsupportedError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import { sameShape, showShape, sizeOf } from "../tensor.js";
import { integer, only, shapeOf } from "./attributes.js";
import { withBias } from "./bias.js";
import { factoredConv, wholeKernels } from "./conv-factored.js";
import { isSmaller } from "./factored.js";
import { type Geometry, geometryOf, isDepthwise, laid, offsets, scratchOf } from "./image.js";
import { inTurn, type Launch, type Op, ofFloats, type Site, type Slots, type StoredWeight } from "./op.js";
import { paysSparse, type Sparse } from "./sparse.js";
import { convolution, packVolume, three, type Volume, volumeBytes } from "./volume.js";
import { sidesOf, sidesOutput, windowOf } from "./window.js";

type Kernels = Site["kernels"];

/** Channels of a group, in and out, from which Winograd is used (measured: the edge is 8.6 for 8 x 8 pixels, below 5 for more). */
export const winogradFrom = 8;
/** Sparsity from which CSR is faster than Winograd (measured: between 0.7 and 0.83, by shape). */
export const sparseFromWinograd = 0.8;
/**
 * Y = W * X + b over images, X [n, c, h, w], W [o, c / group, kh, kw], over lines, X [n, c, l], W [o, c / group, k], or over volumes,
 * X [n, c, d, h, w], W [o, c / group, kd, kh, kw].
 */
export const conv: Op = {
  attrs(node) {
    only(node, ["kernel_shape", "strides", "pads", "dilations", "group", "auto_pad"]);
    if (integer(node, "group", 1) < 1) {
      throw new ShapeError(expected(`${node.name}.group`, "at least 1", `${integer(node, "group", 1)}`));
    }
  },
  infer: ofFloats((node, inputs) => {
    const x = shapeOf(node, inputs, 0);
    if (x.length < 3 || x.length > 5) {
      throw new ShapeError(expected(`${node.name} (Conv)`, "images [n, c, h, w]", showShape(x)));
    }
    const [n, c] = x;
    const weight = shapeOf(node, inputs, 1);
    const group = integer(node, "group", 1);
    if (weight.length !== x.length || weight[1] * group !== c || weight[0] % group !== 0) {
      throw new ShapeError(
        expected(
          `${node.name} (${node.op}) weight`,
          `[o, ${c} / ${group}, ${["k", "kh, kw", "kd, kh, kw"][x.length - 3]}], o a multiple of ${group}`,
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
    const group = integer(site.node, "group", 1);
    const { rows, shape } = weight;
    // Whether it fits the image is told when that is there.
    if (rows % group !== 0 || shape.length < 3 || shape.length > 5) {
      const want = `[o, c / ${group}, ..] and one to three sides, o a multiple of ${group}`;
      throw new ShapeError(expected(`${site.node.name} (Conv) weight`, want, showShape(shape)));
    }
    return withBias(site, 2, rows, (bias) => chosen(site, weight, group, bias));
  },
  grad({ node, kernels }) {
    return ({ inputs, outputs, dInputs, dOutputs }) => {
      if (inputs[0]!.shape.length === 5) {
        throw new UnsupportedError(expected(`${node.name} (Conv)`, "a gradient of lines or images", "one of volumes"));
      }
      const geometry = geometryOf(node, inputs[0]!.shape, inputs[1]!.shape, outputs[0].shape);
      const { group, o, p, batch } = geometry;
      const [x, w] = [inputs[0]!.pointer, inputs[1]!.pointer];
      const dy = dOutputs[0];
      const [dx, dw, db = 0] = dInputs;
      const alone = isDepthwise(geometry.c, o);
      const calls: ((scratch: number) => void)[] = [];
      if (alone) {
        const sizes = depthwiseSizes(geometry);
        if (dw) calls.push(kernels.depthwise_grad_w_f32.bind(undefined, ...sizes, x, dy, dw));
        if (dx) calls.push(kernels.depthwise_grad_x_f32.bind(undefined, ...sizes, dy, w, dx));
      }
      for (let g = 0; g < group && !alone; g++) {
        const at = offsets(geometry, g);
        const [gradW, gradX] = [kernels.conv_grad_w_f32, kernels.conv_grad_x_f32];
        if (dw) calls.push(gradW.bind(undefined, ...geometry.sizes, x + at.x, dy + at.y, dw + at.w));
        if (dx) calls.push(gradX.bind(undefined, ...geometry.sizes, dy + at.y, w + at.w, dx + at.x));
      }
      if (db) calls.push(() => kernels.channel_sum_f32(batch, o * group, p, dy, db));
      return {
        scratch: alone
          ? kernels.depthwise_scratch_bytes(geometry.sizes[3], ...laid(geometry.sizes))
          : kernels.conv_grad_scratch_bytes(geometry.c, geometry.sizes[3], o, ...laid(geometry.sizes)),
        run: inTurn(calls),
      };
    };
  },
};

/** The kernel for a weight, by how it is stored and what it is of. */
function chosen(site: Site, weight: StoredWeight, group: number, bias: number): (io: Slots) => Launch {
  if (weight.shape.length === 5) return packedDeep(site, weight.shape, bias);
  if (isDepthwise(weight.shape[1], weight.rows / group)) return depthwise(site, weight, bias);
  const minimal = paysWinograd(site, weight, group);
  if (weight.kind === "sparse" && paysSparse(weight) && !(minimal && fasterDense(weight))) {
    return sparse(site, site.place(1, "sparse"), bias);
  }
  if (weight.kind === "factored" && group === 1 && wholeKernels(weight) && isSmaller(weight)) {
    return factoredConv(site, site.place(1, "factored"), bias);
  }
  return minimal ? winograd(site, weight, group, bias) : packed(site, weight, group, bias);
}

/** Whether Winograd may be used and pays: 3 x 3 without strides, channels enough, and pixels enough where their number is known. */
function paysWinograd({ node, exact, output }: Site, { shape, rows }: StoredWeight, group: number): boolean {
  if (exact || shape.length !== 4 || shape[2] !== 3 || shape[3] !== 3) return false;
  const { strides, dilations } = windowOf(node, [3, 3], [3, 3]);
  const plain = [...strides, ...dilations].every((step) => step === 1);
  const channels = shape[1] >= winogradFrom && rows / group >= winogradFrom;
  return plain && channels && (output === undefined || fewerProducts(output[2], output[3]));
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
function fasterDense({ nnz, rows, cols }: Pick<Sparse, "nnz" | "rows" | "cols">): boolean {
  return nnz > (1 - sparseFromWinograd) * rows * cols;
}

/** Weights that change between runs: what is packed is packed at each. */
function unpacked({ kernels, node, limits }: Site): (io: Slots) => Launch {
  return ({ inputs, outputs }) => {
    if (inputs[0]!.shape.length === 5) return unpackedDeep(kernels, node, limits, { inputs, outputs });
    const geometry = geometryOf(node, inputs[0]!.shape, inputs[1]!.shape, outputs[0].shape);
    const [x, w, b = 0] = inputs.map((slot) => slot?.pointer ?? 0);
    const y = outputs[0].pointer;
    if (isDepthwise(geometry.c, geometry.o)) return launchDepthwise(kernels, geometry, x, w, b, limits, y);
    const { group, o, r, sizes } = geometry;
    const panels = kernels.gemm_panels_a_bytes(o, r);
    const convolve = kernels.conv_f32.bind(undefined, ...sizes);
    const calls = Array.from({ length: group }, (_, g) => {
      const at = offsets(geometry, g);
      const bias = b && b + 4 * g * o;
      return (scratch: number) => {
        kernels.gemm_pack_a_f32(o, r, r, 1, w + at.w, scratch);
        convolve(x + at.x, scratch, bias, limits, y + at.y, scratch + panels);
      };
    });
    return { scratch: panels + scratchOf(kernels, sizes), run: inTurn(calls) };
  };
}

/** Weights as dense f32, packed once; nothing else of them stays. */
function packed(site: Site, weight: StoredWeight, group: number, bias: number): (io: Slots) => Launch {
  const { kernels, node, limits } = site;
  const [o, r] = [weight.rows / group, weight.cols];
  const bytes = kernels.gemm_panels_a_bytes(o, r);
  const panels = site.alloc(bytes * group);
  site.borrow(1, (values) => {
    for (let g = 0; g < group; g++) kernels.gemm_pack_a_f32(o, r, r, 1, values + 4 * g * o * r, panels + g * bytes);
  });
  return ({ inputs, outputs }) => {
    const geometry = geometryOf(node, inputs[0]!.shape, weight.shape, outputs[0].shape);
    const [x, y] = [inputs[0]!.pointer, outputs[0].pointer];
    const convolve = kernels.conv_f32.bind(undefined, ...geometry.sizes);
    const calls = Array.from({ length: group }, (_, g) => {
      const at = offsets(geometry, g);
      return convolve.bind(undefined, x + at.x, panels + g * bytes, bias && bias + 4 * g * o, limits, y + at.y);
    });
    return { scratch: scratchOf(kernels, geometry.sizes), run: inTurn(calls) };
  };
}

/** 3 x 3 weights as dense f32, transformed once for F(4 x 4, 3 x 3); nothing else of them stays. */
function winograd(site: Site, weight: StoredWeight, group: number, bias: number): (io: Slots) => Launch {
  const { kernels, node, limits } = site;
  const [o, c] = [weight.rows / group, weight.shape[1]];
  const bytes = kernels.winograd_panels_bytes(o, c);
  const panels = site.alloc(bytes * group);
  site.borrow(1, (values) =>
    site.temporary(kernels.winograd_pack_scratch_bytes(c), (scratch) => {
      for (let g = 0; g < group; g++) {
        kernels.winograd_pack_f32(o, c, values + 4 * g * o * weight.cols, panels + g * bytes, scratch);
      }
    }),
  );
  return ({ inputs, outputs }) => {
    const geometry = geometryOf(node, inputs[0]!.shape, weight.shape, outputs[0].shape);
    const [batch, , h, w, , , , , , padTop, padLeft, , , outH, outW, xImage, yImage] = geometry.sizes;
    const [x, y] = [inputs[0]!.pointer, outputs[0].pointer];
    const sizes = [batch, c, h, w, o, padTop, padLeft, outH, outW, xImage, yImage] as const;
    const convolve = kernels.winograd_f32.bind(undefined, ...sizes);
    const calls = Array.from({ length: group }, (_, g) => {
      const at = offsets(geometry, g);
      return convolve.bind(undefined, x + at.x, panels + g * bytes, bias && bias + 4 * g * o, limits, y + at.y);
    });
    return { scratch: kernels.winograd_scratch_bytes(c, o, outH, outW), run: inTurn(calls) };
  };
}

type DepthwiseSizes =
  Parameters<Kernels["depthwise_f32"]> extends [...infer S, number, number, number, number, number, number] ? S : never;

/** Sizes of all groups at once: a channel each. */
function depthwiseSizes({ group, sizes }: Geometry): DepthwiseSizes {
  const [batch, , h, w, o, kh, kw, strideH, strideW, padTop, padLeft, dilationH, dilationW, outH, outW] = sizes;
  return [batch, group, h, w, o, kh, kw, strideH, strideW, padTop, padLeft, dilationH, dilationW, outH, outW];
}

/** One channel in for each group; weights as dense f32. */
function depthwise(site: Site, { shape }: StoredWeight, bias: number): (io: Slots) => Launch {
  const { kernels, node, limits } = site;
  const values = site.dense(1);
  return ({ inputs, outputs }) => {
    const geometry = geometryOf(node, inputs[0]!.shape, shape, outputs[0].shape);
    return launchDepthwise(kernels, geometry, inputs[0]!.pointer, values, bias, limits, outputs[0].pointer);
  };
}

function launchDepthwise(
  kernels: Kernels,
  geometry: Geometry,
  ...[x, w, bias, limits, y]: readonly [x: number, w: number, bias: number, limits: number, y: number]
): Launch {
  return {
    scratch: kernels.depthwise_scratch_bytes(geometry.sizes[3], ...laid(geometry.sizes)),
    run: kernels.depthwise_f32.bind(undefined, ...depthwiseSizes(geometry), x, w, bias, limits, y),
  };
}

/** Weights in CSR, pointing straight into the padded image; a group is a slice of rows. */
function sparse({ kernels, node, limits }: Site, weight: Sparse, bias: number): (io: Slots) => Launch {
  const { nnz, rowPtr, col, values, scale } = weight;
  return ({ inputs, outputs }) => {
    const geometry = geometryOf(node, inputs[0]!.shape, weight.shape, outputs[0].shape);
    const { group, c, o, sizes } = geometry;
    const [x, y] = [inputs[0]!.pointer, outputs[0].pointer];
    const calls = Array.from({ length: group }, (_, g) => {
      const at = offsets(geometry, g);
      const source = [...sizes, x + at.x, rowPtr + 4 * g * o, col, values] as const;
      const rest = [bias && bias + 4 * g * o, limits, y + at.y] as const;
      return scale
        ? kernels.sparse_conv_i8.bind(undefined, ...source, scale + 4 * g * o, ...rest)
        : kernels.sparse_conv_f32.bind(undefined, ...source, ...rest);
    });
    return { scratch: kernels.sparse_conv_scratch_bytes(c, sizes[3], o, nnz, ...laid(sizes)), run: inTurn(calls) };
  };
}

function volumeOf(node: GraphNode, x: readonly number[], weight: readonly number[], y: readonly number[]): Volume {
  const sides = sidesOf(node, x.slice(2), weight.slice(2));
  const group = integer(node, "group", 1);
  return {
    ...{ batch: x[0], deep: true, group, c: weight[1], o: weight[0] / group, size: three(x.slice(2), 1) },
    ...{ kernel: three(sides.kernel, 1), strides: three(sides.strides, 1), dilations: three(sides.dilations, 1) },
    ...{ begins: three(sides.begins, 0), out: three(y.slice(2), 1) },
  };
}

/** Volumes; weights as dense f32, packed once. */
function packedDeep(site: Site, shape: readonly number[], bias: number): (io: Slots) => Launch {
  const { kernels, node, limits } = site;
  const group = integer(node, "group", 1);
  const weights = { deep: true, group, c: shape[1], o: shape[0] / group, kernel: three(shape.slice(2), 1) };
  const panels = site.alloc(volumeBytes(weights));
  site.borrow(1, (values) => packVolume(kernels, weights, values, panels));
  return ({ inputs, outputs }) => {
    const { scratch, run } = convolution(kernels, volumeOf(node, inputs[0]!.shape, shape, outputs[0].shape));
    const [x, y] = [inputs[0]!.pointer, outputs[0].pointer];
    return { scratch, run: (at) => run(x, panels, bias, limits, y, at) };
  };
}

/** Volumes; weights that change between runs. */
function unpackedDeep(kernels: Kernels, node: GraphNode, limits: number, { inputs, outputs }: Slots): Launch {
  const [x, w, b = 0] = inputs.map((slot) => slot?.pointer ?? 0);
  const y = outputs[0].pointer;
  const volume = volumeOf(node, inputs[0]!.shape, inputs[1]!.shape, outputs[0].shape);
  const { scratch, run } = convolution(kernels, volume);
  const panels = Math.ceil(volumeBytes(volume) / 64) * 64;
  return {
    scratch: panels + scratch,
    run(at) {
      packVolume(kernels, volume, w, at);
      run(x, at, b, limits, y, at + panels);
    },
  };
}
