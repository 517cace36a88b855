import { bytesPerElement, type TypedArray } from "../dtype.js";
import { expected, UnsupportedError } from "../errors.js";
import { powerOfTwo } from "../math.js";
import { sizeOf } from "../tensor.js";
import { type FactoredWeight, isReal, type Layout, type PlainWeight, type Weight } from "./weight.js";

/** Rows and columns of a weight seen as a matrix: [d0, d1 * d2 * ...]; rank 0 and 1 are one row. */
export function matrixOf(shape: readonly number[]): { rows: number; cols: number } {
  const size = sizeOf(shape);
  const rows = shape.length < 2 ? 1 : shape[0];
  return { rows, cols: rows === 0 ? 0 : size / rows };
}

/**
 * The values of a storage, [rows, cols] in row-major order, in plain loops: for export, reports and tests. The products are
 * rounded to f32 in the same order as the kernels do it, so both agree bit for bit.
 */
export function denseOf(stored: PlainWeight): Float32Array {
  const { rows, cols } = matrixOf(stored.shape);
  const out = new Float32Array(rows * cols);
  switch (stored.kind) {
    case "dense": {
      if (!isReal(stored.dtype)) throw new UnsupportedError(expected("weight", "float values", stored.dtype));
      widen(stored.dtype, stored.data, out);
      return out;
    }
    case "masked":
      for (let i = 0; i < out.length; i++) out[i] = kept(stored.mask, i) ? stored.data[i] : 0;
      return out;
    case "sparse":
      for (let r = 0; r < rows; r++) {
        const scale = stored.scale ? stored.scale[stored.scale.length === 1 ? 0 : r] : 1;
        for (let e = stored.rowPtr[r]; e < stored.rowPtr[r + 1]; e++) {
          out[r * cols + stored.col[e]] = stored.values[e] * scale;
        }
      }
      return out;
    case "int8":
      for (let r = 0; r < rows; r++) {
        const scale = stored.scale[stored.scale.length === 1 ? 0 : r];
        for (let c = 0; c < cols; c++) out[r * cols + c] = stored.q[r * cols + c] * scale;
      }
      return out;
    case "factored":
      return fromColumns(stored, rebuildColumns(stored));
  }
}

/** X^T [n, d] of a factored weight: row j = sum over entries e of row j of Z^T, in order, of code * scales * atom. */
export function rebuildColumns(weight: FactoredWeight): Float32Array {
  const { d, n, rowPtr, col, codes, codeScale, codebook, codebookScale } = weight;
  const out = new Float32Array(n * d);
  for (let j = 0; j < n; j++) {
    for (let e = rowPtr[j]; e < rowPtr[j + 1]; e++) {
      const factor = Math.fround(codes[e] * Math.fround(codeScale[col[e]] * codebookScale));
      for (let i = 0; i < d; i++) out[j * d + i] += Math.fround(factor * codebook[col[e] * d + i]);
    }
  }
  return out;
}

/** The tensor [rows, cols] from X^T [n, d]. */
export function fromColumns(
  weight: Pick<FactoredWeight, "layout" | "shape" | "d" | "n">,
  columns: Float32Array,
): Float32Array {
  const { rows, cols } = matrixOf(weight.shape);
  if (weight.layout === "kernel") return columns.slice(0, rows * cols);
  const out = new Float32Array(rows * cols);
  for (let r = 0, at = 0; r < rows; r++) {
    const from = bandStart(r, cols, weight.d);
    for (let c = 0; c < cols; c++, at++) out[at] = columns[from + c * weight.d];
  }
  return out;
}

/** X^T [n, d] of dense values, the end padded with zeros: the inverse of `fromColumns`. */
export function toColumns(
  weight: Pick<FactoredWeight, "layout" | "shape" | "d" | "n">,
  dense: Float32Array,
): Float32Array {
  const out = new Float32Array(weight.n * weight.d);
  if (weight.layout === "kernel") {
    out.set(dense);
    return out;
  }
  const { rows, cols } = matrixOf(weight.shape);
  for (let r = 0, at = 0; r < rows; r++) {
    const from = bandStart(r, cols, weight.d);
    for (let c = 0; c < cols; c++, at++) out[from + c * weight.d] = dense[at];
  }
  return out;
}

/** Where the first value of row r stands in X^T, layouts `rows` and `tile`. */
function bandStart(r: number, cols: number, d: number): number {
  return Math.floor(r / d) * cols * d + (r % d);
}

/** d and n of a layout over a weight's shape; `d` is free for `kernel` (Conv: kh * kw by default) and for `tile` (up to all rows). */
export function columnsOf(shape: readonly number[], layout: Layout, d?: number): { d: number; n: number } {
  const { rows, cols } = matrixOf(shape);
  if (layout === "rows") return { d: rows, n: cols };
  if (layout === "tile") {
    const high = Math.min(d ?? rows, rows);
    return { d: high, n: Math.ceil(rows / high) * cols };
  }
  const length = d ?? shape.slice(2).reduce((size, dim) => size * dim, 1);
  return { d: length, n: Math.ceil((rows * cols) / length) };
}

/** Bytes in memory of the arrays of a storage (in a file they are smaller: see codec). */
export function byteLength(weight: Weight): number {
  switch (weight.kind) {
    case "dense":
      return sizeOf(weight.shape) * bytesPerElement(weight.dtype);
    case "masked":
      return weight.data.byteLength + weight.mask.byteLength;
    case "sparse":
      return (
        weight.rowPtr.byteLength + weight.col.byteLength + weight.values.byteLength + (weight.scale?.byteLength ?? 0)
      );
    case "int8":
      return weight.q.byteLength + weight.scale.byteLength;
    case "factored":
      return (
        weight.rowPtr.byteLength +
        weight.col.byteLength +
        weight.codes.byteLength +
        weight.codeScale.byteLength +
        weight.codebook.byteLength +
        4
      );
    case "coded":
      return weight.bytes.byteLength;
  }
}

/** Whether bit i of a mask is set. */
export function kept(mask: Uint8Array, i: number): boolean {
  return ((mask[i >> 3] >> (i & 7)) & 1) === 1;
}

/**
 * Floating-point numbers of any width as float32: exactly, but for float64, which is rounded.
 * @param out [data.length], written in full
 */
export function widen(
  dtype: "float32" | "float16" | "bfloat16" | "float64",
  data: TypedArray,
  out: Float32Array,
): void {
  if (dtype === "float32" || dtype === "float64") out.set(data as Float32Array);
  else if (dtype === "float16") for (let i = 0; i < out.length; i++) out[i] = halfToFloat(data[i] as number);
  else {
    // bfloat16 is the higher half of a float32.
    const bits = new Uint32Array(out.buffer, out.byteOffset, out.length);
    for (let i = 0; i < bits.length; i++) bits[i] = (data[i] as number) << 16;
  }
}

/** Value of float16 bits. */
export function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * powerOfTwo(-24);
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * powerOfTwo(exponent - 15);
}

const float = new Float32Array(1);
const floatBits = new Uint32Array(float.buffer);

/** float16 bits nearest to a value, half to even; past 65,504 and a half step, infinity. */
export function floatToHalf(value: number): number {
  float[0] = value;
  const bits = floatBits[0];
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  // Below 2^-14 the result is a multiple of 2^-24; adding 2^-1 leaves just that multiple, rounded, in the lowest bits.
  if (magnitude < 0x38800000) {
    floatBits[0] = magnitude;
    float[0] += 0.5;
    return sign | (floatBits[0] - 0x3f000000);
  }
  return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
}

/** bfloat16 bits nearest to a value, half to even: the higher half of a float32. */
export function floatToBfloat(value: number): number {
  float[0] = value;
  const bits = floatBits[0];
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}
