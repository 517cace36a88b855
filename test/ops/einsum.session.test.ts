// Einsum against sums over every index in turn.
import { describe, expect, test } from "vitest";
import type { DType } from "../../src/dtype.js";
import { ShapeError, UnsupportedError } from "../../src/errors.js";
import type { Attribute } from "../../src/graph/graph.js";
import { indicesOf, placeOf, sizeOf } from "../reference/movement.js";
import { normals, uniform } from "../support/kernels.js";
import { counted, numbers, runNode, tensor } from "../support/one-node.js";

const floats = (shape: readonly number[], seed: number) => tensor("float32", shape, [...normals(sizeOf(shape), seed)]);

/** Terms and output spelt out: dimensions of an ellipsis are digits. */
function twin(
  terms: readonly string[],
  output: string,
  inputs: readonly { shape: readonly number[]; data: readonly number[] }[],
) {
  const labels = [...new Set([...output, ...terms.join("")])];
  const sizes = labels.map((label) =>
    Math.max(...terms.flatMap((term, i) => [...term].map((own, d) => (own === label ? inputs[i].shape[d] : 0)))),
  );
  // A dimension of no size is not repeated.
  for (const [l, label] of labels.entries()) {
    if (terms.some((term, i) => [...term].some((own, d) => own === label && inputs[i].shape[d] === 0))) sizes[l] = 0;
  }
  const shape = [...output].map((label) => sizes[labels.indexOf(label)]);
  const data = new Array<number>(sizeOf(shape)).fill(0);
  for (const index of indicesOf(sizes)) {
    let product = 1;
    for (const [i, term] of terms.entries()) {
      const own = [...term].map((label, d) => Math.min(index[labels.indexOf(label)], inputs[i].shape[d] - 1));
      product *= inputs[i].data[placeOf(inputs[i].shape, own)];
    }
    data[placeOf(shape, index.slice(0, output.length))] += product;
  }
  return { shape, data };
}

interface Case {
  readonly equation: string;
  readonly shapes: readonly (readonly number[])[];
  /** With digits for the dimensions of ellipses, and with an output. */
  readonly spelt?: string;
}

const cases: Case[] = [
  { equation: "ij->ji", shapes: [[3, 5]] },
  { equation: "ij->i", shapes: [[3, 5]] },
  { equation: "ij->", shapes: [[3, 5]] },
  { equation: "->", shapes: [[]] },
  { equation: "i->", shapes: [[0]] },
  { equation: "ii->i", shapes: [[4, 4]] },
  { equation: "ii", shapes: [[4, 4]], spelt: "ii->" },
  { equation: "iji->j", shapes: [[3, 5, 3]] },
  { equation: "iijj->ji", shapes: [[3, 3, 2, 2]] },
  { equation: "kji", shapes: [[2, 3, 4]], spelt: "kji->ijk" },
  { equation: "aB", shapes: [[2, 3]], spelt: "aB->Ba" },
  { equation: "...i->...", shapes: [[2, 3, 4]], spelt: "01i->01" },
  { equation: "b...->...b", shapes: [[2, 3, 4]], spelt: "b01->01b" },
  { equation: "i...i->i...", shapes: [[3, 2, 4, 3]], spelt: "i01i->i01" },
  { equation: "...", shapes: [[2, 3]], spelt: "01->01" },
  { equation: "i,i->i", shapes: [[7], [7]] },
  { equation: "i,i", shapes: [[7], [7]], spelt: "i,i->" },
  { equation: "i,j->ij", shapes: [[3], [4]] },
  { equation: "i,j->ji", shapes: [[3], [4]] },
  { equation: "i,j->", shapes: [[3], [4]] },
  { equation: ",i->i", shapes: [[], [4]] },
  { equation: ",", shapes: [[], []], spelt: ",->" },
  {
    equation: " ij , jk -> ik ",
    shapes: [
      [5, 6],
      [6, 7],
    ],
    spelt: "ij,jk->ik",
  },
  {
    equation: "ij,jk",
    shapes: [
      [5, 6],
      [6, 7],
    ],
    spelt: "ij,jk->ik",
  },
  {
    equation: "ij,jk->ki",
    shapes: [
      [5, 6],
      [6, 7],
    ],
  },
  {
    equation: "ji,kj->ik",
    shapes: [
      [6, 5],
      [7, 6],
    ],
  },
  {
    equation: "ij,jk->k",
    shapes: [
      [5, 6],
      [6, 7],
    ],
  },
  {
    equation: "ij,kl->",
    shapes: [
      [5, 6],
      [4, 7],
    ],
  },
  { equation: "ij,j->i", shapes: [[5, 300], [300]] },
  { equation: "j,ij->i", shapes: [[9], [5, 9]] },
  {
    equation: "bij,bjk->bik",
    shapes: [
      [2, 5, 6],
      [2, 6, 7],
    ],
  },
  {
    equation: "bij,bkj->kib",
    shapes: [
      [2, 5, 6],
      [2, 7, 6],
    ],
  },
  {
    equation: "bhqd,bhkd->bhqk",
    shapes: [
      [2, 3, 5, 4],
      [2, 3, 6, 4],
    ],
  },
  {
    equation: "bqhd,bkhd->bhqk",
    shapes: [
      [2, 5, 3, 4],
      [2, 6, 3, 4],
    ],
  },
  {
    equation: "bhqk,bkhd->bqhd",
    shapes: [
      [2, 3, 5, 6],
      [2, 6, 3, 4],
    ],
  },
  {
    equation: "abcd,cdef->abef",
    shapes: [
      [2, 3, 4, 5],
      [4, 5, 2, 3],
    ],
  },
  {
    equation: "abcd,dcef->fabe",
    shapes: [
      [2, 3, 4, 5],
      [5, 4, 2, 3],
    ],
  },
  {
    equation: "acbd,cdef->abef",
    shapes: [
      [2, 4, 3, 5],
      [4, 5, 2, 3],
    ],
  },
  {
    equation: "iij,jk->ik",
    shapes: [
      [3, 3, 4],
      [4, 5],
    ],
  },
  {
    equation: "ijj,jk->ik",
    shapes: [
      [3, 4, 4],
      [4, 5],
    ],
  },
  {
    equation: "ijx,jky->ik",
    shapes: [
      [3, 4, 2],
      [4, 5, 3],
    ],
  },
  {
    equation: "...ij,...jk->...ik",
    shapes: [
      [2, 3, 4, 5],
      [2, 3, 5, 6],
    ],
    spelt: "01ij,01jk->01ik",
  },
  {
    equation: "...ij,...jk",
    shapes: [
      [2, 1, 4, 5],
      [1, 3, 5, 6],
    ],
    spelt: "01ij,01jk->01ik",
  },
  {
    equation: "...i,ij->...j",
    shapes: [
      [2, 3, 4],
      [4, 5],
    ],
    spelt: "01i,ij->01j",
  },
  {
    equation: "...,...->...",
    shapes: [
      [2, 1],
      [1, 3],
    ],
    spelt: "01,01->01",
  },
  {
    equation: "ij,jk->ik",
    shapes: [
      [3, 1],
      [4, 5],
    ],
  },
  {
    equation: "ij,ik->jk",
    shapes: [
      [1, 3],
      [4, 5],
    ],
  },
  {
    equation: "ij,ij->ij",
    shapes: [
      [1, 3],
      [4, 1],
    ],
  },
  {
    equation: "ij,jk->ik",
    shapes: [
      [0, 3],
      [3, 5],
    ],
  },
  {
    equation: "ij,jk->ik",
    shapes: [
      [2, 0],
      [0, 5],
    ],
  },
  {
    equation: "ij,jk,kl->il",
    shapes: [
      [3, 4],
      [4, 5],
      [5, 6],
    ],
  },
  {
    equation: "ij,jk,ik->ik",
    shapes: [
      [3, 4],
      [4, 5],
      [3, 5],
    ],
  },
  {
    equation: "ij,ik,il->jkl",
    shapes: [
      [2, 3],
      [2, 4],
      [2, 5],
    ],
  },
  { equation: "a,b,c,ab->c", shapes: [[3], [4], [5], [3, 4]] },
  { equation: "i,i,i->", shapes: [[1], [1], [6]] },
];

describe("Einsum", () => {
  for (const dtype of ["float32", "int64", "int8"] as const satisfies readonly DType[]) {
    test.each(cases)(`${dtype} $equation $shapes`, ({ equation, shapes, spelt = equation }) => {
      const inputs = shapes.map((shape, i) => {
        if (dtype === "float32") return floats(shape, i + 1);
        const { data } = numbers(counted("uint8", shape, i + 1));
        return tensor(
          dtype,
          shape,
          data.map((v) => (v % 7) - 3),
        );
      });
      const [terms, output] = spelt.replace(/ /g, "").split("->");
      const want = twin(terms.split(","), output, inputs.map(numbers));
      const got = numbers(runNode("Einsum", inputs, { equation })[0]);
      expect(got.shape).toEqual(want.shape);
      for (const [i, value] of want.data.entries()) {
        if (dtype === "float32") expect(Math.abs(got.data[i] - value), `${i}`).toBeLessThan(2e-5);
        else expect(got.data[i], `${i}`).toBe(dtype === "int8" ? (value << 24) >> 24 : value);
      }
    });
  }

  test("three hundred random equations of one to three operands", () => {
    const next = uniform(11);
    const pick = (n: number) => Math.floor(next() * n);
    for (let i = 0; i < 300; i++) {
      const letters = [..."abcdef"].slice(0, 2 + pick(5));
      const sizes = letters.map(() => 1 + pick(4));
      const term = () => Array.from({ length: pick(5) }, () => letters[pick(letters.length)]).join("");
      const terms = Array.from({ length: 1 + pick(3) }, term);
      const shapes = terms.map((labels) =>
        [...labels].map((label) => (next() < 0.1 ? 1 : sizes[letters.indexOf(label)])),
      );
      const used = [...new Set(terms.join(""))].filter(() => next() < 0.5);
      const output = used.sort(() => next() - 0.5).join("");
      // A label whose dimensions are all 1 has size 1.
      const inputs = shapes.map((shape, k) => floats(shape, i + k));
      const want = twin(terms, output, inputs.map(numbers));
      const equation = `${terms}->${output}`;
      const got = numbers(runNode("Einsum", inputs, { equation })[0]);
      expect(got.shape, equation).toEqual(want.shape);
      for (const [k, value] of want.data.entries()) {
        expect(Math.abs(got.data[k] - value), `${equation} ${JSON.stringify(shapes)} ${k}`).toBeLessThan(
          1e-4 * (1 + Math.abs(value)),
        );
      }
    }
  });

  const [a, b] = [floats([2, 3], 1), floats([3, 4], 2)];
  const characters = "n.equation: expected letters, commas, an ellipsis in a term, and an arrow, got";
  test.each([
    [[a], { equation: "i1->i" }, `${characters} "1" at 1`],
    [[a], { equation: "ij-i" }, `${characters} "-" at 2`],
    [[a], { equation: "ij->i->j" }, `${characters} "-" at 5`],
    [[a], { equation: "ij->i,j" }, `${characters} "," at 5`],
    [[a], { equation: "i..j" }, `${characters} "." at 1`],
    [[a], { equation: "...i...->i" }, `${characters} "." at 4`],
    [[a], {}, "n.equation: expected a string, got undefined"],
    [[a], { equation: "ij,jk->ik" }, "n.equation: expected 1 terms, got 2"],
    [[a, b], { equation: "ij->ik" }, "n.equation: expected 2 terms, got 1"],
    [[a], { equation: "ijk->i" }, "n (Einsum) input 0: expected 3 dimensions for ijk, got [2, 3]"],
    [[a], { equation: "...ijk->i" }, "n (Einsum) input 0: expected at least 3 dimensions for ...ijk, got [2, 3]"],
    [[a, a], { equation: "ij,jk->ik" }, "n (Einsum) input 1: expected size 3 or 1 for label j, got [2, 3]"],
    [[a], { equation: "ii->i" }, "n (Einsum) input 0: expected size 2 or 1 for label i, got [2, 3]"],
    [[a], { equation: "ij->k" }, "n.equation: expected outputs that an input has, got k"],
    [[a], { equation: "ij->...i" }, "n.equation: expected outputs that an input has, got ..."],
    [[a], { equation: "ij->ii" }, "n.equation: expected each output once, got i twice"],
    [[a], { equation: "...j->j" }, "n.equation: expected the ellipsis of the inputs in the output, got none"],
    [[a, b], { equation: "...j,...->..." }, "n (Einsum) input 1: expected 1 dimensions for its ellipsis, got 2"],
    [
      [a, tensor("int32", [3], [1, 2, 3])],
      { equation: "ij,j->i" },
      "n (Einsum) input 1: expected float32 as input 0, got int32",
    ],
  ] as const)("%# is refused", (inputs, attributes, message) => {
    expect(() => runNode("Einsum", inputs, attributes as Record<string, Attribute>)).toThrow(new ShapeError(message));
  });

  test("an output past 2^31 bytes, truth values and other attributes are refused", () => {
    const long = tensor("float32", [40000], new Array(40000).fill(0));
    expect(() => runNode("Einsum", [long, long], { equation: "i,j->ij" })).toThrow(
      new ShapeError("n (Einsum): expected an output of at most 2^31 bytes, got shape [40000, 40000]"),
    );
    expect(() => runNode("Einsum", [counted("bool", [2])], { equation: "i" })).toThrow(UnsupportedError);
    expect(() => runNode("Einsum", [a], { equation: "ij", axis: 0 })).toThrow(UnsupportedError);
  });
});
