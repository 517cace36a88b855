import { type Factored, mixOf, paysTwoSteps, rebuildColumns, scaledCodebook } from "./factored.js";
import { heldAfter } from "./held.js";
import { geometryOf, type Sizes, scratchOf } from "./image.js";
import type { Launch, Site, Slots } from "./op.js";

/** Weight rows (output channels) that are rebuilt at a time: whole panels of 5 rows. */
const tileRows = 60;

/** Convolution with W = C Z: in two steps where that is cheaper, else rebuilt tile by tile. */
export function factoredConv(site: Site, weight: Factored, bias: number): (io: Slots) => Launch {
  if (site.exact || !paysTwoSteps(weight)) return rebuilt(site, weight, bias);
  return heldAfter(site, factored(site, weight, bias));
}

/** Scales of one, so that the bias is added by the channel kernel. */
function onesFor(site: Site, rows: number, bias: number): number {
  if (!bias) return 0;
  const ones = site.alloc(4 * rows);
  new Float32Array(site.kernels.memory.buffer, ones, rows).fill(1);
  return ones;
}

/** Whether the columns of X are whole kernels, so that each belongs to one input channel and one output channel. */
export function wholeKernels({ layout, shape, d }: Pick<Factored, "layout" | "shape" | "d">): boolean {
  return layout === "kernel" && d === shape.slice(2).reduce((size, side) => size * side, 1);
}

/** W rebuilt tile by tile (some output channels at a time) on the way into the panels, never whole. */
function rebuilt(site: Site, weight: Factored, bias: number): (io: Slots) => Launch {
  const { kernels, node, limits } = site;
  const perRow = weight.cols / weight.d;
  return ({ inputs, outputs }) => {
    const { o, r, p, sizes } = geometryOf(node, inputs[0]!.shape, weight.shape, outputs[0].shape);
    const x = inputs[0]!.pointer;
    const y = outputs[0].pointer;
    const height = Math.min(o, tileRows);
    const panels = 4 * height * r;
    const rest = panels + kernels.gemm_panels_a_bytes(height, r);
    const full = kernels.conv_f32.bind(undefined, ...withOutputs(sizes, height), x);
    const last = kernels.conv_f32.bind(undefined, ...withOutputs(sizes, o % height || height), x);
    return {
      scratch: rest + scratchOf(kernels, sizes),
      run(scratch) {
        for (let at = 0; at < o; at += height) {
          const rows = Math.min(height, o - at);
          rebuildColumns(kernels, weight, at * perRow, rows * perRow, scratch);
          kernels.gemm_pack_a_f32(rows, r, r, 1, scratch, scratch + panels);
          const convolve = rows === height ? full : last;
          convolve(scratch + panels, bias && bias + 4 * at, limits, y + 4 * at * p, scratch + rest);
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
    const convolve = kernels.conv_f32.bind(undefined, ...atoms);
    return {
      scratch: t + scratchOf(kernels, atoms),
      run(scratch) {
        for (let i = 0; i < batch; i++) {
          convolve(x + 4 * i * c * inputPlane, panels, 0, 0, scratch, scratch + t);
          kernels.spmm_csr_f32(rows, p, mix.rowPtr, mix.col, mix.values, scratch, p, y + 4 * i * o * p, p);
        }
        if (bias) kernels.scale_shift_f32(batch, o, p, y, ones, bias, y);
      },
    };
  };
}
