// Graphs for the tests of the formats: a LeNet-5 with every storage, and random ones.
import fc from "fast-check";
import { createArray, type DType, type TypedArray } from "../../src/dtype.js";
import type { Attribute, Body, Graph, GraphNode } from "../../src/graph/graph.js";
import { columnsOf } from "../../src/graph/storage.js";
import type {
  DenseWeight,
  FactoredWeight,
  Int8Weight,
  Layout,
  PlainWeight,
  SparseWeight,
} from "../../src/graph/weight.js";
import { uniform } from "../support/kernels.js";

export function dense(shape: readonly number[], seed: number): DenseWeight {
  const next = uniform(seed);
  const size = shape.reduce((product, dim) => product * dim, 1);
  return { kind: "dense", shape, dtype: "float32", data: Float32Array.from({ length: size }, () => next() - 0.5) };
}

/**
 * A matrix with entries of chance `density`, int8 values within `levels`, one scale (or a scale per row), or float32
 * values.
 */
export function sparse(
  shape: readonly number[],
  density: number,
  seed: number,
  options: { levels?: number; scales?: "one" | "rows"; float?: boolean } = {},
): SparseWeight {
  const next = uniform(seed);
  const rows = shape.length < 2 ? 1 : shape[0];
  const cols = rows === 0 ? 0 : shape.reduce((product, dim) => product * dim, 1) / rows;
  const rowPtr = new Uint32Array(rows + 1);
  const col: number[] = [];
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < cols; c++) if (next() < density) col.push(c);
    rowPtr[r + 1] = col.length;
  }
  const base = { kind: "sparse", shape, rowPtr, col: Uint32Array.from(col) } as const;
  if (options.float) return { ...base, values: Float32Array.from(col, () => next() - 0.5) };
  const levels = options.levels ?? 127;
  const values = Int8Array.from(col, () => Math.round((2 * next() - 1) * levels));
  const scale = Float32Array.from({ length: options.scales === "rows" ? rows : 1 }, () => 0.01 + next());
  return { ...base, values, scale };
}

export function int8(shape: readonly number[], seed: number, scales: "one" | "rows" = "rows"): Int8Weight {
  const next = uniform(seed);
  const size = shape.reduce((product, dim) => product * dim, 1);
  const rows = shape.length < 2 ? 1 : shape[0];
  const q = Int8Array.from({ length: size }, () => Math.round((next() + next() + next() - 1.5) * 80));
  return {
    kind: "int8",
    shape,
    q,
    scale: Float32Array.from({ length: scales === "rows" ? rows : 1 }, () => next() + 0.1),
  };
}

export function factored(shape: readonly number[], layout: Layout, k: number, seed: number): FactoredWeight {
  const next = uniform(seed);
  const { d, n } = columnsOf(shape, layout, layout === "tile" ? 3 : 9);
  const { rowPtr, col, values } = sparse([n, k], 0.2, seed + 1, { levels: 7 });
  return {
    kind: "factored",
    shape,
    layout,
    d,
    n,
    k,
    rowPtr,
    col,
    codes: values as Int8Array,
    codeScale: Float32Array.from({ length: k }, () => next() + 0.1),
    codebook: Int8Array.from({ length: k * d }, () => Math.round((2 * next() - 1) * 100)),
    codebookScale: Math.fround(0.01 + next()),
  };
}

/** LeNet-5 as in Caffe's example: 431,080 parameters, about 5,000 of them left. */
export function lenet5(): Graph {
  const conv = { kernel_shape: [5, 5], strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1], group: 1 };
  const pool = { kernel_shape: [2, 2], strides: [2, 2], pads: [0, 0, 0, 0] };
  const node = (op: string, name: string, inputs: string[], attributes: Record<string, Attribute>): GraphNode => ({
    name,
    op,
    inputs,
    outputs: [name === "fc2" ? "logits" : name],
    attributes,
  });
  return {
    name: "lenet5",
    inputs: [{ name: "image", dtype: "float32", shape: ["N", 1, 28, 28] }],
    outputs: [{ name: "logits", dtype: "float32", shape: ["N", 10] }],
    nodes: [
      node("Conv", "conv1", ["image", "conv1.weight", "conv1.bias"], conv),
      node("MaxPool", "pool1", ["conv1"], pool),
      node("Conv", "conv2", ["pool1", "conv2.weight", "conv2.bias"], conv),
      node("MaxPool", "pool2", ["conv2"], pool),
      node("Flatten", "flatten", ["pool2"], { axis: 1 }),
      node("Gemm", "fc1", ["flatten", "fc1.weight", "fc1.bias"], { transB: 1 }),
      node("Relu", "relu1", ["fc1"], {}),
      node("Gemm", "fc2", ["relu1", "fc2.weight", "fc2.bias"], { transB: 1 }),
    ],
    weights: new Map<string, PlainWeight>([
      ["conv1.weight", sparse([20, 1, 5, 5], 0.22, 1, { levels: 15 })],
      ["conv1.bias", dense([20], 2)],
      ["conv2.weight", sparse([50, 20, 5, 5], 0.055, 3, { levels: 15 })],
      ["conv2.bias", dense([50], 4)],
      ["fc1.weight", sparse([500, 800], 0.007, 5, { levels: 15 })],
      ["fc1.bias", dense([500], 6)],
      ["fc2.weight", sparse([10, 500], 0.08, 7, { levels: 15 })],
      ["fc2.bias", dense([10], 8)],
    ]),
  };
}

/** A small graph with every storage, odd names, every kind of attribute, an absent input and an unwanted output. */
export function everything(): Graph {
  return {
    name: "a net: ünïcode \u0000 and emoji 🌱",
    inputs: [
      { name: "x", dtype: "float32", shape: ["N", 3, "height", 0] },
      { name: "ids", dtype: "int64", shape: [] },
    ],
    outputs: [
      { name: "y", dtype: "float32", shape: ["N", 4] },
      { name: "x", dtype: "float32", shape: [] },
      { name: "__proto__", dtype: "float32", shape: [5] },
    ],
    nodes: [
      { name: "", op: "MyOp", inputs: ["x", "", "ids", "__proto__"], outputs: ["a", "", "b"], attributes: numbers() },
      { name: "n", op: "MyOp", inputs: [], outputs: [], attributes: numbers() },
      { name: "m", op: "MyOp", inputs: ["int8", "rows", "rows"], outputs: ["c"], attributes: {} },
      {
        name: "o",
        op: "Conv",
        inputs: ["b", "int8", "kernel", "f16", "ids"],
        outputs: ["y"],
        attributes: { group: -1 },
      },
    ],
    weights: new Map<string, PlainWeight>([
      ["__proto__", dense([5], 1)],
      ["f16", { kind: "dense", shape: [2, 2], dtype: "float16", data: Uint16Array.of(0, 0x3c00, 0x8000, 1) }],
      ["shape", { kind: "dense", shape: [2], dtype: "int64", data: BigInt64Array.of(-1n, 2n ** 62n) }],
      ["empty", { kind: "dense", shape: [3, 0], dtype: "float64", data: new Float64Array(0) }],
      ["scalar", { kind: "dense", shape: [], dtype: "bool", data: Uint8Array.of(1) }],
      ["sparse", sparse([6, 7], 0.3, 2, { scales: "rows" })],
      ["floats", sparse([2, 3, 3], 0.5, 3, { float: true })],
      ["int8", int8([4, 5], 4)],
      ["kernel", factored([4, 2, 3, 3], "kernel", 5, 5)],
      ["rows", factored([4, 6], "rows", 3, 6)],
    ]),
  };
}

/** What only files of other formats bring: bodies in bodies, tensors as attributes, domains, operator sets, open types. */
export function nested(): Graph {
  const tensor = (dtype: DType, data: TypedArray, shape: readonly number[] = [data.length]) => ({ dtype, shape, data });
  const odd = tensor("float32", Float32Array.of(Number.NEGATIVE_INFINITY, Number.NaN, -0, 1), [2, 2]);
  const add = (name: string, inputs: string[]): GraphNode => ({
    name,
    op: "Add",
    inputs,
    outputs: [name],
    attributes: {},
  });
  const innermost: Body = {
    name: "innermost",
    inputs: [],
    outputs: [{ name: "deep" }],
    nodes: [add("deep", ["x", "inner.weight"]), add("unused", ["deep", "twice"])],
    weights: new Map([["unused.weight", sparse([3, 4], 0.5, 12)]]),
  };
  const inner: Body = {
    name: "inner",
    inputs: [{ name: "i", dtype: "int64", shape: [] }, { name: "cond", dtype: "bool" }, { name: "carried" }],
    outputs: [
      { name: "cond", dtype: "bool", shape: [] },
      { name: "twice", dtype: "float32" },
    ],
    nodes: [
      add("twice", ["carried", "w"]),
      { name: "if", op: "If", inputs: ["cond"], outputs: ["chosen"], attributes: { then_branch: innermost } },
    ],
    weights: new Map<string, PlainWeight>([
      ["inner.weight", dense([2], 9)],
      ["inner.int8", int8([3, 4], 10)],
    ]),
  };
  const custom: GraphNode = { ...add("custom", ["x"]), op: "Gelu", domain: "com.microsoft" };
  return {
    name: "nested",
    inputs: [
      { name: "x", dtype: "bfloat16" },
      { name: "n", dtype: "int4", shape: ["?0", 2] },
    ],
    outputs: [{ name: "y", dtype: "float32" }],
    nodes: [
      { name: "odd", op: "Constant", inputs: [], outputs: ["odd"], attributes: { value: odd } },
      { name: "odd2", op: "Constant", inputs: [], outputs: ["odd2"], attributes: { value: { ...odd } } },
      {
        name: "wide",
        op: "Constant",
        inputs: [],
        outputs: ["wide"],
        attributes: {
          value: tensor("int64", BigInt64Array.of(-1n, 2n ** 62n)),
          none: tensor("bool", new Uint8Array(0)),
        },
      },
      custom,
      { ...custom, name: "custom2", outputs: ["custom2"], attributes: { axis: 1 } },
      { ...custom, name: "gelu", outputs: ["gelu"], domain: undefined },
      {
        name: "loop",
        op: "Loop",
        inputs: ["n", "", "x"],
        outputs: ["y"],
        attributes: { body: inner, scan_input_axes: [0, 1] },
      },
      { name: "loop2", op: "Loop", inputs: ["n", "", "x"], outputs: ["y2"], attributes: { body: { ...inner } } },
    ].map(({ domain, ...node }: GraphNode) => (domain === undefined ? node : { ...node, domain })),
    weights: new Map<string, PlainWeight>([
      ["w", dense([2], 11)],
      ["bf16", { kind: "dense", shape: [2], dtype: "bfloat16", data: Uint16Array.of(0x3f80, 0x8001) }],
      ["nibbles", { kind: "dense", shape: [3], dtype: "int4", data: Int8Array.of(-8, 0, 7) }],
      ["unsigned", { kind: "dense", shape: [1], dtype: "uint4", data: Uint8Array.of(15) }],
    ]),
    opset: new Map([
      ["", 21],
      ["com.microsoft", 1],
    ]),
  };
}

/** One of each kind of number, and names that bite. Made with fromEntries, which does not set a prototype. */
function numbers(): Record<string, Attribute> {
  return Object.fromEntries<Attribute>([
    ["axis", -1],
    ["alpha", Math.fround(0.1)],
    ["beta", 0.1],
    ["zero", -0],
    ["big", 2 ** 40],
    ["least", -(2 ** 31)],
    ["nan", Number.NaN],
    ["inf", Number.NEGATIVE_INFINITY],
    ["mode", "linear"],
    ["none", ""],
    ["pads", [0, 1, 2, -3]],
    ["scales", [1, 0.5]],
    ["doubles", [1, 1 / 3]],
    ["empty", []],
    ["texts", ["a", "", "b"]],
    ["__proto__", 1],
    ["constructor", "x"],
    ["7", 7],
  ]);
}

/** Random storages of random small shapes. */
export function weights(): fc.Arbitrary<PlainWeight> {
  const shape = fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 4 });
  const seed = fc.integer();
  const density = fc.constantFrom(0, 0.02, 0.3, 0.9, 1);
  const scales = fc.constantFrom("one" as const, "rows" as const);
  return fc.oneof(
    fc.tuple(shape, seed).map(([s, x]) => dense(s, x)),
    fc
      .tuple(shape, fc.constantFrom<DType>("int8", "int16", "uint32", "int64", "float16", "bool", "float64"), seed)
      .map(([s, dtype, x]): PlainWeight => {
        const data = createArray(
          dtype,
          s.reduce((a, b) => a * b, 1),
        );
        const next = uniform(x);
        for (let i = 0; i < data.length; i++) {
          const value = Math.floor(next() * 2);
          data[i] = dtype.endsWith("64") && dtype.includes("int") ? BigInt(value) : value;
        }
        return { kind: "dense", shape: s, dtype, data };
      }),
    fc
      .tuple(shape, density, seed, scales, fc.boolean(), fc.constantFrom(1, 15, 127))
      .map(([s, p, x, n, float, levels]) => sparse(s, p, x, { scales: n, float, levels })),
    fc.tuple(shape, seed, scales).map(([s, x, n]) => int8(s, x, n)),
    fc.tuple(shape, fc.integer({ min: 0, max: 6 }), seed).map(([s, k, x]) => factored(s, "kernel", k, x)),
    fc
      .tuple(
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 2, maxLength: 4 }),
        fc.integer({ min: 0, max: 6 }),
        seed,
        fc.constantFrom("rows" as const, "tile" as const),
      )
      .map(([s, k, x, layout]) => factored(s, layout, k, x)),
  );
}

/** Random graphs whose values are made before they are used. */
export function graphs(): fc.Arbitrary<Graph> {
  const name = fc.oneof(
    fc.string({ minLength: 1, unit: "grapheme", maxLength: 12 }),
    fc.constantFrom("conv1.weight", "__proto__", "constructor", "/layer1/Relu_output_0", "0"),
  );
  const value: fc.Arbitrary<Attribute> = fc.oneof(
    fc.double(),
    fc.integer(),
    fc.float(),
    fc.string({ unit: "grapheme" }),
    fc.array(fc.integer()),
    fc.array(fc.double(), { minLength: 1 }),
    fc.array(fc.string({ unit: "grapheme" }), { minLength: 1 }),
    fc
      .uint8Array({ maxLength: 12 })
      .map((bytes) => ({ dtype: "float16" as const, shape: [bytes.length], data: Uint16Array.from(bytes) })),
  );
  const attributes = fc
    .array(fc.tuple(fc.oneof(name, fc.constantFrom("pads", "axis", "group")), value), { maxLength: 5 })
    .map((entries): Record<string, Attribute> => Object.fromEntries(entries));
  const recipe = fc.record({
    op: fc.oneof(fc.constantFrom("Conv", "Relu", "Gemm", "Made"), name),
    domain: fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: name }),
    inputs: fc.array(fc.nat(), { maxLength: 4 }),
    outputs: fc.integer({ min: 0, max: 2 }),
    attributes,
  });
  return fc
    .record({
      names: fc.uniqueArray(name, { minLength: 20, maxLength: 30 }),
      inputs: fc.integer({ min: 0, max: 3 }),
      storages: fc.array(weights(), { maxLength: 4 }),
      recipes: fc.array(recipe, { maxLength: 5 }),
      title: fc.string({ unit: "grapheme" }),
    })
    .map(({ names, inputs, storages, recipes, title }) => {
      const fresh = names[Symbol.iterator]();
      const take = () => fresh.next().value as string;
      const known = Array.from({ length: inputs }, take);
      const infos = known.map((n, i) => ({ name: n, dtype: "float32" as const, shape: i === 0 ? ["N", 3] : [i] }));
      const stored = new Map(storages.map((weight) => [take(), weight]));
      known.push(...stored.keys());
      const nodes = recipes.map((r, i): GraphNode => {
        const used = r.inputs.map((x) => (x % 7 === 0 || known.length === 0 ? "" : known[x % known.length]));
        const outputs = Array.from({ length: r.outputs }, take);
        known.push(...outputs);
        const made = { name: `node${i}`, op: r.op, inputs: used, outputs, attributes: r.attributes };
        return r.domain === undefined ? made : { ...made, domain: r.domain };
      });
      const last = known.slice(-2).map((n) => ({ name: n, dtype: "float32" as const, shape: [] }));
      return { name: title, inputs: infos, outputs: last, nodes, weights: stored };
    });
}
