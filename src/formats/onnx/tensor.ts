import type { BinaryReader } from "@bufbuild/protobuf/wire";
import { arrayFromBytes, bytesPerElement, createArray, type DType, type TypedArray } from "../../dtype.js";
import { expected, FormatError, UnsupportedError } from "../../errors.js";
import { showShape, sizeOf, type Tensor } from "../../tensor.js";
import { asBytes, type Source } from "../bytes.js";
import { Budget } from "./budget.js";
import { bytesInFile, dtypeOf, elementOf } from "./element.js";
import { type ExternalData, ExternalFiles } from "./external.js";
import { readMessage, readPacked } from "./message.js";
import { type TensorProto, tensorProto } from "./schema.js";

export interface ReadOptions {
  /** Bytes of the files that tensors stand in, by the exact names in the model. Without it such tensors are refused. */
  readonly externalData?: ExternalData;
}

/**
 * The tensor of a TensorProto alone in a file, as in the data sets of the ONNX test suites. Values are copied and keep
 * their type.
 * @throws FormatError, UnsupportedError; TypeError for what is no bytes
 */
export function readTensor(bytes: Source, options: ReadOptions = {}): Tensor {
  const file = asBytes("tensor", bytes);
  const proto = readMessage<TensorProto>(file, tensorProto, new Budget(file.length));
  return tensorOf(`tensor ${proto.name ?? ""}`, proto, new ExternalFiles(options.externalData));
}

/** @throws FormatError, UnsupportedError naming the tensor */
export function tensorOf(where: string, proto: TensorProto, external: ExternalFiles): Tensor {
  if (proto.segment) throw new UnsupportedError(expected(where, "a tensor in one piece", "a segment"));
  const dtype = dtypeOf(where, proto.dataType);
  const shape = proto.dims ?? [];
  const size = sizeIn(where, shape);
  const lists = (["floatData", "int32Data", "int64Data", "doubleData", "uint64Data"] as const).filter((list) =>
    proto[list]?.some((run) => run.length > 0),
  );
  const raw = proto.rawData !== undefined && proto.rawData.length > 0;
  const outside = proto.dataLocation === 1;
  if (proto.dataLocation !== undefined && proto.dataLocation > 1) {
    refuse(where, "a known place of its data", `number ${proto.dataLocation}`);
  }
  const texts = proto.stringData ? ["stringData"] : [];
  const places = [
    ...lists,
    ...texts,
    ...(raw ? ["rawData"] : []),
    ...(outside || proto.externalData ? ["externalData"] : []),
  ];
  if (places.length > 1) refuse(where, "data in one place", places.join(" and "));
  const inFile = bytesInFile(dtype, size, bytesPerElement(dtype));
  const fromBytes = (bytes: Uint8Array) => checked(where, dtype, unpacked(dtype, size, bytes));
  if (places[0] === "externalData") {
    if (!outside) refuse(where, "external data where it says so", "a reference alone");
    return { dtype, shape, data: external.array(where, proto.externalData ?? [], dtype, inFile, fromBytes) };
  }
  if (lists.length > 0) return { dtype, shape, data: typed(where, dtype, size, proto, lists[0]) };
  const bytes = proto.rawData ?? new Uint8Array(0);
  if (bytes.length !== inFile) refuse(`${where} ${briefly(shape)}`, `${inFile} bytes of ${dtype}`, `${bytes.length}`);
  return { dtype, shape, data: fromBytes(bytes) };
}

/** The proto of a tensor, its values as raw data. */
export function protoOf(name: string, { dtype, shape, data }: Tensor): TensorProto {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const nibbles = dtype === "int4" || dtype === "uint4";
  return { dims: shape, dataType: elementOf(dtype), name, rawData: nibbles ? packed(bytes) : bytes };
}

/** Elements of a shape. @throws FormatError */
export function sizeIn(where: string, shape: readonly number[]): number {
  try {
    return sizeOf(shape);
  } catch {
    throw new FormatError(expected(where, "sizes from 0, and fewer than 2^53 elements", briefly(shape)));
  }
}

/** A shape in a message, however long it is. */
export function briefly(shape: readonly number[]): string {
  return shape.length > 8 ? `${shape.length} dimensions` : showShape(shape);
}

type List = "floatData" | "int32Data" | "int64Data" | "doubleData" | "uint64Data";

/** The list that holds the elements of each type. */
function listOf(dtype: DType): List {
  if (dtype === "float32") return "floatData";
  if (dtype === "float64") return "doubleData";
  if (dtype === "int64") return "int64Data";
  return dtype === "uint32" || dtype === "uint64" ? "uint64Data" : "int32Data";
}

function take(reader: BinaryReader, list: List, dtype: DType): number | bigint {
  switch (list) {
    case "floatData":
      return reader.float();
    case "doubleData":
      return reader.double();
    case "int32Data":
      return reader.int32();
    case "int64Data":
      return BigInt(reader.int64());
    case "uint64Data":
      return dtype === "uint32" ? Number(reader.uint64()) : BigInt(reader.uint64());
  }
}

function typed(where: string, dtype: DType, size: number, proto: TensorProto, list: List): TypedArray {
  if (list !== listOf(dtype)) refuse(where, `${dtype} in ${listOf(dtype)}`, list);
  const runs = proto[list]!;
  const nibbles = dtype === "int4" || dtype === "uint4";
  const want = nibbles ? Math.ceil(size / 2) : size;
  // Counted before anything of the declared size is allocated.
  const got = countOf(list, runs);
  if (got !== want) refuse(`${where} ${briefly(proto.dims ?? [])}`, `${want} numbers in ${list}`, `${got}`);
  const data = nibbles ? new Uint8Array(want) : createArray(dtype, want);
  let at = 0;
  readPacked(`${where} ${list}`, runs, (reader) => {
    const value = take(reader, list, dtype);
    data[at] = value;
    // Integers that the type cannot hold have wrapped around; reals are only rounded from what they are.
    if (data[at] !== value && !Number.isNaN(value)) refuse(where, `values of ${dtype}`, `${value} at ${at}`);
    at++;
  });
  return checked(where, dtype, nibbles ? unpacked(dtype, size, data as Uint8Array) : data);
}

/** How many numbers runs hold, by their bytes. */
function countOf(list: List, runs: readonly Uint8Array[]): number {
  const width = list === "floatData" ? 4 : list === "doubleData" ? 8 : 0;
  let count = 0;
  for (const run of runs) {
    if (width > 0) count += run.length / width;
    else for (const byte of run) if (byte < 0x80) count++;
  }
  return count;
}

/** The array of an element type over a copy of bytes as they stand in files. */
function unpacked(dtype: DType, size: number, bytes: Uint8Array): TypedArray {
  if (dtype !== "int4" && dtype !== "uint4") return arrayFromBytes(dtype, bytes);
  const data = createArray(dtype, size);
  for (let i = 0; i < size; i++) {
    const nibble = (bytes[i >> 1] >> (4 * (i & 1))) & 15;
    data[i] = dtype === "int4" && nibble > 7 ? nibble - 16 : nibble;
  }
  return data;
}

/** 4-bit integers two to a byte, the lower half first. */
function packed(values: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(values.length / 2));
  for (let i = 0; i < values.length; i++) bytes[i >> 1] |= (values[i] & 15) << (4 * (i & 1));
  return bytes;
}

function checked(where: string, dtype: DType, data: TypedArray): TypedArray {
  if (dtype === "bool") {
    for (let i = 0; i < data.length; i++) if ((data[i] as number) > 1) refuse(where, "0 or 1 for bool", `${data[i]}`);
  }
  return data;
}

function refuse(where: string, want: string, got: string): never {
  throw new FormatError(expected(where, want, got));
}
