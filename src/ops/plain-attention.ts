import { expected, ShapeError, UnsupportedError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import type { RunKernels } from "../kernels/abi.js";
import { showShape, sizeOf } from "../tensor.js";
import { attending, checkHeads, type Head } from "./attend.js";
import { maskKinds } from "./attention.js";
import { integer, only } from "./attributes.js";
import { broadcastShape } from "./broadcast.js";
import { checkFloats, inputOf, sized } from "./known.js";
import { steps, widthOf } from "./move.js";
import type { Info, Launch, Op, Slot, Slots } from "./op.js";

/**
 * softmax(scale Q K^T, masked) V as it is written with MatMul, Mul, Add or Where, and Softmax: matrices in the last two dimensions,
 * those in front broadcast. Inputs Q [m, d], K^T [d, n] (or K [n, d] with `turned`), V [n, size], a mask or none, which broadcasts
 * to [m, n], what it puts where it is false, or none, and constants: factors, or divisors where `divided` has 1. A mask with no such
 * value is added. A pass makes it (passes/attention.ts), no file has it.
 */
export const plainAttention: Op = {
  attrs(node) {
    only(node, ["turned", "divided"]);
    integer(node, "turned", 0);
    const { divided = [] } = node.attributes;
    if (!Array.isArray(divided)) throw new ShapeError(expected(`${node.name}.divided`, "a list", typeof divided));
  },
  infer(node, inputs) {
    for (const i of [0, 1, 2]) checkFloats(node, inputs, i);
    const { front, m, size } = sizesOf(node, inputs);
    return [sized(node, inputOf(node, inputs, 0).dtype, [...front, m, size])];
  },
  lower:
    ({ node, kernels }) =>
    (io) =>
      bind(node, kernels, io),
};

interface Sizes {
  readonly front: readonly number[];
  readonly m: number;
  readonly n: number;
  readonly d: number;
  readonly size: number;
  /** Rows and columns of one matrix of Q, K as it lies, V and the mask. */
  readonly matrices: readonly (readonly [number, number])[];
}

/** @throws ShapeError */
function sizesOf(node: GraphNode, inputs: readonly (Info | undefined)[]): Sizes {
  const shapes = inputs.slice(0, 4).flatMap((info) => (info ? [info.shape] : []));
  // A mask may be a row, or one number.
  const whole = shapes.map((shape, i) => (i === 3 ? [...[1, 1].slice(shape.length), ...shape] : shape));
  const where = (i: number) => `${node.name} (${node.op}) input ${i}`;
  for (const [i, shape] of whole.entries()) {
    if (shape.length < 2) throw new ShapeError(expected(where(i), "matrices or stacks of them", showShape(shape)));
  }
  const matrices = whole.map((shape): [number, number] => [shape[shape.length - 2], shape[shape.length - 1]]);
  const [[rows, d], key, [count, size], mask = [1, 1]] = matrices;
  const [keys, depth] = integer(node, "turned", 0) !== 0 ? key : [key[1], key[0]];
  const wide = (a: number, b: number) => (a === 1 ? b : a);
  const [m, n] = [wide(rows, mask[0]), wide(keys, mask[1])];
  if (depth !== d) throw new ShapeError(expected(where(1), `keys of ${d} values`, showShape(shapes[1])));
  if ((mask[0] !== 1 && mask[0] !== m) || (mask[1] !== 1 && mask[1] !== n)) {
    throw new ShapeError(expected(where(3), `a mask that broadcasts to ${showShape([m, n])}`, showShape(shapes[3])));
  }
  if (count !== n) throw new ShapeError(expected(where(2), `${n} rows of values`, showShape(shapes[2])));
  const front = broadcastShape(
    node,
    whole.map((shape) => shape.slice(0, -2)),
  );
  checkHeads(node, sizeOf(front), d);
  return { front, m, n, d, size, matrices };
}

function bind(node: GraphNode, kernels: RunKernels, { inputs, outputs }: Slots): Launch {
  const { front, m, n, d, size, matrices } = sizesOf(node, inputs);
  const [query, key, value] = inputs.slice(0, 3).map((slot) => slot!);
  const [given, closed] = [inputs[3], inputs[4]];
  const turned = integer(node, "turned", 0) !== 0;
  const places = [query, key, value, given].map((slot) => slot && placesOf(slot, front));
  const heads = Array.from({ length: sizeOf(front) }, (_, i): Head => {
    const [q, k, v, mask] = places.map((place) => place?.(i) ?? 0);
    return { q, k, v, mask, y: 4 * i * m * size, batch: 0 };
  });
  const fill = closed ? constantOf(node, closed) : Number.NEGATIVE_INFINITY;
  const [rows, cols] = matrices[3] ?? [1, 1];
  return attending(kernels, {
    heads,
    m,
    n,
    d,
    size,
    // One row where the mask has several, or one key: each of them serves for all.
    q: { pointer: query.pointer, row: matrices[0][0] === m ? d : 0 },
    k: {
      at: () => key.pointer,
      row: turned ? (matrices[1][0] === n ? d : 0) : matrices[1][1] === n ? 1 : 0,
      col: turned ? 1 : matrices[1][1],
    },
    v: { at: () => value.pointer, row: size },
    y: { pointer: outputs[0].pointer, row: size },
    scale: scaleOf(node, inputs.slice(5)),
    cap: 0,
    mask: given && {
      ...maskKinds(given),
      pointer: given.pointer,
      row: rows === 1 ? 0 : cols * widthOf(given),
      cols: n,
      col: cols === 1 ? 0 : 1,
      fill,
    },
    before: 0,
  });
}

/** Where the matrix of each of `front` begins in a value that is repeated to fill it. */
function placesOf(slot: Slot, front: readonly number[]): (i: number) => number {
  const given = slot.shape.slice(0, -2);
  const own = [...front.map(() => 1), ...given].slice(given.length);
  const matrix = sizeOf(slot.shape.slice(-2)) * widthOf(slot);
  const strides = steps(own, matrix);
  return (i) => {
    let at = 0;
    for (let axis = front.length - 1, rest = i; axis >= 0; axis--) {
      if (own[axis] > 1) at += strides[axis] * (rest % front[axis]);
      rest = Math.floor(rest / front[axis]);
    }
    return at;
  };
}

function scaleOf(node: GraphNode, given: readonly (Slot | undefined)[]): number {
  const divided = node.attributes.divided as readonly number[] | undefined;
  return given.reduce((scale, slot, i) => {
    const by = slot ? constantOf(node, slot) : 1;
    return divided?.[i] ? scale / by : scale * by;
  }, 1);
}

/** @throws UnsupportedError where a value is not one number that planning knows */
function constantOf(node: GraphNode, { known, shape }: Slot): number {
  if (known?.length !== 1) {
    throw new UnsupportedError(expected(`${node.name} (${node.op})`, "a constant number", showShape(shape)));
  }
  return Number(known[0]);
}
