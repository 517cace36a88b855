import { expected, ShapeError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import { sameShape, showShape, sizeOf } from "../tensor.js";
import { integer, only } from "./attributes.js";
import { withBias } from "./bias.js";
import { elementsOf, viewing } from "./element.js";
import { checkFloats, inputOf, sized } from "./known.js";
import { type Info, type Launch, nothing, type Op, type Site, type Slots } from "./op.js";
import { convolution, packVolume, volumeBytes } from "./volume.js";
import { sidesOf, sidesOutput } from "./window.js";

type Inputs = readonly (Info | undefined)[];

/**
 * Conv over images whose taps are moved: x [n, c, h, w], W [o, c / group, kh, kw], offsets [n, 2 groups kh kw, outH, outW] of rows and columns,
 * each group for as many channels, then bias [o] and what every tap is multiplied with [n, groups kh kw, outH, outW], which may be left
 * out. Between pixels x is bilinear, outside it is 0. J. Dai et al., "Deformable convolutional networks", 2017. Taps are read in
 * TypeScript, over views of each run; the product is that of Conv.
 */
export const deformConv: Op = {
  attrs(node) {
    only(node, ["dilations", "group", "kernel_shape", "offset_group", "pads", "strides"]);
    for (const name of ["group", "offset_group"]) {
      const value = integer(node, name, 1);
      if (value < 1) throw new ShapeError(expected(`${node.name}.${name}`, "at least 1", `${value}`));
    }
  },
  infer(node, inputs) {
    for (const i of [0, 1, 2, 3, 4]) if (i < 3 || inputs[i]) checkFloats(node, inputs, i);
    const { out, count, groups } = geometryOf(node, inputs);
    const [{ dtype, shape }, weight] = [inputOf(node, inputs, 0), inputOf(node, inputs, 1).shape];
    const want = (i: number, wanted: readonly number[]) => {
      const given = inputs[i];
      if (given && !sameShape(given.shape, wanted)) {
        throw new ShapeError(
          expected(`${node.name} (DeformConv) input ${i}`, showShape(wanted), showShape(given.shape)),
        );
      }
    };
    want(2, [shape[0], 2 * groups * count, ...out]);
    want(3, [weight[0]]);
    want(4, [shape[0], groups * count, ...out]);
    return [sized(node, dtype, [shape[0], weight[0], ...out])];
  },
  lower(site) {
    const { kernels, node } = site;
    const weight = site.weight(1);
    const group = integer(node, "group", 1);
    if (weight && (weight.shape.length !== 4 || weight.shape[0] % group !== 0)) {
      const want = `[o, c, kh, kw], o a multiple of ${group}`;
      throw new ShapeError(expected(`${node.name} (DeformConv) weight`, want, showShape(weight.shape)));
    }
    const flat = ([o, c, kh, kw]: readonly number[]) => ({
      ...{ deep: false, group, c: c * kh * kw, o: o / group, kernel: [1, 1, 1] as const },
    });
    if (weight === undefined || weight.kind === "live") {
      return (io) => {
        const { pointer, shape } = io.inputs[1]!;
        const panels = Math.ceil(volumeBytes(flat(shape)) / 64) * 64;
        const launch = bind(site, io, flat(shape), io.inputs[3]?.pointer ?? 0, (scratch) => scratch, panels);
        return {
          scratch: launch.scratch,
          run(scratch) {
            packVolume(kernels, flat(shape), pointer, scratch);
            launch.run(scratch);
          },
        };
      };
    }
    const weights = flat(weight.shape);
    return withBias(site, 3, weight.shape[0], (bias) => {
      const panels = site.alloc(volumeBytes(weights));
      site.borrow(1, (values) => packVolume(kernels, weights, values, panels));
      return (io) => bind(site, io, weights, bias, () => panels, 0);
    });
  },
};

/** @throws ShapeError where image, weight and groups do not fit */
function geometryOf(node: GraphNode, inputs: Inputs) {
  const [{ shape }, weight] = [inputOf(node, inputs, 0), inputOf(node, inputs, 1).shape];
  const [group, groups] = [integer(node, "group", 1), integer(node, "offset_group", 1)];
  const fits = shape.length === 4 && weight.length === 4;
  if (!fits || weight[1] * group !== shape[1] || weight[0] % group !== 0 || shape[1] % groups !== 0) {
    const want = `images [n, c, h, w] and a weight [o, c / ${group}, kh, kw], channels in ${groups} groups of offsets`;
    throw new ShapeError(expected(`${node.name} (DeformConv)`, want, `${showShape(shape)} and ${showShape(weight)}`));
  }
  const kernel = weight.slice(2);
  const sides = sidesOf(node, shape.slice(2), kernel);
  if (!sameShape(sides.kernel, kernel)) {
    throw new ShapeError(expected(`${node.name}.kernel_shape`, showShape(kernel), showShape(sides.kernel)));
  }
  return { sides, groups, count: sizeOf(kernel), out: sidesOutput(node, sides, shape.slice(2)) };
}

/** @param panelsAt where the weights stand, packed; @param taken bytes of scratch that are not free */
function bind(
  { node, kernels, limits }: Site,
  { inputs, outputs }: Slots,
  weights: Parameters<typeof packVolume>[1],
  bias: number,
  panelsAt: (scratch: number) => number,
  taken: number,
): Launch {
  const [x, , offset, , mask] = inputs;
  const [y] = outputs;
  if (sizeOf(y.shape) === 0) return nothing;
  const { sides, groups, count, out } = geometryOf(node, inputs);
  const [batch, c, h, w] = x!.shape;
  const [outH, outW] = out;
  const [pixels, shared] = [outH * outW, c / groups];
  const size = [1, outH, outW] as const;
  const one = [1, 1, 1] as const;
  const convolve = convolution(kernels, {
    ...{ ...weights, batch: 1, size, out: size, strides: one, dilations: one, begins: [0, 0, 0] },
  });
  const columns = Math.ceil((4 * c * count * pixels) / 64) * 64;
  const columnsAt = viewing(kernels, "float32", c * count * pixels);
  const made = 4 * y.shape[1] * pixels;
  return {
    scratch: taken + columns + convolve.scratch,
    run(scratch) {
      for (let n = 0; n < batch; n++) {
        const [from, moved] = [elementsOf(kernels, x!), elementsOf(kernels, offset!)] as Float32Array[];
        const factors = mask && (elementsOf(kernels, mask) as Float32Array);
        const to = columnsAt(scratch + taken) as Float32Array;
        for (let tap = 0; tap < groups * count; tap++) {
          const [g, k] = [Math.floor(tap / count), tap % count];
          const ky = Math.floor(k / sides.kernel[1]) * sides.dilations[0] - sides.begins[0];
          const kx = (k % sides.kernel[1]) * sides.dilations[1] - sides.begins[1];
          const own = (n * groups * count + tap) * pixels;
          for (let p = 0; p < pixels; p++) {
            const row = Math.floor(p / outW) * sides.strides[0] + ky + moved[2 * own + p];
            const column = (p % outW) * sides.strides[1] + kx + moved[2 * own + pixels + p];
            const factor = factors ? factors[own + p] : 1;
            for (let i = 0; i < shared; i++) {
              const channel = g * shared + i;
              to[(channel * count + k) * pixels + p] =
                factor * between(from, (n * c + channel) * h * w, h, w, row, column);
            }
          }
        }
        const packed = panelsAt(scratch);
        const after = scratch + taken + columns;
        convolve.run(scratch + taken, packed, bias, limits, y.pointer + n * made, after);
      }
    },
  };
}

/** The plane at `plane` between its pixels; 0 further than one outside of it, and where a coordinate is none. */
function between(x: Float32Array, plane: number, h: number, w: number, row: number, column: number): number {
  if (!(row > -1 && row < h && column > -1 && column < w)) return 0;
  const [top, left] = [Math.floor(row), Math.floor(column)];
  const [down, across] = [row - top, column - left];
  const at = plane + top * w + left;
  const [above, below] = [top >= 0, top + 1 < h];
  const [before, after] = [left >= 0, left + 1 < w];
  let sum = 0;
  if (above && before) sum += (1 - down) * (1 - across) * x[at];
  if (above && after) sum += (1 - down) * across * x[at + 1];
  if (below && before) sum += down * (1 - across) * x[at + w];
  if (below && after) sum += down * across * x[at + w + 1];
  return sum;
}
