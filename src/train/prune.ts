import { keptOf } from "../compress/quantize.js";
import { bytesAt, type FullEngine } from "../kernels/engine.js";
import { fullMask, type Prunable } from "./parameter.js";
import { type Block, type Distribution, erdosRenyi, groupsOf, type Scope } from "./scope.js";

/**
 * What becomes of a pruned weight: `zero` forgets its value, which comes back as 0; `keep` stores its last value, which comes
 * back; `shadow` goes on training it (straight-through) while the forward pass does without it, and chooses the masks anew in every
 * step until the last ramp is over.
 */
export type Revival = "zero" | "keep" | "shadow";

/** How a sparsity becomes masks. */
export interface Pruning {
  /** `global` by default: one threshold over all prunable weights. */
  readonly scope?: Scope;
  /** `uniform` by default; of the scope `tensor` alone. */
  readonly distribution?: Distribution;
  /** [rows, columns]: whole blocks of the matrix [out, in] are pruned, by their norms; of the scopes `global` and `tensor`. */
  readonly block?: Block;
  /** `keep` by default. */
  readonly revival?: Revival;
}

/** Change of the masks by one projection. */
export interface MaskChange {
  /** Fraction of zeros over all prunable weights, 0..1. */
  readonly sparsity: number;
  /** Weights kept now that were pruned in the masks compared with. */
  readonly revived: number;
  /** Fraction of the weights kept now that were kept in the masks compared with, 0..1; 1 where none is kept. */
  readonly overlap: number;
}

/** The mask of one tensor. */
export interface TensorMask {
  readonly name: string;
  /** Fraction of zeros, 0..1. */
  readonly sparsity: number;
  /**
   * The smallest magnitude, or norm of a block, that its scope keeps: of all tensors for `global`, else of this one. 0 where everything is
   * kept, infinity where nothing is.
   */
  readonly threshold: number;
  /** Whether nothing is left. */
  readonly collapsed: boolean;
}

export interface Pruner {
  /** Projects on `sparsity`: keeps exactly D - round(sparsity D) largest magnitudes of each scope, ties to the lower index. */
  project(sparsity: number): void;
  /** The masks as they stand. */
  masks(): readonly Uint8Array[];
  /** Compares the masks as they stand with earlier ones. */
  changeSince(before: readonly Uint8Array[]): MaskChange;
  /** Each tensor as it stands. */
  tensors(): readonly TensorMask[];
  /** What it knows beside the masks. */
  state(): ArrayBufferView;
}

/** What is ranked of a tensor: its values, or the norms of its blocks. */
interface Ranked {
  readonly count: number;
  readonly scores: number;
  readonly mask: number;
}

export function createPruner(
  engine: FullEngine,
  parameters: readonly Prunable[],
  { scope = "global", distribution = "uniform", block, revival = "keep" }: Pruning,
): Pruner {
  const { kernels, arena } = engine;
  const total = parameters.reduce((size, parameter) => size + parameter.size, 0);
  const ranked = parameters.map(({ size, values, maskPointer, rows, cols }): Ranked => {
    if (!block) return { count: size, scores: values, mask: maskPointer };
    const count = Math.ceil(rows / block[0]) * Math.ceil(cols / block[1]);
    return { count, scores: arena.alloc(4 * count), mask: arena.alloc(Math.ceil(count / 8)) };
  });
  const together = ranked.reduce((sum, { count }) => sum + count, 0);
  const gathered = scope === "global" ? arena.alloc(4 * together) : 0;
  const largest = scope === "global" ? together : ranked.reduce((most, { count }) => Math.max(most, count), 0);
  const widest = scope === "channel" ? parameters.reduce((most, { cols }) => Math.max(most, cols), 0) : 0;
  const scratch = arena.alloc(Math.max(kernels.topk_scratch_bytes(largest), kernels.rows_mask_scratch_bytes(widest)));
  const thresholds = new Float64Array(parameters.length);
  const groups = groupsOf(scope);
  if (revival === "shadow") for (const parameter of parameters) parameter.trained[0].mask = 0;

  const fill = ({ count, mask }: Ranked, all: boolean): number => {
    const bits = fullMask(count);
    bytesAt(engine, mask, bits.length).set(all ? bits : bits.fill(0));
    return all ? 0 : Number.POSITIVE_INFINITY;
  };

  /** Masks of `group`, all scores of which stand at `scores`; gives the threshold. */
  const projectTogether = (group: readonly Ranked[], scores: number, size: number, keep: number): number => {
    if (keep === size || keep === 0) {
      for (const one of group) fill(one, keep === size);
      return keep === size ? 0 : Number.POSITIVE_INFINITY;
    }
    const threshold = kernels.topk_threshold_f32(size, scores, keep, scratch) >>> 0;
    // How many lie above the threshold decides how many ties are let in, the lower index first.
    let above = 0;
    for (const { count, scores, mask } of group) {
      kernels.topk_mask_f32(count, scores, mask, threshold, 0);
      above += kernels.mask_count(count, mask);
    }
    let ties = keep - above;
    for (const { count, scores, mask } of group) ties -= kernels.topk_mask_f32(count, scores, mask, threshold, ties);
    return floatOf(threshold);
  };

  /** A mask for each row, or for each group of neighbours in it. */
  const projectRows = (one: Ranked, { rows, cols }: Prunable, sparsity: number): number => {
    const unit = groups?.of ?? cols;
    const keep = keptOf(unit, sparsity);
    if (keep === unit || keep === 0) return fill(one, keep === unit);
    const { scores, mask } = one;
    return floatOf(
      groups
        ? kernels.groups_mask_f32(rows, cols, unit, keep, scores, mask)
        : kernels.rows_mask_f32(rows, cols, keep, scores, mask, scratch),
    );
  };

  const projectTensors = (sparsity: number) => {
    const shares =
      distribution === "erdosRenyi"
        ? erdosRenyi(
            parameters.map(({ shape }) => shape),
            sparsity,
          )
        : undefined;
    for (const [i, one] of ranked.entries()) {
      const { count, scores } = one;
      thresholds[i] = projectTogether([one], scores, count, keptOf(count, shares ? shares[i] : sparsity));
    }
  };

  const projectAll = (sparsity: number) => {
    let at = gathered;
    for (const { count, scores } of ranked) {
      kernels.copy_bytes(4 * count, scores, at);
      at += 4 * count;
    }
    thresholds.fill(projectTogether(ranked, gathered, together, keptOf(together, sparsity)));
  };

  return {
    project(sparsity) {
      if (block) {
        for (const [i, { rows, cols, values }] of parameters.entries())
          kernels.block_norms_f32(rows, cols, block[0], block[1], values, ranked[i].scores);
      }
      if (scope === "global") projectAll(sparsity);
      else if (scope === "tensor") projectTensors(sparsity);
      else for (const [i, one] of ranked.entries()) thresholds[i] = projectRows(one, parameters[i], sparsity);
      if (block) {
        for (const [i, { rows, cols, maskPointer }] of parameters.entries())
          kernels.block_mask(rows, cols, block[0], block[1], ranked[i].mask, maskPointer);
      }
      if (revival === "zero") {
        for (const { size, values, maskPointer } of parameters)
          kernels.mask_apply_f32(size, values, maskPointer, values);
      }
    },
    masks: () => parameters.map(({ size, maskPointer }) => bytesAt(engine, maskPointer, Math.ceil(size / 8)).slice()),
    changeSince(before) {
      let kept = 0;
      let revived = 0;
      for (const [i, { size, maskPointer }] of parameters.entries()) {
        const mask = bytesAt(engine, maskPointer, Math.ceil(size / 8));
        for (let j = 0; j < mask.length; j++) {
          kept += ones[mask[j]];
          revived += ones[mask[j] & ~before[i][j]];
        }
      }
      return {
        sparsity: total === 0 ? 0 : 1 - kept / total,
        revived,
        overlap: kept === 0 ? 1 : (kept - revived) / kept,
      };
    },
    tensors: () =>
      parameters.map(({ name, size, maskPointer }, i) => {
        const kept = kernels.mask_count(size, maskPointer);
        const sparsity = size === 0 ? 0 : 1 - kept / size;
        return { name, sparsity, threshold: thresholds[i], collapsed: kept === 0 };
      }),
    state: () => thresholds,
  };
}

/** Number of ones in each byte. */
const ones = Uint8Array.from({ length: 256 }, (_, byte) => {
  let count = 0;
  for (let rest = byte; rest; rest &= rest - 1) count++;
  return count;
});

/** The f32 of these bits. */
function floatOf(bits: number): number {
  return new Float32Array(Uint32Array.of(bits).buffer)[0];
}
