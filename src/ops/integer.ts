import type { DType } from "../dtype.js";
import { inMemory } from "../dtype.js";

/** Codes by which kernels tell integers apart: see assembly/integer.ts. */
const codes: readonly DType[] = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32"];

/** Code of a type, as its elements stand in memory. */
export function codeOf(dtype: DType): number {
  const code = codes.indexOf(inMemory(dtype));
  return code < 0 ? 1 : code;
}
