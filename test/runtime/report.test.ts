// What a session tells of itself: its plan, and where the time goes.
import { describe, expect, test } from "vitest";
import { GraphBuilder } from "../../src/graph/build.js";
import { createEngine } from "../../src/kernels/engine.js";
import { lowerGraph } from "../../src/runtime/lower.js";
import { bindPlan, enterPlan, runPlan } from "../../src/runtime/plan.js";
import { profilePlan } from "../../src/runtime/profile.js";
import { Model } from "../../src/runtime/session.js";
import { elementsAt } from "../../src/runtime/transfer.js";
import { normals } from "../support/kernels.js";
import { fed, runModule } from "../support/network.js";

function network() {
  const b = new GraphBuilder("net");
  const w = b.weight("w", [64, 32], normals(2048, 1));
  const h = b.node("Gemm", [b.input("x", ["N", 32]), w], { transB: 1 });
  const shape = b.node("Flatten", [b.node("Softmax", [h])]);
  b.output("y", ["N", 64], b.node("Add", [shape, h]));
  return b.build();
}

describe("the plan of a model", () => {
  test("tells every step, its values and the bytes", () => {
    const model = new Model(network(), runModule);
    const { inputs, steps, memory } = model.plan({ x: fed([3, 32], 1) });
    expect(inputs).toEqual([
      { name: "x", dtype: "float32", shape: [3, 32], offset: expect.any(Number), bytes: 384, first: 0, last: 3 },
    ]);
    expect(steps.map(({ op, inPlace }) => [op, inPlace])).toEqual([
      ["Gemm", false],
      ["Softmax", false],
      ["Add", true],
    ]);
    expect(steps.map(({ outputs: [{ shape, bytes, first, last }] }) => [shape, bytes, first, last])).toEqual([
      [[3, 64], 768, 0, 2],
      [[3, 64], 768, 1, 3],
      [[3, 64], 768, 1, 3],
    ]);
    expect(steps[2].outputs[0].offset).toBe(steps[1].outputs[0].offset);
    expect(memory.weights).toBe(8192);
    expect(memory.packed).toBe(8192);
    expect(memory.lowerBound).toBeGreaterThanOrEqual(384 + 2 * 768);
    expect(memory.block).toBeGreaterThanOrEqual(memory.lowerBound);
    expect(memory.block).toBeLessThanOrEqual(1.25 * memory.lowerBound);
    expect(memory.peak).toBe(model.bytes);
    for (const { outputs, scratch } of steps) {
      for (const { offset, bytes } of [...outputs, scratch]) expect(offset + bytes).toBeLessThanOrEqual(memory.block);
    }
  });

  test("runs nothing, and is as the last run where inputs are left out", () => {
    const model = new Model(network(), runModule);
    expect(() => model.plan()).toThrow(new TypeError("run: expected input x, got none"));
    const x = fed([2, 32], 1);
    const { y } = model.run({ x });
    expect(model.plan({ x: fed([5, 32], 2) }).steps[0].outputs[0].shape).toEqual([5, 64]);
    expect(model.plan().steps[0].outputs[0].shape).toEqual([2, 64]);
    expect(model.run().y).toEqual(y);
    expect(() => model.plan({ z: x })).toThrow(new TypeError("run: expected inputs among x, got z"));
    model.dispose();
    expect(() => model.plan({ x })).toThrow(new TypeError("model: expected a live session, got a disposed one"));
  });
});

describe("the profile of a model", () => {
  test("names the nodes that run, and its shares are all of the time", () => {
    const model = new Model(network(), runModule);
    const x = fed([200, 32], 1);
    const { y } = model.run({ x });
    const { nodes, milliseconds } = model.profile({ x }, { runs: 3 });
    expect(nodes.map(({ op, shape }) => [op, shape])).toEqual([
      ["Gemm", [200, 64]],
      ["Softmax", [200, 64]],
      ["Add", [200, 64]],
    ]);
    expect(milliseconds).toBeGreaterThan(0);
    for (const node of nodes) {
      expect(node.milliseconds).toBeGreaterThan(0);
      expect(node.share).toBeCloseTo(node.milliseconds / milliseconds, 9);
    }
    expect(nodes.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9);
    // Inputs that are left out are those of the profile, and results are what they were.
    expect(model.run().y).toEqual(y);
  });

  test.each([0, 1.5, -1, Number.NaN, 10001])("of %d runs is refused", (runs) => {
    const model = new Model(network(), runModule);
    expect(() => model.profile({ x: fed([1, 32], 1) }, { runs })).toThrow(
      new RangeError(`profile: runs: expected a whole number from 1 to 10000, got ${runs}`),
    );
  });

  const planned = () => {
    const graph = network();
    const engine = createEngine(runModule);
    const x = fed([200, 32], 1);
    const plan = bindPlan(engine, graph, lowerGraph(engine, graph), new Map([["x", x]]));
    enterPlan(engine, plan);
    (elementsAt(engine, plan.slots.get("x")!) as Float32Array).set(x.data);
    runPlan(plan);
    return { engine, plan, y: () => elementsAt(engine, plan.slots.get("y")!).slice() };
  };

  test("by a coarse clock repeats nodes until it moves, and leaves the results of one run", () => {
    const { engine, plan, y } = planned();
    const want = y();
    const { nodes } = profilePlan(engine, plan, 4, () => Math.floor(performance.now()));
    for (const { milliseconds } of nodes) {
      expect(milliseconds).toBeGreaterThan(0);
      expect(milliseconds).toBeLessThan(100);
    }
    expect(y()).toEqual(want);
  });

  test("by a clock that stands still ends, without times", () => {
    const { engine, plan, y } = planned();
    const want = y();
    const { nodes, milliseconds } = profilePlan(engine, plan, 2, () => 7);
    expect(milliseconds).toBe(0);
    expect(nodes.map((node) => [node.milliseconds, node.share])).toEqual([
      [0, 0],
      [0, 0],
      [0, 0],
    ]);
    expect(y()).toEqual(want);
  });

  test("by a clock that goes back does not hang", () => {
    const { engine, plan } = planned();
    let time = 0;
    expect(profilePlan(engine, plan, 2, () => --time).nodes).toHaveLength(3);
  });
});
