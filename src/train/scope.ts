import { keptOf } from "../compress/quantize.js";
import { expected } from "../errors.js";
import type { Schedule } from "../schedule.js";

/**
 * What reaches the sparsity by itself: all prunable tensors together (one threshold), each `tensor`, each output `channel` (a row of the
 * matrix [out, in]), or each group of M neighbours in a row, as in "2:4": N of 4 are kept, by a sparsity of 1 - N / M. Where a sparsity
 * falls between, N is M - round(sparsity M). Of factored weights, rows are those of Z^T.
 */
export type Scope = "global" | "tensor" | "channel" | `${number}:${number}`;

/**
 * How tensors share a sparsity under the scope `tensor`. `uniform`: all have it. `erdosRenyi`: the density of a tensor grows with the sum
 * of its dimensions over their product, so that small tensors stay denser (U. Evci et al., "Rigging the Lottery: Making All Tickets
 * Winners", 2020: Erdos-Renyi-Kernel).
 */
export type Distribution = "uniform" | "erdosRenyi";

/** Rows and columns of blocks. */
export type Block = readonly [rows: number, cols: number];

/** N and M of a scope "N:M". */
export function groupsOf(scope: Scope): { readonly keep: number; readonly of: number } | undefined {
  const [, keep, of] = /^([1-9]\d{0,3}):([1-9]\d{0,3})$/.exec(scope) ?? [];
  return keep === undefined || Number(keep) >= Number(of) ? undefined : { keep: Number(keep), of: Number(of) };
}

/** @throws TypeError or RangeError naming the option */
export function checkScope(
  scope: Scope,
  distribution: Distribution | undefined,
  block: Block | undefined,
  schedule: Schedule | undefined,
): void {
  const groups = typeof scope === "string" ? groupsOf(scope) : undefined;
  if (scope !== "global" && scope !== "tensor" && scope !== "channel" && !groups) {
    throw new TypeError(expected("fit: scope", 'one of global, tensor, channel, or N:M as "2:4"', String(scope)));
  }
  if (distribution !== undefined && distribution !== "uniform" && distribution !== "erdosRenyi") {
    throw new TypeError(expected("fit: distribution", "one of uniform, erdosRenyi", String(distribution)));
  }
  if (distribution !== undefined && scope !== "tensor") {
    throw new TypeError(expected("fit: distribution", "a scope of tensor", scope));
  }
  if (block !== undefined) {
    if (
      !Array.isArray(block) ||
      block.length !== 2 ||
      block.some((n) => !Number.isSafeInteger(n) || n < 1 || n > 1024)
    ) {
      throw new TypeError(expected("fit: block", "[rows, columns], each in 1..1024", String(block)));
    }
    if (scope !== "global" && scope !== "tensor") {
      throw new TypeError(expected("fit: block", "a scope of global or tensor", scope));
    }
  }
  if (!groups || !schedule) return;
  for (const [index, { from, to }] of schedule.cycles.entries()) {
    const most = Math.max(from, to);
    if (keptOf(groups.of, most) < groups.keep) {
      const limit = `a sparsity of at most ${1 - groups.keep / groups.of} for the scope ${scope}`;
      throw new RangeError(expected(`schedule.cycles[${index}]`, limit, `${most}`));
    }
  }
}

/**
 * The sparsity of each tensor where all of them together have `sparsity`: density = min(1, c * sum of dimensions / product of dimensions),
 * with the c that meets the whole.
 */
export function erdosRenyi(shapes: readonly (readonly number[])[], sparsity: number): number[] {
  const sums = shapes.map((shape) => shape.reduce((sum, dim) => sum + dim, 0));
  const sizes = shapes.map((shape) => shape.reduce((size, dim) => size * dim, 1));
  const dense = new Set<number>();
  for (;;) {
    let left = 0;
    let share = 0;
    for (const [i, size] of sizes.entries()) {
      left += (dense.has(i) ? -sparsity : 1 - sparsity) * size;
      if (!dense.has(i)) share += sums[i];
    }
    const factor = share === 0 ? 0 : left / share;
    // Whoever passes 1 stays dense, which leaves less for the others; they are looked at again.
    const before = dense.size;
    for (const [i, size] of sizes.entries()) if (factor * sums[i] >= size) dense.add(i);
    if (dense.size > before) continue;
    return sizes.map((size, i) => (dense.has(i) ? 0 : Math.min(1, Math.max(0, 1 - (factor * sums[i]) / size))));
  }
}
