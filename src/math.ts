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

/** x^y as e^(y log x): error below 1e-13 of the result for results that a float holds. Special cases as IEEE 754 has them. */
export function pow(x: number, y: number): number {
  if (y === 0 || x === 1) return 1;
  if (Number.isNaN(x) || Number.isNaN(y)) return Number.NaN;
  const whole = Number.isInteger(y);
  const flips = whole && y % 2 !== 0;
  if (x === 0) {
    const size = y > 0 ? 0 : Number.POSITIVE_INFINITY;
    return flips && Object.is(x, -0) ? -size : size;
  }
  if (!Number.isFinite(y)) {
    const a = Math.abs(x);
    return a === 1 ? 1 : a > 1 === y > 0 ? Number.POSITIVE_INFINITY : 0;
  }
  if (x < 0 && !whole && x !== Number.NEGATIVE_INFINITY) return Number.NaN;
  // Small whole powers by products: those of whole numbers are exact.
  let size = 1;
  if (whole && Math.abs(y) <= 64) {
    for (let i = Math.abs(y); i > 0; i--) size *= Math.abs(x);
    if (y < 0) size = 1 / size;
  } else size = exp(y * log(Math.abs(x)));
  return x < 0 && flips ? -size : size;
}

/** 2 / pi in units of 2^-256. */
const twoOverPi = 0xa2f9836e4e441529fc2757d1f534ddc0db6295993c439041fe5163abdebbc561n;

/**
 * sin(x + quarters pi / 2), error below 2e-15 of the result for every float. x = n pi / 2 + r, |r| <= pi / 4: pi / 2 in three parts (of
 * fdlibm's e_rem_pio2.c, K. C. Ng, 1993), or in whole numbers where x is large; then the Taylor series of r.
 */
function wave(x: number, quarters: number): number {
  if (!Number.isFinite(x)) return Number.NaN;
  let n: number;
  let r: number;
  if (Math.abs(x) < 1048576) {
    n = Math.round(x / (Math.PI / 2));
    r = x - n * 1.5707963267341256 - n * 6.077100506303966e-11 - n * 2.0222662487959506e-21;
  } else {
    // Quarter turns in units of 2^-289, half of one added: what is left beyond the whole ones is half too much.
    const turns = BigInt(x * 8589934592) * twoOverPi + (1n << 288n);
    n = Number((turns >> 289n) & 3n);
    const rest = (turns & ((1n << 289n) - 1n)) - (1n << 288n);
    r = (Number(rest >> 161n) / 3.402823669209385e38) * (Math.PI / 2);
  }
  const quadrant = (n + quarters) & 3;
  const value = quadrant & 1 ? series(r, 20) : r * series(r, 21);
  return quadrant & 2 ? -value : value;
}

/** 1 - r^2 / (m (m - 1)) (1 - r^2 / ..) from `last` down to m = 2 or 3: cos r for an even `last`, sin(r) / r for an odd one. */
function series(r: number, last: number): number {
  let sum = 1;
  for (let m = last; m > 1; m -= 2) sum = 1 - ((r * r) / (m * (m - 1))) * sum;
  return sum;
}

export function sin(x: number): number {
  return x === 0 ? x : wave(x, 0);
}

export function cos(x: number): number {
  return wave(x, 1);
}

export function tan(x: number): number {
  return x === 0 ? x : wave(x, 0) / wave(x, 1);
}

/** Error below 1e-15 of the result, as those that follow: the angle halved twice, then its series. */
export function atan(x: number): number {
  if (Math.abs(x) > 1) return (x > 0 ? Math.PI / 2 : -Math.PI / 2) - atan(1 / x);
  const half = x / (1 + Math.sqrt(1 + x * x));
  const t = half / (1 + Math.sqrt(1 + half * half));
  return 4 * t * odd(-t * t);
}

/** 1 + s / 3 + s^2 / 5 + .. for |s| < 1 / 16. */
function odd(s: number): number {
  let sum = 0;
  for (let i = 27; i >= 1; i -= 2) sum = sum * s + 1 / i;
  return sum;
}

export function asin(x: number): number {
  return atan(x / Math.sqrt((1 - x) * (1 + x)));
}

export function acos(x: number): number {
  return 2 * atan(Math.sqrt((1 - x) / (1 + x)));
}

export function sinh(x: number): number {
  if (Math.abs(x) > 1) return (exp(x) - exp(-x)) / 2;
  let sum = 1;
  for (let m = 19; m > 1; m -= 2) sum = 1 + ((x * x) / (m * (m - 1))) * sum;
  return x * sum;
}

export function cosh(x: number): number {
  return (exp(x) + exp(-x)) / 2;
}

export function atanh(x: number): number {
  return Math.abs(x) < 0.25 ? x * odd(x * x) : log((1 + x) / (1 - x)) / 2;
}

export function asinh(x: number): number {
  const root = Math.sqrt(1 + x * x);
  if (Math.abs(x) < 0.25) return atanh(x / root);
  const size = log(Math.abs(x) + root);
  return x < 0 ? -size : size;
}

export function acosh(x: number): number {
  return x < 1 ? Number.NaN : asinh(Math.sqrt((x - 1) * (x + 1)));
}
