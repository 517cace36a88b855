import { describe, expect, test } from "vitest";
import { type DType, dtypes } from "../../src/dtype.js";
import { ShapeError, UnsupportedError } from "../../src/errors.js";
import { GraphBuilder } from "../../src/graph/build.js";
import { Model } from "../../src/runtime/session.js";
import * as twin from "../reference/movement.js";
import { uniform } from "../support/kernels.js";
import { runModule } from "../support/network.js";
import { counted, elements, ints, numbers, runNode, tensor } from "../support/one-node.js";

const indexTypes = ["int32", "int64"] as const;

/** Indices from -limit to limit - 1, in dimensions of their own limits where there are several. */
function indices(dtype: DType, shape: readonly number[], limits: readonly number[], seed = 7) {
  const next = uniform(seed);
  const size = twin.sizeOf(shape);
  const values = Array.from({ length: size }, (_, i) => {
    const limit = limits[i % limits.length];
    return Math.floor(2 * limit * next()) - limit;
  });
  return tensor(dtype, shape, values);
}

function expectSame(got: { shape: readonly number[]; data: unknown }, want: twin.Elements<number | bigint>) {
  expect(got.shape).toEqual(want.shape);
  expect([...(got.data as Iterable<number | bigint>)]).toEqual(want.data);
}

const refusal = (...given: Parameters<typeof runNode>) => {
  try {
    runNode(...given);
  } catch (error) {
    expect(error).toBeInstanceOf(ShapeError);
    return (error as Error).message;
  }
  throw new Error("nothing was refused");
};

describe.each(indexTypes)("indices of %s", (type) => {
  test.each(dtypes)("Gather, GatherElements, GatherND of %s", (dtype) => {
    const x = counted(dtype, [4, 3, 5]);
    for (const axis of [0, 1, 2, -1]) {
      const at = axis < 0 ? axis + 3 : axis;
      for (const shape of [[], [4], [2, 3], [0], [1, 2, 2]]) {
        const index = indices(type, shape, [x.shape[at]]);
        expectSame(runNode("Gather", [x, index], { axis })[0], twin.gather(elements(x), numbers(index), at));
      }
      for (const shape of [
        [4, 3, 5],
        [2, 1, 3],
        [0, 1, 1],
      ]) {
        const index = indices(type, shape.with(at, 6), [x.shape[at]]);
        const want = twin.gatherElements(elements(x), numbers(index), at);
        expectSame(runNode("GatherElements", [x, index], { axis })[0], want);
      }
    }
    for (const [shape, limits, batch] of [
      [[2, 3], [4, 3, 5], 0],
      [[7, 1], [4], 0],
      [[2, 2, 2], [4, 3], 0],
      [[3], [4, 3, 5], 0],
      [[4, 2, 1], [3], 1],
      [[4, 2], [3, 5], 1],
      [[4, 3, 6, 1], [5], 2],
      [[4, 0, 1], [3], 1],
    ] as const) {
      const index = indices(type, shape, limits);
      const want = twin.gatherND(elements(x), numbers(index), batch);
      expectSame(runNode("GatherND", [x, index], { batch_dims: batch })[0], want);
    }
  });

  const joins: Record<string, (a: bigint, b: bigint) => bigint> = {
    none: (_, b) => b,
    add: (a, b) => a + b,
    mul: (a, b) => a * b,
    max: (a, b) => (a > b ? a : b),
    min: (a, b) => (a < b ? a : b),
  };
  const joined = dtypes.filter((dtype) => !["float16", "bfloat16", "int4", "uint4", "bool"].includes(dtype));

  test.each(joined)("ScatterElements and ScatterND of %s", (dtype) => {
    for (const [reduction, join] of Object.entries(joins)) {
      // Results as the type holds them.
      const held = (values: readonly bigint[], shape: readonly number[]) =>
        elements(
          tensor(
            dtype,
            shape,
            values.map((v) => (dtype.startsWith("float") ? Math.fround(Number(v)) : v)),
          ),
        );
      const wide = (t: ReturnType<typeof counted>) => ({ shape: t.shape, data: numbers(t).data.map(BigInt) });
      const x = counted(dtype, [4, 3, 5], 1);
      for (const axis of [0, 1, -1]) {
        const at = axis < 0 ? 2 : axis;
        const index = indices(type, [2, 2, 4].with(at, 6), [x.shape[at]]);
        const updates = counted(dtype, index.shape, 2);
        const want = twin.scatterElements(wide(x), numbers(index), wide(updates), at, join);
        expectSame(runNode("ScatterElements", [x, index, updates], { axis, reduction })[0], held(want.data, x.shape));
      }
      for (const [shape, limits] of [
        [
          [5, 2],
          [4, 3],
        ],
        [[6, 1], [4]],
        [
          [2, 7, 3],
          [4, 3, 5],
        ],
        [
          [0, 2],
          [4, 3],
        ],
        [[2], [4, 3]],
      ]) {
        const index = indices(type, shape, limits);
        const updates = counted(dtype, [...shape.slice(0, -1), ...x.shape.slice(limits.length)], 3);
        const want = twin.scatterND(wide(x), numbers(index), wide(updates), join);
        expectSame(runNode("ScatterND", [x, index, updates], { reduction })[0], held(want.data, x.shape));
      }
    }
  });
});

test("truth values are joined as such", () => {
  const x = tensor("bool", [4], [0, 1, 0, 1]);
  const updates = tensor("bool", [4], [1, 0, 0, 1]);
  const index = ints([0, 1, 2, 3]);
  const result = (reduction: string) => [...runNode("ScatterElements", [x, index, updates], { reduction })[0].data];
  expect(result("add")).toEqual([1, 1, 0, 1]);
  expect(result("mul")).toEqual([0, 0, 0, 1]);
});

describe("indices outside", () => {
  const x = tensor("float32", [3, 2], [1, 2, 3, 4, 5, 6]);

  test("are refused where they are weights", () => {
    const index = ints([0, 3]);
    const weights = { weights: [1] };
    expect(refusal("Gather", [x, index], {}, weights)).toBe("n (Gather) input 1: expected indices in -3..2, got 3");
    const rows = ints([0, -4], [1, 2]);
    expect(refusal("GatherElements", [x, rows], {}, weights)).toContain("indices in -3..2, got -4");
    expect(refusal("GatherND", [x, ints([0, 2], [1, 2])], {}, weights)).toContain("indices in -2..1, got 2");
    expect(refusal("ScatterND", [x, ints([3], [1, 1]), counted("float32", [1, 2])], {}, weights)).toContain(
      "-3..2, got 3",
    );
    const update = counted("float32", [1, 2]);
    expect(refusal("ScatterElements", [x, ints([5, 0], [1, 2]), update], {}, weights)).toContain("-3..2, got 5");
  });

  test.each([3, -4, 2 ** 53 - 1, -(2 ** 53)])("are refused where they come at run time: %d", (far) => {
    const where = `input 1: expected indices in -3..2, got ${far}`;
    expect(refusal("Gather", [x, ints([1, far])])).toBe(`n (Gather) ${where}`);
    expect(refusal("GatherElements", [x, ints([0, far], [1, 2])])).toBe(`n (GatherElements) ${where}`);
    expect(refusal("GatherND", [x, ints([2, 1, far, 1], [2, 2])])).toBe(`n (GatherND) ${where}`);
    const updates = tensor("float32", [2, 2], [9, 9, 8, 8]);
    for (const reduction of ["none", "add"]) {
      expect(refusal("ScatterND", [x, ints([2, far], [2, 1]), updates], { reduction })).toBe(`n (ScatterND) ${where}`);
      const index = ints([0, 1, 2, far], [2, 2]);
      expect(refusal("ScatterElements", [x, index, updates], { reduction })).toBe(`n (ScatterElements) ${where}`);
    }
  });

  test("a run after one that was refused is right", () => {
    const b = new GraphBuilder("g");
    b.output("y", [2], b.node("Gather", [b.input("x", [3]), b.input("i", [2], "int32")]));
    using model = new Model(b.build(), runModule);
    const data = tensor("float32", [3], [1, 2, 3]);
    const at = (...values: number[]) => tensor("int32", [2], values);
    expect(() => model.run({ x: data, i: at(0, 3) })).toThrow(ShapeError);
    expect([...model.run({ i: at(2, -3) }).y.data]).toEqual([3, 1]);
  });

  test("there is nothing to lead to", () => {
    const none = counted("float32", [0, 2]);
    expect(refusal("Gather", [none, ints([0])])).toContain("elements for the indices to lead to");
    expect(runNode("Gather", [none, ints([])])[0].shape).toEqual([0, 2]);
  });
});

test("what is scattered may be what it is scattered into", () => {
  const data = tensor("float32", [4], [1, 2, 3, 4]);
  const b = new GraphBuilder("g");
  const h = b.node("Relu", [b.input("x", [4])]);
  b.output("y", [4], b.node("ScatterElements", [h, b.input("i", [4], "int64"), h]));
  using model = new Model(b.build(), runModule);
  expect([...model.run({ x: data, i: ints([1, 2, 3, 0]) }).y.data]).toEqual([4, 1, 2, 3]);
});

test("a cache may be written into itself", () => {
  const b = new GraphBuilder("g");
  const h = b.node("Relu", [b.input("x", [1, 3, 1])]);
  b.output("y", [1, 3, 1], b.node("TensorScatter", [h, h, b.input("i", [1], "int64")], { mode: "circular" }));
  using model = new Model(b.build(), runModule);
  expect([...model.run({ x: tensor("float32", [1, 3, 1], [1, 2, 3]), i: ints([1]) }).y.data]).toEqual([3, 1, 2]);
});

test("refusals by shape", () => {
  const x = counted("float32", [3, 2]);
  const index = ints([0, 0], [1, 2]);
  expect(refusal("Gather", [x, counted("float32", [2])])).toBe(
    "n (Gather) input 1: expected int64 or int32, got float32",
  );
  expect(refusal("Gather", [x, index], { axis: 2 })).toBe("n (Gather): expected an axis of 2 dimensions, got 2");
  expect(refusal("GatherElements", [x, ints([0])])).toContain("at most [3, 2] but for axis 0, got [1]");
  expect(refusal("GatherND", [x, ints([0, 0, 0], [1, 3])])).toContain("tuples that lead into [3, 2]");
  expect(refusal("GatherND", [x, index], { batch_dims: 1 })).toContain("after 1 dimensions that are alike, got [1, 2]");
  expect(refusal("ScatterElements", [x, index, counted("float32", [2, 1])])).toContain("expected [1, 2], got [2, 1]");
  expect(refusal("ScatterElements", [x, index, counted("int32", [1, 2])])).toContain("expected float32, got int32");
  expect(refusal("ScatterND", [x, index, counted("float32", [2])])).toBe(
    "n (ScatterND) input 2: expected [1], got [2]",
  );
  expect(() => runNode("ScatterND", [x, index, counted("float32", [1])], { reduction: "mean" })).toThrow(
    UnsupportedError,
  );
});

test("OneHot", () => {
  for (const type of ["int64", "int32", "uint8", "float32"] as const) {
    for (const dtype of ["float32", "int64", "bool"] as const) {
      const values = type === "uint8" ? [0, 1, 2, 3, 4, 9] : [0, -1, 2, -4, 4, -9];
      const index = tensor(type, [2, 3], values);
      const onOff = tensor(dtype, [2], [0, 1]);
      for (const axis of [0, 1, 2, -1]) {
        const [y] = runNode(
          "OneHot",
          [index, tensor("float32", [], [4]), onOff],
          { axis },
          { outputs: [dtype], weights: [1] },
        );
        const at = axis < 0 ? axis + 3 : axis;
        const want = twin.made([2, 3].toSpliced(at, 0, 4), (place) => {
          const i = twin.at(numbers(index), place.toSpliced(at, 1));
          return onOff.data[(i < 0 ? i + 4 : i) === place[at] ? 1 : 0];
        });
        expectSame(y, want);
      }
    }
  }
  const given = (depth: number) => [ints([0]), ints([depth], []), counted("float32", [2])];
  expect(refusal("OneHot", given(2 ** 40), {}, { outputs: ["float32"] })).toContain("2^31 bytes");
  expect(refusal("OneHot", given(-1), {}, { outputs: ["float32"] })).toContain("2^31 bytes");
});

test("Compress, NonZero and Unique", () => {
  for (const dtype of dtypes) {
    const x = counted(dtype, [3, 4], 5);
    const [y] = runNode("Compress", [x, tensor("bool", [3], [0, 1, 1])], { axis: -1 });
    const want = twin.made([3, 2], ([i, j]) => twin.at(elements(x), [i, j + 1]));
    expectSame(y, want);
    const [flat] = runNode("Compress", [x, tensor("bool", [6], [1, 0, 0, 0, 0, 1])]);
    expectSame(flat, { shape: [2], data: [elements(x).data[0], elements(x).data[5]] });
  }
  expect(refusal("Compress", [counted("float32", [2]), tensor("bool", [3], [1, 1, 1])])).toContain(
    "at most 2 truth values",
  );

  const [places] = runNode("NonZero", [tensor("int64", [2, 3], [0, 5, 0, -1, 0, 2])], {}, { outputs: ["int64"] });
  expectSame(places, { shape: [2, 3], data: [0n, 1n, 1n, 1n, 0n, 2n] });

  const outputs = ["float32", "int64", "int64", "int64"] as const;
  const list = tensor("float32", [7], [2, 1, 1, 3, Number.NaN, 2, Number.NaN]);
  const sorted = runNode("Unique", [list], {}, { outputs }).map(({ data }) => Array.from(data as Float32Array, Number));
  expect(sorted).toEqual([
    [1, 2, 3, Number.NaN],
    [1, 0, 3, 4],
    [1, 0, 0, 2, 3, 1, 3],
    [2, 2, 1, 2],
  ]);
  const first = runNode("Unique", [list], { sorted: 0 }, { outputs }).map(({ data }) =>
    Array.from(data as Float32Array, Number),
  );
  expect(first).toEqual([
    [2, 1, 3, Number.NaN],
    [0, 1, 3, 4],
    [0, 1, 1, 2, 3, 0, 3],
    [2, 2, 1, 2],
  ]);
  const rows = tensor("int32", [2, 3], [4, 1, 4, 0, 2, 0]);
  const [columns, at] = runNode("Unique", [rows], { axis: 1 }, { outputs: ["int32", "int64"] });
  expectSame(columns, { shape: [2, 2], data: [1, 4, 2, 0] });
  expect([...at.data]).toEqual([1n, 0n]);
});

test("ReverseSequence", () => {
  for (const dtype of ["float32", "int8", "uint64"] as const) {
    for (const [batch, time] of [
      [0, 1],
      [1, 0],
    ]) {
      const x = counted(dtype, [3, 4, 2]);
      const lengths = ints(batch === 0 ? [4, 1, 2] : [3, 0, 2, 1]);
      const [y] = runNode("ReverseSequence", [x, lengths], { batch_axis: batch, time_axis: time });
      const want = twin.made(x.shape, (index) => {
        const n = twin.at(numbers(lengths), [index[batch]]);
        return twin.at(elements(x), index[time] < n ? index.with(time, n - 1 - index[time]) : index);
      });
      expectSame(y, want);
    }
  }
  const x = counted("float32", [3, 4]);
  expect(refusal("ReverseSequence", [x, ints([1])])).toContain("a length for each sequence of [3, 4], got [1]");
  for (const far of [4, -1, 2 ** 40]) {
    expect(refusal("ReverseSequence", [x, ints([1, 0, far, 3])])).toBe(
      `n (ReverseSequence) input 1: expected numbers in 0..3, got ${far}`,
    );
  }
  const lengths = ints([1, 1, 1, 1]);
  expect(refusal("ReverseSequence", [x, lengths], { batch_axis: 1, time_axis: 1 })).toContain(
    "axes 0 and 1, got 1 and 1",
  );
});

test("TensorScatter", () => {
  for (const mode of ["linear", "circular"]) {
    for (const axis of [1, 2, -1]) {
      const at = axis < 0 ? 3 : axis;
      const cache = counted("float32", [2, 3, 5, 4]);
      const update = counted("float32", cache.shape.with(at, 2), 3);
      for (const places of [
        [0, 1],
        [1, 0],
      ]) {
        const length = cache.shape[at];
        const [y] = runNode(
          "TensorScatter",
          [cache, update, ints(places.map((p) => p + (mode === "circular" ? length - 1 : 0)))],
          { axis, mode },
        );
        const want = twin.made(cache.shape, (index) => {
          const start = places[index[0]] + (mode === "circular" ? length - 1 : 0);
          const t = (index[at] - start + 2 * length) % length;
          return t < 2 ? twin.at(elements(update), index.with(at, t)) : twin.at(elements(cache), index);
        });
        expectSame(y, want);
      }
    }
  }
  const cache = counted("float32", [2, 5, 1]);
  const update = counted("float32", [2, 2, 1]);
  for (const far of [4, -1]) {
    expect(refusal("TensorScatter", [cache, update, ints([3, far])])).toBe(
      `n (TensorScatter) input 2: expected numbers in 0..3, got ${far}`,
    );
  }
});
