import { expected, ShapeError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import { showShape, sizeOf } from "../tensor.js";
import { integer, only, shapeOf } from "./attributes.js";
import { type Factored, mixOf, paysTwoSteps, rebuildColumns, scaledCodebook } from "./factored.js";
import type { Launch, Op, Site, Slots } from "./op.js";
import { paysSparse, type Sparse, spmm } from "./sparse.js";
import { imageShape, type Window, windowOf, windowOutput } from "./window.js";

/** Weight rows (output channels) that are rebuilt at a time: whole panels of 5 rows. */
const tileRows = 60;

/** Y = W * X + b over images, X [n, c, h, w], W [o, c / group, kh, kw]. */
export const conv: Op = {
  attrs(node) {
    only(node, ["kernel_shape", "strides", "pads", "dilations", "group", "auto_pad"]);
    if (integer(node, "group", 1) < 1) {
      throw new ShapeError(expected(`${node.name}.group`, "at least 1", `${integer(node, "group", 1)}`));
    }
  },
  infer(node, inputs) {
    const [n, c, h, w] = imageShape(node, shapeOf(node, inputs, 0));
    const weight = shapeOf(node, inputs, 1);
    const group = integer(node, "group", 1);
    if (weight.length !== 4 || weight[1] * group !== c || weight[0] % group !== 0) {
      throw new ShapeError(
        expected(
          `${node.name} (Conv) weight`,
          `[o, ${c} / ${group}, kh, kw], o a multiple of ${group}`,
          showShape(weight),
        ),
      );
    }
    const window = windowOf(node, weight.slice(2));
    if (window.kernel[0] !== weight[2] || window.kernel[1] !== weight[3]) {
      throw new ShapeError(expected(`${node.name}.kernel_shape`, showShape(weight.slice(2)), showShape(window.kernel)));
    }
    const bias = inputs[2];
    if (bias && sizeOf(bias) !== weight[0]) {
      throw new ShapeError(expected(`${node.name} (Conv) bias`, `${weight[0]} values`, showShape(bias)));
    }
    return [[n, weight[0], ...windowOutput(node, window, h, w)]];
  },
  lower(site) {
    const weight = site.weight(1);
    if (weight === undefined || weight.kind === "live") return unpacked(site);
    const bias = site.dense(2);
    const group = integer(site.node, "group", 1);
    if (weight.kind === "sparse" && group === 1 && paysSparse(weight)) {
      return sparse(site, weight, bias);
    }
    if (weight.kind === "factored" && group === 1 && weight.layout === "kernel" && wholeKernels(weight)) {
      return !site.exact && paysTwoSteps(weight) ? factored(site, weight, bias) : rebuilt(site, weight, bias);
    }
    return packed(site, weight.rows, site.dense(1), bias);
  },
  grad({ node, kernels }) {
    return ({ inputs, outputs, dInputs, dOutputs }) => {
      const geometry = geometryOf(node, inputs[0]!.shape, inputs[1]!.shape, outputs[0].shape);
      const { group, o, r, p, batch } = geometry;
      const [x, w] = [inputs[0]!.pointer, inputs[1]!.pointer];
      const dy = dOutputs[0];
      const [dx, dw, db = 0] = dInputs;
      return {
        scratch: kernels.conv_grad_scratch_bytes(o, r, p),
        run(scratch) {
          for (let g = 0; g < group; g++) {
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

type Sizes =
  Parameters<Site["kernels"]["conv_f32"]> extends [...infer S, number, number, number, number, number] ? S : never;

interface Geometry {
  /** The sizes every convolution kernel begins with; c and o are those of one group. */
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

function geometryOf(node: GraphNode, x: readonly number[], w: readonly number[], y: readonly number[]): Geometry {
  const window = windowOf(node, w.slice(2));
  const group = integer(node, "group", 1);
  const [batch, channels, h, width] = x;
  const [, outputs, outH, outW] = y;
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
function offsets({ c, o, r, p, inputPlane }: Geometry, g: number): { x: number; y: number; w: number } {
  return { x: 4 * g * c * inputPlane, y: 4 * g * o * p, w: 4 * g * o * r };
}

/** Weights that change between runs: packed at each. */
function unpacked(site: Site): (io: Slots) => Launch {
  const { kernels, node } = site;
  return ({ inputs, outputs }) => {
    const geometry = geometryOf(node, inputs[0]!.shape, inputs[1]!.shape, outputs[0].shape);
    const { group, o, r, p, sizes } = geometry;
    const [x, w, b = 0] = inputs.map((slot) => slot?.pointer ?? 0);
    const y = outputs[0].pointer;
    const panels = kernels.gemm_panels_a_bytes(o, r);
    return {
      scratch: panels + kernels.conv_scratch_bytes(r, p),
      run(scratch) {
        for (let g = 0; g < group; g++) {
          const at = offsets(geometry, g);
          kernels.gemm_pack_a_f32(o, r, r, 1, w + at.w, scratch);
          kernels.conv_f32(...sizes, x + at.x, scratch, b && b + 4 * g * o, y + at.y, scratch + panels);
        }
      },
    };
  };
}

/** Dense weights, packed once. */
function packed(site: Site, rows: number, values: number, bias: number): (io: Slots) => Launch {
  const { kernels, node } = site;
  const group = integer(node, "group", 1);
  const shape = site.weight(1)!.shape;
  const o = rows / group;
  const r = site.weight(1)!.cols;
  const bytes = kernels.gemm_panels_a_bytes(o, r);
  const panels = site.alloc(bytes * group);
  for (let g = 0; g < group; g++) kernels.gemm_pack_a_f32(o, r, r, 1, values + 4 * g * o * r, panels + g * bytes);
  return ({ inputs, outputs }) => {
    const geometry = geometryOf(node, inputs[0]!.shape, shape, outputs[0].shape);
    const x = inputs[0]!.pointer;
    const y = outputs[0].pointer;
    return {
      scratch: kernels.conv_scratch_bytes(r, geometry.p),
      run(scratch) {
        for (let g = 0; g < group; g++) {
          const at = offsets(geometry, g);
          kernels.conv_f32(
            ...geometry.sizes,
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

/** Y = W cols(X) in CSR, image by image. */
function sparse(site: Site, weight: Sparse, bias: number): (io: Slots) => Launch {
  const { kernels, node } = site;
  const ones = onesFor(site, weight.rows, bias);
  return ({ inputs, outputs }) => {
    const { batch, c, o, r, p, inputPlane, sizes } = geometryOf(node, inputs[0]!.shape, weight.shape, outputs[0].shape);
    const x = inputs[0]!.pointer;
    const y = outputs[0].pointer;
    return {
      scratch: 4 * r * p,
      run(scratch) {
        for (let i = 0; i < batch; i++) {
          columns(kernels, sizes, x + 4 * i * c * inputPlane, scratch);
          spmm(kernels, weight, p, scratch, y + 4 * i * o * p);
        }
        if (bias) kernels.scale_shift_f32(batch, o, p, y, ones, bias, y);
      },
    };
  };
}

/** cols [c * kh * kw, outH * outW] of one image. */
function columns(kernels: Site["kernels"], sizes: Sizes, x: number, cols: number): void {
  const [, c, h, w, , kh, kw, strideH, strideW, padTop, padLeft, dilationH, dilationW, outH, outW] = sizes;
  kernels.im2col_f32(c, h, w, kh, kw, strideH, strideW, padTop, padLeft, dilationH, dilationW, outH, outW, x, cols);
}

/** Scales of one, so that the bias is added by the channel kernel. */
function onesFor(site: Site, rows: number, bias: number): number {
  if (!bias) return 0;
  const ones = site.alloc(4 * rows);
  new Float32Array(site.kernels.memory.buffer, ones, rows).fill(1);
  return ones;
}

/** Whether the columns of X are whole kernels, so that each belongs to one input channel and one output channel. */
function wholeKernels(weight: Factored): boolean {
  const [, , kh, kw] = weight.shape;
  return weight.d === kh * kw;
}

/** W rebuilt tile by tile (some output channels at a time) on the way into the panels, never whole. */
function rebuilt(site: Site, weight: Factored, bias: number): (io: Slots) => Launch {
  const { kernels, node } = site;
  const perRow = weight.cols / weight.d;
  return ({ inputs, outputs }) => {
    const { o, r, p, sizes } = geometryOf(node, inputs[0]!.shape, weight.shape, outputs[0].shape);
    const x = inputs[0]!.pointer;
    const y = outputs[0].pointer;
    const height = Math.min(o, tileRows);
    const panels = 4 * height * r;
    const rest = panels + kernels.gemm_panels_a_bytes(height, r);
    const full = withOutputs(sizes, height);
    const last = withOutputs(sizes, o % height || height);
    return {
      scratch: rest + kernels.conv_scratch_bytes(r, p),
      run(scratch) {
        for (let at = 0; at < o; at += height) {
          const rows = Math.min(height, o - at);
          rebuildColumns(kernels, weight, at * perRow, rows * perRow, scratch);
          kernels.gemm_pack_a_f32(rows, r, r, 1, scratch, scratch + panels);
          const tile = rows === height ? full : last;
          kernels.conv_f32(...tile, x, scratch + panels, bias && bias + 4 * at, y + 4 * at * p, scratch + rest);
        }
      },
    };
  };
}

function withOutputs(sizes: Sizes, o: number): Sizes {
  const copy: Sizes = [...sizes];
  copy[4] = o;
  return copy;
}

/**
 * Y without ever forming W: each input channel with the k atoms, T [c, k, p] = C^T cols(X), then the sparse mix Y = Z' T, where
 * row o of Z' strings together the rows (o, 0) .. (o, c - 1) of Z^T. c k d + S multiply-adds a pixel instead of o c d.
 */
function factored(site: Site, weight: Factored, bias: number): (io: Slots) => Launch {
  const { kernels, node } = site;
  const { k, d, rows } = weight;
  const panels = site.alloc(kernels.gemm_panels_a_bytes(k, d));
  site.temporary(4 * k * d, (dense) => {
    scaledCodebook(kernels, weight, dense);
    kernels.gemm_pack_a_f32(k, d, d, 1, dense, panels);
  });
  const mix = mixOf(site, weight);
  const ones = onesFor(site, rows, bias);
  return ({ inputs, outputs }) => {
    const geometry = geometryOf(node, inputs[0]!.shape, weight.shape, outputs[0].shape);
    const { batch, c, o, p, inputPlane } = geometry;
    // Every input channel is an image of one channel whose k outputs are its products with the atoms.
    const atoms: Sizes = [...geometry.sizes];
    atoms[0] = c;
    atoms[1] = 1;
    atoms[4] = k;
    atoms[15] = inputPlane;
    atoms[16] = k * p;
    const x = inputs[0]!.pointer;
    const y = outputs[0].pointer;
    const t = 4 * c * k * p;
    return {
      scratch: t + kernels.conv_scratch_bytes(d, p),
      run(scratch) {
        for (let i = 0; i < batch; i++) {
          kernels.conv_f32(...atoms, x + 4 * i * c * inputPlane, panels, 0, scratch, scratch + t);
          kernels.spmm_csr_f32(rows, p, mix.rowPtr, mix.col, mix.values, scratch, p, y + 4 * i * o * p, p);
        }
        if (bias) kernels.scale_shift_f32(batch, o, p, y, ones, bias, y);
      },
    };
  };
}
