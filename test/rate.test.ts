import { describe, expect, test } from "vitest";
import { checkRate, periodsOf, type Rate, rateAt } from "../src/rate.js";
import { cyclical } from "../src/schedule.js";

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

  test("one period for each cycle restarts with it, and another for fine-tuning", () => {
    const schedule = cyclical({ cycles: 3, sparsity: 0.9, warm: 1, ramp: 4, hold: 3 });
    expect(periodsOf(schedule)).toEqual([8, 8, 8]);
    expect(periodsOf(schedule, 5)).toEqual([8, 8, 8, 5]);
    const rate: Rate = { kind: "cosine", from: 1, to: 0, periods: periodsOf(schedule, 5) };
    expect([0, 8, 16, 24].map((step) => rateAt(rate, step))).toEqual([1, 1, 1, 1]);
    expect([4, 12, 20].map((step) => rateAt(rate, step))).toEqual([0.5, 0.5, 0.5]);
  });

  test("steps multiply, after a linear warm-up", () => {
    const rate: Rate = { kind: "step", from: 0.8, factor: 0.5, at: [4, 6], warm: 2 };
    expect([0, 1, 2, 3, 4, 5, 6, 100].map((step) => rateAt(rate, step))).toEqual([
      0.4, 0.8, 0.8, 0.8, 0.4, 0.4, 0.2, 0.2,
    ]);
    expect(rateAt({ kind: "step", from: 1, factor: 0.1, at: [] }, 1e9)).toBe(1);
  });

  test("rates go through JSON", () => {
    for (const rate of [
      0.1,
      { kind: "cosine", from: 1, to: 0.1, periods: [7, 9], warm: 2 },
      { kind: "step", from: 1, factor: 0.3, at: [3, 5] },
    ] as Rate[]) {
      const again = JSON.parse(JSON.stringify(rate)) as Rate;
      checkRate(again);
      for (let step = 0; step < 20; step++) expect(rateAt(again, step)).toBe(rateAt(rate, step));
    }
  });
});

describe("checkRate", () => {
  test.each([
    [{ kind: "linear" }, "rate.kind: expected one of cosine, step, got linear"],
    [null, "rate.kind: expected one of cosine, step, got undefined"],
    [{ kind: "step", from: -1, factor: 1, at: [] }, "rate.from: expected a rate of 0 or more, got -1"],
    [{ kind: "step", from: 1, at: [] }, "rate.factor: expected a rate of 0 or more, got undefined"],
    [{ kind: "step", from: 1, factor: 1 }, "rate.at: expected an array of numbers of steps, got undefined"],
    [{ kind: "step", from: 1, factor: 1, at: [5, 3] }, "rate.at: expected a number of steps of at least 5, got 3"],
    [{ kind: "cosine", from: 1, to: 0, periods: [0] }, "rate.periods: expected a number of steps of at least 1, got 0"],
    [
      { kind: "cosine", from: 1, to: 0, periods: [1], warm: -1 },
      "rate.warm: expected a number of steps of at least 0, got -1",
    ],
  ])("%j", (rate, message) => expect(() => checkRate(rate as Rate)).toThrow(message));
});
