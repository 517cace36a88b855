import { expected, UnsupportedError } from "../../errors.js";
import type { GraphNode } from "../../graph/graph.js";
import type { FullKernels } from "../../kernels/abi.js";
import { kinds } from "../attend.js";
import { maskKinds } from "../attention.js";
import { integer, number } from "../attributes.js";
import { type Heads, sizesOf } from "../heads.js";
import { between, copying, over, steps, widthOf } from "../move.js";
import type { GradSlots, Launch } from "../op.js";
import type { Gradient } from "./chain.js";

/** Matrices [rows, size] of heads, taken out of where they lie and given back as sums. */
interface Matrices {
  readonly bytes: number;
  take(from: number, batch: number, head: number, to: number): void;
  give(from: number, to: number, batch: number, head: number): void;
}

function matricesOf(kernels: FullKernels, { rows, size, ofBatch, ofHead, ofRow }: Heads): Matrices {
  const [there, here] = [[4 * ofRow, 4], steps([rows, size], 4)];
  const out = copying(kernels, 4, between([rows, size], there, here));
  const back = over(kernels.accumulate_f32, 4, between([rows, size], here, there));
  const at = (batch: number, head: number) => 4 * (batch * ofBatch + head * ofHead);
  return {
    bytes: Math.ceil((4 * rows * size) / 64) * 64,
    take: (from, batch, head, to) => out(from + at(batch, head), to),
    give: (from, to, batch, head) => back(from, to + at(batch, head)),
  };
}

/** @throws UnsupportedError for what a node may ask for and has no gradient here */
function check(node: GraphNode, { inputs, outputs, dOutputs }: GradSlots): void {
  const more = outputs.some((slot, i) => i > 0 && slot && dOutputs[i]);
  const refused = [
    ...(number(node, "softcap", 0) > 0 ? ["softcap"] : []),
    ...(inputs[4] ? ["past keys"] : []),
    ...(inputs[6] ? ["lengths of keys"] : []),
    ...(more && outputs.length > 1 ? ["other outputs than Y"] : []),
  ];
  if (refused.length === 0) return;
  throw new UnsupportedError(
    expected(`${node.name} (Attention)`, `a gradient without ${refused[0]}`, refused.join(", ")),
  );
}

/**
 * With P = softmax(scale Q K^T + mask), made once more: dV = P^T dY, dS = P (dY V^T - sum(P dY V^T)), dQ = scale dS K,
 * dK = scale dS^T Q, and dS for a mask that is added.
 */
export const attention: Gradient =
  ({ node, kernels }) =>
  (io) => {
    check(node, io);
    return bind(node, kernels, io);
  };

function bind(node: GraphNode, kernels: FullKernels, { inputs, outputs, dInputs, dOutputs }: GradSlots): Launch {
  const { q, k, v, total, mask } = sizesOf(node, inputs);
  const [m, n] = [q.rows, total];
  const [batch, rows, width] = outputs[0].shape;
  // Y lies as Q does, with values of V's size.
  const y: Heads =
    outputs[0].shape.length === 4
      ? { ...q, size: v.size, ofBatch: q.heads * m * v.size, ofHead: m * v.size, ofRow: v.size }
      : { ...q, batch, size: v.size, ofBatch: rows * width, ofHead: v.size, ofRow: width };
  const [ofQ, ofK, ofV, ofY] = [q, k, v, y].map((heads) => matricesOf(kernels, heads));
  let bytes = 0;
  const room = (size: number) => {
    const at = bytes;
    bytes += Math.ceil(size / 64) * 64;
    return at;
  };
  const at = {
    ...{ q: room(ofQ.bytes), k: room(ofK.bytes), v: room(ofV.bytes), y: room(ofY.bytes) },
    ...{ dq: room(ofQ.bytes), dk: room(ofK.bytes), dv: room(ofV.bytes) },
    ...{ p: room(4 * m * n), dp: room(4 * m * n), ds: room(4 * m * n) },
    free: room(
      Math.max(
        ...[
          [m, n, q.size],
          [m, n, v.size],
          [n, v.size, m],
          [m, q.size, n],
          [n, q.size, m],
        ].map(([a, b, c]) => kernels.gemm_scratch_bytes(a, b, c)),
      ),
    ),
  };
  const scale = number(node, "scale", 1 / Math.sqrt(q.size));
  const causal = integer(node, "is_causal", 0) !== 0;
  const given = inputs[3];
  const kind = given ? maskKinds(given).kind : kinds.none;
  const byte = given ? widthOf(given) : 0;
  const share = q.heads / k.heads;
  const cols = mask?.cols ?? n;
  const [dq, dk, dv, dMask = 0] = dInputs;

  const one = (scratch: number, b: number, h: number) => {
    const place = (offset: number) => scratch + offset;
    const shared = Math.floor(h / share);
    const [p, dp, ds, free] = [place(at.p), place(at.dp), place(at.ds), place(at.free)];
    ofQ.take(inputs[0]!.pointer, b, h, place(at.q));
    ofK.take(inputs[1]!.pointer, b, shared, place(at.k));
    ofV.take(inputs[2]!.pointer, b, shared, place(at.v));
    ofY.take(dOutputs[0], b, h, place(at.y));
    for (const matrix of [p, dp, ds]) kernels.fill_row_f32(1, m * n, 0, matrix);
    kernels.gemm_nt_f32(m, n, q.size, place(at.q), place(at.k), p, free);
    // What lies past a shorter mask is closed.
    const from = mask && given ? given.pointer + byte * (b * mask.ofBatch + h * mask.ofHead) : 0;
    for (let i = 0; i < m; i++) {
      const row = p + 4 * i * n;
      if (from)
        kernels.score_rows_f32(
          1,
          cols,
          from + byte * i * mask!.ofRow,
          0,
          1,
          row,
          kind,
          scale,
          Number.NEGATIVE_INFINITY,
        );
      else kernels.score_rows_f32(1, n, 0, 0, 0, row, kinds.none, scale, 0);
      kernels.softmax_seen_f32(1, n, row, causal ? Math.min(i + 1, cols) : cols, 0);
    }
    kernels.gemm_nt_f32(m, n, v.size, place(at.y), place(at.v), dp, free);
    kernels.softmax_grad_f32(m, n, p, dp, ds);
    if (mask && dMask) {
      const to = dMask + 4 * (b * mask.ofBatch + h * mask.ofHead);
      for (let i = 0; i < m; i++) kernels.add_into_f32(cols, ds + 4 * i * n, to + 4 * i * mask.ofRow);
    }
    kernels.score_rows_f32(m, n, 0, 0, 0, ds, kinds.none, scale, 0);
    if (dv) {
      kernels.fill_row_f32(1, n * v.size, 0, place(at.dv));
      kernels.gemm_tn_f32(n, v.size, m, p, place(at.y), place(at.dv), free);
      ofV.give(place(at.dv), dv, b, shared);
    }
    if (dq) {
      kernels.fill_row_f32(1, m * q.size, 0, place(at.dq));
      kernels.gemm_nn_f32(m, q.size, n, ds, place(at.k), place(at.dq), free);
      ofQ.give(place(at.dq), dq, b, h);
    }
    if (dk) {
      kernels.fill_row_f32(1, n * q.size, 0, place(at.dk));
      kernels.gemm_tn_f32(n, q.size, m, ds, place(at.q), place(at.dk), free);
      ofK.give(place(at.dk), dk, b, shared);
    }
  };
  return {
    scratch: bytes,
    run(scratch) {
      for (let b = 0; b < q.batch; b++) for (let h = 0; h < q.heads; h++) one(scratch, b, h);
    },
  };
}
