import { bytesAt, type Engine } from "../kernels/engine.js";
import { bytesOf } from "../ops/op.js";
import { type Plan, type PlannedStep, runPlan } from "./plan.js";

/** Time of one node. */
export interface NodeProfile {
  readonly name: string;
  readonly op: string;
  /** Of its first output. */
  readonly shape: readonly number[];
  /** Median over the runs. */
  readonly milliseconds: number;
  /** Of the whole, 0..1. */
  readonly share: number;
}

/** Where the time of a run goes. */
export interface ModelProfile {
  /** In the order in which they run. */
  readonly nodes: readonly NodeProfile[];
  /** All of them together. */
  readonly milliseconds: number;
}

/** So many ticks of the clock are measured at least. */
const leastTicks = 5;
/** A node is repeated so often at most, and the clock read so often until it moves. */
const mostRepeats = 1 << 16;

/**
 * Times every step of a plan that is current and fed. A step that takes less than a few ticks of the clock is repeated until it does not; one
 * that works in place then goes on from its own results, and the right ones are put back afterwards.
 * @param now milliseconds of a clock
 */
export function profilePlan(engine: Engine, plan: Plan, runs: number, now = () => performance.now()): ModelProfile {
  const least = leastTicks * tickOf(now);
  const repeats = plan.steps.map(() => 1);
  const times = plan.steps.map(() => new Float64Array(runs));
  runPlan(plan);
  for (let run = 0; run < runs; run++) {
    for (const [i, step] of plan.steps.entries()) {
      const { count, time } = measured(engine, plan, step, repeats[i], least, now);
      repeats[i] = count;
      times[i][run] = time / count;
    }
  }
  const medians = times.map((each) => {
    each.sort();
    return (each[(runs - 1) >> 1] + each[runs >> 1]) / 2;
  });
  const sum = medians.reduce((total, median) => total + median, 0);
  const nodes = plan.steps.map(({ node: { name, op }, outputs }, i) => {
    const first = outputs.find((output) => output !== "")!;
    const share = sum > 0 ? medians[i] / sum : 0;
    return { name, op, shape: [...plan.slots.get(first)!.shape], milliseconds: medians[i], share };
  });
  return { nodes, milliseconds: sum };
}

/** The smallest of a few steps of a clock; 0 of one that stands still while code runs. */
function tickOf(now: () => number): number {
  let tick = Number.POSITIVE_INFINITY;
  let before = now();
  for (let reads = 0, steps = 0; reads < mostRepeats && steps < 8; reads++) {
    const at = now();
    if (at > before) {
      tick = Math.min(tick, at - before);
      steps++;
    }
    before = at;
  }
  return Number.isFinite(tick) ? tick : 0;
}

/** Milliseconds that a step takes `count` times, or more where that is less than `least`; its results are those of once. */
function measured(
  engine: Engine,
  plan: Plan,
  { launch, scratch, outputs, inPlace }: PlannedStep,
  count: number,
  ...[least, now]: readonly [least: number, now: () => number]
): { readonly count: number; readonly time: number } {
  const slot = plan.slots.get(outputs[0]);
  const given = inPlace ? bytesAt(engine, slot!.pointer, bytesOf(slot!)).slice() : undefined;
  for (let all = 0; ; count *= 2) {
    const begin = now();
    for (let i = 0; i < count; i++) launch.run(scratch);
    // A clock may be set back.
    const time = Math.max(0, now() - begin);
    all += count;
    if (time < least && count < mostRepeats) continue;
    if (given && all > 1) {
      bytesAt(engine, slot!.pointer, given.length).set(given);
      launch.run(scratch);
    }
    return { count, time };
  }
}
