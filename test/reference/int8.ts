// The integer kernels' executable specification: sums of integers below 2^53 are exact in f64, and Math.fround stands
// where a kernel rounds to f32.

/** (A - zero) B, A [m, k], B given as its columns [n, k]. */
export function integerProduct(
  m: number,
  n: number,
  k: number,
  a: Int8Array | Uint8Array,
  b: Int8Array,
  zero = 0,
): Int32Array {
  const out = new Int32Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let p = 0; p < k; p++) sum += (a[i * k + p] - zero) * b[j * k + p];
      out[i * n + j] = sum;
    }
  }
  return out;
}

/** sums[i, j] * (aScale[i] * scale[j]) + bias[j] */
export function dequantized(
  n: number,
  sums: Int32Array,
  aScale: Float32Array,
  scale: Float32Array,
  bias?: Float32Array,
): Float32Array {
  return Float32Array.from(sums, (sum, at) => {
    const factor = Math.fround(aScale[Math.floor(at / n)] * scale[at % n]);
    return Math.fround(Math.fround(sum) * factor) + (bias ? bias[at % n] : 0);
  });
}

/** saturate(round((sums[i, j] + bias[j]) * scale[j]) + zero) */
export function requantized(
  n: number,
  sums: Int32Array,
  scale: Float32Array,
  bias: Int32Array | undefined,
  zero: number,
  unsigned: boolean,
): Int8Array | Uint8Array {
  const [low, high] = unsigned ? [0, 255] : [-128, 127];
  const codes = Array.from(sums, (sum, at) => {
    const value = Math.fround(Math.fround((sum + (bias ? bias[at % n] : 0)) | 0) * scale[at % n]);
    return Math.min(high, Math.max(low, (Number.isNaN(value) ? 0 : halfToEven(value)) + zero));
  });
  return unsigned ? Uint8Array.from(codes) : Int8Array.from(codes);
}

/** Codes and scales of rows quantized by their largest magnitude. */
export function quantizedRows(rows: number, cols: number, x: Float32Array): { q: Int8Array; scale: Float32Array } {
  const q = new Int8Array(rows * cols);
  const scale = new Float32Array(rows);
  for (let r = 0; r < rows; r++) {
    const row = x.subarray(r * cols, (r + 1) * cols);
    const top = row.reduce(
      (most, value) => (Number.isNaN(most) || Math.abs(value) <= most ? most : Math.abs(value)),
      0,
    );
    const step = Math.fround(top / 127);
    scale[r] = top === 0 ? 1 : step === 0 ? 2 ** -149 : step;
    if (!(scale[r] < Infinity)) continue;
    for (const [c, value] of row.entries()) {
      q[r * cols + c] = Math.min(127, Math.max(-127, halfToEven(Math.fround(value / scale[r]))));
    }
  }
  return { q, scale };
}

/** aScale[i] * sum over groups of (sum over the group of A B) * scale[j, group] + bias[j], B as its columns [n, k]. */
export function groupedProduct(
  m: number,
  n: number,
  k: number,
  group: number,
  a: Int8Array,
  b: Int8Array,
  aScale: Float32Array,
  scale: (column: number, group: number) => number,
  bias?: Float32Array,
): Float32Array {
  const out = new Float32Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let total = 0;
      for (let g = 0; g * group < k; g++) {
        let sum = 0;
        for (let p = g * group; p < Math.min(k, (g + 1) * group); p++) sum += a[i * k + p] * b[j * k + p];
        total = Math.fround(total + Math.fround(Math.fround(sum) * scale(j, g)));
      }
      out[i * n + j] = Math.fround(total * aScale[i]) + (bias ? bias[j] : 0);
    }
  }
  return out;
}

/** The nearest integer, of two the even one. */
export function halfToEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  return rest < 0.5 || (rest === 0.5 && below % 2 === 0) ? below : below + 1;
}
