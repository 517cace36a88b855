import { describe, expect, test } from "vitest";
import { ShapeError, UnsupportedError } from "../../src/errors.js";
import type { Attribute, Graph, ValueInfo } from "../../src/graph/graph.js";
import { bindShape, inferGraph } from "../../src/passes/infer.js";

function inferShapes(graph: Graph, shapes: ReadonlyMap<string, readonly number[]>): Map<string, readonly number[]> {
  const infos = [...shapes].map(([name, shape]) => [name, { dtype: "float32", shape }] as const);
  return new Map([...inferGraph(graph, new Map(infos)).infos].map(([name, { shape }]) => [name, shape]));
}

/** The output shapes of one node, or what it throws. */
function infer(
  op: string,
  shapes: (readonly number[] | undefined)[],
  attributes: Record<string, Attribute> = {},
  outputs = ["y"],
) {
  const inputs = shapes.map((shape, i) => (shape ? `x${i}` : ""));
  const given = new Map(shapes.flatMap((shape, i) => (shape ? [[`x${i}`, shape] as const] : [])));
  const graph: Graph = {
    name: "g",
    inputs: [...given].map(([name, shape]) => ({ name, dtype: "float32", shape })),
    outputs: [],
    nodes: [{ name: "it", op, inputs, outputs, attributes }],
    weights: new Map(),
  };
  return inferShapes(graph, given).get("y");
}

describe("shapes of", () => {
  test.each([
    [
      "Add",
      [
        [2, 3],
        [2, 3],
      ],
      {},
      [2, 3],
    ],
    ["Relu", [[2, 3, 4]], {}, [2, 3, 4]],
    ["Identity", [[]], {}, []],
    ["Softmax", [[2, 3]], {}, [2, 3]],
    ["Softmax", [[2, 3]], { axis: 1 }, [2, 3]],
    ["Flatten", [[2, 3, 4]], {}, [2, 12]],
    ["Flatten", [[2, 3, 4]], { axis: 0 }, [1, 24]],
    ["Flatten", [[2, 3, 4]], { axis: 3 }, [24, 1]],
    ["Flatten", [[2, 3, 4]], { axis: -1 }, [6, 4]],
    ["Flatten", [[2, 3, 4]], { axis: -3 }, [1, 24]],
    ["Flatten", [[0, 3, 4]], {}, [0, 12]],
    [
      "MatMul",
      [
        [2, 3],
        [3, 5],
      ],
      {},
      [2, 5],
    ],
    [
      "MatMul",
      [
        [4, 2, 3],
        [3, 5],
      ],
      {},
      [4, 2, 5],
    ],
    [
      "MatMul",
      [
        [0, 3],
        [3, 5],
      ],
      {},
      [0, 5],
    ],
    ["Clip", [[2, 3]], { min: -1, max: 6 }, [2, 3]],
    ["Clip", [[2, 3], [], [1]], {}, [2, 3]],
    ["Clip", [[2, 3], undefined, []], { min: 0.5 }, [2, 3]],
    [
      "Gemm",
      [
        [2, 3],
        [3, 5],
      ],
      {},
      [2, 5],
    ],
    ["Gemm", [[2, 3], [5, 3], [5]], { transB: 1, alpha: 1, beta: 1 }, [2, 5]],
    [
      "Gemm",
      [
        [2, 3],
        [5, 3],
        [1, 5],
      ],
      { transB: 1 },
      [2, 5],
    ],
    ["Gemm", [[2, 3], [5, 3], undefined], { transB: 1 }, [2, 5]],
    [
      "Conv",
      [
        [2, 3, 8, 9],
        [5, 3, 3, 3],
      ],
      {},
      [2, 5, 6, 7],
    ],
    ["Conv", [[2, 3, 8, 9], [5, 3, 3, 3], [5]], { pads: [1, 1, 1, 1], kernel_shape: [3, 3] }, [2, 5, 8, 9]],
    [
      "Conv",
      [
        [2, 4, 8, 9],
        [6, 2, 3, 2],
      ],
      { group: 2, strides: [2, 3] },
      [2, 6, 3, 3],
    ],
    [
      "Conv",
      [
        [2, 4, 8, 8],
        [4, 1, 3, 3],
      ],
      { group: 4, dilations: [2, 3] },
      [2, 4, 4, 2],
    ],
    [
      "Conv",
      [
        [1, 1, 4, 4],
        [1, 1, 3, 3],
      ],
      { pads: [0, 1, 2, 3] },
      [1, 1, 4, 6],
    ],
    ["Conv", [[1, 1, 2, 2], [1, 1, 3, 3], undefined], { pads: [1, 0, 0, 1] }, [1, 1, 1, 1]],
    ["MaxPool", [[2, 3, 8, 9]], { kernel_shape: [2, 3] }, [2, 3, 7, 7]],
    ["MaxPool", [[2, 3, 8, 9]], { kernel_shape: [2, 2], strides: [2, 2] }, [2, 3, 4, 4]],
    ["AveragePool", [[2, 3, 8, 9]], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }, [2, 3, 4, 5]],
    ["GlobalAveragePool", [[2, 3, 8, 9]], {}, [2, 3, 1, 1]],
    ["BatchNormalization", [[2, 3, 8, 9], [3], [3], [3], [3]], { epsilon: 1e-3 }, [2, 3, 8, 9]],
    ["Erf", [[2, 3]], {}, [2, 3]],
    ["Gelu", [[2, 3]], { approximate: "tanh" }, [2, 3]],
    ["Sigmoid", [[7]], {}, [7]],
    ["Tanh", [[]], {}, []],
    ["LayerNormalization", [[2, 3, 8], [8], [8]], { epsilon: 1e-3, stash_type: 1 }, [2, 3, 8]],
    [
      "LayerNormalization",
      [
        [2, 3, 8],
        [3, 8],
      ],
      { axis: -2 },
      [2, 3, 8],
    ],
  ] as [string, number[][], Record<string, Attribute>, number[]][])(
    "%s %j %o -> %j",
    (op, shapes, attributes, want) => {
      expect(infer(op, shapes, attributes)).toEqual(want);
    },
  );
});

describe("what does not fit", () => {
  const shape = (message: string) => new ShapeError(message);
  const unsupported = (message: string) => new UnsupportedError(message);
  const image = [1, 3, 8, 8];

  test.each([
    ["ImageDecoder", [[1]], {}, unsupported("node it: expected an operator that runs here, got ImageDecoder")],
    ["constructor", [[1]], {}, unsupported("node it: expected an operator that runs here, got constructor")],
    ["Gelu", [[1]], { approximate: "erf" }, unsupported('it.approximate: expected "none" or "tanh", got erf')],
    ["LayerNormalization", [[2, 3], [2]], {}, shape("it (LayerNormalization) input 1: expected 3 values, got [2]")],
    ["LayerNormalization", [[2, 3], [3]], { axis: 2 }, shape("it.axis: expected an axis of [2, 3], got 2")],
    [
      "LayerNormalization",
      [[2, 3], [3]],
      { stash_type: 10 },
      unsupported("it.stash_type: expected 1 (float32), got another"),
    ],
    ["Relu", [undefined], {}, shape("it (Relu): expected an input 0, got none")],
    ["Relu", [[1]], { alpha: 1 }, unsupported("it (Relu): expected attributes among none, got alpha")],
    ["Add", [[2, 3], [2]], {}, shape("it (Add) input 1: expected a shape that broadcasts with [2, 3], got [2]")],
    ["Softmax", [[2, 3, 4]], { axis: 3 }, shape("it (Softmax): expected an axis of 3 dimensions, got 3")],
    ["Softmax", [[2, 3]], { axis: 1.5 }, shape("it.axis: expected an integer, got 1.5")],
    ["Flatten", [[2, 3]], { axis: 3 }, shape("it.axis: expected an axis of [2, 3], got 3")],
    ["Flatten", [[2, 3]], { axis: -3 }, shape("it.axis: expected an axis of [2, 3], got -3")],
    [
      "MatMul",
      [
        [2, 3],
        [4, 5],
      ],
      {},
      shape("it (MatMul): expected 4 columns of A, got [2, 3]"),
    ],
    ["Clip", [[2, 3], [2]], {}, shape("it (Clip) input 1: expected one value, got [2]")],
    ["Clip", [[2, 3]], { min: "0" }, shape("it.min: expected a number, got 0")],
    ["Clip", [[2, 3]], { least: 0 }, unsupported("it (Clip): expected attributes among min, max, got least")],
    [
      "Gemm",
      [
        [2, 3],
        [5, 3],
      ],
      {},
      shape("it (Gemm): expected 5 columns of A, got [2, 3]"),
    ],
    [
      "Gemm",
      [
        [2, 3],
        [3, 5],
      ],
      { transB: 1 },
      shape("it (Gemm): expected 5 columns of A, got [2, 3]"),
    ],
    [
      "Gemm",
      [
        [2, 3, 1],
        [3, 5],
      ],
      {},
      shape("it (Gemm): expected two matrices, got [2, 3, 1] and [3, 5]"),
    ],
    ["Gemm", [[2, 3], [3, 5], [4]], {}, shape("it (Gemm) bias: expected 5 values in a row, got [4]")],
    [
      "Gemm",
      [
        [5, 3],
        [3, 5],
        [5, 1],
      ],
      {},
      shape("it (Gemm) bias: expected 5 values in a row, got [5, 1]"),
    ],
    [
      "Gemm",
      [
        [2, 3],
        [3, 5],
      ],
      { alpha: 2 },
      unsupported("it (Gemm): expected alpha = beta = 1, got other factors"),
    ],
    [
      "Gemm",
      [
        [2, 3],
        [3, 5],
      ],
      { transA: 1 },
      unsupported("it (Gemm): expected transA = 0, got 1"),
    ],
    [
      "Gemm",
      [
        [2, 3],
        [3, 5],
      ],
      { transB: 2 },
      shape("it.transB: expected 0 or 1, got 2"),
    ],
    [
      "Conv",
      [
        [3, 8],
        [5, 3, 3, 3],
      ],
      {},
      shape("it (Conv): expected images [n, c, h, w], got [3, 8]"),
    ],
    [
      "Conv",
      [
        [3, 8, 8],
        [5, 8, 3, 3],
      ],
      {},
      shape("it (Conv) weight: expected [o, 8 / 1, k], o a multiple of 1, got [5, 8, 3, 3]"),
    ],
    [
      "Conv",
      [image, [5, 2, 3, 3]],
      {},
      shape("it (Conv) weight: expected [o, 3 / 1, kh, kw], o a multiple of 1, got [5, 2, 3, 3]"),
    ],
    [
      "Conv",
      [image, [5, 1, 3, 3]],
      { group: 3 },
      shape("it (Conv) weight: expected [o, 3 / 3, kh, kw], o a multiple of 3, got [5, 1, 3, 3]"),
    ],
    [
      "Conv",
      [image, [5, 3, 3]],
      {},
      shape("it (Conv) weight: expected [o, 3 / 1, kh, kw], o a multiple of 1, got [5, 3, 3]"),
    ],
    ["Conv", [image, [5, 3, 3, 3]], { group: 0 }, shape("it.group: expected at least 1, got 0")],
    ["Conv", [image, [5, 3, 3, 3]], { kernel_shape: [3, 2] }, shape("it.kernel_shape: expected [3, 3], got [3, 2]")],
    ["Conv", [image, [5, 3, 3, 3], [4]], {}, shape("it (Conv) bias: expected 5 values, got [4]")],
    ["Conv", [image, [5, 3, 9, 3]], {}, shape("it (Conv): expected an image that holds a window of 9, got 8")],
    [
      "Conv",
      [image, [5, 3, 3, 3]],
      { dilations: [4, 1] },
      shape("it (Conv): expected an image that holds a window of 9, got 8"),
    ],
    [
      "Conv",
      [image, [5, 3, 3, 3]],
      { strides: [0, 1] },
      shape("it.strides: expected 2 integers from 1 to 2147483647, got 0,1"),
    ],
    [
      "Conv",
      [image, [5, 3, 3, 3]],
      { strides: [2] },
      shape("it.strides: expected 2 integers from 1 to 2147483647, got 2"),
    ],
    [
      "Conv",
      [image, [5, 3, 3, 3]],
      { pads: [-1, 0, 0, 0] },
      shape("it.pads: expected 4 integers from 0 to 2147483647, got -1,0,0,0"),
    ],
    [
      "Conv",
      [image, [5, 3, 3, 3]],
      { pads: "SAME" },
      shape("it.pads: expected 4 integers from 0 to 2147483647, got SAME"),
    ],
    [
      "Conv",
      [image, [5, 3, 3, 3]],
      { auto_pad: "SAME" },
      shape('it.auto_pad: expected NOTSET, VALID, SAME_UPPER or SAME_LOWER, got "SAME"'),
    ],
    ["MaxPool", [image], {}, shape("it.kernel_shape: expected 2 integers from 1 to 2147483647, got undefined")],
    [
      "MaxPool",
      [image],
      { kernel_shape: [2, 3], pads: [0, 0, 2, 0] },
      shape("it.pads: expected pads smaller than the kernel [2, 3], got [0, 0, 2, 0]"),
    ],
    [
      "AveragePool",
      [image],
      { kernel_shape: [9, 9] },
      shape("it (AveragePool): expected an image that holds a window of 9, got 8"),
    ],
    [
      "GlobalAveragePool",
      [[2, 3]],
      {},
      shape("it (GlobalAveragePool): expected [n, c] and one to three sizes, got [2, 3]"),
    ],
    [
      "BatchNormalization",
      [image, [3], [2], [3], [3]],
      {},
      shape("it (BatchNormalization) input 2: expected 3 values, got [2]"),
    ],
    ["BatchNormalization", [image, [3], [3], [3]], {}, shape("it (BatchNormalization): expected an input 4, got none")],
    [
      "BatchNormalization",
      [image, [3], [3], [3], [3]],
      { training_mode: 2 },
      shape("it.training_mode: expected 0 or 1, got 2"),
    ],
  ] as [string, number[][], Record<string, Attribute>, Error][])("%s %j %o", (op, shapes, attributes, error) => {
    expect(() => infer(op, shapes, attributes)).toThrow(error);
    expect(() => infer(op, shapes, attributes)).toThrow(error.constructor as new () => Error);
  });

  test("a node with more outputs than the operator has here", () => {
    expect(() => infer("MaxPool", [image], { kernel_shape: [2, 2] }, ["y", "indices", "z"])).toThrow(
      unsupported("node it (MaxPool): expected 2 outputs, got 3"),
    );
  });
});

describe("declared shapes", () => {
  const value = (name: string, shape: ValueInfo["shape"]): ValueInfo => ({ name, dtype: "float32", shape });

  test("named sizes are bound once and must agree", () => {
    const sizes = new Map<string, number>();
    bindShape("a", value("a", ["N", 3]), [7, 3], sizes);
    expect(sizes.get("N")).toBe(7);
    bindShape("b", value("b", ["N", "M"]), [7, 2], sizes);
    expect(() => bindShape("c", value("c", ["N"]), [8], sizes)).toThrow(new ShapeError("c: expected [N], got [8]"));
    expect(() => bindShape("d", value("d", ["K", "K"]), [1, 2], sizes)).toThrow(
      new ShapeError("d: expected [K, K], got [1, 2]"),
    );
    expect(() => bindShape("e", value("e", [1, 2]), [1], sizes)).toThrow(new ShapeError("e: expected [1, 2], got [1]"));
  });

  const graph: Graph = {
    name: "g",
    inputs: [value("x", ["N", 3])],
    outputs: [value("y", ["N", 3])],
    nodes: [{ name: "r", op: "Relu", inputs: ["x"], outputs: ["y"], attributes: {} }],
    weights: new Map([["w", { kind: "dense", shape: [5], dtype: "float32", data: new Float32Array(5) }]]),
  };

  test("values, inputs and weights all have a shape", () => {
    expect([...inferShapes(graph, new Map([["x", [7, 3]]]))]).toEqual([
      ["x", [7, 3]],
      ["w", [5]],
      ["y", [7, 3]],
    ]);
  });

  test("an input or output that is not as declared is named", () => {
    expect(() => inferShapes(graph, new Map([["x", [7, 4]]]))).toThrow(
      new ShapeError("input x: expected [N, 3], got [7, 4]"),
    );
    const wrong = { ...graph, outputs: [value("y", ["N", 2])] };
    expect(() => inferShapes(wrong, new Map([["x", [7, 3]]]))).toThrow(
      new ShapeError("output y: expected [N, 2], got [7, 3]"),
    );
    expect(() => inferShapes({ ...graph, outputs: [value("z", [1])] }, new Map([["x", [7, 3]]]))).toThrow(
      new ShapeError("output z: expected a value of the graph, got none"),
    );
  });
});
