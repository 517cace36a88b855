import { bytesPerElement, createArray, type DType, holds } from "../dtype.js";
import { expected, FormatError, ShapeError } from "../errors.js";
import type {
  CodedStorage,
  CodedWeight,
  DenseWeight,
  FactoredWeight,
  Int8Weight,
  Layout,
  MaskedWeight,
  PlainWeight,
  SparseWeight,
} from "../graph/weight.js";
import { columnsPerRow, sizeOf } from "../tensor.js";
import { bytes, plainBytes } from "./bytes.js";
import { checkStorage, matrix } from "./check.js";
import { codes, stepsPerCell } from "./codes.js";
import { type Factors, factored } from "./factored.js";
import { describeFault, Fault, fault } from "./fault.js";
import { type Coder, Decoder, Encoder, stepsPerByte } from "./range-coder.js";
import { scales } from "./scales.js";
import { type Manner, type Positions, sparse } from "./sparse.js";

/**
 * The weight, entropy-coded. A masked weight becomes a sparse one of its kept values.
 * @param where names the weight in errors
 * @throws ShapeError where the arrays do not fit each other; RangeError where a value is NaN or infinite, or a scale is
 *   not positive
 */
export function encodeWeight(weight: PlainWeight, where = "weight"): CodedWeight {
  const { shape } = weight;
  try {
    const { storage, write } = plan(weight, where);
    const bytes = write();
    checkStorage(where, shape, storage, bytes.length);
    return { kind: "coded", shape, storage, bytes };
  } catch (error) {
    if (error instanceof FormatError) throw new ShapeError(error.message);
    if (error instanceof Fault) throw new RangeError(describeFault(where, error.code));
    throw error;
  }
}

/** Bytes that the weight takes in a container, its line in the header apart. */
export function codedBytes(weight: PlainWeight): number {
  return encodeWeight(weight).bytes.length;
}

/**
 * The weight as it was encoded, bit for bit.
 * @throws FormatError where the counts or the bytes are damaged
 */
export function decodeWeight(weight: CodedWeight, where = "weight"): PlainWeight {
  const { shape, storage } = weight;
  checkStorage(where, shape, storage, weight.bytes.length);
  try {
    if (storage.kind === "dense" && storage.plain) return readPlain(weight.bytes, shape, storage.dtype);
    const decoder = new Decoder(weight.bytes);
    const decoded = read(decoder, shape, storage);
    decoder.finish();
    return decoded;
  } catch (error) {
    if (error instanceof Fault) throw new FormatError(describeFault(where, error.code));
    throw error;
  }
}

/**
 * So many elements are stored as they are unless coding saves a quarter of their bytes: a coded float32 takes 125 ns to read, a
 * plain one 2 (measured), and what is random in it is 24 of its 32 bits.
 */
const plainFrom = 4096;
const worthCoding = 0.75;

interface Plan {
  readonly storage: CodedStorage;
  write(): Uint8Array;
}

function plan(weight: PlainWeight, where: string): Plan {
  switch (weight.kind) {
    case "dense":
      return planDense(weight, where);
    case "masked":
      return planSparse(sparseOf(weight, where), where);
    case "sparse":
      return planSparse(weight, where);
    case "int8":
      return planInt8(weight, where);
    case "factored":
      return planFactored(weight, where);
  }
}

function planDense({ shape, dtype, data }: DenseWeight, where: string): Plan {
  const width = bytesPerElement(dtype);
  if (!holds(dtype, data)) throw new ShapeError(expected(where, `data that holds ${dtype}`, "another array"));
  fits(where, "elements", data.length, sizeOf(shape));
  const coded = encoded((coder) => bytes(coder, data.length, width, bytesOf(data), dtype.startsWith("float")));
  const plain = data.length >= plainFrom && coded.length > worthCoding * data.byteLength;
  return {
    storage: plain ? { kind: "dense", dtype, plain } : { kind: "dense", dtype },
    write: () => (plain ? bytesOf(data).slice() : coded),
  };
}

function readPlain(section: Uint8Array, shape: readonly number[], dtype: DType): DenseWeight {
  const data = createArray(dtype, sizeOf(shape));
  plainBytes(data.length, bytesPerElement(dtype), section, bytesOf(data), dtype.startsWith("float"));
  return { kind: "dense", shape, dtype, data };
}

function planSparse(weight: SparseWeight, where: string): Plan {
  const { shape, rowPtr, col, values, scale = new Float32Array(0) } = weight;
  const { rows, cols } = matrix(shape);
  const nnz = checkRows(where, rowPtr, col, rows, cols);
  fits(where, "values", values.length, nnz);
  const kind = values instanceof Int8Array ? "int8" : "float32";
  const storage = { kind: "sparse", nnz, values: kind, scales: scale.length } as const;
  const period = sizeOf(shape.slice(2));
  const write = (coder: Coder, manner: Manner) =>
    sparse(coder, { rows, cols, nnz, rowPtr, col }, period, values, scale, manner);
  const whole = values instanceof Int8Array && !values.includes(0);
  return { storage, write: () => shorter(whole ? rows * cols : undefined, write) };
}

function planInt8({ shape, q, scale }: Int8Weight, where: string): Plan {
  fits(where, "codes", q.length, sizeOf(shape));
  return {
    storage: { kind: "int8", scales: scale.length },
    write: () => encoded((coder) => int8(coder, shape, q, scale)),
  };
}

function planFactored(weight: FactoredWeight, where: string): Plan {
  const { layout, d, n, k, rowPtr, col, codeScale, codebook } = weight;
  const nnz = checkRows(where, rowPtr, col, n, k);
  fits(where, "codes", weight.codes.length, nnz);
  fits(where, "scales of atoms", codeScale.length, k);
  fits(where, "elements of the codebook", codebook.length, k * d);
  const factors: Factors = {
    where: { rows: n, cols: k, nnz, rowPtr, col },
    codes: weight.codes,
    codeScale,
    codebook,
    codebookScale: Float32Array.of(weight.codebookScale),
  };
  if (factors.codebookScale[0] !== weight.codebookScale) {
    throw new RangeError(expected(where, "a codebook scale that is a float32", `${weight.codebookScale}`));
  }
  const storage = { kind: "factored", layout, d, n, k, nnz } as const;
  const perRow = rowsAsOne(weight.shape, layout, n);
  const write = (coder: Coder, manner: Manner) => factored(coder, factors, d, perRow, manner);
  const cells = weight.codes.includes(0) ? undefined : n * k;
  return { storage, write: () => shorter(cells, write) };
}

/**
 * The shorter of the two manners.
 * @param cells of the matrix; undefined where an entry is 0, so that they cannot be told as codes
 */
function shorter(cells: number | undefined, write: (coder: Coder, manner: Manner) => void): Uint8Array {
  const gaps = encoded((coder) => write(coder, "gaps"));
  if (cells === undefined || stepsPerCell * cells > stepsPerByte * gaps.length) return gaps;
  const codes = encoded((coder) => write(coder, "codes"));
  return codes.length <= gaps.length ? codes : gaps;
}

function encoded(write: (coder: Coder) => void): Uint8Array {
  const encoder = new Encoder();
  write(encoder);
  return encoder.finish();
}

/** Rows of Z^T that are one row of the grid in which coefficients are told. */
function rowsAsOne(shape: readonly number[], layout: Layout, n: number): number {
  return layout === "kernel" ? columnsPerRow(matrix(shape).rows, n) : 1;
}

/** An int8 section: the codes, then the scales. @throws Fault */
function int8(coder: Coder, shape: readonly number[], q: Int8Array, scale: Float32Array): void {
  const { rows, cols } = matrix(shape);
  codes(coder, rows, cols, sizeOf(shape.slice(2)), q);
  scales(coder, scale);
}

/** The kept values of a masked weight. */
function sparseOf({ shape, data, mask }: MaskedWeight, where: string): SparseWeight {
  const { rows, cols } = matrix(shape);
  fits(where, "elements", data.length, rows * cols);
  fits(where, "bytes of mask", mask.length, Math.ceil(data.length / 8));
  const rowPtr = new Uint32Array(rows + 1);
  const col: number[] = [];
  const values: number[] = [];
  for (let i = 0; i < data.length; i++) {
    if (((mask[i >> 3] >> (i & 7)) & 1) === 0) continue;
    rowPtr[Math.floor(i / cols) + 1]++;
    col.push(i % cols);
    values.push(data[i]);
  }
  for (let r = 0; r < rows; r++) rowPtr[r + 1] += rowPtr[r];
  return { kind: "sparse", shape, rowPtr, col: Uint32Array.from(col), values: Float32Array.from(values) };
}

/** Checks compressed rows and gives the number of entries. @throws ShapeError */
function checkRows(where: string, rowPtr: Uint32Array, col: Uint32Array, rows: number, cols: number): number {
  fits(where, "row pointers", rowPtr.length, rows + 1);
  fits(where, "columns", col.length, rowPtr[rows]);
  if (rowPtr[0] !== 0) throw new ShapeError(expected(where, "a first row pointer of 0", `${rowPtr[0]}`));
  for (let r = 0; r < rows; r++) {
    if (rowPtr[r + 1] < rowPtr[r]) throw new ShapeError(expected(where, "rising row pointers", `a fall at row ${r}`));
  }
  for (let r = 0; r < rows; r++) {
    let next = 0;
    for (let e = rowPtr[r]; e < rowPtr[r + 1]; e++) {
      if (col[e] < next || col[e] >= cols) {
        throw new ShapeError(expected(where, `rising columns below ${cols}`, `${col[e]} in row ${r}`));
      }
      next = col[e] + 1;
    }
  }
  return col.length;
}

function fits(where: string, what: string, got: number, want: number): void {
  if (got !== want) throw new ShapeError(expected(where, `${want} ${what}`, `${got}`));
}

function read(decoder: Decoder, shape: readonly number[], storage: CodedStorage): PlainWeight {
  switch (storage.kind) {
    case "dense": {
      const { dtype } = storage;
      const data = createArray(dtype, sizeOf(shape));
      bytes(decoder, data.length, bytesPerElement(dtype), bytesOf(data), dtype.startsWith("float"));
      // The coder knows one exponent for each width; this is the other one of two bytes.
      if (dtype === "bfloat16" && (data as Uint16Array).some((bits) => (bits & 0x7f80) === 0x7f80)) {
        throw new Fault(fault.value);
      }
      return { kind: "dense", shape, dtype, data };
    }
    case "sparse": {
      const where = createPositions(matrix(shape).rows, matrix(shape).cols, storage.nnz);
      const values = storage.values === "int8" ? new Int8Array(where.nnz) : new Float32Array(where.nnz);
      const scale = new Float32Array(storage.scales);
      sparse(decoder, where, sizeOf(shape.slice(2)), values, scale, "gaps");
      const { rowPtr, col } = where;
      const weight = { kind: "sparse", shape, rowPtr, col, values } as const;
      return storage.values === "int8" ? { ...weight, scale } : weight;
    }
    case "int8": {
      const q = new Int8Array(sizeOf(shape));
      const scale = new Float32Array(storage.scales);
      int8(decoder, shape, q, scale);
      return { kind: "int8", shape, q, scale };
    }
    case "factored": {
      const { layout, d, n, k, nnz } = storage;
      const where = createPositions(n, k, nnz);
      const codes = new Int8Array(nnz); // of Z^T
      const codeScale = new Float32Array(k);
      const codebook = new Int8Array(k * d);
      const codebookScale = new Float32Array(1);
      factored(decoder, { where, codes, codeScale, codebook, codebookScale }, d, rowsAsOne(shape, layout, n), "gaps");
      const { rowPtr, col } = where;
      const arrays = { rowPtr, col, codes, codeScale, codebook, codebookScale: codebookScale[0] };
      return { kind: "factored", shape, layout, d, n, k, ...arrays };
    }
  }
}

function createPositions(rows: number, cols: number, nnz: number): Positions {
  return { rows, cols, nnz, rowPtr: new Uint32Array(rows + 1), col: new Uint32Array(nnz) };
}

function bytesOf(data: ArrayBufferView): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
