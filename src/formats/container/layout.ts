import type { DType } from "../../dtype.js";
import { crc32 } from "./crc32.js";

/** Every number of the container that is not coded. docs/container.md is this page in words. */

/** "COPP" */
export const magic = [0x43, 0x4f, 0x50, 0x50] as const;
export const version = 1;

/** Where the fields before the header stand. All are little-endian. */
export const field = {
  magic: 0,
  version: 4,
  /** Bits of what a reader must know to read on. Version 1 has none. */
  required: 5,
  /** u48: bytes of the whole file. */
  length: 6,
  /** u32: CRC-32 of all bytes but these four. */
  checksum: 12,
  /** u32: bytes of the coded header, which follows. */
  headerLength: 16,
  header: 20,
} as const;

/** Header bytes that are read unless the caller allows more or less. */
export const defaultHeaderBytes = 16 * 0x100000;

/** Element types by number; the order is part of the format. */
export const dtypeTable: readonly DType[] = [
  "float32",
  "float16",
  "float64",
  "int8",
  "uint8",
  "int16",
  "uint16",
  "int32",
  "uint32",
  "int64",
  "uint64",
  "bool",
  "bfloat16",
  "int4",
  "uint4",
];

/** Kinds of the sections after the weights, which a reader may skip. */
export const section = {
  /** Versions of the operator sets. */
  opset: 0,
} as const;

/** CRC-32 of all but the checksum's own bytes. */
export function checksumOf(bytes: Uint8Array): number {
  return crc32(bytes.subarray(field.headerLength), crc32(bytes.subarray(0, field.checksum)));
}
