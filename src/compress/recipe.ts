import { expected } from "../errors.js";
import type { Layout } from "../graph/weight.js";

/** How one weight shall be stored. Bits count the sign: b bits are the integers -(2^(b-1) - 1) .. 2^(b-1) - 1. */
export type Choice =
  | { readonly storage: "dense" }
  /** Every value an integer times a scale per row, or one scale with `perTensor`. */
  | { readonly storage: "int8"; readonly bits?: number; readonly perTensor?: boolean }
  /** The largest values as integers in CSR. Without `sparsity` the zeros that are there stay the only ones. */
  | { readonly storage: "sparse"; readonly sparsity?: number; readonly bits?: number; readonly perTensor?: boolean }
  /** Codebook [d, k] times coefficients of which the fraction `density` is not zero. */
  | {
      readonly storage: "factored";
      readonly layout: Layout;
      readonly d?: number;
      readonly k: number;
      readonly density: number;
      readonly bits?: number;
      readonly codebookBits?: number;
    };

/** Candidates for each weight by name; "*" stands for every weight not named. Of several the one with fewest coded bytes is kept. */
export interface Recipe {
  readonly weights: Readonly<Record<string, Choice | readonly Choice[]>>;
}

/** What the whole compressed file may cost. `ratio` = 4 x parameters / bytes of the file. */
export type Target = { readonly ratio: number } | { readonly bitsPerWeight: number } | { readonly maxBytes: number };

/** The candidates of a weight; a weight that no entry names stays as it is. */
export function choicesFor(recipe: Recipe, name: string): readonly Choice[] {
  const entry = Object.hasOwn(recipe.weights, name) ? recipe.weights[name] : recipe.weights["*"];
  if (entry === undefined) return [];
  return Array.isArray(entry) ? (entry as readonly Choice[]) : [entry as Choice];
}

/** @throws RangeError naming the weight and what is out of range */
export function checkRecipe(recipe: Recipe): void {
  for (const [name, entry] of Object.entries(recipe.weights)) {
    for (const choice of Array.isArray(entry) ? (entry as readonly Choice[]) : [entry as Choice]) {
      const where = `recipe.weights.${name}`;
      const within = (key: string, value: number | undefined, low: number, high: number) => {
        if (value === undefined) return;
        if (!(value >= low && value <= high)) {
          throw new RangeError(expected(`${where}.${key}`, `a number in ${low}..${high}`, `${value}`));
        }
      };
      if (choice.storage === "dense") continue;
      within("bits", choice.bits, 2, 8);
      if (choice.storage === "sparse") within("sparsity", choice.sparsity, 0, 1);
      if (choice.storage !== "factored") continue;
      within("density", choice.density, 0, 1);
      within("k", choice.k, 1, 65536);
      within("d", choice.d, 1, 65536);
      within("codebookBits", choice.codebookBits, 2, 8);
    }
  }
}

/** Largest integer of `bits` bits, both signs alike. */
export function levelsOf(bits: number): number {
  return (1 << (bits - 1)) - 1;
}

/** Bytes that the file may have. @throws RangeError */
export function budgetOf(target: Target, parameters: number): number {
  const [key, value, bytes] =
    "ratio" in target
      ? ["ratio", target.ratio, (4 * parameters) / target.ratio]
      : "bitsPerWeight" in target
        ? ["bitsPerWeight", target.bitsPerWeight, (parameters * target.bitsPerWeight) / 8]
        : ["maxBytes", target.maxBytes, target.maxBytes];
  if (!(value > 0 && Number.isFinite(bytes)))
    throw new RangeError(expected(`target.${key}`, "a positive number", `${value}`));
  return Math.floor(bytes);
}
