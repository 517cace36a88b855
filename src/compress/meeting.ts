import { doublesAt, type FullEngine, floatsAt, place } from "../kernels/engine.js";
import { addProducts, addSums, type Moments, mostColumns, takenBy } from "./moments.js";
import type { Stage } from "./stages.js";
import { chanceIn } from "./steady.js";

/**
 * Part of the inputs' mean square that pulls a weight towards what it was: so many over the number of examples, and not below the
 * least. Measured: with 256 images ResNet-20 and ResNet-8 are as good with 0.03 to 0.4; with 50, SqueezeNet's mean KL at an eighth of its
 * size is 0.0135, 0.0127, 0.0108, 0.0206 with 0.1, 0.4, 1, 100.
 */
const pulling = 50;
const leastPull = 0.1;

/** Moments of what a weight meets in the compressed network, x', beside what it met in the dense one, x, at the same places. */
export interface Meeting extends Moments {
  /** E[x] and E[x^2], [groups, cols]. */
  readonly before: Float64Array;
  readonly squareBefore: Float64Array;
  /** E[x x'^T], [groups, cols, cols]; there where `gram` is. */
  readonly cross?: Float64Array;
  /** Rows of each group, and examples that these come from. */
  readonly count: number;
  readonly examples: number;
}

/** @param then, now rows [groups, count, cols] of each of the feeds */
export function compare(
  engine: FullEngine,
  then: readonly Float32Array[],
  now: readonly Float32Array[],
  stage: Stage,
  examples: number,
): Meeting {
  const { groups, cols } = stage;
  const wide = stage.kind === "norm" || cols > mostColumns ? 0 : groups * cols * cols;
  const [mean, square, before, squareBefore] = [0, 1, 2, 3].map(() => new Float64Array(groups * cols));
  const [gram, cross] = [new Float64Array(wide), new Float64Array(wide)];
  const half = { mean: new Float64Array(groups * cols), gram: new Float64Array(wide), count: 0 };
  let count = 0;
  for (const [i, x] of now.entries()) {
    const own = x.length / (groups * cols);
    const taken = takenBy(half, count, own);
    count += own;
    addSums(x, stage, own, mean, square);
    addSums(then[i], stage, own, before, squareBefore);
    addSums(x, stage, taken, half.mean);
    if (wide === 0 || own === 0) continue;
    engine.arena.scope(() => {
      const [px, pt] = [place(engine, x), place(engine, then[i])];
      addProducts(engine, [px, px], own, stage, gram, { gram: half.gram, count: taken });
      addProducts(engine, [pt, px], own, stage, cross);
    });
  }
  const each = (values: Float64Array) => values.map((value) => value / count);
  return {
    ...{ mean: each(mean), square: each(square), before: each(before), squareBefore: each(squareBefore) },
    ...(wide > 0 && { gram: each(gram), cross: each(cross), chance: chanceIn(half, { mean, gram, count }) }),
    count,
    examples,
  };
}

/**
 * The values V that make E|W x - V x'|^2 + e |V - W|^2 least: V = W + W (E[x x'^T] - E[x' x'^T]) (E[x' x'^T] + e I)^-1. The fewer
 * examples there are, or rows for each column, the larger is e: it is that part of an input's mean square. W itself without second moments.
 * @param w f32 [rows, cols]
 */
export function towards(
  engine: FullEngine,
  w: Float32Array,
  { gram, cross, count, examples }: Meeting,
  { rows, cols, groups }: Stage,
): Float32Array {
  const out = w.slice();
  if (!gram || !cross) return out;
  const own = rows / groups;
  const pull = Math.max(leastPull, pulling / examples, cols / count);
  for (let group = 0; group < groups; group++) {
    const part = [group * cols * cols, (group + 1) * cols * cols] as const;
    const [a, off] = [gram.slice(...part), cross.slice(...part)];
    let trace = 0;
    for (let c = 0; c < cols; c++) trace += a[c * (cols + 1)];
    let moved = false;
    for (let i = 0; i < off.length; i++) {
      off[i] -= a[i];
      moved ||= off[i] !== 0;
    }
    if (!moved) continue;
    for (let c = 0; c < cols; c++) a[c * (cols + 1)] += (pull * trace) / cols;
    const { arena, kernels } = engine;
    arena.scope(() => {
      const [pw, po] = [w.subarray(group * own * cols, (group + 1) * own * cols), Float32Array.from(off)].map(
        (values) => place(engine, values),
      );
      const py = place(engine, new Float32Array(own * cols));
      kernels.gemm_nn_f32(own, cols, cols, pw, po, py, arena.alloc(kernels.gemm_scratch_bytes(own, cols, cols)));
      const y = floatsAt(engine, py, own * cols);
      /** Its transpose, [cols, own]. */
      const right = new Float64Array(cols * own);
      for (let r = 0, at = 0; r < own; r++) for (let c = 0; c < cols; c++) right[c * own + r] = y[at++];
      const [pa, pb] = [place(engine, a), place(engine, right)];
      kernels.cholesky_solve_f64(cols, pa, own, pb);
      const change = doublesAt(engine, pb, cols * own);
      for (let r = 0; r < own; r++) {
        for (let c = 0, at = (group * own + r) * cols; c < cols; c++, at++) out[at] += change[c * own + r];
      }
    });
  }
  return out;
}
