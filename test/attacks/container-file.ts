// Containers of any bytes: what is told is whatever a test says, and length and checksum are right.
import { Encoder } from "../../src/codec/range-coder.js";
import { type ExtraSection, type Header, header } from "../../src/formats/container/header.js";
import { checksumOf, field, magic, version } from "../../src/formats/container/layout.js";
import type { WeightEntry } from "../../src/formats/container/weight-entry.js";
import type { Graph } from "../../src/graph/graph.js";
import type { CodedStorage } from "../../src/graph/weight.js";

/** Puts length and checksum right, so that what is inside is reached. */
export function seal(file: Uint8Array): Uint8Array {
  if (file.length < field.header) return file;
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  view.setUint32(field.length, file.length, true);
  view.setUint16(field.length + 4, 0, true);
  view.setUint32(field.checksum, checksumOf(file), true);
  return file;
}

/** A file around any coded header and any bytes after it. */
export function fileOf(head: Uint8Array, sections: Uint8Array): Uint8Array {
  const file = new Uint8Array(field.header + head.length + sections.length);
  file.set(magic);
  file[field.version] = version;
  new DataView(file.buffer).setUint32(field.headerLength, head.length, true);
  file.set(head, field.header);
  file.set(sections, field.header + head.length);
  return seal(file);
}

/** A file with one weight (or those given) of any description. */
export function withWeights(
  entries: readonly Partial<WeightEntry>[],
  sections: Uint8Array,
  graph: Partial<Graph> = {},
  extra: readonly ExtraSection[] = [],
): Uint8Array {
  const encoder = new Encoder();
  const entry = { name: "w", shape: [1], storage: { kind: "dense", dtype: "uint8" } as CodedStorage, byteLength: 0 };
  const weights = entries.map((given, i) => ({ ...entry, name: `w${i}`, ...given }));
  const given: Header = { graph: { name: "", inputs: [], outputs: [], nodes: [], ...graph }, weights, extra };
  header(encoder, Number.POSITIVE_INFINITY, given);
  return fileOf(encoder.finish(), sections);
}
