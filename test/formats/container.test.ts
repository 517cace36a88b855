import { deepStrictEqual } from "node:assert";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Decoder, Encoder } from "../../src/codec/range-coder.js";
import { decodeWeight } from "../../src/codec/weight.js";
import { dtypes } from "../../src/dtype.js";
import { FormatError } from "../../src/errors.js";
import { type ExtraSection, header } from "../../src/formats/container/header.js";
import { readContainer, writeContainer } from "../../src/formats/container/index.js";
import { checksumOf, dtypeTable, field } from "../../src/formats/container/layout.js";
import { attributeNames, operators, primer } from "../../src/formats/container/names.js";
import { type Body, type Graph, isBody } from "../../src/graph/graph.js";
import type { CodedWeight, FactoredWeight, PlainWeight, SparseWeight, Weight } from "../../src/graph/weight.js";
import { dense, everything, factored, graphs, lenet5, nested, sparse } from "./graphs.js";

/** The graph with its weights decoded, those of the graphs inside it too. */
function decoded<T extends Body>(graph: T): T {
  const weights = [...graph.weights].map(([name, w]) => [name, decodeWeight(w as CodedWeight, name)] as const);
  const nodes = graph.nodes.map((node) => {
    const entries = Object.entries(node.attributes).map(([name, x]) => [name, isBody(x) ? decoded(x) : x] as const);
    return { ...node, attributes: Object.fromEntries(entries) };
  });
  return { ...graph, nodes, weights: new Map(weights) };
}

/** The container with sections of other kinds after its weights. */
function withExtra(bytes: Uint8Array, extra: readonly (ExtraSection & { readonly data: Uint8Array })[]): Uint8Array {
  const graph = readContainer(bytes);
  const weights = [...graph.weights].map(([name, w]) => {
    const { shape, storage, bytes: section } = w as CodedWeight;
    return { name, shape, storage, byteLength: section.length };
  });
  const encoder = new Encoder();
  header(encoder, Number.POSITIVE_INFINITY, { graph, weights, extra });
  const head = encoder.finish();
  const start = field.header + new DataView(bytes.buffer, bytes.byteOffset).getUint32(field.headerLength, true);
  const parts = [bytes.subarray(0, field.header), head, bytes.subarray(start), ...extra.map((section) => section.data)];
  const file = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    file.set(part, at);
    at += part.length;
  }
  const view = new DataView(file.buffer);
  view.setUint32(field.length, file.length, true);
  view.setUint32(field.headerLength, head.length, true);
  view.setUint32(field.checksum, checksumOf(file), true);
  return file;
}

describe("writeContainer, readContainer", () => {
  test("a graph comes back as it was: attributes in their order, numbers bit for bit, every storage", () => {
    const graph = everything();
    const back = decoded(readContainer(writeContainer(graph)));
    expect(back).toStrictEqual(graph);
    expect([...back.weights.keys()]).toEqual([...graph.weights.keys()]);
    for (const [i, node] of graph.nodes.entries()) {
      expect(Object.keys(back.nodes[i].attributes)).toEqual(Object.keys(node.attributes));
    }
    const { attributes } = back.nodes[0];
    expect(Object.is(attributes.zero, -0)).toBe(true);
    expect(Object.hasOwn(attributes, "__proto__")).toBe(true);
    expect(Object.getPrototypeOf(attributes)).toBe(Object.prototype);
  });

  test("bodies, tensors, domains, operator sets and open types come back as they were", () => {
    const graph = nested();
    const bytes = writeContainer(graph);
    const read = readContainer(bytes);
    expect(decoded(read)).toStrictEqual(graph);
    expect([...read.opset!]).toEqual([...graph.opset!]);
    expect(writeContainer(read)).toEqual(bytes);
    expect(writeContainer(decoded(read))).toEqual(bytes);
    // What a reader changed is for people, and stays behind.
    expect(writeContainer({ ...graph, notices: ["narrowed"] })).toEqual(bytes);
  });

  test("bodies nested 32 deep, and no deeper", () => {
    const deep = (depth: number): Body => ({
      name: `${depth}`,
      inputs: [],
      outputs: [],
      weights: new Map(),
      nodes:
        depth === 0 ? [] : [{ name: "if", op: "If", inputs: [], outputs: [], attributes: { body: deep(depth - 1) } }],
    });
    const graph: Graph = { ...(deep(32) as Graph) };
    expect(decoded(readContainer(writeContainer(graph)))).toStrictEqual(graph);
    expect(() => writeContainer(deep(33) as Graph)).toThrow(
      new FormatError("graph 0: expected nesting of at most 32, got more"),
    );
  });

  test("random graphs come back as they were, and are written again byte for byte", () => {
    fc.assert(
      fc.property(graphs(), (graph) => {
        const bytes = writeContainer(graph);
        const read = readContainer(bytes);
        // Vitest takes an own property `constructor` for a class.
        deepStrictEqual(decoded(read), graph);
        expect(writeContainer(read)).toEqual(bytes);
        expect(writeContainer(decoded(read))).toEqual(bytes);
      }),
      { numRuns: 150 },
    );
  });

  test("an empty graph", () => {
    const graph: Graph = { name: "", inputs: [], outputs: [], nodes: [], weights: new Map() };
    expect(readContainer(writeContainer(graph))).toStrictEqual(graph);
  });

  test("an unaligned view of a larger pool, an ArrayBuffer and shared memory read alike", () => {
    const bytes = writeContainer(everything());
    const graph = readContainer(bytes);
    const pool = new Uint8Array(bytes.length + 14);
    pool.set(bytes, 3);
    expect(readContainer(pool.subarray(3, 3 + bytes.length))).toStrictEqual(graph);
    expect(readContainer(bytes.buffer as ArrayBuffer)).toStrictEqual(graph);
    const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
    shared.set(bytes);
    const read = readContainer(shared);
    shared.fill(0);
    expect(read).toStrictEqual(graph);
  });

  test.each([null, undefined, "COPP", {}, [], 7, new Uint16Array(10)])("TypeError for %s", (value) => {
    expect(() => readContainer(value as Uint8Array)).toThrow(TypeError);
  });

  test("what a reader does not know and may skip is skipped", () => {
    const bytes = writeContainer(lenet5());
    const extra = [
      { kind: 7, byteLength: 3, data: Uint8Array.of(1, 2, 3) },
      { kind: 4_000_000_000, byteLength: 0, data: new Uint8Array(0) },
    ];
    const longer = withExtra(bytes, extra);
    expect(longer.length).toBeGreaterThan(bytes.length + 2);
    expect(readContainer(longer)).toStrictEqual(readContainer(bytes));
    expect(withExtra(bytes, [])).toEqual(bytes);
  });
});

describe("what cannot be written", () => {
  const base = lenet5();
  const node = base.nodes[0];
  const cases: [string, Partial<Graph>][] = [
    ["a value that nobody makes", { nodes: [{ ...node, inputs: ["nobody"] }] }],
    ["a value used before it is made", { nodes: [...base.nodes].reverse() }],
    ["a value made twice", { nodes: [node, { ...node, name: "again" }] }],
    ["an input that is a weight too", { inputs: [...base.inputs, { ...base.inputs[0], name: "conv1.bias" }] }],
    ["an output that nobody makes", { outputs: [{ ...base.outputs[0], name: "nothing" }] }],
    ["an input without a name", { inputs: [{ ...base.inputs[0], name: "" }] }],
    [
      "NaN in a weight",
      { weights: new Map([...base.weights, ["conv1.bias", { ...dense([1], 1), data: Float32Array.of(Number.NaN) }]]) },
    ],
  ];
  test.each(cases)("%s: FormatError", (_, part) => {
    expect(() => writeContainer({ ...base, ...part })).toThrow(FormatError);
  });

  test("half a surrogate pair, a dimension that is no whole number, an attribute of another kind", () => {
    expect(() => writeContainer({ ...base, name: "\ud800" })).toThrow(RangeError);
    for (const dim of [-1, 0.5, 2 ** 32, Number.NaN]) {
      expect(() => writeContainer({ ...base, inputs: [{ ...base.inputs[0], shape: [dim] }] })).toThrow(RangeError);
    }
    const nodes = [...base.nodes.slice(1)];
    nodes.unshift({ ...node, attributes: { mixed: [1, "a"] as unknown as number[] } });
    expect(() => writeContainer({ ...base, nodes })).toThrow(TypeError);
  });

  test("the dimension that stands for no shape, and an attribute without a name, which stands for a domain", () => {
    const inputs = [{ ...base.inputs[0], shape: ["..."] }];
    expect(() => writeContainer({ ...base, inputs })).toThrow(RangeError);
    const nodes = [{ ...node, attributes: { "": "x" } }, ...base.nodes.slice(1)];
    expect(() => writeContainer({ ...base, nodes })).toThrow(FormatError);
  });

  test("a coded weight whose counts do not fit", () => {
    const weight = readContainer(writeContainer(base)).weights.get("fc1.weight") as CodedWeight;
    const weights = new Map([...base.weights, ["fc1.weight", { ...weight, shape: [500, 2 ** 40] }] as const]);
    expect(() => writeContainer({ ...base, weights })).toThrow(/fc1\.weight: expected /);
  });
});

describe("how small", () => {
  test("what is not weights takes less than 160 bytes of LeNet-5", () => {
    const graph = lenet5();
    const bytes = writeContainer(graph);
    const read = readContainer(bytes);
    let sections = 0;
    for (const weight of read.weights.values()) sections += (weight as CodedWeight).bytes.length;
    expect(bytes.length - sections).toBeLessThan(160);
  });

  test("names that no primer knows cost about a byte and a half a node more", () => {
    const graph = lenet5();
    const rename = (name: string) => (name === "" ? name : `qz/${name}_Xw:0`);
    const strange: Graph = {
      ...graph,
      inputs: graph.inputs.map((x) => ({ ...x, name: rename(x.name) })),
      outputs: graph.outputs.map((x) => ({ ...x, name: rename(x.name) })),
      nodes: graph.nodes.map((x) => ({ ...x, inputs: x.inputs.map(rename), outputs: x.outputs.map(rename) })),
      weights: new Map([...graph.weights].map(([name, weight]) => [rename(name), weight])),
    };
    expect(writeContainer(strange).length - writeContainer(graph).length).toBeLessThan(100);
  });
});

/** The weight with 1 where an entry was 0. */
function withoutZeros(weight: SparseWeight | FactoredWeight): PlainWeight {
  if (weight.kind === "factored") return { ...weight, codes: weight.codes.map((code) => code || 1) };
  return { ...weight, values: (weight.values as Int8Array).map((code) => code || 1) };
}

describe("version 1 for ever", () => {
  const folder = new URL("../golden/", import.meta.url);
  const small: Graph = {
    ...lenet5(),
    weights: new Map([
      ...lenet5().weights,
      ["fc1.weight", sparse([500, 800], 0.0004, 5, { levels: 15 })],
      ["fc1.bias", { ...sparse([500], 0.02, 6, { float: true }) }],
    ]),
  };
  const halves: PlainWeight = {
    ...{ kind: "dense", shape: [64, 64], dtype: "float16" },
    data: Uint16Array.from({ length: 4096 }, (_, i) => Math.imul(i, 0x9e3779b1) >>> 18),
  };
  const zeros: PlainWeight = { kind: "int8", shape: [32, 32], q: new Int8Array(1024), scale: Float32Array.of(1) };
  /** Told as codes and by gaps, and a section that is followed by zeros. */
  const manners: Graph = {
    ...everything(),
    weights: new Map<string, Weight>([
      ...everything().weights,
      ["codes", withoutZeros(sparse([16, 4, 3, 3], 0.4, 21, { levels: 3 }))],
      ["gaps", withoutZeros(sparse([16, 200], 0.01, 22, { levels: 3 }))],
      ["coefficients", withoutZeros(factored([8, 6, 3, 3], "kernel", 4, 23))],
      ["coefficients of columns", withoutZeros(factored([8, 60], "rows", 4, 24))],
      ["tiles", withoutZeros(factored([8, 20], "tile", 4, 26))],
      ["coefficients by gaps", factored([8, 6, 3, 3], "kernel", 16, 25)],
      ["zeros", zeros],
    ]),
  };
  const files: [string, Graph][] = [
    ["v1-lenet5.coppice", small],
    ["v1-storages.coppice", everything()],
    ["v1-plain.coppice", { ...everything(), weights: new Map([...everything().weights, ["halves", halves]]) }],
    ["v1-nested.coppice", nested()],
    ["v1-manners.coppice", manners],
  ];

  // A file that is missing is written by COPPICE_GOLDEN=write; one that is there is never changed.
  test.each(files)("%s: the same bytes are written, and read as ever", (name, graph) => {
    const file = new URL(name, folder);
    if (process.env.COPPICE_GOLDEN === "write" && !existsSync(file)) writeFileSync(file, writeContainer(graph));
    const golden = new Uint8Array(readFileSync(file));
    expect(writeContainer(graph)).toEqual(golden);
    expect(decoded(readContainer(golden))).toStrictEqual(graph);
  });

  test("the files hold every storage, sections told in both manners, and one that is followed by zeros", () => {
    const weights = files.flatMap(([, graph]) => [...readContainer(writeContainer(graph)).weights.values()]);
    const coded = weights as CodedWeight[];
    const kinds = coded.map(({ storage }) => `${storage.kind} ${storage.kind === "sparse" ? storage.values : ""}`);
    expect([...new Set(kinds)].sort()).toEqual(["dense ", "factored ", "int8 ", "sparse float32", "sparse int8"]);
    for (const kind of ["sparse", "factored"]) {
      const sections = coded.filter(
        ({ storage }) => storage.kind === kind && !("values" in storage && storage.scales === 0),
      );
      const manners = sections.map(({ bytes }) => new Decoder(bytes).known(32768));
      expect(new Set(manners)).toEqual(new Set([0, 1]));
    }
    expect(coded.some(({ bytes }) => bytes.length > 20 && bytes.subarray(-8).every((byte) => byte === 0))).toBe(true);
    expect(coded.some(({ storage }) => storage.kind === "dense" && storage.plain)).toBe(true);
  });

  test("docs/container.md has the tables as they are", () => {
    const page = readFileSync(new URL("../../docs/container.md", import.meta.url), "utf8");
    const blocks = [...page.matchAll(/^```\n(.*?)\n```$/gms)].map((match) => match[1]);
    expect(blocks.slice(0, 3).map((block) => block.split(/\s+/))).toEqual([dtypeTable, operators, attributeNames]);
    expect(blocks[3].split("\n")).toEqual(primer);
  });

  test("the tables that are part of the format", () => {
    expect([...dtypeTable].sort()).toEqual([...dtypes].sort());
    expect(new Set(operators).size).toBe(operators.length);
    expect(new Set(attributeNames).size).toBe(attributeNames.length);
    const digest = (list: readonly string[]) => checksumOf(new TextEncoder().encode(list.join("\n")));
    expect([digest(operators), digest(attributeNames), digest(dtypeTable)]).toEqual([
      1525209639, 2002880393, 1607571053,
    ]);
  });
});
