import { bytesAt, type FullEngine } from "../kernels/engine.js";
import { roundHalfEven } from "../math.js";
import { fullMask, type Prunable } from "./parameter.js";

/**
 * What becomes of a pruned weight: `zero` forgets its value, which comes back as 0; `keep` stores its last value, which comes
 * back; `shadow` goes on training it (straight-through) while the forward pass does without it.
 */
export type Revival = "zero" | "keep" | "shadow";

/** Whether each tensor reaches the sparsity by itself, or all of them together. */
export type Scope = "tensor" | "global";

/** Change of the masks by one projection. */
export interface MaskChange {
  /** Fraction of zeros over all prunable weights, 0..1. */
  readonly sparsity: number;
  /** Weights kept now that were pruned in the masks compared with. */
  readonly revived: number;
  /** Fraction of the weights kept now that were kept in the masks compared with, 0..1; 1 where none is kept. */
  readonly overlap: number;
}

export interface Pruner {
  /** Projects on `sparsity`: keeps exactly D - round(sparsity D) largest magnitudes, ties to the lower index. */
  project(sparsity: number): void;
  /** The masks as they stand. */
  masks(): readonly Uint8Array[];
  /** Compares the masks as they stand with earlier ones. */
  changeSince(before: readonly Uint8Array[]): MaskChange;
  /** Names of weights of which nothing is left. */
  collapsed(): string[];
}

export function createPruner(
  engine: FullEngine,
  parameters: readonly Prunable[],
  scope: Scope,
  revival: Revival,
): Pruner {
  const { kernels, arena } = engine;
  const total = parameters.reduce((size, parameter) => size + parameter.size, 0);
  const largest =
    scope === "global" ? total : parameters.reduce((size, parameter) => Math.max(size, parameter.size), 0);
  const gathered = scope === "global" ? arena.alloc(4 * total) : 0;
  const scratch = arena.alloc(kernels.topk_scratch_bytes(largest));
  for (const parameter of parameters) if (revival === "shadow") parameter.trained[0].mask = 0;

  /** Masks of `group`, all values of which stand at `values`. */
  const projectGroup = (group: readonly Prunable[], values: number, size: number, sparsity: number) => {
    const keep = size - roundHalfEven(sparsity * size);
    if (keep === size || keep === 0) {
      for (const { size, maskPointer } of group) {
        const mask = fullMask(size);
        bytesAt(engine, maskPointer, mask.length).set(keep === 0 ? mask.fill(0) : mask);
      }
      return;
    }
    const threshold = kernels.topk_threshold_f32(size, values, keep, scratch) >>> 0;
    // How many lie above the threshold decides how many ties are let in, the lower index first.
    let above = 0;
    for (const { size, values, maskPointer } of group) {
      kernels.topk_mask_f32(size, values, maskPointer, threshold, 0);
      above += kernels.mask_count(size, maskPointer);
    }
    let ties = keep - above;
    for (const { size, values, maskPointer } of group) {
      ties -= kernels.topk_mask_f32(size, values, maskPointer, threshold, ties);
    }
  };

  return {
    project(sparsity) {
      if (scope === "tensor") {
        for (const parameter of parameters) projectGroup([parameter], parameter.values, parameter.size, sparsity);
      } else {
        let at = gathered;
        for (const { size, values } of parameters) {
          kernels.copy_bytes(4 * size, values, at);
          at += 4 * size;
        }
        projectGroup(parameters, gathered, total, sparsity);
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
          kept += ones(mask[j]);
          revived += ones(mask[j] & ~before[i][j]);
        }
      }
      return {
        sparsity: total === 0 ? 0 : 1 - kept / total,
        revived,
        overlap: kept === 0 ? 1 : (kept - revived) / kept,
      };
    },
    collapsed: () =>
      parameters.filter(({ size, maskPointer }) => kernels.mask_count(size, maskPointer) === 0).map(({ name }) => name),
  };
}

/** Number of ones in a byte. */
function ones(byte: number): number {
  let count = 0;
  for (let rest = byte & 255; rest; rest &= rest - 1) count++;
  return count;
}
