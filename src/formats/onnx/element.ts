import type { DType } from "../../dtype.js";
import { expected, FormatError, UnsupportedError } from "../../errors.js";

/** Element types by ONNX's number (TensorProto.DataType); a text in capitals is one that has no place here. */
const elements: readonly (DType | Uppercase<string>)[] = [
  "UNDEFINED",
  "float32",
  "uint8",
  "int8",
  "uint16",
  "int16",
  "int32",
  "int64",
  "STRING",
  "bool",
  "float16",
  "float64",
  "uint32",
  "uint64",
  "COMPLEX64",
  "COMPLEX128",
  "bfloat16",
  "FLOAT8E4M3FN",
  "FLOAT8E4M3FNUZ",
  "FLOAT8E5M2",
  "FLOAT8E5M2FNUZ",
  "uint4",
  "int4",
  "FLOAT4E2M1",
  "FLOAT8E8M0",
  "UINT2",
  "INT2",
];

/** @throws FormatError where the number means nothing; UnsupportedError where its type has no place here */
export function dtypeOf(where: string, element = 0): DType {
  const name = elements[element];
  if (name === undefined || element === 0) {
    throw new FormatError(expected(where, "a known element type", `number ${element}`));
  }
  if (name === name.toUpperCase()) {
    throw new UnsupportedError(expected(where, "elements that are real numbers of whole or half bytes", name));
  }
  return name as DType;
}

export function elementOf(dtype: DType): number {
  return elements.indexOf(dtype);
}

/** Bytes that `size` elements take in a file: two 4-bit integers stand in a byte. */
export function bytesInFile(dtype: DType, size: number, width: number): number {
  return dtype === "int4" || dtype === "uint4" ? Math.ceil(size / 2) : size * width;
}
