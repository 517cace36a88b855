import { describe, expect, test } from "vitest";
import {
  alternating,
  checkSchedule,
  cycleLength,
  cyclical,
  denseSparseDense,
  gradual,
  levels,
  oneShot,
  phaseAt,
  type Schedule,
  scheduleLength,
  sparsityAt,
} from "../src/schedule.js";

const levelsOf = (schedule: Schedule, steps = scheduleLength(schedule)) =>
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
    expect(rounded(levelsOf(both))).toEqual([
      0, 0.2971, 0.5203, 0.6803, 0.7875, 0.8525, 0.8859, 0.8982, 0.9, 0.45, 0.5985, 0.7102, 0.7901, 0.8438, 0.8763,
      0.893, 0.8991, 0.9,
    ]);
  });

  test("stays at `from` while warm, at `to` while held, and frozen after the end", () => {
    const schedule = gradual({ sparsity: 0.8, from: 0.2, warm: 3, ramp: 2, hold: 3 });
    expect(rounded(levelsOf(schedule, 10))).toEqual([0.2, 0.2, 0.2, 0.2, 0.725, 0.8, 0.8, 0.8, 0.8, 0.8]);
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

  test("linear and cosine ramps, and their ends exactly", () => {
    const linear = gradual({ sparsity: 0.8, ramp: 4, hold: 1, shape: "linear" });
    expect(rounded(levelsOf(linear))).toEqual([0, 0.2, 0.4, 0.6, 0.8]);
    const cosine = gradual({ sparsity: 0.9, from: 0.1, ramp: 4, hold: 1, shape: "cosine" });
    for (const [step, level] of levelsOf(cosine).entries()) {
      expect(level).toBeCloseTo(0.9 - 0.4 * (1 + Math.cos((Math.PI * step) / 4)), 14);
    }
    for (const shape of ["cubic", "linear", "cosine"] as const) {
      for (let i = 1; i < 100; i++) {
        expect(sparsityAt(gradual({ sparsity: i / 100, ramp: i, hold: 1, shape }), i)).toBe(i / 100);
        expect(sparsityAt(gradual({ sparsity: i / 100, ramp: i, hold: 1, shape }), 0)).toBe(0);
      }
    }
  });

  test("every schedule goes through JSON, bit for bit", () => {
    for (const schedule of [
      oneShot({ sparsity: 0.7, hold: 3 }),
      gradual({ sparsity: 0.9, from: 1 / 3, warm: 1, ramp: 7, hold: 1, shape: "cosine" }),
      cyclical({ cycles: 3, targets: [0.5, 0.7, 0.9], drop: [0.1, 0.2], ramp: 3, hold: 2, shape: "linear" }),
      alternating({ cycles: 2, sparsity: 0.8, dense: 2, sparse: 2 }),
      denseSparseDense({ sparsity: 0.7, dense: 1, sparse: 2, end: 2 }),
      levels([0.1, 0.9, 0.3], 2),
    ]) {
      const again = JSON.parse(JSON.stringify(schedule));
      checkSchedule(again);
      expect(again).toEqual(schedule);
      expect(levelsOf(again, 30)).toEqual(levelsOf(schedule, 30));
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
    expect(levelsOf(oneShot({ sparsity: 0.7, warm: 2, hold: 2 }))).toEqual([0, 0, 0.7, 0.7]);
    expect(levelsOf(oneShot({ sparsity: 0.7, hold: 1 }))).toEqual([0.7]);
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
    expect(levelsOf(schedule)).toEqual([0, 0, 0.9, 0, 0, 0.9]);
    expect(sparsityAt(schedule, 6)).toBe(0.9);
  });

  test("denseSparseDense ends dense", () => {
    const schedule = denseSparseDense({ sparsity: 0.6, dense: 1, sparse: 2, end: 2 });
    expect(levelsOf(schedule, 8)).toEqual([0, 0.6, 0.6, 0, 0, 0, 0, 0]);
  });

  test("levels of any form, each for its own time", () => {
    expect(levelsOf(levels([0.5, 0.8, 0.2, 0.9], 2), 10)).toEqual([0.5, 0.5, 0.8, 0.8, 0.2, 0.2, 0.9, 0.9, 0.9, 0.9]);
    expect(levelsOf(levels([0.5, 0], [1, 3]))).toEqual([0.5, 0, 0, 0]);
    expect(message(() => levels([0.5, 0], [1]))).toBe("levels: steps: expected 2 numbers, got 1");
    expect(message(() => levels([], 1))).toBe("schedule.cycles: expected at least one cycle, got none");
    expect(message(() => levels([2], 1))).toMatch(/^schedule\.cycles\[0\]\.from: expected /);
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

  test("what JSON may hold in place of numbers, cycles and shapes", () => {
    expect(message(() => checkSchedule({ cycles: [{ ...cycle, to: "0.5" as unknown as number }] }))).toBe(
      "schedule.cycles[0].to: expected a sparsity in 0..1, got 0.5",
    );
    expect(() => checkSchedule(null as unknown as Schedule)).toThrow(
      new TypeError("schedule: expected { cycles: [..] }, got null"),
    );
    expect(() => checkSchedule({ cycles: [null as unknown as typeof cycle] })).toThrow(
      new TypeError("schedule.cycles[0]: expected a cycle, got null"),
    );
    for (const shape of ["square", "toString"]) {
      expect(() => checkSchedule({ cycles: [{ ...cycle, shape: shape as "linear" }] })).toThrow(
        new TypeError(`schedule.cycles[0].shape: expected one of cubic, linear, cosine, got ${shape}`),
      );
    }
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
    expect(message(() => cyclical({ cycles: 2, ramp: 1, hold: 1 }))).toBe(
      "cyclical: expected a sparsity or targets, got neither",
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
