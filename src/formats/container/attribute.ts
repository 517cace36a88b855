import { bytes } from "../../codec/bytes.js";
import { bytesPerElement, createArray } from "../../dtype.js";
import { expected, FormatError } from "../../errors.js";
import { type Attribute, type Body, isBody, isTensor } from "../../graph/graph.js";
import { sameShape, showShape, sizeOf, type Tensor } from "../../tensor.js";
import { type HeaderCoder, unknown } from "./header-coder.js";
import { dtype } from "./value.js";

/** How the value of an attribute is told; the order is part of the format. */
const kinds = [
  "integer",
  "float32",
  "float64",
  "text",
  "integers",
  "float32s",
  "float64s",
  "texts",
  "tensor",
  "body",
] as const;
type Kind = (typeof kinds)[number];

/**
 * The value of an attribute. Numbers keep every bit: whole ones above -2^31 and below 2^31 (but -0) as such, others as
 * float32 where that holds them, else as float64; all NaN are one.
 * @param body tells a graph inside a node
 * @throws TypeError where an Encoder is given something else; FormatError where a Decoder reads an unknown kind
 */
export function attribute(h: HeaderCoder, given: Attribute | undefined, body: (given?: Body) => Body): Attribute {
  const place = h.number("attributeKind", given === undefined ? 0 : kinds.indexOf(kindOf(given)));
  const numbers = given as readonly number[] | undefined;
  switch (kinds[place]) {
    case "integer":
      return integer(h, "integer", given as number | undefined);
    case "float32":
      return float(h, 4, given as number | undefined);
    case "float64":
      return float(h, 8, given as number | undefined);
    case "text":
      return h.text(given as string | undefined);
    case "integers":
      return h.list<number>("listLength", numbers, 8, (x) => integer(h, "listInteger", x));
    case "float32s":
      return h.list<number>("listLength", numbers, 8, (x) => float(h, 4, x));
    case "float64s":
      return h.list<number>("listLength", numbers, 8, (x) => float(h, 8, x));
    case "texts":
      return h.list<string>("listLength", given as readonly string[] | undefined, 16, (x) => h.text(x));
    case "tensor":
      return tensor(h, given as Tensor | undefined);
    case "body":
      return body(given as Body | undefined);
    default:
      throw unknown("attribute", place);
  }
}

/** Whether two sets of attributes are alike, in order, and every number bit for bit. Bodies are not compared: none is alike. */
export function sameAttributes(
  a: Readonly<Record<string, Attribute>>,
  b: Readonly<Record<string, Attribute>>,
): boolean {
  const left = Object.entries(a);
  const right = Object.entries(b);
  return left.length === right.length && left.every(([key, x], i) => key === right[i][0] && same(x, right[i][1]));
}

function same(a: Attribute, b: Attribute): boolean {
  if (typeof a !== "object" || typeof b !== "object") return Object.is(a, b);
  if (isBody(a) || isBody(b)) return false;
  if (isTensor(a) || isTensor(b)) return isTensor(a) && isTensor(b) && sameTensor(a, b);
  return a.length === b.length && a.every((x, i) => Object.is(x, b[i]));
}

function sameTensor(a: Tensor, b: Tensor): boolean {
  if (a.dtype !== b.dtype || !sameShape(a.shape, b.shape) || a.data.byteLength !== b.data.byteLength) return false;
  const [left, right] = [bytesOf(a), bytesOf(b)];
  return left.every((byte, i) => byte === right[i]);
}

function kindOf(value: Attribute): Kind {
  if (typeof value === "string") return "text";
  if (typeof value === "number") return isInteger(value) ? "integer" : isFloat32(value) ? "float32" : "float64";
  if (Array.isArray(value)) {
    if (value.every(isInteger)) return "integers";
    if (value.every((x) => typeof x === "string")) return "texts";
    if (value.every((x) => typeof x === "number")) return value.every(isFloat32) ? "float32s" : "float64s";
  } else if (typeof value === "object" && value !== null) {
    if (isTensor(value)) return "tensor";
    if (isBody(value)) return "body";
  }
  throw new TypeError(expected("attribute", "a number, a text, an array of either, a tensor or a graph", typeof value));
}

function isInteger(value: unknown): boolean {
  return value === ((value as number) | 0) && !Object.is(value, -0) && value !== -0x80000000;
}

function isFloat32(value: number): boolean {
  return Object.is(Math.fround(value), value);
}

/** 0, -1, 1, -2, ... as 0, 1, 2, 3, ... */
function integer(h: HeaderCoder, set: "integer" | "listInteger", given = 0): number {
  const folded = h.number(set, given < 0 ? -2 * given - 1 : 2 * given);
  return folded % 2 === 1 ? -(folded + 1) / 2 : folded / 2;
}

/** Type, shape and elements; unlike a weight it may hold NaN and infinities. */
function tensor(h: HeaderCoder, given?: Tensor): Tensor {
  const type = dtype(h, given?.dtype);
  const shape = h.list<number>("rank", given?.shape, 16, (dim) => h.number("dim", dim));
  const width = bytesPerElement(type);
  let size = 0;
  try {
    size = sizeOf(shape);
  } catch {
    throw new FormatError(expected("header", "tensors of fewer than 2^53 elements", showShape(shape)));
  }
  h.charge(64 + size * width);
  const made: Tensor = { dtype: type, shape, data: createArray(type, size) };
  if (given) bytesOf(made).set(bytesOf(given));
  bytes(h.coder, size, width, bytesOf(made), false);
  return made;
}

function bytesOf({ data }: Tensor): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function float(h: HeaderCoder, width: 4 | 8, given = 0): number {
  const view = new DataView(new ArrayBuffer(8));
  // Every NaN is written as the same one.
  const value = Number.isNaN(given) ? Number.NaN : given;
  if (width === 4) view.setFloat32(0, value);
  else view.setFloat64(0, value);
  if (Number.isNaN(given)) view.setUint32(0, width === 4 ? 0x7fc00000 : 0x7ff80000);
  for (let i = 0; i < width; i++) view.setUint8(i, h.coder.direct(8, view.getUint8(i)));
  return width === 4 ? view.getFloat32(0) : view.getFloat64(0);
}
