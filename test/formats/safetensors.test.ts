import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { arrayFromBytes, bytesPerElement, type DType, dtypes } from "../../src/dtype.js";
import { ShapeError, UnsupportedError } from "../../src/errors.js";
import { readSafetensors, writeSafetensors } from "../../src/formats/safetensors.js";
import type { Tensor } from "../../src/tensor.js";
import { safetensorsFile } from "./safetensors-file.js";

/** The element types that come back as they were. */
const kept = dtypes.filter((dtype) => !["bfloat16", "int4", "uint4"].includes(dtype));

const tensor = fc
  .tuple(
    fc.constantFrom<DType>(...kept),
    fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 4 }),
    fc.uint8Array({ minLength: 5000, maxLength: 5000 }),
  )
  .map(([dtype, shape, bytes]): Tensor => {
    const size = shape.reduce((product, dim) => product * dim, 1);
    return { dtype, shape, data: arrayFromBytes(dtype, bytes.subarray(0, size * bytesPerElement(dtype))) };
  });
const name = fc
  .oneof(
    fc.string({ unit: "grapheme" }),
    fc.constantFrom("__proto__", "constructor", "", "\u0000", "../x", "0", 'a"b\\', "toString"),
  )
  .filter((x) => x !== "__metadata__");

describe("writeSafetensors, readSafetensors", () => {
  test("random tensors come back bit for bit, with their metadata; the same tensors give the same bytes", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(name, tensor), { selector: ([x]) => x, maxLength: 6 }),
        fc.dictionary(name, fc.string({ unit: "grapheme" })),
        (list, notes) => {
          const metadata = new Map(Object.entries(notes));
          const file = writeSafetensors(list, metadata);
          const read = readSafetensors(file);
          expect([...read.tensors.keys()].sort()).toEqual(list.map(([x]) => x).sort());
          for (const [x, { dtype, shape, data }] of list) {
            const back = read.tensors.get(x)!;
            expect([back.dtype, back.shape]).toEqual([dtype, shape]);
            expect(Buffer.compare(Buffer.from(back.data.buffer), Buffer.from(data.buffer))).toBe(0);
          }
          expect(read.metadata).toEqual(metadata);
          expect(writeSafetensors(new Map(list), metadata)).toEqual(file);
          expect(Number(new DataView(file.buffer).getBigUint64(0, true)) % 8).toBe(0);
        },
      ),
      { numRuns: 100 },
    );
  });

  test("every tensor is aligned to its element", () => {
    const one = (dtype: DType): Tensor => ({
      dtype,
      shape: [1],
      data: arrayFromBytes(dtype, new Uint8Array(bytesPerElement(dtype))),
    });
    const file = writeSafetensors(kept.toReversed().map((dtype) => [dtype, one(dtype)] as const));
    const start = 8 + Number(new DataView(file.buffer).getBigUint64(0, true));
    const header = JSON.parse(new TextDecoder().decode(file.subarray(8, start)));
    for (const dtype of kept) {
      expect((start + header[dtype].data_offsets[0]) % bytesPerElement(dtype), dtype).toBe(0);
    }
  });

  test("BF16 becomes the float32 with the same high bits", () => {
    const file = safetensorsFile(
      { w: { dtype: "BF16", shape: [5], data_offsets: [0, 10] } },
      0x80,
      0x3f,
      0,
      0xc0,
      1,
      0,
      0x80,
      0x7f,
      0,
      0x80,
    );
    const { dtype, shape, data } = readSafetensors(file).tensors.get("w")!;
    expect([dtype, shape]).toEqual(["float32", [5]]);
    expect([...data]).toEqual([1, -2, Math.fround(2 ** -133), Number.POSITIVE_INFINITY, -0]);
  });

  test("bfloat16 is written as BF16, so it comes back widened; integers of 4 bits are not written", () => {
    const bits: Tensor = { dtype: "bfloat16", shape: [2], data: Uint16Array.of(0x3f80, 0xc000) };
    const { dtype, data } = readSafetensors(writeSafetensors([["w", bits]])).tensors.get("w")!;
    expect([dtype, ...data]).toEqual(["float32", 1, -2]);
    const nibble: Tensor = { dtype: "int4", shape: [1], data: Int8Array.of(7) };
    expect(() => writeSafetensors([["w", nibble]])).toThrow(
      new UnsupportedError("w: expected elements of whole bytes, got int4"),
    );
  });

  test("every dtype under its name", () => {
    const names = { F64: 8, F32: 4, F16: 2, I64: 8, I32: 4, I16: 2, I8: 1, U64: 8, U32: 4, U16: 2, U8: 1, BOOL: 1 };
    const found = Object.entries(names).map(([dtype, width]) => {
      const file = safetensorsFile(
        { w: { dtype, shape: [], data_offsets: [0, width] } },
        ...new Uint8Array(width).fill(1),
      );
      return readSafetensors(file).tensors.get("w")!.dtype;
    });
    expect(found.sort()).toEqual([...kept].sort());
  });

  test("unknown fields of a tensor are passed over, spaces after the header too", () => {
    const fields = { dtype: "U8", shape: [1], data_offsets: [0, 1], note: { a: [1.5, -2e3, null, { b: true }] } };
    expect(readSafetensors(safetensorsFile({ w: fields }, 7)).tensors.get("w")!.data[0]).toBe(7);
    const padded = safetensorsFile(`${JSON.stringify({ w: fields })}     `, 7);
    expect(readSafetensors(padded).tensors.size).toBe(1);
  });

  test("an unaligned view of a larger pool", () => {
    const file = writeSafetensors([["w", { dtype: "float64", shape: [2], data: Float64Array.of(1, 2) }]]);
    const pool = new Uint8Array(file.length + 9);
    pool.set(file, 5);
    expect([...readSafetensors(pool.subarray(5, 5 + file.length)).tensors.get("w")!.data]).toEqual([1, 2]);
  });

  test("what cannot be written", () => {
    const ok: Tensor = { dtype: "uint8", shape: [1], data: Uint8Array.of(1) };
    expect(() => writeSafetensors([["w", { ...ok, shape: [2] }]])).toThrow(ShapeError);
    expect(() => writeSafetensors([["w", { ...ok, dtype: "float32" }]])).toThrow(ShapeError);
    expect(() =>
      writeSafetensors([
        ["w", ok],
        ["w", ok],
      ]),
    ).toThrow(RangeError);
    expect(() => writeSafetensors([["__metadata__", ok]])).toThrow(RangeError);
    expect(() => writeSafetensors([["\udc00", ok]])).toThrow(RangeError);
    expect(() => writeSafetensors([["w", ok]], [["k", "\udc00"]])).toThrow(RangeError);
    const record = { w: ok } as unknown as [string, Tensor][];
    expect(() => writeSafetensors(record)).toThrow(
      new TypeError("tensors: expected pairs of a name and a value, as of a Map, got Object"),
    );
    expect(() => writeSafetensors([["w", ok]], { k: "v" } as unknown as [string, string][])).toThrow(
      new TypeError("metadata: expected pairs of a name and a value, as of a Map, got Object"),
    );
  });
});
