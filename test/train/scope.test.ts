import { describe, expect, test } from "vitest";
import { GraphBuilder } from "../../src/graph/build.js";
import { kept } from "../../src/graph/storage.js";
import type { MaskedWeight } from "../../src/graph/weight.js";
import { roundHalfEven } from "../../src/math.js";
import { gradual, levels, oneShot } from "../../src/schedule.js";
import type { FitOptions } from "../../src/train/options.js";
import { type Block, erdosRenyi, type Scope } from "../../src/train/scope.js";
import { normals } from "../support/kernels.js";
import { fed, fullModule } from "../support/network.js";
import { batch, train } from "../support/training.js";

const shapes = { w1: [7, 10], w2: [5, 7], w3: [3, 5] } as const;
const names = Object.keys(shapes) as (keyof typeof shapes)[];

function net() {
  const b = new GraphBuilder("scopes");
  const line = (x: string, name: keyof typeof shapes, seed: number) => {
    const [o, i] = shapes[name];
    return b.node("Gemm", [x, b.weight(name, [o, i], normals(o * i, seed))], { transB: 1 });
  };
  const h = b.node("Relu", [line(b.input("x", ["N", 10]), "w1", 1)]);
  b.output("y", ["N", 3], line(b.node("Relu", [line(h, "w2", 2)]), "w3", 3));
  return b.build();
}

/** Masks and values before the last step, which is the first at its level. */
async function pruned(sparsity: number, options: Partial<FitOptions>) {
  const graph = net();
  const run = await train(graph, {
    data: [batch({ x: fed([4, 10], 1) }, Uint8Array.of(0, 1, 2, 1))],
    loss: "crossEntropy",
    optimizer: { kind: "sgd" },
    schedule: oneShot({ sparsity, hold: 1 }),
    module: fullModule,
    ...options,
  });
  return names.map((name) => {
    const { mask } = run.graph.weights.get(name) as MaskedWeight;
    const [rows, cols] = shapes[name];
    const values = normals(rows * cols, names.indexOf(name) + 1);
    const bits = Array.from(values, (_, i) => kept(mask, i));
    return { rows, cols, values, bits, report: run.reports[0] };
  });
}

/** The first `keep` by magnitude, of equal ones the lower index. */
const best = (scores: readonly number[], keep: number) => {
  const order = scores.map((_, i) => i).sort((a, b) => scores[b] - scores[a] || a - b);
  const out = scores.map(() => false);
  for (const i of order.slice(0, keep)) out[i] = true;
  return out;
};

describe("scopes", () => {
  test.each([0, 0.3, 0.5, 0.85, 1])("channel, %d: every row by itself", async (sparsity) => {
    for (const { rows, cols, values, bits } of await pruned(sparsity, { scope: "channel" })) {
      for (let r = 0; r < rows; r++) {
        const row = Array.from(values.subarray(r * cols, (r + 1) * cols), Math.abs);
        expect(bits.slice(r * cols, (r + 1) * cols)).toEqual(best(row, cols - roundHalfEven(sparsity * cols)));
      }
    }
  });

  test.each<[Scope, number, number, number]>([
    ["2:4", 0.5, 2, 4],
    ["1:4", 0.75, 1, 4],
    ["4:8", 0.5, 4, 8],
    ["2:4", 0.25, 3, 4],
    ["2:4", 0, 4, 4],
    ["1:2", 0.5, 1, 2],
  ])("%s at %d keeps %d of %d neighbours", async (scope, sparsity, keep, group) => {
    for (const { rows, cols, values, bits } of await pruned(sparsity, { scope })) {
      for (let r = 0; r < rows; r++) {
        for (let c = 0; c < cols; c += group) {
          const [from, to] = [r * cols + c, r * cols + Math.min(cols, c + group)];
          expect(bits.slice(from, to)).toEqual(best(Array.from(values.subarray(from, to), Math.abs), keep));
        }
      }
    }
  });

  test.each<[Block, "global" | "tensor"]>([
    [[1, 4], "global"],
    [[4, 4], "global"],
    [[1, 4], "tensor"],
    [[4, 4], "tensor"],
    [[2, 1], "tensor"],
  ])("blocks of %j, %s: whole ones, by their norms", async (block, scope) => {
    const all = await pruned(0.6, { scope, block });
    const norms = all.map(({ rows, cols, values }) => {
      const sums = new Array<number>(Math.ceil(rows / block[0]) * Math.ceil(cols / block[1])).fill(0);
      for (const [i, v] of values.entries()) sums[blockOf(i, cols, block)] += v * v;
      return sums.map((sum) => Math.fround(Math.sqrt(sum)));
    });
    const keepOf = (count: number) => count - roundHalfEven(0.6 * count);
    const chosen =
      scope === "tensor"
        ? norms.map((list) => best(list, keepOf(list.length)))
        : (() => {
            const flat = best(norms.flat(), keepOf(norms.flat().length));
            return norms.map((list) => flat.splice(0, list.length));
          })();
    for (const [t, { cols, bits }] of all.entries())
      expect(bits).toEqual(bits.map((_, i) => chosen[t][blockOf(i, cols, block)]));
  });
  const blockOf = (i: number, cols: number, [high, wide]: Block) =>
    Math.floor(Math.floor(i / cols) / high) * Math.ceil(cols / wide) + Math.floor((i % cols) / wide);

  test("Erdos-Renyi: small tensors stay denser, the whole is met", async () => {
    const all = await pruned(0.6, { scope: "tensor", distribution: "erdosRenyi" });
    const wanted = erdosRenyi(Object.values(shapes), 0.6);
    for (const [t, { values, bits, report }] of all.entries()) {
      const size = values.length;
      expect(bits).toEqual(best(Array.from(values, Math.abs), size - roundHalfEven(wanted[t] * size)));
      expect(report.masks!.tensors[t].sparsity).toBeCloseTo(1 - bits.filter(Boolean).length / size, 14);
    }
    expect(Math.abs(all[0].report.sparsity - 0.6)).toBeLessThan(0.02);
  });

  test("each scope reaches its levels under a ramp and comes back from them", async () => {
    const data = Array.from({ length: 12 }, (_, i) => batch({ x: fed([4, 10], i) }, Uint8Array.of(0, 1, 2, 1)));
    for (const options of [
      { scope: "channel" },
      { scope: "tensor", distribution: "erdosRenyi" },
      { block: [2, 2] },
    ] as Partial<FitOptions>[]) {
      const schedule = levels([0.2, 0.8, 0, 0.5], 3);
      const run = await train(net(), {
        data,
        loss: "crossEntropy",
        optimizer: { kind: "sgd" },
        schedule,
        module: fullModule,
        ...options,
      });
      for (const [step, { sparsity }] of run.reports.entries())
        expect(Math.abs(sparsity - [0.2, 0.8, 0, 0.5][Math.floor(step / 3)])).toBeLessThan(0.07);
      expect(run.reports[6].masks!.revived).toBeGreaterThan(50);
      expect(run.reports[7].masks).toMatchObject({ revived: 0, overlap: 1 });
    }
    const groups = await train(net(), {
      data,
      loss: "crossEntropy",
      optimizer: { kind: "sgd" },
      schedule: gradual({ sparsity: 0.5, ramp: 8, hold: 4 }),
      scope: "2:4",
      module: fullModule,
    });
    for (let i = 1; i < 12; i++)
      expect(groups.reports[i].sparsity).toBeGreaterThanOrEqual(groups.reports[i - 1].sparsity);
  });
});

describe("erdosRenyi", () => {
  const list = [
    [16, 3, 3, 3],
    [64, 16, 3, 3],
    [128, 64, 1, 1],
    [10, 128],
  ];
  const size = (shape: readonly number[]) => shape.reduce((n, d) => n * d, 1);
  const all = list.reduce((sum, shape) => sum + size(shape), 0);

  test.each([0, 0.01, 0.3, 0.5, 0.9, 0.99, 1])("at %d the whole is met, each stays in 0..1", (sparsity) => {
    const shares = erdosRenyi(list, sparsity);
    const pruned = shares.reduce((sum, share, i) => sum + share * size(list[i]), 0);
    expect(pruned / all).toBeCloseTo(sparsity, 12);
    for (const share of shares) expect(share >= 0 && share <= 1).toBe(true);
  });

  test("density is in proportion to sum over product where nobody is whole", () => {
    const shares = erdosRenyi(list, 0.97);
    const ratio = shares.map((share, i) => (1 - share) / (list[i].reduce((a, b) => a + b, 0) / size(list[i])));
    for (const r of ratio) expect(r).toBeCloseTo(ratio[0], 10);
  });

  test("it rises with the whole, in every tensor", () => {
    for (let i = 1; i <= 100; i++) {
      const [before, after] = [erdosRenyi(list, (i - 1) / 100), erdosRenyi(list, i / 100)];
      for (const [t, share] of after.entries()) expect(share).toBeGreaterThanOrEqual(before[t] - 1e-12);
    }
  });

  test("nothing, and tensors of nothing", () => {
    expect(erdosRenyi([], 0.5)).toEqual([]);
    expect(
      erdosRenyi(
        [
          [0, 4],
          [2, 2],
        ],
        0.5,
      )[1],
    ).toBeCloseTo(0.5, 12);
  });
});
