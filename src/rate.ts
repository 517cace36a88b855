import { expected } from "./errors.js";
import { cosPi } from "./math.js";
import { cycleLength, type Schedule } from "./schedule.js";

/** Learning rate over the steps of a run: a number, or one of two forms. It can be written as JSON and read again. */
export type Rate = number | CosineRate | StepRate;

export interface CosineRate {
  readonly kind: "cosine";
  /** Rate at the start of each period. */
  readonly from: number;
  /** Rate that each period ends near. */
  readonly to: number;
  /** Lengths of the periods in steps: one number is a single cosine, several are warm restarts (`periodsOf` a schedule: one per cycle). */
  readonly periods: readonly number[];
  /** Steps of linear warm-up at the start of each period. */
  readonly warm?: number;
}

export interface StepRate {
  readonly kind: "step";
  readonly from: number;
  /** What the rate is multiplied by at each of the steps `at`. */
  readonly factor: number;
  /** Steps in rising order. */
  readonly at: readonly number[];
  /** Steps of linear warm-up at the start. */
  readonly warm?: number;
}

/** A period for each cycle, so that the rate restarts with it, and one of `after` steps of fine-tuning. */
export function periodsOf(schedule: Schedule, after = 0): readonly number[] {
  const periods = schedule.cycles.map(cycleLength);
  return after === 0 ? periods : [...periods, after];
}

/** @throws TypeError for an unknown kind; RangeError where a rate is negative or not a number, a period has no steps, or steps do not rise */
export function checkRate(rate: Rate): void {
  if (typeof rate === "number") {
    checkValue("rate", rate);
    return;
  }
  if (rate?.kind !== "cosine" && rate?.kind !== "step") {
    throw new TypeError(expected("rate.kind", "one of cosine, step", String((rate as Rate & object)?.kind)));
  }
  checkValue("rate.from", rate.from);
  checkSteps("rate.warm", rate.warm ?? 0, 0);
  if (rate.kind === "cosine") {
    checkValue("rate.to", rate.to);
    for (const period of listOf("rate.periods", rate.periods)) checkSteps("rate.periods", period, 1);
    return;
  }
  checkValue("rate.factor", rate.factor);
  let before = 0;
  for (const step of listOf("rate.at", rate.at)) {
    checkSteps("rate.at", step, before);
    before = step;
  }
}

function listOf(where: string, list: readonly number[]): readonly number[] {
  if (!Array.isArray(list)) throw new TypeError(expected(where, "an array of numbers of steps", String(list)));
  return list;
}

function checkValue(where: string, value: number): void {
  if (!Number.isFinite(value) || value < 0) throw new RangeError(expected(where, "a rate of 0 or more", `${value}`));
}

function checkSteps(where: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new RangeError(expected(where, `a number of steps of at least ${least}`, `${value}`));
  }
}

/**
 * cosine: to + (from - to) (1 + cos(pi t / T)) / 2, t the step inside the period. I. Loshchilov, F. Hutter, "SGDR: Stochastic gradient
 * descent with warm restarts", 2017. step: from times factor for each of `at` that is reached. Warm-up of w steps: (t + 1) / w of it.
 */
export function rateAt(rate: Rate, step: number): number {
  if (typeof rate === "number") return rate;
  const warm = rate.warm ?? 0;
  if (rate.kind === "step") {
    let value = rate.from;
    for (const at of rate.at) if (step >= at) value *= rate.factor;
    return step < warm ? (value * (step + 1)) / warm : value;
  }
  let local = step;
  for (const period of rate.periods) {
    if (local < period) {
      if (local < warm) return (rate.from * (local + 1)) / warm;
      return rate.to + ((rate.from - rate.to) * (1 + cosPi((local - warm) / (period - warm)))) / 2;
    }
    local -= period;
  }
  return rate.to;
}
