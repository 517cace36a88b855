import { describe, expect, test } from "vitest";
import { dtypes } from "../../src/dtype.js";
import { ShapeError } from "../../src/errors.js";
import * as twin from "../reference/movement.js";
import { counted, elements, ints, runNode, tensor } from "../support/one-node.js";

const shapes: readonly (readonly number[])[] = [
  [],
  [3],
  [2, 5],
  [4, 4],
  [2, 3, 4],
  [1, 5, 1, 3],
  [2, 3, 2, 4, 3],
  [2, 0, 3],
];

/** The same elements in the same shape. */
function expectSame(got: { shape: readonly number[]; data: unknown }, want: twin.Elements<number | bigint>) {
  expect(got.shape).toEqual(want.shape);
  expect([...(got.data as Iterable<number | bigint>)]).toEqual(want.data);
}

function* permutations(rank: number): Generator<number[]> {
  if (rank === 0) yield [];
  for (const rest of rank > 0 ? permutations(rank - 1) : []) {
    for (let i = 0; i <= rest.length; i++) yield [...rest.slice(0, i), rank - 1, ...rest.slice(i)];
  }
}

const refusal = (op: string, inputs: Parameters<typeof runNode>[1], attributes = {}, options = {}) => {
  let thrown: unknown;
  try {
    runNode(op, inputs, attributes, options);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(ShapeError);
  return (thrown as Error).message;
};

describe("Transpose", () => {
  test.each(shapes)("every permutation of [%s]", (...shape) => {
    const dims = shape as unknown as number[];
    for (const perm of permutations(dims.length)) {
      const x = counted("float32", dims);
      expectSame(runNode("Transpose", [x], { perm })[0], twin.transpose(elements(x), perm));
    }
    const x = counted("int8", dims);
    expectSame(runNode("Transpose", [x])[0], twin.transpose(elements(x)));
  });

  test.each(dtypes)("%s", (dtype) => {
    for (const shape of [
      [17, 33],
      [3, 9, 20],
      [2, 3, 5, 7],
    ]) {
      for (const perm of permutations(shape.length)) {
        const x = counted(dtype, shape);
        expectSame(runNode("Transpose", [x], { perm })[0], twin.transpose(elements(x), perm));
      }
    }
  });

  test("permutations that are none", () => {
    const x = counted("float32", [2, 3]);
    expect(refusal("Transpose", [x], { perm: [0, 0] })).toBe("n.perm: expected each axis of [2, 3] once, got 0,0");
    expect(refusal("Transpose", [x], { perm: [0] })).toBe("n.perm: expected each axis of [2, 3] once, got 0");
    expect(refusal("Transpose", [x], { perm: [0, 1, 2] })).toBe("n.perm: expected each axis of [2, 3] once, got 0,1,2");
    expect(refusal("Transpose", [x], { perm: 1 })).toBe("n.perm: expected each axis of [2, 3] once, got 1");
  });
});

test("DepthToSpace and SpaceToDepth undo each other, and are what their words say", () => {
  for (const dtype of ["float32", "uint8", "int64"] as const) {
    const x = counted(dtype, [2, 12, 3, 5]);
    for (const mode of ["DCR", "CRD"]) {
      const [y] = runNode("DepthToSpace", [x], { blocksize: 2, mode });
      const want = twin.made([2, 3, 6, 10], ([n, c, h, w]) => {
        const [i, j] = [h % 2, w % 2];
        const channel = mode === "DCR" ? (i * 2 + j) * 3 + c : (c * 2 + i) * 2 + j;
        return twin.at(elements(x), [n, channel, h >> 1, w >> 1]);
      });
      expectSame(y, want);
      if (mode === "DCR") expectSame(runNode("SpaceToDepth", [y], { blocksize: 2 })[0], elements(x));
    }
  }
  const x = counted("float32", [1, 6, 3, 4]);
  expect(refusal("DepthToSpace", [x], { blocksize: 2 })).toBe(
    "n (DepthToSpace): expected channels in blocks of 4, got [1, 6, 3, 4]",
  );
  expect(refusal("SpaceToDepth", [x], { blocksize: 2 })).toBe(
    "n (SpaceToDepth): expected sides in blocks of 2, got [1, 6, 3, 4]",
  );
  expect(refusal("SpaceToDepth", [x], { blocksize: 0 })).toContain("a blocksize from 1");
});

describe("Slice", () => {
  test("every start, end and step of a dimension", () => {
    const x = counted("int16", [2, 5, 3]);
    for (const step of [1, 2, 3, 7, -1, -2, -6]) {
      for (let start = -7; start <= 7; start++) {
        for (const end of [-9, -5, -2, 0, 1, 4, 5, 9, 2 ** 62, -(2 ** 62)]) {
          const [y] = runNode(
            "Slice",
            [x, ints([start]), ints([end]), ints([1]), ints([step])],
            {},
            { weights: [1, 2, 3, 4] },
          );
          expectSame(y, twin.slice(elements(x), 1, start, end, step));
        }
      }
    }
  });

  test.each(dtypes)("several axes of %s, fed and as weights", (dtype) => {
    const x = counted(dtype, [4, 6, 5, 3]);
    const given = [x, ints([1, -1, 3]), ints([4, -7, 0]), ints([0, 1, -2]), ints([2, -2, -1])];
    const want = [
      [0, 1, 4, 2],
      [1, -1, -7, -2],
      [2, 3, 0, -1],
    ].reduce((part, [axis, start, end, step]) => twin.slice(part, axis, start, end, step), elements(x));
    for (const weights of [[], [1, 2, 3, 4]]) expectSame(runNode("Slice", given, {}, { weights })[0], want);
  });

  test("refusals", () => {
    const x = counted("float32", [4, 4]);
    const one = ints([0]);
    expect(refusal("Slice", [x, one, one, one, ints([0])])).toBe("n (Slice): expected steps other than 0, got 0");
    expect(refusal("Slice", [x, one, one, ints([2])])).toBe("n (Slice): expected an axis of 2 dimensions, got 2");
    const two = ints([0, 0]);
    expect(refusal("Slice", [x, two, two, ints([1, -1])])).toBe("n (Slice): expected axes once each, got 1, -1");
    expect(refusal("Slice", [x, two, one])).toContain("as many starts as ends, axes and steps, got 2, 1, 2, 2");
    expect(refusal("Slice", [x, counted("float32", [1]), one])).toBe(
      "n (Slice) input 1: expected int64 or int32, got float32",
    );
  });
});

describe("Split and Concat", () => {
  test.each(shapes.filter((shape) => shape.length > 0))("parts of [%s] and together again", (...given) => {
    const shape = given as unknown as number[];
    for (const axis of shape.keys()) {
      const x = counted("uint16", shape);
      const size = shape[axis];
      const sizes = [Math.min(1, size), 0, Math.max(0, size - 1)];
      const outputs = sizes.map(() => "uint16" as const);
      const parts = runNode("Split", [x, ints(sizes)], { axis }, { outputs });
      let at = 0;
      for (const [i, part] of parts.entries()) {
        expectSame(part, twin.slice(elements(x), axis, at, at + sizes[i], 1));
        at += sizes[i];
      }
      expectSame(runNode("Concat", parts, { axis: axis - shape.length })[0], elements(x));
      expectSame(runNode("Concat", [x, ...parts, x], { axis })[0], twin.concat([x, ...parts, x].map(elements), axis));
    }
  });

  test.each(dtypes)("Concat of %s, a weight among them", (dtype) => {
    const parts = [counted(dtype, [3, 2], 1), counted(dtype, [3, 1], 2), counted(dtype, [3, 7], 3)];
    expectSame(runNode("Concat", parts, { axis: 1 }, { weights: [1] })[0], twin.concat(parts.map(elements), 1));
  });

  test("equal parts, and a smaller last one", () => {
    const x = counted("float32", [7, 2]);
    const three = ["float32", "float32", "float32"] as const;
    expect(runNode("Split", [x], { num_outputs: 3 }, { outputs: three }).map(({ shape }) => shape[0])).toEqual([
      3, 3, 1,
    ]);
    const y = counted("float32", [6, 2]);
    expect(runNode("Split", [y], {}, { outputs: three }).map(({ shape }) => shape[0])).toEqual([2, 2, 2]);
    expect(refusal("Split", [x], {}, { outputs: three })).toBe("n (Split): expected 7 in equal parts, got 3 parts");
    expect(refusal("Split", [x, ints([3, 3])], {}, { outputs: three.slice(1) })).toBe(
      "n (Split): expected 2 parts of 7 in all, got [3, 3]",
    );
    expect(refusal("Split", [x, ints([-1, 8])], {}, { outputs: three.slice(1) })).toContain("2 parts of 7");
  });

  test("Concat refuses what does not fit", () => {
    const x = counted("float32", [2, 3]);
    expect(refusal("Concat", [x, counted("float32", [3, 3])], { axis: 1 })).toBe(
      "n (Concat) input 1: expected [2, 3] but for axis 1, got [3, 3]",
    );
    expect(refusal("Concat", [x, counted("int32", [2, 3])], { axis: 1 })).toBe(
      "n (Concat) input 1: expected float32, got int32",
    );
    expect(refusal("Concat", [x, x])).toBe("n.axis: expected an integer, got none");
  });
});

describe("Expand and Tile", () => {
  test.each([
    [[], [2, 3]],
    [[1], [4]],
    [[3], [2, 1]],
    [
      [3, 1],
      [2, 3, 4],
    ],
    [
      [2, 1, 3],
      [1, 5, 1],
    ],
    [
      [1, 2, 1, 3, 1],
      [2, 2, 3, 1, 4],
    ],
    [[3, 1], [0]],
  ])("Expand of %j to %j", (shape, wanted) => {
    for (const dtype of dtypes) {
      const x = counted(dtype, shape);
      const [y] = runNode("Expand", [x, ints(wanted)]);
      const rank = Math.max(shape.length, wanted.length);
      const size = (list: number[], i: number) => list[i - rank + list.length] ?? 1;
      const made = Array.from({ length: rank }, (_, i) => (size(shape, i) === 1 ? size(wanted, i) : size(shape, i)));
      expectSame(y, twin.expand(elements(x), made));
    }
  });

  test.each([
    [[3], [4]],
    [
      [2, 3],
      [2, 1],
    ],
    [
      [2, 3],
      [1, 3],
    ],
    [
      [2, 1, 3],
      [2, 3, 2],
    ],
    [
      [2, 3],
      [0, 2],
    ],
  ])("Tile of %j, %j times", (shape, repeats) => {
    for (const dtype of dtypes) {
      const x = counted(dtype, shape);
      expectSame(runNode("Tile", [x, ints(repeats)])[0], twin.tile(elements(x), repeats));
    }
  });

  test("refusals, and sizes that nobody can hold", () => {
    const x = counted("float32", [2, 3]);
    expect(refusal("Expand", [x, ints([2, 2])])).toContain("a shape that [2, 3] broadcasts with, got [2, 2]");
    expect(refusal("Tile", [x, ints([1])])).toBe("n (Tile): expected repeats for [2, 3], got [1]");
    expect(refusal("Tile", [x, ints([1, -1])])).toBe("n (Tile): expected repeats for [2, 3], got [1, -1]");
    const one = counted("float32", [1, 1]);
    const most = "n (Expand): expected an output of at most 2^31 bytes, got shape [1000000, 1000000]";
    expect(refusal("Expand", [one, ints([1e6, 1e6])])).toBe(most);
    expect(refusal("Expand", [one, ints([2 ** 53 - 1, 2 ** 53 - 1])])).toContain("2^31 bytes");
    expect(refusal("Tile", [x, ints([1e9, 1e9])])).toContain("2^31 bytes");
    expect(refusal("Expand", [one, ints([-1, 1])])).toContain("2^31 bytes");
  });
});

describe("Pad and CenterCropPad", () => {
  const modes = ["constant", "edge", "reflect", "wrap"] as const;

  test.each(modes)("%s", (mode) => {
    for (const [shape, before, after] of [
      [[4], [2], [3]],
      [[3], [7], [0]],
      [[3], [0], [8]],
      [[3], [11], [1]],
      [[5], [-2], [3]],
      [[5], [2], [-3]],
      [[5], [-1], [-2]],
      [
        [2, 3],
        [1, 2],
        [2, 1],
      ],
      [
        [1, 4],
        [3, 0],
        [0, 5],
      ],
      [
        [2, 3, 4],
        [0, 1, 2],
        [1, 0, 3],
      ],
      [
        [2, 3, 2, 2],
        [1, 0, -1, 3],
        [0, 2, 1, 0],
      ],
    ]) {
      for (const dtype of ["float32", "int8", "int16", "float64", "uint64"] as const) {
        const x = counted(dtype, shape);
        const [y] = runNode("Pad", [x, ints([...before, ...after])], { mode });
        const zero = dtype === "uint64" ? 0n : 0;
        expectSame(y, twin.pad<number | bigint>(elements(x), before, after, mode, zero));
      }
    }
  });

  test("a value, axes, and both as fed inputs", () => {
    const x = counted("int32", [2, 3, 4]);
    const value = tensor("int32", [], [7]);
    const [y] = runNode("Pad", [x, ints([1, 2, 0, 3]), value, ints([-1, 0])]);
    expectSame(y, twin.pad<number | bigint>(elements(x), [2, 0, 1], [3, 0, 0], "constant", 7));
    expectSame(runNode("Pad", [x, ints([0, 0, 0, 0, 0, 0])], { mode: "reflect" })[0], elements(x));
  });

  test("CenterCropPad", () => {
    for (const [size, start] of [
      [3, -1],
      [4, -1],
      [6, 0],
      [7, 0],
      [9, 1],
      [10, 2],
    ]) {
      const x = counted("float32", [6, 2]);
      const [y] = runNode("CenterCropPad", [x, ints([size])], { axes: [0] });
      const inside = (i: number) => i >= 0 && i < 6;
      const want = twin.made([size, 2], ([i, j]) => (inside(i - start) ? twin.at(elements(x), [i - start, j]) : 0));
      expectSame(y, want);
    }
  });

  test("refusals", () => {
    const x = counted("float32", [2, 3]);
    expect(refusal("Pad", [x, ints([1, 2])])).toBe("n (Pad): expected 4 pads, got 2");
    expect(refusal("Pad", [x, ints([1, 1, 1, 1]), counted("int32", [])])).toBe(
      "n (Pad) input 2: expected float32, got int32",
    );
    expect(refusal("Pad", [x, ints([-3, 0, 0, 0])])).toContain("2^31 bytes");
    expect(refusal("Pad", [x, ints([1e9, 1e9, 0, 0])])).toContain("2^31 bytes");
    const none = counted("float32", [0, 3]);
    expect(refusal("Pad", [none, ints([1, 0, 0, 0])], { mode: "edge" })).toContain("elements along axis 0 to repeat");
  });
});

test("Trilu", () => {
  for (const shape of [
    [4, 4],
    [2, 3, 5],
    [5, 3],
    [2, 2, 4, 3],
    [0, 3],
    [3, 0],
  ]) {
    for (const dtype of ["float32", "int64", "bool"] as const) {
      const x = counted(dtype, shape);
      for (const upper of [0, 1]) {
        for (const k of [-9, -2, -1, 0, 1, 2, 9]) {
          const want = twin.trilu<number | bigint>(elements(x), k, upper === 1, dtype === "int64" ? 0n : 0);
          expectSame(runNode("Trilu", [x, ints([k], [])], { upper })[0], want);
        }
      }
    }
  }
  const x = counted("float32", [3, 3]);
  expectSame(runNode("Trilu", [x])[0], twin.trilu<number | bigint>(elements(x), 0, true, 0));
});

describe("other shapes of the same elements", () => {
  test.each([
    [[2, 3, 4], [4, 6], {}, [4, 6]],
    [[2, 3, 4], [0, -1], {}, [2, 12]],
    [[2, 3, 4], [-1], {}, [24]],
    [[2, 3, 4], [2, 0, 2, 2], {}, [2, 3, 2, 2]],
    [[0, 3, 4], [3, 0, 4], { allowzero: 1 }, [3, 0, 4]],
    [[0, 3], [0, -1], {}, [0, 0]],
    [[1], [], {}, []],
  ] as const)("Reshape of %j by %j %o", (shape, wanted, attributes, made) => {
    for (const dtype of dtypes) {
      const x = counted(dtype, shape);
      expectSame(runNode("Reshape", [x, ints(wanted)], attributes)[0], { shape: made, data: elements(x).data });
    }
  });

  test("Squeeze and Unsqueeze", () => {
    const x = counted("float32", [1, 3, 1, 2, 1]);
    const shapeOf = (op: string, axes?: number[]) => {
      const [y] = runNode(op, axes ? [x, ints(axes)] : [x]);
      expect([...y.data]).toEqual([...x.data]);
      return y.shape;
    };
    expect(shapeOf("Squeeze")).toEqual([3, 2]);
    expect(shapeOf("Squeeze", [])).toEqual([1, 3, 1, 2, 1]);
    expect(shapeOf("Squeeze", [-1, 0])).toEqual([3, 1, 2]);
    expect(shapeOf("Unsqueeze", [-1, 0, 3])).toEqual([1, 1, 3, 1, 1, 2, 1, 1]);
    expect(refusal("Squeeze", [x, ints([1])])).toBe("n (Squeeze): expected size 1 at axis 1, got [1, 3, 1, 2, 1]");
    expect(refusal("Squeeze", [x, ints([0, -5])])).toBe("n (Squeeze): expected axes once each, got 0, -5");
    expect(refusal("Unsqueeze", [x, ints([7])])).toBe("n (Unsqueeze): expected an axis of 6 dimensions, got 7");
  });

  test("refusals of Reshape", () => {
    const x = counted("float32", [2, 3]);
    expect(refusal("Reshape", [x, ints([-1, -1])])).toBe("n (Reshape): expected at most one -1, got [-1, -1]");
    expect(refusal("Reshape", [x, ints([4, -1])])).toBe("n (Reshape): expected a shape of 6 elements, got [4, -1]");
    expect(refusal("Reshape", [x, ints([7])])).toBe("n (Reshape): expected a shape of 6 elements, got [7]");
    expect(refusal("Reshape", [x, ints([-2, -3])])).toBe("n (Reshape): expected a shape of 6 elements, got [-2, -3]");
    expect(refusal("Reshape", [x, ints([6, 1, 0])])).toBe("n (Reshape): expected a size where [2, 3] ends, got 0");
    expect(refusal("Reshape", [x, ints([0, -1])], { allowzero: 1 })).toContain("no -1 beside a 0");
    expect(refusal("Reshape", [x, ints([6], [1, 1])])).toBe(
      "n (Reshape) input 1: expected a list of int64, got [1, 1]",
    );
  });
});
