import type { TypedArray } from "../dtype.js";
import { kept, matrixOf } from "../graph/storage.js";
import type { FactoredWeight, PlainWeight } from "../graph/weight.js";

/**
 * Some rows and columns of a weight, in the same storage.
 * @param rows, cols which, rising
 * @param shape of the result, [rows.length, ...] with cols.length values for each row
 */
export function select(
  weight: Exclude<PlainWeight, FactoredWeight>,
  rows: readonly number[],
  cols: readonly number[],
  shape: readonly number[],
): PlainWeight {
  const width = matrixOf(weight.shape).cols;
  const pick = <T extends TypedArray>(values: T): T => {
    const picked = values.slice(0, rows.length * cols.length) as T;
    for (const [i, r] of rows.entries())
      for (const [j, c] of cols.entries()) picked[i * cols.length + j] = values[r * width + c];
    return picked;
  };
  const scalesOf = (scale: Float32Array) => (scale.length === 1 ? scale : Float32Array.from(rows, (r) => scale[r]));
  switch (weight.kind) {
    case "dense":
      return { ...weight, shape, data: pick(weight.data) };
    case "int8":
      return { ...weight, shape, q: pick(weight.q), scale: scalesOf(weight.scale) };
    case "masked": {
      const bits = pick(Uint8Array.from(weight.data, (_, i) => (kept(weight.mask, i) ? 1 : 0)));
      const mask = new Uint8Array(Math.ceil(bits.length / 8));
      for (const [i, bit] of bits.entries()) mask[i >> 3] |= bit << (i & 7);
      return { ...weight, shape, data: pick(weight.data), mask };
    }
    case "sparse": {
      const placeOf = new Map(cols.map((c, j) => [c, j]));
      const rowPtr = new Uint32Array(rows.length + 1);
      const entries: number[] = [];
      for (const [i, r] of rows.entries()) {
        for (let e = weight.rowPtr[r]; e < weight.rowPtr[r + 1]; e++) if (placeOf.has(weight.col[e])) entries.push(e);
        rowPtr[i + 1] = entries.length;
      }
      const values = weight.values.slice(0, entries.length);
      for (const [i, e] of entries.entries()) values[i] = weight.values[e];
      const col = Uint32Array.from(entries, (e) => placeOf.get(weight.col[e])!);
      return { ...weight, shape, rowPtr, col, values, ...(weight.scale && { scale: scalesOf(weight.scale) }) };
    }
  }
}
