import { expected, ShapeError, UnsupportedError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import type { RunKernels } from "../kernels/abi.js";
import { unaryCodes } from "./codes.js";
import type { Launch } from "./op.js";

/** What a mask does to scores, as assembly/ops/attention.ts numbers it. */
export const kinds = { none: 0, added: 1, chosen: 2, closing: 3 } as const;

/**
 * Rows of scores that are made at a time, so many scores at most and so many rows at least: each block packs keys and values anew.
 * Low ones leave more out where rows see less than all (measured: 20 to 60 rows are alike where they see all).
 */
const block = { scores: 128 * 1024, least: 20, most: 60, low: 35 };

/** So many heads in all of the batch at most: each is held while a plan lives. */
const mostHeads = 1 << 20;

/** @throws ShapeError for heads of no values, UnsupportedError for too many of them */
export function checkHeads(node: GraphNode, count: number, size: number): void {
  const where = `${node.name} (${node.op})`;
  if (size === 0) throw new ShapeError(expected(where, "heads of 1 value or more", "0"));
  if (count > mostHeads) throw new UnsupportedError(expected(where, `at most ${mostHeads} heads`, `${count}`));
}

/** One product of queries, keys and values: bytes from where each begins. */
export interface Head {
  readonly q: number;
  readonly k: number;
  readonly v: number;
  readonly mask: number;
  readonly y: number;
  /** Whose sight is its own. */
  readonly batch: number;
}

/** How a mask lies in memory. */
export interface Mask {
  readonly pointer: number;
  readonly kind: number;
  /** What it does once more after a cap. */
  readonly after: number;
  /** Bytes from one row to the next, 0 where one serves for all. */
  readonly row: number;
  /** How many columns it has; where one element serves for a whole row, all of them. */
  readonly cols: number;
  /** 0 where one element serves for a whole row. */
  readonly col: number;
  /** What it puts where it closes. */
  readonly fill: number;
}

/** softmax(cap(scale Q K^T + mask)) V for each head: Q [m, d], K [n, d], V [n, size]. Strides in elements. */
export interface Work {
  readonly heads: readonly Head[];
  readonly m: number;
  readonly n: number;
  readonly d: number;
  readonly size: number;
  readonly q: { readonly pointer: number; readonly row: number };
  /** `col`: along d. */
  readonly k: { at(scratch: number): number; readonly row: number; readonly col: number };
  readonly v: { at(scratch: number): number; readonly row: number };
  readonly y: { readonly pointer: number; readonly row: number };
  readonly scale: number;
  /** 0: none. */
  readonly cap: number;
  readonly mask: Mask | undefined;
  /**
   * For each of the batch: how many columns count, how many of them the first row sees, and how many more each next one; a row that
   * sees nothing is 0. Without it every row sees all, and a row that is closed throughout is NaN.
   */
  readonly sight?: { readonly limit: Int32Array; readonly first: Int32Array; readonly step: number };
  /** Where scores go if they are wanted, which, and where n times -Inf stand. */
  readonly scores?: { readonly pointer: number; readonly mode: number; readonly closed: number };
  /** Scratch that `prepare` takes at the beginning, and what is done before all else. */
  readonly before: number;
  prepare?(scratch: number): void;
}

/** Rows of one head's scores, as they are being made into weights. */
interface Part {
  at: number;
  rows: number;
  cols: number;
  mask: number;
  seen: number;
  limit: number;
  to: number;
}

export function attending(kernels: RunKernels, work: Work): Launch {
  const { heads, m, n, d, size, q, k, v, y, sight, scores, mask } = work;
  const closes = mask !== undefined && mask.col !== 0 && mask.fill === Number.NEGATIVE_INFINITY;
  const high = sight?.step || closes ? block.low : block.most;
  const most = Math.min(high, Math.max(block.least, Math.floor(block.scores / Math.max(1, n))));
  // Of one size, in whole tiles of five rows.
  const rows = Math.min(m, 5 * Math.ceil(m / Math.ceil(m / most) / 5) || 0);
  const stacks = stacksOf(work, rows, most);
  const tall = rows * stacks.reduce((tallest, count) => Math.max(tallest, count), 1);
  const direct = y.row === size || m <= 1;
  const packing = Math.max(16, kernels.gemm_scratch_bytes(tall, n, d), kernels.gemm_scratch_bytes(tall, size, n));
  const places = { packing: align(work.before), scores: 0, made: 0 };
  places.scores = places.packing + align(packing);
  places.made = places.scores + align(4 * tall * n);
  const step = sight?.step ?? 0;
  const part: Part = { at: 0, rows: 0, cols: 0, mask: 0, seen: 0, limit: 0, to: 0 };

  /** Columns that no row of a block of the heads at hand goes past. */
  const ends = new Int32Array(Math.ceil(m / Math.max(1, rows))).fill(n);
  const survey = ({ kind, pointer, row, cols }: Mask, i: number, count: number) => {
    for (let first = 0; first < m; first += rows) {
      let end = 0;
      for (let h = i; h < i + count; h++) {
        const at = pointer + heads[h].mask + first * row;
        end = Math.max(end, kernels.open_cols_f32(Math.min(rows, m - first), cols, at, row, kind, sight ? 0 : 1));
      }
      ends[first / rows] = end;
    }
  };

  /** Rows first .. first + part.rows of `count` heads from the i-th on. */
  const attend = (scratch: number, i: number, count: number, first: number) => {
    const head = heads[i];
    part.limit = sight ? sight.limit[head.batch] : n;
    part.seen = sight ? sight.first[head.batch] + first * step : n;
    const cols = Math.max(0, Math.min(part.limit, part.seen + (part.rows - 1) * step, ends[first / rows]));
    part.cols = scores ? n : cols;
    const packing = scratch + places.packing;
    const base = scratch + places.scores;
    const all = count * part.rows;
    const from = q.pointer + head.q + 4 * first * q.row;
    kernels.gemm_f32(all, part.cols, d, from, q.row, 1, k.at(scratch) + head.k, k.col, k.row, 0, 0, base, packing);
    for (let h = 0; h < count; h++) {
      part.at = base + 4 * h * part.rows * part.cols;
      if (mask) part.mask = mask.pointer + heads[i + h].mask + first * mask.row;
      if (scores) part.to = scores.pointer + 4 * ((i + h) * m + first) * n;
      weigh(kernels, work, part, packing);
    }
    const to = y.pointer + head.y + 4 * first * y.row;
    const made = direct ? to : scratch + places.made;
    kernels.gemm_f32(all, size, cols, base, part.cols, 1, v.at(scratch) + head.v, v.row, 1, 0, 0, made, packing);
    if (!direct) kernels.move_x8(1, part.rows, 4 * size, 0, 4 * size, 1, 0, 4 * y.row, 1, made, to);
  };

  return {
    scratch: places.made + (direct ? 0 : align(4 * tall * size)),
    run(scratch) {
      work.prepare?.(scratch);
      if (size === 0 && !scores) return;
      for (let i = 0; i < heads.length; i += stacks[i]) {
        if (closes && (i === 0 || stacks[i] > 1 || heads[i].mask !== heads[i - 1].mask)) survey(mask, i, stacks[i]);
        for (let first = 0; first < m; first += rows) {
          part.rows = Math.min(rows, m - first);
          attend(scratch, i, stacks[i], first);
        }
      }
    },
  };
}

function align(bytes: number): number {
  return Math.ceil(bytes / 16) * 16;
}

/** How many heads from each on are one block: they share keys and values, and their rows follow each other as those of one do. */
function stacksOf({ heads, m, q, y, sight }: Work, rows: number, most: number): Int32Array {
  const stacks = new Int32Array(heads.length).fill(1);
  if (rows < m || m === 0) return stacks;
  for (let i = 0; i < heads.length; i += stacks[i]) {
    const head = heads[i];
    while ((stacks[i] + 1) * rows <= most && i + stacks[i] < heads.length) {
      const next = heads[i + stacks[i]];
      const behind = 4 * stacks[i] * m;
      const shared = next.k === head.k && next.v === head.v && (!sight || next.batch === head.batch);
      if (!shared || next.q !== head.q + behind * q.row || next.y !== head.y + behind * y.row) break;
      stacks[i]++;
    }
  }
  return stacks;
}

/** s = softmax(cap(s scale + mask)), row by row. */
function weigh(kernels: RunKernels, work: Work, part: Part, scratch: number): void {
  const { scale, cap, mask, sight, scores } = work;
  const { at, rows, cols } = part;
  const size = rows * cols;
  if (scores?.mode === 0) {
    score(kernels, mask, part, kinds.none, scale);
    show(kernels, scores, part, 0);
    score(kernels, mask, part, mask?.kind ?? kinds.none, 1);
  } else score(kernels, mask, part, mask?.kind ?? kinds.none, scale);
  if (scores) close(kernels, part, sight!.step, scores.closed);
  show(kernels, scores, part, 1);
  if (cap > 0) {
    kernels.unary_f32(unaryCodes.quotient, size, at, at, scratch, cap, 0, 0);
    kernels.tanh_f32(size, at, at);
    score(kernels, mask, part, mask?.after ?? kinds.none, cap);
    if (scores) close(kernels, part, sight!.step, scores.closed);
  }
  show(kernels, scores, part, 2);
  if (scores?.mode === 3) kernels.softmax_f32(rows, cols, at, part.to);
  if (!sight) kernels.softmax_f32(rows, cols, at, at);
  else if (scores) kernels.softmax_seen_f32(rows, cols, at, cols, 0);
  else kernels.softmax_seen_f32(rows, cols, at, part.seen, sight.step);
}

function score(kernels: RunKernels, mask: Mask | undefined, part: Part, kind: number, scale: number): void {
  const { rows, cols, at } = part;
  if (!mask || kind === kinds.none) kernels.score_rows_f32(rows, cols, 0, 0, 0, at, kinds.none, scale, 0);
  else if (mask.cols >= cols) {
    kernels.score_rows_f32(rows, cols, part.mask, mask.row, mask.col, at, kind, scale, mask.fill);
  } else {
    // What lies past the mask is closed in any case.
    for (let i = 0; i < rows; i++) {
      const from = part.mask + i * mask.row;
      kernels.score_rows_f32(1, mask.cols, from, 0, mask.col, at + 4 * i * cols, kind, scale, mask.fill);
    }
  }
}

/** Scores as they are now, if it is these that are wanted. */
function show(kernels: RunKernels, scores: Work["scores"], { rows, cols, at, to }: Part, mode: number): void {
  if (scores?.mode === mode) kernels.copy_bytes(4 * rows * cols, at, to);
}

/** -Inf for what a row does not see. */
function close(kernels: RunKernels, { at, rows, cols, seen, limit }: Part, step: number, closed: number): void {
  for (let i = 0; i < rows; i++) {
    const open = Math.max(0, Math.min(seen + i * step, limit));
    kernels.fill_row_f32(1, cols - open, closed, at + 4 * (i * cols + open));
  }
}
