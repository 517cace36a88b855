import { expected, FormatError, UnsupportedError } from "../../errors.js";
import { type Attribute, type Body, isBody, isTensor } from "../../graph/graph.js";
import type { Tensor } from "../../tensor.js";
import type { AttributeProto, GraphProto, SparseTensorProto, TensorProto } from "./schema.js";
import { protoOf } from "./tensor.js";

/** AttributeProto.AttributeType. */
const types = [
  "UNDEFINED",
  "FLOAT",
  "INT",
  "STRING",
  "TENSOR",
  "GRAPH",
  "FLOATS",
  "INTS",
  "STRINGS",
  "TENSORS",
  "GRAPHS",
  "SPARSE_TENSOR",
  "SPARSE_TENSORS",
  "TYPE_PROTO",
  "TYPE_PROTOS",
] as const;

/** Attributes of ONNX's operators that are real numbers, or lists of them, also where they happen to be whole. */
const reals = new Set(
  `
activation_alpha activation_beta alpha beta bias clip cubic_coeff_a delta epsilon extrapolation_value gamma high lambd
low max mean min momentum norm_coefficient norm_coefficient_post ratio scale scales seed softcap spatial_scale threshold
value_float value_floats
`
    .trim()
    .split(/\s+/),
);

/** A seed is a real number but for one operator. */
function isReal(op: string, name: string): boolean {
  return reals.has(name) && !(op === "Dropout" && name === "seed");
}

/** What an attribute may hold besides numbers and texts, made where the names around it are known. */
export interface Inner {
  tensor(where: string, proto: TensorProto): Tensor;
  sparse(where: string, proto: SparseTensorProto): Tensor;
  body(where: string, proto: GraphProto): Body;
}

/** @throws FormatError, UnsupportedError naming the attribute */
export function attributeOf(where: string, proto: AttributeProto, inner: Inner): Attribute {
  if (proto.refAttrName) throw new FormatError(expected(where, "a value", "a reference outside of a function"));
  const type = types[proto.type ?? 0];
  switch (type) {
    case "FLOAT":
      return proto.f ?? 0;
    case "INT":
      return whole(where, proto.i ?? 0);
    case "STRING":
      return text(where, proto.s ?? new Uint8Array(0));
    case "FLOATS":
      return proto.floats ?? [];
    case "INTS":
      return (proto.ints ?? []).map((value) => whole(where, value));
    case "STRINGS":
      return (proto.strings ?? []).map((value) => text(where, value));
    case "TENSOR":
      return inner.tensor(where, proto.t ?? missing(where, "a tensor"));
    case "SPARSE_TENSOR":
      return inner.sparse(where, proto.sparseTensor ?? missing(where, "a sparse tensor"));
    case "GRAPH":
      return inner.body(where, proto.g ?? missing(where, "a graph"));
    case undefined:
    case "UNDEFINED":
      throw new FormatError(expected(where, "a known type", `number ${proto.type ?? 0}`));
    default:
      throw new UnsupportedError(expected(where, "numbers, texts, a tensor or a graph", type));
  }
}

/** Integers of 64 bits that a double holds; the largest is read as 2^63, as bounds without end have it. */
function whole(where: string, value: number): number {
  if (Number.isSafeInteger(value) || Math.abs(value) === 0x8000000000000000) return value;
  throw new UnsupportedError(expected(where, "an integer below 2^53", `${value}`));
}

function text(where: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new UnsupportedError(expected(where, "text in UTF-8", "other bytes"));
  }
}

function missing(where: string, want: string): never {
  throw new FormatError(expected(where, want, "none"));
}

/**
 * The attribute of an operator. A graph does not say whether a whole number is an INT or a FLOAT: the names do.
 * @param graph the proto of a body
 * @throws TypeError for what is no attribute
 */
export function attributeProto(
  op: string,
  name: string,
  value: Attribute,
  graph: (body: Body) => GraphProto,
): AttributeProto {
  const of = (type: (typeof types)[number], fields: AttributeProto): AttributeProto => ({
    name,
    type: types.indexOf(type),
    ...fields,
  });
  const real = isReal(op, name);
  if (typeof value === "number") {
    return !real && isWhole(value) ? of("INT", { i: value }) : of("FLOAT", { f: value });
  }
  if (typeof value === "string") return of("STRING", { s: utf8(value) });
  if (isBody(value)) return of("GRAPH", { g: graph(value) });
  if (isTensor(value)) return of("TENSOR", { t: protoOf("", value) });
  if (value.length > 0 && value.every((item) => typeof item === "string")) {
    return of("STRINGS", { strings: value.map(utf8) });
  }
  if (value.every((item) => typeof item === "number")) {
    return !real && value.every(isWhole) ? of("INTS", { ints: value }) : of("FLOATS", { floats: value });
  }
  throw new TypeError(expected(`attribute ${name}`, "numbers or texts", "both"));
}

/** Whether an integer is what is meant, one that `whole` reads. */
function isWhole(value: number): boolean {
  return !Object.is(value, -0) && (Number.isSafeInteger(value) || Math.abs(value) === 0x8000000000000000);
}

function utf8(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}
