import { describe, expect, test } from "vitest";
import { GraphBuilder } from "../../src/graph/build.js";
import type { Graph } from "../../src/graph/graph.js";
import { kept } from "../../src/graph/storage.js";
import type { MaskedWeight } from "../../src/graph/weight.js";
import { roundHalfEven } from "../../src/math.js";
import {
  alternating,
  cyclical,
  denseSparseDense,
  gradual,
  oneShot,
  phaseAt,
  type Schedule,
  scheduleLength,
  sparsityAt,
} from "../../src/schedule.js";
import type { Batch } from "../../src/train/data.js";
import type { FitOptions } from "../../src/train/options.js";
import { normals } from "../support/kernels.js";
import { fed, fullModule } from "../support/network.js";
import { batch, train, twinGradient, valuesOf } from "../support/training.js";

/** Weights of 35, 49 and 21 values, biases, and ties in the middle one. */
function net(): Graph {
  const b = new GraphBuilder("pruned");
  const x = b.input("x", ["N", 5]);
  const ties = normals(49, 2).map((v, i) => (i % 3 ? Math.round(v) / 2 : v));
  const h = b.node("Gemm", [x, b.weight("w1", [7, 5], normals(35, 1)), b.weight("b1", [7], normals(7, 4))], {
    transB: 1,
  });
  const g = b.node("Gemm", [b.node("Relu", [h]), b.weight("w2", [7, 7], ties)], { transB: 1 });
  b.output(
    "y",
    ["N", 3],
    b.node("Gemm", [g, b.weight("w3", [3, 7], normals(21, 3)), b.weight("b3", [3], normals(3, 5))], { transB: 1 }),
  );
  return b.build();
}

const names = ["w1", "w2", "w3"];
const sizes = [35, 49, 21];
const total = 105;

/** The same batches for the same seed. */
const batches = (steps: number): Batch[] =>
  Array.from({ length: steps }, (_, i) =>
    batch(
      { x: fed([6, 5], i) },
      Uint32Array.from({ length: 6 }, (_, r) => (r + i) % 3),
    ),
  );

const maskedOf = (graph: Graph) => names.map((name) => graph.weights.get(name) as MaskedWeight);
const maskOf = (weight: MaskedWeight) => weight.shape.reduce((n, d) => n * d, 1);
const bitsOf = (weight: MaskedWeight) => Array.from({ length: maskOf(weight) }, (_, i) => kept(weight.mask, i));
const ones = (bits: readonly boolean[]) => bits.filter(Boolean).length;

/** What is kept of values: the largest magnitudes, of equal ones the first. */
function largest(values: readonly number[], keep: number): boolean[] {
  const order = values.map((_, i) => i).sort((a, b) => Math.abs(values[b]) - Math.abs(values[a]) || a - b);
  const out = values.map(() => false);
  for (const i of order.slice(0, keep)) out[i] = true;
  return out;
}

/** The smallest magnitude that is kept, infinity where nothing is. */
const leastOf = (values: readonly number[], bits: readonly boolean[]) =>
  values.reduce((least, v, i) => (bits[i] ? Math.min(least, Math.abs(v)) : least), Number.POSITIVE_INFINITY);

const settings = (schedule: Schedule, more: Partial<FitOptions> = {}): FitOptions => ({
  data: batches(scheduleLength(schedule) + 3),
  loss: "crossEntropy",
  optimizer: { kind: "sgd", momentum: 0.9 },
  rate: 0.05,
  schedule,
  module: fullModule,
  ...more,
});

const schedules: Record<string, Schedule> = {
  cyclical: cyclical({ cycles: 3, sparsity: 0.9, drop: [0, 0.45], warm: 1, ramp: 4, hold: 2 }),
  gradual: gradual({ sparsity: 0.77, from: 0.1, ramp: 5, hold: 2 }),
  "one shot": oneShot({ sparsity: 0.5, warm: 1, hold: 3 }),
  alternating: alternating({ cycles: 2, sparsity: 0.8, dense: 2, sparse: 2 }),
  "dense, sparse, dense": denseSparseDense({ sparsity: 0.7, dense: 1, sparse: 3, end: 2 }),
  everything: oneShot({ sparsity: 1, hold: 2 }),
};

describe("the masks of every step", () => {
  for (const [title, schedule] of Object.entries(schedules)) {
    for (const revival of ["zero", "keep", "shadow"] as const) {
      test(`${title}, ${revival}: the exact count, the largest magnitudes, the reported numbers`, async () => {
        for (const scope of ["global", "tensor"] as const) {
          // Values and masks before each step, and the masks that ended the last cycle.
          let values = names.map((name) => [...valuesOf(net().weights.get(name)!)]);
          let masks = names.map((_, i) => new Array<boolean>(sizes[i]).fill(true));
          let peak = masks;
          let level: number | undefined;
          await train(net(), settings(schedule, { scope, revival }), (report, graph) => {
            const wanted = sparsityAt(schedule, report.step);
            const now = maskedOf(graph).map(bitsOf);
            if (scope === "global") {
              expect(ones(now.flat())).toBe(total - roundHalfEven(wanted * total));
            } else {
              for (const [i, bits] of now.entries())
                expect(ones(bits)).toBe(sizes[i] - roundHalfEven(wanted * sizes[i]));
            }
            const { cycle, name } = phaseAt(schedule, report.step);
            const ended = name === "frozen" || (name === "hold" && cycle === schedule.cycles.length - 1);
            // Masks follow shadows until the last ramp is over.
            if (wanted === level && (revival !== "shadow" || ended)) {
              expect(now).toEqual(masks);
            } else if (scope === "global") {
              expect(now.flat()).toEqual(largest(values.flat(), ones(now.flat())));
            } else {
              for (const [i, bits] of now.entries()) expect(bits).toEqual(largest(values[i], ones(bits)));
            }
            expect(report.sparsity).toBeCloseTo(1 - ones(now.flat()) / total, 14);
            expect(report.phase).toEqual(phaseAt(schedule, report.step));
            const came = now.flat().filter((bit, i) => bit && !masks.flat()[i]).length;
            const left = ones(now.flat());
            expect(report.masks).toEqual({
              sparsity: report.sparsity,
              revived: came,
              overlap: left === 0 ? 1 : (left - came) / left,
              tensors: names.map((name, i) => ({
                name,
                sparsity: expect.closeTo(1 - ones(now[i]) / sizes[i], 14),
                threshold: expect.any(Number),
                collapsed: ones(now[i]) === 0,
              })),
            });
            if (wanted !== level) {
              const least = now.map((bits, i) => leastOf(values[i], bits));
              for (const [i, { threshold }] of report.masks!.tensors.entries()) {
                const all = scope === "global" ? now.flat() : now[i];
                const lowest = scope === "global" ? Math.min(...least) : least[i];
                expect(threshold).toBe(all.every(Boolean) ? 0 : lowest);
              }
            }
            // The last step of a cycle compares its masks with those of the cycle before.
            const [here, next] = [phaseAt(schedule, report.step), phaseAt(schedule, report.step + 1)];
            const ends = here.name !== "frozen" && (next.cycle !== here.cycle || next.name === "frozen");
            expect(report.cycle !== undefined).toBe(ends);
            if (report.cycle) {
              const [bits, before] = [now.flat(), peak.flat()];
              const revived = bits.filter((bit, i) => bit && !before[i]).length;
              const both = bits.filter((bit, i) => bit && before[i]).length;
              const { from, to } = schedule.cycles[here.cycle];
              expect(report.cycle).toEqual({
                index: here.cycle,
                from,
                to,
                revived: here.cycle === 0 ? 0 : revived,
                overlap: ones(bits) === 0 ? 1 : both / ones(bits),
                sparsity: expect.closeTo(1 - ones(bits) / total, 14),
                collapsed: names.filter((_, i) => ones(now[i]) === 0),
              });
              peak = now;
            }
            level = wanted;
            masks = now;
            values = maskedOf(graph).map((weight) => [...weight.data]);
          });
        }
      });
    }
  }

  test("something was revived in those runs", async () => {
    const { reports } = await train(net(), settings(schedules.cyclical, { rate: 0.3 }));
    const cycles = reports.flatMap(({ cycle }) => cycle ?? []);
    expect(cycles).toHaveLength(3);
    expect(cycles[0].revived).toBe(0);
    expect(Math.max(cycles[1].revived, cycles[2].revived)).toBeGreaterThan(0);
  });

  test("biases are never pruned, nor what `prunable` leaves out", async () => {
    const { graph, reports } = await train(
      net(),
      settings(schedules["one shot"], { prunable: (name) => name !== "w2" }),
    );
    expect([...graph.weights].map(([name, { kind }]) => `${name} ${kind}`)).toEqual([
      "w1 masked",
      "b1 dense",
      "w2 dense",
      "w3 masked",
      "b3 dense",
    ]);
    const left = ["w1", "w3"].flatMap((name) => bitsOf(graph.weights.get(name) as MaskedWeight));
    expect(ones(left)).toBe(28);
    expect(reports.at(-1)!.sparsity).toBe(0.5);
  });

  test("a graph that was pruned goes on from its masks where no schedule is given", async () => {
    const { graph: pruned } = await train(net(), settings(schedules["one shot"]));
    const { graph: tuned, reports } = await train(pruned, { ...settings(schedules["one shot"]), schedule: undefined });
    for (const name of names) {
      const [before, after] = [pruned, tuned].map((g) => g.weights.get(name) as MaskedWeight);
      expect(after.mask).toEqual(before.mask);
      expect(after.data).not.toEqual(before.data);
      for (const [i, bit] of bitsOf(before).entries()) if (!bit) expect(after.data[i]).toBe(before.data[i]);
    }
    expect(reports[0].phase).toBeUndefined();
    expect(reports[0].cycle).toBeUndefined();
  });
});

describe("what becomes of a pruned weight", () => {
  /** Dense for one step, half pruned for two, dense for two. */
  const schedule = denseSparseDense({ sparsity: 0.5, dense: 1, sparse: 2, end: 2 });

  async function follow(revival: "zero" | "keep" | "shadow", momentum: number) {
    const steps: { graph: Graph; bits: boolean[][]; values: Float32Array[] }[] = [];
    const options = settings(schedule, { revival, scope: "tensor", rate: 0.1, optimizer: { kind: "sgd", momentum } });
    await train(net(), options, (_report, graph) => {
      steps.push({ graph, bits: maskedOf(graph).map(bitsOf), values: maskedOf(graph).map(({ data }) => data) });
    });
    return steps;
  }
  /** Step t's gradient in f64, at the values that stood before it and with the mask that stood in it. */
  const gradientAt = (steps: Awaited<ReturnType<typeof follow>>, t: number, i: number, forget: boolean) => {
    const { graph, bits } = steps[t];
    const before = names.map((_, j) =>
      steps[t - 1].values[j].map((v, at) => (!bits[j][at] ? 0 : forget && !steps[t - 1].bits[j][at] ? 0 : v)),
    );
    const at = new Map<string, ArrayLike<number>>(names.map((name, j) => [name, before[j]]));
    for (const name of ["b1", "b3"]) at.set(name, valuesOf(steps[t - 1].graph.weights.get(name)!));
    return twinGradient(graph, batches(t + 1)[t], "crossEntropy", names[i], at);
  };

  test("zero: it is forgotten, stays 0 while it is pruned, and starts again from 0", async () => {
    const steps = await follow("zero", 0);
    for (const t of [1, 2]) {
      for (const [i, bits] of steps[t].bits.entries()) {
        for (const [at, bit] of bits.entries()) if (!bit) expect(Math.abs(steps[t].values[i][at])).toBe(0);
      }
    }
    for (const i of [0, 1, 2]) {
      const gradient = gradientAt(steps, 3, i, true);
      for (const [at, bit] of steps[2].bits[i].entries()) {
        if (!bit) expect(steps[3].values[i][at]).toBeCloseTo(-0.1 * gradient[at], 5);
      }
    }
  });

  test("keep: its last value stands still and comes back", async () => {
    const steps = await follow("keep", 0);
    for (const i of [0, 1, 2]) {
      const gradient = gradientAt(steps, 3, i, false);
      let pruned = 0;
      for (const [at, bit] of steps[2].bits[i].entries()) {
        if (bit) continue;
        pruned++;
        expect(steps[1].values[i][at]).toBe(steps[0].values[i][at]);
        expect(steps[2].values[i][at]).toBe(steps[0].values[i][at]);
        expect(steps[3].values[i][at]).toBeCloseTo(steps[0].values[i][at] - 0.1 * gradient[at], 5);
      }
      expect(pruned).toBe(roundHalfEven(sizes[i] / 2));
    }
  });

  test("shadow: it trains on, straight through, while the network does without it", async () => {
    const steps = await follow("shadow", 0);
    for (const t of [1, 2]) {
      for (const i of [0, 1, 2]) {
        const gradient = gradientAt(steps, t, i, false);
        let moved = 0;
        for (const [at, bit] of steps[t].bits[i].entries()) {
          const change = steps[t].values[i][at] - steps[t - 1].values[i][at];
          expect(change).toBeCloseTo(-0.1 * gradient[at], 5);
          if (!bit && change !== 0) moved++;
        }
        expect(moved).toBeGreaterThan(0);
      }
    }
  });

  test.each(["zero", "keep"] as const)("%s: momentum does not outlive pruning", async (revival) => {
    const steps = await follow(revival, 0.9);
    for (const i of [0, 1, 2]) {
      const gradient = gradientAt(steps, 3, i, revival === "zero");
      for (const [at, bit] of steps[2].bits[i].entries()) {
        if (bit) continue;
        const start = revival === "zero" ? 0 : steps[2].values[i][at];
        expect(steps[3].values[i][at] - start).toBeCloseTo(-0.1 * gradient[at], 5);
      }
    }
  });

  test("the three differ, and only after something came back", async () => {
    const [zero, keep, shadow] = await Promise.all(
      (["zero", "keep", "shadow"] as const).map((revival) => follow(revival, 0)),
    );
    expect(zero[0].values).toEqual(keep[0].values);
    expect(zero[0].values).toEqual(shadow[0].values);
    expect(zero[1].bits).toEqual(keep[1].bits);
    expect(zero[4].values).not.toEqual(keep[4].values);
    expect(keep[4].values).not.toEqual(shadow[4].values);
  });
});

describe("shadows", () => {
  const held = cyclical({ cycles: 2, sparsity: 0.8, warm: 2, ramp: 3, hold: 60 });

  test("never outgrow what is kept, however long a level is held", async () => {
    let before: MaskedWeight[] | undefined;
    let moved = 0;
    const options = settings(held, { revival: "shadow", data: batches(65), rate: 0.1 });
    await train(net(), options, ({ masks, sparsity }, graph) => {
      const now = maskedOf(graph);
      for (const [t, { data }] of (sparsity > 0 && before ? before : []).entries()) {
        for (const [i, bit] of bitsOf(now[t]).entries()) {
          if (!bit) expect(Math.abs(data[i])).toBeLessThanOrEqual(masks!.tensors[t].threshold);
        }
      }
      moved += masks!.revived;
      before = now;
    });
    expect(moved).toBeGreaterThan(0);
  });

  test("are frozen with the masks after the last ramp", async () => {
    const steps: MaskedWeight[][] = [];
    await train(net(), settings(held, { revival: "shadow", data: batches(scheduleLength(held)) }), (_, graph) => {
      steps.push(maskedOf(graph));
    });
    const [first, last] = [steps[65 + 6], steps[scheduleLength(held) - 1]];
    for (const [i, { data, mask }] of last.entries()) {
      expect(mask).toEqual(first[i].mask);
      for (const [at, bit] of bitsOf(last[i]).entries()) if (!bit) expect(data[at]).toBe(first[i].data[at]);
      expect(data).not.toEqual(first[i].data);
    }
  });

  // The third step of Adam from rest: (1 - b1) c1 / sqrt((1 - b2) c2) of the rate, whatever the gradient.
  const third = (1 - 0.9) / (1 - 0.9 ** 3) / Math.sqrt((1 - 0.999) / (1 - 0.999 ** 3));
  test.each<[FitOptions["optimizer"], (gradient: number) => number]>([
    [{ kind: "sgd", momentum: 0.9 }, (gradient) => -0.1 * gradient],
    [{ kind: "adam" }, (gradient) => -0.1 * third * Math.sign(gradient)],
  ])("start from rest when a drop brings them back: %j", async (optimizer, moved) => {
    // Dense in step 0, half pruned in step 1, dense again in step 2: what came back moves by its gradient alone.
    const schedule = denseSparseDense({ sparsity: 0.5, dense: 1, sparse: 1, end: 1 });
    const steps: Graph[] = [];
    const options = settings(schedule, { revival: "shadow", rate: 0.1, data: batches(3), optimizer });
    await train(net(), options, (_, graph) => steps.push(graph));
    const before = maskedOf(steps[1]);
    const at = new Map([...steps[1].weights].map(([name, weight]) => [name, valuesOf(weight)]));
    for (const [i, name] of names.entries()) {
      const gradient = twinGradient(steps[1], batches(3)[2], "crossEntropy", name, at);
      for (const [j, bit] of bitsOf(before[i]).entries()) {
        const change = maskedOf(steps[2])[i].data[j] - before[i].data[j];
        // Where the gradient is all but 0, its sign is chance.
        if (!bit && Math.abs(gradient[j]) > 1e-6) expect(change).toBeCloseTo(moved(gradient[j]), 4);
      }
    }
  });
});
