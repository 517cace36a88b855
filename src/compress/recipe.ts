import { expected } from "../errors.js";
import type { Layout } from "../graph/weight.js";
import { nameOf } from "../tensor.js";
import type { Steps } from "./rounder.js";

/**
 * How one weight shall be stored. Bits count the sign: b bits are the integers -(2^(b-1) - 1) .. 2^(b-1) - 1. Of atoms there are no more than
 * columns.
 */
export type Choice =
  | { readonly storage: "dense" }
  /** Every value an integer times a scale per row, or one scale with `perTensor`. */
  | { readonly storage: "int8"; readonly bits?: number; readonly perTensor?: boolean }
  /** The largest values as integers in CSR. Without `sparsity` the zeros that are there stay the only ones. */
  | { readonly storage: "sparse"; readonly sparsity?: number; readonly bits?: number; readonly perTensor?: boolean }
  /**
   * Integers times steps, one for all or one for each row, `size` times the root mean square of the weight or of the row; rounded so
   * that what the weight makes changes least for its bits. Kept as compressed sparse rows where that is smaller, and where one step for all
   * asks for integers beyond int8, as codebook times codes (see wide).
   */
  | { readonly storage: "scalar"; readonly steps?: Steps; readonly size: number }
  /** Columns of d values (those of one kernel where it is left out), each one of k atoms: k-means. */
  | { readonly storage: "vq"; readonly d?: number; readonly k: number; readonly codebookBits?: number }
  /** Rows as sums of the k first singular vectors, whose coefficients are rounded as by `scalar` with one step. */
  | { readonly storage: "svd"; readonly k: number; readonly size: number; readonly codebookBits?: number }
  /** Columns of d values (those of one kernel where it is left out) in the coordinates of all their singular vectors, as `svd`. */
  | { readonly storage: "transform"; readonly d?: number; readonly size: number; readonly codebookBits?: number }
  /** Codebook [d, k] times coefficients of which the fraction `density`, and one at least, is not zero. */
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

/** The candidates of a weight; a weight that no entry names stays as it is. */
export function choicesFor(recipe: Recipe, name: string): readonly Choice[] {
  const entry = Object.hasOwn(recipe.weights, name) ? recipe.weights[name] : recipe.weights["*"];
  if (entry === undefined) return [];
  return Array.isArray(entry) ? (entry as readonly Choice[]) : [entry as Choice];
}

/**
 * @param names the weights that an entry may name
 * @throws RangeError naming the entry and what is out of range; TypeError where it is no object
 */
export function checkRecipe(recipe: Recipe, names: ReadonlySet<string>): void {
  const weights: unknown = recipe?.weights;
  if (typeof weights !== "object" || weights === null) {
    throw new TypeError(expected("recipe.weights", "choices by name", nameOf(weights)));
  }
  for (const name of Object.keys(recipe.weights)) {
    const where = `recipe.weights.${name}`;
    if (name !== "*" && !names.has(name)) throw new RangeError(expected(where, "a weight of the network", "none"));
    for (const choice of choicesFor(recipe, name)) checkChoice(where, choice);
  }
}

/** What each storage can be told. */
const keys: Readonly<Record<Choice["storage"], readonly string[]>> = {
  dense: ["storage"],
  int8: ["storage", "bits", "perTensor"],
  sparse: ["storage", "sparsity", "bits", "perTensor"],
  scalar: ["storage", "steps", "size"],
  vq: ["storage", "d", "k", "codebookBits"],
  svd: ["storage", "k", "size", "codebookBits"],
  transform: ["storage", "d", "size", "codebookBits"],
  factored: ["storage", "layout", "d", "k", "density", "bits", "codebookBits"],
};
const storages: readonly unknown[] = Object.keys(keys);
const layouts: readonly unknown[] = ["kernel", "rows", "tile"] satisfies Layout[];
const steps: readonly unknown[] = ["tensor", "row"] satisfies Steps[];

function checkChoice(where: string, choice: Choice): void {
  const among = (key: string, value: unknown, list: readonly unknown[]) => {
    if (!list.includes(value))
      throw new RangeError(expected(`${where}.${key}`, `one of ${list.join(", ")}`, `${value}`));
  };
  const within = (key: string, value: unknown, low: number, high: number) => {
    if (!(typeof value === "number" && value >= low && value <= high)) {
      throw new RangeError(expected(`${where}.${key}`, `a number in ${low}..${high}`, `${value}`));
    }
  };
  const whole = (key: string, value: unknown, low: number, high: number) => {
    if (!(typeof value === "number" && Number.isInteger(value) && value >= low && value <= high)) {
      throw new RangeError(expected(`${where}.${key}`, `a whole number in ${low}..${high}`, `${value}`));
    }
  };
  if (typeof choice !== "object" || choice === null) throw new TypeError(expected(where, "a choice", nameOf(choice)));
  among("storage", choice.storage, storages);
  const known = keys[choice.storage];
  const given = choice as Readonly<Record<string, unknown>>;
  for (const key of Object.keys(choice)) {
    if (!known.includes(key)) throw new RangeError(expected(where, `keys among ${known.join(", ")}`, key));
  }
  if (known.includes("steps")) among("steps", given.steps ?? "tensor", steps);
  if (known.includes("layout")) among("layout", given.layout, layouts);
  if (known.includes("size")) within("size", given.size, 1e-6, 1e6);
  if (known.includes("sparsity")) within("sparsity", given.sparsity ?? 0, 0, 1);
  if (known.includes("density")) within("density", given.density, 0, 1);
  if (known.includes("bits")) whole("bits", given.bits ?? 8, 2, 8);
  if (known.includes("codebookBits")) whole("codebookBits", given.codebookBits ?? 8, 2, 8);
  // The atoms of factors are solved for together, k^2 numbers at a time.
  if (known.includes("k")) whole("k", given.k, 1, choice.storage === "factored" ? 4096 : 65536);
  if (known.includes("d")) whole("d", given.d ?? 1, 1, choice.storage === "transform" ? 256 : 65536);
}

/** Largest integer of `bits` bits, both signs alike. */
export function levelsOf(bits: number): number {
  return (1 << (bits - 1)) - 1;
}
