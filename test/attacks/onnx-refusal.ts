// How the attacks on ONNX files look at what comes back.
import { expect } from "vitest";
import type { FormatError, UnsupportedError } from "../../src/errors.js";
import { readOnnx } from "../../src/formats/onnx/index.js";

/** The error that reading ends in. */
export function refusal(bytes: Uint8Array, externalData?: (name: string) => Uint8Array): Error {
  try {
    readOnnx(bytes, { externalData });
  } catch (error) {
    return error as Error;
  }
  throw new Error("nothing was refused");
}

/** The class of an error and how its message starts. */
export function expectRefusal(
  bytes: Uint8Array,
  kind: typeof FormatError | typeof UnsupportedError,
  start: string,
): void {
  const error = refusal(bytes);
  expect(error.message.slice(0, start.length)).toBe(start);
  expect(error).toBeInstanceOf(kind);
  expect(error.message).toMatch(/^.+: expected .+, got /s);
}
