import { expected, FormatError, UnsupportedError } from "../../errors.js";
import type { BodyValue, Dim, ValueInfo } from "../../graph/graph.js";
import { dtypeOf, elementOf } from "./element.js";
import type { DimensionProto, TypeProto, ValueInfoProto } from "./schema.js";

const others = {
  sequenceType: "a sequence",
  mapType: "a map",
  opaqueType: "an opaque value",
  sparseTensorType: "a sparse tensor",
  optionalType: "an optional value",
} as const;

/**
 * A named value with its type, where it has one.
 * @param nameless gives a size that has no name one of its own
 * @throws FormatError; UnsupportedError where it is no tensor
 */
export function bodyValueOf(what: string, { name = "", type }: ValueInfoProto, nameless: () => string): BodyValue {
  const where = `${what} ${name}`;
  if (!type) return { name };
  for (const [key, other] of Object.entries(others)) {
    if (type[key as keyof TypeProto]) throw new UnsupportedError(expected(where, "a tensor", other));
  }
  if (!type.tensorType) return { name };
  const { elemType, shape } = type.tensorType;
  const dtype = dtypeOf(where, elemType);
  if (!shape) return { name, dtype };
  return { name, dtype, shape: (shape.dim ?? []).map((dim) => dimOf(where, dim, nameless)) };
}

function dimOf(where: string, { dimValue, dimParam = "" }: DimensionProto, nameless: () => string): Dim {
  if (dimValue === undefined) return dimParam === "" ? nameless() : dimParam;
  if (dimParam !== "") throw new FormatError(expected(where, "a size or a name for it", "both"));
  // Some exporters say -1 for a size that is not known.
  if (dimValue === -1) return nameless();
  if (!Number.isSafeInteger(dimValue) || dimValue < 0) {
    throw new FormatError(expected(where, "sizes from 0, below 2^53", `${dimValue}`));
  }
  return dimValue;
}

/** What a graph that stands alone must say of each input and output. @throws FormatError */
export function valueInfoOf(what: string, value: BodyValue): ValueInfo {
  if (value.dtype === undefined) throw new FormatError(expected(`${what} ${value.name}`, "a type", "none"));
  return value;
}

export function valueProto({ name, dtype, shape }: BodyValue): ValueInfoProto {
  if (dtype === undefined) return { name };
  const dim = shape?.map((size) => (typeof size === "number" ? { dimValue: size } : { dimParam: size }));
  return { name, type: { tensorType: { elemType: elementOf(dtype), ...(dim && { shape: { dim } }) } } };
}
