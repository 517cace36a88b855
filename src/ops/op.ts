import type { GraphNode } from "../graph/graph.js";
import type { FullKernels, RunKernels } from "../kernels/abi.js";

/** What an operator means, in four members; absent `grad` means not trainable. */
export interface Op {
  /** Checks the attributes of a node. @throws UnsupportedError, ShapeError */
  attrs(node: GraphNode): void;
  /** Output shapes from input shapes (an absent optional input is undefined). @throws ShapeError */
  infer(node: GraphNode, inputs: readonly (readonly number[] | undefined)[]): readonly (readonly number[])[];
  /** Places what the node needs of its weights, once; the result binds it to addresses and shapes, once per plan. */
  lower(site: Site): (io: Slots) => Launch;
  /** Gradients: reads dOutputs, adds into dInputs. */
  grad?(site: GradSite): (io: GradSlots) => Launch;
}

/** One call of a node: `run` is given a scratch block of at least `scratch` bytes and allocates nothing. */
export interface Launch {
  readonly scratch: number;
  run(scratch: number): void;
}

/** A tensor in the session's memory: f32, row-major. */
export interface Slot {
  readonly pointer: number;
  readonly shape: readonly number[];
}

/** Slots of a node; an absent optional input is undefined. A weight that is not `live` has no address: its pointer is 0. */
export interface Slots {
  readonly inputs: readonly (Slot | undefined)[];
  readonly outputs: readonly Slot[];
}

/** The slots of a node and of their gradients; pointer 0 where no gradient is wanted. */
export interface GradSlots extends Slots {
  readonly dInputs: readonly number[];
  readonly dOutputs: readonly number[];
}

/** Where an operator is lowered: its node, its weights, the kernels, and memory that lives as long as the session. */
export interface Site {
  readonly node: GraphNode;
  readonly kernels: RunKernels;
  /** The storage of input i in memory, or undefined where input i is no weight. */
  weight(i: number): PlacedWeight | undefined;
  /** Address of the values of weight input i, rebuilt as dense f32; 0 where the input is absent. */
  dense(i: number): number;
  /** Memory for the life of the session. */
  alloc(bytes: number): number;
  /** Memory for the length of one call. */
  temporary<T>(bytes: number, use: (pointer: number) => T): T;
  /**
   * Whether every result is the plain sum: factored weights are rebuilt, so that results do not depend on the batch, and Winograd's
   * transforms, whose error is about five times larger, are not used.
   */
  readonly exact: boolean;
}

export interface GradSite {
  readonly node: GraphNode;
  readonly kernels: FullKernels;
}

/** A weight in the session's memory. Scales are expanded to one per row. */
export type PlacedWeight = { readonly shape: readonly number[]; readonly rows: number; readonly cols: number } & (
  | { readonly kind: "dense"; readonly values: number }
  /** Trained: values change between runs, so nothing may be packed ahead. */
  | { readonly kind: "live"; readonly values: number }
  | { readonly kind: "int8"; readonly q: number; readonly scale: number }
  | {
      readonly kind: "sparse";
      readonly nnz: number;
      readonly rowPtr: number;
      readonly col: number;
      readonly values: number;
      /** 0 where the values are f32. */
      readonly scale: number;
    }
  | {
      readonly kind: "factored";
      readonly layout: "kernel" | "rows";
      readonly d: number;
      readonly n: number;
      readonly k: number;
      readonly nnz: number;
      readonly rowPtr: number;
      readonly col: number;
      readonly codes: number;
      readonly codeScale: number;
      readonly codebook: number;
      readonly codebookScale: number;
    }
);

/** A launch that does nothing. */
export const nothing: Launch = { scratch: 0, run() {} };
