// Twins of the kernels in assembly/train: plain loops in f64 (Math.log and Math.exp are good enough for a reference).
// `round` as in reference/compress.ts.
import { kept } from "./compress.js";

type Round = (value: number) => number;
const exact: Round = (value) => value;

export function crossEntropy(
  rows: number,
  cols: number,
  logits: Float32Array | Float64Array,
  labels: Uint32Array,
  smoothing = 0,
): { loss: number; gradient: Float64Array } {
  const gradient = new Float64Array(rows * cols);
  let loss = 0;
  for (let r = 0; r < rows; r++) {
    const row = Array.from(logits.slice(r * cols, (r + 1) * cols));
    const top = Math.max(...row);
    let sum = 0;
    for (const value of row) sum += Math.exp(value - top);
    for (let c = 0; c < cols; c++) {
      const wanted = smoothing / cols + (c === labels[r] ? 1 - smoothing : 0);
      if (wanted > 0) loss += wanted * (Math.log(sum) - (row[c] - top));
      gradient[r * cols + c] = (Math.exp(row[c] - top) / sum - wanted) / rows;
    }
  }
  return { loss, gradient };
}

/** T^2 times the summed divergence from softmax(wanted / T) to softmax(logits / T), and the gradient of its mean. */
export function divergence(
  rows: number,
  cols: number,
  logits: ArrayLike<number>,
  wanted: ArrayLike<number>,
  temperature: number,
): { loss: number; gradient: Float64Array } {
  const gradient = new Float64Array(rows * cols);
  let loss = 0;
  for (let r = 0; r < rows; r++) {
    const chances = (all: ArrayLike<number>) => {
      const row = Array.from({ length: cols }, (_, c) => all[r * cols + c] / temperature);
      const top = Math.max(...row);
      const sum = row.reduce((total, value) => total + Math.exp(value - top), 0);
      return row.map((value) => ({ p: Math.exp(value - top) / sum, log: value - top - Math.log(sum) }));
    };
    const [mine, theirs] = [chances(logits), chances(wanted)];
    for (const [c, { p, log }] of theirs.entries()) {
      if (p > 0) loss += temperature ** 2 * p * (log - mine[c].log);
      gradient[r * cols + c] = (temperature * (mine[c].p - p)) / rows;
    }
  }
  return { loss, gradient };
}

export function meanSquaredError(
  y: Float32Array | Float64Array,
  target: Float32Array,
): { loss: number; gradient: Float64Array } {
  const gradient = new Float64Array(y.length);
  let sum = 0;
  for (let i = 0; i < y.length; i++) {
    const d = y[i] - target[i];
    sum += d * d;
    gradient[i] = (2 * d) / y.length;
  }
  return { loss: y.length === 0 ? 0 : sum / y.length, gradient };
}

export interface Sgd {
  readonly rate: number;
  readonly momentum: number;
  readonly nesterov?: boolean;
  readonly l2?: number;
  readonly decay?: number;
}

export function sgdStep(
  w: Float32Array,
  dw: Float32Array,
  velocity: Float32Array,
  mask: Uint8Array | undefined,
  sgd: Sgd,
  round: Round = exact,
): { w: Float64Array; velocity: Float64Array } {
  const out = { w: new Float64Array(w), velocity: new Float64Array(w.length) };
  const [rate, momentum, l2, decay] = [sgd.rate, sgd.momentum, sgd.l2 ?? 0, sgd.decay ?? 0].map(round);
  for (let i = 0; i < w.length; i++) {
    if (mask && !kept(mask, i)) continue;
    const g = round(dw[i] + round(l2 * w[i]));
    const v = round(round(momentum * velocity[i]) + g);
    const u = sgd.nesterov ? round(round(momentum * v) + g) : v;
    out.velocity[i] = v;
    out.w[i] = round(w[i] - round(rate * round(u + round(decay * w[i]))));
  }
  return out;
}

export interface Adam {
  readonly rate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly l2?: number;
  readonly decay: number;
  /** Number of this step, from 1: the corrections are 1 / (1 - beta^step). */
  readonly step: number;
}

export function adamCorrections(adam: Adam): [number, number] {
  return [1 / (1 - adam.beta1 ** adam.step), 1 / (1 - adam.beta2 ** adam.step)];
}

export function adamStep(
  w: Float32Array,
  dw: Float32Array,
  first: Float32Array,
  second: Float32Array,
  mask: Uint8Array | undefined,
  adam: Adam,
  round: Round = exact,
): { w: Float64Array; first: Float64Array; second: Float64Array } {
  const zeros = () => new Float64Array(w.length);
  const out = { w: new Float64Array(w), first: zeros(), second: zeros() };
  const [beta1, beta2, rest1, rest2] = [adam.beta1, adam.beta2, 1 - adam.beta1, 1 - adam.beta2].map(round);
  const [rate, epsilon, l2, decay] = [adam.rate, adam.epsilon, adam.l2 ?? 0, adam.decay].map(round);
  const [correction1, correction2] = adamCorrections(adam).map(round);
  for (let i = 0; i < w.length; i++) {
    if (mask && !kept(mask, i)) continue;
    const g = round(dw[i] + round(l2 * w[i]));
    const m = round(round(beta1 * first[i]) + round(rest1 * g));
    const v = round(round(beta2 * second[i]) + round(rest2 * round(g * g)));
    const root = round(round(Math.sqrt(round(v * correction2))) + epsilon);
    const direction = round(round(m * correction1) / root);
    out.first[i] = m;
    out.second[i] = v;
    out.w[i] = round(w[i] - round(rate * round(direction + round(decay * w[i]))));
  }
  return out;
}
