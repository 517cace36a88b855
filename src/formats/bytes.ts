import { expected } from "../errors.js";
import { nameOf } from "../tensor.js";

/** What a reader takes. */
export type Source = Uint8Array | ArrayBuffer;

/**
 * The bytes of a source, as a view. Shared memory is copied: another thread could change it between a check and its
 * use.
 * @throws TypeError where it is something else
 */
export function asBytes(what: string, source: Source): Uint8Array {
  if (source instanceof Uint8Array) {
    const shared = typeof SharedArrayBuffer !== "undefined" && source.buffer instanceof SharedArrayBuffer;
    return shared ? new Uint8Array(source) : new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
  }
  if (source instanceof ArrayBuffer) return new Uint8Array(source);
  throw new TypeError(expected(what, "a Uint8Array or an ArrayBuffer", nameOf(source)));
}
