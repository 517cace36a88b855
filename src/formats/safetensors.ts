import { arrayFromBytes, bytesPerElement, type DType } from "../dtype.js";
import { expected, FormatError, UnsupportedError } from "../errors.js";
import { checkTensor, nameOf, showShape, sizeOf, type Tensor } from "../tensor.js";
import { asBytes, type Source } from "./bytes.js";
import { scanJson } from "./json-scan.js";

// The format: https://github.com/huggingface/safetensors. A u64 length, that many bytes of JSON, then the tensors'
// bytes.

export interface SafetensorsLimits {
  /** Largest header that is read. Default: 16 MiB. */
  readonly headerBytes?: number;
}

export interface Safetensors {
  readonly tensors: Map<string, Tensor>;
  readonly metadata: Map<string, string>;
}

const dtypeOf: ReadonlyMap<string, DType> = new Map([
  ["F64", "float64"],
  ["F32", "float32"],
  ["F16", "float16"],
  ["I64", "int64"],
  ["I32", "int32"],
  ["I16", "int16"],
  ["I8", "int8"],
  ["U64", "uint64"],
  ["U32", "uint32"],
  ["U16", "uint16"],
  ["U8", "uint8"],
  ["BOOL", "bool"],
]);
const nameOfDtype: ReadonlyMap<DType, string> = new Map([
  ...[...dtypeOf].map(([name, dtype]) => [dtype, name] as const),
  ["bfloat16", "BF16"],
]);

/** Types of the format that have no place here. */
const unsupported = new Set([
  "F4",
  "F6_E2M3",
  "F6_E3M2",
  "F8_E8M0",
  "F8_E4M3",
  "F8_E5M2",
  "F8_E4M3FNUZ",
  "F8_E5M2FNUZ",
  "C64",
]);

const metadataKey = "__metadata__";
const wholeNumbers = new Set(["shape", "data_offsets"]);

/**
 * The tensors of a safetensors file, copied. BF16 is widened to float32, exactly.
 * @throws FormatError where the bytes are not a safetensors file; UnsupportedError for element types below a byte,
 *   8-bit floats and
 *   complex numbers
 */
export function readSafetensors(bytes: Source, limits: SafetensorsLimits = {}): Safetensors {
  const file = asBytes("safetensors", bytes);
  const { header, start } = readHeader(file, limits.headerBytes ?? 16 * 0x100000);
  const metadata = new Map<string, string>();
  const entries: Entry[] = [];
  for (const [name, value] of Object.entries(header)) {
    if (name === metadataKey) {
      for (const [key, text] of Object.entries(object(metadataKey, value))) {
        if (typeof text !== "string") refuse(`${metadataKey} ${key}`, "a text", nameOf(text));
        metadata.set(key, text as string);
      }
    } else entries.push(entryOf(name, value, file.length - start));
  }
  checkCover(entries, file.length - start);
  const tensors = new Map<string, Tensor>();
  for (const entry of entries) {
    tensors.set(entry.name, tensorOf(entry, file.subarray(start + entry.begin, start + entry.end)));
  }
  return { tensors, metadata };
}

interface Entry {
  readonly name: string;
  /** "BF16" or a key of `dtypeOf`. */
  readonly type: string;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

function readHeader(file: Uint8Array, mostBytes: number): { header: Record<string, unknown>; start: number } {
  if (file.length < 8) refuse("safetensors", "at least 8 bytes", `${file.length}`);
  const length = new DataView(file.buffer, file.byteOffset, 8).getBigUint64(0, true);
  const most = Math.min(mostBytes, file.length - 8);
  if (length > BigInt(most)) refuse("byte 0", `a header of at most ${most} bytes`, `${length}`);
  const start = 8 + Number(length);
  let last = start - 1;
  while (last >= 8 && file[last] === 0x20) last--;
  if (file[8] !== 0x7b || last < 9 || file[last] !== 0x7d) {
    refuse("header", "an object, { first and } last", "other bytes");
  }
  let text = "";
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(file.subarray(8, last + 1));
  } catch {
    refuse("header", "UTF-8", "other bytes");
  }
  scanJson("header", text, wholeNumbers);
  try {
    return { header: object("header", JSON.parse(text)), start };
  } catch (error) {
    if (error instanceof FormatError) throw error;
    return refuse("header", "JSON", "other text");
  }
}

function entryOf(name: string, value: unknown, dataLength: number): Entry {
  const where = JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}...` : name);
  const { dtype, shape, data_offsets: offsets } = object(where, value);
  if (typeof dtype !== "string") return refuse(where, "a dtype", nameOf(dtype));
  if (unsupported.has(dtype)) {
    throw new UnsupportedError(expected(where, "a dtype of whole bytes and real numbers", dtype));
  }
  if (dtype !== "BF16" && !dtypeOf.has(dtype)) refuse(where, "a known dtype", dtype.slice(0, 80));
  const dims = wholes(where, "shape", shape);
  const ends = wholes(where, "data_offsets", offsets);
  const [begin, end] = ends;
  if (ends.length !== 2 || begin > end || end > dataLength) {
    refuse(where, `two offsets that rise, up to ${dataLength}`, showShape(ends.slice(0, 4)));
  }
  let size = 0;
  try {
    size = sizeOf(dims) * widthOf(dtype);
  } catch {
    refuse(where, "a shape of fewer than 2^53 elements", showShape(dims.slice(0, 16)));
  }
  if (size !== end - begin) refuse(where, `${size} bytes for shape ${showShape(dims.slice(0, 16))}`, `${end - begin}`);
  return { name, type: dtype, shape: dims, begin, end };
}

/** Tensors must cover the data without holes and without overlap. @throws FormatError */
function checkCover(entries: readonly Entry[], dataLength: number): void {
  const sorted = [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end);
  let covered = 0;
  for (const { name, begin, end } of sorted) {
    if (begin !== covered) {
      refuse(JSON.stringify(name.slice(0, 80)), `data from byte ${covered} on`, `from ${begin} on`);
    }
    covered = end;
  }
  if (covered !== dataLength) refuse("safetensors", `${covered} bytes of data`, `${dataLength}`);
}

function tensorOf({ type, shape }: Entry, bytes: Uint8Array): Tensor {
  const dtype = dtypeOf.get(type);
  if (dtype !== undefined) return { dtype, shape, data: arrayFromBytes(dtype, bytes) };
  const bits = new Uint32Array(bytes.length / 2);
  for (let i = 0; i < bits.length; i++) bits[i] = ((bytes[2 * i + 1] << 8) | bytes[2 * i]) << 16;
  return { dtype: "float32", shape, data: new Float32Array(bits.buffer) };
}

function widthOf(type: string): number {
  return type === "BF16" ? 2 : bytesPerElement(dtypeOf.get(type)!);
}

function object(where: string, value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return refuse(where, "an object", nameOf(value));
  }
  return value as Record<string, unknown>;
}

/** Whole numbers below 2^53; the scan has seen that they are written as such. */
function wholes(where: string, key: string, value: unknown): number[] {
  if (!Array.isArray(value)) return refuse(where, `an array "${key}"`, nameOf(value));
  for (const x of value) {
    if (!Number.isSafeInteger(x)) refuse(where, `whole numbers below 2^53 in "${key}"`, nameOf(x));
  }
  return value as number[];
}

function refuse(where: string, want: string, got: string): never {
  throw new FormatError(expected(where, want, got));
}

/**
 * A safetensors file. Wider elements come first, so that all are aligned; else the order is the given one, and the same
 * tensors in the same order give the same bytes.
 * @throws ShapeError where a tensor's data does not fit its shape; UnsupportedError for integers of 4 bits; RangeError for
 *   a name that is not well-formed, is taken twice, or is `__metadata__`; TypeError where what is given cannot be iterated
 *   over
 */
export function writeSafetensors(
  tensors: Iterable<readonly [string, Tensor]>,
  metadata: Iterable<readonly [string, string]> = [],
): Uint8Array {
  for (const [what, given] of [
    ["tensors", tensors],
    ["metadata", metadata],
  ] as const) {
    if (typeof given?.[Symbol.iterator] !== "function") {
      throw new TypeError(expected(what, "pairs of a name and a value, as of a Map", nameOf(given)));
    }
  }
  const list = [...tensors];
  const order = [...list].sort(([, a], [, b]) => bytesPerElement(b.dtype) - bytesPerElement(a.dtype));
  const begins = new Map<string, number>();
  let length = 0;
  for (const [name, tensor] of order) {
    checkTensor(name, tensor);
    if (!nameOfDtype.has(tensor.dtype)) {
      throw new UnsupportedError(expected(name.slice(0, 80), "elements of whole bytes", tensor.dtype));
    }
    if (begins.has(name) || name === metadataKey) throw new RangeError(expected("tensor", "a name of its own", name));
    begins.set(name, length);
    length += tensor.data.byteLength;
  }
  const fields: string[] = [];
  const notes = [...new Map(metadata)].map(([key, text]) => `${quote(key)}:${quote(text)}`);
  if (notes.length > 0) fields.push(`${quote(metadataKey)}:{${notes.join(",")}}`);
  for (const [name, { dtype, shape, data }] of list) {
    const begin = begins.get(name)!;
    const offsets = `${begin},${begin + data.byteLength}`;
    const description = `"dtype":"${nameOfDtype.get(dtype)}","shape":[${shape.join(",")}]`;
    fields.push(`${quote(name)}:{${description},"data_offsets":[${offsets}]}`);
  }
  const json = new TextEncoder().encode(`{${fields.join(",")}}`);
  const start = 8 + Math.ceil(json.length / 8) * 8;
  const file = new Uint8Array(start + length);
  new DataView(file.buffer).setBigUint64(0, BigInt(start - 8), true);
  file.fill(0x20, 8, start);
  file.set(json, 8);
  for (const [name, { data }] of order) {
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), start + begins.get(name)!);
  }
  return file;
}

/** @throws RangeError where the text has half a surrogate pair */
function quote(text: string): string {
  if (/\p{Surrogate}/u.test(text)) throw new RangeError(expected("name", "a well-formed text", JSON.stringify(text)));
  return JSON.stringify(text);
}
