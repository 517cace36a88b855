import { describe, expect, it } from "vitest";
import { familyOf, isByRow, ladderOf } from "../../src/compress/ladder.js";
import type { Choice } from "../../src/compress/recipe.js";
import { GraphBuilder } from "../../src/graph/build.js";
import { normals } from "../support/kernels.js";
import { fed } from "../support/network.js";
import { run } from "./networks.js";

const storages = (shape: readonly number[], measured: boolean) => [
  ...new Set(ladderOf(shape, measured).map(({ storage }) => storage)),
];

describe("the candidates of a target", () => {
  it("are few for few values, and leave the fewest alone", () => {
    expect(storages([15], true)).toEqual(["dense"]);
    expect(storages([5, 3], true)).toEqual(["dense"]);
    expect(storages([16], true)).toEqual(["scalar", "dense"]);
  });

  it("are in other coordinates for kernels that are not too long, where effects are measured", () => {
    expect(storages([8, 4, 3, 3], true)).toEqual(["scalar", "transform", "dense"]);
    expect(storages([8, 4, 3], true)).toEqual(["scalar", "transform", "dense"]);
    expect(storages([8, 4, 3, 3], false)).toEqual(["scalar", "dense"]);
    for (const shape of [
      [8, 36],
      [8, 36, 1, 1],
      [8, 1, 9, 9],
    ])
      expect(storages(shape, true)).toEqual(["scalar", "dense"]);
  });

  it("of one family count rows alike or none of them does", () => {
    const choices: Choice[] = [
      ...ladderOf([8, 4, 3, 3], true),
      { storage: "vq", k: 4 },
      { storage: "svd", k: 2, size: 1 },
      { storage: "svd", k: 4, size: 1 },
      { storage: "factored", layout: "rows", k: 4, density: 1 },
    ];
    const families = new Map<string, boolean>();
    for (const choice of choices) {
      const family = familyOf(choice);
      expect(families.get(family) ?? isByRow(choice)).toBe(isByRow(choice));
      families.set(family, isByRow(choice));
    }
    expect([...families.keys()]).toEqual([
      "scalar row",
      "scalar tensor",
      "transform",
      "dense",
      "vq kernel",
      "svd 2",
      "svd 4",
      "factored rows",
    ]);
  });
});

it("a target takes what loses least: other coordinates where kernels are smooth, integers where they are not", async () => {
  const shape = [24, 8, 3, 3];
  const size = 24 * 8 * 9;
  const [noise, level] = [normals(size, 1), normals(size / 9, 2)];
  const file = async (data: Float32Array) => {
    const b = new GraphBuilder("kernels");
    const x = b.input("x", ["N", 8, 6, 6]);
    b.output("y", ["N", 24, 4, 4], b.node("Conv", [x, b.weight("w", shape, data)]));
    const calibration = [{ x: fed([16, 8, 6, 6], 3) }];
    const { report } = await run(b.build(), { target: { bitsPerWeight: 2 }, calibration });
    return report.weights[0];
  };
  const smooth = await file(noise.map((value, i) => 0.3 * value + level[Math.floor(i / 9)]));
  const rough = await file(noise);
  expect(smooth.storage).toBe("factored");
  expect(rough.storage).not.toBe("factored");
  const scalar = smooth.candidates.filter(({ choice, bytes }) => choice.storage === "scalar" && bytes <= smooth.bytes);
  expect(scalar.length).toBeGreaterThan(0);
  expect(smooth.error).toBeLessThan(0.8 * Math.min(...scalar.map(({ error }) => error)));
});
