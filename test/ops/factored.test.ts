import { describe, expect, test } from "vitest";
import { denseOf, rebuildColumns } from "../../src/graph/storage.js";
import type { FactoredWeight } from "../../src/graph/weight.js";
import type { Factored } from "../../src/ops/factored.js";
import { twoStepsBelow } from "../../src/ops/factored.js";
import { Model } from "../../src/runtime/session.js";
import { product, roundedProduct } from "../reference/ops.js";
import { expectSame, expectWithin } from "../support/compare.js";
import { builds, Guarded, normals } from "../support/kernels.js";
import { bits, expectClose, factoredWeight, fed, network, runModule, withWeights } from "../support/network.js";

/** m, n, k and d around each edge: 5 rows, 8 and 32 columns, blocks of 256 in k, pieces across a block. */
const pieces = [
  ...[0, 1, 4, 5, 6].flatMap((m) => [1, 7, 8, 9, 17].map((n) => [m, n, 12, 4] as const)),
  [3, 9, 255, 5],
  [3, 9, 256, 64],
  [2, 8, 257, 257],
  [7, 16, 261, 9],
  [5, 5, 520, 65],
  [2, 3, 300, 300],
  [1, 33, 31, 1],
  [121, 12, 66, 33],
] as const;
const columns = [
  ...[0, 1, 4, 5, 6].flatMap((m) => [1, 3, 5, 8, 31, 32, 33, 65].map((n) => [m, n, 7] as const)),
  [2, 31, 255],
  [3, 40, 256],
  [2, 33, 257],
  [121, 17, 13],
] as const;

describe.each(builds())("$name", ({ name, kernels }) => {
  /** C += A W^T by the kernel that fits the layout and the factors, against the product with W rebuilt. */
  function check(m: number, n: number, k: number, weight: FactoredWeight) {
    const [a, c] = [normals(m * k, 1), normals(m * n, 2)];
    const float = (weight.codes as Int8Array | Float32Array) instanceof Float32Array;
    const memory = new Guarded(kernels);
    const stored = [weight.rowPtr, weight.col, weight.codes, weight.codeScale].map((part) => memory.place(part));
    const target = memory.place(c);
    const scratch = memory.room(kernels.factored_scratch_bytes(m, k));
    // In turn, one of the sources ends where memory ends.
    const flushed = (m + n) % 2 === 1;
    let [pa, book] = flushed ? [memory.place(a), 0] : [0, memory.place(weight.codebook)];
    if (flushed) book = memory.placeFlush(weight.codebook);
    else pa = memory.placeFlush(a);
    const [rowPtr, col, codes, codeScale] = stored;
    const { layout, d, k: atoms, codebookScale } = weight;
    if (float) {
      const rest = [pa, rowPtr, col, codes, book, target, scratch] as const;
      if (layout === "rows") kernels.factored_columns_f32(m, n, k, ...rest);
      else kernels.factored_pieces_f32(m, n, k, d, ...rest);
    } else {
      const rest = [pa, rowPtr, col, codes, codeScale, book, target, scratch, codebookScale] as const;
      if (layout === "rows") kernels.factored_columns_i8(m, n, k, atoms, ...rest);
      else kernels.factored_pieces_i8(m, n, k, d, atoms, ...rest);
    }
    memory.check();
    const got = memory.read(Float32Array, target, m * n);
    const w = denseOf(weight);
    const sizes = denseOf({ ...weight, codes: weight.codes.map(Math.abs), codebook: weight.codebook.map(Math.abs) });
    const left = (i: number, p: number) => a[i * k + p];
    const what = `${m} ${n} ${k}`;
    if (name !== "relaxed")
      expectSame(
        got,
        roundedProduct(m, n, k, left, (p, j) => w[j * k + p], c),
        what,
      );
    const { value } = product(m, n, k, left, (p, j) => w[j * k + p], c);
    const { size } = product(
      m,
      n,
      k,
      (i, p) => Math.abs(left(i, p)),
      (p, j) => sizes[j * k + p],
      c.map(Math.abs),
    );
    expectWithin(got, { value, size }, k + 2 * weight.k + 4, what);
  }

  /** With f32 factors, which have no scales. */
  function unquantized(weight: FactoredWeight): FactoredWeight {
    const [codes, codebook] = [normals(weight.codes.length, 3), normals(weight.codebook.length, 4)];
    const ones = new Float32Array(weight.k).fill(1);
    return { ...weight, codes, codebook, codeScale: ones, codebookScale: 1 } as unknown as FactoredWeight;
  }

  test.each([
    ["i8", (weight: FactoredWeight) => weight],
    ["f32", unquantized],
  ] as const)("factored_pieces_%s is the product with the rebuilt weight", (_, made) => {
    for (const [m, n, k, d] of pieces) {
      for (const density of [0, 0.4, 1])
        check(m, n, k, made(factoredWeight([n, k], "kernel", { seed: n, k: 5, d, density })));
    }
  });

  test.each([
    ["i8", (weight: FactoredWeight) => weight],
    ["f32", unquantized],
  ] as const)("factored_columns_%s is the product with the rebuilt weight", (_, made) => {
    for (const [m, n, k] of columns) {
      for (const density of [0, 0.4, 1])
        check(m, n, k, made(factoredWeight([n, k], "rows", { seed: n, k: 5, density })));
    }
  });
});

test("the twin rebuilds what it is told", () => {
  const weight = factoredWeight([3, 8], "kernel", { seed: 1, k: 2, d: 4, density: 1 });
  expect(rebuildColumns(weight)).toHaveLength(24);
});

describe("two steps or rebuilt", () => {
  const weight = (rows: number, cols: number, layout: "kernel" | "rows", k: number, d: number, perColumn: number) => {
    const n = (rows * cols) / d;
    return { layout, rows, cols, d, k, n, nnz: n * perColumn } as unknown as Factored;
  };

  test("two steps for every batch where a column of them takes less time", () => {
    expect(twoStepsBelow(weight(4096, 4096, "rows", 512, 4096, 32))).toBe(Infinity);
    expect(twoStepsBelow(weight(4096, 4096, "kernel", 256, 64, 4))).toBe(Infinity);
  });

  test("up to the batch that pays for rebuilding where a column takes more", () => {
    // 64 rows, 64 inputs in pieces of 16, 80 atoms: 5120 + 2 * 512 against 4096 multiply-adds, rebuilding 3 * 512 * (16 + 16).
    const small = weight(64, 64, "kernel", 80, 16, 2);
    expect(twoStepsBelow(small)).toBe((3 * 512 * (16 + 16)) / (5120 + 1024 - 4096));
    expect(twoStepsBelow(weight(64, 64, "kernel", 800, 16, 2))).toBeLessThan(2);
  });

  // Measured by `npm run bench -- crossover`, the mean of the strict and the relaxed build.
  test.each([
    [256, 256, "rows", 384, 256, 16, 79],
    [512, 512, "rows", 1024, 512, 16, 44],
    [500, 800, "rows", 1000, 500, 6, 70],
    [1024, 1024, "rows", 1536, 1024, 8, 50],
    [64, 1024, "kernel", 96, 16, 2, 16],
    [64, 800, "kernel", 128, 25, 4, 16],
    [128, 512, "kernel", 192, 32, 3, 17],
    [256, 256, "kernel", 320, 16, 2, 22],
  ] as const)("%i x %i by %s, %i atoms of %i, %i a column: within 20 %% of the batch %i", (...given) => {
    const [rows, cols, layout, k, d, perColumn, measured] = given;
    const ratio = twoStepsBelow(weight(rows, cols, layout, k, d, perColumn)) / measured;
    expect(ratio).toBeGreaterThan(1 / 1.2);
    expect(ratio).toBeLessThan(1.2);
  });

  test.each(["rows", "kernel"] as const)("a session takes them below that batch and rebuilds above, %s", (layout) => {
    const stored = factoredWeight([24, 40], layout, {
      seed: 3,
      k: layout === "rows" ? 44 : 30,
      d: layout === "kernel" ? 8 : undefined,
      density: 0.05,
    });
    const placed = { ...stored, rows: 24, cols: 40, nnz: stored.col.length } as unknown as Factored;
    const below = twoStepsBelow({ ...placed, rows: 24, cols: 40 });
    expect(below).toBeGreaterThan(2);
    expect(below).toBeLessThan(64);
    const graph = withWeights(network("Gemm", [40], [24], { transB: 1 }, [24, 40], 24), [["w", stored]]);
    const [free, exact] = [false, true].map((exact) => new Model(graph, runModule, { exact }));
    for (const [batch, same] of [
      [1, false],
      [Math.ceil(below) - 1, false],
      [Math.ceil(below), true],
      [70, true],
    ] as const) {
      const x = fed([batch, 40], 5);
      const got = free.run({ x }).y;
      expectClose(got, graph, { x }, 120);
      expect(JSON.stringify(bits(got.data)) === JSON.stringify(bits(exact.run({ x }).y.data)), `${batch}`).toBe(same);
    }
  });
});

test.each(["none", "rows"] as const)("sparse products give the same bits whatever the batch, scale: %s", (scales) => {
  const dense = normals(37 * 50, 1, 0.9);
  const rowPtr = new Uint32Array(38);
  const col: number[] = [];
  const values: number[] = [];
  for (let r = 0; r < 37; r++) {
    for (let c = 0; c < 50; c++) {
      // Rows of every length, one without any entry.
      if (dense[r * 50 + c] === 0 || r === 5 || c % (r + 1) > 9) continue;
      col.push(c);
      values.push(scales === "none" ? dense[r * 50 + c] : Math.round(dense[r * 50 + c] * 40) || 1);
    }
    rowPtr[r + 1] = col.length;
  }
  const weight = {
    kind: "sparse",
    shape: [37, 50],
    rowPtr,
    col: Uint32Array.from(col),
    values: scales === "none" ? Float32Array.from(values) : Int8Array.from(values),
    ...(scales === "none" ? {} : { scale: normals(37, 2).map((v) => 0.01 + Math.abs(v)) }),
  } as const;
  for (const [op, shape, out] of [
    ["Gemm", [50], 37],
    ["MatMul", [37], 50],
  ] as const) {
    const graph = withWeights(network(op, shape, [out], op === "Gemm" ? { transB: 1 } : {}, [37, 50]), [["w", weight]]);
    const model = new Model(graph, runModule);
    const x = fed([60, shape[0]], 4);
    const whole = model.run({ x }).y.data;
    expectClose(model.run({ x }).y, graph, { x }, 60);
    for (const batch of [1, 2, 3, 4, 5, 9, 17, 23, 24, 25, 57]) {
      const part = model.run({ x: x.data.slice(0, batch * shape[0]) }).y.data;
      expect(bits(part), `${op} ${batch}`).toEqual(bits(whole.slice(0, batch * out)));
    }
  }
});
