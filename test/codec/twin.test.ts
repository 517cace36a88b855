// The decoders of src/codec and those of assembly/compress/entropy.ts are one format: same arrays, same faults.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { matrix } from "../../src/codec/check.js";
import { describeFault, fault } from "../../src/codec/fault.js";
import { decodeWeight, encodeWeight } from "../../src/codec/weight.js";
import { toSparse } from "../../src/compress/quantize.js";
import { bytesPerElement } from "../../src/dtype.js";
import { FormatError } from "../../src/errors.js";
import type { CodedWeight, PlainWeight } from "../../src/graph/weight.js";
import type { FullKernels } from "../../src/kernels/abi.js";
import { columnsPerRow, sizeOf } from "../../src/tensor.js";
import { dense, factored, int8, sparse, weights } from "../formats/graphs.js";
import { builds, Guarded, normals, uniform } from "../support/kernels.js";

type Arrays = Uint8Array[];

/** The raw bytes of a weight's arrays, in the order of the kernels' arguments. */
function arraysOf(weight: PlainWeight): Arrays {
  const list: ArrayBufferView[] = [];
  if (weight.kind === "dense" || weight.kind === "masked") list.push(weight.data);
  else if (weight.kind === "sparse") {
    list.push(weight.rowPtr, weight.col, weight.values, weight.scale ?? new Float32Array(0));
  } else if (weight.kind === "int8") list.push(weight.q, weight.scale);
  else {
    const { rowPtr, col, codes, codeScale, codebook, codebookScale } = weight;
    list.push(rowPtr, col, codes, codeScale, codebook, Float32Array.of(codebookScale));
  }
  return list.map((a) => new Uint8Array(a.buffer, a.byteOffset, a.byteLength));
}

/** Runs the kernel; a number is its fault. */
function byKernel(kernels: FullKernels, { shape, storage, bytes }: CodedWeight, flush: boolean): Arrays | number {
  const memory = new Guarded(kernels);
  const { rows, cols } = matrix(shape);
  const size = rows * cols;
  const period = sizeOf(shape.slice(2));
  const sizes: number[] = [];
  const rooms: number[] = [];
  const room = (length: number) => {
    sizes.push(length);
    rooms.push(memory.room(length));
    return rooms[rooms.length - 1];
  };
  const scratchOf = (columns: number) => memory.room(kernels.decode_scratch_bytes(columns, bytes.length));
  // Flush against the end of memory an over-read traps.
  const source = () => (flush ? memory.placeFlush(bytes) : memory.place(bytes));
  let code = 0;
  switch (storage.kind) {
    case "dense": {
      const width = bytesPerElement(storage.dtype);
      if (storage.plain) {
        const data = flush ? memory.placeFlush(bytes) : memory.place(bytes);
        sizes.push(bytes.length);
        rooms.push(data);
        code = kernels.check_bytes(size, width, data);
        break;
      }
      const data = room(size * width);
      const scratch = scratchOf(0);
      const finite = storage.dtype.startsWith("float") ? 1 : 0;
      code = kernels.decode_bytes(size, width, source(), bytes.length, data, finite, scratch);
      break;
    }
    case "int8": {
      const [q, scale, scratch] = [room(size), room(4 * storage.scales), scratchOf(cols)];
      code = kernels.decode_int8(rows, cols, period, source(), bytes.length, q, scale, storage.scales, scratch);
      break;
    }
    case "sparse": {
      const { nnz, scales } = storage;
      const isInt8 = storage.values === "int8";
      const [rowPtr, col] = [room(4 * rows + 4), room(4 * nnz)];
      const [values, scale, scratch] = [room(isInt8 ? nnz : 4 * nnz), room(4 * scales), scratchOf(cols)];
      const src = source();
      const flag = isInt8 ? 1 : 0;
      code = kernels.decode_sparse(
        rows,
        cols,
        period,
        nnz,
        src,
        bytes.length,
        rowPtr,
        col,
        values,
        scale,
        scales,
        flag,
        scratch,
      );
      break;
    }
    case "factored": {
      const { n, k, d, nnz } = storage;
      const perRow = storage.layout === "kernel" ? columnsPerRow(rows, n) : 1;
      const [rowPtr, col, codes] = [room(4 * n + 4), room(4 * nnz), room(nnz)];
      const [codeScale, codebook, codebookScale, scratch] = [
        room(4 * k),
        room(k * d),
        room(4),
        scratchOf(Math.max(k * perRow, d)),
      ];
      const src = source();
      const length = bytes.length;
      const to = [rowPtr, col, codes, codeScale, codebook, codebookScale, scratch] as const;
      code = kernels.decode_factored(n, k, d, nnz, perRow, src, length, ...to);
    }
  }
  memory.check();
  return code === 0 ? rooms.map((pointer, i) => memory.read(Uint8Array, pointer, sizes[i])) : code;
}

/** Holds the kernel's outcome against the plain decoder's, and gives the fault. */
function compare(kernels: FullKernels, coded: CodedWeight, flush = false): number {
  let want: PlainWeight | string;
  try {
    want = decodeWeight(coded, "w");
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    want = error.message;
    // Counts are checked before a kernel is called.
    if (want.includes("at least") || want.includes("at most")) return 0;
  }
  const got = byKernel(kernels, coded, flush);
  if (typeof got === "number") expect(describeFault("w", got)).toBe(want);
  else {
    expect(want).not.toBeTypeOf("string");
    expect(got).toEqual(arraysOf(want as PlainWeight).map((a) => a.slice()));
  }
  return typeof got === "number" ? got : 0;
}

const examples: readonly PlainWeight[] = [
  sparse([20, 30], 0.1, 1),
  sparse([20, 30], 0.1, 2, { float: true, scales: "rows" }),
  sparse([3, 70000], 0.0002, 3, { scales: "rows" }),
  sparse([9, 9], 1, 4),
  sparse([12, 3, 3, 3], 0.5, 10, { scales: "rows" }),
  int8([8, 9], 5),
  int8([6, 4, 3, 3], 11),
  dense([40], 6),
  { kind: "dense", shape: [5], dtype: "float64", data: Float64Array.of(1, -2, 1 / 3, 1e300, 0) },
  { kind: "dense", shape: [5], dtype: "int64", data: BigInt64Array.of(1n, -1n, 0n, 2n ** 62n, 9n) },
  { kind: "dense", shape: [6], dtype: "float16", data: Uint16Array.of(0, 1, 0x3c00, 0xbc00, 0x7bff, 0x8000) },
  factored([4, 5, 3, 3], "kernel", 6, 7),
  factored([12, 30], "rows", 5, 8),
  factored([11, 7], "tile", 4, 12),
];

describe.each(builds())("decoders, $name", ({ kernels }) => {
  test("random weights of every storage: equal arrays", () => {
    fc.assert(
      fc.property(weights(), (weight) => {
        const coded = encodeWeight(weight);
        compare(kernels, coded);
        compare(kernels, coded, true);
      }),
      { numRuns: 200 },
    );
  });

  test("weights of 57,600 codes: equal arrays", () => {
    const shape = [50, 128, 3, 3];
    for (const [seed, size] of [0.02, 0.4, 2, 50].entries()) {
      const q = Int8Array.from(normals(57_600, seed + 1), (x, i) =>
        Math.max(-128, Math.min(127, Math.round(x * size * (1 + (i % 1152) / 300)))),
      );
      const scale = Float32Array.from(normals(50, seed + 9), (x) => Math.abs(x) + 1e-3);
      compare(kernels, encodeWeight({ kind: "int8", shape, q, scale }));
      compare(kernels, encodeWeight(toSparse({ kind: "int8", shape, q, scale })));
    }
  });

  test("every prefix, and a byte more: equal faults, nothing outside the buffers", () => {
    for (const weight of examples) {
      const coded = encodeWeight(weight);
      for (let length = 0; length <= coded.bytes.length; length++) {
        compare(kernels, { ...coded, bytes: coded.bytes.subarray(0, length) }, length % 2 === 0);
      }
      compare(kernels, { ...coded, bytes: Uint8Array.of(...coded.bytes, 0) });
    }
  });

  test("2,000 damaged or random sections of each storage: equal faults or equal arrays", () => {
    const next = uniform(9);
    const random = (n: number) => Math.floor(next() * n);
    const seen = new Set<number>();
    for (const weight of examples) {
      const coded = encodeWeight(weight);
      for (let i = 0; i < 2000; i++) {
        let bytes = coded.bytes.slice();
        const flips = 1 + random(3);
        for (let j = 0; j < flips; j++) bytes[random(bytes.length)] ^= 1 << random(8);
        if (i % 10 === 0) for (let j = random(bytes.length); j < bytes.length; j++) bytes[j] = random(256);
        if (i % 7 === 0) bytes = bytes.subarray(0, random(bytes.length + 1));
        seen.add(compare(kernels, { ...coded, bytes }, i % 2 === 0));
      }
    }
    expect([...seen].sort(), "every fault was met").toEqual([0, ...Object.values(fault)]);
  });

  test("floating-point elements stored as they are: equal faults or equal arrays", () => {
    const next = uniform(4);
    const random = (n: number) => Math.floor(next() * n);
    const seen = new Set<number>();
    const dtypes = ["float16", "float32", "float64"] as const;
    for (const dtype of dtypes) {
      for (let i = 0; i < 500; i++) {
        const size = i % 37;
        const bytes = Uint8Array.from({ length: size * bytesPerElement(dtype) }, () => random(256));
        // Two bits of the exponents away: none is special, but for one now and then.
        for (let at = bytesPerElement(dtype) - 1; at < bytes.length; at += bytesPerElement(dtype)) {
          if (i % 3 || random(size)) bytes[at] &= 0x9f;
          else bytes.fill(255, at - 1, at + 1);
        }
        const storage = { kind: "dense", dtype, plain: true } as const;
        seen.add(compare(kernels, { kind: "coded", shape: [size], storage, bytes }, i % 2 === 0));
      }
    }
    expect([...seen].sort()).toEqual([0, fault.value]);
  });

  test("counts that are off by one: equal faults", () => {
    for (const weight of examples) {
      const coded = encodeWeight(weight);
      const { storage, shape } = coded;
      for (const by of [-1, 1]) {
        if (storage.kind === "sparse") {
          compare(kernels, { ...coded, storage: { ...storage, nnz: storage.nnz + by } });
          compare(kernels, { ...coded, shape: [shape[0], shape[1] + by] });
          if (storage.scales < 2) compare(kernels, { ...coded, shape: [shape[0] + by, shape[1]] });
        } else if (storage.kind === "factored") {
          compare(kernels, { ...coded, storage: { ...storage, nnz: storage.nnz + by } });
          compare(kernels, { ...coded, storage: { ...storage, k: storage.k + by } });
        } else if (storage.kind === "dense") compare(kernels, { ...coded, shape: [shape[0] + by] });
        else compare(kernels, { ...coded, shape: [shape[0], shape[1] + by] });
      }
    }
  });
});
