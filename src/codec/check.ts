import { bytesPerElement } from "../dtype.js";
import { expected, FormatError } from "../errors.js";
import type { CodedStorage } from "../graph/weight.js";
import { showShape, sizeOf } from "../tensor.js";
import { stepsPerElement } from "./bytes.js";
import { stepsPerCell, stepsPerCode } from "./codes.js";
import { stepsPerByte } from "./range-coder.js";
import { stepsPerScale } from "./scales.js";
import { stepsPerRow } from "./sparse.js";

/** Elements, entries and dimensions stay below this: a wasm32 memory cannot hold more. */
export const mostElements = 0x100000000 - 1;

/** Atoms of `kernel` that are longer than the whole tensor are so at most: what pads the end stays small. */
const longestAtom = 65536;

/** Rows and columns of a weight: [d0, d1 * d2 * ...]; rank 0 and 1 are one row. */
export function matrix(shape: readonly number[]): { rows: number; cols: number } {
  const size = sizeOf(shape);
  const rows = shape.length < 2 ? 1 : shape[0];
  return { rows, cols: rows === 0 ? 0 : size / rows };
}

/**
 * Holds the counts of a coded weight against its shape, against each other and against the number of its bytes, before
 * anything of their size is allocated. What the arrays then take is at most a fixed multiple of the bytes, and so is the
 * time to decode them.
 * @throws FormatError
 */
export function checkStorage(where: string, shape: readonly number[], storage: CodedStorage, byteLength: number): void {
  const refuse = (want: string, got: string): never => {
    throw new FormatError(expected(where, want, got));
  };
  let size = 0;
  try {
    size = sizeOf(shape);
  } catch {
    refuse("a shape of fewer than 2^53 elements", showShape(shape));
  }
  const { rows, cols } = matrix(shape);
  if (size > mostElements) refuse("fewer than 2^32 elements", `${size}`);
  if (rows >= mostElements || cols >= mostElements) refuse("dimensions below 2^32 - 1", showShape(shape));
  switch (storage.kind) {
    case "dense": {
      const width = bytesPerElement(storage.dtype);
      if (storage.plain && byteLength !== size * width) refuse(`${size * width} bytes`, `${byteLength}`);
      break;
    }
    case "sparse": {
      const { nnz, scales, values } = storage;
      if (!isCount(nnz) || nnz > size) refuse(`at most ${size} entries`, `${nnz}`);
      if (values === "float32" ? scales !== 0 : scales !== 1 && scales !== rows) {
        refuse(values === "float32" ? "no scales" : `1 or ${rows} scales`, `${scales}`);
      }
      break;
    }
    case "int8":
      if (storage.scales !== 1 && storage.scales !== rows) refuse(`1 or ${rows} scales`, `${storage.scales}`);
      break;
    case "factored": {
      const { layout, d, n, k, nnz } = storage;
      if (![d, n, k, nnz].every(isCount)) refuse("counts below 2^32 - 1", `d ${d}, n ${n}, k ${k}, ${nnz} entries`);
      const covered = {
        kernel: () => d > 0 && d <= Math.max(size, longestAtom) && n === Math.ceil(size / d),
        rows: () => d === rows && n === cols,
        tile: () => d > 0 && d <= rows && n === Math.ceil(rows / d) * cols,
      };
      if (!covered[layout]()) {
        refuse(`columns that cover ${showShape(shape)}`, `${n} of ${d} (${layout})`);
      }
      if (nnz > n * k) refuse(`at most ${n * k} entries`, `${nnz}`);
      if (k * d > mostElements) refuse("a codebook of fewer than 2^32 elements", `${k * d}`);
    }
  }
  const least = leastBytes(shape, storage);
  if (byteLength < least) refuse(`at least ${least} bytes for what they shall hold`, `${byteLength}`);
}

/** Bytes that a section has at least, whatever is in it; what is in it may ask for more. */
function leastBytes(shape: readonly number[], storage: CodedStorage): number {
  return Math.ceil(leastSteps(shape, storage) / stepsPerByte);
}

function leastSteps(shape: readonly number[], storage: CodedStorage): number {
  const size = sizeOf(shape);
  switch (storage.kind) {
    case "dense":
      return storage.plain ? 0 : stepsPerElement(bytesPerElement(storage.dtype)) * size;
    case "sparse": {
      const { nnz, values, scales } = storage;
      const perEntry = values === "int8" ? stepsPerCell : stepsPerElement(4);
      return stepsPerRow * matrix(shape).rows + perEntry * nnz + stepsPerScale * scales;
    }
    case "int8":
      return stepsPerCode * size + stepsPerScale * storage.scales;
    case "factored": {
      const { d, n, k, nnz } = storage;
      return stepsPerRow * n + stepsPerCell * nnz + stepsPerCode * k * d + stepsPerScale * (k + 1);
    }
  }
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0 && value < mostElements;
}
