import type { DType, TypedArray } from "../../dtype.js";
import { expected, FormatError, UnsupportedError } from "../../errors.js";
import { nameOf } from "../../tensor.js";
import type { EntryProto } from "./schema.js";

/** Gives the bytes of a file beside the model, by the exact name that the model says. */
export type ExternalData = (name: string) => Uint8Array;

/**
 * Tensors that stand in other files. Nothing is opened here: bytes come from the caller's resolver, and names that a careless
 * resolver would let out of its folder never reach it.
 */
export class ExternalFiles {
  readonly #resolve: ExternalData | undefined;
  readonly #files = new Map<string, Uint8Array>();
  readonly #arrays = new Map<string, TypedArray>();
  /** Bytes of the files so far that no tensor has taken. */
  #left = 0;

  constructor(resolve: ExternalData | undefined) {
    this.#resolve = resolve;
  }

  /**
   * The array of a tensor. Tensors of the same bytes and type share it; others may not take more bytes than the files have.
   * @param byteLength what the tensor's shape and type ask for
   * @param make the array of the bytes, a copy
   * @throws FormatError; UnsupportedError without a resolver; TypeError where the resolver gives no bytes
   */
  array(
    where: string,
    entries: readonly EntryProto[],
    dtype: DType,
    byteLength: number,
    make: (bytes: Uint8Array) => TypedArray,
  ): TypedArray {
    const { name, offset, length } = reference(where, entries);
    const file = this.#file(where, name);
    if (offset > file.length) refuse(where, `an offset of at most ${file.length}`, `${offset}`);
    const size = length ?? file.length - offset;
    if (size > file.length - offset) refuse(where, `a length of at most ${file.length - offset}`, `${size}`);
    if (size !== byteLength) refuse(where, `${byteLength} bytes of external data`, `${size}`);
    const key = `${dtype} ${offset} ${size} ${name}`;
    const known = this.#arrays.get(key);
    if (known) return known;
    this.#left -= size;
    if (this.#left < 0) refuse(where, "tensors that do not overlap in external data", "more bytes than there are");
    const array = make(file.subarray(offset, offset + size));
    this.#arrays.set(key, array);
    return array;
  }

  #file(where: string, name: string): Uint8Array {
    const known = this.#files.get(name);
    if (known) return known;
    if (!this.#resolve) throw new UnsupportedError(expected(where, "a resolver of external data", "none"));
    const bytes: unknown = this.#resolve(name);
    if (!(bytes instanceof Uint8Array)) {
      throw new TypeError(expected(`externalData(${JSON.stringify(name)})`, "a Uint8Array", nameOf(bytes)));
    }
    this.#files.set(name, bytes);
    this.#left += bytes.length;
    return bytes;
  }
}

interface Reference {
  readonly name: string;
  readonly offset: number;
  readonly length: number | undefined;
}

function reference(where: string, entries: readonly EntryProto[]): Reference {
  const values = new Map<string, string>();
  for (const { key = "", value = "" } of entries) {
    if (values.has(key)) refuse(where, "each key of external data once", `${JSON.stringify(key.slice(0, 80))} twice`);
    values.set(key, value);
  }
  const whole = (key: string): number | undefined => {
    const text = values.get(key);
    if (text === undefined) return undefined;
    const value = Number(text);
    if (!/^[0-9]+$/.test(text) || !Number.isSafeInteger(value)) {
      refuse(where, `a whole number for the ${key} of external data`, JSON.stringify(text.slice(0, 80)));
    }
    return value;
  };
  const name = values.get("location") ?? "";
  if (!isInside(name)) {
    refuse(where, "a location inside the model's folder", JSON.stringify(name.slice(0, 80)));
  }
  return { name, offset: whole("offset") ?? 0, length: whole("length") };
}

/**
 * Whether a name stays in its folder, as a path of any system and as an address: no drive or scheme, not absolute, no step up
 * (written plainly or as %2e), no control character.
 */
function isInside(name: string): boolean {
  const plain = name.replace(/%2e/gi, ".").replace(/%2f/gi, "/").replace(/%5c/gi, "\\");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (plain === "" || /[\0-\x1f]/.test(plain) || /^(?:[/\\]|[a-z][a-z0-9+.-]*:)/i.test(plain)) return false;
  return !plain.split(/[/\\]/).includes("..");
}

function refuse(where: string, want: string, got: string): never {
  throw new FormatError(expected(where, want, got));
}
