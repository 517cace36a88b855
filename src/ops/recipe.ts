import { bytesPerElement, type DType, inMemory, isFloat } from "../dtype.js";
import type { RunKernels } from "../kernels/abi.js";
import { sizeOf } from "../tensor.js";
import { walkOf } from "./broadcast.js";
import { floatCodes, foldCodes, intCodes, typeCode, unaryCodes } from "./codes.js";
import { viewing } from "./element.js";
import { bytesOf, type Launch, type Slot } from "./op.js";

/** Where something stands, given where the scratch block of a run begins. */
export type Place = (scratch: number) => number;

/** A value of a recipe: in its place in memory, or in scratch. */
export interface Operand {
  readonly at: Place;
  readonly shape: readonly number[];
  readonly dtype: DType;
}

/** Steps made of few general kernels, bound once and run in turn. */
export interface Recipe {
  readonly kernels: RunKernels;
  readonly steps: ((scratch: number) => void)[];
  bytes: number;
}

/** What binary_int takes at the beginning of scratch: the most that any kernel here does. */
const kernelScratch = 1024;

export function recipeOf(kernels: RunKernels): Recipe {
  return { kernels, steps: [], bytes: kernelScratch };
}

export function launchOf({ steps, bytes }: Recipe): Launch {
  return {
    scratch: bytes,
    run(scratch) {
      for (let i = 0; i < steps.length; i++) steps[i](scratch);
    },
  };
}

/** A value that stands in memory. */
export function standing({ pointer, shape, dtype }: Slot): Operand {
  return { at: () => pointer, shape, dtype };
}

/** Room for a value in scratch. */
export function room(recipe: Recipe, shape: readonly number[], dtype: DType = "float32"): Operand {
  const at = recipe.bytes;
  recipe.bytes += Math.ceil(bytesOf({ shape, dtype }) / 16) * 16;
  return { at: (scratch) => scratch + at, shape, dtype };
}

/** The same elements in another shape. */
export function reshaped(operand: Operand, shape: readonly number[]): Operand {
  return { ...operand, shape };
}

/** One 0 of any type. */
export function zero(recipe: Recipe, dtype: DType): Operand {
  const to = room(recipe, [2]);
  recipe.steps.push((scratch) => recipe.kernels.fill_row_f32(1, 2, 0, to.at(scratch)));
  return { at: to.at, shape: [], dtype };
}

/** One integer of a type, its lowest bits where it does not fit. */
export function constant(recipe: Recipe, dtype: DType, value: bigint): Operand {
  const to = room(recipe, [], "int64");
  const view = viewing(recipe.kernels, "int64", 1);
  recipe.steps.push((scratch) => {
    view(to.at(scratch))[0] = value;
  });
  return { ...to, dtype };
}

export type Combination = keyof typeof floatCodes | keyof typeof intCodes;

/** y = a op b, both broadcast to the shape of y, which may be in the place of a where that has its shape. */
export function combine(recipe: Recipe, op: Combination, a: Operand, b: Operand, y: Operand): void {
  const { kernels, steps } = recipe;
  const walk = walkOf(y.shape, [a.shape, b.shape]);
  const { rows, cols, row, col } = walk;
  const [aSize, bSize, ySize] = [a, b, y].map(({ dtype }) => bytesPerElement(inMemory(dtype)));
  const [aRow, bRow, yRow] = [row[0] * aSize, row[1] * bSize, cols * ySize];
  // Set for each run: a block is a function made once.
  let [left, right, to, scratch] = [0, 0, 0, 0];
  let block: (from: readonly number[], at: number) => void;
  if (op !== "left" && isFloat(a.dtype) && isFloat(b.dtype)) {
    const code = floatCodes[op as keyof typeof floatCodes];
    block = (from, at) => {
      const [pa, pb, py] = [left + from[0] * aSize, right + from[1] * bSize, to + at * ySize];
      kernels.binary_f32(code, rows, cols, pa, aRow, col[0], pb, bRow, col[1], py, yRow, scratch);
    };
  } else {
    const code = intCodes[op as keyof typeof intCodes];
    const types = [typeCode(a.dtype, y.dtype), typeCode(b.dtype), typeCode(y.dtype, a.dtype)];
    block = (from, at) => {
      const [pa, pb, py] = [left + from[0] * aSize, right + from[1] * bSize, to + at * ySize];
      // biome-ignore format: sizes in lines
      kernels.binary_int(
        code, rows, cols, types[0], pa, aRow, col[0], types[1], pb, bRow, col[1], types[2], py, yRow, scratch,
      );
    };
  }
  steps.push((start) => {
    [left, right, to, scratch] = [a.at(start), b.at(start), y.at(start), start];
    walk.visit(block);
  });
}

/** y = op(x, p, q, r) for each float. */
export function map(recipe: Recipe, op: keyof typeof unaryCodes, x: Operand, y: Operand, p = 0, q = 0, r = 0): void {
  const { kernels, steps } = recipe;
  const size = sizeOf(y.shape);
  steps.push((scratch) => kernels.unary_f32(unaryCodes[op], size, x.at(scratch), y.at(scratch), scratch, p, q, r));
}

/** The bytes of x in the place of y. */
export function copy({ kernels, steps }: Recipe, x: Operand, y: Operand): void {
  const bytes = bytesOf(y);
  steps.push((scratch) => {
    if (x.at(scratch) !== y.at(scratch)) kernels.copy_bytes(bytes, x.at(scratch), y.at(scratch));
  });
}

/** `shape` with 1 in place of each reduced axis: how a reduced value lies beside the one that it was made of. */
export function keptShape(shape: readonly number[], axes: readonly number[]): number[] {
  return shape.map((dim, i) => (axes.includes(i) ? 1 : dim));
}

/** y = x gathered over `axes`, floats. */
export function fold(
  recipe: Recipe,
  op: keyof typeof foldCodes,
  x: Operand,
  axes: readonly number[],
  y: Operand,
): void {
  const groups = passesOf(x.shape, axes);
  if (groups.length === 0) {
    if (op === "sumSquare") combine(recipe, "mul", x, x, { ...y, shape: x.shape });
    else copy(recipe, x, y);
  }
  let from = x;
  for (const [i, { outer, k, inner }] of groups.entries()) {
    const to = i === groups.length - 1 ? y : room(recipe, [outer, inner]);
    const source = from;
    const code = foldCodes[i > 0 && op === "sumSquare" ? "sum" : op];
    recipe.steps.push((scratch) =>
      recipe.kernels.reduce_f32(code, outer, k, inner, source.at(scratch), to.at(scratch), scratch),
    );
    from = to;
  }
}

/** y = x0 op x1 op .. over `axes`, of any type: a row at a time. `neutral` makes what nothing gives. */
export function accumulate(
  recipe: Recipe,
  op: Combination,
  x: Operand,
  axes: readonly number[],
  y: Operand,
  neutral: () => Operand,
): void {
  const groups = passesOf(x.shape, axes);
  if (groups.length === 0) copy(recipe, x, y);
  let from = x;
  for (const [i, { outer, k, inner }] of groups.entries()) {
    const to = i === groups.length - 1 ? y : room(recipe, [outer, inner], x.dtype);
    rowByRow(recipe, op, { outer, k, inner, move: false }, from, to, k === 0 ? neutral() : to);
    from = to;
  }
}

interface Rows {
  readonly outer: number;
  readonly k: number;
  readonly inner: number;
  /** Every partial result has a row of its own, and not all of them one. */
  readonly move: boolean;
  readonly reverse?: boolean;
  /** A row does not count itself. */
  readonly exclusive?: boolean;
}

/** For each of `outer` areas [k, inner]: a row op the next one op .., in one row or as rows of partial results. */
export function rowByRow(
  { kernels, steps }: Recipe,
  op: Combination,
  { outer, k, inner, move, reverse = false, exclusive = false }: Rows,
  x: Operand,
  y: Operand,
  neutral: Operand,
): void {
  if (outer === 0 || inner === 0 || (move && k === 0)) return;
  const size = bytesPerElement(inMemory(x.dtype));
  const row = inner * size;
  const step = reverse ? -row : row;
  const yStep = move ? step : 0;
  const float = isFloat(x.dtype);
  const code = float ? floatCodes[op as keyof typeof floatCodes] : intCodes[op as keyof typeof intCodes];
  const type = typeCode(x.dtype);
  // Floats are copied as the bits that they are.
  const bits = float ? typeCode("int32") : type;
  const first = reverse ? (k - 1) * row : 0;
  const alone = exclusive || k === 0;
  steps.push((scratch) => {
    let [from, to] = [x.at(scratch) + first, y.at(scratch) + (move ? first : 0)];
    for (let i = 0; i < outer; i++, from += k * row, to += move ? k * row : row) {
      const start = alone ? neutral.at(scratch) : from;
      kernels.binary_int(
        intCodes.left,
        1,
        inner,
        bits,
        start,
        0,
        alone ? 0 : 1,
        bits,
        start,
        0,
        1,
        bits,
        to,
        0,
        scratch,
      );
      if (k < 2) continue;
      const next = exclusive ? from : from + step;
      if (float) {
        kernels.binary_f32(code, k - 1, inner, to, yStep, 1, next, step, 1, to + yStep, yStep, scratch);
      } else {
        // biome-ignore format: sizes in lines
        kernels.binary_int(
          code, k - 1, inner, type, to, yStep, 1, type, next, step, 1, type, to + yStep, yStep, scratch,
        );
      }
    }
  });
}

/**
 * A reduction over axes as passes [outer, k, inner] over neighbouring ones, the innermost first; none where nothing is to be gathered.
 */
export function passesOf(
  shape: readonly number[],
  axes: readonly number[],
): { outer: number; k: number; inner: number }[] {
  const groups: { size: number; reduced: boolean }[] = [];
  for (const [i, size] of shape.entries()) {
    if (size === 1) continue;
    const reduced = axes.includes(i);
    const last = groups[groups.length - 1];
    if (last?.reduced === reduced) last.size *= size;
    else groups.push({ size, reduced });
  }
  const passes: { outer: number; k: number; inner: number }[] = [];
  let inner = 1;
  for (let g = groups.length - 1; g >= 0; g--) {
    const { size, reduced } = groups[g];
    if (!reduced) inner *= size;
    else passes.push({ outer: groups.slice(0, g).reduce((product, group) => product * group.size, 1), k: size, inner });
  }
  return passes;
}
