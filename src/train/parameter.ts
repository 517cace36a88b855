import type { Weight } from "../graph/weight.js";
import type { PlacedWeight } from "../ops/op.js";

/** Values that the optimizer moves: f32 [size] and their gradient. `mask` 0 = all of them move. */
export interface Trained {
  readonly size: number;
  readonly values: number;
  readonly gradient: number;
  mask: number;
  /** Whether weight decay applies: to matrices and kernels, not to biases. */
  readonly decays: boolean;
}

/** Where the forward pass finds a weight, and where the backward pass adds the gradient of the live values. */
export interface Place {
  readonly live: PlacedWeight & { readonly kind: "live" };
  readonly gradient: number;
}

/** A weight in training: what the forward pass sees (`live`) and what the optimizer moves (`trained`), and the way between. */
export interface Parameter extends Place {
  readonly name: string;
  readonly trained: readonly Trained[];
  /** Live values from the trained ones. */
  refresh(): void;
  /** Gradients of the trained values from the gradient of the live ones. */
  pull(): void;
  /** The weight as it stands, stored as it came. */
  store(): Weight;
}

/** A weight whose mask the schedule may change. */
export interface Prunable extends Parameter {
  readonly size: number;
  readonly values: number;
  readonly maskPointer: number;
  /** The matrix whose rows and blocks the scopes mean, and the dimensions that its share of a sparsity goes by. */
  readonly rows: number;
  readonly cols: number;
  readonly shape: readonly number[];
}

export function isPrunable(parameter: Parameter): parameter is Prunable {
  return "maskPointer" in parameter;
}

/** A mask that keeps everything. */
export function fullMask(size: number): Uint8Array {
  const mask = new Uint8Array(Math.ceil(size / 8)).fill(255);
  if (size & 7) mask[mask.length - 1] = (1 << (size & 7)) - 1;
  return mask;
}
