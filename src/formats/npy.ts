import { bytesPerElement, createArray, type DType, viewOf } from "../dtype.js";
import { expected, FormatError, UnsupportedError } from "../errors.js";
import { showShape, sizeOf, type Tensor } from "../tensor.js";
import { asBytes, type Source } from "./bytes.js";
import { littleEndian } from "./endian.js";

// The format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html. Magic, version, the length of a header, which is
// the literal of a Python dict, then the elements.

const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
/** A header is a hundred bytes; nobody needs more than this. */
const mostHeader = 0x100000;
const mostRank = 64;

const dtypeOf: ReadonlyMap<string, DType> = new Map([
  ["b1", "bool"],
  ["i1", "int8"],
  ["u1", "uint8"],
  ["i2", "int16"],
  ["u2", "uint16"],
  ["i4", "int32"],
  ["u4", "uint32"],
  ["i8", "int64"],
  ["u8", "uint64"],
  ["f2", "float16"],
  ["f4", "float32"],
  ["f8", "float64"],
]);

/**
 * The tensor of a NPY file (versions 1 to 3), copied: big-endian elements are turned around, and arrays in Fortran's order brought into
 * that of C. Objects (pickles) are never read.
 * @throws FormatError where the bytes are not a NPY file; UnsupportedError for objects, records, texts, times and complex numbers
 */
export function readNpy(bytes: Source): Tensor {
  return readArray("npy", asBytes("npy", bytes));
}

/** @param where what messages call the file */
export function readArray(where: string, file: Uint8Array): Tensor {
  const { header, start } = readHeader(where, file);
  const { descr, fortran, shape } = parseHeader(where, header);
  const [, order, type] = /^([<>|])(.*)$/s.exec(descr) ?? [];
  const dtype = dtypeOf.get(type ?? "");
  if (dtype === undefined || (order === "|" && !type.endsWith("1"))) {
    if (/^[<>|=]?[OSUVMmc]/.test(descr) || /^[<>]f(?:12|16)$/.test(descr)) {
      throw new UnsupportedError(expected(where, "integers, booleans or floats of up to 8 bytes", descr.slice(0, 20)));
    }
    return refuse(where, 'a descr as "<f4"', JSON.stringify(descr.slice(0, 20)));
  }
  const width = bytesPerElement(dtype);
  let size = 0;
  try {
    size = sizeOf(shape);
  } catch {
    refuse(where, "a shape of fewer than 2^53 elements", showShape(shape));
  }
  if (size * width !== file.length - start) {
    refuse(where, `${size * width} bytes for shape ${showShape(shape)}`, `${file.length - start}`);
  }
  const raw = new Uint8Array(size * width);
  raw.set(file.subarray(start));
  if (order === ">") littleEndian(raw, width);
  const data = viewOf(dtype, raw.buffer, 0, size);
  return fortran && shape.length > 1 ? inOrder({ dtype, shape, data }) : { dtype, shape, data };
}

function readHeader(where: string, file: Uint8Array): { header: string; start: number } {
  if (file.length < 10) refuse(where, "at least 10 bytes", `${file.length}`);
  if (magic.some((byte, i) => file[i] !== byte)) refuse(where, "\\x93NUMPY at the start", "other bytes");
  const [major, minor] = [file[6], file[7]];
  if (major < 1 || major > 3 || minor !== 0) refuse(where, "version 1.0, 2.0 or 3.0", `${major}.${minor}`);
  const begin = major === 1 ? 10 : 12;
  if (file.length < begin) refuse(where, `at least ${begin} bytes`, `${file.length}`);
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const length = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  const most = Math.min(mostHeader, file.length - begin);
  if (length > most) refuse(where, `a header of at most ${most} bytes`, `${length}`);
  try {
    const text = new TextDecoder(major === 3 ? "utf-8" : "latin1", { fatal: true });
    return { header: text.decode(file.subarray(begin, begin + length)), start: begin + length };
  } catch {
    return refuse(where, "a header in UTF-8", "other bytes");
  }
}

/** The three keys, each once: 'descr': '<f4', 'fortran_order': False, 'shape': (3, 4). */
function parseHeader(where: string, header: string): { descr: string; fortran: boolean; shape: number[] } {
  if (/^\s*\{[^{]*['"]descr['"]\s*:\s*\[/.test(header)) {
    throw new UnsupportedError(expected(where, "one type for all elements", "records"));
  }
  const [, inside] = /^\s*\{(.*)\}\s*$/s.exec(header) ?? [];
  if (inside === undefined) refuse(where, "a header that is a dict", JSON.stringify(header.trim().slice(0, 40)));
  const entry = /\s*(['"])(\w+)\1\s*:\s*(?:(['"])([^'"]*)\3|(True|False)|\(([\d,\sL]*)\))\s*(,|$)/y;
  const found = new Map<string, string>();
  while (/\S/.test(inside.slice(entry.lastIndex))) {
    const at = entry.lastIndex;
    const match = entry.exec(inside);
    if (!match) return refuse(where, "a key and a value", JSON.stringify(inside.slice(at, at + 40)));
    const [, , key, , text, truth, tuple, end] = match;
    const value = key === "descr" ? text : key === "fortran_order" ? truth : key === "shape" ? tuple : undefined;
    if (value === undefined || found.has(key)) {
      return refuse(where, "descr, fortran_order and shape, each once", key.slice(0, 40));
    }
    found.set(key, value);
    if (end === "") break;
  }
  const [descr, order, tuple] = ["descr", "fortran_order", "shape"].map((key) => found.get(key));
  if (descr === undefined || order === undefined || tuple === undefined) {
    return refuse(where, "descr, fortran_order and shape", `${[...found.keys()].join(", ") || "none"}`);
  }
  return { descr, fortran: order === "True", shape: parseShape(where, tuple) };
}

function parseShape(where: string, tuple: string): number[] {
  const parts = tuple.split(",").map((part) => part.trim());
  // A comma may stand at the end, and one must where there is but one dimension.
  if (parts.at(-1) === "") parts.pop();
  else if (parts.length === 1) refuse(where, "a tuple as shape", `(${tuple.slice(0, 40)})`);
  if (parts.length > mostRank) refuse(where, `at most ${mostRank} dimensions`, `${parts.length}`);
  return parts.map((part) => {
    // Python 2 wrote an L after long integers.
    const dim = /^\d{1,16}L?$/.test(part) ? Number.parseInt(part, 10) : Number.NaN;
    if (!Number.isSafeInteger(dim))
      refuse(where, "whole numbers below 2^53 in the shape", JSON.stringify(part.slice(0, 40)));
    return dim;
  });
}

/** The elements of Fortran's order (the first dimension runs fastest) in that of C. */
function inOrder({ dtype, shape, data }: Tensor): Tensor {
  const out = createArray(dtype, data.length);
  const index = shape.map(() => 0);
  const steps = shape.map((_, i) => sizeOf(shape.slice(0, i)));
  let from = 0;
  for (let to = 0; to < out.length; to++) {
    out[to] = data[from];
    for (let d = shape.length - 1; d >= 0; d--) {
      from += steps[d];
      if (++index[d] < shape[d]) break;
      from -= steps[d] * shape[d];
      index[d] = 0;
    }
  }
  return { dtype, shape, data: out };
}

function refuse(where: string, want: string, got: string): never {
  throw new FormatError(expected(where, want, got));
}
