import { describe, expect, it } from "vitest";
import { type Choice, checkRecipe, choicesFor, levelsOf, type Recipe } from "../../src/compress/recipe.js";

const names = new Set(["a", "b", "__proto__"]);
const check = (choice: unknown, name = "a") => checkRecipe({ weights: { [name]: choice as Choice } }, names);
const factored = { storage: "factored", layout: "kernel", k: 4, density: 0.5 } as const;

describe("checkRecipe", () => {
  it.each<[Choice | readonly Choice[]]>([
    [{ storage: "dense" }],
    [{ storage: "int8" }],
    [{ storage: "int8", bits: 2, perTensor: true }],
    [{ storage: "sparse", bits: 8, sparsity: 0 }],
    [{ storage: "sparse", sparsity: 1 }],
    [factored],
    [{ ...factored, layout: "tile", d: 16 }],
    [{ ...factored, layout: "rows", d: 1, k: 4096, density: 1, bits: 2, codebookBits: 8 }],
    [{ storage: "scalar", steps: "row", size: 1e-6 }],
    [{ storage: "vq", k: 1 }],
    [{ storage: "vq", d: 4, k: 256, codebookBits: 4 }],
    [{ storage: "svd", k: 3, size: 0.5 }],
    [{ storage: "transform", size: 1e6 }],
    [{ storage: "transform", d: 9, size: 0.5, codebookBits: 2 }],
    [[]],
    [[{ storage: "dense" }, factored]],
  ])("takes %j", (choice) => {
    check(choice);
    check(choice, "*");
  });

  it.each<[unknown, string, string]>([
    [{ storage: "int8", bits: 1 }, "bits", "1"],
    [{ storage: "int8", bits: 9 }, "bits", "9"],
    [{ storage: "int8", bits: 4.5 }, "bits", "4.5"],
    [{ storage: "int8", bits: "4" }, "bits", "4"],
    [{ storage: "sparse", bits: Number.NaN }, "bits", "NaN"],
    [{ storage: "sparse", sparsity: -0.1 }, "sparsity", "-0.1"],
    [{ storage: "sparse", sparsity: 1.1 }, "sparsity", "1.1"],
    [{ storage: "sparse", sparsity: Number.NaN }, "sparsity", "NaN"],
    [{ ...factored, density: 2 }, "density", "2"],
    [{ ...factored, density: undefined }, "density", "undefined"],
    [{ ...factored, k: undefined }, "k", "undefined"],
    [{ ...factored, k: 0 }, "k", "0"],
    [{ ...factored, k: 2.5 }, "k", "2.5"],
    [{ ...factored, k: 65537 }, "k", "65537"],
    [{ ...factored, d: 0 }, "d", "0"],
    [{ ...factored, d: 1.5 }, "d", "1.5"],
    [{ ...factored, codebookBits: 1 }, "codebookBits", "1"],
    [{ ...factored, layout: "columns" }, "layout", "columns"],
    [{ ...factored, layout: undefined }, "layout", "undefined"],
    [{ storage: "vq", d: 4 }, "k", "undefined"],
    [{ storage: "vq", k: 65537 }, "k", "65537"],
    [{ storage: "vq", k: 4, d: 0 }, "d", "0"],
    [{ storage: "svd", size: 1 }, "k", "undefined"],
    [{ storage: "svd", k: 4 }, "size", "undefined"],
    [{ storage: "transform", size: 0 }, "size", "0"],
    [{ storage: "transform", size: 1, d: 257 }, "d", "257"],
    [{ storage: "transform", size: 1, codebookBits: 9 }, "codebookBits", "9"],
    [{ storage: "masked" }, "storage", "masked"],
    [{}, "storage", "undefined"],
    [[{ storage: "dense" }, { storage: "int8", bits: 0 }], "bits", "0"],
  ])("refuses %j and says where", (choice, key, got) => {
    const message = new RegExp(`^recipe\\.weights\\.a\\.${key}: expected .*, got ${got.replace(".", "\\.")}$`);
    expect(() => check(choice)).toThrow(RangeError);
    expect(() => check(choice)).toThrow(message);
  });

  it("refuses names that are no weights", () => {
    expect(() => check({ storage: "dense" }, "conv1.wieght")).toThrow(RangeError);
    expect(() => check({ storage: "dense" }, "conv1.wieght")).toThrow(
      "recipe.weights.conv1.wieght: expected a weight of the network, got none",
    );
    checkRecipe({ weights: {} }, names);
  });
});

describe("checkRecipe, of what is no recipe", () => {
  it.each<[unknown, string]>([
    [null, "recipe.weights: expected choices by name, got undefined"],
    [{}, "recipe.weights: expected choices by name, got undefined"],
    [{ weights: "int8" }, "recipe.weights: expected choices by name, got String"],
    [{ weights: { a: null } }, "recipe.weights.a: expected a choice, got null"],
    [{ weights: { a: ["int8"] } }, "recipe.weights.a: expected a choice, got String"],
  ])("refuses %j", (recipe, message) => {
    expect(() => checkRecipe(recipe as Recipe, names)).toThrow(new TypeError(message));
  });

  it.each<[object, string, string]>([
    [{ storage: "dense", bits: 8 }, "storage", "bits"],
    [{ storage: "int8", bit: 4 }, "storage, bits, perTensor", "bit"],
    [{ storage: "sparse", sparcity: 0.9 }, "storage, sparsity, bits, perTensor", "sparcity"],
    [{ storage: "vq", k: 4, density: 1 }, "storage, d, k, codebookBits", "density"],
    [{ storage: "svd", k: 4, size: 1, d: 3 }, "storage, k, size, codebookBits", "d"],
    [{ storage: "transform", k: 4, size: 1 }, "storage, d, size, codebookBits", "k"],
    [{ ...factored, codebits: 4 }, "storage, layout, d, k, density, bits, codebookBits", "codebits"],
  ])("refuses the key of %j that it does not know", (choice, known, key) => {
    expect(() => check(choice)).toThrow(new RangeError(`recipe.weights.a: expected keys among ${known}, got ${key}`));
  });
});

describe("choicesFor", () => {
  it("prefers a weight's own entry, falls back on *, and gives none where neither is there", () => {
    const weights = { a: { storage: "dense" }, b: [], "*": [{ storage: "int8" }, { storage: "sparse" }] } as const;
    expect(choicesFor({ weights }, "a")).toEqual([{ storage: "dense" }]);
    expect(choicesFor({ weights }, "b")).toEqual([]);
    expect(choicesFor({ weights }, "c")).toEqual(weights["*"]);
    expect(choicesFor({ weights: { a: weights.a } }, "c")).toEqual([]);
    expect(choicesFor({ weights: {} }, "constructor")).toEqual([]);
    expect(choicesFor({ weights: {} }, "__proto__")).toEqual([]);
  });
});

it("levels are the largest integer, both signs alike", () => {
  expect([2, 3, 4, 5, 6, 7, 8].map(levelsOf)).toEqual([1, 3, 7, 15, 31, 63, 127]);
});
