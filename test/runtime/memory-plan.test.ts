import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Lifetime, planMemory } from "../../src/runtime/memory-plan.js";
import { uniform } from "../support/kernels.js";

const lifetime = fc
  .tuple(fc.integer({ min: 0, max: 1000 }), fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 20 }))
  .map(([bytes, first, length]): Lifetime => ({ bytes, first, last: first + length }));

const round = (bytes: number) => Math.ceil(bytes / 64) * 64;

describe("planMemory", () => {
  test("nothing needs nothing", () => {
    expect(planMemory([])).toEqual({ offsets: [], bytes: 0, lowerBound: 0 });
  });

  test("a chain takes two places in turn", () => {
    const chain = [0, 1, 2, 3].map((step) => ({ bytes: 64, first: step, last: step + 1 }));
    const plan = planMemory(chain);
    expect(plan.bytes).toBe(128);
    expect(plan.lowerBound).toBe(128);
  });

  test("values that live together stand apart; sizes are rounded up to 64", () => {
    const plan = planMemory([
      { bytes: 65, first: 0, last: 9 },
      { bytes: 1, first: 3, last: 3 },
      { bytes: 1, first: 4, last: 5 },
    ]);
    expect(plan).toEqual({ offsets: [0, 128, 128], bytes: 192, lowerBound: 192 });
  });

  test("whatever the lifetimes: no overlap, aligned, inside the block, not below the lower bound", () => {
    fc.assert(
      fc.property(fc.array(lifetime, { maxLength: 40 }), (lifetimes) => {
        const { offsets, bytes, lowerBound } = planMemory(lifetimes);
        expect(offsets).toHaveLength(lifetimes.length);
        for (const [i, a] of lifetimes.entries()) {
          expect(offsets[i] % 64).toBe(0);
          expect(offsets[i] + round(a.bytes)).toBeLessThanOrEqual(bytes);
          for (const [j, b] of lifetimes.entries()) {
            if (i <= j || a.last < b.first || b.last < a.first || a.bytes === 0 || b.bytes === 0) continue;
            const apart = offsets[i] + a.bytes <= offsets[j] || offsets[j] + b.bytes <= offsets[i];
            expect(apart, `${i} and ${j}`).toBe(true);
          }
        }
        const live = Array.from({ length: 41 }, (_, step) =>
          lifetimes.reduce((sum, l) => (l.first <= step && step <= l.last ? sum + round(l.bytes) : sum), 0),
        );
        expect(lowerBound).toBe(Math.max(...live));
        expect(bytes).toBeGreaterThanOrEqual(lowerBound);
        expect(bytes).toBeLessThanOrEqual(lifetimes.reduce((sum, l) => sum + round(l.bytes), 0));
        // The same question has the same answer.
        expect(planMemory(lifetimes).offsets).toEqual(offsets);
      }),
      { numRuns: 300, seed: 3 },
    );
  });

  test("what stands highest is placed first where the largest first wastes room", () => {
    // Largest first: 320 and 320 side by side, then both of 256, of which the last has its place above all.
    const lifetimes = [
      { bytes: 256, first: 2, last: 3 },
      { bytes: 320, first: 4, last: 5 },
      { bytes: 256, first: 3, last: 3 },
      { bytes: 320, first: 3, last: 4 },
    ];
    const { bytes, lowerBound } = planMemory(lifetimes);
    expect([bytes, lowerBound]).toEqual([832, 832]);
  });

  test.each([3000, 20000])("%i lifetimes are planned in moments, and none overlap", (count) => {
    const next = uniform(7);
    const lifetimes = Array.from({ length: count }, (_, first): Lifetime => {
      const length = next() < 0.1 ? count : Math.floor(20 * next());
      return { bytes: 1 + Math.floor(5000 * next()), first, last: Math.min(count, first + length) };
    });
    const started = performance.now();
    const { offsets, bytes, lowerBound } = planMemory(lifetimes);
    // A watchdog: all against all would take minutes.
    expect(performance.now() - started).toBeLessThan(5000);
    expect(bytes).toBeLessThanOrEqual(1.25 * lowerBound);
    for (let step = 0; step < count; step += 97) {
      const alive = lifetimes.flatMap(({ first, last }, i) => (first <= step && step <= last ? [i] : []));
      alive.sort((a, b) => offsets[a] - offsets[b]);
      for (const [i, j] of alive.slice(1).entries()) {
        expect(offsets[alive[i]] + lifetimes[alive[i]].bytes).toBeLessThanOrEqual(offsets[j]);
      }
    }
  });

  test("for chains, as networks are, the plan is close to the lower bound", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 30 }), (sizes) => {
        const { bytes, lowerBound } = planMemory(
          sizes.map((size, step) => ({ bytes: size, first: step, last: step + 1 })),
        );
        expect(bytes).toBeLessThanOrEqual(1.25 * lowerBound);
      }),
      { numRuns: 200, seed: 4 },
    );
  });
});
