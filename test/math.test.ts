import { describe, expect, test } from "vitest";
import * as math from "../src/math.js";
import { cosPi, exp, log, pow, powerOfTwo, roundHalfEven } from "../src/math.js";
import { uniform } from "./support/kernels.js";

/** Fixed point: numbers times 2^bits. */
const bits = 256n;
const one = 1n << bits;

/** A double exactly as fixed point (rounded down past 2^-256, which no test value here reaches by much). */
function exact(x: number): bigint {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, x);
  const word = view.getBigUint64(0);
  const exponent = Number((word >> 52n) & 2047n);
  const fraction = word & ((1n << 52n) - 1n);
  const mantissa = exponent === 0 ? fraction : fraction | (1n << 52n);
  const shift = BigInt((exponent === 0 ? 1 : exponent) - 1075) + bits;
  const size = shift >= 0n ? mantissa << shift : mantissa >> -shift;
  return word >> 63n ? -size : size;
}

/** e^x by its series, after x / 2^40: squared 40 times. */
function exactExp(x: number): bigint {
  const small = exact(x) >> 20n;
  let term = one;
  let sum = one;
  for (let i = 1n; term !== 0n && i < 200n; i++) {
    term = ((term * small) >> bits) / i;
    sum += term;
  }
  for (let i = 0; i < 20; i++) sum = (sum * sum) >> bits;
  return sum;
}

/** cos(pi t) by its series, pi by J. Machin's formula. */
function arctanInverse(n: bigint): bigint {
  let power = one / n;
  let sum = power;
  for (let i = 3n, sign = -1n; power !== 0n; i += 2n, sign = -sign) {
    power /= n * n;
    sum += (sign * power) / i;
  }
  return sum;
}
const pi = 4n * (4n * arctanInverse(5n) - arctanInverse(239n));
function exactCosPi(t: number): bigint {
  const x = (pi * exact(t)) >> bits;
  const square = (x * x) >> bits;
  let term = one;
  let sum = one;
  for (let i = 2n; term !== 0n && i < 400n; i += 2n) {
    term = -((term * square) >> bits) / (i * (i - 1n));
    sum += term;
  }
  return sum;
}

/** Distance of `got` from the exact value in units of got's last place. */
function ulps(got: number, want: bigint): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, got);
  const exponent = Number((view.getBigUint64(0) >> 52n) & 2047n);
  const unit = Math.max(exponent, 1) - 1075;
  const distance = exact(got) - want;
  const size = distance < 0n ? -distance : distance;
  // 2^-40 of a unit is fine enough.
  const scaled = BigInt(unit) + bits - 40n;
  return Number(scaled >= 0n ? size >> scaled : size << -scaled) / 2 ** 40;
}

describe("exp", () => {
  test("is within 1.5 ulp of the exact value from -100 to 300", () => {
    const next = uniform(1);
    let worst = 0;
    const points = [0, -0, 1, -1, 0.5, Math.LN2, Math.LN2 / 2, -Math.LN2 / 2, 1e-300, -1e-20, 88.7, 300];
    for (let i = 0; i < 4000; i++) points.push(next() * 400 - 100, next() - 0.5);
    for (const x of points) worst = Math.max(worst, ulps(exp(x), exactExp(x)));
    expect(worst).toBeLessThan(1.5);
  });

  test("agrees with the platform to 2 parts in 2^52 over its whole range", () => {
    for (let x = -708; x <= 709.7; x += 0.37) expect(Math.abs(exp(x) / Math.exp(x) - 1)).toBeLessThan(2 ** -51);
  });

  test("edges", () => {
    expect(exp(0)).toBe(1);
    expect(exp(-0)).toBe(1);
    expect(exp(Number.NaN)).toBeNaN();
    expect(exp(Number.POSITIVE_INFINITY)).toBe(Number.POSITIVE_INFINITY);
    expect(exp(Number.NEGATIVE_INFINITY)).toBe(0);
    expect(exp(709.782712893384)).toBeGreaterThan(1.797e308);
    expect(exp(709.782712893384)).toBeLessThan(Number.POSITIVE_INFINITY);
    expect(exp(709.7827128933841)).toBe(Number.POSITIVE_INFINITY);
    expect(exp(-745.2)).toBe(0);
    expect(exp(-745.1)).toBe(Number.MIN_VALUE);
    // Denormal results lose bits, not their size.
    for (let x = -745; x < -708; x += 0.1) expect(Math.abs(exp(x) - Math.exp(x))).toBeLessThanOrEqual(2 ** -1073);
  });
});

describe("log", () => {
  test("is the inverse of the exact exponential to 3 ulp", () => {
    // log is right to u ulps where exp of its result is right to u ulps of the result: d(e^y) = e^y dy.
    const next = uniform(2);
    const points = [1, 2, 0.5, 10, Math.SQRT2, Math.SQRT1_2, 1 + 2 ** -52, 1 - 2 ** -53, 1e-30, 1e80, Math.E];
    for (let i = 0; i < 3000; i++) points.push(next() * 4, next() * 1e6, 0.99 + next() * 0.02);
    let worst = 0;
    for (const x of points) {
      const y = log(x);
      if (x === 1) {
        expect(y).toBe(0);
        continue;
      }
      const relative = Number(((exactExp(y) - exact(x)) << 100n) / exact(x)) / 2 ** 100;
      const unit = 2 ** (Math.floor(Math.log2(Math.abs(y))) - 52);
      worst = Math.max(worst, Math.abs(relative) / unit);
    }
    expect(worst).toBeLessThan(3);
  });

  test("agrees with the platform to 3 parts in 2^52 over its whole range", () => {
    for (let k = -1074; k < 1024; k++) {
      const x = powerOfTwo(k) * 1.37;
      expect(Math.abs(log(x) / Math.log(x) - 1)).toBeLessThan(3 * 2 ** -52);
    }
  });

  test("edges", () => {
    expect(log(1)).toBe(0);
    expect(log(0)).toBe(Number.NEGATIVE_INFINITY);
    expect(log(-0)).toBe(Number.NEGATIVE_INFINITY);
    expect(log(-1)).toBeNaN();
    expect(log(Number.NaN)).toBeNaN();
    expect(log(Number.POSITIVE_INFINITY)).toBe(Number.POSITIVE_INFINITY);
    expect(log(Number.MIN_VALUE)).toBeCloseTo(-744.4400719213812, 10);
    expect(log(Number.MAX_VALUE)).toBeCloseTo(709.782712893384, 10);
  });
});

describe("cosPi", () => {
  test("is within 2.3e-16 of the exact value on 0..1", () => {
    const next = uniform(3);
    const points = [0, 0.25, 0.5, 0.75, 1, 1e-9, 0.25 + 2 ** -54, 0.5 - 2 ** -54, 0.5 + 2 ** -53, 1 - 2 ** -53];
    for (let i = 0; i < 3000; i++) points.push(next());
    let worst = 0n;
    for (const t of points) {
      const error = exact(cosPi(t)) - exactCosPi(t);
      if (error > worst) worst = error;
      if (-error > worst) worst = -error;
    }
    expect(Number(worst) / Number(one)).toBeLessThan(2.3e-16);
  });

  test("edges", () => {
    expect(cosPi(0)).toBe(1);
    expect(cosPi(0.5)).toBe(0);
    expect(cosPi(1)).toBe(-1);
  });
});

test("powerOfTwo is exact from -1074 to 1023", () => {
  let value = Number.MIN_VALUE;
  for (let k = -1074; k < 1024; k++, value *= 2) expect(powerOfTwo(k)).toBe(value);
});

describe("roundHalfEven", () => {
  test.each([
    [0, 0],
    [0.5, 0],
    [1.5, 2],
    [2.5, 2],
    [3.5, 4],
    [-0.5, 0],
    [-1.5, -2],
    [-2.5, -2],
    [0.49999999999999994, 0],
    [2.5000000000000004, 3],
    [-3.7, -4],
    [1e15 + 0.5, 1e15],
    [1e15 + 1.5, 1e15 + 2],
    [2 ** 53, 2 ** 53],
  ])("%d -> %d", (x, want) => expect(roundHalfEven(x) + 0).toBe(want));
});

describe("functions of floats", () => {
  const names = ["sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh"] as const;
  /** Floats of all sizes, and many within 32 of 0. */
  const spread = new Float32Array(Uint32Array.from({ length: 40000 }, (_, i) => i * 107351).buffer);
  const next = uniform(7);
  const near = Float32Array.from({ length: 20000 }, (_, i) => (next() - 0.5) * (i % 2 ? 64 : 2.5));

  test.each(names)("%s is within 2e-15 of the engine's, which is within an ulp of the truth", (name) => {
    for (const x of [...spread, ...near, 0, -0, 1, -1, Infinity, -Infinity, NaN]) {
      const [got, want] = [math[name](x), Math[name](x)];
      const fits =
        Number.isFinite(want) && want !== 0 ? Math.abs(got - want) <= 2e-15 * Math.abs(want) : Object.is(got, want);
      if (!fits) throw new Error(`${name} of ${x}: expected ${want}, got ${got}`);
    }
  });

  test("pow is within 1e-13 of the engine's, and has its special cases", () => {
    for (let i = 0; i < 20000; i++) {
      const [x, y] = [next() * 50, (next() - 0.5) * 40];
      expect(Math.abs(pow(x, y) - x ** y)).toBeLessThanOrEqual(1e-13 * x ** y);
    }
    const values = [0, -0, 1, -1, 2, -2, 0.5, -0.5, 3, 2.5, 65, -65, Infinity, -Infinity, NaN];
    for (const x of values) {
      for (const y of values) {
        // 1 to any power is 1, as C has it and JavaScript has not.
        const want = x === 1 || (x === -1 && !Number.isFinite(y) && !Number.isNaN(y)) ? 1 : x ** y;
        const got = pow(x, y);
        if (Object.is(got, want)) continue;
        expect(Math.abs(got - want), `${x} ** ${y}`).toBeLessThanOrEqual(1e-13 * Math.abs(want));
      }
    }
  });
});
