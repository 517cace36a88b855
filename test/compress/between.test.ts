import { describe, expect, it } from "vitest";
import { withBetween } from "../../src/compress/between.js";
import type { Choice } from "../../src/compress/recipe.js";

const offer = (choice: Choice, bytes: number, error: number) => ({ choice, seed: 1, bytes, error });
const scalar = (size: number, steps: "row" | "tensor" = "row"): Choice => ({ storage: "scalar", steps, size });

describe("offers between two that were tried", () => {
  it("lie on a straight line of bytes and logarithm of the error, size by size", () => {
    const tried = [offer(scalar(0.4), 1000, 1e-2), offer(scalar(0.1), 2000, 1e-4)];
    const all = withBetween(tried);
    expect(all.slice(0, 2)).toEqual(tried);
    const more = all.slice(2);
    expect(more).toHaveLength(5);
    for (const [i, { choice, bytes, error }] of more.entries()) {
      const part = (i + 1) / 6;
      expect((choice as { size: number }).size).toBeCloseTo(0.1 * 4 ** part, 4);
      expect(Math.abs(bytes - (2000 - 1000 * part))).toBeLessThanOrEqual(1);
      expect(Math.abs(Math.log10(error) - (-4 + 2 * part))).toBeLessThan(1e-9);
    }
  });

  it("keep to one family, and leave alone what has no size or loses nothing", () => {
    const tried = [
      offer(scalar(0.1), 2000, 1e-4),
      offer(scalar(0.4, "tensor"), 1000, 1e-2),
      offer({ storage: "int8", bits: 8 }, 3000, 1e-5),
      offer({ storage: "dense" }, 8000, 0),
      { seed: 1, bytes: 9000, error: 0 },
      offer({ storage: "transform", d: 9, size: 0.4 }, 1000, 1e-2),
      offer({ storage: "transform", d: 4, size: 0.1 }, 2000, 1e-4),
    ];
    expect(withBetween(tried)).toEqual(tried);
  });

  it("are none where finer steps take no more bytes or lose no less", () => {
    const same = [offer(scalar(0.4), 1000, 1e-2), offer(scalar(0.1), 1000, 1e-4)];
    expect(withBetween(same)).toEqual(same);
    const worse = [offer(scalar(0.4), 1000, 1e-4), offer(scalar(0.1), 2000, 1e-4)];
    expect(withBetween(worse)).toEqual(worse);
  });
});
