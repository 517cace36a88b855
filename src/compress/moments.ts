import { expected, ShapeError } from "../errors.js";
import type { Graph, ValueInfo } from "../graph/graph.js";
import { createEngine, type Engine, floatsAt, place } from "../kernels/engine.js";
import type { Feeds } from "../runtime/feeds.js";
import { Model } from "../runtime/session.js";
import { nameOf } from "../tensor.js";
import { type Product, productsOf } from "./product.js";
import { rowsOf } from "./rows.js";
import { chanceIn, type Part } from "./steady.js";

/** What a weight [rows, cols] is multiplied with, for each group of its rows; see Product. */
export interface Moments {
  /** E[x], [groups, cols]. */
  readonly mean: Float64Array;
  /** E[x^2], [groups, cols]. */
  readonly square: Float64Array;
  /** E[x x^T], [groups, cols, cols]; absent where there are more columns than `mostColumns`. */
  readonly gram?: Float64Array;
  /** How much of what `gram` shows is chance, 0..1; see chanceIn. */
  readonly chance?: number;
}

/** Sums over `count` rows of inputs of each group; of some of them in `half`. */
interface Sums extends Moments {
  count: number;
  readonly half?: Half;
}

/** Sums over about half of the rows. */
export interface Half extends Part {
  count: number;
}

/** Second moments take cols^2 memory and cols^3 time. */
export const mostColumns = 2048;
/** Places of one example that are looked at, and rows in all: what bounds the time for second moments. */
export const mostPlaces = 64;
const mostRows = 16384;

/**
 * Runs the network over unlabelled inputs and gives the moments before each weight of a product, over all nodes that use it.
 * @throws ShapeError where the inputs do not fit, bring NaN, or there are none
 */
export function observe(graph: Graph, module: WebAssembly.Module, calibration: Iterable<Feeds>): Map<string, Moments> {
  const products = productsOf(graph);
  const sums = new Map<string, Sums>();
  const model = new Model(withOutputs(graph, new Set(products.map(({ input }) => input))), module);
  const engine = createEngine(module);
  let samples = 0;
  for (const feeds of calibration) {
    checkNames(graph, feeds);
    const values = model.run(feeds);
    for (const product of products) {
      const into = sums.get(product.weight) ?? emptySums(product);
      sums.set(product.weight, into);
      if (into.count >= mostRows) continue;
      const rows = rowsOf(values[product.input], product, graph, mostPlaces);
      add(engine, into, rows, product);
      if (into.count > 0 && !areFinite(into)) {
        const got = `NaN or Infinity before node ${product.node.name}`;
        throw new ShapeError(expected("calibration", "finite activations", got));
      }
    }
    samples++;
  }
  if (samples === 0 || [...sums.values()].some(({ count }) => count === 0)) {
    throw new ShapeError(expected("calibration", "at least one input", "none"));
  }
  return new Map(
    [...sums].map(([name, { mean, square, gram, half, count }]) => {
      const each = (values: Float64Array) => values.map((value) => value / count);
      const chance = gram && half ? chanceIn(half, { mean, gram, count }) : 0;
      return [name, { mean: each(mean), square: each(square), ...(gram && { gram: each(gram), chance }) }];
    }),
  );
}

/** Products of two f32 overflow where squares in f64 do not, on the diagonal first. */
function areFinite({ square, gram }: Moments): boolean {
  if (!square.every(Number.isFinite)) return false;
  if (!gram) return true;
  const cols = gram.length / square.length;
  return square.every((_, i) => Number.isFinite(gram[i * cols + (i % cols)]));
}

/** @throws TypeError where it is no record of inputs, ShapeError where an input is missing */
export function checkNames(graph: Graph, feeds: Feeds): void {
  if (typeof feeds !== "object" || feeds === null || ArrayBuffer.isView(feeds)) {
    throw new TypeError(expected("calibration", "inputs by name", nameOf(feeds)));
  }
  for (const { name } of graph.inputs) {
    if (feeds[name] !== undefined) continue;
    throw new ShapeError(expected("calibration", `input ${name}`, Object.keys(feeds).join(", ") || "none"));
  }
}

/** The network with more of its values among its outputs, as float32. */
function withOutputs(graph: Graph, names: ReadonlySet<string>): Graph {
  const given = new Set(graph.outputs.map(({ name }) => name));
  const more = [...names].filter((name) => !given.has(name)).map((name): ValueInfo => ({ name, dtype: "float32" }));
  return { ...graph, outputs: [...graph.outputs, ...more] };
}

function emptySums({ groups, cols }: Product): Sums {
  const sums = () => new Float64Array(groups * cols * cols);
  const grams =
    cols <= mostColumns
      ? { gram: sums(), half: { mean: new Float64Array(groups * cols), gram: sums(), count: 0 } }
      : {};
  return { mean: new Float64Array(groups * cols), square: new Float64Array(groups * cols), ...grams, count: 0 };
}

/** Adds rows [groups, count, cols]. */
function add(engine: Engine, into: Sums, rows: Float32Array, product: Product): void {
  const { groups, cols } = product;
  const count = rows.length / (groups * cols);
  const taken = into.half ? takenBy(into.half, into.count, count) : 0;
  addSums(rows, product, count, into.mean, into.square);
  if (into.half) addSums(rows, product, taken, into.half.mean);
  into.count += count;
  const { gram, half } = into;
  if (!gram || count === 0) return;
  engine.arena.scope(() => {
    const x = place(engine, rows);
    addProducts(engine, [x, x], count, product, gram, half && { gram: half.gram, count: taken });
  });
}

/** How many of `count` more rows behind `before` others belong to the half: all or none by turns, of the first ones half. */
export function takenBy(half: Half, before: number, count: number): number {
  const taken = before === 0 ? Math.floor(count / 2) : 2 * half.count <= before ? count : 0;
  half.count += taken;
  return taken;
}

/** Adds the first `some` of rows [groups, count, cols], and their squares, to sums [groups, cols]. */
export function addSums(
  rows: Float32Array,
  { groups, cols }: Pick<Product, "groups" | "cols">,
  some: number,
  sum: Float64Array,
  square?: Float64Array,
): void {
  for (let group = 0; group < groups; group++) {
    const first = group * cols;
    let at = (rows.length / groups) * group;
    for (let r = 0; r < some; r++) {
      for (let c = 0; c < cols; c++, at++) {
        const value = rows[at];
        sum[first + c] += value;
        if (square) square[first + c] += value * value;
      }
    }
  }
}

/**
 * sums += A^T B of each group; A, B f32 [groups, count, cols], sums [groups, cols, cols].
 * @param half is given what the first `count` of the rows add
 */
export function addProducts(
  engine: Engine,
  [a, b]: readonly [number, number],
  count: number,
  { groups, cols }: Pick<Product, "groups" | "cols">,
  sums: Float64Array,
  half?: { readonly gram: Float64Array; readonly count: number },
): void {
  const { arena, kernels } = engine;
  const y = arena.alloc(4 * cols * cols);
  const scratch = arena.alloc(kernels.gemm_scratch_bytes(cols, cols, count));
  const add = (group: number, row: number, rows: number, into: readonly Float64Array[]) => {
    if (rows === 0) return;
    const from = 4 * (group * count + row) * cols;
    const product = floatsAt(engine, y, cols * cols).fill(0);
    kernels.gemm_tn_f32(cols, cols, rows, a + from, b + from, y, scratch);
    for (const all of into) for (let i = 0, at = group * cols * cols; i < product.length; i++) all[at++] += product[i];
  };
  const taken = half?.count ?? 0;
  for (let group = 0; group < groups; group++) {
    if (half) add(group, 0, taken, [sums, half.gram]);
    add(group, taken, count - taken, [sums]);
  }
}
