import { createArray, inMemory } from "../dtype.js";
import { expected, ShapeError } from "../errors.js";
import { type GraphNode, isTensor } from "../graph/graph.js";
import { nameOf, showShape, sizeOf, type Tensor } from "../tensor.js";
import { integer, only } from "./attributes.js";
import { dtypeOf, elementsOf, fill, storedOf } from "./element.js";
import { checkSameType, inputOf, knownIntegers, knownNumbers, sized } from "./known.js";
import { moving, steps, widthOf } from "./move.js";
import { type Info, nothing, type Op } from "./op.js";

/** What is wholly known while planning is never run. */
const lower: Op["lower"] = () => () => nothing;

/** The shape of x from dimension `start` to before `end`. */
export const shape: Op = {
  attrs: (node) => only(node, ["start", "end"]),
  infer(node, inputs) {
    const sizes = inputOf(node, inputs, 0).shape;
    const part = sizes.slice(integer(node, "start", 0), integer(node, "end", sizes.length));
    return [{ dtype: "int64", shape: [part.length], known: BigInt64Array.from(part, BigInt) }];
  },
  lower,
};

/** The number of elements of x. */
export const size: Op = {
  attrs: (node) => only(node, []),
  infer(node, inputs) {
    const count = sizeOf(inputOf(node, inputs, 0).shape);
    return [{ dtype: "int64", shape: [], known: BigInt64Array.of(BigInt(count)) }];
  },
  lower,
};

const values = ["value", "value_float", "value_floats", "value_int", "value_ints"] as const;

/** The tensor that a Constant node holds. @throws ShapeError where it holds none or several, UnsupportedError for text */
export function constantOf(node: GraphNode): Tensor {
  only(node, values);
  const given = values.filter((name) => node.attributes[name] !== undefined);
  if (given.length !== 1) {
    throw new ShapeError(expected(`${node.name} (Constant)`, "one value", given.join(", ") || "none"));
  }
  const [name] = given;
  const value = node.attributes[name];
  const list = (Array.isArray(value) ? value : [value]) as readonly number[];
  if (name === "value") {
    if (isTensor(value)) return value;
    throw new ShapeError(expected(`${node.name}.value`, "a tensor", String(value)));
  }
  const dims = name.endsWith("s") ? [list.length] : [];
  const whole = name.startsWith("value_int");
  const fits = (item: unknown) => typeof item === "number" && (!whole || Number.isInteger(item));
  if (Array.isArray(value) !== name.endsWith("s") || !list.every(fits)) {
    const want = `${whole ? "integers" : "numbers"}, ${dims.length > 0 ? "in a list" : "one of them"}`;
    throw new ShapeError(
      expected(`${node.name}.${name}`, want, typeof value === "object" ? nameOf(value) : String(value)),
    );
  }
  if (whole) return { dtype: "int64", shape: dims, data: BigInt64Array.from(list, wide) };
  return { dtype: "float32", shape: dims, data: Float32Array.from(list) };
}

/** A number as 64 bits: the largest, which a number does not hold exactly, is read as 2^63. */
function wide(value: number): bigint {
  return value >= 0x8000000000000000 ? 0x7fffffffffffffffn : BigInt(value);
}

/** A tensor that the node holds. */
export const constant: Op = {
  attrs: (node) => {
    constantOf(node);
  },
  infer(node) {
    const tensor = constantOf(node);
    return [{ dtype: tensor.dtype, shape: tensor.shape, known: storedOf(tensor) }];
  },
  lower,
};

/** One value in a shape that the input gives. */
export const constantOfShape: Op = {
  attrs: (node) => only(node, ["value"]),
  infer(node, inputs) {
    const { dtype } = repeatedValue(node);
    return [sized(node, dtype, knownIntegers(node, inputs, 0))];
  },
  lower({ node, kernels }) {
    const value = repeatedValue(node);
    return ({ outputs }, table) => {
      const [y] = outputs;
      const width = widthOf(y);
      const dims = [{ size: sizeOf(y.shape), from: 0, to: width }];
      const run = moving(kernels, width, [{ dims, x: table(storedOf(value)), y: y.pointer }]);
      return { scratch: 0, run };
    };
  },
};

function repeatedValue(node: GraphNode): Tensor {
  const value = node.attributes.value ?? { dtype: "float32", shape: [1], data: new Float32Array(1) };
  if (typeof value !== "object" || !isTensor(value) || value.data.length !== 1) {
    throw new ShapeError(expected(`${node.name}.value`, "a tensor of one element", String(value)));
  }
  return value;
}

/** start, start + delta, .. up to before limit. */
export const range: Op = {
  attrs: (node) => only(node, []),
  infer(node, inputs) {
    const { dtype } = inputOf(node, inputs, 0);
    for (const i of [1, 2]) checkSameType(node, inputs, 0, i);
    const [start, limit, delta] = [0, 1, 2].map((i) => scalarOf(node, inputs, i));
    if (delta === 0) throw new ShapeError(expected(`${node.name} (Range)`, "a delta other than 0", "0"));
    return [sized(node, dtype, [Math.max(0, Math.ceil((limit - start) / delta))])];
  },
  lower({ node, kernels }) {
    return ({ inputs, outputs }) => {
      const [y] = outputs;
      const [start, delta] = [scalarOf(node, inputs, 0), scalarOf(node, inputs, 2)];
      const value = (i: number) => start + i * delta;
      return { scratch: 0, run: () => fill(elementsOf(kernels, y), value) };
    };
  },
};

function scalarOf(node: GraphNode, inputs: readonly (Info | undefined)[], i: number): number {
  const given = knownNumbers(node, inputs, i);
  if (given.length === 1) return given[0];
  throw new ShapeError(expected(`${node.name} (${node.op}) input ${i}`, "one number", `${given.length}`));
}

/** Ones on a diagonal of a matrix of the shape of x, zeros elsewhere. */
export const eyeLike: Op = {
  attrs: (node) => only(node, ["dtype", "k"]),
  infer(node, inputs) {
    const given = inputOf(node, inputs, 0);
    if (given.shape.length !== 2) {
      throw new ShapeError(expected(`${node.name} (EyeLike)`, "a matrix", showShape(given.shape)));
    }
    return [{ dtype: dtypeOf(node, "dtype", given.dtype), shape: given.shape }];
  },
  lower({ node, kernels }) {
    return ({ outputs }, table) => {
      const [y] = outputs;
      const [rows, cols] = y.shape;
      const k = integer(node, "k", 0);
      const width = widthOf(y);
      const pair = table(fill(createArray(inMemory(y.dtype), 2), (i) => i));
      const [down, across] = steps(y.shape, width);
      const first = k < 0 ? { row: -k, col: 0 } : { row: 0, col: k };
      const count = Math.max(0, Math.min(rows - first.row, cols - first.col));
      const all = { dims: [{ size: rows * cols, from: 0, to: width }], x: pair, y: y.pointer };
      const diagonal = {
        dims: [{ size: count, from: 0, to: down + across }],
        x: pair + width,
        y: y.pointer + first.row * down + first.col * across,
      };
      return { scratch: 0, run: moving(kernels, width, [all, diagonal]) };
    };
  },
};
