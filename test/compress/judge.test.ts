import { describe, expect, it } from "vitest";
import { candidate } from "../../src/compress/candidate.js";
import { compress } from "../../src/compress/compress.js";
import { Judge } from "../../src/compress/judge.js";
import { measured } from "../../src/compress/sensitivity.js";
import { resultsOf } from "../../src/compress/tail.js";
import { GraphBuilder } from "../../src/graph/build.js";
import { type Graph, withWeights } from "../../src/graph/graph.js";
import type { DenseWeight, PlainWeight } from "../../src/graph/weight.js";
import { Model } from "../../src/runtime/session.js";
import { normals } from "../support/kernels.js";
import { fed, fullModule } from "../support/network.js";

function network(last: "logits" | "probabilities") {
  const b = new GraphBuilder("judged");
  const x = b.input("x", ["N", 6]);
  const h = b.node("Relu", [b.node("Gemm", [x, b.weight("first", [12, 6], normals(72, 1))], { transB: 1 })]);
  const y = b.node("Gemm", [h, b.weight("second", [5, 12], normals(60, 2))], { transB: 1 });
  b.output("y", ["N", 5], last === "logits" ? b.node("Identity", [y]) : b.node("Softmax", [y]));
  return b.build();
}

const feeds = [{ x: fed([4, 6], 7) }, { x: fed([3, 6], 8) }];
const moved = (name: string, by: number, graph = network("logits")): [string, PlainWeight] => {
  const weight = graph.weights.get(name) as DenseWeight;
  return [name, { ...weight, data: (weight.data as Float32Array).map((value, i) => value + by * Math.sin(i)) }];
};

describe("the judge", () => {
  it("gives the squared error of outputs over their squared norm", () => {
    const graph = network("logits");
    const judge = new Judge(graph, fullModule, feeds);
    expect(judge.error(...moved("second", 0))).toBe(0);
    expect(judge.error(...moved("first", 0))).toBe(0);
    const change = moved("second", 0.1);
    const outputs = [graph, withWeights(graph, [change])].map((one) => {
      const model = new Model(one, fullModule);
      return feeds.flatMap((each) => [...model.run(each).y.data]);
    });
    const off = outputs[0].reduce((sum, value, i) => sum + (value - outputs[1][i]) ** 2, 0);
    const norm = outputs[0].reduce((sum, value) => sum + value ** 2, 0);
    expect(judge.error(...change)).toBeCloseTo(off / norm, 10);
  });

  it("gives half the variance of the change of logarithms of outputs that are probabilities", () => {
    const graph = network("probabilities");
    const change = moved("second", 0.1);
    const outputs = [graph, withWeights(graph, [change])].map((one) => {
      const model = new Model(one, fullModule);
      return feeds.flatMap((each) => [...model.run(each).y.data]);
    });
    const classes = outputs[0].length / 7;
    let sum = 0;
    for (let row = 0; row < 7; row++) {
      const at = (values: number[], c: number) => Math.max(values[row * classes + c], 1e-12);
      const of = (power: number) =>
        Array.from({ length: classes }, (_, c) => {
          const p = at(outputs[0], c);
          return ((p + 1 / classes) / 2) * Math.log(p / at(outputs[1], c)) ** power;
        }).reduce((a, b) => a + b);
      sum += (of(2) - of(1) ** 2) / 2;
    }
    expect(sum).toBeGreaterThan(1e-4);
    expect(new Judge(graph, fullModule, feeds).error(...change)).toBeCloseTo(sum / 7, 6);
  });

  it("finds what is no number as bad as can be", () => {
    const [name, weight] = moved("second", 0);
    const spoiled = { ...(weight as DenseWeight), data: new Float32Array(60).fill(3e38) };
    expect(new Judge(network("logits"), fullModule, feeds).error(name, spoiled)).toBe(Number.POSITIVE_INFINITY);
  });

  it("leaves out what the network itself gives as no number", () => {
    const b = new GraphBuilder("masked");
    const x = b.input("x", ["N", 6]);
    const y = b.node("Gemm", [x, b.weight("first", [5, 6], normals(30, 1))], { transB: 1 });
    // log 0 in two of five columns.
    const shown = b.node("Log", [b.weight("shown", [5], Float32Array.of(1, 0, 1, 0, 1))]);
    b.output("y", ["N", 5], b.node("Add", [y, shown]));
    b.output("plain", ["N", 5], y);
    const graph = b.build();
    const error = new Judge(graph, fullModule, feeds).error(...moved("first", 0.1, graph));
    expect(error).toBeGreaterThan(1e-6);
    expect(error).toBeLessThan(0.1);
  });

  it("takes outputs of any name that a weight has no say in", () => {
    const b = new GraphBuilder("names");
    const x = b.input("x", ["N", 6]);
    for (const [output, name] of Object.entries({ y: "first", toString: "second" }))
      b.output(output, ["N", 5], b.node("Gemm", [x, b.weight(name, [5, 6], normals(30, 1))], { transB: 1 }));
    const graph = b.build();
    const judge = new Judge(graph, fullModule, feeds);
    expect(judge.error(...moved("first", 0.1, graph))).toBeCloseTo(judge.error(...moved("second", 0.1, graph)), 12);
  });
});

it("sensitivities follow what was tried, and keep the order of errors", () => {
  const judge = new Judge(network("logits"), fullModule, feeds);
  const sizes = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32];
  const list = sizes.map((by) => {
    const [, weight] = moved("first", by);
    return { ...candidate(weight, by * by), choice: { storage: "scalar", size: by } as const };
  });
  const found = measured(judge, "first", list);
  for (const [i, { error }] of found.entries()) {
    const real = judge.error(...moved("first", sizes[i]));
    expect(error / real).toBeGreaterThan(0.6);
    expect(error / real).toBeLessThan(1.7);
    if (i > 0) expect(error).toBeGreaterThan(found[i - 1].error);
  }
  const lossless = measured(judge, "first", [{ ...list[0], error: 0 }]);
  expect(lossless[0].error).toBe(0);
});

it("what loses nothing stays at 0 where all else is as bad as can be", () => {
  const judge = new Judge(network("logits"), fullModule, feeds);
  const [, weight] = moved("second", 0);
  const bad = (size: number) => {
    const spoiled = { ...(weight as DenseWeight), data: new Float32Array(60).fill(size) };
    return { ...candidate(spoiled, size / 1e38), choice: { storage: "scalar", size } as const };
  };
  const lossless = { ...candidate(weight, 0), choice: { storage: "scalar", size: 1 } as const };
  const errors = measured(judge, "second", [lossless, bad(2e38), bad(3e38)]).map(({ error }) => error);
  expect(errors[0]).toBe(0);
  expect(errors[1]).toBeGreaterThan(1e5);
  expect(errors[2]).toBeGreaterThan(errors[1]);
  expect(errors[2]).toBeLessThan(Number.POSITIVE_INFINITY);
});

it("a target with calibration loses less of the outputs than one without", async () => {
  const graph = network("logits");
  const many = [{ x: fed([200, 6], 9) }];
  const others = [{ x: fed([50, 6], 11) }];
  const outputsOf = (one: Graph) => Array.from(resultsOf(one, fullModule, others)[0].y.data, Number);
  const errorAt = async (calibration?: typeof many) => {
    const { graph: made } = await compress(graph, { target: { maxBytes: 230 }, calibration, module: fullModule });
    const wanted = outputsOf(graph);
    return outputsOf(made).reduce((sum, value, i) => sum + (value - wanted[i]) ** 2, 0);
  };
  expect(await errorAt(many)).toBeLessThan(await errorAt());
});

it("one row of outputs is no judge", async () => {
  const graph = network("logits");
  const errorsWith = async (count: number) => {
    const calibration = [{ x: fed([count, 6], 3) }];
    const { report } = await compress(graph, { target: { maxBytes: 230 }, calibration, module: fullModule });
    const swept = report.weights.map(({ name, candidates }) => ({ name, candidates }));
    const judge = new Judge(graph, fullModule, calibration);
    expect(judge.rows).toBe(count);
    return swept.map(({ candidates }) => Math.max(...candidates.map(({ error }) => error)));
  };
  // What a weight makes is lost as a whole at most.
  expect(Math.max(...(await errorsWith(1)))).toBeLessThanOrEqual(1);
  expect(await errorsWith(2)).not.toEqual(await errorsWith(1));
});
