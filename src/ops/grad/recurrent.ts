import { expected, UnsupportedError } from "../../errors.js";
import type { GraphNode } from "../../graph/graph.js";
import type { FullKernels } from "../../kernels/abi.js";
import { sizeOf } from "../../tensor.js";
import { integer } from "../attributes.js";
import type { GradSlots } from "../op.js";
import { combine, copy, launchOf, map, type Operand, type Recipe, recipeOf, room } from "../recipe.js";
import type { Gradient } from "./chain.js";

/**
 * LSTM and GRU through time: the way forward is gone once more, its gates kept, then the way back step by step, a gate at a time.
 * P. Werbos, "Backpropagation through time: what it does and how to do it", 1990.
 */

/** One direction of a node. */
interface Way {
  readonly recipe: Recipe;
  readonly kernels: FullKernels;
  readonly batch: number;
  readonly width: number;
  readonly hidden: number;
  /** Values of the gates' weights [hidden, width or hidden], and their gradients, 0 where none is wanted; by gate. */
  readonly w: readonly Pair[];
  readonly r: readonly Pair[];
  /** Biases [hidden]: those of W, then those of R. */
  readonly b: readonly Pair[];
  /** [batch, hidden] */
  state(): Operand;
}

/** Where values and their gradient stand. */
interface Pair {
  readonly value: number;
  readonly gradient: number;
}

const at = (pointer: number, shape: readonly number[]): Operand => ({ at: () => pointer, shape, dtype: "float32" });

type Squash = "sigmoid" | "tanh";

/** y = f(y), in place. */
function squash({ recipe, kernels }: Way, f: Squash, y: Operand): void {
  const size = sizeOf(y.shape);
  const run = f === "sigmoid" ? kernels.sigmoid_f32 : kernels.tanh_f32;
  recipe.steps.push((scratch) => run(size, y.at(scratch), y.at(scratch)));
}

/** Gradient before a squash, from that behind it, d, and its result y; in a place of its own. */
function unsquash(way: Way, f: Squash, y: Operand, d: Operand): Operand {
  const { recipe, kernels } = way;
  const to = zeros(way);
  const size = sizeOf(y.shape);
  const run = f === "sigmoid" ? kernels.sigmoid_grad_f32 : kernels.tanh_grad_f32;
  recipe.steps.push((scratch) => run(size, y.at(scratch), d.at(scratch), to.at(scratch)));
  return to;
}

function zeros(way: Way): Operand {
  const to = way.state();
  const size = sizeOf(to.shape);
  way.recipe.steps.push((scratch) => way.kernels.fill_row_f32(1, size, 0, to.at(scratch)));
  return to;
}

/** y += a W^T of one gate. */
function push({ recipe, kernels, batch, hidden }: Way, weight: Pair, a: Operand, y: Operand): void {
  const k = a.shape[1];
  const packing = room(recipe, [kernels.gemm_scratch_bytes(batch, hidden, k) / 4]);
  recipe.steps.push((scratch) =>
    kernels.gemm_nt_f32(batch, hidden, k, a.at(scratch), weight.value, y.at(scratch), packing.at(scratch)),
  );
}

/** The way back: da += d W, dW += d^T a. */
function pull(
  { recipe, kernels, batch, hidden }: Way,
  weight: Pair,
  a: Operand,
  d: Operand,
  da: Operand | undefined,
): void {
  const k = a.shape[1];
  const bytes = Math.max(kernels.gemm_scratch_bytes(batch, k, hidden), kernels.gemm_scratch_bytes(hidden, k, batch));
  const packing = room(recipe, [bytes / 4]);
  recipe.steps.push((scratch) => {
    const free = packing.at(scratch);
    if (da) kernels.gemm_nn_f32(batch, k, hidden, d.at(scratch), weight.value, da.at(scratch), free);
    if (weight.gradient) kernels.gemm_tn_f32(hidden, k, batch, d.at(scratch), a.at(scratch), weight.gradient, free);
  });
}

/** A gate before its function: a W^T and s R^T where those are given, and biases. */
function gate(way: Way, parts: readonly (readonly [Pair, Operand])[], biases: readonly (Pair | undefined)[]): Operand {
  const y = zeros(way);
  for (const [weight, a] of parts) push(way, weight, a, y);
  for (const bias of biases) if (bias) combine(way.recipe, "add", y, at(bias.value, [way.hidden]), y);
  return y;
}

/** Gradients of biases from that of a gate. */
function pullBias({ recipe, kernels, batch, hidden }: Way, d: Operand, biases: readonly (Pair | undefined)[]): void {
  for (const bias of biases) {
    if (bias?.gradient)
      recipe.steps.push((scratch) => kernels.column_sum_f32(batch, hidden, d.at(scratch), bias.gradient));
  }
}

/** One turn: the next states from those before, and the way back that adds into the gradients of x and of the states before. */
interface Turn {
  readonly states: readonly Operand[];
  back(dx: Operand | undefined, dStates: readonly Operand[], dBefore: readonly Operand[]): void;
}

type Cell = (way: Way, node: GraphNode, x: Operand, states: readonly Operand[]) => Turn;

function product({ recipe, state }: Way, a: Operand, b: Operand): Operand {
  const to = state();
  combine(recipe, "mul", a, b, to);
  return to;
}

function addInto({ recipe }: Way, from: Operand, to: Operand): void {
  combine(recipe, "add", to, from, to);
}

/** 1 - x. */
function rest({ recipe, state }: Way, x: Operand): Operand {
  const to = state();
  map(recipe, "quotient", x, to, -1, 1);
  return to;
}

/** Gates i, o, f, c. */
const longShort: Cell = (way, _, x, [h, c]) => {
  const { recipe, w, r, b } = way;
  const functions: Squash[] = ["sigmoid", "sigmoid", "sigmoid", "tanh"];
  const gates = functions.map((f, q) => {
    const parts = [[w[q], x] as const, [r[q], h] as const];
    const y = gate(way, parts, [b[q], b[q + 4]]);
    squash(way, f, y);
    return y;
  });
  const [i, o, f, g] = gates;
  const cell = product(way, f, c);
  addInto(way, product(way, i, g), cell);
  const bent = way.state();
  copy(recipe, cell, bent);
  squash(way, "tanh", bent);
  return {
    states: [product(way, o, bent), cell],
    back(dx, [dh, dc], [dhBefore, dcBefore]) {
      const d = unsquash(way, "tanh", bent, product(way, dh, o));
      addInto(way, dc, d);
      const behind = [product(way, d, g), product(way, dh, bent), product(way, d, c), product(way, d, i)];
      addInto(way, product(way, d, f), dcBefore);
      for (const [q, y] of gates.entries()) {
        const before = unsquash(way, functions[q], y, behind[q]);
        pull(way, w[q], x, before, dx);
        pull(way, r[q], h, before, dhBefore);
        pullBias(way, before, [b[q], b[q + 4]]);
      }
    },
  };
};

/** Gates z, r, h. */
const gated: Cell = (way, node, x, [h]) => {
  const { w, r, b } = way;
  const after = integer(node, "linear_before_reset", 0) !== 0;
  const [z, reset] = [0, 1].map((q) => {
    const parts = [[w[q], x] as const, [r[q], h] as const];
    const y = gate(way, parts, [b[q], b[q + 3]]);
    squash(way, "sigmoid", y);
    return y;
  });
  // What the reset gate lets through: the state before its product, or the product.
  const whole = after ? gate(way, [[r[2], h]], [b[5]]) : h;
  const through = product(way, reset, whole);
  const parts = [[w[2], x] as const, ...(after ? [] : [[r[2], through] as const])];
  const candidate = gate(way, parts, after ? [b[2]] : [b[2], b[5]]);
  if (after) addInto(way, through, candidate);
  squash(way, "tanh", candidate);
  const next = product(way, rest(way, z), candidate);
  addInto(way, product(way, z, h), next);
  return {
    states: [next],
    back(dx, [dh], [dhBefore]) {
      addInto(way, product(way, dh, z), dhBefore);
      const difference = way.state();
      combine(way.recipe, "sub", h, candidate, difference);
      const dz = unsquash(way, "sigmoid", z, product(way, dh, difference));
      const d = unsquash(way, "tanh", candidate, product(way, dh, rest(way, z)));
      pull(way, w[2], x, d, dx);
      pullBias(way, d, after ? [b[2]] : [b[2], b[5]]);
      let dThrough = d;
      if (!after) {
        dThrough = zeros(way);
        pull(way, r[2], through, d, dThrough);
      }
      const dReset = unsquash(way, "sigmoid", reset, product(way, dThrough, whole));
      const dWhole = product(way, dThrough, reset);
      if (after) {
        pull(way, r[2], h, dWhole, dhBefore);
        pullBias(way, dWhole, [b[5]]);
      } else addInto(way, dWhole, dhBefore);
      for (const [q, before] of [dz, dReset].entries()) {
        pull(way, w[q], x, before, dx);
        pull(way, r[q], h, before, dhBefore);
        pullBias(way, before, [b[q], b[q + 3]]);
      }
    },
  };
};

/** @throws UnsupportedError for what a node may ask for and has no gradient here */
function check(node: GraphNode, { inputs }: GradSlots): void {
  const refused = [
    ...["activations", "clip", "input_forget", "layout"].filter((name) => {
      const value = node.attributes[name];
      return Array.isArray(value) ? !usual(value as string[]) : value !== undefined && value !== 0;
    }),
    ...(inputs[4] ? ["lengths of sequences"] : []),
    ...(inputs[7] ? ["peepholes"] : []),
  ];
  if (refused.length > 0) {
    const wanted = "a gradient of the plain form, without";
    throw new UnsupportedError(expected(`${node.name} (${node.op})`, `${wanted} ${refused[0]}`, refused.join(", ")));
  }
}

/** The functions that are meant where none are named. */
function usual(names: readonly string[]): boolean {
  const period = names.length % 3 === 0 ? ["sigmoid", "tanh", "tanh"] : ["sigmoid", "tanh"];
  return names.every((name, i) => name.toLowerCase() === period[i % period.length]);
}

function through(cell: Cell, gates: number): Gradient {
  return ({ node, kernels }) =>
    (io) => {
      check(node, io);
      const { inputs, outputs, dInputs, dOutputs } = io;
      const [length, batch, width] = inputs[0]!.shape;
      const [directions, , hidden] = inputs[2]!.shape;
      const recipe = recipeOf(kernels);
      for (let d = 0; d < directions; d++) {
        const pairs = (i: number, count: number, size: number): Pair[] =>
          Array.from({ length: inputs[i] ? count : 0 }, (_, q) => {
            const offset = 4 * (d * count + q) * size;
            return { value: inputs[i]!.pointer + offset, gradient: dInputs[i] && dInputs[i] + offset };
          });
        const shape = [batch, hidden];
        const way: Way = {
          ...{ recipe, kernels, batch, width, hidden },
          w: pairs(1, gates, hidden * width),
          r: pairs(2, gates, hidden * hidden),
          b: pairs(3, 2 * gates, hidden),
          state: () => room(recipe, shape),
        };
        const part = (pointer: number, place: number) => at(pointer + 4 * place * batch * hidden, shape);
        const count = cell === longShort ? 2 : 1;
        let states = Array.from({ length: count }, (_, i) => {
          const given = inputs[5 + i];
          return given ? part(given.pointer, d) : zeros(way);
        });
        const reverse = node.attributes.direction === "reverse" || d === 1;
        const times = Array.from({ length }, (_, s) => (reverse ? length - 1 - s : s));
        const input = (pointer: number, t: number) => at(pointer + 4 * t * batch * width, [batch, width]);
        const turns = times.map((t) => {
          const turn = cell(way, node, input(inputs[0]!.pointer, t), states);
          states = [...turn.states];
          return turn;
        });
        // What the last states are told, by themselves and by the last element of Y.
        let dStates = states.map((_, i) => {
          const to = zeros(way);
          if (outputs[1 + i] && dOutputs[1 + i]) addInto(way, part(dOutputs[1 + i], d), to);
          return to;
        });
        for (let s = length - 1; s >= 0; s--) {
          const t = times[s];
          if (outputs[0] && dOutputs[0]) addInto(way, part(dOutputs[0], t * directions + d), dStates[0]);
          const dBefore = dStates.map(() => zeros(way));
          turns[s].back(dInputs[0] ? input(dInputs[0], t) : undefined, dStates, dBefore);
          dStates = dBefore;
        }
        for (const [i, state] of dStates.entries()) {
          const pointer = inputs[5 + i] ? dInputs[5 + i] : 0;
          if (pointer) addInto(way, state, part(pointer, d));
        }
      }
      return launchOf(recipe);
    };
}

export const recurrent: Readonly<Record<string, Gradient>> = {
  LSTM: through(longShort, 4),
  GRU: through(gated, 3),
};
