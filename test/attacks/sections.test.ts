// Sections that a hostile writer would make: each decodes to its own fault, in TypeScript; test/codec/twin.test.ts
// holds the kernels to it.
import { describe, expect, test } from "vitest";
import { bytes } from "../../src/codec/bytes.js";
import { Codes, codes, type Grid } from "../../src/codec/codes.js";
import { createEntryContexts, entryCode } from "../../src/codec/entry.js";
import { describeFault, Fault, type FaultCode, fault } from "../../src/codec/fault.js";
import { number } from "../../src/codec/number.js";
import { type Coder, createContexts, Encoder } from "../../src/codec/range-coder.js";
import { scales } from "../../src/codec/scales.js";
import { type Manner, sparse } from "../../src/codec/sparse.js";
import { decodeWeight } from "../../src/codec/weight.js";
import type { CodedStorage } from "../../src/graph/weight.js";

function section(write: (coder: Coder) => void): Uint8Array {
  const encoder = new Encoder();
  write(encoder);
  return encoder.finish();
}

/** Positions of entries given row by row, and values that are all 1. */
function entries(rows: number, cols: number, at: readonly (readonly number[])[], manner: Manner): Uint8Array {
  const rowPtr = new Uint32Array(rows + 1);
  for (let r = 0; r < rows; r++) rowPtr[r + 1] = rowPtr[r] + (at[r]?.length ?? 0);
  const col = Uint32Array.from(at.flat());
  const where = { rows, cols, nnz: col.length, rowPtr, col };
  const values = new Int8Array(col.length).fill(1);
  return section((coder) => sparse(coder, where, 1, values, Float32Array.of(1), manner));
}

/** Writes what an encoder refuses, up to where it does. */
function forced(write: () => void): void {
  try {
    write();
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
  }
}

function scaled(...scale: number[]): Uint8Array {
  return section((coder) => {
    codes(coder, 1, 2, 1, Int8Array.of(1, 2));
    forced(() => scales(coder, Float32Array.from(scale)));
  });
}

/** A scale, then a second that far from its step: contexts as in scales.ts. */
function stepped(step: number, distance: number, below: number): Uint8Array {
  return section((coder) => {
    codes(coder, 2, 1, 1, Int8Array.of(1, 2));
    const contexts = createContexts(291);
    coder.direct(12, step);
    coder.bit(contexts, 290, 1);
    coder.bit(contexts, 0, 0);
    number(coder, contexts, 2, 34, distance - 1);
    coder.bit(contexts, 1, below);
    coder.bit(contexts, 290, 1);
  });
}

const grid = { cols: 1, period: 1, atoms: false };
/** What is told before dense codes: lengths from 0 to 7, and how many are 0. */
function startOfDense(coder: Coder, grid: Grid, zeros: number): Codes {
  const model = new Codes(coder, grid, Int8Array.of(1, -128));
  number(coder, createContexts(288), 0, 32, zeros);
  return model;
}

/** A dense code of any size up to 255. */
function dense(code: number): Uint8Array {
  return section((coder) => {
    const model = startOfDense(coder, grid, 0);
    model.next();
    forced(() => model.code(coder, 0, code));
    scales(coder, Float32Array.of(1));
  });
}

/** Three dense codes, of which so many are told to be 0. */
function denseWith(zeros: number, ...q: number[]): Uint8Array {
  return section((coder) => {
    const model = startOfDense(coder, { ...grid, cols: 3 }, zeros);
    model.next();
    for (const [c, code] of q.entries()) model.code(coder, c, code);
    scales(coder, Float32Array.of(1));
  });
}

/** Lengths of codes, the shortest and the longest, and bytes that mean something. */
function lengths(fewest: number, most: number): Uint8Array {
  return section((coder) => {
    coder.direct(3, fewest);
    coder.direct(3, most);
    for (let i = 0; i < 20; i++) coder.direct(8, 77);
  });
}

/** The code of a single entry, of any size. */
function entry(code: number, most = 7): Uint8Array {
  return section((coder) => {
    coder.known(32768, 0);
    number(coder, createContexts(288), 0, 32, 1);
    coder.direct(3, most);
    forced(() => entryCode(coder, createEntryContexts(), code, 0));
    scales(coder, Float32Array.of(1));
  });
}

/** Counts of rows of any kind, and bytes that mean something. */
function counts(...rows: number[]): Uint8Array {
  return section((coder) => {
    const contexts = createContexts(288);
    coder.known(32768, 0);
    for (const n of rows) number(coder, contexts, 0, 32, n);
    for (let i = 0; i < 20; i++) coder.direct(8, 77);
  });
}

/** Symbols, and zeros up to a length. */
const padded = (bytes: Uint8Array, length: number) => Uint8Array.of(...bytes, ...new Uint8Array(length - bytes.length));

const sparseOf = (nnz: number, scales = 1): CodedStorage => ({ kind: "sparse", nnz, values: "int8", scales });
const int8: CodedStorage = { kind: "int8", scales: 1 };
const int8PerRow: CodedStorage = { kind: "int8", scales: 2 };
const float32: CodedStorage = { kind: "dense", dtype: "float32" };
const elements = (...data: number[]) =>
  section((coder) => bytes(coder, data.length, 4, new Uint8Array(Float32Array.from(data).buffer), false));

const cases: [string, FaultCode, readonly number[], CodedStorage, Uint8Array][] = [
  ["one byte where there are symbols for more", fault.ended, [5], float32, Uint8Array.of(77)],
  ["nnz told one too low", fault.count, [3, 9], sparseOf(3), entries(3, 9, [[1, 3], [], [2, 8]], "gaps")],
  ["nnz told one too high", fault.count, [3, 9], sparseOf(5), entries(3, 9, [[1, 3], [], [2, 8]], "gaps")],
  [
    "a row longer than the matrix is wide",
    fault.count,
    [1, 5],
    sparseOf(5),
    entries(1, 9, [[0, 1, 2, 3, 4, 5]], "gaps"),
  ],
  ["row counts that add up to less", fault.count, [2, 3], sparseOf(3), counts(2, 0)],
  ["row counts that add up to more", fault.count, [2, 3], sparseOf(3), counts(2, 2)],
  ["a row count of 2^32 - 2", fault.count, [2, 3], sparseOf(3), counts(2 ** 32 - 2, 0)],
  ["a gap past the end of the row", fault.position, [1, 5], sparseOf(1), entries(1, 9, [[8]], "gaps")],
  [
    "an index of an atom that is not there",
    fault.position,
    [1, 6],
    factoredOf(2),
    entries(3, 9, [[8], [], []], "gaps"),
  ],
  ["a scale that is NaN", fault.value, [1, 2], int8, scaled(Number.NaN)],
  ["a scale that is infinite", fault.value, [1, 2], int8, scaled(Number.POSITIVE_INFINITY)],
  ["a scale of 0", fault.value, [1, 2], int8, scaled(0)],
  ["a second scale of 0", fault.value, [2, 1], int8PerRow, stepped(1, 1, 1)],
  ["a second scale below 0", fault.value, [2, 1], int8PerRow, stepped(1, 2, 1)],
  ["a second scale that is infinite", fault.value, [2, 1], int8PerRow, stepped(0xfef, 1, 0)],
  ["a second scale of 2^32 steps more", fault.value, [2, 1], int8PerRow, stepped(1, 2 ** 32 - 1, 0)],
  ["code 128", fault.value, [1, 1], int8, dense(128)],
  ["code -129", fault.value, [1, 1], int8, dense(-129)],
  ["code 255", fault.value, [1, 1], int8, dense(255)],
  ["an entry's code 128", fault.value, [1, 1], sparseOf(1), entry(128)],
  ["an entry's code -129", fault.value, [1, 1], sparseOf(1), entry(-129)],
  ["an entry's code longer than told", fault.value, [1, 1], sparseOf(1), entry(8, 2)],
  ["an entry's code of 2^32", fault.value, [1, 1], sparseOf(1), entry(-(2 ** 32 - 1))],
  [
    "nnz told one too low, all cells as codes",
    fault.count,
    [3, 9],
    sparseOf(3),
    entries(3, 9, [[1, 3], [], [2, 8]], "codes"),
  ],
  [
    "nnz told one too high, all cells as codes",
    fault.count,
    [3, 9],
    sparseOf(5),
    entries(3, 9, [[1, 3], [], [2, 8]], "codes"),
  ],
  ["NaN in a weight", fault.value, [2], float32, elements(1, Number.NaN)],
  ["infinity in a weight", fault.value, [2], float32, elements(1, Number.NEGATIVE_INFINITY)],
  ["lengths of codes that fall", fault.value, [1, 3], int8, lengths(3, 2)],
  ["one code less that is 0 than told", fault.count, [1, 3], int8, denseWith(2, 1, 0, 1)],
  ["one code more that is 0 than told", fault.count, [1, 3], int8, denseWith(1, 1, 0, 0)],
  ["more codes that are 0 than there are", fault.count, [1, 3], int8, denseWith(4, 0, 0, 0)],
  [
    "more cells told as codes than the bytes allow",
    fault.effort,
    [500, 500],
    sparseOf(2),
    padded(
      section((coder) => coder.known(32768, 1)),
      3000,
    ),
  ],
  [
    "codes whose lengths and signs the bytes do not allow",
    fault.effort,
    [40, 40],
    int8,
    padded(
      section((coder) => startOfDense(coder, grid, 0)),
      500,
    ),
  ],
  ["entries whose gaps the bytes do not allow", fault.effort, [4, 2 ** 20], sparseOf(400), padded(counts(1), 24)],
  ["zeros after the stream that no step asks for", fault.ending, [1, 2], int8, padded(scaled(1), 60)],
  [
    "another byte than 0 after a stream that is shorter than its steps",
    fault.ending,
    [100, 100],
    int8,
    ones((bytes) => bytes.with(-1, 1)),
  ],
  ["a zero less there", fault.effort, [100, 100], int8, ones((bytes) => bytes.subarray(1))],
  ["a zero more there", fault.ending, [100, 100], int8, ones((bytes) => Uint8Array.of(...bytes, 0))],
  [
    "a trailing byte",
    fault.ending,
    [3, 9],
    sparseOf(4),
    Uint8Array.of(...entries(3, 9, [[1, 3], [], [2, 8]], "gaps"), 0),
  ],
  [
    "one symbol more than is wanted",
    fault.ending,
    [1, 2],
    int8,
    section((coder) => {
      codes(coder, 1, 2, 1, Int8Array.of(1, 2));
      scales(coder, Float32Array.of(1));
      coder.direct(16, 77);
    }),
  ],
];

/** A matrix of ones, whose stream takes fewer bytes than its steps. */
function ones(change: (bytes: Uint8Array) => Uint8Array): Uint8Array {
  return change(
    section((coder) => {
      codes(coder, 100, 100, 1, new Int8Array(10_000).fill(1));
      scales(coder, Float32Array.of(1));
    }),
  );
}

function factoredOf(k: number): CodedStorage {
  return { kind: "factored", layout: "kernel", d: 2, n: 3, k, nnz: 1 };
}

describe("section C: what is inside a section", () => {
  test.each(cases)("%s", (_, want, shape, storage, bytes) => {
    const decode = () => decodeWeight({ kind: "coded", shape, storage, bytes }, "layer");
    expect(decode).toThrow(describeFault("layer", want));
  });

  test("what these are made of is otherwise sound", () => {
    const sound: [readonly number[], CodedStorage, Uint8Array][] = [
      [[3, 9], sparseOf(4), entries(3, 9, [[1, 3], [], [2, 8]], "gaps")],
      [[3, 9], sparseOf(4), entries(3, 9, [[1, 3], [], [2, 8]], "gaps")],
      [[1, 2], int8, scaled(1)],
      [[3, 9], sparseOf(4), entries(3, 9, [[1, 3], [], [2, 8]], "codes")],
      [[1, 2], int8, scaled(1.25)],
      [[2, 1], int8PerRow, stepped(1, 1, 0)],
      [[2, 1], int8PerRow, stepped(0xfee, 1, 0)],
      [[1, 3], int8, denseWith(2, 1, 0, 0)],
      [[100, 100], int8, ones((bytes) => bytes)],
      [[1, 1], int8, dense(127)],
      [[1, 1], int8, dense(-128)],
      [[1, 1], sparseOf(1), entry(7, 2)],
      [[1, 1], sparseOf(1), entry(127)],
      [[1, 1], sparseOf(1), entry(-128)],
      [[2], float32, elements(1, -0)],
    ];
    for (const [shape, storage, bytes] of sound) {
      expect(decodeWeight({ kind: "coded", shape, storage, bytes }).kind).toBe(storage.kind);
    }
  });

  test("positions alone: every mask of a 3 x 3 matrix, in both manners", () => {
    for (let mask = 0; mask < 512; mask++) {
      const rows = [0, 1, 2].map((r) => [0, 1, 2].filter((c) => (mask >> (3 * r + c)) & 1));
      const nnz = rows.flat().length;
      for (const manner of ["gaps", "codes"] as const) {
        const weight = decodeWeight({
          kind: "coded",
          shape: [3, 3],
          storage: sparseOf(nnz),
          bytes: entries(3, 3, rows, manner),
        });
        expect(weight).toMatchObject({ col: Uint32Array.from(rows.flat()) });
      }
    }
  });
});
