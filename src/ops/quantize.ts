import { type DType, isFloat } from "../dtype.js";
import { expected, ShapeError, UnsupportedError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import { sameShape, showShape, sizeOf } from "../tensor.js";
import { axisOf, integer, only } from "./attributes.js";
import { around } from "./axis.js";
import { walkOf } from "./broadcast.js";
import { convert } from "./cast.js";
import { floatCodes } from "./codes.js";
import { dtypeOf } from "./element.js";
import { inputOf } from "./known.js";
import type { Info, Op, Slot, Table } from "./op.js";
import { checkScale, checkType, checkZero, madeOf } from "./quantized.js";
import { copy, launchOf, type Operand, type Place, type Recipe, recipeOf, room, standing } from "./recipe.js";

/** Least and largest code of each type. */
const ranges = new Map<DType, readonly [low: number, high: number]>([
  ["int8", [-128, 127]],
  ["uint8", [0, 255]],
  ["int16", [-32768, 32767]],
  ["uint16", [0, 65535]],
  ["int4", [-8, 7]],
  ["uint4", [0, 15]],
]);
const codeTypes = [...ranges.keys()];
const wholeTypes: readonly DType[] = [...codeTypes, "int32"];
/** What dequantize_int knows types by; 4 bits stand in a byte. */
const typeNumbers: Partial<Record<DType, number>> = {
  int8: 0,
  int4: 0,
  uint8: 1,
  uint4: 1,
  int16: 2,
  uint16: 3,
  int32: 4,
};
const realTypes: readonly DType[] = ["float32", "float16", "bfloat16"];

/**
 * A part of X that lies in one piece, in a shape that a part of the scales broadcasts to, and comes `count` times: where the first
 * begins in both, and from each to the next, in elements.
 */
interface Area {
  readonly shape: readonly number[];
  readonly scale: readonly number[];
  readonly x: number;
  readonly s: number;
  readonly count: number;
  readonly xStep: number;
  readonly sStep: number;
}

/** All of X in one piece. */
function whole(shape: readonly number[], scale: readonly number[]): readonly Area[] {
  return [{ shape, scale, x: 0, s: 0, count: 1, xStep: 0, sStep: 0 }];
}

/**
 * How scales lie beside X: one for all, one for each place on the axis, or one for each block of `block_size` along it, the last
 * block being shorter where the axis does not divide.
 * @throws ShapeError
 */
function areasOf(node: GraphNode, x: readonly number[], scale: readonly number[]): readonly Area[] {
  const where = `${node.name} (${node.op}) input 1`;
  const block = integer(node, "block_size", 0);
  if (block < 0) throw new ShapeError(expected(`${node.name}.block_size`, "at least 0", `${block}`));
  if (block === 0) {
    if (sizeOf(scale) === 1 && scale.length < 2) return whole([sizeOf(x)], [1]);
    if (scale.length !== 1) throw new ShapeError(expected(where, "one scale or a list of them", showShape(scale)));
    const { outer, k, inner } = around(x, axisOf(node, integer(node, "axis", 1), x.length));
    if (scale[0] !== k) throw new ShapeError(expected(where, `${k} scales`, showShape(scale)));
    return whole([outer, k, inner], [1, k, 1]);
  }
  const axis = axisOf(node, integer(node, "axis", 1), x.length);
  const blocks = x.map((size, d) => (d === axis ? Math.ceil(size / block) : size));
  if (!sameShape(scale, blocks)) throw new ShapeError(expected(where, showShape(blocks), showShape(scale)));
  const { outer, k, inner } = around(x, axis);
  const count = blocks[axis];
  if (k % block === 0) return whole([outer, count, block, inner], [outer, count, 1, inner]);
  const full = count - 1;
  const steps = { count: outer, xStep: k * inner, sStep: count * inner };
  return [
    { shape: [full, block, inner], scale: [full, 1, inner], x: 0, s: 0, ...steps },
    { shape: [k - full * block, inner], scale: [1, inner], x: full * block * inner, s: full * inner, ...steps },
  ];
}

/** Rows of X, the scales beside them, and the bytes from one scale to the next, in calls of one kernel. */
type Call = (rows: number, cols: number, x: number, scale: number, row: number, col: number) => void;

function visitor(areas: readonly Area[], call: Call): () => void {
  const visits = areas.map(({ shape, scale, x, s, count, xStep, sStep }) => {
    const walk = walkOf(shape, [scale]);
    const { rows, cols, row, col } = walk;
    let [px, ps] = [0, 0];
    const block = (from: readonly number[], at: number) =>
      call(rows, cols, px + at, ps + from[0], 4 * row[0], 4 * col[0]);
    return () => {
      [px, ps] = [x, s];
      for (let i = 0; i < count; i++, px += xStep, ps += sStep) walk.visit(block);
    };
  });
  return () => {
    for (let i = 0; i < visits.length; i++) visits[i]();
  };
}

/** Zero points as s32; 0 where there are none. */
function zerosOf(recipe: Recipe, table: Table, zero: Slot | undefined): Place | undefined {
  if (!zero) return undefined;
  const source = { slot: zero, known: zero.known };
  return madeOf(recipe, table, [source], "int32", sizeOf(zero.shape), (values) =>
    Int32Array.from(values as Int32Array),
  );
}

/** A floating-point type that an attribute asks for, if any. */
function askedFor(node: GraphNode, name: string): DType | undefined {
  if (integer(node, name, 0) === 0) return undefined;
  const dtype = dtypeOf(node, name, "float32");
  if (realTypes.includes(dtype)) return dtype;
  throw new UnsupportedError(expected(`${node.name}.${name}`, realTypes.join(", "), dtype));
}

/** Type of the codes: that of the zero point, which an attribute must not contradict, or of the attribute, or uint8. */
function codesOf(node: GraphNode, zero: Info | undefined): DType {
  const told = integer(node, "output_dtype", 0) === 0 ? undefined : dtypeOf(node, "output_dtype", "uint8");
  const dtype = told ?? zero?.dtype ?? "uint8";
  if (!codeTypes.includes(dtype)) {
    throw new UnsupportedError(expected(`${node.name} (${node.op}) output`, codeTypes.join(", "), dtype));
  }
  return dtype;
}

function checkLike(node: GraphNode, inputs: readonly (Info | undefined)[], i: number): void {
  const [scale, zero] = [inputOf(node, inputs, 1), inputs[i]];
  if (zero && !sameShape(zero.shape, scale.shape) && (sizeOf(zero.shape) !== 1 || sizeOf(scale.shape) !== 1)) {
    const want = `the shape of the scale, ${showShape(scale.shape)}`;
    throw new ShapeError(expected(`${node.name} (${node.op}) input ${i}`, want, showShape(zero.shape)));
  }
}

/**
 * Y = saturate(round(X / scale) + zero): the quotient in f32, or X, the scale and it rounded to the type `precision` where that is
 * asked for; then to the nearest integer, half to even. NaN gives the zero point.
 */
export const quantizeLinear: Op = {
  attrs: (node) => only(node, ["axis", "saturate", "block_size", "output_dtype", "precision"]),
  infer(node, inputs) {
    const { shape } = inputOf(node, inputs, 0);
    checkType(node, inputs, 0, [...realTypes, "int32"]);
    checkScale(node, inputs, 1, true);
    const dtype = codesOf(node, inputs[2]);
    checkZero(node, inputs, 2, dtype);
    checkLike(node, inputs, 2);
    askedFor(node, "precision");
    areasOf(node, shape, inputOf(node, inputs, 1).shape);
    return [{ dtype, shape }];
  },
  lower:
    ({ node, kernels }) =>
    ({ inputs, outputs }, table) => {
      const recipe = recipeOf(kernels);
      const [x, scale, y] = [inputs[0]!, inputs[1]!, outputs[0]];
      const areas = areasOf(node, x.shape, scale.shape);
      const zero = zerosOf(recipe, table, inputs[2]);
      const [low, high] = ranges.get(y.dtype)!;
      const bytes = low < -128 || high > 255 ? 2 : 1;
      const precision = askedFor(node, "precision") ?? "float32";
      const from = inPrecision(recipe, standing(x), isFloat(x.dtype) && precision === "float32" ? x.dtype : precision);
      let by = standing(scale);
      let quotient = from;
      if (precision !== "float32") {
        quotient = quotientOf(recipe, areas, from, inPrecision(recipe, by, precision));
        const ones = table(new Float32Array(sizeOf(scale.shape)).fill(1));
        by = { ...by, at: () => ones };
      }
      let [px, ps, pz] = [0, 0, 0];
      const visit = visitor(areas, (rows, cols, at, s, row, col) => {
        const [source, to] = [px + 4 * at, y.pointer + bytes * at];
        kernels.quantize_int(rows, cols, source, ps + 4 * s, pz && pz + 4 * s, row, col, to, low, high);
      });
      recipe.steps.push((scratch) => {
        [px, ps, pz] = [quotient.at(scratch), by.at(scratch), zero?.(scratch) ?? 0];
        visit();
      });
      return launchOf(recipe);
    },
};

function inPrecision(recipe: Recipe, x: Operand, precision: DType): Operand {
  if (x.dtype === precision) return x;
  const to = room(recipe, x.shape, precision);
  convert(recipe, x, to);
  return to;
}

/** X / scale, rounded to the type of both. */
function quotientOf(recipe: Recipe, areas: readonly Area[], x: Operand, scale: Operand): Operand {
  const { kernels } = recipe;
  const to = room(recipe, x.shape, x.dtype);
  let [px, ps, py, work] = [0, 0, 0, 0];
  const visit = visitor(areas, (rows, cols, at, s, row, col) => {
    const [left, right, y] = [px + 4 * at, ps + 4 * s, py + 4 * at];
    kernels.binary_f32(floatCodes.div, rows, cols, left, 4 * cols, 1, right, row, col, y, 4 * cols, work);
  });
  recipe.steps.push((scratch) => {
    [px, ps, py, work] = [x.at(scratch), scale.at(scratch), to.at(scratch), scratch];
    visit();
  });
  convert(recipe, { ...to, dtype: "float32" }, to);
  return to;
}

/**
 * Y = (X - zero) * scale: the difference and the product rounded to f32 one after the other, then to `output_dtype` where that is asked
 * for.
 */
export const dequantizeLinear: Op = {
  attrs: (node) => only(node, ["axis", "block_size", "output_dtype"]),
  infer(node, inputs) {
    const { shape } = inputOf(node, inputs, 0);
    const scale = inputOf(node, inputs, 1);
    checkZero(node, inputs, 2, checkType(node, inputs, 0, wholeTypes));
    checkScale(node, inputs, 1);
    checkLike(node, inputs, 2);
    areasOf(node, shape, scale.shape);
    return [{ dtype: askedFor(node, "output_dtype") ?? scale.dtype, shape }];
  },
  lower:
    ({ node, kernels }) =>
    ({ inputs, outputs }, table) => {
      const recipe = recipeOf(kernels);
      const [x, scale, y] = [inputs[0]!, inputs[1]!, outputs[0]];
      const zero = zerosOf(recipe, table, inputs[2]);
      const type = typeNumbers[x.dtype]!;
      const width = type < 2 ? 1 : type < 4 ? 2 : 4;
      let pz = 0;
      const visit = visitor(areasOf(node, x.shape, scale.shape), (rows, cols, at, s, row, col) => {
        const [from, to] = [x.pointer + width * at, y.pointer + 4 * at];
        kernels.dequantize_int(rows, cols, type, from, scale.pointer + 4 * s, pz && pz + 4 * s, row, col, to);
      });
      recipe.steps.push((scratch) => {
        pz = zero?.(scratch) ?? 0;
        visit();
      });
      const made = standing(y);
      if (askedFor(node, "output_dtype")) convert(recipe, { ...made, dtype: "float32" }, made);
      return launchOf(recipe);
    },
};

/**
 * Codes of X, uint8, with a scale and a zero point that hold all of X and 0: scale = (max(X, 0) - min(X, 0)) / 255, 1 where that
 * is 0, zero = saturate(round(-min / scale)).
 */
export const dynamicQuantizeLinear: Op = {
  attrs: (node) => only(node, []),
  infer(node, inputs) {
    checkType(node, inputs, 0, ["float32"]);
    const [scale, zero]: Info[] = [
      { dtype: "float32", shape: [] },
      { dtype: "uint8", shape: [] },
    ];
    return [{ dtype: "uint8", shape: inputOf(node, inputs, 0).shape }, scale, zero];
  },
  lower:
    ({ kernels }) =>
    ({ inputs, outputs: [y, scaleSlot, zeroSlot] }) => {
      const recipe = recipeOf(kernels);
      const x = inputs[0]!.pointer;
      const size = sizeOf(inputs[0]!.shape);
      const [scale, zero] = [room(recipe, []), room(recipe, [], "int32")];
      recipe.steps.push((scratch) => {
        const [s, z] = [scale.at(scratch), zero.at(scratch)];
        kernels.dynamic_range_f32(size, x, s, z);
        if (y) kernels.quantize_int(1, size, x, s, z, 0, 0, y.pointer, 0, 255);
      });
      if (scaleSlot) copy(recipe, scale, standing(scaleSlot));
      // The lowest byte of four.
      if (zeroSlot) copy(recipe, zero, standing(zeroSlot));
      return launchOf(recipe);
    },
};
