import { describe, expect, it } from "vitest";
import { allocate } from "../../src/compress/allocate.js";
import { type Candidate, candidate as candidateOf } from "../../src/compress/candidate.js";
import { uniform } from "../support/kernels.js";

const weight = { kind: "dense", shape: [0], dtype: "float32", data: new Float32Array(0) } as const;
const { coded } = candidateOf(weight, 0);
const candidate = (bytes: number, error: number): Candidate => ({
  choice: { storage: "dense" },
  weight,
  coded,
  bytes,
  error,
});

const bytesOf = (picked: readonly Candidate[]) => picked.reduce((sum, { bytes }) => sum + bytes, 0);
const errorOf = (picked: readonly Candidate[]) => picked.reduce((sum, { error }) => sum + error, 0);

/** Some weights with some candidates each: errors fall as bytes grow, with some noise. */
function instance(seed: number): Candidate[][] {
  const next = uniform(seed);
  return Array.from({ length: 1 + Math.floor(next() * 4) }, () =>
    Array.from({ length: 1 + Math.floor(next() * 6) }, () => {
      const bytes = 1 + Math.floor(next() * 1000);
      return candidate(bytes, Math.min(1, (next() + 0.2) / (1 + bytes / 50)));
    }),
  );
}

function everyPick(lists: readonly (readonly Candidate[])[]): Candidate[][] {
  return lists.reduce<Candidate[][]>(
    (picks, list) => picks.flatMap((pick) => list.map((item) => [...pick, item])),
    [[]],
  );
}

/** Corners of the lower left hull of (bytes, error), bytes rising. */
function hull(points: readonly { bytes: number; error: number }[]) {
  const sorted = [...points].sort((a, b) => a.bytes - b.bytes || a.error - b.error);
  const corners: { bytes: number; error: number }[] = [];
  for (const p of sorted) {
    if (corners.length > 0 && p.error >= corners[corners.length - 1].error) continue;
    while (corners.length > 1) {
      const [a, b] = corners.slice(-2);
      if ((b.error - a.error) * (p.bytes - a.bytes) < (p.error - a.error) * (b.bytes - a.bytes)) break;
      corners.pop();
    }
    corners.push(p);
  }
  return corners;
}

describe("allocate", () => {
  it("equals brute force at the corners of the lower convex hull, and between them with one replacement", () => {
    let between = 0;
    for (let seed = 0; seed < 150; seed++) {
      const lists = instance(seed);
      const corners = hull(everyPick(lists).map((pick) => ({ bytes: bytesOf(pick), error: errorOf(pick) })));
      const next = uniform(seed + 1000);
      for (const budget of [...corners.map(({ bytes }) => bytes), ...Array.from({ length: 8 }, () => next() * 4000)]) {
        const picked = allocate(lists, budget);
        const best = corners.filter(({ bytes }) => bytes <= budget).pop();
        if (best === undefined) {
          expect(picked).toBeUndefined();
          continue;
        }
        expect(picked).toHaveLength(lists.length);
        for (const [i, item] of picked!.entries()) expect(lists[i]).toContain(item);
        // The corner itself, by brute force: no two picks come to the same corner here.
        const corner = everyPick(lists).find((pick) => bytesOf(pick) === best.bytes && errorOf(pick) === best.error)!;
        const replaced = lists.flatMap((list, i) => list.map((item) => corner.map((old, j) => (i === j ? item : old))));
        const least = Math.min(...replaced.filter((pick) => bytesOf(pick) <= budget).map(errorOf));
        expect(errorOf(picked!)).toBeCloseTo(least, 12);
        if (errorOf(picked!) < best.error) between++;
        if (budget === best.bytes) expect(bytesOf(picked!)).toBe(best.bytes);
      }
    }
    expect(between).toBeGreaterThan(50);
  });

  it("never passes the budget, and more of it never does harm", () => {
    for (let seed = 0; seed < 60; seed++) {
      const lists = instance(seed);
      let before = Number.POSITIVE_INFINITY;
      for (let budget = 0; budget < 4100; budget += 97) {
        const picked = allocate(lists, budget);
        if (!picked) {
          expect(before).toBe(Number.POSITIVE_INFINITY);
          continue;
        }
        expect(bytesOf(picked)).toBeLessThanOrEqual(budget);
        expect(errorOf(picked)).toBeLessThanOrEqual(before);
        before = errorOf(picked);
      }
    }
  });

  it("spends what one large weight would leave", () => {
    // On the line from (10, .9) to (100, .1) the middle candidate is no corner.
    const list = [candidate(100, 0.1), candidate(60, 0.6), candidate(10, 0.9)];
    expect(allocate([list], 99)).toEqual([list[1]]);
    expect(allocate([list], 59)).toEqual([list[2]]);
  });

  it("takes errors larger than bytes, and those without bound", () => {
    const list = [candidate(40, 0), candidate(30, 200), candidate(20, 500), candidate(10, 1000)];
    expect(bytesOf(allocate([list, list], 60)!)).toBe(60);
    expect(errorOf(allocate([list, list], 60)!)).toBe(400);
    const bad = [candidate(10, Infinity), candidate(20, Infinity), candidate(100, 1)];
    expect(allocate([bad, list], 50)).toEqual([bad[0], list[0]]);
    expect(allocate([bad, list], 110)).toEqual([bad[2], list[3]]);
  });

  it("gives nothing where the smallest do not fit, and all that is best where everything does", () => {
    const lists = [
      [candidate(10, 0.1), candidate(4, 0.5)],
      [candidate(20, 0.2), candidate(7, 0.9)],
    ];
    expect(allocate(lists, 10)).toBeUndefined();
    expect(allocate(lists, -1)).toBeUndefined();
    expect(allocate(lists, 11)).toEqual([lists[0][1], lists[1][1]]);
    expect(allocate(lists, 30)).toEqual([lists[0][0], lists[1][0]]);
    expect(allocate(lists, 29)!.map(({ bytes }) => bytes)).toEqual([10, 7]);
  });

  it("takes nothing to choose, single candidates and equal ones", () => {
    expect(allocate([], 0)).toEqual([]);
    expect(allocate([], -1)).toBeUndefined();
    const one = candidate(5, 0.3);
    expect(allocate([[one]], 5)).toEqual([one]);
    expect(allocate([[one]], 4)).toBeUndefined();
    expect(allocate([[one, candidate(5, 0.3)]], 5)![0]).toBe(one);
    // Of equal errors the smaller, though both fit; of equal bytes the better.
    expect(allocate([[candidate(9, 0.3), one]], 100)).toEqual([one]);
    const better = candidate(5, 0.2);
    expect(allocate([[one, better, candidate(9, 0.1)]], 5)![0]).toBe(better);
  });

  it("tells errors apart that are much smaller than one part in a million of each other", () => {
    const lists = [
      [candidate(100, 1e-16), candidate(50, 2e-16)],
      [candidate(100, 1e-15), candidate(50, 3e-15)],
    ];
    expect(allocate(lists, 150)!.map(({ bytes }) => bytes)).toEqual([50, 100]);
  });
});
