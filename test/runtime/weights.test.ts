import { describe, expect, test } from "vitest";
import { FormatError } from "../../src/errors.js";
import { GraphBuilder } from "../../src/graph/build.js";
import { toDense } from "../../src/graph/dense.js";
import type { Graph } from "../../src/graph/graph.js";
import type { Weight } from "../../src/graph/weight.js";
import { createEngine, floatsAt } from "../../src/kernels/engine.js";
import { storedAs } from "../../src/runtime/place.js";
import { Model } from "../../src/runtime/session.js";
import { Weights } from "../../src/runtime/weights.js";
import { normals } from "../support/kernels.js";
import { bits, expectClose, fed, runModule, storages, withWeights } from "../support/network.js";

const shape = [6, 3, 2, 2];

describe.each(storages(shape))("a weight stored as %s", (_name, weight) => {
  const graph: Graph = { name: "g", inputs: [], outputs: [], nodes: [], weights: new Map([["w", weight]]) };
  const wanted = bits(toDense(weight));
  const fresh = () => {
    const engine = createEngine(runModule);
    return { engine, weights: new Weights(engine, graph, new Map()) };
  };

  test("is described without memory as it is placed", () => {
    const { engine, weights } = fresh();
    const { top } = engine.arena;
    const stored = weights.stored("w")!;
    expect(engine.arena.top).toBe(top);
    expect(weights.placed("w")).toMatchObject(stored);
    expect(storedAs(weight)).toEqual(stored);
    expect(weights.stored("none")).toBeUndefined();
  });

  test("is lent as f32 in memory that comes back, and stays where it is asked to", () => {
    const { engine, weights } = fresh();
    const { top } = engine.arena;
    const read = (at: number) => bits(floatsAt(engine, at, 72).slice());
    expect(weights.borrow("w", read)).toEqual(wanted);
    expect(engine.arena.top).toBe(top);
    weights.placed("w");
    expect(weights.borrow("w", read)).toEqual(wanted);
    const values = weights.dense("w");
    expect(read(values)).toEqual(wanted);
    expect(weights.dense("w")).toBe(values);
    expect(weights.borrow("w", (at) => at)).toBe(values);
    engine.arena.alloc(1 << 16);
    expect(read(values)).toEqual(wanted);
  });

  test("whose values alone stay leaves nothing else in memory", () => {
    const { engine, weights } = fresh();
    const { top } = engine.arena;
    weights.dense("w");
    expect(engine.arena.top - top).toBe(Math.ceil((4 * 72) / 64) * 64);
  });
});

test.each([
  ["float16", 0x7c00],
  ["bfloat16", 0x7f80],
] as const)("stored plainly as %s, infinity is refused", (dtype, infinity) => {
  const bytes = new Uint8Array(Uint16Array.of(1, infinity).buffer);
  const w: Weight = { kind: "coded", shape: [2], storage: { kind: "dense", dtype, plain: true }, bytes };
  const graph: Graph = { name: "g", inputs: [], outputs: [], nodes: [], weights: new Map([["w", w]]) };
  expect(() => new Weights(createEngine(runModule), graph, new Map()).dense("w")).toThrow(
    new FormatError(
      "weight w: expected sound coded bytes, got a value that is not finite or a scale that is not positive",
    ),
  );
});

describe("a session keeps of a weight what its kernels read, and no copy beside it", () => {
  /** Bytes of a session that has run once, of `values` f32 in its weight. */
  const bytesOf = (graph: Graph, x: readonly number[]) => {
    const model = new Model(graph, runModule);
    model.run({ x: fed(x, 1) });
    return model.bytes;
  };
  const values = 512 * 1024;

  test.each(
    storages([512, 1024]).filter(([name]) => /^(coded )?(dense|b?float16|int8 per row|sparse, but)/.test(name)),
  )("Gemm, %s: its panels", (_name, weight) => {
    // What one weight takes while it is packed is room for activations later: nothing of it adds up.
    const deep = (copies: number) => {
      const b = new GraphBuilder("deep");
      let h = b.input("x", ["N", 1024]);
      const weights: [string, typeof weight][] = [];
      for (let i = 0; i < copies; i++) {
        b.weight(`w${i}`, [512, 1024], new Float32Array(values));
        b.weight(`v${i}`, [1024, 512], new Float32Array(values));
        weights.push([`w${i}`, weight]);
        h = b.node("Gemm", [b.node("Gemm", [h, `w${i}`], { transB: 1 }), `v${i}`], { transB: 1 });
      }
      b.output("y", ["N", 1024], h);
      return bytesOf(withWeights(b.build(), weights), [1, 1024]);
    };
    expect(deep(3) - deep(2)).toBeLessThan(1.05 * 8 * values);
  });

  test("Conv for Winograd: four times its values; of few pixels: its values", () => {
    const conv = (side: number, copies: number) => {
      const b = new GraphBuilder("deep");
      let h = b.input("x", ["N", 128, side, side]);
      for (let i = 0; i < copies; i++) {
        const w = b.weight(
          `w${i}`,
          [128, 128, 3, 3],
          normals(128 * 128 * 9, i).map((v) => v / 40),
        );
        h = b.node("Conv", [h, w], { pads: [1, 1, 1, 1] });
      }
      b.output("y", ["N", 128, side, side], h);
      return b.build();
    };
    const growth = (side: number) =>
      bytesOf(conv(side, 5), [1, 128, side, side]) - bytesOf(conv(side, 4), [1, 128, side, side]);
    expect(growth(8) / (4 * 128 * 128 * 9)).toBeCloseTo(4, 0);
    expect(growth(4) / (4 * 128 * 128 * 9)).toBeCloseTo(1, 0);
    const x = fed([2, 128, 4, 4], 3);
    expectClose(new Model(conv(4, 1), runModule).run({ x }).y, conv(4, 1), { x }, 2400);
  });

  test("GRU: the panels of its weights, and those of the last gate again", () => {
    const [hidden, width] = [256, 128];
    const deep = (copies: number) => {
      const b = new GraphBuilder("deep");
      const x = b.input("x", [2, 1, width]);
      for (let i = 0; i < copies; i++) {
        const [w, r] = [width, hidden].map((k, j) =>
          b.weight(
            `${"wr"[j]}${i}`,
            [1, 3 * hidden, k],
            normals(3 * hidden * k, i).map((v) => v / 40),
          ),
        );
        b.output(`y${i}`, [2, 1, 1, hidden], b.node("GRU", [x, w, r], { hidden_size: hidden }));
      }
      return bytesOf(b.build(), [2, 1, width]);
    };
    const panels = 4 * (3 * hidden * (width + hidden) + hidden * hidden);
    expect((deep(6) - deep(2)) / 4).toBeLessThan(1.05 * panels);
  });

  test("a weight that is packed by one node and read as it is by another", () => {
    const b = new GraphBuilder("shared");
    const w = b.weight("w", [9, 9], normals(81, 1));
    const x = b.input("x", [9, 9]);
    b.output("y", [9, 9], b.node("Add", [b.node("MatMul", [b.node("Add", [x, w]), w]), w]));
    const graph = b.build();
    const inputs = { x: fed([9, 9], 2) };
    expectClose(new Model(graph, runModule).run(inputs).y, graph, inputs, 30);
  });
});
