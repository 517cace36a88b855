import { expected, ShapeError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import type { RunKernels } from "../kernels/abi.js";
import { sameShape, showShape, sizeOf } from "../tensor.js";
import { integer, only, shapeOf } from "./attributes.js";
import { unaryCodes } from "./codes.js";
import { viewing } from "./element.js";
import { type GateFunction, gateFunctions } from "./gate-function.js";
import { checkFloats } from "./known.js";
import type { Launch, Op, Site, Slots } from "./op.js";

type Kernels = RunKernels;

/** What sets the three networks apart. */
interface Cell {
  /** Blocks of `hidden` values that inputs and states are multiplied into. */
  readonly gates: number;
  /** The functions of its gates where the node names none. */
  readonly functions: readonly string[];
  /** Whether there is a state besides the hidden one. */
  readonly cell: boolean;
  /** Floats of scratch for one row. */
  readonly room: (hidden: number) => number;
  /**
   * One turn of one row: `x` and `h` hold the gates of the input and of the state before, their biases in them; the state at
   * `state` (and `cell`) becomes the next one.
   */
  readonly turn: (kernels: Kernels, row: Row) => void;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** Addresses of one row's turn. */
interface Row {
  readonly hidden: number;
  readonly functions: readonly GateFunction[];
  readonly resetAfter: boolean;
  /** Whether the forget gate is what the input gate leaves. */
  readonly coupled: boolean;
  /** The product of the candidate's gate alone, for a reset before it. */
  readonly recur: (x: number, y: number) => void;
  readonly peepholes: number;
  x: number;
  h: number;
  state: number;
  cell: number;
  scratch: number;
  /** For the functions. */
  room: number;
}

const vanilla: Cell = {
  gates: 1,
  functions: ["Tanh"],
  cell: false,
  room: () => 0,
  turn(kernels, { hidden, functions: [f], x, h, state, room }) {
    kernels.add_f32(hidden, x, h, h);
    f(hidden, h, state, room);
  },
};

/** K. Cho and others, "Learning phrase representations using RNN encoder-decoder", 2014. Gates z, r, h. */
const gated: Cell = {
  gates: 3,
  functions: ["Sigmoid", "Tanh"],
  cell: false,
  room: (hidden) => 2 * hidden,
  turn(kernels, row) {
    const { hidden, functions, x, h, state, scratch, room } = row;
    const [f, g] = functions;
    const block = 4 * hidden;
    kernels.add_f32(2 * hidden, x, h, h);
    f(2 * hidden, h, h, room);
    const [z, r] = [h, h + block];
    const candidate = scratch;
    if (row.resetAfter) kernels.multiply_add_f32(hidden, r, h + 2 * block, x + 2 * block, candidate);
    else {
      kernels.multiply_add_f32(hidden, r, state, 0, candidate);
      row.recur(candidate, candidate + block);
      kernels.add_f32(hidden, x + 2 * block, candidate + block, candidate);
    }
    g(hidden, candidate, candidate, room);
    // (1 - z) c + z s
    kernels.blend_f32(hidden, z, candidate, state, state);
  },
};

/** S. Hochreiter and J. Schmidhuber, "Long short-term memory", 1997. Gates i, o, f, c; peepholes i, o, f. */
const longShort: Cell = {
  gates: 4,
  functions: ["Sigmoid", "Tanh", "Tanh"],
  cell: true,
  room: (hidden) => hidden,
  turn(kernels, { hidden, functions, coupled, peepholes, x, h, state, cell, scratch, room }) {
    const [f, g, last] = functions;
    const block = 4 * hidden;
    kernels.add_f32(4 * hidden, x, h, h);
    const [i, o, forget, candidate] = [h, h + block, h + 2 * block, h + 3 * block];
    if (peepholes) {
      kernels.multiply_add_f32(hidden, peepholes, cell, i, i);
      kernels.multiply_add_f32(hidden, peepholes + 2 * block, cell, forget, forget);
    }
    f(hidden, i, i, room);
    if (coupled) kernels.unary_f32(unaryCodes.quotient, hidden, i, forget, room, -1, 1, 0);
    else f(hidden, forget, forget, room);
    g(hidden, candidate, candidate, room);
    kernels.multiply_add_f32(hidden, i, candidate, 0, candidate);
    kernels.multiply_add_f32(hidden, forget, cell, candidate, cell);
    if (peepholes) kernels.multiply_add_f32(hidden, peepholes + block, cell, o, o);
    f(hidden, o, o, room);
    last(hidden, cell, scratch, room);
    kernels.multiply_add_f32(hidden, o, scratch, 0, state);
  },
};

export const rnn = recurrent(vanilla);
export const gru = recurrent(gated);
export const lstm = recurrent(longShort);

const attributes = ["activations", "activation_alpha", "activation_beta", "clip", "direction", "hidden_size", "layout"];

/** The input that says how long each sequence is. */
const lengthsAt = 4;

function recurrent(cell: Cell): Op {
  return {
    attrs(node) {
      only(node, [
        ...attributes,
        ...(cell === gated ? ["linear_before_reset"] : []),
        ...(cell.cell ? ["input_forget"] : []),
      ]);
      directionsOf(node);
      const coupled = integer(node, "input_forget", 0);
      if (coupled !== 0 && coupled !== 1)
        throw new ShapeError(expected(`${node.name}.input_forget`, "0 or 1", `${coupled}`));
      const layout = integer(node, "layout", 0);
      if (layout !== 0 && layout !== 1) throw new ShapeError(expected(`${node.name}.layout`, "0 or 1", `${layout}`));
    },
    infer(node, inputs) {
      for (const [i, info] of inputs.entries()) if (info && i !== lengthsAt) checkFloats(node, inputs, i);
      const lengths = inputs[lengthsAt];
      if (lengths && lengths.dtype !== "int32") {
        throw new ShapeError(expected(`${node.name} (${node.op}) input ${lengthsAt}`, "int32", lengths.dtype));
      }
      const { length, batch, hidden, directions } = sizesOf(
        node,
        cell,
        inputs.map((info) => info?.shape),
      );
      const { dtype } = inputs[0]!;
      const last = byBatch(node) ? [batch, directions, hidden] : [directions, batch, hidden];
      const all = byBatch(node) ? [batch, length, directions, hidden] : [length, directions, batch, hidden];
      return (cell.cell ? [all, last, last] : [all, last]).map((shape) => ({ dtype, shape }));
    },
    lower(site) {
      const { kernels, node } = site;
      const functions = gateFunctions(kernels, node, cell.functions, directionsOf(node).length);
      const fixed = [1, 2].map((i) => constantPanels(site, i, cell));
      return (io) => bind(site, cell, functions, fixed, io);
    },
  };
}

/** Whether the batch comes before time. */
function byBatch(node: GraphNode): boolean {
  return integer(node, "layout", 0) === 1;
}

function directionsOf(node: GraphNode): readonly ("forward" | "reverse")[] {
  const direction = node.attributes.direction ?? "forward";
  if (direction === "bidirectional") return ["forward", "reverse"];
  if (direction === "forward" || direction === "reverse") return [direction];
  throw new ShapeError(expected(`${node.name}.direction`, "forward, reverse or bidirectional", String(direction)));
}

interface Sizes {
  readonly length: number;
  readonly batch: number;
  readonly width: number;
  readonly hidden: number;
  readonly directions: number;
}

/** Sizes of a node whose inputs fit each other. @throws ShapeError */
function sizesOf(node: GraphNode, { gates }: Cell, inputs: readonly (readonly number[] | undefined)[]): Sizes {
  const [x, w, r] = [0, 1, 2].map((i) => shapeOf(node, inputs, i));
  const directions = directionsOf(node).length;
  const hidden = integer(node, "hidden_size", r[2] ?? 0);
  const [length, batch] = byBatch(node) ? [x[1], x[0]] : [x[0], x[1]];
  const want = (i: number, shape: readonly number[]) => {
    const given = inputs[i];
    if (given && !sameShape(given, shape)) {
      throw new ShapeError(expected(`${node.name} (${node.op}) input ${i}`, showShape(shape), showShape(given)));
    }
  };
  if (x.length !== 3)
    throw new ShapeError(expected(`${node.name} (${node.op}) input 0`, "three dimensions", showShape(x)));
  want(1, [directions, gates * hidden, x[2]]);
  want(2, [directions, gates * hidden, hidden]);
  want(3, [directions, 2 * gates * hidden]);
  want(4, [batch]);
  const state = byBatch(node) ? [batch, directions, hidden] : [directions, batch, hidden];
  want(5, state);
  want(6, state);
  want(7, [directions, 3 * hidden]);
  return { length, batch, width: w[2], hidden, directions };
}

/** @throws ShapeError where a sequence is said to be longer than there is, or shorter than nothing */
function checkLengths(node: GraphNode, lengths: Int32Array, most: number): void {
  for (let i = 0; i < lengths.length; i++) {
    if (lengths[i] >= 0 && lengths[i] <= most) continue;
    throw new ShapeError(
      expected(`${node.name} (${node.op}) input ${lengthsAt}`, `lengths in 0..${most}`, `${lengths[i]}`),
    );
  }
}

/** Where the panels of a side stand for each direction; `candidate` those of the last gate alone. */
interface Panels {
  readonly all: readonly number[];
  readonly candidate: readonly number[];
}

/** Panels of input i, where it is a weight; undefined where it is computed. */
function constantPanels(site: Site, i: number, { gates }: Cell): Panels | undefined {
  const weight = site.weight(i);
  if (!weight || weight.kind === "live") return undefined;
  const { kernels } = site;
  const [directions, n, k] = weight.shape;
  // Shapes that do not fit are told when there are some for all inputs.
  if (weight.shape.length !== 3 || (i === 2 && n !== gates * k)) return undefined;
  const room = (cols: number) => site.alloc(kernels.gemm_panels_b_bytes(k, cols));
  const all = Array.from({ length: directions }, () => room(n));
  const candidate = i === 2 && resetsBefore(site.node) ? all.map(() => room(k)) : [];
  site.borrow(i, (values) => {
    for (const [d, panels] of all.entries()) {
      const from = values + 4 * d * n * k;
      kernels.gemm_pack_b_f32(k, n, 1, k, from, panels);
      if (candidate[d]) kernels.gemm_pack_b_f32(k, k, 1, k, from + 4 * (n - k) * k, candidate[d]);
    }
  });
  return { all, candidate };
}

function resetsBefore(node: GraphNode): boolean {
  return node.op === "GRU" && integer(node, "linear_before_reset", 0) === 0;
}

function bind(
  { node, kernels }: Site,
  cell: Cell,
  functions: readonly (readonly GateFunction[])[],
  [fixedW, fixedR]: readonly (Panels | undefined)[],
  { inputs, outputs }: Slots,
): Launch {
  const sizes = sizesOf(
    node,
    cell,
    inputs.map((slot) => slot?.shape),
  );
  const { length, batch, width, hidden, directions } = sizes;
  const n = cell.gates * hidden;
  const batchFirst = byBatch(node);
  const reverse = directionsOf(node).map((direction) => direction === "reverse");
  const apart = resetsBefore(node);
  const [x, w, r, b, lengths, h0, c0, p] = Array.from({ length: 8 }, (_, i) => inputs[i]?.pointer ?? 0);
  const [y, yh, yc] = [0, 1, 2].map((i) => outputs[i]?.pointer ?? 0);
  // Scratch: one block after another, each of whole vectors.
  let room = 0;
  const block = (floats: number) => {
    const at = room;
    room += Math.ceil(floats / 16) * 64;
    return at;
  };
  const at = {
    x: block(length * batch * n),
    h: block(batch * n),
    state: block(batch * hidden),
    cell: block(cell.cell ? batch * hidden : 0),
    row: block(cell.room(hidden)),
    room: block(4),
    w: block(fixedW ? 0 : kernels.gemm_panels_b_bytes(width, n) / 4),
    r: block(fixedR ? 0 : kernels.gemm_panels_b_bytes(hidden, n) / 4),
    candidate: block(apart && !fixedR ? kernels.gemm_panels_b_bytes(hidden, hidden) / 4 : 0),
    gemm: block(
      Math.max(
        kernels.gemm_ab_scratch_bytes(length * batch, width),
        kernels.gemm_ab_scratch_bytes(batch, hidden),
        kernels.gemm_ab_scratch_bytes(1, hidden),
      ) / 4,
    ),
  };
  let scratch = 0;
  let bias = 0;
  let candidate = 0;
  const product = (m: number, cols: number, k: number, a: number, panels: number, from: number, to: number) => {
    kernels.gemm_ab_f32(m, cols, k, a, panels, from, 0, to, scratch + at.gemm);
  };
  const rows = functions.map(
    (given): Writable<Row> => ({
      hidden,
      functions: given,
      resetAfter: !apart,
      coupled: integer(node, "input_forget", 0) === 1,
      recur: (from, to) => product(1, hidden, hidden, from, candidate, bias && bias + 4 * (n + 2 * hidden), to),
      peepholes: 0,
      x: 0,
      h: 0,
      state: 0,
      cell: 0,
      scratch: 0,
      room: 0,
    }),
  );
  const stateOf = (i: number, d: number) => 4 * hidden * (batchFirst ? i * directions + d : d * batch + i);
  const outputOf = (t: number, i: number, d: number) =>
    4 * hidden * (batchFirst ? (i * length + t) * directions + d : (t * directions + d) * batch + i);
  const begin = (given: number, d: number, to: number) => {
    if (!given) kernels.fill_row_f32(batch, hidden, 0, to);
    else for (let i = 0; i < batch; i++) kernels.copy_bytes(4 * hidden, given + stateOf(i, d), to + 4 * hidden * i);
  };
  const end = (from: number, d: number, to: number) => {
    if (to) for (let i = 0; i < batch; i++) kernels.copy_bytes(4 * hidden, from + 4 * hidden * i, to + stateOf(i, d));
  };
  const way = (d: number, seen: Int32Array | undefined) => {
    const row = rows[d];
    const wPanels = fixedW ? fixedW.all[d] : scratch + at.w;
    const rPanels = fixedR ? fixedR.all[d] : scratch + at.r;
    candidate = fixedR ? fixedR.candidate[d] : scratch + at.candidate;
    bias = b && b + 8 * n * d;
    if (!fixedW) kernels.gemm_pack_b_f32(width, n, 1, width, w + 4 * d * n * width, wPanels);
    if (!fixedR) {
      const from = r + 4 * d * n * hidden;
      kernels.gemm_pack_b_f32(hidden, n, 1, hidden, from, rPanels);
      if (apart) kernels.gemm_pack_b_f32(hidden, hidden, 1, hidden, from + 8 * hidden * hidden, candidate);
    }
    row.scratch = scratch + at.row;
    row.room = scratch + at.room;
    row.peepholes = p && p + 12 * hidden * d;
    product(length * batch, n, width, x, wPanels, bias, scratch + at.x);
    begin(h0, d, scratch + at.state);
    if (cell.cell) begin(c0, d, scratch + at.cell);
    for (let s = 0; s < length; s++) {
      product(batch, n, hidden, scratch + at.state, rPanels, bias && bias + 4 * n, scratch + at.h);
      for (let i = 0; i < batch; i++) {
        const steps = seen ? seen[i] : length;
        if (s >= steps) continue;
        const t = reverse[d] ? steps - 1 - s : s;
        row.x = scratch + at.x + 4 * n * (batchFirst ? i * length + t : t * batch + i);
        row.h = scratch + at.h + 4 * n * i;
        row.state = scratch + at.state + 4 * hidden * i;
        row.cell = scratch + at.cell + 4 * hidden * i;
        cell.turn(kernels, row);
        if (y) kernels.copy_bytes(4 * hidden, row.state, y + outputOf(t, i, d));
      }
    }
    end(scratch + at.state, d, yh);
    if (cell.cell) end(scratch + at.cell, d, yc);
  };
  const lengthsAt = viewing(kernels, "int32", batch);
  const ySize = outputs[0] ? sizeOf(outputs[0].shape) : 0;
  return {
    scratch: room,
    run(given) {
      scratch = given;
      const seen = lengths ? (lengthsAt(lengths) as Int32Array) : undefined;
      if (seen) checkLengths(node, seen, length);
      // What lies past the end of a sequence is zero.
      if (y && seen) kernels.fill_row_f32(1, ySize, 0, y);
      for (let d = 0; d < directions; d++) way(d, seen);
    },
  };
}
