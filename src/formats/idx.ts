import { bytesPerElement, type DType, viewOf } from "../dtype.js";
import { expected, FormatError } from "../errors.js";
import { showShape, sizeOf, type Tensor } from "../tensor.js";
import { asBytes, type Source } from "./bytes.js";
import { littleEndian } from "./endian.js";

// The format of the MNIST files: http://yann.lecun.com/exdb/mnist. Two zeros, a type, a rank, the dimensions as u32, the elements; all
// big-endian.

const dtypeOf: ReadonlyMap<number, DType> = new Map([
  [0x08, "uint8"],
  [0x09, "int8"],
  [0x0b, "int16"],
  [0x0c, "int32"],
  [0x0d, "float32"],
  [0x0e, "float64"],
]);

/**
 * The tensor of an IDX file, copied. A file that is packed (.gz) must be unpacked first.
 * @throws FormatError where the bytes are not an IDX file
 */
export function readIdx(bytes: Source): Tensor {
  const file = asBytes("idx", bytes);
  if (file[0] === 0x1f && file[1] === 0x8b) refuse("idx", "two zeros", "a gzip file: unpack it first");
  if (file.length < 4) refuse("idx", "at least 4 bytes", `${file.length}`);
  if (file[0] !== 0 || file[1] !== 0) refuse("idx", "two zeros", `${file[0]} and ${file[1]}`);
  const dtype = dtypeOf.get(file[2]);
  if (dtype === undefined) return refuse("idx", "a known type", `0x${file[2].toString(16)}`);
  const start = 4 + 4 * file[3];
  if (file.length < start) refuse("idx", `${file[3]} dimensions`, `${file.length - 4} bytes`);
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const shape = Array.from({ length: file[3] }, (_, i) => view.getUint32(4 + 4 * i));
  let size = 0;
  try {
    size = sizeOf(shape);
  } catch {
    refuse("idx", "a shape of fewer than 2^53 elements", showShape(shape));
  }
  const width = bytesPerElement(dtype);
  if (size * width !== file.length - start) {
    refuse("idx", `${size * width} bytes for shape ${showShape(shape)}`, `${file.length - start}`);
  }
  const data = littleEndian(file.slice(start), width);
  return { dtype, shape, data: viewOf(dtype, data.buffer, 0, size) };
}

function refuse(where: string, want: string, got: string): never {
  throw new FormatError(expected(where, want, got));
}
