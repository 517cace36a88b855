import { expected, ShapeError, UnsupportedError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import { showShape, sizeOf } from "../tensor.js";
import { integer, number, only, shapeOf } from "./attributes.js";
import { type Launch, type Op, ofFloats, type Site, type Slot, type Slots } from "./op.js";
import { combine, fold, launchOf, map, type Operand, recipeOf, reshaped, room, standing } from "./recipe.js";
import { centred, standardized } from "./statistics.js";

/**
 * y = (x - mean) / sqrt(var + epsilon) * gamma + beta per channel, with stored statistics, or with training_mode = 1 those of the batch;
 * inputs x, gamma, beta, mean, var.
 * S. Ioffe, C. Szegedy, "Batch normalization", 2015.
 */
export const batchNormalization: Op = {
  inPlace: true,
  attrs(node) {
    only(node, ["epsilon", "momentum", "training_mode"]);
    const mode = integer(node, "training_mode", 0);
    if (mode !== 0 && mode !== 1) throw new ShapeError(expected(`${node.name}.training_mode`, "0 or 1", `${mode}`));
  },
  infer: ofFloats((node, inputs) => {
    const shape = shapeOf(node, inputs, 0);
    if (shape.length < 2) {
      throw new ShapeError(expected(`${node.name} (BatchNormalization)`, "batch and channels", showShape(shape)));
    }
    for (let i = 1; i < 5; i++) checkChannels(node, i, shapeOf(node, inputs, i), shape[1]);
    return inTraining(node) ? [shape, [shape[1]], [shape[1]]] : [shape];
  }),
  lower(site) {
    if (inTraining(site.node)) return (io) => ofBatch(site, io);
    const changes = (i: number) => !site.weight(i) || site.weight(i)?.kind === "live";
    if ([1, 2, 3, 4].some(changes)) return (io) => ofComputed(site, io);
    const pointers = [1, 2, 3, 4].map((i) => site.dense(i));
    const shapes = [1, 2, 3, 4].map((i) => shapeOf(site.node, [site.weight(i)?.shape], 0));
    const channels = sizeOf(shapes[0]);
    for (const [i, shape] of shapes.entries()) checkChannels(site.node, i + 1, shape, channels);
    const scale = site.alloc(8 * channels);
    const shift = scale + 4 * channels;
    const [gamma, beta, mean, variance] = pointers.map(
      (p) => new Float32Array(site.kernels.memory.buffer, p, channels),
    );
    const values = new Float32Array(site.kernels.memory.buffer, scale, 2 * channels);
    const epsilon = number(site.node, "epsilon", 1e-5);
    for (let c = 0; c < channels; c++) {
      values[c] = gamma[c] / Math.sqrt(variance[c] + epsilon);
      values[channels + c] = beta[c] - mean[c] * values[c];
    }
    return ({ inputs, outputs }) => {
      const { pointer, shape } = inputs[0]!;
      const plane = sizeOf(shape.slice(2));
      const y = outputs[0].pointer;
      return {
        scratch: 0,
        run: () => site.kernels.scale_shift_f32(shape[0], channels, plane, pointer, scale, shift, y),
      };
    };
  },
};

function inTraining(node: GraphNode): boolean {
  return integer(node, "training_mode", 0) === 1;
}

/**
 * With the mean and the variance of the batch; outputs y, and what the stored ones become: momentum times what they are, and the rest
 * of the batch's.
 */
function ofBatch({ node, kernels }: Site, { inputs, outputs }: Slots): Launch {
  const recipe = recipeOf(kernels);
  const [n, c] = inputs[0]!.shape;
  const plane = sizeOf(inputs[0]!.shape.slice(2));
  const channels = [n, c, plane];
  const [x, ...others] = inputs.slice(0, 5).map((slot, i) => reshaped(standing(slot!), i === 0 ? channels : [1, c, 1]));
  const [gamma, beta, ...before] = others;
  const [mean, variance] = [room(recipe, [1, c, 1]), room(recipe, [1, c, 1])];
  const y = reshaped(standing(outputs[0]), channels);
  centred(recipe, x, [0, 2], y, mean);
  fold(recipe, "sumSquare", y, [0, 2], variance);
  map(recipe, "quotient", variance, variance, n * plane);
  const momentum = number(node, "momentum", 0.9);
  for (const [i, made] of [mean, variance].entries()) {
    const slot = outputs[i + 1];
    if (!slot) continue;
    const [to, part] = [reshaped(standing(slot), [1, c, 1]), room(recipe, [1, c, 1])];
    map(recipe, "quotient", before[i], to, 1 / momentum);
    map(recipe, "quotient", made, part, 1 / (1 - momentum));
    combine(recipe, "add", to, part, to);
  }
  const scale = room(recipe, [1, c, 1]);
  map(recipe, "quotient", variance, scale, 1, number(node, "epsilon", 1e-5));
  map(recipe, "sqrt", scale, scale);
  combine(recipe, "div", gamma, scale, scale);
  combine(recipe, "mul", y, scale, y);
  combine(recipe, "add", y, beta, y);
  return launchOf(recipe);
}

/** The same where not all of gamma, beta, mean, var are weights: scale and shift are made in each run. */
function ofComputed({ node, kernels }: Site, { inputs, outputs }: Slots): Launch {
  const recipe = recipeOf(kernels);
  const [x, gamma, beta, mean, variance] = inputs.slice(0, 5).map((slot) => standing(slot!));
  const y = standing(outputs[0]);
  const channels = sizeOf(gamma.shape);
  const [scale, shift] = [room(recipe, gamma.shape), room(recipe, gamma.shape)];
  const plane = sizeOf(x.shape.slice(2));
  map(recipe, "quotient", variance, scale, 1, number(node, "epsilon", 1e-5));
  map(recipe, "sqrt", scale, scale);
  combine(recipe, "div", gamma, scale, scale);
  combine(recipe, "mul", mean, scale, shift);
  combine(recipe, "sub", beta, shift, shift);
  recipe.steps.push((scratch) => {
    const [by, to] = [scale.at(scratch), shift.at(scratch)];
    kernels.scale_shift_f32(x.shape[0], channels, plane, x.at(scratch), by, to, y.at(scratch));
  });
  return launchOf(recipe);
}

/**
 * y = (x - mean) / sqrt(var + epsilon) * scale + bias over the dimensions from `axis` to the last; inputs x, scale, bias or none.
 * J. L. Ba et al., "Layer normalization", 2016.
 */
export const layerNormalization: Op = {
  attrs(node) {
    only(node, ["axis", "epsilon", "stash_type"]);
    if (integer(node, "stash_type", 1) !== 1) {
      throw new UnsupportedError(expected(`${node.name}.stash_type`, "1 (float32)", "another"));
    }
    number(node, "epsilon", 1e-5);
  },
  infer: ofFloats((node, inputs) => {
    const shape = shapeOf(node, inputs, 0);
    const { cols, kept } = rowsOf(node, shape);
    for (const i of [1, 2]) {
      const given = i === 1 ? shapeOf(node, inputs, 1) : inputs[2];
      if (given && sizeOf(given) !== cols) {
        throw new ShapeError(
          expected(`${node.name} (LayerNormalization) input ${i}`, `${cols} values`, showShape(given)),
        );
      }
    }
    return [shape, kept, kept];
  }),
  lower(site) {
    // Scale and bias may be weights in any storage, weights in training, or computed.
    const fixed = [1, 2].map((i) => (site.weight(i) && site.weight(i)?.kind !== "live" ? site.dense(i) : 0));
    const epsilon = number(site.node, "epsilon", 1e-5);
    return ({ inputs, outputs }) => {
      const { pointer, shape } = inputs[0]!;
      const { rows, cols } = rowsOf(site.node, shape);
      const [gamma, beta] = fixed.map((address, i) => address || (inputs[i + 1]?.pointer ?? 0));
      if (outputs[1] ?? outputs[2]) return withStatistics(site, inputs[0]!, gamma, beta, outputs, epsilon);
      const y = outputs[0].pointer;
      return { scratch: 0, run: () => site.kernels.layer_norm_f32(rows, cols, pointer, gamma, beta, y, epsilon) };
    };
  },
  grad({ node, kernels }) {
    const epsilon = number(node, "epsilon", 1e-5);
    return ({ inputs, dInputs, dOutputs }) => {
      const { pointer, shape } = inputs[0]!;
      const { rows, cols } = rowsOf(node, shape);
      const gamma = inputs[1]!.pointer;
      const [dx, dgamma, dbeta = 0] = dInputs;
      const sources = [pointer, gamma, dOutputs[0]] as const;
      return {
        scratch: 0,
        run: () => kernels.layer_norm_grad_f32(rows, cols, ...sources, dx, dgamma, dbeta, epsilon),
      };
    };
  },
};

/** The same where the mean and 1 / sqrt(var + epsilon) of each row are outputs too. */
function withStatistics(
  { node, kernels }: Site,
  x: Slot,
  gamma: number,
  beta: number,
  outputs: readonly (Slot | undefined)[],
  epsilon: number,
): Launch {
  const recipe = recipeOf(kernels);
  const { rows, cols } = rowsOf(node, x.shape);
  const [y = room(recipe, [rows, cols]), mean, inverse] = outputs.map((slot, i) =>
    slot ? reshaped(standing(slot), [rows, i === 0 ? cols : 1]) : undefined,
  );
  standardized(recipe, reshaped(standing(x), [rows, cols]), [1], epsilon, y, mean, inverse);
  const row = (pointer: number): Operand => ({ at: () => pointer, shape: [cols], dtype: "float32" });
  combine(recipe, "mul", y, row(gamma), y);
  if (beta) combine(recipe, "add", y, row(beta), y);
  return launchOf(recipe);
}

/** How many rows are normalized, the length of each, and the shape of what each has one of. @throws ShapeError for an axis that is not there */
function rowsOf(node: GraphNode, shape: readonly number[]): { rows: number; cols: number; kept: number[] } {
  const axis = integer(node, "axis", -1);
  const first = axis < 0 ? axis + shape.length : axis;
  if (first < 0 || first >= shape.length) {
    throw new ShapeError(expected(`${node.name}.axis`, `an axis of ${showShape(shape)}`, `${axis}`));
  }
  const kept = shape.map((dim, i) => (i < first ? dim : 1));
  return { rows: sizeOf(shape.slice(0, first)), cols: sizeOf(shape.slice(first)), kept };
}

function checkChannels(node: GraphNode, i: number, shape: readonly number[], channels: number): void {
  if (sizeOf(shape) !== channels) {
    throw new ShapeError(
      expected(`${node.name} (BatchNormalization) input ${i}`, `${channels} values`, showShape(shape)),
    );
  }
}
