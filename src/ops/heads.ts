import { isFloat } from "../dtype.js";
import { expected, ShapeError, UnsupportedError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import { sameShape, showShape } from "../tensor.js";
import { checkHeads } from "./attend.js";
import { integer } from "./attributes.js";
import { checkFloats, inputOf } from "./known.js";
import type { Info } from "./op.js";

type Inputs = readonly (Info | undefined)[];

/** Heads of some rows each, as a tensor holds them: [batch, heads, rows, size], or [batch, rows, heads size]. */
export interface Heads {
  readonly batch: number;
  readonly heads: number;
  readonly rows: number;
  readonly size: number;
  /** Elements from one of each to the next. */
  readonly ofBatch: number;
  readonly ofHead: number;
  readonly ofRow: number;
}

/**
 * The heads of a tensor; `attribute` says how many there are where it has three dimensions.
 * @throws ShapeError
 */
export function headsOf(node: GraphNode, shape: readonly number[], attribute: string, what: string): Heads {
  const given = node.attributes[attribute] === undefined ? undefined : integer(node, attribute, 0);
  const where = `${node.name} (${node.op}) ${what}`;
  if (given !== undefined && given < 1) {
    throw new ShapeError(expected(`${node.name}.${attribute}`, "1 or more", `${given}`));
  }
  if (shape.length === 4) {
    const [batch, heads, rows, size] = shape;
    if (given !== undefined && given !== heads) {
      throw new ShapeError(expected(where, `${given} heads`, showShape(shape)));
    }
    return { batch, heads, rows, size, ofBatch: heads * rows * size, ofHead: rows * size, ofRow: size };
  }
  if (shape.length !== 3) {
    throw new ShapeError(expected(where, "[n, heads, rows, size] or [n, rows, heads size]", showShape(shape)));
  }
  if (given === undefined) throw new ShapeError(expected(`${node.name}.${attribute}`, "a number of heads", "none"));
  const [batch, rows, width] = shape;
  if (width % given !== 0) throw new ShapeError(expected(where, `a multiple of ${given} heads`, showShape(shape)));
  const size = width / given;
  return { batch, heads: given, rows, size, ofBatch: rows * width, ofHead: size, ofRow: width };
}

/** What an Attention is given, by shapes. */
export interface Sizes {
  readonly q: Heads;
  readonly k: Heads;
  readonly v: Heads;
  /** Rows of keys and values from before. */
  readonly past: number;
  /** Those and the new ones. */
  readonly total: number;
  readonly mask: MaskSizes | undefined;
}

/** A mask's elements from one of each to the next, 0 where one serves for all. */
export interface MaskSizes {
  readonly cols: number;
  readonly ofBatch: number;
  readonly ofHead: number;
  readonly ofRow: number;
}

/** @throws ShapeError, UnsupportedError */
export function sizesOf(node: GraphNode, inputs: Inputs): Sizes {
  const where = (i: number) => `${node.name} (${node.op}) input ${i}`;
  for (const i of [0, 1, 2]) checkFloats(node, inputs, i);
  const [x, y, z] = [0, 1, 2].map((i) => inputOf(node, inputs, i).shape);
  const q = headsOf(node, x, "q_num_heads", "input 0");
  const k = headsOf(node, y, "kv_num_heads", "input 1");
  const v = headsOf(node, z, "kv_num_heads", "input 2");
  if (y.length !== x.length || k.batch !== q.batch || k.size !== q.size) {
    const want = `keys like queries ${showShape(x)}: a batch of ${q.batch}, heads of ${q.size}`;
    throw new ShapeError(expected(where(1), want, showShape(y)));
  }
  if (z.length !== y.length || v.batch !== k.batch || v.heads !== k.heads || v.rows !== k.rows) {
    throw new ShapeError(expected(where(2), `a value for each key of ${showShape(y)}`, showShape(z)));
  }
  if (q.heads % k.heads !== 0) {
    throw new ShapeError(
      expected(where(0), `heads of queries that share ${k.heads} of keys evenly`, `${q.heads} heads`),
    );
  }
  checkHeads(node, q.batch * q.heads, q.size);
  const past = pastOf(node, inputs, k, v);
  const total = past + k.rows;
  return { q, k, v, past, total, mask: maskOf(node, inputs, q, total) };
}

/** Rows of past keys and values, which come together. */
function pastOf(node: GraphNode, inputs: Inputs, k: Heads, v: Heads): number {
  const [keys, values] = [inputs[4], inputs[5]];
  const where = (i: number) => `${node.name} (${node.op}) input ${i}`;
  if (!keys !== !values) {
    throw new ShapeError(expected(where(keys ? 5 : 4), "past keys and past values together", "one of them"));
  }
  if (!keys || !values) return 0;
  checkFloats(node, inputs, 4);
  checkFloats(node, inputs, 5);
  if (inputs[6]) {
    throw new ShapeError(expected(where(6), "no lengths of keys beside past keys", "both"));
  }
  const past = keys.shape[2] ?? 0;
  for (const [i, info, { batch, heads, size }] of [[4, keys, k] as const, [5, values, v] as const]) {
    if (!sameShape(info.shape, [batch, heads, past, size])) {
      throw new ShapeError(expected(where(i), showShape([batch, heads, past, size]), showShape(info.shape)));
    }
  }
  return past;
}

/** A mask broadcasts to [batch, heads, rows, total]; columns past its last are closed. */
function maskOf(node: GraphNode, inputs: Inputs, q: Heads, total: number): MaskSizes | undefined {
  const info = inputs[3];
  if (!info) return undefined;
  const { dtype, shape } = info;
  const where = `${node.name} (${node.op}) input 3`;
  if (dtype !== "bool" && !isFloat(dtype)) {
    throw new UnsupportedError(expected(where, "floating-point values or bool", dtype));
  }
  const to = [q.batch, q.heads, q.rows];
  const front = [1, 1, ...shape.slice(0, -1)].slice(-3);
  const cols = shape[shape.length - 1] ?? 0;
  const fits = front.every((size, i) => size === 1 || size === to[i]);
  if (shape.length < 2 || shape.length > 4 || !fits || cols > total) {
    const want = `a mask that broadcasts to ${showShape([...to, total])}`;
    throw new ShapeError(expected(where, want, showShape(shape)));
  }
  const [batch, heads, rows] = front;
  return {
    cols,
    ofBatch: batch === 1 ? 0 : heads * rows * cols,
    ofHead: heads === 1 ? 0 : rows * cols,
    ofRow: rows === 1 ? 0 : cols,
  };
}
