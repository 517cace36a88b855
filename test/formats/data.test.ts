import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { DType } from "../../src/dtype.js";
import { createArray, viewOf } from "../../src/dtype.js";
import { readIdx, readNpy, readNpz } from "../../src/formats/data.js";
import { sizeOf } from "../../src/tensor.js";
import { describeWithData, bytesOf as fileOf } from "../support/data.js";
import { idx, npy, npyOf, swapped, zip } from "./data-file.js";

const types: [DType, string, number | undefined][] = [
  ["uint8", "|u1", 0x08],
  ["int8", "|i1", 0x09],
  ["int16", "<i2", 0x0b],
  ["int32", "<i4", 0x0c],
  ["float32", "<f4", 0x0d],
  ["float64", "<f8", 0x0e],
  ["uint16", "<u2", undefined],
  ["uint32", "<u4", undefined],
  ["int64", "<i8", undefined],
  ["uint64", "<u8", undefined],
  ["float16", "<f2", undefined],
  ["bool", "|b1", undefined],
];

const bytesOf = (data: ArrayBufferView) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
/** Any bits at all, NaN of any kind too. */
const tensors = fc
  .record({ type: fc.constantFrom(...types), shape: fc.array(fc.nat(4), { maxLength: 4 }), seed: fc.nat() })
  .map(({ type: [dtype, descr, code], shape, seed }) => {
    const size = sizeOf(shape);
    const bytes = new Uint8Array(size * createArray(dtype, 1).BYTES_PER_ELEMENT).map(
      (_, i) => Math.imul(seed + i, 2654435761) >>> 13,
    );
    return { dtype, descr, code, shape, bytes, data: viewOf(dtype, bytes.buffer, 0, size) };
  });

describe("IDX", () => {
  test("reads back what was written, bit for bit, at any alignment", () => {
    fc.assert(
      fc.property(tensors, fc.nat(3), ({ dtype, code, shape, bytes, data }, shift) => {
        if (code === undefined) return;
        const file = idx(code, shape, data);
        const pool = new Uint8Array(file.length + shift);
        pool.set(file, shift);
        const got = readIdx(pool.subarray(shift));
        expect([got.dtype, got.shape]).toEqual([dtype, shape]);
        expect(bytesOf(got.data)).toEqual(bytes);
      }),
    );
  });

  test("an example by hand", () => {
    const file = Uint8Array.of(0, 0, 0x0b, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0x01, 0x02, 0xff, 0xfe);
    expect(readIdx(file)).toEqual({ dtype: "int16", shape: [1, 2], data: Int16Array.of(0x0102, -2) });
  });
});

describe("NPY", () => {
  test("reads back what was written, in either order of bytes and of dimensions", () => {
    fc.assert(
      fc.property(tensors, fc.boolean(), ({ dtype, descr, shape, bytes, data }, big) => {
        const width = data.BYTES_PER_ELEMENT;
        const file =
          big && width > 1 ? npy(descr.replace("<", ">"), shape, swapped(bytes, width)) : npy(descr, shape, data);
        const got = readNpy(file);
        expect([got.dtype, got.shape]).toEqual([dtype, shape]);
        expect(bytesOf(got.data)).toEqual(bytes);
        const turned = readNpy(npy(descr, shape, fortranOf(data, shape), true));
        expect([turned.dtype, turned.shape]).toEqual([dtype, shape]);
        expect(bytesOf(turned.data)).toEqual(bytes);
      }),
    );
  });

  test.each([
    ["no comma at the end", "{'descr':'<i2','fortran_order':False,'shape':(2,)}", 1],
    ["keys in another order, double quotes", '{"shape": (2,), "fortran_order": False, "descr": "<i2"}', 1],
    ["long integers of Python 2", "{'descr': '<i2', 'fortran_order': False, 'shape': (2L,), }", 1],
    ["version 2", "{'descr': '<i2', 'fortran_order': False, 'shape': (2,), }\n", 2],
    ["version 3", "{'descr': '<i2', 'fortran_order': False, 'shape': (1, 2), }\n", 3],
    ["Fortran's order in one dimension", "{'descr': '<i2', 'fortran_order': True, 'shape': (2,), }", 1],
  ])("%s", (_, header, version) => {
    expect(readNpy(npyOf(header, Uint8Array.of(1, 0, 2, 1), version)).data).toEqual(Int16Array.of(1, 258));
  });
});

/** The same elements with the first dimension running fastest. */
function fortranOf(data: ReturnType<typeof createArray>, shape: readonly number[]) {
  const out = data.slice();
  for (let i = 0; i < data.length; i++) {
    let [rest, at] = [i, 0];
    for (let d = shape.length - 1; d >= 0; d--) {
      at += (rest % shape[d]) * sizeOf(shape.slice(0, d));
      rest = Math.floor(rest / shape[d]);
    }
    out[at] = data[i];
  }
  return out;
}

describe("NPZ", () => {
  test("reads back what was written, stored or deflated", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(tensors, fc.boolean()), { maxLength: 4 }), async (list) => {
        const files = list.map(([{ descr, shape, data }, deflate], i) => ({
          name: `in/${i}é.npy`,
          bytes: npy(descr, shape, data),
          deflate,
        }));
        const got = await readNpz(zip(files, {}, "a comment"));
        expect([...got.keys()]).toEqual(list.map((_, i) => `in/${i}é`));
        for (const [i, { dtype, shape, data }] of [...got.values()].entries()) {
          expect([dtype, shape]).toEqual([list[i][0].dtype, list[i][0].shape]);
          expect(bytesOf(data)).toEqual(list[i][0].bytes);
        }
      }),
      { numRuns: 50 },
    );
  });

  test("a million zeros, packed a thousand times", async () => {
    const bytes = npy("<f4", [1_000_000], new Float32Array(1_000_000));
    const file = zip([{ name: "zeros.npy", bytes, deflate: true }]);
    expect(file.length).toBeLessThan(5000);
    expect((await readNpz(file)).get("zeros")!.data).toEqual(new Float32Array(1_000_000));
  });
});

describeWithData("files of others", () => {
  test("MNIST's images and labels", () => {
    const read = (name: string) => readIdx(gunzipSync(fileOf("mnist", `${name}.gz`)));
    const images = read("t10k-images-idx3-ubyte");
    expect([images.dtype, images.shape]).toEqual(["uint8", [10000, 28, 28]]);
    expect([...read("t10k-labels-idx1-ubyte").data.subarray(0, 8)]).toEqual([7, 2, 1, 0, 4, 1, 4, 9]);
  });

  test("what NumPy wrote", async () => {
    const { dtype, shape } = readNpy(fileOf("mlperf-tiny", "perf_samples_idxs.npy"));
    expect([dtype, shape]).toEqual(["int64", [200]]);
    const tensors = await readNpz(fileOf("silero-vad", "golden_ort.npz"));
    expect(tensors.get("silero_c0/in/state")!.shape).toEqual([2, 1, 128]);
  });
});
