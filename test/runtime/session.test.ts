import { describe, expect, test } from "vitest";
import { dtypes, type TypedArray } from "../../src/dtype.js";
import { OutOfMemoryError, ShapeError } from "../../src/errors.js";
import { GraphBuilder } from "../../src/graph/build.js";
import type { Graph } from "../../src/graph/graph.js";
import type { Weight } from "../../src/graph/weight.js";
import type { Feeds } from "../../src/runtime/feeds.js";
import { Model } from "../../src/runtime/session.js";
import { normals } from "../support/kernels.js";
import { bits, expectClose, fed, fullModule, network, relaxedModule, runModule, thrown } from "../support/network.js";

/** Conv, pool, Gemm over images whose number, height and width are open. */
function classifier(seed = 0): Graph {
  const b = new GraphBuilder("classifier");
  const x = b.input("x", ["N", 1, "H", "W"]);
  const c = b.node("Conv", [
    x,
    b.weight("w1", [6, 1, 3, 3], normals(54, seed + 1)),
    b.weight("b1", [6], normals(6, seed + 2)),
  ]);
  const p = b.node("Flatten", [b.node("GlobalAveragePool", [b.node("Relu", [c])])]);
  b.output("y", ["N", 4], b.node("Gemm", [p, b.weight("w2", [4, 6], normals(24, seed + 3))], { transB: 1 }));
  return b.build();
}

describe("Model", () => {
  test("runs on run.wasm and on full.wasm with the same bits", () => {
    const x = fed([2, 1, 8, 9], 1);
    const [a, b] = [runModule, fullModule].map((module) => new Model(classifier(), module).run({ x }).y);
    expectClose(a, classifier(), { x }, 200);
    expect(bits(a.data)).toEqual(bits(b.data));
    expect(a).toMatchObject({ dtype: "float32", shape: [2, 4] });
  });

  test("runs on the relaxed build within the same bounds, where the runtime takes it", () => {
    const relaxed = relaxedModule();
    if (!relaxed) return;
    const x = fed([3, 1, 9, 8], 1);
    expectClose(new Model(classifier(), relaxed).run({ x }).y, classifier(), { x }, 200);
  });

  test("tells its inputs and outputs as declared", () => {
    const model = new Model(classifier(), runModule);
    expect(model.inputs).toEqual([{ name: "x", dtype: "float32", shape: ["N", 1, "H", "W"] }]);
    expect(model.outputs).toEqual([{ name: "y", dtype: "float32", shape: ["N", 4] }]);
  });

  test("planning anew for other shapes, and back, gives the same bits", () => {
    const model = new Model(classifier(), runModule);
    const shapes = [
      [1, 1, 8, 8],
      [5, 1, 20, 7],
      [2, 1, 3, 3],
      [0, 1, 5, 5],
    ];
    const first = shapes.map((shape, i) => bits(model.run({ x: fed(shape, i) }).y.data));
    const bytes = model.bytes;
    for (let round = 0; round < 3; round++) {
      for (const i of [2, 0, 1, 3]) expect(bits(model.run({ x: fed(shapes[i], i) }).y.data)).toEqual(first[i]);
    }
    expect(model.bytes).toBe(bytes);
    for (const [i, shape] of shapes.entries()) {
      expect(bits(new Model(classifier(), runModule).run({ x: fed(shape, i) }).y.data)).toEqual(first[i]);
    }
  });

  test("more shapes than are kept planned stay right", () => {
    const model = new Model(classifier(), runModule);
    const results = Array.from({ length: 50 }, (_, i) => bits(model.run({ x: fed([1, 1, 3 + i, 4], i) }).y.data));
    const bytes = model.bytes;
    for (const i of [0, 49, 17, 1]) expect(bits(model.run({ x: fed([1, 1, 3 + i, 4], i) }).y.data)).toEqual(results[i]);
    expect(model.bytes).toBe(bytes);
  });

  test("ever new shapes take the memory of the largest one", () => {
    const model = new Model(classifier(), runModule);
    const last = (i: number) => fed([1, 1, 100 + i, 100], i);
    model.run({ x: last(60) });
    const bytes = model.bytes;
    for (let i = 0; i < 60; i++) model.run({ x: last(i) });
    expect(model.bytes).toBe(bytes);
    expect(bytes).toBeLessThan(2 * 4 * 160 * 100 * (1 + 2 * 6));
  });

  test("a thousand runs take no more memory than one, and results are copies", () => {
    const model = new Model(classifier(), runModule);
    const x = fed([3, 1, 8, 8], 1);
    const before = model.run({ x });
    const kept = bits(before.y.data);
    const bytes = model.bytes;
    for (let i = 0; i < 1000; i++) model.run({ x: fed([3, 1, 8, 8], 2) });
    expect(model.bytes).toBe(bytes);
    expect(bits(before.y.data)).toEqual(kept);
    expect(bits(model.run({ x }).y.data)).toEqual(kept);
  });

  test("two models side by side know nothing of each other", () => {
    const [a, b] = [new Model(classifier(0), runModule), new Model(classifier(50), runModule)];
    const [x, z] = [fed([2, 1, 6, 6], 1), fed([4, 1, 9, 5], 2)];
    const [ya, yb] = [bits(a.run({ x }).y.data), bits(b.run({ x: z }).y.data)];
    for (let i = 0; i < 3; i++) {
      expect(bits(b.run({ x: z }).y.data)).toEqual(yb);
      expect(bits(a.run({ x }).y.data)).toEqual(ya);
    }
    expect(bits(b.run({ x }).y.data)).not.toEqual(ya);
    a.dispose();
    expect(bits(b.run({ x: z }).y.data)).toEqual(yb);
  });

  test("the graph and its weights are not changed, nor read again", () => {
    const graph = classifier();
    const w = graph.weights.get("w1") as Weight & { data: Float32Array };
    const before = w.data.slice();
    const x = fed([1, 1, 5, 5], 1);
    const model = new Model(graph, runModule);
    const y = bits(model.run({ x }).y.data);
    expect(w.data).toEqual(before);
    w.data.fill(0);
    expect(bits(model.run({ x }).y.data)).toEqual(y);
  });

  test("an output may be an input, or serve twice", () => {
    const b = new GraphBuilder("pass");
    const x = b.input("x", ["N", 3]);
    b.output("y", ["N", 3], b.node("Relu", [x]));
    const graph = {
      ...b.build(),
      outputs: [...b.build().outputs, { name: "x", dtype: "float32", shape: ["N", 3] } as const],
    };
    const results = new Model(graph, runModule).run({ x: Float32Array.of(-1, 2, -3) });
    expect([...results.x.data]).toEqual([-1, 2, -3]);
    expect([...results.y.data]).toEqual([0, 2, 0]);
  });
});

describe("feeding", () => {
  const x = fed([2, 3], 1);
  const graph = network("Gemm", [3], [4], { transB: 1 }, [4, 3]);

  test("a tensor, a bare array, or the view of an input, by one and the same slot", () => {
    const model = new Model(graph, runModule);
    const want = bits(model.run({ x }).y.data);
    expect(bits(model.run({ x: x.data }).y.data)).toEqual(want);
    model.input("x", [2, 3]).set(x.data);
    expect(bits(model.run().y.data)).toEqual(want);
    expect(bits(model.run({}).y.data)).toEqual(want);
    expect(model.run({ x: x.data.subarray(0, 3) }).y.shape).toEqual([1, 4]);
    expect(model.input("x")).toHaveLength(3);
    expect(model.input("x", [5, 3])).toHaveLength(15);
    expect(model.run().y.shape).toEqual([5, 4]);
  });

  test("the view before any run takes 1 for each open dimension", () => {
    const model = new Model(graph, runModule);
    const view = model.input("x");
    expect(view).toHaveLength(3);
    view.set(x.data.subarray(0, 3));
    expectClose(model.run().y, graph, { x: { shape: [1, 3], data: x.data.slice(0, 3) } }, 20);
  });

  test("a bare array in an odd corner of a buffer is read where it stands", () => {
    const pool = new ArrayBuffer(100);
    const odd = new Float32Array(pool, 8, 6);
    odd.set(x.data);
    const model = new Model(graph, runModule);
    expect(bits(model.run({ x: odd }).y.data)).toEqual(bits(model.run({ x }).y.data));
  });

  test("several inputs: what is left out keeps what it held", () => {
    const b = new GraphBuilder("two");
    b.output("y", ["N"], b.node("Add", [b.input("a", ["N"]), b.input("b", ["N"])]));
    const model = new Model(b.build(), runModule);
    expect([...model.run({ a: Float32Array.of(1, 2), b: Float32Array.of(10, 20) }).y.data]).toEqual([11, 22]);
    expect([...model.run({ a: Float32Array.of(5, 6) }).y.data]).toEqual([15, 26]);
    expect(thrown(() => model.run({ a: Float32Array.of(1) }))).toEqual(
      new ShapeError("input b: expected [N], got [2]"),
    );
    expect([...model.run({}).y.data]).toEqual([15, 26]);
    const fresh = new Model(b.build(), runModule);
    expect(thrown(() => fresh.run({ a: Float32Array.of(1) }))).toEqual(
      new TypeError("run: expected input b, got none"),
    );
  });

  const int32 = new Int32Array(6) as unknown as Float32Array;
  test.each([
    [{ z: x }, new TypeError("run: expected inputs among x, got z")],
    [{ x, toString: x } as unknown as Feeds, new TypeError("run: expected inputs among x, got toString")],
    [{}, new TypeError("run: expected input x, got none")],
    [{ x: int32 }, new ShapeError("input x: expected float32 values in a Float32Array, got Int32Array")],
    [
      { x: new Float64Array(6) },
      new ShapeError("input x: expected float32 values in a Float32Array, got Float64Array"),
    ],
    [
      { x: [1, 2, 3] as unknown as TypedArray },
      new ShapeError("input x: expected float32 values in a Float32Array, got Array"),
    ],
    [
      { x: 5 as unknown as TypedArray },
      new ShapeError("input x: expected float32 values in a Float32Array, got Number"),
    ],
    [
      { x: { ...x, dtype: "float16" as const } },
      new ShapeError("input x: expected data that holds float16, got Float32Array"),
    ],
    [{ x: { ...x, shape: [2, 4] } }, new ShapeError("input x: expected 8 elements for shape [2, 4], got 6")],
    [{ x: { ...x, shape: [3, 2] } }, new ShapeError("input x: expected [N, 3], got [3, 2]")],
    [{ x: { ...x, shape: [6] } }, new ShapeError("input x: expected [N, 3], got [6]")],
    [{ x: new Float32Array(7) }, new ShapeError("input x: expected values for [N, 3], got 7 of them")],
    ...[
      [2, -3],
      [2, 1.5],
      [2 ** 30, 2 ** 30],
    ].map((shape) => [
      { x: { ...x, shape } },
      new ShapeError(`input x: expected whole sizes from 0, fewer than 2^53 elements, got [${shape.join(", ")}]`),
    ]),
    [null, new TypeError("run: expected inputs by name, got null")],
    ["x", new TypeError("run: expected inputs by name, got String")],
    [{ x: null }, new TypeError("input x: expected a tensor or a Float32Array, got null")],
    [{ x: {} }, new ShapeError("input x: expected float32 values in a Float32Array, got Object")],
    [
      { x: { ...x, data: [1, 2, 3, 4, 5, 6] } },
      new ShapeError("input x: expected float32 values in a Float32Array, got Array"),
    ],
    [{ x: { ...x, shape: undefined } }, new TypeError("input x shape: expected an array of sizes, got undefined")],
    [{ x: { ...x, shape: "23" } }, new TypeError("input x shape: expected an array of sizes, got String")],
    [{ x: { ...x, dtype: "f32" } }, new TypeError(`input x dtype: expected one of ${dtypes.join(", ")}, got f32`)],
  ] as unknown as [Feeds, Error][])("%# is refused, before and after a run that was fine", (feeds, error) => {
    const fresh = new Model(graph, runModule);
    expect(thrown(() => fresh.run(feeds))).toEqual(error);
    const used = new Model(graph, runModule);
    const want = bits(used.run({ x }).y.data);
    if (!feeds || Object.keys(feeds).length > 0) expect(thrown(() => used.run(feeds))).toEqual(error);
    expect(bits(used.run({ x }).y.data)).toEqual(want);
  });

  test("two open dimensions need a tensor the first time", () => {
    const model = new Model(classifier(), runModule);
    expect(thrown(() => model.run({ x: new Float32Array(64) }))).toEqual(
      new ShapeError("input x: expected values for [N, 1, H, W], got 64 of them"),
    );
  });

  test("input() refuses what does not fit", () => {
    const model = new Model(graph, runModule);
    expect(thrown(() => model.input("z"))).toEqual(new TypeError("input: expected one of x, got z"));
    expect(thrown(() => model.input("x", [2, 4]))).toEqual(new ShapeError("input x: expected [N, 3], got [2, 4]"));
    expect(thrown(() => model.input("x", [2]))).toEqual(new ShapeError("input x: expected [N, 3], got [2]"));
    expect(thrown(() => model.input("x", "23" as unknown as number[]))).toEqual(
      new TypeError("input x shape: expected an array of sizes, got String"),
    );
    expect(thrown(() => model.input("x", [-1, 3]))).toEqual(
      new ShapeError("input x: expected whole sizes from 0, fewer than 2^53 elements, got [-1, 3]"),
    );
    expect(model.input("x", [2, 3])).toHaveLength(6);
  });

  test("input() gives inputs that share a dimension its size", () => {
    const b = new GraphBuilder("two");
    b.output("y", ["N", 2], b.node("Add", [b.input("a", ["N", 2]), b.input("b", ["N", 2])]));
    const model = new Model(b.build(), runModule);
    for (const size of [3, 1, 4]) {
      model.input("b", [size, 2]).fill(10);
      model.input("a").fill(size);
      expect(model.run().y).toEqual({
        dtype: "float32",
        shape: [size, 2],
        data: new Float32Array(2 * size).fill(10 + size),
      });
    }
  });
});

describe("shapes belong to who made them", () => {
  const relu = () => {
    const b = new GraphBuilder("relu");
    b.output("y", ["N", "M"], b.node("Relu", [b.input("x", ["N", "M"])]));
    return new Model(b.build(), runModule);
  };

  test("a fed shape that is changed afterwards changes no plan", () => {
    const model = relu();
    const shapes = [
      [2, 3],
      [1, 4],
    ];
    for (const shape of shapes) model.run({ x: fed(shape, 1) });
    model.input("x", shapes[0]);
    shapes[0][0] = 9;
    expect(model.input("x")).toHaveLength(6);
    expect(model.run().y.shape).toEqual([2, 3]);
    const x = { ...fed([2, 3], 1), shape: [2, 3] };
    model.run({ x });
    x.shape.reverse();
    expect(model.run().y.shape).toEqual([2, 3]);
    const wide = fed([9, 3], 2);
    expect(model.run({ x: wide }).y.data).toEqual(wide.data.map((value) => Math.max(value, 0)));
    const view = [5, 2];
    model.input("x", view);
    view[0] = 50;
    expect(model.run().y.shape).toEqual([5, 2]);
  });

  test("a result's shape that is changed changes no later result", () => {
    const model = relu();
    const x = fed([2, 3], 1);
    (model.run({ x }).y.shape as number[])[0] = 50;
    for (const feeds of [{}, { x }] as Feeds[]) {
      const { shape, data } = model.run(feeds).y;
      expect([shape, data.length]).toEqual([[2, 3], 6]);
    }
  });

  test("a shape in use that is changed to another size is planned anew", () => {
    const model = relu();
    const shape = [2, 3];
    model.run({ x: { ...fed([2, 3], 1), shape } });
    shape[0] = 40;
    const x = { ...fed([40, 3], 2), shape };
    const { y } = model.run({ x });
    expect(y.shape).toEqual([40, 3]);
    expect(y.data).toEqual(x.data.map((value) => Math.max(value, 0)));
  });
});

describe("memory", () => {
  const page = 65536;

  test("a model that does not fit into maxBytes is refused by our own error", () => {
    for (const [maxBytes, needs] of [
      [page, "at least the module"],
      [4 * page, "the weights"],
    ] as const) {
      const big = network("Gemm", [512], [512], { transB: 1 }, [512, 512]);
      const error = thrown(() => new Model(big, runModule, { maxBytes }));
      expect(error, needs).toBeInstanceOf(OutOfMemoryError);
      expect((error as Error).message).toMatch(
        new RegExp(`^memory: expected at most ${maxBytes} bytes, got a need of \\d+$`),
      );
    }
  });

  test("a batch that does not fit is refused, and smaller ones still run with the same bits", () => {
    const model = new Model(classifier(), runModule, { maxBytes: 16 * page });
    const x = fed([2, 1, 16, 16], 1);
    const want = bits(model.run({ x }).y.data);
    const big = fed([400, 1, 32, 32], 2);
    for (let i = 0; i < 3; i++) {
      expect(thrown(() => model.run({ x: big }))).toBeInstanceOf(OutOfMemoryError);
      expect(bits(model.run({ x }).y.data)).toEqual(want);
      expect(bits(model.run({ x: fed([3, 1, 16, 16], 3) }).y.data)).toEqual(
        bits(new Model(classifier(), runModule).run({ x: fed([3, 1, 16, 16], 3) }).y.data),
      );
    }
    expect(thrown(() => model.input("x", [4000, 1, 32, 32]))).toBeInstanceOf(OutOfMemoryError);
    expect(bits(model.run({ x }).y.data)).toEqual(want);
    expect(model.bytes).toBeLessThanOrEqual(16 * page);
  });

  test("sizes past all bounds end in an error of ours", () => {
    const model = new Model(classifier(), runModule);
    expect(thrown(() => model.input("x", [1, 1, 2 ** 20, 2 ** 20]))).toBeInstanceOf(ShapeError);
    expect(model.run({ x: fed([1, 1, 3, 3], 1) }).y.shape).toEqual([1, 4]);
  });

  test("many models one after another do not exhaust the process", () => {
    const x = fed([1, 1, 8, 8], 1);
    for (let i = 0; i < 300; i++) {
      const model = new Model(classifier(), runModule);
      model.run({ x });
      model.dispose();
    }
  });
});

describe("dispose", () => {
  test("ends a model; whatever is called then says so", () => {
    const model = new Model(classifier(), runModule);
    const before = model.run({ x: fed([1, 1, 4, 4], 1) }).y;
    const kept = bits(before.data);
    model.dispose();
    model.dispose();
    const error = new TypeError("model: expected a live session, got a disposed one");
    expect(thrown(() => model.run({ x: fed([1, 1, 4, 4], 1) }))).toEqual(error);
    const y = new Float32Array(4);
    expect(thrown(() => model.run({ x: fed([1, 1, 4, 4], 1) }, { y }))).toEqual(error);
    expect([...y]).toEqual([0, 0, 0, 0]);
    expect(thrown(() => model.input("x"))).toEqual(error);
    expect(thrown(() => model.bytes)).toEqual(error);
    expect(bits(before.data)).toEqual(kept);
    expect(model.inputs).toHaveLength(1);
  });

  test("Symbol.dispose is dispose", () => {
    const model = new Model(classifier(), runModule);
    expect(typeof Symbol.dispose).toBe("symbol");
    model[Symbol.dispose]();
    expect(() => model.run()).toThrow(TypeError);
  });
});
