import { expected, FormatError, UnsupportedError } from "../errors.js";

// What NPZ files need of the ZIP format (PKWARE's APPNOTE.TXT, 6.3): one disk, no encryption, stored or deflated.

/** A file in an archive, as its directory tells. */
export interface Entry {
  readonly name: string;
  readonly deflated: boolean;
  readonly crc: number;
  /** Bytes as they stand in the archive. */
  readonly packed: Uint8Array;
  /** Bytes once unpacked. */
  readonly size: number;
}

const none32 = 0xffffffff;

/**
 * The directory of an archive, which begins and ends where it says. Entries neither overlap nor share a name.
 * @throws FormatError, or UnsupportedError for encryption, other methods, and archives of 4 GiB and more
 */
export function readDirectory(where: string, file: Uint8Array): Entry[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const end = findEnd(where, file, view);
  const count = view.getUint16(end + 10, true);
  const length = view.getUint32(end + 12, true);
  const start = view.getUint32(end + 16, true);
  if (count === 0xffff || length === none32 || start === none32) {
    throw new UnsupportedError(expected(where, "an archive of less than 4 GiB", "zip64"));
  }
  if (view.getUint32(end + 4, true) !== 0 || view.getUint16(end + 8, true) !== count) {
    throw new UnsupportedError(expected(where, "an archive in one piece", "several disks"));
  }
  if (start + length !== end) refuse(where, `a directory of ${length} bytes at ${start} up to ${end}`, "another place");
  const entries: Entry[] = [];
  const ranges: [number, number][] = [];
  const names = new Set<string>();
  let at = start;
  for (let i = 0; i < count; i++) {
    const { entry, range, next } = readEntry(where, file, view, at, start, end);
    if (names.has(entry.name)) refuse(where, "each name once", JSON.stringify(entry.name.slice(0, 80)));
    names.add(entry.name);
    entries.push(entry);
    ranges.push(range);
    at = next;
  }
  if (at !== end) refuse(where, `${count} entries in the directory`, "more bytes");
  ranges.sort((a, b) => a[0] - b[0]);
  for (let i = 1; i < ranges.length; i++) {
    if (ranges[i][0] < ranges[i - 1][1]) refuse(where, "entries that do not overlap", `one at ${ranges[i][0]}`);
  }
  return entries;
}

/** The record at the end, with a comment that reaches the end of the file. */
function findEnd(where: string, file: Uint8Array, view: DataView): number {
  for (let at = file.length - 22; at >= Math.max(0, file.length - 22 - 0xffff); at--) {
    if (view.getUint32(at, true) === 0x06054b50 && at + 22 + view.getUint16(at + 20, true) === file.length) return at;
  }
  return refuse(where, "a ZIP archive", "no end of a directory");
}

function readEntry(where: string, file: Uint8Array, view: DataView, at: number, start: number, end: number) {
  if (at + 46 > end || view.getUint32(at, true) !== 0x02014b50)
    refuse(where, `a directory entry at ${at}`, "other bytes");
  const [flags, method] = [view.getUint16(at + 8, true), view.getUint16(at + 10, true)];
  const [crc, length, size] = [16, 20, 24].map((offset) => view.getUint32(at + offset, true));
  const [nameLength, extra, comment] = [28, 30, 32].map((offset) => view.getUint16(at + offset, true));
  const local = view.getUint32(at + 42, true);
  const next = at + 46 + nameLength + extra + comment;
  if (next > end) refuse(where, `a directory entry at ${at} up to ${end}`, `one up to ${next}`);
  const nameBytes = file.subarray(at + 46, at + 46 + nameLength);
  const name = new TextDecoder().decode(nameBytes);
  const here = `${where}: ${JSON.stringify(name.slice(0, 80))}`;
  if (flags & 1) throw new UnsupportedError(expected(here, "no encryption", "an encrypted entry"));
  if (method !== 0 && method !== 8) {
    throw new UnsupportedError(expected(here, "an entry that is stored or deflated", `method ${method}`));
  }
  if (length === none32 || size === none32 || local === none32) {
    throw new UnsupportedError(expected(here, "an entry of less than 4 GiB", "zip64"));
  }
  if (method === 0 && length !== size) refuse(here, `${size} stored bytes`, `${length}`);
  if (local + 30 > start || view.getUint32(local, true) !== 0x04034b50)
    refuse(here, `an entry at ${local}`, "other bytes");
  const localName = view.getUint16(local + 26, true);
  const from = local + 30 + localName + view.getUint16(local + 28, true);
  if (from + length > start) refuse(here, `${length} bytes at ${from} before the directory`, `${start - from}`);
  const again = file.subarray(local + 30, local + 30 + localName);
  if (again.length !== nameBytes.length || again.some((byte, i) => byte !== nameBytes[i])) {
    refuse(here, "the same name in both headers", "another");
  }
  const packed = file.subarray(from, from + length);
  const entry: Entry = { name, deflated: method === 8, crc, packed, size };
  return { entry, range: [local, from + length] as [number, number], next };
}

/**
 * The bytes of an entry. What is deflated goes through the platform's DecompressionStream, with a gzip header and trailer put around it:
 * every runtime has that one (Node 20 has no raw deflate at first), and it ends where the trailer stands or fails.
 * @throws FormatError where they are not what the directory says; UnsupportedError where the runtime cannot inflate
 */
export async function unpack(where: string, entry: Entry): Promise<Uint8Array> {
  const bytes = entry.deflated ? await inflate(where, entry) : entry.packed;
  if (bytes.length !== entry.size) refuse(where, `${entry.size} bytes`, `${bytes.length}`);
  if (crcOf(bytes) !== entry.crc) refuse(where, `a CRC of ${entry.crc}`, `${crcOf(bytes)}`);
  return bytes;
}

async function inflate(where: string, { packed, crc, size }: Entry): Promise<Uint8Array> {
  if (typeof DecompressionStream === "undefined") {
    throw new UnsupportedError(expected(where, "a runtime with DecompressionStream, or stored entries", "none"));
  }
  // Deflate makes 1032 bytes of one at most, so a larger size is a lie, told before memory is asked for.
  if (size > 1032 * packed.length) refuse(where, `${size} bytes`, `${packed.length} that are deflated`);
  const gzip = new Uint8Array(10 + packed.length + 8);
  gzip.set([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
  gzip.set(packed, 10);
  const trailer = new DataView(gzip.buffer, 10 + packed.length);
  trailer.setUint32(0, crc, true);
  trailer.setUint32(4, size, true);
  const stream = new DecompressionStream("gzip");
  const writer = stream.writable.getWriter();
  // What goes wrong shows on the side that is read.
  for (const done of [writer.closed, writer.write(gzip), writer.close()]) done.catch(() => {});
  const reader = stream.readable.getReader();
  const out = new Uint8Array(size);
  let at = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      if (at + value.length > size) {
        reader.cancel().catch(() => {});
        return refuse(where, `${size} bytes`, "more");
      }
      out.set(value, at);
      at += value.length;
    }
  } catch (error) {
    if (error instanceof FormatError) throw error;
    return refuse(where, "deflated bytes", "others");
  }
  return out.subarray(0, at);
}

/** CRC-32 as in ZIP (ISO 3309), by a table of 256. */
function crcOf(bytes: Uint8Array): number {
  let crc = none32;
  for (let i = 0; i < bytes.length; i++) crc = table[(crc ^ bytes[i]) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}

const table = Uint32Array.from({ length: 256 }, (_, n) => {
  let value = n;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

function refuse(where: string, want: string, got: string): never {
  throw new FormatError(expected(where, want, got));
}
