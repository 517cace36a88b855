// quantize_int, dequantize_int and dynamic_range_f32 against their twins.
import { describe, expect, test } from "vitest";
import { codeOf, dynamicRange, ranges } from "../reference/quantized.js";
import { expectSame } from "../support/compare.js";
import { builds, Guarded, normals, sizes, uniform } from "../support/kernels.js";

const arrays = {
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int4: Int8Array,
  uint4: Uint8Array,
  int32: Int32Array,
};
type Name = keyof typeof ranges;

/** One scale for all, one for each row, one for each column, one for each element: the bytes between them. */
const steps = (cols: number) => [
  { row: 0, col: 0, at: () => 0, count: 1 },
  { row: 4, col: 0, at: (r: number) => r, count: undefined },
  { row: 0, col: 4, at: (_: number, c: number) => c, count: cols },
  { row: 4 * cols, col: 4, at: (r: number, c: number) => r * cols + c, count: undefined },
];

/** Values that lie on halves of their scale, and some that are no numbers or far outside. */
function values(length: number, scale: (i: number) => number, seed: number): Float32Array {
  const next = uniform(seed);
  const special = [NaN, Infinity, -Infinity, -0, 3.4e38, -3.4e38, 1e-45];
  return Float32Array.from({ length }, (_, i) => {
    const kind = next();
    if (kind < 0.05) return special[i % special.length];
    return (Math.floor(next() * 700) - 350) * (kind < 0.5 ? 0.5 : 1 + next()) * scale(i);
  });
}

describe.each(builds())("$name", ({ kernels }) => {
  test.each(Object.keys(ranges) as Name[])("quantize_int to %s", (name) => {
    const [low, high] = ranges[name];
    let seed = 0;
    for (const rows of [0, 1, 3]) {
      for (const cols of sizes) {
        for (const { row, col, at, count = rows * cols } of steps(cols)) {
          seed++;
          const scale = normals(Math.max(count, 1), seed).map((v) => Math.abs(v) + 0.25);
          for (const [i] of scale.entries()) if (i % 3 === 0) scale[i] = 2 ** ((i % 5) - 2);
          const zero = Int32Array.from(scale, (_, i) => low + ((i * 37) % (high - low + 1)));
          const place = (i: number) => at(Math.floor(i / cols), i % cols);
          const x = values(rows * cols, (i) => scale[place(i)], seed);
          for (const zeros of [zero, undefined]) {
            const memory = new Guarded(kernels);
            const [ps, pz] = [memory.place(scale), zeros ? memory.place(zeros) : 0];
            const q = memory.room(x.length * arrays[name].BYTES_PER_ELEMENT);
            const px = memory.placeFlush(x);
            kernels.quantize_int(rows, cols, px, ps, pz, row, col, q, low, high);
            memory.check();
            const want = Array.from(x, (v, i) =>
              codeOf(Math.fround(v / scale[place(i)]), zeros?.[place(i)] ?? 0, [low, high]),
            );
            expect([...memory.read<Int8Array>(arrays[name] as typeof Int8Array, q, x.length)]).toEqual(want);
          }
        }
      }
    }
  });

  test.each([
    ["int8", 0],
    ["uint8", 1],
    ["int16", 2],
    ["uint16", 3],
    ["int32", 4],
  ] as const)("dequantize_int of %s", (name, type) => {
    let seed = 0;
    for (const rows of [0, 1, 3]) {
      for (const cols of sizes) {
        for (const { row, col, at, count = rows * cols } of steps(cols)) {
          const next = uniform(++seed);
          const whole = (length: number) => Int32Array.from({ length }, () => next() * 2 ** 32);
          const q = arrays[name].from(whole(rows * cols)) as Int8Array;
          const scale = normals(Math.max(count, 1), seed);
          const zero = Int32Array.from(arrays[name].from(whole(scale.length)) as Int8Array);
          for (const zeros of [zero, undefined]) {
            const memory = new Guarded(kernels);
            const [ps, pz] = [memory.place(scale), zeros ? memory.place(zeros) : 0];
            const y = memory.room(4 * q.length);
            const pq = memory.placeFlush(q);
            kernels.dequantize_int(rows, cols, type, pq, ps, pz, row, col, y);
            memory.check();
            const want = Float32Array.from(q, (code, i) => {
              const place = at(Math.floor(i / cols), i % cols);
              return Math.fround(code - (zeros?.[place] ?? 0)) * scale[place];
            });
            expectSame(memory.read(Float32Array, y, q.length), want, `${rows} x ${cols}`);
          }
        }
      }
    }
  });

  test("dynamic_range_f32 holds all values and 0", () => {
    const cases = sizes.flatMap((n) => [
      normals(n, n + 1),
      normals(n, n + 2).map((v) => Math.abs(v) + 1),
      normals(n, n + 3).map((v) => -Math.abs(v) - 1),
    ]);
    cases.push(Float32Array.of(0, -0, 0), Float32Array.of(1e-45), Float32Array.of(-3e38, 3e38), Float32Array.of(1e-38));
    cases.push(Float32Array.of(1, 2, 3, 4, NaN), Float32Array.of(Infinity, -1), Float32Array.of(-Infinity, 1, 2, 3, 4));
    for (const x of cases) {
      const memory = new Guarded(kernels);
      const [scale, zero] = [memory.room(4), memory.room(4)];
      kernels.dynamic_range_f32(x.length, memory.placeFlush(x), scale, zero);
      memory.check();
      const got = { scale: memory.read(Float32Array, scale, 1)[0], zero: memory.read(Int32Array, zero, 1)[0] };
      if (x.some(Number.isNaN)) expect(got).toEqual({ scale: NaN, zero: 0 });
      else if (x.some((v) => !Number.isFinite(v))) expect(got).toEqual({ scale: Infinity, zero: 0 });
      else if (x.every((v) => Math.abs(v) < 2e38)) expect(got).toEqual(dynamicRange(x));
      // The range is past the largest float.
      else expect(got).toEqual({ scale: Infinity, zero: 0 });
    }
  });
});
