// Attention as exporters write it: what is found, what is left, and that results are those of the nodes one by one.
import { describe, expect, test } from "vitest";
import { ShapeError } from "../../src/errors.js";
import { checkGraph } from "../../src/graph/check.js";
import type { Attribute, Graph, GraphNode, ValueInfo } from "../../src/graph/graph.js";
import type { Weight } from "../../src/graph/weight.js";
import { attend } from "../../src/passes/attention.js";
import { modernize } from "../../src/passes/modernize.js";
import { Model } from "../../src/runtime/session.js";
import type { Tensor } from "../../src/tensor.js";
import { normals, uniform } from "../support/kernels.js";
import { runModule, sizeOf, thrown } from "../support/network.js";
import { tensor } from "../support/one-node.js";

type Line = readonly [op: string, inputs: string, output: string, attributes?: Readonly<Record<string, Attribute>>];

interface Network {
  readonly inputs: Readonly<Record<string, readonly number[]>>;
  readonly bools?: Readonly<Record<string, readonly number[]>>;
  readonly constants?: Readonly<Record<string, number | Tensor>>;
  readonly lines: readonly Line[];
  readonly outputs?: readonly string[];
}

const none = Number.NEGATIVE_INFINITY;

function graphOf({ inputs, bools = {}, constants = {}, lines, outputs = ["y"] }: Network): Graph {
  const info = (dtype: "float32" | "bool") => (entry: [string, readonly number[]]) =>
    ({ name: entry[0], dtype, shape: entry[1] }) as ValueInfo;
  const weights = new Map<string, Weight>();
  const nodes: GraphNode[] = [];
  for (const [name, value] of Object.entries(constants)) {
    const held = typeof value === "number" ? tensor("float32", [], [value]) : value;
    // A weight is finite.
    if ([...(held.data as Iterable<number>)].every(Number.isFinite)) weights.set(name, { kind: "dense", ...held });
    else nodes.push({ name, op: "Constant", inputs: [], outputs: [name], attributes: { value: held } });
  }
  for (const [i, [op, given, output, attributes = {}]] of lines.entries()) {
    nodes.push({ name: `${op}${i}`, op, inputs: given.split(" "), outputs: [output], attributes });
  }
  return {
    name: "g",
    inputs: [...Object.entries(inputs).map(info("float32")), ...Object.entries(bools).map(info("bool"))],
    outputs: outputs.map((name) => ({ name, dtype: "float32" })),
    nodes,
    weights,
    opset: new Map([["", 18]]),
  };
}

const opsOf = (graph: Graph) => attend(modernize(graph)).nodes.map(({ op }) => op);

/** Feeds of a network, and the same with every value in between as an output: nothing is put together there. */
function compare(network: Network): void {
  const graph = graphOf(network);
  const next = uniform(9);
  const feeds = Object.fromEntries(
    graph.inputs.map(({ name, dtype, shape }, i): [string, Tensor] => {
      const sizes = shape as number[];
      if (dtype === "bool") {
        const values = Array.from({ length: sizeOf(sizes) }, (_, k) => (k % 5 === 0 || next() < 0.5 ? 1 : 0));
        return [name, tensor("bool", sizes, values)];
      }
      return [name, { dtype: "float32", shape: sizes, data: normals(sizeOf(sizes), i + 1) }];
    }),
  );
  const between = network.lines.map(([, , output]) => output).filter((name) => name !== "y");
  const plain = graphOf({ ...network, outputs: ["y", ...between.filter((name) => !name.startsWith("bool"))] });
  expect(opsOf(plain)).not.toContain("Attention");
  expect(opsOf(graph)).toContain("Attention");
  checkGraph(attend(graph));
  using found = new Model(graph, runModule);
  using left = new Model(plain, runModule);
  const [got, want] = [found.run(feeds).y, left.run(feeds).y];
  expect(got.shape).toEqual(want.shape);
  expect(found.run(feeds).y).toEqual(got);
  for (let i = 0; i < want.data.length; i++) {
    const [a, b] = [got.data[i], want.data[i]];
    if (!Object.is(a, b) && !(Math.abs(a - b) <= 4e-6)) throw new Error(`[${i}]: expected ${b}, got ${a}`);
  }
}

const [q, k, v] = [
  [2, 3, 5, 8],
  [2, 3, 7, 8],
  [2, 3, 7, 6],
];
const turn: Line = ["Transpose", "k", "kt", { perm: [0, 1, 3, 2] }];
const product: Line = ["MatMul", "q kt", "s"];
const weigh = (from: string): Line => ["Softmax", from, "w", { axis: -1 }];
const last: Line = ["MatMul", "w v", "y"];

describe("found", () => {
  const wide = tensor("float32", [1, 1], [2.5]);
  test.each([
    ["as it is", [turn, product, weigh("s"), last], {}],
    ["divided", [turn, product, ["Div", "s c", "d"], weigh("d"), last], { c: 2.5 }],
    ["multiplied from the left", [turn, product, ["Mul", "c s", "d"], weigh("d"), last], { c: wide }],
    ["Q scaled", [turn, ["Mul", "q c", "qs"], ["MatMul", "qs kt", "s"], weigh("s"), last], { c: 0.4 }],
    [
      "Q and K^T scaled",
      [turn, ["Mul", "q c", "qs"], ["Mul", "kt c", "ks"], ["MatMul", "qs ks", "s"], weigh("s"), last],
      { c: 0.6 },
    ],
    [
      "K scaled, before it is turned, and the scores",
      [
        ["Div", "k c", "ks"],
        ["Transpose", "ks", "kt", { perm: [0, 1, 3, 2] }],
        product,
        ["Mul", "s e", "d"],
        weigh("d"),
        last,
      ],
      { c: 2, e: 0.7 },
    ],
    ["the last axis by its number", [turn, product, ["Softmax", "s", "w", { axis: 3 }], last], {}],
  ] as [string, Line[], Record<string, number>][])("%s", (_name, lines, constants) => {
    compare({ inputs: { q, k, v }, constants, lines });
  });

  test("K^T as it comes, or turned in another way", () => {
    compare({ inputs: { q, kt: [2, 3, 8, 7], v }, lines: [product, weigh("s"), last] });
    const other: Line = ["Transpose", "k", "kt", { perm: [0, 2, 3, 1] }];
    compare({ inputs: { q, k: [2, 7, 3, 8], v }, lines: [other, product, weigh("s"), last] });
  });

  test("three dimensions and two", () => {
    const lines = (perm: number[]): Line[] => [["Transpose", "k", "kt", { perm }], product, weigh("s"), last];
    compare({ inputs: { q: [4, 5, 8], k: [4, 7, 8], v: [4, 7, 6] }, lines: lines([0, 2, 1]) });
    compare({ inputs: { q: [5, 8], k: [7, 8], v: [7, 6] }, lines: lines([1, 0]) });
  });

  test.each([
    [[1, 3, 5, 8], k, v],
    [q, [1, 1, 7, 8], [2, 1, 7, 6]],
    [
      [2, 6, 1, 8],
      [2, 1, 7, 8],
      [2, 1, 7, 6],
    ],
    [q, [2, 3, 7, 8], [7, 6]],
    [[5, 8], k, v],
    [q, [2, 1, 7, 8], [3, 7, 6]],
    [
      [2, 3, 64, 8],
      [2, 3, 64, 8],
      [2, 3, 64, 8],
    ],
  ])("in front sizes are broadcast: %j, %j, %j", (q, k, v) => {
    compare({ inputs: { q, k, v }, lines: [turn, product, weigh("s"), last] });
  });

  const masks = [
    [5, 7],
    [7],
    [],
    [1],
    [2, 1, 5, 7],
    [2, 1, 1, 7],
    [3, 5, 1],
    [1, 1, 5, 7],
    [2, 3, 5, 7],
    [4, 1, 1, 5, 7],
  ];
  test.each(masks.map((shape) => [shape]))("a mask %j, added or chosen by", (mask) => {
    const [c, fill] = [2.5, none];
    const before: Line[] = [turn, product, ["Div", "s c", "d"]];
    const after: Line[] = [weigh("m"), last];
    const inputs = { q, k, v };
    compare({ inputs: { ...inputs, mask }, constants: { c }, lines: [...before, ["Add", "d mask", "m"], ...after] });
    compare({ inputs: { ...inputs, mask }, constants: { c }, lines: [...before, ["Add", "mask d", "m"], ...after] });
    for (const value of [fill, -1e9, 0.5]) {
      const constants = { c, fill: value };
      for (const choice of ["mask d fill", "mask fill d"]) {
        compare({ inputs, bools: { mask }, constants, lines: [...before, ["Where", choice, "m"], ...after] });
      }
    }
  });

  test("a mask of several is turned once, and not where its first reader is left", () => {
    const rows = tensor("float32", [7, 7], [...normals(49, 3)]);
    const around = (i: number, from: string, value: string): Line[] => [
      ["Transpose", "k", `kt${i}`, { perm: [0, 1, 3, 2] }],
      ["MatMul", `${from} kt${i}`, `s${i}`],
      ["Where", `closed fill s${i}`, `m${i}`],
      ["Softmax", `m${i}`, `w${i}`, { axis: -1 }],
      ["MatMul", `w${i} ${value}`, i === 3 ? "y" : `y${i}`],
    ];
    const lines = [...around(1, "q", "rows"), ...around(2, "q", "k"), ...around(3, "y2", "v")];
    const graph = graphOf({
      inputs: { q, k, v },
      bools: { closed: [5, 7] },
      constants: { fill: none, rows },
      lines,
      outputs: ["y", "y1"],
    });
    const softmaxes = opsOf(graph).filter((op) => op === "Attention" || op === "Softmax" || op === "Not");
    expect(softmaxes).toEqual(["Softmax", "Not", "Attention", "Attention"]);
    compare({ inputs: { q, k, v }, bools: { closed: [5, 7] }, constants: { fill: none }, lines: lines.slice(5) });
  });

  test("a mask that has more rows than Q, or more columns than K", () => {
    const lines: Line[] = [turn, product, ["Add", "s mask", "m"], weigh("m"), last];
    compare({ inputs: { q: [2, 3, 1, 8], k, v, mask: [5, 7] }, lines });
    compare({ inputs: { q, k: [2, 3, 1, 8], v, mask: [5, 7] }, lines });
    compare({ inputs: { q: [2, 3, 1, 8], kt: [2, 3, 8, 1], v, mask: [5, 7] }, lines: lines.slice(1) });
  });

  test("rows that a mask closes throughout are NaN, as they were", () => {
    const closed = Array.from({ length: 35 }, (_, i) => (i < 14 || i % 3 === 0 ? none : 0.5));
    const lines: Line[] = [turn, product, ["Add", "s mask", "m"], weigh("m"), last];
    compare({ inputs: { q, k, v }, constants: { mask: tensor("float32", [5, 7], closed) }, lines });
    const all = tensor("float32", [5, 7], new Array(35).fill(none));
    compare({ inputs: { q, k, v }, constants: { mask: all }, lines });
  });

  test("a mask known while planning that lets every row see what came before", () => {
    const m = 90;
    const open = Array.from({ length: m * m }, (_, i) => (i % m <= Math.floor(i / m) ? 1 : 0));
    const shape = [1, 2, m, 8];
    const constants = { mask: tensor("bool", [m, m], open), fill: none };
    for (const choice of ["mask s fill", "boolnot fill s"]) {
      const lines: Line[] = [turn, ["Not", "mask", "boolnot"], product, ["Where", choice, "m"], weigh("m"), last];
      compare({ inputs: { q: shape, k: shape, v: shape }, constants, lines });
    }
  });
});

describe("left as it is", () => {
  const constants = { c: 2.5 };
  const plain: readonly Line[] = [turn, product, ["Div", "s c", "d"], weigh("d"), last];
  test.each(["kt", "s", "d", "w"])("where %s is an output", (name) => {
    const network = { inputs: { q, k, v }, constants, lines: plain, outputs: ["y", name] };
    const ops = opsOf(graphOf(network));
    // K^T alone may be read elsewhere: it is turned for both.
    if (name === "kt") expect(ops).toEqual(["Transpose", "Attention"]);
    else expect(ops).not.toContain("Attention");
  });

  test.each([
    ["the softmax is not over the last axis", [turn, product, ["Softmax", "s", "w", { axis: 2 }], last]],
    ["an axis that may not be the last", [product, ["Softmax", "s", "w", { axis: 2 }], last]],
    ["weights are read twice", [...plain.slice(0, 4), ["MatMul", "w v", "z"], ["Add", "z w", "y"]]],
    ["weights are on the right", [turn, product, weigh("s"), ["MatMul", "v w", "y"]]],
    ["scores are added to themselves", [turn, product, ["Add", "s s", "d"], weigh("d"), last]],
    ["a mask is scaled too", [turn, product, ["Add", "s mask", "m"], ["Div", "m c", "d"], weigh("d"), last]],
    ["a divisor is divided", [turn, product, ["Div", "c s", "d"], weigh("d"), last]],
    ["a factor is computed", [turn, product, ["Mul", "s mask", "d"], weigh("d"), last]],
    ["a choice is between two values", [turn, product, ["Where", "open s mask", "m"], weigh("m"), last]],
    ["a factor has too many dimensions", [turn, product, ["Mul", "s tall", "d"], weigh("d"), last]],
    ["keys are weights", [["MatMul", "q fixed", "s"], weigh("s"), last]],
    ["values are weights", [turn, product, weigh("s"), ["MatMul", "w rows", "y"]]],
    ["Q may be a vector", [turn, ["ReduceSum", "q", "u"], ["MatMul", "u kt", "s"], weigh("s"), last]],
  ] as [string, Line[]][])("where %s", (_name, lines) => {
    const inputs = { q, k, v, kt: [2, 3, 8, 7], mask: [5, 7] };
    const more = {
      c: 2.5,
      tall: tensor("float32", [1, 1, 1], [2]),
      fixed: tensor("float32", [8, 7], new Array(56).fill(0.5)),
      rows: tensor("float32", [7, 6], new Array(42).fill(0.5)),
    };
    const used = lines.map(([, , output]) => output);
    const graph = graphOf({
      inputs: Object.fromEntries(Object.entries(inputs).filter(([name]) => !used.includes(name))),
      bools: { open: [5, 7] },
      constants: more,
      lines,
    });
    expect(opsOf(graph)).toEqual(modernize(graph).nodes.map(({ op }) => op));
  });

  test("a graph without it is the same graph", () => {
    const graph = graphOf({ inputs: { q }, lines: [["Relu", "q", "y"]] });
    expect(attend(graph)).toBe(graph);
  });
});

test.each([
  [
    "a mask that does not broadcast",
    { mask: [4, 7] },
    "input 3: expected a mask that broadcasts to [5, 7], got [4, 7]",
  ],
  ["a mask of another batch", { mask: [4, 1, 5, 7] }, "input 3: expected a shape that broadcasts with"],
  ["keys of another size", { k: [2, 3, 7, 9] }, "input 1: expected keys of 8 values, got [2, 3, 7, 9]"],
  ["values of another length", { v: [2, 3, 6, 6] }, "input 2: expected 7 rows of values, got [2, 3, 6, 6]"],
  ["values of other heads", { v: [2, 4, 7, 6] }, "input 2: expected a shape that broadcasts with"],
])("%s is refused by name", (_name, change, message) => {
  const inputs: Record<string, number[]> = { q, k, v, mask: [5, 7], ...change };
  const graph = graphOf({ inputs, lines: [turn, product, ["Add", "s mask", "m"], weigh("m"), last] });
  const feeds = Object.fromEntries(
    Object.entries(inputs).map(([name, shape]): [string, Tensor] => [
      name,
      { dtype: "float32", shape, data: new Float32Array(sizeOf(shape)) },
    ]),
  );
  const error = thrown(() => new Model(graph, runModule).run(feeds)) as Error;
  expect(error).toBeInstanceOf(ShapeError);
  expect(error.message).toContain(`Softmax3 (Attention) ${message}`);
});
