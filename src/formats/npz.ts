import { expected, FormatError } from "../errors.js";
import type { Tensor } from "../tensor.js";
import { asBytes, type Source } from "./bytes.js";
import { readArray } from "./npy.js";
import { readDirectory, unpack } from "./zip.js";

export interface NpzLimits {
  /** Most bytes that all entries together may have once unpacked. Default: 1 GiB. */
  readonly bytes?: number;
}

const suffix = ".npy";

/**
 * The tensors of a NPZ file (NumPy's `savez` and `savez_compressed`) by name, in the order of the file.
 * @throws FormatError where the bytes are not such a file or unpack to more than the limit; UnsupportedError for encryption, zip64, other
 *   methods of packing than deflate, and what `readNpy` does not read
 */
export async function readNpz(bytes: Source, limits: NpzLimits = {}): Promise<Map<string, Tensor>> {
  const entries = readDirectory("npz", asBytes("npz", bytes));
  const most = limits.bytes ?? 0x40000000;
  const total = entries.reduce((sum, { size }) => sum + size, 0);
  if (total > most) throw new FormatError(expected("npz", `at most ${most} bytes unpacked`, `${total}`));
  const tensors = new Map<string, Tensor>();
  for (const entry of entries) {
    const where = `npz: ${JSON.stringify(entry.name.slice(0, 80))}`;
    if (!entry.name.endsWith(suffix)) throw new FormatError(expected(where, "a name that ends in .npy", "another"));
    tensors.set(entry.name.slice(0, -suffix.length), readArray(where, await unpack(where, entry)));
  }
  return tensors;
}
