// Operators in f64 for gradients to be held against, where network.ts has none of them: what is told by number in a few lines each.
import { type GraphNode, isTensor } from "../../src/graph/graph.js";
import { attention } from "./attention.js";
import { broadcast, gathered, indexIn } from "./elementwise.js";
import * as movement from "./movement.js";
import type { Values } from "./network.js";
import { recurrent } from "./recurrent.js";
import { resized } from "./resize.js";
import { sigmoid } from "./special.js";

const sizeOf = (shape: readonly number[]) => shape.reduce((size, dim) => size * dim, 1);
const values = ({ shape, data }: { shape: readonly number[]; data: ArrayLike<number> }): Values => ({
  shape,
  data: Float64Array.from(data),
});
const elements = ({ shape, data }: Values): movement.Elements => ({ shape, data: [...data] });

type Attributes = Readonly<Record<string, unknown>>;
type Scalar = (x: number, attributes: Attributes) => number;

const of = (attributes: Attributes, name: string, fallback: number) =>
  (attributes[name] as number | undefined) ?? fallback;
const softplus = (x: number) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const within = (x: number) => Math.min(Math.max(x, 0), 1);

const unary: Readonly<Record<string, Scalar>> = {
  Abs: Math.abs,
  Neg: (x) => -x,
  Exp: Math.exp,
  Log: Math.log,
  Sqrt: Math.sqrt,
  Reciprocal: (x) => 1 / x,
  Sin: Math.sin,
  Cos: Math.cos,
  LeakyRelu: (x, a) => (x >= 0 ? x : of(a, "alpha", 0.01) * x),
  Elu: (x, a) => (x > 0 ? x : of(a, "alpha", 1) * Math.expm1(x)),
  Celu: (x, a) => Math.max(0, x) + Math.min(0, of(a, "alpha", 1) * Math.expm1(x / of(a, "alpha", 1))),
  Selu: (x, a) => of(a, "gamma", 1.0507009873554805) * (x > 0 ? x : of(a, "alpha", 1.6732632423543772) * Math.expm1(x)),
  ThresholdedRelu: (x, a) => (x > of(a, "alpha", 1) ? x : 0),
  Softplus: softplus,
  Softsign: (x) => x / (1 + Math.abs(x)),
  HardSigmoid: (x, a) => within(of(a, "alpha", 0.2) * x + of(a, "beta", 0.5)),
  HardSwish: (x) => x * within(x / 6 + 0.5),
  Mish: (x) => x * Math.tanh(softplus(x)),
  Swish: (x, a) => x * sigmoid(of(a, "alpha", 1) * x),
  Cast: (x) => x,
  Dropout: (x) => x,
};

const nary: Readonly<Record<string, (of: readonly number[]) => number>> = {
  Sub: ([a, b]) => a - b,
  Mul: ([a, b]) => a * b,
  Div: ([a, b]) => a / b,
  Pow: ([a, b]) => a ** b,
  PRelu: ([a, b]) => (a >= 0 ? a : a * b),
  Where: ([c, a, b]) => (c ? a : b),
  Max: (all) => Math.max(...all),
  Min: (all) => Math.min(...all),
  Sum: (all) => all.reduce((a, b) => a + b, 0),
  Mean: (all) => all.reduce((a, b) => a + b, 0) / all.length,
  Greater: ([a, b]) => Number(a > b),
};

const total = (all: readonly number[]) => all.reduce((a, b) => a + b, 0);
const reductions: Readonly<Record<string, (all: readonly number[]) => number>> = {
  ReduceSum: total,
  ReduceMean: (all) => total(all) / all.length,
  ReduceMax: (all) => Math.max(...all),
  ReduceMin: (all) => Math.min(...all),
  ReduceProd: (all) => all.reduce((a, b) => a * b, 1),
  ReduceL1: (all) => total(all.map(Math.abs)),
  ReduceL2: (all) => Math.sqrt(total(all.map((v) => v * v))),
  ReduceSumSquare: (all) => total(all.map((v) => v * v)),
  ReduceLogSum: (all) => Math.log(total(all)),
  ReduceLogSumExp: (all) => Math.log(total(all.map(Math.exp))),
};

function elementwise(inputs: readonly Values[], f: (of: readonly number[]) => number): Values {
  const shape = broadcast(...inputs.map((input) => input.shape));
  const data = Float64Array.from({ length: sizeOf(shape) }, (_, i) =>
    f(inputs.map((input) => input.data[indexIn(input.shape, shape, i)])),
  );
  return { shape, data };
}

function reduced(f: (all: readonly number[]) => number, [x, given]: Values[], attributes: Attributes): Values {
  const named = given ? [...given.data].map((axis) => (axis + x.shape.length) % x.shape.length) : [...x.shape.keys()];
  const { kept, groups } = gathered(x.shape, named);
  const data = Float64Array.from(groups, (group) => f(group.map((i) => x.data[i])));
  return { shape: of(attributes, "keepdims", 1) ? kept : x.shape.filter((_, i) => !named.includes(i)), data };
}

/** Statistics of groups of elements that are numbered; then scale and bias, numbered too. */
function normalized(x: Values, groupOf: (i: number) => number, epsilon: number, centre = true): Float64Array {
  const groups = new Map<number, number[]>();
  for (let i = 0; i < x.data.length; i++) groups.set(groupOf(i), [...(groups.get(groupOf(i)) ?? []), i]);
  const out = new Float64Array(x.data.length);
  for (const group of groups.values()) {
    const mean = centre ? total(group.map((i) => x.data[i])) / group.length : 0;
    const variance = total(group.map((i) => (x.data[i] - mean) ** 2)) / group.length;
    for (const i of group) out[i] = (x.data[i] - mean) / Math.sqrt(variance + epsilon);
  }
  return out;
}

function norm(node: GraphNode, [x, scale, bias, mean, variance]: Values[]): Values {
  const { attributes } = node;
  const epsilon = of(attributes, "epsilon", 1e-5);
  const [n, c] = x.shape;
  const plane = sizeOf(x.shape.slice(2));
  const channel = (i: number) => Math.floor(i / plane) % c;
  if (node.op === "RMSNormalization") {
    const axis = of(attributes, "axis", -1);
    const cols = sizeOf(x.shape.slice(axis));
    const y = normalized(x, (i) => Math.floor(i / cols), epsilon, false);
    return elementwise([{ shape: x.shape, data: y }, scale], ([a, b]) => a * b);
  }
  let y: Float64Array;
  if (node.op !== "BatchNormalization") {
    const groups = node.op === "InstanceNormalization" ? c : of(attributes, "num_groups", 1);
    y = normalized(x, (i) => Math.floor(i / (x.data.length / n / groups)), epsilon);
  } else if (attributes.training_mode) y = normalized(x, channel, epsilon);
  else y = x.data.map((v, i) => (v - mean.data[channel(i)]) / Math.sqrt(variance.data[channel(i)] + epsilon));
  return { shape: x.shape, data: y.map((v, i) => v * scale.data[channel(i)] + bias.data[channel(i)]) };
}

/** Pools over one to three sides, with everything that a window may have. */
function pool(node: GraphNode, x: Values): Values {
  const { attributes } = node;
  const sizes = x.shape.slice(2);
  const whole = node.op.startsWith("Global");
  const list = (name: string, fallback: number[]) => (attributes[name] as number[] | undefined) ?? fallback;
  const kernel = whole ? [...sizes] : list("kernel_shape", []);
  const ones = sizes.map(() => 1);
  const [strides, dilations] = [list("strides", ones), list("dilations", ones)];
  const pads = list(
    "pads",
    [...sizes, ...sizes].map(() => 0),
  );
  const round = attributes.ceil_mode ? Math.ceil : Math.floor;
  const rank = sizes.length;
  const out = sizes.map((size, d) => {
    const reach = dilations[d] * (kernel[d] - 1) + 1;
    const count = round((size + pads[d] + pads[d + rank] - reach) / strides[d]) + 1;
    return (count - 1) * strides[d] >= size + pads[d] ? count - 1 : count;
  });
  const p = of(attributes, "p", 2);
  const plane = sizeOf(sizes);
  const data: number[] = [];
  for (let i = 0; i < x.shape[0] * x.shape[1]; i++) {
    for (const place of movement.indicesOf(out)) {
      const seen: number[] = [];
      let padded = 0;
      for (const tap of movement.indicesOf(kernel)) {
        const at = tap.map((t, d) => place[d] * strides[d] - pads[d] + t * dilations[d]);
        if (at.every((a, d) => a < sizes[d] + pads[d + rank])) padded++;
        if (at.every((a, d) => a >= 0 && a < sizes[d])) seen.push(x.data[i * plane + movement.placeOf(sizes, at)]);
      }
      if (node.op.endsWith("MaxPool")) data.push(Math.max(...seen));
      else if (node.op.endsWith("LpPool")) data.push(total(seen.map((v) => Math.abs(v) ** p)) ** (1 / p));
      else data.push(total(seen) / (attributes.count_include_pad ? padded : seen.length));
    }
  }
  return values({ shape: [x.shape[0], x.shape[1], ...out], data });
}

function sequence(node: GraphNode, inputs: Values[]): Values[] {
  const [x, , r] = inputs;
  const direction = node.attributes.direction ?? "forward";
  const reverse = direction === "bidirectional" ? [false, true] : [direction === "reverse"];
  const byBatch = node.attributes.layout === 1;
  const [length, batch] = byBatch ? [x.shape[1], x.shape[0]] : x.shape;
  const hidden = r.shape[2];
  // Its numbers may as well be f64.
  const data = (i: number) => inputs[i]?.data as unknown as Float32Array;
  const { y, h, c } = recurrent({
    ...{ op: node.op as "LSTM", length, batch, width: x.shape[2], hidden, reverse, byBatch },
    ...{ resetAfter: node.attributes.linear_before_reset === 1, x: data(0), w: data(1), r: data(2) },
    ...{ b: data(3), h0: data(5), c0: data(6) },
  });
  const all = byBatch ? [batch, length, reverse.length, hidden] : [length, reverse.length, batch, hidden];
  const last = byBatch ? [batch, reverse.length, hidden] : [reverse.length, batch, hidden];
  return [
    { shape: all, data: y },
    { shape: last, data: h },
    { shape: last, data: c },
  ];
}

function padded(x: Values, { mode = "constant" }: Attributes, pads: number[], value: number) {
  const rank = x.shape.length;
  return movement.pad(elements(x), pads.slice(0, rank), pads.slice(rank), String(mode), value);
}

/** The outputs of a node, in f64. */
export function twin(node: GraphNode, inputs: Values[]): Values[] {
  const { op, attributes } = node;
  const [x, w, b] = inputs;
  const whole = (i: number) => [...inputs[i].data];
  const wrap = (axis: number) => (axis + x.shape.length) % x.shape.length;
  if (op in unary) return [{ shape: x.shape, data: x.data.map((v) => unary[op](v, attributes)) }];
  if (op in nary) return [elementwise(inputs, nary[op])];
  if (op in reductions) return [reduced(reductions[op], inputs, attributes)];
  if (op.endsWith("Pool")) return [pool(node, x)];
  switch (op) {
    case "Constant": {
      const { value } = attributes;
      if (!isTensor(value)) throw new Error("no twin of other constants");
      return [values({ shape: value.shape, data: Array.from(value.data as ArrayLike<number | bigint>, Number) })];
    }
    case "Reshape":
      return [
        {
          shape: whole(1).map((d, i) => (d === 0 ? x.shape[i] : d === -1 ? x.data.length / -sizeOf(whole(1)) : d)),
          data: x.data,
        },
      ];
    case "Squeeze":
      return [{ shape: x.shape.filter((_, i) => !whole(1).includes(i)), data: x.data }];
    case "Unsqueeze": {
      const shape = [...x.shape];
      for (const axis of whole(1)) shape.splice(axis, 0, 1);
      return [{ shape, data: x.data }];
    }
    case "Transpose":
      return [values(movement.transpose(elements(x), attributes.perm as number[] | undefined))];
    case "Expand":
      return [values(movement.expand(elements(x), broadcast(x.shape, whole(1))))];
    case "Tile":
      return [values(movement.tile(elements(x), whole(1)))];
    case "Concat":
      return [values(movement.concat(inputs.map(elements), wrap(attributes.axis as number)))];
    case "Slice": {
      let y = elements(x);
      for (const [i, start] of whole(1).entries()) {
        y = movement.slice(y, wrap(inputs[3] ? whole(3)[i] : i), start, whole(2)[i], inputs[4] ? whole(4)[i] : 1);
      }
      return [values(y)];
    }
    case "Split": {
      const axis = wrap(of(attributes, "axis", 0));
      let at = 0;
      return node.outputs.map((_, i) => {
        const size = w ? w.data[i] : x.shape[axis] / node.outputs.length;
        at += size;
        return values(movement.slice(elements(x), axis, at - size, at, 1));
      });
    }
    case "Pad":
      return [values(padded(x, attributes, whole(1), b?.data[0] ?? 0))];
    case "Gather":
      return [values(movement.gather(elements(x), elements(w), wrap(of(attributes, "axis", 0))))];
    case "GatherElements":
      return [values(movement.gatherElements(elements(x), elements(w), wrap(of(attributes, "axis", 0))))];
    case "DepthToSpace": {
      const [n, c, h, width] = x.shape;
      const s = attributes.blocksize as number;
      const depth = c / (s * s);
      const crd = attributes.mode === "CRD";
      const cut = { shape: crd ? [n, depth, s, s, h, width] : [n, s, s, depth, h, width], data: [...x.data] };
      const turned = movement.transpose(cut, crd ? [0, 1, 4, 2, 5, 3] : [0, 3, 4, 1, 5, 2]);
      return [values({ shape: [n, depth, h * s, width * s], data: turned.data })];
    }
    case "Resize": {
      const scales = whole(2);
      const sizes = x.shape.map((size, i) => Math.floor(size * scales[i]));
      return [values(resized(x, sizes, scales, attributes))];
    }
    case "LogSoftmax":
    case "Softmax": {
      const axis = wrap(of(attributes, "axis", -1));
      const sums = reduced((all) => Math.log(total(all.map(Math.exp))), [x, values({ shape: [1], data: [axis] })], {});
      return [elementwise([x, sums], ([v, s]) => (op === "Softmax" ? Math.exp(v - s) : v - s))];
    }
    case "LSTM":
    case "GRU":
      return sequence(node, inputs);
    case "Attention": {
      const [q, k, v] = inputs.slice(0, 3).map(elements);
      const mask = inputs[3] && { ...elements(inputs[3]), bool: inputs[3].data.every((v) => v === 0 || v === 1) };
      const { y } = attention({ q, k, v, mask }, attributes as Parameters<typeof attention>[1]);
      const shape =
        q.shape.length === 4
          ? [...q.shape.slice(0, 3), v.shape[3]]
          : [...q.shape.slice(0, 2), y.length / q.shape[0] / q.shape[1]];
      return [{ shape, data: y }];
    }
    default:
      if (op.endsWith("Normalization")) return [norm(node, inputs)];
      throw new Error(`no twin of ${op}`);
  }
}
