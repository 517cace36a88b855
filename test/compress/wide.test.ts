import { describe, expect, it } from "vitest";
import { decodeWeight, encodeWeight } from "../../src/codec/weight.js";
import { stepOf, wide, widest } from "../../src/compress/wide.js";
import { toDense } from "../../src/graph/dense.js";

describe("integers beyond int8", () => {
  it.each([1, 127, 128, 190, 191, 254, 255, 1000, 4095, 8191, widest - 1, widest])("are exact up to %i", (most) => {
    const q = Int16Array.from({ length: 41 }, (_, i) => Math.round((most * (i - 20)) / 20));
    const weight = wide([41], q, 0.375);
    expect([...toDense(weight)]).toEqual([...q].map((code) => code * 0.375));
    expect(stepOf(weight)).toBe(0.375);
    expect(decodeWeight(encodeWeight(weight))).toEqual(weight);
  });

  it("every integer near the edges of the coarse codes comes back", () => {
    const q = Int16Array.from([-widest, widest, 63, 64, 65, -63, -64, -65, 191, 192, 193, -191, -192, -193, 0]);
    expect([...toDense(wide([5, 3], q, 1))]).toEqual([...q]);
  });

  it("a weight of other atoms has no such step", () => {
    const weight = wide([2], Int16Array.of(300, -5), 1);
    expect(stepOf({ ...weight, codebook: Int8Array.of(1, 2) })).toBeUndefined();
    expect(stepOf({ ...weight, layout: "rows", d: 2, n: 1 })).toBeUndefined();
  });
});
