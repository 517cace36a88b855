import { columnsOf, toColumns } from "../graph/storage.js";
import type { FactoredWeight } from "../graph/weight.js";
import { codesAt, doublesAt, type FullEngine, floatsAt, place, put } from "../kernels/engine.js";
import { roundHalfEven } from "../math.js";
import { Random } from "../random.js";
import { assemble, bookOf, normalize, principal } from "./atoms.js";
import type { Moments } from "./moments.js";
import { keepLargest, scaleFor } from "./quantize.js";
import { type Choice, levelsOf } from "./recipe.js";
import { refine } from "./refine.js";

export type SparseChoice = Extract<Choice, { storage: "factored" }>;

const innerSteps = 3;
const sweeps = 3;

/** An atom that the others do not make up for by being as long, in units of the largest value. */
const longest = 1e6;

type Sizes = Pick<FactoredWeight, "shape" | "layout" | "d" | "n" | "k">;

/**
 * Quantized sparse decomposition of a weight: X ~ C Z with C [d, k] dense and Z [k, n] sparse, both quantized, by alternating
 * projected gradient: Z by iterative hard thresholding (T. Blumensath, M. Davies, "Iterative hard thresholding for compressed
 * sensing", 2009), C by least squares. A. Kuzmin et al., "Quantized Sparse Weight Decomposition for Neural Network
 * Compression", 2022. With second moments of the inputs, atoms and coefficients are rounded so that what the weight makes changes
 * least.
 */
export function factorize(
  engine: FullEngine,
  shape: readonly number[],
  dense: Float32Array,
  choice: SparseChoice,
  seed: number,
  moments?: Moments,
): FactoredWeight {
  const { layout } = choice;
  const cut = columnsOf(shape, layout, choice.d);
  const k = Math.min(choice.k, cut.n);
  const sizes: Sizes = { shape, layout, k, ...cut };
  const columns = toColumns(sizes, dense);
  const { c, z } = alternate(engine, sizes, columns, supportOf(choice.density, k, sizes.n), seed);
  const support = Uint8Array.from(z, (value) => (value === 0 ? 0 : 1));
  return engine.arena.scope(() =>
    quantized(engine, sizes, Float64Array.from(columns), c, support, choice, moments?.gram),
  );
}

/** How many coefficients of Z [k, n] are not zero: the fraction `density`, but one at least. */
export function supportOf(density: number, k: number, n: number): number {
  return Math.max(1, roundHalfEven(density * k * n));
}

/** Left singular vectors of X; where k > d the rest are columns of X drawn by the seed. */
function firstAtoms(x: Float32Array, { n, d, k }: Sizes, seed: number): Float64Array {
  const c = new Float64Array(k * d);
  c.set(principal(x, n, d, k, seed));
  const random = new Random(seed);
  for (let atom = d; atom < k; atom++) {
    const j = random.integer(n);
    for (let i = 0; i < d; i++) c[atom * d + i] = x[j * d + i] + 1e-3 * random.normal();
  }
  normalize(c, k, d);
  return c;
}

/**
 * C^T [k, d] with unit rows, and Z^T [n, k] with `support` coefficients, in units of its own.
 * @param ridge what is added to the diagonal of Z Z^T, against its mean; with 0 no round makes the error larger
 */
export function alternate(
  engine: FullEngine,
  sizes: Sizes,
  columns: Float32Array,
  support: number,
  seed: number,
  { rounds, ridge } = { rounds: 20, ridge: 1e-5 },
): { c: Float64Array; z: Float64Array } {
  const { n, d, k } = sizes;
  const most = columns.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  const unit = most === 0 ? 1 : most;
  const x = columns.map((value) => value / unit);
  const c = firstAtoms(x, sizes, seed);
  const { arena, kernels } = engine;
  return arena.scope(() => {
    const px = place(engine, x);
    let [z, next] = [place(engine, new Float32Array(n * k)), arena.alloc(4 * n * k)];
    const [pc, match, square] = [arena.alloc(4 * k * d), arena.alloc(4 * n * k), arena.alloc(4 * k * k)];
    const [gram, right] = [arena.alloc(8 * k * k), arena.alloc(8 * k * d)];
    const shapes = [
      [k, k, d],
      [n, k, d],
      [n, k, k],
      [k, k, n],
      [k, d, n],
    ];
    const scratch = arena.alloc(Math.max(...shapes.map(([m, j, i]) => kernels.gemm_scratch_bytes(m, j, i))));
    /** f32 [length] of zeros, into which a product is then added. */
    const cleared = (pointer: number, length: number) => floatsAt(engine, pointer, length).fill(0);

    /** Z <- H_S(Z - (1/L) C^T (C Z - X)), L = 1.01 |C|^2; H_S keeps the S largest of the whole layer. */
    const improveCodes = () => {
      put(engine, pc, Float32Array.from(c));
      kernels.gemm_nt_f32(k, k, d, pc, pc, cleared(square, k * k).byteOffset, scratch);
      const products = Float64Array.from(floatsAt(engine, square, k * k));
      const norm = largest(products, k);
      // All atoms are zero where X is.
      const step = norm > 0 ? 1 / (1.01 * norm) : 0;
      const left = products.map((value, i) => (i % (k + 1) === 0 ? 1 : 0) - step * value);
      put(engine, square, Float32Array.from(left));
      put(
        engine,
        pc,
        Float32Array.from(c, (value) => step * value),
      );
      kernels.gemm_nt_f32(n, k, d, px, pc, cleared(match, n * k).byteOffset, scratch);
      for (let inner = 0; inner < innerSteps; inner++) {
        floatsAt(engine, next, n * k).set(floatsAt(engine, match, n * k));
        kernels.gemm_nn_f32(n, k, k, z, square, next, scratch);
        if (support < n * k) keepLargest(engine, next, n * k, support);
        [z, next] = [next, z];
      }
    };

    /** C <- X Z^T (Z Z^T + eps I)^-1, unit columns, their lengths moved into Z; a dead atom becomes the column that is met worst. */
    const improveAtoms = () => {
      kernels.gemm_tn_f32(k, k, n, z, z, cleared(square, k * k).byteOffset, scratch);
      kernels.gemm_tn_f32(k, d, n, z, px, cleared(pc, k * d).byteOffset, scratch);
      const products = Float64Array.from(floatsAt(engine, square, k * k));
      let trace = 0;
      for (let a = 0; a < k; a++) trace += products[a * (k + 1)];
      const dead: number[] = [];
      for (let a = 0; a < k; a++) {
        const used = products[a * (k + 1)];
        if (used === 0) dead.push(a);
        products[a * (k + 1)] = used === 0 ? 1 : used + (ridge * trace) / k;
      }
      put(engine, gram, products);
      put(engine, right, Float64Array.from(floatsAt(engine, pc, k * d)));
      kernels.cholesky_solve_f64(k, gram, d, right);
      const solved = doublesAt(engine, right, k * d).slice();
      const lengths = normalize(solved, k, d);
      // Atoms that say the same leave little to solve for: better as they were than as long as rounding makes them.
      if (!lengths.every((length) => length < longest)) return;
      c.set(solved);
      const codes = floatsAt(engine, z, n * k);
      for (let i = 0; i < codes.length; ) for (let a = 0; a < k; a++) codes[i++] *= lengths[a];
      if (dead.length > 0) reseed(x, c, codes, sizes, dead);
    };

    for (let round = 0; round < rounds; round++) {
      improveCodes();
      improveAtoms();
    }
    return { c, z: Float64Array.from(floatsAt(engine, z, n * k)) };
  });
}

/** The largest eigenvalue of a matrix [k, k] without negative ones, by powers of it (R. von Mises, 1929). */
function largest(matrix: Float64Array, k: number): number {
  let first = 0;
  for (let a = 1; a < k; a++) if (matrix[a * (k + 1)] > matrix[first * (k + 1)]) first = a;
  let vector = matrix.slice(first * k, (first + 1) * k);
  let value = 0;
  for (let step = 0; step < 30; step++) {
    const [length] = normalize(vector, 1, k);
    if (step > 0) value = length;
    if (length === 0) return 0;
    const next = new Float64Array(k);
    for (let a = 0; a < k; a++) for (let b = 0; b < k; b++) next[a] += matrix[a * k + b] * vector[b];
    vector = next;
  }
  return Math.max(value, normalize(vector, 1, k)[0]);
}

function reseed(x: Float32Array, c: Float64Array, z: Float32Array, { n, d, k }: Sizes, dead: readonly number[]): void {
  const errors = new Float64Array(n);
  for (let j = 0; j < n; j++) {
    const rest = Float64Array.from(x.subarray(j * d, (j + 1) * d));
    for (let a = 0; a < k; a++) {
      const value = z[j * k + a];
      if (value !== 0) for (let i = 0; i < d; i++) rest[i] -= value * c[a * d + i];
    }
    errors[j] = rest.reduce((sum, value) => sum + value * value, 0);
  }
  const worst = Array.from(errors.keys()).sort((p, q) => errors[q] - errors[p] || p - q);
  for (const [rank, atom] of dead.entries()) {
    const j = worst[rank % n];
    for (let i = 0; i < d; i++) c[atom * d + i] = x[j * d + i];
  }
  normalize(c, k, d);
}

/** For the codebook on its grid the best coefficients where `used` is 1, a scale per atom, and coordinate re-rounding. */
function quantized(
  engine: FullEngine,
  sizes: Sizes,
  x: Float64Array,
  c: Float64Array,
  used: Uint8Array,
  { bits = 8, codebookBits = 8 }: SparseChoice,
  grams: Float64Array | undefined,
): FactoredWeight {
  const { n, k } = sizes;
  const { arena, kernels } = engine;
  const [levels, bookLevels] = [levelsOf(bits), levelsOf(codebookBits)];
  const book = bookOf(c, bookLevels);
  const [gram, match] = products(x, book.values, sizes).map((values) => place(engine, values));
  const support = place(engine, used);
  const pz = place(engine, Float64Array.from(used));
  kernels.support_solve_f64(n, k, gram, match, pz, arena.alloc(8 * k * k + 12 * k));
  const best = doublesAt(engine, pz, n * k);
  const codeScale = new Float32Array(k);
  for (let a = 0; a < k; a++) {
    const own: number[] = [];
    for (let i = a; i < best.length; i += k) if (best[i] !== 0) own.push(best[i]);
    codeScale[a] = scaleFor(own, levels);
  }
  const rounded = Int8Array.from(best, (value, i) =>
    Math.min(Math.max(roundHalfEven(value / codeScale[i % k]), -levels), levels),
  );
  const q = place(engine, rounded);
  const scale = place(engine, Float64Array.from(codeScale));
  kernels.reround_rows_f64(n, k, gram, match, scale, support, levels, sweeps, q);
  const z = { q, support, scale: codeScale, levels, sweeps };
  const last = grams ? refine(engine, sizes, x, book, bookLevels, z, grams) : book;
  return assemble({ ...sizes, codeScale }, last, codesAt(engine, q, n * k));
}

/** G [k, k] = C^T C and B [n, k] = X^T C. */
function products(x: Float64Array, c: Float64Array, { n, d, k }: Sizes): Float64Array[] {
  const times = (rows: Float64Array, count: number) => {
    const out = new Float64Array(count * k);
    for (let j = 0, at = 0; j < count; j++) {
      for (let a = 0; a < k; a++, at++) {
        let sum = 0;
        for (let i = 0; i < d; i++) sum += rows[j * d + i] * c[a * d + i];
        out[at] = sum;
      }
    }
    return out;
  };
  return [times(c, k), times(x, n)];
}
