import { describe, expect, test } from "vitest";
import { type TypedArray, viewOf } from "../../src/dtype.js";
import { typeCode } from "../../src/ops/codes.js";
import { expectSame, salted } from "../support/compare.js";
import { builds, Guarded, normals, sizes, uniform } from "../support/kernels.js";

const nowhere = 0xffffffff;
const integers = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"] as const;

const bytesOf = (data: TypedArray) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

describe.each(builds())("$name", ({ kernels }) => {
  test.each([...integers, "float32"] as const)("index_offsets_int of %s", (dtype) => {
    const next = uniform(3);
    for (const n of sizes) {
      for (const [step, limit, stride] of [
        [1, 5, 4],
        [3, 7, 12],
        [1, 1, 1],
      ]) {
        const count = Math.max(0, (n - 1) * step + 1);
        const index = viewOf(dtype, new ArrayBuffer(8 * count), 0, n === 0 ? 0 : count);
        for (let i = 0; i < index.length; i++) {
          const value = Math.floor(next() * 4 * limit) - 2 * limit;
          index[i] = dtype.endsWith("64") ? BigInt(value) : value;
        }
        const before = Uint32Array.from({ length: n }, (_, i) => (i % 5 === 4 ? nowhere : 100 * i));
        const memory = new Guarded(kernels);
        const offsets = memory.place(before);
        const pointer = memory.placeFlush(bytesOf(index));
        const outside = kernels.index_offsets_int(n, typeCode(dtype), step, limit, stride, pointer, offsets);
        memory.check();
        let far = 0;
        const wanted = before.map((start, i) => {
          // 64 unsigned bits are read as signed ones: what is past them is outside either way.
          const given = index[i * step];
          let at = Number(typeof given === "bigint" ? BigInt.asIntN(64, given) : given);
          if (at < 0) at += limit;
          if (at >= 0 && at < limit) return start === nowhere ? nowhere : start + at * stride;
          far++;
          return nowhere;
        });
        expectSame(memory.read(Uint32Array, offsets, n), wanted, `${n} ${step} ${limit}`);
        expect(outside).toBe(far);
      }
    }
  });

  test("floats as indices: those that are no numbers are 0, and those too large for one lead nowhere", () => {
    const memory = new Guarded(kernels);
    const offsets = memory.place(new Uint32Array(4));
    const index = memory.place(Float32Array.of(Number.NaN, 1e30, -1e30, 1.9));
    expect(kernels.index_offsets_int(4, typeCode("float32"), 1, 3, 4, index, offsets)).toBe(2);
    memory.check();
    expect([...memory.read(Uint32Array, offsets, 4)]).toEqual([0, nowhere, nowhere, 4]);
  });

  test("gather_bytes and scatter_bytes move runs", () => {
    const next = uniform(5);
    for (const run of [0, 1, 2, 3, 4, 5, 8, 12, 15, 16, 17, 31, 257, 300]) {
      for (const n of [0, 1, 3, 9]) {
        for (const outer of [0, 1, 3]) {
          const places = 7;
          const x = Uint8Array.from({ length: outer * places * run }, () => Math.floor(256 * next()));
          const index = Uint32Array.from({ length: n }, () => Math.floor(places * next()));
          const memory = new Guarded(kernels);
          const y = memory.room(outer * n * run);
          const offsets = memory.place(index.map((i) => i * run));
          kernels.gather_bytes(outer, n, run, places * run, memory.placeFlush(x), offsets, y);
          memory.check();
          const wanted: number[] = [];
          for (let o = 0; o < outer; o++) {
            for (const i of index) wanted.push(...x.subarray((o * places + i) * run, (o * places + i + 1) * run));
          }
          expectSame(memory.read(Uint8Array, y, wanted.length), wanted, `${outer} ${n} ${run}`);
        }
        const x = Uint8Array.from({ length: n * run }, () => Math.floor(256 * next()));
        const index = Uint32Array.from({ length: n }, (_, i) => (i % 3 === 2 ? nowhere : 9 - i));
        const before = Uint8Array.from({ length: 10 * run }, () => Math.floor(256 * next()));
        const memory = new Guarded(kernels);
        const y = memory.place(before);
        const offsets = memory.place(index.map((i) => (i === nowhere ? nowhere : i * run)));
        kernels.scatter_bytes(n, run, memory.placeFlush(x), offsets, y);
        memory.check();
        for (const [i, to] of index.entries()) {
          if (to !== nowhere) before.set(x.subarray(i * run, (i + 1) * run), to * run);
        }
        expectSame(memory.read(Uint8Array, y, before.length), before, `${n} ${run}`);
      }
    }
  });

  const joins: readonly ((a: number, b: number) => number)[] = [(a, b) => a + b, (a, b) => a * b, Math.max, Math.min];

  test("scatter_f32 joins in the order of what comes", () => {
    for (const run of [0, 1, 3, 5]) {
      for (const [kind, join] of joins.entries()) {
        const index = [0, 2, 0, nowhere, 2, 1];
        const [x, y] = [salted(normals(index.length * run, 1)), salted(normals(3 * run, 2)).reverse()];
        const memory = new Guarded(kernels);
        const py = memory.place(y);
        const offsets = memory.place(Uint32Array.from(index, (i) => (i === nowhere ? nowhere : 4 * i * run)));
        kernels.scatter_f32(index.length, run, memory.placeFlush(x), offsets, py, kind);
        memory.check();
        for (const [i, to] of index.entries()) {
          for (let k = 0; k < run && to !== nowhere; k++) y[to * run + k] = join(y[to * run + k], x[i * run + k]);
        }
        expectSame(memory.read(Float32Array, py, y.length), y, `${run} ${kind}`);
      }
    }
  });

  test.each(integers)("scatter_int of %s wraps", (dtype) => {
    const next = uniform(8);
    const wide: readonly ((a: bigint, b: bigint) => bigint)[] = [
      (a, b) => a + b,
      (a, b) => a * b,
      (a, b) => (a > b ? a : b),
      (a, b) => (a < b ? a : b),
    ];
    const some = (length: number) => {
      const data = viewOf(dtype, new ArrayBuffer(8 * length), 0, length);
      const bytes = bytesOf(data);
      for (let i = 0; i < bytes.length; i++) bytes[i] = Math.floor(256 * next());
      return data;
    };
    for (const [kind, join] of wide.entries()) {
      const index = [0, 2, 0, nowhere, 2, 1];
      const [x, y] = [some(12), some(6)];
      const memory = new Guarded(kernels);
      const py = memory.place(bytesOf(y));
      const offsets = memory.place(
        Uint32Array.from(index, (i) => (i === nowhere ? nowhere : 2 * i * y.BYTES_PER_ELEMENT)),
      );
      kernels.scatter_int(6, 2, typeCode(dtype), memory.placeFlush(bytesOf(x)), offsets, py, kind);
      memory.check();
      for (const [i, to] of index.entries()) {
        for (let k = 0; k < 2 && to !== nowhere; k++) {
          const joined = join(BigInt(y[2 * to + k]), BigInt(x[2 * i + k]));
          y[2 * to + k] = dtype.endsWith("64") ? joined : Number(BigInt.asIntN(32, joined));
        }
      }
      expectSame(memory.read(Uint8Array, py, y.byteLength), bytesOf(y), `${kind}`);
    }
  });
});
