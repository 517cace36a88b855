import { describe, expect, test } from "vitest";
import { bytesPerElement, type DType } from "../../src/dtype.js";
import { intCodes, typeCode } from "../../src/ops/codes.js";
import { wrapped } from "../reference/elementwise.js";
import { builds, Guarded } from "../support/kernels.js";
import { integerTypes, some, tensor } from "../support/operator.js";

type Name = keyof typeof intCodes;

const over = (b: bigint, value: () => bigint) => (b === 0n ? 0n : value());
const power = (a: bigint, b: bigint) => {
  if (b >= 0n) return wrapped("int64", modPower(a, b));
  return a === 1n ? 1n : a === -1n ? (b % 2n ? -1n : 1n) : 0n;
};
/** a^b mod 2^64. */
function modPower(a: bigint, b: bigint): bigint {
  let [value, base] = [1n, a];
  for (let e = b; e > 0n; e >>= 1n, base = BigInt.asUintN(64, base * base)) {
    if (e & 1n) value = BigInt.asUintN(64, value * base);
  }
  return value;
}

const twins: Record<Name, (a: bigint, b: bigint) => bigint> = {
  left: (a) => a,
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => over(b, () => a / b),
  mod: (a, b) => over(b, () => ((a % b) + b) % b),
  fmod: (a, b) => over(b, () => a % b),
  pow: power,
  max: (a, b) => (a > b ? a : b),
  min: (a, b) => (a < b ? a : b),
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  shl: (a, b) => (BigInt.asUintN(64, b) > 63n ? 0n : a << b),
  shr: (a, b) => (BigInt.asUintN(64, b) > 63n ? 0n : BigInt.asUintN(64, a) >> b),
  less: (a, b) => BigInt(a < b),
  lessOrEqual: (a, b) => BigInt(a <= b),
  equal: (a, b) => BigInt(a === b),
  unequal: (a, b) => BigInt(a !== b),
  abs: (a) => (a < 0n ? -a : a),
  sign: (a) => (a > 0n ? 1n : a < 0n ? -1n : 0n),
  prelu: (a, b) => (a < 0n ? a * b : a),
};

/** Around the block of 64. */
const lengths = [0, 1, 3, 63, 64, 65, 130];

const viewOf = (data: unknown) => {
  const { buffer, byteOffset, byteLength } = data as Uint8Array;
  return new Uint8Array(buffer, byteOffset, byteLength);
};
const scratchIn = (memory: Guarded) => Math.ceil(memory.room(1024 + 4) / 8) * 8;

describe.each(builds())("$name", ({ kernels }) => {
  test.each(Object.keys(twins) as Name[])("binary_int %s of every type, whole and with one value", (op) => {
    for (const dtype of integerTypes) {
      const bytes = bytesPerElement(dtype);
      const code = typeCode(dtype);
      for (const cols of lengths) {
        for (const [aCol, bCol] of [
          [1, 1],
          [0, 1],
          [1, 0],
        ]) {
          const [a, b] = [some(dtype, [2, aCol ? cols : 1], cols), some(dtype, [bCol ? cols : 1], 7 + cols)];
          // Powers of unsigned types past 2^63 are read as negative: exponents are smaller than that.
          if (op === "pow" && dtype === "uint64")
            for (let i = 0; i < b.data.length; i++) b.data[i] = (b.data as BigUint64Array)[i] & 63n;
          const memory = new Guarded(kernels);
          const [y, scratch, pb] = [memory.room(2 * cols * bytes), scratchIn(memory), memory.place(viewOf(b.data))];
          const pa = memory.placeFlush(viewOf(a.data));
          // biome-ignore format: sizes in lines
          kernels.binary_int(
            intCodes[op], 2, cols, code, pa, (aCol ? cols : 1) * bytes, aCol, code, pb, 0, bCol, code, y, cols * bytes, scratch,
          );
          memory.check();
          const got = tensor(dtype, [2 * cols], Array(2 * cols).fill(0));
          viewOf(got.data).set(memory.read(Uint8Array, y, 2 * cols * bytes));
          for (let i = 0; i < 2 * cols; i++) {
            const [r, c] = [Math.floor(i / cols), i % cols];
            const left = BigInt(a.data[aCol ? i : r]);
            const right = BigInt(b.data[bCol ? c : 0]);
            const want = wrapped(dtype, twins[op](left, right));
            if (BigInt(got.data[i]) !== want) {
              throw new Error(`${op} ${dtype}: expected ${left}, ${right} to give ${want}, got ${got.data[i]}`);
            }
          }
        }
      }
    }
  });

  test("binary_int widens and wraps from every type to every type, floats toward zero and to the nearest", () => {
    const floats = Float32Array.of(0, -0, 1.9, -1.9, 255.5, -3, 65535, 2 ** 31, -(2 ** 31), 2 ** 40, 127);
    const convert = (from: DType, data: unknown, n: number, to: DType) => {
      const memory = new Guarded(kernels);
      const bytes = to === "float32" ? 4 : bytesPerElement(to);
      const [y, scratch, x] = [memory.room(n * bytes), scratchIn(memory), memory.placeFlush(viewOf(data))] as const;
      const [source, target] = [typeCode(from, to), typeCode(to, from)];
      kernels.binary_int(intCodes.left, 1, n, source, x, 0, 1, source, x, 0, 1, target, y, 0, scratch);
      memory.check();
      const got = tensor(to, [n], Array(n).fill(0));
      viewOf(got.data).set(memory.read(Uint8Array, y, n * bytes));
      return got.data;
    };
    for (const to of integerTypes) {
      for (const from of integerTypes) {
        const x = some(from, [65], 3);
        const want = Array.from(x.data as ArrayLike<number>, (v) => wrapped(to, BigInt(v)));
        expect(Array.from(convert(from, x.data, 65, to) as ArrayLike<number>, BigInt)).toEqual(want);
      }
      const x = some(to, [65], 4);
      const nearest = Array.from(x.data as ArrayLike<number>, (v) => nearestFloat(BigInt(v)));
      expect(Array.from(convert(to, x.data, 65, "float32") as Float32Array)).toEqual(nearest);
      const given = to === "uint64" ? floats.map(Math.abs) : floats;
      const whole = Array.from(given, (v) => wrapped(to, BigInt(Math.trunc(v))));
      expect(Array.from(convert("float32", given, given.length, to) as ArrayLike<number>, BigInt)).toEqual(whole);
    }
    // What no integer holds traps nowhere.
    const far = Float32Array.of(NaN, Infinity, -Infinity, 1e30);
    for (const to of integerTypes) expect(convert("float32", far, 4, to)).toHaveLength(4);
  });
});

/** The nearest float of a whole number: Number(v) would round twice. */
function nearestFloat(v: bigint): number {
  const size = v < 0n ? -v : v;
  const extra = BigInt(Math.max(0, size.toString(2).length - 24));
  let top = size >> extra;
  const rest = size - (top << extra);
  const half = extra > 0n ? 1n << (extra - 1n) : 1n;
  if (extra > 0n && (rest > half || (rest === half && top & 1n))) top++;
  return Number(top << extra) * (v < 0n ? -1 : 1);
}

test("every code is tried, and they are the numbers from 0 on", () => {
  expect(Object.keys(twins)).toEqual(Object.keys(intCodes));
  expect(Object.values(intCodes)).toEqual([...Object.values(intCodes).keys()]);
});
