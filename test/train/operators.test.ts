// The gradient of every operator over elements, of moves and reductions.
import { describe, expect, test } from "vitest";
import type { Attribute } from "../../src/graph/graph.js";
import { check, checks, type Input, ints, type Shape } from "../support/gradients.js";
import { sizeOf } from "../support/network.js";

const shapes: Shape[] = [[1], [7], [3, 5], [2, 3, 4], [2, 1, 3, 3]];
/** Away from 0, from 1 / 2 and so on, where slopes break. */
const apart = (v: number) => (Math.abs(v) < 0.05 ? 0.3 : v);

describe("of one input, element by element", () => {
  test.each([
    ["Abs"],
    ["Neg"],
    ["Exp"],
    ["Sin"],
    ["Cos"],
    ["LeakyRelu"],
    ["LeakyRelu", { alpha: 0.3 }],
    ["Relu"],
    ["Elu"],
    ["Elu", { alpha: 0.5 }],
    ["Celu", { alpha: 1.5 }],
    ["Selu"],
    ["ThresholdedRelu", { alpha: 0.2 }],
    ["Sigmoid"],
    ["Tanh"],
    ["Softplus"],
    ["Softsign"],
    ["HardSigmoid"],
    ["HardSigmoid", { alpha: 0.6, beta: 0.4 }],
    ["HardSwish"],
    ["Mish"],
    ["Swish"],
    ["Swish", { alpha: 1.7 }],
    ["Gelu"],
    ["Gelu", { approximate: "tanh" }],
    ["Erf"],
    ["Identity"],
    ["Cast", { to: 1 }],
    ["Dropout"],
    ["Clip", { min: -0.7, max: 0.9 }],
  ] as [string, Record<string, Attribute>?][])("%s %o", async (op, attributes) => {
    for (const shape of shapes) {
      const one = { value: (v: number) => (sizeOf(shape) === 1 ? 0.4 : apart(v)) };
      await check([op, [shape], attributes], one);
    }
  });

  test.each(["Log", "Sqrt", "Reciprocal"])("%s of what is positive", async (op) => {
    for (const shape of shapes) await check([op, [shape]], { value: (v) => 0.3 + Math.abs(v) });
  });
});

const pairs: [Shape, Shape][] = [
  [[4], [4]],
  [
    [3, 5],
    [3, 5],
  ],
  [[3, 5], [5]],
  [
    [3, 5],
    [3, 1],
  ],
  [[1], [2, 3]],
  [
    [2, 1, 4],
    [3, 1],
  ],
  [
    [2, 3, 4, 5],
    [3, 1, 1],
  ],
  [
    [1, 3, 1],
    [2, 1, 7],
  ],
];

describe("of two and more, with broadcasting", () => {
  test.each(["Add", "Sub", "Mul", "Max", "Min", "PRelu", "Sum", "Mean"])("%s", async (op) => {
    for (const [a, b] of pairs) {
      // Of few pairs all may be on one side.
      if ((op === "Max" || op === "Min") && sizeOf(a) * sizeOf(b) < 25) continue;
      // A slope is repeated along x, and never the other way.
      if (op === "PRelu" && sizeOf(a) < sizeOf(b)) continue;
      await check([op, [a, b]], { value: apart });
    }
    if (["Max", "Min", "Sum", "Mean"].includes(op)) {
      await check([op, [[5, 4], [4], [5, 1]]]);
      await check([op, [[2, 3]]]);
    }
  });

  test("Div and Pow of what is positive", async () => {
    for (const [a, b] of pairs) {
      for (const op of ["Div", "Pow"]) await check([op, [a, b]], { value: (v) => 0.5 + Math.abs(v) });
    }
  });

  test("Pow by what is known: 2, 3 and others", async () => {
    for (const exponent of [2, 3, 1, 4]) await check(["Pow", [[3, 4], ints(exponent)]]);
    await check(["Pow", [[3, 4], { held: [0.5], dtype: "float32" }]], { value: (v) => 0.2 + Math.abs(v) });
  });

  test("Where", async () => {
    const held: Input = { held: [1, 0, 0, 1, 1, 0], shape: [2, 3], dtype: "bool" };
    for (const [a, b] of [
      [
        [2, 3],
        [2, 3],
      ],
      [[3], [2, 1]],
      [[4, 2, 3], [3]],
    ] as [Shape, Shape][]) {
      await check(["Where", [held, a, b]]);
    }
  });
});

describe("what moves values", () => {
  checks([
    ["Transpose", [[3, 4]]],
    ["Transpose", [[2, 3, 4, 5]], { perm: [2, 0, 3, 1] }],
    ["Reshape", [[2, 6], ints(3, -1)]],
    ["Flatten", [[2, 3, 2]], { axis: 2 }],
    ["Squeeze", [[1, 3, 1], ints(0)]],
    ["Unsqueeze", [[3, 2], ints(1)]],
    ["Expand", [[3, 1], ints(2, 3, 4)]],
    ["Expand", [[1], ints(5)]],
    ["Tile", [[2, 3], ints(2, 3)]],
    [
      "Concat",
      [
        [2, 3],
        [2, 1],
        [2, 4],
      ],
      { axis: 1 },
    ],
    [
      "Concat",
      [
        [2, 3],
        [1, 3],
      ],
      { axis: -2 },
    ],
    ["Slice", [[5, 6], ints(1), ints(4), ints(0)]],
    ["Slice", [[5, 6], ints(4, 0), ints(-9, 5), ints(0, 1), ints(-2, 3)]],
    ["Split", [[6, 2]], { axis: 0 }, 3],
    ["Split", [[2, 7], ints(2, 5)], { axis: 1 }, 2],
    ["Pad", [[3, 4], ints(1, 0, 2, 3)]],
    ["Pad", [[5, 4], ints(-1, 2, 1, -1)]],
    ["Pad", [[3, 4], ints(2, 1, 2, 3)], { mode: "reflect" }],
    ["Pad", [[3, 4], ints(2, 1, 2, 6)], { mode: "edge" }],
    ["Pad", [[3, 4], ints(2, 9, 2, 6)], { mode: "wrap" }],
    ["Gather", [[5, 3], { held: [4, 0, 4, -1, 2, 1], shape: [2, 3] }]],
    ["Gather", [[2, 5, 3], ints(1, 1, 0)], { axis: 1 }],
    ["GatherElements", [[3, 3], { held: [0, 2, 0, 2, 1, 0], shape: [2, 3] }], { axis: 0 }],
    ["DepthToSpace", [[2, 8, 2, 3]], { blocksize: 2 }],
    ["DepthToSpace", [[1, 4, 3, 2]], { blocksize: 2, mode: "CRD" }],
  ]);
});

describe("reductions", () => {
  const ways: [Shape, Input | undefined, Record<string, Attribute>][] = [
    [[7], undefined, {}],
    [[3, 5], ints(1), {}],
    [[3, 5], ints(0), { keepdims: 0 }],
    [[2, 3, 4], ints(0, -1), {}],
    [[2, 3, 4, 2], ints(1, 2), { keepdims: 0 }],
    [[4, 1], ints(1), {}],
  ];
  test.each([
    "ReduceSum",
    "ReduceMean",
    "ReduceMax",
    "ReduceMin",
    "ReduceL1",
    "ReduceL2",
    "ReduceSumSquare",
    "ReduceLogSumExp",
  ])("%s", async (op) => {
    for (const [shape, axes, attributes] of ways) await check([op, axes ? [shape, axes] : [shape], attributes]);
  });

  test("ReduceProd, of zeros too", async () => {
    for (const [shape, axes, attributes] of ways) {
      const given = axes ? ([shape, axes] as const) : ([shape] as const);
      if (JSON.stringify(axes) === JSON.stringify(ints(0, -1))) {
        await expect(check(["ReduceProd", given])).rejects.toThrow("a gradient over neighbouring axes");
      } else await check(["ReduceProd", given, attributes], { value: (v, i) => (i === 2 ? 0 : v) });
    }
  });

  test("ReduceLogSum of what is positive", async () => {
    for (const [shape, axes, attributes] of ways) {
      await check(["ReduceLogSum", axes ? [shape, axes] : [shape], attributes], { value: (v) => 0.2 + Math.abs(v) });
    }
  });

  test.each(["Softmax", "LogSoftmax"])("%s along any axis", async (op) => {
    for (const [shape, axis] of [
      [[7], 0],
      [[3, 5], 1],
      [[3, 5], 0],
      [[2, 4, 3], 1],
      [[2, 3, 2, 2], -3],
    ] as [Shape, number][]) {
      await check([op, [shape], { axis }]);
    }
  });
});
