import { expected, ShapeError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import { sameShape, showShape, sizeOf } from "../tensor.js";
import { integer, only, word } from "./attributes.js";
import { elementsOf, viewing } from "./element.js";
import { checkFloats, checkIndexType, inputOf } from "./known.js";
import type { Info, Op, Slot } from "./op.js";
import { launchOf, type Operand, type Recipe, recipeOf, room, standing } from "./recipe.js";
import { logSoftmaxOf } from "./softmax.js";

/** Losses over classes, x [n, c, ...]: targets are read through views, so a run makes a few. */

const reductions = ["none", "sum", "mean"] as const;

function attrs(node: GraphNode): void {
  only(node, ["ignore_index", "reduction"]);
  word(node, "reduction", reductions, "mean");
  integer(node, "ignore_index", 0);
}

/** What the loss is, for x [n, c, ...], targets [n, ...], weights [c] or none. @throws ShapeError, UnsupportedError */
function lossOf(node: GraphNode, inputs: readonly (Info | undefined)[]): Info {
  const { dtype, shape } = inputOf(node, inputs, 0);
  const where = `${node.name} (${node.op})`;
  checkFloats(node, inputs, 0);
  checkIndexType(node, inputs, 1);
  if (shape.length < 2 || shape[1] === 0) {
    throw new ShapeError(expected(`${where} input 0`, "[n, c] and any sizes, a class or more", showShape(shape)));
  }
  const without = [shape[0], ...shape.slice(2)];
  const targets = inputOf(node, inputs, 1).shape;
  if (!sameShape(targets, without)) {
    throw new ShapeError(expected(`${where} input 1`, showShape(without), showShape(targets)));
  }
  if (inputs[2]) {
    checkFloats(node, inputs, 2);
    if (!sameShape(inputs[2].shape, [shape[1]])) {
      throw new ShapeError(expected(`${where} input 2`, `[${shape[1]}]`, showShape(inputs[2].shape)));
    }
  }
  return { dtype, shape: word(node, "reduction", reductions, "mean") === "none" ? without : [] };
}

/**
 * y = -weight[t] x[t] for each target t, their sum, or that over the sum of the weights; those at ignore_index count nothing. A target
 * outside the classes is taken for the nearest. Sums are f64, in the order of the targets.
 */
function pick(recipe: Recipe, node: GraphNode, x: Operand, target: Slot, weight: Slot | undefined, y: Operand): void {
  const { kernels } = recipe;
  const reduction = word(node, "reduction", reductions, "mean");
  const ignored = node.attributes.ignore_index === undefined ? undefined : integer(node, "ignore_index", 0);
  const classes = x.shape[1];
  const plane = sizeOf(x.shape.slice(2));
  const [source, made] = [x, y].map(({ shape }) => viewing(kernels, "float32", sizeOf(shape)));
  recipe.steps.push((scratch) => {
    const from = source(x.at(scratch)) as Float32Array;
    const to = made(y.at(scratch)) as Float32Array;
    const targets = elementsOf(kernels, target);
    const weights = weight && elementsOf(kernels, weight);
    let [total, count] = [0, 0];
    for (let i = 0; i < targets.length; i++) {
      const t = Number(targets[i]);
      const nearest = Math.min(Math.max(t, 0), classes - 1);
      const share = t === ignored ? 0 : weights ? Number(weights[nearest]) : 1;
      const at = (Math.floor(i / plane) * classes + nearest) * plane + (i % plane);
      const loss = t === ignored ? 0 : -from[at] * share;
      if (reduction === "none") to[i] = loss;
      total += loss;
      count += share;
    }
    if (reduction !== "none") to[0] = reduction === "sum" ? total : total / count;
  });
}

/** The loss of x [n, c, ...], logarithms of probabilities. */
export const negativeLogLikelihoodLoss: Op = {
  attrs,
  infer: (node, inputs) => [lossOf(node, inputs)],
  lower:
    ({ kernels, node }) =>
    ({ inputs, outputs }) => {
      const recipe = recipeOf(kernels);
      pick(recipe, node, standing(inputs[0]!), inputs[1]!, inputs[2], standing(outputs[0]));
      return launchOf(recipe);
    },
};

/** The same of scores: of their log softmax over the classes, which is the second output. */
export const softmaxCrossEntropyLoss: Op = {
  attrs,
  infer(node, inputs) {
    const { dtype, shape } = inputOf(node, inputs, 0);
    return [lossOf(node, inputs), { dtype, shape }];
  },
  lower:
    ({ kernels, node }) =>
    ({ inputs, outputs }) => {
      const recipe = recipeOf(kernels);
      const x = standing(inputs[0]!);
      const logs = outputs[1] ? standing(outputs[1]) : room(recipe, x.shape);
      logSoftmaxOf(recipe, 1, x, logs);
      if (outputs[0]) pick(recipe, node, logs, inputs[1]!, inputs[2], standing(outputs[0]));
      return launchOf(recipe);
    },
};
