// Ways to compress: the allocation over what a target chooses from by itself ("ours"), or over one storage alone.
import { ladderOf } from "../../dist/compress/ladder.js";
import { matrixOf } from "../../dist/graph/storage.js";

const sizeOf = (shape) => shape.reduce((size, dim) => size * dim, 1);
const powers = (low, high) => Array.from({ length: high - low + 1 }, (_, i) => 2 ** (low + i));

/** Candidates for a weight of a matrix or of kernels. */
const candidates = {
  /** Columns of 2, 4, and 8 values or those of a kernel, each one of 4 to 256 atoms. */
  vq: (shape) => {
    const kernel = sizeOf(shape.slice(2));
    return [2, 4, kernel > 1 && kernel <= 64 ? kernel : 8].flatMap((d) => {
      const columns = Math.ceil(sizeOf(shape) / d);
      return powers(2, 8).flatMap((k) => (k <= columns ? [{ storage: "vq", d, k }] : []));
    });
  },
  /** A quarter, a half or all of the singular vectors, their coefficients in steps of several sizes; their bits as for `transform`. */
  svd: (shape) => {
    const { rows, cols } = matrixOf(shape);
    const ranks = new Set([0.25, 0.5, 1].map((part) => Math.ceil(part * Math.min(rows, cols))));
    const sizes = [0.05, 0.12, 0.27, 0.55, 1, 1.7, 2.8];
    return [...ranks].flatMap((k) => sizes.map((size) => ({ storage: "svd", k, size, codebookBits: 5 })));
  },
  /** Integers times steps, one for all or one for each row, rounded by what they change and cost. */
  scalar: (shape) => ladderOf(shape, true).filter(({ storage }) => storage === "scalar"),
  /** 2 to 8 bits a value, rounded to the nearest. */
  int8: () =>
    [2, 3, 4, 5, 6, 7, 8].flatMap((bits) => [true, false].map((perTensor) => ({ storage: "int8", bits, perTensor }))),
};

export const baselines = Object.keys(candidates);

/**
 * What `compress` is told beside a target, by family: no recipe for "ours". Weights of fewer than two dimensions or of few values
 * have the candidates of a target in every family.
 * @param weights { name, shape } as they are after norms are folded
 */
export function recipesOf(weights) {
  const recipes = baselines.map((family) => {
    const entries = weights.map(({ name, shape }) => {
      const usual = ladderOf(shape, true);
      const single = usual.every(({ storage }) => storage === "dense" || storage === "int8");
      return [name, single ? usual : candidates[family](shape)];
    });
    return [family, { weights: Object.fromEntries(entries) }];
  });
  return { ours: undefined, ...Object.fromEntries(recipes) };
}
