import { type DType, inMemory, isFloat } from "../dtype.js";
import { expected, ShapeError, UnsupportedError } from "../errors.js";
import type { GraphNode } from "../graph/graph.js";
import { pow as power } from "../math.js";
import { sameShape, sizeOf } from "../tensor.js";
import { integer, only } from "./attributes.js";
import { broadcastShape, walkOf } from "./broadcast.js";
import { elementsOf } from "./element.js";
import { heldAfter, isRelu } from "./held.js";
import { sized } from "./known.js";
import type { Info, Launch, Op, Site, Slots } from "./op.js";
import { type Combination, combine, copy, launchOf, map, type Operand, recipeOf, standing, zero } from "./recipe.js";

export type Numbers = "floats" | "ints" | "unsigned" | "numbers" | "bools" | "any";

function takes(numbers: Numbers, dtype: DType): boolean {
  switch (numbers) {
    case "floats":
      return isFloat(dtype);
    case "ints":
      return !isFloat(dtype) && dtype !== "bool";
    case "unsigned":
      return dtype.startsWith("uint");
    case "numbers":
      return dtype !== "bool";
    case "bools":
      return dtype === "bool";
    case "any":
      return true;
  }
}

const names: Record<Numbers, string> = {
  floats: "floating-point values",
  ints: "integers",
  unsigned: "unsigned integers",
  numbers: "numbers",
  bools: "bool values",
  any: "values",
};

/** Checks that every input is there and of such a type, and all of one. @throws ShapeError, UnsupportedError */
export function checkTypes(
  node: GraphNode,
  inputs: readonly (Info | undefined)[],
  numbers: Numbers,
  least = 1,
): Info[] {
  for (let i = 0; i < Math.max(least, inputs.length); i++) {
    const where = `${node.name} (${node.op}) input ${i}`;
    const info = inputs[i];
    if (!info) throw new ShapeError(expected(where, "a value", "none"));
    if (!takes(numbers, info.dtype)) throw new UnsupportedError(expected(where, names[numbers], info.dtype));
    const [first] = inputs as Info[];
    if (inMemory(info.dtype) !== inMemory(first.dtype)) {
      throw new ShapeError(expected(where, `${first.dtype} as input 0`, info.dtype));
    }
  }
  return inputs as Info[];
}

/** What values broadcast to. @throws ShapeError */
function together(node: GraphNode, infos: readonly Info[], dtype: DType): readonly Info[] {
  const shape = broadcastShape(
    node,
    infos.map((info) => info.shape),
  );
  return [sized(node, dtype, shape)];
}

/** a op b with broadcasting. */
function binary(op: Combination, numbers: Numbers, result?: "bool", swapped = false): Op {
  return {
    attrs: (node) => only(node, []),
    inPlace: result === undefined,
    inPlaceSecond: result === undefined,
    infer(node, inputs) {
      const infos = checkTypes(node, inputs, numbers, 2);
      return together(node, infos, result ?? infos[0].dtype);
    },
    lower:
      ({ kernels }) =>
      ({ inputs, outputs }) => {
        const recipe = recipeOf(kernels);
        const [a, b] = inputs.map((slot) => standing(slot!));
        combine(recipe, op, swapped ? b : a, swapped ? a : b, standing(outputs[0]));
        return launchOf(recipe);
      },
  };
}

/** A + B. */
export const add: Op = {
  ...binary("add", "numbers"),
  lower(site) {
    const { kernels, node, limits } = site;
    const general = binary("add", "numbers").lower(site);
    return (io, table) => {
      const [a, b] = io.inputs;
      const [y] = io.outputs;
      if (limits && !isFloat(y.dtype)) {
        if (!isRelu(kernels, limits)) {
          throw new UnsupportedError(expected(`what follows ${node.name} (Add)`, names.floats, y.dtype));
        }
        const recipe = recipeOf(kernels);
        const to = standing(y);
        combine(recipe, "add", standing(a!), standing(b!), to);
        combine(recipe, "max", to, zero(recipe, y.dtype), to);
        return launchOf(recipe);
      }
      // Of one shape, as in a residual network: one call.
      if (!isFloat(y.dtype) || !sameShape(a!.shape, b!.shape)) return heldAfter(site, () => general(io, table))(io);
      const size = sizeOf(y.shape);
      const [left, right, to] = [a!.pointer, b!.pointer, y.pointer];
      const run = limits
        ? kernels.add_clip_f32.bind(undefined, size, left, right, limits, to)
        : kernels.add_f32.bind(undefined, size, left, right, to);
      return { scratch: 0, run };
    };
  },
};

export const sub: Op = binary("sub", "numbers");
export const mul: Op = binary("mul", "numbers");
/** Integers toward zero, and 0 for a divisor of 0. */
export const div: Op = binary("div", "numbers");
/** x where x >= 0, slope x elsewhere. */
export const prelu: Op = binary("prelu", "numbers");
export const and: Op = binary("and", "bools");
export const or: Op = binary("or", "bools");
export const xor: Op = binary("xor", "bools");
export const bitwiseAnd: Op = binary("and", "ints");
export const bitwiseOr: Op = binary("or", "ints");
export const bitwiseXor: Op = binary("xor", "ints");
export const equal: Op = binary("equal", "any", "bool");
export const less: Op = binary("less", "numbers", "bool");
export const lessOrEqual: Op = binary("lessOrEqual", "numbers", "bool");
export const greater: Op = binary("less", "numbers", "bool", true);
export const greaterOrEqual: Op = binary("lessOrEqual", "numbers", "bool", true);

/** X shifted by Y bits to the `direction`. */
export const bitShift: Op = {
  ...binary("shl", "unsigned"),
  attrs(node) {
    only(node, ["direction"]);
    const { direction } = node.attributes;
    if (direction !== "LEFT" && direction !== "RIGHT") {
      throw new ShapeError(expected(`${node.name}.direction`, '"LEFT" or "RIGHT"', String(direction)));
    }
  },
  lower: (site) => binary(site.node.attributes.direction === "LEFT" ? "shl" : "shr", "unsigned").lower(site),
};

/** As many inputs as there are, one after the other; `mean` divides by their number. */
function variadic(op: Combination, numbers: Numbers, mean = false): Op {
  return {
    attrs: (node) => only(node, []),
    infer(node, inputs) {
      const infos = checkTypes(node, inputs, numbers);
      return together(node, infos, infos[0].dtype);
    },
    lower:
      ({ kernels }) =>
      ({ inputs, outputs }) => {
        const recipe = recipeOf(kernels);
        const [first, ...rest] = inputs.map((slot) => standing(slot!));
        const y = standing(outputs[0]);
        if (rest.length === 0) copy(recipe, first, y);
        for (const [i, input] of rest.entries()) combine(recipe, op, i === 0 ? first : y, input, y);
        if (mean) map(recipe, "quotient", y, y, inputs.length);
        return launchOf(recipe);
      },
  };
}

/** NaN where any is. */
export const max: Op = variadic("max", "numbers");
export const min: Op = variadic("min", "numbers");
export const sum: Op = variadic("add", "floats");
export const mean: Op = variadic("add", "floats", true);

/**
 * Remainder of a / b: with the sign of b, or with `fmod` that of a. Floats in TypeScript, where % is exact by the language's
 * definition.
 */
export const mod: Op = {
  ...binary("mod", "numbers"),
  attrs: (node) => only(node, ["fmod"]),
  inPlace: false,
  inPlaceSecond: false,
  lower(site) {
    const signed = integer(site.node, "fmod", 0) !== 0;
    const ints = binary(signed ? "fmod" : "mod", "numbers").lower(site);
    return (io, table) =>
      isFloat(io.outputs[0].dtype)
        ? byElement(site, io, signed ? (a, b) => a % b : (a, b) => a - b * Math.floor(a / b))
        : ints(io, table);
  },
};

/**
 * X ^ Y, of the type of X. Integers in 64 bits; the square, the cube and the root by products and roots; the rest in TypeScript
 * in f64.
 */
export const pow: Op = {
  attrs: (node) => only(node, []),
  infer(node, inputs) {
    for (const info of inputs) checkTypes(node, [info], "numbers");
    const infos = checkTypes(node, [inputs[0]], "numbers").concat(checkTypes(node, [inputs[1]], "numbers"));
    return together(node, infos, infos[0].dtype);
  },
  lower: (site) => (io) => {
    const [x, y] = io.inputs.map((slot) => slot!);
    const [z] = io.outputs;
    const exponent = y.known?.length === 1 && sameShape(x.shape, z.shape) ? Number(y.known[0]) : undefined;
    const ints = !isFloat(x.dtype) && !isFloat(y.dtype);
    const recipe = recipeOf(site.kernels);
    const [base, to] = [standing(x), standing(z)];
    if (ints) combine(recipe, "pow", base, standing(y), to);
    else if (isFloat(x.dtype) && exponent === 0.5) map(recipe, "sqrt", base, to);
    else if (isFloat(x.dtype) && (exponent === 2 || exponent === 3)) {
      combine(recipe, "mul", base, base, to);
      if (exponent === 3) combine(recipe, "mul", to, base, to);
    } else return byElement(site, io, power);
    return launchOf(recipe);
  },
};

/** z = f(x, y) for each pair of elements, in TypeScript. */
function byElement({ kernels }: Site, { inputs, outputs }: Slots, f: (a: number, b: number) => number): Launch {
  const [a, b] = inputs.map((slot) => slot!);
  const [y] = outputs;
  const { rows, cols, row, col, visit } = walkOf(y.shape, [a.shape, b.shape]);
  const large = y.dtype.endsWith("int64");
  const block = (from: readonly number[], at: number) => {
    const left = elementsOf(kernels, a);
    const right = elementsOf(kernels, b);
    const to = elementsOf(kernels, y);
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < cols; c++) {
        const v = f(Number(left[from[0] + r * row[0] + c * col[0]]), Number(right[from[1] + r * row[1] + c * col[1]]));
        to[at + r * cols + c] = large ? BigInt(Number.isFinite(v) ? Math.trunc(v) : 0) : v;
      }
    }
  };
  return { scratch: 0, run: () => visit(block) };
}

/** condition ? X : Y with broadcasting. */
export const where: Op = {
  attrs: (node) => only(node, []),
  infer(node, inputs) {
    const [condition] = checkTypes(node, inputs.slice(0, 1), "bools");
    const [x, y] = [inputs[1], inputs[2]];
    for (const [i, info] of [x, y].entries()) {
      if (!info) throw new ShapeError(expected(`${node.name} (Where) input ${i + 1}`, "a value", "none"));
    }
    if (inMemory(x!.dtype) !== inMemory(y!.dtype)) {
      throw new ShapeError(expected(`${node.name} (Where) input 2`, `${x!.dtype} as input 1`, y!.dtype));
    }
    return together(node, [condition, x!, y!], x!.dtype);
  },
  lower:
    ({ kernels }) =>
    ({ inputs, outputs }) => {
      const [condition, x, y] = inputs.map((slot) => standing(slot!));
      const [z] = outputs;
      const recipe = recipeOf(kernels);
      if (isFloat(z.dtype) || z.dtype === "int32" || z.dtype === "uint32") {
        const { rows, cols, row, col, visit } = walkOf(z.shape, [condition.shape, x.shape, y.shape]);
        const [c, a, b] = inputs.map((slot) => slot!.pointer);
        let scratch = 0;
        const block = (from: readonly number[], at: number) => {
          const [pc, pa, pb] = [c + from[0], a + 4 * from[1], b + 4 * from[2]];
          // biome-ignore format: sizes in lines
          kernels.where_x32(
            rows, cols, pc, row[0], col[0], pa, 4 * row[1], col[1], pb, 4 * row[2], col[2], z.pointer + 4 * at, scratch,
          );
        };
        recipe.steps.push((start) => {
          scratch = start;
          visit(block);
        });
      } else {
        // (x - y) condition + y, exact whatever wraps.
        const to = standing(z);
        const number = (operand: Operand): Operand => ({
          ...operand,
          dtype: operand.dtype === "bool" ? "uint8" : operand.dtype,
        });
        combine(recipe, "sub", number(x), number(y), number(to));
        combine(recipe, "mul", number(to), { ...condition, dtype: "uint8" }, number(to));
        combine(recipe, "add", number(to), number(y), number(to));
      }
      return launchOf(recipe);
    },
};
