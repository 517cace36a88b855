import type { DType, TypedArray } from "../dtype.js";
import { sizeOf } from "../tensor.js";
import { elementsOf } from "./element.js";
import type { Info, Site, Slot, Table } from "./op.js";
import { madeOf, type Source } from "./quantized.js";
import { type Place, type Recipe, room } from "./recipe.js";

/** The types of what integer products are made of. */
export const byteTypes: readonly DType[] = ["int8", "uint8"];

/** Matrices B[k, n] as they lie in one value, and the bytes from one row and from one column to the next. */
export interface Layout {
  readonly count: number;
  readonly k: number;
  readonly n: number;
  readonly row: number;
  readonly col: number;
}

/** Codes as int8: what kernels take as B. Those of uint8 are 128 less, and so is their zero point. */
export function signed(codes: TypedArray): Int8Array {
  if (codes instanceof Int8Array) return codes;
  return Int8Array.from(codes as Uint8Array, (code) => code - 128);
}

/**
 * Puts the matrices that input i holds into panels: once where it is a weight, else at each run. Gives where the first begins. A
 * weight that cannot be one, of another type or where there is no layout, is left for `infer` to refuse.
 * `arrange`: the codes, int8, in the order that the layout speaks of.
 */
export function packer(
  site: Site,
  i: number,
  layoutOf: (shape: readonly number[]) => Layout | undefined,
  arrange: (codes: TypedArray, shape: readonly number[]) => Int8Array,
): (recipe: Recipe, slot: Slot) => Place {
  const { kernels } = site;
  const pack = ({ known, shape }: Pick<Required<Info>, "known" | "shape">, from: number, panels: number) => {
    const { count, k, n, row, col } = layoutOf(shape)!;
    new Int8Array(kernels.memory.buffer, from, known.length).set(arrange(known, shape));
    const bytes = kernels.gemm_panels_i8_bytes(k, n);
    for (let b = 0; b < count; b++) kernels.gemm_pack_i8(k, n, row, col, from + b * k * n, panels + b * bytes);
  };
  const bytesOf = ({ count, k, n }: Layout) => count * kernels.gemm_panels_i8_bytes(k, n);
  const constant = site.constant(i);
  const layout = constant && byteTypes.includes(constant.dtype) ? layoutOf(constant.shape) : undefined;
  if (constant && layout) {
    const panels = site.alloc(bytesOf(layout));
    site.temporary(constant.known.length, (from) => pack(constant, from, panels));
    return () => () => panels;
  }
  return (recipe, slot) => {
    const { shape } = slot;
    const [codes, panels] = [sizeOf(shape), bytesOf(layoutOf(shape)!)].map((bytes) => room(recipe, [bytes], "int8"));
    recipe.steps.push((scratch) => {
      pack({ known: elementsOf(kernels, slot), shape }, codes.at(scratch), panels.at(scratch));
    });
    return panels.at;
  };
}

/**
 * The zero points of B's columns, s32, as many as `length` by counting round, beside codes made int8; undefined where all are 0.
 * @param unsigned whether B is of uint8
 */
export function zerosOf(
  recipe: Recipe,
  table: Table,
  zero: Source | undefined,
  unsigned: boolean,
  length: number,
): Place | undefined {
  const shift = unsigned ? 128 : 0;
  const make = (values: TypedArray | undefined) =>
    Int32Array.from({ length }, (_, j) => (values ? Number(values[j % values.length]) : 0) - shift);
  if ((!zero || zero.known) && make(zero?.known).every((value) => value === 0)) return undefined;
  return madeOf(recipe, table, [zero], "int32", length, make);
}

/** a b / y, each step rounded to f32: what sums are multiplied by to become codes. */
export function factorOf(a: number, b: number, y: number): number {
  return Math.fround(Math.fround(a * b) / y);
}

/** The same for scales of B's columns, f32, as many as `length` by counting round, and one scale each of A and of Y. */
export function factorsOf(
  recipe: Recipe,
  table: Table,
  scales: readonly [a: Source | undefined, b: Source | undefined, y: Source | undefined],
  length: number,
): Place {
  return madeOf(recipe, table, scales, "float32", length, (...given) => {
    const [a, b, y] = given as [Float32Array, Float32Array, Float32Array];
    return Float32Array.from({ length }, (_, j) => factorOf(a[0], b[j % b.length], y[0]));
  });
}

/** One product, ready but for its addresses. */
export interface Product {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** Whether A is of uint8. */
  readonly unsigned: boolean;
  /** Zero point of A. */
  readonly zero: () => number;
}

/** What becomes of sums: codes of int8, or of uint8 where `unsigned`. */
export interface Ending {
  readonly zero: () => number;
  readonly unsigned: boolean;
}

type Kernels = Site["kernels"];

/** C = (A - zero)(B - zeros), s32; `zeros` 0 where there are none. */
export function sum(
  kernels: Kernels,
  { m, n, k, unsigned, zero }: Product,
  ...[a, panels, zeros, c, scratch]: readonly [a: number, panels: number, zeros: number, c: number, scratch: number]
): void {
  const [z, flag] = [zero(), unsigned ? 1 : 0];
  kernels.gemm_i8(m, n, k, a, panels, c, scratch, z, flag);
  if (zeros) kernels.subtract_zeros_i8(m, n, k, a, zeros, c, z, flag);
}

/** y = saturate(round((C + bias) * scale) + zero) of the same C; `sums`: room for it where there are zeros. */
export function encode(
  kernels: Kernels,
  product: Product,
  ending: Ending,
  ...[a, panels, zeros, scale, bias, y, sums, scratch]: readonly [
    a: number,
    panels: number,
    zeros: number,
    scale: number,
    bias: number,
    y: number,
    sums: number,
    scratch: number,
  ]
): void {
  const { m, n, k, unsigned, zero } = product;
  const [z, yFlag] = [ending.zero(), ending.unsigned ? 1 : 0];
  if (zeros) {
    sum(kernels, product, a, panels, zeros, sums, scratch);
    kernels.requantize_i8(m, n, sums, scale, bias, y, z, yFlag);
  } else {
    const flag = unsigned ? 1 : 0;
    kernels.gemm_requantize_i8(m, n, k, a, panels, scale, bias, y, scratch, zero(), flag, z, yFlag);
  }
}
