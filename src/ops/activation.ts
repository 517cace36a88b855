import { isFloat } from "../dtype.js";
import { expected, UnsupportedError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import type { FullKernels, RunKernels } from "../kernels/abi.js";
import { sizeOf } from "../tensor.js";
import { only, shapeOf } from "./attributes.js";
import { checkTypes } from "./elementwise.js";
import { inputOf } from "./known.js";
import { type Op, ofFloats } from "./op.js";
import { combine, launchOf, recipeOf, standing, zero } from "./recipe.js";

type Forward = (n: number, x: number, y: number) => void;
type Slope = (n: number, given: number, dy: number, dx: number) => void;

/** A function of each value by itself; its slope is told from what it was given (`x`) or from what it made (`y`). */
function each(
  forward: (kernels: RunKernels, node: GraphNode) => Forward,
  slope: (kernels: FullKernels, node: GraphNode) => Slope,
  from: "x" | "y",
  attrs: Op["attrs"] = (node) => only(node, []),
): Op {
  return {
    attrs,
    inPlace: true,
    infer: ofFloats((node, inputs) => [shapeOf(node, inputs, 0)]),
    lower: ({ kernels, node }) => {
      const run = forward(kernels, node);
      return ({ inputs, outputs }) => {
        const { pointer, shape } = inputs[0]!;
        const size = sizeOf(shape);
        return { scratch: 0, run: () => run(size, pointer, outputs[0].pointer) };
      };
    },
    grad: ({ kernels, node }) => {
      const run = slope(kernels, node);
      return ({ inputs, outputs, dInputs, dOutputs }) => {
        const { pointer, shape } = from === "x" ? inputs[0]! : outputs[0];
        const size = sizeOf(shape);
        return { scratch: 0, run: () => run(size, pointer, dOutputs[0], dInputs[0]) };
      };
    },
  };
}

const floatRelu: Op = each(
  ({ relu_f32 }) => relu_f32,
  ({ relu_grad_f32 }) => relu_grad_f32,
  "y",
);

/** max(x, 0), numbers of any type. */
export const relu: Op = {
  ...floatRelu,
  infer(node, inputs) {
    const [{ dtype, shape }] = checkTypes(node, [inputOf(node, inputs, 0)], "numbers");
    return [{ dtype, shape }];
  },
  lower(site) {
    const floats = floatRelu.lower(site);
    return (io, table) => {
      const [x] = io.inputs;
      if (isFloat(x!.dtype)) return floats(io, table);
      const recipe = recipeOf(site.kernels);
      combine(recipe, "max", standing(x!), zero(recipe, x!.dtype), standing(io.outputs[0]));
      return launchOf(recipe);
    };
  },
};

/** 1 / (1 + e^-x), within 2 ulp. */
export const sigmoid: Op = each(
  ({ sigmoid_f32 }) => sigmoid_f32,
  ({ sigmoid_grad_f32 }) => sigmoid_grad_f32,
  "y",
);

/** Hyperbolic tangent, within 2 ulp. */
export const tanh: Op = each(
  ({ tanh_f32 }) => tanh_f32,
  ({ tanh_grad_f32 }) => tanh_grad_f32,
  "y",
);

/** Error function, within 2 ulp. */
export const erf: Op = each(
  ({ erf_f32 }) => erf_f32,
  ({ erf_grad_f32 }) => erf_grad_f32,
  "x",
);

/** x Phi(x), Phi the normal distribution, within 4 ulp; `approximate` "tanh" puts a tanh in Phi's place, as ONNX says it. */
export const gelu: Op = each(
  (kernels, node) => (approximates(node) ? kernels.gelu_tanh_f32 : kernels.gelu_f32),
  (kernels, node) => (approximates(node) ? kernels.gelu_tanh_grad_f32 : kernels.gelu_grad_f32),
  "x",
  (node) => {
    only(node, ["approximate"]);
    const how = node.attributes.approximate ?? "none";
    if (how !== "none" && how !== "tanh") {
      throw new UnsupportedError(expected(`${node.name}.approximate`, '"none" or "tanh"', String(how)));
    }
  },
);

function approximates(node: GraphNode): boolean {
  return node.attributes.approximate === "tanh";
}
