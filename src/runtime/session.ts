import { createArray, type TypedArray } from "../dtype.js";
import { expected, UnsupportedError } from "../errors.js";
import { checkGraph } from "../graph/check.js";
import type { Dim, Graph, ValueInfo } from "../graph/graph.js";
import { createEngine, type Engine } from "../kernels/engine.js";
import type { Info } from "../ops/op.js";
import { applyPasses, passes } from "../passes/index.js";
import { bindShape, DependsOnValue } from "../passes/infer.js";
import { checkOperators } from "../passes/operators.js";
import { sameShape, type Tensor } from "../tensor.js";
import {
  checkApart,
  checkNames,
  checkShape,
  type Feeds,
  fitsSlot,
  type Outputs,
  shapeOfFeed,
  targetOf,
  valuesOf,
} from "./feeds.js";
import { fuse } from "./fuse.js";
import { knowledgeOf, type LoweredGraph, lowerGraph } from "./lower.js";
import { bindPlan, enterPlan, type Plan, runPlan } from "./plan.js";
import { type ModelProfile, profilePlan } from "./profile.js";
import { type ModelPlan, reportOf, storedBytes } from "./report.js";
import { convertIn, convertOut, elementsAt, knownOf } from "./transfer.js";

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
/** Runs of a profile. */
const mostRuns = 10000;

/** A network in memory, ready to run. Owns one wasm instance; nothing is shared between models. */
export class Model {
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly #graph: Graph;
  readonly #plans: { infos: ReadonlyMap<string, Info>; plan: Plan }[] = [];
  /** Inputs whose elements shapes depend on: a plan holds for their elements only. */
  readonly #pinned = new Set<string>();
  #engine: Engine | undefined;
  #lowered: LoweredGraph | undefined;
  /** Where the weights begin: before them is what the kernels keep. */
  readonly #heap: number;
  /** Where the activation block begins: every plan uses the same block. */
  readonly #base: number;
  /** Where the largest plan ends. */
  #end: number;
  #current: Plan | undefined;
  /** The current plan while its constants are in their places. */
  #entered: Plan | undefined;

  /** @throws OutOfMemoryError, UnsupportedError, FormatError */
  constructor(graph: Graph, module: WebAssembly.Module, options: SessionOptions = {}) {
    checkGraph(graph);
    checkOperators(graph);
    for (const { name } of graph.outputs) {
      if (graph.weights.has(name))
        throw new UnsupportedError(expected(`output ${name}`, "a computed value", "a weight"));
    }
    this.inputs = graph.inputs;
    this.outputs = graph.outputs;
    const engine = createEngine(module, options.maxBytes);
    const list = passes((given) => knowledgeOf(engine, given));
    const { graph: fused, activations } = fuse(applyPasses(graph, list));
    this.#graph = fused;
    this.#engine = engine;
    this.#heap = this.#engine.arena.mark();
    this.#lowered = lowerGraph(this.#engine, fused, { exact: options.exact, activations });
    this.#base = this.#engine.arena.mark();
    this.#end = this.#base;
  }

  /**
   * Runs the network. Each input is a tensor, or a bare array of its elements where at most one dimension is open; an input left
   * out keeps what was written until the shapes change. Outputs are float32 unless the network says otherwise: written into what
   * `outputs` has under their names and returned in it, so that a run allocates next to nothing, or else fresh copies. `outputs` are
   * checked before anything is written, may lie where feeds lie, but not over one another.
   * @throws TypeError for an unknown name or what is no tensor, ShapeError for a dtype or shape that does not fit, OutOfMemoryError
   */
  run<T extends TypedArray = Float32Array>(
    feeds: Feeds = {},
    outputs: Outputs = {},
  ): Record<string, Tensor & { readonly data: T }> {
    const engine = this.#live();
    const plan = this.#planFor(feeds);
    checkNames("outputs", this.outputs, outputs);
    const { buffer } = engine.kernels.memory;
    const given = this.outputs.map(({ name, dtype }) =>
      targetOf(name, { dtype, shape: plan.slots.get(name)!.shape }, outputs, buffer),
    );
    checkApart(this.outputs, given);
    this.#feed(plan, feeds);
    runPlan(plan);
    // Entries hold any name, `__proto__` too.
    return Object.fromEntries(
      this.outputs.map(({ name, dtype }, i) => {
        const slot = plan.slots.get(name)!;
        const stored = elementsAt(engine, slot);
        const data = (given[i] ?? createArray(dtype, stored.length)) as T;
        convertOut(dtype, stored, data);
        return [name, { dtype, shape: [...slot.shape], data }];
      }),
    );
  }

  /**
   * A view of an input to fill without a copy, valid until the next call on this model. `shape` is needed where a dimension is
   * open and no run has fixed it; other inputs follow where they name the same dimensions. What was written into an input stays
   * until the shapes change.
   * @throws TypeError for an unknown input, ShapeError for a shape that does not fit, OutOfMemoryError
   */
  input<T extends TypedArray = Float32Array>(name: string, shape?: readonly number[]): T {
    const engine = this.#live();
    const declared = this.inputs.find((input) => input.name === name);
    if (!declared) throw new TypeError(expected("input", `one of ${this.inputs.map((i) => i.name).join(", ")}`, name));
    const fixed =
      shape ??
      this.#current?.slots.get(name)?.shape ??
      declared.shape?.map((dim) => (typeof dim === "number" ? dim : 1)) ??
      [];
    checkShape(`input ${name}`, fixed);
    const sizes = new Map<string, number>();
    bindShape(`input ${name}`, declared, fixed, sizes);
    const infos = new Map<string, Info>();
    for (const input of this.inputs) {
      const known = this.#current?.slots.get(input.name)?.shape;
      const sizeAt = (dim: Dim, i: number) => (typeof dim === "number" ? dim : (sizes.get(dim) ?? known?.[i] ?? 1));
      const shape = input === declared ? [...fixed] : (input.shape?.map(sizeAt) ?? known ?? []);
      infos.set(input.name, { dtype: input.dtype, shape });
    }
    const plan = this.#planAt(infos, {});
    this.#enter(plan);
    return elementsAt(engine, plan.slots.get(name)!) as T;
  }

  /**
   * How the network runs with such inputs, which are as in `run`: every step, where its values stand and how long, and the bytes that
   * it takes. Nothing runs.
   * @throws as run
   */
  plan(feeds: Feeds = {}): ModelPlan {
    const plan = this.#planFor(feeds);
    const packed = this.#base - this.#heap;
    return reportOf(this.#graph, plan, { weights: storedBytes(this.#graph), packed, peak: this.bytes });
  }

  /**
   * Runs the network `runs` times (10) and a little more, with inputs as in `run`, and tells where the time goes: the median for each node.
   * Nodes that are too fast for the platform's clock are repeated; where it stands still while code runs, as in Cloudflare
   * Workers, all times are 0.
   * @throws as run, and RangeError for `runs` that are not a whole number from 1 to 10,000
   */
  profile(feeds: Feeds = {}, { runs = 10 }: { readonly runs?: number } = {}): ModelProfile {
    if (!Number.isInteger(runs) || runs < 1 || runs > mostRuns) {
      throw new RangeError(expected("profile: runs", `a whole number from 1 to ${mostRuns}`, `${runs}`));
    }
    const engine = this.#live();
    const plan = this.#planFor(feeds);
    this.#feed(plan, feeds);
    return profilePlan(engine, plan, runs);
  }

  /** Bytes of the session's memory: weights, activations and scratch. */
  get bytes(): number {
    return this.#live().kernels.memory.buffer.byteLength;
  }

  /** Frees the session's memory; every later call throws a TypeError. */
  dispose(): void {
    this.#engine = undefined;
    this.#current = undefined;
    this.#entered = undefined;
    this.#plans.length = 0;
    this.#lowered = undefined;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #live(): Engine {
    if (!this.#engine) throw new TypeError(expected("model", "a live session", "a disposed one"));
    return this.#engine;
  }

  #planFor(feeds: Feeds): Plan {
    this.#live();
    checkNames("inputs", this.inputs, feeds);
    const current = this.#current;
    if (current && this.inputs.every(({ name }) => fitsSlot(feeds[name], current.slots.get(name)!))) {
      if (this.#pinned.size === 0) return current;
    }
    const infos = new Map<string, Info>();
    const sizes = new Map<string, number>();
    for (const declared of this.inputs) {
      const { name, dtype } = declared;
      const feed = feeds[name];
      const shape = feed !== undefined ? shapeOfFeed(declared, feed) : current?.slots.get(name)?.shape;
      if (!shape) throw new TypeError(expected("run", `input ${name}`, "none"));
      // A copy: a shape belongs to the caller, who may change it.
      infos.set(name, { dtype, shape: [...shape] });
      bindShape(`input ${name}`, declared, shape, sizes);
    }
    return this.#planAt(infos, feeds);
  }

  #planAt(given: ReadonlyMap<string, Info>, feeds: Feeds): Plan {
    const engine = this.#live();
    for (;;) {
      const infos = new Map(
        [...given].map(([name, info]) => [name, this.#pinned.has(name) ? this.#pin(name, info, feeds) : info]),
      );
      const known = this.#plans.find((entry) => [...infos].every(([name, info]) => same(info, entry.infos.get(name)!)));
      if (known) return known.plan;
      // What is computed while planning lies past every plan: an input that was written stays whatever comes of this.
      engine.arena.release(this.#end);
      try {
        const plan = bindPlan(engine, this.#graph, this.#lowered!, infos, { base: this.#base });
        this.#end = Math.max(this.#end, engine.arena.mark());
        if (this.#plans.length === mostPlans) this.#plans.shift();
        this.#plans.push({ infos, plan });
        return plan;
      } catch (error) {
        if (!(error instanceof DependsOnValue)) throw error;
        const more = error.roots.filter((name) => !this.#pinned.has(name));
        if (more.length === 0) throw error;
        for (const name of more) this.#pinned.add(name);
      }
    }
  }

  #feed(plan: Plan, feeds: Feeds): void {
    const engine = this.#live();
    this.#enter(plan);
    for (const { name } of this.inputs) {
      const feed = feeds[name];
      if (feed === undefined) continue;
      const slot = plan.slots.get(name)!;
      convertIn(slot.dtype, valuesOf(feed), elementsAt(engine, slot));
    }
  }

  #enter(plan: Plan): void {
    if (plan !== this.#entered) enterPlan(this.#live(), plan);
    this.#current = this.#entered = plan;
  }

  /** What is known of an input that shapes depend on: its elements too. */
  #pin(name: string, info: Info, feeds: Feeds): Info {
    const feed = feeds[name];
    const current = this.#current?.slots.get(name);
    if (feed !== undefined) return { ...info, known: knownOf(info.dtype, valuesOf(feed)) };
    if (current?.known) return { ...info, known: current.known };
    throw new TypeError(expected("run", `input ${name}, which shapes depend on`, "none"));
  }
}

function same(a: Info, b: Info): boolean {
  if (!sameShape(a.shape, b.shape)) return false;
  const { known } = b;
  return (
    a.known === known ||
    (a.known !== undefined && known !== undefined && a.known.every((x, i) => Object.is(x, known[i])))
  );
}
