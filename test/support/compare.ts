// How kernels' results are held against their twins.
import { expect } from "vitest";
import type { Sums } from "../reference/ops.js";

/** Half a unit in the last place of 1, and the smallest denormal. */
const unit = 2 ** -24;
const smallest = 2 ** -149;

/** Element for element the same number: NaN equals NaN, -0 does not equal 0. */
export function expectSame(actual: ArrayLike<number>, wanted: ArrayLike<number>, what = ""): void {
  expect(actual.length).toBe(wanted.length);
  for (let i = 0; i < wanted.length; i++) {
    if (!Object.is(actual[i], wanted[i])) throw new Error(`${what}[${i}]: expected ${wanted[i]}, got ${actual[i]}`);
  }
}

/**
 * Within what `roundings` roundings in f32 can do to a sum whose terms have `size` in all: roundings 2^-24 size, and a denormal
 * for each.
 */
export function expectWithin(actual: ArrayLike<number>, { value, size }: Sums, roundings: number, what = ""): void {
  expect(actual.length).toBe(value.length);
  for (let i = 0; i < value.length; i++) {
    const limit = roundings * (unit * size[i] + smallest);
    if (Number.isNaN(value[i]) ? !Number.isNaN(actual[i]) : !(Math.abs(actual[i] - value[i]) <= limit)) {
      throw new Error(`${what}[${i}]: expected ${value[i]} within ${limit}, got ${actual[i]}`);
    }
  }
}

/** Values that catch a kernel out, spread over `values` at every third place. */
export function salted(values: Float32Array): Float32Array {
  const salt = [-0, 0, 1e-40, -1e-45, NaN, 3e38, -3e38, Infinity, -Infinity, 1.17549435e-38];
  return values.map((v, i) => (i % 3 === 1 ? salt[((i / 3) | 0) % salt.length] : v));
}
