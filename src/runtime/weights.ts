import { inMemory, type TypedArray, viewOf } from "../dtype.js";
import type { Graph } from "../graph/graph.js";
import type { Engine } from "../kernels/engine.js";
import type { Info, PlacedWeight, StoredWeight } from "../ops/op.js";
import { sizeOf } from "../tensor.js";
import { placeWeight, storedAs } from "./place.js";

/** The weights of a graph in a session's memory, each put there when it is first asked for. */
export class Weights {
  readonly #engine: Engine;
  readonly #graph: Graph;
  /** Those that stay as they are stored, and the values of those that stay as dense f32. */
  readonly #placed: Map<string, PlacedWeight>;
  readonly #dense = new Map<string, number>();

  /** @param live those that are in memory already */
  constructor(engine: Engine, graph: Graph, live: ReadonlyMap<string, PlacedWeight>) {
    this.#engine = engine;
    this.#graph = graph;
    this.#placed = new Map(live);
  }

  /** How a weight is stored; undefined where there is none of that name. */
  stored(name: string): StoredWeight | undefined {
    const weight = this.#graph.weights.get(name);
    return this.#placed.get(name) ?? (weight && storedAs(weight));
  }

  /** A weight as it is stored, for the life of the session. */
  placed(name: string): PlacedWeight {
    const weight = this.#given(name);
    this.#placed.set(name, weight);
    return weight;
  }

  /** Address of a weight's values as dense f32, for the life of the session. */
  dense(name: string): number {
    const values = this.#dense.get(name) ?? this.#values(name, true);
    this.#dense.set(name, values);
    return values;
  }

  /** The same for the length of one call. */
  borrow<T>(name: string, use: (values: number) => T): T {
    return this.#engine.arena.scope(() => use(this.#dense.get(name) ?? this.#values(name, false)));
  }

  /** What a weight is that is stored dense, of any type, with its elements as they stand in memory; not of one that changes. */
  elements(name: string): Required<Info> | undefined {
    const weight = this.#graph.weights.get(name);
    const stored = weight?.kind === "coded" ? weight.storage : weight;
    if (weight === undefined || stored?.kind !== "dense" || this.#placed.get(name)?.kind === "live") return undefined;
    const { shape } = weight;
    const { dtype } = stored;
    if (weight.kind === "dense" && dtype === inMemory(dtype)) return { dtype, shape, known: weight.data };
    const read = (values: number) =>
      viewOf(inMemory(dtype), this.#engine.kernels.memory.buffer, values, sizeOf(shape)).slice() as TypedArray;
    return { dtype, shape, known: this.borrow(name, read) };
  }

  /** A weight as it is stored, on top of the arena where it is not in memory yet. */
  #given(name: string): PlacedWeight {
    return this.#placed.get(name) ?? placeWeight(this.#engine, name, this.#graph.weights.get(name)!);
  }

  #values(name: string, stays: boolean): number {
    const { kind, rows, cols } = this.stored(name)!;
    if (kind === "dense" || kind === "live") {
      const weight = stays ? this.placed(name) : this.#given(name);
      return (weight as Extract<PlacedWeight, { kind: typeof kind }>).values;
    }
    const { arena } = this.#engine;
    const y = arena.alloc(4 * rows * cols);
    arena.scope(() => rebuild(this.#engine, this.#given(name), y));
    return y;
  }
}

/** Writes the values of a weight that is not stored as such to y, f32 [rows, cols]. */
function rebuild({ kernels, arena }: Engine, weight: PlacedWeight, y: number): void {
  const { rows, cols } = weight;
  switch (weight.kind) {
    case "int8":
      kernels.dequantize_rows_i8(rows, cols, weight.q, weight.scale, y);
      return;
    case "sparse": {
      const { rowPtr, col, values, scale } = weight;
      if (scale) kernels.csr_rows_i8(rows, cols, rowPtr, col, values, scale, y);
      else kernels.csr_rows_f32(rows, cols, rowPtr, col, values, y);
      return;
    }
    case "factored": {
      const { n, d, k, rowPtr, col, codes, codeScale, codebook, codebookScale } = weight;
      const columns = arena.alloc(4 * n * d);
      kernels.codebook_rows_i8(n, d, k, rowPtr, col, codes, codeScale, codebook, columns, codebookScale);
      if (weight.layout === "kernel") {
        kernels.copy_bytes(4 * rows * cols, columns, y);
        return;
      }
      // Band after band; of the last one there may be more than W has room for.
      const bands = Math.ceil(rows / d);
      const padded = rows % d === 0 ? y : arena.alloc(4 * n * d);
      for (let b = 0, at = 0; b < bands; b++, at += 4 * cols * d)
        kernels.transpose_f32(cols, d, columns + at, padded + at);
      if (padded !== y) kernels.copy_bytes(4 * rows * cols, padded, y);
      return;
    }
  }
}
