import { deepStrictEqual } from "node:assert";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeWeight } from "../../src/codec/weight.js";
import { FormatError, UnsupportedError } from "../../src/errors.js";
import { readContainer, writeContainer } from "../../src/formats/container/index.js";
import { readOnnx, readTensor, writeOnnx } from "../../src/formats/onnx/index.js";
import { toDense } from "../../src/graph/dense.js";
import { type Attribute, defaultOpset, type Graph } from "../../src/graph/graph.js";
import type { DenseWeight, Weight } from "../../src/graph/weight.js";
import { dense, everything, factored, graphs, int8, lenet5, nested, sparse } from "./graphs.js";
import {
  attribute,
  blob,
  dim,
  float,
  floats,
  initializer,
  int,
  message,
  model,
  node,
  opset,
  packed,
  raw,
  sound,
  tensor,
  value,
  withNodes,
} from "./onnx-file.js";

const parts = Object.values(sound);

/** The graph as a file gives it back: every storage dense, the operator set said. */
function plain(graph: Graph): Graph {
  const weights = [...graph.weights].map(([name, weight]): [string, Weight] => [
    name,
    weight.kind === "dense" ? weight : { kind: "dense", shape: weight.shape, dtype: "float32", data: toDense(weight) },
  ]);
  return { ...graph, weights: new Map(weights), opset: graph.opset ?? defaultOpset };
}

describe("writeOnnx, readOnnx", () => {
  test("a network whose weights are sparse comes back with its weights dense", () => {
    const graph = lenet5();
    deepStrictEqual(readOnnx(writeOnnx(graph)), plain(graph));
  });

  test("bodies, tensors, domains, open types, 16-bit reals and 4-bit integers come back as they were", () => {
    const graph = nested();
    const back = readOnnx(writeOnnx(graph));
    expect(writeOnnx(back)).toEqual(writeOnnx(graph));
    const bodies = back.nodes.filter(({ op }) => op === "Loop").map(({ attributes }) => attributes.body);
    expect(bodies[0]).toMatchObject({ name: "inner", inputs: [{ name: "i", dtype: "int64", shape: [] }, {}, {}] });
    const simple = (given: Graph) => ({ ...given, nodes: given.nodes.filter(({ op }) => op !== "Loop") });
    expect(simple(back)).toStrictEqual(simple(graph));
  });

  test("every storage is made dense, coded ones too", () => {
    const stored = readContainer(writeContainer({ ...everything(), outputs: [], nodes: [], inputs: [] }));
    const back = readOnnx(writeOnnx(stored));
    for (const name of everything().weights.keys()) {
      // Only float64 does not stay what it is.
      if (name !== "empty") expect(back.weights.get(name), name).toStrictEqual(plain(everything()).weights.get(name));
    }
    expect(back.notices).toEqual(["initializer empty: float64 is narrowed to float32"]);
  });

  test("random graphs come back", () => {
    // What ONNX cannot say: numbers that are no float32, domains that are ONNX's own.
    const fits = (x: unknown): boolean =>
      typeof x !== "number" || Number.isSafeInteger(x) || Object.is(Math.fround(x), x);
    const representable = (name: string, x: Attribute) => {
      if (Array.isArray(x)) return x.every(fits) && !(x.some(Number.isSafeInteger) && !x.every(Number.isSafeInteger));
      return fits(x) && name !== "alpha";
    };
    fc.assert(
      fc.property(graphs(), (graph) => {
        const domains = new Set(graph.nodes.map(({ domain = "" }) => domain));
        const nodes = graph.nodes.map((given) => ({
          ...given,
          attributes: Object.fromEntries(
            Object.entries(given.attributes).filter(([name, x]) => name !== "" && representable(name, x)),
          ),
        }));
        const weights = [...graph.weights].filter(
          ([, weight]) => !(weight.kind === "dense" && weight.dtype === "float64"),
        );
        const used = new Set(nodes.flatMap(({ inputs }) => inputs));
        fc.pre([...graph.weights.keys()].every((name) => !used.has(name) || weights.some(([x]) => x === name)));
        const made: Graph = {
          ...graph,
          nodes,
          weights: new Map(weights),
          outputs: graph.outputs.filter(({ name }) => !graph.weights.has(name) || weights.some(([x]) => x === name)),
          opset: new Map([...domains, ""].map((domain) => [domain, 21])),
        };
        expect(JSON.stringify(shown(readOnnx(writeOnnx(made))))).toBe(JSON.stringify(shown(plain(made))));
      }),
      { numRuns: 150 },
    );
  });

  test("the same graph gives the same bytes, and what is read gives them again", () => {
    const bytes = writeOnnx(lenet5());
    // Vitest takes seconds to compare two megabytes.
    expect(Buffer.compare(writeOnnx(lenet5()), bytes)).toBe(0);
    expect(Buffer.compare(writeOnnx(readOnnx(bytes)), bytes)).toBe(0);
  });

  test("the IR version follows the operator set", () => {
    const versionOf = (version: number) => writeOnnx({ ...lenet5(), opset: new Map([["", version]]) })[1];
    expect([7, 18, 19, 20, 21, 22, 23, 24, 25, 26].map(versionOf)).toEqual([8, 8, 9, 9, 10, 10, 11, 12, 13, 13]);
  });

  test("what cannot be written", () => {
    const graph = lenet5();
    expect(() => writeOnnx(null as unknown as Graph)).toThrow(new TypeError("graph: expected a Graph, got null"));
    expect(() => writeOnnx({ ...graph, nodes: [...graph.nodes].reverse() })).toThrow(FormatError);
    expect(() => writeOnnx({ ...graph, name: "\ud800" })).toThrow(
      new RangeError('name: expected a well-formed text, got "\\ud800"'),
    );
    // Two entries that would be 12 GB.
    const large = { ...sparse([2, 3], 1, 1), shape: [1, 3e9], rowPtr: Uint32Array.of(0, 6) };
    large.col.set([0, 1, 2, 3, 4, 5]);
    expect(() => writeOnnx({ ...graph, weights: new Map([...graph.weights, ["large", large]]) })).toThrow(
      new UnsupportedError("weight large: expected a model below 2 GiB, got more"),
    );
    const mixed = { mixed: [1, "a"] as unknown as number[] };
    const nodes = [{ ...graph.nodes[0], attributes: mixed }, ...graph.nodes.slice(1)];
    expect(() => writeOnnx({ ...graph, nodes })).toThrow(
      new TypeError("attribute mixed: expected numbers or texts, got both"),
    );
  });

  test("an unaligned view, an ArrayBuffer and shared memory read alike, and what is read is a copy", () => {
    const bytes = writeOnnx(readContainer(writeContainer({ ...everything(), nodes: [], outputs: [] })));
    const graph = readOnnx(bytes.slice());
    const pool = new Uint8Array(bytes.length + 14);
    pool.set(bytes, 3);
    expect(readOnnx(pool.subarray(3, 3 + bytes.length))).toStrictEqual(graph);
    expect(readOnnx(bytes.slice().buffer)).toStrictEqual(graph);
    const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
    shared.set(bytes);
    const read = readOnnx(shared);
    shared.fill(0);
    expect(read).toStrictEqual(graph);
    const own = readOnnx(bytes);
    bytes.fill(0);
    expect(own).toStrictEqual(graph);
  });

  test.each([null, undefined, "ONNX", {}, [], 7, new Uint16Array(10)])("TypeError for %s", (given) => {
    expect(() => readOnnx(given as Uint8Array)).toThrow(TypeError);
    expect(() => readTensor(given as Uint8Array)).toThrow(TypeError);
  });
});

/** A graph for comparison as text: maps as lists, numbers told apart. */
function shown(graph: unknown): unknown {
  if (ArrayBuffer.isView(graph)) return [graph.constructor.name, Array.from(graph as Uint8Array, String)];
  if (graph instanceof Map) return [...graph].sort(([a], [b]) => (a < b ? -1 : 1)).map(shown);
  if (Array.isArray(graph)) return graph.map(shown);
  if (typeof graph === "number") return Object.is(graph, -0) ? "-0" : String(graph);
  if (typeof graph !== "object" || graph === null) return graph;
  return Object.entries(graph)
    .filter(([, x]) => x !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, x]) => [key, shown(x)]);
}

describe("keepInt8", () => {
  const one = (weight: Weight, version = 21): Graph => ({
    name: "g",
    inputs: [],
    outputs: [{ name: "y", dtype: "float32", shape: ["N"] }],
    nodes: [{ name: "y", op: "Identity", inputs: ["w"], outputs: ["y"], attributes: {} }],
    weights: new Map([["w", weight]]),
    opset: new Map([["", version]]),
  });
  const kept = (graph: Graph) => readOnnx(writeOnnx(graph, { keepInt8: true }));

  test("int8 weights stay what they are, with their scales and a DequantizeLinear", () => {
    const weight = int8([20, 30], 1);
    const { nodes, weights } = kept(one(weight));
    expect(nodes[0]).toEqual({
      name: "w",
      op: "DequantizeLinear",
      inputs: ["w.codes", "w.scale"],
      outputs: ["w"],
      attributes: { axis: 0 },
    });
    expect(weights.get("w.codes")).toEqual({ kind: "dense", shape: [20, 30], dtype: "int8", data: weight.q });
    expect(weights.get("w.scale")).toEqual({ kind: "dense", shape: [20], dtype: "float32", data: weight.scale });
  });

  test("one scale is a scalar, and sparse codes have their zeros", () => {
    const weight = sparse([20, 30], 0.1, 2);
    const { nodes, weights } = kept(one(weight));
    expect(nodes[0].attributes).toEqual({});
    expect(weights.get("w.scale")).toMatchObject({ shape: [] });
    const [q, scale] = ["w.codes", "w.scale"].map((name) => (weights.get(name) as DenseWeight).data);
    expect(Float32Array.from(q as Int8Array, (code) => code * (scale[0] as number))).toEqual(toDense(weight));
  });

  test("coded weights too, inside bodies too", () => {
    const graph = nested();
    const { nodes } = kept(graph);
    const { body } = nodes.find(({ op }) => op === "Loop")!.attributes as { body: Graph };
    // Three rows of four are too few to be worth a node.
    expect(body.nodes.some(({ op }) => op === "DequantizeLinear")).toBe(false);
    expect(kept(one(encodeWeight(int8([20, 30], 1)))).nodes[0].op).toBe("DequantizeLinear");
  });

  test.each([
    ["factored", factored([20, 6, 3, 3], "kernel", 5, 1), 21],
    ["dense", dense([20, 30], 1), 21],
    ["sparse floats", sparse([20, 30], 0.1, 1, { float: true }), 21],
    ["small", int8([3, 4], 1), 21],
    ["a scale per row before operator set 13", int8([20, 30], 1), 12],
    ["one scale before operator set 10", int8([20, 30], 1, "one"), 9],
  ] as [string, Weight, number][])("%s: dense all the same", (_, weight, version) => {
    const graph = one(weight, version);
    expect(kept(graph)).toStrictEqual(plain(graph));
  });

  test("names that are taken", () => {
    const graph = one(int8([20, 30], 1));
    const weights = new Map([...graph.weights, ["w.codes", dense([1], 1)], ["w.scale", dense([1], 2)]]);
    expect(kept({ ...graph, weights }).nodes[0].inputs).toEqual(["w.codes_2", "w.scale_2"]);
  });
});

describe("graphs", () => {
  test("initializers that are inputs too, as in IR version 3, are weights", () => {
    const listed = message(11, value("w", 1, [dim(2)]));
    const graph = readOnnx(model([...parts, listed], [int(1, 3), opset(7)]));
    expect(graph.inputs.map(({ name }) => name)).toEqual(["x"]);
    expect([...graph.weights.keys()]).toEqual(["w"]);
    const infinite = initializer("w", 1, [2], raw(...floats(1, Number.NaN)));
    const other = readOnnx(model([sound.input, listed, sound.output, infinite, sound.add], [int(1, 3), opset(7)]));
    expect([other.inputs.length, other.weights.size, other.nodes[0].op]).toEqual([1, 0, "Constant"]);
  });

  test.each([3, 4, 8, 10, 13])("IR version %i", (version) => {
    expect(readOnnx(model(parts, [int(1, version), opset(13)])).nodes).toHaveLength(1);
  });

  test.each([7, 13, 26])("operator set %i, under either of its names", (version) => {
    for (const domain of ["", "ai.onnx"]) {
      const head = [int(1, 10), opset(version, domain), opset(1, "com.microsoft")];
      expect(readOnnx(model(parts, head)).opset).toEqual(
        new Map([
          ["", version],
          ["com.microsoft", 1],
        ]),
      );
    }
  });

  test("types: sizes by number, by name and by neither; no shape; -1", () => {
    const inputs = [
      value("a", 7, [dim("N"), message(1), dim(3), dim(-1)]),
      value("b", 10, []),
      value("c", 16),
      value("d", 1, [message(1)]),
    ];
    expect(readOnnx(model([...parts, ...inputs.map((bytes) => message(11, bytes))])).inputs.slice(1)).toEqual([
      { name: "a", dtype: "int64", shape: ["N", "?0", 3, "?1"] },
      { name: "b", dtype: "float16", shape: [] },
      { name: "c", dtype: "bfloat16" },
      { name: "d", dtype: "float32", shape: ["?2"] },
    ]);
  });

  test("a size without a name is not taken for one that is called alike", () => {
    const bytes = model([...parts, message(11, value("a", 1, [message(1), dim("?0"), dim("?2"), message(1)]))]);
    expect(readOnnx(bytes).inputs[1].shape).toEqual(["?1", "?0", "?2", "?3"]);
  });

  test("nodes without a name, or with another's, are called by what they make", () => {
    const named = (name: string, ...outputs: string[]) => node("Split", ["x"], outputs, blob(3, name));
    const { nodes } = readOnnx(
      withNodes(named("y", "", "a"), named("n", "b"), named("n", "c"), named("", "d"), named("", "")),
    );
    expect(nodes.map(({ name }) => name)).toEqual(["y", "a", "n", "c", "d", "Split"]);
    expect(nodes[1].outputs).toEqual(["", "a"]);
  });

  test("every kind of attribute", () => {
    const all = node(
      "Any",
      ["x", "", "w"],
      ["z"],
      attribute("f", 1, float(2, 0.5)),
      attribute("f0", 1),
      attribute("i", 2, int(3, -5)),
      attribute("i0", 2),
      attribute("most", 2, int(3, 2n ** 63n - 1n)),
      attribute("least", 2, int(3, -(2n ** 63n))),
      attribute("s", 3, blob(4, "ünïcode")),
      attribute("s0", 3),
      attribute("t", 4, message(5, tensor("", 7, [1], packed(7, 3)))),
      attribute("floats", 6, float(7, 1), float(7, 2.5)),
      attribute("floats2", 6, blob(7, floats(1, 2.5))),
      attribute("ints", 7, int(8, 1), int(8, -1)),
      attribute("ints2", 7, packed(8, 1, -1)),
      attribute("none", 7),
      attribute("strings", 8, blob(9, "a"), blob(9, "")),
      attribute("g", 5, message(6, blob(2, "body"), message(12, blob(1, "x")))),
    );
    const graph = readOnnx(withNodes(all));
    expect(graph.nodes[1]).toEqual({
      name: "z",
      op: "Any",
      inputs: ["x", "", "w"],
      outputs: ["z"],
      attributes: {
        f: 0.5,
        f0: 0,
        i: -5,
        i0: 0,
        most: 2 ** 63,
        least: -(2 ** 63),
        s: "ünïcode",
        s0: "",
        t: { dtype: "int64", shape: [1], data: BigInt64Array.of(3n) },
        floats: [1, 2.5],
        floats2: [1, 2.5],
        ints: [1, -1],
        ints2: [1, -1],
        none: [],
        strings: ["a", ""],
        g: { name: "body", inputs: [], outputs: [{ name: "x" }], nodes: [], weights: new Map() },
      },
    });
    expect(readOnnx(writeOnnx(graph))).toStrictEqual(graph);
  });

  test("whole numbers are written as what the operator means by their names", () => {
    const typeOf = (op: string, name: string, x: Attribute) => {
      const bytes = writeOnnx({
        ...lenet5(),
        nodes: [{ name: "n", op, inputs: [], outputs: ["logits"], attributes: { [name]: x } }],
      });
      // The name, then, some bytes on, field 20: the type.
      const text = new TextDecoder("latin1").decode(bytes);
      return bytes[text.indexOf("\xa0\x01", text.indexOf(`\n${String.fromCharCode(name.length)}${name}`)) + 2];
    };
    expect(typeOf("Gemm", "alpha", 1)).toBe(1);
    expect(typeOf("Gemm", "transB", 1)).toBe(2);
    expect(typeOf("Any", "x", 0.5)).toBe(1);
    expect(typeOf("Any", "x", -0)).toBe(1);
    expect(typeOf("Any", "x", 1e30)).toBe(1);
    expect(typeOf("Dropout", "seed", 7)).toBe(2);
    expect(typeOf("RandomNormal", "seed", 7)).toBe(1);
    expect(typeOf("Upsample", "scales", [1, 2])).toBe(6);
    expect(typeOf("Conv", "pads", [1, 2])).toBe(7);
    expect(typeOf("Any", "pads", [1, 2.5])).toBe(6);
    expect(typeOf("RNN", "activations", ["Relu"])).toBe(8);
  });
});
