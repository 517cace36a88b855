import { describe, expect, test } from "vitest";
import {
  alternating,
  checkSchedule,
  cycleLength,
  cyclical,
  denseSparseDense,
  gradual,
  oneShot,
  phaseAt,
  rateAt,
  type Schedule,
  scheduleLength,
  sparsityAt,
} from "../src/schedule.js";

const levels = (schedule: Schedule, steps = scheduleLength(schedule)) =>
  Array.from({ length: steps }, (_, step) => sparsityAt(schedule, step));
const rounded = (values: readonly number[]) => values.map((value) => Math.round(value * 1e4) / 1e4);
const message = (what: () => unknown): string => {
  try {
    what();
  } catch (error) {
    expect(error).toBeInstanceOf(RangeError);
    return (error as Error).message;
  }
  throw new Error("nothing was thrown");
};

describe("sparsityAt", () => {
  test("test vectors of docs/methods.md: cubic, ramp of 8", () => {
    const both = cyclical({ cycles: 2, sparsity: 0.9, drop: 0.45, ramp: 8, hold: 1 });
    expect(rounded(levels(both))).toEqual([
      0, 0.2971, 0.5203, 0.6803, 0.7875, 0.8525, 0.8859, 0.8982, 0.9, 0.45, 0.5985, 0.7102, 0.7901, 0.8438, 0.8763,
      0.893, 0.8991, 0.9,
    ]);
  });

  test("stays at `from` while warm, at `to` while held, and frozen after the end", () => {
    const schedule = gradual({ sparsity: 0.8, from: 0.2, warm: 3, ramp: 2, hold: 3 });
    expect(rounded(levels(schedule, 10))).toEqual([0.2, 0.2, 0.2, 0.2, 0.725, 0.8, 0.8, 0.8, 0.8, 0.8]);
    expect(sparsityAt(schedule, 1e9)).toBe(0.8);
  });

  test("reaches `to` exactly, whatever the numbers", () => {
    for (let i = 1; i < 100; i++) {
      const schedule = gradual({ sparsity: i / 100, from: 1 / 3, ramp: i, hold: 2 });
      expect(sparsityAt(schedule, i)).toBe(i / 100);
      expect(sparsityAt(schedule, 0)).toBeCloseTo(1 / 3, 15);
    }
  });

  test("never falls inside a cycle and never leaves from..to", () => {
    const schedule = cyclical({
      cycles: 4,
      sparsity: 0.97,
      from: 0.1,
      drop: [0, 0.5, 0.9],
      warm: 2,
      ramp: 13,
      hold: 4,
    });
    for (let step = 1; step < scheduleLength(schedule); step++) {
      const { cycle } = phaseAt(schedule, step);
      const { from, to } = schedule.cycles[cycle];
      const now = sparsityAt(schedule, step);
      expect(now).toBeGreaterThanOrEqual(from - 1e-15);
      expect(now).toBeLessThanOrEqual(to);
      if (phaseAt(schedule, step - 1).cycle === cycle)
        expect(now).toBeGreaterThanOrEqual(sparsityAt(schedule, step - 1));
      else expect(now).toBeCloseTo(from, 15);
    }
  });

  test("no cycles: nothing is pruned", () => expect(sparsityAt({ cycles: [] }, 7)).toBe(0));
});

describe("phaseAt", () => {
  test("names every step", () => {
    const schedule = cyclical({ cycles: 2, sparsity: 0.5, warm: 1, ramp: 2, hold: 1 });
    const phases = Array.from({ length: 10 }, (_, step) => phaseAt(schedule, step));
    expect(phases.map(({ cycle, name, step }) => `${cycle} ${name} ${step}`)).toEqual([
      "0 warm 0",
      "0 ramp 1",
      "0 ramp 2",
      "0 hold 3",
      "1 warm 0",
      "1 ramp 1",
      "1 ramp 2",
      "1 hold 3",
      "1 frozen 0",
      "1 frozen 1",
    ]);
  });

  test("phases that have no steps are passed by", () => {
    expect(phaseAt(oneShot({ sparsity: 0.5, hold: 2 }), 0)).toEqual({ cycle: 0, name: "hold", step: 0 });
    expect(phaseAt(denseSparseDense({ sparsity: 0.5, dense: 1, sparse: 1, end: 1 }), 2)).toEqual({
      cycle: 1,
      name: "warm",
      step: 0,
    });
  });
});

describe("builders", () => {
  test("oneShot", () => {
    expect(oneShot({ sparsity: 0.7, warm: 2, hold: 3 })).toEqual({
      cycles: [{ from: 0, to: 0.7, warm: 2, ramp: 0, hold: 3 }],
    });
    expect(levels(oneShot({ sparsity: 0.7, warm: 2, hold: 2 }))).toEqual([0, 0, 0.7, 0.7]);
    expect(levels(oneShot({ sparsity: 0.7, hold: 1 }))).toEqual([0.7]);
  });

  test("gradual", () => {
    expect(gradual({ sparsity: 0.9, ramp: 8, hold: 1 }).cycles).toEqual([
      { from: 0, to: 0.9, warm: 0, ramp: 8, hold: 1 },
    ]);
  });

  test("cyclical with one drop, a drop for each, and targets", () => {
    expect(cyclical({ cycles: 3, sparsity: 0.9, from: 0.1, drop: 0.4, warm: 1, ramp: 2, hold: 3 }).cycles).toEqual([
      { from: 0.1, to: 0.9, warm: 1, ramp: 2, hold: 3 },
      { from: 0.4, to: 0.9, warm: 1, ramp: 2, hold: 3 },
      { from: 0.4, to: 0.9, warm: 1, ramp: 2, hold: 3 },
    ]);
    const varied = cyclical({ cycles: 3, sparsity: 0.9, drop: [0.2, 0.3], targets: [0.5, 0.7, 0.9], ramp: 1, hold: 1 });
    expect(varied.cycles.map(({ from, to }) => [from, to])).toEqual([
      [0, 0.5],
      [0.2, 0.7],
      [0.3, 0.9],
    ]);
    expect(cyclical({ cycles: 1, sparsity: 0.9, drop: [], ramp: 1, hold: 0 }).cycles).toHaveLength(1);
  });

  test("alternating is a square wave that ends compressed", () => {
    const schedule = alternating({ cycles: 2, sparsity: 0.9, dense: 2, sparse: 1 });
    expect(levels(schedule)).toEqual([0, 0, 0.9, 0, 0, 0.9]);
    expect(sparsityAt(schedule, 6)).toBe(0.9);
  });

  test("denseSparseDense ends dense", () => {
    const schedule = denseSparseDense({ sparsity: 0.6, dense: 1, sparse: 2, end: 2 });
    expect(levels(schedule, 8)).toEqual([0, 0.6, 0.6, 0, 0, 0, 0, 0]);
  });

  test("lengths", () => {
    expect(cycleLength({ from: 0, to: 1, warm: 1, ramp: 2, hold: 3 })).toBe(6);
    expect(scheduleLength(cyclical({ cycles: 3, sparsity: 0.5, warm: 1, ramp: 2, hold: 3 }))).toBe(18);
    expect(scheduleLength({ cycles: [] })).toBe(0);
  });
});

describe("what is out of range", () => {
  const cycle = { from: 0, to: 0.5, warm: 0, ramp: 1, hold: 1 };

  test.each([
    ["from", -0.1, "schedule.cycles[1].from: expected a sparsity in 0..1, got -0.1"],
    ["from", Number.NaN, "schedule.cycles[1].from: expected a sparsity in 0..1, got NaN"],
    ["to", 1.0001, "schedule.cycles[1].to: expected a sparsity in 0..1, got 1.0001"],
    ["to", 90, "schedule.cycles[1].to: expected a sparsity in 0..1, got 90"],
    ["warm", -1, "schedule.cycles[1].warm: expected a number of steps, got -1"],
    ["ramp", 1.5, "schedule.cycles[1].ramp: expected a number of steps, got 1.5"],
    ["hold", Number.POSITIVE_INFINITY, "schedule.cycles[1].hold: expected a number of steps, got Infinity"],
    ["hold", Number.NaN, "schedule.cycles[1].hold: expected a number of steps, got NaN"],
  ] as const)("%s = %d", (key, value, want) => {
    expect(message(() => checkSchedule({ cycles: [cycle, { ...cycle, [key]: value }] }))).toBe(want);
  });

  test("a cycle without steps", () => {
    expect(message(() => checkSchedule({ cycles: [{ ...cycle, ramp: 0, hold: 0 }] }))).toBe(
      "schedule.cycles[0]: expected at least one step, got none",
    );
  });

  test("the ends of the range are inside", () => {
    checkSchedule({
      cycles: [
        { from: 0, to: 1, warm: 0, ramp: 0, hold: 1 },
        { from: 1, to: 0, warm: 1, ramp: 0, hold: 0 },
      ],
    });
  });

  test("builders say what was wrong", () => {
    expect(message(() => oneShot({ sparsity: 2, hold: 1 }))).toMatch(/^schedule\.cycles\[0\]\.to: expected /);
    expect(message(() => gradual({ sparsity: 0.5, ramp: -1, hold: 1 }))).toMatch(
      /^schedule\.cycles\[0\]\.ramp: expected /,
    );
    expect(message(() => cyclical({ cycles: 2, sparsity: 0.5, targets: [0.5], ramp: 1, hold: 1 }))).toBe(
      "cyclical.targets: expected 2 numbers, got 1",
    );
    expect(message(() => cyclical({ cycles: 3, sparsity: 0.5, drop: [0.1, 0.2, 0.3], ramp: 1, hold: 1 }))).toBe(
      "cyclical.drop: expected 2 numbers, got 3",
    );
    for (const cycles of [0, -1, 2.5, Number.NaN]) {
      expect(message(() => cyclical({ cycles, sparsity: 0.5, ramp: 1, hold: 1 }))).toBe(
        `cyclical.cycles: expected a number of cycles, at least 1, got ${cycles}`,
      );
      expect(message(() => alternating({ cycles, sparsity: 0.5, dense: 1, sparse: 1 }))).toBe(
        `alternating.cycles: expected a number of cycles, at least 1, got ${cycles}`,
      );
    }
    expect(message(() => denseSparseDense({ sparsity: 0.5, dense: 1, sparse: 1, end: 0 }))).toBe(
      "schedule.cycles[1]: expected at least one step, got none",
    );
  });
});

describe("rateAt", () => {
  test("a number is constant", () => expect([0, 5, 1e9].map((step) => rateAt(0.1, step))).toEqual([0.1, 0.1, 0.1]));

  test("a cosine from `from` to `to`", () => {
    const rate = { kind: "cosine", from: 1, to: 0.2, periods: [10] } as const;
    for (let step = 0; step < 10; step++) {
      expect(rateAt(rate, step)).toBeCloseTo(0.2 + 0.4 * (1 + Math.cos((Math.PI * step) / 10)), 14);
    }
    expect(rateAt(rate, 0)).toBe(1);
    expect(rateAt(rate, 10)).toBe(0.2);
    expect(rateAt(rate, 1000)).toBe(0.2);
  });

  test("restarts at each period, warms up linearly", () => {
    const rate = { kind: "cosine", from: 0.8, to: 0, periods: [6, 8], warm: 2 } as const;
    expect(rateAt(rate, 0)).toBeCloseTo(0.4, 15);
    expect(rateAt(rate, 1)).toBeCloseTo(0.8, 15);
    expect(rateAt(rate, 2)).toBeCloseTo(0.8, 15);
    expect(rateAt(rate, 4)).toBeCloseTo(0.4, 15);
    expect(rateAt(rate, 6)).toBeCloseTo(0.4, 15);
    expect(rateAt(rate, 8)).toBeCloseTo(0.8, 15);
    expect(rateAt(rate, 11)).toBeCloseTo(0.4, 15);
    expect(rateAt(rate, 14)).toBe(0);
  });

  test("a warm-up as long as the period has no cosine to fall by", () => {
    const rate = { kind: "cosine", from: 1, to: 0, periods: [2, 2], warm: 2 } as const;
    expect([0, 1, 2, 3, 4].map((step) => rateAt(rate, step))).toEqual([0.5, 1, 0.5, 1, 0]);
  });
});
