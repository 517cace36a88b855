import { inMemory } from "../dtype.js";
import { expected, ShapeError, UnsupportedError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import type { RunKernels } from "../kernels/abi.js";
import { showShape, sizeOf } from "../tensor.js";
import { axesOf, number, only, word } from "./attributes.js";
import { inputOf, knownIntegers, knownNumbers, sized } from "./known.js";
import { between, type Move, moving, steps, wholly, widthOf } from "./move.js";
import type { GradSite, GradSlots, Info, Launch, Op, Slot, Table } from "./op.js";
import {
  type Axis,
  insideOf,
  isIdentity,
  nearestOf,
  type Resampling,
  resamplingOf,
  type Taps,
  tapsOf,
} from "./resample.js";

const policies = ["stretch", "not_larger", "not_smaller"] as const;

/**
 * An image, or any tensor, in another size: one dimension after the other. Inputs x, roi or none, scales or none, sizes or none.
 * Interpolation is done in f32; nearest moves elements of any type.
 */
export const resize: Op = {
  attrs(node) {
    only(node, [
      "antialias",
      "axes",
      "coordinate_transformation_mode",
      "cubic_coeff_a",
      "exclude_outside",
      "extrapolation_value",
      "keep_aspect_ratio_policy",
      "mode",
      "nearest_mode",
    ]);
    resamplingOf(node);
    word(node, "keep_aspect_ratio_policy", policies, "stretch");
  },
  infer(node, inputs) {
    const { dtype, shape } = inputOf(node, inputs, 0);
    const how = resamplingOf(node);
    if (how.mode !== "nearest" && inMemory(dtype) !== "float32") {
      throw new UnsupportedError(expected(`${node.name} (Resize) input 0`, `floats for ${how.mode}`, dtype));
    }
    const made = [...shape];
    for (const { axis, from, to } of axesIn(node, shape, inputs)) {
      made[axis] = to;
      if (from === 0 && to > 0) {
        throw new ShapeError(expected(`${node.name} (Resize)`, "elements to resize", showShape(shape)));
      }
    }
    return [sized(node, dtype, made)];
  },
  lower({ node, kernels }) {
    const how = resamplingOf(node);
    return ({ inputs, outputs }, table) => {
      const x = inputs[0]!;
      const [y] = outputs;
      const all = axesIn(node, x.shape, inputs);
      const axes = inOrder(how, all);
      if (axes.length === 0 || sizeOf(y.shape) === 0) return { scratch: 0, run: wholly(kernels, x, y) };
      let shape = x.shape;
      let most = 0;
      const passes = axes.map((axis, i) => {
        const pass = passOf(kernels, how, axis, shape, widthOf(x), table);
        shape = shape.with(axis.axis, axis.to);
        if (i + 1 < axes.length) most = Math.max(most, Math.ceil((sizeOf(shape) * widthOf(x)) / 64) * 64);
        return pass;
      });
      const last = passes.length - 1;
      const outside = outsideMoves(how, all, y, table(Float32Array.of(number(node, "extrapolation_value", 0))));
      const fill = moving(kernels, widthOf(y), outside);
      return {
        scratch: 2 * most,
        run(scratch) {
          let from = x.pointer;
          for (let i = 0; i <= last; i++) {
            const to = i === last ? y.pointer : scratch + (i & 1) * most;
            passes[i](from, to);
            from = to;
          }
          fill();
        },
      };
    };
  },
  grad: (site) => (io) => back(site, io),
};

/** What shrinks most goes first, and leaves less for the rest; of the others, rows before columns are made longer. */
function inOrder(how: Resampling, axes: readonly Axis[]): Axis[] {
  return axes.filter((axis) => !isIdentity(how, axis)).sort((a, b) => a.to / a.from - b.to / b.from || b.axis - a.axis);
}

/** Each pass the other way, from the last to the first; the nearest element is a sum of one. */
function back({ node, kernels }: GradSite, { inputs, dInputs, dOutputs }: GradSlots): Launch {
  const how = resamplingOf(node);
  if (how.coordinates === "tf_crop_and_resize") {
    throw new UnsupportedError(expected(`${node.name} (Resize)`, "a gradient of the whole", "tf_crop_and_resize"));
  }
  let { shape } = inputs[0]!;
  let bytes = 0;
  const room = (size: number) => {
    const at = bytes;
    bytes += Math.ceil((4 * size) / 64) * 64;
    return at;
  };
  const passes = inOrder(how, axesIn(node, shape, inputs)).map((axis, i) => {
    const { taps, first, weights } = how.mode === "nearest" ? alone(nearestOf(how, axis)) : tapsOf(how, axis);
    const size = sizeOf(shape);
    const [outer, inner] = [sizeOf(shape.slice(0, axis.axis)), sizeOf(shape.slice(axis.axis + 1))];
    shape = shape.with(axis.axis, axis.to);
    const at = { first: room(first.length), weights: room(weights.length), dx: i === 0 ? 0 : room(size) };
    return { axis, taps, first, weights, outer, inner, size, at };
  });
  if (passes.length === 0) {
    return { scratch: 0, run: () => kernels.add_into_f32(sizeOf(shape), dOutputs[0], dInputs[0]) };
  }
  return {
    scratch: bytes,
    run(scratch) {
      const { buffer } = kernels.memory;
      let dy = dOutputs[0];
      for (let i = passes.length - 1; i >= 0; i--) {
        const { axis, taps, first, weights, outer, inner, size, at } = passes[i];
        new Uint32Array(buffer, scratch + at.first, first.length).set(first);
        new Float32Array(buffer, scratch + at.weights, weights.length).set(weights);
        const dx = i === 0 ? dInputs[0] : scratch + at.dx;
        if (i > 0) kernels.fill_row_f32(1, size, 0, dx);
        const [places, parts] = [scratch + at.first, scratch + at.weights];
        kernels.resample_grad_f32(outer, axis.from, axis.to, inner, taps, places, parts, dy, dx);
        dy = dx;
      }
    },
  };
}

/** One element of the source for each of the result. */
function alone(first: Uint32Array): Taps {
  return { taps: 1, first, weights: new Float32Array(first.length).fill(1) };
}

/** One dimension of a tensor of `shape` into its new size. */
function passOf(
  kernels: RunKernels,
  how: Resampling,
  axis: Axis,
  shape: readonly number[],
  width: number,
  table: Table,
): (from: number, to: number) => void {
  const outer = sizeOf(shape.slice(0, axis.axis));
  const inner = sizeOf(shape.slice(axis.axis + 1));
  const run = inner * width;
  if (how.mode === "nearest") {
    const offsets = table(nearestOf(how, axis).map((place) => place * run));
    return (x, y) => kernels.gather_bytes(outer, axis.to, run, axis.from * run, x, offsets, y);
  }
  const { taps, first, weights } = tapsOf(how, axis);
  const [places, parts] = [table(first), table(weights)];
  return (x, y) => kernels.resample_f32(outer, axis.from, axis.to, inner, taps, places, parts, x, y);
}

/** What sets the elements outside the source to a value. */
function outsideMoves(how: Resampling, axes: readonly Axis[], y: Slot, value: number): Move[] {
  const width = widthOf(y);
  const to = steps(y.shape, width);
  const none = to.map(() => 0);
  return axes.flatMap((axis) => {
    const { first, last } = insideOf(how, axis);
    return [
      [0, first],
      [last, axis.to],
    ].map(([begin, end]): Move => {
      const dims = between(y.shape.with(axis.axis, end - begin), none, to);
      return { dims, x: value, y: y.pointer + begin * to[axis.axis] };
    });
  });
}

/** @throws ShapeError, NeedsValue */
function axesIn(node: GraphNode, shape: readonly number[], inputs: readonly (Info | undefined)[]): Axis[] {
  const where = `${node.name} (Resize)`;
  const named = node.attributes.axes ?? [...shape.keys()];
  const axes = axesOf(node, Array.isArray(named) ? named : [Number.NaN], shape.length);
  const given = (i: number) => inputs[i] && sizeOf(inputs[i].shape) > 0;
  const list = (i: number, values: number[], count = axes.length) => {
    if (values.length === count) return values;
    throw new ShapeError(expected(`${where} input ${i}`, `${count} values`, `${values.length}`));
  };
  const crops = resamplingOf(node).coordinates === "tf_crop_and_resize";
  const roi = crops ? list(1, knownNumbers(node, inputs, 1), 2 * axes.length) : [];
  const made = (axis: number, i: number, to: number, scale: number): Axis => ({
    axis,
    from: shape[axis],
    to,
    scale,
    roi: crops ? [roi[i], roi[i + axes.length]] : [0, 1],
  });
  if (given(2)) {
    const scales = list(2, knownNumbers(node, inputs, 2));
    if (!scales.every((scale) => scale > 0 && scale < Number.POSITIVE_INFINITY)) {
      throw new ShapeError(expected(`${where} input 2`, "scales above 0", scales.join(", ")));
    }
    return axes.map((axis, i) => made(axis, i, Math.floor(Math.fround(shape[axis] * scales[i])), scales[i]));
  }
  if (!given(3)) throw new ShapeError(expected(where, "scales or sizes", "neither"));
  const sizes = list(3, knownIntegers(node, inputs, 3));
  const ratios = axes.map((axis, i) => sizes[i] / shape[axis]);
  const policy = word(node, "keep_aspect_ratio_policy", policies, "stretch");
  if (policy === "stretch") return axes.map((axis, i) => made(axis, i, sizes[i], ratios[i]));
  const scale = policy === "not_larger" ? Math.min(...ratios) : Math.max(...ratios);
  return axes.map((axis, i) => made(axis, i, Math.floor(scale * shape[axis] + 0.5), scale));
}
