/**
 * What can be wrong with a coded section, as the decoders tell it: the numbers that the kernels of
 * assembly/compress/entropy.ts return (0 is success), so that both sides can be held equal.
 */
export const fault = {
  /** The section ends before the last symbol. */
  ended: 1,
  /** Bytes follow the last symbol, or the last byte is not the one the encoder writes. */
  ending: 2,
  /** Row or column counts do not fit the matrix, or do not add up to the number of entries. */
  count: 3,
  /** An entry lies outside its row. */
  position: 4,
  /** A value that no weight has: NaN, infinity, a scale that is not positive, a code outside int8. */
  value: 5,
  /** The section asks for more steps than its bytes allow. */
  effort: 6,
} as const;

export type FaultCode = (typeof fault)[keyof typeof fault];

const wants: Record<FaultCode, string> = {
  [fault.ended]: "a section that holds every symbol, got one that ends early",
  [fault.ending]: "the canonical last byte, got trailing or altered bytes",
  [fault.count]: "row and column counts that add up, got others",
  [fault.position]: "entries inside their row, got one outside",
  [fault.value]: "finite values and positive scales, got others",
  [fault.effort]: "work in proportion to the section's bytes, got more",
};

/** `where: expected X, got Y` for a fault. */
export function describeFault(where: string, code: number): string {
  return `${where}: expected ${wants[code as FaultCode] ?? `a known fault, got ${code}`}`;
}

/** Thrown by the decoders inside codec; the doors of the room turn it into a FormatError. */
export class Fault extends Error {
  readonly code: FaultCode;

  constructor(code: FaultCode) {
    super(wants[code]);
    this.code = code;
  }
}
