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

/**
 * @param names the weights that an entry may name
 * @throws RangeError naming the entry and what is out of range
 */
export function checkRecipe(recipe: Recipe, names: ReadonlySet<string>): void {
  for (const name of Object.keys(recipe.weights)) {
    const where = `recipe.weights.${name}`;
    if (name !== "*" && !names.has(name)) throw new RangeError(expected(where, "a weight of the network", "none"));
    for (const choice of choicesFor(recipe, name)) checkChoice(where, choice);
  }
}

const storages: readonly unknown[] = ["dense", "int8", "sparse", "factored"] satisfies Choice["storage"][];
const layouts: readonly unknown[] = ["kernel", "rows"] satisfies Layout[];

function checkChoice(where: string, choice: Choice): void {
  const among = (key: string, value: unknown, list: readonly unknown[]) => {
    if (!list.includes(value))
      throw new RangeError(expected(`${where}.${key}`, `one of ${list.join(", ")}`, `${value}`));
  };
  const within = (key: string, value: number | undefined, low: number, high: number) => {
    if (!(typeof value === "number" && value >= low && value <= high)) {
      throw new RangeError(expected(`${where}.${key}`, `a number in ${low}..${high}`, `${value}`));
    }
  };
  const whole = (key: string, value: number | undefined, low: number, high: number) => {
    if (!(Number.isInteger(value) && value! >= low && value! <= high)) {
      throw new RangeError(expected(`${where}.${key}`, `a whole number in ${low}..${high}`, `${value}`));
    }
  };
  among("storage", choice.storage, storages);
  if (choice.storage === "dense") return;
  whole("bits", choice.bits ?? 8, 2, 8);
  if (choice.storage === "sparse") within("sparsity", choice.sparsity ?? 0, 0, 1);
  if (choice.storage !== "factored") return;
  among("layout", choice.layout, layouts);
  within("density", choice.density, 0, 1);
  whole("k", choice.k, 1, 65536);
  whole("d", choice.d ?? 1, 1, 65536);
  whole("codebookBits", choice.codebookBits ?? 8, 2, 8);
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
