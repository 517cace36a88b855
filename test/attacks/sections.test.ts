// Sections that a hostile writer would make: each decodes to its own fault, in TypeScript; test/codec/twin.test.ts
// holds the kernels to it.
import { describe, expect, test } from "vitest";
import { bytes } from "../../src/codec/bytes.js";
import { describeFault, type FaultCode, fault } from "../../src/codec/fault.js";
import { codes, createCodeContexts } from "../../src/codec/int8.js";
import { number } from "../../src/codec/number.js";
import { type Coder, createContexts, Encoder } from "../../src/codec/range-coder.js";
import { sparse } from "../../src/codec/sparse.js";
import { decodeWeight } from "../../src/codec/weight.js";
import type { CodedStorage } from "../../src/graph/weight.js";

function section(write: (coder: Coder) => void): Uint8Array {
  const encoder = new Encoder();
  write(encoder);
  return encoder.finish();
}

/** Positions of entries given row by row, and values that are all 1. */
function entries(
  rows: number,
  cols: number,
  at: readonly (readonly number[])[],
  gaps: boolean,
  scale = [1],
): Uint8Array {
  const rowPtr = new Uint32Array(rows + 1);
  for (let r = 0; r < rows; r++) rowPtr[r + 1] = rowPtr[r] + (at[r]?.length ?? 0);
  const col = Uint32Array.from(at.flat());
  const where = { rows, cols, nnz: col.length, rowPtr, col };
  return section((coder) => sparse(coder, where, new Int8Array(col.length).fill(1), Float32Array.from(scale), gaps));
}

function scaled(scale: number): Uint8Array {
  return section((coder) => {
    codes(coder, Int8Array.of(1, 2));
    bytes(coder, 1, 4, new Uint8Array(Float32Array.of(scale).buffer), false);
  });
}

/** One code of that magnitude and sign. */
function magnitude(size: number, negative: number): Uint8Array {
  return section((coder) => {
    const contexts = createCodeContexts();
    coder.bit(contexts, 0, 0);
    number(coder, contexts, 5, 37, size - 1);
    coder.bit(contexts, 2, negative);
    bytes(coder, 1, 4, new Uint8Array(Float32Array.of(1).buffer), true);
  });
}

/** Row counts and column counts of any kind, cell by cell. */
function counts(rows: readonly number[], cols: readonly number[]): Uint8Array {
  return section((coder) => {
    const contexts = createContexts(1568);
    coder.known(32768, 0);
    for (const n of rows) number(coder, contexts, 0, 32, n);
    let [a, b] = [0, 0];
    for (const n of cols) {
      const size = Math.trunc((a + b + 1) / 2);
      number(coder, contexts, 288 + 32 * (size === 0 ? 0 : size < 3 ? 1 : size < 8 ? 2 : 3), 1312, n);
      [a, b] = [n, a];
    }
    for (let i = 0; i < 20; i++) coder.direct(8, 77);
  });
}

const sparseOf = (nnz: number, scales = 1): CodedStorage => ({ kind: "sparse", nnz, values: "int8", scales });
const int8: CodedStorage = { kind: "int8", scales: 1 };
const float32: CodedStorage = { kind: "dense", dtype: "float32" };
const elements = (...data: number[]) =>
  section((coder) => bytes(coder, data.length, 4, new Uint8Array(Float32Array.from(data).buffer), false));

const cases: [string, FaultCode, readonly number[], CodedStorage, Uint8Array][] = [
  ["no bytes where there are symbols", fault.ended, [1, 2], int8, new Uint8Array(0)],
  ["nnz told one too low", fault.count, [3, 9], sparseOf(3), entries(3, 9, [[1, 3], [], [2, 8]], false)],
  ["nnz told one too high", fault.count, [3, 9], sparseOf(5), entries(3, 9, [[1, 3], [], [2, 8]], false)],
  ["a row longer than the matrix is wide", fault.count, [1, 5], sparseOf(5), entries(1, 9, [[0, 1, 2, 3, 4, 5]], true)],
  ["column counts that add up to less", fault.count, [2, 3], sparseOf(3), counts([2, 1], [1, 1, 0])],
  ["column counts that add up to more", fault.count, [2, 3], sparseOf(3), counts([2, 1], [2, 1, 1])],
  [
    "a column with more entries than rows that have any",
    fault.count,
    [3, 3],
    sparseOf(3),
    counts([2, 1, 0], [3, 0, 0]),
  ],
  ["counts that no mask has", fault.position, [2, 3], sparseOf(4), counts([3, 1], [2, 2, 0])],
  ["a gap past the end of the row", fault.position, [1, 5], sparseOf(1), entries(1, 9, [[8]], true)],
  ["an index of an atom that is not there", fault.position, [1, 6], factoredOf(2), entries(3, 9, [[8], [], []], true)],
  ["a scale that is NaN", fault.value, [1, 2], int8, scaled(Number.NaN)],
  ["a scale that is infinite", fault.value, [1, 2], int8, scaled(Number.POSITIVE_INFINITY)],
  ["a scale of 0", fault.value, [1, 2], int8, scaled(0)],
  ["a scale of -0", fault.value, [1, 2], int8, scaled(-0)],
  ["a negative scale", fault.value, [1, 2], int8, scaled(-1)],
  ["code 128", fault.value, [1, 1], int8, magnitude(128, 0)],
  ["code -129", fault.value, [1, 1], int8, magnitude(129, 1)],
  ["code of 2^32", fault.value, [1, 1], int8, magnitude(2 ** 32 - 1, 1)],
  ["NaN in a weight", fault.value, [2], float32, elements(1, Number.NaN)],
  ["infinity in a weight", fault.value, [2], float32, elements(1, Number.NEGATIVE_INFINITY)],
  ["more cells than the bytes allow", fault.effort, [1000, 1000], sparseOf(2), entries(1000, 1000, [[5], [7]], false)],
  [
    "a trailing byte",
    fault.ending,
    [3, 9],
    sparseOf(4),
    Uint8Array.of(...entries(3, 9, [[1, 3], [], [2, 8]], false), 0),
  ],
  [
    "one symbol more than is wanted",
    fault.ending,
    [1, 2],
    int8,
    section((c) => bytes(c, 9, 4, new Uint8Array(36), false)),
  ],
];

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
      [[3, 9], sparseOf(4), entries(3, 9, [[1, 3], [], [2, 8]], false)],
      [[3, 9], sparseOf(4), entries(3, 9, [[1, 3], [], [2, 8]], true)],
      [[1, 2], int8, scaled(1)],
      [[1, 1], int8, magnitude(127, 0)],
      [[1, 1], int8, magnitude(128, 1)],
      [[2], float32, elements(1, -0)],
    ];
    for (const [shape, storage, bytes] of sound) {
      expect(decodeWeight({ kind: "coded", shape, storage, bytes }).kind).toBe(storage.kind);
    }
  });

  test("positions alone: every mask of a 3 x 3 matrix, in both forms", () => {
    for (let mask = 0; mask < 512; mask++) {
      const rows = [0, 1, 2].map((r) => [0, 1, 2].filter((c) => (mask >> (3 * r + c)) & 1));
      const nnz = rows.flat().length;
      for (const gaps of [false, true]) {
        const weight = decodeWeight({
          kind: "coded",
          shape: [3, 3],
          storage: sparseOf(nnz),
          bytes: entries(3, 3, rows, gaps),
        });
        expect(weight).toMatchObject({ col: Uint32Array.from(rows.flat()) });
      }
    }
  });
});
