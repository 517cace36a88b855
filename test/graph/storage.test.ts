import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeWeight } from "../../src/codec/weight.js";
import { FormatError, UnsupportedError } from "../../src/errors.js";
import { plain, sparsity, toDense } from "../../src/graph/dense.js";
import {
  byteLength,
  columnsOf,
  fromColumns,
  halfToFloat,
  kept,
  matrixOf,
  rebuildColumns,
  toColumns,
} from "../../src/graph/storage.js";
import type { FactoredWeight, Weight } from "../../src/graph/weight.js";

const floats = (...values: number[]) => Float32Array.from(values);
const words = (...values: number[]) => Uint32Array.from(values);
const codes = (...values: number[]) => Int8Array.from(values);

test("matrixOf", () => {
  expect([[], [5], [2, 3], [2, 3, 4, 5], [0, 7], [7, 0], [0], [1, 0, 3]].map(matrixOf)).toEqual(
    [
      [1, 1],
      [1, 5],
      [2, 3],
      [2, 60],
      [0, 0],
      [7, 0],
      [1, 0],
      [1, 0],
    ].map(([rows, cols]) => ({ rows, cols })),
  );
});

describe("toDense", () => {
  test("dense float32 is a copy", () => {
    const data = floats(1, -0, 3, 1e-40);
    const dense = toDense({ kind: "dense", shape: [2, 2], dtype: "float32", data });
    expect(dense).toEqual(data);
    expect(Object.is(dense[1], -0)).toBe(true);
    expect(dense.buffer).not.toBe(data.buffer);
  });

  test("dense float16, and other types are refused", () => {
    const half: Weight = {
      kind: "dense",
      shape: [4],
      dtype: "float16",
      data: Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7bff),
    };
    expect([...toDense(half)]).toEqual([1, -2, 2 ** -24, 65504]);
    expect(() => toDense({ kind: "dense", shape: [1], dtype: "int64", data: new BigInt64Array(1) })).toThrow(
      new UnsupportedError("weight: expected float values, got int64"),
    );
  });

  test("masked", () => {
    const data = floats(1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
    expect([...toDense({ kind: "masked", shape: [2, 5], data, mask: Uint8Array.of(0b10000101, 0b10) })]).toEqual([
      1, 0, 3, 0, 0, 0, 0, 8, 0, 10,
    ]);
  });

  const pattern = { kind: "sparse", shape: [3, 2, 2], rowPtr: words(0, 2, 2, 4), col: words(0, 3, 1, 2) } as const;
  test("sparse with f32 values, int8 with a scale per row, int8 with one scale", () => {
    expect([...toDense({ ...pattern, values: floats(0.5, -1, 2, 3) })]).toEqual([
      0.5, 0, 0, -1, 0, 0, 0, 0, 0, 2, 3, 0,
    ]);
    const values = codes(1, -2, 3, 127);
    expect([...toDense({ ...pattern, values, scale: floats(0.5, 9, 2) })]).toEqual([
      0.5, 0, 0, -1, 0, 0, 0, 0, 0, 6, 254, 0,
    ]);
    expect([...toDense({ ...pattern, values, scale: floats(0.5) })]).toEqual([
      0.5, 0, 0, -1, 0, 0, 0, 0, 0, 1.5, 63.5, 0,
    ]);
  });

  test("int8 with a scale per row and with one; products are rounded to f32 once", () => {
    const q = codes(1, -2, 3, 4, 5, -127);
    expect([...toDense({ kind: "int8", shape: [2, 3], q, scale: floats(2, 0.5) })]).toEqual([2, -4, 6, 2, 2.5, -63.5]);
    expect([...toDense({ kind: "int8", shape: [2, 3], q, scale: floats(2) })]).toEqual([2, -4, 6, 8, 10, -254]);
    expect(toDense({ kind: "int8", shape: [1, 1], q: codes(3), scale: floats(0.1) })[0]).toBe(
      Math.fround(3 * Math.fround(0.1)),
    );
  });

  const book = {
    k: 2,
    codeScale: floats(0.5, 2),
    codebookScale: 0.25,
    codes: codes(1, 2, 3, -4),
    col: words(0, 0, 1, 1),
  };
  test("factored, layout kernel with padding", () => {
    // X^T [4, 3] holds the 10 values of [2, 5] and two of padding.
    const weight: FactoredWeight = {
      kind: "factored",
      shape: [2, 5],
      layout: "kernel",
      d: 3,
      n: 4,
      ...book,
      rowPtr: words(0, 1, 3, 3, 4),
      codebook: codes(1, 2, 3, 4, 5, 6),
    };
    const atom0 = [0.125, 0.25, 0.375];
    const atom1 = [2, 2.5, 3];
    const rows = [
      atom0.map((v) => v * 1),
      atom0.map((v, i) => v * 2 + atom1[i] * 3),
      [0, 0, 0],
      atom1.map((v) => v * -4),
    ];
    expect([...rebuildColumns(weight)]).toEqual(rows.flat());
    expect([...toDense(weight)]).toEqual(rows.flat().slice(0, 10));
  });

  test("factored, layout rows", () => {
    const weight: FactoredWeight = {
      kind: "factored",
      shape: [2, 4],
      layout: "rows",
      d: 2,
      n: 4,
      ...book,
      rowPtr: words(0, 1, 3, 3, 4),
      codebook: codes(8, 16, 24, 32),
    };
    // X^T rows: column j of W.
    const columns = [
      [1, 2],
      [2 * 1 + 3 * 12, 2 * 2 + 3 * 16],
      [0, 0],
      [-4 * 12, -4 * 16],
    ];
    expect([...toDense(weight)]).toEqual([...columns.map((c) => c[0]), ...columns.map((c) => c[1])]);
  });

  test("factored, layout tile with padding: bands of rows, one after another", () => {
    const weight: FactoredWeight = {
      kind: "factored",
      shape: [3, 2],
      layout: "tile",
      d: 2,
      n: 4,
      ...book,
      rowPtr: words(0, 1, 3, 3, 4),
      codebook: codes(8, 16, 24, 32),
    };
    // Columns of the band of rows 0 and 1, then of the band of row 2 and a row of padding.
    const [a, b, c, d] = [[1, 2], [2 * 1 + 3 * 12, 2 * 2 + 3 * 16], [0], [-4 * 12]];
    expect([...toDense(weight)]).toEqual([a[0], b[0], a[1], b[1], c[0], d[0]]);
  });

  test("coded weights are decoded, damaged ones refused", () => {
    const weight = { kind: "int8", shape: [2, 3], q: codes(1, -2, 3, 4, 5, -127), scale: floats(2, 0.5) } as const;
    const coded = encodeWeight(weight);
    expect(toDense(coded)).toEqual(toDense(weight));
    expect(plain(coded)).toEqual(weight);
    expect(plain(weight)).toBe(weight);
    expect(() => toDense({ ...coded, bytes: coded.bytes.slice(0, -1) })).toThrow(FormatError);
  });

  test("nothing: rank 0 and empty shapes", () => {
    expect([...toDense({ kind: "dense", shape: [], dtype: "float32", data: floats(7) })]).toEqual([7]);
    expect(toDense({ kind: "masked", shape: [0, 3], data: floats(), mask: new Uint8Array(0) })).toHaveLength(0);
    expect(
      toDense({ kind: "sparse", shape: [3, 0], rowPtr: words(0, 0, 0, 0), col: words(), values: floats() }),
    ).toHaveLength(0);
  });
});

describe("columns", () => {
  test("columnsOf", () => {
    expect(columnsOf([8, 4, 3, 3], "kernel")).toEqual({ d: 9, n: 32 });
    expect(columnsOf([8, 4, 3, 3], "kernel", 18)).toEqual({ d: 18, n: 16 });
    expect(columnsOf([8, 4, 3, 3], "kernel", 100)).toEqual({ d: 100, n: 3 });
    expect(columnsOf([8, 4], "kernel")).toEqual({ d: 1, n: 32 });
    expect(columnsOf([8, 4, 3, 3], "rows")).toEqual({ d: 8, n: 36 });
    expect(columnsOf([8, 4, 3, 3], "rows", 5)).toEqual({ d: 8, n: 36 });
    expect(columnsOf([8, 4, 3, 3], "tile", 4)).toEqual({ d: 4, n: 72 });
    expect(columnsOf([8, 4, 3, 3], "tile", 5)).toEqual({ d: 5, n: 72 });
    expect(columnsOf([8, 4, 3, 3], "tile", 1)).toEqual({ d: 1, n: 288 });
    expect(columnsOf([8, 4, 3, 3], "tile")).toEqual(columnsOf([8, 4, 3, 3], "rows"));
    expect(columnsOf([8, 4, 3, 3], "tile", 100)).toEqual({ d: 8, n: 36 });
  });

  test("toColumns and fromColumns are inverses; padding is zero; rows are transposed", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 7 }),
        fc.integer({ min: 1, max: 7 }),
        fc.constantFrom("kernel" as const, "rows" as const, "tile" as const),
        fc.integer({ min: 1, max: 12 }),
        (o, i, layout, wanted) => {
          const shape = [o, i];
          const cut = { shape, layout, ...columnsOf(shape, layout, wanted) };
          const dense = Float32Array.from({ length: o * i }, (_, at) => at + 1);
          const columns = toColumns(cut, dense);
          expect(columns).toHaveLength(cut.n * cut.d);
          expect(fromColumns(cut, columns)).toEqual(dense);
          expect(columns.reduce((sum, v) => sum + v, 0)).toBe(dense.reduce((sum, v) => sum + v, 0));
          if (layout === "rows") expect(columns[(i - 1) * o]).toBe(i);
          else if (layout === "tile") {
            // The last row: in the last band, each value at its place in a column.
            const [band, place] = [Math.floor((o - 1) / cut.d), (o - 1) % cut.d];
            for (let c = 0; c < i; c++) expect(columns[(band * i + c) * cut.d + place]).toBe((o - 1) * i + c + 1);
          } else expect([...columns.subarray(o * i)].every((v) => v === 0)).toBe(true);
        },
      ),
      { numRuns: 200, seed: 2 },
    );
  });
});

test("byteLength of every storage", () => {
  const sparse = { kind: "sparse", shape: [3, 4], rowPtr: words(0, 2, 2, 4), col: words(0, 3, 1, 2) } as const;
  const coded = encodeWeight({ kind: "int8", shape: [1, 2], q: codes(1, 2), scale: floats(1) });
  expect(
    [
      { kind: "dense", shape: [2, 3], dtype: "float32", data: new Float32Array(6) },
      { kind: "dense", shape: [2, 3], dtype: "float16", data: new Uint16Array(6) },
      { kind: "masked", shape: [2, 5], data: new Float32Array(10), mask: new Uint8Array(2) },
      { ...sparse, values: floats(1, 2, 3, 4) },
      { ...sparse, values: codes(1, 2, 3, 4), scale: floats(1, 2, 3) },
      { kind: "int8", shape: [2, 3], q: new Int8Array(6), scale: floats(1, 2) },
      {
        kind: "factored",
        shape: [2, 4],
        layout: "rows",
        d: 2,
        n: 4,
        k: 3,
        rowPtr: words(0, 1, 1, 1, 1),
        col: words(0),
        codes: codes(1),
        codeScale: floats(1, 1, 1),
        codebook: new Int8Array(6),
        codebookScale: 1,
      },
      coded,
    ].map((weight) => byteLength(weight as Weight)),
  ).toEqual([24, 12, 42, 16 + 16 + 16, 16 + 16 + 4 + 12, 14, 20 + 4 + 1 + 12 + 6 + 4, coded.bytes.length]);
});

test("sparsity counts zeros of any storage, -0 among them", () => {
  const dense = (data: Float32Array): Weight => ({ kind: "dense", shape: [data.length], dtype: "float32", data });
  expect(sparsity(dense(floats(0, 1, -0, 2)))).toBe(0.5);
  expect(sparsity(dense(floats()))).toBe(0);
  expect(sparsity({ kind: "masked", shape: [2, 2], data: floats(1, 0, 3, 4), mask: Uint8Array.of(0b0111) })).toBe(0.5);
  expect(sparsity({ kind: "sparse", shape: [2, 4], rowPtr: words(0, 1, 1), col: words(2), values: floats(1) })).toBe(
    7 / 8,
  );
  expect(sparsity({ kind: "int8", shape: [1, 4], q: codes(0, 1, 0, 0), scale: floats(1) })).toBe(0.75);
});

test("kept reads bits from the lowest", () => {
  expect(Array.from({ length: 10 }, (_, i) => kept(Uint8Array.of(0b00000101, 0b10), i))).toEqual([
    true,
    false,
    true,
    false,
    false,
    false,
    false,
    false,
    false,
    true,
  ]);
});

test("halfToFloat over all 65,536 patterns against the bits of a float32", () => {
  const view = new DataView(new ArrayBuffer(4));
  for (let bits = 0; bits < 65536; bits++) {
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    let want: number;
    if (exponent === 0) want = (bits & 0x8000 ? -fraction : fraction) / 2 ** 24;
    else {
      // The exponent is moved from bias 15 to bias 127, the fraction from 10 bits to 23.
      view.setUint32(0, ((bits & 0x8000) << 16) | ((exponent === 31 ? 255 : exponent + 112) << 23) | (fraction << 13));
      want = view.getFloat32(0);
    }
    if (!Object.is(halfToFloat(bits), want)) expect.fail(`${bits.toString(16)}: ${halfToFloat(bits)}, not ${want}`);
  }
});
