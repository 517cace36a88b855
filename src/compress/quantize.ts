import { matrixOf } from "../graph/storage.js";
import type { Int8Weight, SparseWeight } from "../graph/weight.js";
import { codesAt, type FullEngine, floatsAt, place } from "../kernels/engine.js";
import { roundHalfEven } from "../math.js";

/** The least float32: values that small are whole multiples of it, and a scale of 0 would lose them. */
const leastScale = 1.401298464324817e-45;
/** Scales have four bits of mantissa, so that a file holds one in a few bits: sixteen steps for each doubling. */
const stepBits = 0x80000;
const leastNormalBits = 0x800000;
/** The largest number that has them. */
const mostBits = 0x7f780000;
/** Steps that are tried below the scale that serves the largest value: clipping a few can serve all others. */
const steps = 24;

/**
 * The least scale that is not smaller and has four bits of mantissa. Below the normal range of float32 there are no bits to
 * spare: the least float32 that is not smaller. Above 3.3e38 it is that.
 */
export function roundScale(scale: number): number {
  const single = Math.max(Math.fround(scale), leastScale);
  const bits = bitsOf(single);
  if (bits < leastNormalBits) return scaleOf(single < scale ? bits + 1 : bits);
  return scaleOf(Math.min(Math.ceil(bits / stepBits) * stepBits, mostBits));
}

/**
 * Scale of the steps of roundScale that makes the squared error of clamp(round(x / s), -levels, levels) * s smallest, from the one
 * that serves the largest value down to three eighths of it; an all-zero row has scale 1. With 8 bits the whole range is kept.
 */
export function scaleFor(values: ArrayLike<number>, levels: number): number {
  let most = 0;
  for (let i = 0; i < values.length; i++) most = Math.max(most, Math.abs(values[i]));
  if (most === 0) return 1;
  const widest = bitsOf(scaleUpTo(most, levels));
  if (levels === 127 || widest < leastNormalBits) return scaleOf(widest);
  let best = 0;
  let least = Number.POSITIVE_INFINITY;
  for (let step = 0; step <= steps; step++) {
    const bits = widest - step * stepBits;
    if (bits < leastNormalBits) break;
    const scale = scaleOf(bits);
    let error = 0;
    for (let i = 0; i < values.length; i++) {
      const q = Math.min(Math.max(roundHalfEven(values[i] / scale), -levels), levels);
      const off = values[i] - q * scale;
      error += off * off;
    }
    if (error < least) {
      least = error;
      best = scale;
    }
  }
  return best;
}

/** The scale whose grid ends at `most`: never 0, and never so large that the end of the grid rounds to infinity. */
function scaleUpTo(most: number, levels: number): number {
  let scale = roundScale(most / levels);
  while (Math.fround(scale * levels) === Number.POSITIVE_INFINITY) scale = scaleOf(bitsOf(scale) - stepBits);
  return scale;
}

const float = new Float32Array(1);
const word = new Uint32Array(float.buffer);

function bitsOf(scale: number): number {
  float[0] = scale;
  return word[0];
}

function scaleOf(bits: number): number {
  word[0] = bits;
  return float[0];
}

/** f32 values [rows, cols] as integers times a scale per row, or one for all. */
export function quantize(
  engine: FullEngine,
  shape: readonly number[],
  dense: Float32Array,
  levels: number,
  perTensor: boolean,
): Int8Weight {
  const { rows, cols } = matrixOf(shape);
  const scale = perTensor
    ? Float32Array.of(scaleFor(nonZero(dense), levels))
    : Float32Array.from({ length: rows }, (_, r) =>
        scaleFor(nonZero(dense.subarray(r * cols, (r + 1) * cols)), levels),
      );
  const mark = engine.arena.mark();
  const x = place(engine, dense);
  const scales = place(
    engine,
    Float32Array.from({ length: rows }, (_, r) => scale[perTensor ? 0 : r]),
  );
  const q = engine.arena.alloc(dense.length);
  engine.kernels.quantize_rows_f32_i8(rows, cols, x, scales, q, levels);
  const codes = codesAt(engine, q, dense.length).slice();
  engine.arena.release(mark);
  return { kind: "int8", shape, q: codes, scale };
}

/** Zeros quantize to zeros whatever the scale, so they need no say in it. */
function nonZero(values: Float32Array): Float32Array {
  return values.filter((value) => value !== 0);
}

/** How many of `size` values are kept at a sparsity: size - round(sparsity * size), half to even. */
export function keptOf(size: number, sparsity: number): number {
  return size - roundHalfEven(sparsity * size);
}

/** Keeps exactly the size - round(sparsity * size) largest magnitudes, ties to the lower index; zeros the rest in place. */
export function sparsify(engine: FullEngine, dense: Float32Array, sparsity: number): void {
  const size = dense.length;
  const keep = keptOf(size, sparsity);
  if (keep === size) return;
  if (keep === 0) {
    dense.fill(0);
    return;
  }
  engine.arena.scope(() => {
    const x = place(engine, dense);
    keepLargest(engine, x, size, keep);
    dense.set(floatsAt(engine, x, size));
  });
}

/** The same for f32 values in the engine's memory, of which 1 <= keep < size stay. */
export function keepLargest({ kernels, arena }: FullEngine, x: number, size: number, keep: number): void {
  arena.scope(() => {
    const mask = arena.alloc(Math.ceil(size / 8));
    const threshold = kernels.topk_threshold_f32(size, x, keep, arena.alloc(kernels.topk_scratch_bytes(size))) >>> 0;
    kernels.topk_mask_f32(size, x, mask, threshold, 0);
    kernels.topk_mask_f32(size, x, mask, threshold, keep - kernels.mask_count(size, mask));
    kernels.mask_apply_f32(size, x, mask, x);
  });
}

/** CSR of the integers that are not zero. */
export function toSparse({ shape, q, scale }: Int8Weight): SparseWeight {
  const { rows, cols } = matrixOf(shape);
  const nnz = q.reduce((count, value) => count + (value === 0 ? 0 : 1), 0);
  const rowPtr = new Uint32Array(rows + 1);
  const col = new Uint32Array(nnz);
  const values = new Int8Array(nnz);
  let at = 0;
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < cols; c++) {
      const value = q[r * cols + c];
      if (value === 0) continue;
      col[at] = c;
      values[at++] = value;
    }
    rowPtr[r + 1] = at;
  }
  return { kind: "sparse", shape, rowPtr, col, values, scale };
}
