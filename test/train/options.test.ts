import { describe, expect, test } from "vitest";
import { ShapeError } from "../../src/errors.js";
import { GraphBuilder } from "../../src/graph/build.js";
import type { Graph } from "../../src/graph/graph.js";
import { oneShot } from "../../src/schedule.js";
import type { Batch } from "../../src/train/data.js";
import { fit } from "../../src/train/fit.js";
import type { FitOptions } from "../../src/train/options.js";
import { normals } from "../support/kernels.js";
import { fed } from "../support/network.js";
import { batch } from "../support/training.js";

function net(): Graph {
  const b = new GraphBuilder("g");
  b.output(
    "y",
    ["N", 2],
    b.node("Gemm", [b.input("x", ["N", 4]), b.weight("w", [2, 4], normals(8, 1))], { transB: 1 }),
  );
  return b.build();
}

const given = (more: Partial<FitOptions>): FitOptions => ({
  data: [],
  loss: "crossEntropy",
  optimizer: { kind: "sgd" },
  ...more,
});

describe("options of fit", () => {
  const data = [batch({ x: fed([2, 4], 1) }, Uint8Array.of(0, 1))];

  test("the seed goes to the data, and the rate has a default", async () => {
    const asked: number[] = [];
    const source = (seed: number) => {
      asked.push(seed);
      return data;
    };
    for (const seed of [undefined, 7]) {
      for await (const { rate } of fit(net(), {
        data: source,
        seed,
        loss: "crossEntropy",
        optimizer: { kind: "adam" },
      })) {
        expect(rate).toBe(0.001);
      }
    }
    expect(asked).toEqual([1, 7]);
  });

  test.each([
    [
      { loss: "foo" },
      'fit: loss: expected crossEntropy, meanSquaredError or { kind: one of "crossEntropy", "distill", "sum" }, got foo',
    ],
    [
      { loss: { kind: "foo" } },
      'fit: loss: expected crossEntropy, meanSquaredError or { kind: one of "crossEntropy", "distill", "sum" }, got Object',
    ],
    [{ loss: { kind: "distill", teacher: "big" } }, "graph: expected a Graph, got String"],
    [{ loss: { kind: "distill", match: "foo" } }, "fit: loss.match: expected divergence or squares, got foo"],
    [{ loss: { kind: "distill", temperature: 0 } }, "fit: loss.temperature: expected a number in 0.01..1000, got 0"],
    [{ loss: { kind: "distill", labels: 1.5 } }, "fit: loss.labels: expected a share in 0..1, got 1.5"],
    [{ loss: { kind: "crossEntropy", smoothing: 2 } }, "fit: loss.smoothing: expected a share in 0..1, got 2"],
    [{ loss: { kind: "sum", terms: [] } }, "fit: loss.terms: expected an array of { loss, weight }, got none"],
    [
      { loss: { kind: "sum", terms: [{ loss: "crossEntropy", weight: -1 }] } },
      "fit: loss.terms[0].weight: expected a number of 0 or more, got -1",
    ],
    [
      { loss: { kind: "sum", terms: [{ loss: "foo", weight: 1 }] } },
      /^fit: loss\.terms\[0\]\.loss: expected .+, got foo/,
    ],
    [{ optimizer: { kind: "adam", nesterov: true } }, /^fit: optimizer\.nesterov: expected an option of adam: /],
    [{ optimizer: { kind: "sgd", nesterov: 1 } }, "fit: optimizer.nesterov: expected true or false, got 1"],
    [{ optimizer: { kind: "sgd", clip: -1 } }, "fit: optimizer.clip: expected a number of 0 or more, got -1"],
    [{ optimizer: { kind: "rmsprop" } }, "fit: optimizer.kind: expected one of sgd, adam, got rmsprop"],
    [{ optimizer: "sgd" }, "fit: optimizer.kind: expected one of sgd, adam, got undefined"],
    [
      { optimizer: { kind: "sgd", momentum: Number.NaN } },
      "fit: optimizer.momentum: expected a number of 0 or more, got NaN",
    ],
    [{ scope: "foo" }, 'fit: scope: expected one of global, tensor, channel, or N:M as "2:4", got foo'],
    [{ scope: "4:4" }, 'fit: scope: expected one of global, tensor, channel, or N:M as "2:4", got 4:4'],
    [{ scope: "0:4" }, 'fit: scope: expected one of global, tensor, channel, or N:M as "2:4", got 0:4'],
    [{ scope: 24 }, 'fit: scope: expected one of global, tensor, channel, or N:M as "2:4", got 24'],
    [
      { scope: "2:4", schedule: oneShot({ sparsity: 0.9, hold: 1 }) },
      "schedule.cycles[0]: expected a sparsity of at most 0.5 for the scope 2:4, got 0.9",
    ],
    [{ distribution: "uniform" }, "fit: distribution: expected a scope of tensor, got global"],
    [{ scope: "tensor", distribution: "foo" }, "fit: distribution: expected one of uniform, erdosRenyi, got foo"],
    [{ block: [4] }, "fit: block: expected [rows, columns], each in 1..1024, got 4"],
    [{ block: [0, 4] }, "fit: block: expected [rows, columns], each in 1..1024, got 0,4"],
    [{ block: [1, 4], scope: "channel" }, "fit: block: expected a scope of global or tensor, got channel"],
    [{ prunable: "conv*" }, "fit: prunable: expected a pattern that meets one of w, got conv*"],
    [{ prunable: 3 }, "fit: prunable: expected a function, patterns, or { in, out } of patterns, got Number"],
    [{ prunable: { in: [3] } }, "fit: prunable: expected a function, patterns, or { in, out } of patterns, got Number"],
    [{ revival: "bar" }, "fit: revival: expected one of keep, zero, shadow, got bar"],
    [{ seed: 1.5 }, "fit: seed: expected an integer, got 1.5"],
    [{ data: 3 }, "fit: data: expected an iterable of batches, or a function that gives one, got Number"],
    [{ schedule: { cycles: [] } }, "schedule.cycles: expected at least one cycle, got none"],
  ])("%j is refused at once", (wrong, message) => {
    expect(() => fit(net(), given({ data, ...wrong } as unknown as Partial<FitOptions>))).toThrow(message);
  });

  test("a bare array in a batch, by name", async () => {
    const bare = [{ inputs: { x: new Float32Array(8) }, target: Uint8Array.of(0, 1) }];
    const run = async () => {
      for await (const _ of fit(net(), given({ data: bare as unknown as Batch[] })));
    };
    await expect(run()).rejects.toEqual(
      new ShapeError("fit: input x: expected a tensor { dtype, shape, data }, got Float32Array"),
    );
  });

  test("timers are heard while it trains", async () => {
    let heard = 0;
    const timer = setInterval(() => heard++, 1);
    const endless = function* () {
      // Bounded: were no turn of the event loop given, this would end without the timer.
      for (let i = 0; i < 200_000 && heard < 3; i++) yield data[0];
    };
    for await (const _ of fit(net(), given({ data: endless() }))) if (heard >= 3) break;
    clearInterval(timer);
    expect(heard).toBeGreaterThanOrEqual(3);
  });
});
