// Outputs that the caller owns.
import { describe, expect, test } from "vitest";
import { createArray, dtypes, type TypedArray } from "../../src/dtype.js";
import { ShapeError } from "../../src/errors.js";
import { GraphBuilder } from "../../src/graph/build.js";
import type { Graph } from "../../src/graph/graph.js";
import type { Outputs } from "../../src/runtime/feeds.js";
import { Model } from "../../src/runtime/session.js";
import { normals } from "../support/kernels.js";
import { bits, fed, network, runModule, thrown } from "../support/network.js";

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

describe("outputs that the caller owns", () => {
  const x = fed([2, 3], 1);
  const graph = network("Gemm", [3], [4], { transB: 1 }, [4, 3]);
  const want = bits(new Model(graph, runModule).run({ x }).y.data);

  test("are written into and returned, as a bare array, a tensor, a part of a buffer, or shared memory", () => {
    const model = new Model(graph, runModule);
    const part = new Float32Array(new ArrayBuffer(100), 12, 8);
    const shared = new Float32Array(new SharedArrayBuffer(32));
    for (const data of [new Float32Array(8).fill(NaN), part, shared]) {
      const { y } = model.run({ x }, { y: data });
      expect(y.data).toBe(data);
      expect(y).toMatchObject({ dtype: "float32", shape: [2, 4] });
      expect(bits(data.slice())).toEqual(want);
      data.fill(NaN);
      const tensor = { dtype: "float32", shape: [2, 4], data } as const;
      expect(model.run({}, { y: tensor }).y.data).toBe(data);
      expect(bits(data.slice())).toEqual(want);
    }
    expect([...new Float32Array(part.buffer, 0, 3), ...new Float32Array(part.buffer, 44)]).toEqual(
      new Array(3 + 14).fill(0),
    );
  });

  test("may have any name", () => {
    const b = new GraphBuilder("odd");
    for (const name of ["__proto__", "constructor"]) b.output(name, [3], b.node("Relu", [b.input(`${name} in`, [3])]));
    const given = { "__proto__ in": Float32Array.of(1, 2, 3), "constructor in": Float32Array.of(4, 5, 6) };
    const found = new Model(b.build(), runModule).run(given);
    expect(Object.keys(found)).toEqual(["__proto__", "constructor"]);
    expect(Object.values(found).map(({ data }) => [...data])).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ]);
  });

  test("keep what they hold when later runs write elsewhere, and may be left out", () => {
    const model = new Model(graph, runModule);
    const y = new Float32Array(8);
    model.run({ x }, { y });
    for (const outputs of [{}, undefined, { y: undefined } as unknown as Outputs]) {
      const other = model.run({ x: fed([2, 3], 2) }, outputs).y.data;
      expect(other).not.toBe(y);
      expect(other.buffer.byteLength).toBe(32);
    }
    expect(bits(y)).toEqual(want);
  });

  test("a thousand runs into the same array take no more memory", () => {
    const model = new Model(graph, runModule);
    const y = new Float32Array(8);
    model.run({ x }, { y });
    const { bytes } = model;
    for (let i = 0; i < 1000; i++) model.run({ x }, { y });
    expect(model.bytes).toBe(bytes);
    expect(bits(y)).toEqual(want);
  });

  test("may lie where an input lies", () => {
    const square = network("Gemm", [3], [3], { transB: 1 }, [3, 3]);
    const once = new Model(square, runModule).run({ x }).y.data;
    const twice = new Model(square, runModule).run({ x: once }).y.data;
    const model = new Model(square, runModule);
    const data = x.data.slice();
    for (const next of [once, twice]) expect(bits(model.run({ x: data }, { y: data }).y.data)).toEqual(bits(next));
    const pool = Float32Array.of(0, 0, 0, ...x.data);
    model.run({ x: pool.subarray(3) }, { y: pool.subarray(0, 6) });
    expect(bits(pool.slice(0, 6))).toEqual(bits(once));
  });

  test("over one another are refused, and nothing is written; side by side they are not", () => {
    const b = new GraphBuilder("two");
    const given = b.input("x", [4]);
    b.output("s", [4], b.node("Neg", [given]));
    b.output("r", [4], b.node("Relu", [given]));
    const model = new Model(b.build(), runModule);
    const feeds = { x: Float32Array.of(1, -2, 3, -4) };
    const memory = new Float32Array(8).fill(9);
    for (const [first, second] of [
      [0, 0],
      [0, 2],
      [3, 0],
    ]) {
      const outputs = { s: memory.subarray(first, first + 4), r: memory.subarray(second, second + 4) };
      expect(() => model.run(feeds, outputs)).toThrow(
        new TypeError("output r: expected memory of its own, got that of s"),
      );
      expect(memory.every((value) => value === 9)).toBe(true);
    }
    model.run(feeds, { s: memory.subarray(0, 4), r: memory.subarray(4) });
    expect([...memory]).toEqual([-1, 2, -3, 4, 1, 0, 3, 0]);
  });

  test("some of several outputs", () => {
    const b = new GraphBuilder("two");
    const a = b.input("a", ["N"]);
    b.output("twice", ["N"], b.node("Add", [a, a]));
    b.output("toString", ["N"], b.node("Relu", [a]));
    const model = new Model(b.build(), runModule);
    const twice = new Float32Array(2);
    const results = model.run({ a: Float32Array.of(1, -2) }, { twice });
    expect(results.twice.data).toBe(twice);
    expect([...twice]).toEqual([2, -4]);
    expect([...(results.toString as unknown as typeof results.twice).data]).toEqual([1, 0]);
  });

  test("the input of another model serves as well, and memory that grows leaves them alone", () => {
    const first = new Model(classifier(), runModule);
    const second = new Model(network("Gemm", [4], [4], { transB: 1 }, [4, 4]), runModule);
    const small = fed([1, 1, 8, 8], 1);
    const y = new Float32Array(4);
    const before = bits(first.run({ x: small }, { y }).y.data);
    const large = fed([400, 1, 32, 32], 2);
    const into = new Float32Array(1600);
    const { bytes } = first;
    first.run({ x: large }, { y: into });
    expect(first.bytes).toBeGreaterThan(bytes);
    expect(bits(y)).toEqual(before);
    expect(bits(into)).toEqual(bits(new Model(classifier(), runModule).run({ x: large }).y.data));
    const next = new Model(network("Gemm", [4], [4], { transB: 1 }, [4, 4]), runModule).run({ x: y });
    first.run({ x: small }, { y: second.input("x") });
    expect(bits(second.run().y.data)).toEqual(bits(next.y.data));
  });

  test("float16 and int64 go into the arrays that hold them", () => {
    for (const [dtype, data] of [
      ["float16", Uint16Array.of(0x3c00, 0xc000)],
      ["int64", BigInt64Array.of(5n, -6n)],
    ] as const) {
      const b = { dtype, shape: [2] };
      const node = { name: "n", op: "Identity", inputs: ["x"], outputs: ["y"], attributes: {} };
      const model = new Model(
        { name: "g", inputs: [{ name: "x", ...b }], outputs: [{ name: "y", ...b }], nodes: [node], weights: new Map() },
        runModule,
      );
      const y = createArray(dtype, 2);
      expect(model.run<TypedArray>({ x: data }, { y }).y.data).toBe(y);
      expect(y).toEqual(data);
      expect(thrown(() => model.run({ x: data }, { y: new Float32Array(2) }))).toEqual(
        new ShapeError(`output y: expected ${dtype} values in a ${data.constructor.name}, got Float32Array`),
      );
    }
  });

  const detached = new Float32Array(8);
  structuredClone(detached.buffer, { transfer: [detached.buffer] });
  const y = new Float32Array(8);
  const tensor = { dtype: "float32", shape: [2, 4], data: y };
  const sizes = "whole sizes from 0, fewer than 2^53 elements";
  test.each([
    [null, new TypeError("run: expected outputs by name, got null")],
    [5, new TypeError("run: expected outputs by name, got Number")],
    [{ x: y }, new TypeError("run: expected outputs among y, got x")],
    [{ y, z: y }, new TypeError("run: expected outputs among y, got z")],
    [{ y: null }, new TypeError("output y: expected a tensor or a Float32Array, got null")],
    [{ y: {} }, new ShapeError("output y: expected float32 values in a Float32Array, got Object")],
    [{ y: 5 }, new ShapeError("output y: expected float32 values in a Float32Array, got Number")],
    [{ y: new Array(8).fill(0) }, new ShapeError("output y: expected float32 values in a Float32Array, got Array")],
    [
      { y: new Float64Array(8) },
      new ShapeError("output y: expected float32 values in a Float32Array, got Float64Array"),
    ],
    [{ y: new Float32Array(7) }, new ShapeError("output y: expected values for [2, 4], got 7 of them")],
    [{ y: new Float32Array(9) }, new ShapeError("output y: expected values for [2, 4], got 9 of them")],
    [{ y: detached }, new ShapeError("output y: expected values for [2, 4], got 0 of them")],
    [{ y: { ...tensor, shape: [4, 2] } }, new ShapeError("output y: expected [2, 4], got [4, 2]")],
    [{ y: { ...tensor, shape: [8] } }, new ShapeError("output y: expected [2, 4], got [8]")],
    [{ y: { ...tensor, shape: [-2, 4] } }, new ShapeError(`output y: expected ${sizes}, got [-2, 4]`)],
    [{ y: { ...tensor, shape: "24" } }, new TypeError("output y shape: expected an array of sizes, got String")],
    [
      { y: { ...tensor, data: new Float32Array(7) } },
      new ShapeError("output y: expected 8 elements for shape [2, 4], got 7"),
    ],
    [
      { y: { ...tensor, dtype: "float16" } },
      new ShapeError("output y: expected data that holds float16, got Float32Array"),
    ],
    [
      { y: { ...tensor, dtype: "f32" } },
      new TypeError(`output y dtype: expected one of ${dtypes.join(", ")}, got f32`),
    ],
  ] as unknown as [Outputs, Error][])("%# is refused before anything runs", (outputs, error) => {
    const fresh = new Model(graph, runModule);
    expect(thrown(() => fresh.run({ x }, outputs))).toEqual(error);
    const used = new Model(graph, runModule);
    used.run({ x });
    expect(thrown(() => used.run({ x: fed([2, 3], 2) }, outputs))).toEqual(error);
    expect(bits(used.run().y.data), "the input that was written").toEqual(want);
    if (outputs === null || typeof outputs !== "object" || "x" in outputs || "z" in outputs) return;
    // Other shapes: refused with them, nothing changes either.
    expect(() => used.run({ x: fed([3, 3], 2) }, outputs)).toThrow();
    expect(bits(used.run().y.data), "the input that was written").toEqual(want);
    expect(bits(y)).toEqual(new Array(8).fill(0));
  });

  test("the model's own memory is refused", () => {
    const square = new Model(network("Gemm", [3], [3], { transB: 1 }, [3, 3]), runModule);
    square.run({ x });
    expect(thrown(() => square.run({}, { y: square.input("x") }))).toEqual(
      new TypeError("output y: expected memory of the caller, got the model's own"),
    );
  });

  test("a type that another stands for in memory is refused by name", () => {
    const b = { dtype: "bool", shape: [2] } as const;
    const node = { name: "n", op: "Identity", inputs: ["x"], outputs: ["y"], attributes: {} };
    const model = new Model(
      { name: "g", inputs: [{ name: "x", ...b }], outputs: [{ name: "y", ...b }], nodes: [node], weights: new Map() },
      runModule,
    );
    const bytes = { dtype: "uint8", shape: [2], data: new Uint8Array(2) } as const;
    expect(thrown(() => model.run({ x: bytes }))).toEqual(new ShapeError("input x: expected bool, got uint8"));
    const error = new ShapeError("output y: expected bool, got uint8");
    expect(thrown(() => model.run({ x: bytes.data }, { y: bytes }))).toEqual(error);
  });
});
