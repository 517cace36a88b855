import { expect, test } from "vitest";
import { GraphBuilder } from "../../src/graph/build.js";
import type { Graph } from "../../src/graph/graph.js";
import type { Loss } from "../../src/train/loss.js";
import type { Optimizer } from "../../src/train/optim.js";
import { normals } from "../support/kernels.js";
import { fed, fullModule } from "../support/network.js";
import { batch, expectGradients, train, twinGradient, valuesOf } from "../support/training.js";

function net(seed = 1): Graph {
  const b = new GraphBuilder("g");
  const h = b.node("Tanh", [
    b.node("Gemm", [b.input("x", ["N", 3]), b.weight("w1", [5, 3], normals(15, seed))], { transB: 1 }),
  ]);
  b.output("y", ["N", 4], b.node("Gemm", [h, b.weight("w2", [4, 5], normals(20, seed + 1))], { transB: 1 }));
  return b.build();
}

const labelled = batch({ x: fed([6, 3], 1) }, Uint8Array.of(0, 3, 1, 2, 3, 0), normals(24, 7));

test.each<Loss>([
  { kind: "crossEntropy" },
  { kind: "crossEntropy", smoothing: 0.1 },
  { kind: "crossEntropy", smoothing: 1 },
  { kind: "sum", terms: [{ loss: "crossEntropy", weight: 2 }] },
  {
    kind: "sum",
    terms: [
      { loss: { kind: "crossEntropy", smoothing: 0.2 }, weight: 0.5 },
      { loss: { kind: "distill", temperature: 3 }, weight: 1.5 },
      { loss: { kind: "distill", match: "squares" }, weight: 0.25 },
    ],
  },
  {
    kind: "sum",
    terms: [
      { loss: "crossEntropy", weight: 0 },
      { loss: { kind: "sum", terms: [{ loss: { kind: "distill", labels: 0.3 }, weight: 2 }] }, weight: 0.5 },
    ],
  },
])("has the twin's gradient: %j", async (loss) => {
  await expectGradients(net(), labelled, loss);
});

test.each<Loss>(["meanSquaredError", { kind: "sum", terms: [{ loss: "meanSquaredError", weight: 3 }] }])(
  "squares of values: %j",
  async (loss) => {
    await expectGradients(net(), { ...labelled, target: normals(24, 3) }, loss);
  },
);

/** What one step does to both weights. */
async function stepOf(optimizer: Optimizer, rate = 1): Promise<number[]> {
  const graph = net();
  const { graph: after } = await train(graph, {
    data: [labelled],
    loss: "crossEntropy",
    optimizer,
    rate,
    module: fullModule,
  });
  return ["w1", "w2"].flatMap((name) => {
    const [a, b] = [graph, after].map((g) => valuesOf(g.weights.get(name)!));
    return Array.from(a, (v, i) => b[i] - v);
  });
}

const gradient = ["w1", "w2"].flatMap((name) => [...twinGradient(net(), labelled, "crossEntropy", name)]);
const values = ["w1", "w2"].flatMap((name) => [...valuesOf(net().weights.get(name)!)]);
const norm = Math.sqrt(gradient.reduce((sum, g) => sum + g * g, 0));
const near = (got: number[], want: number[]) => {
  for (const [i, v] of got.entries()) expect(v).toBeCloseTo(want[i], 5);
};

test("a gradient longer than `clip` is scaled to it as a whole, a shorter one is left", async () => {
  const clip = norm / 3;
  const cut = await stepOf({ kind: "sgd", momentum: 0, clip });
  near(
    cut,
    gradient.map((g) => -g / 3),
  );
  expect(Math.sqrt(cut.reduce((sum, v) => sum + v * v, 0))).toBeCloseTo(clip, 5);
  const whole = await stepOf({ kind: "sgd", momentum: 0 });
  expect(await stepOf({ kind: "sgd", momentum: 0, clip: 1.1 * norm })).toEqual(whole);
  expect(await stepOf({ kind: "sgd", momentum: 0, clip: 0 })).toEqual(whole.map(() => 0));
});

test("nesterov goes ahead of the momentum; decay, in the gradient or beside it", async () => {
  near(
    await stepOf({ kind: "sgd", momentum: 0.5, nesterov: true }),
    gradient.map((g) => -1.5 * g),
  );
  near(
    await stepOf({ kind: "sgd", momentum: 0.5, nesterov: true, decay: 0.1 }),
    gradient.map((g, i) => -1.5 * (g + 0.1 * values[i])),
  );
  near(
    await stepOf({ kind: "sgd", momentum: 0.5, nesterov: true, decay: 0.1, decoupled: true }),
    gradient.map((g, i) => -1.5 * g - 0.1 * values[i]),
  );
  // The first step of Adam is the sign of its gradient.
  near(
    await stepOf({ kind: "adam", decay: 0.1 }, 0.01),
    gradient.map((g, i) => -0.01 * (Math.sign(g) + 0.1 * values[i])),
  );
  near(
    await stepOf({ kind: "adam", decay: 10, decoupled: false }, 0.01),
    gradient.map((g, i) => -0.01 * Math.sign(g + 10 * values[i])),
  );
});
