import { bytesPerElement, type DType, inMemory, isFloat, type TypedArray } from "../dtype.js";
import { expected, UnsupportedError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import type { Layout } from "../graph/weight.js";
import type { FullKernels, RunKernels } from "../kernels/abi.js";
import { sizeOf } from "../tensor.js";

/** What an operator means, in a few members; absent `grad` means not trainable. */
export interface Op {
  /** Checks the attributes of a node. @throws UnsupportedError, ShapeError */
  attrs(node: GraphNode): void;
  /** What the outputs are, from what the inputs are (an absent optional input is undefined). @throws ShapeError, UnsupportedError */
  infer(node: GraphNode, inputs: readonly (Info | undefined)[]): readonly Info[];
  /** Places what the node needs of its weights, once; the result binds it to addresses and shapes, once per plan. */
  lower(site: Site): (io: Slots, table: Table) => Launch;
  /** Whether the output may take the place of the first input, where that is not used again and takes as many bytes. */
  readonly inPlace?: boolean;
  /** The same of the second input. */
  readonly inPlaceSecond?: boolean;
  /** Whether the output is the first input in another shape: it stands where that does, and no launch runs. */
  readonly alias?: boolean;
  /** Gradients: reads dOutputs, adds into dInputs. */
  grad?(site: GradSite): (io: GradSlots) => Launch;
}

/** Address of a copy of `data` that stands there as long as the plan is the current one. */
export type Table = (data: TypedArray) => number;

/** What is known of a value before the network runs. */
export interface Info {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Its elements, as they stand in memory, where they follow from weights and shapes alone. */
  readonly known?: TypedArray;
}

/** Thrown by `infer` where an output's shape follows from the elements of an input that are not known yet. */
export class NeedsValue extends Error {
  readonly input: number;

  constructor(input: number) {
    super(`needs the elements of input ${input}`);
    this.input = input;
  }
}

type Shapes = (node: GraphNode, inputs: readonly (readonly number[] | undefined)[]) => readonly (readonly number[])[];

/** `infer` of an operator that looks at shapes alone and gives values of its first input's type. */
export function ofAny(shapes: Shapes): Op["infer"] {
  return (node, inputs) => {
    const dtype = inputs.find((info) => info !== undefined)?.dtype ?? "float32";
    const given = inputs.map((info) => info?.shape);
    return shapes(node, given).map((shape) => ({ dtype, shape }));
  };
}

/** The same of an operator over floating-point numbers. */
export function ofFloats(shapes: Shapes): Op["infer"] {
  const infer = ofAny(shapes);
  return (node, inputs) => {
    for (const [i, info] of inputs.entries()) {
      if (info && !isFloat(info.dtype)) {
        throw new UnsupportedError(
          expected(`${node.name} (${node.op}) input ${i}`, "floating-point values", info.dtype),
        );
      }
    }
    return infer(node, inputs);
  };
}

/**
 * One call of a node: `run` is given a scratch block of at least `scratch` bytes and allocates nothing. `scratch` follows from shapes
 * and from which slots share a place, not from addresses.
 */
export interface Launch {
  readonly scratch: number;
  run(scratch: number): void;
}

/** A tensor in the session's memory, row-major; floating-point numbers are f32 there, whatever their dtype. */
export interface Slot {
  readonly pointer: number;
  readonly shape: readonly number[];
  readonly dtype: DType;
  /** Its elements, where they are known at planning. */
  readonly known?: TypedArray;
}

/** Bytes that a slot takes in memory. */
export function bytesOf({ dtype, shape }: Pick<Slot, "dtype" | "shape">): number {
  return sizeOf(shape) * bytesPerElement(inMemory(dtype));
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

/** The gradients of the first input and of the first output, as slots. */
export function gradientsOf({ inputs, outputs, dInputs, dOutputs }: GradSlots): [dx: Slot, dy: Slot] {
  return [
    { ...inputs[0]!, pointer: dInputs[0] },
    { ...outputs[0], pointer: dOutputs[0] },
  ];
}

/** Where an operator is lowered: its node, its weights, the kernels, and memory that lives as long as the session. */
export interface Site {
  readonly node: GraphNode;
  readonly kernels: RunKernels;
  /** How input i is stored, or undefined where input i is no weight. Takes no memory. */
  weight(i: number): StoredWeight | undefined;
  /** Weight input i, which is stored as `kind`, in memory for the life of the session. */
  place<K extends PlacedWeight["kind"]>(i: number, kind: K): Extract<PlacedWeight, { readonly kind: K }>;
  /** Address of the values of weight input i, rebuilt as dense f32, for the life of the session; 0 where the input is absent. */
  dense(i: number): number;
  /** The same for the length of one call: values that a kernel packs need not stay. Allocate what is to stay before. */
  borrow<T>(i: number, use: (values: number) => T): T;
  /** What input i is where it is a dense weight, of any type, with all of its elements; it then has no address. Takes no memory. */
  constant(i: number): Required<Info> | undefined;
  /** Memory for the life of the session. */
  alloc(bytes: number): number;
  /** Memory for the length of one call. */
  temporary<T>(bytes: number, use: (pointer: number) => T): T;
  /**
   * Whether every result is the plain sum: factored weights are rebuilt, so that results do not depend on the batch, and Winograd's
   * transforms, whose error is about five times larger, are not used.
   */
  readonly exact: boolean;
  /**
   * Where there is an activation that this launch is to apply to what it makes: the address of its limits, f32 [3], as
   * assembly/simd.ts takes them in `clamp`. 0 where there is none.
   */
  readonly limits: number;
  /** Shape of the first output for one example, where it follows from the graph alone. */
  readonly output: readonly number[] | undefined;
}

export interface GradSite {
  readonly node: GraphNode;
  readonly kernels: FullKernels;
}

/** How a weight is stored, as far as a kernel is chosen by it. */
export type StoredWeight = { readonly shape: readonly number[]; readonly rows: number; readonly cols: number } & (
  | { readonly kind: "dense" | "live" | "int8" }
  | { readonly kind: "sparse"; readonly nnz: number }
  | {
      readonly kind: "factored";
      readonly layout: Layout;
      readonly d: number;
      readonly n: number;
      readonly k: number;
      readonly nnz: number;
    }
);

/** A weight in the session's memory. Scales are expanded to one per row. */
export type PlacedWeight = {
  readonly shape: readonly number[];
  readonly rows: number;
  readonly cols: number;
} /** Values of any dtype, as they stand in memory. */ & (
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
      readonly layout: Layout;
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

/** Runs calls that are bound to all but their scratch, one after another. */
export function inTurn(calls: readonly ((scratch: number) => void)[]): (scratch: number) => void {
  if (calls.length === 1) return calls[0];
  return (scratch) => {
    for (let i = 0; i < calls.length; i++) calls[i](scratch);
  };
}

/** A launch that does nothing. */
export const nothing: Launch = { scratch: 0, run() {} };
