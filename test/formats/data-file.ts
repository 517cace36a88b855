// Writers of the formats of training data, for tests alone.
import { crc32, deflateRawSync } from "node:zlib";

const bytesOf = (data: ArrayBufferView) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

export function swapped(bytes: Uint8Array, width: number): Uint8Array {
  const out = bytes.slice();
  for (let at = 0; at < out.length; at += width) out.subarray(at, at + width).reverse();
  return out;
}

export function idx(type: number, shape: readonly number[], data: ArrayBufferView & { BYTES_PER_ELEMENT: number }) {
  const head = new Uint8Array(4 + 4 * shape.length);
  head.set([0, 0, type, shape.length]);
  for (const [i, dim] of shape.entries()) new DataView(head.buffer).setUint32(4 + 4 * i, dim);
  return joined(head, swapped(bytesOf(data), data.BYTES_PER_ELEMENT));
}

/** A file with any header; `version` 1 has a length of two bytes, others of four. */
export function npyOf(header: string | Uint8Array, data: Uint8Array, version = 1, length?: number): Uint8Array {
  const text = typeof header === "string" ? new TextEncoder().encode(header) : header;
  const head = new Uint8Array(version === 1 ? 10 : 12);
  head.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, 0]);
  const view = new DataView(head.buffer);
  if (version === 1) view.setUint16(8, length ?? text.length, true);
  else view.setUint32(8, length ?? text.length, true);
  return joined(head, text, data);
}

export function npy(descr: string, shape: readonly number[], data: ArrayBufferView, fortran = false): Uint8Array {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  const dict = `{'descr': '${descr}', 'fortran_order': ${fortran ? "True" : "False"}, 'shape': ${tuple}, }`;
  // Padded so that the data begin at a multiple of 64, as NumPy does it.
  const pad = 63 - ((10 + dict.length) % 64);
  return npyOf(`${dict}${" ".repeat(pad)}\n`, bytesOf(data));
}

export interface Zipped {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly deflate?: boolean;
  /** Fields of the directory that say something else: offset in the entry to value of two bytes or, from 16 on, four. */
  readonly lies?: Readonly<Record<number, number>>;
}

export function zip(files: readonly Zipped[], lies: Readonly<Record<number, number>> = {}, comment = ""): Uint8Array {
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let at = 0;
  const put = (view: DataView, offset: number, value: number, width: number) =>
    width === 2 ? view.setUint16(offset, value, true) : view.setUint32(offset, value, true);
  for (const { name, bytes, deflate = false, lies = {} } of files) {
    const packed = deflate ? new Uint8Array(deflateRawSync(bytes)) : bytes;
    const text = new TextEncoder().encode(name);
    const local = new DataView(new ArrayBuffer(30));
    const entry = new DataView(new ArrayBuffer(46));
    put(local, 0, 0x04034b50, 4);
    put(local, 26, text.length, 2);
    put(entry, 0, 0x02014b50, 4);
    put(entry, 10, deflate ? 8 : 0, 2);
    put(entry, 16, crc32(bytes), 4);
    put(entry, 20, packed.length, 4);
    put(entry, 24, bytes.length, 4);
    put(entry, 28, text.length, 2);
    put(entry, 42, at, 4);
    for (const [offset, value] of Object.entries(lies))
      put(entry, Number(offset), value, [16, 20, 24, 42].includes(Number(offset)) ? 4 : 2);
    parts.push(bytesOf(local), text, packed);
    directory.push(bytesOf(entry), text);
    at += 30 + text.length + packed.length;
  }
  const length = directory.reduce((sum, part) => sum + part.length, 0);
  const end = new DataView(new ArrayBuffer(22));
  put(end, 0, 0x06054b50, 4);
  put(end, 8, files.length, 2);
  put(end, 10, files.length, 2);
  put(end, 12, length, 4);
  put(end, 16, at, 4);
  put(end, 20, comment.length, 2);
  for (const [offset, value] of Object.entries(lies)) put(end, Number(offset), value, Number(offset) < 12 ? 2 : 4);
  return joined(...parts, ...directory, bytesOf(end), new TextEncoder().encode(comment));
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
