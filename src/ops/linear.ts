import { expected, ShapeError, UnsupportedError } from "../errors.js";
import { showShape, sizeOf } from "../tensor.js";
import { integer, number, only, shapeOf } from "./attributes.js";
import { withBias } from "./bias.js";
import { cutsEvenly, factoredProduct, isSmaller } from "./factored.js";
import { heldAfter } from "./held.js";
import { type Launch, type Op, ofFloats, type PlacedWeight, type Site, type Slots, type StoredWeight } from "./op.js";
import { grouped, paysSparse, type Rows, transposed, turned, turnedBytes } from "./sparse.js";

/** A weight in int8, in the session's memory. */
type Int8 = Extract<PlacedWeight, { kind: "int8" }>;

/**
 * From so many weights int8 stays int8 while it is multiplied: as f32 they no longer fit in a cache, and for one row
 * reading a quarter of the bytes pays for widening them (measured: 1.02 times as fast at 4 Mi weights, 1.0 to 1.4 at
 * 16 Mi, 0.6 at 1 Mi; 2 to 8 rows take 1.1 to 1.7 times as long, 12 and more the same).
 */
export const widenedFrom = 4 * 1024 * 1024;

/** Whether a product widens the weight on the way instead of unpacking it to f32 at load. */
export function paysWidened({ rows, cols }: Pick<Int8, "rows" | "cols">): boolean {
  return rows * cols >= widenedFrom;
}

/** Y = alpha A B^T + beta C with B a weight [out, in] (transB = 1) or any B; alpha = beta = 1, transA = 0. */
export const gemm: Op = {
  attrs(node) {
    only(node, ["alpha", "beta", "transA", "transB"]);
    const plainScale = number(node, "alpha", 1) === 1 && number(node, "beta", 1) === 1;
    if (!plainScale) throw new UnsupportedError(expected(`${node.name} (Gemm)`, "alpha = beta = 1", "other factors"));
    if (integer(node, "transA", 0) !== 0)
      throw new UnsupportedError(expected(`${node.name} (Gemm)`, "transA = 0", "1"));
    const transB = integer(node, "transB", 0);
    if (transB !== 0 && transB !== 1) throw new ShapeError(expected(`${node.name}.transB`, "0 or 1", `${transB}`));
  },
  infer: ofFloats((node, inputs) => {
    const a = shapeOf(node, inputs, 0);
    const b = shapeOf(node, inputs, 1);
    if (a.length !== 2 || b.length !== 2) {
      throw new ShapeError(expected(`${node.name} (Gemm)`, "two matrices", `${showShape(a)} and ${showShape(b)}`));
    }
    const [k, n] = integer(node, "transB", 0) ? [b[1], b[0]] : b;
    if (a[1] !== k) {
      throw new ShapeError(expected(`${node.name} (Gemm)`, `${k} columns of A`, showShape(a)));
    }
    const c = inputs[2];
    // A column or a scalar would have to be spread otherwise.
    if (c && (sizeOf(c) !== n || c[c.length - 1] !== n)) {
      throw new ShapeError(expected(`${node.name} (Gemm) bias`, `${n} values in a row`, showShape(c)));
    }
    return [[a[0], n]];
  }),
  lower: (site) => product(site, integer(site.node, "transB", 0) === 1),
  grad({ node, kernels }) {
    const transB = integer(node, "transB", 0) === 1;
    return ({ inputs, outputs, dInputs, dOutputs }) => {
      const [m, k] = inputs[0]!.shape;
      const n = outputs[0].shape[1];
      const [a, b] = inputs.map((slot) => slot?.pointer ?? 0);
      const dy = dOutputs[0];
      const [da, db, dc = 0] = dInputs;
      return {
        scratch: Math.max(kernels.gemm_scratch_bytes(m, k, n), kernels.gemm_scratch_bytes(n, k, m)),
        run(scratch) {
          if (da && transB) kernels.gemm_nn_f32(m, k, n, dy, b, da, scratch);
          if (da && !transB) kernels.gemm_nt_f32(m, k, n, dy, b, da, scratch);
          if (db && transB) kernels.gemm_tn_f32(n, k, m, dy, a, db, scratch);
          if (db && !transB) kernels.gemm_tn_f32(k, n, m, a, dy, db, scratch);
          if (dc) kernels.column_sum_f32(m, n, dy, dc);
        },
      };
    };
  },
};

/** Y = A B + bias of two matrices, bias being a row or absent. */
export function product(site: Site, transB: boolean): (io: Slots) => Launch {
  const weight = site.weight(1);
  if (weight === undefined || weight.kind === "live") return unpacked(site, transB);
  const n = transB ? weight.rows : weight.cols;
  return withBias(site, 2, n, (bias) => chosen(site, weight, transB, bias));
}

/** The kernel for a weight, by how it is stored. */
function chosen(site: Site, weight: StoredWeight, transB: boolean, bias: number): (io: Slots) => Launch {
  if (weight.kind === "sparse" && paysSparse(weight)) {
    const stored = site.place(1, "sparse");
    return heldAfter(site, sparse(site, transB ? stored : transposed(site, stored), bias));
  }
  if (transB && weight.kind === "factored" && cutsEvenly(weight) && isSmaller(weight)) {
    return heldAfter(site, factoredProduct(site, site.place(1, "factored"), bias));
  }
  if (transB && weight.kind === "int8" && paysWidened(weight)) return widened(site, site.place(1, "int8"), bias);
  return packed(site, weight, transB, bias);
}

/** Both sides are only known at run time. */
function unpacked({ kernels, limits }: Site, transB: boolean): (io: Slots) => Launch {
  return ({ inputs, outputs }) => {
    const [m, k] = inputs[0]!.shape;
    const n = outputs[0].shape[1];
    const [a, b, bias] = [0, 1, 2].map((i) => inputs[i]?.pointer ?? 0);
    const [row, col] = transB ? [1, k] : [n, 1];
    return {
      scratch: kernels.gemm_scratch_bytes(m, n, k),
      run: kernels.gemm_f32.bind(
        undefined,
        ...([m, n, k, a, k, 1, b, row, col, bias, limits, outputs[0].pointer] as const),
      ),
    };
  };
}

/** Weights as dense f32, packed into panels once; nothing else of them stays. */
function packed(site: Site, weight: StoredWeight, transB: boolean, bias: number): (io: Slots) => Launch {
  const { kernels, limits } = site;
  const [k, n] = transB ? [weight.cols, weight.rows] : [weight.rows, weight.cols];
  const panels = site.alloc(kernels.gemm_panels_b_bytes(k, n));
  site.borrow(1, (values) => kernels.gemm_pack_b_f32(k, n, transB ? 1 : n, transB ? k : 1, values, panels));
  return ({ inputs, outputs }) => {
    const { pointer, shape } = inputs[0]!;
    const m = shape[0];
    return {
      scratch: kernels.gemm_ab_scratch_bytes(m, k),
      run: kernels.gemm_ab_f32.bind(undefined, m, n, k, pointer, panels, bias, limits, outputs[0].pointer),
    };
  };
}

/** int8 weights that stay int8, packed into panels once: a quarter of the memory, and the same bits. */
function widened(site: Site, weight: Int8, bias: number): (io: Slots) => Launch {
  const { kernels, limits } = site;
  const { rows: n, cols: k, q, scale } = weight;
  const panels = site.alloc(kernels.gemm_panels_i8_bytes(k, n));
  kernels.gemm_pack_i8(k, n, 1, k, q, panels);
  return ({ inputs, outputs }) => {
    const { pointer, shape } = inputs[0]!;
    const m = shape[0];
    return {
      scratch: kernels.gemm_widened_scratch_bytes(m, k),
      run: kernels.gemm_f32_i8.bind(
        undefined,
        ...([m, n, k, pointer, panels, scale, bias, limits, outputs[0].pointer] as const),
      ),
    };
  };
}

/** Y^T = W X^T in CSR. */
function sparse(site: Site, rows: Rows, bias: number): (io: Slots) => Launch {
  const { kernels } = site;
  const weight = grouped(site, rows);
  return ({ inputs, outputs }) => {
    const m = inputs[0]!.shape[0];
    const x = inputs[0]!.pointer;
    const y = outputs[0].pointer;
    return {
      scratch: turnedBytes(m, weight),
      run(scratch) {
        turned(kernels, m, weight, x, y, scratch);
        if (bias) kernels.add_row_f32(m, weight.rows, bias, y);
      },
    };
  };
}
