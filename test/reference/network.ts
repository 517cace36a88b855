// A whole network in plain f64 loops: what every operator means, for sessions and gradients to be held against.
import { toDense } from "../../src/graph/dense.js";
import type { Graph, GraphNode } from "../../src/graph/graph.js";
import { broadcast, indexIn } from "./elementwise.js";
import { erf, gelu, geluTanh, sigmoid } from "./special.js";

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
    values.set(name, { shape: weight.shape, data: Float64Array.from(weights.get(name) ?? toDense(weight)) });
  }
  for (const node of graph.nodes) {
    values.set(
      node.outputs[0],
      run(
        node,
        node.inputs.map((name) => values.get(name)!),
      ),
    );
  }
  return values;
}

function run(node: GraphNode, inputs: Values[]): Values {
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
    case "Softmax":
      return softmax(x);
    case "MatMul":
      return matmul(x, w);
    case "Clip": {
      const [lo, hi] = [w?.data[0] ?? number(node, "min", -Infinity), b?.data[0] ?? number(node, "max", Infinity)];
      return { shape: x.shape, data: x.data.map((v) => Math.min(Math.max(v, lo), hi)) };
    }
    case "Transpose":
      return turned(x);
    case "Gemm":
      return product(x, w, number(node, "transB", 0) === 1, b);
    case "BatchNormalization":
      return normalize(inputs, number(node, "epsilon", 1e-5));
    case "Conv":
      return conv(node, x, w, b);
    case "MaxPool":
    case "AveragePool":
    case "GlobalAveragePool":
      return pool(node, x);
    default:
      throw new Error(`no twin of ${node.op}`);
  }
}

/** A matrix with its rows as columns. */
function turned({ shape: [rows, cols], data }: Values): Values {
  const out = empty([cols, rows]);
  for (let r = 0; r < rows; r++) for (let c = 0; c < cols; c++) out.data[c * rows + r] = data[r * cols + c];
  return out;
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

function softmax({ shape, data }: Values): Values {
  const cols = shape[shape.length - 1];
  const out = empty(shape);
  for (let at = 0; at < data.length; at += cols) {
    const row = data.subarray(at, at + cols);
    const most = Math.max(...row);
    const sum = row.reduce((total, v) => total + Math.exp(v - most), 0);
    for (let i = 0; i < cols; i++) out.data[at + i] = Math.exp(row[i] - most) / sum;
  }
  return out;
}

function product(a: Values, b: Values, transB: boolean, bias?: Values): Values {
  const k = a.shape[a.shape.length - 1];
  const n = transB ? b.shape[0] : b.shape[1];
  const out = empty([...a.shape.slice(0, -1), n]);
  for (let i = 0; i < a.data.length / k; i++) {
    for (let j = 0; j < n; j++) {
      let sum = bias ? bias.data[j] : 0;
      for (let p = 0; p < k; p++) sum += a.data[i * k + p] * b.data[transB ? j * k + p : p * n + j];
      out.data[i * n + j] = sum;
    }
  }
  return out;
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

function normalize([x, gamma, beta, mean, variance]: Values[], epsilon: number): Values {
  const plane = sizeOf(x.shape.slice(2));
  const channels = x.shape[1];
  return {
    shape: x.shape,
    data: x.data.map((v, i) => {
      const c = Math.floor(i / plane) % channels;
      return ((v - mean.data[c]) / Math.sqrt(variance.data[c] + epsilon)) * gamma.data[c] + beta.data[c];
    }),
  };
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

function conv(node: GraphNode, x: Values, w: Values, bias?: Values): Values {
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

function pool(node: GraphNode, x: Values): Values {
  const [n, c, h, w] = x.shape;
  const whole = node.op === "GlobalAveragePool";
  const { kh, kw, outH, outW, at, plane } = window(node, x, whole ? [h, w] : numbers(node, "kernel_shape", []));
  const out = empty([n, c, outH, outW]);
  let to = 0;
  for (let p = 0; p < n * c; p++) {
    for (let oy = 0; oy < outH; oy++) {
      for (let ox = 0; ox < outW; ox++) {
        const seen: number[] = [];
        for (let i = 0; i < kh; i++) {
          for (let j = 0; j < kw; j++) {
            const from = at(oy, ox, i, j);
            if (from >= 0) seen.push(x.data[p * plane + from]);
          }
        }
        const count = number(node, "count_include_pad", 0) ? kh * kw : seen.length;
        out.data[to++] = node.op === "MaxPool" ? Math.max(...seen) : seen.reduce((sum, v) => sum + v, 0) / count;
      }
    }
  }
  return out;
}
