import { describe, expect, test } from "vitest";
import { ShapeError } from "../../src/errors.js";
import { GraphBuilder } from "../../src/graph/build.js";
import type { Graph } from "../../src/graph/graph.js";
import { Model } from "../../src/runtime/session.js";
import { batches } from "../../src/train/data.js";
import type { Distillation } from "../../src/train/distill.js";
import { normals } from "../support/kernels.js";
import { fed, runModule } from "../support/network.js";
import { batch, descent, expectGradients, train } from "../support/training.js";

/** A network of one hidden layer, x [N, 3] to y [N, 4]. */
function net(hidden: number, seed: number): Graph {
  const b = new GraphBuilder(`hidden ${hidden}`);
  const weight = (name: string, shape: number[], at: number) =>
    b.weight(
      name,
      shape,
      normals(
        shape.reduce((size, dim) => size * dim, 1),
        seed + at,
      ),
    );
  const x = b.input("x", ["N", 3]);
  const h = b.node("Tanh", [b.node("Gemm", [x, weight("w1", [hidden, 3], 1)], { transB: 1 })]);
  b.output("y", ["N", 4], b.node("Gemm", [h, weight("w2", [4, hidden], 2)], { transB: 1 }));
  return b.build();
}

const teacher = net(12, 10);
const outputsOf = (inputs: Float32Array) =>
  new Model(teacher, runModule).run({ x: { dtype: "float32", shape: [inputs.length / 3, 3], data: inputs } }).y
    .data as Float32Array;

describe("distillation", () => {
  test.each<Omit<Distillation, "kind">>([
    {},
    { temperature: 3 },
    { match: "squares" },
    { temperature: 2, labels: 0.3 },
    { match: "squares", labels: 0.6 },
    { labels: 1 },
  ])("has the twin's gradient, taught by a graph or by outputs: %j", async (given) => {
    const x = fed([5, 3], 1);
    const labels = given.labels ? Uint8Array.of(0, 3, 1, 2, 3) : undefined;
    await expectGradients(net(6, 1), batch({ x }, labels), { kind: "distill", teacher, ...given });
    await expectGradients(net(6, 1), batch({ x }, labels, outputsOf(x.data)), { kind: "distill", ...given });
  });

  test("a smaller network learns from a larger one, without labels", async () => {
    const inputs = normals(3 * 512, 4);
    const data = (seed: number) => batches({ input: "x", inputs, shape: [3] }, { size: 32, epochs: 25, seed });
    const unseen = normals(3 * 400, 5);
    const best = (logits: Float32Array) =>
      Array.from({ length: 400 }, (_, r) => {
        const row = logits.subarray(4 * r, 4 * r + 4);
        return row.indexOf(Math.max(...row));
      });
    const wanted = best(outputsOf(unseen));
    for (const loss of [
      { kind: "distill", teacher, temperature: 2 },
      { kind: "distill", teacher, match: "squares" },
    ] as const) {
      const { graph, reports } = await train(net(8, 1), {
        ...descent,
        optimizer: { kind: "adam" },
        rate: 0.02,
        data,
        loss,
      });
      expect(reports.at(-1)!.loss).toBeLessThan(reports[0].loss / 20);
      const { y } = new Model(graph, runModule).run({ x: { dtype: "float32", shape: [400, 3], data: unseen } });
      const same = best(y.data as Float32Array).filter((label, i) => label === wanted[i]).length;
      expect(same).toBeGreaterThan(360);
    }
  });

  test("outputs that the batches bring teach the same bits as the graph they are from", async () => {
    const inputs = normals(3 * 64, 4);
    const outputs = outputsOf(inputs);
    const run = async (loss: Distillation, more: object) => {
      const data = batches({ input: "x", inputs, shape: [3], ...more }, { size: 16, epochs: 2, seed: 1 });
      return (await train(net(6, 1), { ...descent, rate: 0.05, data, loss })).reports.map((report) => report.loss);
    };
    expect(await run({ kind: "distill" }, { outputs })).toEqual(await run({ kind: "distill", teacher }, {}));
  });

  test("a batch of an array that comes again is taught once; of an iterable every time", async () => {
    const first = batch({ x: fed([4, 3], 1) });
    const second = batch({ x: fed([4, 3], 2) });
    const lossOf = async (inTheArray: boolean) => {
      const again = [first, second, first, second];
      const data = inTheArray ? again : again.values();
      return (await train(net(6, 1), { ...descent, rate: 0.05, data, loss: { kind: "distill", teacher } })).reports;
    };
    expect(await lossOf(true)).toEqual(await lossOf(false));
    // The same object with other values inside, as `batches` gives them.
    const values = new Float32Array(12);
    const moving = batch({ x: { shape: [4, 3], data: values } });
    const data = (function* () {
      for (const seed of [1, 2]) {
        values.set(fed([4, 3], seed).data);
        yield moving;
      }
    })();
    const { reports } = await train(net(6, 1), { ...descent, rate: 0.05, data, loss: { kind: "distill", teacher } });
    expect(reports).toEqual((await lossOf(true)).slice(0, 2));
  });

  test("what cannot teach is refused", async () => {
    const x = fed([4, 3], 1);
    const run = (graph: Graph, loss: Distillation, outputs?: Float32Array) =>
      train(graph, { ...descent, data: [batch({ x }, undefined, outputs)], loss });
    await expect(run(net(6, 1), { kind: "distill" })).rejects.toEqual(
      new ShapeError("fit: batch.outputs: expected 16 values in a Float32Array, got none"),
    );
    await expect(run(net(6, 1), { kind: "distill" }, new Float32Array(15))).rejects.toEqual(
      new ShapeError("fit: batch.outputs: expected 16 values in a Float32Array, got 15 in Float32Array"),
    );
    await expect(run(net(6, 1), { kind: "distill", teacher, labels: 0.5 })).rejects.toEqual(
      new ShapeError("fit: target: expected 4 class numbers, got none"),
    );
    const b = new GraphBuilder("narrow");
    b.output("y", ["N", 3], b.node("Relu", [b.input("x", ["N", 3])]));
    await expect(run(net(6, 1), { kind: "distill", teacher: b.build() })).rejects.toEqual(
      new ShapeError("fit: output of the teacher: expected 16 values in a Float32Array, got 12 in Float32Array"),
    );
    const other = new GraphBuilder("other");
    other.output("y", ["N", 4], other.node("Relu", [other.input("z", ["N", 4])]));
    await expect(run(net(6, 1), { kind: "distill", teacher: other.build() })).rejects.toThrow(/x/);
  });
});
