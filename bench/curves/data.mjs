// Files of the folder that COPPICE_DATA names.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

export const folder = process.env.COPPICE_DATA;

/** The bytes of a file, in memory of their own; a .gz file's content. */
export function bytesOf(...path) {
  const bytes = readFileSync(join(folder, ...path));
  return new Uint8Array(path.at(-1).endsWith(".gz") ? gunzipSync(bytes) : bytes);
}

/** What a .json or .json.gz file says. */
export function jsonOf(...path) {
  return JSON.parse(Buffer.from(bytesOf(...path)).toString());
}

/** The lines of a text file. */
export function linesOf(...path) {
  return Buffer.from(bytesOf(...path))
    .toString()
    .trim()
    .split("\n");
}

/** The files of a .tar archive, { name, bytes } in its order: headers and contents in blocks of 512 bytes. */
export function filesOfTar(...path) {
  const bytes = Buffer.from(bytesOf(...path));
  const text = (at, length) => bytes.toString("latin1", at, at + length).replace(/\0.*$/s, "");
  const files = [];
  for (let at = 0; at + 512 <= bytes.length && bytes[at] !== 0; ) {
    const size = Number.parseInt(text(at + 124, 12), 8);
    const type = text(at + 156, 1);
    if (type === "" || type === "0")
      files.push({ name: text(at, 100), bytes: bytes.subarray(at + 512, at + 512 + size) });
    at += 512 * (1 + Math.ceil(size / 512));
  }
  return files;
}

/**
 * `count` of the numbers 0..total - 1, evenly spread and each start of them spread too: errors in the outputs are measured over the
 * first of the calibration inputs alone.
 */
export function spread(count, total) {
  const golden = (Math.sqrt(5) - 1) / 2;
  const places = Array.from({ length: count }, (_, i) => ({ i, place: (i * golden) % 1 }));
  places.sort((a, b) => a.place - b.place);
  const found = new Array(count);
  for (const [rank, { i }] of places.entries()) found[i] = Math.floor((rank * total) / count);
  return found;
}

/** Arrays one after the other. */
export function joined(arrays) {
  const all = new Float32Array(arrays.reduce((size, { length }) => size + length, 0));
  let at = 0;
  for (const array of arrays) {
    all.set(array, at);
    at += array.length;
  }
  return all;
}
