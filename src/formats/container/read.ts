import { checkStorage } from "../../codec/check.js";
import { Fault } from "../../codec/fault.js";
import { Decoder } from "../../codec/range-coder.js";
import { expected, FormatError, UnsupportedError } from "../../errors.js";
import { checkGraph } from "../../graph/check.js";
import type { Graph } from "../../graph/graph.js";
import type { CodedWeight } from "../../graph/weight.js";
import { asBytes, type Source } from "../bytes.js";
import { type Header, header } from "./header.js";
import { checksumOf, defaultHeaderBytes, field, magic, section, version } from "./layout.js";
import { readOpset } from "./opset.js";

export interface ReadLimits {
  /** Largest header that is read, in coded bytes. Default: 16 MiB. */
  readonly headerBytes?: number;
}

/**
 * The graph of a container. Its weights stay coded: views of `bytes`, which must not change while the graph is in use.
 * (Shared memory is copied.) Structure, names and counts are checked here, before anything of their size is allocated;
 * what is inside a weight's section is checked by whoever decodes it.
 * @throws FormatError where the bytes are not a container; UnsupportedError where they are one of a later kind
 */
export function readContainer(bytes: Source, limits: ReadLimits = {}): Graph {
  const file = asBytes("container", bytes);
  checkFrame(file);
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const headerLength = view.getUint32(field.headerLength, true);
  const mostHeader = limits.headerBytes ?? defaultHeaderBytes;
  const rest = file.length - field.header;
  if (headerLength > rest || headerLength > mostHeader) {
    refuse("byte 16", `a header of at most ${Math.min(rest, mostHeader)} bytes`, `${headerLength}`);
  }
  const sections = field.header + headerLength;
  // What a header decodes to stays below the file's size, 16 times its own, and 3 MiB.
  const budget = file.length + 16 * headerLength + 3 * 0x100000;
  const read = readHeader(file.subarray(field.header, sections), budget);
  return assemble(file, sections, read);
}

/** Magic, version, length, checksum, required features, in this order. */
function checkFrame(file: Uint8Array): void {
  for (const [i, byte] of magic.entries()) {
    if (file[i] !== byte)
      refuse("byte 0", 'the magic "COPP"', i < file.length ? "other bytes" : `${file.length} bytes`);
  }
  if (file.length > field.version && file[field.version] !== version) {
    throw new UnsupportedError(expected("byte 4", `version ${version}`, `version ${file[field.version]}`));
  }
  if (file.length < field.header) refuse("container", `at least ${field.header} bytes`, `${file.length}`);
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const length = view.getUint32(field.length, true) + view.getUint16(field.length + 4, true) * 0x100000000;
  if (length !== file.length) refuse("byte 6", `the file's length, ${file.length}`, `${length}`);
  const checksum = view.getUint32(field.checksum, true);
  const actual = checksumOf(file);
  if (checksum !== actual) refuse("byte 12", `the checksum ${hex(actual)}`, hex(checksum));
  const required = file[field.required];
  if (required !== 0) {
    throw new UnsupportedError(expected("byte 5", "no required features", `the set ${required.toString(2)}`));
  }
}

function readHeader(bytes: Uint8Array, budget: number): Header {
  try {
    const decoder = new Decoder(bytes);
    const read = header(decoder, budget);
    decoder.finish();
    return read;
  } catch (error) {
    if (error instanceof Fault) throw new FormatError(`header: expected ${error.message}`);
    throw error;
  }
}

/** Cuts the file into the sections that the header lists: in its order, without a gap, to the last byte. */
function assemble(file: Uint8Array, sections: number, { graph, weights, extra }: Header): Graph {
  const coded = new Map<string, CodedWeight>();
  let start = sections;
  for (const { name, shape, storage, byteLength } of weights) {
    const where = `weight ${name}`;
    if (byteLength > file.length - start) refuse(where, `a section within the file`, `${byteLength} bytes at ${start}`);
    if (coded.has(name)) refuse(where, "a weight that is there once", "a second one");
    checkStorage(where, shape, storage, byteLength);
    coded.set(name, { kind: "coded", shape, storage, bytes: file.subarray(start, start + byteLength) });
    start += byteLength;
  }
  // Sections of kinds that this version does not know are skipped.
  let opset: Graph["opset"];
  for (const { kind, byteLength } of extra) {
    if (byteLength > file.length - start)
      refuse(`section of kind ${kind}`, "a section within the file", `${byteLength} bytes`);
    if (kind === section.opset) {
      if (opset) refuse("container", "one section of operator sets", "a second one");
      opset = readOpset(file.subarray(start, start + byteLength));
    }
    start += byteLength;
  }
  if (start !== file.length) refuse("container", `sections up to byte ${file.length}`, `${start}`);
  const whole: Graph = { ...graph, ...(opset && { opset }), weights: coded };
  checkGraph(whole);
  return whole;
}

function refuse(where: string, want: string, got: string): never {
  throw new FormatError(expected(where, want, got));
}

function hex(value: number): string {
  return value.toString(16).padStart(8, "0");
}
