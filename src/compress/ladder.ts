import { sizeOf } from "../tensor.js";
import type { Choice } from "./recipe.js";

/** Sizes of steps against the root mean square: from next to lossless to a few values kept. */
const sizes = [0.03, 0.08, 0.2, 0.4, 0.7, 1, 1.4, 2, 2.8];

/** Finer ones for weights that everything goes through; one step for all has them, and integers as large as it takes. */
const fine = [0.0005, 0.002, 0.008];

const rounded = (steps: "tensor" | "row", sizes: readonly number[]) =>
  sizes.map((size): Choice => ({ storage: "scalar", steps, size }));

/** Kernels in other coordinates; five bits for these take little room and cost little (measured on layers of ResNet-20). */
const transformed = sizes.map((size): Choice => ({ storage: "transform", size, codebookBits: 5 }));

/** Atoms of longer kernels take more than they give. */
const longestKernel = 64;

/** Fewer values than that are left alone: exponents, epsilons and the like must stay what they are. */
const few = 16;

/**
 * Candidates of a target. Biases and the like are few, and keep 8 bits.
 * @param measured whether it is measured what weights meet and what they do: only then may rows share a step
 */
export function ladderOf(shape: readonly number[], measured: boolean): readonly Choice[] {
  const dense: Choice = { storage: "dense" };
  if (sizeOf(shape) < few) return [dense];
  if (shape.length < 2) return [...rounded("tensor", [...fine, sizes[0]]), dense];
  const kernel = sizeOf(shape.slice(2));
  const hasKernels = kernel > 1 && kernel <= longestKernel;
  const shared = rounded("tensor", measured ? [...fine, ...sizes] : fine);
  return [...rounded("row", sizes), ...shared, ...(measured && hasKernels ? transformed : []), dense];
}

/** Whether each row's error counts alike: rows of small values may matter as much as others. */
export function isByRow(choice: Choice): boolean {
  if (choice.storage === "scalar") return choice.steps === "row";
  return choice.storage === "dense" || choice.storage === "int8" || choice.storage === "sparse";
}

/** Candidates of one family lose alike: where one of them is measured, the others are known by their errors. */
export function familyOf(choice: Choice): string {
  if (choice.storage === "scalar") return `scalar ${choice.steps ?? "tensor"}`;
  if (choice.storage === "factored") return `factored ${choice.layout}`;
  if (choice.storage === "svd") return `svd ${choice.k}`;
  return choice.storage === "vq" ? `vq ${choice.d ?? "kernel"}` : choice.storage;
}
