import { expect, it } from "vitest";
import { reportTable } from "../../src/compress/report.js";
import { run, small } from "./networks.js";

it("a line for each weight, and one for all", async () => {
  const recipe = {
    weights: {
      "conv.w": { storage: "factored", layout: "kernel", k: 4, density: 0.5, bits: 4 },
      "fc.w": { storage: "sparse", sparsity: 0.75, bits: 3 },
      "out.w": { storage: "int8", bits: 5 },
    },
  } as const;
  const { report } = await run(small(), { recipe });
  const lines = reportTable(report).split("\n");
  expect(lines).toHaveLength(report.weights.length + 3);
  const cellsOf = (name: string) => lines.find((line) => line.startsWith(name))!.split(/\s{2,}/);
  const of = (name: string) => report.weights.find((weight) => weight.name === name)!;
  const conv = of("conv.w");
  expect(cellsOf("conv.w").slice(0, 5)).toEqual([
    "conv.w",
    "factored",
    "6x2x3x3",
    `${conv.bytes}`,
    conv.rate.toFixed(2),
  ]);
  expect(cellsOf("conv.w")[6]).toBe("4");
  expect([conv.k, conv.bits, of("fc.w").bits, of("out.w").bits]).toEqual([4, 4, 3, 5]);
  expect([of("fc.w").k, of("fc.b").bits, of("fc.b").nonzeros]).toEqual([undefined, undefined, undefined]);
  expect(of("fc.w").nonzeros).toBeLessThanOrEqual(1080);
  expect(of("out.w").weightError).toBeGreaterThan(0);
  expect(of("fc.b").weightError).toBe(0);
  const all = lines.at(-1)!.split(/\s{2,}/);
  expect(all.slice(0, 3)).toEqual(["all", "4,594", report.bytes.toLocaleString("en")]);
});
