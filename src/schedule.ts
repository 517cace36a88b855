import { expected } from "./errors.js";
import { cosPi } from "./math.js";

/**
 * Sparsity over the steps of a run: data in, numbers out. In each cycle the sparsity stays at `from` for `warm` steps, rises to
 * `to` over `ramp` steps by the cubic of Zhu and Gupta, "To prune, or not to prune", 2017, and stays for `hold` steps; then it
 * drops to the next cycle's `from`, where wrongly pruned weights come back. After the last cycle the mask is frozen.
 * V. Srinivas et al., "Cyclical Pruning for Sparse Neural Networks", 2022.
 */
export interface Schedule {
  readonly cycles: readonly Cycle[];
}

/** Steps are counts of optimizer steps; `from` and `to` are sparsities (fractions of zeros) in 0..1. */
export interface Cycle {
  readonly from: number;
  readonly to: number;
  readonly warm: number;
  readonly ramp: number;
  readonly hold: number;
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
 * s(c, t) = to + (from - to) (1 - tau)^3, tau = clamp((t - warm) / ramp, 0, 1); ramp = 0: tau = (t >= warm). After the last cycle: its `to`.
 */
export function sparsityAt(schedule: Schedule, step: number): number {
  if (schedule.cycles.length === 0) return 0;
  const phase = phaseAt(schedule, step);
  const cycle = schedule.cycles[phase.cycle];
  if (phase.name === "frozen") return cycle.to;
  const past = phase.step - cycle.warm;
  const tau = cycle.ramp === 0 ? (past >= 0 ? 1 : 0) : Math.min(Math.max(past / cycle.ramp, 0), 1);
  const left = 1 - tau;
  return cycle.to + (cycle.from - cycle.to) * (left * left * left);
}

/** @throws RangeError where there is no cycle, a sparsity is outside 0..1 or a length is not a non-negative integer */
export function checkSchedule(schedule: Schedule): void {
  if (!Array.isArray(schedule.cycles) || schedule.cycles.length === 0) {
    throw new RangeError(expected("schedule.cycles", "at least one cycle", "none"));
  }
  for (const [index, cycle] of schedule.cycles.entries()) {
    for (const key of ["from", "to"] as const) {
      if (!(cycle[key] >= 0 && cycle[key] <= 1)) {
        throw new RangeError(expected(`schedule.cycles[${index}].${key}`, "a sparsity in 0..1", `${cycle[key]}`));
      }
    }
    for (const key of ["warm", "ramp", "hold"] as const) {
      if (!Number.isSafeInteger(cycle[key]) || cycle[key] < 0) {
        throw new RangeError(expected(`schedule.cycles[${index}].${key}`, "a number of steps", `${cycle[key]}`));
      }
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
}): Schedule {
  return built([
    { from: options.from ?? 0, to: options.sparsity, warm: options.warm ?? 0, ramp: options.ramp, hold: options.hold },
  ]);
}

/**
 * Cyclical pruning: `cycles` times up to `sparsity` and down again, ending up. `drop` is the sparsity that a cycle falls back to
 * (a number, or one for each cycle but the first); `targets` gives each cycle a peak of its own.
 */
export function cyclical(options: {
  cycles: number;
  sparsity: number;
  from?: number;
  drop?: number | readonly number[];
  targets?: readonly number[];
  warm?: number;
  ramp: number;
  hold: number;
}): Schedule {
  const { cycles, sparsity, from = 0, drop = 0, targets, warm = 0, ramp, hold } = options;
  const wanted = (given: readonly number[], length: number, name: string) => {
    if (given.length !== length)
      throw new RangeError(expected(`cyclical.${name}`, `${length} numbers`, `${given.length}`));
  };
  checkCycles("cyclical", cycles);
  if (targets) wanted(targets, cycles, "targets");
  if (typeof drop !== "number") wanted(drop, cycles - 1, "drop");
  return built(
    Array.from({ length: cycles }, (_, i) => ({
      from: i === 0 ? from : typeof drop === "number" ? drop : drop[i - 1],
      to: targets ? targets[i] : sparsity,
      warm,
      ramp,
      hold,
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

/** Learning rate over the steps of a run. */
export type Rate =
  | number
  | {
      readonly kind: "cosine";
      /** Rate at the start of each period. */
      readonly from: number;
      /** Rate that each period ends near. */
      readonly to: number;
      /** Lengths of the periods in steps: one number is a single cosine, several are warm restarts. */
      readonly periods: readonly number[];
      /** Steps of linear warm-up at the start of each period. */
      readonly warm?: number;
    };

/** @throws RangeError where a rate is negative or not a number, or a period has no steps */
export function checkRate(rate: Rate): void {
  const rates = typeof rate === "number" ? { rate } : { "rate.from": rate.from, "rate.to": rate.to };
  for (const [where, value] of Object.entries(rates)) {
    if (!(value >= 0 && Number.isFinite(value)))
      throw new RangeError(expected(where, "a rate of 0 or more", `${value}`));
  }
  if (typeof rate === "number") return;
  for (const [where, value] of [
    ["rate.warm", rate.warm ?? 0] as const,
    ...rate.periods.map((p) => ["rate.periods", p] as const),
  ]) {
    const least = where === "rate.warm" ? 0 : 1;
    if (!Number.isSafeInteger(value) || value < least) {
      throw new RangeError(expected(where, `a number of steps of at least ${least}`, `${value}`));
    }
  }
}

/** to + (from - to) (1 + cos(pi t / T)) / 2. I. Loshchilov, F. Hutter, "SGDR: Stochastic gradient descent with warm restarts", 2017. */
export function rateAt(rate: Rate, step: number): number {
  if (typeof rate === "number") return rate;
  let local = step;
  for (const period of rate.periods) {
    if (local < period) {
      const warm = rate.warm ?? 0;
      if (local < warm) return (rate.from * (local + 1)) / warm;
      return rate.to + ((rate.from - rate.to) * (1 + cosPi((local - warm) / (period - warm)))) / 2;
    }
    local -= period;
  }
  return rate.to;
}
