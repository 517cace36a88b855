import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { describeFault, fault } from "../../src/codec/fault.js";
import { codedBytes, decodeWeight, encodeWeight } from "../../src/codec/weight.js";
import type { DType } from "../../src/dtype.js";
import { FormatError, ShapeError } from "../../src/errors.js";
import type { DenseWeight, PlainWeight, SparseWeight } from "../../src/graph/weight.js";
import { factored, int8, sparse, weights } from "../formats/graphs.js";
import { normals, uniform } from "../support/kernels.js";

function roundTrip(weight: PlainWeight): void {
  const coded = encodeWeight(weight, "w");
  expect(decodeWeight(coded, "w")).toEqual(weight);
  expect(codedBytes(weight)).toBe(coded.bytes.length);
}

function floats(...data: number[]): DenseWeight {
  return { kind: "dense", shape: [data.length], dtype: "float32", data: Float32Array.from(data) };
}

describe("encodeWeight, decodeWeight", () => {
  test("every storage of every shape comes back as it was", () => {
    fc.assert(fc.property(weights(), roundTrip), { numRuns: 400 });
  });

  test("-0, denormals and the largest numbers come back bit for bit", () => {
    const weight = floats(-0, 0, 1e-45, -1e-45, 3.4028234663852886e38, -3.4028234663852886e38, 1.17549435e-38);
    const back = decodeWeight(encodeWeight(weight)) as DenseWeight;
    expect(new Uint8Array(back.data.buffer)).toEqual(new Uint8Array(weight.data.buffer));
  });

  test("all 2^16 patterns of float16, but NaN and infinity", () => {
    const finite = Array.from({ length: 65536 }, (_, i) => i).filter((bits) => (bits & 0x7c00) !== 0x7c00);
    roundTrip({ kind: "dense", shape: [finite.length], dtype: "float16", data: Uint16Array.from(finite) });
  });

  test("elements that hardly get shorter are stored as they are, from 4,096 on", () => {
    const next = uniform(3);
    const random = Array.from({ length: 4096 }, () => next() - 0.5);
    const coded = encodeWeight(floats(...random));
    expect(coded.storage).toEqual({ kind: "dense", dtype: "float32", plain: true });
    expect(coded.bytes).toEqual(new Uint8Array(Float32Array.from(random).buffer));
    roundTrip(floats(...random));
    expect(encodeWeight(floats(...random.slice(1))).storage, "too few").toEqual({ kind: "dense", dtype: "float32" });
    const short = encodeWeight(floats(...random.map((value) => Math.round(value * 64) / 64)));
    expect(short.storage, "worth coding").toEqual({ kind: "dense", dtype: "float32" });
    expect(short.bytes.length).toBeLessThan(0.75 * 4 * 4096);
  });

  test("a plain section of another length, or with a value that is not finite, is refused", () => {
    const storage = { kind: "dense", dtype: "float32", plain: true } as const;
    const read = (bytes: Uint8Array, dtype: DType = "float32") =>
      decodeWeight({ kind: "coded", shape: [2], storage: { ...storage, dtype }, bytes }, "w");
    for (const length of [0, 7, 9]) {
      expect(() => read(new Uint8Array(length))).toThrow(new FormatError(`w: expected 8 bytes, got ${length}`));
    }
    const halves = (...bits: number[]) => new Uint8Array(Uint16Array.from(bits).buffer);
    expect(read(new Uint8Array(Float32Array.of(-3.4028234663852886e38, 1e-45).buffer))).toEqual(
      floats(-3.4028234663852886e38, 1e-45),
    );
    expect(read(halves(0xfbff, 0), "float16").kind).toBe("dense");
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      expect(() => read(new Uint8Array(Float32Array.of(0, value).buffer))).toThrow(FormatError);
      expect(() => read(new Uint8Array(Float64Array.of(0, value).buffer), "float64")).toThrow(FormatError);
    }
    expect(() => read(halves(0, 0xfc00), "float16")).toThrow(describeFault("w", fault.value));
  });

  test("all int8 codes, -128 and explicit zeros included", () => {
    const q = Int8Array.from({ length: 256 }, (_, i) => i - 128);
    roundTrip({ kind: "int8", shape: [16, 16], q, scale: Float32Array.of(0.5) });
    const rowPtr = Uint32Array.of(0, 256);
    const col = Uint32Array.from(q, (_, i) => 3 * i);
    roundTrip({ kind: "sparse", shape: [1, 766], rowPtr, col, values: q, scale: Float32Array.of(1) });
  });

  test("a masked weight becomes the sparse one of its kept values, zeros among them", () => {
    const data = Float32Array.of(1, 2, 0, 4, 5, 6, 7, 8, -0, 10);
    const coded = encodeWeight({ kind: "masked", shape: [2, 5], data, mask: Uint8Array.of(0b00000101, 0b11) });
    expect(decodeWeight(coded)).toEqual({
      kind: "sparse",
      shape: [2, 5],
      rowPtr: Uint32Array.of(0, 2, 4),
      col: Uint32Array.of(0, 2, 3, 4),
      values: Float32Array.of(1, 0, -0, 10),
    });
  });

  test("a matrix far too sparse to visit its cells is told by gaps", () => {
    const rows = 20000;
    const next = uniform(1);
    const rowPtr = new Uint32Array(rows + 1);
    const col: number[] = [];
    for (let r = 0; r < rows; r++) {
      if (next() < 0.01) col.push(Math.floor(next() * 1e9), 1e9 + Math.floor(next() * 1e9));
      rowPtr[r + 1] = col.length;
    }
    const values = Int8Array.from(col, () => 1);
    const weight: SparseWeight = {
      kind: "sparse",
      shape: [rows, 2 ** 17],
      rowPtr,
      col: Uint32Array.from(col, (c) => (c >= 1e9 ? 65536 + (c % 65536) : c % 65536)),
      values,
      scale: Float32Array.of(1),
    };
    roundTrip(weight);
    // Zeros follow, for the 20,000 rows.
    const { bytes } = encodeWeight(weight);
    expect(bytes.length).toBeLessThan(col.length * 3 + (20000 * 16) / 128);
    expect(bytes.findLastIndex((byte) => byte > 0)).toBeLessThan(col.length * 3);
  });
});

describe("how small", () => {
  test("positions of a pruned layer stay within 3 % of the entropy of a model that knows both margins' chances", () => {
    // A mask drawn with chance a[r] * b[c], log-uniform; its entropy is what a coder that is told a and b must pay.
    const next = uniform(3);
    const rows = 300;
    const cols = 400;
    const spread = () => [0.25, 0.5, 1, 2, 4][Math.floor(next() * 5)];
    const a = Array.from({ length: rows }, spread);
    const b = Array.from({ length: cols }, spread);
    const rowPtr = new Uint32Array(rows + 1);
    const col: number[] = [];
    let bits = 0;
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < cols; c++) {
        const chance = Math.min(0.9, 0.02 * a[r] * b[c]);
        const hit = next() < chance;
        bits -= Math.log2(hit ? chance : 1 - chance);
        if (hit) col.push(c);
      }
      rowPtr[r + 1] = col.length;
    }
    const values = Int8Array.from(col, () => 1);
    const scale = Float32Array.of(1);
    const bytes = codedBytes({
      kind: "sparse",
      shape: [rows, cols],
      rowPtr,
      col: Uint32Array.from(col),
      values,
      scale,
    });
    // The margins themselves cost about 5 bits a row and a column; the values, all alike, some 0.02 bits each.
    expect(8 * bytes).toBeLessThan(1.03 * bits + 5 * (rows + cols) + 0.05 * col.length);
    expect(8 * bytes).toBeGreaterThan(0.95 * bits);
  });

  test("normal int8 codes take their entropy and 1 %", () => {
    const q = Int8Array.from(normals(100_000, 4), (x) => Math.max(-127, Math.min(127, Math.round(20 * x))));
    const counts = new Map<number, number>();
    for (const x of q) counts.set(x, (counts.get(x) ?? 0) + 1);
    const entropy = [...counts.values()].reduce((sum, n) => sum - n * Math.log2(n / q.length), 0);
    const bytes = codedBytes({ kind: "int8", shape: [q.length], q, scale: Float32Array.of(1) });
    expect(8 * bytes).toBeLessThan(1.01 * entropy);
  });

  test("normal floats take less than 27 bits; short ones 7; equal ones 22 steps, a sixth of a byte", () => {
    const n = 4000;
    expect(codedBytes({ ...floats(...normals(n, 5)) })).toBeLessThan((27 * n) / 8);
    for (const value of [0, 0.37]) {
      expect(codedBytes(floats(...new Float32Array(n).fill(value)))).toBe(Math.ceil((22 * n) / 128));
    }
    const short = normals(n, 6).map((x) => Math.round(x * 4) / 4);
    expect(codedBytes(floats(...short))).toBeLessThan((7 * n) / 8);
  });

  test("scales that are all alike cost what one does", () => {
    const one = int8([64, 16], 7, "one");
    const alike = { ...one, scale: new Float32Array(64).fill(one.scale[0]) };
    expect(codedBytes(alike) - codedBytes(one)).toBeLessThan(30);
  });
});

describe("what is refused at the door", () => {
  const bad: [string, PlainWeight][] = [];
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    bad.push([`${value} in float32`, floats(1, value)]);
    const data = Float64Array.of(value);
    bad.push([`${value} in float64`, { kind: "dense", shape: [1], dtype: "float64", data }]);
    bad.push([`a scale of ${value}`, { ...int8([2, 2], 1), scale: Float32Array.of(1, value) }]);
    bad.push([
      `${value} in sparse values`,
      { ...sparse([1, 2], 1, 1, { float: true }), values: Float32Array.of(1, value) },
    ]);
    bad.push([
      `${value} in masked values`,
      { kind: "masked", shape: [1], data: Float32Array.of(value), mask: Uint8Array.of(1) },
    ]);
    bad.push([`a codebook scale of ${value}`, { ...factored([4, 6], "rows", 3, 1), codebookScale: value }]);
  }
  for (const bits of [0x7c00, 0x7e00, 0xfc00]) {
    bad.push([
      `float16 ${bits.toString(16)}`,
      { kind: "dense", shape: [1], dtype: "float16", data: Uint16Array.of(bits) },
    ]);
  }
  for (const scale of [0, -0, -1])
    bad.push([`a scale of ${scale}`, { ...int8([2, 2], 1), scale: Float32Array.of(scale, 1) }]);
  bad.push(["a codebook scale that is no float32", { ...factored([4, 6], "rows", 3, 1), codebookScale: 0.1 }]);

  test.each(bad)("%s: RangeError that names the tensor", (_, weight) => {
    expect(() => encodeWeight(weight, "layer.7")).toThrow(RangeError);
    expect(() => encodeWeight(weight, "layer.7")).toThrow(/^layer\.7: expected .+, got /);
  });

  const s = sparse([3, 4], 0.5, 2);
  const f = factored([4, 6], "rows", 3, 1);
  const misfits: [string, PlainWeight][] = [
    ["too few values", { ...floats(1, 2), shape: [3] }],
    ["data of another type", { ...floats(1, 2), dtype: "int32" }],
    ["row pointers that fall", { ...s, rowPtr: Uint32Array.of(0, 2, 1, s.col.length) }],
    ["row pointers that start late", { ...s, rowPtr: Uint32Array.of(1, 2, 3, s.col.length) }],
    ["a row too many", { ...s, rowPtr: Uint32Array.of(...s.rowPtr, s.col.length) }],
    [
      "a column twice",
      { ...s, rowPtr: Uint32Array.of(0, 2, 2, 2), col: Uint32Array.of(1, 1), values: Int8Array.of(1, 1) },
    ],
    ["a column outside", { ...s, rowPtr: Uint32Array.of(0, 1, 1, 1), col: Uint32Array.of(4), values: Int8Array.of(1) }],
    ["values missing", { ...s, values: s.values.slice(1) }],
    ["int8 values without a scale", { ...s, scale: undefined }],
    ["two scales for three rows", { ...s, scale: Float32Array.of(1, 1) }],
    ["float32 values with a scale", { ...sparse([3, 4], 0.5, 2, { float: true }), scale: Float32Array.of(1) }],
    ["int8 codes missing", { ...int8([2, 2], 1), q: Int8Array.of(1) }],
    ["a mask too short", { kind: "masked", shape: [9], data: new Float32Array(9), mask: Uint8Array.of(1) }],
    ["a codebook too short", { ...f, codebook: f.codebook.slice(1) }],
    ["an atom without a scale", { ...f, codeScale: f.codeScale.slice(1) }],
    ["atoms that do not fit the rows", { ...f, shape: [6, 4] }],
    ["bands that do not cover", { ...factored([4, 6], "tile", 3, 1), shape: [7, 6] }],
    ["a band of more than the rows", { ...factored([2, 12], "tile", 3, 1), d: 3, n: 12 }],
    ["columns that do not cover", { ...factored([4, 2, 3, 3], "kernel", 5, 5), shape: [4, 2, 3, 4] }],
    ["2^33 elements", { kind: "dense", shape: [2 ** 17, 2 ** 16], dtype: "float32", data: new Float32Array(0) }],
  ];
  test.each(misfits)("%s: ShapeError that names the tensor", (_, weight) => {
    expect(() => encodeWeight(weight, "layer.7")).toThrow(ShapeError);
    expect(() => encodeWeight(weight, "layer.7")).toThrow(/^layer\.7: expected .+, got /);
  });

  test("a coded weight whose counts its bytes cannot hold is refused before anything is allocated", () => {
    const bytes = new Uint8Array(1024);
    const shape = [2 ** 14, 2 ** 17];
    for (const dtype of ["float32", "int8", "float64"] as DType[]) {
      expect(() => decodeWeight({ kind: "coded", shape, storage: { kind: "dense", dtype }, bytes })).toThrow(
        FormatError,
      );
    }
    const nnz = 2 ** 31;
    const storage = { kind: "sparse", nnz, values: "int8", scales: 1 } as const;
    expect(() => decodeWeight({ kind: "coded", shape, storage, bytes })).toThrow(/expected at least \d+ bytes/);
    expect(() => decodeWeight({ kind: "coded", shape: [2 ** 31, 1], storage: { ...storage, nnz: 0 }, bytes })).toThrow(
      /expected at least \d+ bytes/,
    );
  });
});
