import { bytesPerElement, createArray, type TypedArray } from "../../dtype.js";
import { expected, FormatError } from "../../errors.js";
import { matrixOf } from "../../graph/storage.js";
import type { Weight } from "../../graph/weight.js";
import type { Tensor } from "../../tensor.js";
import type { Budget } from "./budget.js";
import type { ExternalFiles } from "./external.js";
import type { SparseTensorProto } from "./schema.js";
import { briefly, sizeIn, tensorOf } from "./tensor.js";

/** A tensor by its entries: places in row-major order, rising. */
interface Entries {
  readonly shape: readonly number[];
  readonly size: number;
  readonly values: Tensor;
  readonly places: readonly number[];
}

/** The weight of a sparse tensor: compressed rows of finite float32, others dense. @throws FormatError, UnsupportedError */
export function sparseWeight(
  where: string,
  proto: SparseTensorProto,
  external: ExternalFiles,
  budget: Budget,
): Exclude<Weight, { kind: "coded" }> {
  const entries = entriesOf(where, proto, external);
  const { shape, values, places } = entries;
  const { rows, cols } = matrixOf(shape);
  const finite = values.dtype === "float32" && (values.data as Float32Array).every(Number.isFinite);
  if (!finite || rows >= 0xffffffff || cols >= 0xffffffff) {
    return { kind: "dense", ...denseOf(entries, budget) };
  }
  budget.charge(4 * rows);
  const rowPtr = new Uint32Array(rows + 1);
  const col = new Uint32Array(places.length);
  for (const [e, place] of places.entries()) {
    rowPtr[Math.floor(place / cols) + 1]++;
    col[e] = place % cols;
  }
  for (let r = 0; r < rows; r++) rowPtr[r + 1] += rowPtr[r];
  return { kind: "sparse", shape, rowPtr, col, values: values.data as Float32Array };
}

/** All values of a sparse tensor. @throws FormatError, also where it is too large for the file; UnsupportedError */
export function sparseTensor(where: string, proto: SparseTensorProto, external: ExternalFiles, budget: Budget): Tensor {
  return denseOf(entriesOf(where, proto, external), budget);
}

function denseOf({ shape, size, values, places }: Entries, budget: Budget): Tensor {
  budget.charge(size * bytesPerElement(values.dtype));
  const data: TypedArray = createArray(values.dtype, size);
  for (const [e, place] of places.entries()) data[place] = values.data[e];
  return { dtype: values.dtype, shape, data };
}

function entriesOf(where: string, proto: SparseTensorProto, external: ExternalFiles): Entries {
  if (!proto.values || !proto.indices) refuse(where, "values and indices", "one of them");
  const values = tensorOf(where, proto.values!, external);
  const indices = tensorOf(`${where} indices`, proto.indices!, external);
  const shape = proto.dims ?? [];
  const size = sizeIn(where, shape);
  const count = values.data.length;
  const { shape: form } = indices;
  if (values.shape.length !== 1) refuse(where, "values in one dimension", briefly(values.shape));
  const linear = form.length === 1 && form[0] === count;
  if (indices.dtype !== "int64" || !(linear || (form.length === 2 && form[0] === count && form[1] === shape.length))) {
    refuse(`${where} indices`, `int64 [${count}] or [${count}, ${shape.length}]`, `${indices.dtype} ${briefly(form)}`);
  }
  const data = indices.data as BigInt64Array;
  const places: number[] = [];
  for (let e = 0; e < count; e++) {
    const place = linear ? Number(data[e]) : placeOf(where, shape, data, e);
    const least = e === 0 ? 0 : places[e - 1] + 1;
    if (!(place >= least && place < size)) refuse(`${where} indices`, `one in ${least}..${size - 1}`, `${place}`);
    places.push(place);
  }
  return { shape, size, values, places };
}

function placeOf(where: string, shape: readonly number[], data: BigInt64Array, e: number): number {
  let place = 0;
  for (const [axis, dim] of shape.entries()) {
    const index = Number(data[e * shape.length + axis]);
    if (!(index >= 0 && index < dim)) refuse(`${where} indices`, `one in 0..${dim - 1}`, `${index}`);
    place = place * dim + index;
  }
  return place;
}

function refuse(where: string, want: string, got: string): never {
  throw new FormatError(expected(where, want, got));
}
