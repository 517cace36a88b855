import { describe, expect, test } from "vitest";
import type { Graph } from "../../src/graph/graph.js";
import type { Int8Weight } from "../../src/graph/weight.js";
import { paysWidened, widenedFrom } from "../../src/ops/linear.js";
import { Model } from "../../src/runtime/session.js";
import { normals, uniform } from "../support/kernels.js";
import { bits, fed, fullModule, network, runModule, withWeights } from "../support/network.js";

/** A Gemm with an int8 weight [out, inner], and the same with its values as f32. */
function both(out: number, inner: number): { graph: Graph; dense: Graph } {
  const next = uniform(out);
  const shape = [out, inner];
  const q = Int8Array.from({ length: out * inner }, () => next() * 255 - 127);
  const scale = normals(out, 3).map((v) => Math.abs(v) / 100 + 0.001);
  const weight: Int8Weight = { kind: "int8", shape, q, scale };
  const data = Float32Array.from(q, (code, i) => code * scale[Math.floor(i / inner)]);
  const empty = network("Gemm", [inner], [out], { transB: 1 }, [0, 0], out);
  const graph = withWeights(empty, [["w", weight]]);
  return { graph, dense: withWeights(empty, [["w", { kind: "dense", shape, dtype: "float32", data }]]) };
}

describe("a Gemm with int8 weights", () => {
  // One weight fewer than what stays int8, and just as many.
  for (const [out, inner, stays] of [
    [2047, 2049, false],
    [2048, 2048, true],
  ] as const) {
    test(`${out} x ${inner} ${stays ? "stays int8" : "is unpacked"}, with the bits of its f32 values`, () => {
      expect(paysWidened({ rows: out, cols: inner })).toBe(stays);
      const { graph, dense } = both(out, inner);
      const [int8, f32] = [new Model(graph, runModule), new Model(dense, runModule)];
      const x = fed([5, inner], 9);
      const together = int8.run({ x }).y;
      expect(together.shape).toEqual([5, out]);
      expect(bits(together.data)).toEqual(bits(f32.run({ x }).y.data));
      const alone = int8.run({ x: x.data.subarray(4 * inner) }).y.data;
      expect(bits(alone)).toEqual(bits(together.data.slice(4 * out)));
      // q and its panels, a byte a weight each, against q, f32 and f32 panels.
      const weights = out * inner;
      if (stays) expect(int8.bytes).toBeLessThan(2.5 * weights);
      else expect(int8.bytes).toBeGreaterThan(5 * weights);
      int8.dispose();
      f32.dispose();
    });
  }

  test("from 4 Mi weights on", () => {
    expect(widenedFrom).toBe(2 ** 22);
    expect(paysWidened({ rows: 2 ** 22, cols: 1 })).toBe(true);
    expect(paysWidened({ rows: 2 ** 22 - 1, cols: 1 })).toBe(false);
  });

  test("the training module gives the same bits", () => {
    const { graph } = both(2048, 2048);
    const x = fed([1, 2048], 4);
    const [run, full] = [runModule, fullModule].map((module) => new Model(graph, module).run({ x }).y.data);
    expect(bits(full)).toEqual(bits(run));
  });
});
