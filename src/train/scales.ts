import { type FullEngine, floatsAt, place } from "../kernels/engine.js";
import { powerOfTwo } from "../math.js";
import type { Trained } from "./parameter.js";

/** Values [rows, cols] rounded to integers in -levels..levels times a scale for each row. */
export interface Grid {
  readonly rows: number;
  readonly cols: number;
  readonly levels: number;
}

/** The scales of a grid, which are tuned as well. */
export interface Scales {
  readonly trained: Trained;
  /** Values on the grid, from f32 `values`. */
  round(values: number, to: number): void;
  /** Gradient of the scales from that of the rounded values, those that `mask` keeps. */
  pull(values: number, mask: number, gradient: number): void;
  /** The scales as they stand. */
  store(): Float32Array;
}

/** No scale falls below this share of what it was: what is rounded to a scale of 0 never comes back. */
const least = 1 / 16;

/**
 * The gradient of a scale is divided by the root of values times levels, which makes it as large as that of the values it scales.
 * S. Esser et al., "Learned step size quantization", 2020.
 */
export function createScales(engine: FullEngine, grid: Grid, scale: Float32Array): Scales {
  const { kernels, arena } = engine;
  const { rows, cols, levels } = grid;
  const values = place(engine, scale);
  const gradient = arena.alloc(4 * rows);
  const lowest = scale.reduce((low, value) => Math.min(low, value), Number.POSITIVE_INFINITY);
  const limits = place(
    engine,
    Float32Array.of(Math.max(least * lowest, powerOfTwo(-149)), Number.POSITIVE_INFINITY, -0),
  );
  const factor = 1 / Math.sqrt(Math.max(1, cols * levels));
  return {
    trained: { size: rows, values, gradient, mask: 0, decays: false },
    round(from, to) {
      kernels.clip_f32(rows, values, limits, values);
      kernels.round_rows_f32(rows, cols, from, values, to, levels);
    },
    pull: (from, mask, of) => kernels.round_rows_grad_f32(rows, cols, from, mask, values, of, levels, factor, gradient),
    store: () => floatsAt(engine, values, rows).slice(),
  };
}

/** The largest magnitude of codes, 1 at least. */
export function levelsIn(codes: Int8Array): number {
  return codes.reduce((most, code) => Math.max(most, Math.abs(code)), 1);
}
