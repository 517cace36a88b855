// A whole network in plain f64 loops: what every operator means, for sessions and gradients to be held against.
import { toDense } from "../../src/graph/dense.js";
import type { Graph, GraphNode } from "../../src/graph/graph.js";
import { isReal } from "../../src/graph/weight.js";
import { broadcast, indexIn } from "./elementwise.js";
import { erf, gelu, geluTanh, sigmoid } from "./special.js";
import { twin } from "./twins.js";

export interface Values {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

const sizeOf = (shape: readonly number[]) => shape.reduce((size, dim) => size * dim, 1);
const empty = (shape: readonly number[]): Values => ({ shape, data: new Float64Array(sizeOf(shape)) });
const numbers = (node: GraphNode, name: string, fallback: number[]) =>
  (node.attributes[name] as number[] | undefined) ?? fallback;
const number = (node: GraphNode, name: string, fallback: number) =>
  (node.attributes[name] as number | undefined) ?? fallback;

/** Every value of the network, weights too. `weights` may replace those of the graph. */
export function runReference(
  graph: Graph,
  inputs: Readonly<Record<string, { shape: readonly number[]; data: ArrayLike<number> }>>,
  weights: ReadonlyMap<string, ArrayLike<number>> = new Map(),
): Map<string, Values> {
  const values = new Map<string, Values>();
  for (const [name, { shape, data }] of Object.entries(inputs))
    values.set(name, { shape, data: Float64Array.from(data) });
  for (const [name, weight] of graph.weights) {
    // Indices and shapes are integers.
    const whole = weight.kind === "dense" && !isReal(weight.dtype);
    const own = whole ? Array.from(weight.data as ArrayLike<number | bigint>, Number) : toDense(weight);
    values.set(name, { shape: weight.shape, data: Float64Array.from(weights.get(name) ?? own) });
  }
  for (const node of graph.nodes) {
    const outputs = run(
      node,
      node.inputs.map((name) => values.get(name)!),
    );
    for (const [i, name] of node.outputs.entries()) if (outputs[i]) values.set(name, outputs[i]);
  }
  return values;
}

/** What is plain here, and the rest in twins.ts. */
function run(node: GraphNode, inputs: Values[]): Values[] {
  const plain = one(node, inputs);
  return plain ? [plain] : twin(node, inputs);
}

function one(node: GraphNode, inputs: Values[]): Values | undefined {
  const [x, w, b] = inputs;
  switch (node.op) {
    case "Identity":
      return x;
    case "Flatten": {
      const axis = number(node, "axis", 1);
      const at = axis < 0 ? axis + x.shape.length : axis;
      return { shape: [sizeOf(x.shape.slice(0, at)), sizeOf(x.shape.slice(at))], data: x.data };
    }
    case "Relu":
      return { shape: x.shape, data: x.data.map((v) => (v > 0 ? v : 0)) };
    case "Sigmoid":
      return { shape: x.shape, data: x.data.map(sigmoid) };
    case "Tanh":
      return { shape: x.shape, data: x.data.map(Math.tanh) };
    case "Erf":
      return { shape: x.shape, data: x.data.map(erf) };
    case "Gelu":
      return { shape: x.shape, data: x.data.map(node.attributes.approximate === "tanh" ? geluTanh : gelu) };
    case "LayerNormalization":
      return layerNorm(inputs, number(node, "axis", -1), number(node, "epsilon", 1e-5));
    case "Add":
      return sum(x, w);
    case "MatMul":
      return matmul(x, w);
    case "Clip": {
      const [lo, hi] = [w?.data[0] ?? number(node, "min", -Infinity), b?.data[0] ?? number(node, "max", Infinity)];
      return { shape: x.shape, data: x.data.map((v) => Math.min(Math.max(v, lo), hi)) };
    }
    case "Gemm":
      return gemm(node, inputs);
    case "Conv":
      return conv(node, x, w, b);
    default:
      return undefined;
  }
}

function layerNorm([x, gamma, beta]: Values[], axis: number, epsilon: number): Values {
  const cols = sizeOf(x.shape.slice(axis));
  const out = empty(x.shape);
  for (let at = 0; at < x.data.length; at += cols) {
    const row = x.data.subarray(at, at + cols);
    const mean = row.reduce((sum, v) => sum + v, 0) / cols;
    const variance = row.reduce((sum, v) => sum + (v - mean) ** 2, 0) / cols;
    for (let i = 0; i < cols; i++) {
      out.data[at + i] = ((row[i] - mean) / Math.sqrt(variance + epsilon)) * gamma.data[i] + (beta?.data[i] ?? 0);
    }
  }
  return out;
}

function sum(a: Values, b: Values): Values {
  const out = empty(broadcast(a.shape, b.shape));
  for (let i = 0; i < out.data.length; i++) {
    out.data[i] = a.data[indexIn(a.shape, out.shape, i)] + b.data[indexIn(b.shape, out.shape, i)];
  }
  return out;
}

function product(a: Values, b: Values, transB: boolean): Values {
  const k = a.shape[a.shape.length - 1];
  const n = transB ? b.shape[0] : b.shape[1];
  const out = empty([...a.shape.slice(0, -1), n]);
  for (let i = 0; i < a.data.length / k; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let p = 0; p < k; p++) sum += a.data[i * k + p] * b.data[transB ? j * k + p : p * n + j];
      out.data[i * n + j] = sum;
    }
  }
  return out;
}

/** alpha A B + beta C, either of A and B turned. */
function gemm(node: GraphNode, [a, b, c]: Values[]): Values {
  const turned = number(node, "transA", 0) === 1;
  const [rows, cols] = a.shape;
  const data = turned ? Float64Array.from(a.data, (_, i) => a.data[(i % rows) * cols + Math.floor(i / rows)]) : a.data;
  const { shape, data: made } = product(
    { shape: turned ? [cols, rows] : a.shape, data },
    b,
    number(node, "transB", 0) === 1,
  );
  const [alpha, beta] = [number(node, "alpha", 1), number(node, "beta", 1)];
  return { shape, data: made.map((v, i) => alpha * v + (c ? beta * c.data[indexIn(c.shape, shape, i)] : 0)) };
}

/** numpy.matmul: dimensions in front are broadcast, vectors are a row on the left and a column on the right. */
function matmul(a: Values, b: Values): Values {
  const left = a.shape.length > 1 ? a.shape : [1, ...a.shape];
  const right = b.shape.length > 1 ? b.shape : [...b.shape, 1];
  const [m, k] = left.slice(-2);
  const n = right[right.length - 1];
  const rank = Math.max(left.length, right.length) - 2;
  const front = (shape: readonly number[]) => [...new Array(rank + 2 - shape.length).fill(1), ...shape.slice(0, -2)];
  const [ofA, ofB] = [front(left), front(right)];
  const both = ofA.map((size, i) => (size === 1 ? ofB[i] : size));
  const out = empty([...both, ...(a.shape.length > 1 ? [m] : []), ...(b.shape.length > 1 ? [n] : [])]);
  /** Offset of the matrix of a side at an index of the batch. */
  const at = (sides: readonly number[], index: readonly number[]) =>
    sides.reduce((sum, size, i) => sum * size + (size === 1 ? 0 : index[i]), 0);
  for (let i = 0; i < out.data.length; i++) {
    const [row, column] = [Math.floor(i / n) % m, i % n];
    const index: number[] = [];
    for (let axis = rank - 1, rest = Math.floor(i / (m * n)); axis >= 0; axis--) {
      index[axis] = rest % both[axis];
      rest = Math.floor(rest / both[axis]);
    }
    const [p, q] = [at(ofA, index) * m * k, at(ofB, index) * k * n];
    for (let j = 0; j < k; j++) out.data[i] += a.data[p + row * k + j] * b.data[q + j * n + column];
  }
  return out;
}

function window(node: GraphNode, x: Values, kernel: readonly number[]) {
  const [strideH, strideW] = numbers(node, "strides", [1, 1]);
  const [top, left, bottom, right] = numbers(node, "pads", [0, 0, 0, 0]);
  const [dilationH, dilationW] = numbers(node, "dilations", [1, 1]);
  const [, , h, w] = x.shape;
  const [kh, kw] = kernel;
  const outH = Math.floor((h + top + bottom - dilationH * (kh - 1) - 1) / strideH) + 1;
  const outW = Math.floor((w + left + right - dilationW * (kw - 1) - 1) / strideW) + 1;
  /** Index inside a plane of tap (i, j) of the window at (oy, ox), or -1 in the padding. */
  const at = (oy: number, ox: number, i: number, j: number) => {
    const y = oy * strideH - top + i * dilationH;
    const z = ox * strideW - left + j * dilationW;
    return y < 0 || z < 0 || y >= h || z >= w ? -1 : y * w + z;
  };
  return { kh, kw, outH, outW, at, plane: h * w };
}

/** A line is an image of one row. */
function line(node: GraphNode, x: Values, w: Values, bias?: Values): Values {
  const wide = (name: string) => [1, ...numbers(node, name, [1])];
  const [begin, end] = numbers(node, "pads", [0, 0]);
  const sides = { strides: wide("strides"), dilations: wide("dilations"), pads: [0, begin, 0, end] };
  const attributes = { ...node.attributes, ...sides };
  const row = ({ shape: [n, c, l], data }: Values) => ({ shape: [n, c, 1, l], data });
  const { shape, data } = conv({ ...node, attributes }, row(x), row(w), bias);
  return { shape: [shape[0], shape[1], shape[3]], data };
}

function conv(node: GraphNode, x: Values, w: Values, bias?: Values): Values {
  if (x.shape.length === 3) return line(node, x, w, bias);
  const { kh, kw, outH, outW, at, plane } = window(node, x, w.shape.slice(2));
  const [n, channels] = x.shape;
  const group = number(node, "group", 1);
  const [outputs, c] = w.shape;
  const out = empty([n, outputs, outH, outW]);
  let to = 0;
  for (let image = 0; image < n; image++) {
    for (let o = 0; o < outputs; o++) {
      const first = Math.floor(o / (outputs / group)) * c;
      for (let oy = 0; oy < outH; oy++) {
        for (let ox = 0; ox < outW; ox++) {
          let sum = bias ? bias.data[o] : 0;
          for (let q = 0; q < c; q++) {
            for (let i = 0; i < kh; i++) {
              for (let j = 0; j < kw; j++) {
                const from = at(oy, ox, i, j);
                if (from < 0) continue;
                sum += x.data[(image * channels + first + q) * plane + from] * w.data[((o * c + q) * kh + i) * kw + j];
              }
            }
          }
          out.data[to++] = sum;
        }
      }
    }
  }
  return out;
}
