import { expected, UnsupportedError } from "../errors.js";
import { checkGraph } from "../graph/check.js";
import type { Dim, Graph, ValueInfo } from "../graph/graph.js";
import { createEngine, type Engine, floatsAt } from "../kernels/engine.js";
import { fold } from "../passes/fold.js";
import { bindShape } from "../passes/infer.js";
import { nameOf, sameShape, sizeOf, type Tensor } from "../tensor.js";
import { checkShape, type Feeds, fitsSlot, shapeOfFeed, valuesOf } from "./feeds.js";
import { bindPlan, type Lowered, lowerGraph, type Plan, runPlan } from "./plan.js";

export interface SessionOptions {
  /** The session's memory never passes this; OutOfMemoryError otherwise. Default: what wasm32 addresses (4 GiB). */
  readonly maxBytes?: number;
  /**
   * Rebuild factored weights instead of using them in factored form, and convolve without Winograd's transforms: slower, and the
   * result does not depend on the batch by a single bit.
   */
  readonly exact?: boolean;
}

/** Plans that are kept, the newest: a model that is fed ever new shapes does not grow. */
const mostPlans = 32;

/** A network in memory, ready to run. Owns one wasm instance; nothing is shared between models. */
export class Model {
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly #graph: Graph;
  readonly #plans: { shapes: ReadonlyMap<string, readonly number[]>; plan: Plan }[] = [];
  #engine: Engine | undefined;
  #lowered: readonly Lowered[];
  /** Where the activation block begins: every plan uses the same block. */
  readonly #base: number;
  #current: Plan | undefined;

  /** @throws OutOfMemoryError, UnsupportedError, FormatError */
  constructor(graph: Graph, module: WebAssembly.Module, options: SessionOptions = {}) {
    checkGraph(graph);
    for (const { name, dtype } of [...graph.inputs, ...graph.outputs]) {
      if (dtype !== "float32") throw new UnsupportedError(expected(`value ${name}`, "float32", dtype));
    }
    for (const { name } of graph.outputs) {
      if (graph.weights.has(name))
        throw new UnsupportedError(expected(`output ${name}`, "a computed value", "a weight"));
    }
    this.inputs = graph.inputs;
    this.outputs = graph.outputs;
    this.#graph = fold(graph);
    this.#engine = createEngine(module, options.maxBytes);
    this.#lowered = lowerGraph(this.#engine, this.#graph, options.exact ?? false);
    this.#base = this.#engine.arena.mark();
  }

  /**
   * Runs the network. Each input is a tensor, or a bare Float32Array where at most one dimension is open; an input left out keeps
   * what was written until the shapes change. Outputs are fresh copies.
   * @throws TypeError for an unknown input or one that is no tensor, ShapeError for a dtype or shape that does not fit, OutOfMemoryError
   */
  run(feeds: Feeds = {}): Record<string, Tensor & { readonly data: Float32Array }> {
    const engine = this.#live();
    if (typeof feeds !== "object" || feeds === null) {
      throw new TypeError(expected("run", "inputs by name", nameOf(feeds)));
    }
    for (const name of Object.keys(feeds)) {
      if (!this.inputs.some((input) => input.name === name)) {
        throw new TypeError(expected("run", `inputs among ${this.inputs.map((input) => input.name).join(", ")}`, name));
      }
    }
    const plan = this.#planFor(feeds);
    for (const { name } of this.inputs) {
      const feed = feeds[name];
      if (feed === undefined) continue;
      const slot = plan.slots.get(name)!;
      const data = valuesOf(feed);
      floatsAt(engine, slot.pointer, data.length).set(data as Float32Array);
    }
    runPlan(plan);
    const results: Record<string, Tensor & { readonly data: Float32Array }> = {};
    for (const { name } of this.outputs) {
      const { pointer, shape } = plan.slots.get(name)!;
      results[name] = { dtype: "float32", shape: [...shape], data: floatsAt(engine, pointer, sizeOf(shape)).slice() };
    }
    return results;
  }

  /**
   * A view of an input to fill without a copy, valid until the next call on this model. `shape` is needed where a dimension is
   * open and no run has fixed it; other inputs follow where they name the same dimensions. What was written into an input stays
   * until the shapes change.
   * @throws TypeError for an unknown input, ShapeError for a shape that does not fit, OutOfMemoryError
   */
  input(name: string, shape?: readonly number[]): Float32Array {
    const engine = this.#live();
    const declared = this.inputs.find((input) => input.name === name);
    if (!declared) throw new TypeError(expected("input", `one of ${this.inputs.map((i) => i.name).join(", ")}`, name));
    const fixed =
      shape ??
      this.#current?.slots.get(name)?.shape ??
      declared.shape.map((dim) => (typeof dim === "number" ? dim : 1));
    checkShape(`input ${name}`, fixed);
    const sizes = new Map<string, number>();
    bindShape(`input ${name}`, declared, fixed, sizes);
    const shapes = new Map<string, readonly number[]>();
    for (const input of this.inputs) {
      const known = this.#current?.slots.get(input.name)?.shape;
      const sizeAt = (dim: Dim, i: number) => (typeof dim === "number" ? dim : (sizes.get(dim) ?? known?.[i] ?? 1));
      shapes.set(input.name, input.shape.map(sizeAt));
    }
    const slot = this.#planAt(shapes).slots.get(name)!;
    return floatsAt(engine, slot.pointer, sizeOf(slot.shape));
  }

  /** Bytes of the session's memory: weights, activations and scratch. */
  get bytes(): number {
    return this.#live().kernels.memory.buffer.byteLength;
  }

  /** Frees the session's memory; every later call throws a TypeError. */
  dispose(): void {
    this.#engine = undefined;
    this.#current = undefined;
    this.#plans.length = 0;
    this.#lowered = [];
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #live(): Engine {
    if (!this.#engine) throw new TypeError(expected("model", "a live session", "a disposed one"));
    return this.#engine;
  }

  #planFor(feeds: Feeds): Plan {
    const current = this.#current;
    if (current && this.inputs.every(({ name }) => fitsSlot(feeds[name], current.slots.get(name)!.shape)))
      return current;
    const shapes = new Map<string, readonly number[]>();
    for (const declared of this.inputs) {
      const feed = feeds[declared.name];
      const shape = feed !== undefined ? shapeOfFeed(declared, feed) : current?.slots.get(declared.name)?.shape;
      if (!shape) throw new TypeError(expected("run", `input ${declared.name}`, "none"));
      shapes.set(declared.name, shape);
    }
    const sizes = new Map<string, number>();
    for (const declared of this.inputs)
      bindShape(`input ${declared.name}`, declared, shapes.get(declared.name)!, sizes);
    return this.#planAt(shapes);
  }

  #planAt(given: ReadonlyMap<string, readonly number[]>): Plan {
    const known = this.#plans.find((entry) =>
      [...given].every(([name, shape]) => sameShape(shape, entry.shapes.get(name)!)),
    );
    if (known) return (this.#current = known.plan);
    // Copies: a shape belongs to the caller, who may change it.
    const shapes = new Map([...given].map(([name, shape]) => [name, [...shape]]));
    const { arena } = this.#live();
    arena.release(this.#base);
    const plan = bindPlan(this.#live(), this.#graph, this.#lowered, shapes);
    if (this.#plans.length === mostPlans) this.#plans.shift();
    this.#plans.push({ shapes, plan });
    return (this.#current = plan);
  }
}
