import { expected } from "./errors.js";
import { cosPi } from "./math.js";
import { nameOf } from "./tensor.js";

/**
 * Sparsity over the steps of a run: data in, numbers out. In each cycle the sparsity stays at `from` for `warm` steps, rises to
 * `to` over `ramp` steps, and stays for `hold` steps; then it drops to the next cycle's `from`, where wrongly pruned weights come
 * back. After the last cycle the mask is frozen. It can be written as JSON and read again.
 * V. Srinivas et al., "Cyclical Pruning for Sparse Neural Networks", 2022.
 */
export interface Schedule {
  readonly cycles: readonly Cycle[];
}

/**
 * How a ramp rises, with tau in 0..1 along it: `cubic` 1 - (1 - tau)^3 (M. Zhu, S. Gupta, "To prune, or not to prune", 2017), `linear`
 * tau, `cosine` (1 - cos(pi tau)) / 2.
 */
export type Shape = "cubic" | "linear" | "cosine";

/** Steps are counts of optimizer steps; `from` and `to` are sparsities (fractions of zeros) in 0..1. */
export interface Cycle {
  readonly from: number;
  readonly to: number;
  readonly warm: number;
  readonly ramp: number;
  readonly hold: number;
  /** By default `cubic`. */
  readonly shape?: Shape;
}

/** Where a step stands: `cycle` from 0, `step` inside the cycle; after the last cycle the phase is "frozen". */
export interface Phase {
  readonly cycle: number;
  readonly name: "warm" | "ramp" | "hold" | "frozen";
  readonly step: number;
}

export function cycleLength(cycle: Cycle): number {
  return cycle.warm + cycle.ramp + cycle.hold;
}

/** Total number of steps in all cycles. */
export function scheduleLength(schedule: Schedule): number {
  return schedule.cycles.reduce((steps, cycle) => steps + cycleLength(cycle), 0);
}

export function phaseAt(schedule: Schedule, step: number): Phase {
  let local = step;
  for (const [index, cycle] of schedule.cycles.entries()) {
    if (local < cycleLength(cycle)) {
      const name = local < cycle.warm ? "warm" : local < cycle.warm + cycle.ramp ? "ramp" : "hold";
      return { cycle: index, name, step: local };
    }
    local -= cycleLength(cycle);
  }
  return { cycle: schedule.cycles.length - 1, name: "frozen", step: local };
}

/**
 * s(c, t) = to + (from - to) (1 - rise(tau)), tau = clamp((t - warm) / ramp, 0, 1); ramp = 0: tau = (t >= warm). After the last cycle:
 * its `to`. The same bits on every runtime.
 */
export function sparsityAt(schedule: Schedule, step: number): number {
  if (schedule.cycles.length === 0) return 0;
  const phase = phaseAt(schedule, step);
  const cycle = schedule.cycles[phase.cycle];
  if (phase.name === "frozen") return cycle.to;
  const past = phase.step - cycle.warm;
  const tau = cycle.ramp === 0 ? (past >= 0 ? 1 : 0) : Math.min(Math.max(past / cycle.ramp, 0), 1);
  return cycle.to + (cycle.from - cycle.to) * left[cycle.shape ?? "cubic"](tau);
}

/** 1 - rise(tau): 1 at 0 and 0 at 1, exactly. */
const left: Readonly<Record<Shape, (tau: number) => number>> = {
  cubic: (tau) => (1 - tau) * (1 - tau) * (1 - tau),
  linear: (tau) => 1 - tau,
  cosine: (tau) => (1 + cosPi(tau)) / 2,
};

/**
 * @throws TypeError where it is no object or a shape is unknown; RangeError where there is no cycle, a sparsity is outside 0..1 or a
 * length is not a non-negative integer
 */
export function checkSchedule(schedule: Schedule): void {
  if (typeof schedule !== "object" || schedule === null) {
    throw new TypeError(expected("schedule", "{ cycles: [..] }", nameOf(schedule)));
  }
  if (!Array.isArray(schedule.cycles) || schedule.cycles.length === 0) {
    throw new RangeError(expected("schedule.cycles", "at least one cycle", "none"));
  }
  for (const [index, cycle] of schedule.cycles.entries()) {
    if (typeof cycle !== "object" || cycle === null) {
      throw new TypeError(expected(`schedule.cycles[${index}]`, "a cycle", nameOf(cycle)));
    }
    for (const key of ["from", "to"] as const) {
      // Of the type too: JSON may hold "0.5", which compares as 0.5 does.
      if (typeof cycle[key] !== "number" || !(cycle[key] >= 0 && cycle[key] <= 1)) {
        throw new RangeError(expected(`schedule.cycles[${index}].${key}`, "a sparsity in 0..1", `${cycle[key]}`));
      }
    }
    for (const key of ["warm", "ramp", "hold"] as const) {
      if (!Number.isSafeInteger(cycle[key]) || cycle[key] < 0) {
        throw new RangeError(expected(`schedule.cycles[${index}].${key}`, "a number of steps", `${cycle[key]}`));
      }
    }
    if (cycle.shape !== undefined && !Object.hasOwn(left, cycle.shape)) {
      const names = Object.keys(left).join(", ");
      throw new TypeError(expected(`schedule.cycles[${index}].shape`, `one of ${names}`, String(cycle.shape)));
    }
    if (cycleLength(cycle) === 0) {
      throw new RangeError(expected(`schedule.cycles[${index}]`, "at least one step", "none"));
    }
  }
}

/** All at once, then `hold` steps of fine-tuning. */
export function oneShot(options: { sparsity: number; warm?: number; hold: number }): Schedule {
  return built([{ from: 0, to: options.sparsity, warm: options.warm ?? 0, ramp: 0, hold: options.hold }]);
}

/** Gradual magnitude pruning: one ramp. */
export function gradual(options: {
  sparsity: number;
  from?: number;
  warm?: number;
  ramp: number;
  hold: number;
  shape?: Shape;
}): Schedule {
  const { sparsity, from = 0, warm = 0, ramp, hold, shape } = options;
  return built([{ from, to: sparsity, warm, ramp, hold, ...(shape && { shape }) }]);
}

/**
 * Cyclical pruning: `cycles` times up to `sparsity` and down again, ending up. `drop` is the sparsity that a cycle falls back to
 * (a number, or one for each cycle but the first): above 0, the network is densified in part. `targets` gives each cycle a peak of its
 * own, instead of `sparsity`.
 */
export function cyclical(options: {
  cycles: number;
  sparsity?: number;
  from?: number;
  drop?: number | readonly number[];
  targets?: readonly number[];
  warm?: number;
  ramp: number;
  hold: number;
  shape?: Shape;
}): Schedule {
  const { cycles, sparsity, from = 0, drop = 0, targets, warm = 0, ramp, hold, shape } = options;
  const wanted = (given: readonly number[], length: number, name: string) => {
    if (given.length !== length)
      throw new RangeError(expected(`cyclical.${name}`, `${length} numbers`, `${given.length}`));
  };
  checkCycles("cyclical", cycles);
  if (targets) wanted(targets, cycles, "targets");
  if (targets === undefined && sparsity === undefined) {
    throw new RangeError(expected("cyclical", "a sparsity or targets", "neither"));
  }
  if (typeof drop !== "number") wanted(drop, cycles - 1, "drop");
  return built(
    Array.from({ length: cycles }, (_, i) => ({
      from: i === 0 ? from : typeof drop === "number" ? drop : drop[i - 1],
      to: targets ? targets[i] : sparsity!,
      warm,
      ramp,
      hold,
      ...(shape && { shape }),
    })),
  );
}

/** AC/DC (A. Peste et al., 2021): a square wave between dense and compressed, ending compressed. */
export function alternating(options: { cycles: number; sparsity: number; dense: number; sparse: number }): Schedule {
  const { cycles, sparsity, dense, sparse } = options;
  checkCycles("alternating", cycles);
  return built(Array.from({ length: cycles }, () => ({ from: 0, to: sparsity, warm: dense, ramp: 0, hold: sparse })));
}

/** DSD (S. Han et al., 2016): dense, sparse, dense again; ends dense. */
export function denseSparseDense(options: { sparsity: number; dense: number; sparse: number; end: number }): Schedule {
  const { sparsity, dense, sparse, end } = options;
  return built([
    { from: 0, to: sparsity, warm: dense, ramp: 0, hold: sparse },
    { from: 0, to: 0, warm: end, ramp: 0, hold: 0 },
  ]);
}

/**
 * Sparsities one after the other, each held for `steps` (a number, or one for each level): a schedule of any form. Every level is a
 * cycle of its own in what `fit` reports.
 */
export function levels(sparsities: readonly number[], steps: number | readonly number[]): Schedule {
  if (typeof steps !== "number" && steps.length !== sparsities.length) {
    throw new RangeError(expected("levels: steps", `${sparsities.length} numbers`, `${steps.length}`));
  }
  const holdOf = (i: number) => (typeof steps === "number" ? steps : steps[i]);
  return built(sparsities.map((level, i) => ({ from: level, to: level, warm: 0, ramp: 0, hold: holdOf(i) })));
}

function checkCycles(where: string, cycles: number): void {
  if (!Number.isSafeInteger(cycles) || cycles < 1) {
    throw new RangeError(expected(`${where}.cycles`, "a number of cycles, at least 1", `${cycles}`));
  }
}

function built(cycles: readonly Cycle[]): Schedule {
  const schedule = { cycles };
  checkSchedule(schedule);
  return schedule;
}
