// ONNX files of a few hundred bytes that ask for very much: each is refused by arithmetic, before anything is allocated.
import { describe, expect, test } from "vitest";
import { ShapeError, UnsupportedError } from "../../src/errors.js";
import { readOnnx, writeOnnx } from "../../src/formats/onnx/index.js";
import type { Body } from "../../src/graph/graph.js";
import { loadModel } from "../../src/index.js";
import {
  dim,
  floats,
  initializer,
  int,
  message,
  model,
  node,
  opset,
  packed,
  raw,
  tensor,
  value,
} from "../formats/onnx-file.js";
import {
  type Attributes,
  bodyOf,
  busySince,
  expectRefusal,
  fileOf,
  graphOf,
  type Line,
  linesOf,
  type Row,
  run,
  shown,
} from "./onnx-node.js";

/** Bytes by which a refusal may make the process grow: what the engine takes for a session, and the compiler's and collector's whims. */
const mostGrowth = 2 ** 25;

function testBombs(rows: readonly Row[]): void {
  test.each(rows)("%s", async (_, nodes, attributes, outcome) => {
    const file = fileOf(linesOf(nodes, attributes));
    expect(file.bytes.length).toBeLessThan(1000);
    const before = process.memoryUsage().rss;
    const [, name, start] = /^(\w+): (.*)$/s.exec(outcome)!;
    await expectRefusal(file, name, start);
    expect(process.memoryUsage().rss - before).toBeLessThan(mostGrowth);
  });
}

describe("a trillion elements", () => {
  // biome-ignore format: a row a line
  testBombs([
    ["ConstantOfShape", "ConstantOfShape I[2]=1000000,1000000", {}, "ShapeError: n0 (ConstantOfShape): expected an output of at most 2^31 bytes, got shape [1000000, 1000000]"],
    ["ConstantOfShape of 2^63 - 1", "ConstantOfShape I[1]=9223372036854775807", {}, "ShapeError: n0 (ConstantOfShape): expected an output of at most 2^31 bytes, got shape [9223372036854776000]"],
    ["ConstantOfShape of no elements, with strides past 2^31", "ConstantOfShape I[3]=0,1000000,1000000", {}, "ShapeError: n0 (ConstantOfShape): expected an output of at most 2^31 bytes, got shape [0, 1000000, 1000000]"],
    ["Tile", "Tile f[1] I[1]=1000000000000", {}, "ShapeError: n0 (Tile): expected an output of at most 2^31 bytes, got shape [1000000000000]"],
    ["Expand", "Expand f[1] I[2]=1000000,1000000", {}, "ShapeError: n0 (Expand): expected an output of at most 2^31 bytes, got shape [1000000, 1000000]"],
    ["Range", "Range I[]=0 I[]=1000000000000 I[]=1", {}, "ShapeError: n0 (Range): expected an output of at most 2^31 bytes, got shape [1000000000000]"],
    ["Range from end to end", "Range I[]=-9223372036854775808 I[]=9223372036854775807 I[]=1", {}, "ShapeError: n0 (Range): expected an output of at most 2^31 bytes, got shape [18446744073709552000]"],
    ["Range by very small steps", "Range F[]=0 F[]=1 F[]=1e-30", {}, "ShapeError: n0 (Range): expected an output of at most 2^31 bytes, got shape [9.999999968289232e+29]"],
    ["Range to Infinity", "Range f[]=0 f[]=Infinity f[]=1", {}, "ShapeError: n0 (Range): expected an output of at most 2^31 bytes, got shape [Infinity]"],
    ["Resize by scales", "Resize f[1,1,2,2]  F[4]=1,1,1000000,1000000", {}, "ShapeError: n0 (Resize): expected an output of at most 2^31 bytes, got shape [1, 1, 2000000, 2000000]"],
    ["Resize by the largest scale", "Resize f[2,2]  F[2]=3e38,1", {}, "ShapeError: n0 (Resize): expected an output of at most 2^31 bytes, got shape [Infinity, 2]"],
    ["Resize by sizes", "Resize f[1,1,2,2]   I[4]=1,1,1000000,1000000", {mode:"linear"}, "ShapeError: n0 (Resize): expected an output of at most 2^31 bytes, got shape [1, 1, 1000000, 1000000]"],
    ["Resize, the other side by its policy", "Resize f[2,2]   I[2]=3,1000000000000", {keep_aspect_ratio_policy:"not_smaller"}, "ShapeError: n0 (Resize): expected an output of at most 2^31 bytes, got shape [1000000000000, 1000000000000]"],
    ["Pad", "Pad f[1,1] I[4]=0,0,999999,999999", {}, "ShapeError: n0 (Pad): expected an output of at most 2^31 bytes, got shape [1000000, 1000000]"],
    ["Pad by reflection", "Pad f[1,1] I[4]=0,0,999999,999999", {mode:"reflect"}, "ShapeError: n0 (Pad): expected an output of at most 2^31 bytes, got shape [1000000, 1000000]"],
    ["CenterCropPad", "CenterCropPad f[1,1] I[2]=1000000,1000000", {}, "ShapeError: n0 (CenterCropPad): expected an output of at most 2^31 bytes, got shape [1000000, 1000000]"],
    ["AffineGrid", "AffineGrid f[1,2,3] I[4]=1,1,1000000,1000000", {}, "ShapeError: n0 (AffineGrid): expected an output of at most 2^31 bytes, got shape [1, 1000000, 1000000, 2]"],
    ["Gather", "Expand I[1]=0 I[2]=1000,1000 -> i | ConstantOfShape I[2]=1,1000000 -> x | Gather x i", {}, "ShapeError: n2 (Gather): expected an output of at most 2^31 bytes, got shape [1000, 1000, 1000000]"],
    ["GatherND", "Expand I[1]=0 I[3]=1000,1000,1 -> i | ConstantOfShape I[2]=1,1000000 -> x | GatherND x i", {}, "ShapeError: n2 (GatherND): expected an output of at most 2^31 bytes, got shape [1000, 1000, 1000000]"],
    ["OneHot", "OneHot i[1]=0 I[]=1000000000000 f[2]", {}, "ShapeError: n0 (OneHot): expected an output of at most 2^31 bytes, got shape [1, 1000000000000]"],
    ["MatMul", "ConstantOfShape I[2]=1000000,1 -> a | ConstantOfShape I[2]=1,1000000 -> b | MatMul a b", {}, "ShapeError: n2 (MatMul): expected an output of at most 2^31 bytes, got shape [1000000, 1000000]"],
    ["MatMul of stacks", "ConstantOfShape I[4]=1000000,1,1,1 -> a | ConstantOfShape I[4]=1,1000000,1,1 -> b | MatMul a b", {}, "ShapeError: n2 (MatMul): expected an output of at most 2^31 bytes, got shape [1000000, 1000000, 1, 1]"],
    ["Gemm", "ConstantOfShape I[2]=1000000,1 -> a | ConstantOfShape I[2]=1,1000000 -> b | Gemm a b", {}, "ShapeError: n2 (Gemm): expected an output of at most 2^31 bytes, got shape [1000000, 1000000]"],
    ["Add", "ConstantOfShape I[2]=1000000,1 -> a | ConstantOfShape I[2]=1,1000000 -> b | Add a b", {}, "ShapeError: n2 (Add): expected an output of at most 2^31 bytes, got shape [1000000, 1000000]"],
    ["Where", "ConstantOfShape I[2]=1000000,1 -> a | ConstantOfShape I[2]=1,1000000 -> b | Where b[] a b", {}, "ShapeError: n2 (Where): expected an output of at most 2^31 bytes, got shape [1000000, 1000000]"],
    ["Max, past 2^53", "ConstantOfShape I[3]=1000000,1,1 -> a | ConstantOfShape I[3]=1,1000000,1 -> b | ConstantOfShape I[3]=1,1,1000000 -> c | Max a b c", {}, "ShapeError: n3 (Max): expected an output of at most 2^31 bytes, got shape [1000000, 1000000, 1000000]"],
    ["Conv by pads", "Conv f[1,1,1,1] F[1,1,1,1]", {pads:[500000,500000,500000,500000]}, "ShapeError: n0 (Conv): expected a padded image of at most 2^29 places, got 1000002000001"],
    ["Conv by pads, the weight computed", "Conv f[1,1,1,1] f[1,1,1,1]", {pads:[500000,500000,500000,500000]}, "ShapeError: n0 (Conv): expected a padded image of at most 2^29 places, got 1000002000001"],
    ["Conv of a line", "Conv f[1,1,1] F[1,1,1]", {pads:[500000000,500000000]}, "ShapeError: n0 (Conv): expected a padded image of at most 2^29 places, got 1000000001"],
    ["Conv with dilations", "Conv f[1,1,1,1] F[1,1,2,2]", {dilations:[1000000,1000000],pads:[1000000,1000000,1000000,1000000]}, "ShapeError: n0 (Conv): expected a padded image of at most 2^29 places, got 4000004000001"],
    ["MaxPool", "MaxPool f[1,1,1,1]", {kernel_shape:[1000000,1000000],pads:[999999,999999,999999,999999]}, "ShapeError: n0 (MaxPool): expected a padded image of at most 2^29 places, got 3999996000001"],
    ["AveragePool", "AveragePool f[1,1,1]", {kernel_shape:[2147483647],pads:[2147483646,2147483646],count_include_pad:1}, "ShapeError: n0 (AveragePool): expected a padded image of at most 2^29 places, got 4294967293"],
    ["LpPool", "LpPool f[1,1,1,1,1]", {kernel_shape:[10000,10000,10000],pads:[9999,9999,9999,9999,9999,9999]}, "ShapeError: n0 (LpPool): expected a padded image of at most 2^29 places, got 7998800059999"],
    ["Col2Im", "Col2Im f[1,1,1] I[2]=1000000,1000000 I[2]=1,1", {strides:[1000000,1000000]}, "ShapeError: n0 (Col2Im): expected an output of at most 2^31 bytes, got shape [1000000, 1000000]"],
    ["Col2Im by its blocks", "Col2Im f[1,0,1] I[2]=1000000,1000000 I[2]=1000000,1000000", {}, "ShapeError: n0 (Col2Im): expected an output of at most 2^31 bytes, got shape [1000000, 1000000]"],
    ["GridSample", "AffineGrid f[1,2,3] I[4]=1,1,10000,10000 -> g | GridSample f[1,10000,1,1] g", {}, "ShapeError: n1 (GridSample): expected an output of at most 2^31 bytes, got shape [1, 10000, 10000, 10000]"],
    ["TopK", "TopK f[4] I[1]=1000000000000", {}, "ShapeError: n0 (TopK) K: expected one number from 0 to 4, got 1000000000000"],
    ["CumSum", "ConstantOfShape I[2]=1000000,1000000 -> x | CumSum x I[]=0", {}, "ShapeError: n0 (ConstantOfShape): expected an output of at most 2^31 bytes, got shape [1000000, 1000000]"],
    ["EyeLike", "ConstantOfShape I[2]=1000000,1000000 -> x | EyeLike x", {}, "ShapeError: n0 (ConstantOfShape): expected an output of at most 2^31 bytes, got shape [1000000, 1000000]"],
    ["DepthToSpace of no channels", "DepthToSpace f[1,0,2,2]", {blocksize:9007199254740991}, "ShapeError: n0 (DepthToSpace): expected an output of at most 2^31 bytes, got shape [1, 0, 18014398509481982, 18014398509481982]"],
    ["SpaceToDepth of no pixels", "SpaceToDepth f[1,1,0,0]", {blocksize:2147483648}, "ShapeError: n0 (SpaceToDepth): expected an output of at most 2^31 bytes, got shape [1, 4611686018427388000, 0, 0]"],
    ["LSTM", "ConstantOfShape I[3]=1000000,1,1 -> x | ConstantOfShape I[3]=1,4000,1 -> w | ConstantOfShape I[3]=1,4000,1000 -> r | LSTM x w r", {}, "ShapeError: n3 (LSTM): expected an output of at most 2^31 bytes, got shape [1000000, 1, 1, 1000]"],
    ["Dimensions by Reshape", "Expand I[1]=1 I[1]=65536 -> s | Reshape f[1] s", {}, "UnsupportedError: n1 (Reshape): expected at most 32 dimensions, got 65536"],
    ["Dimensions by ConstantOfShape", "Expand I[1]=1 I[1]=65536 -> s | ConstantOfShape s", {}, "UnsupportedError: n1 (ConstantOfShape): expected at most 32 dimensions, got 65536"],
    ["Dimensions by Expand", "Expand I[1]=1 I[1]=65536 -> s | Expand f[1] s", {}, "UnsupportedError: n1 (Expand): expected at most 32 dimensions, got 65536"],
    ["Dimensions by Unsqueeze", "Range I[]=0 I[]=65536 I[]=1 -> s | Unsqueeze f[1] s", {}, "UnsupportedError: n1 (Unsqueeze): expected at most 32 dimensions, got 65537"],
    ["Dimensions by Gather", "Expand I[1]=1 I[1]=30 -> s | Reshape i[1]=0 s -> i | Reshape f[1] s -> x | Gather x i", {}, "UnsupportedError: n3 (Gather): expected at most 32 dimensions, got 59"],
    ["Tile with 65,536 repeats", "Range I[]=0 I[]=65536 I[]=1 -> s | Tile f[3] s", {}, "ShapeError: n1 (Tile): expected repeats for [3], got [0, 1, 2, 3, 4, 5, 6, 7, and 65528 more]"],
    ["Slice along 65,536 axes", "Range I[]=0 I[]=65536 I[]=1 -> s | Slice f[3] s s s", {}, "ShapeError: n1 (Slice): expected an axis of 1 dimensions, got 1"],
    ["ReduceSum over 65,536 axes", "Range I[]=0 I[]=65536 I[]=1 -> s | ReduceSum f[3] s", {}, "ShapeError: n1 (ReduceSum): expected an axis of 1 dimensions, got 1"],
    ["Split in 65,536 parts", "Expand I[1]=0 I[1]=65536 -> s | Split f[3] s", {}, "ShapeError: n1 (Split): expected 65536 parts of 3 in all, got [0, 0, 0, 0, 0, 0, 0, 0, and 65528 more]"],
  ]);
});

test("Upsample, of an older operator set", async () => {
  const bytes = model(
    [
      message(11, value("x", 1, [dim(1), dim(1), dim(1), dim(1)])),
      message(12, value("y", 1)),
      initializer("s", 1, [4], message(4, [0, 0, 128, 63, 0, 0, 128, 63, 0, 36, 116, 73, 0, 36, 116, 73])),
      node("Upsample", ["x", "s"], ["y"]),
    ],
    [int(1, 4), opset(9)],
  );
  const x = { dtype: "float32", shape: [1, 1, 1, 1], data: new Float32Array(1) } as const;
  const start = "y (Resize): expected an output of at most 2^31 bytes, got shape [1, 1, 1000000, 1000000]";
  await expectRefusal({ bytes, feeds: { x } }, "ShapeError", start);
});

test.each(["LpPool", "MaxPool", "AveragePool"])(
  "%s: a million windows of a hundred million places, one of which is no padding",
  async (op) => {
    const attributes = { kernel_shape: [10000, 10000], pads: [9999, 9999, 1000, 1000], ceil_mode: 1 };
    const file = fileOf([{ op, inputs: "f[1,1,1,1]=2", attributes }]);
    const started = process.cpuUsage();
    const [y] = await run(file);
    expect(busySince(started)).toBeLessThan(2000);
    expect(y.shape).toEqual([1, 1, 1001, 1001]);
    expect(y.data.every((one: number | bigint) => one === 2)).toBe(true);
  },
);

describe("sparse weights of two billion elements", () => {
  const sparse = (name: string, ...dims: number[]) =>
    message(
      15,
      message(1, tensor(name, 1, [1], raw(...floats(1)))),
      message(2, tensor("", 7, [1], packed(7, 0))),
      ...dims.map((size) => int(3, size)),
    );
  const fileWith = (weight: readonly number[], ...nodes: readonly (readonly number[])[]) => ({
    bytes: model([
      message(11, value("x", 1, [1, 1, 2, 2].map(dim))),
      message(12, value("y", 1)),
      initializer("w", 1, [1, 1, 1, 1], raw(...floats(1))),
      initializer("one", 1, [1], raw(...floats(1))),
      weight,
      ...nodes,
    ]),
    feeds: { x: { dtype: "float32", shape: [1, 1, 2, 2], data: new Float32Array(4) } } as const,
  });

  test("in an addition", async () => {
    const file = fileWith(sparse("s", 1, 2e9), node("Add", ["x", "s"], ["y"]));
    await expectRefusal(file, "OutOfMemoryError", "memory: expected at most 4294967296 bytes, got a need of 8000");
  });

  test("as the scales of a normalization that goes into a Conv", async () => {
    const before = process.memoryUsage().rss;
    const norm = node("BatchNormalization", ["c", "s", "one", "one", "one"], ["y"]);
    const file = fileWith(sparse("s", 2e9), node("Conv", ["x", "w"], ["c"]), norm);
    await expectRefusal(file, "OutOfMemoryError", "memory: expected at most 4294967296 bytes, got a need of 8000");
    expect(process.memoryUsage().rss - before).toBeLessThan(mostGrowth);
  });
});

describe("operators that there are none of", () => {
  test.each([
    ["an unknown one", "Frobnicate", undefined, "Frobnicate of opset 21"],
    ["one that every object has", "constructor", undefined, "constructor of opset 21"],
    ["one of another domain", "Gelu", "com.example", "com.example.Gelu of opset 1"],
    ["one that only passes make", "Attention", "coppice", "coppice.Attention of opset 1"],
  ])("%s", async (_, op, domain, name) => {
    const { feeds, ...graph } = graphOf([{ op, inputs: "f[1]" }]);
    const opset = new Map([
      ["", 21],
      ["com.example", 1],
      ["coppice", 1],
    ]);
    const bytes = writeOnnx({ ...graph, nodes: graph.nodes.map((one) => ({ ...one, domain })), opset });
    const start = `node n0: expected an operator that runs here, got ${name}`;
    await expectRefusal({ bytes, feeds }, "UnsupportedError", start);
  });
});

describe("chains", () => {
  const doubled = (op: string, inputs: string, axis: Attributes): Line[] =>
    Array.from({ length: 40 }, (_, i) => ({
      op,
      inputs: inputs.replaceAll("x", i === 0 ? "h" : `v${i - 1}`),
      attributes: axis,
      outputs: `v${i}`,
    }));
  const first: Line = { op: "Relu", inputs: "f[64]", outputs: "h" };

  test.each([
    ["Concat", "x x", { axis: 0 }],
    ["Tile", "x I[1]=2", {}],
  ] as const)("%s doubles 40 times", async (op, inputs, axis) => {
    const file = fileOf([first, ...doubled(op, inputs, axis)]);
    await expectRefusal(file, "ShapeError", `n23 (${op}): expected an output of at most 2^31 bytes, got shape [`);
  });

  test("that stay below 2^31 bytes each stay below maxBytes", async () => {
    const file = fileOf([first, ...doubled("Concat", "x x", { axis: 0 }).slice(0, 20)]);
    const before = process.memoryUsage().rss;
    for (const maxBytes of [2 ** 20, 2 ** 26]) {
      await expectRefusal(file, "OutOfMemoryError", `memory: expected at most ${maxBytes} bytes, got a need of `, {
        maxBytes,
      });
    }
    // Without a limit of the caller's, what wasm32 addresses is one.
    const large = fileOf(
      linesOf("ConstantOfShape I[2]=500000,1000 -> a | Sigmoid a -> b | Sigmoid b -> c | Sum a b c", {}),
    );
    await expectRefusal(large, "OutOfMemoryError", "memory: expected at most 4294967296 bytes, got a need of ");
    expect(process.memoryUsage().rss - before).toBeLessThan(mostGrowth);
  });
});

describe("what is known while planning", () => {
  /** n nodes, each of which makes 65,536 known elements of the ones before. */
  const chain = (n: number, last: Line): Line[] => [
    { op: "Expand", inputs: "I[1]=1 I[1]=65536", outputs: "v0" },
    ...Array.from({ length: n }, (_, i) => ({ op: "Add", inputs: `v${i} v${i}`, outputs: `v${i + 1}` })),
    last,
  ];

  test("a chain of 500 tables is computed when the network runs, and right", async () => {
    const graph = graphOf(chain(500, { op: "Gather", inputs: "v500 I[2]=0,-1" }), ["int64"]);
    const started = process.cpuUsage();
    using net = await loadModel(readOnnx(writeOnnx(graph)));
    expect(net.run<BigInt64Array>().y0.data).toEqual(BigInt64Array.of(0n, 0n));
    expect(busySince(started)).toBeLessThan(2000);
  });

  test("where a shape depends on such a table, it is refused", async () => {
    const last = { op: "Slice", inputs: "v5000 I[1]=0 I[1]=1", outputs: "s" };
    const graph = graphOf([...chain(5000, last), { op: "ConstantOfShape", inputs: "s" }]);
    const start = "node n5002 (ConstantOfShape): expected the elements of s at planning, got none";
    await expectRefusal({ bytes: writeOnnx(graph), feeds: {} }, "UnsupportedError", start);
  });

  test("small values are known however many large ones there were", async () => {
    const lines = [
      ...chain(200, { op: "Shape", inputs: "v200", outputs: "s" }),
      ...linesOf("Div s I[1]=32768 -> t | ConstantOfShape t", {}),
    ];
    expect(shown((await run(fileOf(lines)))[0])).toBe("float32 [2] 0,0");
  });

  test("indices of what is not 0, doubled at each turn", async () => {
    const lines: Line[] = Array.from({ length: 30 }, (_, i) => ({
      op: "NonZero",
      inputs: `v${i}`,
      outputs: `v${i + 1}`,
    }));
    const file = fileOf([{ op: "Expand", inputs: "I[1]=1 I[1]=65536", outputs: "v0" }, ...lines]);
    await expectRefusal(file, "UnsupportedError", "node n");
  });
});

/** A graph of a node with bodies. */
const around = (op: string, inputs: string, bodies: Readonly<Record<string, Body>>, before: readonly Line[] = []) =>
  fileOf([...before, { op, inputs, attributes: bodies, outputs: "y" }]);
const loop = (inputs: string, body: Body, before?: readonly Line[]) => around("Loop", inputs, { body }, before);

describe("Loop", () => {
  const relu = bodyOf(["i", "c", "v"], linesOf("Relu v -> w", {}), ["c", "w"]);
  const idle = bodyOf(["i", "c", "v"], [], ["c", "v"]);
  const tooMany = "expected at most 100000 steps, got more";

  test.each([
    ["2^63 - 1 turns", "I[]=9223372036854775807 B[]=1 f[]", relu, "node b0: "],
    ["100,001 turns", "I[]=100001  f[]", relu, "node b0: "],
    ["turns without end", " B[]=1 f[]", relu, "node b0: "],
    ["turns without end and without nodes", " B[]=1 f[]", idle, "node n0: "],
  ])("%s", (_, inputs, body, start) => expectRefusal(loop(inputs, body), "UnsupportedError", start + tooMany));

  test("2^10 turns of 2^10 turns, and so on, 10 deep", async () => {
    let body = bodyOf(["i9", "c9", "v9"], linesOf("Relu v9 -> w9", {}), ["c9", "w9"]);
    for (let depth = 8; depth >= 0; depth--) {
      const inner = { op: "Loop", inputs: `I[]=1024 c${depth} v${depth}`, attributes: { body }, outputs: `w${depth}` };
      body = bodyOf([`i${depth}`, `c${depth}`, `v${depth}`], [inner], [`c${depth}`, `w${depth}`], `${depth}`);
    }
    const file = loop("I[]=1024 B[]=1 f[]", body);
    expect(file.bytes.length).toBeLessThan(4000);
    await expectRefusal(file, "UnsupportedError", `node b0: ${tooMany}`);
  });

  test("what is gathered to a trillion elements", async () => {
    const body = bodyOf(["i", "c"], [{ op: "Relu", inputs: "big", outputs: "w" }], ["c", "w"]);
    const before = linesOf("ConstantOfShape I[1]=100000000 -> big", {});
    const start = "n1 (Loop): expected an output of at most 2^31 bytes, got shape [10000, 100000000]";
    await expectRefusal(loop("I[]=10000 B[]=1", body, before), "ShapeError", start);
  });

  test("a value that doubles at each turn", async () => {
    const body = bodyOf(
      ["i", "c", "v"],
      [{ op: "Concat", inputs: "v v", attributes: { axis: 0 }, outputs: "w" }],
      ["c", "w"],
    );
    await expectRefusal(
      loop("I[]=40 B[]=1 f[64]", body),
      "ShapeError",
      "b0 (Concat): expected an output of at most 2^31",
    );
  });

  test("a large table that is looked at in every turn", async () => {
    const lines = linesOf("Gather t table -> g | Relu v -> w", {});
    const before = linesOf("Expand I[1]=0 I[1]=65536 -> table | Relu f[1] -> t", {});
    const body = bodyOf(["i", "c", "v"], lines, ["c", "w"]);
    const started = process.cpuUsage();
    await run(loop("I[]=400 B[]=1 f[]", body, before));
    expect(busySince(started)).toBeLessThan(2000);
  });

  test.each([
    ["a negative count", "I[]=-1 B[]=1 f[]=1", "float32 [] 1"],
    ["the smallest count", "I[]=-9223372036854775808  f[]=1", "float32 [] 1"],
    ["a condition that never holds", "I[]=9 B[]=0 f[]=1", "float32 [] 1"],
  ])("%s is no turn", async (_, inputs, outcome) => expect(shown((await run(loop(inputs, relu)))[0])).toBe(outcome));

  test.each([
    ["two counts", "I[2]=1,2 B[]=1 f[]", "one int64, got int64 [2]"],
    ["a real count", "F[]=1 B[]=1 f[]", "one int64, got float32 []"],
    ["a number as a condition", "I[]=1 I[]=1 f[]", "one bool, got int64 []"],
    ["two conditions", "I[]=1 B[2]=1,1 f[]", "one bool, got bool [2]"],
    ["fewer values than its body takes", "I[]=1 B[]=1", "a body of 2 inputs and 2 outputs, got 3 inputs and 2 outputs"],
    [
      "more values than its body takes",
      "I[]=1 B[]=1 f[] f[]",
      "a body of 4 inputs and 2 outputs, got 3 inputs and 2 outputs",
    ],
  ])("%s", (_, inputs, rest) => expectRefusal(loop(inputs, relu), "ShapeError", `node n0 (Loop): expected ${rest}`));

  test("a body that gives no condition, one that gives a number for it, none at all", async () => {
    const without = bodyOf(["i", "c", "v"], [], ["v"]);
    const want = "node n0 (Loop): expected a body of 3 inputs and 2 outputs, got 3 inputs and 1 outputs";
    await expectRefusal(loop("I[]=1 B[]=1 f[]", without), "ShapeError", want);
    const number = bodyOf(["i", "c", "v"], [], ["v", "v"]);
    await expectRefusal(
      loop("I[]=1 B[]=1 f[]", number),
      "ShapeError",
      "node n0 (Loop): expected one bool, got float32 []",
    );
    await expectRefusal(
      around("Loop", "I[]=1 B[]=1 f[]", {}),
      "ShapeError",
      "node n0 (Loop): expected a body body, got none",
    );
  });

  test("many names around many turns take no longer", async () => {
    const give = (name: string) => bodyOf([], [{ op: "Relu", inputs: "h", outputs: name }], [name], name);
    const names: Line[] = Array.from({ length: 600 }, (_, i) => ({
      op: "If",
      inputs: "B[]=1",
      attributes: { then_branch: give(`t${i}`), else_branch: give(`e${i}`) },
      outputs: `o${i}`,
    }));
    const file = loop(" B[]=1 f[]", idle, [{ op: "Relu", inputs: "f[1]", outputs: "h" }, ...names]);
    await expectRefusal(file, "UnsupportedError", `node n601: ${tooMany}`);
  });
});

describe("If", () => {
  const give = (name: string, count = 1) =>
    bodyOf([], [{ op: "Relu", inputs: "h", outputs: name }], new Array(count).fill(name), name);
  const branches = { then_branch: give("t"), else_branch: give("e") };
  const before: Line[] = [{ op: "Relu", inputs: "f[1]", outputs: "h" }];
  const refused = (inputs: string, bodies: Readonly<Record<string, Body>>, rest: string) =>
    expectRefusal(around("If", inputs, bodies, before), "ShapeError", `node n1 (If): expected ${rest}`);

  test("branches of different numbers of outputs", async () => {
    const two = { ...branches, else_branch: give("e", 2) };
    for (const inputs of ["B[]=1", "B[]=0"]) {
      await refused(inputs, two, "1 outputs of bodye, got 0 inputs and 2 outputs");
    }
    const none = { then_branch: give("t", 0), else_branch: give("e", 0) };
    await refused("B[]=1", none, "1 outputs of bodyt, got 0 inputs and 0 outputs");
  });

  test.each([
    ["two conditions", "B[2]=1,0", "one bool, got bool [2]"],
    ["no element", "B[0]", "one bool, got bool [0]"],
    ["a number", "F[]=1", "one bool, got float32 []"],
    ["no condition", "", "one bool, got none"],
  ])("%s", (_, inputs, rest) => refused(inputs, branches, rest));

  test("a branch missing, or a number in its place", async () => {
    const { then_branch } = branches;
    await refused("B[]=1", { then_branch }, "a body else_branch, got none");
    const number = { then_branch, else_branch: 1 as unknown as Body };
    await refused("B[]=1", number, "a body else_branch, got none");
  });
});

describe("what is fed", () => {
  const file = fileOf(linesOf("Add f[2] f[2]", {}));

  test("inputs missing, of another type, of another rank, and names that there are none of", async () => {
    using net = await loadModel(readOnnx(file.bytes));
    const { x0, x1 } = file.feeds;
    expect(() => net.run({ x0 })).toThrow(new TypeError("run: expected input x1, got none"));
    expect(() => net.run()).toThrow(new TypeError("run: expected input x0, got none"));
    expect(() => net.run({ x0, x1, x2: x0 })).toThrow(new TypeError("run: expected inputs among x0, x1, got x2"));
    expect(() => net.run({ x0, x1: new BigInt64Array(2) })).toThrow(
      new ShapeError("input x1: expected float32 values in a Float32Array, got BigInt64Array"),
    );
    const deep = { ...x0, shape: new Array(33).fill(1).with(0, 2) };
    expect(() => net.run({ x0: deep, x1 })).toThrow(
      new UnsupportedError("input x0: expected at most 32 dimensions, got 33"),
    );
    expect(net.run({ x0, x1 }).y0.shape).toEqual([2]);
  });
});
