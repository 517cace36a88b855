import { expected, FormatError } from "../../errors.js";

/** What a small file may unfold to beyond its own size. */
const slack = 3 * 0x100000;
/** Bytes of memory for each byte of a file that is no tensor's raw data. */
const growth = 16;

/**
 * Holds what is made of a file in proportion to it, before it is made: a message of two bytes must not become an object of two
 * hundred without end. Units are about bytes of memory.
 */
export class Budget {
  #left: number;

  /** @param fileBytes size of the whole file */
  constructor(fileBytes: number) {
    this.#left = fileBytes + slack;
  }

  /** Takes note of bytes of the file that describe, and are not raw data. */
  earn(bytes: number): void {
    this.#left += growth * bytes;
  }

  /** @throws FormatError where more was spent than the file is worth */
  charge(units: number): void {
    this.#left -= units;
    if (!(this.#left >= 0)) throw new FormatError(expected("onnx", "content in proportion to the file", "more"));
  }
}
