import { isFloat } from "../dtype.js";
import { expected, ShapeError, UnsupportedError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import type { RunKernels } from "../kernels/abi.js";
import { sameShape, showShape } from "../tensor.js";
import { attending, type Head, kinds, type Mask } from "./attend.js";
import { integer, number, only } from "./attributes.js";
import { dtypeOf, elementsOf } from "./element.js";
import { type Heads, sizesOf } from "./heads.js";
import { inputOf, sized } from "./known.js";
import { between, copying, steps, widthOf } from "./move.js";
import type { Info, Launch, Op, Slot, Slots, Table } from "./op.js";

const attributes = ["is_causal", "kv_num_heads", "q_num_heads", "qk_matmul_output_mode", "scale", "softcap"];

/**
 * Y = softmax(scale Q K^T + mask) V for each head; heads of queries may share heads of keys and values. Inputs Q, K, V, a mask, past
 * keys and values, how many keys count in each of the batch; outputs Y, keys and values with the past before them, scores.
 *
 * Where the specification changed, the later text holds: a shorter mask closes the rest, a causal mask stands at the last of the keys
 * that count, and a row that sees nothing is 0. A soft cap comes after the mask, as in ONNX 1.21, but opens nothing that was closed.
 * A. Vaswani et al., "Attention is all you need", 2017; J. Ainslie et al., "GQA", 2023.
 */
export const attention: Op = {
  attrs(node) {
    only(node, [...attributes, "softmax_precision"]);
    const scale = number(node, "scale", 1);
    if (!(scale > 0 && scale < Number.POSITIVE_INFINITY)) {
      throw new ShapeError(expected(`${node.name}.scale`, "a positive number", `${scale}`));
    }
    const cap = number(node, "softcap", 0);
    if (!(cap >= 0 && cap < Number.POSITIVE_INFINITY)) {
      throw new ShapeError(expected(`${node.name}.softcap`, "0 or a positive number", `${cap}`));
    }
    const mode = integer(node, "qk_matmul_output_mode", 0);
    if (mode < 0 || mode > 3) {
      throw new ShapeError(expected(`${node.name}.qk_matmul_output_mode`, "0 to 3", `${mode}`));
    }
    const precision = dtypeOf(node, "softmax_precision", "float32");
    if (!isFloat(precision)) {
      throw new UnsupportedError(expected(`${node.name}.softmax_precision`, "a floating-point type", precision));
    }
  },
  infer(node, inputs) {
    const { q, k, v, total } = sizesOf(node, inputs);
    checkLengths(node, inputs, q.batch, total);
    const [query, key, value] = [0, 1, 2].map((i) => inputOf(node, inputs, i));
    const rank = query.shape.length;
    const y = rank === 4 ? [q.batch, q.heads, q.rows, v.size] : [q.batch, q.rows, q.heads * v.size];
    return [
      sized(node, query.dtype, y),
      sized(node, key.dtype, [k.batch, k.heads, total, k.size]),
      sized(node, value.dtype, [v.batch, v.heads, total, v.size]),
      ...(node.outputs[3] ? [sized(node, query.dtype, [q.batch, q.heads, q.rows, total])] : []),
    ];
  },
  lower:
    ({ node, kernels }) =>
    (io, table) =>
      bind(node, kernels, io, table),
};

/** @throws ShapeError; lengths that only a run knows are taken for the nearest that can be */
function checkLengths(node: GraphNode, inputs: readonly (Info | undefined)[], batch: number, total: number): void {
  const lengths = inputs[6];
  if (!lengths) return;
  const where = `${node.name} (${node.op}) input 6`;
  if (lengths.dtype !== "int64") throw new ShapeError(expected(where, "int64", lengths.dtype));
  if (!sameShape(lengths.shape, [batch])) {
    throw new ShapeError(expected(where, `a length for each of ${batch}`, showShape(lengths.shape)));
  }
  for (const length of lengths.known ?? []) {
    if (!(length >= 0 && length <= total)) throw new ShapeError(expected(where, `0 to ${total} keys`, `${length}`));
  }
}

function bind(node: GraphNode, kernels: RunKernels, { inputs, outputs }: Slots, table: Table): Launch {
  const { q, k, v, past, total, mask } = sizesOf(node, inputs);
  const [query, key, value, given, pastKey, pastValue, lengths] = inputs;
  const [y, presentKey, presentValue, scores] = outputs;
  const causal = integer(node, "is_causal", 0) !== 0;
  const width = given ? widthOf(given) : 0;
  const cache = 4 * k.batch * k.heads * total;
  const keys = joined(kernels, key!, k, pastKey, presentKey, 0);
  const values = joined(kernels, value!, v, pastValue, presentValue, cache * k.size);
  // One row of each head: heads follow each other as rows would.
  const alike = query!.shape.length === 4 || q.rows === 1;
  const ofY = alike ? { head: q.rows * v.size, row: v.size } : { head: v.size, row: q.heads * v.size };
  const share = q.heads / k.heads;
  const heads: Head[] = [];
  for (let batch = 0; batch < q.batch; batch++) {
    for (let head = 0; head < q.heads; head++) {
      const shared = Math.floor(head / share);
      heads.push({
        q: 4 * (batch * q.ofBatch + head * q.ofHead),
        k: 4 * (batch * keys.ofBatch + shared * keys.ofHead),
        v: 4 * (batch * values.ofBatch + shared * values.ofHead),
        mask: mask ? width * (batch * mask.ofBatch + head * mask.ofHead) : 0,
        y: 4 * (batch * q.heads * q.rows * v.size + head * ofY.head),
        batch,
      });
    }
  }
  const limit = new Int32Array(q.batch);
  const first = new Int32Array(q.batch);
  return attending(kernels, {
    heads,
    m: q.rows,
    n: total,
    d: q.size,
    size: v.size,
    q: { pointer: query!.pointer, row: alike ? q.size : q.ofRow },
    k: { at: keys.at, row: keys.ofRow, col: 1 },
    v: { at: values.at, row: values.ofRow },
    y: { pointer: y.pointer, row: ofY.row },
    scale: number(node, "scale", 1 / Math.sqrt(q.size)),
    cap: number(node, "softcap", 0),
    mask: given &&
      mask && {
        ...maskKinds(given),
        pointer: given.pointer,
        row: width * mask.ofRow,
        cols: mask.cols,
        col: 1,
      },
    sight: { limit, first, step: causal ? 1 : 0 },
    scores: scores && {
      pointer: scores.pointer,
      mode: integer(node, "qk_matmul_output_mode", 0),
      closed: table(new Float32Array(total).fill(Number.NEGATIVE_INFINITY)),
    },
    before: cache * (k.size + v.size) * (pastKey ? 1 : 0),
    prepare(scratch) {
      keys.fill(scratch);
      values.fill(scratch);
      const counts = lengths && elementsOf(kernels, lengths);
      for (let b = 0; b < q.batch; b++) {
        const length = counts ? Math.max(0, Math.min(Number(counts[b]), total)) : total;
        limit[b] = Math.min(length, mask?.cols ?? total);
        first[b] = causal ? (counts ? length - q.rows : past) + 1 : limit[b];
      }
    },
  });
}

/** A mask of bools says what is open, one of floats is added. */
export function maskKinds({ dtype }: Slot): Pick<Mask, "kind" | "after" | "fill"> {
  const chosen = dtype === "bool";
  return {
    kind: chosen ? kinds.chosen : kinds.added,
    after: chosen ? kinds.chosen : kinds.closing,
    fill: Number.NEGATIVE_INFINITY,
  };
}

/** Keys or values of all rows, those of the past first; strides in elements. */
interface Joined {
  /** Puts them together where that is called for. */
  fill(scratch: number): void;
  at(scratch: number): number;
  readonly ofBatch: number;
  readonly ofHead: number;
  readonly ofRow: number;
}

/** `offset`: where they stand in scratch if no output wants them. */
function joined(
  kernels: RunKernels,
  given: Slot,
  heads: Heads,
  past: Slot | undefined,
  y: Slot | undefined,
  offset: number,
): Joined {
  const { batch, heads: count, rows, size, ofBatch, ofHead, ofRow } = heads;
  const before = past?.shape[2] ?? 0;
  const to = steps([batch, count, before + rows, size], 4);
  const own = [ofBatch, ofHead, ofRow, 1].map((step) => 4 * step);
  const added = copying(kernels, 4, between([batch, count, rows, size], own, to));
  if (!past) {
    return {
      fill: () => y && added(given.pointer, y.pointer),
      at: () => given.pointer,
      ofBatch,
      ofHead,
      ofRow,
    };
  }
  const kept = copying(kernels, 4, between(past.shape, steps(past.shape, 4), to));
  const at = (scratch: number) => y?.pointer ?? scratch + offset;
  return {
    fill(scratch) {
      kept(past.pointer, at(scratch));
      added(given.pointer, at(scratch) + 4 * before * size);
    },
    at,
    ofBatch: count * (before + rows) * size,
    ofHead: (before + rows) * size,
    ofRow: size,
  };
}
