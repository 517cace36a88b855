import { expected, ShapeError, UnsupportedError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import type { RunKernels } from "../kernels/abi.js";
import { exp, log } from "../math.js";
import { number } from "./attributes.js";
import { unaryCodes } from "./codes.js";

/** y = f(x) of n floats, y perhaps x; room: 16 bytes, 16-byte aligned. */
export type GateFunction = (n: number, x: number, y: number, room: number) => void;

/** A function of the gates of RNN, GRU and LSTM, and what its numbers are where none are given. */
interface Kind {
  readonly alpha?: number;
  readonly beta?: number;
  make(kernels: RunKernels, alpha: number, beta: number): GateFunction;
}

/** Rare ones in TypeScript: each call makes a view. */
function each(value: (x: number, alpha: number) => number): Kind["make"] {
  return (kernels, alpha) => (n, x, y) => {
    const { buffer } = kernels.memory;
    const [from, to] = [new Float32Array(buffer, x, n), new Float32Array(buffer, y, n)];
    for (let i = 0; i < n; i++) to[i] = value(from[i], alpha);
  };
}

const line =
  ({ unary_f32 }: RunKernels, slope: number, begin: number): GateFunction =>
  (n, x, y, room) =>
    unary_f32(unaryCodes.quotient, n, x, y, room, 1 / slope, begin, 0);

const kinds: Readonly<Record<string, Kind>> = {
  sigmoid: { make: (kernels) => kernels.sigmoid_f32 },
  tanh: { make: (kernels) => kernels.tanh_f32 },
  relu: { make: (kernels) => kernels.relu_f32 },
  affine: { alpha: 1, beta: 0, make: line },
  scaledtanh: {
    alpha: 1,
    beta: 1,
    make(kernels, alpha, beta) {
      const [before, after] = [line(kernels, beta, 0), line(kernels, alpha, 0)];
      return (n, x, y, room) => {
        before(n, x, y, room);
        kernels.tanh_f32(n, y, y);
        after(n, y, y, room);
      };
    },
  },
  hardsigmoid: {
    alpha: 0.2,
    beta: 0.5,
    make:
      ({ unary_f32 }, alpha, beta) =>
      (n, x, y, room) =>
        unary_f32(unaryCodes.hardSigmoid, n, x, y, room, alpha, beta, 0),
  },
  elu: {
    alpha: 1,
    make:
      ({ unary_f32 }, alpha) =>
      (n, x, y, room) =>
        unary_f32(unaryCodes.elu, n, x, y, room, 1, alpha, 1),
  },
  leakyrelu: { alpha: 0.01, make: each((x, alpha) => (x < 0 ? alpha * x : x)) },
  thresholdedrelu: { alpha: 1, make: each((x, alpha) => (x > alpha || Number.isNaN(x) ? x : 0)) },
  softsign: { make: each((x) => x / (1 + Math.abs(x))) },
  softplus: { make: each((x) => Math.max(x, 0) + log(1 + exp(-Math.abs(x)))) },
};

/**
 * The functions of a node's gates, `defaults` for each of so many directions where it names none. Numbers go to the functions that take
 * them, in their order; with `clip` what a function is given is held within -clip..clip.
 * @throws UnsupportedError for a function that is not here, ShapeError
 */
export function gateFunctions(
  kernels: RunKernels,
  node: GraphNode,
  defaults: readonly string[],
  directions: number,
): readonly (readonly GateFunction[])[] {
  const given = node.attributes.activations;
  const all =
    Array.isArray(given) && given.length > 0 ? given : Array.from({ length: directions }, () => defaults).flat();
  if (all.length !== defaults.length * directions) {
    throw new ShapeError(expected(`${node.name}.activations`, `${defaults.length} for each direction`, String(given)));
  }
  const chosen = all.map((name) => {
    const key = String(name).toLowerCase();
    if (!Object.hasOwn(kinds, key)) {
      throw new UnsupportedError(expected(`${node.name}.activations`, "names of ONNX's activations", String(name)));
    }
    return kinds[key];
  });
  const alphas = numbersFor(node, "alpha", chosen);
  const betas = numbersFor(node, "beta", chosen);
  const clip = clipOf(node);
  const made = chosen.map(({ make }, i) => held(kernels, clip, make(kernels, alphas[i], betas[i])));
  return Array.from({ length: directions }, (_, d) => made.slice(d * defaults.length, (d + 1) * defaults.length));
}

function held({ unary_f32 }: RunKernels, clip: number | undefined, f: GateFunction): GateFunction {
  if (clip === undefined) return f;
  return (n, x, y, room) => {
    unary_f32(unaryCodes.clip, n, x, y, room, -clip, clip, -0);
    f(n, y, y, room);
  };
}

/** @throws ShapeError where it is no positive number */
function clipOf(node: GraphNode): number | undefined {
  if (node.attributes.clip === undefined) return undefined;
  const clip = number(node, "clip", 0);
  if (!(clip > 0)) throw new ShapeError(expected(`${node.name}.clip`, "a number above 0", `${clip}`));
  return clip;
}

/** Each function's number, 0 for one that takes none. @throws ShapeError where more are given than are taken */
function numbersFor(node: GraphNode, name: "alpha" | "beta", chosen: readonly Kind[]): number[] {
  const where = `${node.name}.activation_${name}`;
  const given = node.attributes[`activation_${name}`] ?? [];
  if (!Array.isArray(given) || given.some((value) => typeof value !== "number")) {
    throw new ShapeError(expected(where, "a list of numbers", String(given)));
  }
  const takers = chosen.filter((kind) => kind[name] !== undefined).length;
  // Some writers give a number to functions that take none.
  if (takers > 0 && given.length > takers)
    throw new ShapeError(expected(where, `at most ${takers} numbers`, `${given.length}`));
  let next = 0;
  return chosen.map((kind) => (kind[name] === undefined ? 0 : ((given[next++] as number | undefined) ?? kind[name])));
}
