// What a file may lie about, one lie a case: its exact error and what the message says. Length and checksum are put right, so that the
// check behind them is what refuses, but where they are the lie.
//
// What cannot be told in this format, and so cannot be wrong:
// - sections that overlap, leave a hole, stand out of order, twice or unaligned: a section has a length and no place; they follow
//   each other in the order of the header, and hold bytes;
// - a count of -1 or of 2^53: numbers in the header are whole, from 0 to 2^32 - 2;
// - row pointers that fall, a column twice: rows are told by their lengths, columns by the gaps before them, neither below 0;
// - the index of an atom out of range: it is a column of Z^T (sections.test.ts: "an index of an atom that is not there");
// - entropy tables whose sum is wrong: none are stored;
// - a mask: masked weights are stored as sparse ones (a number of entries that is off: "nnz told one too low");
// - bit widths: values have 8 bits or are elements of a known type (lengths of codes: "lengths of codes that fall").
// Scales that are NaN, infinite or 0, trailing bits and the rest of what is inside a section: sections.test.ts.
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { FormatError, UnsupportedError } from "../../src/errors.js";
import { readContainer, writeContainer } from "../../src/formats/container/index.js";
import { field } from "../../src/formats/container/layout.js";
import type { WeightEntry } from "../../src/formats/container/weight-entry.js";
import type { Graph, GraphNode } from "../../src/graph/graph.js";
import type { CodedStorage } from "../../src/graph/weight.js";
import { lenet5 } from "../formats/graphs.js";
import { seal, withWeights } from "./container-file.js";

const good = writeContainer(lenet5());
const headerLength = new DataView(good.buffer).getUint32(field.headerLength, true);
const before0 = new Uint8Array(readFileSync(new URL("../golden/v0.coppice", import.meta.url)));

/** The good file with other bytes at a place, sealed. */
function changed(at: number, ...bytes: number[]): Uint8Array {
  const file = good.slice();
  file.set(bytes, at);
  return seal(file);
}

/** The same, not sealed. */
function damaged(at: number, ...bytes: number[]): Uint8Array {
  const file = good.slice();
  file.set(bytes, at);
  return file;
}

const little = (value: number) => [0, 8, 16, 24].map((shift) => (value >>> shift) & 255);
const none = new Uint8Array(0);
const kb = new Uint8Array(1024);
const weight = (entry: Partial<WeightEntry>, sections = none) => withWeights([entry], sections);
const sparse = (nnz: number, scales = 1): CodedStorage => ({ kind: "sparse", nnz, values: "int8", scales });
const factors = { kind: "factored", layout: "kernel", d: 9, n: 2, k: 3, nnz: 4 } as const;
const factored = (shape: number[], part: Partial<typeof factors | { layout: "rows" }>) =>
  weight({ shape, storage: { ...factors, ...part } as CodedStorage });
const node = (part: Partial<GraphNode>): GraphNode => ({
  name: "n",
  op: "Relu",
  inputs: [],
  outputs: ["y"],
  attributes: {},
  ...part,
});
const graph = (part: Partial<Graph>) => withWeights([], none, part);
const value = (name: string) => ({ name, dtype: "float32", shape: [1] }) as const;

type Case = [name: string, file: Uint8Array, error: typeof FormatError | typeof UnsupportedError, says: string];
const frame: Case[] = [
  ["no bytes", none, FormatError, 'byte 0: expected the magic "COPP", got 0 bytes'],
  ["another magic", changed(0, 0x50), FormatError, 'byte 0: expected the magic "COPP", got other bytes'],
  ["the magic alone", good.slice(0, 4), FormatError, "container: expected at least 20 bytes, got 4"],
  ["a file of version 0", before0, UnsupportedError, "byte 4: expected version 1, got version 0"],
  ["a file of version 2", changed(4, 2), UnsupportedError, "byte 4: expected version 1, got version 2"],
  ["a file of version 255", changed(4, 255), UnsupportedError, "byte 4: expected version 1, got version 255"],
  ["the frame but for a byte", good.slice(0, 19), FormatError, "container: expected at least 20 bytes, got 19"],
  ["a required feature", changed(5, 1), UnsupportedError, "byte 5: expected no required features, got the set 1"],
  ["all required features", changed(5, 255), UnsupportedError, "no required features, got the set 11111111"],
  ["a length one too low", damaged(6, ...little(good.length - 1)), FormatError, `length, ${good.length}, got`],
  ["a length one too high", damaged(6, ...little(good.length + 1)), FormatError, `length, ${good.length}, got`],
  ["a length of 2^48 - 1", damaged(6, ...Array(6).fill(255)), FormatError, "got 281474976710655"],
  ["a length of 0", damaged(6, ...Array(6).fill(0)), FormatError, `byte 6: expected the file's length`],
  ["another checksum", damaged(12, 1, 2, 3, 4), FormatError, "byte 12: expected the checksum"],
  ["a byte of the header changed", damaged(30, good[30] ^ 1), FormatError, "byte 12: expected the checksum"],
  ["a byte of a section changed", damaged(good.length - 1, 0), FormatError, "byte 12: expected the checksum"],
  ["a byte more", Uint8Array.of(...good, 0), FormatError, "byte 6: expected the file's length"],
  ["a byte more, sealed", seal(Uint8Array.of(...good, 0)), FormatError, `sections up to byte ${good.length + 1}, got`],
  ["a byte less, sealed", seal(good.slice(0, -1)), FormatError, "expected a section within the file"],
  ["a header of no bytes", changed(16, 0, 0, 0, 0), FormatError, "header: expected a section that holds every symbol"],
  [
    "a header one byte short",
    changed(16, ...little(headerLength - 1)),
    FormatError,
    "header: expected a section that holds every symbol",
  ],
  [
    "a header one byte long",
    changed(16, ...little(headerLength + 1)),
    FormatError,
    "header: expected the canonical last byte",
  ],
  [
    "a header past the end",
    changed(16, ...little(good.length - 19)),
    FormatError,
    "byte 16: expected a header of at most",
  ],
  ["a header of 2^32 - 1 bytes", changed(16, 255, 255, 255, 255), FormatError, "bytes, got 4294967295"],
];
const sections: Case[] = [
  [
    "a section one byte past the end",
    weight({ byteLength: 2 }, none),
    FormatError,
    "w0: expected a section within the file, got 2",
  ],
  [
    "a section of 2^32 - 2 bytes",
    weight({ byteLength: 2 ** 32 - 2 }, kb),
    FormatError,
    "w0: expected a section within the file",
  ],
  [
    "sections whose lengths add up to 2^33",
    withWeights([{ shape: [0] }, { byteLength: 2 ** 32 - 2 }, { byteLength: 2 ** 32 - 2 }], kb),
    FormatError,
    "w1: expected a section within the file",
  ],
  [
    "a hole after the last section",
    weight({ byteLength: 1 }, new Uint8Array(2)),
    FormatError,
    "container: expected sections up to",
  ],
  ["a section of no bytes that shall hold something", weight({}, none), FormatError, "w0: expected at least 1 bytes"],
  [
    "a plain section one byte short",
    weight({ shape: [2], storage: plain(), byteLength: 7 }, kb.subarray(0, 7)),
    FormatError,
    "expected 8 bytes, got 7",
  ],
  [
    "a plain section one byte long",
    weight({ shape: [2], storage: plain(), byteLength: 9 }, kb.subarray(0, 9)),
    FormatError,
    "expected 8 bytes, got 9",
  ],
  [
    "an unknown section after the weights, past the end",
    withWeights([], none, {}, [{ kind: 9, byteLength: 1 }]),
    FormatError,
    "section of kind 9: expected a section within the file",
  ],
  [
    "operator sets that are no stream",
    withWeights([], none, {}, [{ kind: 0, byteLength: 0 }]),
    FormatError,
    "opset: expected a section that holds every symbol",
  ],
];
const counts: Case[] = [
  [
    "a weight twice",
    withWeights(
      [
        { name: "a", shape: [0] },
        { name: "a", shape: [0] },
      ],
      none,
    ),
    FormatError,
    "weight a: expected a weight that is there once, got a second one",
  ],
  ["a weight without a name", weight({ name: "", shape: [0] }), FormatError, 'weight: expected a name, got ""'],
  [
    "1 KB that declares 4 GB",
    weight({ shape: [2 ** 16, 2 ** 15], byteLength: 1024 }, kb),
    FormatError,
    "w0: expected at least 134217728 bytes",
  ],
  [
    "1 KB that declares 1 TB",
    weight({ shape: [2 ** 20, 2 ** 20], byteLength: 1024 }, kb),
    FormatError,
    "w0: expected fewer than 2^32 elements, got 1099511627776",
  ],
  ["2^93 elements", weight({ shape: [2 ** 31, 2 ** 31, 2 ** 31] }), FormatError, "a shape of fewer than 2^53 elements"],
  [
    "dimensions whose product wraps 2^32",
    weight({ shape: [65536, 65536] }),
    FormatError,
    "fewer than 2^32 elements, got 4294967296",
  ],
  [
    "2^32 - 2 rows of none",
    weight({ shape: [2 ** 32 - 2, 0], storage: sparse(0) }),
    FormatError,
    "w0: expected at least 536870912 bytes",
  ],
  [
    "2^32 - 2 rows in no bytes",
    weight({ shape: [2 ** 32 - 2, 1], storage: sparse(0) }),
    FormatError,
    "w0: expected at least 536870912 bytes",
  ],
  [
    "more entries than elements",
    weight({ shape: [2, 2], storage: sparse(5) }),
    FormatError,
    "w0: expected at most 4 entries, got 5",
  ],
  [
    "2^32 - 2 entries",
    weight({ shape: [2, 2], storage: sparse(2 ** 32 - 2) }),
    FormatError,
    "at most 4 entries, got 4294967294",
  ],
  [
    "2^31 entries in 1 KB",
    weight({ shape: [60000, 60000], storage: sparse(2 ** 31), byteLength: 1024 }, kb),
    FormatError,
    "w0: expected at least 33561933",
  ],
  [
    "a scale for each of 10^9 rows",
    weight({ shape: [1e9, 1], storage: { kind: "int8", scales: 1e9 }, byteLength: 1024 }, kb),
    FormatError,
    "w0: expected at least 273437500 bytes",
  ],
  [
    "as many codes as a byte may hold, and one byte less",
    weight({ shape: [1000, 1000], storage: { kind: "int8", scales: 1 }, byteLength: 23437 }, new Uint8Array(23437)),
    FormatError,
    "w0: expected at least 23438 bytes for what they shall hold, got 23437",
  ],
  ["atoms of length 0", factored([2, 9], { d: 0 } as object), FormatError, "columns that cover [2, 9], got 2 of 0"],
  [
    "one column of 2^31 values over a tensor of 18",
    factored([2, 9], { d: 2 ** 31, n: 1, k: 0, nnz: 0 } as object),
    FormatError,
    "columns that cover [2, 9], got 1 of 2147483648",
  ],
  ["columns that do not cover the tensor", factored([3, 9], {}), FormatError, "columns that cover [3, 9], got 2 of 9"],
  [
    "columns that cover more than the tensor",
    factored([1, 9], {}),
    FormatError,
    "columns that cover [1, 9], got 2 of 9",
  ],
  ["atoms that are not the rows", factored([2, 9], { layout: "rows" }), FormatError, "got 2 of 9 (rows)"],
  [
    "more coefficients than Z has cells",
    factored([2, 9], { nnz: 7 } as object),
    FormatError,
    "at most 6 entries, got 7",
  ],
  [
    "a codebook of 2^33 elements",
    factored([2, 9], { k: 2 ** 31 } as object),
    FormatError,
    "a codebook of fewer than 2^32 elements",
  ],
  ["2^29 atoms in no bytes", factored([2, 9], { k: 2 ** 28 } as object), FormatError, "w0: expected at least"],
];
const names: Case[] = [
  [
    "a value made twice",
    graph({ nodes: [node({}), node({ name: "m" })] }),
    FormatError,
    'output of node m: expected a name of its own, got "y" twice',
  ],
  [
    "an input twice",
    graph({ inputs: [value("x"), value("x")] }),
    FormatError,
    'graph input: expected a name of its own, got "x" twice',
  ],
  [
    "an input that is a weight too",
    withWeights([{ name: "x", shape: [0] }], none, { inputs: [value("x")] }),
    FormatError,
    'weight: expected a name of its own, got "x" twice',
  ],
  ["an input without a name", graph({ inputs: [value("")] }), FormatError, 'graph input: expected a name, got ""'],
];

function plain(): CodedStorage {
  return { kind: "dense", dtype: "float32", plain: true };
}

describe.each([
  ["frame", frame],
  ["sections", sections],
  ["counts", counts],
  ["names", names],
] as const)("section C: %s", (_, cases) => {
  test.each(cases as Case[])("%s", (_name, file, error, says) => {
    const read = () => readContainer(file);
    expect(read).toThrow(error);
    expect(read).toThrow(says);
    expect(read).toThrow(/^.+: expected .+, got /s);
  });
});

describe("section C: what is not refused", () => {
  test("the file that the lies are made of", () => {
    expect(readContainer(good).weights.size).toBe(8);
    expect(readContainer(changed(4, 1))).toEqual(readContainer(good));
  });

  test("a section of a kind that is not known", () => {
    const file = withWeights([], Uint8Array.of(1, 2, 3), {}, [{ kind: 9, byteLength: 3 }]);
    expect(readContainer(file).weights.size).toBe(0);
  });

  test("weights of nothing in no bytes, whatever they are called", () => {
    const file = withWeights([{ shape: [0] }, { shape: [0], name: "__proto__" }], none);
    expect([...readContainer(file).weights.keys()]).toEqual(["w0", "__proto__"]);
  });
});
