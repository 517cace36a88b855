/**
 * Scalar functions whose bits are the same on every engine (the platform's differ): only + - * / and sqrt are used, all of them
 * exactly rounded by IEEE 754. For schedules, rates and random numbers; arrays go through assembly/math.ts.
 */

const ln2High = 0.6931471803691238;
const ln2Low = 1.9082149292705877e-10;

/** 2^k for an integer k in -1074..1023, exact. */
export function powerOfTwo(k: number): number {
  let value = 1;
  const factor = k < 0 ? 0.5 : 2;
  for (let i = Math.abs(k); i > 0; i--) value *= factor;
  return value;
}

/**
 * e^x, error below 1.5 ulp (denormal results: 1 more). Argument reduction x = k ln 2 + r, |r| <= ln 2 / 2, then the Taylor series of e^r by Horner.
 */
export function exp(x: number): number {
  if (Number.isNaN(x)) return x;
  if (x > 709.782712893384) return Number.POSITIVE_INFINITY;
  if (x < -745.1332191019411) return 0;
  const k = Math.round(x / (ln2High + ln2Low));
  const r = x - k * ln2High - k * ln2Low;
  let sum = 1;
  for (let i = 17; i > 0; i--) sum = 1 + (r / i) * sum;
  // Two factors, because 2^k alone leaves the range at both ends.
  const half = Math.trunc(k / 2);
  return sum * powerOfTwo(half) * powerOfTwo(k - half);
}

/**
 * Natural logarithm, error below 3 ulp. x = 2^k m, m in sqrt(1/2)..sqrt(2); log m = 2 artanh((m - 1) / (m + 1)) by its series.
 */
export function log(x: number): number {
  if (Number.isNaN(x) || x < 0) return Number.NaN;
  if (x === 0) return Number.NEGATIVE_INFINITY;
  if (x === Number.POSITIVE_INFINITY) return x;
  let k = 0;
  let m = x;
  while (m > Math.SQRT2) {
    m *= 0.5;
    k++;
  }
  while (m < Math.SQRT1_2) {
    m *= 2;
    k--;
  }
  const s = (m - 1) / (m + 1);
  const square = s * s;
  let sum = 0;
  for (let i = 23; i >= 1; i -= 2) sum = sum * square + 1 / i;
  return k * ln2High + (k * ln2Low + 2 * s * sum);
}

/** cos(pi t) for t in 0..1, error below 2e-16: the half of a cosine that learning rates follow. */
export function cosPi(t: number): number {
  if (t > 0.5) return -cosPi(1 - t);
  if (t > 0.25) return sinPi(0.5 - t);
  const square = Math.PI * t * (Math.PI * t);
  let sum = 1;
  for (let i = 16; i > 0; i -= 2) sum = 1 - (square / (i * (i - 1))) * sum;
  return sum;
}

/** sin(pi t) for t in 0..1/4. */
function sinPi(t: number): number {
  const x = Math.PI * t;
  let sum = 1;
  for (let i = 17; i > 1; i -= 2) sum = 1 - ((x * x) / (i * (i - 1))) * sum;
  return x * sum;
}

/** Nearest integer, halves to the even one. */
export function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest < 0.5) return floor;
  if (rest > 0.5) return floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}
