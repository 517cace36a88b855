import { matrixOf } from "../graph/storage.js";
import { doublesAt, type FullEngine, place } from "../kernels/engine.js";
import { log } from "../math.js";
import type { Moments } from "./moments.js";
import { roundScale } from "./quantize.js";
import { roundByRate } from "./rate.js";

/** Largest integer of a code. */
const levels = 127;
/** Part of the inputs' mean square that is added to each of them: what few samples do not show is not taken for nothing. */
const damping = 0.01;
/**
 * What a bit may cost, in squared steps: the slope of distortion against rate of a fine uniform quantizer, ln 2 / 6 (H. Gish,
 * J. Pierce, "Asymptotically efficient quantizing", 1968).
 */
const slope = 0.11552453009332421;

/** How the steps of the rows of a weight are chosen: one for all, or each in proportion to its row. */
export type Steps = "tensor" | "row";

/** Integers [rows, cols], a step for all or one for each row, and the error of what these make in each row. */
export interface Rounded {
  readonly q: Int16Array;
  readonly scale: Float32Array;
  readonly error: Float64Array;
}

/**
 * Rounds one weight to integers times steps so that what it makes changes least for its bits; see assembly/compress/feedback.ts. Its
 * inputs' second moments stand in the engine's memory until the arena is released.
 */
export class Rounder {
  readonly #engine: FullEngine;
  readonly #values: Float64Array;
  readonly #rows: number;
  readonly #cols: number;
  readonly groups: number;
  readonly #period: number;
  /** Address of the factor of each group, f64 [cols, cols]; they stand in a row. 0 without second moments. */
  readonly factors: number;
  /** Address of H of each group. */
  readonly #grams: number;
  /** Mean over the columns of 1 / U[c, c]^2: what a squared error of 1 costs. */
  readonly #scale: number;

  /**
   * @param moments of the inputs, where they are known; without second moments every input counts alike
   * @param period after so many columns their integers are as likely again
   */
  constructor(
    engine: FullEngine,
    shape: readonly number[],
    dense: ArrayLike<number>,
    moments?: Pick<Moments, "gram">,
    period = 1,
  ) {
    const { rows, cols } = matrixOf(shape);
    this.#engine = engine;
    this.#values = Float64Array.from(dense);
    this.#rows = rows;
    this.#cols = cols;
    this.#period = period;
    const gram = moments?.gram;
    this.groups = gram ? gram.length / (cols * cols) : 1;
    if (!gram) {
      this.#grams = 0;
      this.factors = 0;
      this.#scale = 1;
      return;
    }
    const damped = damp(gram, cols);
    this.#grams = place(engine, damped);
    this.factors = place(engine, damped);
    const bytes = 8 * cols * cols;
    let scale = 0;
    for (let group = 0; group < this.groups; group++) {
      engine.kernels.inverse_factor_f64(cols, this.factors + group * bytes);
      const u = doublesAt(engine, this.factors + group * bytes, cols * cols);
      for (let c = 0; c < cols; c++) scale += 1 / (u[c * cols + c] * u[c * cols + c]);
    }
    this.#scale = scale / (cols * this.groups);
  }

  /**
   * @param size of the steps, against the root mean square of the weight or of each row; larger where the integers would not be in
   * -most..most
   */
  round(kind: Steps, size: number, most = levels): Rounded {
    const scale = this.#steps(kind, size, most);
    const step = kind === "row" ? scale : new Float32Array(this.#rows).fill(scale[0]);
    const large = this.#values.some(
      (value, i) => Math.abs(nearest(value / step[Math.floor(i / this.#cols)], most)) > levels,
    );
    const [q, error] = this.#grams === 0 ? this.#plainly(step, large, most) : this.#withFeedback(step, large, most);
    return { q, scale, error };
  }

  /** e H e^T of each row, for values stored in another way. */
  error(stored: Float32Array): Float64Array {
    const off = this.#values.map((value, i) => value - stored[i]);
    const cols = this.#cols;
    if (this.#grams === 0) {
      return Float64Array.from({ length: this.#rows }, (_, r) => squares(off.subarray(r * cols, (r + 1) * cols)));
    }
    const { arena, kernels } = this.#engine;
    return arena.scope(() => {
      const [e, y] = [place(this.#engine, off), arena.alloc(8 * this.#rows)];
      const rows = this.#rows / this.groups;
      for (let group = 0; group < this.groups; group++) {
        const from = group * rows;
        const gram = this.#grams + 8 * group * cols * cols;
        kernels.quadratic_rows_f64(rows, cols, e + 8 * from * cols, gram, y + 8 * from);
      }
      return doublesAt(this.#engine, y, this.#rows).slice();
    });
  }

  #steps(kind: Steps, size: number, levels: number): Float32Array {
    const [cols, values] = [this.#cols, this.#values];
    const stepOf = (part: Float64Array) => {
      const most = part.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
      const wanted = size * Math.sqrt(squares(part) / Math.max(1, part.length));
      if (most === 0) return 1;
      let step = roundScale(Math.max(wanted, most / levels));
      // At the end of float32 the integer that is next to the largest value can be too large for it.
      while (Math.fround(step * Math.round(most / step)) === Number.POSITIVE_INFINITY) step = roundScale(1.0625 * step);
      return step;
    };
    if (kind === "tensor") return Float32Array.of(stepOf(values));
    return Float32Array.from({ length: this.#rows }, (_, r) => stepOf(values.subarray(r * cols, (r + 1) * cols)));
  }

  /** @param large whether there are integers beyond int8: these all cost alike */
  #withFeedback(step: Float32Array, large: boolean, most: number): [Int16Array, Float64Array] {
    const [rows, cols] = [this.#rows, this.#cols];
    const { arena, kernels } = this.#engine;
    return arena.scope(() => {
      const engine = this.#engine;
      const [w, steps] = [place(engine, this.#values), place(engine, step)];
      const lambda = place(
        engine,
        Float64Array.from(step, (each) => (large ? 0 : slope * each * each * this.#scale)),
      );
      const bits = large ? 0 : place(engine, this.#prices(step));
      const [q, error] = [arena.alloc(2 * rows * cols), arena.alloc(8 * rows)];
      const own = rows / this.groups;
      for (let group = 0; group < this.groups; group++) {
        const [from, at] = [group * own, group * own * cols];
        const u = this.factors + 8 * group * cols * cols;
        kernels.quantize_feedback_f64(
          ...([
            own,
            cols,
            w + 8 * at,
            u,
            steps + 4 * from,
            lambda + 8 * from,
            this.#period,
            bits,
            large ? most : levels,
            q + 2 * at,
            error + 8 * from,
          ] as const),
        );
      }
      const integers = new Int16Array(kernels.memory.buffer, q, rows * cols).slice();
      return [integers, doublesAt(engine, error, rows).slice()];
    });
  }

  /** The same where columns do not know of one another. */
  #plainly(step: Float32Array, large: boolean, most: number): [Int16Array, Float64Array] {
    const [values, cols, period] = [this.#values, this.#cols, this.#period];
    const stepOf = (i: number) => step[Math.floor(i / cols)];
    const q = large
      ? Int16Array.from(values, (value, i) => nearest(value / stepOf(i), most))
      : new Int16Array(values.length);
    // Columns that have their prices in common are rounded together.
    for (let first = 0; first < period && !large; first++) {
      const own: number[] = [];
      for (let i = 0; i < values.length; i++) if ((i % cols) % period === first) own.push(i);
      const units = Float32Array.from(own, (i) => values[i] / stepOf(i));
      const codes = roundByRate({ values: units, scale: Float32Array.of(1), levels }, slope);
      for (const [k, i] of own.entries()) q[i] = codes[k];
    }
    return [q, this.error(Float32Array.from(q, (code, i) => code * stepOf(i)))];
  }

  /** Bits of each integer, [period, 256], by how often plain rounding gives it. */
  #prices(step: Float32Array): Float64Array {
    const [cols, period] = [this.#cols, this.#period];
    const counts = new Float64Array(256 * period).fill(0.5);
    for (let r = 0, i = 0; r < this.#rows; r++) {
      for (let c = 0; c < cols; c++, i++)
        counts[256 * (c % period) + nearest(this.#values[i] / step[r], levels) + 128]++;
    }
    const all = log(this.#values.length / period + 128);
    return counts.map((count) => (all - log(count)) / Math.LN2);
  }
}

function nearest(x: number, most: number): number {
  return Math.min(Math.max(Math.round(x), -most), most);
}

/** The gram matrices with `damping` times the mean of all their diagonals added to each; 1 where that is 0. */
export function damp(gram: Float64Array, cols: number): Float64Array {
  const damped = gram.slice();
  let trace = 0;
  for (let at = 0; at < gram.length; at += cols * cols)
    for (let c = 0; c < cols; c++) trace += gram[at + c * (cols + 1)];
  const more = trace > 0 ? (damping * trace * cols) / gram.length : 1;
  for (let at = 0; at < gram.length; at += cols * cols)
    for (let c = 0; c < cols; c++) damped[at + c * (cols + 1)] += more;
  return damped;
}

function squares(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value * value, 0);
}
