import { expected, ShapeError, UnsupportedError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import { showShape, sizeOf } from "../tensor.js";
import { integer, only, shapeOf } from "./attributes.js";
import { product } from "./linear.js";
import {
  type GradSite,
  type GradSlots,
  inTurn,
  type Launch,
  type Op,
  ofFloats,
  type Site,
  type Slot,
  type Slots,
} from "./op.js";

/**
 * Y = A B, A [..., m, k], B [..., k, n]: dimensions in front are a batch and are broadcast, a vector A is one row and a vector B
 * one column, which Y then lacks. What no file has, B being a weight of rank 2 (passes/patterns): a third input is a row that is added
 * to each of Y; with transB = 1 the weight is B^T.
 */
export const matmul: Op = {
  attrs: (node) => only(node, ["transB"]),
  infer: ofFloats((node, inputs) => {
    const a = shapeOf(node, inputs, 0);
    const b = isTurned(node) ? shapeOf(node, inputs, 1).toReversed() : shapeOf(node, inputs, 1);
    const { front, m, n } = sizesOf(node, a, b);
    const row = inputs[2];
    if (row && (b.length !== 2 || sizeOf(row) !== n)) {
      throw new ShapeError(expected(`${node.name} (MatMul) input 2`, `${n} values for a matrix B`, showShape(row)));
    }
    return [[...front, ...(a.length > 1 ? [m] : []), ...(b.length > 1 ? [n] : [])]];
  }),
  lower(site) {
    const weight = site.weight(1);
    if (weight?.shape.length === 2) {
      const bound = product(site, isTurned(site.node));
      return ({ inputs, outputs }) => bound({ inputs: inputs.map(flat), outputs: outputs.map((slot) => flat(slot)!) });
    }
    if (site.node.inputs[2]) {
      throw new UnsupportedError(expected(`${site.node.name} (MatMul)`, "two inputs", `a row ${site.node.inputs[2]}`));
    }
    return weight === undefined || weight.kind === "live" ? computed(site) : packed(site, weight.shape);
  },
  grad({ node, kernels }) {
    if (isTurned(node)) return turnedGrad(kernels);
    return ({ inputs, dInputs: [da, db], dOutputs: [dy] }) => {
      const [a, b] = [inputs[0]!, inputs[1]!];
      const sizes = sizesOf(node, a.shape, b.shape);
      const { k, n } = sizes;
      const { rows, places } = productsOf(sizes);
      const calls: ((scratch: number) => void)[] = [];
      for (const at of places) {
        const [ofA, ofB, ofY] = [4 * rows * k * at.a, 4 * k * n * at.b, 4 * rows * n * at.y];
        if (da) calls.push(kernels.gemm_nt_f32.bind(undefined, rows, k, n, dy + ofY, b.pointer + ofB, da + ofA));
        if (db) calls.push(kernels.gemm_tn_f32.bind(undefined, k, n, rows, a.pointer + ofA, dy + ofY, db + ofB));
      }
      return {
        scratch: Math.max(kernels.gemm_scratch_bytes(rows, k, n), kernels.gemm_scratch_bytes(k, n, rows)),
        run: inTurn(calls),
      };
    };
  },
};

function isTurned(node: GraphNode): boolean {
  return integer(node, "transB", 0) === 1;
}

/** Gradients of Y = A W^T, W [n, k]. */
function turnedGrad(kernels: GradSite["kernels"]): (io: GradSlots) => Launch {
  return ({ inputs, dInputs: [da, db], dOutputs: [dy] }) => {
    const [a, b] = [inputs[0]!, inputs[1]!];
    const [n, k] = b.shape;
    const rows = sizeOf(a.shape) / k;
    return {
      scratch: Math.max(kernels.gemm_scratch_bytes(rows, k, n), kernels.gemm_scratch_bytes(n, k, rows)),
      run(scratch) {
        if (da) kernels.gemm_nn_f32(rows, k, n, dy, b.pointer, da, scratch);
        if (db) kernels.gemm_tn_f32(n, k, rows, dy, a.pointer, db, scratch);
      },
    };
  };
}

/** A tensor of any rank >= 2 seen as a matrix, a vector as one row. */
function flat(slot: Slot | undefined): Slot | undefined {
  if (!slot || slot.shape.length === 2) return slot;
  const cols = slot.shape[slot.shape.length - 1];
  return { ...slot, shape: [sizeOf(slot.shape.slice(0, -1)), cols] };
}

/** Sizes of a MatMul; `front`: dimensions in front, those of both sides and broadcast. */
export interface Sizes {
  readonly m: number;
  readonly k: number;
  readonly n: number;
  readonly frontA: readonly number[];
  readonly frontB: readonly number[];
  readonly front: readonly number[];
}

/** @throws ShapeError where shapes do not fit */
export function sizesOf(node: GraphNode, a: readonly number[], b: readonly number[]): Sizes {
  const refused = (what: string, got = `${showShape(a)} and ${showShape(b)}`) =>
    new ShapeError(expected(`${node.name} (${node.op})`, what, got));
  if (a.length === 0 || b.length === 0) throw refused("vectors, matrices or stacks of them");
  const [m, k] = a.length === 1 ? [1, a[0]] : a.slice(-2);
  const [depth, n] = b.length === 1 ? [b[0], 1] : b.slice(-2);
  if (k !== depth) throw refused(`${depth} columns of A`, showShape(a));
  const rank = Math.max(a.length, b.length, 2) - 2;
  const [frontA, frontB] = [a, b].map((shape) => {
    const front = shape.slice(0, -2);
    return [...new Array<number>(rank - front.length).fill(1), ...front];
  });
  const front = frontA.map((size, i) => {
    if (size !== frontB[i] && size !== 1 && frontB[i] !== 1) throw refused("dimensions in front that are equal or 1");
    return size === 1 ? frontB[i] : size;
  });
  return { m, k, n, frontA, frontB, front };
}

/** One of the products that a MatMul is made of: where it finds A and B and puts Y, in matrices from the start of each. */
export interface Place {
  readonly a: number;
  readonly b: number;
  readonly y: number;
}

/** The products, and the rows of each: where there is one B for all, all rows of A are those of one product. */
export function productsOf({ m, frontA, frontB, front }: Sizes): { rows: number; places: readonly Place[] } {
  const count = sizeOf(front);
  if (sizeOf(frontB) === 1) return { rows: m * count, places: [{ a: 0, b: 0, y: 0 }] };
  /** Number of the matrix of one side that product y takes. */
  const which = (side: readonly number[], y: number) => {
    let at = 0;
    for (let axis = side.length - 1, rest = y, stride = 1; axis >= 0; axis--) {
      if (side[axis] > 1) at += stride * (rest % front[axis]);
      rest = Math.floor(rest / front[axis]);
      stride *= side[axis];
    }
    return at;
  };
  return {
    rows: m,
    places: Array.from({ length: count }, (_, y) => ({ a: which(frontA, y), b: which(frontB, y), y })),
  };
}

/** Both sides are only known at run time. */
function computed({ kernels, node, limits }: Site): (io: Slots) => Launch {
  return ({ inputs, outputs }) => {
    const [a, b, y] = [inputs[0]!, inputs[1]!, outputs[0]];
    const sizes = sizesOf(node, a.shape, b.shape);
    const { k, n } = sizes;
    const { rows, places } = productsOf(sizes);
    const calls = places.map((at) => {
      const left = [a.pointer + 4 * rows * k * at.a, k, 1] as const;
      const right = [b.pointer + 4 * k * n * at.b, n, 1] as const;
      const to = y.pointer + 4 * rows * n * at.y;
      return kernels.gemm_f32.bind(undefined, rows, n, k, ...left, ...right, 0, limits, to);
    });
    return { scratch: kernels.gemm_scratch_bytes(rows, n, k), run: inTurn(calls) };
  };
}

/** B is a stack of weights, each packed into panels once. */
function packed(site: Site, shape: readonly number[]): (io: Slots) => Launch {
  const { kernels, node, limits } = site;
  const [k, n] = shape.length === 1 ? [shape[0], 1] : shape.slice(-2);
  const bytes = kernels.gemm_panels_b_bytes(k, n);
  const count = sizeOf(shape.slice(0, -2));
  const panels = site.alloc(bytes * count);
  site.borrow(1, (values) => {
    for (let i = 0; i < count; i++) kernels.gemm_pack_b_f32(k, n, n, 1, values + 4 * k * n * i, panels + bytes * i);
  });
  return ({ inputs, outputs }) => {
    const [a, y] = [inputs[0]!, outputs[0]];
    const { rows, places } = productsOf(sizesOf(node, a.shape, shape));
    const calls = places.map((at) => {
      const [left, right, to] = [
        a.pointer + 4 * rows * k * at.a,
        panels + bytes * at.b,
        y.pointer + 4 * rows * n * at.y,
      ];
      return kernels.gemm_ab_f32.bind(undefined, rows, n, k, left, right, 0, limits, to);
    });
    return { scratch: kernels.gemm_ab_scratch_bytes(rows, k), run: inTurn(calls) };
  };
}
