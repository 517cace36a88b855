import type { GraphNode } from "../../graph/graph.js";
import { matrixOf } from "../../graph/storage.js";
import { isReal } from "../../graph/weight.js";
import { number } from "../../ops/attributes.js";
import { sizeOf } from "../../tensor.js";
import type { Net, Pattern } from "../net.js";

/** y = a x + b for each channel, or one of them for all; an absent one changes nothing. */
interface Affine {
  readonly scale?: ArrayLike<number>;
  readonly shift?: ArrayLike<number>;
}

/** Channels of what a product makes, and whose each run of elements of its weight is. */
interface Channels {
  readonly count: number;
  /** Where the dimension of the channels stands, counted from the last. */
  readonly fromLast: number;
  /** Elements of a channel that follow one another. */
  readonly run: number;
  readonly of: (run: number) => number;
}

/** Operators whose weight is input 1 and whose bias is input 2. */
const products = ["Conv", "ConvTranspose", "Gemm", "MatMul"];

/**
 * A norm with statistics of its own after a product: W' = W s, b' = beta + (b - mean) s, s = gamma / sqrt(var + epsilon). A MatMul
 * stays: it has no bias in ONNX.
 */
export const normed: Pattern = (node, net) => {
  const product = net.maker(node.inputs[0], ["Conv", "ConvTranspose", "Gemm"]);
  if (!product || node.inputs.length < 5 || node.attributes.training_mode) return undefined;
  const names = node.inputs.slice(1, 5);
  // A wrong length is left for the check of shapes to report: what is sparse may be of any.
  const count = channelsOf(net, product)?.count;
  if (!names.every((name) => lengthOf(net, name) === count)) return undefined;
  const fixed = names.map((name) => net.floats(name));
  if (fixed.includes(undefined)) return undefined;
  const [gamma, beta, mean, variance] = fixed as Float32Array[];
  const epsilon = number(node, "epsilon", 1e-5);
  const scale = Array.from(gamma, (g, i) => g / Math.sqrt(variance[i] + epsilon));
  return absorbed(net, product, node, { scale, shift: Array.from(beta, (b, i) => b - mean[i] * scale[i]) });
};

/** Mul, Div, Add, Sub by a number or a number for each channel, and Neg, after a product. */
export const moved: Pattern = (node, net) => {
  if (node.op === "Neg") return after(node, net, 0, () => ({ scale: [-1] }));
  for (const i of [0, 1]) {
    const made = after(node, net, i, (c) => affineOf(node.op, c, i === 1));
    if (made) return made;
  }
  return undefined;
};

/** @param swapped the constant is the first input */
function affineOf(op: string, c: Float32Array, swapped: boolean): Affine | undefined {
  switch (op) {
    case "Add":
      return { shift: c };
    case "Sub":
      return swapped ? { scale: [-1], shift: c } : { shift: c.map((value) => -value) };
    case "Mul":
      return { scale: c };
    case "Div":
      return swapped ? undefined : { scale: Array.from(c, (value) => 1 / value) };
    default:
      return undefined;
  }
}

/** What a node does to the product that makes its input i, with its other input a constant. */
function after(
  node: GraphNode,
  net: Net,
  i: number,
  affine: (c: Float32Array) => Affine | undefined,
): readonly GraphNode[] | undefined {
  const product = net.maker(node.inputs[i], products);
  const channels = product && channelsOf(net, product);
  if (!channels) return undefined;
  const other = node.inputs[1 - i];
  const c = other === undefined ? new Float32Array(0) : perChannel(net, other, node.inputs[i], channels);
  // An infinity or NaN times a weight of 0 is not what it is times a result of 0.
  const found = c?.every(Number.isFinite) ? affine(c) : undefined;
  if (found?.scale && !Array.from(found.scale).every(Number.isFinite)) return undefined;
  return found && absorbed(net, product, node, found);
}

/** The elements of a weight that has one for each channel of x or one for all, and leaves x its shape. */
function perChannel(net: Net, weight: string, x: string, { count, fromLast }: Channels): Float32Array | undefined {
  const { shape } = net.weights.get(weight) ?? {};
  if (!shape || shape.length > net.outline(x).rank) return undefined;
  const size = sizeOf(shape);
  if (size !== 1 && (size !== count || shape.at(-1 - fromLast) !== count)) return undefined;
  return net.floats(weight);
}

/** The product with a scale and a shift in its weights, making what `node` made; undefined where they cannot be. */
function absorbed(net: Net, product: GraphNode, node: GraphNode, { scale, shift }: Affine) {
  const [x, kernel, bias = ""] = product.inputs;
  const channels = channelsOf(net, product)!;
  const given = net.weights.get(kernel)!;
  if (bias !== "" && lengthOf(net, bias) !== channels.count) return undefined;
  const before = bias === "" ? undefined : net.floats(bias);
  if (bias !== "" && !before) return undefined;
  const at = (values: ArrayLike<number>, channel: number) => values[values.length === 1 ? 0 : channel];
  if (scale) {
    if (given.kind !== "dense" || !isReal(given.dtype) || net.uses(kernel) > 1) return undefined;
    if (!net.spend(sizeOf(given.shape))) return undefined;
    const values = net.floats(kernel)!;
    for (let run = 0; run * channels.run < values.length; run++) {
      multiply(values.subarray(run * channels.run, (run + 1) * channels.run), at(scale, channels.of(run)));
    }
    net.weights.set(kernel, { kind: "dense", shape: given.shape, dtype: "float32", data: values });
  }
  const inputs = [x, kernel];
  if (shift || before) {
    const data = new Float32Array(channels.count);
    for (let c = 0; c < data.length; c++) {
      data[c] = (before?.[c] ?? 0) * (scale ? at(scale, c) : 1) + (shift ? at(shift, c) : 0);
    }
    const made = { kind: "dense", shape: [data.length], dtype: "float32", data } as const;
    if (bias !== "" && net.uses(bias) === 1) net.weights.set(bias, made);
    inputs.push(bias !== "" && net.uses(bias) === 1 ? bias : net.weight(product, `${node.name}.bias`, made));
  }
  return [{ ...product, inputs, outputs: node.outputs }];
}

/** Alone in a function, which engines make fast sooner than a loop inside of a long one: 10 ms less for MobileNet in a new process. */
function multiply(values: Float32Array, factor: number): void {
  for (let i = 0; i < values.length; i++) values[i] *= factor;
}

/** Number of elements of a weight; undefined where there is none of that name. */
function lengthOf(net: Net, name: string): number | undefined {
  const weight = net.weights.get(name);
  return weight && sizeOf(weight.shape);
}

/** Undefined where the weight is none, or none of the product's. */
function channelsOf(net: Net, product: GraphNode): Channels | undefined {
  const shape = net.weights.get(product.inputs[1])?.shape;
  if (!shape || sizeOf(shape) === 0) return undefined;
  const { rows, cols } = matrixOf(shape);
  const fromLast = shape.length - 2;
  switch (product.op) {
    case "Conv":
      return { count: rows, fromLast, run: cols, of: (r) => r };
    case "ConvTranspose": {
      // [in, out / group, ...]: the rows of a group make its channels.
      const group = number(product, "group", 1);
      const each = shape[1];
      const of = (r: number) => Math.floor((Math.floor(r / each) * group) / rows) * each + (r % each);
      return { count: each * group, fromLast, run: cols / each, of };
    }
    default:
      if (shape.length !== 2) return undefined;
      if (product.attributes.transB) return { count: rows, fromLast: 0, run: cols, of: (r) => r };
      return { count: cols, fromLast: 0, run: 1, of: (r) => r % cols };
  }
}
