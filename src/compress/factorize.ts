import { columnsOf, toColumns } from "../graph/storage.js";
import type { FactoredWeight } from "../graph/weight.js";
import { roundHalfEven } from "../math.js";
import { Random } from "../random.js";
import { eigen, solve } from "./algebra.js";
import { scaleFor } from "./quantize.js";
import { type Choice, levelsOf } from "./recipe.js";

type FactoredChoice = Extract<Choice, { storage: "factored" }>;

/** Rounds of the alternation: twenty are as good as hundreds (measured on layers of a ResNet-20). */
const rounds = 20;
const innerSteps = 3;
const sweeps = 3;

/**
 * Quantized sparse decomposition of a weight: X ~ C Z with C [d, k] dense and Z [k, n] sparse, both quantized, by alternating
 * projected gradient: Z by iterative hard thresholding (T. Blumensath, M. Davies, "Iterative hard thresholding for compressed
 * sensing", 2009), C by least squares. A. Kuzmin et al., "Quantized Sparse Weight Decomposition for Neural Network
 * Compression", 2022.
 */
export function factorize(
  shape: readonly number[],
  dense: Float32Array,
  choice: FactoredChoice,
  seed: number,
): FactoredWeight {
  const { layout, k } = choice;
  const { d, n } = columnsOf(shape, layout, choice.d);
  // X^T [n, d]: row j is column j of X.
  const x = Float64Array.from(toColumns({ layout, shape, d, n }, dense));
  const support = supportOf(choice.density, k, n);
  const codeLevels = levelsOf(choice.bits ?? 8);
  const bookLevels = levelsOf(choice.codebookBits ?? 8);
  // C^T [k, d] with unit rows, Z^T [n, k].
  const c = firstAtoms(x, n, d, k, seed);
  const z = new Float64Array(n * k);
  for (let round = 0; round < rounds; round++) {
    improveCodes(x, c, z, n, d, k, support);
    improveAtoms(x, c, z, n, d, k);
  }
  return quantized({ shape, layout, d, n, k }, x, c, z, codeLevels, bookLevels);
}

/** How many coefficients of Z [k, n] are not zero: the fraction `density`, but one at least. */
export function supportOf(density: number, k: number, n: number): number {
  return Math.max(1, roundHalfEven(density * k * n));
}

/** Left singular vectors of X; where k > d the rest are columns of X drawn by the seed. */
function firstAtoms(x: Float64Array, n: number, d: number, k: number, seed: number): Float64Array {
  const gram = new Float64Array(d * d);
  for (let j = 0; j < n; j++) {
    for (let a = 0; a < d; a++) {
      const value = x[j * d + a];
      if (value === 0) continue;
      for (let b = 0; b < d; b++) gram[a * d + b] += value * x[j * d + b];
    }
  }
  const { vectors } = eigen(gram, d);
  const c = new Float64Array(k * d);
  for (let atom = 0; atom < Math.min(k, d); atom++) {
    for (let i = 0; i < d; i++) c[atom * d + i] = vectors[i * d + atom];
  }
  const random = new Random(seed);
  for (let atom = d; atom < k; atom++) {
    const j = random.integer(n);
    for (let i = 0; i < d; i++) c[atom * d + i] = x[j * d + i] + 1e-3 * random.normal();
  }
  normalize(c, k, d);
  return c;
}

/** Unit rows; gives their former lengths. */
function normalize(c: Float64Array, k: number, d: number): Float64Array {
  const lengths = new Float64Array(k);
  for (let atom = 0; atom < k; atom++) {
    let square = 0;
    for (let i = 0; i < d; i++) square += c[atom * d + i] * c[atom * d + i];
    const length = Math.sqrt(square);
    lengths[atom] = length;
    if (length > 0) for (let i = 0; i < d; i++) c[atom * d + i] /= length;
  }
  return lengths;
}

/** G [k, k] = C^T C and B [n, k] = X^T C. */
function products(x: Float64Array, c: Float64Array, n: number, d: number, k: number) {
  const gram = new Float64Array(k * k);
  for (let a = 0; a < k; a++) {
    for (let b = 0; b <= a; b++) {
      let sum = 0;
      for (let i = 0; i < d; i++) sum += c[a * d + i] * c[b * d + i];
      gram[a * k + b] = sum;
      gram[b * k + a] = sum;
    }
  }
  const match = new Float64Array(n * k);
  for (let j = 0; j < n; j++) {
    for (let a = 0; a < k; a++) {
      let sum = 0;
      for (let i = 0; i < d; i++) sum += x[j * d + i] * c[a * d + i];
      match[j * k + a] = sum;
    }
  }
  return { gram, match };
}

/** Z <- H_S(Z - (1/L) C^T (C Z - X)), L = 1.01 |C|^2; H_S keeps the S largest of the whole layer. */
function improveCodes(
  x: Float64Array,
  c: Float64Array,
  z: Float64Array,
  n: number,
  d: number,
  k: number,
  support: number,
): void {
  const { gram, match } = products(x, c, n, d, k);
  const norm = eigen(gram, k).values[0];
  // All atoms are zero where X is.
  const step = norm > 0 ? 1 / (1.01 * norm) : 0;
  const row = new Float64Array(k);
  for (let inner = 0; inner < innerSteps; inner++) {
    for (let j = 0; j < n; j++) {
      for (let a = 0; a < k; a++) {
        let sum = -match[j * k + a];
        for (let b = 0; b < k; b++) sum += gram[a * k + b] * z[j * k + b];
        row[a] = z[j * k + a] - step * sum;
      }
      z.set(row, j * k);
    }
    keepLargest(z, support);
  }
}

/** Zeroes all but the `count` largest magnitudes, ties to the lower index. */
function keepLargest(z: Float64Array, count: number): void {
  if (count >= z.length) return;
  const magnitudes = z.map((value) => Math.abs(value)).sort();
  const threshold = magnitudes[z.length - count];
  let ties = 0;
  for (let i = z.length - count; i < z.length && magnitudes[i] === threshold; i++) ties++;
  for (let i = 0; i < z.length; i++) {
    const magnitude = Math.abs(z[i]);
    if (magnitude < threshold || (magnitude === threshold && ties-- <= 0)) z[i] = 0;
  }
}

/** C <- X Z^T (Z Z^T + eps I)^-1, unit columns, their lengths moved into Z; a dead atom becomes the column that is met worst. */
function improveAtoms(x: Float64Array, c: Float64Array, z: Float64Array, n: number, d: number, k: number): void {
  const gram = new Float64Array(k * k);
  const right = new Float64Array(k * d);
  for (let j = 0; j < n; j++) {
    for (let a = 0; a < k; a++) {
      const value = z[j * k + a];
      if (value === 0) continue;
      for (let b = 0; b < k; b++) gram[a * k + b] += value * z[j * k + b];
      for (let i = 0; i < d; i++) right[a * d + i] += value * x[j * d + i];
    }
  }
  let trace = 0;
  for (let a = 0; a < k; a++) trace += gram[a * k + a];
  const eps = (1e-9 * trace) / k || 1;
  const dead: number[] = [];
  for (let a = 0; a < k; a++) {
    if (gram[a * k + a] === 0) dead.push(a);
    gram[a * k + a] += eps;
  }
  solve(gram, k, right, d);
  c.set(right);
  const lengths = normalize(c, k, d);
  for (let j = 0; j < n; j++) for (let a = 0; a < k; a++) z[j * k + a] *= lengths[a];
  if (dead.length > 0) reseed(x, c, z, n, d, k, dead);
}

function reseed(
  x: Float64Array,
  c: Float64Array,
  z: Float64Array,
  n: number,
  d: number,
  k: number,
  dead: readonly number[],
): void {
  const errors = new Float64Array(n);
  for (let j = 0; j < n; j++) {
    for (let i = 0; i < d; i++) {
      let rest = x[j * d + i];
      for (let a = 0; a < k; a++) if (z[j * k + a] !== 0) rest -= z[j * k + a] * c[a * d + i];
      errors[j] += rest * rest;
    }
  }
  const worst = Array.from(errors.keys()).sort((p, q) => errors[q] - errors[p] || p - q);
  for (const [rank, atom] of dead.entries()) {
    const j = worst[rank % n];
    for (let i = 0; i < d; i++) c[atom * d + i] = x[j * d + i];
  }
  normalize(c, k, d);
}

/** Codebook on its grid, then for that codebook the best coefficients on the support, a scale per atom, and coordinate re-rounding. */
function quantized(
  parts: Pick<FactoredWeight, "shape" | "layout" | "d" | "n" | "k">,
  x: Float64Array,
  c: Float64Array,
  z: Float64Array,
  codeLevels: number,
  bookLevels: number,
): FactoredWeight {
  const { d, n, k } = parts;
  const codebookScale = scaleFor(c, bookLevels);
  const codebook = new Int8Array(k * d);
  for (let i = 0; i < codebook.length; i++) {
    codebook[i] = Math.min(Math.max(roundHalfEven(c[i] / codebookScale), -bookLevels), bookLevels);
    c[i] = codebook[i] * codebookScale;
  }
  const { gram, match } = products(x, c, n, d, k);
  refit(z, gram, match, n, k);
  const codeScale = new Float32Array(k);
  for (let a = 0; a < k; a++) {
    const used: number[] = [];
    for (let j = 0; j < n; j++) if (z[j * k + a] !== 0) used.push(z[j * k + a]);
    codeScale[a] = scaleFor(used, codeLevels);
  }
  const integers = new Int8Array(n * k);
  for (let j = 0; j < n; j++) {
    for (let a = 0; a < k; a++) integers[j * k + a] = onGrid(z[j * k + a], codeScale[a], codeLevels);
  }
  for (let sweep = 0; sweep < sweeps; sweep++) reround(integers, z, codeScale, codeLevels, gram, match, n, k);
  const rowPtr = new Uint32Array(n + 1);
  const col: number[] = [];
  const codes: number[] = [];
  for (let j = 0; j < n; j++) {
    for (let a = 0; a < k; a++) {
      if (integers[j * k + a] === 0) continue;
      col.push(a);
      codes.push(integers[j * k + a]);
    }
    rowPtr[j + 1] = col.length;
  }
  return {
    kind: "factored",
    ...parts,
    rowPtr,
    col: Uint32Array.from(col),
    codes: Int8Array.from(codes),
    codeScale,
    codebook,
    codebookScale,
  };
}

function onGrid(value: number, scale: number, levels: number): number {
  return Math.min(Math.max(roundHalfEven(value / scale), -levels), levels);
}

/** Least squares on the support of each column of Z. */
function refit(z: Float64Array, gram: Float64Array, match: Float64Array, n: number, k: number): void {
  for (let j = 0; j < n; j++) {
    const used: number[] = [];
    for (let a = 0; a < k; a++) if (z[j * k + a] !== 0) used.push(a);
    const size = used.length;
    if (size === 0) continue;
    const normal = new Float64Array(size * size);
    const right = new Float64Array(size);
    for (let p = 0; p < size; p++) {
      for (let q = 0; q < size; q++) normal[p * size + q] = gram[used[p] * k + used[q]];
      normal[p * size + p] += 1e-9;
      right[p] = match[j * k + used[p]];
    }
    solve(normal, size, right, 1);
    for (let p = 0; p < size; p++) z[j * k + used[p]] = right[p];
  }
}

/** One sweep of coordinate descent on the integers: each takes the grid point nearest to its best value given the others. */
function reround(
  integers: Int8Array,
  z: Float64Array,
  scale: Float32Array,
  levels: number,
  gram: Float64Array,
  match: Float64Array,
  n: number,
  k: number,
): void {
  for (let j = 0; j < n; j++) {
    for (let a = 0; a < k; a++) {
      if (z[j * k + a] === 0 || gram[a * k + a] === 0) continue;
      let rest = match[j * k + a];
      for (let b = 0; b < k; b++) if (b !== a) rest -= gram[a * k + b] * integers[j * k + b] * scale[b];
      integers[j * k + a] = onGrid(rest / gram[a * k + a], scale[a], levels);
    }
  }
}
