// Special functions in f64, for the vectorised ones to be held against: good to 1e-15, tails included.

/** e^(z^2) erfc z for z >= 2, by its continued fraction from the far end. */
function scaledErfc(z: number): number {
  let f = z;
  for (let k = 300; k > 0; k--) f = z + k / 2 / f;
  return 1 / (Math.sqrt(Math.PI) * f);
}

/** erf z for 0 <= z < 2 or so: 2 / sqrt(pi) e^(-z^2) sum of 2^i z^(2 i + 1) / (1 3 5 ... (2 i + 1)). */
function series(z: number): number {
  let term = z;
  let sum = z;
  for (let i = 1; term > 1e-18 * sum; i++) {
    term *= (2 * z * z) / (2 * i + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * sum * Math.exp(-z * z);
}

export function erf(x: number): number {
  const a = Math.abs(x);
  const value = a < 2 ? series(a) : 1 - scaledErfc(a) * Math.exp(-a * a);
  return x < 0 ? -value : value;
}

/** The integral of the normal density up to x. */
export function normalIntegral(x: number): number {
  const z = Math.abs(x) / Math.SQRT2;
  // The square of x and not of z: what is rounded in the exponent counts.
  const tail = z < 2 ? (1 - series(z)) / 2 : (scaledErfc(z) * Math.exp((-x * x) / 2)) / 2;
  return x < 0 ? tail : 1 - tail;
}

export const sigmoid = (x: number) => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x)));

export const gelu = (x: number) => x * normalIntegral(x);

/** sqrt(2 / pi) (x + 0.044715 x^3), twice. */
const gate = (x: number) => 2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3);

export const geluTanh = (x: number) => x * sigmoid(gate(x));

/** Slopes. */
export const slopes = {
  sigmoid: (x: number) => sigmoid(x) * sigmoid(-x),
  tanh: (x: number) => 1 - Math.tanh(x) ** 2,
  erf: (x: number) => (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x),
  gelu: (x: number) => normalIntegral(x) + (x * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI),
  geluTanh: (x: number) => {
    const inner = 2 * Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * x * x);
    return sigmoid(gate(x)) + x * sigmoid(gate(x)) * sigmoid(-gate(x)) * inner;
  },
};
