import type { GraphNode } from "../graph/graph.js";
import { sizeOf } from "../tensor.js";
import { only } from "./attributes.js";
import {
  byteTypes,
  type Ending,
  encode,
  factorOf,
  factorsOf,
  type Product,
  packer,
  signed,
  sum,
  zerosOf,
} from "./integer-product.js";
import { inputOf } from "./known.js";
import { productsOf, sizesOf } from "./matmul.js";
import type { Info, Launch, Op, Site, Slots, Table } from "./op.js";
import {
  checkCount,
  checkScale,
  checkType,
  checkZero,
  elementOf,
  elementsIn,
  type Source,
  sourcesOf,
} from "./quantized.js";
import { launchOf, type Place, type Recipe, recipeOf, room } from "./recipe.js";

type Inputs = readonly (Info | undefined)[];

/** Where each operator has its inputs. */
interface Places {
  readonly b: number;
  readonly aZero: number;
  readonly bZero: number;
  /** Scales of A, B and Y, and the zero point of Y. */
  readonly codes?: {
    readonly aScale: number;
    readonly bScale: number;
    readonly yScale: number;
    readonly yZero: number;
  };
}

/** Checks A and B and gives the shape of Y. @throws UnsupportedError, ShapeError */
function shapesOf(node: GraphNode, inputs: Inputs, { b, aZero, bZero, codes }: Places): number[] {
  const [aShape, bShape] = [inputOf(node, inputs, 0).shape, inputOf(node, inputs, b).shape];
  checkZero(node, inputs, aZero, checkType(node, inputs, 0, byteTypes));
  checkZero(node, inputs, bZero, checkType(node, inputs, b, byteTypes));
  const { m, n, front, frontA, frontB } = sizesOf(node, aShape, bShape);
  // One for all, one for each row or column, or one for each row or column of each matrix.
  const rows = [1, m, m * sizeOf(frontA)];
  const columns = [1, n, n * sizeOf(frontB)];
  checkCount(node, inputs, aZero, rows);
  checkCount(node, inputs, bZero, columns);
  if (codes) {
    checkCount(node, inputs, codes.aScale, rows);
    checkCount(node, inputs, codes.bScale, columns);
    const all = [1, m, m * sizeOf(front)];
    checkCount(node, inputs, codes.yScale, all);
    checkCount(node, inputs, codes.yZero, all);
  }
  return [...front, ...(aShape.length > 1 ? [m] : []), ...(bShape.length > 1 ? [n] : [])];
}

/** Products of codes, exact, as sums or as codes of their own. */
function lower(site: Site, places: Places): (io: Slots, table: Table) => Launch {
  const { node, kernels } = site;
  const { codes } = places;
  const matrices = (shape: readonly number[]) => {
    if (shape.length === 0) return undefined;
    const [k, n] = shape.length === 1 ? [shape[0], 1] : shape.slice(-2);
    return { count: sizeOf(shape.slice(0, -2)), k, n, row: n, col: 1 };
  };
  const pack = packer(site, places.b, matrices, signed);
  const sources = sourcesOf(site, places.b);
  return (io, table) => {
    const recipe = recipeOf(kernels);
    const given = sources(io);
    const [a, b, y] = [io.inputs[0]!, io.inputs[places.b]!, io.outputs[0]];
    const sizes = sizesOf(node, a.shape, b.shape);
    const { k, n } = sizes;
    const { rows: all, places: products } = productsOf(sizes);
    const ofRows = [places.aZero, ...(codes ? [codes.aScale, codes.yScale, codes.yZero] : [])];
    const byRow = ofRows.some((i) => io.inputs[i] && sizeOf(io.inputs[i].shape) > 1);
    // What differs from row to row makes each row a product of its own.
    const m = byRow ? 1 : all;
    const panels = pack(recipe, b);
    const bytes = kernels.gemm_panels_i8_bytes(k, n);
    const columns = n * sizeOf(sizes.frontB);
    const zeros = zerosOf(recipe, table, given[places.bZero], b.dtype === "uint8", columns);
    const work = room(recipe, [kernels.gemm_scratch_i8_bytes(m, k)], "int8");
    const aZero = elementOf(kernels, given[places.aZero]);
    const ending =
      codes && endingOf(recipe, table, codes, given, { m, n, columns, byRow, zeros, unsigned: y.dtype === "uint8" });
    for (const at of products) {
      let row = at.a * all;
      const product: Product = { m, n, k, unsigned: a.dtype === "uint8", zero: () => aZero(row) };
      recipe.steps.push((scratch) => {
        const right = panels(scratch) + at.b * bytes;
        const z = zeros ? zeros(scratch) + 4 * at.b * n : 0;
        for (let r = 0; r < all; r += m) {
          row = at.a * all + r;
          const [left, made] = [a.pointer + row * k, (at.y * all + r) * n];
          if (ending)
            ending(scratch, product, row, at.b, at.y * all + r, left, right, z, y.pointer + made, work.at(scratch));
          else sum(kernels, product, left, right, z, y.pointer + 4 * made, work.at(scratch));
        }
      });
    }
    return launchOf(recipe);
  };
}

interface Shape {
  readonly m: number;
  readonly n: number;
  /** Of all matrices B. */
  readonly columns: number;
  readonly byRow: boolean;
  readonly zeros: Place | undefined;
  /** Whether Y is of uint8. */
  readonly unsigned: boolean;
}

/** What makes codes of one product: the row of A and of Y where it begins, its matrix B, and addresses as `encode` takes them. */
type EndingStep = (
  scratch: number,
  product: Product,
  ...rest: readonly [
    row: number,
    b: number,
    yRow: number,
    left: number,
    right: number,
    zeros: number,
    y: number,
    work: number,
  ]
) => void;

function endingOf(
  recipe: Recipe,
  table: Table,
  places: NonNullable<Places["codes"]>,
  given: readonly (Source | undefined)[],
  { m, n, columns, byRow, zeros, unsigned }: Shape,
): EndingStep {
  const { kernels } = recipe;
  const scales = [given[places.aScale], given[places.bScale], given[places.yScale]] as const;
  const factors = byRow ? room(recipe, [n]).at : factorsOf(recipe, table, scales, columns);
  const sums = zeros ? room(recipe, [m, n], "int32") : undefined;
  const [aScale, yScale] = [scales[0], scales[2]].map((source) => elementOf(kernels, source));
  const yZero = elementOf(kernels, given[places.yZero]);
  let at = 0;
  const ending: Ending = { unsigned, zero: () => yZero(at) };
  return (scratch, product, row, b, yRow, left, right, z, y, work) => {
    at = yRow;
    let scale = factors(scratch);
    if (byRow) {
      const view = new Float32Array(kernels.memory.buffer, scale, n);
      const of = elementsIn(kernels, scales[1]!);
      const [before, after] = [aScale(row), yScale(yRow)];
      for (let j = 0; j < n; j++) view[j] = factorOf(before, Number(of[(b * n + j) % of.length]), after);
    } else scale += 4 * b * n;
    encode(kernels, product, ending, left, right, z, scale, 0, y, sums?.at(scratch) ?? 0, work);
  };
}

const ofSums: Places = { b: 1, aZero: 2, bZero: 3 };

/** Y = (A - aZero)(B - bZero), int32, modulo 2^32; a zero point for all, for each row of A or for each column of B. */
export const matMulInteger: Op = {
  attrs: (node) => only(node, []),
  infer: (node, inputs) => [{ dtype: "int32", shape: shapesOf(node, inputs, ofSums) }],
  lower: (site) => lower(site, ofSums),
};

const ofCodes: Places = {
  ...{ b: 3, aZero: 2, bZero: 5 },
  codes: { aScale: 1, bScale: 4, yScale: 6, yZero: 7 },
};

/**
 * Y = saturate(round(S * (aScale bScale / yScale)) + yZero) with S = (A - aZero)(B - bZero) in int32, modulo 2^32; S and each step are
 * rounded to f32, the product to the nearest integer, half to even.
 */
export const qLinearMatMul: Op = {
  attrs: (node) => only(node, []),
  infer(node, inputs) {
    for (const i of [2, 5]) inputOf(node, inputs, i);
    checkScale(node, inputs, 1);
    checkScale(node, inputs, 4);
    checkScale(node, inputs, 6, true);
    return [{ dtype: checkType(node, inputs, 7, byteTypes), shape: shapesOf(node, inputs, ofCodes) }];
  },
  lower: (site) => lower(site, ofCodes),
};
