import { type DType, inMemory, isFloat } from "../dtype.js";

/** What kernels are told by number: the enumerations of assembly/ops/binary, integer, unary, reduce. */

/** Of two floats; from `less` on a bool. */
export const floatCodes = {
  add: 0,
  sub: 1,
  mul: 2,
  div: 3,
  max: 4,
  min: 5,
  prelu: 6,
  less: 7,
  lessOrEqual: 8,
  equal: 9,
  unequal: 10,
} as const;

/** Of two integers. */
export const intCodes = {
  left: 0,
  add: 1,
  sub: 2,
  mul: 3,
  div: 4,
  mod: 5,
  fmod: 6,
  pow: 7,
  max: 8,
  min: 9,
  and: 10,
  or: 11,
  xor: 12,
  shl: 13,
  shr: 14,
  less: 15,
  lessOrEqual: 16,
  equal: 17,
  unequal: 18,
  abs: 19,
  sign: 20,
  prelu: 21,
} as const;

/** Of one float. */
export const unaryCodes = {
  abs: 0,
  neg: 1,
  floor: 2,
  ceil: 3,
  round: 4,
  sqrt: 5,
  exp: 6,
  log: 7,
  reciprocal: 8,
  quotient: 9,
  clip: 10,
  hardSigmoid: 11,
  hardSwish: 12,
  elu: 13,
} as const;

/** Of many floats. */
export const foldCodes = { sum: 0, max: 1, min: 2, sumSquare: 3 } as const;

const typeCodes: Partial<Record<DType, number>> = {
  int8: 0,
  uint8: 1,
  bool: 1,
  int16: 2,
  uint16: 3,
  int32: 4,
  uint32: 5,
  int64: 6,
  uint64: 7,
};

/** The type of elements in memory, as kernels over integers know it; `beside`: what a float is made from or into. */
export function typeCode(dtype: DType, beside: DType = dtype): number {
  if (isFloat(dtype)) return beside === "uint64" ? 9 : 8;
  return typeCodes[inMemory(dtype)]!;
}
